//! What is served and at which version, as far as `kubectl` needs it to get, describe, apply, scale, patch and delete.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{Method, Response};
use serde_json::{Value, json};

use super::call::Call;
use super::json::put;
use super::status::Refused;
use super::{Answer, answer, openapi, whole};
use crate::sandbox::kinds::{Kind, kinds};

/// The release whose types the built-in kinds are checked against (feature `v1_33` of `k8s-openapi`).
pub(super) const RELEASE: (&str, &str) = ("1", "33");

/// Verbs of a kind, and of its parts.
const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const CUSTOM_VERBS: [&str; 8] =
    ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
const PART_VERBS: [&str; 3] = ["get", "patch", "update"];

/// The answer at an address that names no object.
pub(super) fn answer_to(call: &Call) -> Result<Response<Answer>, Refused> {
    match found(call) {
        Err(refused) if refused.code == 404 => {
            Ok(whole(404, "text/plain; charset=utf-8", Bytes::from_static(b"404 page not found\n")))
        }
        found => found,
    }
}

fn found(call: &Call) -> Result<Response<Answer>, Refused> {
    if call.method != Method::GET {
        return Err(Refused::method());
    }
    let segments: Vec<&str> = call.path.split('/').filter(|segment| !segment.is_empty()).collect();
    let body = match segments.as_slice() {
        ["healthz" | "livez" | "readyz", ..] => {
            return Ok(whole(200, "text/plain; charset=utf-8", Bytes::from_static(b"ok")));
        }
        ["version"] => version(),
        ["api"] => json!({
            "kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"}],
        }),
        ["apis"] => {
            let groups: Vec<Value> =
                groups().into_iter().map(|(group, version)| group_of(group, version)).collect();
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
        }
        ["apis", group] => {
            let found = groups().into_iter().find(|(name, _)| name == group);
            let (group, version) = found.ok_or_else(Refused::no_such_path)?;
            let mut body = group_of(group, version);
            put(&mut body, &["kind"], "APIGroup");
            put(&mut body, &["apiVersion"], "v1");
            body
        }
        ["api", version] => resources("", version)?,
        ["apis", group, version] => resources(group, version)?,
        ["openapi", "v3"] => openapi::index(),
        ["openapi", "v3", "api", version] => openapi::document("", version)?,
        ["openapi", "v3", "apis", group, version] => openapi::document(group, version)?,
        _ => return Err(Refused::no_such_path()),
    };
    Ok(answer(200, &body))
}

fn version() -> Value {
    let (major, minor) = RELEASE;
    json!({
        "major": major, "minor": minor, "gitVersion": format!("v{major}.{minor}.0+foresail.sandbox"),
        "gitCommit": "", "gitTreeState": "", "buildDate": "1970-01-01T00:00:00Z", "goVersion": "",
        "compiler": "rustc", "platform": "foresail/sandbox",
    })
}

/// Every group but the core, with its only version.
fn groups() -> Vec<(&'static str, &'static str)> {
    let mut seen = BTreeSet::new();
    kinds()
        .iter()
        .filter(|kind| !kind.group.is_empty() && seen.insert(kind.group.as_str()))
        .map(|kind| (kind.group.as_str(), kind.version.as_str()))
        .collect()
}

fn group_of(group: &str, version: &str) -> Value {
    let entry = json!({"groupVersion": format!("{group}/{version}"), "version": version});
    json!({"name": group, "versions": [entry], "preferredVersion": entry})
}

pub(super) fn of_version<'a>(group: &'a str, version: &'a str) -> impl Iterator<Item = &'static Kind> {
    kinds().iter().filter(move |kind| kind.group == group && kind.version == version)
}

fn resources(group: &str, version: &str) -> Result<Value, Refused> {
    let mut list: Vec<Value> = Vec::new();
    for kind in of_version(group, version) {
        let mut resource = json!({
            "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced(), "kind": kind.name,
            "verbs": verbs_of(kind),
        });
        if !kind.short.is_empty() {
            put(&mut resource, &["shortNames"], kind.short.clone());
        }
        if !kind.categories.is_empty() {
            put(&mut resource, &["categories"], kind.categories.clone());
        }
        list.push(resource);
        if kind.has_status() {
            list.push(json!({
                "name": format!("{}/status", kind.plural), "singularName": "", "namespaced": kind.namespaced(),
                "kind": kind.name, "verbs": PART_VERBS,
            }));
        }
        if kind.has_scale() {
            list.push(json!({
                "name": format!("{}/scale", kind.plural), "singularName": "", "namespaced": kind.namespaced(),
                "group": "autoscaling", "version": "v1", "kind": "Scale", "verbs": PART_VERBS,
            }));
        }
    }
    if list.is_empty() {
        return Err(Refused::no_such_path());
    }
    let name = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let mut found = json!({"kind": "APIResourceList", "groupVersion": name, "resources": list});
    if !group.is_empty() {
        put(&mut found, &["apiVersion"], "v1");
    }
    Ok(found)
}

fn verbs_of(kind: &Kind) -> Vec<&'static str> {
    let verbs = if kind.custom.is_some() { CUSTOM_VERBS } else { VERBS };
    // Namespaces go one by one.
    verbs.into_iter().filter(|verb| kind.name != "Namespace" || *verb != "deletecollection").collect()
}
