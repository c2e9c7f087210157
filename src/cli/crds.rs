//! `foresail crds`: the custom resource definitions, for `kubectl apply` and for the chart.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;

/// Arguments of `foresail crds`.
#[derive(Debug, Args)]
pub struct CrdsArgs {}

/// The definitions as multi-document YAML, the same bytes on every run.
///
/// # Errors
/// When a definition cannot be written as YAML.
pub fn yaml() -> anyhow::Result<String> {
    let mut text = String::new();
    for crd in crate::api::crds() {
        text.push_str("---\n");
        let value = serde_json::to_value(&crd)?;
        text.push_str(&serde_saphyr::to_string(&value)?);
    }
    Ok(text)
}

/// Prints the definitions.
///
/// # Errors
/// When they cannot be written.
pub fn run(_args: &CrdsArgs) -> anyhow::Result<ExitCode> {
    std::io::stdout().write_all(yaml()?.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
