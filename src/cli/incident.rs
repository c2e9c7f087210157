//! `foresail incident`: what was decided within a time, why, and what an HPA would have done, in one directory that
//! `foresail plan`, `explain` and `replay` take as it is.

mod slice;

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::cluster::autoscaler_name;
use super::decisions::{self, Next};
use super::explain::Wanted;
use super::plan::{instant, write_files};
use crate::calendar::{Window, rfc3339};
use crate::journal::Record;
use crate::report::{PlanJson, Report, table};
use crate::units::{Demand, Span, Timestamp};
use slice::Slice;

/// Arguments of `foresail incident`.
#[derive(Debug, clap::Args)]
pub struct IncidentArgs {
    /// The autoscaler, as pra/NAME; may be left out when the log holds only one.
    #[arg(value_name = "pra/NAME", value_parser = autoscaler_name)]
    autoscaler: Option<String>,

    /// Its namespace; without it the only one that has the name.
    #[arg(short, long)]
    namespace: Option<String>,

    /// The decision log; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    log: PathBuf,

    /// When it began.
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    from: Timestamp,

    /// When it was over.
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    to: Timestamp,

    /// A directory for the bundle; made when it does not exist.
    #[arg(short = 'o', long = "out", value_name = "DIR")]
    out: PathBuf,
}

/// Bundles and prints what is in it.
///
/// # Errors
/// A log that cannot be read or does not reach the time, an impossible time, files that cannot be written.
pub fn run(args: IncidentArgs) -> anyhow::Result<ExitCode> {
    let IncidentArgs { autoscaler, namespace, log, from, to, out } = args;
    if from >= to {
        bail!("--from {} is not before --to {}: exchange them", rfc3339(from), rfc3339(to));
    }
    let wanted = Wanted { name: autoscaler, namespace };
    let mut slice = Slice::new(from, to);
    decisions::read(&log, |_, record| {
        if wanted.has(&record) {
            slice.take(record);
        }
        Ok(Next::Line)
    })?;
    Wanted::only(&slice.found)?;
    let (scenario, outcome) = slice.scenario()?;
    let notes = slice.notes(&scenario);
    let report = Report { scenario: &scenario, outcome: &outcome, verdicts: &[], notes: &notes };
    write(&slice, &report, &out).with_context(|| format!("cannot write to `{}`", out.display()))?;
    let text = format!("{}\n{}: {}\n", table(&report), out.display(), FILES.map(|(name, _)| name).join(", "));
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The calendar of a bundle.
const ANNOUNCED: &str = "announced";

/// The files of a bundle that are not one for each metric, and what each holds.
const FILES: [(&str, &str); 7] = [
    ("manifest.json", "what this is, and the commands that take it"),
    (
        "autoscaler.yaml",
        "the autoscaler as it stood, with the lead and the capacities in use and the events then near",
    ),
    ("decisions.jsonl", "the slice of the decision log: for `foresail explain --log` and `foresail replay`"),
    (
        "decisions.csv",
        "each step: demand, what stood, the binding stage, and what an HPA would have asked for",
    ),
    ("plan.json", "the figures of both"),
    ("report.html", "both, to look at"),
    ("replicas.csv", "replicas that were asked for, for `foresail plan --recorded`"),
];

fn write(slice: &Slice, report: &Report<'_>, out: &Path) -> anyhow::Result<()> {
    write_files(report, out)?;
    let Some(last) = slice.records.last() else { bail!("nothing was decided") };
    let announced = announced(slice);
    let mut documents = serde_saphyr::to_string(&autoscaler(last, announced.is_some())?)?;
    if let Some(calendar) = announced {
        documents.push_str("---\n");
        documents.push_str(&serde_saphyr::to_string(&calendar)?);
    }
    fs::write(out.join("autoscaler.yaml"), documents)?;
    let mut lines = BufWriter::new(File::create(out.join("decisions.jsonl"))?);
    for record in &slice.records {
        writeln!(lines, "{}", record.line()?)?;
    }
    lines.flush()?;
    let mut histories = Vec::new();
    for (rule, samples) in last.policy.metrics.iter().zip(&slice.demand(report.scenario.step())) {
        let file = format!("demand-{}.csv", rule.name);
        samples_to(&out.join(&file), samples.iter().map(|(at, demand)| (*at, demand.map(Demand::get))))?;
        histories.push((rule.name.clone(), file));
    }
    let asked = slice.asked().into_iter().map(|(at, asked)| (at, Some(asked.as_f64())));
    samples_to(&out.join("replicas.csv"), asked)?;
    let manifest = serde_json::to_string_pretty(&manifest(slice, report, &histories)?)? + "\n";
    fs::write(out.join("manifest.json"), manifest)?;
    Ok(())
}

/// `timestamp,value`; an absent value is empty.
fn samples_to(
    file: &Path,
    samples: impl IntoIterator<Item = (Timestamp, Option<f64>)>,
) -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_path(file)?;
    writer.write_record(["timestamp", "value"])?;
    for (at, value) in samples {
        writer.write_record([rfc3339(at), value.map_or_else(String::new, |value| value.to_string())])?;
    }
    writer.flush()?;
    Ok(())
}

