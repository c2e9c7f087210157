//! From the wire form to a valid [`Policy`], or every problem at once.

use super::autoscaler::{
    BehaviorSpec, MetricSpec, MetricType, ModeSpec, PauseSpec, Prediction, PredictiveAutoscalerSpec,
    RateType, ScalingRulesSpec, SelectPolicySpec, SpendSpec, Via,
};
use super::presets::{MetricQuery, query};
use crate::calendar::TimeZone;
use crate::policy::{
    Actuation, Behavior, CapacityRule, Fallback, MetricRule, Mode, Pause, PerDirection, Policy, RateAmount,
    RatePolicy, ReactiveRule, ScalingRules, SelectPolicy, SpendRule, Thresholds,
};
use crate::units::{
    CapacityPerReplica, Money, PricePerReplicaHour, ReplicaBounds, Replicas, Share, Span, Step, Timestamp,
    parse_quantity,
};

/// A field that is wrong: where, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FieldError {
    /// Path from the object, for example `spec.metrics[0].query`.
    pub path: String,
    /// What is wrong, with the value in backticks.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}: {}", self.path, self.problem, self.remedy)
    }
}

/// Collects problems; a value that is wrong is replaced, so that the rest is still looked at.
#[derive(Default)]
struct Errors(Vec<FieldError>);

impl Errors {
    fn add(&mut self, path: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(FieldError { path: path.into(), problem: problem.into(), remedy: remedy.into() });
    }

    fn span(&mut self, path: &str, text: &str) -> Span {
        Span::parse(text).unwrap_or_else(|_| {
            self.add(path, format!("`{text}` is no duration"), "write it as `90s`, `5m` or `1h30m`");
            Span::ZERO
        })
    }

    fn or<T>(&mut self, value: Option<T>, path: &str, problem: String, remedy: &str) -> Option<T> {
        if value.is_none() {
            self.add(path, problem, remedy);
        }
        value
    }
}

/// The queries of a spec, one for each metric, in their order.
pub fn queries(namespace: &str, spec: &PredictiveAutoscalerSpec) -> Vec<MetricQuery> {
    spec.metrics.iter().map(|metric| query(namespace, spec, metric)).collect()
}

/// The policy that a spec states.
///
/// # Errors
/// Every [`FieldError`] at once: what the schema should have refused, and what only we can know (PromQL, zones).
pub fn policy(spec: &PredictiveAutoscalerSpec) -> Result<Policy, Vec<FieldError>> {
    let mut errors = Errors::default();
    let min = Replicas::new(spec.min_replicas);
    let max = Replicas::new(spec.max_replicas);
    let bounds = errors.or(
        ReplicaBounds::new(min, max),
        "spec.minReplicas",
        format!("`{min}` and maxReplicas `{max}` do not satisfy 1 <= min <= max <= 10000"),
        "lower the minimum or raise the maximum",
    );
    let metrics = metrics(spec, &mut errors);
    let forecast = &spec.forecast;
    let lead = errors.span("spec.forecast.leadTime", &forecast.lead_time);
    let step = step(&forecast.step, &mut errors);
    if let Err(error) = TimeZone::parse(&forecast.time_zone) {
        errors.add("spec.forecast.timeZone", error.to_string(), "use an IANA name such as `Europe/Berlin`");
    }
    let unserved = unserved(&spec.objective.unserved, &mut errors);
    let behavior = behavior(spec.behavior.as_ref(), &mut errors);
    let spend = spec.spend.as_ref().and_then(|spend| money(spend, &mut errors));
    let cooldown = PerDirection {
        up: errors.span("spec.cooldown.scaleUp", &spec.cooldown.scale_up),
        down: errors.span("spec.cooldown.scaleDown", &spec.cooldown.scale_down),
    };
    let sustain_for = &spec.thresholds.sustain_for;
    let sustain = PerDirection {
        up: errors.span("spec.thresholds.sustainFor.scaleUp", &sustain_for.scale_up),
        down: errors.span("spec.thresholds.sustainFor.scaleDown", &sustain_for.scale_down),
    };
    let suspect_for = errors.span("spec.evidence.suspectFor", &spec.evidence.suspect_for);
    let after_absent_for = errors.span("spec.fallback.afterAbsentFor", &spec.fallback.after_absent_for);
    let fallback = Fallback { after_absent_for, replicas: spec.fallback.replicas.map(Replicas::new) };
    let (Some(bounds), Some(step), Some(unserved), true) = (bounds, step, unserved, errors.0.is_empty())
    else {
        return Err(errors.0);
    };
    Ok(Policy {
        mode: mode(spec.mode),
        pause: spec.pause.as_ref().map(pause),
        bounds,
        metrics,
        lead,
        step,
        history: Span::from_hours(24 * u64::from(forecast.history_days)),
        time_zone: forecast.time_zone.clone(),
        unserved,
        reactive: ReactiveRule {
            average_utilization: Share::from_percent(spec.reactive.average_utilization),
            floor_utilization: Share::from_percent(spec.reactive.floor_utilization),
        },
        behavior,
        cooldown,
        thresholds: Thresholds { min_step: Replicas::new(spec.thresholds.min_step), sustain },
        spend,
        suspect_for,
        fallback,
        actuation: match spec.actuation.via {
            Via::Scale => Actuation::Scale,
            Via::HorizontalPodAutoscalerFloor => Actuation::HorizontalPodAutoscalerFloor,
        },
    })
}

