//! Update, patch and server-side apply.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use serde_json::Value;

use super::apply::{self, Writer};
use super::call::{Call, Place};
use super::create::Options;
use super::json::{copy, items, put, take, text, whole};
use super::patch::{Style, patched};
use super::prepare::{self, Unknown};
use super::status::{Refused, bytes_of};
use super::{Answer, ApiServer, defaults, view, whole as whole_answer};
use crate::edge::clock::to_jiff;
use crate::sandbox::kinds::{Kind, kind_of, kinds, known};
use crate::sandbox::store::{Key, Store};
use crate::units::Timestamp;

impl ApiServer {
    /// `PUT` of an object or its status.
    pub(super) fn put(&self, call: &Call, kind: &Kind, key: &Key) -> Result<Response<Answer>, Refused> {
        let object = envelope(kind, call.json()?)?;
        let mut store = self.store();
        if store.get(key).is_none() {
            return Err(Refused::not_found(kind, &key.name));
        }
        check_name(&object, key)?;
        if text(&object, "/metadata/resourceVersion").is_empty() && !kind.unconditional_update() {
            return Err(Refused::no_version(kind, &key.name));
        }
        let object = view::stored(kind, object, &storing(kind).api_version());
        let (object, warnings) = prepare::cleaned(storing(kind), &object, Options::of(call).unknown)?;
        let change =
            Change { kind, key, subresource: part_of(call), options: &Options::of(call), notes: true };
        let written = self.replace(&mut store, &change, object)?;
        drop(store);
        Ok(warned(self.shaped(200, call, kind, &written), &warnings))
    }

    /// `PATCH` of an object or its status; an apply may create it.
    pub(super) fn patch(&self, call: &Call, kind: &Kind, key: &Key) -> Result<Response<Answer>, Refused> {
        let style = Style::of(call, kind)?;
        let options = Options::of(call);
        let change = Change { kind, key, subresource: part_of(call), options: &options, notes: true };
        if style == Style::Apply {
            return self.server_side_apply(call, &change);
        }
        let patch = call.json()?;
        let mut store = self.store();
        let old = store.get(key).cloned().ok_or_else(|| Refused::not_found(kind, &key.name))?;
        let shown = view::shown(kind, &old);
        let object = patched(style, &shown, &patch)?;
        check_name(&object, key)?;
        let object = view::stored(kind, object, &storing(kind).api_version());
        if text(&object, "/metadata/uid") != text(&old, "/metadata/uid") {
            let uid = text(&object, "/metadata/uid");
            let what = format!("Invalid value: \"{uid}\": field is immutable");
            let causes = [("metadata.uid".to_owned(), "FieldValueInvalid", what)];
            return Err(Refused::invalid(kind, &key.name, &causes));
        }
        let (object, warnings) =
            prepare::cleaned(storing(kind), &object, options.unknown).map_err(Refused::bad_patch)?;
        let written = self.replace(&mut store, &change, object)?;
        drop(store);
        Ok(warned(self.shaped(200, call, kind, &written), &warnings))
    }

    fn server_side_apply(&self, call: &Call, change: &Change<'_>) -> Result<Response<Answer>, Refused> {
        let Change { kind, key, subresource, options, .. } = *change;
        let config = apply_config(call, (&kind.api_version(), &kind.name))?;
        check_name(&config, key)?;
        let (_, strange) = prepare::cleaned(kind, &config, Unknown::Warn)?;
        if let [first, ..] = strange.as_slice() {
            return Err(Refused::internal(format!(
                "failed to create typed patch object ({}/{}; {}, Kind={}): .{first}: field not declared in schema",
                key.namespace,
                key.name,
                kind.api_version(),
                kind.name
            )));
        }
        let mut store = self.store();
        let Some(old) = store.get(key).cloned() else {
            if !subresource.is_empty() {
                return Err(Refused::not_found(kind, &key.name));
            }
            return self.create_by_apply(&mut store, (call, change), &config);
        };
        let wanted = text(&config, "/metadata/resourceVersion");
        if !wanted.is_empty() && wanted != text(&old, "/metadata/resourceVersion") {
            return Err(Refused::changed(kind, &key.name));
        }
        let mut config = config;
        if subresource == "status" {
            take(&mut config, &["spec"]);
        } else if kind.has_status() {
            take(&mut config, &["status"]);
        }
        let merged = apply::apply(kind, &old, &config, &self.writer(options, subresource))?;
        let written = self.replace(&mut store, &Change { notes: false, ..*change }, merged)?;
        Ok(self.shaped(200, call, kind, &written))
    }

