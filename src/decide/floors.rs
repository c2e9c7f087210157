//! Stage 6: what the proposal may not go under: the fallback, a human's scale-up, a boost, `minReplicas`.

use std::fmt;

use super::evidence::{Judged, MetricObservation};
use super::guards::Boost;
use super::track::HumanFloor;
use crate::policy::Policy;
use crate::units::{Demand, Replicas, Span, Timestamp};

/// The largest floor and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// No floor is above the proposal.
    Free,
    /// `fallback.replicas`, after evidence was absent for so long.
    Stated(Replicas, Span),
    /// The last forecast's p95 between now and lead + hold.
    LastForecast(Replicas, Span),
    /// The most of the same hours on earlier days.
    SameHours(Replicas, Span),
    /// A human asked for more, and so long remains.
    Human(Replicas, Span),
    /// A boost, of which so long remains.
    Boost(Replicas, Span),
    /// `minReplicas`.
    Min(Replicas),
}

impl Fact {
    /// The floor itself.
    pub fn replicas(&self) -> Replicas {
        match *self {
            Self::Free => Replicas::ZERO,
            Self::Stated(n, _)
            | Self::LastForecast(n, _)
            | Self::SameHours(n, _)
            | Self::Human(n, _)
            | Self::Boost(n, _)
            | Self::Min(n) => n,
        }
    }
}

fn last_forecast_p95(policy: &Policy, seen: &MetricObservation<'_>, now: Timestamp) -> Option<Demand> {
    let outlook = seen.outlook.filter(|_| seen.trusted)?;
    let end = now.plus(policy.lead).plus(policy.hold());
    let mut largest: Option<Demand> = None;
    let mut at = now;
    while at <= end {
        // Beyond the horizon nothing is known: what is left of it stands for the rest.
        let Some(quantiles) = outlook.at(at) else { break };
        let p95 = quantiles.at(0.95);
        largest = Some(largest.map_or(p95, |d| d.max(p95)));
        at = at.plus(outlook.step.span());
    }
    largest
}

/// The floor for a metric whose evidence has been absent for `afterAbsentFor`.
fn fallback(policy: &Policy, judged: &Judged, seen: &MetricObservation<'_>, now: Timestamp) -> Fact {
    let Some(since) = judged.absent_since else { return Fact::Free };
    let absent_for = now.since(since);
    if absent_for < policy.fallback.after_absent_for {
        return Fact::Free;
    }
    if let Some(n) = policy.fallback.replicas {
        return Fact::Stated(n, absent_for);
    }
    let Some(capacity) = seen.capacity else { return Fact::Free };
    if let Some(p95) = last_forecast_p95(policy, seen, now) {
        return Fact::LastForecast(capacity.need(p95), absent_for);
    }
    seen.same_hours_maximum.map_or(Fact::Free, |most| Fact::SameHours(capacity.need(most), absent_for))
}

/// The proposal with every floor applied, the floors without `minReplicas`, and the one that binds.
pub fn apply(
    policy: &Policy,
    proposal: Replicas,
    metrics: &[(Judged, &MetricObservation<'_>)],
    (human, boost): (Option<HumanFloor>, Option<Boost>),
    now: Timestamp,
) -> (Replicas, Replicas, Fact) {
    let mut binding = Fact::Free;
    let mut consider = |fact: Fact| {
        if fact.replicas() > binding.replicas() {
            binding = fact;
        }
    };
    for (judged, seen) in metrics {
        consider(fallback(policy, judged, seen, now));
    }
    if let Some(human) = human.filter(|human| now < human.until) {
        consider(Fact::Human(human.n, human.until.since(now)));
    }
    if let Some(boost) = boost.filter(|boost| now < boost.until) {
        consider(Fact::Boost(boost.floor, boost.until.since(now)));
    }
    let asked_for = binding.replicas();
    if policy.bounds.min() > binding.replicas() {
        binding = Fact::Min(policy.bounds.min());
    }
    if binding.replicas() > proposal {
        (binding.replicas(), asked_for, binding)
    } else {
        (proposal, asked_for, Fact::Free)
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let absent = |f: &mut fmt::Formatter<'_>, n: &Replicas, what: &str, span: &Span| {
            write!(f, "no evidence for {}s: {what} asks for {n}", span.seconds())
        };
        match self {
            Self::Free => f.write_str("no floor is above the proposal"),
            Self::Stated(n, span) => absent(f, n, "fallback.replicas", span),
            Self::LastForecast(n, span) => absent(f, n, "the last forecast's p95", span),
            Self::SameHours(n, span) => absent(f, n, "the most of the same hours on earlier days", span),
            Self::Human(n, left) => {
                write!(f, "somebody scaled up to {n}: kept as a floor for another {}s", left.seconds())
            }
            Self::Boost(n, left) => write!(f, "boosted to at least {n} for another {}s", left.seconds()),
            Self::Min(n) => write!(f, "minReplicas is {n}"),
        }
    }
}
