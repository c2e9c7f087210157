//! The operator as a library on the real API server, with a clock that the test sets: what takes half an hour to show.

use std::sync::Arc;
use std::time::Duration;

use foresail::edge::clock::{Clock as _, ManualClock, SystemClock};
use foresail::units::{Span, Timestamp};
use serde_json::Value;

use crate::control_plane::manifests::{Shop, deployment, hpa, metric_source};
use crate::control_plane::{ControlPlane, scripted, shared};
use crate::library::{INTERVAL, Library};

const TIMEOUT: Duration = Duration::from_secs(40);
/// The scale-down window of the autoscalers here.
const WINDOW: Span = Span::from_seconds(60);

/// A Deployment `shop` of `replicas` with an autoscaler on a source of its own, and the operator of its namespace.
async fn begin(plane: &ControlPlane, namespace: &str, replicas: u32, asked: Asked<'_>) -> Library {
    let Asked { mode, via, prediction, url, clock } = asked;
    plane.apply(&metric_source(namespace, url));
    plane.apply(&deployment(namespace, "shop", replicas, "1s"));
    let shop =
        Shop { mode, via, prediction, source: namespace, query: "demand", window_seconds: WINDOW.seconds() };
    plane.apply(&shop.autoscaler(namespace));
    Library::start(plane, namespace, clock).await
}

/// What [`begin`] is told besides the Deployment.
struct Asked<'a> {
    mode: &'a str,
    via: &'a str,
    prediction: &'a str,
    url: &'a str,
    clock: &'a Arc<ManualClock>,
}

fn get(plane: &ControlPlane, kind: &str, namespace: &str) -> Value {
    plane.object(kind, namespace, "shop")
}

fn asked(plane: &ControlPlane, namespace: &str) -> u64 {
    get(plane, "deployment", namespace).pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(0)
}

/// When the last decision was made, as the injected clock has it, and its summary.
fn decided(plane: &ControlPlane, namespace: &str) -> (Timestamp, String) {
    let object = get(plane, "pra", namespace);
    let at = object.pointer("/status/decision/at").and_then(Value::as_str).unwrap_or("1970-01-01T00:00:00Z");
    let at: jiff::Timestamp = at.parse().expect("Kubernetes writes RFC 3339");
    let summary = object.pointer("/status/decision/summary").and_then(Value::as_str).unwrap_or_default();
    (Timestamp::from_millis(at.as_millisecond()), summary.to_owned())
}

