//! What a replica serves where that is learned, what limits it from outside, and what the status says of it.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SourceRef;
use super::autoscaler::DNS_LABEL;
use super::metric::QUERY;
use super::text::{Duration, Quantity, UseLevel, instant};

/// The capacity of a replica follows from how far the replicas are used.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct LearnedCapacity {
    /// PromQL that returns one number: how far the replicas are used on average, as a share of what they have (0.64 for
    /// 64 %); asked of the metric's source once a step.
    #[schemars(length(min = 1, max = 4096), regex(pattern = QUERY))]
    pub query: String,

    /// How far they may be used, as "80%": the demand per replica at that use is its capacity; 10% to 100%.
    #[serde(default = "four_fifths")]
    pub at: UseLevel,
}

fn four_fifths() -> UseLevel {
    "80%".into()
}

/// Something outside that each replica takes a part of, as connections of a pool.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Limit {
    /// Name of the limit, unique within the autoscaler.
    #[schemars(length(max = 63), regex(pattern = DNS_LABEL))]
    pub name: String,

    /// PromQL that returns one number: how much there is for this workload in all, not only what is left.
    #[schemars(length(min = 1, max = 4096), regex(pattern = QUERY))]
    pub query: String,

    /// How much of it one replica takes, as "20".
    pub per_replica: Quantity,

    /// A sample older than this is not taken up; 15s to 1h.
    #[serde(default = "two_minutes")]
    pub max_age: Duration<15, 3_600>,

    /// The MetricSource to ask; spec.sourceRef when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ref: Option<SourceRef>,
}

fn two_minutes() -> Duration<15, 3_600> {
    "2m".into()
}

/// What one replica serves of a metric, and how that is known.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CapacityStatus {
    /// The metric.
    #[schemars(length(max = 63))]
    pub metric: String,
    /// Stated (capacityPerReplica), Learned, or Learning until there is a first value.
    #[schemars(length(max = 64))]
    pub source: String,
    /// The capacity that counts, in the unit of the metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub per_replica: Option<String>,
    /// What is learned: 95 of 100 readings stay under the use that is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub learned: Option<String>,
    /// The highest demand per ready replica that was seen under the use that is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub highest_seen: Option<String>,
    /// Looks at the pods of this template, one a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<u32>,
    /// Since when pods of this template are looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "instant")]
    pub since: Option<jiff::Timestamp>,
    /// Whether a replica serves so much less than is stated that decisions no longer rest on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drifted: Option<bool>,
    /// All of it in one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1_024))]
    pub reason: Option<String>,
}
