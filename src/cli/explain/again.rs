//! A decision that no log holds: made again from the history of demand, as `foresail plan` makes it.

use anyhow::{Context as _, bail};

use super::moment::{Moment, last_such};
use crate::calendar::{TimeZone, rfc3339};
use crate::cli::plan::autoscaler::Autoscaler;
use crate::cli::plan::{Source, Window, each_day, known, price};
use crate::cli::samples::{distances, usual};
use crate::edge::clock::{Clock as _, SystemClock};
use crate::journal::{Owner, Record};
use crate::plan::{History, Run, Scenario, Shown};
use crate::policy::{Actuation, Mode};
use crate::report::explanation::Explanation;
use crate::units::{Demand, Span, Timestamp};

/// The whole history, as it is.
const EVERYTHING: Window = Window { from: None, to: None, factor: 1.0 };

/// Makes the decision that held at `at` again, or the last one that the history reaches.
///
/// # Errors
/// A history that cannot be read, does not reach the instant, or has nothing before it.
pub(super) fn explain(
    mut autoscaler: Autoscaler,
    source: Source<'_>,
    at: Option<Moment>,
) -> anyhow::Result<Explanation> {
    let zone = TimeZone::parse(&autoscaler.policy.time_zone).unwrap_or(TimeZone::UTC);
    let instant = |until: Timestamp| match at {
        None => until,
        Some(Moment::Instant(at)) => at,
        Some(Moment::Clock(second)) => last_such(zone, second, until),
    };
    let (history, at) = match source {
        Source::Prometheus(server) => {
            let at = instant(SystemClock.now());
            let history = known(&autoscaler, source, Window { to: Some(at), ..EVERYTHING });
            let remedy = || {
                format!(
                    "`{}` does not tell the history; --prometheus URL asks one that this machine reaches",
                    server.url
                )
            };
            (history.with_context(remedy)?, at)
        }
        Source::Files { .. } => {
            let history = known(&autoscaler, source, EVERYTHING)?;
            let at = instant(end_of(&history, autoscaler.policy.step.span()));
            (history, at)
        }
    };
    let mut notes = notes(&autoscaler);
    notes.extend(settle_money(&mut autoscaler, source, at));
    let history = seen_by(history, &autoscaler, at)?;
    let scenario = autoscaler.scenario(history)?;
    let Some(record) = decided(&autoscaler, &scenario, at) else {
        bail!("nothing is decided before the first sample has passed: choose a later instant");
    };
    let mut explanation = Explanation::of(&record);
    explanation.source = "recomputed";
    explanation.notes.push(format!(
        "no log was read: this is the decision that `foresail plan` makes on the demand known from {} on, with replicas that follow its own decisions from there; what a history of demand does not tell is not in it: freezes, boosts and changes by hand, quotas and `limits`, an HPA, what other members of a budget took",
        rfc3339(scenario.grid.start)
    ));
    explanation.notes.extend(stood(&scenario, &record));
    explanation.notes.extend(notes);
    Ok(explanation)
}

/// Where the shortest history ends.
fn end_of(history: &History, step: Span) -> Timestamp {
    let ends = history.demand.iter().filter_map(|samples| samples.last());
    ends.map(|(at, _)| at.plus(step)).min().unwrap_or(Timestamp::from_seconds(0))
}

/// What is visible at `at`, and one step more, which begins then and which the decision does not see.
fn seen_by(history: History, autoscaler: &Autoscaler, at: Timestamp) -> anyhow::Result<History> {
    let step = autoscaler.policy.step;
    let begins = at.floor_to(step);
    let mut demand: Vec<Vec<(Timestamp, Demand)>> = Vec::with_capacity(history.demand.len());
    for (rule, mut samples) in autoscaler.policy.metrics.iter().zip(history.demand) {
        let usual = usual(&distances(&samples)).unwrap_or(Span::ZERO).max(step.span());
        samples.retain(|(start, _)| start.plus(step.span()) <= begins);
        let Some((newest, value)) = samples.last().copied() else {
            bail!(
                "metric `{}` has no sample before {}: choose a later instant, or a longer history",
                rule.name,
                rfc3339(at)
            );
        };
        if begins.since(newest) > usual.plus(usual) {
            bail!(
                "metric `{}` has no sample between {} and {}: choose an instant up to which the history reaches",
                rule.name,
                rfc3339(newest.plus(usual)),
                rfc3339(at)
            );
        }
        samples.push((begins, value));
        demand.push(samples);
    }
    Ok(History { demand, ..history })
}

/// The price where the history's server tells it; where nothing does, money limits nothing, and that is said.
fn settle_money(autoscaler: &mut Autoscaler, source: Source<'_>, at: Timestamp) -> Option<String> {
    let server = match source {
        Source::Prometheus(server) => Some((server, at)),
        Source::Files { .. } => None,
    };
    let given = price::Given { price: None, book: None, requests: None, server };
    let settled = price::settle(autoscaler, &given)
        .context("without a price money limits nothing here, and `foresail plan` can be told one");
    settled.unwrap_or_else(|error| {
        autoscaler.policy.spend = None;
        autoscaler.budget = None;
        Some(format!("{error:#}"))
    })
}

/// What the reader must know of the policy.
fn notes(autoscaler: &Autoscaler) -> Vec<String> {
    let policy = &autoscaler.policy;
    let mut notes = Vec::new();
    if policy.mode == Mode::DryRun {
        notes.push(
            "mode DryRun: nothing was written; this is what Active would have decided, as the shadow does"
                .to_owned(),
        );
    }
    if policy.actuation != Actuation::Scale {
        notes.push(
            "only the HPA's minReplicas is moved; this is what would have been decided through /scale"
                .to_owned(),
        );
    }
    if autoscaler.object.spec.forecast.lead_time.is_none() {
        notes.push(format!(
            "no forecast.leadTime is stated: a lead of {} is taken, which may not be the one of then",
            policy.lead
        ));
    }
    notes.extend(autoscaler.budget_note());
    notes
}

/// The last decision up to `at`.
fn decided(autoscaler: &Autoscaler, scenario: &Scenario, at: Timestamp) -> Option<Record> {
    let owner = Owner {
        namespace: &autoscaler.namespace,
        name: autoscaler.object.metadata.name.as_deref().unwrap_or_default(),
    };
    let mut run = Run::begin(scenario);
    let mut found = None;
    each_day(scenario, |day| {
        let foreseen = run.foreseen(scenario, day);
        let Some(replay) = run.replay_mut(autoscaler.policy.mode) else { return };
        replay.advance_watched(scenario, &foreseen, &mut |shown| {
            let Shown { policy, observation, memory, tick } = shown;
            if observation.now <= at && at.since(observation.now) < scenario.interval {
                let record = Record::of(owner, policy, observation, memory, tick);
                found = Some(Record { outcome: "recomputed".to_owned(), ..record });
            }
        });
    });
    found
}

/// What stood on the cluster then, where that is known and was something else.
fn stood(scenario: &Scenario, record: &Record) -> Option<String> {
    let stood = *scenario.recorded.as_ref()?.last()?;
    (stood != record.decision.asked).then(|| {
        format!(
            "the cluster had asked for {stood} then, and not for the {} of this course: what bound then may have been something else",
            record.decision.asked
        )
    })
}
