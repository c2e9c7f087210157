//! The real operator in the sandbox: days in seconds, and the same bytes from the same seed.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test over a world that it made itself")]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use foresail::edge::clock::Clock as _;
use foresail::sandbox::{Fault, Faults, Listener, Shop, StartUp, Surge, World};
use foresail::units::{Span, Step, Timestamp};
use serde_json::{Value, json};

use crate::deployment;

/// A Tuesday, 2026-11-24T00:00:00Z.
const DAY: Timestamp = Timestamp::from_seconds(1_795_478_400);
const QUERY: &str = "sum(rate(http_requests_total{app=\"web\"}[1m]))";
const CAPACITY: f64 = 100.0;
/// When the morning begins.
const RAMP: Span = Span::from_minutes(510);
const LEAD: Span = Span::from_minutes(4);

/// A shop that from half past eight to half past ten comes to three times its own night.
fn demand(at: Timestamp) -> f64 {
    let day = at.floor_to(Step::new(86_400).unwrap());
    let morning = Surge {
        begins: day.plus(RAMP),
        climb: Span::from_hours(2),
        stays: Span::from_hours(9),
        falls: Span::from_hours(2),
        times: 3.0,
    };
    Shop { seed: 7, peak: 1000.0, surges: vec![morning] }.demand(at)
}

/// Replicas that demand needs at a utilization.
fn need(at: Timestamp, utilization: f64) -> u32 {
    (0..10_000_u32).find(|n| f64::from(*n) * CAPACITY * utilization >= demand(at)).unwrap()
}

fn autoscaler(mode: &str) -> Value {
    json!({
        "apiVersion": "foresail.dev/v1alpha1", "kind": "PredictiveAutoscaler",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "mode": mode, "minReplicas": 2, "maxReplicas": 100, "sourceRef": {"name": "main"},
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "metrics": [{"name": "requests", "type": "Prometheus", "query": QUERY, "capacityPerReplica": "100"}],
            "forecast": {"leadTime": "4m", "historyDays": 14},
        },
    })
}

/// A shop at `start`: its Deployment with 20 replicas that serve, an autoscaler, the operator.
async fn shop(start: Timestamp, mode: &str) -> World {
    let world = World::starting_at(start, 7).unwrap();
    let recorded = |at: Timestamp| Some(demand(at.minus(Span::from_minutes(1))));
    world.prometheus.script(QUERY, Step::MINUTE, Arc::new(recorded)).unwrap();
    world.add_namespace("shop").unwrap();
    world.server.create(&deployment(("shop", "web"), 20)).unwrap();
    world.start_controllers(StartUp { median: LEAD, spread: 0.0 }, BTreeMap::new());
    world.play(Span::from_minutes(5)).await;
    world.server.create(&autoscaler(mode)).unwrap();
    world
}

#[tokio::test(start_paused = true)]
async fn the_operator_scales_ahead_of_a_ramp_it_has_seen_before() {
    let world = shop(DAY.plus(Span::from_hours(7)), "Active").await;
    let operator = world.start_operator(Span::from_seconds(15));
    let (ramp, end) = (DAY.plus(RAMP), DAY.plus(RAMP).plus(Span::from_hours(2)));
    world.play_until(ramp).await;
    let (mut served, mut unserved) = (0.0, 0.0);
    let (mut behind, mut paid, mut reactive) = (0, 0, 0);
    while world.clock.now() < end {
        world.play(Span::from_minutes(1)).await;
        let now = world.clock.now();
        let (asked, ready) = world.server.replicas("shop", "web").unwrap();
        served += demand(now);
        unserved += (demand(now) - f64::from(ready) * CAPACITY).max(0.0);
        behind += u32::from(asked < need(now.plus(LEAD), 1.0));
        paid += asked;
        reactive += need(now.minus(Span::from_minutes(1)), 0.7);
    }
    operator.stop().await.unwrap();
    // What will be needed once a pod has started is asked for now, and it costs less than an HPA's 30 % of headroom.
    // The objective is a share of all demand: no step is planned for more than twice it, the steepest included.
    assert!(unserved / served < 0.002, "{unserved} of {served}");
    // The objective lets a minute fall short by a little now and then.
    assert!(behind <= 16, "{behind} minutes of 120");
    assert!(f64::from(paid) < 0.96 * f64::from(reactive), "{paid} of {reactive} replica-minutes");
}

/// What was asked for each minute of the first hour of the ramp, and every object at its end.
async fn trace(faults: Option<Faults>) -> (Vec<u32>, String) {
    trace_of(shop(DAY.plus(Span::from_hours(8)), "Active").await, faults).await
}

