//! `foresail explain` where no log is: a decision made again from the history of demand.

#![expect(clippy::unwrap_used, reason = "a test over a world that it made itself")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use foresail::api::PredictiveAutoscaler;
use foresail::journal::{self, Record};
use foresail::report::explanation::Explanation;
use foresail::sandbox::{Listener, Shop, StartUp, World};
use foresail::telemetry::decisions::DecisionLog;
use foresail::units::{Span, Step, Timestamp};
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

use crate::stub::Prometheus;
use crate::{deployment, scratch};

/// 2026-11-02T00:00:00Z, since when demand is known.
const BEGINS: Timestamp = Timestamp::from_seconds(1_793_577_600);
const INTERVAL: Span = Span::from_seconds(15);
const QUERY: &str = "sum(rate(http_requests_total{app=\"web\"}[1m]))";

/// Demand over the minute before `at`.
fn demand(at: Timestamp) -> Option<f64> {
    let minute = at.minus(Span::from_minutes(1));
    (minute >= BEGINS).then(|| Shop { seed: 11, peak: 1000.0, surges: Vec::new() }.demand(minute))
}

fn autoscaler(mode: &str) -> Value {
    json!({
        "apiVersion": "foresail.dev/v1alpha1", "kind": "PredictiveAutoscaler",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "mode": mode, "minReplicas": 2, "maxReplicas": 60,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "sourceRef": {"name": "main"},
            "metrics": [{"name": "requests", "type": "Prometheus", "query": QUERY, "capacityPerReplica": "50"}],
            "forecast": {"leadTime": "3m"}, "reactive": {"floorUtilization": 80},
            "calendarRefs": [{"name": "retail"}],
        },
    })
}

/// A quarter more, announced for the night of the eighth day.
fn calendar() -> Value {
    json!({
        "apiVersion": "foresail.dev/v1alpha1", "kind": "DemandCalendar",
        "metadata": {"name": "retail", "namespace": "shop"},
        "spec": {"timeZone": "UTC", "events": [
            {"name": "sale", "start": "2026-11-09T01:30", "duration": "2h", "multiplier": "1.25"}]},
    })
}

fn explain(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_foresail"));
    command.current_dir(dir).arg("explain").args(arguments).env("KUBECONFIG", dir.join("kubeconfig"));
    command.output().unwrap()
}

