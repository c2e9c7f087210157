//! `PredictiveAutoscaler`: the wire form of its spec.

#![expect(unreachable_pub, reason = "kube's derive repeats each struct in a private scope")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::PredictiveAutoscalerStatus;
use super::text::{DurationText, MoneyText, QuantityText, RatioText, ToleranceText};

/// Scales one workload ahead of its demand.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "foresail.dev",
    version = "v1alpha1",
    doc = "Scales one workload ahead of its demand.",
    kind = "PredictiveAutoscaler",
    plural = "predictiveautoscalers",
    shortname = "pra",
    category = "all",
    namespaced,
    status = "PredictiveAutoscalerStatus",
    derive = "PartialEq",
    validation = Rule::new("self.metadata.name.size() <= 63").message("metadata.name is longer than 63 characters: choose a shorter one"),
    printcolumn(name = "Mode", type_ = "string", json_path = ".status.effectiveMode"),
    printcolumn(name = "Target", type_ = "string", json_path = ".spec.scaleTargetRef.name"),
    printcolumn(name = "Min", type_ = "integer", json_path = ".spec.minReplicas"),
    printcolumn(name = "Max", type_ = "integer", json_path = ".spec.maxReplicas"),
    printcolumn(name = "Asked", type_ = "integer", json_path = ".status.replicas.asked"),
    printcolumn(name = "Desired", type_ = "integer", json_path = ".status.replicas.desired"),
    printcolumn(name = "Trusted", type_ = "string", json_path = ".status.conditions[?(@.type==\"ForecastTrusted\")].status"),
    printcolumn(name = "Bound", type_ = "string", json_path = ".status.decision.boundBy"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.minReplicas <= self.maxReplicas").message("minReplicas is greater than maxReplicas: lower the minimum or raise the maximum"),
    validation = Rule::new("!has(self.fallback.replicas) || (self.fallback.replicas >= self.minReplicas && self.fallback.replicas <= self.maxReplicas)").message("fallback.replicas lies outside minReplicas..maxReplicas: choose a number between them"),
    validation = Rule::new("!has(self.pause) || !has(self.pause.replicas) || self.pause.replicas <= self.maxReplicas").message("pause.replicas is greater than maxReplicas: lower it or raise maxReplicas"),
    validation = Rule::new("!(self.mode == 'Active' && self.actuation.via == 'HorizontalPodAutoscalerFloor')").message("mode Active would let the forecast replace the HPA that actuation.via keeps: use mode Floor, or actuation.via Scale")
)]
pub struct PredictiveAutoscalerSpec {
    /// What may be done with a decision: DryRun records it, Floor and Active write it; Floor never goes below the
    /// reactive answer. For example `DryRun`.
    #[serde(default)]
    pub mode: ModeSpec,
    /// No writes until a date; it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<PauseSpec>,
    /// The workload to scale: anything with a scale subresource, in this namespace.
    pub scale_target_ref: ScaleTargetRef,
    /// The fewest replicas; 1 unless said otherwise.
    #[serde(default = "default_min_replicas")]
    #[schemars(range(min = 1, max = 10000))]
    pub min_replicas: u32,
    /// The most replicas.
    #[schemars(range(min = 1, max = 10000))]
    pub max_replicas: u32,
    /// The MetricSource that answers the queries below.
    pub source_ref: SourceRef,
    /// One to eight signals of demand; the largest need wins.
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_string()]))]
    pub metrics: Vec<MetricSpec>,
    /// What the forecast learns from and how far it must look.
    pub forecast: ForecastSpec,
    /// The service level that headroom follows from.
    #[serde(default)]
    pub objective: ObjectiveSpec,
    /// The headroom of the reactive answer.
    #[serde(default)]
    pub reactive: ReactiveSpec,
    /// The HPA's behavior block, with its defaults and semantics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behavior: Option<BehaviorSpec>,
    /// No change in a direction this long after any change.
    #[serde(default)]
    pub cooldown: CooldownSpec,
    /// Changes too small or too short-lived to make.
    #[serde(default)]
    pub thresholds: ThresholdsSpec,
    /// What a replica costs, and how much an hour may cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spend: Option<SpendSpec>,
    /// How readings are believed.
    #[serde(default)]
    pub evidence: EvidenceSpec,
    /// What happens when evidence stays absent.
    #[serde(default)]
    pub fallback: FallbackSpec,
    /// Where decisions are written.
    #[serde(default)]
    pub actuation: ActuationSpec,
}

