//! The command line: one file per subcommand.

mod forecast;

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
    /// Forecast demand: one JSON request a line, one answer a line
    Forecast(forecast::ForecastArgs),
}

impl Cli {
    /// Runs the subcommand. Exit codes: 0 ok, 1 failed, 2 usage, 3 a gate missed.
    ///
    /// # Errors
    /// Whatever made the subcommand fail, in words for the user.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Forecast(args) => forecast::run(args),
        }
    }
}
