//! Rate policies of the HPA's `behavior` (PEERS 2.1 rule 11), and how far they reach within a time.

use std::fmt;

use super::track::Track;
use crate::policy::{Policy, RateAmount, RatePolicy, ScalingRules, SelectPolicy};
use crate::units::{Replicas, Span, Timestamp, faulty};

/// `start` raised by one rate policy: Pods add, Percent multiplies and rounds up.
fn raised(start: u64, amount: RateAmount) -> u64 {
    match amount {
        RateAmount::Pods(n) => faulty!(Overflow, start + (u64::MAX - 1), start.saturating_add(u64::from(n))),
        RateAmount::Percent(p) => {
            let hundredths = start.saturating_mul(100 + u64::from(p));
            faulty!(RoundsRatesDown, hundredths / 100, hundredths.div_ceil(100))
        }
    }
}

/// `start` lowered by one rate policy: Pods subtract, Percent multiplies and rounds down.
fn lowered(start: u64, amount: RateAmount) -> u64 {
    match amount {
        RateAmount::Pods(n) => start.saturating_sub(u64::from(n)),
        RateAmount::Percent(p) => start.saturating_mul(100_u64.saturating_sub(u64::from(p))) / 100,
    }
}

fn count(n: u64) -> Replicas {
    Replicas::new(u32::try_from(n).unwrap_or(u32::MAX))
}

/// What stood at the start of a policy's period: without what we added since, with what we removed since.
fn at_start(asked: Replicas, track: &Track, now: Timestamp, policy: &RatePolicy) -> u64 {
    let added = faulty!(ForgetsChanges, 0, u64::from(track.changed_within(now, policy, true)));
    let removed = u64::from(track.changed_within(now, policy, false));
    u64::from(asked.get()).saturating_add(removed).saturating_sub(added)
}

fn select(rules: &ScalingRules, limits: impl Iterator<Item = u64>, up: bool) -> Option<u64> {
    match (rules.select, up) {
        (SelectPolicy::Disabled, _) => None,
        (SelectPolicy::Max, true) | (SelectPolicy::Min, false) => limits.max(),
        (SelectPolicy::Min, true) | (SelectPolicy::Max, false) => limits.min(),
    }
}

/// The most that an increase from `asked` may reach now; never below `asked`.
pub fn up_limit(policy: &Policy, asked: Replicas, track: &Track, now: Timestamp) -> Replicas {
    let rules = &policy.behavior.up;
    let limits = rules.policies.iter().map(|one| raised(at_start(asked, track, now, one), one.amount));
    select(rules, limits, true).map_or(asked, |limit| count(limit).max(asked))
}

/// The fewest that a decrease from `asked` may reach now; never above `asked`.
pub fn down_limit(policy: &Policy, asked: Replicas, track: &Track, now: Timestamp) -> Replicas {
    let rules = &policy.behavior.down;
    let limits = rules.policies.iter().map(|one| lowered(at_start(asked, track, now, one), one.amount));
    select(rules, limits, false).map_or(asked, |limit| count(limit).min(asked))
}

/// The time after which the up-policies allow as much again: a step, or longer where their periods are. Of several
/// periods the shortest counts where the largest change is selected, else the longest.
pub fn stride(policy: &Policy) -> Span {
    let rules = &policy.behavior.up;
    let periods = rules.policies.iter().map(|one| one.period);
    let obeyed = if rules.select == SelectPolicy::Max { periods.min() } else { periods.max() };
    obeyed.unwrap_or(Span::ZERO).max(policy.step.span())
}

/// How far the up-policies reach from `n` within a time, from fresh windows; those of longer periods do not count.
pub fn reach_within(policy: &Policy, n: Replicas, within: Span) -> Replicas {
    let rules = &policy.behavior.up;
    let counts = || rules.policies.iter().filter(|one| one.period <= within);
    // Times that every one of them is fresh again and the cooldown over: the careful count for mixed periods.
    let longest = counts().map(|one| one.period).max().unwrap_or(within);
    let longest = longest.max(policy.cooldown.up).millis().max(1);
    let mut reached = u64::from(n.get());
    for _ in 0..(within.millis() / longest).clamp(1, 64) {
        let limits = counts().map(|one| raised(reached, one.amount));
        let Some(next) = select(rules, limits, true) else { return n };
        if next <= reached || next >= u64::from(Replicas::HARD_CAP.get()) {
            reached = next.max(reached);
            break;
        }
        reached = next;
    }
    count(reached)
}

/// The least `n` from which `target` is reached within a time, from fresh windows.
pub fn least_reaching(policy: &Policy, target: Replicas, within: Span) -> Replicas {
    let (mut low, mut high) = (0_u32, target.get());
    while low < high {
        let middle = low + (high - low) / 2;
        if reach_within(policy, Replicas::new(middle), within) >= target {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Replicas::new(low)
}

/// What the rate policies did, for their sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Nothing to limit.
    Free,
    /// An increase was limited.
    Up {
        /// What was wanted.
        wanted: Replicas,
        /// What is allowed now.
        limit: Replicas,
    },
    /// A decrease was limited.
    Down {
        /// What was wanted.
        wanted: Replicas,
        /// What is allowed now.
        limit: Replicas,
    },
}

/// Limits `proposal` to what the rate policies allow now.
pub fn apply(
    policy: &Policy,
    asked: Replicas,
    proposal: Replicas,
    track: &Track,
    now: Timestamp,
) -> (Replicas, Fact) {
    if proposal > asked {
        let limit = up_limit(policy, asked, track, now);
        if proposal > limit {
            return (limit, Fact::Up { wanted: proposal, limit });
        }
    } else if proposal < asked {
        let limit = down_limit(policy, asked, track, now);
        if proposal < limit {
            return (limit, Fact::Down { wanted: proposal, limit });
        }
    }
    (proposal, Fact::Free)
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Free => f.write_str("no rate policy binds"),
            Self::Up { wanted, limit } => {
                write!(f, "scaleUp policies allow {limit} now, {wanted} were wanted")
            }
            Self::Down { wanted, limit } => {
                write!(f, "scaleDown policies allow {limit} now, {wanted} were wanted")
            }
        }
    }
}
