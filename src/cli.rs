//! The command line: one file per command.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub mod check;
pub mod crds;
mod manifest;

/// Scales Kubernetes workloads before demand arrives.
#[derive(Debug, Parser)]
#[command(name = "foresail", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the custom resource definitions as YAML.
    Crds(crds::CrdsArgs),
    /// Check manifests before they are applied: every problem, with its field and what to do.
    Check(check::CheckArgs),
}

/// Runs the command that the arguments name. Exit codes: 0 ok, 1 failed, 2 usage.
///
/// # Errors
/// Whatever stopped the command.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Crds(args) => crds::run(args),
        Command::Check(args) => check::run(args),
    }
}