fn default_min_replicas() -> u32 {
    1
}

/// What may be done with a decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ModeSpec {
    /// Decide and record; change nothing.
    #[default]
    DryRun,
    /// Write, never below the reactive answer.
    Floor,
    /// Write; a trusted forecast replaces the reactive headroom.
    Active,
}

/// No writes until a date.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct PauseSpec {
    /// When the pause ends by itself, for example `2026-12-01T08:00:00Z`.
    pub until: Time,
    /// Why, for whoever reads the status.
    #[schemars(length(min = 1, max = 256))]
    pub reason: String,
    /// Written once when the pause begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub replicas: Option<u32>,
}

/// The workload to scale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScaleTargetRef {
    /// API version of the workload, for example `apps/v1`.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^([a-z0-9.-]+/)?v[0-9]+((alpha|beta)[0-9]+)?$")
    )]
    pub api_version: String,
    /// Kind of the workload, for example `Deployment`.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Z][A-Za-z0-9]*$"))]
    #[x_kube(validation = Rule::new("!(self in ['DaemonSet', 'Pod', 'Node', 'Job', 'CronJob', 'ConfigMap', 'Secret', 'Service', 'HorizontalPodAutoscaler'])").message("this kind has no scale subresource: name a Deployment, a StatefulSet or another scalable kind"))]
    pub kind: String,
    /// Name of the workload, in this namespace.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub name: String,
}

/// A MetricSource by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct SourceRef {
    /// Name of the MetricSource, for example `main`.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub name: String,
}

/// One signal of demand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.type != 'Prometheus' || has(self.query)").message("a metric of type Prometheus needs a query: add `query`, or use type CPU or Memory"),
    validation = Rule::new("self.type != 'Prometheus' || has(self.capacityPerReplica)").message("a metric of type Prometheus needs capacityPerReplica: state what one replica serves at 100 % of its safe load"),
    validation = Rule::new("self.type == 'Prometheus' || !has(self.query)").message("the presets CPU and Memory bring their own query: remove `query`, or use type Prometheus")
)]
pub struct MetricSpec {
    /// Name of the metric, unique within the autoscaler, for example `requests`.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
    /// Prometheus asks the query; CPU and Memory are presets from cAdvisor series and the pods' requests.
    #[serde(rename = "type")]
    pub type_: MetricType,
    /// PromQL that gives one series: demand summed over replicas, for example `sum(rate(http_requests_total[1m]))`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub query: Option<String>,
    /// A sample older than this is no evidence, for example `2m`.
    #[serde(default = "default_max_age")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('1h')").message("maxAge must lie between 1s and 1h"))]
    pub max_age: DurationText,
    /// Demand that one ready replica serves at 100 % of its safe load, for example `120`. For the presets it
    /// defaults to the requests of the target's pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[0-9.]*[1-9]')").message("capacityPerReplica must be greater than zero"))]
    pub capacity_per_replica: Option<QuantityText>,
    /// Whether demand is forecast; Disabled leaves the metric to the reactive answer.
    #[serde(default)]
    pub prediction: Prediction,
}

fn default_max_age() -> DurationText {
    "2m".into()
}

/// Where a metric comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MetricType {
    /// A query.
    Prometheus,
    /// CPU seconds a second used by the target's pods.
    #[serde(rename = "CPU")]
    Cpu,
    /// Bytes of working set of the target's pods.
    Memory,
}

/// Whether a metric is forecast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Prediction {
    /// It is.
    #[default]
    Enabled,
    /// It is not.
    Disabled,
}

