//! Two autoscalers that share a budget on a real API server: the first is served first, the ceiling is kept, everyone is
//! told, and who holds the money cannot be passed by.

use std::sync::Arc;
use std::time::Duration;

use foresail::edge::clock::{Clock as _, ManualClock, SystemClock};
use foresail::units::{Span, Step};
use serde_json::{Value, json};

use crate::control_plane::manifests::{Shop, deployment, metric_source};
use crate::control_plane::{ControlPlane, scripted, shared};
use crate::library::{INTERVAL, Library};

const NAMESPACE: &str = "purse";
const TIMEOUT: Duration = Duration::from_secs(40);
const NAMES: [&str; 2] = ["checkout", "search"];
const PRICE: f64 = 0.25;
/// Twelve hours of fourteen replicas, of which minReplicas are four.
const AMOUNT: f64 = 12.0 * 14.0 * PRICE;

fn get(plane: &ControlPlane, kind: &str, name: &str) -> Value {
    let text = plane.kubectl(&["get", kind, name, "-n", NAMESPACE, "-o", "json"]);
    serde_json::from_str(&text).expect("kubectl prints JSON")
}

fn asked(plane: &ControlPlane) -> [u64; 2] {
    NAMES.map(|name| {
        get(plane, "deployment", name).pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(0)
    })
}

fn condition(object: &Value, kind: &str) -> Value {
    let all = object.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    all.into_iter().find(|one| one["type"] == kind).unwrap_or_default()
}

fn autoscaler(name: &str) -> Value {
    let shop = Shop {
        mode: "Active",
        via: "Scale",
        prediction: "Disabled",
        source: NAMESPACE,
        query: "demand",
        window_seconds: 0,
    };
    let mut object = shop.autoscaler(NAMESPACE);
    object["metadata"]["name"] = name.into();
    object["metadata"]["labels"] = json!({ "tier": if name == "checkout" { "front" } else { "back" } });
    object["spec"]["scaleTargetRef"]["name"] = name.into();
    object["spec"]["spend"] = json!({ "pricePerReplicaHour": PRICE.to_string(), "currency": "EUR", "budgetRef": { "name": NAMESPACE } });
    object
}

fn budget() -> Value {
    json!({
        "apiVersion": "foresail.dev/v1alpha1", "kind": "SpendBudget", "metadata": { "name": NAMESPACE },
        "spec": {
            "amount": format!("{AMOUNT:.2}"), "currency": "EUR", "period": "Day", "timeZone": "UTC",
            "members": [
                { "namespaces": [NAMESPACE], "matchLabels": { "tier": "front" }, "priority": 100 },
                { "namespaces": [NAMESPACE], "priority": 10 },
            ],
            "onExceed": "HoldGrowth",
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_is_served_first_and_both_keep_the_ceiling() {
    let Some(plane) = shared() else { return };
    plane.define_kinds();
    plane.namespace(NAMESPACE);
    // Each wants ten at 70 %, and needs seven.
    let url = scripted::serve(|_| 700.0);
    plane.apply(&metric_source(NAMESPACE, &url));
    plane.apply(&budget());
    for name in NAMES {
        plane.apply(&deployment(NAMESPACE, name, 2, "1s"));
        plane.apply(&autoscaler(name));
    }
    // Noon, when half of the day's money has to last for half of the day.
    let noon = SystemClock.now().floor_to(Step::DAY).plus(Span::from_hours(12));
    let clock = Arc::new(ManualClock::at(noon));
    let operator = Library::start(plane, NAMESPACE, &clock).await;
    plane
        .eventually("checkout to have what it wants", TIMEOUT, async || {
            clock.advance(Span::from_seconds(20));
            tokio::time::sleep(INTERVAL).await;
            (asked(plane)[0] == 10).then_some(())
        })
        .await;
    let limited = plane
        .eventually("search to be told", TIMEOUT, async || {
            clock.advance(Span::from_seconds(20));
            tokio::time::sleep(INTERVAL).await;
            let found = condition(&get(plane, "pra", "search"), "BudgetLimited");
            (found["status"] == "True").then_some(found)
        })
        .await;
    assert!(limited["message"].as_str().unwrap_or_default().contains("budget purse"), "{limited}");
    for _ in 0..10 {
        clock.advance(Span::from_seconds(60));
        tokio::time::sleep(INTERVAL).await;
        let [first, second] = asked(plane);
        assert_eq!(first, 10);
        assert!((2..10).contains(&second) && first + second <= 14, "{first} and {second}");
    }
    assert_eq!(condition(&get(plane, "pra", "checkout"), "BudgetLimited")["status"], "False");
    let text = plane.kubectl(&["get", "spendbudget", NAMESPACE, "-o", "json"]);
    let status = serde_json::from_str::<Value>(&text).expect("kubectl prints JSON")["status"].clone();
    assert_eq!(status["memberCount"], 2, "{status}");
    let spent: f64 = status["spent"].as_str().and_then(|text| text.parse().ok()).unwrap_or(0.0);
    assert!(spent > 0.0 && spent < AMOUNT, "{status}");
    let events = plane.kubectl(&["get", "events", "-n", NAMESPACE, "-o", "json"]);
    assert!(events.contains("BudgetLimited"), "{events}");
    operator.stop().await;
}
