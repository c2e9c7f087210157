//! Announced events: their multipliers are put back on forecasts of ordinary demand, whether these are trusted or not
//! what they need is readied ahead, and their floors and caps hold.
//!
//! Forecasts are of demand without events ([`crate::forecast::Keeper`] takes them out). Stages 1 to 5 see forecasts
//! with the multipliers in them; stage 6 asks for what the events need on the largest of forecast, seasonal profile
//! and present demand.

use std::borrow::Cow;
use std::fmt;

use super::evidence::{Judged, MetricObservation};
use super::predictive::{self, Predicted};
use super::track::Track;
use super::trail::Number;
use super::{Decision, Situation, Stage};
use crate::calendar::{self, Window};
use crate::forecast::QuantileForecast;
use crate::policy::{MetricRule, Policy};
use crate::units::{CapacityPerReplica, Demand, ReplicaBounds, Replicas, Span, Timestamp, replicas_ceil};

/// How far ahead an event changes forecasts at most: their horizon.
const HORIZON: Span = Span::from_hours(1);

/// The events that matter for one decision.
pub(super) struct Events<'a> {
    windows: Vec<&'a Window>,
    now: Timestamp,
}

/// Whether an event is on, ahead within an hour, or to be readied: no other one changes a decision.
pub fn is_near(policy: &Policy, window: &Window, now: Timestamp) -> bool {
    let ahead = policy.lead.plus(policy.hold()).max(HORIZON);
    window.start.minus(window.effect.ready_before).minus(ahead) <= now && now < window.over()
}

/// A metric's forecast with the multipliers in it.
pub(super) struct PutBack {
    outlook: Option<QuantileForecast>,
    p05_earlier: Option<Demand>,
    same_hours_maximum: Option<Demand>,
}

/// What the events ask for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wish {
    /// The larger of what they need and what they hold.
    pub floor: Replicas,
    /// What must be asked for now so that it serves in time.
    pub needed: Replicas,
    /// Which event, and why.
    pub fact: Option<Fact>,
}

/// What an event did, for the sentence of its stage.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// Demand is expected to be so many times what it would be.
    Multiplied {
        /// The event.
        name: String,
        /// How many times.
        times: f64,
        /// What that needs.
        n: Replicas,
    },
    /// Its `minReplicas`.
    Least {
        /// The event.
        name: String,
        /// So many.
        n: Replicas,
    },
    /// The forecast lost its trust within the event: nothing is lowered.
    Held {
        /// The event.
        name: String,
        /// What stands.
        n: Replicas,
    },
    /// Its `maxReplicas`.
    Cap {
        /// The event.
        name: String,
        /// So many.
        n: Replicas,
        /// What was wanted.
        wanted: Replicas,
    },
}

/// Why an event does not come into its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unapplied {
    /// A CamelCase fact: stable.
    pub reason: &'static str,
    /// The sentence.
    pub message: String,
}

