//! `/scale`: the count of a workload's replicas as an object of its own (`autoscaling/v1`).

use http::{Method, Response};
use serde_json::{Value, json};

use super::call::Call;
use super::create::Options;
use super::json::{put, text, whole};
use super::patch::{Style, patched};
use super::select;
use super::status::Refused;
use super::write::Change;
use super::{Answer, ApiServer, answer};
use crate::sandbox::kinds::Kind;
use crate::sandbox::store::Key;

impl ApiServer {
    /// Reads or writes the scale of an object.
    pub(super) fn scale(
        &self,
        call: &Call,
        kind: &Kind,
        key: &Key,
        method: &Method,
    ) -> Result<Response<Answer>, Refused> {
        let mut store = self.store();
        let old = store.get(key).cloned().ok_or_else(|| Refused::not_found(kind, &key.name))?;
        let shown = scale_of(&old);
        let wanted = match *method {
            Method::GET => return Ok(answer(200, &shown)),
            Method::PUT => call.json()?,
            Method::PATCH => match Style::of(call, kind)? {
                Style::Apply => {
                    return Err(Refused::media_type(
                        "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json",
                    ));
                }
                style => patched(style, &shown, &call.json()?)?,
            },
            _ => return Err(Refused::method()),
        };
        let replicas = whole(&wanted, "/spec/replicas").unwrap_or(0);
        if replicas < 0 {
            let what = format!("Invalid value: {replicas}: must be greater than or equal to 0");
            return Err(Refused::invalid_scale(
                &key.name,
                &[("spec.replicas".to_owned(), "FieldValueInvalid", what)],
            ));
        }
        let mut next = Value::clone(&old);
        put(&mut next, &["spec", "replicas"], replicas);
        put(&mut next, &["metadata", "resourceVersion"], text(&wanted, "/metadata/resourceVersion"));
        if let Some(uid) = wanted.pointer("/metadata/uid") {
            put(&mut next, &["metadata", "uid"], uid.clone());
        }
        let options = Options::of(call);
        let change = Change { kind, key, subresource: "scale", options: &options, notes: true };
        let written = self.replace(&mut store, &change, next)?;
        Ok(answer(200, &scale_of(&written)))
    }
}

/// The scale of a workload. Zero replicas are left out, as the server leaves out every zero there.
fn scale_of(object: &Value) -> Value {
    let mut metadata = json!({});
    for name in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        super::json::copy(&mut metadata, object.get("metadata").unwrap_or(&Value::Null), &[name]);
    }
    let mut scale = json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": {},
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
