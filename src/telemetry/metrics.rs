//! The operator's own metrics, in a registry under the prefix `foresail`.
//!
//! Labels come from fixed sets, except `namespace` and `name` of an autoscaler, whose series go when it is deleted.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::budgets::BudgetGauges;
use crate::forecast::{Summary, expert_names};

/// What a `/metrics` answer is said to be.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type FloatGauge = Gauge<f64, AtomicU64>;

/// One autoscaler.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AutoscalerLabels {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// The binding stage of a decision and the mode.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabels {
    stage: &'static str,
    mode: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabels {
    what: &'static str,
    result: &'static str,
}

/// One expert's part in the forecast of an autoscaler.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ExpertLabels {
    namespace: String,
    name: String,
    expert: &'static str,
}

impl ExpertLabels {
    fn new(autoscaler: &AutoscalerLabels, expert: &'static str) -> Self {
        let AutoscalerLabels { namespace, name } = autoscaler.clone();
        Self { namespace, name, expert }
    }
}

/// What a tick says of one autoscaler; `None` removes the series, so that an absent number is never an old one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Numbers {
    /// Replicas asked for.
    pub asked: u32,
    /// Replicas that serve.
    pub ready: u32,
    /// Replicas wanted after all stages.
    pub desired: u32,
    /// Replicas an HPA would want.
    pub reactive: u32,
    /// Replicas the trusted forecast wants.
    pub predicted: Option<u32>,
    /// Median of the demand forecast at lead.
    pub demand_p50: Option<f64>,
    /// 99th percentile of the demand forecast at lead.
    pub demand_p99: Option<f64>,
    /// Whether the forecast is trusted.
    pub trusted: bool,
    /// 1 minus the forecast's cost over that of the best simple rule.
    pub skill: Option<f64>,
    /// Share of past demand that the forecast's 90th percentile covered.
    pub coverage_p90: Option<f64>,
    /// The same of the 99th.
    pub coverage_p99: Option<f64>,
    /// Replicas that its budget is charged for, where it has one.
    pub charged: Option<u32>,
    /// Price of the replicas asked for, per hour.
    pub hourly_cost: Option<f64>,
    /// What a replica costs for an hour, while that is known.
    pub price: Option<f64>,
    /// Whether the price is known; `None` where none is wanted.
    pub price_known: Option<bool>,
    /// Replicas of the shadow, in `DryRun`.
    pub shadow: Option<u32>,
    /// Share of demand above ready capacity over 28 days.
    pub unserved: Option<f64>,
    /// The same in the worst two minutes of them.
    pub worst: Option<f64>,
}

