//! The bytes of an answer become a sample, or a reason why there is none.
//!
//! In: the body of an HTTP answer, already capped. Out: a [`Sample`] or the points of a range, or a [`Refusal`].
//! Strict where leniency could make a number up: a duplicate key, a value that is no string, a number in a form
//! that Prometheus does not write, two series where one was asked for. The label `Content-Type` is not believed
//! either way: the body must be UTF-8 JSON of the expected shape.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};

use crate::decide::evidence::Absence;
use crate::units::Timestamp;

/// A note is for a status line; longer ones are cut here.
pub(super) const NOTE_BYTES_MAX: usize = 256;
/// The last second of the year 9999: a time beyond it is none.
const SECONDS_MAX: f64 = 253_402_300_799.0;
/// The words in `errorType`; with another one the text is not from Prometheus and is not repeated.
const ERROR_TYPES: [&str; 9] = [
    "timeout",
    "canceled",
    "execution",
    "bad_data",
    "internal",
    "unavailable",
    "not_found",
    "not_acceptable",
    "too_many_requests",
];

/// Why there is nothing usable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The kind.
    pub(super) absence: Absence,
    /// In words, sanitised.
    pub(super) note: String,
}

impl Refusal {
    pub(super) fn new(absence: Absence, note: &str) -> Self {
        Self { absence, note: sanitised(note) }
    }
}

/// One number of an instant query.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    /// The number; any bit pattern.
    pub(super) value: f64,
    /// The number as the source wrote it.
    pub(super) digits: String,
    /// Its time by the source's clock.
    pub(super) at: Timestamp,
    /// What the source warned of; then the number may be incomplete.
    pub(super) warning: Option<String>,
}

/// The points of one range query, as the source wrote them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Points {
    /// Time and number; any order, any bit pattern.
    pub(super) points: Vec<(Timestamp, f64)>,
    /// What the source warned of; then the numbers may be incomplete.
    pub(super) warning: Option<String>,
}

/// Cuts `text` to 256 bytes and takes out what could disturb a terminal, a log or the order of reading.
pub(super) fn sanitised(text: &str) -> String {
    let mut clean = String::new();
    for c in text.chars() {
        let c = if c.is_whitespace() { ' ' } else { c };
        let invisible = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if c.is_control() || invisible || (c == ' ' && clean.ends_with(' ')) {
            continue;
        }
        if clean.len() + c.len_utf8() > NOTE_BYTES_MAX {
            break;
        }
        clean.push(c);
    }
    clean
}

/// The sample in the answer to an instant query.
pub(super) fn instant(body: &[u8]) -> Result<Sample, Refusal> {
    let (text, warning) = success(body)?;
    let Data { result_type, result } = data(text)?;
    match result_type.as_str() {
        "vector" => {
            let series = one_series(result)?;
            let Some(Series { value, values: None, .. }) = series else {
                return Err(series.map_or_else(
                    || Refusal::new(Absence::Empty, Absence::Empty.words()),
                    |_| malformed("the series is one of a range"),
                ));
            };
            let (Stamp(at), Written(digits, value)) =
                value.ok_or_else(|| malformed("the series has no value"))?;
            Ok(Sample { value, digits, at, warning })
        }
        "scalar" => {
            let mut cells = result.kept.into_iter();
            match (cells.next(), cells.next(), cells.next()) {
                (Some(Cell::Number(seconds)), Some(Cell::Text(text)), None) => {
                    let at = instant_of(seconds).ok_or_else(|| malformed("the time of the value is none"))?;
                    let value = number(&text).ok_or_else(|| malformed("the value is no number"))?;
                    Ok(Sample { value, digits: text, at, warning })
                }
                _ => Err(malformed("a scalar is a time and a value")),
            }
        }
        "matrix" => Err(malformed("the query gives a range, not a value: leave out the outer `[..]`")),
        "string" => Err(malformed("the query gives a text, not a value")),
        _ => Err(malformed("the type of the result is not known")),
    }
}