fn mode(mode: ModeSpec) -> Mode {
    match mode {
        ModeSpec::DryRun => Mode::DryRun,
        ModeSpec::Floor => Mode::Floor,
        ModeSpec::Active => Mode::Active,
    }
}

fn pause(pause: &PauseSpec) -> Pause {
    Pause {
        until: Timestamp::from_millis(pause.until.0.as_millisecond()),
        reason: pause.reason.clone(),
        replicas: pause.replicas.map(Replicas::new),
    }
}

fn step(text: &str, errors: &mut Errors) -> Option<Step> {
    let span = errors.span("spec.forecast.step", text);
    let seconds = u32::try_from(span.seconds()).ok().filter(|&s| s >= 10 && 86_400 % s == 0);
    errors.or(
        seconds.and_then(Step::new),
        "spec.forecast.step",
        format!("`{text}` does not divide a day, or is shorter than 10s"),
        "use a step such as `60s` or `5m`",
    )
}

fn unserved(text: &str, errors: &mut Errors) -> Option<Share> {
    errors.or(
        Share::parse(text).filter(|share| share.get() > 0.0 && share.get() <= 0.5),
        "spec.objective.unserved",
        format!("`{text}` is no share greater than zero and at most 50%"),
        "write it as `0.1%`",
    )
}

fn metrics(spec: &PredictiveAutoscalerSpec, errors: &mut Errors) -> Vec<MetricRule> {
    let mut rules: Vec<MetricRule> = Vec::new();
    for (i, metric) in spec.metrics.iter().enumerate() {
        let at = |field: &str| format!("spec.metrics[{i}].{field}");
        if rules.iter().any(|rule| rule.name == metric.name) {
            errors.add(at("name"), format!("`{}` names two metrics", metric.name), "rename one of them");
        }
        check_query(metric, &at("query"), errors);
        let max_age = errors.span(&at("maxAge"), &metric.max_age);
        let capacity = match metric.capacity_per_replica.as_deref() {
            None => CapacityRule::PodRequests,
            Some(text) => {
                let value = parse_quantity(text).ok().and_then(CapacityPerReplica::new);
                let problem = format!("`{text}` is no quantity greater than zero");
                let remedy = "state what one replica serves, as `120` or `500m`";
                match errors.or(value, &at("capacityPerReplica"), problem, remedy) {
                    Some(capacity) => CapacityRule::Stated(capacity),
                    None => CapacityRule::PodRequests,
                }
            }
        };
        rules.push(MetricRule {
            name: metric.name.clone(),
            max_age,
            capacity,
            prediction: metric.prediction == Prediction::Enabled,
        });
    }
    rules
}

