//! `foresail forecast`: answers a file of forecast requests, or standard input; or forecasts a history in a CSV file.

mod grid;
mod trace;

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use crate::forecast::request::{Answer, answer_without};
use crate::forecast::{GlobalModel, Without};
use trace::TraceArgs;

/// Requests that are read, answered and written together: enough to keep all threads busy, few enough to stream.
const BATCH_PER_THREAD: usize = 16;

/// Forecast demand: a history in a CSV file, or one JSON request a line with one answer a line.
#[derive(Debug, Args)]
pub struct ForecastArgs {
    /// File of requests, one JSON object a line; `-` is standard input
    #[arg(long, value_name = "FILE", default_value = "-")]
    requests: PathBuf,
    /// File for the answers, in the order of the requests; standard output when left out or `-`
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Threads; all cores when left out
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// A global model made by `foresail dev train` instead of the built-in one
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    #[command(flatten)]
    trace: TraceArgs,
}

/// Answer forecast requests as `foresail forecast` does, with a part of the forecast left out: what it earns is the
/// difference that the judge of the answers sees.
#[derive(Debug, Args)]
pub struct AblateArgs {
    /// What is left out: an expert's name, or one of `nothing`, `combination`, `calibration`, `parts-of-day`,
    /// `global-model`, `shifts`, `cleaning`, `found-season`
    #[arg(long, value_name = "PART", value_parser = Without::parse)]
    without: Without,
    /// File of requests, one JSON object a line; `-` is standard input
    #[arg(long, value_name = "FILE", default_value = "-")]
    requests: PathBuf,
    /// File for the answers, in the order of the requests; standard output when left out or `-`
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
}

/// Answers every request, or forecasts the history. Exit code 1 when a line was refused; the others are answered all
/// the same.
///
/// # Errors
/// A file that cannot be read or written; a history with problems, each named with its line and a remedy.
pub fn run(args: ForecastArgs) -> anyhow::Result<ExitCode> {
    let ForecastArgs { requests, answers, threads, model, trace } = args;
    let global = global(model.as_deref())?;
    if trace.is_asked() {
        return trace::run(trace, global);
    }
    answer_file((&requests, answers.as_deref()), threads, (&global, Without::Nothing))
}

/// Answers every request with a part left out.
///
/// # Errors
/// A file that cannot be read or written.
pub fn ablate(args: &AblateArgs) -> anyhow::Result<ExitCode> {
    let AblateArgs { without, requests, answers } = args;
    answer_file((requests, answers.as_deref()), None, (&GlobalModel::shipped(), *without))
}

fn answer_file(
    (requests, answers): (&Path, Option<&Path>),
    threads: Option<NonZeroUsize>,
    how: (&GlobalModel, Without),
) -> anyhow::Result<ExitCode> {
    let threads = threads.or(thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let mut lines = open(requests)?.lines();
    let mut out = create(answers)?;
    let mut refused = false;
    loop {
        let mut batch = Vec::new();
        for line in lines.by_ref().take(threads * BATCH_PER_THREAD) {
            let line = line.with_context(|| format!("cannot read `{}`", requests.display()))?;
            if !line.trim().is_empty() {
                batch.push(line);
            }
        }
        if batch.is_empty() {
            break;
        }
        for timed in answer_all(&batch, threads, how) {
            refused |= timed.answer.is_refused();
            writeln!(out, "{}", serde_json::to_string(&timed)?).context("cannot write the answers")?;
        }
    }
    out.flush().context("cannot write the answers")?;
    Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// An answer with the milliseconds it took.
#[derive(Serialize)]
struct Timed {
    #[serde(flatten)]
    answer: Answer,
    ms: f64,
}

/// The model in a file, or the built-in one.
fn global(file: Option<&Path>) -> anyhow::Result<GlobalModel> {
    let Some(file) = file else { return Ok(GlobalModel::shipped()) };
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    GlobalModel::parse(&text).with_context(|| format!("`{}` cannot be used", file.display()))
}

fn answer_all(lines: &[String], threads: usize, how: (&GlobalModel, Without)) -> Vec<Timed> {
    let share = lines.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let workers: Vec<_> = lines
            .chunks(share)
            .map(|chunk| scope.spawn(move || chunk.iter().map(|line| timed(line, how)).collect::<Vec<_>>()))
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

#[expect(clippy::disallowed_methods, reason = "reports how long an answer took; no answer depends on it")]
fn timed(line: &str, (global, without): (&GlobalModel, Without)) -> Timed {
    let start = std::time::Instant::now();
    let answer = answer_without(line, global, without);
    Timed { answer, ms: (start.elapsed().as_secs_f64() * 1e5).round() / 100.0 }
}

fn open(path: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    let file = File::open(path).with_context(|| format!("cannot open `{}`", path.display()))?;
    Ok(Box::new(BufReader::new(file)))
}

fn create(path: Option<&Path>) -> anyhow::Result<Box<dyn Write>> {
    match path {
        Some(path) if path != Path::new("-") => {
            let file = File::create(path).with_context(|| format!("cannot create `{}`", path.display()))?;
            Ok(Box::new(BufWriter::new(file)))
        }
        _ => Ok(Box::new(BufWriter::new(std::io::stdout()))),
    }
}
