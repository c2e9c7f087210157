//! What the operator measures of a workload in the sandbox, whose start-up times are known.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test over a world that it made itself")]

use std::fs;

use foresail::sandbox::{StartUp, World};
use foresail::units::{Span, Timestamp};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Node, ResourceQuota};
use serde_json::{Value, json};

use crate::shop::{self, START, condition, status};

const INTERVAL: Span = Span::from_seconds(15);
const QUERY: &str = "sum(rate(http_requests_total{namespace=\"shop\", app=\"checkout\"}[1m]))";
/// Demand is high and low for so long each.
const WAVE: Span = Span::from_minutes(10);

/// Five replicas at 70 % of 120, then twenty, and so on.
fn waves(at: Timestamp) -> f64 {
    let n = at.since(START).millis() / WAVE.millis();
    if n.is_multiple_of(2) { 410.0 } else { 1640.0 }
}

/// The manifest of an example, with fields of its spec changed.
fn example(name: &str, edit: &Value) -> Value {
    let text = fs::read_to_string(format!("examples/{name}/autoscaler.yaml")).unwrap();
    let mut object: Value = serde_saphyr::from_str(&text).unwrap();
    for (key, value) in edit.as_object().unwrap() {
        object["spec"][key] = value.clone();
    }
    object
}

/// A shop of five replicas whose pods need `start_up`, with the autoscaler `object`.
async fn shop(start_up: StartUp, object: &Value, demand: fn(Timestamp) -> f64) -> World {
    shop::open((start_up, 5), object, &[(QUERY, demand)]).await
}

fn seconds(text: &Value) -> u64 {
    Span::parse(text.as_str().unwrap()).unwrap().seconds()
}

/// Scales at once and on present demand, so that every wave starts fifteen pods.
fn acting() -> Value {
    json!({
        "mode": "Active",
        "metrics": [{"name": "requests", "type": "Prometheus", "query": QUERY, "capacityPerReplica": "120",
            "prediction": "Disabled"}],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0},
            "scaleUp": {"policies": [{"type": "Pods", "value": 100, "periodSeconds": 15}]}},
    })
}

#[tokio::test(start_paused = true)]
async fn a_lead_that_is_not_stated_is_that_of_the_workloads_own_starts_and_survives_a_restart() {
    let start_up = StartUp { median: Span::from_seconds(60), spread: 0.0 };
    let world = shop(start_up, &example("measured-lead", &acting()), waves).await;
    let operator = world.start_operator(INTERVAL);
    world.play(Span::from_minutes(2)).await;
    let first = status(&world);
    assert_eq!((&first["lead"]["source"], &first["lead"]["startUp"]), (&json!("Default"), &json!("2m")));
    world.play_until(START.plus(Span::from_minutes(75))).await;
    let told = status(&world);
    let lead = &told["lead"];
    assert_eq!((&lead["source"], &lead["samples"]), (&json!("Measured"), &json!(50)), "{lead}");
    // A second until the controller makes the pod, another until it looks again; times are whole seconds.
    assert!((60..=63).contains(&seconds(&lead["startUp"])), "{lead}");
    assert_eq!(lead["bySize"][0]["jump"], json!("10+"), "{lead}");
    assert_eq!(lead["excluded"], json!({"neverReady": 0, "unschedulable": 0, "notCreated": 0, "rollout": 0}));
    let whole = seconds(&lead["startUp"]) + seconds(&lead["evidenceAge"]) + INTERVAL.seconds();
    assert_eq!(seconds(&told["leadTime"]), whole.next_multiple_of(5), "{told}");
    operator.stop().await.unwrap();
    let restarted = world.start_operator(INTERVAL);
    world.play(Span::from_minutes(2)).await;
    let after = status(&world);
    assert_eq!((&after["lead"]["source"], &after["lead"]["samples"]), (&json!("Measured"), &json!(50)));
    restarted.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn start_ups_that_vary_are_measured_at_their_p95() {
    let start_up = StartUp { median: Span::from_seconds(100), spread: 0.2 };
    let world = shop(start_up, &example("measured-lead", &acting()), waves).await;
    let operator = world.start_operator(INTERVAL);
    world.play_until(START.plus(Span::from_minutes(85))).await;
    let told = status(&world);
    operator.stop().await.unwrap();
    // 100 * exp(0.2 * 1.645) = 139, and the p95 of fifty of them lies between 123 and 159 nineteen times of twenty.
    assert!((123..=160).contains(&seconds(&told["lead"]["startUp"])), "{}", told["lead"]);
}

#[tokio::test(start_paused = true)]
async fn a_stated_lead_is_taken_as_it_is_and_the_measured_one_told_beside_it() {
    let start_up = StartUp { median: Span::from_seconds(60), spread: 0.0 };
    let mut edit = acting();
    edit["forecast"] = json!({"leadTime": "4m"});
    let world = shop(start_up, &example("measured-lead", &edit), waves).await;
    let operator = world.start_operator(INTERVAL);
    world.play_until(START.plus(Span::from_minutes(35))).await;
    let told = status(&world);
    operator.stop().await.unwrap();
    assert_eq!((&told["leadTime"], &told["lead"]["source"]), (&json!("4m"), &json!("Stated")));
    assert!((60..=63).contains(&seconds(&told["lead"]["startUp"])), "{}", told["lead"]);
    let reason = told["lead"]["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("forecast.leadTime is 4m and taken as it is; measured it would be 1m"),
        "{reason}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_measures_the_scale_ups_of_whoever_scales() {
    let start_up = StartUp { median: Span::from_seconds(60), spread: 0.0 };
    let world = shop(start_up, &example("measured-lead", &json!({})), waves).await;
    let operator = world.start_operator(INTERVAL);
    world.play(Span::from_minutes(1)).await;
    world
        .server
        .create(&json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "checkout", "namespace": "shop"},
            "spec": {"minReplicas": 18, "maxReplicas": 60,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"},
                "metrics": [{"type": "External", "external": {"metric": {"name": "none"},
                    "target": {"type": "AverageValue", "averageValue": "84"}}}]},
        }))
        .unwrap();
    world.play(Span::from_minutes(6)).await;
    let told = status(&world);
    operator.stop().await.unwrap();
    assert_eq!(world.server.replicas("shop", "checkout").unwrap().0, 18);
    assert_eq!(told["lead"]["source"], json!("Measured"), "{}", told["lead"]);
    assert!((59..=62).contains(&seconds(&told["lead"]["startUp"])), "{}", told["lead"]);
}

