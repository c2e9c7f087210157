//! An observation that can be kept: the borrowed one of a tick, owned.

use serde::{Deserialize, Serialize};

use crate::calendar::Window;
use crate::decide::{Allowance, BreakGlass, Growth, MetricObservation, Reading, events};
use crate::engine::{HpaFloor, Observation};
use crate::forecast::{QuantileForecast, SeasonalProfile};
use crate::policy::Policy;
use crate::units::{CapacityPerReplica, Demand, Replicas, Share, Span, Timestamp};

/// Everything that was known at one instant; field by field an [`Observation`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// The instant of the tick.
    pub now: Timestamp,
    /// `spec.replicas` of the target, or the HPA's `minReplicas`.
    pub asked: Replicas,
    /// Replicas that serve.
    pub ready: Replicas,
    /// The HPA whose floor is moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hpa: Option<HpaFloor>,
    /// Whether somebody else scales the same target.
    pub rival: bool,
    /// What somebody ordered for a while, outside the spec.
    #[serde(default)]
    pub break_glass: BreakGlass,
    /// What the cluster allows.
    #[serde(default)]
    pub growth: Growth,
    /// What the budget allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Allowance>,
    /// Announced events that are on or near.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Window>,
    /// One for each metric of the policy, in its order.
    pub metrics: Vec<SeenMetric>,
}

/// One metric as it was seen; field by field a [`MetricObservation`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeenMetric {
    /// What its query gave.
    pub reading: Reading,
    /// Demand that one ready replica serves.
    pub capacity: Option<CapacityPerReplica>,
    /// The forecast that stood, as far ahead as a decision looks.
    pub outlook: Option<QuantileForecast>,
    /// Whether that forecast has earned its place.
    pub trusted: bool,
    /// The quantile that keeps the objective when every step follows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Share>,
    /// The .05 quantile for now, as forecast 30 minutes ago.
    pub p05_earlier: Option<Demand>,
    /// The most of the same hours on earlier days.
    pub same_hours_maximum: Option<Demand>,
    /// Whether many series of the source have just fallen.
    pub source_suspect: bool,
    /// Usual demand of the coming steps, while an event is near.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<SeasonalProfile>,
}

impl Seen {
    /// What a tick was given. Of forecasts it keeps the steps up to now + lead + hold, and what
    /// events are readied before, as far as any stage looks; of events those that are near.
    pub fn of(policy: &Policy, observation: &Observation<'_>) -> Self {
        // Destructured in full, so that a new field cannot be forgotten.
        let Observation { now, asked, ready, hpa, rival, break_glass, ref growth, budget, events, metrics } =
            *observation;
        let (growth, budget) = (growth.clone(), budget.cloned());
        let events: Vec<Window> =
            events.iter().filter(|one| events::is_near(policy, one, now)).cloned().collect();
        let readied = events.iter().map(|one| one.effect.ready_before).max().unwrap_or(Span::ZERO);
        let until = policy.lead.plus(policy.hold()).plus(readied);
        let metrics = metrics.iter().map(|one| SeenMetric::of(one, now, until)).collect();
        Self { now, asked, ready, hpa, rival, break_glass, growth, budget, events, metrics }
    }

    /// Hands the observation to `ask` as a tick takes it.
    pub fn observe<T>(&self, ask: impl FnOnce(&Observation<'_>) -> T) -> T {
        let Self { now, asked, ready, hpa, rival, break_glass, growth, budget, events, metrics } = self;
        let metrics: Vec<MetricObservation<'_>> = metrics.iter().map(SeenMetric::observation).collect();
        let (now, asked, ready, hpa, rival) = (*now, *asked, *ready, *hpa, *rival);
        let (break_glass, growth, budget) = (*break_glass, growth.clone(), budget.as_ref());
        let metrics = &*metrics;
        ask(&Observation { now, asked, ready, hpa, rival, events, break_glass, growth, budget, metrics })
    }
}

impl SeenMetric {
    fn of(seen: &MetricObservation<'_>, now: Timestamp, until: Span) -> Self {
        let MetricObservation {
            reading,
            capacity,
            outlook,
            trusted,
            level,
            p05_earlier,
            same_hours_maximum,
            source_suspect,
            profile,
        } = *seen;
        let outlook = outlook.map(|outlook| as_far_as_looked(outlook, now, until));
        let profile = profile.cloned();
        Self {
            reading,
            capacity,
            outlook,
            trusted,
            level,
            p05_earlier,
            same_hours_maximum,
            source_suspect,
            profile,
        }
    }

    fn observation(&self) -> MetricObservation<'_> {
        let Self {
            reading,
            capacity,
            outlook,
            trusted,
            level,
            p05_earlier,
            same_hours_maximum,
            source_suspect,
            profile,
        } = self;
        MetricObservation {
            reading: *reading,
            capacity: *capacity,
            outlook: outlook.as_ref(),
            trusted: *trusted,
            level: *level,
            p05_earlier: *p05_earlier,
            same_hours_maximum: *same_hours_maximum,
            source_suspect: *source_suspect,
            profile: profile.as_ref(),
        }
    }
}

/// The forecast up to `until` from now and two steps more: one for each end of the span that may fall within a step.
fn as_far_as_looked(outlook: &QuantileForecast, now: Timestamp, until: Span) -> QuantileForecast {
    let QuantileForecast { newest, step, steps } = outlook;
    let age = step.steps_covering(now.since(*newest));
    let ahead = step.steps_covering(until).saturating_add(1);
    let kept = age.saturating_add(ahead).saturating_add(2).min(steps.len());
    let steps = steps.iter().take(kept).copied().collect();
    QuantileForecast { newest: *newest, step: *step, steps }
}
