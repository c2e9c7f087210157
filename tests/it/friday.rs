//! A Black Friday that comes to six times an ordinary day within ten minutes, under a budget that scaling as an HPA does
//! would break: played by the real operator, explained and derived again from its log.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test over a world that it made itself")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use foresail::edge::clock::Clock as _;
use foresail::sandbox::{Shop, StartUp, Surge, World};
use foresail::telemetry::decisions::DecisionLog;
use foresail::units::{Span, Step, Timestamp};
use serde_json::{Value, json};

use crate::{deployment, scratch};

/// 2026-11-27T00:00:00Z.
const FRIDAY: Timestamp = Timestamp::from_seconds(1_795_737_600);
const BEGINS: Timestamp = FRIDAY.plus(Span::from_hours(6));
const WAVE: Timestamp = FRIDAY.plus(Span::from_hours(9));
const ENDS: Timestamp = FRIDAY.plus(Span::from_hours(24));
const CLIMB: Span = Span::from_minutes(10);
const INTERVAL: Span = Span::from_seconds(15);
const CAPACITY: f64 = 100.0;
const PRICE: f64 = 0.25;
const QUERY: &str = "sum(rate(http_requests_total{app=\"web\"}[1m]))";

fn demand(at: Timestamp) -> f64 {
    let wave = Surge {
        begins: WAVE,
        climb: CLIMB,
        stays: Span::from_hours(6),
        falls: Span::from_hours(2),
        times: 6.0,
    };
    Shop { seed: 11, peak: 400.0, surges: vec![wave] }.demand(at)
}

/// What an HPA at 70 % without any delay would spend over the day, from the beginning of the test on.
fn naive() -> f64 {
    let minutes = ENDS.since(BEGINS).seconds() / 60;
    let replicas =
        (0..minutes).map(|i| (demand(BEGINS.plus(Span::from_minutes(i))) / (0.7 * CAPACITY)).ceil());
    replicas.sum::<f64>() / 60.0 * PRICE
}

fn objects(amount: f64, overdraft: &Value) -> [Value; 4] {
    let of = |kind: &str, name: &str, spec: Value| json!({"apiVersion": "foresail.dev/v1alpha1", "kind": kind, "metadata": {"name": name, "namespace": "shop"}, "spec": spec});
    let autoscaler = json!({
        "mode": "Active", "minReplicas": 2, "maxReplicas": 60, "sourceRef": {"name": "main"},
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "metrics": [{"name": "requests", "type": "Prometheus", "query": QUERY, "capacityPerReplica": "100"}],
        "forecast": {"leadTime": "3m", "historyDays": 21},
        "calendarRefs": [{"name": "retail"}],
        "spend": {"pricePerReplicaHour": PRICE.to_string(), "currency": "EUR", "budgetRef": {"name": "shop"}},
    });
    let calendar = json!({"timeZone": "UTC", "events": [{
        "name": "black-friday", "start": "2026-11-27T09:00", "end": "2026-11-27T15:10", "multiplier": "6",
        "rampUp": "10m", "decay": "2h", "readyBefore": "5m",
    }]});
    let budget = json!({
        "amount": format!("{amount:.2}"), "currency": "EUR", "period": "Day", "timeZone": "UTC",
        "members": [{"namespaces": ["shop"], "priority": 10}], "onExceed": "HoldGrowth", "overdraft": overdraft,
    });
    [
        deployment(("shop", "web"), 4),
        of("DemandCalendar", "retail", calendar),
        json!({"apiVersion": "foresail.dev/v1alpha1", "kind": "SpendBudget", "metadata": {"name": "shop"}, "spec": budget}),
        of("PredictiveAutoscaler", "web", autoscaler),
    ]
}

/// One minute of the day: demand, what was asked for, what served.
struct Minute {
    at: Timestamp,
    demand: f64,
    asked: u32,
    ready: u32,
}

struct Played {
    minutes: Vec<Minute>,
    log: PathBuf,
    /// The autoscaler just before the wave.
    before: Value,
}

