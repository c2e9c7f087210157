//! A metric that shows no more than what is served: the controller does not spiral down, and nothing learns from it that
//! demand was low.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test over a world that it made itself")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use foresail::edge::clock::Clock as _;
use foresail::sandbox::{Shop, StartUp, Surge, World};
use foresail::units::{Span, Step, Timestamp};
use serde_json::{Value, json};

use crate::deployment;

/// 2026-11-24T11:00:00Z, a Tuesday.
const START: Timestamp = Timestamp::from_seconds(1_795_518_000);
const SURGE: Timestamp = START.plus(Span::from_hours(1));
const LASTS: Span = Span::from_hours(1);
const CAPACITY: f64 = 100.0;
const QUERY: &str = "sum(rate(http_requests_served_total{app=\"web\"}[1m]))";

/// An ordinary day, and three times as much for an hour that nobody announced.
fn demand(at: Timestamp) -> f64 {
    let climb = Span::from_minutes(2);
    let surge = Surge { begins: SURGE, climb, stays: LASTS, falls: climb, times: 3.0 };
    Shop { seed: 3, peak: 800.0, surges: vec![surge] }.demand(at)
}

fn autoscaler() -> Value {
    json!({
        "apiVersion": "foresail.dev/v1alpha1", "kind": "PredictiveAutoscaler",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "mode": "Active", "minReplicas": 2, "maxReplicas": 60, "sourceRef": {"name": "main"},
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "metrics": [{"name": "requests", "type": "Prometheus", "query": QUERY, "capacityPerReplica": "100"}],
            "forecast": {"leadTime": "1m", "historyDays": 14},
        },
    })
}

/// What was served, minute by minute.
type Served = Arc<Mutex<BTreeMap<i64, f64>>>;

fn shop(served: &Served) -> World {
    let world = World::starting_at(START, 3).unwrap();
    let seen = Arc::clone(served);
    // Before the test all demand was served.
    let read = move |at: Timestamp| {
        let at = at.minus(Span::from_minutes(1));
        if at < START { Some(demand(at)) } else { seen.lock().unwrap().get(&(at.seconds() / 60)).copied() }
    };
    world.prometheus.script(QUERY, Step::MINUTE, Arc::new(read)).unwrap();
    world.add_namespace("shop").unwrap();
    world.start_controllers(StartUp { median: Span::from_seconds(40), spread: 0.0 }, BTreeMap::new());
    world.server.create(&deployment(("shop", "web"), 8)).unwrap();
    world.server.create(&autoscaler()).unwrap();
    world
}

/// Lets a minute pass, and puts on record what was served in it; what was asked for and the demand.
async fn minute(world: &World, served: &Served) -> (u32, f64) {
    world.play(Span::from_minutes(1)).await;
    let now = world.clock.now();
    let (asked, ready) = world.server.replicas("shop", "web").unwrap();
    served.lock().unwrap().insert(now.seconds() / 60, demand(now).min(f64::from(ready) * CAPACITY));
    (asked, demand(now))
}

fn status(world: &World) -> Value {
    let kind = ("foresail.dev/v1alpha1", "PredictiveAutoscaler");
    world.server.object(kind, "shop", "web").unwrap()["status"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_metric_that_saturates_does_not_lead_down_and_is_told_as_a_lower_bound() {
    let served = Served::default();
    let world = shop(&served);
    for _ in 0..3 {
        minute(&world, &served).await;
    }
    let operator = world.start_operator(Span::from_seconds(15));
    while world.clock.now() < SURGE {
        minute(&world, &served).await;
    }
    let median_before = status(&world)["objective"]["medianReplicas"].as_u64().unwrap();
    let (mut before, mut caught_up) = (0, None);
    let mut path = Vec::new();
    let mut saturated = 0;
    while world.clock.now() < SURGE.plus(LASTS) {
        let (asked, demanded) = minute(&world, &served).await;
        path.push((asked, demanded));
        let enough = f64::from(asked) * CAPACITY >= demanded;
        if caught_up.is_none() {
            assert!(asked >= before, "{asked} after {before} while more is demanded than served");
            saturated += u32::from(!enough);
            if enough && world.clock.now() > SURGE.plus(Span::from_minutes(2)) {
                caught_up = Some(world.clock.now());
            }
        }
        before = asked;
    }
    assert!(saturated >= 2, "the surge was met at once: nothing was saturated");
    let took = caught_up.unwrap().since(SURGE);
    assert!(took <= Span::from_minutes(30), "{}s until demand was served: {path:?}", took.seconds());
    let told = status(&world);
    let kept = &told["objective"]["kept"];
    assert!(kept["saturated"].is_string(), "{kept}");
    let condition = told["conditions"].as_array().unwrap().iter().find(|one| one["type"] == "ObjectiveKept");
    let message = condition.unwrap()["message"].as_str().unwrap();
    assert!(message.contains("at least: the workload was saturated for"), "{message}");
    while world.clock.now() < SURGE.plus(LASTS).plus(Span::from_hours(2)) {
        minute(&world, &served).await;
    }
    // The same hour of the next day: what was saturated is no lesson that there was little.
    let told = status(&world);
    operator.stop().await.unwrap();
    let median = told["objective"]["medianReplicas"].as_u64().unwrap();
    assert!(
        median * 10 >= median_before * 7,
        "{median} replicas at the median, {median_before} before the surge"
    );
    assert!(told["decision"]["stages"].as_array().unwrap().len() == 14, "{told}");
}
