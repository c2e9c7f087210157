//! What happens to an object between the request and the store: unknown fields, defaults, rules, what the server keeps.

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Pod, ResourceQuota, Secret, ServiceAccount};
use k8s_openapi::api::events::v1::Event;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::json::{copy, entries, items, put, take, text, whole};
use super::select;
use super::status::{Cause, Refused};
use crate::api;
use crate::sandbox::kinds::Kind;

/// What is done about fields that the kind does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    Refuse,
    Warn,
    Drop,
}

/// `object` without the fields that its kind does not have, and their paths.
///
/// # Errors
/// 400 when a field has another type than the kind says, or when unknown fields are refused and there are some.
pub(crate) fn cleaned(
    kind: &Kind,
    object: &Value,
    unknown: Unknown,
) -> Result<(Value, Vec<String>), Refused> {
    let mut strange = Vec::new();
    let mut clean = object.clone();
    if let Some(custom) = kind.custom {
        prune(&custom.schema, &mut clean, "", &mut strange);
    } else {
        clean = typed(kind, object)?;
        missing(object, &clean, "", &mut strange);
    }
    drop_blank_metadata(&mut clean);
    if unknown == Unknown::Refuse && !strange.is_empty() {
        let said: Vec<String> = strange.iter().map(|path| format!("unknown field \"{path}\"")).collect();
        return Err(cannot_be_handled(kind, &format!("strict decoding error: {}", said.join(", "))));
    }
    if unknown == Unknown::Drop {
        strange.clear();
    }
    Ok((clean, strange))
}

/// Empty lists and maps of the metadata are not kept.
fn drop_blank_metadata(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|_, value| !matches!(value, Value::Array(_) | Value::Object(_)) || !is_blank(value));
    }
}

/// Refuses a status whose fields have other types than the schema says.
pub(crate) fn check_status(kind: &Kind, object: &Value) -> Result<(), Refused> {
    let schema = kind.custom.and_then(|custom| custom.schema.pointer("/properties/status"));
    let (Some(schema), Some(status)) = (schema, object.get("status")) else { return Ok(()) };
    let mut causes = Vec::new();
    mistyped(schema, status, "status", &mut causes);
    if causes.is_empty() {
        return Ok(());
    }
    Err(Refused::invalid(kind, text(object, "/metadata/name"), &causes))
}

fn mistyped(schema: &Value, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    let wanted = text(schema, "/type");
    let fits = match value {
        Value::Null => true,
        Value::Bool(_) => matches!(wanted, "boolean" | ""),
        Value::Number(number) => {
            wanted == "number" || wanted.is_empty() || (wanted == "integer" && !number.is_f64())
        }
        Value::String(_) => matches!(wanted, "string" | ""),
        Value::Array(_) => matches!(wanted, "array" | ""),
        Value::Object(_) => matches!(wanted, "object" | ""),
    } || schema.get("x-kubernetes-int-or-string").is_some();
    if !fits {
        let what = format!("Invalid value: {value}: {path} in body must be of type {wanted}");
        causes.push((path.to_owned(), "FieldValueTypeInvalid", what));
        return;
    }
    for (name, inner) in entries(value, "") {
        let known = schema.get("properties").and_then(|known| known.get(name));
        if let Some(schema) = known.or_else(|| schema.get("additionalProperties")) {
            mistyped(schema, inner, &joined(path, name), causes);
        }
    }
    if let Some(schema) = schema.get("items") {
        for (i, item) in items(value, "").iter().enumerate() {
            mistyped(schema, item, &format!("{path}[{i}]"), causes);
        }
    }
}

fn cannot_be_handled(kind: &Kind, why: &str) -> Refused {
    let Kind { name, version, .. } = kind;
    Refused::bad_request(format!("{name} in version \"{version}\" cannot be handled as a {name}: {why}"))
}

fn typed(kind: &Kind, object: &Value) -> Result<Value, Refused> {
    match kind.name.as_str() {
        "Namespace" => through::<Namespace>(kind, object),
        "Node" => through::<Node>(kind, object),
        "Pod" => through::<Pod>(kind, object),
        "Secret" => through::<Secret>(kind, object),
        "ServiceAccount" => through::<ServiceAccount>(kind, object),
        "ConfigMap" => through::<ConfigMap>(kind, object),
        "Deployment" => through::<Deployment>(kind, object),
        "ReplicaSet" => through::<ReplicaSet>(kind, object),
        "HorizontalPodAutoscaler" => through::<HorizontalPodAutoscaler>(kind, object),
        "Lease" => through::<Lease>(kind, object),
        "ResourceQuota" => through::<ResourceQuota>(kind, object),
        _ => through::<Event>(kind, object),
    }
}

