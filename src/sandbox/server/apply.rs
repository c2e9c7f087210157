//! Who owns which field, and server-side apply.
//!
//! Source: KEP-555 and its implementation, structured-merge-diff v4: an apply owns what it names; what it named before
//! and names no more goes, unless somebody else owns it too; what somebody else owns with another value is a conflict.

use serde_json::{Map, Value, json};

use super::fields::{FieldSet, Shape, Spot, difference, segment_of};
use super::json::{items, object, put, take, text};
use super::status::Refused;
use crate::sandbox::kinds::Kind;

/// Fields that the server itself sets: nobody owns them.
const UNOWNED: [&str; 11] = [
    "clusterName",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "name",
    "namespace",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// One writer of an object and its fields.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    manager: String,
    operation: String,
    subresource: String,
    api_version: String,
    time: String,
    fields: FieldSet,
}

/// Who writes, and how.
#[derive(Clone, Debug)]
pub(crate) struct Writer<'a> {
    pub(crate) manager: &'a str,
    /// `status`, `scale` or nothing.
    pub(crate) subresource: &'a str,
    /// The instant, as the API writes it.
    pub(crate) time: String,
    /// Whether an apply takes fields from others.
    pub(crate) force: bool,
}

fn entries_of(object: &Value) -> Vec<Entry> {
    let read = |entry: &Value| Entry {
        manager: text(entry, "/manager").to_owned(),
        operation: text(entry, "/operation").to_owned(),
        subresource: text(entry, "/subresource").to_owned(),
        api_version: text(entry, "/apiVersion").to_owned(),
        time: text(entry, "/time").to_owned(),
        fields: entry.get("fieldsV1").map(FieldSet::parse).unwrap_or_default(),
    };
    items(object, "/metadata/managedFields").iter().map(read).collect()
}

fn write_entries(object: &mut Value, mut entries: Vec<Entry>) {
    entries.retain(|entry| !entry.fields.is_empty());
    // As the server: applies first, then by time, then by name.
    entries.sort_by(|a, b| {
        (&a.operation, &a.time, &a.manager, &a.subresource).cmp(&(
            &b.operation,
            &b.time,
            &b.manager,
            &b.subresource,
        ))
    });
    let listed: Vec<Value> = entries
        .into_iter()
        .map(|entry| {
            let Entry { manager, operation, subresource, api_version, time, fields } = entry;
            let mut wire = json!({
                "manager": manager, "operation": operation, "apiVersion": api_version, "time": time,
                "fieldsType": "FieldsV1", "fieldsV1": fields.wire(),
            });
            if !subresource.is_empty() {
                put(&mut wire, &["subresource"], subresource);
            }
            wire
        })
        .collect();
    if listed.is_empty() {
        take(object, &["metadata", "managedFields"]);
    } else {
        put(object, &["metadata", "managedFields"], listed);
    }
}

/// The object without what nobody owns.
fn ownable(object: &Value) -> Value {
    let mut object = object.clone();
    take(&mut object, &["apiVersion"]);
    take(&mut object, &["kind"]);
    for name in UNOWNED {
        take(&mut object, &["metadata", name]);
    }
    if object.get("metadata").and_then(Value::as_object).is_some_and(Map::is_empty) {
        take(&mut object, &["metadata"]);
    }
    object
}

/// Notes in `new` who changed what since `old`: the changed fields become the writer's and nobody else's.
pub(crate) fn note_update(kind: &Kind, old: &Value, new: &mut Value, writer: &Writer<'_>) {
    let spot = Spot::root(kind);
    let (changed, gone) = difference(&ownable(old), &ownable(new), spot);
    let mut entries = entries_of(old);
    let api_version = kind.api_version();
    let is_own = |entry: &Entry| {
        entry.manager == writer.manager
            && entry.operation == "Update"
            && entry.subresource == writer.subresource
    };
    if !entries.iter().any(is_own) && !changed.is_empty() {
        entries.push(Entry {
            manager: writer.manager.to_owned(),
            operation: "Update".to_owned(),
            subresource: writer.subresource.to_owned(),
            api_version,
            time: writer.time.clone(),
            fields: FieldSet::default(),
        });
    }
    for entry in &mut entries {
        let before = entry.fields.clone();
        if is_own(entry) {
            entry.fields.add(&changed);
        } else {
            entry.fields.subtract(&changed);
        }
        entry.fields.subtract(&gone);
        if entry.fields != before {
            entry.time.clone_from(&writer.time);
        }
    }
    write_entries(new, entries);
}