    fn create_by_apply(
        &self,
        store: &mut Store,
        (call, change): (&Call, &Change<'_>),
        config: &Value,
    ) -> Result<Response<Answer>, Refused> {
        let Change { kind, key, options, .. } = *change;
        let owned = apply::apply(kind, &Value::Null, config, &self.writer(options, ""))?;
        let dry = Options {
            manager: options.manager.clone(),
            dry_run: true,
            unknown: options.unknown,
            force: true,
        };
        let mut config = config.clone();
        if kind.namespaced() {
            put(&mut config, &["metadata", "namespace"], key.namespace.clone());
        }
        let (made, _) = self.create_in(store, kind, config, &dry)?;
        let mut made = Value::clone(&made);
        copy(&mut made, &owned, &["metadata", "managedFields"]);
        let stored = if options.dry_run { Arc::new(made) } else { store.put(key.clone(), made) };
        Ok(self.shaped(201, call, kind, &stored))
    }

    /// Puts `new` in the place of what stands: what the server keeps is kept, what changed is noted, an object that
    /// waited only for its last finalizer goes.
    pub(crate) fn replace(
        &self,
        store: &mut Store,
        change: &Change<'_>,
        new: Value,
    ) -> Result<Arc<Value>, Refused> {
        let Change { kind, key, subresource, options, notes } = *change;
        let old = &store.get(key).cloned().ok_or_else(|| Refused::not_found(kind, &key.name))?;
        let (stands, wanted) =
            (text(old, "/metadata/resourceVersion"), text(&new, "/metadata/resourceVersion"));
        if !wanted.is_empty() && wanted != stands {
            return Err(Refused::changed(kind, &key.name));
        }
        let (uid, other) = (text(old, "/metadata/uid"), text(&new, "/metadata/uid"));
        if !other.is_empty() && other != uid {
            let why = format!(
                "StorageError: invalid object, Code: 4, Key: /registry/{}/{}/{}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {other}, UID in object meta: {uid}",
                kind.plural, key.namespace, key.name
            );
            return Err(Refused::conflict(kind, &key.name, &why));
        }
        let mut new = new;
        put(&mut new, &["metadata", "name"], key.name.clone());
        if !key.namespace.is_empty() {
            put(&mut new, &["metadata", "namespace"], key.namespace.clone());
        }
        check_finalizers(kind, old, &new)?;
        let owners = new.pointer("/metadata/managedFields").cloned();
        let kept = prepare::keep(storing(kind), old, new, subresource);
        let mut next = if subresource == "status" { kept } else { defaults::filled(storing(kind), kept) };
        put(&mut next, &["metadata", "resourceVersion"], stands);
        if subresource == "status" {
            prepare::check_status(kind, &next)?;
        } else {
            prepare::validate(kind, &next, Some(old))?;
        }
        prepare::count_generation(kind, old, &mut next);
        if notes {
            apply::note_update(storing(kind), old, &mut next, &self.writer(options, subresource));
        } else if let Some(owners) = owners {
            put(&mut next, &["metadata", "managedFields"], owners);
        }
        if next == **old {
            return Ok(Arc::clone(old));
        }
        if options.dry_run {
            return Ok(Arc::new(next));
        }
        let leaves = next.pointer("/metadata/deletionTimestamp").is_some()
            && items(&next, "/metadata/finalizers").is_empty()
            && whole(&next, "/metadata/deletionGracePeriodSeconds").unwrap_or(0) == 0;
        let written = store.put(key.clone(), next);
        if leaves {
            self.remove(store, key);
        }
        Ok(written)
    }

    /// Changes an object as `manager` of a part of it, within a look of that controller at the store.
    pub(crate) fn edit(
        &self,
        store: &mut Store,
        key: &Key,
        (manager, subresource): (&str, &str),
        change: impl FnOnce(&mut Value),
    ) -> Result<Arc<Value>, Refused> {
        let kind = kind_of(key);
        let old = store.get(key).cloned().ok_or_else(|| Refused::not_found(kind, &key.name))?;
        let mut next = Value::clone(&old);
        change(&mut next);
        let options = Options::of_manager(manager);
        self.replace(store, &Change { kind, key, subresource, options: &options, notes: true }, next)
    }

    /// The answer that shows a stored object.
    pub(super) fn shaped(
        &self,
        code: u16,
        call: &Call,
        kind: &Kind,
        stored: &Arc<Value>,
    ) -> Response<Answer> {
        let shown = view::shown(kind, stored);
        whole_answer(code, "application/json", bytes_of(&view::formed(kind, &shown, call.form, self.now())))
    }

    pub(crate) fn writer<'a>(&self, options: &'a Options, subresource: &'a str) -> Writer<'a> {
        Writer { manager: &options.manager, subresource, time: self.seconds(), force: options.force }
    }

    /// Now, as the API writes instants.
    pub(crate) fn seconds(&self) -> String {
        seconds_of(self.now())
    }
}

/// A change of one object: which, which part of it, and how.
#[derive(Clone, Copy)]
pub(crate) struct Change<'a> {
    pub(crate) kind: &'a Kind,
    pub(crate) key: &'a Key,
    pub(crate) subresource: &'a str,
    pub(crate) options: &'a Options,
    /// Whether who changed what is to be noted; an apply has done so itself.
    pub(crate) notes: bool,
}

