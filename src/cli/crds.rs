//! `foresail crds`: the definitions to apply to a cluster.

use std::io::Write as _;
use std::process::ExitCode;

use crate::api;

/// Arguments of `foresail crds`.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct CrdsArgs {}

/// Prints the definitions as YAML documents, the same bytes every time.
///
/// # Errors
/// When standard output is closed.
pub fn run(CrdsArgs {}: CrdsArgs) -> anyhow::Result<ExitCode> {
    std::io::stdout().lock().write_all(api::crds_yaml()?.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
