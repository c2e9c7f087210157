//! What the operator learns of the capacity of a replica in the sandbox, and what limits how many there are.

#![expect(clippy::unwrap_used, reason = "a test over a world that it made itself")]

use std::fs;
use std::process::{Command, Output};
use std::sync::Arc;

use foresail::edge::clock::{Clock as _, SystemClock};
use foresail::sandbox::{Listener, StartUp, World};
use foresail::units::{Span, Step, Timestamp};
use serde_json::{Value, json};

use crate::scratch;
use crate::shop::{self, START, condition, status};
use crate::stub::Prometheus;

/// Ten replicas, which start quickly.
const TEN: (StartUp, u32) = (StartUp { median: Span::from_seconds(20), spread: 0.0 }, REPLICAS);
const INTERVAL: Span = Span::from_seconds(15);
const REPLICAS: u32 = 10;

/// Up and down once in two hours, from 20 to 90 for each of ten replicas.
fn demand(at: Timestamp) -> f64 {
    let minutes = f64::from(u32::try_from(at.since(START).seconds() / 60 % 120).unwrap());
    f64::from(REPLICAS) * (20.0 + 70.0 * (minutes - 60.0).abs() / 60.0)
}

/// How far ten replicas are used that serve `serves` each at 80 %.
fn used(at: Timestamp, serves: f64) -> f64 {
    0.05 + 0.75 * demand(at) / f64::from(REPLICAS) / serves
}

