//! The command line: one file per command. Exit codes: 0 ok, 1 failed, 2 usage, 3 a gate missed.

pub mod boost;
pub mod check;
mod cluster;
pub mod crds;
pub mod demo;
pub mod dev;
pub mod forecast;
pub mod freeze;
mod gitops;
mod manifest;
pub mod operator;
mod order;
pub mod plan;
pub mod promote;
mod samples;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
    /// Forecast demand: a history in a CSV file, or one JSON request a line with one answer a line.
    Forecast(forecast::ForecastArgs),
    /// Scale nothing down for a while, at once and outside Git; ends by itself.
    Freeze(freeze::FreezeArgs),
    /// Run the operator in a cluster.
    Operator(operator::OperatorArgs),
    /// Replay a policy on a history, beside other policies.
    Plan(plan::PlanArgs),
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
        Command::Forecast(args) => forecast::run(args),
        Command::Freeze(args) => freeze::run(args),
        Command::Operator(args) => operator::run(args),
        Command::Plan(args) => plan::run(args),
        Command::Promote(args) => promote::run(args),
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
