//! From a spec to a valid policy, or every field that is wrong.
//!
//! The schema and its CEL rules come first, then what an API server cannot know. The API server has refused most of
//! this already; an object may still be older than a rule, or come from a file.

use serde_json::{Value, json};

use super::schema;
use super::v1alpha1 as wire;
use super::{FieldError, crd, lint, presets};
use crate::measure::Lead;
use crate::metrics::promql;
use crate::policy::{
    Actuation, Behavior, CapacityRule, Fallback, MetricRule, Mode, Pause, PerDirection, Policy, Price,
    RateAmount, RatePolicy, ReactiveRule, ScalingRules, SelectPolicy, SpendRule, Thresholds,
};
use crate::units::{
    CapacityPerReplica, Money, Objective, PricePerReplicaHour, ReplicaBounds, Replicas, Share, Span, Step,
    Timestamp, parse_quantity,
};

/// The validated form of `spec`.
///
/// # Errors
/// Every field that is wrong, with its path from `spec`, in the order of the paths.
pub fn policy(spec: &wire::PredictiveAutoscalerSpec) -> Result<Policy, Vec<FieldError>> {
    let mut errors = Errors::default();
    if let (Some(kind), Ok(value)) = (crd::kind("PredictiveAutoscaler"), serde_json::to_value(spec)) {
        errors.found.extend(beyond_schema(&value));
        errors
            .found
            .extend(schema::validate(kind, &json!({"spec": value})).into_iter().map(|found| found.error));
    }
    let policy = convert(spec, &mut errors);
    errors.found.sort();
    match policy {
        Some(policy) if errors.found.is_empty() => Ok(policy),
        _ => Err(errors.found),
    }
}

/// What an API server cannot know of a spec: whether its queries are `PromQL`, whether its time zone exists.
///
/// It looks at the bare JSON, so that it has an answer whatever else is wrong.
pub(super) fn beyond_schema(spec: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut check = |path: String, query: Option<&Value>| {
        if let Some(query) = query.and_then(Value::as_str)
            && let Err(error) = promql::check(query)
        {
            errors.push(FieldError::new(path, error.problem, error.remedy));
        }
    };
    for (i, metric) in spec.get("metrics").and_then(Value::as_array).into_iter().flatten().enumerate() {
        check(format!("spec.metrics[{i}].query"), metric.get("query"));
        let learned = metric.pointer("/learnedCapacity/query");
        check(format!("spec.metrics[{i}].learnedCapacity.query"), learned);
    }
    for (i, limit) in spec.get("limits").and_then(Value::as_array).into_iter().flatten().enumerate() {
        check(format!("spec.limits[{i}].query"), limit.get("query"));
    }
    check("spec.spend.priceQuery.query".to_owned(), spec.pointer("/spend/priceQuery/query"));
    let zone = spec.pointer("/forecast/timeZone").and_then(Value::as_str);
    errors.extend(zone.and_then(|zone| lint::zone_problem("spec.forecast.timeZone", zone)));
    errors
}

/// One query to send for a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricQuery {
    /// Name of the metric.
    pub metric: String,
    /// Name of the `MetricSource`.
    pub source: String,
    /// `PromQL`; the source's enforced labels are not in it yet.
    pub promql: String,
}

/// The query of each metric of an autoscaler in `namespace`, presets written out; in the order of the metrics.
pub fn metric_queries(spec: &wire::PredictiveAutoscalerSpec, namespace: &str) -> Vec<MetricQuery> {
    spec.metrics
        .iter()
        .map(|metric| MetricQuery {
            metric: metric.name.clone(),
            source: source_of(spec, metric.source_ref.as_ref()),
            promql: presets::query(metric.kind, namespace, &spec.scale_target_ref)
                .or_else(|| metric.query.clone())
                .unwrap_or_default(),
        })
        .collect()
}

/// The source that is named here, or that of the autoscaler.
pub(super) fn source_of(spec: &wire::PredictiveAutoscalerSpec, named: Option<&wire::SourceRef>) -> String {
    named.or(spec.source_ref.as_ref()).map(|source| source.name.clone()).unwrap_or_default()
}