/// The smallest `maxReplicas` and the largest `minReplicas` of the events that are on.
#[derive(Clone, Copy, Default)]
struct Limits<'a> {
    cap: Option<(Replicas, &'a str)>,
    least: Option<(Replicas, &'a str)>,
}

impl<'a> Events<'a> {
    /// Those of the situation that are on, ahead within an hour, or to be readied.
    pub(super) fn near(policy: &Policy, situation: &Situation<'a>) -> Self {
        let now = situation.now;
        let windows = situation.events.iter().filter(|one| is_near(policy, one, now));
        Self { windows: windows.collect(), now }
    }

    fn factor(&self, at: Timestamp) -> f64 {
        self.windows.iter().map(|window| window.factor(at)).product()
    }

    fn multiply(&self) -> bool {
        self.windows.iter().any(|window| window.multiplies())
    }

    /// Forecasts with the multipliers in them; empty when no event multiplies.
    pub(super) fn put_back(&self, metrics: &[MetricObservation<'_>], ahead: Span) -> Vec<PutBack> {
        if !self.multiply() {
            return Vec::new();
        }
        let times =
            |demand: Option<Demand>, factor: f64| demand.and_then(|one| Demand::new(one.get() * factor));
        let most = self.largest_until(self.now.plus(ahead));
        let of = |one: &MetricObservation<'_>| PutBack {
            outlook: one.outlook.map(|outlook| outlook.times(|at| self.factor(at))),
            p05_earlier: times(one.p05_earlier, self.factor(self.now)),
            same_hours_maximum: times(one.same_hours_maximum, most),
        };
        metrics.iter().map(of).collect()
    }

    /// The largest factor from now to `end`, at least 1: at an end of the stretch or where a window is at its height.
    fn largest_until(&self, end: Timestamp) -> f64 {
        let corners = self.windows.iter().flat_map(|one| [one.start, one.height()]);
        let times = corners.filter(|at| self.now <= *at && *at <= end).chain([self.now, end]);
        times.map(|at| self.factor(at)).fold(1.0, f64::max)
    }

    fn limits(&self) -> Limits<'a> {
        let mut limits = Limits::default();
        for window in self.windows.iter().filter(|window| window.is_on(self.now)) {
            let name = window.effect.name.as_str();
            if let Some(n) = window.effect.max_replicas
                && limits.cap.is_none_or(|(least, _)| n < least)
            {
                limits.cap = Some((n, name));
            }
            if let Some(n) = window.effect.min_replicas
                && limits.least.is_none_or(|(most, _)| n > most)
            {
                limits.least = Some((n, name));
            }
        }
        limits
    }

    /// The policy with the smallest cap as its `maxReplicas`. A cap gives way to `minReplicas` of the policy and of
    /// every event.
    pub(super) fn capped<'p>(&self, policy: &'p Policy) -> Cow<'p, Policy> {
        let Limits { cap: Some((cap, _)), least } = self.limits() else { return Cow::Borrowed(policy) };
        let (min, max) = (policy.bounds.min(), policy.bounds.max());
        let least = least.map_or(min, |(n, _)| n.max(min)).min(max);
        match ReplicaBounds::new(min, cap.max(least).min(max)) {
            Some(bounds) => Cow::Owned(Policy { bounds, ..policy.clone() }),
            None => Cow::Borrowed(policy),
        }
    }

    /// The event whose cap is `policy`'s `maxReplicas`, where that is less than `stated`.
    pub(super) fn binding_cap(&self, policy: &Policy, stated: ReplicaBounds) -> Option<&'a str> {
        let capped = policy.bounds.max() < stated.max();
        self.limits().cap.filter(|_| capped).map(|(_, name)| name)
    }

    /// What the events ask for, from what is seen of each metric (without multipliers in it) and made of it.
    pub(super) fn wish(
        &self,
        policy: &Policy,
        situation: &Situation<'_>,
        judged: &[Judged],
        track: &mut Track,
    ) -> Wish {
        if self.windows.is_empty() {
            track.trusted_in_event_until = None;
            return Wish::default();
        }
        let mut needs = self.path(policy, situation, judged);
        let named = needs.iter().max_by_key(|need| need.n).cloned().unwrap_or_default();
        let mut path: Vec<Replicas> = needs.drain(..).map(|need| need.n).collect();
        predictive::backward_pass(policy, &mut path);
        let lead = policy.step.steps_covering(policy.lead);
        let needed = path.get(lead).copied().unwrap_or_default();
        let release_to = path.iter().max().copied().unwrap_or_default();
        let floor = Predicted { raise_to: needed, release_to }.wants(situation.asked);
        let asked_for = if named.least {
            Fact::Least { name: named.name, n: floor }
        } else {
            Fact::Multiplied { name: named.name, times: named.times, n: floor }
        };
        let fact = Some(asked_for).filter(|_| floor > Replicas::ZERO);
        let held = self.held(policy, situation, track);
        match held {
            Some((n, name)) if n > floor => Wish { floor: n, needed, fact: Some(Fact::Held { name, n }) },
            _ => Wish { floor, needed, fact },
        }
    }

    /// What stands, where a forecast was trusted earlier within an event that is on and is not any more.
    fn held(
        &self,
        policy: &Policy,
        situation: &Situation<'_>,
        track: &mut Track,
    ) -> Option<(Replicas, String)> {
        let on = self.windows.iter().filter(|one| one.multiplies() && one.holds(self.now));
        let last = on.max_by_key(|one| one.over())?;
        let trusted = policy
            .metrics
            .iter()
            .zip(situation.metrics)
            .all(|(rule, seen)| !rule.prediction || (seen.trusted && seen.outlook.is_some()));
        if trusted {
            track.trusted_in_event_until = Some(last.over());
            return None;
        }
        let was_trusted = track.trusted_in_event_until.is_some_and(|until| self.now < until);
        was_trusted.then(|| (situation.asked.min(policy.bounds.max()), last.effect.name.clone()))
    }

    /// What the events need at each step from now to lead and hold.
    fn path(&self, policy: &Policy, situation: &Situation<'_>, judged: &[Judged]) -> Vec<Need> {
        let step = policy.step;
        let last = step.steps_covering(policy.lead) + step.steps_covering(policy.hold());
        let mut at = self.now;
        let mut path = Vec::with_capacity(last + 1);
        for _ in 0..=last {
            let mut need = self.least(at);
            for when in self.served(at) {
                let times = self.factor(when);
                if times <= 1.0 {
                    continue;
                }
                for ((rule, seen), judged) in policy.metrics.iter().zip(situation.metrics).zip(judged) {
                    let n = self.of_metric(policy, (rule, seen, judged), when).unwrap_or_default();
                    if n > need.n {
                        need = Need { n, times, least: false, name: self.name_at(when) };
                    }
                }
            }
            path.push(need);
            at = at.plus(step.span());
        }
        path
    }

    /// The instants whose demand must be served at `at`: itself, and the height of each event readied by then.
    fn served(&self, at: Timestamp) -> impl Iterator<Item = Timestamp> {
        let ahead = self.windows.iter().filter_map(move |one| {
            let ready = one.effect.ready_before;
            let readied = one.start.minus(ready) <= at && at < one.height() && ready > Span::ZERO;
            readied.then(|| at.plus(ready).min(one.height()))
        });
        std::iter::once(at).chain(ahead)
    }

    fn least(&self, at: Timestamp) -> Need {
        calendar::least(self.windows.iter().copied(), at).map_or_else(Need::default, |(n, one)| Need {
            n,
            times: 1.0,
            least: true,
            name: one.effect.name.clone(),
        })
    }

    /// The event that multiplies demand most at `at`.
    fn name_at(&self, at: Timestamp) -> String {
        let most = self.windows.iter().max_by(|a, b| a.factor(at).total_cmp(&b.factor(at)));
        most.map_or_else(String::new, |one| one.effect.name.clone())
    }

    /// What the largest of forecast, seasonal profile and present demand needs at `at`, multiplied.
    fn of_metric(
        &self,
        policy: &Policy,
        (rule, seen, judged): (&MetricRule, &MetricObservation<'_>, &Judged),
        at: Timestamp,
    ) -> Option<Replicas> {
        let capacity = seen.capacity?;
        let times = self.factor(at);
        let present = judged.demand.map_or(0.0, |demand| demand.get() / self.factor(self.now));
        let usual = seen.profile.and_then(|profile| profile.at(at)).map_or(0.0, Demand::get);
        let forecast = seen.outlook.filter(|_| rule.prediction && seen.trusted);
        let share = match forecast {
            Some(_) => policy.reactive.floor_utilization,
            None => policy.reactive.average_utilization,
        };
        let per_replica = |capacity: CapacityPerReplica| present.max(usual) * times / capacity.get();
        let known = replicas_ceil(per_replica(capacity.at(share)));
        let foreseen = forecast.and_then(|outlook| outlook.at(at)).map(|quantiles| {
            replicas_ceil(quantiles.capacity_for(policy.objective, seen.level) * times / capacity.get())
        });
        Some(known.max(foreseen.unwrap_or_default()).min(Replicas::HARD_CAP))
    }

    /// Whether the decision gives the events less than they ask for, and why.
    pub(super) fn unapplied(
        &self,
        stated: ReplicaBounds,
        wish: &Wish,
        decision: &Decision,
    ) -> Option<Unapplied> {
        let limits = self.limits();
        if let (Some((cap, cap_name)), Some((least, name))) = (limits.cap, limits.least)
            && least > cap
        {
            let message = format!(
                "event `{name}` asks for at least {least} replicas and event `{cap_name}` allows at most {cap}: \
                 the floor of {least} stands; correct one of them"
            );
            return Some(Unapplied { reason: "FloorAboveCap", message });
        }
        if let Some((cap, name)) = limits.cap
            && cap < stated.min()
        {
            let message = format!(
                "event `{name}` allows at most {cap} replicas, minReplicas is {min}: {min} stand; lower minReplicas or raise \
                 the event's maxReplicas",
                min = stated.min()
            );
            return Some(Unapplied { reason: "CapBelowMinReplicas", message });
        }
        let needed = limits.cap.map_or(wish.needed, |(cap, _)| wish.needed.min(cap));
        if needed <= decision.desired {
            return None;
        }
        let name = wish.fact.as_ref().map_or("", Fact::name);
        let (reason, remedy) = match decision.lowered_by() {
            Some(Stage::Spend) if decision.money().is_some_and(|fact| fact.limited().is_some()) => {
                ("WithheldByBudget", "raise the budget's amount, or see BudgetLimited")
            }
            Some(Stage::Spend) => ("WithheldByMaxPerHour", "raise spend.maxPerHour"),
            Some(Stage::Bounds) => ("FloorAboveMaxReplicas", "raise maxReplicas"),
            _ => ("ScalingLimited", "loosen behavior.scaleUp or the cooldown, or set readyBefore"),
        };
        let message =
            format!("event `{name}` needs {needed} replicas, {} are asked for: {remedy}", decision.desired);
        Some(Unapplied { reason, message })
    }
}

