//! Freeze and boost by annotation, through one worker: within the next tick, across restarts, and until they end.

use super::*;
use crate::api::annotations::{BOOST, FREEZE, FREEZE_GROWTH};

/// A worker on five replicas and the values of the source, one a tick.
async fn rig(values: &[&str], annotations: &Value) -> (Rig, Worker) {
    let server = Server::start(values.iter().map(|value| vector(&[value])).collect()).await;
    let mut object = autoscaler("web", "main", &json!({}));
    object["metadata"]["annotations"] = annotations.clone();
    let rig = Rig::new(&[object], vec![source("main", &server, PATIENT)]);
    let worker = Worker::new(Arc::clone(&rig.ctx), "shop".to_owned(), "web".to_owned());
    (rig, worker)
}

async fn tick(rig: &Rig, worker: &mut Worker) {
    Box::pin(worker.tick(&rig.object("web"), &rig.leadership)).await;
    rig.clock.advance(Span::from_seconds(15));
}

fn after(seconds: u64) -> String {
    crate::calendar::rfc3339(START.plus(Span::from_seconds(seconds)))
}

fn sentence(rig: &Rig, stage: &str) -> String {
    let stages = rig.object("web").status.unwrap().decision.unwrap().stages;
    stages.into_iter().find(|one| one.stage == stage).unwrap().sentence
}

/// Annotates as somebody would while the watch cache still has the object of before.
fn annotate(rig: &Rig, annotations: &Value) {
    let mut object = serde_json::to_value(rig.object("web")).unwrap();
    object["metadata"]["annotations"] = annotations.clone();
    rig.api.put("/apis/foresail.dev/v1alpha1/namespaces/shop/predictiveautoscalers/web", object);
}

#[tokio::test]
async fn a_freeze_is_honoured_at_the_next_tick_also_with_a_dead_watch_and_ends_by_itself() {
    let (rig, mut worker) = rig(&["350", "140", "140", "140"], &json!({})).await;
    let cached = rig.object("web");
    worker.tick(&cached, &rig.leadership).await;
    rig.clock.advance(Span::from_seconds(15));
    annotate(&rig, &json!({FREEZE: after(40)}));
    worker.tick(&cached, &rig.leadership).await;
    assert_eq!(rig.asked("web"), 5);
    assert_eq!(rig.condition("web", "ScalingLimited").1, "Frozen");
    assert_eq!(sentence(&rig, "guards"), "frozen, no scale-down for another 25s: 5 stay instead of 2");
    rig.clock.advance(Span::from_seconds(15));
    // A new process knows nothing but what is stored.
    let mut restarted = Worker::new(Arc::clone(&rig.ctx), "shop".to_owned(), "web".to_owned());
    restarted.tick(&cached, &rig.leadership).await;
    assert_eq!(rig.asked("web"), 5);
    rig.clock.advance(Span::from_seconds(15));
    restarted.tick(&cached, &rig.leadership).await;
    assert_eq!(rig.asked("web"), 2);
}

#[tokio::test]
async fn a_freeze_that_holds_nothing_is_in_the_status_at_once() {
    let (rig, mut worker) = rig(&["350", "350"], &json!({})).await;
    tick(&rig, &mut worker).await;
    assert_eq!(sentence(&rig, "guards"), "nothing is frozen");
    annotate(&rig, &json!({FREEZE: after(3615)}));
    tick(&rig, &mut worker).await;
    assert_eq!(sentence(&rig, "guards"), "frozen for another 3600s, and nothing is wanted against it");
}

#[tokio::test]
async fn a_freeze_lets_growth_through_unless_that_is_frozen_too() {
    let (open, mut worker) = rig(&["501"], &json!({FREEZE: after(60)})).await;
    tick(&open, &mut worker).await;
    assert_eq!(open.asked("web"), 8);
    let (closed, mut worker) = rig(&["501"], &json!({FREEZE_GROWTH: after(60)})).await;
    tick(&closed, &mut worker).await;
    assert_eq!(closed.asked("web"), 5);
}

#[tokio::test]
async fn a_boost_is_a_floor_until_it_ends() {
    let boost = format!("9 until {}", after(20));
    let (rig, mut worker) = rig(&["350", "350", "350"], &json!({BOOST: boost})).await;
    tick(&rig, &mut worker).await;
    assert_eq!(rig.asked("web"), 9);
    assert_eq!(sentence(&rig, "floors"), "boosted to at least 9 for another 20s");
    let change = rig.object("web").status.unwrap().last_change.unwrap();
    assert_eq!(change.reason, "5 -> 9: boosted to at least 9 for another 20s");
    tick(&rig, &mut worker).await;
    assert_eq!(rig.asked("web"), 9);
    tick(&rig, &mut worker).await;
    assert_eq!(rig.asked("web"), 5);
}

#[tokio::test]
async fn an_annotation_that_cannot_be_read_is_told_and_changes_nothing() {
    let (rig, mut worker) = rig(&["140"], &json!({FREEZE: "2h", BOOST: "many until noon"})).await;
    tick(&rig, &mut worker).await;
    assert_eq!(rig.asked("web"), 2);
    let (status, reason, message) = rig.condition("web", "SpecValid");
    assert_eq!((status.as_str(), reason.as_str()), ("False", "AnnotationIgnored"));
    assert!(
        message.contains("metadata.annotations[foresail.dev/freeze]: `2h` is no instant: write it as"),
        "{message}"
    );
    assert!(
        message.contains("metadata.annotations[foresail.dev/boost]: `many until noon` is no boost"),
        "{message}"
    );
    assert_eq!(rig.condition("web", "Ready").0, "True");
    assert!(rig.events().await.contains(&("AnnotationIgnored".to_owned(), message)));
}

#[tokio::test]
async fn without_a_trusted_forecast_the_mode_in_force_is_reactive() {
    let server = without_history().await;
    let predicted = json!({"metrics": [{
        "name": "demand", "type": "Prometheus", "query": "sum(demand)", "capacityPerReplica": "100",
    }]});
    for (mode, effective) in [
        ("Active", EffectiveMode::Reactive),
        ("Floor", EffectiveMode::Reactive),
        ("DryRun", EffectiveMode::DryRun),
    ] {
        let mut object = autoscaler("web", "main", &predicted);
        object["spec"]["mode"] = json!(mode);
        let rig = Rig::new(&[object], vec![source("main", &server, PATIENT)]);
        let mut worker = Worker::new(Arc::clone(&rig.ctx), "shop".to_owned(), "web".to_owned());
        tick(&rig, &mut worker).await;
        assert_eq!(rig.object("web").status.unwrap().effective_mode, Some(effective), "{mode}");
    }
}
