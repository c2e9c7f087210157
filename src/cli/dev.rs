//! `foresail dev`: what makes the files in `models/`.

mod families;
mod solve;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};

use super::forecast::{AblateArgs, ablate};
use super::samples::{distances, read_file, usual};
use crate::forecast::{Course, Family, GlobalModel};
use crate::units::Step;

/// Commands for who works on Foresail itself.
#[derive(Debug, Subcommand)]
pub enum DevCommand {
    /// Write the seeded synthetic series that the built-in global model is trained on, one CSV a series.
    Synthesise(SynthesiseArgs),
    /// Train a global model on a directory of CSV files (`timestamp,value`); the same files give the same bytes.
    Train(TrainArgs),
    /// Forecast with a part left out, to see what it earns.
    Ablate(AblateArgs),
}

/// Where the synthetic series go.
#[derive(Debug, Args)]
pub struct SynthesiseArgs {
    /// The directory, made when absent
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Another seed gives other series of the same kinds
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What to train on.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// Directory of CSV files, each of one step
    #[arg(value_name = "DATA_DIR")]
    data: PathBuf,
    /// The model file to write
    #[arg(long, value_name = "FILE", default_value = "models/global.json")]
    out: PathBuf,
    /// Leave out files whose name begins so; may be given several times
    #[arg(long, value_name = "PREFIX")]
    without: Vec<String>,
}

/// Runs a `dev` command.
///
/// # Errors
/// Files that cannot be read or written, or that hold no series.
pub fn run(command: DevCommand) -> anyhow::Result<ExitCode> {
    match command {
        DevCommand::Synthesise(SynthesiseArgs { dir, seed }) => synthesise(&dir, seed)?,
        DevCommand::Train(args) => train(&args)?,
        DevCommand::Ablate(args) => return ablate(&args),
    }
    Ok(ExitCode::SUCCESS)
}

fn synthesise(dir: &Path, seed: u64) -> anyhow::Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("cannot make `{}`", dir.display()))?;
    for one in families::all(seed) {
        let path = dir.join(format!("{}.csv", one.name));
        fs::write(&path, one.csv()).with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    Ok(())
}

fn train(args: &TrainArgs) -> anyhow::Result<()> {
    let mut of_block: BTreeMap<u32, Vec<Course>> = BTreeMap::new();
    for path in csv_files(&args.data, &args.without)? {
        let course = course(&path)?;
        of_block.entry(course.block_seconds()).or_default().push(course);
    }
    if of_block.is_empty() {
        bail!("`{}` holds no CSV file: `foresail dev synthesise {0}` makes some", args.data.display());
    }
    let learn = |block: u32, courses: &[Course]| {
        GlobalModel::join(Family::all(block, courses).iter().map(|family| family.learn(&solve::elastic_net)))
    };
    let parts: Vec<GlobalModel> = thread::scope(|scope| {
        let workers: Vec<_> =
            of_block.iter().map(|(block, courses)| scope.spawn(move || learn(*block, courses))).collect();
        let joined = workers.into_iter().map(thread::ScopedJoinHandle::join);
        joined.map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    let model = GlobalModel::join(parts);
    fs::write(&args.out, model.text()).with_context(|| format!("cannot write `{}`", args.out.display()))
}

/// By name, so that the order does not depend on the file system.
fn csv_files(dir: &Path, without: &[String]) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read `{}`", dir.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read `{}`", dir.display()))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_csv = path.extension().is_some_and(|extension| extension == "csv");
        if is_csv && !without.iter().any(|prefix| name.starts_with(prefix.as_str())) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn course(path: &Path) -> anyhow::Result<Course> {
    let samples = read_file(path)?;
    let apart = usual(&distances(&samples)).and_then(|apart| u32::try_from(apart.seconds()).ok());
    let step = apart
        .and_then(Step::new)
        .with_context(|| format!("`{}` has no step: it needs two samples within a day", path.display()))?;
    Ok(Course { step, samples })
}
