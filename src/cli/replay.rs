//! `foresail replay`: every decision of a log derived again, or compared with what this version decides.

mod compare;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use super::Output;
use super::decisions::{self, Count, Next};
use crate::calendar::rfc3339;
use compare::Comparison;

/// Arguments of `foresail replay`.
#[derive(Debug, clap::Args)]
pub struct ReplayArgs {
    /// A decision log, one JSON object a line; `-` reads standard input. Lines of other logs are left out.
    log: PathBuf,

    /// Show where this version decides otherwise, in replicas and, where a price is there, in money; without it the
    /// first decision that is not derived again byte for byte ends the replay with exit code 1.
    #[arg(long)]
    compare: bool,

    /// How to print the answer.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Replays and prints. Exit code 1 at the first decision that differs, unless they are only to be compared.
///
/// # Errors
/// A log that cannot be read, every bad line with its number and what to do, or a log without decisions.
pub fn run(args: ReplayArgs) -> anyhow::Result<ExitCode> {
    let ReplayArgs { log, compare, output } = args;
    let (text, code) = if compare {
        let mut comparison = Comparison::default();
        let count = decisions::read(&log, |line, record| {
            comparison.take(line, &record);
            Ok(Next::Line)
        })?;
        (comparison.told(count, output)?, ExitCode::SUCCESS)
    } else {
        let mut differs = None;
        let count = decisions::read(&log, |line, record| {
            differs = record.difference().map(|difference| (line, record.key(), record.now(), difference));
            Ok(if differs.is_some() { Next::Stop } else { Next::Line })
        })?;
        match differs {
            None => (same(count, output)?, ExitCode::SUCCESS),
            Some((line, key, now, difference)) => {
                let text = match output {
                    Output::Table => format!("line {line}: {key} at {}: {difference}\n", rfc3339(now)),
                    Output::Json => json(&serde_json::json!({
                        "same": false, "line": line, "autoscaler": key, "at": rfc3339(now), "path": difference.path,
                        "logged": difference.logged, "derived": difference.derived,
                    }))?,
                };
                (text, ExitCode::FAILURE)
            }
        }
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(code)
}

fn json(value: &serde_json::Value) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

fn same(Count { decisions, others }: Count, output: Output) -> anyhow::Result<String> {
    Ok(match output {
        Output::Table => format!(
            "{decisions} decisions derived again, every one byte for byte the same{}\n",
            left_out(others)
        ),
        Output::Json => {
            json(&serde_json::json!({"same": true, "decisions": decisions, "otherLines": others}))?
        }
    })
}

/// What is said of lines that are not of the decision log.
fn left_out(others: usize) -> String {
    if others == 0 { String::new() } else { format!(" ({others} lines of other logs left out)") }
}
