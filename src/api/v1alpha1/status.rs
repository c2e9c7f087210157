//! What the operator reports on a `PredictiveAutoscaler`. Numbers that are not integers are text.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::CapacityStatus;
use super::text::instant;

/// Sizes that the schema of the status allows; a writer clips to them, or the server refuses the whole status.
pub mod limits {
    /// Characters of a number, a name or a code.
    pub const SHORT: usize = 64;
    /// Characters of a sentence.
    pub const SENTENCE: usize = 1_024;
    /// Stages of a decision.
    pub const STAGES: usize = 24;
    /// Experts of a forecast.
    pub const EXPERTS: usize = 16;
    /// Conditions of an object.
    pub const CONDITIONS: usize = 16;

    /// `text`, cut to at most `most` characters; a cut text ends in an ellipsis.
    pub fn clip(text: &str, most: usize) -> String {
        if text.chars().count() <= most {
            return text.to_owned();
        }
        text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
    }
}

/// What Foresail last saw, decided and did.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PredictiveAutoscalerStatus {
    /// Generation of the spec that this status belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// The mode in force: Paused while a pause holds changes back, Reactive while no forecast is trusted, Floor
    /// instead of Active while a stated capacity has drifted, else the mode of the spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "EffectiveMode")]
    pub effective_mode: Option<EffectiveMode>,

    /// Ready, SpecValid, EvidenceFresh, ForecastTrusted, AbleToScale, ScalingLimited, TargetConflict, CapacityBlocked,
    /// BudgetLimited, EventNotApplied, ObjectiveKept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,

    /// Replicas as they are and as they should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<ReplicaStatus>,

    /// What would have happened had Foresail been in charge (mode DryRun); in other modes, what the last DryRun came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowStatus>,

    /// Time from asking for a replica to it serving that is in use, as 3m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub lead_time: Option<String>,

    /// Where that time comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead: Option<LeadStatus>,

    /// What a replica serves, where capacity is learned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub capacity: Vec<CapacityStatus>,

    /// The forecast and how well it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast: Option<ForecastStatus>,

    /// What the objective asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<ObjectiveStatus>,

    /// What the replicas cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spend: Option<SpendStatus>,

    /// The last change of the replicas by Foresail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_change: Option<LastChangeStatus>,

    /// What the next decision must remember; for Foresail's own use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "opaque")]
    pub memory: Option<serde_json::Value>,

    /// The last decision, stage by stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionStatus>,
}

/// The mode in force.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum EffectiveMode {
    /// Decides and records; changes nothing.
    DryRun,
    /// Writes, and never goes below the reactive answer.
    Floor,
    /// Writes; a trusted forecast replaces the reactive headroom.
    Active,
    /// Would be Floor or Active, but no forecast is trusted now: the reactive answer decides (through
    /// HorizontalPodAutoscalerFloor: the HPA's own).
    Reactive,
    /// Would write, and does not until the pause ends.
    Paused,
}

/// Replicas as they are and as they should be.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaStatus {
    /// Replicas that the target asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<u32>,
    /// Replicas that serve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<u32>,
    /// What present demand asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reactive: Option<u32>,
    /// What the forecast asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted: Option<u32>,
    /// What stands after every rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<u32>,
}

/// What would have happened had Foresail been in charge.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ShadowStatus {
    /// Replicas it would ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<u32>,
    /// Replicas that would serve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<u32>,
    /// Share of demand that would have gone unserved, as 0.04%.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub unserved_share: Option<String>,
    /// Replica hours it would have used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub replica_hours: Option<String>,
    /// Replica hours that the workload was really asked for in the same time: the HPA's, where one scales it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub standing_replica_hours: Option<String>,
    /// What the shadow's replica hours would have cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub cost: Option<String>,
    /// Since when this is counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "instant")]
    pub since: Option<jiff::Timestamp>,
    /// When the count ended, with mode DryRun; absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "instant")]
    pub until: Option<jiff::Timestamp>,
}

