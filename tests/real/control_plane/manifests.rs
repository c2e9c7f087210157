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

/// An HPA `shop` of the Deployment `shop` at 70 of the external metric `demand` a replica.
pub(crate) fn hpa(namespace: &str) -> Value {
    let metric =
        json!({ "metric": { "name": "demand" }, "target": { "type": "AverageValue", "averageValue": "70" } });
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": { "name": "shop", "namespace": namespace },
        "spec": {
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "shop" },
            "minReplicas": 2, "maxReplicas": 40,
            "metrics": [{ "type": "External", "external": metric }],
        },
    })
}

/// A metric source that may be used from every namespace.
pub(crate) fn metric_source(name: &str, url: &str) -> Value {
    json!({
        "apiVersion": "foresail.dev/v1alpha1", "kind": "MetricSource",
        "metadata": { "name": name },
        "spec": { "url": url, "timeout": "3s" },
    })
}

/// What an autoscaler of the Deployment `shop` is asked; one replica serves 100.
pub(crate) struct Shop<'a> {
    pub(crate) mode: &'a str,
    pub(crate) via: &'a str,
    /// `Enabled` or `Disabled`.
    pub(crate) prediction: &'a str,
    pub(crate) source: &'a str,
    pub(crate) query: &'a str,
    /// The scale-down window.
    pub(crate) window_seconds: u64,
}

impl<'a> Shop<'a> {
    /// One in Active through `/scale`, that follows present demand alone, at once.
    pub(crate) fn without_forecast(source: &'a str) -> Self {
        Self {
            mode: "Active",
            via: "Scale",
            prediction: "Disabled",
            source,
            query: "demand",
            window_seconds: 0,
        }
    }

    /// The autoscaler `shop` of a namespace.
    pub(crate) fn autoscaler(&self, namespace: &str) -> Value {
        let Self { mode, via, prediction, source, query, window_seconds } = self;
        json!({
            "apiVersion": "foresail.dev/v1alpha1",
            "kind": "PredictiveAutoscaler",
            "metadata": { "name": "shop", "namespace": namespace },
            "spec": {
                "mode": mode,
                "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "shop" },
                "minReplicas": 2,
                "maxReplicas": 40,
                "sourceRef": { "name": source },
                "metrics": [{
                    "name": "demand", "type": "Prometheus", "query": query,
                    "capacityPerReplica": "100", "prediction": prediction,
                }],
                "forecast": { "leadTime": "60s" },
                // Of every moment: a share of the whole day would allow a fifth of a short ramp to go unserved.
                "objective": { "quantile": "99%" },
                "behavior": { "scaleDown": { "stabilizationWindowSeconds": window_seconds } },
                "actuation": { "via": via },
            },
        })
    }
}
