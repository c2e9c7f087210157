//! Bad input, end to end through one worker: a condition and an Event that say what to do, and no write to the workload.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::api::EffectiveMode;
use crate::metrics::SourceSettings;
use crate::metrics::tests::server::{Reply, Server, http, json as answer_json};
use crate::operator::fake::rig::{Rig, START, autoscaler};
use crate::operator::fleet;
use crate::units::Span;

mod break_glass;
mod late;
mod prices;

/// For answers that come: long, so that a busy machine fails no test.
const PATIENT: Span = Span::from_seconds(20);
/// For answers that do not.
const HASTY: Span = Span::from_millis(200);

fn source(name: &str, server: &Server, timeout: Span) -> SourceSettings {
    rustls::crypto::ring::default_provider().install_default().ok();
    SourceSettings {
        name: name.to_owned(),
        url: server.url.clone(),
        authorization: None,
        ca_pem: None,
        tenant_header: None,
        timeout,
        max_concurrent: 4,
    }
}

fn vector(values: &[&str]) -> Reply {
    let at = START.seconds();
    let series: Vec<Value> = values
        .iter()
        .enumerate()
        .map(|(idx, value)| json!({"metric": {"pod": format!("web-{idx}")}, "value": [at, value]}))
        .collect();
    answer_json(&json!({"status": "success", "data": {"resultType": "vector", "result": series}}).to_string())
}

