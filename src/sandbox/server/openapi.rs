//! What `kubectl explain` prints and `kubectl` looks for before it writes: schemas and parameters as `OpenAPI` v3.
//!
//! The schemas of our own kinds are those of their definitions; those of built-in kinds and of what stands around a spec
//! come with `k8s-openapi`.

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{
    self as core, ConfigMap, Namespace, Node, Pod, ResourceQuota, Secret, ServiceAccount,
};
use k8s_openapi::api::events::v1::Event;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::discovery::{RELEASE, of_version};
use super::json::{put, text};
use super::status::Refused;
use crate::sandbox::kinds::{Kind, kinds};

/// Where the documents are.
pub(super) fn index() -> Value {
    let mut paths = Map::new();
    for kind in kinds() {
        let version = kind.api_version();
        let path = if kind.group.is_empty() { format!("api/{version}") } else { format!("apis/{version}") };
        paths.insert(path.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash=SANDBOX")}));
    }
    json!({"paths": paths})
}

/// The document of one group and version.
pub(super) fn document(group: &str, version: &str) -> Result<Value, Refused> {
    let mut paths = Map::new();
    let mut generator = SchemaSettings::openapi3().into_generator();
    // It brings the schema of metadata, and the words for what every object has.
    let around = generator.subschema_for::<ConfigMap>().to_value();
    let mut roots = Vec::new();
    for kind in of_version(group, version) {
        let gvk = json!({"group": group, "version": version, "kind": kind.name});
        paths.extend(operations(kind, &gvk));
        roots.push((kind, gvk, built_in(kind, &mut generator)));
    }
    if paths.is_empty() {
        return Err(Refused::no_such_path());
    }
    let mut schemas = generator.take_definitions(true);
    let envelope = schemas.get(name_of(&around)).cloned().unwrap_or_default();
    for (kind, gvk, reference) in roots {
        let own = format!("{}.{version}.{}", kind.group, kind.name);
        let name = if reference.is_null() { own.as_str() } else { name_of(&reference) };
        let schema = schemas.entry(name).or_insert_with(|| custom(kind, &envelope));
        put(schema, &["x-kubernetes-group-version-kind"], json!([gvk]));
    }
    let (major, minor) = RELEASE;
    let info = json!({"title": "Foresail sandbox", "version": format!("v{major}.{minor}.0")});
    Ok(json!({"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}}))
}

/// The name of the schema that is referred to.
fn name_of(reference: &Value) -> &str {
    text(reference, "/$ref").rsplit('/').next().unwrap_or_default()
}

/// A reference to the schema of a built-in kind; null for our own.
fn built_in(kind: &Kind, generator: &mut SchemaGenerator) -> Value {
    if kind.custom.is_some() {
        return Value::Null;
    }
    let schema = match kind.name.as_str() {
        "Namespace" => generator.subschema_for::<Namespace>(),
        "Node" => generator.subschema_for::<Node>(),
        "Pod" => generator.subschema_for::<Pod>(),
        "Secret" => generator.subschema_for::<Secret>(),
        "ServiceAccount" => generator.subschema_for::<ServiceAccount>(),
        "ConfigMap" => generator.subschema_for::<ConfigMap>(),
        "Deployment" => generator.subschema_for::<Deployment>(),
        "ReplicaSet" => generator.subschema_for::<ReplicaSet>(),
        "HorizontalPodAutoscaler" => generator.subschema_for::<HorizontalPodAutoscaler>(),
        "Lease" => generator.subschema_for::<Lease>(),
        "ResourceQuota" => generator.subschema_for::<ResourceQuota>(),
        _ if kind.group.is_empty() => generator.subschema_for::<core::Event>(),
        _ => generator.subschema_for::<Event>(),
    };
    schema.to_value()
}

/// The schema of one of our own kinds, with the fields that it shares with every other as in `envelope`.
fn custom(kind: &Kind, envelope: &Value) -> Value {
    let mut schema = kind.custom.map(|custom| custom.schema.clone()).unwrap_or_default();
    for field in ["apiVersion", "kind", "metadata"] {
        super::json::copy(&mut schema, envelope, &["properties", field]);
    }
    schema
}

/// The addresses of a kind with the parameters that a write takes.
fn operations(kind: &Kind, gvk: &Value) -> Map<String, Value> {
    let version = kind.api_version();
    let root = if kind.group.is_empty() { format!("/api/{version}") } else { format!("/apis/{version}") };
    let namespace = if kind.namespaced() { "/namespaces/{namespace}" } else { "" };
    let parameter =
        |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
    let parameters: Vec<Value> =
        ["dryRun", "fieldManager", "fieldValidation"].into_iter().map(parameter).collect();
    let write = |action: &str| {
        json!({
            "parameters": parameters, "responses": {}, "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": gvk,
        })
    };
    let read = json!({"responses": {}, "x-kubernetes-action": "get", "x-kubernetes-group-version-kind": gvk});
    let one = json!({"get": read, "put": write("put"), "patch": write("patch")});
    Map::from_iter([(format!("{root}{namespace}/{}/{{name}}", kind.plural), one)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_schema_and_every_reference_leads_somewhere() {
        for kind in kinds() {
            let document = document(&kind.group, &kind.version).unwrap();
            let schemas = document["components"]["schemas"].as_object().unwrap();
            let gvk = json!({"group": kind.group, "version": kind.version, "kind": kind.name});
            let own = schemas.values().find(|one| one["x-kubernetes-group-version-kind"][0] == gvk).unwrap();
            assert!(own["properties"]["metadata"].is_object(), "{}", kind.name);
            for reference in document.to_string().split("\"$ref\":\"#/components/schemas/").skip(1) {
                let name = reference.split('"').next().unwrap();
                assert!(schemas.contains_key(name), "{name}");
            }
        }
    }
}
