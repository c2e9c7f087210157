//! Sets of fields, as `managedFields` writes them, and the shape of lists that they depend on.
//!
//! Source: the field sets of structured-merge-diff v4 (`fieldsV1`: `f:` a field, `k:` an item by its keys, `v:` an item
//! of a set). The entry `.` of an item itself is written and read; for other containers it is left out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::json::{items, text};
use crate::sandbox::kinds::Kind;

/// How a list or an object is merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// As one value.
    Atomic,
    /// A list of distinct scalars.
    Set,
    /// A list of objects told apart by these fields.
    Keyed(Vec<String>),
    /// An object, field by field.
    Granular,
}

/// Keys of the associative lists of built-in kinds, by the field that holds the list.
const KEYED: [(&str, &[&str]); 17] = [
    ("addresses", &["type"]),
    ("conditions", &["type"]),
    ("containers", &["name"]),
    ("env", &["name"]),
    ("ephemeralContainers", &["name"]),
    ("hostAliases", &["ip"]),
    ("imagePullSecrets", &["name"]),
    ("initContainers", &["name"]),
    ("ownerReferences", &["uid"]),
    ("podIPs", &["ip"]),
    ("ports", &["containerPort", "protocol"]),
    ("resourceClaims", &["name"]),
    ("schedulingGates", &["name"]),
    ("secrets", &["name"]),
    ("topologySpreadConstraints", &["topologyKey", "whenUnsatisfiable"]),
    ("volumeMounts", &["mountPath"]),
    ("volumes", &["name"]),
];

/// Objects of built-in kinds that are one value.
const ATOMIC: [&str; 9] = [
    "configMapKeyRef",
    "fieldRef",
    "involvedObject",
    "nodeSelector",
    "regarding",
    "scaleTargetRef",
    "secretKeyRef",
    "selector",
    "resourceFieldRef",
];

/// The place of a value within an object of a kind.
#[derive(Clone, Copy)]
pub(crate) struct Spot<'a> {
    /// The name of the field that holds it; of a list's item, that of the list.
    field: &'a str,
    /// Its schema, for custom resources below `metadata`'s siblings.
    schema: Option<&'a Value>,
    /// Whether the kind is a custom one and this is not its metadata.
    custom: bool,
}

impl<'a> Spot<'a> {
    /// The root of an object of `kind`.
    pub(crate) fn root(kind: &'a Kind) -> Self {
        Self { field: "", schema: kind.custom.map(|custom| &custom.schema), custom: kind.custom.is_some() }
    }

    pub(crate) fn child(self, name: &'a str) -> Self {
        if name == "metadata" && self.field.is_empty() {
            return Self { field: name, schema: None, custom: false };
        }
        let properties = self.schema.and_then(|schema| schema.get("properties"));
        let schema = properties
            .and_then(|known| known.get(name))
            .or_else(|| self.schema.and_then(|schema| schema.get("additionalProperties")));
        Self { field: name, schema, custom: self.custom }
    }

    pub(crate) fn item(self) -> Self {
        let schema = self.schema.and_then(|schema| schema.get("items"));
        Self { schema, ..self }
    }

    /// How `value` here is merged; `None` for a scalar.
    pub(crate) fn shape(self, value: &Value) -> Option<Shape> {
        match value {
            Value::Object(_) => Some(self.shape_of_object()),
            Value::Array(_) => Some(self.shape_of_list()),
            _ => None,
        }
    }

    fn shape_of_object(self) -> Shape {
        let atomic = if self.custom {
            self.schema.is_some_and(|schema| text(schema, "/x-kubernetes-map-type") == "atomic")
        } else {
            ATOMIC.contains(&self.field)
        };
        if atomic { Shape::Atomic } else { Shape::Granular }
    }

    fn shape_of_list(self) -> Shape {
        if self.custom {
            let Some(schema) = self.schema else { return Shape::Atomic };
            return match text(schema, "/x-kubernetes-list-type") {
                "map" => {
                    let keys = items(schema, "/x-kubernetes-list-map-keys").iter().filter_map(Value::as_str);
                    Shape::Keyed(keys.map(str::to_owned).collect())
                }
                "set" => Shape::Set,
                _ => Shape::Atomic,
            };
        }
        if self.field == "finalizers" {
            return Shape::Set;
        }
        let found = KEYED.iter().find(|(field, _)| *field == self.field);
        found.map_or(Shape::Atomic, |(_, keys)| {
            Shape::Keyed(keys.iter().map(|key| (*key).to_owned()).collect())
        })
    }
}