/// A server that reads 350 and has no history.
async fn without_history() -> Server {
    Server::answering(|request| {
        if request.contains("/query_range?") {
            answer_json(r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#)
        } else {
            vector(&["350"])
        }
    })
    .await
}

/// What is known after a first tick on 350, for which five replicas are right, and a second tick on `reply`.
async fn after(reply: Reply, timeout: Span) -> Rig {
    let server = Server::start(vec![vector(&["350"]), reply]).await;
    let rig = Rig::new(&[autoscaler("web", "main", &json!({}))], vec![source("main", &server, timeout)]);
    let mut worker = Worker::new(Arc::clone(&rig.ctx), "shop".to_owned(), "web".to_owned());
    Box::pin(worker.tick(&rig.object("web"), &rig.leadership)).await;
    assert_eq!(rig.condition("web", "EvidenceFresh").0, "True");
    assert_eq!(rig.writes_to_workloads(), Vec::<String>::new());
    rig.clock.advance(Span::from_seconds(15));
    Box::pin(worker.tick(&rig.object("web"), &rig.leadership)).await;
    rig
}

/// The second answer is told to be unusable for `reason`, with a sentence that ends in `remedy`, in the condition and
/// in an Event; the workload is left alone.
async fn check(reply: Reply, reason: &str, remedy: &str) {
    let timeout = if matches!(reply, Reply::Hang) { HASTY } else { PATIENT };
    let rig = after(reply, timeout).await;
    let (status, found, message) = rig.condition("web", "EvidenceFresh");
    assert_eq!((status.as_str(), found.as_str()), ("False", reason), "{message}");
    assert!(message.starts_with("demand") && message.ends_with(remedy), "{message}");
    let (ready, why, _) = rig.condition("web", "Ready");
    assert_eq!((ready.as_str(), why.as_str()), ("False", reason));
    assert!(rig.events().await.contains(&("EvidenceLost".to_owned(), message)), "{:?}", rig.events().await);
    assert_eq!(rig.writes_to_workloads(), Vec::<String>::new());
    assert_eq!(rig.asked("web"), 5);
}

/// The control: with the same spec a good answer is acted on at once, in both directions.
#[tokio::test]
async fn a_good_answer_is_acted_on() {
    for (value, replicas, event) in [("140", 2, "ScaledDown"), ("501", 8, "ScaledUp")] {
        let rig = after(vector(&[value]), PATIENT).await;
        assert_eq!(rig.asked("web"), replicas);
        assert_eq!(rig.writes_to_workloads().len(), 1);
        assert!(rig.events().await.iter().any(|(reason, _)| reason == event), "{:?}", rig.events().await);
    }
}

#[tokio::test]
async fn a_query_that_returns_seven_series_changes_nothing() {
    check(vector(&["1"; 7]), "ManySeries", "aggregate it with sum()").await;
}

#[tokio::test]
async fn a_query_that_returns_no_series_changes_nothing() {
    check(vector(&[]), "EmptyResult", "correct the query, or look why the series is gone").await;
}

#[tokio::test]
async fn a_value_that_is_no_number_changes_nothing() {
    for value in ["NaN", "+Inf", "-Inf"] {
        check(vector(&[value]), "NotFinite", "guard the division, as in a / (b > 0)").await;
    }
}

/// `delta()` and differences of a counter go below zero when it is reset; the counter itself falls to almost nothing.
#[tokio::test]
async fn a_counter_that_is_reset_changes_nothing() {
    check(vector(&["-349.5"]), "Negative", "take rate() of a counter, which knows its resets").await;
    check(vector(&["0"]), "SuddenFall", "if it is a counter, take rate() of it").await;
}

#[tokio::test]
async fn an_answer_of_300_megabytes_changes_nothing() {
    let taken = Arc::new(Mutex::new(0));
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 314572800\r\n\r\n".to_vec();
    let remedy = "the answer is larger than 8192 KiB: aggregate the query";
    check(Reply::Flood(head, taken), "MalformedAnswer", remedy).await;
}

#[tokio::test]
async fn a_source_that_hangs_or_fails_changes_nothing() {
    let remedy = "see why the MetricSource does not answer, or raise its timeout, which counts up to two thirds of the operator's interval";
    check(Reply::Hang, "SourceUnreachable", remedy).await;
    let failed = http("503 Service Unavailable", "", "");
    check(failed, "SourceError", "try the query on the MetricSource itself").await;
}

#[tokio::test]
async fn a_query_without_history_is_told_and_the_reactive_answer_stands() {
    let server = without_history().await;
    let predicted = json!({"metrics": [{
        "name": "demand", "type": "Prometheus", "query": "sum(demand)", "capacityPerReplica": "100",
    }]});
    let rig = Rig::new(&[autoscaler("web", "main", &predicted)], vec![source("main", &server, PATIENT)]);
    let mut worker = Worker::new(Arc::clone(&rig.ctx), "shop".to_owned(), "web".to_owned());
    let told = "demand: the query has no history: the reactive answer stands until there is some";
    // The history is read beside the ticks. Each of them does I/O of its own, so that this is no busy loop.
    for _ in 0..100 {
        Box::pin(worker.tick(&rig.object("web"), &rig.leadership)).await;
        if rig.condition("web", "ForecastTrusted").2 == told {
            break;
        }
        rig.clock.advance(Span::from_millis(150));
    }
    let (status, _, message) = rig.condition("web", "ForecastTrusted");
    assert_eq!((status.as_str(), message.as_str()), ("False", told));
    assert_eq!(rig.writes_to_workloads(), Vec::<String>::new());
}

/// An API server refuses some of these; an object may be older than the rule.
#[tokio::test]
async fn an_invalid_spec_is_told_and_nothing_is_asked_or_written() {
    let metric = |query: &str| {
        json!({"metrics": [{
            "name": "demand", "type": "Prometheus", "query": query, "capacityPerReplica": "100",
        }]})
    };
    for (edit, told) in [
        (
            json!({"minReplicas": 8, "maxReplicas": 5}),
            "spec.minReplicas: `8` must be at most maxReplicas `5`: lower minReplicas or raise maxReplicas",
        ),
        (metric("sum(rate(demand[1m])"), "spec.metrics[0].query: "),
        (metric("demand[5m]"), "wrap it in a function such as rate() and aggregate with sum()"),
    ] {
        let server = Server::start(vec![vector(&["35"])]).await;
        let rig = Rig::new(&[autoscaler("web", "main", &edit)], vec![source("main", &server, PATIENT)]);
        let mut worker = Worker::new(Arc::clone(&rig.ctx), "shop".to_owned(), "web".to_owned());
        Box::pin(worker.tick(&rig.object("web"), &rig.leadership)).await;
        let (status, reason, message) = rig.condition("web", "SpecValid");
        assert_eq!((status.as_str(), reason.as_str()), ("False", "InvalidSpec"));
        assert!(message.contains(told), "{message}");
        assert!(rig.events().await.contains(&("InvalidSpec".to_owned(), message)));
        assert_eq!(server.requests(), Vec::<String>::new());
        assert_eq!(rig.writes_to_workloads(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_pause_is_the_mode_in_force_until_it_ends() {
    let server = Server::start(vec![vector(&["140"])]).await;
    let until = crate::edge::clock::to_jiff(START.plus(Span::from_seconds(20)));
    let paused = json!({"pause": {"until": until.to_string(), "reason": "migration"}});
    let rig = Rig::new(&[autoscaler("web", "main", &paused)], vec![source("main", &server, PATIENT)]);
    let mut worker = Worker::new(Arc::clone(&rig.ctx), "shop".to_owned(), "web".to_owned());
    let mode = || rig.object("web").status.unwrap().effective_mode;
    Box::pin(worker.tick(&rig.object("web"), &rig.leadership)).await;
    assert_eq!(mode(), Some(EffectiveMode::Paused));
    assert_eq!(rig.asked("web"), 5);
    rig.clock.advance(Span::from_seconds(30));
    Box::pin(worker.tick(&rig.object("web"), &rig.leadership)).await;
    assert_eq!(mode(), Some(EffectiveMode::Active));
    assert_eq!(rig.asked("web"), 2);
}

#[tokio::test]
async fn a_source_that_hangs_delays_no_autoscaler_of_another_source() {
    let (hanging, answering) =
        (Server::start(vec![Reply::Hang]).await, Server::start(vec![vector(&["501"])]).await);
    let autoscalers = [autoscaler("api", "hanging", &json!({})), autoscaler("web", "main", &json!({}))];
    let sources = vec![source("hanging", &hanging, PATIENT), source("main", &answering, PATIENT)];
    let mut rig = Rig::new(&autoscalers, sources);
    let context = Arc::get_mut(&mut rig.ctx).expect("nobody else has it yet");
    context.settings.interval = Span::from_seconds(1);
    let stop = CancellationToken::new();
    let (beat, _beats) = watch::channel(None);
    let fleet = tokio::spawn(fleet::run(Arc::clone(&rig.ctx), rig.leadership.clone(), beat, stop.clone()));
    // Real time, because the sources are real sockets: the first tick comes within the interval of a second.
    let scaled = async {
        while rig.asked("web") != 8 || hanging.requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(15), scaled).await.expect("`web` is scaled while `api` waits");
    // Its only question is still open.
    assert_eq!(rig.object("api").status, None);
    fleet.abort();
}

#[tokio::test]
async fn a_calendar_that_does_not_exist_is_told_and_the_rest_goes_on() {
    let server = Server::start(vec![vector(&["501"])]).await;
    let edit = json!({"calendarRefs": [{"name": "retail"}]});
    let rig = Rig::new(&[autoscaler("web", "main", &edit)], vec![source("main", &server, PATIENT)]);
    let mut worker = Worker::new(Arc::clone(&rig.ctx), "shop".to_owned(), "web".to_owned());
    Box::pin(worker.tick(&rig.object("web"), &rig.leadership)).await;
    let (status, reason, message) = rig.condition("web", "EventNotApplied");
    assert_eq!((status.as_str(), reason.as_str()), ("True", "CalendarNotFound"), "{message}");
    assert!(message.contains("`retail`") && message.contains("create it"), "{message}");
    assert!(rig.events().await.contains(&("EventNotApplied".to_owned(), message)));
    assert_eq!(rig.asked("web"), 8, "the reactive answer is followed");
}
