//! What a policy says about forecasting one of its metrics: the same for the operator and the planner.

use std::sync::Arc;

use crate::calendar::{TimeZone, Window};
use crate::forecast::{ForecastConfig, GlobalModel, Keeper, TrustQuestion};
use crate::policy::{MetricRule, Policy};
use crate::units::{CapacityPerReplica, Span, offset_of};

/// How far ahead is forecast (DESIGN 5: 60 minutes).
const HORIZON: Span = Span::from_hours(1);

/// A keeper for a metric of the autoscaler `key` (`namespace/name`) to which `windows` are announced; trust is measured at a time of the hour that
/// follows from the names.
pub fn keeper(key: &str, policy: &Policy, rule: &MetricRule, windows: Arc<[Window]>) -> Keeper {
    let zone = TimeZone::parse(&policy.time_zone).unwrap_or(TimeZone::UTC);
    let horizon_steps = policy.step.steps_covering(HORIZON);
    let config = ForecastConfig {
        step: policy.step,
        history: policy.history,
        zone,
        horizon_steps,
        global: GlobalModel::shipped(),
    };
    Keeper::new(config, offset_of(&format!("{key}/{}", rule.name), Span::from_hours(1)), windows)
}

/// What decides whether a forecast is trusted.
pub fn trust_question(policy: &Policy, capacity: CapacityPerReplica) -> TrustQuestion {
    let utilization = policy.reactive.average_utilization;
    TrustQuestion { capacity, unserved: policy.unserved, lead: policy.lead, utilization }
}
