//! The `foresail` binary: see [`foresail::cli`].

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> anyhow::Result<ExitCode> {
    foresail::cli::run(foresail::cli::Cli::parse())
}