/// The query for the price of a replica and how long an answer holds, where the price comes from one.
pub fn price_query(spec: &wire::PredictiveAutoscalerSpec) -> Option<(MetricQuery, Span)> {
    let wire::PriceQuery { query, source_ref, max_age } = spec.spend.as_ref()?.price_query.as_ref()?;
    let source = source_of(spec, source_ref.as_ref());
    let metric = "price".to_owned();
    Some((MetricQuery { metric, source, promql: query.clone() }, max_age.span()?))
}

/// Whether the price of a replica is that of its pods' requests by the price book.
pub fn by_price_book(spec: &wire::PredictiveAutoscalerSpec) -> bool {
    spec.spend.as_ref().is_some_and(|spend| spend.price_book.is_some())
}

/// Problems so far; one per field, the schema's first.
#[derive(Default)]
struct Errors {
    found: Vec<FieldError>,
}

impl Errors {
    /// `value`, or a problem at `path` unless one is known there.
    fn take<T>(
        &mut self,
        path: &str,
        value: Option<T>,
        problem: impl Into<String>,
        remedy: &str,
    ) -> Option<T> {
        if value.is_none() && !self.found.iter().any(|error| error.path == path) {
            self.found.push(FieldError::new(path, problem, remedy));
        }
        value
    }

    fn span<const MIN: u64, const MAX: u64>(
        &mut self,
        path: &str,
        text: &wire::text::Duration<MIN, MAX>,
    ) -> Span {
        let problem = format!("`{}` is no duration within the bounds", text.0);
        self.take(path, text.span(), problem, "write it as `90s`, `5m` or `1h30m`").unwrap_or_default()
    }
}

fn convert(spec: &wire::PredictiveAutoscalerSpec, errors: &mut Errors) -> Option<Policy> {
    // Destructured in full, so that a new field cannot be forgotten.
    let wire::PredictiveAutoscalerSpec {
        mode,
        pause,
        scale_target_ref: _,
        min_replicas,
        max_replicas,
        source_ref: _,
        metrics,
        forecast,
        objective,
        reactive,
        behavior: behavior_block,
        cooldown,
        thresholds,
        spend: spend_block,
        calendar_refs: _,
        limits: _,
        evidence,
        fallback: fallback_block,
        actuation: actuation_block,
    } = spec;
    let bounds = ReplicaBounds::new(Replicas::new(*min_replicas), Replicas::new(*max_replicas));
    let problem = format!("`{min_replicas}` is no lower limit for maxReplicas `{max_replicas}`");
    let bounds =
        errors.take("spec.minReplicas", bounds, problem, "keep 1 <= minReplicas <= maxReplicas <= 10000");
    let metrics = metrics.iter().enumerate().map(|(i, metric)| metric_rule(metric, i, errors)).collect();
    let lead = forecast
        .lead_time
        .as_ref()
        .map_or(Lead::UNTIL_MEASURED, |stated| errors.span("spec.forecast.leadTime", stated));
    let step = step(forecast, errors);
    let objective = objective_rule(objective, errors);
    Some(Policy {
        mode: match mode {
            wire::Mode::DryRun => Mode::DryRun,
            wire::Mode::Floor => Mode::Floor,
            wire::Mode::Active => Mode::Active,
        },
        pause: pause.as_ref().map(pause_rule),
        metrics,
        lead,
        time_zone: forecast.time_zone.clone(),
        history: Span::from_hours(u64::from(forecast.history_days).saturating_mul(24)),
        reactive: ReactiveRule {
            average_utilization: Share::from_percent(reactive.average_utilization),
            floor_utilization: Share::from_percent(reactive.floor_utilization),
        },
        behavior: behavior(behavior_block.as_ref(), errors),
        cooldown: PerDirection {
            up: errors.span("spec.cooldown.scaleUp", &cooldown.scale_up),
            down: errors.span("spec.cooldown.scaleDown", &cooldown.scale_down),
        },
        thresholds: dead_bands(thresholds, errors),
        spend: spend_block.as_ref().and_then(|block| spend(block, errors)),
        suspect_for: errors.span("spec.evidence.suspectFor", &evidence.suspect_for),
        fallback: Fallback {
            after_absent_for: errors.span("spec.fallback.afterAbsentFor", &fallback_block.after_absent_for),
            replicas: fallback_block.replicas.map(Replicas::new),
        },
        actuation: match actuation_block.via {
            wire::ActuationVia::Scale => Actuation::Scale,
            wire::ActuationVia::HorizontalPodAutoscalerFloor => Actuation::HorizontalPodAutoscalerFloor,
        },
        // Last, so that everything above was looked at whatever is missing here.
        bounds: bounds?,
        step: step?,
        objective: objective?,
    })
}

