//! An autoscaler that is deleted leaves its target as it stands, and an HPA its own minimum (I51).

#![expect(clippy::unwrap_used, reason = "a test over a world that it made itself")]

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use foresail::api::PredictiveAutoscaler;
use foresail::sandbox::{StartUp, World};
use foresail::units::{Span, Step, Timestamp};
use kube::api::{Api, DeleteParams};
use serde_json::{Value, json};

use crate::deployment;

const START: Timestamp = Timestamp::from_seconds(1_795_478_400);
const INTERVAL: Span = Span::from_seconds(15);
const QUERY: &str = "sum(rate(http_requests_total{namespace=\"shop\", app=\"checkout\"}[1m]))";

/// Twenty replicas at 70 % of 120 for twenty minutes, then three.
fn demand(at: Timestamp) -> f64 {
    if at.since(START) < Span::from_minutes(20) { 1640.0 } else { 200.0 }
}

fn shop(objects: &[Value]) -> World {
    let world = World::starting_at(START, 7).unwrap();
    world.prometheus.script(QUERY, Step::MINUTE, Arc::new(|at| Some(demand(at)))).unwrap();
    world.add_namespace("shop").unwrap();
    let start_up = StartUp { median: Span::from_seconds(20), spread: 0.0 };
    world.start_controllers(start_up, BTreeMap::new());
    world.server.create(&deployment(("shop", "checkout"), 5)).unwrap();
    for object in objects {
        world.server.create(object).unwrap();
    }
    world
}

async fn delete(world: &World) {
    let autoscalers: Api<PredictiveAutoscaler> = Api::namespaced(world.server.client(), "shop");
    drop(autoscalers.delete("checkout", &DeleteParams::default()).await.unwrap());
}

fn is_gone(world: &World) -> bool {
    world.server.object(("foresail.dev/v1alpha1", "PredictiveAutoscaler"), "shop", "checkout").is_none()
}

fn example(file: &str) -> Value {
    serde_saphyr::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn i51_a_target_stays_as_it_stands_when_its_autoscaler_is_deleted() {
    let mut object = example("examples/measured-lead/autoscaler.yaml");
    object["spec"]["mode"] = json!("Active");
    object["spec"]["metrics"][0]["prediction"] = json!("Disabled");
    let world = shop(&[object]);
    let operator = world.start_operator(INTERVAL);
    world.play(Span::from_minutes(15)).await;
    assert_eq!(world.server.replicas("shop", "checkout").unwrap(), (20, 20));
    delete(&world).await;
    // Demand falls to a tenth, and nobody looks after it any more.
    world.play(Span::from_minutes(60)).await;
    assert!(is_gone(&world));
    assert_eq!(world.server.replicas("shop", "checkout").unwrap(), (20, 20));
    operator.stop().await.unwrap();
}

/// As `kubectl replace --force` does: both are of generation 1, and no tick falls between them.
#[tokio::test(start_paused = true)]
async fn an_autoscaler_of_the_same_name_goes_by_its_own_spec() {
    let mut object = example("examples/measured-lead/autoscaler.yaml");
    object["spec"]["mode"] = json!("Active");
    object["spec"]["metrics"][0]["prediction"] = json!("Disabled");
    let world = shop(std::slice::from_ref(&object));
    let operator = world.start_operator(INTERVAL);
    world.play(Span::from_minutes(15)).await;
    assert_eq!(world.server.replicas("shop", "checkout").unwrap(), (20, 20));
    delete(&world).await;
    object["spec"]["mode"] = json!("DryRun");
    world.server.create(&object).unwrap();
    // Demand falls to a tenth, and this one writes nothing.
    world.play(Span::from_minutes(60)).await;
    assert_eq!(world.server.replicas("shop", "checkout").unwrap(), (20, 20));
    let kind = ("foresail.dev/v1alpha1", "PredictiveAutoscaler");
    let status = world.server.object(kind, "shop", "checkout").unwrap()["status"].clone();
    assert_eq!(status["effectiveMode"], json!("DryRun"), "{status}");
    operator.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn i51_an_hpa_gets_its_own_minimum_back_when_the_autoscaler_beside_it_is_deleted() {
    let mut object = example("examples/beside-an-hpa/autoscaler.yaml");
    object["metadata"]["annotations"] = json!({"foresail.dev/boost": "12 until 2026-12-31T00:00:00Z"});
    let hpa = example("examples/beside-an-hpa/hpa.yaml");
    let world = shop(&[hpa, object]);
    let minimum = || {
        let hpa = world.server.object(("autoscaling/v2", "HorizontalPodAutoscaler"), "shop", "checkout");
        hpa.unwrap()["spec"]["minReplicas"].clone()
    };
    let operator = world.start_operator(INTERVAL);
    world.play(Span::from_minutes(5)).await;
    assert_eq!(minimum(), json!(12));
    delete(&world).await;
    world.play(Span::from_minutes(2)).await;
    assert!(is_gone(&world));
    assert_eq!(minimum(), json!(3));
    operator.stop().await.unwrap();
}
