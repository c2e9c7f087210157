//! The part of a decision log that belongs to one incident, as steps on a grid: demand, what stood, what an HPA would
//! have asked for.
//!
//! Demand is kept from the log's beginning on, as far back as the policy learns from, so that a plan of the bundle
//! knows what the operator's log knows; lines are kept, and figures counted, from the incident's beginning.

use std::collections::BTreeSet;

use anyhow::bail;

use crate::calendar::rfc3339;
use crate::cli::plan::INTERVAL;
use crate::cli::samples::{distances, usual};
use crate::decide::Stage;
use crate::journal::{Glance, Record};
use crate::plan::{Ahead, Course, History, Outcome, Scenario, Stood, hpa_course};
use crate::policy::{Mode, Policy};
use crate::units::{CapacityPerReplica, Demand, Replicas, Span, Step, Timestamp};

/// A log, cut to one incident.
pub(super) struct Slice {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    /// Whose decisions were met.
    pub(super) found: BTreeSet<String>,
    /// The decision in force at `from` and all up to `to`.
    pub(super) records: Vec<Record>,
    /// What was seen up to `to`, oldest first.
    glances: Vec<Glance>,
}

impl Slice {
    pub(super) fn new(from: Timestamp, to: Timestamp) -> Self {
        Self { from, to, found: BTreeSet::new(), records: Vec::new(), glances: Vec::new() }
    }

    /// Takes up one decision of the log, in the log's order.
    pub(super) fn take(&mut self, mut record: Record) {
        self.found.insert(record.key());
        let newest = self.glances.last().map(|glance| glance.0);
        let fresh = |at: Timestamp| newest.is_none_or(|newest| at > newest);
        let to = self.to;
        self.glances.extend(record.since.iter().filter(|glance| glance.0 < to && fresh(glance.0)).cloned());
        let now = record.now();
        let learned = record.policy.history;
        self.glances.retain(|glance| now.since(glance.0) <= learned);
        if now >= self.to {
            return;
        }
        if now <= self.from {
            // What came before the decision in force at the beginning is told by what was seen, not by its line.
            self.records.clear();
        }
        if record.spec.is_null()
            && let Some(before) = self.records.last()
        {
            record.spec = before.spec.clone();
        }
        self.records.push(record);
    }

    /// The policy as it stood at the end.
    fn policy(&self) -> anyhow::Result<(&Record, &Policy)> {
        match self.records.last() {
            Some(record) => Ok((record, &record.policy)),
            None => bail!(
                "nothing was decided between {} and {}: choose a time within the log",
                rfc3339(self.from),
                rfc3339(self.to)
            ),
        }
    }

    /// Demand over each step for each metric: what was read at its end, stamped with its beginning. A step at whose end
    /// nothing was read is absent.
    pub(super) fn demand(&self, step: Step) -> Vec<Vec<(Timestamp, Option<Demand>)>> {
        let n_metrics = self.records.last().map_or(0, |record| record.policy.metrics.len());
        (0..n_metrics)
            .map(|metric| {
                let mut samples: Vec<(Timestamp, Option<Demand>)> = Vec::new();
                for Glance(at, _, _, values) in &self.glances {
                    let begins = at.floor_to(step).minus(step.span());
                    let value = values.get(metric).copied().flatten().and_then(Demand::new);
                    match samples.last_mut() {
                        Some((last, known)) if *last == begins => *known = known.or(value),
                        _ => samples.push((begins, value)),
                    }
                }
                samples
            })
            .collect()
    }

    /// What was asked for, each time that it changed.
    pub(super) fn asked(&self) -> Vec<(Timestamp, Replicas)> {
        let mut asked: Vec<(Timestamp, Replicas)> =
            self.glances.iter().map(|Glance(at, asked, _, _)| (*at, *asked)).collect();
        asked.dedup_by_key(|(_, asked)| *asked);
        // From the first step of demand on, which begins before it was read.
        if let (Some(first), Ok((_, policy))) = (asked.first_mut(), self.policy()) {
            first.0 = first.0.floor_to(policy.step).minus(policy.step.span());
        }
        asked
    }