fn pause_rule(pause: &wire::Pause) -> Pause {
    Pause {
        until: Timestamp::from_millis(pause.until.as_millisecond()),
        reason: pause.reason.clone(),
        replicas: pause.replicas.map(Replicas::new),
    }
}

fn step(forecast: &wire::Forecast, errors: &mut Errors) -> Option<Step> {
    let span = errors.span("spec.forecast.step", &forecast.step);
    let whole =
        u32::try_from(span.seconds()).ok().filter(|_| span.millis().is_multiple_of(1000)).and_then(Step::new);
    let problem = format!("`{}` is no whole number of seconds", forecast.step.0);
    errors.take("spec.forecast.step", whole, problem, "use 15s, 20s, 30s, 1m, 2m or 5m")
}

fn metric_rule(metric: &wire::Metric, i: usize, errors: &mut Errors) -> MetricRule {
    let capacity = metric.capacity_per_replica.as_ref().and_then(|stated| {
        let value = parse_quantity(&stated.0).ok().and_then(CapacityPerReplica::new);
        let problem = format!("`{}` is no capacity, being too small, too large or too long", stated.0);
        let remedy = "write demand per replica with at most 17 digits, at least 1e-9, as `120` or `500m`";
        errors.take(&format!("spec.metrics[{i}].capacityPerReplica"), value, problem, remedy)
    });
    MetricRule {
        name: metric.name.clone(),
        max_age: errors.span(&format!("spec.metrics[{i}].maxAge"), &metric.max_age),
        capacity: match (capacity, &metric.learned_capacity) {
            (Some(stated), _) => CapacityRule::Stated(stated),
            (None, Some(_)) => CapacityRule::Learned,
            (None, None) => CapacityRule::PodRequests,
        },
        drifted: None,
        prediction: metric.prediction == wire::Prediction::Enabled,
    }
}

fn behavior(block: Option<&wire::Behavior>, errors: &mut Errors) -> Behavior {
    let Behavior { up, down } = Behavior::hpa_default();
    let wire::Behavior { scale_up, scale_down } = block.cloned().unwrap_or_default();
    Behavior {
        up: scaling_rules(scale_up.as_ref(), up, "spec.behavior.scaleUp", errors),
        down: scaling_rules(scale_down.as_ref(), down, "spec.behavior.scaleDown", errors),
    }
}

fn scaling_rules(
    block: Option<&wire::ScalingRules>,
    default: ScalingRules,
    path: &str,
    errors: &mut Errors,
) -> ScalingRules {
    let Some(wire::ScalingRules { stabilization_window_seconds, select_policy, policies, tolerance }) = block
    else {
        return default;
    };
    let tolerance = tolerance.as_ref().and_then(|tolerance| {
        let share = parse_quantity(&tolerance.0).ok().and_then(Share::new).filter(|share| share.get() < 1.0);
        let problem = format!("`{}` is no tolerance", tolerance.0);
        errors.take(&format!("{path}.tolerance"), share, problem, "write a number from 0 up to 1, as `0.1`")
    });
    ScalingRules {
        window: stabilization_window_seconds.map_or(default.window, |s| Span::from_seconds(u64::from(s))),
        select: match select_policy {
            Some(wire::SelectPolicy::Min) => SelectPolicy::Min,
            Some(wire::SelectPolicy::Disabled) => SelectPolicy::Disabled,
            Some(wire::SelectPolicy::Max) | None => SelectPolicy::Max,
        },
        policies: policies.as_ref().map_or(default.policies, |list| list.iter().map(rate_policy).collect()),
        tolerance: tolerance.unwrap_or(default.tolerance),
    }
}

