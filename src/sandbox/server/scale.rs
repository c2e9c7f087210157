//! `/scale`: the count of a workload's replicas as an object of its own (`autoscaling/v1`).

use http::{Method, Response};
use serde_json::{Value, json};

use super::call::Call;
use super::create::Options;
use super::json::{put, text, whole};
use super::patch::{Style, patched};
use super::select;
use super::status::Refused;
use super::write::{Change, apply_config, check_name};
use super::{Answer, ApiServer, answer, apply};
use crate::sandbox::kinds::Kind;
use crate::sandbox::store::Key;

/// Group and version of every scale.
const VERSION: &str = "autoscaling/v1";

impl ApiServer {
    /// Reads or writes the scale of an object.
    pub(super) fn scale(
        &self,
        call: &Call,
        kind: &Kind,
        key: &Key,
        method: &Method,
    ) -> Result<Response<Answer>, Refused> {
        let old = self.store().get(key).cloned().ok_or_else(|| Refused::not_found(kind, &key.name))?;
        let shown = scale_of(&old);
        let wanted = match *method {
            Method::GET => return Ok(answer(200, &shown)),
            Method::PUT => call.json()?,
            Method::PATCH => match Style::of(call, kind)? {
                Style::Apply => return self.apply_scale(call, kind, key),
                style => patched(style, &shown, &call.json()?)?,
            },
            _ => return Err(Refused::method()),
        };
        let wanted_replicas = replicas_of(&wanted, key);
        let wanted_replicas = if *method == Method::PATCH {
            wanted_replicas.map_err(Refused::bad_patch)?
        } else {
            wanted_replicas?
        };
        let mut store = self.store();
        let old = store.get(key).cloned().ok_or_else(|| Refused::not_found(kind, &key.name))?;
        let mut next = Value::clone(&old);
        put(&mut next, &["spec", "replicas"], wanted_replicas);
        put(&mut next, &["metadata", "resourceVersion"], text(&wanted, "/metadata/resourceVersion"));
        if let Some(uid) = wanted.pointer("/metadata/uid") {
            put(&mut next, &["metadata", "uid"], uid.clone());
        }
        let options = Options::of(call);
        let change = Change { kind, key, subresource: "scale", options: &options, notes: true };
        let written = self.replace(&mut store, &change, next)?;
        Ok(answer(200, &scale_of(&written)))
    }

    /// An apply to the scale owns `spec.replicas` of the workload itself.
    fn apply_scale(&self, call: &Call, kind: &Kind, key: &Key) -> Result<Response<Answer>, Refused> {
        let config = apply_config(call, (VERSION, "Scale"))?;
        check_name(&config, key)?;
        let mut store = self.store();
        let old = store.get(key).cloned().ok_or_else(|| Refused::not_found(kind, &key.name))?;
        let mut part = json!({});
        if let Some(replicas) = config.pointer("/spec/replicas") {
            replicas_of(&config, key)?;
            put(&mut part, &["spec", "replicas"], replicas.clone());
        }
        let options = Options::of(call);
        let mut next = apply::apply(kind, &old, &part, &self.writer(&options, "scale"))?;
        super::json::put_default(&mut next, &["spec", "replicas"], 0);
        put(&mut next, &["metadata", "resourceVersion"], text(&config, "/metadata/resourceVersion"));
        let change = Change { kind, key, subresource: "scale", options: &options, notes: false };
        let written = self.replace(&mut store, &change, next)?;
        Ok(answer(200, &scale_of(&written)))
    }
}

/// The count that `scale` asks for.
fn replicas_of(scale: &Value, key: &Key) -> Result<i64, Refused> {
    let stated = scale.pointer("/spec/replicas").cloned().unwrap_or_default();
    if !stated.is_null() && !stated.is_i64() {
        let why = format!("Scale in version \"v1\" cannot be handled as a Scale: {stated} is no number");
        return Err(Refused::bad_request(why));
    }
    let replicas = stated.as_i64().unwrap_or(0);
    if replicas >= 0 {
        return Ok(replicas);
    }
    let what = format!("Invalid value: {replicas}: must be greater than or equal to 0");
    Err(Refused::invalid_scale(&key.name, &[("spec.replicas".to_owned(), "FieldValueInvalid", what)]))
}

/// The scale of a workload. Zero replicas are left out, as the server leaves out every zero there.
fn scale_of(object: &Value) -> Value {
    let mut metadata = json!({});
    for name in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        super::json::copy(&mut metadata, object.get("metadata").unwrap_or(&Value::Null), &[name]);
    }
    let mut scale = json!({
        "kind": "Scale", "apiVersion": VERSION, "metadata": metadata, "spec": {},
        "status": {"replicas": whole(object, "/status/replicas").unwrap_or(0)},
    });
    if let Some(replicas) = whole(object, "/spec/replicas").filter(|n| *n != 0) {
        put(&mut scale, &["spec", "replicas"], replicas);
    }
    let selector = object.pointer("/spec/selector").map(select::as_text).unwrap_or_default();
    if !selector.is_empty() {
        put(&mut scale, &["status", "selector"], selector);
    }
    scale
}
