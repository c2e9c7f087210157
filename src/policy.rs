//! A policy: what one `PredictiveAutoscaler` asks for, already valid.
//!
//! `api` turns the wire form into this form, or reports every field that is wrong; everything below may rely on it.

mod budget;
mod price;
mod price_book;

pub use budget::{BudgetRule, OnExceed, Overdraft};
pub use price::{Price, PriceMemory, Told, Unpriced};
pub use price_book::{PodCost, PriceBook, Rate, Unpriceable, is_sidecar, request};

use serde::{Deserialize, Serialize};

use crate::units::{
    CapacityPerReplica, Money, Objective, ReplicaBounds, Replicas, Share, Span, Step, Timestamp,
};

/// Everything that a tick needs to know of a `PredictiveAutoscaler`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// What may be done with a decision.
    pub mode: Mode,
    /// No writes until then.
    pub pause: Option<Pause>,
    /// `minReplicas` and `maxReplicas`.
    pub bounds: ReplicaBounds,
    /// One to eight signals of demand; the largest need wins.
    pub metrics: Vec<MetricRule>,
    /// From asking for a replica to it serving: as stated, or as the operator has measured it.
    pub lead: Span,
    /// Grid of the demand series.
    pub step: Step,
    /// How much history is learned from.
    pub history: Span,
    /// Name of the IANA zone whose days and weeks the profiles follow.
    pub time_zone: String,
    /// How well demand is to be served.
    pub objective: Objective,
    /// The headroom of the reactive answer.
    pub reactive: ReactiveRule,
    /// The HPA's behaviour block, its defaults filled in.
    pub behavior: Behavior,
    /// No increase (`up`) or decrease (`down`) this long after any change.
    pub cooldown: PerDirection<Span>,
    /// Dead bands in replicas and time.
    pub thresholds: Thresholds,
    /// What a replica costs, and how much an hour may cost.
    pub spend: Option<SpendRule>,
    /// How long a sudden fall of demand is held.
    pub suspect_for: Span,
    /// What happens when evidence stays absent.
    pub fallback: Fallback,
    /// Where decisions are written.
    pub actuation: Actuation,
}

/// What may be done with a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// Decide and record; change nothing.
    DryRun,
    /// Write, and never go below the reactive answer.
    Floor,
    /// Write; the forecast replaces the reactive headroom while it is trusted.
    Active,
}

impl Mode {
    /// The name of the mode in the custom resource.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DryRun => "DryRun",
            Self::Floor => "Floor",
            Self::Active => "Active",
        }
    }
}

/// No writes until a date.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pause {
    /// When it ends by itself.
    pub until: Timestamp,
    /// Why, in the user's words.
    pub reason: String,
    /// Written once on entry.
    pub replicas: Option<Replicas>,
}

/// One signal of demand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricRule {
    /// Its name, unique within the policy.
    pub name: String,
    /// A sample older than this is no evidence.
    pub max_age: Span,
    /// Where its capacity per replica comes from.
    pub capacity: CapacityRule,
    /// What a replica was found to serve, where that is so much less than is stated that the forecast may not go below
    /// the reactive answer; put here by the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drifted: Option<CapacityPerReplica>,
    /// Whether it is forecast; if not it only takes part in the reactive answer.
    pub prediction: bool,
}

/// Where a metric's capacity per replica comes from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum CapacityRule {
    /// `capacityPerReplica`.
    Stated(CapacityPerReplica),
    /// What the replicas were seen to serve; resolved by the operator.
    Learned,
    /// The sum of the resource requests of the target's pod template; resolved by the operator.
    PodRequests,
}

/// The headroom of the reactive answer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReactiveRule {
    /// Target utilisation of the reactive answer.
    pub average_utilization: Share,
    /// Utilisation on present demand that Active never exceeds.
    pub floor_utilization: Share,
}

/// One value for raises and one for releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PerDirection<T> {
    /// For increases.
    pub up: T,
    /// For decreases.
    pub down: T,
}

/// The HPA's `behavior`, with its defaults filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Behavior {
    /// `scaleUp`.
    pub up: ScalingRules,
    /// `scaleDown`.
    pub down: ScalingRules,
}

/// The HPA's `HPAScalingRules` for one direction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScalingRules {
    /// `stabilizationWindowSeconds`, at most an hour.
    pub window: Span,
    /// Which policy binds when there are several.
    pub select: SelectPolicy,
    /// Rate limits; at least one unless `select` is `Disabled`.
    pub policies: Vec<RatePolicy>,
    /// Relative distance from the target that changes nothing; the HPA's default is 0.1.
    pub tolerance: Share,
}

/// Which rate policy binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SelectPolicy {
    /// The one that allows the largest change.
    Max,
    /// The one that allows the smallest change.
    Min,
    /// No change in this direction at all.
    Disabled,
}

/// At most this much change within a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RatePolicy {
    /// How much.
    pub amount: RateAmount,
    /// `periodSeconds`, 1 s to 30 min.
    pub period: Span,
}

/// The size of an allowed change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RateAmount {
    /// That many replicas.
    Pods(u32),
    /// That many hundredths of the replicas at the start of the period.
    Percent(u32),
}

impl Behavior {
    /// The HPA's defaults: up without a window by the larger of 100 % and 4 pods each 15 s; down over a window of
    /// 300 s by 100 % each 15 s; tolerance 0.1 both ways.
    pub fn hpa_default() -> Self {
        let period = Span::from_seconds(15);
        let whole = RatePolicy { amount: RateAmount::Percent(100), period };
        let four = RatePolicy { amount: RateAmount::Pods(4), period };
        let tolerance = Share::from_percent(10);
        Self {
            up: ScalingRules {
                window: Span::ZERO,
                select: SelectPolicy::Max,
                policies: vec![whole, four],
                tolerance,
            },
            down: ScalingRules {
                window: Span::from_seconds(300),
                select: SelectPolicy::Max,
                policies: vec![whole],
                tolerance,
            },
        }
    }
}

/// Dead bands in replicas and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Thresholds {
    /// A smaller change is not made.
    pub min_step: Replicas,
    /// How long a raise that only the reactive answer wants, or a decrease, must be wanted before it is made.
    pub sustain: PerDirection<Span>,
}

/// What a replica costs, and how much an hour may cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpendRule {
    /// Price of one replica for one hour: as stated, or as the operator was told it last.
    pub price: Price,
    /// ISO 4217 code, for the sentences.
    pub currency: String,
    /// Growth beyond this is withheld.
    pub max_per_hour: Option<Money>,
    /// The `SpendBudget` that it draws on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<String>,
}

/// What happens when evidence stays absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fallback {
    /// After this long.
    pub after_absent_for: Span,
    /// At least so many; without it the last forecast's p95, else the same hours' maximum.
    pub replicas: Option<Replicas>,
}

/// Where decisions are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Actuation {
    /// The target's `/scale`.
    Scale,
    /// `minReplicas` of the HPA that targets the same object.
    HorizontalPodAutoscalerFloor,
}

impl Policy {
    /// Whether a stated capacity was found to be more than replicas serve: then Active is Floor.
    pub fn has_drifted(&self) -> bool {
        self.metrics.iter().any(|rule| rule.drifted.is_some())
    }

    /// How long ahead a release must be safe: max(10 min, the scale-down stabilisation window).
    pub fn hold(&self) -> Span {
        self.behavior.down.window.max(Span::from_minutes(10))
    }
}
