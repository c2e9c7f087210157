//! Decision logs as files: read line by line, however long, with every bad line and what to do.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

use anyhow::{Context as _, bail};

use super::samples::Problems;
use crate::journal::{self, Record};

/// Longest line: a decision on eight metrics has about 100 KB.
const LINE_MAX: u64 = 1 << 20;

/// What a whole log held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// Decisions that were looked at.
    pub(super) decisions: usize,
    /// Lines of other logs in the same stream.
    pub(super) others: usize,
}

/// Whether to read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Yes.
    Line,
    /// The rest of the log does not matter.
    Stop,
}

/// Hands every decision of a log to `take` with the number of its line; `-` is standard input.
///
/// # Errors
/// A file that cannot be opened or read; every bad line with its number and a remedy, after all good ones were taken;
/// what `take` fails with; a log without any decision.
pub(super) fn read(
    file: &Path,
    mut take: impl FnMut(u64, Record) -> anyhow::Result<Next>,
) -> anyhow::Result<Count> {
    let name = file.display();
    let source: Box<dyn io::Read> = if file.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(file).with_context(|| format!("cannot open `{name}`"))?)
    };
    let mut lines = Lines { source: BufReader::new(source), line: Vec::new(), number: 0 };
    let (mut count, mut problems) = (Count::default(), Problems::default());
    while let Some(line) = lines.next().with_context(|| format!("cannot read `{name}`"))? {
        let read = match line {
            Ok(text) => journal::read(text).map_err(|error| error.to_string()),
            Err(problem) => Err(problem.to_owned()),
        };
        match read {
            Ok(None) => count.others += 1,
            Ok(Some(record)) => {
                count.decisions += 1;
                if take(lines.number, record)? == Next::Stop {
                    break;
                }
            }
            Err(problem) => problems.add(lines.number, format_args!("{problem}")),
        }
    }
    if !problems.is_empty() {
        bail!("`{name}` has bad lines:\n  {problems}");
    }
    if count.decisions == 0 {
        bail!(
            "`{name}` holds no decision: name the file of `foresail operator --decision-log`, decisions.jsonl of a demo, or pipe `kubectl logs` into `-`"
        );
    }
    Ok(count)
}

/// Lines of bounded length.
struct Lines<R> {
    source: R,
    line: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    /// The next line, or what is wrong with it; `None` at the end.
    fn next(&mut self) -> io::Result<Option<Result<&str, &'static str>>> {
        self.line.clear();
        let n = (&mut self.source).take(LINE_MAX).read_until(b'\n', &mut self.line)?;
        if n == 0 {
            return Ok(None);
        }
        self.number += 1;
        let whole = self.line.ends_with(b"\n");
        if !whole && u64::try_from(n).is_ok_and(|n| n == LINE_MAX) {
            self.skip()?;
            return Ok(Some(Err("is longer than 1 MiB, as no decision is: take the line from the log anew")));
        }
        Ok(Some(std::str::from_utf8(&self.line).map_err(|_| "is no UTF-8: take the line from the log anew")))
    }

    /// Reads on to the end of a line that is too long, without keeping it.
    fn skip(&mut self) -> io::Result<()> {
        loop {
            self.line.clear();
            let n = (&mut self.source).take(LINE_MAX).read_until(b'\n', &mut self.line)?;
            if n == 0 || self.line.ends_with(b"\n") {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_is_named_and_the_next_is_read() {
        let mut text = vec![b'x'; 3 << 20];
        text.extend_from_slice(b"\nshort\n\xff\nlast");
        let mut lines = Lines { source: text.as_slice(), line: Vec::new(), number: 0 };
        assert!(lines.next().unwrap().unwrap().unwrap_err().contains("1 MiB"));
        assert_eq!(lines.next().unwrap().unwrap(), Ok("short\n"));
        assert!(lines.next().unwrap().unwrap().unwrap_err().contains("UTF-8"));
        assert_eq!(lines.next().unwrap().unwrap(), Ok("last"));
        assert!(lines.next().unwrap().is_none());
        assert_eq!(lines.number, 4);
    }
}