/// What the objective asks for one lead time from now.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ObjectiveStatus {
    /// The objective in words, as 0.1 % of demand unserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub asks: Option<String>,
    /// The quantile of demand that keeps it, as 98.7%; of a share of demand the one that kept it over three quarters of the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub level: Option<String>,
    /// Replicas that the median of the forecast needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub median_replicas: Option<u32>,
    /// Replicas that the objective needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    /// How much more than the median that is, as 33%.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub headroom: Option<String>,
    /// What the replicas above the median cost for an hour, in the currency of spend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub cost_per_hour: Option<String>,
    /// What the last 28 days came to, of the workload or, in DryRun, of the shadow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<KeptStatus>,
}

/// Demand against what served, over the days that are remembered.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct KeptStatus {
    /// The first of the days.
    #[schemars(schema_with = "instant")]
    pub since: jiff::Timestamp,
    /// Time in which demand was known, as 27d3h.
    #[schemars(length(max = 64))]
    pub observed: String,
    /// Share of demand above ready capacity, as 0.0312%.
    #[schemars(length(max = 64))]
    pub unserved_share: String,
    /// Share of the time in which demand was above ready capacity.
    #[schemars(length(max = 64))]
    pub time_short: String,
    /// Share of the time in which the workload was saturated, so that demand may have been higher than what was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub saturated: Option<String>,
    /// Share of demand above ready capacity in the worst two minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub worst_two_minutes: Option<String>,
    /// When the worst two minutes began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "instant")]
    pub worst_at: Option<jiff::Timestamp>,
}

/// Where the lead comes from: the starts of pods that a scale-up caused.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct LeadStatus {
    /// Stated (forecast.leadTime), Measured, or Default until enough starts are measured.
    #[schemars(length(max = 64))]
    pub source: String,
    /// Start-up time that 95 % of the last starts kept, within the bounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub start_up: Option<String>,
    /// Starts that were measured; the last 50 count, and 10 are needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<u32>,
    /// No start-up time counts as less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub least: Option<String>,
    /// No start-up time counts as more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub most: Option<String>,
    /// How old the readings are that decisions look at; 95 % are no older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub evidence_age: Option<String>,
    /// Time between two decisions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub interval: Option<String>,
    /// The starts by how many replicas were added at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub by_size: Vec<LeadClassStatus>,
    /// Starts that say nothing of the lead, by cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded: Option<LeadExcludedStatus>,
    /// All of it in one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1_024))]
    pub reason: Option<String>,
}

/// The starts of scale-ups of a size.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct LeadClassStatus {
    /// Replicas that were added at once, as 3-9.
    #[schemars(length(max = 64))]
    pub jump: String,
    /// Starts that were measured.
    pub samples: u32,
    /// Start-up time that 95 % of them kept.
    #[schemars(length(max = 64))]
    pub start_up: String,
}

/// Starts that say nothing of the lead, by cause.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct LeadExcludedStatus {
    /// Pods that were given up before they were Ready.
    #[serde(default)]
    pub never_ready: u32,
    /// Pods that no node had room for.
    #[serde(default)]
    pub unschedulable: u32,
    /// Pods that were asked for and never made, as under a quota.
    #[serde(default)]
    pub not_created: u32,
    /// Pods of scale-ups during a rollout.
    #[serde(default)]
    pub rollout: u32,
}

/// The forecast and how well it does.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ForecastStatus {
    /// The forecasters that are combined, and how much each counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub experts: Vec<ExpertStatus>,
    /// How much cheaper decisions by the forecast are than by the better of the reactive answer and the same time of a day or week before; above 0 is better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub skill: Option<String>,
    /// Shares of past samples under the forecast's .90 and .99 quantiles, as p90 0.912, p99 0.991.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub coverage: Option<String>,
    /// Share of past samples under the forecast's .99 quantile, as 0.9876; of several metrics the one furthest from .99.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub coverage_p99: Option<String>,
    /// The highest demand within the horizon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_peak: Option<NextPeakStatus>,
    /// Whether the forecast is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted: Option<bool>,
    /// When enough history will have been seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "instant")]
    pub ready_from: Option<jiff::Timestamp>,
}

