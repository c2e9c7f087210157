//! What a policy says about forecasting one of its metrics: the same for the operator and the planner.

use std::sync::Arc;

use crate::calendar::{TimeZone, Window};
use crate::forecast::{ForecastConfig, GlobalModel, Keeper, QuantileForecast, TrustQuestion};
use crate::policy::{MetricRule, Policy};
use crate::units::{CapacityPerReplica, Replicas, Share, Span, Timestamp, offset_of, replicas_ceil};

/// How far ahead is forecast (DESIGN 5: 60 minutes), but for longer leads.
const HORIZON: Span = Span::from_hours(1);

/// Steps from the step that holds the lead to the end of the horizon: itself, and one for a sample that comes late.
const STEPS_FROM_LEAD: usize = 2;

/// A keeper for a metric of the autoscaler `key` (`namespace/name`) to which `windows` are announced; trust is measured at a time of the hour that
/// follows from the names.
pub fn keeper(key: &str, policy: &Policy, rule: &MetricRule, windows: Arc<[Window]>) -> Keeper {
    let zone = TimeZone::parse(&policy.time_zone).unwrap_or(TimeZone::UTC);
    let lead_steps = policy.step.steps_covering(policy.lead);
    let horizon_steps = policy.step.steps_covering(HORIZON).max(lead_steps + STEPS_FROM_LEAD);
    let config = ForecastConfig {
        step: policy.step,
        history: policy.history,
        zone,
        horizon_steps,
        global: GlobalModel::shipped(),
    };
    Keeper::new(config, offset_of(&format!("{key}/{}", rule.name), Span::from_hours(1)), windows)
}

/// What an objective asks of a forecast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headroom {
    /// Replicas that the median needs.
    pub median: Replicas,
    /// Replicas that the objective needs.
    pub objective: Replicas,
}

/// What the policy's objective asks for at `now + lead`, of the metric for which that is most; `None` without a forecast
/// that reaches so far. `metrics`: capacity, forecast, how many times it is multiplied then, and the rehearsed level.
pub fn headroom<'a>(
    policy: &Policy,
    now: Timestamp,
    metrics: impl Iterator<Item = (CapacityPerReplica, &'a QuantileForecast, f64, Option<Share>)>,
) -> Option<Headroom> {
    let at = now.plus(policy.lead);
    metrics
        .filter_map(|(capacity, outlook, times, level)| {
            let quantiles = outlook.at(at)?;
            let need = |demand: f64| replicas_ceil(demand * times / capacity.get());
            let objective = need(quantiles.capacity_for(policy.objective, level));
            Some(Headroom { median: need(quantiles.at(0.5).get()), objective })
        })
        .max_by_key(|headroom| headroom.objective)
}

/// What decides whether a forecast is trusted.
pub fn trust_question(policy: &Policy, capacity: CapacityPerReplica) -> TrustQuestion {
    TrustQuestion {
        capacity,
        bounds: policy.bounds,
        objective: policy.objective,
        lead: policy.lead,
        utilization: policy.reactive.average_utilization,
        floor: policy.reactive.floor_utilization,
        window: policy.behavior.down.window,
        hold: policy.hold(),
    }
}