/// All metrics. Clones share their values.
#[derive(Clone, Debug)]
pub struct Metrics {
    decisions: Family<DecisionLabels, Counter>,
    writes: Family<WriteLabels, Counter>,
    source_reads: Family<ResultLabels, Counter>,
    events: Family<ResultLabels, Counter>,
    facts: Family<ReasonLabels, Counter>,
    tick_seconds: Histogram,
    lateness_seconds: Histogram,
    leading: Gauge,
    self_check: Gauge,
    gauges: Vec<(&'static str, Family<AutoscalerLabels, FloatGauge>)>,
    experts: Family<ExpertLabels, FloatGauge>,
    /// Those of budgets.
    pub budgets: BudgetGauges,
}

/// Name and help of each gauge of an autoscaler, in the order of [`values_of`].
const GAUGES: [(&str, &str); 18] = [
    ("asked_replicas", "Replicas asked for"),
    ("ready_replicas", "Replicas that serve"),
    ("desired_replicas", "Replicas wanted after all stages"),
    ("reactive_replicas", "Replicas an HPA would want"),
    ("predicted_replicas", "Replicas the trusted forecast wants"),
    ("forecast_demand_p50", "Median of the demand forecast at lead"),
    ("forecast_demand_p99", "99th percentile of the demand forecast at lead"),
    ("forecast_trusted", "1 when the forecast is trusted"),
    ("forecast_skill", "1 minus the forecast's cost over that of the best simple rule"),
    ("forecast_coverage_p90", "Share of past demand that the 90th percentile of the forecast covered"),
    ("forecast_coverage_p99", "Share of past demand that the 99th percentile of the forecast covered"),
    ("charged_replicas", "Replicas that a SpendBudget is charged for"),
    ("hourly_cost", "Price per hour of the replicas asked for"),
    ("replica_price", "Price of one replica for one hour, while it is known"),
    ("replica_price_known", "1 while the price of a replica is known, 0 while it is not"),
    ("shadow_replicas", "Replicas of the shadow in DryRun"),
    ("unserved_ratio", "Share of demand above ready capacity over the last 28 days"),
    (
        "unserved_worst_ratio",
        "Share of demand above ready capacity in the worst two minutes of the last 28 days",
    ),
];

fn values_of(numbers: &Numbers) -> [Option<f64>; 18] {
    let Numbers {
        asked,
        ready,
        desired,
        reactive,
        predicted,
        demand_p50,
        demand_p99,
        trusted,
        skill,
        coverage_p90,
        coverage_p99,
        charged,
        hourly_cost,
        price,
        price_known,
        shadow,
        unserved,
        worst,
    } = *numbers;
    [
        Some(f64::from(asked)),
        Some(f64::from(ready)),
        Some(f64::from(desired)),
        Some(f64::from(reactive)),
        predicted.map(f64::from),
        demand_p50,
        demand_p99,
        Some(if trusted { 1.0 } else { 0.0 }),
        skill,
        coverage_p90,
        coverage_p99,
        charged.map(f64::from),
        hourly_cost,
        price,
        price_known.map(|known| if known { 1.0 } else { 0.0 }),
        shadow.map(f64::from),
        unserved,
        worst,
    ]
}

impl Metrics {
    /// All metrics, and the registry that encodes them.
    pub fn register() -> (Self, Arc<Registry>) {
        let mut registry = Registry::with_prefix("foresail");
        // 1 ms to 65 s: a tick is done in a few, and given up after its interval, of 15 s where nothing else is stated.
        let seconds = || Histogram::new(exponential_buckets(0.001, 2.0, 17));
        let metrics = Self {
            decisions: Family::default(),
            writes: Family::default(),
            source_reads: Family::default(),
            events: Family::default(),
            facts: Family::default(),
            tick_seconds: seconds(),
            lateness_seconds: seconds(),
            leading: Gauge::default(),
            self_check: Gauge::default(),
            gauges: GAUGES.iter().map(|(name, _)| (*name, Family::default())).collect(),
            experts: Family::default(),
            budgets: BudgetGauges::register(&mut registry),
        };
        registry.register("decisions", "Decisions by binding stage and mode", metrics.decisions.clone());
        registry.register(
            "writes",
            "What became of each tick's write to the target, by result",
            metrics.writes.clone(),
        );
        registry.register("source_reads", "Reads of metric sources by result", metrics.source_reads.clone());
        registry.register("events", "Kubernetes Events by result", metrics.events.clone());
        registry.register("facts", "Facts stated about objects by reason", metrics.facts.clone());
        registry.register("tick_seconds", "Duration of a tick", metrics.tick_seconds.clone());
        registry.register(
            "tick_lateness_seconds",
            "Start of a tick after its due time",
            metrics.lateness_seconds.clone(),
        );
        registry.register("leading", "1 while this process leads", metrics.leading.clone());
        let help = "1 while decisions on a synthetic series are right";
        registry.register("self_check_ok", help, metrics.self_check.clone());
        for ((name, help), (_, family)) in GAUGES.iter().zip(&metrics.gauges) {
            registry.register(*name, *help, family.clone());
        }
        registry.register(
            "forecast_expert_weight",
            "Weight of each expert in the forecast",
            metrics.experts.clone(),
        );
        (metrics, Arc::new(registry))
    }

    /// Counts a decision.
    pub fn decided(&self, stage: &'static str, mode: &'static str) {
        self.decisions.get_or_create(&DecisionLabels { stage, mode }).inc();
    }

    /// Counts what became of a tick's write to `what`: its `target`, also where there was nothing to write.
    pub fn wrote(&self, what: &'static str, result: &'static str) {
        self.writes.get_or_create(&WriteLabels { what, result }).inc();
    }

    /// Counts a read of a metric source.
    pub fn read_source(&self, result: &'static str) {
        self.source_reads.get_or_create(&ResultLabels { result }).inc();
    }

    /// Counts a Kubernetes Event.
    pub fn event(&self, result: &'static str) {
        self.events.get_or_create(&ResultLabels { result }).inc();
    }

    /// Counts a fact about an object, whether or not it became a Kubernetes Event.
    pub fn stated(&self, reason: &'static str) {
        self.facts.get_or_create(&ReasonLabels { reason }).inc();
    }

    /// Notes how long a tick took and how late it began.
    pub fn ticked(&self, took: Duration, late: Duration) {
        self.tick_seconds.observe(took.as_secs_f64());
        self.lateness_seconds.observe(late.as_secs_f64());
    }

    /// Notes whether the last self-check was right.
    pub fn set_self_check(&self, right: bool) {
        self.self_check.set(i64::from(right));
    }

    /// Notes whether this process leads.
    pub fn set_leading(&self, leading: bool) {
        self.leading.set(i64::from(leading));
    }

    /// Shows the numbers of one autoscaler.
    pub fn show(&self, autoscaler: &AutoscalerLabels, numbers: &Numbers) {
        for ((_, family), value) in self.gauges.iter().zip(values_of(numbers)) {
            match value.filter(|value| value.is_finite()) {
                Some(value) => {
                    family.get_or_create(autoscaler).set(value);
                }
                None => {
                    family.remove(autoscaler);
                }
            }
        }
    }

