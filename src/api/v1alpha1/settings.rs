//! The small blocks of a spec, each with its defaults.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SourceRef;
use super::autoscaler::DNS_NAME;
use super::metric::QUERY;
use super::text::{Amount, Duration, Level, Price, Ratio, UpToADay, UpToAnHour};

/// How demand is forecast.
#[derive(kube::KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Forecast {
    /// Time from asking for a replica to it serving, as 3m; 1s to 1h. Scaling runs this far ahead of demand.
    /// Without it the lead is measured on the starts of the workload's own pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead_time: Option<Duration<1, 3_600>>,

    /// Days of history to learn from, 1 to 28. Weekly patterns need at least 14.
    #[serde(default = "four_weeks")]
    #[schemars(range(min = 1, max = 28))]
    pub history_days: u32,

    /// Grid of the demand series: whole seconds from 15s to 5m that divide an hour evenly, as 60s.
    #[serde(default = "one_minute")]
    #[x_kube(validation = Rule::new(
        "duration(self) < duration('15s') || duration('1h').getMilliseconds() % duration(self).getMilliseconds() == 0")
        .message("must divide an hour evenly: use 15s, 20s, 30s, 1m, 2m or 5m"))]
    pub step: Duration<15, 300>,

    /// IANA time zone whose days and weeks the demand follows, as Europe/Berlin.
    #[serde(default = "utc")]
    #[schemars(length(max = 64), regex(pattern = r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$"))]
    pub time_zone: String,
}

impl Default for Forecast {
    fn default() -> Self {
        Self { lead_time: None, history_days: four_weeks(), step: one_minute(), time_zone: utc() }
    }
}

const fn four_weeks() -> u32 {
    28
}

fn one_minute() -> Duration<15, 300> {
    "60s".into()
}

fn utc() -> String {
    "UTC".to_owned()
}

/// How well demand must be served.
#[derive(kube::KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.unserved), has(self.quantile), has(self.costs)].filter(one, one).size() == 1")
    .message("state exactly one of unserved, quantile and costs"))]
pub struct Objective {
    /// The share of all demand that may go unserved, as "0.1%"; above 0 and at most 50%.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unserved: Option<Ratio>,

    /// The quantile of demand that capacity covers at every moment, as "99%"; 50% to 99.99%.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantile: Option<Level>,

    /// What an idle replica and a missing one cost; capacity is what costs least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub costs: Option<Costs>,
}

impl Default for Objective {
    fn default() -> Self {
        Self { unserved: Some("0.1%".into()), quantile: None, costs: None }
    }
}

/// What an idle replica and a missing one cost, in one currency.
#[derive(kube::KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("double(self.idleReplicaHour) <= double(self.missingReplicaHour)")
    .message("must be at least idleReplicaHour: raise it, or demand of every other moment would go unserved")
    .field_path(".missingReplicaHour"))]
pub struct Costs {
    /// One replica for an hour in which it is not needed, as "0.096".
    pub idle_replica_hour: Price,

    /// The business lost in an hour with one replica too few, as "4.80".
    pub missing_replica_hour: Price,
}

/// The reactive answer.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(default, rename_all = "camelCase")]
pub struct Reactive {
    /// Target utilisation of capacityPerReplica in percent, 1 to 100; the headroom while no forecast is trusted.
    #[schemars(range(min = 1, max = 100))]
    pub average_utilization: u32,

    /// Utilisation in percent that mode Active never exceeds on present demand, 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub floor_utilization: u32,
}

impl Default for Reactive {
    fn default() -> Self {
        Self { average_utilization: 70, floor_utilization: 95 }
    }
}

/// Dead time after any change of the replicas.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(default, rename_all = "camelCase")]
pub struct Cooldown {
    /// No increase this long after a change; 0s to 24h.
    pub scale_up: UpToADay,
    /// No decrease this long after a change; 0s to 24h.
    pub scale_down: UpToADay,
}

impl Default for Cooldown {
    fn default() -> Self {
        Self { scale_up: "0s".into(), scale_down: "0s".into() }
    }
}

/// Changes that are too small or too short-lived to be made.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(default, rename_all = "camelCase")]
pub struct Thresholds {
    /// A change of fewer replicas is not made; 1 to 1000.
    #[schemars(range(min = 1, max = 1_000))]
    pub min_step: u32,
    /// How long a change must be wanted before it is made.
    pub sustain_for: SustainFor,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { min_step: 1, sustain_for: SustainFor::default() }
    }
}