/// What stands after `config` is applied to `live` (null when there is none yet), with its owners.
pub(crate) fn apply(
    kind: &Kind,
    live: &Value,
    config: &Value,
    writer: &Writer<'_>,
) -> Result<Value, Refused> {
    let spot = Spot::root(kind);
    let wanted = ownable(config);
    let mut fields = FieldSet::of(&wanted, spot);
    if wanted.as_object().is_none_or(Map::is_empty) {
        fields = FieldSet::default();
    }
    let mut entries = entries_of(live);
    let is_own = |entry: &Entry| {
        entry.manager == writer.manager
            && entry.operation == "Apply"
            && entry.subresource == writer.subresource
    };
    let (changed, _) = difference(&ownable(live), &merged(&ownable(live), &wanted, spot), spot);
    let mut conflicts = Vec::new();
    for entry in entries.iter_mut().filter(|entry| !is_own(entry)) {
        let clash = entry.fields.common(&changed).common(&fields);
        if clash.is_empty() {
            continue;
        }
        let via = if entry.subresource.is_empty() {
            String::new()
        } else {
            format!(" with subresource \"{}\"", entry.subresource)
        };
        let who = if entry.operation == "Update" {
            // In a scale everybody's fields are those of the scale.
            let version =
                if writer.subresource == "scale" { "autoscaling/v1" } else { entry.api_version.as_str() };
            format!("\"{}\"{via} using {version}", entry.manager)
        } else {
            format!("\"{}\"{via}", entry.manager)
        };
        conflicts.extend(clash.paths().into_iter().map(|path| (who.clone(), path)));
        entry.fields.subtract(&clash);
        entry.time.clone_from(&writer.time);
    }
    if !conflicts.is_empty() && !writer.force {
        return Err(Refused::apply_conflict(&conflicts));
    }
    let mut result = merged(live, config, spot);
    let before =
        entries.iter().find(|entry| is_own(entry)).map(|entry| entry.fields.clone()).unwrap_or_default();
    let mut dropped = before.clone();
    dropped.subtract(&fields);
    for entry in entries.iter().filter(|entry| !is_own(entry)) {
        dropped.subtract(&entry.fields);
    }
    remove(&mut result, &dropped, spot);
    if before == fields {
        // Nothing new is owned: the time of the entry stays.
    } else {
        entries.retain(|entry| !is_own(entry));
        entries.push(Entry {
            manager: writer.manager.to_owned(),
            operation: "Apply".to_owned(),
            subresource: writer.subresource.to_owned(),
            api_version: kind.api_version(),
            time: writer.time.clone(),
            fields,
        });
    }
    write_entries(&mut result, entries);
    Ok(result)
}

/// `config` laid over `live`: objects field by field, lists by their shape.
fn merged(live: &Value, config: &Value, spot: Spot<'_>) -> Value {
    match (spot.shape(config), live, config) {
        (Some(Shape::Granular), Value::Object(old), Value::Object(new)) => {
            let mut result = old.clone();
            for (name, value) in new {
                let before = old.get(name).unwrap_or(&Value::Null);
                result.insert(name.clone(), merged(before, value, spot.child(name)));
            }
            Value::Object(result)
        }
        (Some(shape @ (Shape::Keyed(_) | Shape::Set)), Value::Array(old), Value::Array(new)) => {
            let key = |item: &Value| segment_of(&shape, item);
            let mut result: Vec<Value> = old
                .iter()
                .map(|item| match new.iter().find(|other| key(other) == key(item)) {
                    Some(other) => merged(item, other, spot.item()),
                    None => item.clone(),
                })
                .collect();
            result
                .extend(new.iter().filter(|item| !old.iter().any(|other| key(other) == key(item))).cloned());
            Value::Array(result)
        }
        _ => config.clone(),
    }
}

