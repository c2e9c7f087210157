//! CSV files of samples: `timestamp,value`, and every problem with its line and what to do.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Context as _;

use crate::calendar::parse_instant;
use crate::units::{Span, Timestamp, whole};

/// Most rows of one file: a year of 10 s.
const ROWS_MAX: usize = 3_200_000;

/// Problems that are named; the rest are counted.
const NAMED_MAX: usize = 20;

/// Everything that is wrong with a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Problems {
    named: Vec<String>,
    more: usize,
}

impl Problems {
    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    pub(super) fn add(&mut self, line: u64, what: fmt::Arguments<'_>) {
        if self.named.len() < NAMED_MAX {
            self.named.push(format!("line {line}: {what}"));
        } else {
            self.more += 1;
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.named.join("\n  "))?;
        if self.more > 0 {
            write!(f, "\n  and {} more", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// How an instant names its zone.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Zone {
    /// As `Z` or `+02:00`.
    Offset(String),
    /// Seconds since 1970.
    Unix,
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offset(offset) => write!(f, "in zone `{offset}`"),
            Self::Unix => f.write_str("in seconds since 1970"),
        }
    }
}

/// The samples of a CSV file `timestamp,value`, rising in time. An empty value is an absent sample.
///
/// # Errors
/// A file that cannot be opened; every problem in it with its line and a remedy.
pub(super) fn read_file(file: &Path) -> anyhow::Result<Vec<(Timestamp, f64)>> {
    let name = file.display();
    let source = File::open(file).with_context(|| format!("cannot open `{name}`"))?;
    read(source).map_err(|problems| anyhow::anyhow!("`{name}` has problems:\n  {problems}"))
}

/// The times between two neighbouring samples, rising.
pub(super) fn distances<T>(samples: &[(Timestamp, T)]) -> Vec<Span> {
    let mut distances: Vec<Span> =
        samples.iter().zip(samples.iter().skip(1)).map(|((a, _), (b, _))| b.since(*a)).collect();
    distances.sort_unstable();
    distances
}

/// The median of such times; `None` when there is none.
pub(super) fn usual(distances: &[Span]) -> Option<Span> {
    distances.get(distances.len() / 2).copied()
}

/// What [`read_file`] finds in a file.
///
/// # Errors
/// [`Problems`] with the line of each, and a remedy.
fn read(source: impl Read) -> Result<Vec<(Timestamp, f64)>, Problems> {
    let mut reader =
        csv::ReaderBuilder::new().flexible(true).has_headers(false).trim(csv::Trim::All).from_reader(source);
    let mut rows = Rows::default();
    for record in reader.records() {
        match record {
            Ok(record) => rows.take(&record),
            Err(error) => {
                let line = error.position().map_or(rows.line + 1, csv::Position::line);
                rows.problems.add(
                    line,
                    format_args!("cannot be read ({}): save the file as UTF-8 CSV", brief(&error)),
                );
                break;
            }
        }
        if rows.samples.len() > ROWS_MAX {
            let line = rows.line;
            rows.problems
                .add(line, format_args!("more than {ROWS_MAX} samples: keep a year, or a longer step"));
            break;
        }
    }
    rows.finish()
}

fn brief(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "it is not UTF-8".to_owned(),
        csv::ErrorKind::Io(error) => error.to_string(),
        _ => error.to_string(),
    }
}

/// What has been read so far.
#[derive(Default)]
struct Rows {
    header_seen: bool,
    /// The header was wrong: what follows says nothing new.
    hopeless: bool,
    line: u64,
    zone: Option<(Zone, u64)>,
    samples: Vec<(Timestamp, f64)>,
    lines: HashMap<Timestamp, u64>,
    newest: Option<(Timestamp, u64)>,
    problems: Problems,
}

impl Rows {
    fn take(&mut self, record: &csv::StringRecord) {
        self.line = record.position().map_or(self.line + 1, csv::Position::line);
        if !self.header_seen {
            self.header_seen = true;
            self.header(record);
        } else if !self.hopeless {
            self.sample(record);
        }
    }

