//! The decision log of an operator that really ran: replayed, compared, explained, bundled.

#![expect(clippy::unwrap_used, reason = "a test over a log that it wrote itself")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use foresail::cli::demo::{Scenario, Script, play_before};
use foresail::journal::{self, Record};
use foresail::telemetry::decisions::DecisionLog;
use foresail::units::{Span, Timestamp};

use crate::scratch;

/// Thursday, the day before the Black Friday, 2026-11-26T00:00:00Z.
const THURSDAY: Timestamp = Timestamp::from_seconds(1_795_651_200);

/// The log of the demo's operator from half past eight to ten in the morning, played once.
fn log() -> &'static Path {
    static LOG: OnceLock<PathBuf> = OnceLock::new();
    LOG.get_or_init(|| {
        let file = scratch("decisions-log").join("decisions.jsonl");
        let mut script = Script::of(Scenario::BlackFriday, 7);
        script.live.from = THURSDAY.plus(Span::from_minutes(510));
        script.live.to = THURSDAY.plus(Span::from_minutes(600));
        play_before(&script, |_| Ok(()), DecisionLog::append(&file).unwrap(), |_| ()).unwrap();
        file
    })
}

fn records() -> Vec<Record> {
    let text = fs::read_to_string(log()).unwrap();
    text.lines().map(|line| journal::read(line).unwrap().unwrap()).collect()
}

fn foresail(arguments: &[&str], file: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_foresail")).args(arguments).arg(file).output().unwrap()
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The log with one line changed, in a file of its own.
fn changed(test: &str, idx: usize, change: impl Fn(&str) -> String) -> PathBuf {
    let whole = fs::read_to_string(log()).unwrap();
    let lines = whole.lines().enumerate();
    let lines: Vec<String> =
        lines.map(|(i, line)| if i == idx { change(line) } else { line.to_owned() }).collect();
    let file = scratch(test).join("decisions.jsonl");
    fs::write(&file, lines.join("\n") + "\n").unwrap();
    file
}

#[test]
fn what_changes_something_is_logged_and_at_least_one_decision_each_five_minutes() {
    let records = records();
    for pair in records.windows(2) {
        let [before, after] = pair else { continue };
        let quiet = after.now().since(before.now());
        assert!(quiet <= Span::from_minutes(5), "{} after {}", after.at, before.at);
        let worth = after.decision.write.is_some()
            || after.decision.bound_by != before.decision.bound_by
            || quiet == Span::from_minutes(5);
        assert!(worth, "{} says nothing new", after.at);
        // Nothing that was seen between two lines is lost.
        let ticks = usize::try_from(quiet.seconds() / 15).unwrap();
        assert_eq!(after.since.len(), ticks, "{}", after.at);
        assert_eq!(after.since.last().unwrap().0, after.now());
    }
    let writes: Vec<&Record> = records.iter().filter(|record| record.decision.write.is_some()).collect();
    assert!(writes.len() >= 5, "{}", writes.len());
    assert!(writes.iter().all(|record| record.outcome == "written"), "{:?}", writes.last().unwrap().outcome);
    assert!(records.iter().any(|record| record.observation.metrics[0].trusted));
}

#[test]
fn every_decision_of_a_run_is_derived_again_byte_for_byte() {
    let (code, out, err) = said(&foresail(&["replay"], log()));
    let expected = format!("{} decisions derived again, every one byte for byte the same\n", records().len());
    assert_eq!((code, out, err), (Some(0), expected, String::new()));
}

#[test]
fn the_first_decision_that_differs_is_named_and_ends_the_replay() {
    let file = changed("decisions-differ", 4, |line| {
        let mut record = journal::read(line).unwrap().unwrap();
        record.decision.desired = foresail::units::Replicas::new(77);
        record.line().unwrap()
    });
    let (code, out, err) = said(&foresail(&["replay"], &file));
    assert_eq!((code, err), (Some(1), String::new()));
    assert!(out.starts_with("line 5: shop/web at 2026-11-26T08:"), "{out}");
    assert!(out.contains(": decision.desired: the log has 77, derived again it is "), "{out}");
    let (code, out, _) = said(&foresail(&["replay", "-o", "json"], &file));
    assert_eq!(code, Some(1));
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&told["same"], &told["line"], &told["logged"]), (&false.into(), &5.into(), &"77".into()));
}

