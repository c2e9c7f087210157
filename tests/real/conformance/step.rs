//! Cases and their requests, as data.
//!
//! In addresses, bodies and arguments `{ns}` is the case's own namespace, `{core}`, `{apps}`, `{ours}` and `{coord}` the
//! addresses of API groups in it, `{rv:N}`, `{uid:N}`, `{next:N}` the version, uid and continue token in the answer to
//! request N of the case, and `{file}` a file with the manifest of a call of `kubectl`.

use serde_json::{Value, json};

/// A row of the table.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) steps: Vec<Step>,
}

/// What is compared of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compared {
    /// All of it.
    Whole,
    /// Code and reason; of `kubectl` whether it failed: where the message is that of a library of Go.
    Verdict,
}

/// One request.
pub(crate) struct Step {
    pub(crate) call: Call,
    pub(crate) compared: Compared,
    /// Only these items of a list, or lines of a text, which serves more on the real server.
    pub(crate) only: &'static [&'static str],
    /// What is asked once the answer has begun: what a watch is to see.
    pub(crate) meanwhile: Option<Box<Self>>,
}

/// How a request is made.
pub(crate) enum Call {
    /// By the client of kube-rs.
    Http {
        method: &'static str,
        path: String,
        accept: &'static str,
        content_type: &'static str,
        body: String,
    },
    /// By `kubectl`.
    Kubectl { args: Vec<String>, manifest: Option<Value> },
}

pub(crate) const JSON: &str = "application/json";
pub(crate) const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
pub(crate) const METADATA: &str = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
pub(crate) const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
pub(crate) const MERGE: &str = "application/merge-patch+json";
pub(crate) const JSON_PATCH: &str = "application/json-patch+json";
pub(crate) const STRATEGIC: &str = "application/strategic-merge-patch+json";
pub(crate) const APPLY: &str = "application/apply-patch+yaml";

pub(crate) fn case(name: &'static str, steps: impl IntoIterator<Item = Step>) -> Case {
    Case { name, steps: steps.into_iter().collect() }
}

fn http(method: &'static str, path: &str, content_type: &'static str, body: String) -> Step {
    let call = Call::Http { method, path: path.to_owned(), accept: JSON, content_type, body };
    Step { call, compared: Compared::Whole, only: &[], meanwhile: None }
}

pub(crate) fn get(path: &str) -> Step {
    http("GET", path, JSON, String::new())
}

pub(crate) fn post(path: &str, body: &Value) -> Step {
    http("POST", path, JSON, body.to_string())
}

pub(crate) fn post_text(path: &str, body: &str) -> Step {
    http("POST", path, JSON, body.to_owned())
}

pub(crate) fn put(path: &str, body: &Value) -> Step {
    http("PUT", path, JSON, body.to_string())
}

pub(crate) fn patch(style: &'static str, path: &str, body: &Value) -> Step {
    http("PATCH", path, style, body.to_string())
}

pub(crate) fn delete(path: &str) -> Step {
    http("DELETE", path, JSON, String::new())
}

pub(crate) fn delete_with(path: &str, options: &Value) -> Step {
    http("DELETE", path, JSON, options.to_string())
}

/// `kubectl` in the case's namespace; arguments have no spaces.
pub(crate) fn kubectl(args: &str) -> Step {
    kubectl_list(args.split_whitespace())
}

pub(crate) fn kubectl_list<'a>(args: impl IntoIterator<Item = &'a str>) -> Step {
    let args = args.into_iter().map(str::to_owned).collect();
    Step {
        call: Call::Kubectl { args, manifest: None },
        compared: Compared::Whole,
        only: &[],
        meanwhile: None,
    }
}

/// As [`kubectl`], with a manifest in `{file}`.
pub(crate) fn kubectl_file(args: &str, manifest: Value) -> Step {
    let args = args.split_whitespace().map(str::to_owned).collect();
    Step {
        call: Call::Kubectl { args, manifest: Some(manifest) },
        compared: Compared::Whole,
        only: &[],
        meanwhile: None,
    }
}

impl Step {
    /// The same, with another request once its answer has begun.
    pub(crate) fn meanwhile(self, step: Self) -> Self {
        Self { meanwhile: Some(Box::new(step)), ..self }
    }

    /// The same, in another form.
    pub(crate) fn accept(mut self, form: &'static str) -> Self {
        if let Call::Http { accept, .. } = &mut self.call {
            *accept = form;
        }
        self
    }

    /// The same, of which only the verdict is compared.
    pub(crate) fn verdict(self) -> Self {
        Self { compared: Compared::Verdict, ..self }
    }

    /// The same, of which only these items or lines are compared.
    pub(crate) fn only(self, only: &'static [&'static str]) -> Self {
        Self { only, ..self }
    }
}

pub(crate) fn deployment(name: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "web", "image": "web:1", "ports": [{"containerPort": 80}]}]}}},
    })
}

pub(crate) fn configmap(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

/// A config map whose label `tier` is `tier`.
pub(crate) fn labelled(name: &str, tier: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"app": "shop", "tier": tier}},
    })
}

pub(crate) fn lease(name: &str, holder: &str) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15, "leaseTransitions": 1,
            "renewTime": "2026-11-27T08:00:00.000000Z"},
    })
}

pub(crate) fn autoscaler(name: &str) -> Value {
    json!({
        "apiVersion": "foresail.dev/v1alpha1", "kind": "PredictiveAutoscaler", "metadata": {"name": name},
        "spec": {
            "minReplicas": 2, "maxReplicas": 60, "sourceRef": {"name": "main"},
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "metrics": [{"name": "requests", "type": "Prometheus", "query": "sum(x)", "capacityPerReplica": "100"}],
            "forecast": {"leadTime": "4m"},
        },
    })
}

pub(crate) fn hpa(name: &str) -> Value {
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 2, "maxReplicas": 40,
            "metrics": [{"type": "External", "external": {"metric": {"name": "demand"},
                "target": {"type": "AverageValue", "averageValue": "70"}}}],
        },
    })
}

/// An Event of the core API about the Deployment `of`.
pub(crate) fn event(name: &str, of: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": "{ns}"},
        "involvedObject": {"apiVersion": "apps/v1", "kind": "Deployment", "name": of, "namespace": "{ns}"},
        "reason": "Scaled", "message": "from 2 to 3", "type": "Normal", "count": 1,
        "firstTimestamp": "2026-11-27T08:00:00Z", "lastTimestamp": "2026-11-27T08:00:00Z",
        "source": {"component": "foresail"},
    })
}

/// An Event of `events.k8s.io/v1` about the autoscaler `of`.
pub(crate) fn newer_event(name: &str, of: &str) -> Value {
    json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": name, "namespace": "{ns}"},
        "regarding": {"apiVersion": "foresail.dev/v1alpha1", "kind": "PredictiveAutoscaler", "name": of, "namespace": "{ns}"},
        "reason": "Scaled", "note": "from 2 to 3", "type": "Normal", "action": "Scale",
        "eventTime": "2026-11-27T08:00:00.000000Z", "reportingController": "foresail.dev/operator",
        "reportingInstance": "foresail-0",
    })
}
