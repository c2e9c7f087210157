//! `MetricSource`: a Prometheus-compatible server that the administrator lets namespaces read from.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::autoscaler::DNS_NAME;
use super::status::conditions;
use super::text::{Duration, instant};

/// A MetricSource is a Prometheus-compatible server from which autoscalers read demand.
///
/// It belongs to the administrator: autoscalers name a source, never an address.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "foresail.dev",
    version = "v1alpha1",
    kind = "MetricSource",
    plural = "metricsources",
    singular = "metricsource",
    category = "autoscaling",
    status = "MetricSourceStatus",
    derive = "PartialEq",
    doc = "A MetricSource is a Prometheus-compatible server from which autoscalers read demand.",
    printcolumn(name = "URL", type_ = "string", json_path = ".spec.url"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(name = "Answered", type_ = "date", json_path = ".status.lastAnswer"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.caSecretRef) || self.url.startsWith('https://')")
    .message("caSecretRef has no effect on an http address: use an https url, or remove caSecretRef")
    .field_path(".caSecretRef"))]
pub struct MetricSourceSpec {
    /// Address of the server's API without /api/v1, as `http://prometheus.monitoring:9090`.
    /// No user, query or fragment; credentials go to auth.
    #[schemars(
        length(max = 2_048),
        regex(
            pattern = r"^https?://([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[1-9][0-9]{0,4})?(/[A-Za-z0-9._~%!$&'()*+,;=:@/-]*)?$"
        )
    )]
    pub url: String,

    /// How Foresail authenticates: by bearer token or by user and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("has(self.bearerTokenSecretRef) != has(self.basic)")
        .message("needs exactly one of bearerTokenSecretRef and basic: set one, remove the other"))]
    pub auth: Option<Auth>,

    /// Secret with the certificate of the authority that signed the server's certificate, in PEM;
    /// without it the system's authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretKeyRef>,

    /// Header that names the tenant, for servers that keep several apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(
        "!(self.name.lowerAscii() in ['authorization', 'connection', 'content-length', 'content-type', 'cookie', \
         'host', 'proxy-authorization', 'transfer-encoding', 'upgrade'])")
        .message("must not be a header that Foresail sets itself: name the header of the tenant, as X-Scope-OrgID")
        .field_path(".name"))]
    pub tenant_header: Option<TenantHeader>,

    /// How long one query may take; 1s to 1m.
    #[serde(default = "ten_seconds")]
    pub timeout: Duration<1, 60>,

    /// Queries that may be under way at the same time, 1 to 256.
    #[serde(default = "sixteen")]
    #[schemars(range(min = 1, max = 256))]
    pub max_concurrent: u32,

    /// Namespaces whose autoscalers may use this source; a single * (the default) means every namespace.
    #[serde(default = "every_namespace")]
    #[schemars(schema_with = "namespaces")]
    #[x_kube(validation = Rule::new("!('*' in self) || size(self) == 1")
        .message("* stands for every namespace: list names, or * alone"))]
    pub allowed_namespaces: Vec<String>,

    /// Labels that every selector of every query must carry, as cluster: eu-west; at most 16.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "labels")]
    #[x_kube(validation = Rule::new("self.all(key, key.matches('^[a-zA-Z_][a-zA-Z0-9_]*$') && !key.startsWith('__'))")
        .message("a key is no label name: use letters, digits and underscores, not starting with a digit or with __"))]
    pub enforced_labels: BTreeMap<String, String>,
}

fn ten_seconds() -> Duration<1, 60> {
    "10s".into()
}

const fn sixteen() -> u32 {
    16
}

fn every_namespace() -> Vec<String> {
    vec!["*".to_owned()]
}

fn namespaces(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": 256,
        "items": {"type": "string", "maxLength": 63, "pattern": r"^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$"},
    })
}

fn labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": {"type": "string", "maxLength": 256, "pattern": super::autoscaler::PRINTABLE},
    })
}

/// How Foresail authenticates: exactly one of the two.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    /// Secret with a bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer_token_secret_ref: Option<SecretKeyRef>,

    /// User name and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<BasicAuth>,
}

/// User name and password.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct BasicAuth {
    /// The user name; it may not contain a colon.
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[\x{20}-\x{39}\x{3b}-\x{7e}]*$"))]
    pub username: String,

    /// Secret with the password.
    pub password_secret_ref: SecretKeyRef,
}

/// One key of a Secret in the namespace of the operator.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(length(max = 253), regex(pattern = DNS_NAME))]
    pub name: String,

    /// Key within the Secret.
    #[schemars(length(max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// Header that names the tenant.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TenantHeader {
    /// Name of the header.
    #[serde(default = "org_id")]
    #[schemars(length(max = 64), regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9-]*$"))]
    pub name: String,

    /// Name of the tenant.
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[\x{21}-\x{7e}]*$"))]
    pub value: String,
}

fn org_id() -> String {
    "X-Scope-OrgID".to_owned()
}

/// What is known about a source.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct MetricSourceStatus {
    /// Generation of the spec that this status belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Ready (autoscalers can read demand from it) and Reachable (its server answers), with reasons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,

    /// When it last answered a query, to ten minutes while it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "instant")]
    pub last_answer: Option<jiff::Timestamp>,
}
