//! Kubernetes objects that tests apply, as JSON.

use serde_json::{Value, json};

/// A node for kwok to run, without taints; kwok gives it room for any number of pods.
pub(crate) fn node(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": { "name": name, "labels": { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux" } },
    })
}

/// A Deployment whose pods are ready `start_up` (a Go duration such as `5s`) after they are bound to a node.
pub(crate) fn deployment(namespace: &str, name: &str, replicas: u32, start_up: &str) -> Value {
    let labels = json!({ "app": name });
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name, "namespace": namespace },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels, "annotations": { "foresail.dev/test-start-up": start_up } },
                "spec": { "terminationGracePeriodSeconds": 0, "containers": [{ "name": "app", "image": "app" }] },
            },
        },
    })
}