/// How long a change must be wanted before it is made.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(default, rename_all = "camelCase")]
pub struct SustainFor {
    /// For increases that only present demand wants; 0s to 1h. What the forecast wants is not delayed.
    pub scale_up: UpToAnHour,
    /// For decreases; 0s to 1h.
    pub scale_down: UpToAnHour,
}

impl Default for SustainFor {
    fn default() -> Self {
        Self { scale_up: "0s".into(), scale_down: "0s".into() }
    }
}

/// What a replica costs, and how much an hour may cost. The price comes from one of pricePerReplicaHour, priceQuery
/// and priceBook; one that is not known is never taken for nothing.
#[derive(kube::KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "[has(self.pricePerReplicaHour), has(self.priceQuery), has(self.priceBook)].filter(one, one).size() <= 1")
    .message("has several prices: keep one of pricePerReplicaHour, priceQuery and priceBook"))]
pub struct Spend {
    /// Price of one replica for one hour, as "0.096".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_per_replica_hour: Option<Price>,

    /// The price of one replica for one hour is what a query gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_query: Option<PriceQuery>,

    /// The price of one replica is that of what its pods request, by the price book of the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_book: Option<PriceBasis>,

    /// Three-letter code of the currency (ISO 4217), as EUR.
    #[serde(default = "dollars")]
    #[schemars(length(max = 3), regex(pattern = r"^[A-Z]{3}$"))]
    pub currency: String,

    /// What an hour may cost, as "5.00". It withholds growth only: never below minReplicas, never below the need of
    /// present demand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_per_hour: Option<Amount>,

    /// The SpendBudget that the autoscaler draws on. It must be in the same currency, and take the autoscaler as a member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_ref: Option<BudgetRef>,
}

/// A query for the price of one replica for one hour, in the currency of spend.
#[derive(kube::KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PriceQuery {
    /// PromQL whose result is one series or a scalar, greater than zero.
    #[schemars(length(min = 1, max = 4096), regex(pattern = QUERY))]
    pub query: String,

    /// The MetricSource to ask; spec.sourceRef when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ref: Option<SourceRef>,

    /// How long the last answer holds while there is no new one, as 1h; 1m to 24h. After that the price is unknown.
    #[serde(default = "one_hour")]
    pub max_age: Duration<60, 86_400>,
}

fn one_hour() -> Duration<60, 86_400> {
    "1h".into()
}

/// What of a replica the price book prices.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriceBasis {
    /// The requests of its pods, on the nodes that they require.
    PodRequests,
}

/// Reference to a SpendBudget.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct BudgetRef {
    /// Name of the SpendBudget.
    #[schemars(length(max = 253), regex(pattern = DNS_NAME))]
    pub name: String,
}

fn dollars() -> String {
    "USD".to_owned()
}

/// When readings are believed.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(default, rename_all = "camelCase")]
pub struct Evidence {
    /// How long a sudden fall of demand by more than 90 % is held before it is believed; 0s to 1h.
    pub suspect_for: UpToAnHour,
}

impl Default for Evidence {
    fn default() -> Self {
        Self { suspect_for: "5m".into() }
    }
}

/// What happens when readings stay away.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(default, rename_all = "camelCase")]
pub struct Fallback {
    /// How long readings must be absent first; 1m to 24h. Until then nothing is scaled down.
    pub after_absent_for: Duration<60, 86_400>,

    /// At least so many replicas then. Without it the 95th percentile of the last forecast, else the highest demand
    /// of the same hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub replicas: Option<u32>,
}

impl Default for Fallback {
    fn default() -> Self {
        Self { after_absent_for: "10m".into(), replicas: None }
    }
}

/// Where decisions are written.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(default, rename_all = "camelCase")]
pub struct Actuation {
    /// Scale (the default) sets the replicas of the target, which no HorizontalPodAutoscaler may target then.
    /// HorizontalPodAutoscalerFloor raises and lowers minReplicas of the HorizontalPodAutoscaler on the same target,
    /// which goes on deciding by itself.
    pub via: ActuationVia,
}

/// Where decisions are written.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ActuationVia {
    /// The scale subresource of the target.
    #[default]
    Scale,
    /// minReplicas of the HPA on the same target.
    HorizontalPodAutoscalerFloor,
}