#[test]
fn bad_lines_are_named_with_what_to_do_and_lines_of_other_logs_are_left_out() {
    let file = changed("decisions-bad", 2, |line| line.chars().take(100).collect());
    let (code, out, err) = said(&foresail(&["replay"], &file));
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("\n  line 3: is no JSON"), "{err}");
    assert!(err.contains("cut the log at whole lines"), "{err}");
    let file = changed("decisions-mixed", 2, |line| format!("{{\"level\":\"INFO\"}}\n{line}"));
    let (code, out, _) = said(&foresail(&["replay"], &file));
    assert_eq!(code, Some(0), "{out}");
    assert!(out.ends_with(" (1 lines of other logs left out)\n"), "{out}");
    let empty = scratch("decisions-none").join("log");
    fs::write(&empty, "{\"level\":\"INFO\"}\n").unwrap();
    let (code, _, err) = said(&foresail(&["replay"], &empty));
    assert_eq!(code, Some(1));
    assert!(err.contains("holds no decision: name the file of"), "{err}");
    let (_, _, err) = said(&foresail(&["replay"], &empty.with_file_name("missing")));
    assert!(err.contains("cannot open"), "{err}");
}

#[test]
fn a_comparison_counts_replicas_and_money_of_what_is_decided_otherwise() {
    let (code, out, _) = said(&foresail(&["replay", "--compare"], log()));
    assert_eq!(code, Some(0));
    assert!(out.contains(&format!("decides otherwise in 0 of {} decisions", records().len())), "{out}");
    // As an older version might have decided: three replicas fewer, for as long as the decision stood.
    let file = changed("decisions-compare", 4, |line| {
        let mut record = journal::read(line).unwrap().unwrap();
        record.decision.desired = foresail::units::Replicas::new(record.decision.desired.get() - 3);
        record.line().unwrap()
    });
    let stood = records()[5].now().since(records()[4].now()).seconds();
    let (code, out, _) = said(&foresail(&["replay", "--compare", "-o", "json"], &file));
    assert_eq!(code, Some(0));
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["differences"].as_array().unwrap().len(), 1);
    assert_eq!(told["differences"][0]["line"], 5);
    let total = &told["totals"][0];
    let hours: f64 = total["moreReplicaHours"].as_str().unwrap().parse().unwrap();
    let expected = 3.0 * f64::from(u32::try_from(stood).unwrap()) / 3600.0;
    assert!((hours - expected).abs() < 0.001, "{hours} for {stood}s");
    assert!(total["moreCost"].as_str().unwrap().ends_with(" EUR"), "{total}");
}

#[test]
fn a_log_is_read_from_standard_input() {
    let output = Command::new(env!("CARGO_BIN_EXE_foresail"))
        .args(["replay", "-"])
        .stdin(Stdio::from(fs::File::open(log()).unwrap()))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn an_instant_is_explained_with_candidates_limits_and_what_would_change_it() {
    let (code, out, err) = said(&foresail(&["explain", "pra/web", "--at", "09:05", "--log"], log()));
    assert_eq!((code, err), (Some(0), String::new()));
    for expected in [
        "shop/web at 2026-11-26T09:0",
        "\ninputs\n",
        "\ncandidates\n",
        "what an HPA would ask for",
        "\nlimits, in their order (> had the last word)\n",
        "\n> ",
        "\nwhat alone would have led to another answer\n",
        "asked for 2026-11-26T09:05:00Z: this decision was in force",
    ] {
        assert!(out.contains(expected), "{expected}: {out}");
    }
    let (_, out, _) =
        said(&foresail(&["explain", "--at", "2026-11-26T09:05:00Z", "-o", "json", "--log"], log()));
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["stages"].as_array().unwrap().len(), 14);
    // It is the last decision of the log before that instant, and the demand that turns it was asked for in truth.
    let at = THURSDAY.plus(Span::from_minutes(545));
    let records = records();
    let record = records.iter().rfind(|record| record.now() <= at).unwrap();
    assert_eq!(told["at"], record.at.as_str());
    let moved = &told["changes"]["demands"][0];
    let mut again = record.clone();
    let foresail::decide::Reading::Value { value, .. } = &mut again.observation.metrics[0].reading else {
        unreachable!("the demand was read")
    };
    *value = moved["at"].as_f64().unwrap();
    assert_eq!(moved["desired"], again.tick().decision.desired.get());
    assert_ne!(again.tick().decision.desired, record.decision.desired);
}

