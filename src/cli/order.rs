//! Orders by annotation, as `freeze` and `boost` give and end them: what was done to each autoscaler, and what holds now.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use futures::StreamExt as _;
use kube::ResourceExt as _;
use serde::Serialize;
use serde_json::{Value, json};

use super::Output;
use super::cluster::{Cluster, Scope};
use crate::api::{ActuationVia, Mode, PredictiveAutoscaler, annotations};
use crate::calendar::rfc3339;
use crate::edge::clock::from_jiff;
use crate::units::Timestamp;

/// Writes under way at once: an API server answers them in milliseconds, and nobody else is to wait for it.
const AT_ONCE: usize = 8;

/// One autoscaler after an order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    namespace: String,
    name: String,
    /// Until when nothing is scaled down.
    no_scale_down_until: Option<String>,
    /// Until when nothing is scaled up.
    no_scale_up_until: Option<String>,
    /// The floor.
    boost_floor: Option<u32>,
    /// Until when the floor holds.
    boost_until: Option<String>,
    /// What keeps the order from having its effect, if anything does.
    notes: Vec<String>,
    /// Why it was not written.
    error: Option<String>,
}

/// Sets (a text) or removes (null) annotations of every autoscaler of `scope`, and prints what holds then.
///
/// # Errors
/// When the autoscalers cannot be read or standard output is closed. An autoscaler that could not be written is in the
/// answer, and the exit code is 1.
pub(super) async fn give(
    cluster: &Cluster,
    (scope, set): (&Scope, &[(&str, Option<String>)]),
    check: impl Fn(&PredictiveAutoscaler) -> Result<(), String>,
    (now, output): (Timestamp, Output),
) -> anyhow::Result<ExitCode> {
    let objects = cluster.autoscalers(scope).await?;
    let entries = set.iter().map(|(key, value)| ((*key).to_owned(), json!(value)));
    let patch = json!({"metadata": {"annotations": Value::Object(entries.collect())}});
    let (patch, check) = (&patch, &check);
    let write = |object: PredictiveAutoscaler| async move {
        let written = match check(&object) {
            Ok(()) => cluster.patch(&object, patch).await,
            Err(problem) => Err(problem),
        };
        match written {
            Ok(after) => row(&after, now, None),
            Err(problem) => row(&object, now, Some(problem)),
        }
    };
    let rows: Vec<Row> = futures::stream::iter(objects).map(write).buffered(AT_ONCE).collect().await;
    let text = match output {
        Output::Table => table(&rows)?,
        Output::Json => serde_json::to_string_pretty(&rows)? + "\n",
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    let failed = rows.iter().any(|row| row.error.is_some());
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn row(object: &PredictiveAutoscaler, now: Timestamp, error: Option<String>) -> Row {
    let (orders, _) = object.metadata.annotations.as_ref().map(annotations::break_glass).unwrap_or_default();
    let holds = |until: Option<Timestamp>| until.filter(|&until| now < until);
    let (down, up) = (holds(orders.no_scale_down), holds(orders.no_scale_up));
    let boost = orders.boost_at(now);
    let mut notes = Vec::new();
    if down.is_some() || up.is_some() || boost.is_some() {
        let spec = &object.spec;
        if spec.mode == Mode::DryRun {
            notes.push("mode DryRun: it is recorded, and the workload does not follow".to_owned());
        }
        if let Some(pause) = spec.pause.as_ref().filter(|pause| now < from_jiff(pause.until)) {
            notes.push(format!("paused until {}: nothing is written", rfc3339(from_jiff(pause.until))));
        }
        if boost.is_some() && up.is_some() {
            notes.push("the freeze of growth holds the boost back".to_owned());
        }
        if up.is_some() && spec.actuation.via == ActuationVia::HorizontalPodAutoscalerFloor {
            notes.push("only the floor is held: the HPA itself may scale up".to_owned());
        }
    }
    Row {
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        no_scale_down_until: down.map(rfc3339),
        no_scale_up_until: up.map(rfc3339),
        boost_floor: boost.map(|boost| boost.floor.get()),
        boost_until: boost.map(|boost| rfc3339(boost.until)),
        notes,
        error,
    }
}

fn table(rows: &[Row]) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    for row in rows {
        write!(out, "{}/{}: ", row.namespace, row.name)?;
        if let Some(error) = &row.error {
            writeln!(out, "not changed: {error}")?;
            continue;
        }
        let mut facts = Vec::new();
        facts.extend(row.no_scale_down_until.as_ref().map(|until| format!("no scale-down until {until}")));
        facts.extend(row.no_scale_up_until.as_ref().map(|until| format!("no scale-up until {until}")));
        if let (Some(floor), Some(until)) = (row.boost_floor, &row.boost_until) {
            facts.push(format!("at least {floor} replicas until {until}"));
        }
        if facts.is_empty() {
            facts.push("neither frozen nor boosted".to_owned());
        }
        writeln!(out, "{}", facts.join("; "))?;
        for note in &row.notes {
            writeln!(out, "  note: {note}")?;
        }
    }
    Ok(out)
}
