//! `ForecastCheckpoint`: what a forecaster must not lose when Prometheus is away at the next start.

#![expect(unreachable_pub, reason = "kube's derive repeats each struct in a private scope")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// The operator's own record of one metric's forecaster; owned by its PredictiveAutoscaler, not to be edited.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "foresail.dev",
    version = "v1alpha1",
    doc = "The operator's own record of one metric's forecaster.",
    kind = "ForecastCheckpoint",
    plural = "forecastcheckpoints",
    namespaced,
    derive = "PartialEq",
    printcolumn(name = "Metric", type_ = "string", json_path = ".spec.metric"),
    printcolumn(name = "Saved", type_ = "date", json_path = ".spec.savedAt")
)]
#[serde(rename_all = "camelCase")]
pub struct ForecastCheckpointSpec {
    /// The metric.
    #[schemars(length(min = 1, max = 63))]
    pub metric: String,
    /// A fingerprint of the query and grid that it was learned with; another one is relearnt.
    #[schemars(length(min = 1, max = 64))]
    pub fingerprint: String,
    /// When it was saved.
    pub saved_at: Time,
    /// The forecaster's profiles, weights and calibration, versioned.
    #[schemars(length(min = 1, max = 12288))]
    pub data: String,
}