fn rate_policy(policy: &wire::RatePolicy) -> RatePolicy {
    RatePolicy {
        amount: match policy.kind {
            wire::PolicyType::Pods => RateAmount::Pods(policy.value),
            wire::PolicyType::Percent => RateAmount::Percent(policy.value),
        },
        period: Span::from_seconds(u64::from(policy.period_seconds)),
    }
}

fn dead_bands(block: &wire::Thresholds, errors: &mut Errors) -> Thresholds {
    let wire::SustainFor { scale_up, scale_down } = &block.sustain_for;
    Thresholds {
        min_step: Replicas::new(block.min_step),
        sustain: PerDirection {
            up: errors.span("spec.thresholds.sustainFor.scaleUp", scale_up),
            down: errors.span("spec.thresholds.sustainFor.scaleDown", scale_down),
        },
    }
}

/// The one of the objective's fields that is stated.
fn objective_rule(block: &wire::Objective, errors: &mut Errors) -> Option<Objective> {
    let wire::Objective { unserved, quantile, costs } = block;
    let mut share = |field: &str, text: &str, remedy: &str| {
        let problem = format!("`{text}` is no share of demand");
        errors.take(&format!("spec.objective.{field}"), Share::parse(text), problem, remedy)
    };
    if let Some(text) = unserved {
        return share("unserved", &text.0, "write it as `0.1%` or `0.001`").map(Objective::Unserved);
    }
    if let Some(text) = quantile {
        return share("quantile", &text.0, "write it as `99%` or `0.99`").map(Objective::Quantile);
    }
    let costs = errors.take(
        "spec.objective",
        costs.as_ref(),
        "nothing is stated".to_owned(),
        "state unserved, quantile or costs",
    )?;
    let mut price = |field: &str, text: &str| {
        let problem = format!("`{text}` is no price");
        let remedy = "write a plain decimal with at most 28 digits, as `0.096`";
        errors.take(
            &format!("spec.objective.costs.{field}"),
            PricePerReplicaHour::parse(text).ok(),
            problem,
            remedy,
        )
    };
    let idle = price("idleReplicaHour", &costs.idle_replica_hour.0);
    let missing = price("missingReplicaHour", &costs.missing_replica_hour.0);
    Some(Objective::Costs { idle: idle?, missing: missing? })
}

/// Nothing without a price: a currency alone says nothing.
fn spend(block: &wire::Spend, errors: &mut Errors) -> Option<SpendRule> {
    let remedy = "write a plain decimal with at most 28 digits, as `0.096`";
    let max_per_hour = block.max_per_hour.as_ref().and_then(|amount| {
        let problem = format!("`{}` is no amount of money", amount.0);
        errors.take("spec.spend.maxPerHour", Money::parse(&amount.0).ok(), problem, remedy)
    });
    let budget = block.budget_ref.as_ref().map(|named| named.name.clone());
    let price = match block {
        wire::Spend { price_per_replica_hour: Some(price), .. } => {
            let problem = format!("`{}` is no price", price.0);
            let parsed = PricePerReplicaHour::parse(&price.0).ok();
            errors.take("spec.spend.pricePerReplicaHour", parsed, problem, remedy)?.into()
        }
        wire::Spend { price_query: Some(_), .. } => Price::unknown("the price query was not asked yet"),
        wire::Spend { price_book: Some(wire::PriceBasis::PodRequests), .. } => {
            Price::unknown("the pods' requests were not priced yet")
        }
        wire::Spend { .. } => return None,
    };
    Some(SpendRule { price, currency: block.currency.clone(), max_per_hour, budget })
}