/// What is needed at a step, and by which event.
#[derive(Clone, Default)]
struct Need {
    n: Replicas,
    times: f64,
    /// It is a `minReplicas`.
    least: bool,
    name: String,
}

/// What is seen of a metric, with the multipliers in its forecasts.
pub(super) fn multiplied<'a>(
    metrics: &'a [MetricObservation<'a>],
    put_back: &'a [PutBack],
) -> Cow<'a, [MetricObservation<'a>]> {
    if put_back.is_empty() {
        return Cow::Borrowed(metrics);
    }
    let all = metrics.iter().zip(put_back).map(|(seen, put_back)| MetricObservation {
        outlook: put_back.outlook.as_ref(),
        p05_earlier: put_back.p05_earlier,
        same_hours_maximum: put_back.same_hours_maximum,
        ..seen.clone()
    });
    Cow::Owned(all.collect())
}

/// How many times ordinary demand the situation's events expect at `at`.
pub(super) fn times(situation: &Situation<'_>, at: Timestamp) -> f64 {
    calendar::factor(situation.events, at)
}

impl Fact {
    /// So many replicas.
    pub const fn replicas(&self) -> Replicas {
        match self {
            Self::Multiplied { n, .. }
            | Self::Least { n, .. }
            | Self::Held { n, .. }
            | Self::Cap { n, .. } => *n,
        }
    }

    /// The event's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Multiplied { name, .. }
            | Self::Least { name, .. }
            | Self::Held { name, .. }
            | Self::Cap { name, .. } => name,
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Multiplied { name, times, n } => {
                write!(f, "event `{name}` expects {} times ordinary demand: {n} are needed", Number(*times))
            }
            Self::Least { name, n } => write!(f, "event `{name}` asks for at least {n}"),
            Self::Held { name, n } => {
                write!(f, "the forecast lost its trust within event `{name}`: {n} stay until it is over")
            }
            Self::Cap { name, n, wanted } => {
                write!(f, "event `{name}` allows at most {n}, {wanted} were wanted")
            }
        }
    }
}

#[cfg(test)]
mod tests;
