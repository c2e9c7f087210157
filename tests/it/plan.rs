//! `foresail plan` as a user runs it: files in, files out, exit codes.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests stop at the first surprise"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::scratch;
use crate::stub::Prometheus;

const MANIFEST: &str = r#"
apiVersion: foresail.dev/v1alpha1
kind: PredictiveAutoscaler
metadata: {name: checkout, namespace: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: checkout}
  minReplicas: 2
  maxReplicas: 40
  sourceRef: {name: main}
  metrics:
  - {name: requests, type: Prometheus, query: "sum(rate(requests_total[1m]))", capacityPerReplica: "100"}
  forecast: {leadTime: 10m, step: 5m}
  spend: {pricePerReplicaHour: "0.10", currency: EUR}
"#;

/// 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600;

/// A directory of its own for each test, with the manifest in it.
fn directory(test: &str) -> PathBuf {
    let dir = scratch(&format!("plan-{test}"));
    fs::write(dir.join("checkout.yaml"), MANIFEST).unwrap();
    dir
}

/// Demand of the `i`th five minutes: a daily wave with a ripple.
fn demand(i: i64) -> f64 {
    let i = i32::try_from(i).unwrap();
    let wave = 1.2 - (f64::from(i % 288) / 288.0 * std::f64::consts::TAU).cos();
    700.0 * wave + f64::from(i * 7919 % 97)
}

fn trace(n: i64) -> String {
    let rows: Vec<String> = (0..n).map(|i| format!("{},{}\n", START + 300 * i, demand(i))).collect();
    format!("timestamp,value\n{}", rows.concat())
}

fn plan(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_foresail"));
    command.current_dir(dir).args(["plan", "-f", "checkout.yaml"]).args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json_of(dir: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(dir.join("out/plan.json")).unwrap()).unwrap()
}