/// The segment of an item: `k:{"name":"web"}`, or `v:"x"`.
pub(crate) fn segment_of(shape: &Shape, item: &Value) -> String {
    match shape {
        Shape::Keyed(keys) => {
            let named: Map<String, Value> = keys
                .iter()
                .map(|key| {
                    // The one key with a default in the built-in kinds.
                    let default = if key == "protocol" { Value::from("TCP") } else { Value::Null };
                    (key.clone(), item.get(key).cloned().unwrap_or(default))
                })
                .collect();
            format!("k:{}", Value::Object(named))
        }
        _ => format!("v:{item}"),
    }
}

/// A set of fields: a tree whose nodes are in the set or only on the way to some that are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldSet {
    pub(crate) owned: bool,
    pub(crate) children: BTreeMap<String, Self>,
}

impl FieldSet {
    /// Every field of `value`.
    pub(crate) fn of(value: &Value, spot: Spot<'_>) -> Self {
        match (value, spot.shape(value)) {
            (Value::Object(fields), Some(Shape::Granular)) if !fields.is_empty() => {
                let children = fields
                    .iter()
                    .filter(|(_, value)| !value.is_null())
                    .map(|(name, value)| (format!("f:{name}"), Self::of(value, spot.child(name))))
                    .collect();
                Self { owned: false, children }
            }
            (Value::Array(list), Some(shape @ (Shape::Keyed(_) | Shape::Set))) if !list.is_empty() => {
                let children = list
                    .iter()
                    .map(|item| {
                        let inner = Self::of(item, spot.item());
                        (segment_of(&shape, item), Self { owned: true, ..inner })
                    })
                    .collect();
                Self { owned: false, children }
            }
            _ => Self { owned: true, children: BTreeMap::new() },
        }
    }

    /// From the form in `managedFields`.
    pub(crate) fn parse(fields: &Value) -> Self {
        let Some(entries) = fields.as_object() else { return Self::default() };
        if entries.is_empty() {
            return Self { owned: true, children: BTreeMap::new() };
        }
        let children = entries
            .iter()
            .filter(|(name, _)| *name != ".")
            .map(|(name, inner)| (name.clone(), Self::parse(inner)))
            .collect();
        Self { owned: entries.contains_key("."), children }
    }

    /// In the form of `managedFields`.
    pub(crate) fn wire(&self) -> Value {
        let mut entries: Map<String, Value> =
            self.children.iter().map(|(name, child)| (name.clone(), child.wire())).collect();
        if self.owned && !entries.is_empty() {
            entries.insert(".".to_owned(), Value::Object(Map::new()));
        }
        Value::Object(entries)
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.owned && self.children.is_empty()
    }

    /// Adds the fields of `other`.
    pub(crate) fn add(&mut self, other: &Self) {
        self.owned |= other.owned;
        for (name, child) in &other.children {
            self.children.entry(name.clone()).or_default().add(child);
        }
    }

    /// Takes the fields of `other` away; of a field that is in it whole, everything below too.
    pub(crate) fn subtract(&mut self, other: &Self) {
        if other.owned {
            self.owned = false;
            if other.children.is_empty() {
                self.children.clear();
            }
        }
        for (name, taken) in &other.children {
            if let Some(child) = self.children.get_mut(name) {
                child.subtract(taken);
                if child.is_empty() {
                    self.children.remove(name);
                }
            }
        }
    }

    /// The fields that are in both.
    pub(crate) fn common(&self, other: &Self) -> Self {
        let children = self
            .children
            .iter()
            .filter_map(|(name, child)| {
                let both = child.common(other.children.get(name)?);
                (!both.is_empty()).then(|| (name.clone(), both))
            })
            .collect();
        Self { owned: self.owned && other.owned, children }
    }

    /// Every field in the set, as a person writes it: `.spec.replicas`, `.spec.containers[name="web"].image`.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.collect("", &mut found);
        found
    }

    fn collect(&self, at: &str, found: &mut Vec<String>) {
        if self.owned && self.children.is_empty() {
            found.push(at.to_owned());
        }
        for (segment, child) in &self.children {
            child.collect(&format!("{at}{}", spoken(segment)), found);
        }
    }
}

fn spoken(segment: &str) -> String {
    if let Some(name) = segment.strip_prefix("f:") {
        return format!(".{name}");
    }
    let keys =
        segment.strip_prefix("k:").and_then(|text| serde_json::from_str::<Map<String, Value>>(text).ok());
    match keys {
        Some(keys) => {
            let named: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("[{}]", named.join(","))
        }
        None => format!("[={}]", segment.strip_prefix("v:").unwrap_or(segment)),
    }
}