async fn trace_of(world: World, faults: Option<Faults>) -> (Vec<u32>, String) {
    if let Some(faults) = faults {
        world.server.set_faults(faults);
    }
    let operator = world.start_operator(Span::from_seconds(15));
    let mut asked = Vec::new();
    while world.clock.now() < DAY.plus(RAMP).plus(Span::from_hours(1)) {
        world.play(Span::from_minutes(1)).await;
        asked.push(world.server.replicas("shop", "web").unwrap().0);
    }
    world.server.set_faults(Faults::none());
    operator.stop().await.unwrap();
    (asked, world.server.dump())
}

/// Shows where two runs part, and no more of them.
fn assert_same((asked, dump): &(Vec<u32>, String), (other_asked, other_dump): &(Vec<u32>, String)) {
    assert_eq!(asked, other_asked);
    for (line, other) in dump.lines().zip(other_dump.lines()) {
        if let Some(at) = line.bytes().zip(other.bytes()).position(|(a, b)| a != b) {
            let around = |text: &str| text[at.saturating_sub(300)..text.len().min(at + 100)].to_owned();
            panic!("runs part:\n{}\n{}", around(line), around(other));
        }
    }
    assert_eq!(dump.len(), other_dump.len());
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_bytes() {
    let first = trace(None).await;
    let (least, most) = (first.0.iter().min().unwrap(), first.0.iter().max().unwrap());
    assert!(least < most, "{:?}", first.0);
    assert_same(&first, &trace(None).await);
}

fn faults() -> Faults {
    let rates = [
        (Fault::Refuse(503), 0.1),
        (Fault::Refuse(429), 0.05),
        (Fault::LoseAnswer, 0.05),
        (Fault::Silence, 0.05),
        (Fault::Overtake, 0.1),
        (Fault::Delay(900), 0.2),
        (Fault::CutWatch, 0.5),
    ];
    Faults::seeded(3, &rates)
}

/// What one request to a listener is answered with, until `ends` shows up in it or it ends.
fn ask(url: &str, request: &str, ends: &str) -> String {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    write!(stream, "{request}").unwrap();
    let (mut answer, mut buffer) = (String::new(), [0; 4096]);
    while ends.is_empty() || !answer.contains(ends) {
        let n = stream.read(&mut buffer).unwrap();
        if n == 0 {
            break;
        }
        answer.push_str(&String::from_utf8_lossy(buffer.get(..n).unwrap()));
    }
    answer
}

/// Lists, tables, watches and writes that are not meant, again and again until told to stop; how many were answered.
fn read_on(url: &str, stop: &AtomicBool) -> usize {
    let get = |path: &str| format!("GET {path} HTTP/1.0\r\nAccept: application/json;as=Table;v=v1\r\n\r\n");
    let dry =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "x-"}}).to_string();
    let dry_run = format!(
        "POST /api/v1/namespaces/shop/configmaps?dryRun=All HTTP/1.0\r\nContent-Length: {}\r\n\r\n{dry}",
        dry.len()
    );
    let autoscalers = "/apis/foresail.dev/v1alpha1/predictiveautoscalers";
    let requests = [
        (get("/api/v1/pods?limit=3"), "", "200 OK"),
        (get(autoscalers), "", "200 OK"),
        (get(&format!("{autoscalers}?watch=true&timeoutSeconds=60")), "ADDED", "200 OK"),
        (get("/api/v1/namespaces/shop/pods/none"), "", "404 Not Found"),
        (dry_run, "", "201 Created"),
    ];
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        for (request, ends, expected) in &requests {
            let answer = ask(url, request, ends);
            assert!(answer.contains(expected), "{request}: {answer}");
            n += 1;
        }
    }
    n
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_bytes_whoever_reads() {
    let unread = trace(Some(faults())).await;
    let world = shop(DAY.plus(Span::from_hours(8)), "Active").await;
    let listener = Listener::start(&world.server).unwrap();
    let (url, stop) = (listener.url(), Arc::new(AtomicBool::new(false)));
    let stopped = Arc::clone(&stop);
    let reader = std::thread::spawn(move || read_on(&url, &stopped));
    let read = trace_of(world, Some(faults())).await;
    stop.store(true, Ordering::Relaxed);
    let n = reader.join().unwrap();
    assert!(n >= 20, "{n} requests were answered");
    assert_same(&unread, &read);
}

#[tokio::test(start_paused = true)]
async fn a_failing_api_server_costs_no_replicas_and_the_same_seed_fails_the_same_way() {
    let (calm, peaceful) = trace(None).await;
    let (asked, dump) = trace(Some(faults())).await;
    assert_ne!(dump, peaceful);
    let distance = |(a, b): (&u32, &u32)| a.abs_diff(*b);
    let worst = asked.iter().zip(&calm).map(distance).max().unwrap();
    assert!(worst <= 3, "{asked:?}\n{calm:?}");
    assert_same(&(asked, dump), &trace(Some(faults())).await);
}