    fn header(&mut self, record: &csv::StringRecord) {
        let line = self.line;
        let names: Vec<&str> = record.iter().map(|name| name.trim_start_matches('\u{feff}')).collect();
        match names.as_slice() {
            ["timestamp", "value"] => return,
            [first, ..] if instant(first).is_some() => {
                self.problems
                    .add(line, format_args!("there is no header: begin the file with `timestamp,value`"));
            }
            [one] if one.contains(';') || one.contains('\t') => {
                self.problems.add(
                    line,
                    format_args!("columns are not separated by commas: save the file as `timestamp,value`"),
                );
            }
            [_, _] => {
                let shown: String = names.join(",").chars().take(80).collect();
                self.problems
                    .add(line, format_args!("the columns are `{shown}`: name them `timestamp,value`"));
            }
            names => {
                let n = names.len();
                let shown: String = names.join(",").chars().take(80).collect();
                self.problems.add(
                    line,
                    format_args!("{n} columns (`{shown}`): keep two, and name them `timestamp,value`"),
                );
            }
        }
        self.hopeless = true;
    }

    fn sample(&mut self, record: &csv::StringRecord) {
        let line = self.line;
        let fields: Vec<&str> = record.iter().collect();
        let [timestamp, value] = fields.as_slice() else {
            let n = fields.len();
            self.problems.add(line, format_args!("{n} columns: write `timestamp,value`"));
            return;
        };
        let shown: String = timestamp.chars().take(64).collect();
        let Some((at, zone)) = instant(timestamp) else {
            self.problems.add(
                line,
                format_args!("`{shown}` is no instant with a zone: write it as `2026-01-01T00:00:00Z`"),
            );
            return;
        };
        let (first_zone, first_line) = self.zone.get_or_insert_with(|| (zone.clone(), line));
        if *first_zone != zone {
            let what = format!(
                "`{shown}` is {zone}, line {first_line} {first_zone}: write all instants in one zone, best in UTC"
            );
            self.problems.add(line, format_args!("{what}"));
            return;
        }
        if let Some(earlier) = self.lines.insert(at, line) {
            self.problems.add(
                line,
                format_args!(
                    "`{shown}` was given on line {earlier} already: keep one sample for each instant"
                ),
            );
            return;
        }
        if let Some((newest, newest_line)) = self.newest
            && at < newest
        {
            self.problems.add(
                line,
                format_args!("`{shown}` is earlier than line {newest_line}: sort the file by timestamp"),
            );
            return;
        }
        self.newest = Some((at, line));
        self.value(at, value);
    }

    fn value(&mut self, at: Timestamp, text: &str) {
        let line = self.line;
        if text.is_empty() {
            return;
        }
        let shown: String = text.chars().take(64).collect();
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() && value >= 0.0 => self.samples.push((at, value)),
            Ok(value) if value < 0.0 => self.problems.add(
                line,
                format_args!("`{shown}` is negative, which demand is not: correct the query that made it"),
            ),
            _ => self.problems.add(
                line,
                format_args!("`{shown}` is no number: leave the value empty where nothing was read"),
            ),
        }
    }

    fn finish(mut self) -> Result<Vec<(Timestamp, f64)>, Problems> {
        if self.problems.named.is_empty() && self.samples.is_empty() {
            let line = self.line.max(1);
            self.problems.add(
                line,
                format_args!("the file holds no sample: write `timestamp,value` and a row for each"),
            );
        }
        if self.problems.named.is_empty() { Ok(self.samples) } else { Err(self.problems) }
    }
}

