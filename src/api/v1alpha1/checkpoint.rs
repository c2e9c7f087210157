//! `ForecastCheckpoint`: what a forecaster learned, so that a restart does not start over.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::autoscaler::DNS_LABEL;
use super::text::instant;

/// A ForecastCheckpoint keeps what was learned about one metric of one PredictiveAutoscaler, its owner.
///
/// Foresail writes it hourly and reads it after a restart. Deleting it is safe: it is learned again from history.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "foresail.dev",
    version = "v1alpha1",
    kind = "ForecastCheckpoint",
    plural = "forecastcheckpoints",
    singular = "forecastcheckpoint",
    namespaced,
    derive = "PartialEq",
    doc = "A ForecastCheckpoint keeps what Foresail learned about one metric; written and read by the operator.",
    printcolumn(name = "Metric", type_ = "string", json_path = ".spec.metric"),
    printcolumn(name = "Saved", type_ = "date", json_path = ".spec.savedAt"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ForecastCheckpointSpec {
    /// Name of the metric in the PredictiveAutoscaler that owns this checkpoint.
    #[schemars(length(max = 63), regex(pattern = DNS_LABEL))]
    pub metric: String,

    /// Hexadecimal hash of what the learning depends on (query, step, time zone); another one means: learn again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), regex(pattern = r"^[0-9a-f]+$"))]
    pub fingerprint: Option<String>,

    /// When it was written.
    #[schemars(schema_with = "instant")]
    pub saved_at: jiff::Timestamp,

    /// The learned state, versioned and encoded as text.
    #[schemars(length(max = 12_288), regex(pattern = r"^[\x{20}-\x{7e}]*$"))]
    pub data: String,
}
