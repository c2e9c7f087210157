//! The binary `foresail`: parse, run, exit code.

use std::process::ExitCode;

use foresail::cli;

fn main() -> ExitCode {
    cli::install_crypto();
    match cli::run(cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            cli::report(&error);
            ExitCode::FAILURE
        }
    }
}
