//! What every other test here takes for granted: the servers, the clock of pods, the audit log, RBAC, metrics.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use serde_json::{Value, json};

use crate::control_plane::exporter::{Exporter, Kind, Reading, unix_seconds};
use crate::control_plane::manifests::deployment;
use crate::control_plane::prometheus::Prometheus;
use crate::control_plane::{ControlPlane, shared, testbed};

const TIMEOUT: Duration = Duration::from_secs(30);

fn instant(object: &Value, path: &str) -> Timestamp {
    let text =
        object.pointer(path).and_then(Value::as_str).unwrap_or_else(|| panic!("no `{path}` in {object}"));
    text.parse().expect("Kubernetes writes RFC 3339")
}

fn pods(plane: &ControlPlane, namespace: &str) -> Vec<Value> {
    let list = plane.kubectl(&["get", "pods", "-n", namespace, "-o", "json"]);
    let list: Value = serde_json::from_str(&list).expect("kubectl prints JSON");
    list["items"].as_array().expect("a list has items").clone()
}

fn ready_condition(pod: &Value) -> Option<&Value> {
    let conditions = pod["status"]["conditions"].as_array()?;
    conditions.iter().find(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

#[test]
fn pods_are_ready_no_earlier_than_their_start_up_time() {
    let Some(plane) = shared() else { return };
    plane.add_nodes(1);
    let namespace = plane.namespace("start-up");
    plane.apply(&deployment(namespace, "shop", 3, "4s"));
    let pods = plane.wait_until("three ready pods", TIMEOUT, || {
        let pods = pods(plane, namespace);
        (pods.len() == 3 && pods.iter().all(|pod| ready_condition(pod).is_some())).then_some(pods)
    });
    for pod in &pods {
        let created = instant(pod, "/metadata/creationTimestamp");
        let ready = instant(ready_condition(pod).unwrap(), "/lastTransitionTime");
        let start_up = ready.duration_since(created).as_secs();
        // Kubernetes cuts both instants to whole seconds, so the true 4.x s can never show as less than 4.
        assert!((4..20).contains(&start_up), "ready {start_up} s after its creation: {pod}");
    }
    plane.kubectl(&["delete", "deployment", "shop", "-n", namespace]);
    plane.wait_until("the deleted pods to be gone", TIMEOUT, || pods_are_gone(plane, namespace));
}

fn pods_are_gone(plane: &ControlPlane, namespace: &str) -> Option<()> {
    pods(plane, namespace).is_empty().then_some(())
}

/// A service account that may read and scale Deployments, and nothing else.
fn scaler(namespace: &str) -> Value {
    let metadata = json!({ "name": "scaler", "namespace": namespace });
    json!({ "apiVersion": "v1", "kind": "List", "items": [
        { "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata },
        { "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": [
            { "apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"] },
            { "apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["get", "patch"] },
        ]},
        { "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata,
          "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "scaler" },
          "subjects": [{ "kind": "ServiceAccount", "name": "scaler", "namespace": namespace }] },
    ]})
}

#[test]
fn audit_log_shows_who_scaled_what_and_who_was_refused() {
    let Some(plane) = shared() else { return };
    let namespace = plane.namespace("audited");
    plane.apply(&deployment(namespace, "shop", 0, "1s"));
    plane.apply(&scaler(namespace));
    let started = Timestamp::now();
    let token = plane.service_account_kubeconfig(namespace, "scaler");
    assert!(fs::read_to_string(&token).unwrap().contains(&plane.url()));

    let scaled = plane.kubectl_as(&token, &["scale", "deployment", "shop", "--replicas=2"]);
    assert!(scaled.status.success(), "{}", String::from_utf8_lossy(&scaled.stderr));
    let refused = plane.kubectl_as(&token, &["delete", "deployment", "shop"]);
    let refusal = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && refusal.contains("Forbidden"), "{refusal}");

    let user = "system:serviceaccount:audited:scaler";
    let own: Vec<_> = plane.audit().into_iter().filter(|event| event.user == user).collect();
    let write = own
        .iter()
        .find(|event| event.subresource == "scale" && event.verb == "patch")
        .expect("a write of scale");
    assert_eq!(write.request["spec"]["replicas"], 2);
    assert_eq!(write.response_code, 200);
    assert_eq!((write.group.as_str(), write.resource.as_str()), ("apps", "deployments"));
    assert_eq!((write.namespace.as_str(), write.name.as_str()), (namespace, "shop"));
    assert!(write.user_agent.starts_with("kubectl/"), "{}", write.user_agent);
    assert!(write.received >= started);
    let delete = own.iter().find(|event| event.verb == "delete").expect("an attempt to delete");
    assert_eq!(delete.response_code, 403);
}

#[test]
fn helm_installs_and_removes_a_chart() {
    let Some(plane) = shared() else { return };
    let namespace = plane.namespace("charted");
    let chart = testbed::run_directory().join("chart");
    fs::create_dir_all(chart.join("templates")).unwrap();
    fs::write(chart.join("Chart.yaml"), "apiVersion: v2\nname: probe\nversion: 0.1.0\n").unwrap();
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: '{{ .Release.Name }}' }\n";
    fs::write(chart.join("templates/map.yaml"), template).unwrap();
    plane.helm(&["install", "probe", chart.to_str().unwrap(), "-n", namespace]);
    plane.kubectl(&["get", "configmap", "probe", "-n", namespace]);
    plane.helm(&["uninstall", "probe", "-n", namespace]);
    assert!(!plane.kubectl_output(&["get", "configmap", "probe", "-n", namespace]).status.success());
}

fn hpa(namespace: &str) -> Value {
    let metric =
        json!({ "metric": { "name": "demand" }, "target": { "type": "AverageValue", "averageValue": "40" } });
    json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": { "name": "shop", "namespace": namespace },
        "spec": {
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "shop" },
            "minReplicas": 1,
            "maxReplicas": 20,
            "metrics": [{ "type": "External", "external": metric }],
            "behavior": { "scaleDown": { "stabilizationWindowSeconds": 0 } },
        },
    })
}

