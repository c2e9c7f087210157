//! The operator is removed: raised HPA floors are given back first, by the command and by the chart's hook that runs it.

use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};

use crate::control_plane::audit::AuditEvent;
use crate::control_plane::loopback::{free_port, http_get};
use crate::control_plane::manifests::deployment;
use crate::control_plane::process::Process;
use crate::control_plane::{ControlPlane, shared, testbed};

const TIMEOUT: Duration = Duration::from_mins(1);
/// The Helm release, its namespace, its Lease and its service account.
const RELEASE: &str = "foresail-leaving";
/// The namespace with the HPA.
const NAMESPACE: &str = "leaving";

fn get(plane: &ControlPlane, kind: &str) -> Value {
    plane.object(kind, NAMESPACE, "shop")
}

/// An HPA as it stands while Foresail has raised its floor from 2 to 7, and the autoscaler that did so. Its source is not
/// there, so that nothing moves the floor.
fn raised() -> Value {
    let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "shop" });
    let hpa = json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {
            "name": "shop",
            "namespace": NAMESPACE,
            "annotations": {
                "foresail.dev/original-min-replicas": "2",
                "foresail.dev/written-min-replicas": "7",
            },
        },
        "spec": { "scaleTargetRef": target, "minReplicas": 7, "maxReplicas": 20 },
    });
    let source = json!({
        "apiVersion": "foresail.dev/v1alpha1",
        "kind": "MetricSource",
        "metadata": { "name": NAMESPACE },
        "spec": { "url": format!("http://127.0.0.1:{}", free_port()), "timeout": "1s" },
    });
    let autoscaler = json!({
        "apiVersion": "foresail.dev/v1alpha1",
        "kind": "PredictiveAutoscaler",
        "metadata": { "name": "shop", "namespace": NAMESPACE },
        "spec": {
            "mode": "Floor",
            "scaleTargetRef": target,
            "maxReplicas": 20,
            "sourceRef": { "name": NAMESPACE },
            "metrics": [{
                "name": "demand", "type": "Prometheus", "query": "sum(demand)", "capacityPerReplica": "100",
            }],
            "forecast": { "leadTime": "1m" },
            "actuation": { "via": "HorizontalPodAutoscalerFloor" },
        },
    });
    json!({ "apiVersion": "v1", "kind": "List", "items": [hpa, source, autoscaler] })
}

fn arguments(identity: &str) -> Vec<String> {
    vec![
        "operator".to_owned(),
        "--interval=1s".to_owned(),
        format!("--lease-name={RELEASE}"),
        format!("--lease-namespace={RELEASE}"),
        format!("--watch-namespaces={NAMESPACE}"),
        format!("--identity={identity}"),
    ]
}

#[test]
fn an_uninstall_gives_raised_floors_back_first() {
    let Some(plane) = shared() else { return };
    plane.define_kinds();
    plane.add_nodes(1);
    for namespace in [RELEASE, NAMESPACE] {
        plane.namespace(namespace);
    }
    let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/foresail");
    let names = format!("{{{NAMESPACE}}}");
    let (watched, enforced) = (format!("watchNamespaces={names}"), format!("enforce.namespaces={names}"));
    let values = ["--set", watched.as_str(), "--set", enforced.as_str(), "--set", "crds.install=false"];
    plane.helm(&[&["install", RELEASE, chart, "-n", RELEASE][..], &values[..]].concat());
    let token = plane.service_account_kubeconfig(RELEASE, RELEASE);
    plane.apply(&deployment(NAMESPACE, "shop", 7, "1s"));
    plane.apply(&raised());

    let port = free_port();
    let mut running =
        vec![format!("KUBECONFIG={}", token.display()), env!("CARGO_BIN_EXE_foresail").to_owned()];
    running.extend(arguments("running"));
    running.push(format!("--listen=127.0.0.1:{port}"));
    let operator =
        Process::spawn("/usr/bin/env".as_ref(), running, &testbed::run_directory().join("operator-leaving"));
    let leading = |wanted: &str| http_get(port, "/metrics")?.contains(wanted).then_some(());
    plane.wait_until("the autoscaler to hold its finalizer and the source to be told", TIMEOUT, || {
        assert!(operator.ended().is_none(), "{}", operator.log_tail());
        let source = plane.kubectl(&["get", "metricsource", NAMESPACE, "-o", "json"]);
        let held = get(plane, "pra")["metadata"]["finalizers"] == json!(["foresail.dev/restore-floor"]);
        (held && source.contains("SourceUnreachable")).then_some(())
    });
    assert_eq!(get(plane, "hpa")["spec"]["minReplicas"], 7, "without evidence the floor stays");
    assert_eq!(leading("foresail_leading 1"), Some(()));

    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_foresail"))
        .args(arguments("restoring"))
        .args(["--restore-floors", "--log-format=text"])
        .env("KUBECONFIG", &token)
        .output()
        .expect("the binary starts");
    let told = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{status}: {told}");
    assert!(told.contains("`leaving/shop` has its own minReplicas of 2 again"), "{told}");
    given_back(plane);
    // The operator lives on and does not undo it, because another process holds its Lease.
    assert!(operator.ended().is_none(), "{}", operator.log_tail());
    assert_eq!(leading("foresail_leading 0"), Some(()), "{}", operator.log_tail());

    plane.helm(&["uninstall", RELEASE, "-n", RELEASE]);
    given_back(plane);
    let audit = plane.audit();
    let one = |verb: &str, resource: &str, name: &str| {
        let asked = |event: &&AuditEvent| {
            (event.namespace.as_str(), event.verb.as_str(), event.resource.as_str(), event.name.as_str())
                == (RELEASE, verb, resource, name)
        };
        audit.iter().find(asked).unwrap_or_else(|| panic!("nobody asked to {verb} {resource} {name}"))
    };
    // Helm applies on the server's side, which is a patch.
    let hook = one("patch", "jobs", &format!("{RELEASE}-restore"));
    let pod = &hook.request["spec"]["template"]["spec"];
    assert_eq!(pod["serviceAccountName"], RELEASE);
    assert_eq!(pod["containers"][0]["command"], json!(["foresail", "operator"]));
    assert_eq!(pod["containers"][0]["args"][0], "--restore-floors");
    assert!(hook.received < one("delete", "deployments", RELEASE).received, "the hook runs first");
}

fn given_back(plane: &ControlPlane) {
    let hpa = get(plane, "hpa");
    assert_eq!(hpa["spec"]["minReplicas"], 2);
    assert_eq!(hpa["metadata"]["annotations"], Value::Null);
    assert_eq!(get(plane, "pra")["metadata"]["finalizers"], Value::Null);
}
