//! The status of a `PredictiveAutoscaler`. Numbers that are no integers are strings.

#![expect(unreachable_pub, reason = "kube's derive repeats each struct in a private scope")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the operator last saw, decided and did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PredictiveAutoscalerStatus {
    /// The generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The mode in force: the spec's, or Paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub effective_mode: Option<String>,
    /// Ready, SpecValid, EvidenceFresh, ForecastTrusted, AbleToScale, ScalingLimited, TargetConflict.
    #[serde(default)]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_string()]))]
    pub conditions: Vec<Condition>,
    /// Replicas as they stand and as they are wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<ReplicasStatus>,
    /// What Foresail would have done, in DryRun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowStatus>,
    /// The lead that decisions are made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub lead_time: Option<String>,
    /// What the forecast is made of and how good it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["metric".to_string()]))]
    pub forecast: Vec<ForecastStatus>,
    /// What replicas cost an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spend: Option<SpendStatus>,
    /// The last change that was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_change: Option<ChangeStatus>,
    /// The last decision whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionStatus>,
    /// What the next decision must remember; the operator's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "opaque")]
    pub memory: Option<serde_json::Value>,
}

fn opaque(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "description": "What the next decision must remember; the operator's own.",
        "x-kubernetes-preserve-unknown-fields": true
    })
}

/// Replicas as they stand and as they are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplicasStatus {
    /// spec.replicas of the target, or the HPA's minReplicas.
    pub asked: u32,
    /// Replicas that serve.
    pub ready: u32,
    /// What an HPA would ask for.
    pub reactive: u32,
    /// What the trusted forecast wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted: Option<u32>,
    /// What is wanted after all stages.
    pub desired: u32,
}

/// What Foresail would have done, in DryRun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShadowStatus {
    /// What it would have asked for.
    pub asked: u32,
    /// What would serve.
    pub ready: u32,
    /// The share of demand above that since the shadow began.
    #[schemars(length(max = 32))]
    pub unserved_share: String,
    /// Replica-hours since the shadow began.
    #[schemars(length(max = 32))]
    pub replica_hours: String,
    /// What they would have cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub cost: Option<String>,
    /// When the shadow began.
    pub since: Time,
}

/// One metric's forecast.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ForecastStatus {
    /// The metric.
    #[schemars(length(max = 63))]
    pub metric: String,
    /// Whether the forecast may replace the reactive answer.
    pub trusted: bool,
    /// Skill in decision cost against the best of reactive and seasonal naive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub skill: Option<String>,
    /// Share of samples under the .9 and .99 quantile on the rolling origin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub coverage: Option<String>,
    /// The experts and their weights.
    #[schemars(length(max = 16))]
    pub experts: Vec<ExpertStatus>,
    /// The largest median of the coming hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_peak: Option<PeakStatus>,
    /// Samples that it was learned from.
    pub samples: u32,
    /// Which rung of reactive, cold start, daily, weekly the history allows.
    #[schemars(length(max = 32))]
    pub rung: String,
    /// When the next rung will be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_from: Option<Time>,
}

/// An expert and its weight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExpertStatus {
    /// The expert.
    #[schemars(length(max = 63))]
    pub name: String,
    /// Its weight.
    #[schemars(length(max = 16))]
    pub weight: String,
}

/// The largest median of the coming hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PeakStatus {
    /// When.
    pub at: Time,
    /// How much.
    #[schemars(length(max = 32))]
    pub demand: String,
}

/// What replicas cost an hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpendStatus {
    /// What the wanted replicas cost.
    #[schemars(length(max = 64))]
    pub hourly: String,
    /// The limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub max_per_hour: Option<String>,
    /// The currency.
    #[schemars(length(max = 8))]
    pub currency: String,
    /// Replicas that the limit withholds.
    pub withheld_replicas: u32,
}

/// The last change that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeStatus {
    /// When.
    pub at: Time,
    /// From how many.
    pub from: u32,
    /// To how many.
    pub to: u32,
    /// The sentence of the stage that bound it.
    #[schemars(length(max = 512))]
    pub reason: String,
}

/// A decision whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DecisionStatus {
    /// When it was made.
    pub at: Time,
    /// One line.
    #[schemars(length(max = 512))]
    pub summary: String,
    /// The last stage that changed the proposal.
    #[schemars(length(max = 32))]
    pub bound_by: String,
    /// Every stage in order.
    #[schemars(length(max = 16))]
    pub stages: Vec<StageStatus>,
}

/// One stage of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StageStatus {
    /// Its name.
    #[schemars(length(max = 32))]
    pub stage: String,
    /// The proposal before it.
    pub before: u32,
    /// The proposal after it.
    pub after: u32,
    /// What it found, with numbers.
    #[schemars(length(max = 1024))]
    pub sentence: String,
}
