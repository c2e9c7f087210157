//! Every rule that a schema states, as a list; tests hold that each of them is refused where it should be.

use serde_json::Value;

use super::crd::children;

/// One rule of a schema.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Rule {
    /// The node it is about, list items as `[*]` and map values as `.*`: `spec.metrics[*].query`.
    pub node: String,
    /// The keyword (`type`, `required`, `enum`, `pattern`, `maximum`, `unknown`, `cel`, ..).
    pub keyword: &'static str,
    /// What it says: the bound, the required field, the CEL expression.
    pub says: String,
}

impl Rule {
    pub(super) fn new(node: &str, keyword: &'static str, says: impl Into<String>) -> Self {
        Self { node: generic(node), keyword, says: says.into() }
    }
}

/// Keywords with one operand that are copied as they stand.
const PLAIN: [&str; 11] = [
    "pattern",
    "format",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "enum",
];

/// Every rule of `schema`, in the order of its nodes. Nodes that accept anything have none.
pub fn rules(schema: &Value) -> Vec<Rule> {
    let mut found = Vec::new();
    walk(schema, "", &mut found);
    found
}

fn walk(node: &Value, path: &str, found: &mut Vec<Rule>) {
    let Some(object) = node.as_object() else { return };
    if let Some(kind) = object.get("type").and_then(Value::as_str) {
        found.push(Rule::new(path, "type", kind));
    }
    for name in object.get("required").and_then(Value::as_array).into_iter().flatten() {
        found.push(Rule::new(path, "required", name.as_str().unwrap_or_default()));
    }
    for keyword in PLAIN {
        // An integer format is a Go type, implied by the bounds.
        let Some(operand) =
            object.get(keyword).filter(|operand| **operand != "int32" && **operand != "int64")
        else {
            continue;
        };
        found.push(Rule::new(path, keyword, says(operand)));
    }
    if let Some(keys) = object.get("x-kubernetes-list-map-keys") {
        found.push(Rule::new(path, "uniqueKeys", keys.to_string()));
    }
    if is_closed(object) && !is_open_metadata(path) {
        found.push(Rule::new(path, "unknown", ""));
    }
    for rule in object.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten() {
        let field = rule.get("fieldPath").and_then(Value::as_str).unwrap_or_default();
        let says = rule.get("rule").and_then(Value::as_str).unwrap_or_default();
        found.push(Rule::new(&format!("{path}{field}"), "cel", says));
    }
    for (segment, child) in children(object) {
        let below = format!("{path}{segment}");
        walk(child, below.trim_start_matches('.'), found);
    }
}

/// An operand as text, strings without quotes.
pub(super) fn says(operand: &Value) -> String {
    operand.as_str().map_or_else(|| operand.to_string(), str::to_owned)
}

/// Whether an object node refuses fields that it does not name.
pub(super) fn is_closed(node: &serde_json::Map<String, Value>) -> bool {
    node.contains_key("properties") && !node.contains_key("x-kubernetes-preserve-unknown-fields")
}

/// The API server knows the fields of `metadata`; the schema does not.
pub(super) fn is_open_metadata(path: &str) -> bool {
    path == "metadata"
}

/// A path with its list positions as `[*]`.
fn generic(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('[') {
        let (index, tail) = after.split_once(']').unwrap_or((after, ""));
        out.push_str(before);
        let position = if index.chars().all(|c| c.is_ascii_digit()) { "*" } else { index };
        out.push('[');
        out.push_str(position);
        out.push(']');
        rest = tail;
    }
    out.push_str(rest);
    out
}