/// An instant to the second, as the API writes it.
pub(crate) fn seconds_of(at: Timestamp) -> String {
    to_jiff(Timestamp::from_seconds(at.seconds())).to_string()
}

fn part_of(call: &Call) -> &'static str {
    match &call.place {
        Place::Object { subresource: Some(part), .. } if part == "status" => "status",
        _ => "",
    }
}

/// The kind in whose form an object is stored.
pub(super) fn storing(kind: &Kind) -> &'static Kind {
    kinds().get(kind.stored_as).unwrap_or_else(|| known("events.k8s.io/v1", "Event"))
}

/// Refuses an object of another kind than the address says, and fills in what it says itself.
pub(super) fn envelope(kind: &Kind, mut object: Value) -> Result<Value, Refused> {
    if !object.is_object() {
        return Err(Refused::bad_request("the body is no object"));
    }
    let (name, version) = (text(&object, "/kind").to_owned(), text(&object, "/apiVersion").to_owned());
    if !name.is_empty() && !version.is_empty() && (&name, &version) != (&kind.name, &kind.api_version()) {
        return Err(another_kind(kind, &name, &version, &object));
    }
    if !version.is_empty() && version != kind.api_version() {
        return Err(Refused::bad_request(format!(
            "the API version in the data ({version}) does not match the expected API version ({})",
            kind.api_version()
        )));
    }
    if !name.is_empty() && name != kind.name {
        return Err(Refused::bad_request(format!(
            "the kind in the data ({name}) does not match the expected kind ({})",
            kind.name
        )));
    }
    put(&mut object, &["kind"], kind.name.clone());
    put(&mut object, &["apiVersion"], kind.api_version());
    Ok(object)
}

/// The refusal of an object of the kind `name` of `version` where `kind` is written.
fn another_kind(kind: &Kind, name: &str, version: &str, object: &Value) -> Refused {
    if kind.custom.is_some() {
        let what = format!("Invalid value: \"{name}\": must be {}", kind.name);
        let causes = [("kind".to_owned(), "FieldValueInvalid", what)];
        return Refused::invalid(kind, text(object, "/metadata/name"), &causes);
    }
    let other = version.rsplit('/').next().unwrap_or_default();
    let group = kind.group.split('.').next().filter(|group| !group.is_empty()).unwrap_or("core");
    Refused::bad_request(format!(
        "{name} in version \"{other}\" cannot be handled as a {}: converting ({other}.{name}) to ({group}.{}): unknown conversion",
        kind.name, kind.name
    ))
}

/// Refuses new finalizers of what is being deleted.
fn check_finalizers(kind: &Kind, old: &Value, new: &Value) -> Result<(), Refused> {
    let held = items(old, "/metadata/finalizers");
    let more: Vec<String> = items(new, "/metadata/finalizers")
        .iter()
        .filter(|one| !held.contains(one))
        .map(Value::to_string)
        .collect();
    if old.pointer("/metadata/deletionTimestamp").is_none() || more.is_empty() {
        return Ok(());
    }
    let what = format!(
        "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        more.join(", ")
    );
    let causes = [("metadata.finalizers".to_owned(), "FieldValueForbidden", what)];
    Err(Refused::invalid(kind, text(old, "/metadata/name"), &causes))
}

/// What an apply wants to own, of this group and version, and kind.
pub(super) fn apply_config(call: &Call, expected: (&str, &str)) -> Result<Value, Refused> {
    if call.param("fieldManager").is_empty() {
        let what = "Required value: is required for apply patch";
        return Err(Refused::invalid_options("PatchOptions", ("fieldManager", "FieldValueRequired", what)));
    }
    let config = call.json()?;
    if !items(&config, "/metadata/managedFields").is_empty() {
        return Err(Refused::bad_request("metadata.managedFields must be nil"));
    }
    let (stated, name) = (text(&config, "/apiVersion"), text(&config, "/kind"));
    if (stated, name) != expected {
        let slash = if stated.contains('/') { "" } else { "/" };
        return Err(Refused::bad_request(format!("invalid object type: {slash}{stated}, Kind={name}")));
    }
    Ok(config)
}

pub(super) fn check_name(object: &Value, key: &Key) -> Result<(), Refused> {
    let name = text(object, "/metadata/name");
    if !name.is_empty() && name != key.name {
        return Err(Refused::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            key.name
        )));
    }
    let namespace = text(object, "/metadata/namespace");
    if !namespace.is_empty() && namespace != key.namespace {
        return Err(Refused::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    Ok(())
}

/// The answer with a header for each warning.
pub(super) fn warned(mut response: Response<Answer>, warnings: &[String]) -> Response<Answer> {
    for path in warnings {
        let line = Bytes::from(format!("299 - \"unknown field \\\"{path}\\\"\""));
        if let Ok(value) = http::HeaderValue::from_maybe_shared(line) {
            response.headers_mut().append(http::header::WARNING, value);
        }
    }
    response
}
