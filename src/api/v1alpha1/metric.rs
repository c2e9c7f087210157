//! One signal of demand.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::autoscaler::DNS_LABEL;
use super::text::{Duration, Quantity};
use super::{LearnedCapacity, SourceRef};

/// One signal of demand: what arrives, summed over all replicas, in its own unit.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.type != 'Prometheus' || has(self.query)")
    .message("a metric of type Prometheus needs a query: set query to a PromQL expression that sums demand"))]
#[x_kube(validation = Rule::new("self.type != 'Prometheus' || has(self.capacityPerReplica) || has(self.learnedCapacity)")
    .message("a metric of type Prometheus needs capacityPerReplica: set the demand that one ready replica serves, or learnedCapacity"))]
#[x_kube(validation = Rule::new("!(self.type in ['CPU', 'Memory']) || !has(self.query)")
    .message("types CPU and Memory bring their own query: remove query, or use type Prometheus")
    .field_path(".query"))]
#[x_kube(validation = Rule::new("self.type == 'Prometheus' || !has(self.learnedCapacity)")
    .message("types CPU and Memory know their capacity from the pods' requests: remove learnedCapacity")
    .field_path(".learnedCapacity"))]
pub struct Metric {
    /// Name of the metric, unique within the autoscaler.
    #[schemars(length(max = 63), regex(pattern = DNS_LABEL))]
    pub name: String,

    /// Prometheus takes your own query; CPU (in cores) and Memory (in bytes) are ready-made from cAdvisor's series
    /// for the pods of the target.
    #[serde(rename = "type")]
    pub kind: MetricType,

    /// PromQL that returns one number: demand summed over all replicas, as
    /// `sum(rate(http_requests_total{app="checkout"}[1m]))`. Only for type Prometheus. Never a utilisation in percent:
    /// scaling itself moves that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096), regex(pattern = QUERY))]
    pub query: Option<String>,

    /// A sample older than this is no evidence; 15s to 1h.
    #[serde(default = "two_minutes")]
    pub max_age: Duration<15, 3_600>,

    /// Demand that one ready replica serves at 100 % of its safe load, in the unit of the query, as "120" or "500m".
    /// Type Prometheus needs it, or learnedCapacity; CPU and Memory default to the requests of the pod template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_per_replica: Option<Quantity>,

    /// Learns the capacity of a replica from how far the replicas are used; with capacityPerReplica, which then counts,
    /// it checks that one. Only for type Prometheus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learned_capacity: Option<LearnedCapacity>,

    /// Enabled (the default) forecasts this metric; Disabled lets it take part in the reactive answer only.
    #[serde(default)]
    pub prediction: Prediction,

    /// The MetricSource of this metric; without it the one of the autoscaler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ref: Option<SourceRef>,
}

/// Printable text with tabs and line breaks; nothing that turns the writing direction.
pub(super) const QUERY: &str =
    r"^[^\x{0}-\x{8}\x{b}\x{c}\x{e}-\x{1f}\x{7f}-\x{9f}\x{200e}\x{200f}\x{202a}-\x{202e}\x{2066}-\x{2069}]*$";

fn two_minutes() -> Duration<15, 3_600> {
    "2m".into()
}

/// Where the number comes from.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricType {
    /// The query of the metric.
    Prometheus,
    /// CPU cores used by the pods of the target.
    #[serde(rename = "CPU")]
    Cpu,
    /// Working set of the pods of the target, in bytes.
    Memory,
}

impl MetricType {
    /// The resource whose requests are the capacity of a preset; `None` for `Prometheus`, which states it or learns it.
    pub const fn resource(self) -> Option<&'static str> {
        match self {
            Self::Prometheus => None,
            Self::Cpu => Some("cpu"),
            Self::Memory => Some("memory"),
        }
    }
}

/// Whether a metric is forecast.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prediction {
    /// It is forecast.
    #[default]
    Enabled,
    /// It takes part in the reactive answer only.
    Disabled,
}
