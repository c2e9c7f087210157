//! Stage 6: what the proposal may not go under: the fallback, announced events, a human's scale-up, a boost,
//! `minReplicas`; and what it may not exceed while an event caps it or the cluster has no room.

use std::fmt;

use super::events::{self, Wish};
use super::evidence::{Judged, MetricObservation};
use super::growth::Most;
use super::guards::Boost;
use super::track::HumanFloor;
use crate::policy::Policy;
use crate::units::{Demand, Replicas, Span, Timestamp, faulty};

/// The largest floor and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// No floor is above the proposal.
    Free,
    /// `fallback.replicas`, after evidence was absent for so long.
    Stated(Replicas, Span),
    /// The last forecast's p95 between now and lead + hold.
    LastForecast(Replicas, Span),
    /// The most of the same hours on earlier days.
    SameHours(Replicas, Span),
    /// What an announced event asks for or allows.
    Event(events::Fact),
    /// A human asked for more, and so long remains.
    Human(Replicas, Span),
    /// A boost, of which so long remains.
    Boost(Replicas, Span),
    /// `minReplicas`.
    Min(Replicas),
    /// There can be no more, and so many were wanted.
    Blocked(Most, Replicas),
}

impl Fact {
    /// The floor itself.
    pub fn replicas(&self) -> Replicas {
        match *self {
            Self::Free => Replicas::ZERO,
            Self::Event(ref fact) => fact.replicas(),
            Self::Stated(n, _)
            | Self::LastForecast(n, _)
            | Self::SameHours(n, _)
            | Self::Human(n, _)
            | Self::Boost(n, _)
            | Self::Min(n)
            | Self::Blocked(Most { replicas: n, .. }, _) => n,
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
    if faulty!(NoFallback, true, absent_for < policy.fallback.after_absent_for) {
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

/// The proposal with every floor and the cap of an event applied, the floors without `minReplicas`, and what binds.
/// `cap` names the event that is `maxReplicas` for now.
pub fn apply(
    policy: &Policy,
    proposal: Replicas,
    metrics: &[(Judged, &MetricObservation<'_>)],
    (wish, cap): (&Wish, Option<&str>),
    ((human, boost), now): ((Option<HumanFloor>, Option<Boost>), Timestamp),
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
    if let Some(fact) = &wish.fact {
        consider(Fact::Event(fact.clone()));
    }
    if let Some(human) = human.filter(|human| now < human.until) {
        consider(Fact::Human(human.n, human.until.since(now)));
    }
    if let Some(boost) = boost.filter(|boost| now < boost.until) {
        consider(Fact::Boost(boost.floor, boost.until.since(now)));
    }
    let mut asked_for = binding.replicas();
    if policy.bounds.min() > binding.replicas() {
        binding = Fact::Min(policy.bounds.min());
    }
    let (floored, fact) =
        if binding.replicas() > proposal { (binding.replicas(), binding) } else { (proposal, Fact::Free) };
    let most = policy.bounds.max();
    if let Some(name) = cap.filter(|_| floored > most) {
        asked_for = asked_for.min(most);
        let fact = events::Fact::Cap { name: name.to_owned(), n: most, wanted: floored };
        return (most, asked_for, Fact::Event(fact));
    }
    (floored, asked_for, fact)
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
            Self::Event(fact) => fact.fmt(f),
            Self::Human(n, left) => {
                write!(f, "somebody scaled up to {n}: kept as a floor for another {}s", left.seconds())
            }
            Self::Boost(n, left) => write!(f, "boosted to at least {n} for another {}s", left.seconds()),
            Self::Min(n) => write!(f, "minReplicas is {n}"),
            Self::Blocked(most, wanted) => {
                write!(f, "{wanted} are wanted and there can be {}: {most}", most.replicas)
            }
        }
    }
}