#[tokio::test]
async fn hpa_follows_an_external_metric_and_holds_when_it_is_missing() {
    let Some(plane) = shared() else { return };
    plane.add_nodes(1);
    let namespace = plane.namespace("followed");
    let metrics = plane.external_metrics();
    metrics.set(namespace, "demand", "160");
    plane.apply(&deployment(namespace, "shop", 1, "1s"));
    plane.apply(&hpa(namespace));
    let deployments: Api<Deployment> = Api::namespaced(plane.client().await, namespace);
    let replicas = async || deployments.get("shop").await.unwrap().spec.and_then(|spec| spec.replicas);
    let reaches = |wanted: i32| {
        plane.eventually("the HPA to change the replicas", TIMEOUT, async move || {
            (replicas().await == Some(wanted)).then_some(())
        })
    };
    reaches(4).await; // 160 / 40
    metrics.set(namespace, "demand", "70");
    reaches(2).await;

    metrics.remove(namespace, "demand");
    let missing = plane.eventually("two requests answered without a value", TIMEOUT, async || {
        let served = metrics.served(namespace).into_iter().filter(|served| served.value.is_none());
        Some(served.collect::<Vec<_>>()).filter(|missing| missing.len() >= 2)
    });
    let missing = missing.await;
    assert_eq!(missing[0].metric, "demand");
    assert!(missing[0].at < missing[1].at);
    assert_eq!(replicas().await, Some(2));
}

#[test]
fn prometheus_answers_from_loaded_history_live_targets_and_after_an_outage() {
    if !testbed::is_on() {
        return;
    }
    let now = unix_seconds().floor();
    let start = now - 86_400.0;
    let mut history = "# TYPE demand gauge\n".to_owned();
    for minute in 0..1_400 {
        writeln!(history, "demand {minute} {}", start + 60.0 * f64::from(minute)).unwrap();
    }
    history.push_str("# EOF\n");
    let exporter = Exporter::start(|now| {
        let reading = |kind, name: &str| Reading {
            kind,
            name: name.to_owned(),
            labels: vec![("app".to_owned(), "shop".to_owned())],
            value: now,
        };
        vec![reading(Kind::Gauge, "clock"), reading(Kind::Counter, "requests_total")]
    });
    let prometheus = Prometheus::start(Some(&history), &[("shop", exporter.address())]);
    assert!(prometheus.url().starts_with("http://127.0.0.1:"));

    let loaded = prometheus.query_range("demand", start, start + 600.0, 300.0).unwrap();
    let values: Vec<&Value> = loaded[0]["values"].as_array().unwrap().iter().map(|pair| &pair[1]).collect();
    assert_eq!(values, ["0", "5", "10"]);

    let rate = "sum(rate(requests_total{app=\"shop\",job=\"shop\"}[5s]))";
    prometheus.wait_until("a rate of the live counter near 1", TIMEOUT, || {
        let now = unix_seconds();
        let result = prometheus.query_range(rate, now, now, 1.0)?;
        let value: f64 = result.first()?["values"][0][1].as_str()?.parse().ok()?;
        ((value - 1.0).abs() < 0.2).then_some(())
    });

    prometheus.stop();
    assert_eq!(prometheus.query_range("demand", start, start, 1.0), None);
    prometheus.restart();
    assert_eq!(prometheus.query_range("demand", start, start + 600.0, 300.0), Some(loaded));
    let clock = prometheus.query_range("clock", now - 60.0, unix_seconds(), 1.0).unwrap();
    assert!(!clock.is_empty(), "live samples from before the outage are kept");
}
