//! The ceiling as a path: how much of what is needed over the rest of a period can be paid for.
//!
//! Theta is the largest share, in millionths, with which the rest of the period costs no more than what remains, when
//! each need is served up to that share of it, and never less than `minReplicas`. Money takes nothing away: what stands
//! stays until less is needed, also where the path falls below it, and that is part of the cost. Integers throughout, but
//! for where the search aims;
//! money is multiplied once for each member.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::units::{Money, PricePerReplicaHour, Replicas, Span, Timestamp, faulty, whole};

/// A share of what is needed, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Theta(u32);

impl Theta {
    /// Only the minima.
    pub const ZERO: Self = Self(0);
    /// All that is needed.
    pub const ONE: Self = Self(1_000_000);

    /// A share of so many millionths, at most all.
    pub fn from_millionths(millionths: u32) -> Self {
        Self(millionths).min(Self::ONE)
    }

    /// In millionths.
    pub const fn millionths(self) -> u32 {
        self.0
    }

    /// That share of `need`, rounded down: rounding is never at the cost of the budget.
    pub fn of(self, need: Replicas) -> Replicas {
        let share = u64::from(need.get()) * u64::from(self.0) / u64::from(Self::ONE.0);
        Replicas::new(u32::try_from(share).unwrap_or(u32::MAX))
    }
}

impl std::fmt::Display for Theta {
    /// As `0.83`, rounded down.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:02}", self.0 / 1_000_000, self.0 % 1_000_000 / 10_000)
    }
}

/// What an autoscaler is expected to need until the end of a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs {
    /// When the first of them begins.
    pub from: Timestamp,
    /// Replicas and for how many seconds, one after the other.
    pub ahead: Vec<(Replicas, u32)>,
    /// What demand comes to in its low and its high course, in thousandths of what is needed.
    pub spread: (u32, u32),
}

/// What an unforeseen need is expected to fade over: by then forecasts have learned it, or it is gone.
pub const FADE: Span = Span::from_hours(24);

/// What is wanted now may be for a need that is foreseen so far ahead, and is no surprise then.
const AHEAD: Span = Span::from_hours(1);

/// Needs from now to the end of the period, one after the other, each for so many seconds; the first is that of now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rest(Vec<(Replicas, u32)>);

impl Rest {
    /// One need to the end.
    pub fn level(need: Replicas, seconds: u64) -> Self {
        Self(vec![(need, u32::try_from(seconds).unwrap_or(u32::MAX))])
    }

    /// How long what is needed stays above `level`, in seconds from now.
    pub fn seconds_above(&self, level: Replicas) -> u64 {
        let later = self.0.iter().skip(1).take_while(|(need, _)| *need > level);
        self.0.iter().take(1).chain(later).map(|(_, seconds)| u64::from(*seconds)).sum()
    }

    fn add(&mut self, need: Replicas, seconds: u64) {
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        match self.0.last_mut() {
            // The first stands apart: what is above it then is not kept.
            Some((last, sum)) if *last == need && seconds > 0 => *sum = sum.saturating_add(seconds),
            _ if seconds > 0 => self.0.push((need, seconds)),
            _ => {}
        }
    }
}

impl Needs {
    /// The most that is needed within `span` from `now`.
    pub fn soon(&self, now: Timestamp, span: Span) -> Replicas {
        let (mut at, until) = (self.from, now.plus(span));
        let mut most = Replicas::ZERO;
        for &(need, seconds) in &self.ahead {
            let end = at.plus(Span::from_seconds(u64::from(seconds)));
            if at >= until {
                break;
            }
            if end > now {
                most = most.max(need);
            }
            at = end;
        }
        most
    }

    /// What is left of them at `now` until `end`, where `wish` is wanted now, for a first `step`. More than was foreseen
    /// is taken to fade. Where they end early the last need goes on.
    pub fn rest(&self, (now, end): (Timestamp, Timestamp), step: Span, wish: Replicas) -> Rest {
        let first = end.since(now).min(step);
        let mut rest = Rest::level(wish, first.seconds());
        let begin = now.plus(Span::from_seconds(first.seconds()));
        let (mut at, mut last) = (self.from, wish);
        let mut extra: Option<u32> = None;
        for &(need, seconds) in &self.ahead {
            let until = at.plus(Span::from_seconds(u64::from(seconds)));
            if until > now {
                let extra =
                    *extra.get_or_insert_with(|| wish.get().saturating_sub(self.soon(now, AHEAD).get()));
                let from = at.max(begin);
                let need = Replicas::new(need.get().saturating_add(faded(extra, from.since(now))));
                rest.add(need, until.min(end).since(from).seconds());
            }
            (at, last) = (until, need);
        }
        let from = at.max(begin);
        let extra = extra.unwrap_or_else(|| wish.get().saturating_sub(last.get()));
        let need = Replicas::new(last.get().saturating_add(faded(extra, from.since(now))));
        rest.add(need, end.since(from).seconds());
        rest
    }
}

/// What is left of `extra` replicas after `ago`, in a line to nothing.
fn faded(extra: u32, ago: Span) -> u32 {
    let left = FADE.seconds().saturating_sub(ago.seconds());
    let share = u64::from(extra).saturating_mul(left).div_ceil(FADE.seconds());
    u32::try_from(share).unwrap_or(u32::MAX)
}