/// Through the type of the kind and back: what it does not know stays behind.
fn through<T: Serialize + DeserializeOwned>(kind: &Kind, object: &Value) -> Result<Value, Refused> {
    let read: T = T::deserialize(object).map_err(|error| cannot_be_handled(kind, &error.to_string()))?;
    serde_json::to_value(read).map_err(|error| cannot_be_handled(kind, &error.to_string()))
}

/// Paths of `given` that are not in `kept`.
fn missing(given: &Value, kept: &Value, path: &str, found: &mut Vec<String>) {
    match (given, kept) {
        (Value::Object(given), Value::Object(kept)) => {
            for (name, value) in given.iter().filter(|(_, value)| !value.is_null()) {
                let path = joined(path, name);
                match kept.get(name) {
                    Some(inner) => missing(value, inner, &path, found),
                    // An empty value may be left out when it means the same.
                    None if !is_blank(value) => found.push(path),
                    None => {}
                }
            }
        }
        (Value::Array(given), Value::Array(kept)) => {
            for (i, (value, inner)) in given.iter().zip(kept).enumerate() {
                missing(value, inner, &format!("{path}[{i}]"), found);
            }
        }
        _ => {}
    }
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Takes out of a custom resource what its schema does not know.
fn prune(schema: &Value, value: &mut Value, path: &str, found: &mut Vec<String>) {
    let open = schema.get("x-kubernetes-preserve-unknown-fields").and_then(Value::as_bool) == Some(true);
    match value {
        Value::Object(fields) => {
            let known = schema.get("properties");
            let any = schema.get("additionalProperties");
            fields.retain(|name, value| {
                if path.is_empty() && matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
                    return true;
                }
                let path = joined(path, name);
                match known.and_then(|known| known.get(name)).or(any) {
                    Some(schema) => prune(schema, value, &path, found),
                    None if open => {}
                    None => {
                        found.push(path);
                        return false;
                    }
                }
                true
            });
        }
        Value::Array(list) => {
            if let Some(schema) = schema.get("items") {
                for (i, item) in list.iter_mut().enumerate() {
                    prune(schema, item, &format!("{path}[{i}]"), found);
                }
            }
        }
        _ => {}
    }
}

/// Refuses an object that breaks a rule of its kind.
pub(crate) fn validate(kind: &Kind, object: &Value, old: Option<&Value>) -> Result<(), Refused> {
    let mut causes = Vec::new();
    let name = text(object, "/metadata/name");
    if let Some(problem) = name_problem(name) {
        causes.push((
            "metadata.name".to_owned(),
            "FieldValueInvalid",
            format!("Invalid value: \"{name}\": {problem}"),
        ));
    }
    match kind.name.as_str() {
        "Deployment" | "ReplicaSet" => workload(object, old, &mut causes),
        "HorizontalPodAutoscaler" => hpa(object, &mut causes),
        _ => {}
    }
    if let Some(custom) = kind.custom {
        for error in api::refusals(custom, object) {
            causes.push((
                error.path,
                "FieldValueInvalid",
                format!("Invalid value: {}: {}", error.problem, error.remedy),
            ));
        }
    }
    if causes.is_empty() { Ok(()) } else { Err(Refused::invalid(kind, name, &causes)) }
}

fn name_problem(name: &str) -> Option<&'static str> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = name.split('.').all(|part| {
        part.starts_with(inner) && part.ends_with(inner) && part.chars().all(|c| inner(c) || c == '-')
    });
    if name.len() > 253 {
        return Some("must be no more than 253 characters");
    }
    (!fits).then_some(
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    )
}