/// Plays the day; demand is on record since `recorded`.
async fn play(test: &str, recorded: Timestamp, amount: f64, overdraft: &Value) -> Played {
    let log = scratch(test).join("decisions.jsonl");
    let mut world = World::starting_at(BEGINS, 11).unwrap();
    world.decisions = DecisionLog::append(&log).unwrap();
    let read = move |at: Timestamp| {
        let at = at.minus(Span::from_minutes(1));
        (at >= recorded).then(|| demand(at))
    };
    world.prometheus.script(QUERY, Step::MINUTE, Arc::new(read)).unwrap();
    world.add_namespace("shop").unwrap();
    world.start_controllers(StartUp { median: Span::from_seconds(150), spread: 0.1 }, BTreeMap::new());
    for object in objects(amount, overdraft) {
        world.server.create(&object).unwrap();
    }
    world.play(Span::from_minutes(4)).await;
    let operator = world.start_operator(INTERVAL);
    let (mut minutes, mut before) = (Vec::new(), Value::Null);
    while world.clock.now() < ENDS.minus(Span::from_minutes(1)) {
        world.play(Span::from_minutes(1)).await;
        let at = world.clock.now();
        let (asked, ready) = world.server.replicas("shop", "web").unwrap();
        minutes.push(Minute { at, demand: demand(at), asked, ready });
        if at <= WAVE {
            let kind = ("foresail.dev/v1alpha1", "PredictiveAutoscaler");
            before = world.server.object(kind, "shop", "web").unwrap().as_ref().clone();
        }
    }
    operator.stop().await.unwrap();
    Played { minutes, log, before }
}

impl Played {
    fn spent(&self) -> f64 {
        self.minutes.iter().map(|minute| f64::from(minute.asked)).sum::<f64>() / 60.0 * PRICE
    }

    fn unserved(&self) -> f64 {
        let missing = |minute: &Minute| (minute.demand - f64::from(minute.ready) * CAPACITY).max(0.0);
        let demand: f64 = self.minutes.iter().map(|minute| minute.demand).sum();
        self.minutes.iter().map(missing).sum::<f64>() / demand
    }

    /// Every minute from a little before the wave to its height has what it needs.
    fn is_ready_for_the_wave(&self) {
        let (from, to) = (WAVE.minus(Span::from_minutes(2)), WAVE.plus(CLIMB).plus(Span::from_minutes(10)));
        for minute in self.minutes.iter().filter(|minute| from <= minute.at && minute.at <= to) {
            // The objective leaves a little of a step unserved.
            let (ready, needed) = (f64::from(minute.ready) * CAPACITY, 0.99 * minute.demand);
            let late = minute.at.seconds() - WAVE.seconds();
            assert!(
                ready >= needed,
                "{needed} is demanded {late} s from the wave's beginning, {ready} served: {}",
                self.before["status"]["conditions"]
            );
        }
    }

    fn trusted(&self) -> bool {
        let conditions = self.before["status"]["conditions"].as_array().unwrap();
        conditions.iter().any(|one| one["type"] == "ForecastTrusted" && one["status"] == "True")
    }
}

fn foresail(arguments: &[&str], log: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_foresail")).args(arguments).arg(log).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[tokio::test(start_paused = true)]
async fn a_wave_of_six_times_is_served_within_a_budget_that_an_hpa_would_break() {
    let amount = 0.95 * naive();
    let played = play("friday", FRIDAY.minus(Span::from_hours(21 * 24)), amount, &Value::Null).await;
    let spent = played.spent();
    assert!(played.trusted(), "{}", played.before["status"]["conditions"]);
    played.is_ready_for_the_wave();
    assert!(
        played.unserved() <= 0.001,
        "{} of demand unserved, {spent} of {amount} spent",
        played.unserved()
    );
    assert!(spent <= amount, "{spent} of {amount}");

    let said = foresail(&["replay"], &played.log);
    assert!(said.contains(", every one byte for byte the same"), "{said}");
    let told = |at: &str| foresail(&["explain", "pra/web", "--at", at, "--log"], &played.log);
    // The wave is told before it comes, with the event that announced it; then demand, then the release.
    let early = told("2026-11-27T08:55:00Z");
    assert!(early.contains("retail/black-friday") && early.contains("budget shop"), "{early}");
    for at in ["2026-11-27T07:30:00Z", "2026-11-27T09:03:00Z", "2026-11-27T12:00:00Z", "2026-11-27T16:20:00Z"]
    {
        let told = told(at);
        for part in [
            "\ninputs\n",
            "\ncandidates\n",
            "\nlimits, in their order",
            "\nwhat alone would have led to another",
        ] {
            assert!(told.contains(part), "{part} at {at}: {told}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_announced_wave_finds_capacity_ready_also_where_no_forecast_is_trusted() {
    let amount = 0.9 * naive();
    let overdraft = json!({"share": "25%", "for": ["Unserved"]});
    let played = play("friday-untrusted", BEGINS.minus(Span::from_hours(3)), amount, &overdraft).await;
    assert!(!played.trusted(), "three hours of history teach nothing");
    played.is_ready_for_the_wave();
    assert!(played.unserved() <= 0.001, "{}", played.unserved());
    assert!(played.spent() <= 1.25 * amount, "{} of {amount}", played.spent());
    let said = foresail(&["replay"], &played.log);
    assert!(said.contains(", every one byte for byte the same"), "{said}");
}
