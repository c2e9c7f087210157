//! A manifest that no API server has seen: everything that is wrong with it.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::crd::Kind;
use super::rules::Rule;
use super::schema::{self, Finding};
use super::{
    DemandCalendarSpec, FieldError, MetricSourceSpec, PredictiveAutoscalerSpec, SpendBudgetSpec, budgets,
    crd, events, limits, policy, zone_exists,
};

/// Every problem of one manifest, in the order of the paths; `None` when its kind is not one of ours.
///
/// A manifest of our group with an unknown kind or version is ours, and wrong.
pub fn lint(manifest: &Value) -> Option<Vec<FieldError>> {
    findings(manifest).map(|found| {
        let mut errors: Vec<FieldError> = found.into_iter().map(|finding| finding.error).collect();
        errors.sort();
        errors.dedup();
        errors
    })
}

/// The rules of the schema that a manifest violates; empty for kinds that are not ours.
pub fn violated(manifest: &Value) -> Vec<Rule> {
    findings(manifest).into_iter().flatten().map(|finding| finding.rule).collect()
}

fn findings(manifest: &Value) -> Option<Vec<Finding>> {
    let version = manifest.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    let name = manifest.get("kind").and_then(Value::as_str).unwrap_or_default();
    let group = version.split('/').next().unwrap_or_default();
    let known = crd::kind(name);
    if group != "foresail.dev" && known.is_none() {
        return None;
    }
    let names: Vec<&str> = crd::kinds().iter().map(|kind| kind.name).collect();
    let Some(kind) = known else {
        let remedy =
            schema::did_you_mean(name, &names).unwrap_or_else(|| format!("use one of {}", names.join(", ")));
        return Some(vec![known_here("kind", format!("`{name}` is no kind of {}", crd::VERSION), remedy)]);
    };
    let mut found = Vec::new();
    if version != crd::VERSION {
        let remedy = format!("write `{}`", crd::VERSION);
        found.push(known_here("apiVersion", format!("`{version}` is no version of {name}"), remedy));
    }
    metadata(kind, manifest.get("metadata"), &mut found);
    let mut refused = schema::validate(kind, manifest);
    if manifest.get("spec").is_none() {
        // Said once; without a spec nothing below it can be judged.
        refused.retain(|finding| finding.rule.keyword != "cel");
    }
    found.extend(refused);
    for error in beyond_schema(name, schema::as_stored(kind, manifest).get("spec")) {
        if !found.iter().any(|finding| finding.error.path == error.path) {
            found.push(known_here_error(error));
        }
    }
    Some(found)
}

/// Every problem of a spec of `kind`: what its schema refuses, and what `beyond` it is wrong with another field.
pub(super) fn spec_problems(kind: &str, spec: &impl Serialize, beyond: Vec<FieldError>) -> Vec<FieldError> {
    let mut found = Vec::new();
    if let (Some(kind), Ok(value)) = (crd::kind(kind), serde_json::to_value(spec)) {
        found.extend(schema::validate(kind, &json!({"spec": value})).into_iter().map(|one| one.error));
    }
    for error in beyond {
        if !found.iter().any(|known| known.path == error.path) {
            found.push(error);
        }
    }
    found.sort();
    found
}

/// What is wrong with the time zone at `path`, if anything.
pub(super) fn zone_problem(path: &str, zone: &str) -> Option<FieldError> {
    if zone_exists(zone) {
        return None;
    }
    let problem = format!("`{}` is no time zone of the IANA database", limits::clip(zone, 64));
    Some(FieldError::new(path, problem, "write it as `Europe/Berlin` or `UTC`"))
}

