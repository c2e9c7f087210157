//! `MetricSource`: where metrics are read, as the administrator allows it.

#![expect(clippy::duplicated_attributes, reason = "each column states its own type")]
#![expect(unreachable_pub, reason = "kube's derive repeats each struct in a private scope")]

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::text::DurationText;

/// A Prometheus-compatible source of metrics. Cluster-scoped: tenants name a source, never a URL.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "foresail.dev",
    version = "v1alpha1",
    doc = "A Prometheus-compatible source of metrics, named by autoscalers; the administrator's.",
    kind = "MetricSource",
    plural = "metricsources",
    status = "MetricSourceStatus",
    derive = "PartialEq",
    printcolumn(name = "URL", type_ = "string", json_path = ".spec.url"),
    printcolumn(
        name = "Reachable",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Reachable\")].status"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct MetricSourceSpec {
    /// Base URL of the HTTP API, for example `http://prometheus.monitoring:9090`; a path before /api/v1 is kept.
    #[schemars(
        length(min = 8, max = 2048),
        regex(pattern = r"^https?://[A-Za-z0-9.\[\]:_-]+(/[A-Za-z0-9._~/-]*)?$")
    )]
    pub url: String,
    /// How to sign in, with a Secret in the operator's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthSpec>,
    /// CA certificates in PEM that the server's certificate is checked against, in a Secret in the operator's
    /// namespace; the system's otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretKeyRef>,
    /// Tenant of a multi-tenant store (Mimir, Cortex, Thanos), sent as a header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantSpec>,
    /// Deadline of one query.
    #[serde(default = "default_timeout")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('60s')").message("timeout must lie between 1s and 60s"))]
    pub timeout: DurationText,
    /// Queries that may be under way at once.
    #[serde(default = "default_max_concurrent")]
    #[schemars(range(min = 1, max = 256))]
    pub max_concurrent: u32,
    /// Namespaces whose autoscalers may use this source; `*` stands for all.
    #[serde(default = "default_allowed_namespaces")]
    #[schemars(length(min = 1, max = 256), inner(length(min = 1, max = 63)))]
    pub allowed_namespaces: Vec<String>,
    /// Labels put into every selector of every query, for example `cluster: eu-west`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16), inner(length(max = 256)))]
    #[x_kube(validation = Rule::new("self.all(name, name.matches('^[a-zA-Z_][a-zA-Z0-9_]{0,63}$') && size(self[name]) <= 256)").message("enforcedLabels: a name must be a Prometheus label name, a value at most 256 characters long"))]
    pub enforced_labels: BTreeMap<String, String>,
}

fn default_timeout() -> DurationText {
    "10s".into()
}

fn default_max_concurrent() -> u32 {
    16
}

fn default_allowed_namespaces() -> Vec<String> {
    vec!["*".to_owned()]
}

/// How to sign in: exactly one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.bearer) != has(self.basic)").message("auth needs exactly one of bearer and basic"))]
pub struct AuthSpec {
    /// A bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer: Option<SecretKeyRef>,
    /// User name and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<BasicSpec>,
}

/// User name and password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BasicSpec {
    /// The user name.
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[^:\r\n]+$"))]
    pub username: String,
    /// The password.
    pub password_secret_ref: SecretKeyRef,
}

/// One key of a Secret in the operator's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub name: String,
    /// Key within it.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// Tenant of a multi-tenant store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct TenantSpec {
    /// The header, X-Scope-OrgID unless said otherwise.
    #[serde(default = "default_tenant_header")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[Xx]-[A-Za-z0-9-]+$"))]
    pub header: String,
    /// The tenant.
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[ -~]+$"))]
    pub value: String,
}

fn default_tenant_header() -> String {
    "X-Scope-OrgID".to_owned()
}

/// What the operator last saw of a source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricSourceStatus {
    /// Reachable.
    #[serde(default)]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_string()]))]
    pub conditions: Vec<Condition>,
}
