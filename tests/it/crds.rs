//! The definitions that are shipped are the ones that the binary prints.

use foresail::api;
use serde_json::Value;

#[test]
fn the_definitions_are_reviewed() {
    insta::assert_snapshot!("crds", api::crds_yaml().expect("the definitions are plain data"));
}

#[test]
fn the_chart_ships_the_current_definitions() {
    let shipped = include_str!("../../charts/foresail/files/crds.yaml");
    assert!(
        shipped == api::crds_yaml().expect("the definitions are plain data"),
        "stale: run `foresail crds > charts/foresail/files/crds.yaml`"
    );
}

#[test]
fn the_definitions_read_back_as_what_was_printed() {
    let printed: Vec<Value> =
        serde_saphyr::from_multiple(&api::crds_yaml().expect("plain data")).expect("the output is YAML");
    let expected: Vec<Value> = api::kinds().iter().map(|kind| kind.definition.clone()).collect();
    assert_eq!(printed, expected);
}

/// An unbounded text, list or map lets one object fill etcd, and makes the cost of a CEL rule unbounded.
#[test]
fn every_text_list_and_map_is_bounded() {
    let mut unbounded = Vec::new();
    for kind in api::kinds() {
        for part in ["spec", "status"] {
            if let Some(node) = kind.schema.pointer(&format!("/properties/{part}")) {
                collect_unbounded(node, &format!("{} {part}", kind.name), &mut unbounded);
            }
        }
    }
    assert_eq!(unbounded, Vec::<String>::new());
}

fn collect_unbounded(node: &Value, path: &str, unbounded: &mut Vec<String>) {
    let bound = match node.get("type").and_then(Value::as_str) {
        Some("string") if node.get("enum").is_some() => None,
        Some("string") => Some("maxLength"),
        Some("array") => Some("maxItems"),
        Some("object") if node.get("additionalProperties").is_some() => Some("maxProperties"),
        _ => None,
    };
    if bound.is_some_and(|bound| node.get(bound).is_none()) {
        unbounded.push(path.to_owned());
    }
    for (name, child) in node.get("properties").and_then(Value::as_object).into_iter().flatten() {
        collect_unbounded(child, &format!("{path}.{name}"), unbounded);
    }
    for child in ["items", "additionalProperties"] {
        if let Some(child) = node.get(child) {
            collect_unbounded(child, &format!("{path}[*]"), unbounded);
        }
    }
}

/// `kubectl explain` is the reference of the fields.
#[test]
fn every_field_is_explained() {
    let mut mute = Vec::new();
    for kind in api::kinds() {
        for part in ["spec", "status"] {
            if let Some(node) = kind.schema.pointer(&format!("/properties/{part}")) {
                collect_mute(node, &format!("{} {part}", kind.name), &mut mute);
            }
        }
    }
    assert_eq!(mute, Vec::<String>::new());
}

fn collect_mute(node: &Value, path: &str, mute: &mut Vec<String>) {
    let node = node.get("items").unwrap_or(node);
    for (name, child) in node.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = format!("{path}.{name}");
        if child.get("description").is_none() {
            mute.push(path.clone());
        }
        collect_mute(child, &path, mute);
    }
}