/// The autoscaler of a decision as a manifest that a plan takes.
fn autoscaler(record: &Record, has_events: bool) -> anyhow::Result<Value> {
    let mut spec = record.spec.clone();
    let Some(fields) = spec.as_object_mut() else {
        bail!(
            "the log does not hold the autoscaler's spec, which the operator writes: take the lines from its log anew"
        )
    };
    fields.remove("calendarRefs");
    if has_events {
        fields.insert("calendarRefs".to_owned(), json!([{"name": ANNOUNCED}]));
    }
    if let Some(forecast) = fields.get_mut("forecast").and_then(Value::as_object_mut) {
        forecast.insert("leadTime".to_owned(), json!(record.policy.lead.to_string()));
    }
    if let (Some(spend), Some(rule)) =
        (fields.get_mut("spend").and_then(Value::as_object_mut), &record.policy.spend)
    {
        // A bundle asks nobody: the price is as it was.
        for asked in ["priceQuery", "priceBook"] {
            if spend.remove(asked).is_none() {
                continue;
            }
            if let Some(price) = rule.price.reckoned() {
                spend.insert("pricePerReplicaHour".to_owned(), json!(price.to_string()));
            } else {
                spend.remove("maxPerHour");
                spend.remove("budgetRef");
            }
        }
    }
    let metrics = fields.get_mut("metrics").and_then(Value::as_array_mut);
    for (metric, seen) in metrics.into_iter().flatten().zip(&record.observation.metrics) {
        if let (Some(metric), Some(capacity)) = (metric.as_object_mut(), seen.capacity) {
            metric.entry("capacityPerReplica").or_insert_with(|| json!(capacity.get().to_string()));
        }
    }
    Ok(json!({
        "apiVersion": "foresail.dev/v1alpha1", "kind": "PredictiveAutoscaler",
        "metadata": {"name": record.name, "namespace": record.namespace}, "spec": spec,
    }))
}

/// The calendar of every event that was on or near within the slice, whatever calendars announced them; `None` when
/// there was none. The log holds the events, and not their calendars.
fn announced(slice: &Slice) -> Option<Value> {
    let mut windows: Vec<&Window> = Vec::new();
    for window in slice.records.iter().flat_map(|record| &record.observation.events) {
        if !windows.contains(&window) {
            windows.push(window);
        }
    }
    let last = slice.records.last().filter(|_| !windows.is_empty())?;
    let events: Vec<Value> = windows.iter().zip(1..).map(|(window, i)| event(window, i)).collect();
    Some(json!({
        "apiVersion": "foresail.dev/v1alpha1", "kind": "DemandCalendar",
        "metadata": {"name": ANNOUNCED, "namespace": last.namespace},
        "spec": {"timeZone": "UTC", "events": events},
    }))
}

/// One occurrence as a one-off event.
fn event(window: &Window, i: u32) -> Value {
    let Window { start, end, effect } = window;
    // The time of day to the minute, as calendars have it.
    let at = |at: &Timestamp| rfc3339(*at).chars().take(16).collect::<String>();
    let mut event = json!({
        "name": format!("event-{i}"), "start": at(start), "duration": end.since(*start).to_string(),
        "excludeFromLearning": effect.exclude_from_learning,
    });
    if let Some(fields) = event.as_object_mut() {
        if window.multiplies() {
            fields.insert("multiplier".to_owned(), json!(effect.multiplier.to_string()));
        }
        let spans =
            [("rampUp", effect.ramp_up), ("decay", effect.decay), ("readyBefore", effect.ready_before)];
        for (name, span) in spans.into_iter().filter(|(_, span)| *span > Span::ZERO) {
            fields.insert(name.to_owned(), json!(span.to_string()));
        }
        for (name, n) in [("minReplicas", effect.min_replicas), ("maxReplicas", effect.max_replicas)] {
            fields.extend(n.map(|n| (name.to_owned(), json!(n.get()))));
        }
    }
    event
}

fn manifest(slice: &Slice, report: &Report<'_>, histories: &[(String, String)]) -> anyhow::Result<Value> {
    let within = slice.records.iter().filter(|record| record.now() >= slice.from);
    let mut files: Vec<Value> =
        FILES.iter().map(|(name, what)| json!({"file": name, "what": what})).collect();
    let mut plan: Vec<String> =
        ["foresail", "plan", "-f", "autoscaler.yaml", "--recorded", "replicas.csv"].map(str::to_owned).into();
    for (metric, file) in histories {
        files.push(json!({"file": file, "what": format!("the demand of metric {metric}")}));
        plan.extend(["--history".to_owned(), format!("{metric}={file}")]);
    }
    plan.extend(["--from".to_owned(), rfc3339(slice.from)]);
    let key = slice.records.last().map_or_else(String::new, Record::key);
    Ok(json!({
        "bundle": 1,
        "foresail": env!("CARGO_PKG_VERSION"),
        "autoscaler": key,
        "from": rfc3339(slice.from),
        "to": rfc3339(slice.to),
        "decisionsLogged": within.clone().count(),
        "writes": within.filter(|record| record.decision.write.is_some()).count(),
        "figures": serde_json::to_value(PlanJson::new(report))?.get("policies"),
        "notes": report.notes,
        "files": files,
        "commands": {
            "plan": plan.join(" "),
            "replay": "foresail replay decisions.jsonl",
            "explain": format!("foresail explain --log decisions.jsonl --at {}", rfc3339(slice.from)),
        },
    }))
}
