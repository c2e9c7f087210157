//! One decision explained: what it was made of, the candidates, every limit in its order, and what would have to change
//! for another answer.

use std::fmt::Write as _;

use serde::Serialize;

use crate::calendar::{TimeZone, rfc3339};
use crate::decide::{Absence, Reading, trail::Number};
use crate::engine::{Alternative, Turn, alternatives, turns};
use crate::journal::{Record, SeenMetric, ToldMetric, ToldStage};
use crate::policy::{Mode, Policy};
use crate::units::{Demand, Replicas, Timestamp};

/// Widest sentence of a stage before it goes on in the next line.
const WIDTH: usize = 92;

/// Everything that is said about one decision.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// `namespace/name`.
    pub autoscaler: String,
    /// When it was decided, RFC 3339.
    pub at: String,
    /// The same on the wall clock of the policy's zone, as `10:05 Europe/Berlin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<String>,
    /// Where it is from: `log`, `status`, or `recomputed` from the history of demand.
    pub source: &'static str,
    /// The mode.
    pub mode: String,
    /// What became of it, as the operator counts outcomes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// What stood.
    pub asked: Option<u32>,
    /// What served.
    pub ready: Option<u32>,
    /// What was wanted after all stages.
    pub desired: Option<u32>,
    /// The stage that had the last word.
    pub bound_by: String,
    /// The decision in one sentence.
    pub summary: String,
    /// What was seen of each metric.
    pub inputs: Vec<Input>,
    /// What each way of looking asks for.
    pub candidates: Candidates,
    /// Every stage, in order.
    pub stages: Vec<ToldStage>,
    /// What would have to change; `None` where the inputs are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Changes>,
    /// What the reader must know besides.
    pub notes: Vec<String>,
}

/// One metric as it was seen.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    /// Its name.
    pub metric: String,
    /// The demand that was decided on, in its own unit.
    pub demand: Option<f64>,
    /// Demand that one replica serves.
    pub capacity_per_replica: Option<f64>,
    /// Fresh, Partial, `SuddenFall`, or why it is absent.
    pub standing: String,
    /// The forecast for now + lead, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ahead: Option<Ahead>,
}

/// A forecast for now + lead.
#[derive(Clone, Debug, Serialize)]
pub struct Ahead {
    /// The lead.
    pub lead: String,
    /// Its median.
    pub p50: f64,
    /// Its .99 quantile.
    pub p99: f64,
    /// Whether it has earned its place.
    pub trusted: bool,
}

/// What each way of looking asks for, in replicas.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Candidates {
    /// What an HPA would ask for.
    pub reactive: Option<u32>,
    /// What the trusted forecast wants.
    pub predicted: Option<u32>,
    /// What present demand needs at 100 % of safe load.
    pub present: Option<u32>,
}

/// What alone leads to another answer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Changes {
    /// Limits, each taken away by itself.
    pub limits: Vec<LimitGone>,
    /// Demands, each moved by itself.
    pub demands: Vec<DemandMoved>,
}

/// A limit whose absence changes the answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitGone {
    /// The condition in words.
    pub condition: &'static str,
    /// What would be wanted.
    pub desired: u32,
    /// What would be written.
    pub write: Option<u32>,
    /// The stage that would have the last word.
    pub bound_by: &'static str,
}

/// A demand at which the answer turns.
#[derive(Clone, Debug, Serialize)]
pub struct DemandMoved {
    /// The metric.
    pub metric: String,
    /// What it read.
    pub reads: f64,
    /// What it would have to read.
    pub at: f64,
    /// What would be wanted.
    pub desired: u32,
}

impl Explanation {
    /// A logged decision, with what would have to change, asked of this version's own tick.
    pub fn of(record: &Record) -> Self {
        let Record { policy, observation, memory, decision, .. } = record;
        let now = record.now();
        let (limits, demands) = observation.observe(|observation| {
            (alternatives(policy, observation, memory), turns(policy, observation, memory))
        });
        let mut notes = Vec::new();
        if let Some(difference) = record.difference() {
            notes.push(format!(
                "this version does not derive the logged decision again ({difference}): what would have to change is what this version says"
            ));
        }
        let inputs = decision.metrics.iter().zip(&observation.metrics);
        Self {
            autoscaler: record.key(),
            at: rfc3339(now),
            local: local(policy, now),
            source: "log",
            mode: policy.mode.name().to_owned(),
            outcome: Some(record.outcome.clone()),
            asked: Some(decision.asked.get()),
            ready: Some(decision.ready.get()),
            desired: Some(decision.desired.get()),
            bound_by: decision.bound_by.clone(),
            summary: decision.summary.clone(),
            inputs: inputs.map(|(told, seen)| Input::of(policy, told, seen, now)).collect(),
            candidates: Candidates {
                reactive: Some(decision.reactive.get()),
                predicted: decision.predicted.map(Replicas::get),
                present: Some(decision.present_need.get()),
            },
            stages: decision.stages.clone(),
            changes: Some(Changes {
                limits: limits.into_iter().map(LimitGone::of).collect(),
                demands: demands.into_iter().filter_map(|turn| DemandMoved::of(policy, turn)).collect(),
            }),
            notes,
        }
    }

