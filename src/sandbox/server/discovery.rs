//! What is served and at which version, as far as `kubectl` needs it to get, describe, apply, scale, patch and delete.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{Method, Response};
use serde_json::{Map, Value, json};

use super::call::Call;
use super::json::put;
use super::status::Refused;
use super::{Answer, answer, whole};
use crate::sandbox::kinds::{Kind, kinds};

/// The release whose types the built-in kinds are checked against (feature `v1_33` of `k8s-openapi`).
const RELEASE: (&str, &str) = ("1", "33");

/// Verbs of a kind, and of its parts.
const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const PART_VERBS: [&str; 3] = ["get", "patch", "update"];

/// The answer at an address that names no object.
pub(super) fn answer_to(call: &Call) -> Result<Response<Answer>, Refused> {
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
        ["openapi", "v3"] => openapi_index(),
        ["openapi", "v3", "api", version] => openapi("", version)?,
        ["openapi", "v3", "apis", group, version] => openapi(group, version)?,
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

fn of_version<'a>(group: &'a str, version: &'a str) -> impl Iterator<Item = &'static Kind> {
    kinds().iter().filter(move |kind| kind.group == group && kind.version == version)
}

fn resources(group: &str, version: &str) -> Result<Value, Refused> {
    let mut list: Vec<Value> = Vec::new();
    for kind in of_version(group, version) {
        let mut resource = json!({
            "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced(), "kind": kind.name,
            "verbs": VERBS,
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
    Ok(json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": list}))
}

fn openapi_index() -> Value {
    let mut paths = Map::new();
    for kind in kinds() {
        let version = kind.api_version();
        let path = if kind.group.is_empty() { format!("api/{version}") } else { format!("apis/{version}") };
        paths.insert(path.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash=SANDBOX")}));
    }
    json!({"paths": paths})
}

/// The parameters that a write takes, which is what `kubectl` looks for, and the schemas of our own kinds, which
/// `kubectl explain` prints.
fn openapi(group: &str, version: &str) -> Result<Value, Refused> {
    let mut paths = Map::new();
    let mut schemas = Map::new();
    for kind in of_version(group, version) {
        let gvk = json!({"group": group, "version": version, "kind": kind.name});
        let root =
            if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
        let namespace = if kind.namespaced() { "/namespaces/{namespace}" } else { "" };
        let parameter = |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
        let parameters: Vec<Value> =
            ["dryRun", "fieldManager", "fieldValidation"].into_iter().map(parameter).collect();
        let operation = |action: &str| {
            json!({
                "parameters": parameters, "responses": {}, "x-kubernetes-action": action,
                "x-kubernetes-group-version-kind": gvk,
            })
        };
        let read =
            json!({"responses": {}, "x-kubernetes-action": "get", "x-kubernetes-group-version-kind": gvk});
        paths.insert(
            format!("{root}{namespace}/{}/{{name}}", kind.plural),
            json!({"get": read, "put": operation("put"), "patch": operation("patch")}),
        );
        let schema = kind.custom.map_or_else(|| json!({"type": "object"}), |custom| custom.schema.clone());
        let mut schema = schema;
        put(&mut schema, &["x-kubernetes-group-version-kind"], json!([gvk]));
        schemas.insert(
            format!("{}.{version}.{}", if group.is_empty() { "core" } else { group }, kind.name),
            schema,
        );
    }
    if paths.is_empty() {
        return Err(Refused::no_such_path());
    }
    let (major, minor) = RELEASE;
    let info = json!({"title": "Foresail sandbox", "version": format!("v{major}.{minor}.0")});
    Ok(json!({"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}}))
}