#[test]
fn a_plan_on_a_csv_prints_the_table_and_writes_three_files() {
    let dir = directory("files");
    fs::write(dir.join("trace.csv"), trace(4 * 288)).unwrap();
    fs::write(dir.join("replicas.csv"), format!("timestamp,value\n{START},9\n")).unwrap();
    let output = plan(
        &dir,
        &["--history", "requests=trace.csv", "--recorded", "replicas.csv", "--lead", "5m", "--out", "out"],
    );
    assert!(output.status.success(), "{}", said(&output));
    let table = String::from_utf8(output.stdout).unwrap();
    let plan = json_of(&dir);
    let names: Vec<&str> =
        plan["policies"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["foresail", "floor", "reactive", "hpa", "hpa-best", "recorded", "fixed", "schedule", "oracle"]
    );
    for name in names {
        assert!(table.lines().any(|line| line.starts_with(name)), "{name} in\n{table}");
    }
    let expected = json!({
        "autoscaler": "shop/checkout", "step_seconds": 300, "lead_seconds": 300, "capacity_per_replica": 100.0,
        "currency": "EUR", "from": "2026-01-02T00:00:00Z", "to": "2026-01-05T00:00:00Z", "objective_unserved": 0.001,
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(plan[key], *value, "{key}");
    }
    let recorded = &plan["policies"][5];
    assert_eq!((&recorded["replica_hours"], &recorded["cost"]), (&json!(9.0 * 72.0), &json!(64.8)));
    let rows = fs::read_to_string(dir.join("out/decisions.csv")).unwrap();
    assert_eq!(rows.lines().count(), 1 + 9 * 4 * 288);
    assert!(fs::read_to_string(dir.join("out/report.html")).unwrap().starts_with("<!DOCTYPE html>"));
}

#[test]
fn the_future_is_planned_on_and_said_to_be_no_history() {
    let dir = directory("future");
    fs::write(dir.join("trace.csv"), trace(14 * 288)).unwrap();
    let output = plan(&dir, &["--history", "requests=trace.csv", "--future", "3d", "--out", "out"]);
    assert!(output.status.success(), "{}", said(&output));
    let (table, plan_of) = (String::from_utf8(output.stdout).unwrap(), json_of(&dir));
    assert_eq!(plan_of["from"], "2026-01-15T00:00:00Z");
    assert_eq!(plan_of["to"], "2026-01-18T00:00:00Z");
    for expected in ["`requests` is no history from 2026-01-15T00:00:00Z on", "0.0 % "] {
        assert!(table.contains(expected), "`{expected}` in\n{table}");
    }
    // A day like the others, so that the oracle pays what such days cost.
    let hours = |plan: &Value| {
        plan["policies"].as_array().unwrap().last().unwrap()["replica_hours"].as_f64().unwrap()
    };
    let ahead = hours(&plan_of);
    let past = ["--history", "requests=trace.csv", "--from", "2026-01-12T00:00:00Z", "--out", "out"];
    assert!(plan(&dir, &past).status.success());
    assert!((ahead / hours(&json_of(&dir)) - 1.0).abs() < 0.02, "{ahead} {}", hours(&json_of(&dir)));
    // An event that is announced for it multiplies it.
    let event = [
        "--history",
        "requests=trace.csv",
        "--future",
        "3d",
        "--event",
        "2026-01-16 12:00 +6h x3",
        "--out",
        "out",
    ];
    let output = plan(&dir, &event);
    assert!(output.status.success(), "{}", said(&output));
    assert!(hours(&json_of(&dir)) > 1.1 * ahead);

    fs::write(dir.join("trace.csv"), trace(3 * 288)).unwrap();
    let output = plan(&dir, &["--history", "requests=trace.csv", "--future", "3d"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("needs 4 days of history"), "{}", said(&output));
}

#[test]
fn a_plan_is_the_same_however_often_it_is_made() {
    let dir = directory("again");
    fs::write(dir.join("trace.csv"), trace(3 * 288)).unwrap();
    let made = || {
        let output = plan(&dir, &["--history", "requests=trace.csv", "--out", "out"]);
        assert!(output.status.success(), "{}", said(&output));
        ["plan.json", "decisions.csv", "report.html"]
            .map(|file| fs::read(dir.join("out").join(file)).unwrap())
    };
    assert!(made() == made(), "two runs on the same files differ");
}

#[test]
fn options_change_the_question() {
    let dir = directory("options");
    fs::write(dir.join("trace.csv"), trace(2 * 288)).unwrap();
    let oracle_hours = |arguments: &[&str]| {
        let all = [&["--history", "requests=trace.csv", "-o", "json"], arguments].concat();
        let output = plan(&dir, &all);
        assert!(output.status.success(), "{}", said(&output));
        let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
        plan["policies"].as_array().unwrap().last().unwrap()["replica_hours"].as_f64().unwrap()
    };
    let usual = oracle_hours(&[]);
    let doubled = oracle_hours(&["--traffic", "x2"]);
    assert!(doubled > 1.8 * usual && doubled < 2.2 * usual, "{usual} {doubled}");
    let halved = oracle_hours(&["--set", "metrics[0].capacityPerReplica=200"]);
    assert!(halved < 0.6 * usual, "{usual} {halved}");
    let window = oracle_hours(&["--from", "2026-01-01T10:00:00Z", "--to", "2026-01-01T12:00:00Z"]);
    assert!((30.0..40.0).contains(&window), "two hours around noon need 15 to 17 each: {window}");
}

#[test]
fn a_missed_gate_exits_with_3_and_a_wrong_one_with_2() {
    let dir = directory("gates");
    fs::write(dir.join("trace.csv"), trace(2 * 288)).unwrap();
    let code = |gate: &str| {
        let output = plan(&dir, &["--history", "requests=trace.csv", "--gate", gate]);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned() + &said(&output))
    };
    let (kept, text) = code("cost<=3xhpa");
    assert_eq!(kept, Some(0), "{text}");
    assert!(text.contains("gate cost<=3xhpa: kept"), "{text}");
    let (missed, text) = code("cost<=0.5xoracle");
    assert_eq!(missed, Some(3), "{text}");
    assert!(text.contains("missed"), "{text}");
    assert_eq!(code("latency<=5").0, Some(2));
    assert_eq!(code("cost<=1xkeda").0, Some(1));
}

#[test]
fn a_bad_file_is_refused_with_every_line_and_a_remedy() {
    let dir = directory("bad");
    let cases = [
        (
            "2026-01-01T00:00:00Z,1\n2026-01-01T00:00:00Z,2\n",
            "line 3: `2026-01-01T00:00:00Z` was given on line 2",
        ),
        (
            "2026-01-01T00:05:00Z,1\n2026-01-01T00:00:00Z,2\n",
            "line 3: `2026-01-01T00:00:00Z` is earlier than line 2",
        ),
        ("2026-01-01T00:00:00Z,1\n2026-01-01T02:00:00+01:00,2\n", "write all instants in one zone"),
        ("2026-01-01T00:00:00Z,1\n2026-01-01T00:01:00Z,NaN\n", "line 3: `NaN` is no number"),
        ("2026-01-01T00:00:00Z,-1\n", "line 2: `-1` is negative"),
        ("2026-01-01T00:00:00Z,1,2,3,4,5,6,7,8,9\n", "line 2: 10 columns"),
        ("", "line 1: the file holds no sample"),
    ];
    for (rows, expected) in cases {
        fs::write(dir.join("trace.csv"), format!("timestamp,value\n{rows}")).unwrap();
        let output = plan(&dir, &["--history", "requests=trace.csv", "--out", "out"]);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("`trace.csv` has problems") && text.contains(expected), "{text}");
        assert!(!dir.join("out").exists(), "nothing is written");
    }
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let dir = directory("unfit");
    fs::write(dir.join("trace.csv"), trace(20)).unwrap();
    let refused = |arguments: &[&str], expected: &str| {
        let output = plan(&dir, arguments);
        let text = said(&output);
        assert!(!output.status.success() && text.contains(expected), "{text}");
    };
    refused(&[], "--history");
    refused(&["--history", "latency=trace.csv"], "the autoscaler's metrics are requests");
    refused(&["--history", "requests=none.csv"], "cannot open `none.csv`");
    refused(&["--history", "requests=trace.csv", "--set", "maxReplicas=1"], "minReplicas");
    refused(
        &["--history", "requests=trace.csv", "--from", "2027-01-01T00:00:00Z"],
        "choose an earlier `from`",
    );
    refused(&["--history", "requests=trace.csv", "-f", "checkout.yaml"], "exactly one");
}

