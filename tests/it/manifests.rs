//! Good manifests, and every way to make them wrong by one edit.
//!
//! Shared with the tests on a real API server, which include this file by path: it uses public API only.

use std::collections::HashSet;

use foresail::api::rules::{Rule, rules};
use serde_json::{Map, Value, json};

// A path, because a file that is included by path looks for its modules beside itself.
#[path = "manifests/written.rs"]
mod written;

/// What a real API server does with a manifest (`fieldValidation=Strict`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is refused at admission.
    Refuses,
    /// It is stored; only `foresail check` and the condition `SpecValid` know.
    Accepts,
}

/// A manifest that is wrong by one edit.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What is wrong.
    pub(crate) name: String,
    /// Kind of the manifest before the edit.
    pub(crate) kind: String,
    /// The manifest.
    pub(crate) manifest: Value,
    /// Part of the path that `check` names.
    pub(crate) path: String,
    /// What the API server does.
    pub(crate) server: Verdict,
}

/// Manifests that are right, with their kinds; the first of each kind uses every field that fits with the others.
pub(crate) fn good() -> Vec<(String, Value)> {
    let all: Vec<Value> =
        serde_saphyr::from_multiple(include_str!("manifests/good.yaml")).expect("good.yaml is YAML");
    all.into_iter().map(|manifest| (kind_of(&manifest), manifest)).collect()
}

/// Edits that everyone accepts although they look odd.
pub(crate) fn legal() -> Vec<(String, Value)> {
    let edits: [(&str, &str, Edit); 26] = [
        ("min equal to max pins the replicas", "smallest", set("spec.minReplicas", 1)),
        ("a name of 63 characters", "smallest", set("metadata.name", "n".repeat(63))),
        ("a target name of 253 characters", "smallest", set("spec.scaleTargetRef.name", "n".repeat(253))),
        (
            "a target of another group",
            "smallest",
            set("spec.scaleTargetRef.apiVersion", "argoproj.io/v1alpha1"),
        ),
        ("an Argo rollout", "smallest", set("spec.scaleTargetRef.kind", "Rollout")),
        ("the longest cooldown", "checkout", set("spec.cooldown.scaleDown", "24h")),
        ("a duration in two units", "checkout", set("spec.cooldown.scaleUp", "1h30m")),
        ("a capacity with a binary suffix", "smallest", set("spec.metrics[0].capacityPerReplica", "512Mi")),
        ("a capacity with an exponent", "smallest", set("spec.metrics[0].capacityPerReplica", "1.5e3")),
        ("an objective as a fraction", "checkout", set("spec.objective.unserved", "0.001")),
        (
            "the highest quantile as objective",
            "checkout",
            set("spec.objective", json!({"quantile": "99.99%"})),
        ),
        ("a ceiling below the cost of the minimum", "checkout", set("spec.spend.maxPerHour", "0.01")),
        (
            "no scale-down at all",
            "checkout",
            set("spec.behavior.scaleDown", json!({"selectPolicy": "Disabled"})),
        ),
        ("an empty behavior", "checkout", set("spec.behavior", json!({}))),
        ("a query over two lines", "checkout", set("spec.metrics[0].query", "sum(\n  a # one\n)")),
        ("mode Active on the scale", "checkout", set("spec.mode", "Active")),
        ("a source for everyone", "main", set("spec.allowedNamespaces", json!(["*"]))),
        ("an optional field of null", "checkout", set("spec.pause", json!(null))),
        ("a field with a default of null", "checkout", set("spec.minReplicas", json!(null))),
        ("a nested field of null", "checkout", set("spec.behavior.scaleUp.policies", json!(null))),
        ("a label of null", "main", set("spec.enforcedLabels", json!({"a": null, "b": "c"}))),
        (
            "an event that only sets a floor",
            "retail",
            set(
                "spec.events[2]",
                json!({"name": "a",
            "start": "2026-12-01T22:00", "duration": "2h", "minReplicas": 5}),
            ),
        ),
        ("a quiet holiday", "retail", set("spec.events[0].multiplier", "0.3")),
        ("an event of a week", "retail", set("spec.events[1].duration", "168h")),
        ("a leap day", "retail", set("spec.events[2].start", "2028-02-29T22:00")),
        ("labels", "main", set("metadata.labels", json!({"team": "shop"}))),
    ];
    edits.into_iter().map(|(name, base, edit)| (name.to_owned(), edited(base, edit))).collect()
}

/// Every wrong manifest: those that are written by hand, and one for each rule of the schemas that can be broken
/// mechanically.
pub(crate) fn rows() -> Vec<Row> {
    let mut all = written::written();
    for (kind, schema) in schemas() {
        for rule in rules(&schema).iter().filter(|rule| !rule.node.starts_with("status")) {
            all.extend(broken(&kind, rule));
        }
    }
    let mut seen = HashSet::new();
    all.retain(|row| seen.insert(row.name.clone()));
    all
}

/// The schema of each kind, from the definitions that the API server gets.
pub(crate) fn schemas() -> Vec<(String, Value)> {
    foresail::api::kinds().iter().map(|kind| (kind.name.to_owned(), kind.schema.clone())).collect()
}