/// Changes the status of an object as its controller would.
async fn report<K>(world: &World, namespace: Option<&str>, name: &str, status: &Value)
where
    K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let resource = kube::core::ApiResource::erase::<K>(&());
    let client = world.server.client();
    let api: kube::Api<kube::core::DynamicObject> = match namespace {
        Some(namespace) => kube::Api::namespaced_with(client, namespace, &resource),
        None => kube::Api::all_with(client, &resource),
    };
    let patch = kube::api::Patch::Merge(json!({"status": status}));
    api.patch_status(name, &kube::api::PatchParams::default(), &patch).await.unwrap();
}

/// Twenty replicas are wanted from ten minutes on.
fn rise(at: Timestamp) -> f64 {
    if at.since(START) < WAVE { 410.0 } else { 1640.0 }
}

const QUICK: StartUp = StartUp { median: Span::from_seconds(20), spread: 0.0 };

#[tokio::test(start_paused = true)]
async fn growth_beyond_a_quota_is_not_asked_for_and_comes_when_the_quota_has_room() {
    let world = shop(QUICK, &example("measured-lead", &acting()), rise).await;
    world
        .server
        .create(&json!({"apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": {"name": "team", "namespace": "shop"}, "spec": {"hard": {"pods": "12"}}}))
        .unwrap();
    let full = json!({"hard": {"pods": "12"}, "used": {"pods": "12"}});
    report::<ResourceQuota>(&world, Some("shop"), "team", &full).await;
    let operator = world.start_operator(INTERVAL);
    world.play(Span::from_minutes(2)).await;
    assert_eq!(condition(&world, "CapacityBlocked").1, "NothingInTheWay", "nothing more is wanted");
    world.play_until(START.plus(Span::from_minutes(14))).await;
    let (blocked, reason, message) = condition(&world, "CapacityBlocked");
    assert_eq!((blocked.as_str(), reason.as_str()), ("True", "QuotaReached"), "{message}");
    assert!(
        message.starts_with("ResourceQuota `team` has room for 0 more pods (pods: 12 of 12 used)"),
        "{message}"
    );
    assert_eq!(world.server.replicas("shop", "checkout").unwrap(), (5, 5));
    report::<ResourceQuota>(&world, Some("shop"), "team", &json!({"hard": {"pods": "40"}})).await;
    world.play(Span::from_minutes(2)).await;
    assert_eq!(world.server.replicas("shop", "checkout").unwrap(), (20, 20));
    assert_eq!(condition(&world, "CapacityBlocked").1, "NothingInTheWay");
    assert_eq!(status(&world)["lead"]["excluded"]["notCreated"], json!(0));
    operator.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn pods_without_a_node_stop_growth_after_a_while_and_count_for_no_lead() {
    let mut edit = acting();
    // Wanted step by step, so that growth goes on while pods wait.
    edit["behavior"]["scaleUp"] = json!({"policies": [{"type": "Pods", "value": 3, "periodSeconds": 300}]});
    let world = shop(QUICK, &example("measured-lead", &edit), rise).await;
    // Three nodes with room for two each, and five pods that serve.
    for i in 0..3 {
        report::<Node>(&world, None, &format!("node-{i}"), &json!({"allocatable": {"pods": "2"}})).await;
    }
    let operator = world.start_operator(INTERVAL);
    world.play_until(START.plus(Span::from_minutes(14))).await;
    assert_eq!(world.server.replicas("shop", "checkout").unwrap(), (8, 6));
    assert_eq!(condition(&world, "CapacityBlocked").1, "NothingInTheWay", "a node may still come");
    world.play_until(START.plus(Span::from_minutes(30))).await;
    let (blocked, reason, message) = condition(&world, "CapacityBlocked");
    assert_eq!((blocked.as_str(), reason.as_str()), ("True", "Unschedulable"), "{message}");
    let (stuck, ready) = world.server.replicas("shop", "checkout").unwrap();
    assert!((8..=11).contains(&stuck) && ready == 6, "{stuck} {ready}");
    world.play(Span::from_minutes(20)).await;
    assert_eq!(world.server.replicas("shop", "checkout").unwrap().0, stuck, "nothing more is asked for");
    for i in 0..3 {
        report::<Node>(&world, None, &format!("node-{i}"), &json!({"allocatable": {"pods": "20"}})).await;
    }
    world.play(Span::from_minutes(30)).await;
    assert_eq!(world.server.replicas("shop", "checkout").unwrap(), (20, 20));
    assert_eq!(condition(&world, "CapacityBlocked").1, "NothingInTheWay");
    assert!(status(&world)["lead"]["excluded"]["unschedulable"].as_u64().unwrap() >= 2);
    operator.stop().await.unwrap();
}

/// Twenty replicas are wanted for ten minutes, five from then on.
fn fall(at: Timestamp) -> f64 {
    if at.since(START) < WAVE { 1640.0 } else { 410.0 }
}

#[tokio::test(start_paused = true)]
async fn a_rollout_holds_decreases_and_gives_no_start_up_times() {
    let slow = StartUp { median: Span::from_seconds(180), spread: 0.0 };
    let world = shop(slow, &example("measured-lead", &acting()), fall).await;
    let operator = world.start_operator(INTERVAL);
    world.play_until(START.plus(Span::from_minutes(9))).await;
    assert_eq!(world.server.replicas("shop", "checkout").unwrap(), (20, 20));
    let samples = status(&world)["lead"]["samples"].clone();
    assert_eq!(samples, json!(15));
    let deployments: kube::Api<Deployment> = kube::Api::namespaced(world.server.client(), "shop");
    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:2"}]}}}});
    let params = kube::api::PatchParams::default();
    deployments.patch("checkout", &params, &kube::api::Patch::Strategic(image)).await.unwrap();
    // Half of the pods at a time, three minutes each; demand falls after one.
    world.play_until(START.plus(Span::from_seconds(645))).await;
    assert_eq!(world.server.replicas("shop", "checkout").unwrap().0, 20);
    let stages = status(&world)["decision"]["stages"].clone();
    let guards = stages.as_array().unwrap().iter().find(|one| one["stage"] == "guards").unwrap().clone();
    assert_eq!(guards["sentence"], json!("a rollout is under way: 20 stay instead of 5 until it has ended"));
    world.play_until(START.plus(Span::from_minutes(25))).await;
    assert_eq!(world.server.replicas("shop", "checkout").unwrap().0, 5);
    assert_eq!(status(&world)["lead"]["samples"], samples);
    operator.stop().await.unwrap();
}