#[test]
fn a_plan_on_a_prometheus_decides_as_on_the_same_samples_in_a_file() {
    let dir = directory("prometheus");
    let server = Prometheus::of_history(300, |at| {
        // Demand of the five minutes before the instant.
        (at.seconds() > START).then(|| demand((at.seconds() - START) / 300 - 1))
    });
    let output = plan(&dir, &["--prometheus", &server.url(), "--to", "2026-01-03T00:00:00Z", "--out", "out"]);
    assert!(output.status.success(), "{}", said(&output));
    let asked = fs::read_to_string(dir.join("out/decisions.csv")).unwrap();
    fs::write(dir.join("trace.csv"), trace(2 * 288)).unwrap();
    let output = plan(&dir, &["--history", "requests=trace.csv", "--out", "out"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(asked == fs::read_to_string(dir.join("out/decisions.csv")).unwrap());
    let nobody = plan(&dir, &["--prometheus", "http://127.0.0.1:1", "--to", "2026-01-03T00:00:00Z"]);
    assert!(!nobody.status.success() && said(&nobody).contains("metric `requests`"), "{}", said(&nobody));
}

/// A source that asks who asks, and one that is shared: what its `MetricSource` says counts for a plan too.
#[test]
fn a_plan_asks_as_the_metric_source_has_it_asked() {
    let dir = directory("asker");
    let source = r#"{"apiVersion": "foresail.dev/v1alpha1", "kind": "MetricSource", "metadata": {"name": "main"},
        "spec": {"url": "http://mimir.monitoring/prometheus", "enforcedLabels": {"cluster": "prod"},
            "tenantHeader": {"name": "X-Scope-OrgID", "value": "shop"}}}"#;
    fs::write(dir.join("source.yaml"), source).unwrap();
    fs::write(dir.join("token"), "abc\n").unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    let server = Prometheus::start(move |request| {
        heard.lock().unwrap().push(request.to_lowercase());
        json!({"resultType": "matrix", "result": []})
    });
    let url = server.url();
    let arguments = ["--prometheus", &url, "--prometheus-token-file", "token", "-f", "source.yaml"];
    let output = plan(&dir, &arguments);
    assert!(!output.status.success() && said(&output).contains("metric `requests`"), "{}", said(&output));
    let [request, ..] = &asked.lock().unwrap()[..] else { panic!("nothing was asked") };
    for part in ["authorization: bearer abc", "x-scope-orgid: shop", "cluster%3d%22prod%22"] {
        assert!(request.contains(part), "{part}: {request}");
    }
    drop(server);
    let other = plan(&dir, &["--prometheus", "http://127.0.0.1:1", "--prometheus-token-file", "none"]);
    assert!(said(&other).contains("cannot read `none`"), "{}", said(&other));
    let shut =
        source.replace("\"enforcedLabels\"", "\"allowedNamespaces\": [\"search\"], \"enforcedLabels\"");
    fs::write(dir.join("source.yaml"), shut).unwrap();
    let refused =
        said(&plan(&dir, &arguments[..2].iter().chain(&["-f", "source.yaml"]).copied().collect::<Vec<_>>()));
    assert!(refused.contains("does not allow namespace `shop`"), "{refused}");
}

/// Demand as ever, and three times as much from ten to fourteen on the fourth day.
fn trace_with_a_sale() -> String {
    let first = 3 * 288 + 120;
    let rows: Vec<String> = (0..4 * 288)
        .map(|i| {
            let times = if (first..first + 48).contains(&i) { 3.0 } else { 1.0 };
            format!("{},{}\n", START + 300 * i, times * demand(i))
        })
        .collect();
    format!("timestamp,value\n{}", rows.concat())
}

const CALENDAR: &str = r#"
apiVersion: foresail.dev/v1alpha1
kind: DemandCalendar
metadata: {name: retail, namespace: shop}
spec:
  timeZone: Europe/Berlin
  events:
  - {name: sale, start: "2026-01-04T11:00", duration: 4h, multiplier: "3"}
"#;

/// The unserved share of Foresail's row.
fn unserved(dir: &Path, arguments: &[&str]) -> f64 {
    let history = ["--history", "requests=trace.csv", "--from", "2026-01-04T00:00:00Z", "--out", "out"];
    let output = plan(dir, &[&history[..], arguments].concat());
    assert!(output.status.success(), "{}", said(&output));
    json_of(dir)["policies"][0]["unserved_share"].as_f64().unwrap()
}

#[test]
fn an_event_of_a_calendar_or_in_one_line_is_part_of_a_plan() {
    let dir = directory("events");
    fs::write(dir.join("trace.csv"), trace_with_a_sale()).unwrap();
    fs::write(dir.join("calendar.yaml"), CALENDAR).unwrap();
    let manifest = MANIFEST.replace("maxReplicas: 40", "maxReplicas: 80");
    fs::write(dir.join("checkout.yaml"), &manifest).unwrap();
    let nobody_said = unserved(&dir, &[]);
    let refs = format!("{manifest}  calendarRefs: [{{name: retail}}]\n");
    let in_a_line = unserved(&dir, &["--event", "2026-01-04 10:00 +4h x3"]);
    fs::write(dir.join("checkout.yaml"), refs).unwrap();
    let in_a_calendar = unserved(&dir, &["-f", "calendar.yaml"]);
    assert!(in_a_calendar < 0.2 * nobody_said, "{in_a_calendar} {nobody_said}");
    assert!((in_a_line - in_a_calendar).abs() < 1e-12, "{in_a_line} {in_a_calendar}");
    let output = plan(&dir, &["--history", "requests=trace.csv"]);
    assert!(said(&output).contains("no DemandCalendar `retail`"), "{}", said(&output));
    let output = plan(&dir, &["--history", "requests=trace.csv", "--event", "tomorrow"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("add a duration"), "{}", said(&output));
}

#[test]
fn each_objective_of_the_examples_is_planned_and_costs_lead_to_their_quantile() {
    let dir = directory("objectives");
    fs::write(dir.join("trace.csv"), trace(6 * 288)).unwrap();
    let hours = |manifest: &str, more: &[&str]| {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/objectives").join(manifest);
        fs::copy(example, dir.join("checkout.yaml")).unwrap();
        let history = ["--history", "requests=trace.csv", "--out", "out"];
        let output = plan(&dir, &[&history[..], more].concat());
        assert!(output.status.success(), "{}", said(&output));
        let table = String::from_utf8(output.stdout).unwrap();
        (json_of(&dir)["policies"][0]["replica_hours"].as_f64().unwrap(), table)
    };
    let (unserved, table) = hours("unserved.yaml", &[]);
    assert!(table.contains("objective 0.1 % of demand unserved"), "{table}");
    let (loose, _) = hours("unserved.yaml", &["--set", "objective.unserved=10%"]);
    assert!(loose < unserved, "{loose} {unserved}");
    let (quantile, table) = hours("quantile.yaml", &[]);
    assert!(table.contains("objective the 99 % quantile of demand served"), "{table}");
    let (median, _) = hours("quantile.yaml", &["--set", "objective.quantile=50%"]);
    assert!(median < quantile, "{median} {quantile}");
    let (costs, table) = hours("costs.yaml", &[]);
    assert!(table.contains("objective least cost with 0.1 an hour for an idle replica and 9.9"), "{table}");
    assert!((costs - quantile).abs() < 1e-9, "{costs} {quantile}");
}
