//! `PredictiveAutoscaler`: one workload, the signals of its demand, its limits.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text::instant;
use super::{
    Actuation, Behavior, Cooldown, Evidence, Fallback, Forecast, Limit, Metric, Objective,
    PredictiveAutoscalerStatus, Reactive, Spend, Thresholds,
};

/// A PredictiveAutoscaler forecasts the demand of one workload and scales it before the demand arrives.
///
/// It starts in mode DryRun: it decides, records what it would have done in its status, and changes nothing.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "foresail.dev",
    version = "v1alpha1",
    kind = "PredictiveAutoscaler",
    plural = "predictiveautoscalers",
    singular = "predictiveautoscaler",
    shortname = "pra",
    category = "autoscaling",
    namespaced,
    status = "PredictiveAutoscalerStatus",
    derive = "PartialEq",
    doc = "A PredictiveAutoscaler forecasts the demand of one workload and scales it before the demand arrives.",
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode"),
    printcolumn(name = "Target", type_ = "string", json_path = ".spec.scaleTargetRef.name"),
    printcolumn(name = "Min", type_ = "integer", json_path = ".spec.minReplicas"),
    printcolumn(name = "Max", type_ = "integer", json_path = ".spec.maxReplicas"),
    printcolumn(name = "Asked", type_ = "integer", json_path = ".status.replicas.asked"),
    printcolumn(name = "Desired", type_ = "integer", json_path = ".status.replicas.desired"),
    printcolumn(name = "Trusted", type_ = "boolean", json_path = ".status.forecast.trusted"),
    printcolumn(name = "Bound", type_ = "string", json_path = ".status.decision.boundBy"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.minReplicas <= self.maxReplicas")
    .message("must be at most maxReplicas: lower minReplicas or raise maxReplicas")
    .field_path(".minReplicas"))]
#[x_kube(validation = Rule::new(
    "!has(self.pause) || !has(self.pause.replicas) || \
     (self.pause.replicas >= self.minReplicas && self.pause.replicas <= self.maxReplicas)")
    .message("must lie between minReplicas and maxReplicas: choose a count within them")
    .field_path(".pause.replicas"))]
#[x_kube(validation = Rule::new(
    "!has(self.fallback.replicas) || \
     (self.fallback.replicas >= self.minReplicas && self.fallback.replicas <= self.maxReplicas)")
    .message("must lie between minReplicas and maxReplicas: choose a count within them")
    .field_path(".fallback.replicas"))]
#[x_kube(validation = Rule::new(
    "self.mode != 'Active' || self.actuation.via != 'HorizontalPodAutoscalerFloor'")
    .message("must not be Active through HorizontalPodAutoscalerFloor, where the HPA keeps deciding: \
              use mode Floor, or actuation.via Scale without an HPA on the same target")
    .field_path(".mode"))]
#[x_kube(validation = Rule::new("has(self.sourceRef) || self.metrics.all(m, has(m.sourceRef))")
    .message("a metric names no source: set spec.sourceRef, or sourceRef of every metric")
    .field_path(".metrics"))]
#[x_kube(validation = Rule::new(
    "has(self.sourceRef) || !has(self.spend) || !has(self.spend.priceQuery) || has(self.spend.priceQuery.sourceRef)")
    .message("the price query names no source: set spec.sourceRef, or sourceRef of the price query")
    .field_path(".spend"))]
#[x_kube(validation = Rule::new("has(self.sourceRef) || !has(self.limits) || self.limits.all(l, has(l.sourceRef))")
    .message("a limit names no source: set spec.sourceRef, or sourceRef of every limit")
    .field_path(".limits"))]
pub struct PredictiveAutoscalerSpec {
    /// What may be done with a decision.
    /// DryRun (the default) records it and changes nothing;
    /// Floor scales, never below what a reactive autoscaler would ask for;
    /// Active lets a trusted forecast replace the reactive headroom.
    #[serde(default)]
    pub mode: Mode,

    /// Stops all changes until a date; it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,