/// The points in the answer to a range query; none when no series matched.
pub(super) fn range(body: &[u8]) -> Result<Points, Refusal> {
    let (text, warning) = success(body)?;
    let Data { result_type, result } = data(text)?;
    if result_type != "matrix" {
        return Err(malformed("a range was asked for and the answer holds none"));
    }
    let Some(Series { value, values, .. }) = one_series(result)? else {
        return Ok(Points { points: Vec::new(), warning });
    };
    if value.is_some() {
        return Err(malformed("the series is one of an instant"));
    }
    let values = values.ok_or_else(|| malformed("the series has no values"))?;
    Ok(Points { points: values.into_iter().map(|(Stamp(at), Number(value))| (at, value)).collect(), warning })
}

/// The words of Prometheus in the body of a failed request; `None` when the body is not from Prometheus.
pub(super) fn error_text(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let envelope: Envelope = serde_json::from_str(text).ok()?;
    (envelope.status == "error").then(|| envelope.complaint())?
}

/// The only series of floats in `result`, if there is any.
fn one_series(result: Leading<Cell, 3>) -> Result<Option<Series>, Refusal> {
    let mut only = None;
    let Leading { kept, n: n_series } = result;
    for cell in kept {
        match cell {
            Cell::Series(Series { histogram: None, histograms: None, .. }) if n_series > 1 => {}
            Cell::Series(series @ Series { histogram: None, histograms: None, .. }) => only = Some(series),
            Cell::Series(_) => {
                return Err(malformed(
                    "the answer holds native histograms: take a float, such as histogram_count()",
                ));
            }
            Cell::Number(_) | Cell::Text(_) => {
                return Err(malformed("the result holds something that is no series"));
            }
        }
    }
    if n_series > 1 {
        return Err(Refusal::new(Absence::ManySeries, Absence::ManySeries.words()));
    }
    Ok(only)
}

fn malformed(note: &str) -> Refusal {
    Refusal::new(Absence::Malformed, note)
}

/// The body as text and its warning, when the source says that it succeeded.
fn success(body: &[u8]) -> Result<(&str, Option<String>), Refusal> {
    let text = std::str::from_utf8(body).map_err(|_| malformed("the answer is not UTF-8"))?;
    let envelope: Envelope = serde_json::from_str(text).map_err(|error| shape(&error))?;
    match envelope.status.as_str() {
        "success" => Ok((text, envelope.warning())),
        "error" => {
            let note = envelope.complaint().unwrap_or_else(|| Absence::SourceError.words().to_owned());
            Err(Refusal::new(Absence::SourceError, &note))
        }
        _ => Err(malformed("the status of the answer is neither `success` nor `error`")),
    }
}

fn data(text: &str) -> Result<Data, Refusal> {
    let answer: AnswerBody = serde_json::from_str(text).map_err(|error| shape(&error))?;
    Ok(answer.data)
}

/// Where the decoder stopped, without the text that it stopped at: that text is the remote side's.
fn shape(error: &serde_json::Error) -> Refusal {
    use serde_json::error::Category;
    let what = match error.classify() {
        Category::Eof => "the answer ends too early",
        Category::Syntax | Category::Io => "the answer is not JSON",
        Category::Data => "the answer is not of the shape of a Prometheus answer",
    };
    malformed(&format!("{what} (line {}, column {})", error.line(), error.column()))
}

/// A first look: did it succeed? The data of a failed answer are not looked at.
#[derive(Deserialize)]
struct Envelope {
    status: String,
    #[serde(rename = "errorType")]
    error_type: Option<String>,
    error: Option<String>,
    warnings: Option<Leading<String, 1>>,
}

impl Envelope {
    fn warning(self) -> Option<String> {
        self.warnings?.kept.first().map(|warning| sanitised(warning))
    }

    fn complaint(self) -> Option<String> {
        let kind = self.error_type.filter(|kind| ERROR_TYPES.contains(&kind.as_str()))?;
        Some(sanitised(&format!("{kind}: {}", self.error.unwrap_or_default())))
    }
}

