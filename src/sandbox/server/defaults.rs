//! What the server fills in.
//!
//! Source: the `Default` comments of the Kubernetes API reference, for the kinds that are served here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::json::{items, put, put_default, take, text, whole};
use crate::api;
use crate::sandbox::kinds::Kind;

/// `object` as it is stored, before the server's own metadata.
pub(crate) fn filled(kind: &Kind, mut object: Value) -> Value {
    if let Some(custom) = kind.custom {
        return api::stored(custom, &object);
    }
    match kind.name.as_str() {
        "Deployment" => deployment(&mut object),
        "ReplicaSet" => {
            put_default(&mut object, &["spec", "replicas"], 1);
            template(&mut object);
        }
        "Pod" => {
            if let Some(spec) = object.get_mut("spec") {
                pod_spec(spec);
                put_default(spec, &["enableServiceLinks"], true);
                put_default(spec, &["preemptionPolicy"], "PreemptLowerPriority");
                put_default(spec, &["priority"], 0);
                put_default(spec, &["serviceAccountName"], "default");
                put_default(spec, &["serviceAccount"], "default");
            }
        }
        "HorizontalPodAutoscaler" => hpa(&mut object),
        "Secret" => secret(&mut object),
        "Namespace" => {
            let name = text(&object, "/metadata/name").to_owned();
            put(&mut object, &["metadata", "labels", "kubernetes.io/metadata.name"], name);
            put_default(&mut object, &["spec", "finalizers"], json!(["kubernetes"]));
        }
        "Event" => {
            put_default(&mut object, &["regarding"], json!({}));
            put_default(&mut object, &["deprecatedSource"], json!({}));
        }
        _ => {}
    }
    object
}

/// The status of a new object, for kinds whose status is written apart.
pub(crate) fn first_status(kind: &Kind) -> Option<Value> {
    match kind.name.as_str() {
        "Namespace" => Some(json!({"phase": "Active"})),
        "Pod" => Some(json!({"phase": "Pending", "qosClass": "BestEffort"})),
        "ReplicaSet" => Some(json!({"replicas": 0})),
        "HorizontalPodAutoscaler" => Some(json!({"currentMetrics": null, "desiredReplicas": 0})),
        "Deployment" => Some(json!({})),
        _ => None,
    }
}

/// What was given as text is kept as the rest.
fn secret(object: &mut Value) {
    put_default(object, &["type"], "Opaque");
    let Some(Value::Object(given)) = take(object, &["stringData"]) else { return };
    for (name, text) in given {
        let encoded = STANDARD.encode(text.as_str().unwrap_or_default());
        put(object, &["data", &name], encoded);
    }
}

fn deployment(object: &mut Value) {
    for (path, value) in
        [("replicas", json!(1)), ("revisionHistoryLimit", json!(10)), ("progressDeadlineSeconds", json!(600))]
    {
        put_default(object, &["spec", path], value);
    }
    put_default(object, &["spec", "strategy", "type"], "RollingUpdate");
    if text(object, "/spec/strategy/type") == "RollingUpdate" {
        put_default(object, &["spec", "strategy", "rollingUpdate", "maxSurge"], "25%");
        put_default(object, &["spec", "strategy", "rollingUpdate", "maxUnavailable"], "25%");
    }
    template(object);
}

fn template(object: &mut Value) {
    if let Some(spec) = object.pointer_mut("/spec/template/spec") {
        pod_spec(spec);
    }
}

fn pod_spec(spec: &mut Value) {
    put_default(spec, &["restartPolicy"], "Always");
    put_default(spec, &["terminationGracePeriodSeconds"], 30);
    put_default(spec, &["dnsPolicy"], "ClusterFirst");
    put_default(spec, &["securityContext"], json!({}));
    put_default(spec, &["schedulerName"], "default-scheduler");
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let image = text(container, "/image");
            let latest = image.ends_with(":latest")
                || !image.rsplit('/').next().unwrap_or_default().contains([':', '@']);
            put_default(container, &["imagePullPolicy"], if latest { "Always" } else { "IfNotPresent" });
            put_default(container, &["terminationMessagePath"], "/dev/termination-log");
            put_default(container, &["terminationMessagePolicy"], "File");
            put_default(container, &["resources"], json!({}));
            for port in container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
                put_default(port, &["protocol"], "TCP");
            }
            requests_from_limits(container);
        }
    }
}

/// A limit without a request is its request too.
fn requests_from_limits(container: &mut Value) {
    let limits: Vec<(String, Value)> = super::json::entries(container, "/resources/limits")
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    for (name, value) in limits {
        put_default(container, &["resources", "requests", &name], value);
    }
}

fn hpa(object: &mut Value) {
    put_default(object, &["spec", "minReplicas"], 1);
    if items(object, "/spec/metrics").is_empty() {
        let target = json!({"type": "Utilization", "averageUtilization": 80});
        put(
            object,
            &["spec", "metrics"],
            json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]),
        );
    }
    if object.pointer("/spec/behavior").is_none() {
        return;
    }
    let period = |kind: &str, value: i64| json!({"type": kind, "value": value, "periodSeconds": 15});
    for (direction, policies) in [
        ("scaleUp", json!([period("Pods", 4), period("Percent", 100)])),
        ("scaleDown", json!([period("Percent", 100)])),
    ] {
        put_default(object, &["spec", "behavior", direction, "selectPolicy"], "Max");
        put_default(object, &["spec", "behavior", direction, "policies"], policies);
        if direction == "scaleUp"
            && whole(object, "/spec/behavior/scaleUp/stabilizationWindowSeconds").is_none()
        {
            put(object, &["spec", "behavior", direction, "stabilizationWindowSeconds"], 0);
        }
    }
}