/// Waits until a decision was made at the clock's present instant, and a tick more.
async fn let_decide(plane: &ControlPlane, namespace: &str, clock: &ManualClock) {
    // Numbers alone are written once a minute: a second of the injected clock a tick brings them out.
    let since = clock.now();
    plane
        .eventually("a decision at the injected time", TIMEOUT, async || {
            clock.advance(Span::from_seconds(20));
            tokio::time::sleep(INTERVAL).await;
            (decided(plane, namespace).0 > since.plus(Span::from_seconds(20))).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_humans_scale_up_is_a_floor_for_thirty_minutes() {
    let Some(plane) = shared() else { return };
    plane.define_kinds();
    plane.add_nodes(1);
    let namespace = plane.namespace("human");
    let url = scripted::serve(|_| 350.0);
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let asked_for = Asked { mode: "Active", via: "Scale", prediction: "Disabled", url: &url, clock: &clock };
    let operator = begin(plane, namespace, 5, asked_for).await;
    let_decide(plane, namespace, &clock).await;
    assert_eq!(asked(plane, namespace), 5);

    plane.kubectl(&["scale", "deployment", "shop", "-n", namespace, "--replicas=12"]);
    let raised = clock.now();
    let_decide(plane, namespace, &clock).await;
    while clock.now().since(raised) < Span::from_minutes(28) {
        clock.advance(Span::from_minutes(5));
        let_decide(plane, namespace, &clock).await;
        let (at, summary) = decided(plane, namespace);
        if at.since(raised) < Span::from_minutes(30) {
            assert_eq!(asked(plane, namespace), 12, "after {}s: {summary}", at.since(raised).seconds());
        }
    }
    clock.set(raised.plus(Span::from_minutes(31)).plus(WINDOW));
    plane
        .eventually("the demand's own answer after half an hour", TIMEOUT, async || {
            clock.advance(Span::from_seconds(20));
            tokio::time::sleep(INTERVAL).await;
            (asked(plane, namespace) == 5).then_some(())
        })
        .await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_writer_is_named_and_not_fought() {
    let Some(plane) = shared() else { return };
    plane.define_kinds();
    plane.add_nodes(1);
    let namespace = plane.namespace("fought");
    let url = scripted::serve(|_| 350.0);
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let asked_for = Asked { mode: "Active", via: "Scale", prediction: "Disabled", url: &url, clock: &clock };
    let operator = begin(plane, namespace, 5, asked_for).await;
    let_decide(plane, namespace, &clock).await;

    // First up, then down: the second write within ten minutes is a fight.
    let first_write = clock.now();
    for replicas in ["9", "3"] {
        plane.kubectl(&[
            "patch",
            "deployment",
            "shop",
            "-n",
            namespace,
            "--subresource=scale",
            "--type=merge",
            "--field-manager=other-scaler",
            "-p",
            &format!("{{\"spec\":{{\"replicas\":{replicas}}}}}"),
        ]);
        let_decide(plane, namespace, &clock).await;
    }
    let conflict = plane
        .eventually("the conflict to be told", TIMEOUT, async || {
            let object = get(plane, "pra", namespace);
            let conditions = object.pointer("/status/conditions")?.as_array()?.clone();
            conditions.into_iter().find(|one| one["type"] == "TargetConflict" && one["status"] == "True")
        })
        .await;
    assert!(conflict["message"].as_str().unwrap_or_default().contains("other-scaler"), "{conflict}");
    // The floor of 9 is wanted still, and not written: for as long as it is a fight, ten minutes.
    let mut n_held = 0;
    loop {
        let_decide(plane, namespace, &clock).await;
        let stands = asked(plane, namespace);
        let (at, summary) = decided(plane, namespace);
        if at.since(first_write) > Span::from_minutes(9) {
            break;
        }
        assert_eq!(stands, 3, "{}s after the first write: {summary}", at.since(first_write).seconds());
        n_held += 1;
    }
    assert!(n_held >= 2, "no decision was made while it was a fight");
    let events = plane.kubectl(&["get", "events", "-n", namespace, "-o", "json"]);
    assert!(events.contains("TargetConflict") && events.contains("other-scaler"), "{events}");
    operator.stop().await;
}

/// Two bumps of ten minutes with a valley of six between them, every day at the same time; `start` in Unix seconds.
fn two_bumps(t: f64, start: f64) -> f64 {
    let since = (t - start).rem_euclid(86_400.0);
    if (0.0..600.0).contains(&since) || (960.0..1_560.0).contains(&since) { 1_000.0 } else { 150.0 }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_floor_stands_through_a_valley_shorter_than_hold_and_is_lowered_after_it() {
    let Some(plane) = shared() else { return };
    plane.define_kinds();
    plane.add_nodes(1);
    let namespace = plane.namespace("held");
    let clock = Arc::new(ManualClock::at(SystemClock.now().floor_to(foresail::units::Step::MINUTE)));
    // On the forecaster's own blocks of five minutes, twenty minutes ahead.
    let start = (clock.now().seconds() / 300 + 4) * 300;
    #[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "seconds of this century fit")]
    let url = scripted::serve(move |t| two_bumps(t, start as f64));
    let bump = Timestamp::from_seconds(start);
    plane.external_metrics().set(namespace, "demand", "150");
    plane.apply(&hpa(namespace));
    let via = "HorizontalPodAutoscalerFloor";
    let asked_for = Asked { mode: "Floor", via, prediction: "Enabled", url: &url, clock: &clock };
    let operator = begin(plane, namespace, 3, asked_for).await;
    plane
        .eventually("the forecast to be trusted", TIMEOUT, async || {
            tokio::time::sleep(INTERVAL).await;
            let object = get(plane, "pra", namespace);
            let conditions = object.pointer("/status/conditions")?.as_array()?.clone();
            conditions
                .iter()
                .any(|one| one["type"] == "ForecastTrusted" && one["status"] == "True")
                .then_some(())
        })
        .await;
    let floor = || get(plane, "hpa", namespace).pointer("/spec/minReplicas").and_then(Value::as_u64);
    let mut path = Vec::new();
    while clock.now() < bump.plus(Span::from_minutes(40)) {
        clock.advance(Span::from_seconds(30));
        tokio::time::sleep(INTERVAL).await;
        path.push((clock.now().seconds() - start, floor().unwrap_or(0)));
    }
    // A tick and the test's look at its outcome may be two steps apart.
    let within = |from: i64, to: i64| path.iter().filter(move |(at, _)| (from..to).contains(at));
    assert!(within(-1_200, -600).all(|&(_, n)| n == 2), "raised without need: {path:?}");
    assert!(
        within(0, 1_500).all(|&(_, n)| n >= 10),
        "not raised in time, or lowered in the valley: {path:?}"
    );
    assert!(within(2_000, 2_400).all(|&(_, n)| n == 2), "not lowered after the second bump: {path:?}");
    operator.stop().await;
}