/// What no API server can know.
fn beyond_schema(kind: &str, spec: Option<&Value>) -> Vec<FieldError> {
    let spec = spec.cloned().unwrap_or_default();
    match kind {
        "PredictiveAutoscaler" => {
            let known = policy::beyond_schema(&spec);
            match serde_json::from_value::<PredictiveAutoscalerSpec>(spec) {
                Ok(spec) => policy::policy(&spec).err().unwrap_or_default(),
                Err(_) => known,
            }
        }
        "MetricSource" => serde_json::from_value::<MetricSourceSpec>(spec)
            .map(|spec| source_problems(&spec))
            .unwrap_or_default(),
        "DemandCalendar" => serde_json::from_value::<DemandCalendarSpec>(spec)
            .map(|spec| events::beyond_schema(&spec))
            .unwrap_or_default(),
        "SpendBudget" => serde_json::from_value::<SpendBudgetSpec>(spec)
            .map(|spec| budgets::beyond_schema(&spec))
            .unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// What is wrong with a source beyond its schema.
pub fn source_problems(spec: &MetricSourceSpec) -> Vec<FieldError> {
    let host = spec.url.split("//").nth(1).unwrap_or_default().split('/').next().unwrap_or_default();
    let port = host.rsplit_once("]:").or_else(|| host.rsplit_once(':').filter(|_| !host.ends_with(']')));
    let bad_port = port.filter(|(_, port)| port.parse::<u16>().is_err());
    let parses = spec.url.parse::<http::Uri>().is_ok_and(|uri| uri.host().is_some());
    if let Some((_, port)) = bad_port {
        let problem = format!("`{}` has port {port}", super::limits::clip(&spec.url, 64));
        return vec![FieldError::new("spec.url", problem, "use a port from 1 to 65535")];
    }
    if parses {
        return Vec::new();
    }
    let problem = format!("`{}` is no address", super::limits::clip(&spec.url, 64));
    vec![FieldError::new("spec.url", problem, "write it as `http://prometheus.monitoring:9090`")]
}

/// Fields of `metadata` that a manifest may have.
const METADATA: [&str; 14] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "uid",
];

fn metadata(kind: &Kind, metadata: Option<&Value>, found: &mut Vec<Finding>) {
    let empty = Map::new();
    let fields = metadata.and_then(Value::as_object).unwrap_or(&empty);
    for name in fields.keys().filter(|name| !METADATA.contains(&name.as_str())) {
        let remedy = schema::did_you_mean(name, &METADATA).unwrap_or_else(|| "remove it".to_owned());
        found.push(known_here(
            &format!("metadata.{name}"),
            format!("`{name}` is no field of metadata"),
            remedy,
        ));
    }
    match fields.get("name") {
        Some(Value::String(name)) if !is_dns_name(name) => found.push(known_here(
            "metadata.name",
            format!("`{}` is no name of an object", super::limits::clip(name, 64)),
            "use lower-case letters, digits, dots and dashes".to_owned(),
        )),
        None if !fields.contains_key("generateName") => {
            found.push(known_here(
                "metadata.name",
                "is required".to_owned(),
                "give the object a name".to_owned(),
            ));
        }
        _ => {}
    }
    if !kind.namespaced && fields.contains_key("namespace") {
        let problem = format!("a {} belongs to no namespace", kind.name);
        found.push(known_here("metadata.namespace", problem, "remove it".to_owned()));
    }
    for map in ["labels", "annotations"] {
        for (key, value) in fields.get(map).and_then(Value::as_object).into_iter().flatten() {
            if !value.is_string() {
                let remedy = format!("put it in quotes: \"{value}\"");
                found.push(known_here(
                    &format!("metadata.{map}.{key}"),
                    format!("`{value}` is not text"),
                    remedy,
                ));
            }
        }
    }
}

fn is_dns_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.chars().all(|c| inner(c) || c == '-' || c == '.') && name.starts_with(inner) && name.ends_with(inner)
}

/// A finding of this file rather than of the schema.
fn known_here(path: &str, problem: String, remedy: String) -> Finding {
    known_here_error(FieldError::new(path, problem, remedy))
}

fn known_here_error(error: FieldError) -> Finding {
    Finding { rule: Rule::new(&error.path, "check", ""), error }
}
