//! The wire form of the custom resources, `foresail.dev/v1alpha1`.
//!
//! These types mirror what a user writes: every field is a plain value, a bounded string or a list. The rules are in
//! the schema (bounds, patterns, CEL), the doc comments are what `kubectl explain` prints. They are lenient: unknown
//! fields are the API server's business, and [`super::policy`] turns a spec into the validated form.

#![expect(
    unreachable_pub,
    reason = "`KubeSchema` derives from a public copy of the struct inside a function"
)]
#![expect(clippy::duplicated_attributes, reason = "each printer column repeats the names of its parts")]

pub mod autoscaler;
pub mod behavior;
pub mod budget;
pub mod calendar;
pub mod capacity;
pub mod checkpoint;
pub mod metric;
pub mod settings;
pub mod source;
pub mod status;
pub mod text;

pub use autoscaler::{
    CalendarRef, Mode, Pause, PredictiveAutoscaler, PredictiveAutoscalerSpec, ScaleTargetRef, SourceRef,
};
pub use behavior::{Behavior, PolicyType, RatePolicy, ScalingRules, SelectPolicy};
pub use budget::{
    BudgetMember, BudgetMemberStatus, BudgetPeriod, OnExceed, Overdraft, OverdraftPurpose, ProjectedStatus,
    SpendBudget, SpendBudgetSpec, SpendBudgetStatus,
};
pub use calendar::{CalendarEvent, DemandCalendar, DemandCalendarSpec, Weekday, Weekly};
pub use capacity::{CapacityStatus, LearnedCapacity, Limit};
pub use checkpoint::{ForecastCheckpoint, ForecastCheckpointSpec};
pub use metric::{Metric, MetricType, Prediction};
pub use settings::{
    Actuation, ActuationVia, BudgetRef, Cooldown, Costs, Evidence, Fallback, Forecast, Objective, PriceBasis,
    PriceQuery, Reactive, Spend, SustainFor, Thresholds,
};
pub use source::{
    Auth, BasicAuth, MetricSource, MetricSourceSpec, MetricSourceStatus, SecretKeyRef, TenantHeader,
};
pub use status::{
    DecisionStatus, EffectiveMode, ExpertStatus, ForecastStatus, KeptStatus, LastChangeStatus,
    LeadClassStatus, LeadExcludedStatus, LeadStatus, NextPeakStatus, ObjectiveStatus,
    PredictiveAutoscalerStatus, ReplicaStatus, ShadowStatus, SpendStatus, StageStatus, limits,
};