#[test]
fn a_question_that_the_log_cannot_answer_says_why() {
    let explain = |arguments: &[&str]| {
        let all: Vec<&str> =
            ["explain"].into_iter().chain(arguments.iter().copied()).chain(["--log"]).collect();
        said(&foresail(&all, log()))
    };
    let (code, _, err) = explain(&["--at", "2026-11-20T09:05:00Z"]);
    assert_eq!(code, Some(1));
    assert!(
        err.contains("nothing was decided at 2026-11-20T09:05:00Z: the log begins at 2026-11-26T08:"),
        "{err}"
    );
    let (_, _, err) = explain(&["pra/other"]);
    assert!(err.contains("no decision of that autoscaler"), "{err}");
    let (code, _, err) = explain(&["deploy/web"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("name one PredictiveAutoscaler as `pra/NAME`"), "{err}");
    let (code, _, err) = explain(&["--at", "noon"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("write it as `09:05`"), "{err}");
    let (_, out, _) = explain(&["--at", "2026-11-30T00:00:00Z"]);
    assert!(out.contains("is not known"), "{out}");
}

#[test]
fn a_bundle_holds_the_time_the_hpa_and_a_case_that_a_plan_takes() {
    let dir = scratch("decisions-review").join("incident");
    // The example, as its README has it.
    let output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/explain/review"))
        .env("FORESAIL", env!("CARGO_BIN_EXE_foresail"))
        .arg(log())
        .args(["2026-11-26T08:45:00Z", "2026-11-26T09:45:00Z"])
        .arg(&dir)
        .output()
        .unwrap();
    let (code, out, err) = said(&output);
    assert_eq!(code, Some(0), "{out}{err}");
    assert_eq!(out.matches("every one byte for byte the same").count(), 2, "the log and its slice: {out}");
    assert!(out.contains("\nrecorded "), "the plan knows what stood: {out}");
    let manifest: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(dir.join("manifest.json")).unwrap()).unwrap();
    let names: Vec<&str> =
        manifest["figures"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["foresail", "hpa"]);
    for file in manifest["files"].as_array().unwrap() {
        let file = file["file"].as_str().unwrap();
        assert!(fs::metadata(dir.join(file)).unwrap().len() > 0, "{file}");
    }
    // What the operator asked for within that time, and nothing later than its end.
    let writes = records()
        .iter()
        .filter(|one| one.at.as_str() >= "2026-11-26T08:45:00Z" && one.at.as_str() < "2026-11-26T09:45:00Z")
        .filter(|one| one.decision.write.is_some())
        .count();
    assert_eq!(manifest["writes"], writes);
    let demand = fs::read_to_string(dir.join("demand-requests.csv")).unwrap();
    assert!(demand.lines().last().unwrap().starts_with("2026-11-26T09:43:00Z,"), "{demand}");
    let wrong =
        ["incident", "--from", "2026-11-26T09:45:00Z", "--to", "2026-11-26T08:45:00Z", "-o", "x", "--log"];
    let (code, _, err) = said(&foresail(&wrong, log()));
    assert_eq!(code, Some(1));
    assert!(err.contains("is not before --to"), "{err}");
}

#[test]
fn the_same_program_is_a_plugin_of_kubectl_under_another_name() {
    let plugin = scratch("decisions-plugin").join("kubectl-foresail");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_foresail"), &plugin).unwrap();
    let explained = Command::new(&plugin).args(["explain", "pra/web", "--log"]).arg(log()).output().unwrap();
    let (code, out, _) = said(&explained);
    assert_eq!(code, Some(0));
    assert!(out.starts_with("shop/web at "), "{out}");
    let (code, out, _) = said(&Command::new(&plugin).args(["explain", "--help"]).output().unwrap());
    assert_eq!(code, Some(0));
    assert!(out.contains("Usage: kubectl foresail explain "), "{out}");
}