fn told(dir: &Path, arguments: &[&str]) -> Value {
    let output = explain(dir, &[arguments, &["-o", "json"]].concat());
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refused(dir: &Path, arguments: &[&str], expected: &str) {
    let output = explain(dir, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains(expected), "{arguments:?}: {said}");
}

/// What the real operator logged in the two hours before `ends`, beside a cluster that a command line can ask.
async fn operated(dir: &Path, ends: Timestamp) -> (Vec<Record>, World) {
    let log = dir.join("decisions.jsonl");
    let mut world = World::starting_at(ends.minus(Span::from_minutes(124)), 7).unwrap();
    world.decisions = DecisionLog::append(&log).unwrap();
    world.prometheus.script(QUERY, Step::MINUTE, Arc::new(demand)).unwrap();
    world.add_namespace("shop").unwrap();
    world.server.create(&deployment(("shop", "web"), 10)).unwrap();
    world.start_controllers(StartUp { median: Span::from_minutes(3), spread: 0.0 }, BTreeMap::new());
    for object in [calendar(), autoscaler("Active")] {
        world.server.create(&object).unwrap();
    }
    world.play(Span::from_minutes(4)).await;
    let operator = world.start_operator(INTERVAL);
    world.play_until(ends).await;
    operator.stop().await.unwrap();
    let lines = fs::read_to_string(&log).unwrap();
    (lines.lines().map(|line| journal::read(line).unwrap().unwrap()).collect(), world)
}

#[tokio::test(start_paused = true)]
async fn a_decision_that_no_log_holds_is_made_again_as_the_operator_made_it() {
    let dir = scratch("recomputed");
    // Everything is fitted anew at midnight, also by an operator that began before it.
    let ends = BEGINS.plus(Span::from_hours(7 * 24 + 2));
    let (records, world) = operated(&dir, ends).await;
    let listener = Listener::start(&world.server).unwrap();
    listener.write_kubeconfig(&dir.join("kubeconfig")).unwrap();
    let prometheus = Prometheus::of_history(60, demand);
    // Within the first hour the operator remembers less than one that was always there.
    let since = ends.minus(Span::from_hours(1));
    let late: Vec<&Record> = records.iter().filter(|record| record.now() >= since).collect();
    assert!(late.len() >= 12, "{}", late.len());
    assert!(late.iter().any(|record| record.decision.write.is_some()));
    assert!(late.iter().all(|record| record.observation.metrics[0].trusted));
    for record in late.iter().step_by(late.len() / 5) {
        let at = ["pra/web", "-n", "shop", "--at", &record.at, "--prometheus", &prometheus.url()];
        let mut again = told(&dir, &at);
        let mut logged = serde_json::to_value(Explanation::of(record)).unwrap();
        for one in [&mut again, &mut logged] {
            // The operator ticks a second later, and says how old its samples are.
            let sentence = &mut one["stages"][2]["sentence"];
            *sentence = sentence.as_str().unwrap().split(", from samples ").next().into();
        }
        for field in ["asked", "ready", "desired", "boundBy", "inputs", "candidates", "stages", "changes"] {
            assert_eq!(again[field], logged[field], "{field} at {}", record.at);
        }
        assert_eq!(again["source"], "recomputed");
    }
    // Without the flag it is the autoscaler's own source that is asked, which only its cluster reaches.
    for server in [&[][..], &["--prometheus", "http://127.0.0.1:1"]] {
        let at = [&["pra/web", "-n", "shop", "--at", "01:30"], server].concat();
        refused(&dir, &at, "--prometheus URL asks one that this machine reaches: metric `requests`: ");
    }
}

#[tokio::test(start_paused = true)]
async fn capacities_that_no_manifest_states_are_those_of_the_cluster() {
    let dir = scratch("recomputed-capacities");
    let ends = BEGINS.plus(Span::from_hours(24));
    let world = World::starting_at(ends, 7).unwrap();
    world.add_namespace("shop").unwrap();
    let mut workload = deployment(("shop", "web"), 10);
    workload["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "60"}});
    let mut object = autoscaler("Active");
    object["spec"]["metrics"] = json!([
        {"name": "cpu", "type": "CPU"},
        {"name": "requests", "type": "Prometheus", "query": QUERY, "learnedCapacity": {"query": "used", "at": "80%"}},
    ]);
    for one in [workload, calendar(), object] {
        world.server.create(&one).unwrap();
    }
    let listener = Listener::start(&world.server).unwrap();
    listener.write_kubeconfig(&dir.join("kubeconfig")).unwrap();
    let prometheus = Prometheus::of_history(60, demand);
    let at = ["pra/web", "-n", "shop", "--at", "2026-11-02T20:00:00Z", "--prometheus", &prometheus.url()];
    refused(
        &dir,
        &at,
        "metric `requests`: what a replica serves is not known: wait until status.capacity says so",
    );
    let learned = json!({"status": {"capacity": [
        {"metric": "requests", "source": "Learned", "perReplica": "40"}]}});
    let autoscalers: Api<PredictiveAutoscaler> = Api::namespaced(world.server.client(), "shop");
    autoscalers.patch_status("web", &PatchParams::default(), &Patch::Merge(&learned)).await.unwrap();
    let inputs = told(&dir, &at)["inputs"].clone();
    let capacities = [0, 1].map(|i: usize| inputs[i]["capacityPerReplica"].as_f64());
    assert_eq!(capacities, [Some(60.0), Some(40.0)]);
}

#[test]
fn a_step_of_a_plan_is_explained_by_the_files_of_the_plan() {
    let dir = scratch("recomputed-files");
    let row = |minute: u64| {
        let begins = BEGINS.plus(Span::from_minutes(minute));
        format!("{},{}\n", begins.seconds(), demand(begins.plus(Span::from_minutes(1))).unwrap())
    };
    let rows: String = (0..5 * 1440).map(row).collect();
    let rows = format!("timestamp,value\n{rows}");
    fs::write(dir.join("trace.csv"), rows).unwrap();
    fs::write(dir.join("autoscaler.json"), autoscaler("Floor").to_string()).unwrap();
    fs::write(dir.join("calendar.json"), calendar().to_string()).unwrap();
    let files = ["-f", "autoscaler.json", "-f", "calendar.json", "--history", "requests=trace.csv"];
    let output = Command::new(env!("CARGO_BIN_EXE_foresail"))
        .current_dir(&dir)
        .arg("plan")
        .args(files)
        .args(["--out", "out"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let csv = fs::read_to_string(dir.join("out/decisions.csv")).unwrap();
    let mut steps = csv.lines().filter(|line| line.contains(",floor,")).skip(4 * 1440).step_by(157);
    let mut desired: Vec<String> = Vec::new();
    for line in steps.by_ref().take(7) {
        let fields: Vec<&str> = line.split(',').collect();
        // The last tick of the step.
        let at = fields[0].replace(":00Z", ":59Z");
        let again = told(&dir, &[&files[..], &["--at", &at]].concat());
        assert_eq!(again["desired"].to_string(), fields[3], "{line}");
        assert_eq!(again["mode"], "Floor");
        let number = |text: &str| -> f64 { text.parse().unwrap() };
        let median = again["inputs"][0]["ahead"]["p50"].as_f64().unwrap();
        assert!((median - number(fields[7])).abs() < 1e-6 * median, "{line}: {median}");
        desired.push(fields[3].to_owned());
    }
    desired.sort();
    desired.dedup();
    assert!(desired.len() > 3, "{desired:?}");
    let at = |at: &'static str| [&files[..], &["--at", at]].concat();
    refused(&dir, &at("2026-11-08T00:00:00Z"), "choose an instant up to which the history reaches");
    refused(&dir, &at("2026-11-01T00:00:00Z"), "has no sample before 2026-11-01T00:00:00Z");
    refused(&dir, &files[..4], "add --prometheus URL, or --history METRIC=FILE");
    let text = String::from_utf8(explain(&dir, &at("09:05")).stdout).unwrap();
    // The last such time within the history, and not of today.
    assert!(text.starts_with("shop/web at 2026-11-06T09:05:00Z, mode Floor, recomputed\n"), "{text}");
    assert!(text.contains("note: no log was read: "), "{text}");
}