    /// For people; ends with a line break.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a text does not fail.
        if self.write(&mut text).is_err() {
            text.clear();
        }
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let local = self.local.as_ref().map(|local| format!(" ({local})")).unwrap_or_default();
        let outcome = self.outcome.as_ref().filter(|outcome| !outcome.is_empty());
        let outcome = outcome.map(|outcome| format!(", {outcome}")).unwrap_or_default();
        let shadow = if self.mode == Mode::DryRun.name() { " of the shadow" } else { "" };
        writeln!(out, "{} at {}{local}, mode {}{outcome}", self.autoscaler, self.at, self.mode)?;
        writeln!(out, "  {}", self.summary)?;
        if !self.inputs.is_empty() {
            writeln!(out, "\ninputs")?;
        }
        for input in &self.inputs {
            input.write(out)?;
        }
        let count = |n: Option<u32>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
        if self.source != "status" {
            writeln!(out, "  {:<12} {:>9}{shadow}, {} serve", "asked", count(self.asked), count(self.ready))?;
        }
        writeln!(out, "\ncandidates")?;
        let Candidates { reactive, predicted, present } = self.candidates;
        writeln!(out, "  {:<12} {:>9}  what an HPA would ask for", "reactive", count(reactive))?;
        writeln!(out, "  {:<12} {:>9}  what the trusted forecast wants", "predicted", count(predicted))?;
        if present.is_some() {
            writeln!(out, "  {:<12} {:>9}  what present demand needs at 100 %", "present", count(present))?;
        }
        writeln!(out, "\nlimits, in their order (> had the last word)")?;
        for ToldStage { stage, before, after, sentence } in &self.stages {
            let mark = if *stage == self.bound_by { '>' } else { ' ' };
            let step = if before == after { after.to_string() } else { format!("{before} -> {after}") };
            wrap(out, &format!("{mark} {stage:<12} {step:>9}  "), sentence)?;
        }
        if let Some(changes) = &self.changes {
            changes.write(out)?;
        }
        for note in &self.notes {
            wrap(out, "\nnote: ", note)?;
        }
        Ok(())
    }
}

/// The sentence after its head; what does not fit goes on below its beginning.
fn wrap(out: &mut String, head: &str, sentence: &str) -> std::fmt::Result {
    let indent = head.trim_start_matches('\n').chars().count();
    out.push_str(head);
    let mut width = 0;
    for word in sentence.split(' ') {
        let n = word.chars().count();
        if width > 0 && width + n >= WIDTH {
            write!(out, "\n{:indent$}", "")?;
            width = 0;
        } else if width > 0 {
            out.push(' ');
        }
        out.push_str(word);
        width += n + 1;
    }
    out.push('\n');
    Ok(())
}

/// The instant on the wall clock of the policy's zone; `None` where that is UTC.
fn local(policy: &Policy, now: Timestamp) -> Option<String> {
    let zone = TimeZone::parse(&policy.time_zone).ok().filter(|zone| *zone != TimeZone::UTC)?;
    let minutes = zone.second_of_day(now) / 60;
    Some(format!("{:02}:{:02} {zone}", minutes / 60, minutes % 60))
}

impl Input {
    fn of(policy: &Policy, told: &ToldMetric, seen: &SeenMetric, now: Timestamp) -> Self {
        let quantiles = seen.outlook.as_ref().and_then(|outlook| outlook.at(now.plus(policy.lead)));
        let ahead = quantiles.map(|quantiles| Ahead {
            lead: policy.lead.to_string(),
            p50: quantiles.at(0.5).get(),
            p99: quantiles.at(0.99).get(),
            trusted: seen.trusted,
        });
        let standing = match (told.demand, seen.reading) {
            (None, Reading::Absent(absence)) => said(absence),
            _ => told.standing.clone(),
        };
        Self {
            metric: told.name.clone(),
            demand: told.demand.map(Demand::get),
            capacity_per_replica: told.capacity.map(crate::units::CapacityPerReplica::get),
            standing,
            ahead,
        }
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let Self { metric, demand, capacity_per_replica, standing, ahead } = self;
        let demand = demand.map_or_else(|| "-".to_owned(), |demand| Number(demand).to_string());
        let mut sentence = standing.clone();
        if let Some(capacity) = capacity_per_replica {
            write!(sentence, "; one replica serves {}", Number(*capacity))?;
        }
        if let Some(Ahead { lead, p50, p99, trusted }) = ahead {
            let trust = if *trusted { "trusted" } else { "not trusted" };
            write!(
                sentence,
                "; in {lead} {} at the median, {} at p99 ({trust})",
                Number(*p50),
                Number(*p99)
            )?;
        }
        wrap(out, &format!("  {metric:<12} {demand:>9}  "), &sentence)
    }
}

fn said(absence: Absence) -> String {
    format!("absent: {}", absence.words())
}

impl LimitGone {
    fn of(alternative: Alternative) -> Self {
        let Alternative { relaxed, desired, write, bound_by } = alternative;
        Self {
            condition: relaxed.words(),
            desired: desired.get(),
            write: write.map(Replicas::get),
            bound_by: bound_by.name(),
        }
    }
}

impl DemandMoved {
    fn of(policy: &Policy, turn: Turn) -> Option<Self> {
        let Turn { metric, reads, at, desired } = turn;
        let metric = policy.metrics.get(metric)?.name.clone();
        Some(Self { metric, reads: reads.get(), at: at.get(), desired: desired.get() })
    }
}

impl Changes {
    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "\nwhat alone would have led to another answer")?;
        if self.limits.is_empty() && self.demands.is_empty() {
            writeln!(out, "  nothing: no single limit and no demand within reach changes it")?;
        }
        for LimitGone { condition, desired, write, bound_by } in &self.limits {
            let written = if write.is_some() { "written" } else { "not written" };
            writeln!(out, "  {condition}: {desired} ({written}; the last word has {bound_by})")?;
        }
        for DemandMoved { metric, reads, at, desired } in &self.demands {
            writeln!(out, "  {metric} at {at} instead of {}: {desired}", Number(*reads))?;
        }
        Ok(())
    }
}
