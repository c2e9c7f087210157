//! `foresail promote`: whether an autoscaler has earned its next mode, and the patch that gives it.

mod evidence;

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::bail;
use kube::ResourceExt as _;
use serde::Serialize;
use serde_json::{Value, json};

use super::Output;
use super::cluster::{autoscaler_name, on_cluster};
use super::gitops::managed_by;
use crate::api::{ActuationVia, Mode, PredictiveAutoscaler};
use crate::edge::clock::{Clock as _, SystemClock};
use crate::units::Timestamp;
use evidence::{Line, lines, notes};

/// Exit code of missed evidence.
const MISSED: u8 = 3;

/// Arguments of `foresail promote`.
#[derive(Debug, clap::Args)]
pub struct PromoteArgs {
    /// The autoscaler, as `pra/checkout`.
    #[arg(value_name = "AUTOSCALER", value_parser = autoscaler_name)]
    name: String,
    /// Its namespace; that of the kubeconfig's context when left out.
    #[arg(short, long)]
    namespace: Option<String>,
    /// Exit with 3, and apply nothing, when a line of the evidence is missed.
    #[arg(long)]
    check: bool,
    /// Patch the cluster instead of printing the patch for Git.
    #[arg(long)]
    apply: bool,
    /// Apply although Argo CD or Flux manages the object, and may undo it.
    #[arg(long, requires = "apply")]
    force: bool,
    /// How to print the answer.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// What is known about the next step of one autoscaler.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Promotion {
    namespace: String,
    name: String,
    /// The mode of the spec.
    mode: Mode,
    /// The next one; none at the last step.
    next: Option<Mode>,
    /// Whether no line is missed.
    met: bool,
    evidence: Vec<Line>,
    notes: Vec<String>,
    /// The change of the spec.
    patch: Option<Value>,
    /// Who manages the object from Git.
    managed_by: Option<String>,
    /// Whether the patch was applied.
    applied: bool,
}

/// Prints the evidence and the patch, and applies it when asked to. Exit code 3 when `--check` finds a line missed.
///
/// # Errors
/// When the autoscaler cannot be read or patched, or is managed from Git and `--force` is not given.
pub fn run(args: PromoteArgs) -> anyhow::Result<ExitCode> {
    let PromoteArgs { name, namespace, check, apply, force, output } = args;
    let now = SystemClock.now();
    on_cluster(namespace, async |cluster| {
        let object = cluster.autoscaler(&name).await?;
        let mut promotion = promotion(&object, now);
        let missed = check && !promotion.met;
        let wanted = promotion.next.filter(|_| apply && !missed);
        let refused = promotion.managed_by.clone().filter(|_| wanted.is_some() && !force);
        let mut problem = refused.map(|who| {
            format!("it is managed by {who}, which would undo it: put the patch into Git, or give --force")
        });
        if let Some(mode) = wanted
            && problem.is_none()
        {
            // With the version that the evidence was read at: nobody's later change is overwritten.
            let version = object.resource_version();
            let patch = json!({"metadata": {"resourceVersion": version}, "spec": {"mode": mode}});
            problem = cluster.patch(&object, &patch).await.err();
            promotion.applied = problem.is_none();
        }
        let text = match output {
            Output::Table => promotion.table()?,
            Output::Json => serde_json::to_string_pretty(&promotion)? + "\n",
        };
        std::io::stdout().lock().write_all(text.as_bytes())?;
        if let Some(problem) = problem {
            bail!("`{}/{}` is not promoted: {problem}", promotion.namespace, promotion.name);
        }
        Ok(if missed { ExitCode::from(MISSED) } else { ExitCode::SUCCESS })
    })
}

fn promotion(object: &PredictiveAutoscaler, now: Timestamp) -> Promotion {
    let mode = object.spec.mode;
    let beside_hpa = object.spec.actuation.via == ActuationVia::HorizontalPodAutoscalerFloor;
    let next = match mode {
        Mode::DryRun => Some(Mode::Floor),
        Mode::Floor if !beside_hpa => Some(Mode::Active),
        Mode::Floor | Mode::Active => None,
    };
    let evidence = lines(object, now);
    Promotion {
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        mode,
        next,
        met: evidence.iter().all(|line| line.met != Some(false)),
        notes: notes(object, now),
        evidence,
        patch: next.map(|next| json!({"spec": {"mode": next}})),
        managed_by: managed_by(&object.metadata),
        applied: false,
    }
}

impl Promotion {
    fn table(&self) -> Result<String, std::fmt::Error> {
        let Self { namespace, name, mode, next, met, evidence, notes, patch, managed_by, applied } = self;
        let mut out = String::new();
        match next {
            Some(next) => writeln!(out, "{namespace}/{name}: {mode:?} -> {next:?}")?,
            None => writeln!(out, "{namespace}/{name}: {mode:?} is the last step")?,
        }
        for Line { fact, met, found, wanted } in evidence {
            let verdict = match met {
                Some(true) => "met",
                Some(false) => "MISSED",
                None => "unknown",
            };
            writeln!(out, "  {verdict:<8} {fact:<16} {found}; wanted: {wanted}")?;
        }
        for note in notes {
            writeln!(out, "  note: {note}")?;
        }
        let (Some(next), Some(patch)) = (next, patch) else { return Ok(out) };
        if *applied {
            writeln!(out, "applied: spec.mode is {next:?} now")?;
            return Ok(out);
        }
        if !met {
            writeln!(out, "not earned yet: wait, or take the step at your own risk")?;
        }
        if let Some(who) = managed_by {
            writeln!(out, "managed by {who}: the patch belongs into Git")?;
        }
        writeln!(out, "patch for Git:\nspec:\n  mode: {next:?}")?;
        writeln!(out, "or: kubectl patch pra {name} -n {namespace} --type merge -p '{patch}'")?;
        Ok(out)
    }
}