/// Takes the fields of `dropped` out of `value`.
fn remove(value: &mut Value, dropped: &FieldSet, spot: Spot<'_>) {
    match spot.shape(value) {
        Some(Shape::Granular) => {
            for (segment, child) in &dropped.children {
                let Some(name) = segment.strip_prefix("f:") else { continue };
                if child.owned && child.children.is_empty() {
                    object(value).remove(name);
                } else if let Some(inner) = value.get_mut(name) {
                    remove(inner, child, spot.child(name));
                }
            }
        }
        Some(shape @ (Shape::Keyed(_) | Shape::Set)) => {
            let Some(list) = value.as_array_mut() else { return };
            list.retain_mut(|item| match dropped.children.get(&segment_of(&shape, item)) {
                Some(child) if child.owned => false,
                Some(child) => {
                    remove(item, child, spot.item());
                    true
                }
                None => true,
            });
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::kinds::known;

    fn writer(manager: &str, force: bool) -> Writer<'_> {
        Writer { manager, subresource: "", time: "2026-11-27T08:00:00Z".to_owned(), force }
    }

    fn configmap(data: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": data})
    }

    #[test]
    fn an_apply_owns_what_it_names_and_drops_what_it_names_no_more() {
        let kind = known("v1", "ConfigMap");
        let first =
            apply(kind, &Value::Null, &configmap(&json!({"a": "1", "b": "1"})), &writer("ann", false))
                .unwrap();
        let mut edited = first.clone();
        put(&mut edited, &["data", "c"], "1");
        note_update(kind, &first, &mut edited, &writer("bob", false));
        let second = apply(kind, &edited, &configmap(&json!({"a": "2"})), &writer("ann", false)).unwrap();
        assert_eq!(second["data"], json!({"a": "2", "c": "1"}));
    }

    #[test]
    fn a_field_of_somebody_else_is_a_conflict_unless_forced() {
        let kind = known("v1", "ConfigMap");
        let first = apply(kind, &Value::Null, &configmap(&json!({"a": "1"})), &writer("ann", false)).unwrap();
        let config = configmap(&json!({"a": "2"}));
        let refused = apply(kind, &first, &config, &writer("bob", false)).unwrap_err();
        assert_eq!(refused.message, "Apply failed with 1 conflict: conflict with \"ann\": .data.a");
        let forced = apply(kind, &first, &config, &writer("bob", true)).unwrap();
        assert_eq!(forced["data"]["a"], "2");
        let managers: Vec<&str> =
            items(&forced, "/metadata/managedFields").iter().map(|one| text(one, "/manager")).collect();
        assert_eq!(managers, ["bob"]);
        let shared = apply(kind, &first, &configmap(&json!({"a": "1"})), &writer("bob", false)).unwrap();
        assert_eq!(items(&shared, "/metadata/managedFields").len(), 2);
    }

    #[test]
    fn an_update_takes_the_field_it_changes() {
        let kind = known("v1", "ConfigMap");
        let first =
            apply(kind, &Value::Null, &configmap(&json!({"a": "1", "b": "1"})), &writer("ann", false))
                .unwrap();
        let mut edited = first.clone();
        put(&mut edited, &["data", "a"], "2");
        note_update(kind, &first, &mut edited, &writer("bob", false));
        let owned: Vec<(String, Vec<String>)> =
            entries_of(&edited).into_iter().map(|entry| (entry.manager, entry.fields.paths())).collect();
        assert_eq!(
            owned,
            [("ann".to_owned(), vec![".data.b".to_owned()]), ("bob".to_owned(), vec![".data.a".to_owned()])]
        );
    }
}
