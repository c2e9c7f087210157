//! What would have to change for another answer: the same tick, asked again with one limit relaxed at a time.
//!
//! Nothing here guesses. Each alternative is what [`tick`] decides when that one limit is gone and everything else is
//! as it was; each demand is one at which [`tick`] was asked and gave the other answer.

use super::{Memory, Observation, Tick, tick};
use crate::decide::{BreakGlass, MetricObservation, Reading, Stage, Track};
use crate::policy::{
    Actuation, PerDirection, Policy, RateAmount, RatePolicy, ScalingRules, SelectPolicy, SpendRule,
};
use crate::units::{Demand, ReplicaBounds, Replicas, Span};

/// Demand is looked at up to so many times what it is, and down to as small a part of it: beyond, a fall counts as
/// sudden and is held (DESIGN 4, stage 1).
const REACH: f64 = 9.0;
/// Halvings of the span in which the answer turns: 2^-30 of it is less than the digits that are told.
const N_HALVINGS: u32 = 30;

/// A limit that can be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relaxed {
    /// `minReplicas` counts as 1.
    Min,
    /// `maxReplicas` counts as the most that any policy may have.
    Max,
    /// No `maxPerHour`.
    Spend,
    /// No budget.
    Budget,
    /// No cooldowns.
    Cooldown,
    /// No rate policies.
    Rate,
    /// No stabilisation windows.
    Stabilise,
    /// No `minStep`, no `sustainFor`.
    Threshold,
    /// No announced events.
    Events,
    /// Nobody scaled up by hand.
    Human,
    /// No boost.
    Boost,
    /// No freeze.
    Freeze,
    /// The cluster has room for any growth.
    Blocked,
    /// No rollout is under way.
    Rollout,
    /// The forecast of 30 minutes ago holds nothing.
    Expected,
    /// Every forecast is trusted.
    Trusted,
    /// No forecast is trusted.
    Untrusted,
    /// No pause.
    Pause,
    /// Nobody else scales the target.
    Conflict,
}

impl Relaxed {
    /// All of them, in the order of the stages.
    pub const ALL: [Self; 19] = [
        Self::Trusted,
        Self::Untrusted,
        Self::Expected,
        Self::Events,
        Self::Human,
        Self::Boost,
        Self::Blocked,
        Self::Freeze,
        Self::Rollout,
        Self::Threshold,
        Self::Stabilise,
        Self::Rate,
        Self::Cooldown,
        Self::Spend,
        Self::Budget,
        Self::Min,
        Self::Max,
        Self::Pause,
        Self::Conflict,
    ];

    /// The condition in words, to stand before "it would be ..".
    pub const fn words(self) -> &'static str {
        match self {
            Self::Min => "with minReplicas 1",
            Self::Max => "without maxReplicas",
            Self::Spend => "without spend.maxPerHour",
            Self::Budget => "without the budget",
            Self::Cooldown => "without cooldowns",
            Self::Rate => "without rate policies",
            Self::Stabilise => "without stabilisation windows",
            Self::Threshold => "without minStep and sustainFor",
            Self::Events => "without announced events",
            Self::Boost => "without the boost",
            Self::Freeze => "without the freeze",
            Self::Blocked => "if the cluster had room for more",
            Self::Rollout => "without the rollout",
            Self::Human => "had nobody scaled up by hand",
            Self::Expected => "without what the forecast of 30 minutes ago expected",
            Self::Trusted => "if the forecast were trusted",
            Self::Untrusted => "if the forecast were not trusted",
            Self::Pause => "without the pause",
            Self::Conflict => "if nobody else scaled the target",
        }
    }
}

/// Another answer, and what leads to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alternative {
    /// The limit that is gone.
    pub relaxed: Relaxed,
    /// What would be wanted.
    pub desired: Replicas,
    /// What would be written.
    pub write: Option<Replicas>,
    /// The stage that would have the last word.
    pub bound_by: Stage,
}

/// A demand that leads to another answer, the nearest one in its direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Turn {
    /// Which metric of the policy.
    pub metric: usize,
    /// What it reads.
    pub reads: Demand,
    /// What it would have to read.
    pub at: Demand,
    /// What would be wanted then.
    pub desired: Replicas,
}

/// Every limit that alone changes what is wanted or written, in the order of the stages.
pub fn alternatives(policy: &Policy, observation: &Observation<'_>, memory: &Memory) -> Vec<Alternative> {
    let actual = tick(policy, observation, memory).decision;
    Relaxed::ALL
        .into_iter()
        .filter_map(|relaxed| {
            let decision = without(relaxed, policy, observation, memory).decision;
            let bound_by = decision.bound_by();
            (decision.desired != actual.desired || decision.write != actual.write).then_some(Alternative {
                relaxed,
                desired: decision.desired,
                write: decision.write,
                bound_by,
            })
        })
        .collect()
}

