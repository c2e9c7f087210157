//! Two autoscalers that share a budget on a real API server: the first is served first, growth of the second is withheld,
//! and everyone is told.

use std::sync::Arc;
use std::time::Duration;

use foresail::edge::clock::{Clock as _, ManualClock, SystemClock};
use foresail::units::{Span, Timestamp};
use serde_json::{Value, json};

use crate::control_plane::manifests::{Shop, deployment, metric_source};
use crate::control_plane::{ControlPlane, scripted, shared};
use crate::library::{INTERVAL, Library};

const NAMESPACE: &str = "purse";
const TIMEOUT: Duration = Duration::from_secs(40);
const NAMES: [&str; 2] = ["checkout", "search"];
const PRICE: f64 = 0.25;
/// Replicas that the money pays for until the day is over; minReplicas are four of them.
const PAID: f64 = 14.0;

fn get(plane: &ControlPlane, kind: &str, name: &str) -> Value {
    plane.object(kind, NAMESPACE, name)
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
    let mut object = Shop::without_forecast(NAMESPACE).autoscaler(NAMESPACE);
    object["metadata"]["name"] = name.into();
    object["metadata"]["labels"] = json!({ "tier": if name == "checkout" { "front" } else { "back" } });
    object["spec"]["scaleTargetRef"]["name"] = name.into();
    object["spec"]["spend"] = json!({ "pricePerReplicaHour": PRICE.to_string(), "currency": "EUR", "budgetRef": { "name": NAMESPACE } });
    object
}

fn budget(amount: f64, zone: &str) -> Value {
    json!({
        "apiVersion": "foresail.dev/v1alpha1", "kind": "SpendBudget", "metadata": { "name": NAMESPACE },
        "spec": {
            "amount": format!("{amount:.2}"), "currency": "EUR", "period": "Day", "timeZone": zone,
            "members": [
                { "namespaces": [NAMESPACE], "matchLabels": { "tier": "front" }, "priority": 100 },
                { "namespaces": [NAMESPACE], "priority": 10 },
            ],
            "onExceed": "HoldGrowth",
        },
    })
}

/// A time zone whose noon was within the last hour, and the hours that its day has left.
fn a_zone_at_noon(now: Timestamp) -> (String, f64) {
    let (hour, second) = (now.seconds() / 3600 % 24, now.seconds() % 3600);
    let ahead = 12 - hour;
    let zone = if ahead < 0 { format!("Etc/GMT+{}", -ahead) } else { format!("Etc/GMT-{ahead}") };
    (zone, 12.0 - f64::from(i32::try_from(second).expect("less than an hour")) / 3600.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_has_what_it_wants_and_growth_of_the_second_is_withheld_and_told() {
    let Some(plane) = shared() else { return };
    plane.define_kinds();
    plane.add_nodes(1);
    plane.namespace(NAMESPACE);
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let (zone, left) = a_zone_at_noon(clock.now());
    let amount = left * PAID * PRICE;
    // Each wants ten at 70 %, and needs seven.
    let url = scripted::serve(|_| 700.0);
    plane.apply(&metric_source(NAMESPACE, &url));
    plane.apply(&budget(amount, &zone));
    for name in NAMES {
        plane.apply(&deployment(NAMESPACE, name, 2, "1s"));
    }
    plane.apply(&autoscaler("checkout"));
    let operator = Library::start(plane, NAMESPACE, &clock).await;
    plane
        .eventually("checkout to have what it wants", TIMEOUT, async || {
            clock.advance(Span::from_seconds(20));
            tokio::time::sleep(INTERVAL).await;
            (asked(plane)[0] == 10).then_some(())
        })
        .await;
    plane.apply(&autoscaler("search"));
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
        // What present demand needs was granted before the budget was looked up, and is not taken away.
        assert!((2..=7).contains(&second), "{first} and {second}");
    }
    // A budget is looked at every fifteen seconds.
    let status = plane
        .eventually("the budget to tell of both", TIMEOUT, async || {
            tokio::time::sleep(INTERVAL).await;
            let status = get(plane, "spendbudget", NAMESPACE)["status"].clone();
            (status["memberCount"] == 2).then_some(status)
        })
        .await;
    let spent: f64 = status["spent"].as_str().and_then(|text| text.parse().ok()).unwrap_or(0.0);
    assert!(spent > 0.0 && spent < amount, "{status}");
    let events = plane.kubectl(&["get", "events", "-n", NAMESPACE, "-o", "json"]);
    assert!(events.contains("BudgetLimited"), "{events}");
    operator.stop().await;
}
