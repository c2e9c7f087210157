//! `SpendBudget`: what several autoscalers may spend together in a day, a week or a month.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::autoscaler::PRINTABLE;
use super::status::conditions;
use super::text::{Amount, SHARE_PATTERN, instant};

/// A SpendBudget is what the autoscalers that name it in spend.budgetRef may spend together in a period.
///
/// It belongs to whoever is responsible for the money: it says which autoscalers may draw on it, and who comes first.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "foresail.dev",
    version = "v1alpha1",
    kind = "SpendBudget",
    plural = "spendbudgets",
    singular = "spendbudget",
    category = "autoscaling",
    status = "SpendBudgetStatus",
    derive = "PartialEq",
    doc = "A SpendBudget is what several autoscalers may spend together in a period.",
    printcolumn(name = "Period", type_ = "string", json_path = ".spec.period"),
    printcolumn(name = "Amount", type_ = "string", json_path = ".spec.amount"),
    printcolumn(name = "Currency", type_ = "string", json_path = ".spec.currency"),
    printcolumn(name = "Spent", type_ = "string", json_path = ".status.spent"),
    printcolumn(name = "Projected", type_ = "string", json_path = ".status.projected.expected"),
    printcolumn(name = "Theta", type_ = "string", json_path = ".status.theta"),
    printcolumn(name = "OnExceed", type_ = "string", json_path = ".spec.onExceed"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct SpendBudgetSpec {
    /// What a period may cost, as "900.00".
    pub amount: Amount,

    /// Three-letter code of the currency (ISO 4217), as EUR; the prices of its autoscalers must be in it.
    #[schemars(length(max = 3), regex(pattern = r"^[A-Z]{3}$"))]
    pub currency: String,

    /// How long the amount is to last: Day, Week (from Monday) or Month, on the clocks of timeZone.
    pub period: BudgetPeriod,

    /// IANA time zone on whose clocks a period begins at midnight, as Europe/Berlin.
    #[serde(default = "utc")]
    #[schemars(length(max = 64), regex(pattern = r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$"))]
    pub time_zone: String,

    /// Who may draw on it; the first entry that fits an autoscaler counts.
    #[schemars(length(min = 1, max = 32))]
    pub members: Vec<BudgetMember>,

    /// What happens to growth that the amount does not pay for: Warn reports it, HoldGrowth withholds it.
    #[serde(default)]
    pub on_exceed: OnExceed,

    /// What may be spent beyond the amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overdraft: Option<Overdraft>,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// How long the amount is to last.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum BudgetPeriod {
    Day,
    Week,
    Month,
}

/// What happens to growth that the amount does not pay for.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnExceed {
    /// It is reported and let through.
    #[default]
    Warn,
    /// It is withheld; what stands is never taken away.
    HoldGrowth,
}

/// Autoscalers that may draw on a budget.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct BudgetMember {
    /// Namespaces of the autoscalers; a single * means every namespace.
    #[schemars(schema_with = "namespaces")]
    pub namespaces: Vec<String>,

    /// Labels that the autoscalers carry; without it all of those namespaces.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "labels")]
    pub match_labels: BTreeMap<String, String>,

    /// Higher ones are served first, 0 to 1000; those of one priority get the same share of what they need.
    #[serde(default)]
    #[schemars(range(max = 1_000))]
    pub priority: u32,
}

/// What may be spent beyond the amount of a budget.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Overdraft {
    /// How much, as a share of the amount: 30%.
    #[schemars(length(max = 16), regex(pattern = SHARE_PATTERN))]
    pub share: String,

    /// What for: Unserved is present demand that would go unserved.
    #[serde(rename = "for")]
    #[schemars(length(min = 1, max = 1))]
    pub purposes: Vec<OverdraftPurpose>,
}

/// What an overdraft is for.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverdraftPurpose {
    /// Present demand that would go unserved.
    Unserved,
}

/// What was spent, and what is to come.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SpendBudgetStatus {
    /// Generation of the spec that this status belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// SpecValid, BudgetFeasible (the minima are paid for until the period ends), WithinBudget, OverdraftUsed and
    /// PricesKnown, with reasons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,

    /// When the period began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "instant")]
    pub period_start: Option<jiff::Timestamp>,

    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "instant")]
    pub period_end: Option<jiff::Timestamp>,

    /// What was spent in it, the overdraft's part included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub spent: Option<String>,

    /// The overdraft's part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub overdrawn: Option<String>,

    /// What remains of the amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub remaining: Option<String>,

    /// What will have been spent when the period ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projected: Option<ProjectedStatus>,

    /// The least share of its needs that is paid for among the members, as 0.83; 1.00 when nothing is withheld.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub theta: Option<String>,

    /// How many autoscalers draw on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_count: Option<u32>,

    /// Up to 64 of them, those with most withheld first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub members: Vec<BudgetMemberStatus>,

    /// When all of this was so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "instant")]
    pub at: Option<jiff::Timestamp>,
}

/// What will have been spent when the period ends.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ProjectedStatus {
    /// When demand takes the low course of the forecast.
    #[schemars(length(max = 64))]
    pub low: String,
    /// When what is foreseen is needed, as far as it is paid for.
    #[schemars(length(max = 64))]
    pub expected: String,
    /// When demand takes the high course.
    #[schemars(length(max = 64))]
    pub high: String,
}

/// One autoscaler that draws on the budget.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct BudgetMemberStatus {
    /// Namespace and name.
    #[schemars(length(max = 320))]
    pub name: String,
    /// Its priority.
    pub priority: u32,
    /// What it spent in the period.
    #[schemars(length(max = 64))]
    pub spent: String,
    /// The share of its needs that is paid for.
    #[schemars(length(max = 64))]
    pub theta: String,
    /// Replicas that stand.
    pub asked: u32,
    /// Replicas that its share pays for now.
    pub ceiling: u32,
    /// Replicas that it wanted and did not get.
    pub withheld_replicas: u32,
    /// What they would cost for one hour.
    #[schemars(length(max = 64))]
    pub withheld_per_hour: String,
}

fn namespaces(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": 64,
        "items": {"type": "string", "maxLength": 63, "pattern": r"^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$"},
    })
}

fn labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": {"type": "string", "maxLength": 63, "pattern": PRINTABLE},
    })
}
