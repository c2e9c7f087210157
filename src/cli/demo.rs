//! `foresail demo`: a shop's days in a cluster of this process, Foresail beside an HPA on the same demand.

mod play;
mod progress;
mod script;
mod verdict;
mod window;

pub use play::{Lane, Played, Sample, play, play_before};
pub use script::{Scenario, Script, Stretch};
pub use verdict::{Claim, Verdict, judge};

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use super::plan::write_files;
use crate::report::{Report, table};
use crate::sandbox::ApiServer;
use crate::telemetry::decisions::DecisionLog;
use progress::Progress;
use window::Window;

/// Arguments of `foresail demo`.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// What happens.
    #[arg(long, value_enum, default_value_t = Scenario::BlackFriday)]
    scenario: Scenario,

    /// A directory for plan.json, decisions.csv, report.html and the decision log decisions.jsonl, and while the cluster is there for its kubeconfig; made
    /// when it does not exist.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Another seed is another shop; the same seed gives the same bytes.
    #[arg(long, default_value_t = 7)]
    seed: u64,

    /// How many times faster than real time, as `600x`; as fast as it goes when left out.
    #[arg(long, value_name = "FACTOR", value_parser = speed)]
    speed: Option<u32>,

    /// Stay at the end, the cluster readable with kubectl, until Ctrl-C.
    #[arg(long)]
    hold: bool,
}

fn speed(text: &str) -> Result<u32, String> {
    let factor = text.strip_suffix('x').unwrap_or(text).parse().ok();
    factor.filter(|factor| (1..=1_000_000).contains(factor)).ok_or_else(|| "write it as `600x`".to_owned())
}

/// Where the kubeconfig is put when no directory is named.
fn kubeconfig_of_its_own() -> PathBuf {
    std::env::temp_dir().join(format!("foresail-demo-{}.kubeconfig", std::process::id()))
}

/// `decisions.jsonl` in the directory `out`, both made anew.
fn decision_log(out: &Path) -> anyhow::Result<DecisionLog> {
    let file = out.join("decisions.jsonl");
    let made = fs::create_dir_all(out).and_then(|()| File::create(&file));
    Ok(DecisionLog::to(made.with_context(|| format!("cannot write `{}`", file.display()))?))
}

/// Plays, prints and writes. Exit code 1 when the scenario's verdict does not hold.
///
/// # Errors
/// Files that cannot be written.
pub fn run(args: DemoArgs) -> anyhow::Result<ExitCode> {
    let DemoArgs { scenario, out, seed, speed, hold } = args;
    let script = Script::of(scenario, seed);
    let mut progress = Progress::begin(script.live, speed);
    let mut window = None;
    let kubeconfig = out.as_ref().map(|out| out.join("kubeconfig"));
    // Without a file that leads to it nobody could find the window.
    let kubeconfig = kubeconfig.or_else(|| hold.then(kubeconfig_of_its_own));
    let open = |server: &ApiServer| {
        let Some(kubeconfig) = &kubeconfig else { return Ok(()) };
        window.insert(Window::open(server, kubeconfig)?).announce(hold)
    };
    let decisions = out.as_deref().map_or_else(|| Ok(DecisionLog::off()), decision_log)?;
    let played = play_before(&script, open, decisions, |at| progress.come_to(at))?;
    let (replayed, outcome) = played.outcome(&script)?;
    let verdict = judge(&script, &played, &outcome, &replayed.policy);
    let notes = [format!("seed {seed}; {}", verdict.line())];
    let report = Report { scenario: &replayed, outcome: &outcome, verdicts: &[], notes: &notes };
    if let Some(out) = &out {
        write_files(&report, out).with_context(|| format!("cannot write to `{}`", out.display()))?;
    }
    let shown = Report { notes: &[], ..report };
    let text = format!("{}\n{}\n", table(&shown), verdict.line());
    std::io::stdout().lock().write_all(text.as_bytes())?;
    if let Some(window) = window.filter(|_| hold) {
        window.hold()?;
    }
    Ok(if verdict.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
