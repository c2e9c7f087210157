//! The binary `foresail`: parse, run, exit code.

use std::process::ExitCode;

use clap::Parser as _;
use foresail::cli::{self, Cli};

fn main() -> ExitCode {
    cli::install_crypto();
    match cli::run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            cli::report(&error);
            ExitCode::FAILURE
        }
    }
}
