//! The operator in the sandbox and `plan` on the same trace: the same replicas at the end of every step, for three
//! weeks.
//!
//! Of samples at 95 % of ready capacity or more the operator learns a lower bound; the forecasts of a plan are shared
//! by policies of different capacity, so that there a sample is what it is. The headroom of both policies keeps demand
//! below that, which is asserted.

#![expect(clippy::unwrap_used, reason = "a test over a world that it made itself")]

use std::collections::BTreeMap;
use std::sync::Arc;

use foresail::api;
use foresail::plan::{History, Outcome, Scenario, Stood, run};
use foresail::policy::Mode;
use foresail::sandbox::{Shop, StartUp, Surge, World};
use foresail::units::{CapacityPerReplica, Demand, Span, Step, Timestamp};
use serde_json::{Value, json};

use crate::deployment;

/// Monday 2026-11-02, at an hour and a minute that are round in nothing.
const BEGINS: Timestamp = Timestamp::from_seconds(1_793_577_600 + 7 * 3600 + 23 * 60);
const DAYS: u64 = 21;
const INTERVAL: Span = Span::from_seconds(15);
const QUERY: &str = "sum(rate(http_requests_total{app=\"web\"}[1m]))";
const CAPACITY: f64 = 50.0;

/// A policy that is planned and operated, in a namespace of its own.
struct Case {
    namespace: &'static str,
    mode: Mode,
    /// The spec's own fields.
    spec: &'static str,
}

const ACTIVE: Case = Case {
    namespace: "shop",
    mode: Mode::Active,
    spec: r#"{"mode": "Active", "minReplicas": 2, "maxReplicas": 60, "forecast": {"leadTime": "3m"},
        "objective": {"unserved": "0.1%"}, "reactive": {"floorUtilization": 80}}"#,
};
const FLOOR: Case = Case {
    namespace: "mail",
    mode: Mode::Floor,
    spec: r#"{"mode": "Floor", "minReplicas": 3, "maxReplicas": 34,
        "forecast": {"leadTime": "10m", "historyDays": 14, "timeZone": "Europe/Berlin"},
        "objective": {"unserved": "1%"}, "cooldown": {"scaleDown": "4m"}, "thresholds": {"minStep": 2}}"#,
};

/// Demand of a shop over every minute, with an afternoon in the third week that is half as busy again.
fn trace() -> Vec<f64> {
    let busy = Surge {
        begins: BEGINS.plus(Span::from_hours(16 * 24 + 4)),
        climb: Span::from_hours(1),
        stays: Span::from_hours(2),
        falls: Span::from_hours(1),
        times: 1.5,
    };
    let shop = Shop { seed: 11, peak: 1000.0, surges: vec![busy] };
    (0..DAYS * 1440).map(|minute| shop.demand(BEGINS.plus(Span::from_minutes(minute)))).collect()
}

fn autoscaler(case: &Case) -> Value {
    let mut object = json!({
        "apiVersion": "foresail.dev/v1alpha1", "kind": "PredictiveAutoscaler",
        "metadata": {"name": "web", "namespace": case.namespace},
        "spec": {
            "sourceRef": {"name": "main"},
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "metrics": [{"name": "requests", "type": "Prometheus", "query": QUERY,
                "capacityPerReplica": CAPACITY.to_string()}],
        },
    });
    let own: Value = serde_json::from_str(case.spec).unwrap();
    let spec = object.get_mut("spec").and_then(Value::as_object_mut).unwrap();
    spec.extend(own.as_object().unwrap().clone());
    object
}