/// One forecaster.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ExpertStatus {
    /// Its name.
    #[schemars(length(max = 64))]
    pub name: String,
    /// How much it counts, 0 to 1.
    #[schemars(length(max = 64))]
    pub weight: String,
}

/// The highest demand within the horizon.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NextPeakStatus {
    /// When it is expected.
    #[schemars(schema_with = "instant")]
    pub at: jiff::Timestamp,
    /// Its median, in the unit of the metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub demand: Option<String>,
    /// Replicas that the median needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
}

/// What the replicas cost.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SpendStatus {
    /// Cost of the present replicas for one hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub hourly: Option<String>,
    /// Price of one replica for one hour, as it is known or was last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub price: Option<String>,
    /// Where the price comes from: the field of spend, and the rate of the price book.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub price_from: Option<String>,
    /// When the price was told last, where it is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "instant")]
    pub price_at: Option<jiff::Timestamp>,
    /// Since when the price is not known; growth is withheld for it where money is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "instant")]
    pub price_unknown_since: Option<jiff::Timestamp>,
    /// What an hour may cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub max_per_hour: Option<String>,
    /// Currency of both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub currency: Option<String>,
    /// Replicas that were withheld because of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld_replicas: Option<u32>,
    /// The SpendBudget that it draws on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub budget: Option<String>,
    /// What it spent in the budget's period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub spent: Option<String>,
    /// The share of what it needs until the period ends that is paid for, as 0.83.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub theta: Option<String>,
    /// The most replicas that are paid for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<u32>,
    /// What the withheld replicas would cost for one hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub withheld_per_hour: Option<String>,
}

/// The last change of the replicas by Foresail.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct LastChangeStatus {
    /// When.
    #[schemars(schema_with = "instant")]
    pub at: jiff::Timestamp,
    /// Replicas before.
    pub from: u32,
    /// Replicas after.
    pub to: u32,
    /// Why, in one sentence.
    #[schemars(length(max = 1_024))]
    pub reason: String,
}

/// The last decision, stage by stage.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DecisionStatus {
    /// When it was made.
    #[schemars(schema_with = "instant")]
    pub at: jiff::Timestamp,
    /// The decision in one sentence.
    #[schemars(length(max = 1_024))]
    pub summary: String,
    /// The stage that had the last word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub bound_by: Option<String>,
    /// The stages in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 24))]
    pub stages: Vec<StageStatus>,
}

/// One stage of a decision.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct StageStatus {
    /// Name of the stage.
    #[schemars(length(max = 64))]
    pub stage: String,
    /// Proposal before it, in replicas.
    pub before: u32,
    /// Proposal after it, in replicas.
    pub after: u32,
    /// What it did and why, with numbers.
    #[schemars(length(max = 1_024))]
    pub sentence: String,
}

fn opaque(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// Kubernetes' conditions, every text bounded.
pub(super) fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "reason", "message", "lastTransitionTime"],
            "properties": {
                "type": {"type": "string", "maxLength": 316, "description": "Type of the condition."},
                "status": {"type": "string", "enum": ["True", "False", "Unknown"],
                    "description": "Whether it holds."},
                "reason": {"type": "string", "minLength": 1, "maxLength": 1024,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
                    "description": "One word that says why."},
                "message": {"type": "string", "maxLength": 32768, "description": "One sentence with numbers."},
                "lastTransitionTime": {"type": "string", "format": "date-time", "maxLength": 40,
                    "description": "When status last changed."},
                "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0,
                    "description": "Generation of the spec that it belongs to."},
            },
        },
    })
}