fn example(name: &str) -> Value {
    let text = fs::read_to_string(format!("examples/{name}/autoscaler.yaml")).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_capacity_that_is_not_stated_is_learned_in_a_day_and_survives_a_restart() {
    let object = example("learned-capacity");
    let metric = &object["spec"]["metrics"][0];
    let (asked, use_asked) =
        (metric["query"].as_str().unwrap(), metric["learnedCapacity"]["query"].as_str().unwrap());
    let world = shop::open(TEN, &object, &[(asked, demand), (use_asked, |at| used(at, 100.0))]).await;
    let operator = world.start_operator(INTERVAL);
    world.play(Span::from_minutes(30)).await;
    let (fresh, reason, message) = condition(&world, "EvidenceFresh");
    assert_eq!((fresh.as_str(), reason.as_str()), ("False", "CapacityUnknown"));
    assert!(message.contains("the first value comes after a day"), "{message}");
    assert_eq!(status(&world)["capacity"][0]["source"], json!("Learning"));
    world.play(Span::from_hours(24)).await;
    let learned = status(&world)["capacity"][0].clone();
    assert_eq!(learned["source"], json!("Learned"), "{learned}");
    // At most what was seen, which is 90 at most for two looks in a row, and little less.
    assert!((85.0..=90.0).contains(&number(&learned["perReplica"])), "{learned}");
    assert_eq!(condition(&world, "EvidenceFresh").1, "Fresh");
    operator.stop().await.unwrap();
    let restarted = world.start_operator(INTERVAL);
    world.play(Span::from_minutes(2)).await;
    assert_eq!(status(&world)["capacity"][0]["source"], json!("Learned"));
    assert_eq!(condition(&world, "EvidenceFresh").1, "Fresh");
    restarted.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stated_capacity_that_replicas_do_not_serve_is_told_and_active_keeps_the_reactive_answer() {
    let mut object = example("learned-capacity");
    object["spec"]["mode"] = json!("Active");
    object["spec"]["minReplicas"] = json!(REPLICAS);
    object["spec"]["maxReplicas"] = json!(REPLICAS);
    object["spec"]["metrics"][0]["capacityPerReplica"] = json!("120");
    let metric = &object["spec"]["metrics"][0];
    let (asked, use_asked) =
        (metric["query"].as_str().unwrap(), metric["learnedCapacity"]["query"].as_str().unwrap());
    let world = shop::open(TEN, &object, &[(asked, demand), (use_asked, |at| used(at, 84.0))]).await;
    let operator = world.start_operator(INTERVAL);
    world.play(Span::from_minutes(30)).await;
    assert_ne!(condition(&world, "ObjectiveKept").1, "CapacityDrift", "half an hour tells nothing yet");
    world.play(Span::from_hours(3)).await;
    let (kept, reason, message) = condition(&world, "ObjectiveKept");
    assert_eq!((kept.as_str(), reason.as_str()), ("False", "CapacityDrift"), "{message}");
    assert!(
        message.starts_with("requests: a replica serves 84 at 80 % of use where 120 is stated"),
        "{message}"
    );
    let told = status(&world);
    assert_eq!(told["capacity"][0]["drifted"], json!(true));
    assert_eq!(told["capacity"][0]["perReplica"], json!("120"), "what is stated still counts");
    // No forecast is trusted after three hours; what Active becomes is the policy's, which a unit test holds.
    assert_eq!(told["effectiveMode"], json!("Reactive"));
    operator.stop().await.unwrap();
}

/// Forty replicas are wanted from ten minutes on.
fn rise(at: Timestamp) -> f64 {
    if at.since(START) < Span::from_minutes(10) { 800.0 } else { 3360.0 }
}

/// Connections for twelve replicas, after half an hour for thirty, and nothing from an hour on.
fn pool(at: Timestamp) -> Option<f64> {
    match at.since(START).seconds() / 1800 {
        0 => Some(250.0),
        1 => Some(600.0),
        _ => None,
    }
}

/// The world of the example with a limit, whose demand rises, and the autoscaler in it.
async fn limited() -> (World, Value) {
    let mut object = example("limits");
    for (place, field, value) in [("/spec", "mode", "Active"), ("/spec/metrics/0", "prediction", "Disabled")]
    {
        let fields = object.pointer_mut(place).and_then(Value::as_object_mut).unwrap();
        fields.insert(field.to_owned(), json!(value));
    }
    let asked = object.pointer("/spec/metrics/0/query").and_then(Value::as_str).unwrap();
    let world = shop::open(TEN, &object, &[(asked, rise)]).await;
    (world, object)
}

#[tokio::test(start_paused = true)]
async fn a_limit_stops_growth_and_what_was_read_last_stands_while_it_cannot_be_read() {
    let (world, object) = limited().await;
    let limit = object["spec"]["limits"][0]["query"].as_str().unwrap();
    world.prometheus.script(limit, Step::MINUTE, Arc::new(pool)).unwrap();
    let operator = world.start_operator(INTERVAL);
    world.play_until(START.plus(Span::from_minutes(20))).await;
    assert_eq!(world.server.replicas("shop", "checkout").unwrap(), (12, 12));
    let (blocked, reason, message) = condition(&world, "CapacityBlocked");
    assert_eq!((blocked.as_str(), reason.as_str()), ("True", "LimitReached"), "{message}");
    assert!(
        message.starts_with("limit `db-pool`: 250, and each replica takes 20, which is room for 12"),
        "{message}"
    );
    world.play_until(START.plus(Span::from_minutes(40))).await;
    assert_eq!(world.server.replicas("shop", "checkout").unwrap(), (30, 30));
    world.play_until(START.plus(Span::from_minutes(70))).await;
    assert_eq!(world.server.replicas("shop", "checkout").unwrap(), (30, 30));
    let (_, reason, message) = condition(&world, "CapacityBlocked");
    assert_eq!(reason, "LimitReached", "{message}");
    assert!(message.contains("as it was read last"), "{message}");
    operator.stop().await.unwrap();
    // What another process read stands too.
    let restarted = world.start_operator(INTERVAL);
    world.play(Span::from_minutes(5)).await;
    assert_eq!(world.server.replicas("shop", "checkout").unwrap(), (30, 30));
    let (_, reason, message) = condition(&world, "CapacityBlocked");
    assert_eq!(reason, "LimitReached", "{message}");
    assert!(message.contains("600, as it was read last, and each replica takes 20"), "{message}");
    restarted.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_was_never_read_limits_nothing_and_says_so() {
    let (world, _) = limited().await;
    let operator = world.start_operator(INTERVAL);
    world.play(Span::from_minutes(15)).await;
    assert_eq!(world.server.replicas("shop", "checkout").unwrap(), (40, 40));
    assert_eq!(condition(&world, "CapacityBlocked").1, "LimitUnread");
    operator.stop().await.unwrap();
}

/// Answers every instant query: how far replicas are used by 0.41, demand by 700.
fn prometheus() -> Prometheus {
    Prometheus::start(|request| {
        let value = if request.contains("container_cpu_usage") { "0.41" } else { "700" };
        let now = SystemClock.now().seconds();
        json!({"resultType": "vector", "result": [{"metric": {}, "value": [now, value]}]})
    })
}

#[tokio::test(start_paused = true)]
async fn check_says_what_a_stated_capacity_means_on_the_cluster_today() {
    let object = example("limits");
    let world = shop::open(TEN, &object, &[]).await;
    let dir = scratch("check-cluster");
    let listener = Listener::start(&world.server).unwrap();
    listener.write_kubeconfig(&dir.join("kubeconfig")).unwrap();
    let prometheus = prometheus();
    let check = |file: &str, url: &str| -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_foresail"));
        command.args(["check", "--cluster", "--prometheus", url, file]);
        command.env("KUBECONFIG", dir.join("kubeconfig")).output().unwrap()
    };
    let said = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let stated = check("examples/limits/autoscaler.yaml", &prometheus.url());
    assert!(stated.status.success(), "{stated:?}");
    assert_eq!(
        said(&stated),
        "PredictiveAutoscaler/checkout: requests: now 10 replicas and 700: 70.0 each, 58 % of the 120 you state\n\
         0 problems in 1 manifests; 0 of other kinds skipped\n"
    );
    let learned = said(&check("examples/learned-capacity/autoscaler.yaml", &prometheus.url()));
    assert!(
        learned.starts_with(
            "PredictiveAutoscaler/checkout: requests: now 10 replicas and 700: 70.0 each; \
             they are used to 41 %, in proportion each serves 137 at 80 %\n"
        ),
        "{learned}"
    );
    let nobody = check("examples/limits/autoscaler.yaml", "http://127.0.0.1:1");
    assert_eq!(nobody.status.code(), Some(1), "{nobody:?}");
    assert!(said(&nobody).contains("spec.metrics[0].query: http://127.0.0.1:1: "), "{}", said(&nobody));
    let mut elsewhere = object.clone();
    elsewhere["spec"]["scaleTargetRef"]["name"] = json!("nowhere");
    let file = dir.join("elsewhere.json");
    fs::write(&file, elsewhere.to_string()).unwrap();
    let lost = check(file.to_str().unwrap(), &prometheus.url());
    assert_eq!(lost.status.code(), Some(1), "{lost:?}");
    assert!(said(&lost).contains("spec.scaleTargetRef: "), "{}", said(&lost));
}