/// One member's part in what remains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Higher ones are served first.
    pub priority: u32,
    /// What a replica costs.
    pub price: PricePerReplicaHour,
    /// `minReplicas`: always paid for.
    pub min: Replicas,
    /// What stands, or is about to: money never takes it away.
    pub stands: Replicas,
    /// What is needed until the end of the period.
    pub rest: Rest,
}

impl Part {
    /// Replica-seconds until the end of the period when growth stops at `theta` of every need; needs are `times`
    /// thousandths of what is foreseen.
    fn replica_seconds(&self, theta: Theta, times: u32) -> u64 {
        let min = self.min.get();
        let mut stands = self.stands.get();
        let mut sum = 0_u64;
        for (i, &(need, seconds)) in self.rest.0.iter().enumerate() {
            let need = u64::from(need.get()) * u64::from(times) / 1000;
            let need = u32::try_from(need).unwrap_or(u32::MAX).max(min);
            // What stands now is let go when it is not needed, though not at once.
            let kept = if i == 0 { stands } else { stands.min(need) };
            let kept = faulty!(StandsIsFree, min, kept);
            stands = kept.max(theta.of(Replicas::new(need)).get()).max(min);
            sum = sum.saturating_add(u64::from(stands).saturating_mul(u64::from(seconds)));
        }
        sum
    }

    /// What `minReplicas` cost until the end of the period.
    fn minima(&self) -> Money {
        let seconds =
            self.rest.0.iter().fold(0_u64, |sum, (_, seconds)| sum.saturating_add(u64::from(*seconds)));
        self.price.of_replica_seconds(seconds.saturating_mul(u64::from(self.min.get())))
    }

    /// What that costs; `times` thousandths of what is needed.
    pub fn cost(&self, theta: Theta, times: u32) -> Money {
        self.price.of_replica_seconds(self.replica_seconds(theta, times))
    }
}

/// What remains, shared out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shares {
    /// The share of each part, in their order.
    pub thetas: Vec<Theta>,
    /// What is left when everything that is needed is paid for.
    pub surplus: Money,
    /// Whether the minima can be paid for.
    pub feasible: bool,
    /// What is missing where they, and what stands, cost more than remains.
    pub deficit: Money,
}

/// Shares `remaining` out among `parts`: the minima first, then by priority; parts of one priority get one share.
pub fn share_out(remaining: Money, parts: &[Part]) -> Shares {
    let cost = |part: &Part, theta: Theta| part.cost(theta, 1000);
    let feasible = parts.iter().fold(Money::ZERO, |sum, part| sum.plus(part.minima())) <= remaining;
    let least = parts.iter().fold(Money::ZERO, |sum, part| sum.plus(cost(part, Theta::ZERO)));
    let mut thetas = vec![Theta::ZERO; parts.len()];
    if least > remaining {
        return Shares { thetas, surplus: Money::ZERO, feasible, deficit: least.less(remaining) };
    }
    let mut left = remaining.less(least);
    let mut classes: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (i, part) in parts.iter().enumerate() {
        let rank = faulty!(PriorityUpsideDown, u32::MAX - part.priority, part.priority);
        classes.entry(rank).or_default().push(i);
    }
    for members in classes.values().rev() {
        let members: Vec<&Part> = members.iter().filter_map(|&i| parts.get(i)).collect();
        let least = members.iter().fold(Money::ZERO, |sum, part| sum.plus(cost(part, Theta::ZERO)));
        let more = |theta: Theta| {
            members.iter().fold(Money::ZERO, |sum, part| sum.plus(cost(part, theta))).less(least)
        };
        let theta = largest(more, left);
        left = left.less(more(theta));
        let priority = members.first().map(|part| part.priority);
        for (slot, part) in thetas.iter_mut().zip(parts) {
            if Some(part.priority) == priority {
                *slot = theta;
            }
        }
    }
    let all = thetas.iter().all(|theta| *theta == Theta::ONE);
    Shares { thetas, surplus: if all { left } else { Money::ZERO }, feasible, deficit: Money::ZERO }
}

/// The largest share whose cost fits; costs are monotone, and nothing at all fits. Each cost is a walk over every need of
/// every member, and nearly a line: the search aims a little above and a little below where that line meets `most`, and
/// every third time at the middle, so that it ends soon whatever the costs are.
fn largest(cost: impl Fn(Theta) -> Money, most: Money) -> Theta {
    let all = cost(Theta::ONE);
    if faulty!(ThetaIsOne, true, all <= most) {
        return Theta::ONE;
    }
    let (mut fitting, mut beyond) = ((0, 0.0), (Theta::ONE.0, all.as_f64()));
    for turn in (0..3).cycle() {
        let width = beyond.0 - fitting.0;
        if width <= 1 {
            break;
        }
        let share = (most.as_f64() - fitting.1) / (beyond.1 - fitting.1);
        let met = whole(share * f64::from(width)).and_then(|part| u32::try_from(part).ok());
        let met = fitting.0 + met.unwrap_or(width / 2).min(width);
        let aim = match turn {
            0 => met + width / 64,
            1 => met - (width / 64).min(met),
            _ => fitting.0 + width / 2,
        };
        let aim = aim.clamp(fitting.0 + 1, beyond.0 - 1);
        let costs = cost(Theta(aim));
        let end = if costs <= most { &mut fitting } else { &mut beyond };
        *end = (aim, costs.as_f64());
    }
    faulty!(RoundsThetaUp, Theta(beyond.0), Theta(fitting.0))
}
