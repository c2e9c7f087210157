//! Create: what a new object is given, and what it is refused for.

use std::sync::Arc;

use http::Response;
use serde_json::{Value, json};

use super::call::Call;
use super::json::{put, take, text};
use super::prepare::{self, Unknown};
use super::status::Refused;
use super::write::{envelope, storing, warned};
use super::{Answer, ApiServer, apply, defaults, key_of, view};
use crate::sandbox::kinds::{Kind, known};
use crate::sandbox::store::Store;

/// How a write is to be done.
pub(crate) struct Options {
    pub(super) manager: String,
    pub(super) dry_run: bool,
    pub(super) unknown: Unknown,
    pub(super) force: bool,
}

/// A stored object and what is to be warned of.
type Stored = (Arc<Value>, Vec<String>);

impl Options {
    /// As the parameters of `call` say.
    pub(super) fn of(call: &Call) -> Self {
        let unknown = match call.param("fieldValidation") {
            "Strict" => Unknown::Refuse,
            "Ignore" => Unknown::Drop,
            _ => Unknown::Warn,
        };
        Self { manager: call.manager(), dry_run: call.is_dry_run(), unknown, force: call.is_set("force") }
    }

    /// As `manager` writes from within.
    pub(crate) fn of_manager(manager: &str) -> Self {
        Self { manager: manager.to_owned(), dry_run: false, unknown: Unknown::Drop, force: true }
    }
}

/// Metadata that a new object does not bring along.
const NOT_OF_CLIENTS: [&str; 4] =
    ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "managedFields"];

impl ApiServer {
    /// `POST` to a collection.
    pub(super) fn post(
        &self,
        call: &Call,
        kind: &Kind,
        namespace: Option<&str>,
    ) -> Result<Response<Answer>, Refused> {
        if kind.namespaced() && namespace.is_none() {
            return Err(Refused::method());
        }
        call.check_dry_run("CreateOptions")?;
        let object = call.json()?;
        let (created, warnings) =
            self.create_in(&mut self.store(), kind, object_in(kind, object, namespace)?, &Options::of(call))?;
        Ok(warned(self.shaped(201, call, kind, &created), &warnings))
    }

    /// Creates an object that knows its namespace.
    pub(crate) fn create_in(
        &self,
        store: &mut Store,
        kind: &Kind,
        mut object: Value,
        options: &Options,
    ) -> Result<Stored, Refused> {
        let namespace = text(&object, "/metadata/namespace").to_owned();
        self.name(kind, &mut object)?;
        if !text(&object, "/metadata/resourceVersion").is_empty() {
            return Err(Refused::internal("resourceVersion should not be set on objects to be created"));
        }
        check_namespace(store, kind, &namespace)?;
        let object = view::stored(kind, object, &storing(kind).api_version());
        let (mut object, warnings) = prepare::cleaned(storing(kind), &object, options.unknown)?;
        for name in NOT_OF_CLIENTS {
            take(&mut object, &["metadata", name]);
        }
        if kind.has_status() {
            take(&mut object, &["status"]);
        }
        let mut object = defaults::filled(storing(kind), object);
        prepare::validate(kind, &object, None)?;
        if let Some(status) = defaults::first_status(kind) {
            put(&mut object, &["status"], status);
        }
        let name = text(&object, "/metadata/name").to_owned();
        let key = key_of(kind, &namespace, &name);
        if store.get(&key).is_some() {
            return Err(Refused::exists(kind, &name));
        }
        put(&mut object, &["metadata", "uid"], self.uid());
        put(&mut object, &["metadata", "creationTimestamp"], self.seconds());
        if kind.has_generation() {
            put(&mut object, &["metadata", "generation"], 1);
        }
        apply::note_update(storing(kind), &json!({}), &mut object, &self.writer(options, ""));
        if options.dry_run {
            return Ok((Arc::new(object), warnings));
        }
        Ok((store.put(key, object), warnings))
    }

    /// Creates an object of `kind` as `manager`, within a look of that controller at the store.
    pub(crate) fn create_locked(
        &self,
        store: &mut Store,
        kind: &Kind,
        object: Value,
        manager: &str,
    ) -> Result<Arc<Value>, Refused> {
        self.create_in(store, kind, envelope(kind, object)?, &Options::of_manager(manager))
            .map(|(created, _)| created)
    }

    fn name(&self, kind: &Kind, object: &mut Value) -> Result<(), Refused> {
        if !text(object, "/metadata/name").is_empty() {
            return Ok(());
        }
        let prefix = text(object, "/metadata/generateName").to_owned();
        if prefix.is_empty() {
            let what = "Required value: name or generateName is required".to_owned();
            return Err(Refused::invalid(
                kind,
                "",
                &[("metadata.name".to_owned(), "FieldValueRequired", what)],
            ));
        }
        put(object, &["metadata", "name"], format!("{prefix}{}", self.suffix()));
        Ok(())
    }

    /// Five letters, as the server makes names unique.
    pub(crate) fn suffix(&self) -> String {
        const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
        let mut bits = self.fresh();
        (0..5)
            .map(|_| {
                let place = usize::try_from(bits % 27).unwrap_or(0);
                bits /= 27;
                LETTERS.get(place).map_or('x', |letter| char::from(*letter))
            })
            .collect()
    }

    fn uid(&self) -> String {
        let (high, low) = (self.fresh(), self.fresh());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | ((low >> 48) & 0x3fff),
            low & 0xffff_ffff_ffff
        )
    }
}

fn check_namespace(store: &Store, kind: &Kind, namespace: &str) -> Result<(), Refused> {
    if !kind.namespaced() {
        return Ok(());
    }
    let namespaces = known("v1", "Namespace");
    let found = store
        .get(&key_of(namespaces, "", namespace))
        .ok_or_else(|| Refused::not_found(namespaces, namespace))?;
    if found.pointer("/metadata/deletionTimestamp").is_some() {
        let why =
            format!("unable to create new content in namespace {namespace} because it is being terminated");
        return Err(Refused::forbidden(kind, namespace, &why));
    }
    Ok(())
}

/// The object with the namespace of the address, which it may not contradict.
fn object_in(kind: &Kind, object: Value, namespace: Option<&str>) -> Result<Value, Refused> {
    let mut object = envelope(kind, object)?;
    let Some(namespace) = namespace else { return Ok(object) };
    let inside = text(&object, "/metadata/namespace");
    if !inside.is_empty() && inside != namespace {
        return Err(Refused::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    put(&mut object, &["metadata", "namespace"], namespace);
    Ok(object)
}
