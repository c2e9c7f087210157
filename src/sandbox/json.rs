//! Reading and writing parts of JSON objects whose shape is not known at compile time.

use serde_json::{Map, Value};

/// The text at `pointer`, empty when there is none.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The whole number at `pointer`.
pub(crate) fn whole(value: &Value, pointer: &str) -> Option<i64> {
    value.pointer(pointer).and_then(Value::as_i64)
}

/// The items of the list at `pointer`; none when there is no list.
pub(crate) fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The entries of the object at `pointer`.
pub(crate) fn entries<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value.pointer(pointer).and_then(Value::as_object).into_iter().flatten()
}

/// `value` as an object to write to; whatever else it was is replaced by an empty one.
pub(crate) fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("it was made an object in the line before")
}

/// Puts `new` at `path`, making the objects on the way.
pub(crate) fn put(value: &mut Value, path: &[&str], new: impl Into<Value>) {
    match path {
        [] => *value = new.into(),
        [name, rest @ ..] => {
            put(object(value).entry((*name).to_owned()).or_insert(Value::Null), rest, new);
        }
    }
}

/// Puts `new` at `path` unless something other than null stands there.
pub(crate) fn put_default(value: &mut Value, path: &[&str], new: impl Into<Value>) {
    let pointer: String = path.iter().flat_map(|name| ["/", name]).collect();
    if value.pointer(&pointer).is_none_or(Value::is_null) {
        put(value, path, new);
    }
}

/// Takes away what is at `path`.
pub(crate) fn take(value: &mut Value, path: &[&str]) -> Option<Value> {
    match path {
        [] => None,
        [name] => value.as_object_mut()?.remove(*name),
        [name, rest @ ..] => take(value.get_mut(*name)?, rest),
    }
}

/// Takes away what is at `path` of `to` and puts there what is at `path` of `from`, if anything is.
pub(crate) fn copy(to: &mut Value, from: &Value, path: &[&str]) {
    take(to, path);
    let pointer: String = path.iter().flat_map(|name| ["/", name]).collect();
    if let Some(found) = from.pointer(&pointer) {
        put(to, path, found.clone());
    }
}