fn workload(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let mut say = |path: &str, reason, what: String| causes.push((path.to_owned(), reason, what));
    if let Some(n) = whole(object, "/spec/replicas").filter(|n| *n < 0) {
        say(
            "spec.replicas",
            "FieldValueInvalid",
            format!("Invalid value: {n}: must be greater than or equal to 0"),
        );
    }
    let selector = object.pointer("/spec/selector").cloned().unwrap_or_default();
    let is_empty = entries(&selector, "").all(|(_, inner)| is_blank(inner));
    if is_empty {
        say("spec.selector", "FieldValueRequired", "Required value".to_owned());
    } else {
        let template = object.pointer("/spec/template").cloned().unwrap_or_default();
        if !select::matches(&selector, &template) {
            let labels = template.pointer("/metadata/labels").cloned().unwrap_or_default();
            let what = format!("Invalid value: {labels}: `selector` does not match template `labels`");
            say("spec.template.metadata.labels", "FieldValueInvalid", what);
        }
        let before = old.and_then(|old| old.pointer("/spec/selector"));
        if before.is_some_and(|before| *before != selector) {
            say(
                "spec.selector",
                "FieldValueInvalid",
                format!("Invalid value: {selector}: field is immutable"),
            );
        }
    }
    if items(object, "/spec/template/spec/containers").is_empty() {
        say("spec.template.spec.containers", "FieldValueRequired", "Required value".to_owned());
    }
}

fn hpa(object: &Value, causes: &mut Vec<Cause>) {
    let mut say = |path: &str, n: i64, what: &str| {
        causes.push((path.to_owned(), "FieldValueInvalid", format!("Invalid value: {n}: {what}")));
    };
    let min = whole(object, "/spec/minReplicas").unwrap_or(1);
    let max = whole(object, "/spec/maxReplicas").unwrap_or(0);
    if min < 1 {
        say("spec.minReplicas", min, "must be greater than or equal to 1");
    }
    if max < 1 {
        say("spec.maxReplicas", max, "must be greater than 0");
    }
    if max < min {
        say("spec.maxReplicas", max, "must be greater than or equal to `minReplicas`");
    }
}

/// Fields of the metadata that only the server sets.
const KEPT: [&str; 6] =
    ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink"];

/// What an update leaves as it was: the server's own metadata, and the part that is not written here.
pub(crate) fn keep(kind: &Kind, old: &Value, mut new: Value, subresource: &str) -> Value {
    if subresource == "status" {
        let mut result = old.clone();
        copy(&mut result, &new, &["status"]);
        copy(&mut result, &new, &["metadata", "resourceVersion"]);
        return result;
    }
    for name in KEPT {
        copy(&mut new, old, &["metadata", name]);
    }
    if new.pointer("/metadata/managedFields").is_none() {
        copy(&mut new, old, &["metadata", "managedFields"]);
    }
    if kind.has_status() {
        copy(&mut new, old, &["status"]);
    }
    new
}

/// Counts a change of the wanted state.
pub(crate) fn count_generation(kind: &Kind, old: &Value, new: &mut Value) {
    if !kind.has_generation() {
        return;
    }
    let wanted = |object: &Value| {
        let mut object = object.clone();
        take(&mut object, &["metadata"]);
        take(&mut object, &["status"]);
        object
    };
    if wanted(old) != wanted(new) {
        let next = whole(old, "/metadata/generation").unwrap_or(0) + 1;
        put(new, &["metadata", "generation"], next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::kinds::known;
    use serde_json::json;

    #[test]
    fn unknown_fields_are_named_with_their_path() {
        let kind = known("apps/v1", "Deployment");
        let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"},
            "spec": {"replica": 3, "selector": {}, "template": {"spec": {"containers": [{"name": "a", "imag": "x"}]}}}});
        let (clean, strange) = cleaned(kind, &object, Unknown::Warn).unwrap();
        assert_eq!(strange, ["spec.replica", "spec.template.spec.containers[0].imag"]);
        assert!(clean.pointer("/spec/replica").is_none());
        let refused = cleaned(kind, &object, Unknown::Refuse).unwrap_err();
        assert!(
            refused.message.contains("strict decoding error: unknown field \"spec.replica\", unknown"),
            "{}",
            refused.message
        );
    }

    #[test]
    fn names_are_those_of_dns() {
        for good in ["a", "a-b.c", "0"] {
            assert_eq!(name_problem(good), None, "{good}");
        }
        for bad in ["", "A", "a_b", "-a", "a..b", "a."] {
            assert!(name_problem(bad).is_some(), "{bad}");
        }
    }
}
