//! An object as one of its kinds shows it, and in the form that a caller wants.

use std::sync::Arc;

use serde_json::{Value, json};

use super::call::Form;
use super::json::{put, put_default, take};
use super::table;
use crate::sandbox::kinds::Kind;
use crate::units::Timestamp;

/// Fields of an Event: in `events.k8s.io/v1`, which is stored, and in the core API.
const EVENT_FIELDS: [(&str, &str); 7] = [
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
];

/// A stored object as `kind` shows it.
pub(crate) fn shown(kind: &Kind, stored: &Arc<Value>) -> Arc<Value> {
    if kind.stored_as == kind.idx {
        return Arc::clone(stored);
    }
    let mut object = Value::clone(stored);
    for (newer, core) in EVENT_FIELDS {
        if let Some(value) = take(&mut object, &[newer]) {
            put(&mut object, &[core], value);
        }
    }
    for name in ["reportingComponent", "reportingInstance"] {
        put_default(&mut object, &[name], "");
    }
    put(&mut object, &["apiVersion"], kind.api_version());
    Arc::new(object)
}

/// What `kind` shows, as it is stored.
pub(crate) fn stored(kind: &Kind, mut shown: Value, api_version: &str) -> Value {
    if kind.stored_as != kind.idx {
        for (newer, core) in EVENT_FIELDS {
            if let Some(value) = take(&mut shown, &[core]) {
                put(&mut shown, &[newer], value);
            }
        }
        put(&mut shown, &["apiVersion"], api_version);
    }
    shown
}

/// One object in the wanted form.
pub(crate) fn formed(kind: &Kind, object: &Value, form: Form, now: Timestamp) -> Value {
    match form {
        Form::Whole => object.clone(),
        Form::Table => table::of(kind, &[object], &table::Options::whole(now)),
        Form::Metadata => metadata_of(object),
    }
}

/// The metadata of an object as an object of its own.
pub(crate) fn metadata_of(object: &Value) -> Value {
    let metadata = object.get("metadata").cloned().unwrap_or_default();
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata})
}

/// An object as an item of a list: built-in kinds leave out what the list says already.
pub(crate) fn item(kind: &Kind, object: &Value) -> Value {
    let mut item = object.clone();
    if kind.custom.is_none() {
        take(&mut item, &["kind"]);
        take(&mut item, &["apiVersion"]);
    }
    item
}
