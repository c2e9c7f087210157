//! Every scenario of the demo on a shortened time, and the command itself.

#![expect(clippy::unwrap_used, reason = "a test over a demo that it plays itself")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};

use foresail::cli::demo::{Played, Scenario, Script, Verdict, judge, play};
use foresail::units::{Span, Timestamp};

/// Thursday, the day before the Black Friday, 2026-11-26T00:00:00Z.
const THURSDAY: Timestamp = Timestamp::from_seconds(1_795_651_200);

fn at(minute: u64) -> Timestamp {
    THURSDAY.plus(Span::from_minutes(minute))
}

fn played(scenario: Scenario, from: u64, to: u64) -> (Script, Played, Verdict) {
    let mut script = Script::of(scenario, 7);
    script.live.from = at(from);
    script.live.to = at(to);
    let mut minutes = 0;
    let played = play(&script, |_| minutes += 1).unwrap();
    assert_eq!(minutes, to - from);
    let (replayed, outcome) = played.outcome(&script).unwrap();
    let verdict = judge(&script, &played, &outcome, &replayed.policy);
    (script, played, verdict)
}

#[test]
fn a_blind_operator_scales_nothing_down_and_serves_the_morning_from_what_it_knew() {
    let (_, _, verdict) = played(Scenario::Blind, 330, 615);
    assert!(verdict.holds(), "{}", verdict.line());
}

#[test]
fn an_hpa_goes_on_when_the_operator_beside_it_is_dead() {
    let (_, _, verdict) = played(Scenario::OperatorDead, 330, 615);
    assert!(verdict.holds(), "{}", verdict.line());
}

#[test]
fn a_metric_that_lies_moves_nothing_beyond_the_limits_and_nothing_down() {
    let (_, played, verdict) = played(Scenario::BadMetric, 470, 760);
    assert!(verdict.holds(), "{}", verdict.line());
    // The unit mistake was really seen.
    assert!(played.samples.iter().any(|sample| sample.ours.asked == 60));
}

#[test]
fn foresail_serves_more_of_a_black_friday_and_its_eve_than_its_hpa_and_costs_less() {
    let (_, _, verdict) = played(Scenario::BlackFriday, 570, 2100);
    assert!(verdict.holds(), "{}", verdict.line());
}

#[test]
fn the_same_seed_is_played_the_same_and_another_one_is_not() {
    let an_hour = |seed: u64| {
        let mut script = Script::of(Scenario::BlackFriday, seed);
        script.live.from = at(570);
        script.live.to = at(630);
        let played = play(&script, |_| ()).unwrap();
        format!("{played:?}")
    };
    assert_eq!(an_hour(7), an_hour(7));
    assert_ne!(an_hour(7), an_hour(8));
}

#[test]
fn the_command_prints_a_table_and_a_verdict_and_writes_the_files_of_a_plan() {
    let dir = std::env::temp_dir().join(format!("foresail-demo-{}", std::process::id()));
    let output = Command::new(env!("CARGO_BIN_EXE_foresail"))
        .args(["demo", "--scenario", "operator-dead", "--seed", "7", "--out"])
        .arg(&dir)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.status.code(), Some(0), "{said}");
    for expected in ["\nforesail ", "\nhpa ", "\noperator-dead holds: "] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
    let decisions = read("decisions.csv");
    // A header, and 1440 minutes of two policies; the operator's forecast is in its own rows until it dies.
    assert_eq!(decisions.lines().count(), 1 + 2 * 1440);
    assert!(decisions.lines().nth(601).unwrap().split(',').nth(7).unwrap().parse::<f64>().unwrap() > 0.0);
    assert!(read("plan.json").contains("operator-dead holds"));
    assert!(read("report.html").contains("operator-dead holds"));
    let replayed = Command::new(env!("CARGO_BIN_EXE_foresail"))
        .arg("replay")
        .arg(dir.join("decisions.jsonl"))
        .output()
        .unwrap();
    let said = String::from_utf8(replayed.stdout).unwrap();
    assert_eq!(replayed.status.code(), Some(0), "{said}");
    assert!(said.contains("every one byte for byte the same"), "{said}");
    std::fs::remove_dir_all(&dir).unwrap();
}

/// The body of the answer to a GET over plain HTTP; `None` when nobody answers.
fn get(url: &str, path: &str) -> Option<String> {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}

/// `foresail explain` on the status, once and watching.
fn explains_from_the_cluster(kubeconfig: &std::path::Path) {
    let explain = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_foresail"));
        command.env("KUBECONFIG", kubeconfig).args(["explain", "-n", "shop"]).args(arguments);
        command
    };
    let output = explain(&["pra/web"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.starts_with("shop/web at 2026-11-"), "{said}");
    assert!(said.contains("\n> ") && said.contains("without its inputs"), "{said}");
    let output = explain(&["pra/nobody"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("`shop/nobody` could not be read"));
    let mut watching = explain(&["pra/web", "--watch"]).stdout(Stdio::piped()).spawn().unwrap();
    let first = BufReader::new(watching.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    watching.kill().unwrap();
    watching.wait().unwrap();
    assert!(said.starts_with(&first), "{first}");
}

#[test]
fn a_held_demo_is_readable_until_it_is_told_to_end() {
    let dir = std::env::temp_dir().join(format!("foresail-held-{}", std::process::id()));
    let mut held = Command::new(env!("CARGO_BIN_EXE_foresail"))
        .args(["demo", "--scenario", "operator-dead", "--seed", "7", "--hold", "--out"])
        .arg(&dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(held.stdout.take().unwrap()).lines().map(Result::unwrap);
    let kubeconfig = dir.join("kubeconfig");
    let line = format!("kubectl --kubeconfig {} get pra,deploy,hpa,lease,events -A", kubeconfig.display());
    assert_eq!(lines.next().unwrap(), line);
    let text = std::fs::read_to_string(&kubeconfig).unwrap();
    let url = text.split('"').nth(1).unwrap();
    // While the days are played, and after them.
    let deployments = "/apis/apps/v1/namespaces/shop/deployments";
    assert!(get(url, deployments).unwrap().contains("\"kind\":\"DeploymentList\""));
    assert!(lines.any(|line| line.starts_with("operator-dead holds: ")));
    assert!(lines.any(|line| line.starts_with("held until Ctrl-C")));
    assert_eq!(lines.next().unwrap(), line);
    let said = get(url, &format!("{deployments}/web")).unwrap();
    assert!(said.contains("\"readyReplicas\":"), "{said}");
    assert!(dir.join("report.html").exists());
    explains_from_the_cluster(&kubeconfig);
    assert!(held.try_wait().unwrap().is_none());
    assert!(Command::new("kill").arg(held.id().to_string()).status().unwrap().success());
    assert_eq!(held.wait().unwrap().code(), Some(0));
    assert!(!kubeconfig.exists());
    assert_eq!(get(url, deployments), None);
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_speed_that_is_none_is_a_usage_error() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_foresail"));
    let output = command.args(["demo", "--speed", "fast"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("write it as `600x`"));
}
