//! The generated `CustomResourceDefinition`s, put into the form that an API server and a reader want.

use std::collections::HashMap;
use std::sync::OnceLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;
use kube::core::cel::{CompiledSchema, compile_schema};
use regex::Regex;
use serde_json::{Map, Value, json};

use super::{DemandCalendar, ForecastCheckpoint, MetricSource, PredictiveAutoscaler, SpendBudget};

/// `apiVersion` of every kind.
pub const VERSION: &str = "foresail.dev/v1alpha1";

/// One custom resource with its schema, ready to validate with.
pub struct Kind {
    /// `kind`.
    pub name: &'static str,
    /// Whether its objects live in a namespace.
    pub namespaced: bool,
    /// The definition as JSON: whole numbers are integers, keys are sorted.
    pub definition: Value,
    /// `openAPIV3Schema` of the only version.
    pub schema: Value,
    pub(super) cel: CompiledSchema,
    pub(super) patterns: HashMap<String, Regex>,
}

/// The custom resources, built once.
pub fn kinds() -> &'static [Kind] {
    static KINDS: OnceLock<Vec<Kind>> = OnceLock::new();
    KINDS.get_or_init(|| {
        [
            ("PredictiveAutoscaler", true, PredictiveAutoscaler::crd()),
            ("MetricSource", false, MetricSource::crd()),
            ("ForecastCheckpoint", true, ForecastCheckpoint::crd()),
            ("DemandCalendar", true, DemandCalendar::crd()),
            ("SpendBudget", false, SpendBudget::crd()),
        ]
        .into_iter()
        .map(|(name, namespaced, crd)| build(name, namespaced, &crd))
        .collect()
    })
}

/// The custom resource called `name`.
pub fn kind(name: &str) -> Option<&'static Kind> {
    kinds().iter().find(|kind| kind.name == name)
}

/// The definitions to apply: `PredictiveAutoscaler`, `MetricSource`, `ForecastCheckpoint`, `DemandCalendar`, `SpendBudget`.
///
/// # Panics
/// Never: the definitions were serialised from this very type.
pub fn crds() -> Vec<CustomResourceDefinition> {
    kinds()
        .iter()
        .map(|kind| {
            serde_json::from_value(kind.definition.clone())
                .expect("the definition was serialised from a CustomResourceDefinition")
        })
        .collect()
}

/// The definitions as YAML documents.
///
/// # Errors
/// Never for the definitions of this crate; the serialiser can refuse in principle.
pub fn crds_yaml() -> Result<String, serde_saphyr::SerializeError> {
    let definitions: Vec<&Value> = kinds().iter().map(|kind| &kind.definition).collect();
    serde_saphyr::to_string_multiple(&definitions)
}

fn build(name: &'static str, namespaced: bool, crd: &CustomResourceDefinition) -> Kind {
    let mut definition = serde_json::to_value(crd).expect("a CustomResourceDefinition is plain data");
    let schema_at = "/spec/versions/0/schema/openAPIV3Schema";
    let mut schema = Value::Null;
    if let Some(generated) = definition.pointer_mut(schema_at) {
        normalise(generated);
        name_envelope(generated);
        schema = generated.clone();
    }
    let mut patterns = HashMap::new();
    collect_patterns(&schema, &mut patterns);
    let cel = compile_schema(&schema);
    Kind { name, namespaced, definition, schema, cel, patterns }
}

/// The fields around spec and status. Labels and Leases are derived from the name, which therefore has at most 63
/// characters.
fn name_envelope(schema: &mut Value) {
    let metadata = json!({"type": "object", "properties": {"name": {"type": "string", "maxLength": 63}}});
    let text = json!({"type": "string"});
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("apiVersion".to_owned(), text.clone());
        properties.insert("kind".to_owned(), text);
        properties.insert("metadata".to_owned(), metadata);
    }
}

/// Absent is the only way to leave a field out (no `nullable`), whole bounds are integers, and formats are those that
/// the API server knows.
fn normalise(node: &mut Value) {
    let Some(object) = node.as_object_mut() else { return };
    object.remove("nullable");
    if let Some(values) = object.get_mut("enum").and_then(Value::as_array_mut) {
        values.retain(|value| !value.is_null());
    }
    for bound in ["minimum", "maximum"] {
        if let Some(whole) = object.get(bound).and_then(Value::as_f64).and_then(whole_number) {
            object.insert(bound.to_owned(), whole.into());
        }
    }
    match object.get("format").and_then(Value::as_str) {
        Some("uint32") => object.insert("format".to_owned(), "int32".into()),
        Some("uint64" | "uint") => object.insert("format".to_owned(), "int64".into()),
        _ => None,
    };
    if let Some(text) = object.get("description").and_then(Value::as_str) {
        let joined = text.split("\n\n").map(|part| part.replace('\n', " ")).collect::<Vec<_>>().join("\n\n");
        object.insert("description".to_owned(), joined.into());
    }
    if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(normalise);
    }
    for child in ["items", "additionalProperties"] {
        if let Some(child) = object.get_mut(child) {
            normalise(child);
        }
    }
}

fn whole_number(value: f64) -> Option<i64> {
    format!("{value}").parse().ok()
}

fn collect_patterns(node: &Value, patterns: &mut HashMap<String, Regex>) {
    let Some(object) = node.as_object() else { return };
    if let Some(pattern) = object.get("pattern").and_then(Value::as_str)
        && let Ok(regex) = Regex::new(pattern)
    {
        patterns.insert(pattern.to_owned(), regex);
    }
    children(object).for_each(|(_, child)| collect_patterns(child, patterns));
}

/// The child nodes of a schema node with their path segment: `.name`, `[*]`, `.*`.
pub(super) fn children(node: &Map<String, Value>) -> impl Iterator<Item = (String, &Value)> {
    let properties = node.get("properties").and_then(Value::as_object).into_iter().flatten();
    properties
        .map(|(name, child)| (format!(".{name}"), child))
        .chain(node.get("items").map(|child| ("[*]".to_owned(), child)))
        .chain(node.get("additionalProperties").map(|child| (".*".to_owned(), child)))
}