/// An instant and how it names its zone; `None` when it names none.
fn instant(text: &str) -> Option<(Timestamp, Zone)> {
    if let Ok(seconds) = text.parse::<f64>() {
        // Seconds between the years 1971 and 2286: nine or ten digits.
        let millis = (seconds * 1000.0).round();
        let millis = whole(millis).filter(|_| (3.2e10..1e13).contains(&millis))?;
        return Some((Timestamp::from_millis(millis.cast_signed()), Zone::Unix));
    }
    let at = parse_instant(text)?;
    let zone = if text.ends_with(['Z', 'z']) {
        "Z".to_owned()
    } else {
        text.get(text.len().checked_sub(6)?..)?.to_owned()
    };
    Some((at, Zone::Offset(zone)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> String {
        read(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn samples_are_read_and_an_empty_value_is_an_absent_one() {
        let text = "\u{feff}timestamp,value\n2026-01-01T00:00:00Z,1.5\n2026-01-01T00:01:00Z,\n2026-01-01T00:02:00.500Z, 3e2\n";
        let samples = read(text.as_bytes()).unwrap();
        let start = parse_instant("2026-01-01T00:00:00Z").unwrap();
        assert_eq!(samples, [(start, 1.5), (Timestamp::from_millis(start.millis() + 120_500), 300.0)]);
        let unix = read("timestamp,value\n1767225600,1.5\n1767225660.5,2\n".as_bytes()).unwrap();
        assert_eq!(unix, [(start, 1.5), (Timestamp::from_millis(start.millis() + 60_500), 2.0)]);
        let local = read("timestamp,value\n2026-01-01T01:00:00+01:00,1.5\n".as_bytes()).unwrap();
        assert_eq!(local, [(start, 1.5)]);
    }

    #[test]
    fn every_problem_has_its_line_and_a_remedy() {
        let text = "timestamp,value\n\
                    2026-01-01T00:00:00Z,1\n\
                    2026-01-01T00:00:00Z,2\n\
                    2026-01-01T00:05:00Z,NaN\n\
                    2026-01-01T00:04:00Z,1\n\
                    2026-01-01T01:06:00+01:00,1\n\
                    2026-01-01T00:07:00Z,-3\n\
                    2026-01-01 00:08:00,1\n\
                    2026-01-01T00:09:00Z,1,2\n\
                    2026-01-01T00:10:00Z,lots\n";
        let expected = "\
            line 3: `2026-01-01T00:00:00Z` was given on line 2 already: keep one sample for each instant\n  \
            line 4: `NaN` is no number: leave the value empty where nothing was read\n  \
            line 5: `2026-01-01T00:04:00Z` is earlier than line 4: sort the file by timestamp\n  \
            line 6: `2026-01-01T01:06:00+01:00` is in zone `+01:00`, line 2 in zone `Z`: write all instants in one zone, best in UTC\n  \
            line 7: `-3` is negative, which demand is not: correct the query that made it\n  \
            line 8: `2026-01-01 00:08:00` is no instant with a zone: write it as `2026-01-01T00:00:00Z`\n  \
            line 9: 3 columns: write `timestamp,value`\n  \
            line 10: `lots` is no number: leave the value empty where nothing was read";
        assert_eq!(problems(text), expected);
    }

    #[test]
    fn files_of_another_shape_are_refused_at_their_first_line() {
        let wide = "timestamp,a,b,c,d,e,f,g,h,i\n2026-01-01T00:00:00Z,1,2,3,4,5,6,7,8,9\n";
        for (text, expected) in [
            (wide, "10 columns (`timestamp,a,b,c,d,e,f,g,h,i`): keep two, and name them `timestamp,value`"),
            (
                "2026-01-01T00:00:00Z,1\n2026-01-01T00:01:00Z,1\n",
                "there is no header: begin the file with `timestamp,value`",
            ),
            (
                "timestamp;value\n2026-01-01T00:00:00Z;1\n",
                "columns are not separated by commas: save the file as `timestamp,value`",
            ),
            (
                "time,requests\n2026-01-01T00:00:00Z,1\n",
                "the columns are `time,requests`: name them `timestamp,value`",
            ),
            ("", "the file holds no sample: write `timestamp,value` and a row for each"),
            ("timestamp,value\n", "the file holds no sample: write `timestamp,value` and a row for each"),
        ] {
            assert_eq!(problems(text), format!("line 1: {expected}"));
        }
        let absent = problems("timestamp,value\n2026-01-01T00:00:00Z,\n");
        assert_eq!(absent, "line 2: the file holds no sample: write `timestamp,value` and a row for each");
    }

    #[test]
    fn many_problems_are_counted() {
        let rows: Vec<String> = (0..30).map(|i| format!("2026-01-01T00:{i:02}:00Z,-1\n")).collect();
        let text = problems(&format!("timestamp,value\n{}", rows.concat()));
        assert!(text.ends_with("and 10 more"), "{text}");
        assert_eq!(text.lines().count(), NAMED_MAX + 1);
    }

    #[test]
    fn what_is_not_utf_8_names_its_line() {
        let error =
            read(&b"timestamp,value\n2026-01-01T00:00:00Z,1\n\xff\xfe,2\n"[..]).unwrap_err().to_string();
        assert_eq!(error, "line 3: cannot be read (it is not UTF-8): save the file as UTF-8 CSV");
    }
}
