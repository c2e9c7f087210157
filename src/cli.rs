//! The command line: one file per command. Exit codes: 0 ok, 1 failed, 2 usage, 3 a gate missed.

pub mod boost;
pub mod check;
mod cluster;
pub mod crds;
mod decisions;
pub mod demo;
pub mod dev;
pub mod explain;
pub mod forecast;
pub mod freeze;
mod gitops;
pub mod incident;
mod manifest;
pub mod operator;
mod order;
pub mod plan;
mod price_book;
pub mod promote;
pub mod replay;
mod samples;
mod server;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

/// A predictive autoscaler for Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "foresail", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// At least so many replicas for a while, at once and outside Git; ends by itself.
    Boost(boost::BoostArgs),
    /// Check manifests before they are applied: every problem, with its field and what to do.
    Check(check::CheckArgs),
    /// Print the custom resource definitions as YAML.
    Crds(crds::CrdsArgs),
    /// Watch a shop live through its days in a cluster of this process: Foresail beside an HPA.
    Demo(demo::DemoArgs),
    /// For who works on Foresail itself.
    #[command(subcommand)]
    Dev(dev::DevCommand),
    /// Why so many replicas: inputs, candidates, limits in their order, and what would have led to another answer.
    Explain(explain::ExplainArgs),
    /// Forecast demand: a history in a CSV file, or one JSON request a line with one answer a line.
    Forecast(forecast::ForecastArgs),
    /// Bundle what was decided within a time, with its demand and what an HPA would have done, for a review.
    Incident(incident::IncidentArgs),
    /// Scale nothing down for a while, at once and outside Git; ends by itself.
    Freeze(freeze::FreezeArgs),
    /// Run the operator in a cluster.
    Operator(operator::OperatorArgs),
    /// Replay a policy on a history, beside other policies.
    Plan(plan::PlanArgs),
    /// Derive every decision of a decision log again, or compare with what this version decides.
    Replay(replay::ReplayArgs),
    /// Show whether an autoscaler has earned its next mode, and the patch that gives it.
    Promote(promote::PromoteArgs),
}

/// How to print an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// A table, for people.
    Table,
    /// One JSON object, for programs.
    Json,
}

/// Reads the command line. Called by the name `kubectl-foresail`, as kubectl calls a plugin, it speaks of itself as
/// `kubectl foresail`.
pub fn parse() -> Cli {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let called = arguments.first().map(Path::new).and_then(Path::file_stem);
    let mut command = Cli::command();
    if called.is_some_and(|name| name == "kubectl-foresail") {
        command = command.bin_name("kubectl foresail");
    }
    let matches = command.get_matches_from(arguments);
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// Runs the command.
///
/// # Errors
/// What the command could not do, with its cause.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli { command } = cli;
    match command {
        Command::Boost(args) => boost::run(args),
        Command::Check(args) => check::run(args),
        Command::Crds(args) => crds::run(args),
        Command::Demo(args) => demo::run(args),
        Command::Dev(command) => dev::run(command),
        Command::Explain(args) => explain::run(args),
        Command::Forecast(args) => forecast::run(args),
        Command::Incident(args) => incident::run(args),
        Command::Freeze(args) => freeze::run(args),
        Command::Operator(args) => operator::run(args),
        Command::Plan(args) => plan::run(args),
        Command::Promote(args) => promote::run(args),
        Command::Replay(args) => replay::run(args),
    }
}

/// Chooses the TLS implementation, before anything needs one.
pub fn install_crypto() {
    // An error means that one was chosen already.
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// Says on standard error what went wrong, each cause once.
pub fn report(error: &anyhow::Error) {
    use std::io::Write as _;
    // Standard error may be closed; there is nobody left to tell.
    drop(writeln!(std::io::stderr(), "foresail: {error:#}"));
}