    /// Shows the weights of the experts in the forecast that `summary` is of; those that take no part have no series.
    pub fn weigh(&self, autoscaler: &AutoscalerLabels, summary: Option<&Summary>) {
        for expert in expert_names() {
            let labels = ExpertLabels::new(autoscaler, expert);
            let shares = || summary.into_iter().flat_map(|summary| &summary.experts);
            match shares().find(|share| share.name == expert) {
                Some(share) => {
                    self.experts.get_or_create(&labels).set(share.weight);
                }
                None => {
                    self.experts.remove(&labels);
                }
            }
        }
    }

    /// Removes the series of an autoscaler that was deleted, or of which this process no longer knows anything.
    pub fn forget(&self, autoscaler: &AutoscalerLabels) {
        for (_, family) in &self.gauges {
            family.remove(autoscaler);
        }
        self.weigh(autoscaler, None);
    }
}

/// The registry as `OpenMetrics` text.
///
/// # Errors
/// None in practice: writing to a string does not fail.
pub fn encode(registry: &Registry) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web() -> AutoscalerLabels {
        AutoscalerLabels { namespace: "shop".to_owned(), name: "web".to_owned() }
    }

    #[test]
    fn counters_and_gauges_are_encoded_under_our_prefix() {
        let (metrics, registry) = Metrics::register();
        metrics.decided("rate", "Active");
        metrics.wrote("target", "written");
        metrics.ticked(Duration::from_millis(3), Duration::ZERO);
        metrics.show(&web(), &Numbers { asked: 7, demand_p99: Some(f64::NAN), ..Numbers::default() });
        let text = encode(&registry).unwrap();
        assert!(text.contains("foresail_decisions_total{stage=\"rate\",mode=\"Active\"} 1"), "{text}");
        assert!(text.contains("foresail_writes_total{what=\"target\",result=\"written\"} 1"), "{text}");
        assert!(text.contains("foresail_asked_replicas{namespace=\"shop\",name=\"web\"} 7.0"), "{text}");
        assert!(!text.contains("p99{"), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }

    /// A name that no metric has would never alert.
    #[test]
    fn every_alert_of_the_chart_asks_for_metrics_that_there_are() {
        let file = include_str!("../../charts/foresail/files/alerts.yaml");
        let rules: serde_json::Value = serde_saphyr::from_str(file).unwrap();
        let rules = rules["groups"][0]["rules"].as_array().unwrap();
        assert!(rules.len() >= 8);
        // Families without a series are not shown.
        let (metrics, registry) = Metrics::register();
        metrics.wrote("target", "written");
        metrics.read_source("value");
        metrics.stated("UnableToScale");
        metrics.show(&web(), &Numbers { price_known: Some(true), ..Numbers::default() });
        metrics.budgets.show("shop", &crate::telemetry::budgets::BudgetNumbers::default());
        let shown = encode(&registry).unwrap();
        for rule in rules {
            let expr = rule["expr"].as_str().unwrap();
            promql_parser::parser::parse(expr).unwrap_or_else(|error| panic!("{expr}: {error}"));
            let names = expr.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            let names: Vec<&str> = names.filter(|word| word.starts_with("foresail_")).collect();
            assert!(!names.is_empty(), "{expr}");
            let seconds = expr.rsplit("> ").next().and_then(|text| text.parse::<f64>().ok());
            if expr.contains("histogram_quantile") {
                // Above its highest bound a histogram tells that bound.
                assert!(
                    seconds.is_some_and(|seconds| seconds < 65.0 && shown.contains("le=\"65.536\"")),
                    "{expr}"
                );
            }
            for name in names {
                let base = name.trim_end_matches("_total").trim_end_matches("_bucket");
                assert!(shown.contains(&format!("# HELP {base} ")), "{name}: {shown}");
            }
        }
    }

    #[test]
    fn an_absent_number_and_a_deleted_autoscaler_leave_no_series() {
        let (metrics, registry) = Metrics::register();
        metrics.show(&web(), &Numbers { predicted: Some(9), ..Numbers::default() });
        metrics.show(&web(), &Numbers::default());
        assert!(!encode(&registry).unwrap().contains("predicted_replicas{"));
        let config = crate::forecast::ForecastConfig {
            step: crate::units::Step::new(3600).unwrap(),
            history: crate::units::Span::from_hours(28 * 24),
            zone: crate::calendar::TimeZone::UTC,
            horizon_steps: 1,
            global: crate::forecast::GlobalModel::shipped(),
        };
        let samples = [(crate::units::Timestamp::from_seconds(0), 5.0)];
        let summary = crate::forecast::Forecaster::learn(config, &samples).summary();
        metrics.weigh(&web(), Some(&summary));
        let text = encode(&registry).unwrap();
        let said =
            "foresail_forecast_expert_weight{namespace=\"shop\",name=\"web\",expert=\"last-value\"} 0.";
        assert!(text.contains(said) && !text.contains("expert=\"damped\""), "{text}");
        metrics.forget(&web());
        assert!(!encode(&registry).unwrap().contains("shop"));
    }
}
