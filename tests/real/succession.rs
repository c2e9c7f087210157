//! A leader that dies between its intent and its write: what it left is found and done by the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use foresail::edge::clock::{Clock as _, ManualClock, SystemClock};
use foresail::units::Span;
use serde_json::Value;
use tokio::sync::Notify;

use crate::control_plane::manifests::{Shop, deployment, metric_source};
use crate::control_plane::{ControlPlane, scripted, shared};
use crate::library::{INTERVAL, Library};

const NAMESPACE: &str = "succession";
const TIMEOUT: Duration = Duration::from_secs(40);

fn get(plane: &ControlPlane, kind: &str) -> Value {
    plane.object(kind, NAMESPACE, "shop")
}

fn asked(plane: &ControlPlane) -> u64 {
    get(plane, "deployment").pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(0)
}

fn memory(plane: &ControlPlane, part: &str) -> Option<u64> {
    get(plane, "pra").pointer(&format!("/status/memory/{part}")).and_then(Value::as_u64)
}

/// Waits until the status has a decision of this epoch or a later one.
async fn decided_by(plane: &ControlPlane, clock: &ManualClock, epoch: u64) {
    plane
        .eventually("a decision", TIMEOUT, async || {
            clock.advance(Span::from_seconds(20));
            tokio::time::sleep(INTERVAL).await;
            memory(plane, "epoch").filter(|found| *found >= epoch)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_killed_between_intent_and_write_leaves_nothing_undone_and_nothing_twice() {
    let Some(plane) = shared() else { return };
    plane.define_kinds();
    plane.namespace(NAMESPACE);
    let demand = Arc::new(AtomicU32::new(350));
    let script = Arc::clone(&demand);
    let url = scripted::serve(move |_| f64::from(script.load(Ordering::Relaxed)));
    plane.apply(&metric_source(NAMESPACE, &url));
    plane.apply(&deployment(NAMESPACE, "shop", 5, "1s"));
    plane.apply(&Shop::without_forecast(NAMESPACE).autoscaler(NAMESPACE));
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    // A Lease is renewed by the time in it, which must go on.
    let going = Arc::clone(&clock);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            going.advance(Span::from_millis(200));
        }
    });
    let stall = Arc::new(Notify::new());
    let leader = Library::start_as("first", plane, (NAMESPACE, &clock), Some(Arc::clone(&stall))).await;
    decided_by(plane, &clock, 0).await;
    let standby = Library::start_as("second", plane, (NAMESPACE, &clock), None).await;
    let epoch = memory(plane, "epoch").expect("the first has decided");
    let intents = memory(plane, "intentId").expect("the first has decided");

    demand.store(650, Ordering::Relaxed);
    stall.notified().await;
    leader.kill();
    let left = get(plane, "pra");
    assert_eq!(left.pointer("/status/memory/intent/to"), Some(&Value::from(10)), "{left}");
    assert_eq!(asked(plane), 5, "the write was on its way and never arrived");

    decided_by(plane, &clock, epoch + 1).await;
    plane
        .eventually("the second to do what the first intended", TIMEOUT, async || {
            clock.advance(Span::from_seconds(5));
            tokio::time::sleep(INTERVAL).await;
            (asked(plane) == 10).then_some(())
        })
        .await;
    decided_by(plane, &clock, epoch + 1).await;
    let writes: Vec<u16> = plane
        .audit()
        .iter()
        .filter(|event| event.namespace == NAMESPACE && event.subresource == "scale" && event.verb != "get")
        .map(|event| event.response_code)
        .collect();
    assert_eq!(writes, [200], "one write of the scale, once");
    // An intent of its own, which supersedes the one that was found.
    assert_eq!(memory(plane, "intentId"), Some(intents + 2));
    let lease = plane.object("lease", NAMESPACE, "foresail");
    assert_eq!(lease.pointer("/spec/holderIdentity"), Some(&Value::from("second")), "{lease}");
    standby.stop().await;
}