    /// The time on its grid, what stood on it, and the HPA.
    ///
    /// # Errors
    /// A log that holds nothing of that time, or too little to compare.
    pub(super) fn scenario(&self) -> anyhow::Result<(Scenario, Outcome)> {
        let (record, policy) = self.policy()?;
        let known = |samples: Vec<(Timestamp, Option<Demand>)>| {
            samples.into_iter().filter_map(|(at, demand)| Some((at, demand?))).collect()
        };
        let demand: Vec<Vec<(Timestamp, Demand)>> = self.demand(policy.step).into_iter().map(known).collect();
        for (rule, samples) in policy.metrics.iter().zip(&demand) {
            if samples.is_empty() {
                bail!("metric `{}` was never read in that time: choose a longer one", rule.name);
            }
        }
        let capacities: Vec<CapacityPerReplica> =
            record.observation.metrics.iter().filter_map(|metric| metric.capacity).collect();
        if capacities.len() != policy.metrics.len() {
            bail!("the capacity of a replica was not known at {}: choose another end", record.at);
        }
        let events = record.observation.events.clone();
        let history = History { demand, capacities, recorded: Vec::new(), from: Some(self.from), events };
        let scenario = Scenario::new(&record.key(), policy, None, self.interval(policy.step), history)?;
        let name = if policy.mode == Mode::DryRun { "recorded" } else { "foresail" };
        let courses = vec![Course { name, stood: self.stood(&scenario) }, hpa_course(&scenario)];
        let ahead = (0..scenario.grid.n_steps).map(|i| self.ahead(&scenario, i)).collect();
        let outcome = Outcome::judge(&scenario, courses, ahead);
        Ok((scenario, outcome))
    }

    /// The operator's interval: the usual time between two ticks, if steps are whole numbers of it.
    fn interval(&self, step: Step) -> Span {
        let instants: Vec<(Timestamp, ())> = self.glances.iter().map(|glance| (glance.0, ())).collect();
        let usual = usual(&distances(&instants)).filter(|span| *span > Span::ZERO);
        usual.filter(|span| step.span().millis().is_multiple_of(span.millis())).unwrap_or(INTERVAL)
    }

    /// What stood on each step: asked for last, the fewest that served; where nothing was seen what was seen before.
    fn stood(&self, scenario: &Scenario) -> Vec<Stood> {
        let mut held = self.glances.first().map_or((Replicas::ZERO, Replicas::ZERO), |one| (one.1, one.2));
        let mut glances = self.glances.iter().peekable();
        (0..scenario.grid.n_steps)
            .map(|i| {
                let ends = scenario.grid.time(i + 1);
                let mut fewest: Option<Replicas> = None;
                while let Some(Glance(_, asked, ready, _)) = glances.next_if(|glance| glance.0 < ends) {
                    held = (*asked, *ready);
                    fewest = Some(fewest.map_or(*ready, |fewest| fewest.min(*ready)));
                }
                let record = self.before(ends);
                Stood {
                    desired: held.0,
                    ready: fewest.unwrap_or(held.1),
                    stage: record.and_then(|record| Stage::named(&record.decision.bound_by)),
                }
            })
            .collect()
    }

    /// The newest decision before `at`.
    fn before(&self, at: Timestamp) -> Option<&Record> {
        let n = self.records.partition_point(|record| record.now() < at);
        self.records.get(n.checked_sub(1)?)
    }

    /// The logged forecast of the first metric for step `i` + lead.
    fn ahead(&self, scenario: &Scenario, i: usize) -> Option<Ahead> {
        let metric = self.before(scenario.grid.time(i + 1))?.observation.metrics.first()?;
        let quantiles = metric.outlook.as_ref()?.at(scenario.grid.time(i).plus(scenario.policy.lead))?;
        Some(Ahead { p50: quantiles.at(0.5).get(), p99: quantiles.at(0.99).get(), trusted: metric.trusted })
    }

    /// What the reader must know.
    pub(super) fn notes(&self, scenario: &Scenario) -> Vec<String> {
        let mut notes = vec![format!(
            "demand is known from {} on, as far as the log has it: a plan of the bundle learns from no more",
            rfc3339(scenario.grid.start)
        )];
        if let Ok((record, policy)) = self.policy() {
            if policy.mode == Mode::DryRun {
                notes.push("mode DryRun: `recorded` is what somebody else asked for".to_owned());
            }
            if self.records.iter().any(|one| one.policy != *policy) {
                notes.push(format!(
                    "the policy changed within that time: the HPA and the manifest are those of {}",
                    record.at
                ));
            }
        }
        notes
    }
}