fn check_query(metric: &MetricSpec, path: &str, errors: &mut Errors) {
    match (metric.type_, metric.query.as_deref()) {
        (MetricType::Prometheus, None) => {
            errors.add(
                path,
                "a metric of type Prometheus needs a query",
                "add it, or use type CPU or Memory",
            );
        }
        (MetricType::Prometheus, Some(query)) => {
            if let Err(problem) = crate::metrics::promql::check(query) {
                errors.add(path, problem, "correct the PromQL; try it in Prometheus' own query page");
            }
        }
        (_, Some(_)) => errors.add(path, "the presets CPU and Memory bring their own query", "remove it"),
        (_, None) => {}
    }
    if metric.type_ == MetricType::Prometheus && metric.capacity_per_replica.is_none() {
        let path = path.replace("query", "capacityPerReplica");
        errors.add(path, "a metric of type Prometheus needs it", "state what one replica serves");
    }
}

fn behavior(spec: Option<&BehaviorSpec>, errors: &mut Errors) -> Behavior {
    let defaults = Behavior::hpa_default();
    let Some(BehaviorSpec { scale_up, scale_down }) = spec else { return defaults };
    Behavior {
        up: rules(scale_up.as_ref(), defaults.up, "spec.behavior.scaleUp", errors),
        down: rules(scale_down.as_ref(), defaults.down, "spec.behavior.scaleDown", errors),
    }
}

fn rules(
    spec: Option<&ScalingRulesSpec>,
    defaults: ScalingRules,
    path: &str,
    errors: &mut Errors,
) -> ScalingRules {
    let Some(ScalingRulesSpec { stabilization_window_seconds, select_policy, policies, tolerance }) = spec
    else {
        return defaults;
    };
    let tolerance = tolerance.as_deref().map_or(Some(defaults.tolerance), |text| {
        errors.or(
            parse_quantity(text).ok().filter(|&t| t < 1.0).and_then(Share::new),
            &format!("{path}.tolerance"),
            format!("`{text}` is no ratio from 0 to below 1"),
            "write it as `0.1`",
        )
    });
    ScalingRules {
        window: stabilization_window_seconds.map_or(defaults.window, |s| Span::from_seconds(u64::from(s))),
        select: select_policy.map_or(defaults.select, |select| match select {
            SelectPolicySpec::Max => SelectPolicy::Max,
            SelectPolicySpec::Min => SelectPolicy::Min,
            SelectPolicySpec::Disabled => SelectPolicy::Disabled,
        }),
        policies: policies.as_ref().map_or(defaults.policies, |policies| {
            let one = |policy: &super::RatePolicySpec| RatePolicy {
                amount: match policy.type_ {
                    RateType::Pods => RateAmount::Pods(policy.value),
                    RateType::Percent => RateAmount::Percent(policy.value),
                },
                period: Span::from_seconds(u64::from(policy.period_seconds)),
            };
            policies.iter().map(one).collect()
        }),
        tolerance: tolerance.unwrap_or(defaults.tolerance),
    }
}

fn money(spec: &SpendSpec, errors: &mut Errors) -> Option<SpendRule> {
    let SpendSpec { price_per_replica_hour, currency, max_per_hour } = spec;
    let Some(price_text) = price_per_replica_hour.as_deref() else {
        if max_per_hour.is_some() {
            errors.add(
                "spec.spend.maxPerHour",
                "needs pricePerReplicaHour: an unknown price is never free",
                "state the price",
            );
        }
        return None;
    };
    let price = PricePerReplicaHour::parse(price_text)
        .map_err(|error| errors.add("spec.spend.pricePerReplicaHour", error.to_string(), "state a price"))
        .ok()?;
    let max_per_hour = max_per_hour.as_deref().and_then(|text| {
        Money::parse(text)
            .map_err(|error| errors.add("spec.spend.maxPerHour", error.to_string(), "state an amount"))
            .ok()
    });
    let missing = "needs a currency".to_owned();
    let currency =
        errors.or(currency.clone(), "spec.spend.currency", missing, "add it, for example `EUR`")?;
    Some(SpendRule { price, currency, max_per_hour })
}
