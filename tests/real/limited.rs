//! A pool of connections that every replica takes a part of, on a real API server and a real Prometheus: growth stops
//! where the pool is used up, and `explain` tells both that and decisions from before there was an operator.

use std::fmt::Write as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::control_plane::exporter::{Exporter, Kind, Reading, unix_seconds};
use crate::control_plane::manifests::{Shop, deployment, metric_source};
use crate::control_plane::prometheus::Prometheus;
use crate::control_plane::{ControlPlane, shared};

const NAMESPACE: &str = "limited";
const TIMEOUT: Duration = Duration::from_mins(1);

/// A day of minutes of demand that ends an hour before `now`: 280, and 560 in its second half; and connections up to now,
/// which are there when the first step is read.
fn history(now: f64) -> String {
    let start = now - 25.0 * 3600.0;
    let mut text = "# TYPE demand gauge\n".to_owned();
    for minute in 0..1440 {
        let demand = if minute < 720 { 280 } else { 560 };
        writeln!(text, "demand {demand} {}", start + 60.0 * f64::from(minute)).expect("a string takes all");
    }
    text.push_str("# TYPE connections gauge\n");
    for minute in 0..=10 {
        writeln!(text, "connections 165 {}", now - 60.0 * f64::from(10 - minute))
            .expect("a string takes all");
    }
    text + "# EOF\n"
}

fn explained(plane: &ControlPlane, arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_foresail"));
    command.args(["explain", "pra/shop", "-n", NAMESPACE, "-o", "json"]).args(arguments);
    let output = command.env("KUBECONFIG", plane.kubeconfig()).output().expect("the binary can be run");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    serde_json::from_slice(&output.stdout).expect("the answer is JSON")
}

fn asked(plane: &ControlPlane) -> u64 {
    plane.object("deployment", NAMESPACE, "shop")["spec"]["replicas"].as_u64().expect("a count")
}

fn blocked(plane: &ControlPlane) -> Value {
    let object = plane.object("pra", NAMESPACE, "shop");
    let all = object.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    all.into_iter().find(|one| one["type"] == "CapacityBlocked").unwrap_or_default()
}

#[test]
fn growth_stops_at_a_limit_and_explain_tells_it_and_what_no_log_holds() {
    let Some(plane) = shared() else { return };
    plane.define_kinds();
    plane.add_nodes(1);
    plane.namespace(NAMESPACE);
    let [demand, pool] = [350, 165].map(|value| Arc::new(AtomicU32::new(value)));
    let shown = [("demand", Arc::clone(&demand)), ("connections", Arc::clone(&pool))];
    let exporter = Exporter::start(move |_| {
        let reading = |(name, value): &(&str, Arc<AtomicU32>)| Reading {
            kind: Kind::Gauge,
            name: (*name).to_owned(),
            labels: Vec::new(),
            value: f64::from(value.load(Ordering::Relaxed)),
        };
        shown.iter().map(reading).collect()
    });
    let prometheus =
        Prometheus::start(Some(&history(unix_seconds().floor())), &[("shop", exporter.address())]);
    let shop = Shop { query: "sum(demand)", ..Shop::without_forecast(NAMESPACE) };
    let mut autoscaler = shop.autoscaler(NAMESPACE);
    autoscaler["spec"]["limits"] =
        json!([{ "name": "db-pool", "query": "max(connections)", "perReplica": "20" }]);
    let items =
        [metric_source(NAMESPACE, &prometheus.url()), deployment(NAMESPACE, "shop", 5, "1s"), autoscaler];
    plane.apply(&json!({ "apiVersion": "v1", "kind": "List", "items": items }));

    // Before an operator ran, from the history alone: at 70 of 100 a replica, whatever a limit was then.
    for (hours, demand, replicas) in [(20, "280", 4), (6, "560", 8)] {
        let at =
            Timestamp::from_second(Timestamp::now().as_second() - hours * 3600).expect("a time of today");
        let told = explained(plane, &["--at", &at.to_string()]);
        assert_eq!((&told["source"], &told["desired"]), (&json!("recomputed"), &json!(replicas)), "{told}");
        assert!(told["inputs"].to_string().contains(demand), "{told}");
        assert!(told.to_string().contains("limits"), "{told}");
    }

    let operator = plane.operator(NAMESPACE);
    // Fifteen are wanted, and 165 connections are enough for eight.
    demand.store(1000, Ordering::Relaxed);
    let told = plane.wait_until("growth to be blocked", TIMEOUT, || {
        assert!(operator.ended().is_none(), "{}", operator.log_tail());
        Some(blocked(plane)).filter(|found| found["status"] == "True" && asked(plane) == 8)
    });
    assert!(told["message"].as_str().unwrap_or_default().contains("db-pool"), "{told}");
    let now = explained(plane, &[]);
    assert_eq!(now["desired"], 8, "{now}");
    assert!(now["stages"].to_string().contains("db-pool"), "{now}");
    pool.store(300, Ordering::Relaxed);
    plane.wait_until("what is wanted", TIMEOUT, || {
        (asked(plane) == 15 && blocked(plane)["status"] == "False").then_some(())
    });
    assert!(operator.ended().is_none(), "{}", operator.log_tail());
}