    /// The workload to scale: anything in the same namespace that has the scale subresource.
    #[x_kube(validation = Rule::new(
        "!(self.kind in ['DaemonSet', 'Pod', 'Node', 'Job', 'CronJob', 'ConfigMap', 'Secret', 'Service', 'Namespace'])")
        .message("must be a kind with replicas to set: name a Deployment, a StatefulSet, a ReplicaSet \
                  or another kind with the scale subresource")
        .field_path(".kind"))]
    pub scale_target_ref: ScaleTargetRef,

    /// The fewest replicas, 1 to 10000. Nothing lowers the workload below it, not even a budget.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 10_000))]
    pub min_replicas: u32,

    /// The most replicas, 1 to 10000. Nothing raises the workload above it.
    #[schemars(range(min = 1, max = 10_000))]
    pub max_replicas: u32,

    /// The MetricSource of every metric that names none itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ref: Option<SourceRef>,

    /// One to eight signals of demand. Each gives a need in replicas; the largest need wins.
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_string()]))]
    pub metrics: Vec<Metric>,

    /// How demand is forecast.
    #[serde(default)]
    pub forecast: Forecast,

    /// How well demand must be served; the headroom follows from it and from the measured uncertainty.
    #[serde(default)]
    pub objective: Objective,

    /// The reactive answer: what is asked for on present demand alone.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self.averageUtilization <= self.floorUtilization")
        .message("must be at least averageUtilization: raise floorUtilization or lower averageUtilization")
        .field_path(".floorUtilization"))]
    pub reactive: Reactive,

    /// How fast replicas may change; the block of a HorizontalPodAutoscaler, with its defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behavior: Option<Behavior>,

    /// Dead time after any change of the replicas.
    #[serde(default)]
    pub cooldown: Cooldown,

    /// Changes that are too small or too short-lived to be made.
    #[serde(default)]
    pub thresholds: Thresholds,

    /// What a replica costs, and how much an hour may cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(
        "!has(self.maxPerHour) || has(self.pricePerReplicaHour) || has(self.priceQuery) || has(self.priceBook)")
        .message("maxPerHour needs a price: set pricePerReplicaHour, priceQuery or priceBook, or remove maxPerHour"))]
    #[x_kube(validation = Rule::new(
        "!has(self.budgetRef) || has(self.pricePerReplicaHour) || has(self.priceQuery) || has(self.priceBook)")
        .message("budgetRef needs a price: set pricePerReplicaHour, priceQuery or priceBook, or remove budgetRef"))]
    pub spend: Option<Spend>,

    /// DemandCalendars of this namespace whose events are known beforehand; at most eight.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_string()]))]
    pub calendar_refs: Vec<CalendarRef>,

    /// What each replica takes a part of, as connections of a pool: growth stops where it is used up. At most four.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_string()]))]
    pub limits: Vec<Limit>,

    /// When readings are believed.
    #[serde(default)]
    pub evidence: Evidence,

    /// What happens when readings stay away.
    #[serde(default)]
    pub fallback: Fallback,

    /// Where decisions are written.
    #[serde(default)]
    pub actuation: Actuation,
}

const fn one() -> u32 {
    1
}

/// What may be done with a decision.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Decide and record; change nothing.
    #[default]
    DryRun,
    /// Write, and never go below the reactive answer.
    Floor,
    /// Write; a trusted forecast replaces the reactive headroom.
    Active,
}

/// Stops all changes until a date.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Pause {
    /// When the pause ends by itself, as 2026-12-01T08:00:00Z.
    #[schemars(schema_with = "instant")]
    pub until: jiff::Timestamp,

    /// Why, for those who find it paused.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256), regex(pattern = PRINTABLE))]
    pub reason: String,

    /// Replicas to set once when the pause begins; without it the workload stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub replicas: Option<u32>,
}

/// Names the workload to scale.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ScaleTargetRef {
    /// API group and version of the workload, as apps/v1.
    #[schemars(
        length(max = 128),
        regex(pattern = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?v[1-9][0-9]*((alpha|beta)[1-9][0-9]*)?$")
    )]
    pub api_version: String,

    /// Kind of the workload, as Deployment.
    #[schemars(length(max = 63), regex(pattern = r"^[A-Z][A-Za-z0-9]*$"))]
    pub kind: String,

    /// Name of the workload, in the namespace of the PredictiveAutoscaler.
    #[schemars(length(max = 253), regex(pattern = DNS_NAME))]
    pub name: String,
}

/// Names a MetricSource.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SourceRef {
    /// Name of the MetricSource; the administrator lists the namespaces that may use it.
    #[schemars(length(max = 253), regex(pattern = DNS_NAME))]
    pub name: String,
}

/// Names a DemandCalendar.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CalendarRef {
    /// Name of the DemandCalendar, in the namespace of the PredictiveAutoscaler.
    #[schemars(length(max = 63), regex(pattern = DNS_NAME))]
    pub name: String,
}

/// A DNS name: lower-case letters, digits, dots and dashes.
pub(super) const DNS_NAME: &str = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$";
/// A DNS label: lower-case letters, digits and dashes.
pub(super) const DNS_LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
/// No control characters and no marks that turn the writing direction.
pub(super) const PRINTABLE: &str =
    r"^[^\x{0}-\x{1f}\x{7f}-\x{9f}\x{200e}\x{200f}\x{202a}-\x{202e}\x{2066}-\x{2069}]*$";