/// What the forecast learns from and how far it must look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ForecastSpec {
    /// From asking for a replica to it serving, for example `3m`.
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('30m')").message("leadTime must lie between 1s and 30m"))]
    pub lead_time: DurationText,
    /// Days of history that are learned from.
    #[serde(default = "default_history_days")]
    #[schemars(range(min = 1, max = 28))]
    pub history_days: u32,
    /// Grid of the demand series; it must divide a day.
    #[serde(default = "default_step")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('10s') && duration(self) <= duration('1h') && 86400 % duration(self).getSeconds() == 0").message("step must lie between 10s and 1h and divide a day"))]
    pub step: DurationText,
    /// IANA zone whose days and weeks demand follows, for example `Europe/Berlin`.
    #[serde(default = "default_time_zone")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9+_/-]+$"))]
    pub time_zone: String,
}

fn default_history_days() -> u32 {
    28
}

fn default_step() -> DurationText {
    "60s".into()
}

fn default_time_zone() -> String {
    "UTC".to_owned()
}

/// The service level that headroom follows from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct ObjectiveSpec {
    /// The share of demand that may go unserved, for example `0.1%`.
    #[serde(default = "default_unserved")]
    #[x_kube(validation = Rule::new("self.matches('[1-9]') && (self.endsWith('%') ? double(self.replace('%', '')) <= 50.0 : double(self) <= 0.5)").message("objective.unserved must be greater than zero and at most 50%"))]
    pub unserved: RatioText,
}

fn default_unserved() -> RatioText {
    "0.1%".into()
}

impl Default for ObjectiveSpec {
    fn default() -> Self {
        Self { unserved: default_unserved() }
    }
}

/// The headroom of the reactive answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.averageUtilization <= self.floorUtilization").message("averageUtilization is greater than floorUtilization: the floor of Active must leave less headroom than the reactive answer"))]
pub struct ReactiveSpec {
    /// Target utilisation of the reactive answer, in percent of capacityPerReplica.
    #[serde(default = "default_average_utilization")]
    #[schemars(range(min = 1, max = 100))]
    pub average_utilization: u32,
    /// Utilisation on present demand that Active never exceeds, in percent.
    #[serde(default = "default_floor_utilization")]
    #[schemars(range(min = 1, max = 100))]
    pub floor_utilization: u32,
}

fn default_average_utilization() -> u32 {
    70
}

fn default_floor_utilization() -> u32 {
    95
}

impl Default for ReactiveSpec {
    fn default() -> Self {
        Self {
            average_utilization: default_average_utilization(),
            floor_utilization: default_floor_utilization(),
        }
    }
}

/// The HPA's behavior block.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BehaviorSpec {
    /// Increases: without a window, by the larger of 100 % and 4 pods each 15 s, unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_up: Option<ScalingRulesSpec>,
    /// Decreases: over a window of 300 s, by 100 % each 15 s, unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_down: Option<ScalingRulesSpec>,
}

/// The HPA's scaling rules for one direction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalingRulesSpec {
    /// Seconds over which the most careful recommendation binds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub stabilization_window_seconds: Option<u32>,
    /// Which policy binds: the largest change (Max), the smallest (Min), or no change at all (Disabled).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select_policy: Option<SelectPolicySpec>,
    /// Rate limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    pub policies: Option<Vec<RatePolicySpec>>,
    /// Relative distance from the target that changes nothing, for example `0.1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<ToleranceText>,
}

/// Which rate policy binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SelectPolicySpec {
    /// The largest change.
    Max,
    /// The smallest change.
    Min,
    /// No change.
    Disabled,
}

/// At most this much change within a period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RatePolicySpec {
    /// Pods or Percent.
    #[serde(rename = "type")]
    pub type_: RateType,
    /// How many pods, or how many percent of the replicas at the start of the period.
    #[schemars(range(min = 1, max = 10000))]
    pub value: u32,
    /// Length of the period in seconds.
    #[schemars(range(min = 1, max = 1800))]
    pub period_seconds: u32,
}

/// The unit of a rate policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RateType {
    /// Replicas.
    Pods,
    /// Hundredths.
    Percent,
}

/// No change in a direction this long after any change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CooldownSpec {
    /// No increase this long after any change.
    #[serde(default = "zero")]
    #[x_kube(validation = Rule::new("duration(self) <= duration('24h')").message("cooldown.scaleUp must be at most 24h"))]
    pub scale_up: DurationText,
    /// No decrease this long after any change.
    #[serde(default = "zero")]
    #[x_kube(validation = Rule::new("duration(self) <= duration('24h')").message("cooldown.scaleDown must be at most 24h"))]
    pub scale_down: DurationText,
}

