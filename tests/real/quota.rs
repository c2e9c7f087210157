//! A `ResourceQuota` of a real API server: growth beyond it is not asked for, is told, and comes when there is room.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use foresail::edge::clock::Clock as _;
use foresail::edge::clock::{ManualClock, SystemClock};
use foresail::units::Span;
use serde_json::{Value, json};

use crate::control_plane::manifests::{Shop, deployment, metric_source};
use crate::control_plane::{ControlPlane, scripted, shared};
use crate::library::{INTERVAL, Library};

const NAMESPACE: &str = "quota";
const TIMEOUT: Duration = Duration::from_secs(40);

fn asked(plane: &ControlPlane) -> u64 {
    let object = plane.object("deployment", NAMESPACE, "shop");
    object.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(0)
}

fn blocked(plane: &ControlPlane) -> Value {
    let object = plane.object("pra", NAMESPACE, "shop");
    let all = object.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    all.into_iter().find(|one| one["type"] == "CapacityBlocked").unwrap_or_default()
}

fn quota(pods: u32) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": { "name": "team", "namespace": NAMESPACE }, "spec": { "hard": { "pods": pods.to_string() } },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn growth_stops_at_a_quota_and_goes_on_when_it_is_raised() {
    let Some(plane) = shared() else { return };
    plane.define_kinds();
    plane.add_nodes(1);
    plane.namespace(NAMESPACE);
    let demand = Arc::new(AtomicU32::new(140));
    let script = Arc::clone(&demand);
    let url = scripted::serve(move |_| f64::from(script.load(Ordering::Relaxed)));
    plane.apply(&metric_source(NAMESPACE, &url));
    plane.apply(&quota(5));
    plane.apply(&deployment(NAMESPACE, "shop", 2, "1s"));
    let counted = || {
        let used = plane.object("resourcequota", NAMESPACE, "team");
        (used.pointer("/status/used/pods").and_then(Value::as_str) == Some("2")).then_some(())
    };
    plane.wait_until("the quota to count two pods", TIMEOUT, counted);
    plane.apply(&Shop::without_forecast(NAMESPACE).autoscaler(NAMESPACE));
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let operator = Library::start(plane, NAMESPACE, &clock).await;
    let step = async || {
        clock.advance(Span::from_seconds(20));
        tokio::time::sleep(INTERVAL).await;
    };
    // Ten are wanted at 70 %, and there is room for three more.
    demand.store(700, Ordering::Relaxed);
    let told = plane
        .eventually("growth to be blocked", TIMEOUT, async || {
            step().await;
            Some(blocked(plane)).filter(|found| found["status"] == "True")
        })
        .await;
    assert_eq!(told["reason"], "QuotaReached", "{told}");
    assert!(told["message"].as_str().unwrap_or_default().contains("ResourceQuota `team`"), "{told}");
    for _ in 0..10 {
        step().await;
        assert!(asked(plane) <= 5, "{}", asked(plane));
    }
    plane.apply(&quota(20));
    plane
        .eventually("what is wanted", TIMEOUT, async || {
            step().await;
            (asked(plane) == 10 && blocked(plane)["status"] == "False").then_some(())
        })
        .await;
    operator.stop().await;
}
