//! Freeze, boost and promote on the real control plane: the commands, the server's schema, and the operator.

use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::control_plane::manifests::{Shop, deployment, metric_source};
use crate::control_plane::{ControlPlane, scripted, shared};

const NAMESPACE: &str = "breakglass";
const TIMEOUT: Duration = Duration::from_mins(1);

fn foresail(plane: &ControlPlane, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_foresail"));
    command.args(arguments).env("KUBECONFIG", plane.kubeconfig()).output().expect("the binary can be run")
}

fn says(plane: &ControlPlane, arguments: &[&str]) -> String {
    let output = foresail(plane, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("the answer is text")
}

fn get(plane: &ControlPlane, kind: &str) -> Value {
    plane.object(kind, NAMESPACE, "shop")
}

fn asked(plane: &ControlPlane) -> u64 {
    get(plane, "deployment")["spec"]["replicas"].as_u64().expect("a count")
}

fn wait_for_asked(plane: &ControlPlane, n: u64) {
    plane.wait_until(&format!("{n} replicas"), TIMEOUT, || (asked(plane) == n).then_some(()));
}

fn sentence(object: &Value, stage: &str) -> String {
    let stages = object["status"]["decision"]["stages"].as_array().cloned().unwrap_or_default();
    let found = stages.into_iter().find(|one| one["stage"] == stage).unwrap_or_default();
    found["sentence"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn freeze_and_boost_are_followed_and_promote_patches_one_step() {
    let Some(plane) = shared() else { return };
    plane.define_kinds();
    plane.namespace(NAMESPACE);
    plane.apply(&deployment(NAMESPACE, "shop", 10, "1s"));
    let demand = Arc::new(AtomicU32::new(700));
    let script = Arc::clone(&demand);
    let url = scripted::serve(move |_| f64::from(script.load(Ordering::Relaxed)));
    let shop = Shop { mode: "DryRun", query: "sum(demand)", ..Shop::without_forecast(NAMESPACE) };
    let items = [metric_source(NAMESPACE, &url), shop.autoscaler(NAMESPACE)];
    plane.apply(&json!({ "apiVersion": "v1", "kind": "List", "items": items }));
    let operator = plane.operator(NAMESPACE);
    plane.wait_until("a shadow", TIMEOUT, || {
        assert!(operator.ended().is_none(), "{}", operator.log_tail());
        get(plane, "pra").pointer("/status/shadow/standingReplicaHours").map(|_| ())
    });

    let missed = foresail(plane, &["promote", "pra/shop", "-n", NAMESPACE, "--check"]);
    assert_eq!(missed.status.code(), Some(3), "{missed:?}");
    says(plane, &["promote", "pra/shop", "-n", NAMESPACE, "--apply"]);
    assert_eq!(get(plane, "pra")["spec"]["mode"], "Floor");

    says(plane, &["freeze", "pra/shop", "-n", NAMESPACE, "--no-scale-down", "--for", "1h"]);
    demand.store(350, Ordering::Relaxed);
    plane.wait_until("the freeze to hold a decrease", TIMEOUT, || {
        sentence(&get(plane, "pra"), "guards").contains("10 stay instead of 5").then_some(())
    });
    assert_eq!(asked(plane), 10);
    says(plane, &["boost", "pra/shop", "-n", NAMESPACE, "--floor", "12", "--for", "1h"]);
    wait_for_asked(plane, 12);
    let change = get(plane, "pra")["status"]["lastChange"]["reason"].to_string();
    assert!(change.contains("boosted to at least 12 for another "), "{change}");
    says(plane, &["boost", "pra/shop", "-n", NAMESPACE, "--end"]);
    says(plane, &["freeze", "pra/shop", "-n", NAMESPACE, "--end"]);
    wait_for_asked(plane, 5);
    assert!(operator.ended().is_none(), "{}", operator.log_tail());
}