/// What differs between two values: fields added or changed, and fields that went.
pub(crate) fn difference(old: &Value, new: &Value, spot: Spot<'_>) -> (FieldSet, FieldSet) {
    if old == new {
        return (FieldSet::default(), FieldSet::default());
    }
    match (spot.shape(old), spot.shape(new), old, new) {
        (Some(Shape::Granular), Some(Shape::Granular), Value::Object(before), Value::Object(after)) => {
            let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            between(
                names
                    .into_iter()
                    .map(|name| (format!("f:{name}"), before.get(name), after.get(name), spot.child(name))),
            )
        }
        (
            Some(shape @ (Shape::Keyed(_) | Shape::Set)),
            Some(_),
            Value::Array(before),
            Value::Array(after),
        ) => {
            let by_key = |list: &'_ [Value]| -> BTreeMap<String, Value> {
                list.iter().map(|item| (segment_of(&shape, item), item.clone())).collect()
            };
            let (before, after) = (by_key(before), by_key(after));
            let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            between(
                names.into_iter().map(|name| (name.clone(), before.get(name), after.get(name), spot.item())),
            )
        }
        _ => (FieldSet::of(new, spot), FieldSet::default()),
    }
}

fn between<'v, 's>(
    pairs: impl Iterator<Item = (String, Option<&'v Value>, Option<&'v Value>, Spot<'s>)>,
) -> (FieldSet, FieldSet) {
    let (mut changed, mut gone) = (FieldSet::default(), FieldSet::default());
    for (segment, before, after, spot) in pairs {
        let is_item = !segment.starts_with("f:");
        match (before, after) {
            (Some(before), Some(after)) => {
                let (inner, lost) = difference(before, after, spot);
                keep(&mut changed, &segment, inner);
                keep(&mut gone, &segment, lost);
            }
            (None, Some(after)) => {
                let mut inner = FieldSet::of(after, spot);
                inner.owned |= is_item;
                keep(&mut changed, &segment, inner);
            }
            (Some(before), None) => {
                let mut inner = FieldSet::of(before, spot);
                inner.owned |= is_item;
                keep(&mut gone, &segment, inner);
            }
            (None, None) => {}
        }
    }
    (changed, gone)
}

fn keep(set: &mut FieldSet, segment: &str, inner: FieldSet) {
    if !inner.is_empty() {
        set.children.insert(segment.to_owned(), inner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::kinds::known;
    use serde_json::json;

    fn deployment(image: &str, replicas: u32) -> Value {
        json!({"metadata": {"labels": {"a": "1"}}, "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "template": {"spec": {"containers": [{"name": "web", "image": image}]}}}})
    }

    #[test]
    fn fields_are_written_as_the_server_writes_them() {
        let kind = known("apps/v1", "Deployment");
        let set = FieldSet::of(&deployment("a", 3), Spot::root(kind));
        let wire = json!({
            "f:metadata": {"f:labels": {"f:a": {}}},
            "f:spec": {"f:replicas": {}, "f:selector": {}, "f:template": {"f:spec": {"f:containers": {
                "k:{\"name\":\"web\"}": {".": {}, "f:image": {}, "f:name": {}}}}}},
        });
        assert_eq!(set.wire(), wire);
        assert_eq!(FieldSet::parse(&wire), set);
    }

    #[test]
    fn a_change_is_the_field_that_changed() {
        let kind = known("apps/v1", "Deployment");
        let (changed, gone) = difference(&deployment("a", 3), &deployment("b", 3), Spot::root(kind));
        assert_eq!(changed.paths(), [".spec.template.spec.containers[name=\"web\"].image"]);
        assert!(gone.is_empty());
        let mut fewer = deployment("a", 3);
        super::super::json::take(&mut fewer, &["spec", "replicas"]);
        let (changed, gone) = difference(&deployment("a", 3), &fewer, Spot::root(kind));
        assert!(changed.is_empty());
        assert_eq!(gone.paths(), [".spec.replicas"]);
    }

    #[test]
    fn sets_are_added_subtracted_and_intersected() {
        let parse = |value: Value| FieldSet::parse(&value);
        let mut set = parse(json!({"f:spec": {"f:a": {}, "f:b": {}}}));
        set.add(&parse(json!({"f:spec": {"f:c": {}}})));
        set.subtract(&parse(json!({"f:spec": {"f:a": {}}})));
        assert_eq!(set.paths(), [".spec.b", ".spec.c"]);
        assert_eq!(set.common(&parse(json!({"f:spec": {"f:c": {}, "f:d": {}}}))).paths(), [".spec.c"]);
        set.subtract(&parse(json!({"f:spec": {"f:b": {}, "f:c": {}}})));
        assert!(set.is_empty());
    }
}
