//! Strategic merge patches: lists of built-in kinds are merged by the key of their items.
//!
//! Source: the directives of apimachinery's `strategicpatch`: `$patch` (`replace`, `delete`), `$retainKeys`,
//! `$deleteFromPrimitiveList/<field>` and `$setElementOrder/<field>`.

use serde_json::{Map, Value};

use super::json::{self, object};

/// The merge key of each list that has one, by the field that holds the list.
const MERGE_KEYS: [(&str, &str); 16] = [
    ("addresses", "type"),
    ("conditions", "type"),
    ("containers", "name"),
    ("env", "name"),
    ("ephemeralContainers", "name"),
    ("hostAliases", "ip"),
    ("imagePullSecrets", "name"),
    ("initContainers", "name"),
    ("ownerReferences", "uid"),
    ("podIPs", "ip"),
    ("ports", "containerPort"),
    ("secrets", "name"),
    ("taints", "key"),
    ("topologySpreadConstraints", "topologyKey"),
    ("volumeMounts", "mountPath"),
    ("volumes", "name"),
];

/// Lists of scalars that are merged.
const MERGED_SCALARS: [&str; 1] = ["finalizers"];

fn merge_key(field: &str) -> Option<&'static str> {
    MERGE_KEYS.iter().find(|(name, _)| *name == field).map(|(_, key)| *key)
}

/// Lays `patch` over `target`.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    match fields.get("$patch").and_then(Value::as_str) {
        Some("replace") => {
            *target = Value::Object(without_directives(fields));
            return;
        }
        Some("delete") => {
            *target = Value::Object(Map::new());
            return;
        }
        _ => {}
    }
    let stood = target.clone();
    let into = object(target);
    if let Some(Value::Array(kept)) = fields.get("$retainKeys") {
        into.retain(|name, _| kept.iter().any(|one| one.as_str() == Some(name)));
    }
    for (name, value) in fields {
        if let Some(list) = name.strip_prefix("$deleteFromPrimitiveList/") {
            if let (Some(Value::Array(held)), Value::Array(gone)) = (into.get_mut(list), value) {
                held.retain(|item| !gone.contains(item));
            }
        } else if !name.starts_with('$') {
            merge_field(into, name, value);
        }
    }
    for (name, value) in fields {
        if let (Some(list), Value::Array(order)) = (name.strip_prefix("$setElementOrder/"), value)
            && let Some(Value::Array(held)) = into.get_mut(list)
        {
            reorder(held, order, json::items(&stood, &format!("/{list}")), merge_key(list));
        }
    }
}

fn merge_field(into: &mut Map<String, Value>, name: &str, value: &Value) {
    match value {
        Value::Null => {
            into.remove(name);
        }
        Value::Object(_) => merge(into.entry(name).or_insert(Value::Null), value),
        Value::Array(list) => {
            let held = into.entry(name).or_insert_with(|| Value::Array(Vec::new()));
            if !held.is_array() {
                *held = Value::Array(Vec::new());
            }
            let Value::Array(held) = held else { return };
            let stood = held.clone();
            match merge_key(name).filter(|_| list.iter().all(Value::is_object)) {
                Some(key) => {
                    merge_list(held, list, key);
                    reorder(held, list, &stood, Some(key));
                }
                None if MERGED_SCALARS.contains(&name) => {
                    let fresh: Vec<Value> =
                        list.iter().filter(|item| !held.contains(item)).cloned().collect();
                    held.extend(fresh);
                    reorder(held, list, &stood, None);
                }
                None => held.clone_from(list),
            }
        }
        scalar => {
            into.insert(name.to_owned(), scalar.clone());
        }
    }
}

fn merge_list(held: &mut Vec<Value>, list: &[Value], key: &str) {
    if list.iter().any(|item| directive(item) == Some("replace")) {
        held.clear();
    }
    for item in list {
        let place = held.iter().position(|one| one.get(key).is_some() && one.get(key) == item.get(key));
        match (directive(item), place) {
            (Some("replace"), _) if item.get(key).is_none() => {}
            (Some("delete"), Some(place)) => {
                held.remove(place);
            }
            (Some("delete"), None) => {}
            (_, Some(place)) => {
                if let Some(found) = held.get_mut(place) {
                    merge(found, item);
                }
            }
            (_, None) => held.push(
                item.as_object()
                    .map_or_else(|| item.clone(), |fields| Value::Object(without_directives(fields))),
            ),
        }
    }
}

fn directive(item: &Value) -> Option<&str> {
    item.get("$patch").and_then(Value::as_str)
}

fn without_directives(fields: &Map<String, Value>) -> Map<String, Value> {
    fields
        .iter()
        .filter(|(name, _)| !name.starts_with('$'))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Puts the items that `order` names in that order; the others, which only `stood` has, go before the first of them that
/// they stood before, else to the end.
fn reorder(held: &mut Vec<Value>, order: &[Value], stood: &[Value], key: Option<&str>) {
    let place = |list: &[Value], item: &Value| {
        let id = |value: &Value| match key {
            Some(key) => value.get(key).cloned(),
            None => Some(value.clone()),
        };
        list.iter().position(|one| id(one) == id(item))
    };
    let (mut named, mut others): (Vec<Value>, Vec<Value>) =
        held.drain(..).partition(|item| place(order, item).is_some());
    named.sort_by_key(|item| place(order, item));
    others.sort_by_key(|item| place(stood, item));
    let mut others = others.into_iter().peekable();
    for item in named {
        let before = |other: &Value| place(stood, &item).is_some_and(|at| place(stood, other) < Some(at));
        while let Some(other) = others.next_if(|other| before(other)) {
            held.push(other);
        }
        held.push(item);
    }
    held.extend(others);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(target: &Value, patch: &Value, expected: &Value) {
        let mut result = target.clone();
        merge(&mut result, patch);
        assert_eq!(result, *expected, "{patch}");
    }

    #[test]
    fn lists_are_merged_by_key_and_directives_obeyed() {
        let target =
            json!({"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}], "args": ["x"]});
        check(
            &target,
            &json!({"containers": [{"name": "b", "image": "2"}, {"name": "c"}], "args": ["y"]}),
            &json!({"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "2"}, {"name": "c"}], "args": ["y"]}),
        );
        check(
            &target,
            &json!({"containers": [{"name": "c"}]}),
            &json!({"containers": [{"name": "c"}, {"name": "a", "image": "1"}, {"name": "b", "image": "1"}], "args": ["x"]}),
        );
        check(
            &target,
            &json!({"containers": [{"name": "a", "$patch": "delete"}], "args": null}),
            &json!({"containers": [{"name": "b", "image": "1"}]}),
        );
        check(
            &target,
            &json!({"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}], "containers": [{"name": "b", "tty": true}]}),
            &json!({"containers": [{"name": "b", "image": "1", "tty": true}, {"name": "a", "image": "1"}], "args": ["x"]}),
        );
    }

    #[test]
    fn objects_can_be_replaced_and_their_keys_retained() {
        let target = json!({"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}, "finalizers": ["a", "b"]});
        check(
            &target,
            &json!({"strategy": {"$retainKeys": ["type"], "type": "Recreate"}, "finalizers": ["c"]}),
            &json!({"strategy": {"type": "Recreate"}, "finalizers": ["c", "a", "b"]}),
        );
        check(
            &target,
            &json!({"strategy": {"$patch": "replace", "type": "X"}, "$deleteFromPrimitiveList/finalizers": ["a"]}),
            &json!({"strategy": {"type": "X"}, "finalizers": ["b"]}),
        );
    }
}
