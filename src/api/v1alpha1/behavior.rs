//! The HPA's `behavior` block.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text::Tolerance;

/// How fast replicas may change, as in a HorizontalPodAutoscaler.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Behavior {
    /// Rules for increases. Default: no window, the larger of 100 % and 4 pods each 15 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_up: Option<ScalingRules>,

    /// Rules for decreases. Default: a window of 300 s, 100 % each 15 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_down: Option<ScalingRules>,
}

/// Rules for one direction.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ScalingRules {
    /// Seconds over which proposals are looked back on: a decrease takes the highest of them, an increase the lowest.
    /// 0 to 3600; default 0 for increases, 300 for decreases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3_600))]
    pub stabilization_window_seconds: Option<u32>,

    /// Which policy binds when there are several: Max (the default) allows the largest change, Min the smallest,
    /// Disabled allows none in this direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SelectPolicy")]
    pub select_policy: Option<SelectPolicy>,

    /// Rate limits; without them the defaults of the direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 10))]
    pub policies: Option<Vec<RatePolicy>>,

    /// Relative distance from the target that changes nothing, from 0 up to 1, as "0.1" (the default).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<Tolerance>,
}

/// Which policy binds.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelectPolicy {
    /// The one that allows the largest change.
    Max,
    /// The one that allows the smallest change.
    Min,
    /// No change in this direction.
    Disabled,
}

/// At most this much change within a period.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RatePolicy {
    /// Pods counts replicas, Percent hundredths of the replicas at the start of the period.
    #[serde(rename = "type")]
    pub kind: PolicyType,

    /// The allowed change, greater than zero.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub value: u32,

    /// Length of the period in seconds, 1 to 1800.
    #[schemars(range(min = 1, max = 1_800))]
    pub period_seconds: u32,
}

/// Unit of an allowed change.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyType {
    /// Replicas.
    Pods,
    /// Hundredths of the replicas at the start of the period.
    Percent,
}
