//! Get and list, whole or in pages.

use std::ops::Bound;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Response;
use serde_json::{Value, json};

use super::call::{Call, Form};
use super::json::put;
use super::select::Selection;
use super::status::Refused;
use super::{Answer, ApiServer, answer, table, view};
use crate::sandbox::kinds::Kind;
use crate::sandbox::store::Key;

/// Where a page goes on: the version of the first page, and the last object of the one before.
struct Continue {
    version: u64,
    namespace: String,
    name: String,
}

impl Continue {
    fn token(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}/{}/{}", self.version, self.namespace, self.name))
    }

    fn parse(token: &str) -> Result<Option<Self>, Refused> {
        if token.is_empty() {
            return Ok(None);
        }
        let read = || {
            let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
            let mut parts = text.splitn(3, '/');
            let version = parts.next()?.parse().ok()?;
            Some(Self { version, namespace: parts.next()?.to_owned(), name: parts.next()?.to_owned() })
        };
        read()
            .map(Some)
            .ok_or_else(|| Refused::bad_request("continue key is not valid: it is none of this server"))
    }
}

/// One page of a list.
struct Page {
    version: u64,
    objects: Vec<Arc<Value>>,
    next: Option<String>,
    n_left: usize,
}

impl ApiServer {
    /// One object.
    pub(super) fn get(&self, call: &Call, kind: &Kind, key: &Key) -> Result<Response<Answer>, Refused> {
        let found = self.store().get(key).cloned();
        let object = found.ok_or_else(|| Refused::not_found(kind, &key.name))?;
        let object = view::shown(kind, &object);
        if call.form == Form::Whole {
            return Ok(answer(200, &object));
        }
        Ok(answer(200, &view::formed(kind, &object, call.form, self.now())))
    }

    /// The objects of a kind.
    pub(super) fn list(
        &self,
        call: &Call,
        kind: &Kind,
        namespace: Option<&str>,
    ) -> Result<Response<Answer>, Refused> {
        let selection = Selection::of(call, kind)?;
        let page = self.page(call, kind, namespace, &selection)?;
        let mut metadata = json!({"resourceVersion": page.version.to_string()});
        if let Some(token) = &page.next {
            put(&mut metadata, &["continue"], token.clone());
            if selection.is_all() {
                put(&mut metadata, &["remainingItemCount"], page.n_left);
            }
        } else if kind.custom.is_some() && call.form == Form::Whole {
            put(&mut metadata, &["continue"], "");
        }
        let body = match call.form {
            Form::Whole => json!({
                "kind": format!("{}List", kind.name), "apiVersion": kind.api_version(), "metadata": metadata,
                "items": page.objects.iter().map(|object| view::item(kind, object)).collect::<Vec<_>>(),
            }),
            Form::Metadata => json!({
                "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
                "items": page.objects.iter().map(|object| view::metadata_of(object)).collect::<Vec<_>>(),
            }),
            Form::Table => {
                let objects: Vec<&Value> = page.objects.iter().map(Arc::as_ref).collect();
                let options =
                    table::Options { now: self.now(), include: call.param("includeObject"), headers: true };
                let mut table = table::of(kind, &objects, &options);
                put(&mut table, &["metadata"], metadata);
                table
            }
        };
        Ok(answer(200, &body))
    }

    fn page(
        &self,
        call: &Call,
        kind: &Kind,
        namespace: Option<&str>,
        selection: &Selection,
    ) -> Result<Page, Refused> {
        let limit = call.param("limit").parse::<usize>().unwrap_or(0);
        let from = Continue::parse(call.param("continue"))?;
        let store = self.store();
        let version = match &from {
            Some(from) => from.version,
            None => wanted_version(call, store.version())?,
        };
        let objects = store.list_at(kind.stored_as, namespace, version)?;
        let after = from.map(|from| Key { kind: kind.stored_as, namespace: from.namespace, name: from.name });
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut selected = objects
            .range((start, Bound::Unbounded))
            .map(|(key, object)| (key, view::shown(kind, object)))
            .filter(|(_, object)| selection.shows(object))
            .peekable();
        let mut page = Page { version, objects: Vec::new(), next: None, n_left: 0 };
        while let Some((key, object)) = selected.next() {
            page.objects.push(object);
            if limit > 0 && page.objects.len() >= limit && selected.peek().is_some() {
                let Key { namespace, name, .. } = key.clone();
                page.next = Some(Continue { version, namespace, name }.token());
                page.n_left = selected.count();
                break;
            }
        }
        Ok(page)
    }
}

/// The version that a first page asks for: that of now unless it is stated exactly.
fn wanted_version(call: &Call, newest: u64) -> Result<u64, Refused> {
    let stated = call.param("resourceVersion");
    if stated.is_empty() && !call.param("resourceVersionMatch").is_empty() {
        let what = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided";
        return Err(Refused::invalid_options(
            "ListOptions",
            ("resourceVersionMatch", "FieldValueForbidden", what),
        ));
    }
    if stated.is_empty() || stated == "0" {
        return Ok(newest);
    }
    let version = parse_version(stated)?;
    if version > newest {
        return Err(crate::sandbox::store::OutOfReach::Future { wanted: version, newest }.into());
    }
    let exact = call.param("resourceVersionMatch") == "Exact"
        || (call.param("resourceVersionMatch").is_empty() && !call.param("limit").is_empty());
    Ok(if exact { version } else { newest })
}

/// A version as clients write it.
pub(super) fn parse_version(text: &str) -> Result<u64, Refused> {
    text.parse().map_err(|_| {
        Refused::bad_request(format!("Invalid value: \"{text}\": the resourceVersion is no number"))
    })
}