fn zero() -> DurationText {
    "0s".into()
}

impl Default for CooldownSpec {
    fn default() -> Self {
        Self { scale_up: zero(), scale_down: zero() }
    }
}

/// Changes too small or too short-lived to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThresholdsSpec {
    /// A change of fewer replicas is not made.
    #[serde(default = "default_min_replicas")]
    #[schemars(range(min = 1, max = 10000))]
    pub min_step: u32,
    /// How long a change must be wanted before it is made.
    #[serde(default)]
    pub sustain_for: SustainSpec,
}

impl Default for ThresholdsSpec {
    fn default() -> Self {
        Self { min_step: 1, sustain_for: SustainSpec::default() }
    }
}

/// How long a change must be wanted before it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SustainSpec {
    /// A raise that only the reactive answer wants; forecast raises never wait.
    #[serde(default = "zero")]
    #[x_kube(validation = Rule::new("duration(self) <= duration('1h')").message("sustainFor.scaleUp must be at most 1h"))]
    pub scale_up: DurationText,
    /// A decrease.
    #[serde(default = "zero")]
    #[x_kube(validation = Rule::new("duration(self) <= duration('1h')").message("sustainFor.scaleDown must be at most 1h"))]
    pub scale_down: DurationText,
}

impl Default for SustainSpec {
    fn default() -> Self {
        Self { scale_up: zero(), scale_down: zero() }
    }
}

/// What a replica costs, and how much an hour may cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.maxPerHour) || has(self.pricePerReplicaHour)").message("maxPerHour needs pricePerReplicaHour: an unknown price is never free"),
    validation = Rule::new("!has(self.pricePerReplicaHour) || has(self.currency)").message("pricePerReplicaHour needs a currency, for example EUR")
)]
pub struct SpendSpec {
    /// Price of one replica for one hour, for example `0.096`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('[1-9]')").message("pricePerReplicaHour must be greater than zero"))]
    pub price_per_replica_hour: Option<MoneyText>,
    /// ISO 4217 code of the currency, for example `EUR`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 3), regex(pattern = r"^[A-Z]{3}$"))]
    pub currency: Option<String>,
    /// Growth beyond this cost an hour is withheld, for example `5.00`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('[1-9]')").message("maxPerHour must be greater than zero"))]
    pub max_per_hour: Option<MoneyText>,
}

/// How readings are believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceSpec {
    /// How long a fall of more than 90 % between two readings is held before it is believed.
    #[serde(default = "default_suspect_for")]
    #[x_kube(validation = Rule::new("duration(self) <= duration('1h')").message("suspectFor must be at most 1h"))]
    pub suspect_for: DurationText,
}

fn default_suspect_for() -> DurationText {
    "5m".into()
}

impl Default for EvidenceSpec {
    fn default() -> Self {
        Self { suspect_for: default_suspect_for() }
    }
}

/// What happens when evidence stays absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FallbackSpec {
    /// After this long, replicas are at least the fallback; never fewer than stand.
    #[serde(default = "default_after_absent_for")]
    #[x_kube(validation = Rule::new("duration(self) <= duration('24h')").message("afterAbsentFor must be at most 24h"))]
    pub after_absent_for: DurationText,
    /// The fallback; without it the last forecast's p95, else the most of the same hours on earlier days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub replicas: Option<u32>,
}

fn default_after_absent_for() -> DurationText {
    "10m".into()
}

impl Default for FallbackSpec {
    fn default() -> Self {
        Self { after_absent_for: default_after_absent_for(), replicas: None }
    }
}

/// Where decisions are written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ActuationSpec {
    /// Scale writes the target's scale subresource; HorizontalPodAutoscalerFloor raises and lowers only the
    /// minReplicas of the HPA that targets the same workload.
    #[serde(default)]
    pub via: Via,
}

/// Where decisions are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Via {
    /// The target's scale subresource.
    #[default]
    Scale,
    /// The minReplicas of the HPA beside it.
    HorizontalPodAutoscalerFloor,
}