fn kind_of(manifest: &Value) -> String {
    manifest.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// One change of a manifest.
enum Edit {
    Set(&'static str, Value),
    Remove(&'static str),
}

fn set(path: &'static str, value: impl Into<Value>) -> Edit {
    Edit::Set(path, value.into())
}

fn edited(base: &str, edit: Edit) -> Value {
    let mut manifest = good()
        .into_iter()
        .map(|(_, manifest)| manifest)
        .find(|manifest| manifest.pointer("/metadata/name").is_some_and(|name| name == base))
        .expect("the base is in good.yaml");
    match edit {
        Edit::Set(path, value) => put(&mut manifest, path, Some(value)),
        Edit::Remove(path) => put(&mut manifest, path, None),
    }
    manifest
}

/// Sets or removes the value at `path`; missing objects on the way are created.
fn put(manifest: &mut Value, path: &str, value: Option<Value>) {
    let (parent, last) = path.rfind(['.', '[']).map_or(("", path), |at| path.split_at(at));
    let mut at = manifest;
    for segment in segments(parent) {
        at = match at {
            Value::Array(items) => {
                items.get_mut(segment.parse::<usize>().expect("an index")).expect("an item")
            }
            other => {
                let fields = other.as_object_mut().expect("an object on the way");
                fields.entry(segment).or_insert_with(|| Value::Object(Map::new()))
            }
        };
    }
    let last = segments(last).next().expect("a path");
    match (at, value) {
        (Value::Array(items), Some(value)) => {
            *items.get_mut(last.parse::<usize>().expect("an index")).expect("an item") = value;
        }
        (Value::Array(items), None) => drop(items.remove(last.parse().expect("an index"))),
        (other, Some(value)) => {
            drop(other.as_object_mut().expect("an object").insert(last.to_owned(), value));
        }
        (other, None) => drop(other.as_object_mut().expect("an object").remove(last)),
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split(['.', '[', ']']).filter(|segment| !segment.is_empty())
}

fn get<'a>(manifest: &'a Value, path: &str) -> Option<&'a Value> {
    segments(path).try_fold(manifest, |at, segment| match at {
        Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
        other => other.get(segment),
    })
}

/// The row that breaks `rule`, if that can be done mechanically.
fn broken(kind: &str, rule: &Rule) -> Option<Row> {
    let (base, path) = good().into_iter().filter(|(of, _)| of == kind).find_map(|(_, manifest)| {
        let path = concrete(&manifest, &rule.node)?;
        (rule.keyword != "required" || get(&manifest, &below(&path, &rule.says)).is_some())
            .then_some((manifest, path))
    })?;
    let present = get(&base, &path)?.clone();
    let limit = rule.says.parse::<usize>().unwrap_or_default();
    let (at, value) = match rule.keyword {
        "type" if path.is_empty() => return None,
        "type" => (path.clone(), Some(wrong_type(&rule.says))),
        "required" => (below(&path, &rule.says), None),
        "enum" => (path.clone(), Some("Nonsense".into())),
        "pattern" => (path.clone(), Some(unmatched(&rule.says))),
        "format" => (path.clone(), Some("2026-13-45T99:99:99Z".into())),
        "minimum" => (path.clone(), Some(json!(rule.says.parse::<i64>().ok()? - 1))),
        "maximum" => (path.clone(), Some(json!(rule.says.parse::<i64>().ok()? + 1))),
        "minLength" => (path.clone(), Some("".into())),
        "maxLength" => (path.clone(), Some("a".repeat(limit + 1).into())),
        "minItems" => (path.clone(), Some(json!([]))),
        "maxItems" => (path.clone(), Some(vec![present.get(0)?.clone(); limit + 1].into())),
        "maxProperties" => (path.clone(), Some((0..=limit).map(|i| (format!("k{i}"), json!("v"))).collect())),
        "uniqueKeys" => {
            let items = present.as_array()?;
            (path.clone(), Some(items.iter().chain(items.first()).cloned().collect()))
        }
        "unknown" => (below(&path, "zz"), Some(json!(1))),
        "cel" if rule.says.starts_with("duration(self) <=") => (path.clone(), Some("876000h".into())),
        "cel" if rule.says.starts_with("duration(self) >=") => (path.clone(), Some("0s".into())),
        _ => return None,
    };
    let mut manifest = base;
    put(&mut manifest, &at, value);
    Some(Row {
        name: format!(
            "{kind} {} {} {}",
            rule.node,
            rule.keyword,
            if rule.keyword == "required" { &rule.says } else { "" }
        ),
        kind: kind.to_owned(),
        manifest,
        path: at,
        server: Verdict::Refuses,
    })
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The first path of `manifest` that `node` stands for.
fn concrete(manifest: &Value, node: &str) -> Option<String> {
    let Some(star) = node.find("[*]").into_iter().chain(node.find(".*")).min() else {
        return (node.is_empty() || get(manifest, node).is_some()).then(|| node.to_owned());
    };
    let (before, after) = node.split_at(star);
    let candidates: Vec<String> = match get(manifest, before)? {
        Value::Array(items) => (0..items.len()).map(|i| format!("{before}[{i}]{}", &after[3..])).collect(),
        Value::Object(fields) => fields.keys().map(|key| format!("{before}.{key}{}", &after[2..])).collect(),
        _ => Vec::new(),
    };
    candidates.iter().find_map(|candidate| concrete(manifest, candidate))
}

fn wrong_type(expected: &str) -> Value {
    match expected {
        "string" => json!(5),
        "integer" => json!("five"),
        "boolean" => json!("yes"),
        _ => json!("text"),
    }
}

/// A text of at least two characters that does not match.
fn unmatched(pattern: &str) -> Value {
    let regex = regex::Regex::new(pattern).expect("a pattern of the schema");
    ["!!", "\u{1}\u{1}", "üü"]
        .into_iter()
        .find(|text| !regex.is_match(text))
        .expect("some text does not match")
        .into()
}