/// The tick with one limit gone.
fn without(relaxed: Relaxed, policy: &Policy, observation: &Observation<'_>, memory: &Memory) -> Tick {
    let (mut policy, mut memory) = (policy.clone(), memory.clone());
    let mut observation = observation.clone();
    let mut metrics: Vec<MetricObservation<'_>> = observation.metrics.to_vec();
    match relaxed {
        Relaxed::Min => {
            policy.bounds = ReplicaBounds::new(Replicas::ONE, policy.bounds.max()).unwrap_or(policy.bounds);
        }
        Relaxed::Max => {
            policy.bounds =
                ReplicaBounds::new(policy.bounds.min(), Replicas::HARD_CAP).unwrap_or(policy.bounds);
            if policy.actuation == Actuation::HorizontalPodAutoscalerFloor
                && let Some(hpa) = &mut observation.hpa
            {
                hpa.max = Replicas::HARD_CAP;
            }
        }
        Relaxed::Events => observation.events = &[],
        Relaxed::Blocked => observation.growth.most = None,
        Relaxed::Rollout => observation.growth.rollout = false,
        Relaxed::Boost => observation.break_glass.boost = None,
        Relaxed::Freeze => {
            observation.break_glass = BreakGlass { boost: observation.break_glass.boost, ..BreakGlass::NONE };
        }
        Relaxed::Spend => {
            policy.spend = policy.spend.map(|rule| SpendRule { max_per_hour: None, ..rule });
        }
        Relaxed::Budget => {
            policy.spend = policy.spend.map(|rule| SpendRule { budget: None, ..rule });
        }
        Relaxed::Cooldown => policy.cooldown = PerDirection { up: Span::ZERO, down: Span::ZERO },
        Relaxed::Rate => {
            policy.behavior.up = any_rate(&policy.behavior.up);
            policy.behavior.down = any_rate(&policy.behavior.down);
        }
        Relaxed::Stabilise => {
            policy.behavior.up.window = Span::ZERO;
            policy.behavior.down.window = Span::ZERO;
        }
        Relaxed::Threshold => {
            policy.thresholds.min_step = Replicas::ONE;
            policy.thresholds.sustain = PerDirection { up: Span::ZERO, down: Span::ZERO };
        }
        Relaxed::Human => {
            let asked = observation.asked;
            for track in tracks(&mut memory) {
                track.human = None;
                // Also the scale-up that would be noticed in this very tick.
                track.to = asked;
            }
        }
        Relaxed::Expected => metrics.iter_mut().for_each(|metric| metric.p05_earlier = None),
        Relaxed::Trusted => metrics.iter_mut().for_each(|metric| metric.trusted = metric.outlook.is_some()),
        Relaxed::Untrusted => metrics.iter_mut().for_each(|metric| metric.trusted = false),
        Relaxed::Pause => policy.pause = None,
        Relaxed::Conflict => {
            observation.rival = false;
            tracks(&mut memory).for_each(|track| track.foreign.clear());
        }
    }
    observation.metrics = &metrics;
    tick(&policy, &observation, &memory)
}

fn tracks(memory: &mut Memory) -> impl Iterator<Item = &mut Track> {
    memory.track.iter_mut().chain(memory.shadow.iter_mut().map(|shadow| &mut shadow.track))
}

/// Rules of the same window and tolerance that allow any change.
fn any_rate(rules: &ScalingRules) -> ScalingRules {
    let any =
        RatePolicy { amount: RateAmount::Pods(Replicas::HARD_CAP.get()), period: Span::from_seconds(1) };
    ScalingRules { select: SelectPolicy::Max, policies: vec![any], ..rules.clone() }
}

/// For each metric that has a reading the nearest higher and the nearest lower demand that gives another answer, as
/// far as there is one within reach.
pub fn turns(policy: &Policy, observation: &Observation<'_>, memory: &Memory) -> Vec<Turn> {
    let actual = tick(policy, observation, memory).decision.desired;
    let mut found = Vec::new();
    for (metric, seen) in observation.metrics.iter().enumerate() {
        let Reading::Value { value, .. } = seen.reading else { continue };
        let Some(reads) = Demand::new(value).filter(|demand| *demand > Demand::ZERO) else { continue };
        let answer = |demand: f64| {
            let mut metrics: Vec<MetricObservation<'_>> = observation.metrics.to_vec();
            if let Some(one) = metrics.get_mut(metric)
                && let Reading::Value { value, .. } = &mut one.reading
            {
                *value = demand;
            }
            let changed = Observation { metrics: &metrics, ..observation.clone() };
            tick(policy, &changed, memory).decision.desired
        };
        for far in [value * REACH, value / REACH] {
            if let Some((at, desired)) = nearest(actual, (value, far), &answer) {
                found.push(Turn { metric, reads, at, desired });
            }
        }
    }
    found
}

/// Between `near`, whose answer is `actual`, and `far`: the nearest demand of four digits that was found to give
/// another answer.
fn nearest(
    actual: Replicas,
    (near, far): (f64, f64),
    answer: &impl Fn(f64) -> Replicas,
) -> Option<(Demand, Replicas)> {
    if answer(far) == actual {
        return None;
    }
    let (mut same, mut other) = (near, far);
    for _ in 0..N_HALVINGS {
        let middle = f64::midpoint(same, other);
        if answer(middle) == actual {
            same = middle;
        } else {
            other = middle;
        }
    }
    let told = four_digits(other, far > near);
    let exact = [told, other].into_iter().find(|demand| answer(*demand) != actual)?;
    Some((Demand::new(exact)?, answer(exact)))
}

/// `value` with four significant digits, away from what reads now.
fn four_digits(value: f64, up: bool) -> f64 {
    let unit = 10.0_f64.powf(value.log10().floor() - 3.0);
    let digits = value / unit;
    let rounded = (if up { digits.ceil() } else { digits.floor() }) * unit;
    // Through its text, so that it is the very number that is told.
    format!("{rounded:.3e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests;