fn planned(case: &Case, x: &[f64]) -> Outcome {
    let object: api::PredictiveAutoscaler = serde_json::from_value(autoscaler(case)).unwrap();
    let policy = api::policy(&object.spec).unwrap();
    let samples = x
        .iter()
        .zip(0..)
        .map(|(x, minute)| (BEGINS.plus(Span::from_minutes(minute)), Demand::new(*x).unwrap()));
    let history = History {
        demand: vec![samples.collect()],
        capacities: vec![CapacityPerReplica::new(CAPACITY).unwrap()],
        events: Vec::new(),
        recorded: Vec::new(),
        from: Some(BEGINS),
    };
    let key = format!("{}/web", case.namespace);
    run(&Scenario::new(&key, &policy, None, INTERVAL, history).unwrap())
}

/// What the operator asked for at the end of every step but the first, at which nothing was seen yet.
async fn operated(case: &Case, x: &[f64], first: u32) -> Vec<u32> {
    let world = World::starting_at(BEGINS.minus(Span::from_minutes(30)), 7).unwrap();
    let samples: Arc<[f64]> = x.into();
    // Demand over a minute is recorded at its end.
    let recorded = move |at: Timestamp| {
        let minutes = (at.seconds() - BEGINS.seconds()).div_euclid(60) - 1;
        samples.get(usize::try_from(minutes).ok()?).copied()
    };
    world.prometheus.script(QUERY, Step::MINUTE, Arc::new(recorded)).unwrap();
    world.add_namespace(case.namespace).unwrap();
    world.server.create(&deployment((case.namespace, "web"), first)).unwrap();
    world.start_controllers(StartUp { median: Span::from_minutes(3), spread: 0.0 }, BTreeMap::new());
    let operator = world.start_operator(INTERVAL);
    let mut end = BEGINS.plus(Step::MINUTE.span());
    world.play_until(end).await;
    world.server.create(&autoscaler(case)).unwrap();
    let mut asked = Vec::new();
    for _ in 1..x.len() {
        end = end.plus(Step::MINUTE.span());
        world.play_until(end.minus(Span::from_millis(1))).await;
        asked.push(world.server.replicas(case.namespace, "web").unwrap().0);
    }
    operator.stop().await.unwrap();
    asked
}

async fn decide_the_same(case: &Case) {
    let x = trace();
    let outcome = planned(case, &x);
    let name = if case.mode == Mode::Floor { "floor" } else { "foresail" };
    let course = &outcome.policies.iter().find(|one| one.course.name == name).unwrap().course;
    let mut planned = course.stood.iter().map(|stood| stood.desired.get());
    let first = planned.next().unwrap();
    let planned: Vec<u32> = planned.collect();
    let operated = operated(case, &x, first).await;
    assert_eq!(operated.len(), x.len() - 1);
    let differ: Vec<(usize, u32, u32)> = (1..)
        .zip(planned.iter().zip(&operated))
        .filter(|(_, (planned, operated))| planned != operated)
        .map(|(step, (planned, operated))| (step, *planned, *operated))
        .collect();
    assert!(
        differ.is_empty(),
        "{} differ (step, plan, operator), the first: {:?}",
        differ.len(),
        differ.first()
    );
    let limit = |stood: &Stood| 0.95 * CAPACITY * f64::from(stood.ready.get());
    let censored = x.iter().zip(course.stood.iter().skip(1)).filter(|(x, stood)| **x >= limit(stood)).count();
    assert_eq!(censored, 0, "samples that the operator takes as lower bounds");
    // Both the forecast and the reactive answer had their say, and they said something.
    let trusted = outcome.ahead.iter().flatten().filter(|ahead| ahead.trusted).count();
    let changes = planned.iter().zip(planned.iter().skip(1)).filter(|(a, b)| a != b).count();
    assert!(
        (1440..x.len() - 1440).contains(&trusted) && changes > 500,
        "trusted {trusted}, {changes} changes"
    );
}

#[tokio::test(start_paused = true)]
async fn the_operator_and_a_plan_decide_the_same_for_three_weeks_in_active() {
    decide_the_same(&ACTIVE).await;
}

#[tokio::test(start_paused = true)]
async fn the_operator_and_a_plan_decide_the_same_for_three_weeks_in_floor() {
    decide_the_same(&FLOOR).await;
}