#[derive(Deserialize)]
struct AnswerBody {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    result_type: String,
    result: Leading<Cell, 3>,
}

/// A list of which the first `N` are kept and the others are only checked and counted: a body at the byte cap may
/// hold millions of elements, each of which would take 30 times its bytes.
struct Leading<T, const N: usize> {
    kept: Vec<T>,
    n: usize,
}

/// An element of `result`: a series of a vector or matrix, or half of a scalar. Which one is right depends on
/// `resultType`, which may come after it.
enum Cell {
    Series(Series),
    Number(f64),
    Text(String),
}

#[derive(Deserialize)]
struct Series {
    #[serde(rename = "metric")]
    #[expect(dead_code, reason = "an object must stand here; its labels are of no use")]
    metric: Labels,
    value: Option<(Stamp, Written)>,
    values: Option<Vec<(Stamp, Number)>>,
    histogram: Option<IgnoredAny>,
    histograms: Option<IgnoredAny>,
}

/// Any object.
struct Labels;

/// A time in seconds since the Unix epoch, with a fraction.
struct Stamp(Timestamp);

/// A number in the text form of Prometheus.
struct Number(f64);

/// The same, with the text itself: money is read from that.
struct Written(String, f64);

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for Leading<T, N> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<T, const N: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for List<T, N> {
            type Value = Leading<T, N>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut leading = Leading { kept: Vec::new(), n: 0 };
                while let Some(element) = list.next_element()? {
                    leading.n += 1;
                    if leading.n <= N {
                        leading.kept.push(element);
                    }
                }
                Ok(leading)
            }
        }
        deserializer.deserialize_seq(List(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Labels;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("labels")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Labels)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        instant_of(seconds).map(Self).ok_or_else(|| D::Error::custom("no time"))
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Number;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number as a text")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Number, E> {
                number(text).map(Number).ok_or_else(|| E::custom("no number"))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        number(&text).map(|value| Self(text, value)).ok_or_else(|| D::Error::custom("no number"))
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyCell;
        impl<'de> Visitor<'de> for AnyCell {
            type Value = Cell;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a series, a time or a value")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Cell, A::Error> {
                Series::deserialize(MapAccessDeserializer::new(map)).map(Cell::Series)
            }
            fn visit_f64<E>(self, number: f64) -> Result<Cell, E> {
                Ok(Cell::Number(number))
            }
            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Cell, E> {
                let seconds = u32::try_from(number).map_err(|_| E::custom("no time"))?;
                Ok(Cell::Number(f64::from(seconds)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Cell, E> {
                Ok(Cell::Text(text.to_owned()))
            }
        }
        deserializer.deserialize_any(AnyCell)
    }
}

/// Seconds as an instant, rounded to milliseconds; `None` when negative or after the year 9999.
fn instant_of(seconds: f64) -> Option<Timestamp> {
    if !(0.0..=SECONDS_MAX).contains(&seconds) {
        return None;
    }
    let nanos = std::time::Duration::try_from_secs_f64(seconds).ok()?.as_nanos();
    i64::try_from((nanos + 500_000) / 1_000_000).ok().map(Timestamp::from_millis)
}

/// A number as Prometheus writes it: `-`, digits, a fraction, an exponent, or `NaN`, `Inf`, `+Inf`, `-Inf`. Rust's
/// own parser takes more (`infinity`, `.5`, `+1`), and none of that comes from Prometheus.
fn number(text: &str) -> Option<f64> {
    match text {
        "NaN" => return Some(f64::NAN),
        "Inf" | "+Inf" => return Some(f64::INFINITY),
        "-Inf" => return Some(f64::NEG_INFINITY),
        _ => {}
    }
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let power = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if !(digits(whole) && digits(fraction) && digits(power)) {
        return None;
    }
    // `1e999` names a finite number that no f64 holds: infinity would be made up.
    text.parse::<f64>().ok().filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests;
