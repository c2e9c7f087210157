//! stub
use std::process::ExitCode;
/// stub
#[derive(Debug, clap::Args)]
pub struct CheckArgs {}
/// stub
pub fn run(args: CheckArgs) -> anyhow::Result<ExitCode> {
    let CheckArgs {} = args;
    Ok(ExitCode::SUCCESS)
}
