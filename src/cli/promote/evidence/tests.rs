use serde_json::{Value, json};

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_795_478_400);

fn autoscaler(status: &Value) -> PredictiveAutoscaler {
    let object = json!({
        "apiVersion": "foresail.dev/v1alpha1", "kind": "PredictiveAutoscaler",
        "metadata": {"name": "checkout", "namespace": "shop"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"}, "maxReplicas": 60,
            "metrics": [{"name": "requests", "type": "Prometheus", "query": "x", "capacityPerReplica": "1"}],
            "forecast": {"leadTime": "3m"},
        },
        "status": status,
    });
    let kind = crate::api::kind("PredictiveAutoscaler").unwrap();
    serde_json::from_value(crate::api::stored(kind, &object)).unwrap()
}

fn verdicts(status: &Value) -> Vec<(Option<bool>, String)> {
    lines(&autoscaler(status), NOW).into_iter().map(|line| (line.met, line.found)).collect()
}

fn status(since: &str, coverage: &str, (ours, stood): (&str, &str)) -> Value {
    json!({
        "shadow": {"since": since, "replicaHours": ours, "standingReplicaHours": stood},
        "forecast": {"coverageP99": coverage},
    })
}

#[test]
fn two_weeks_of_a_calibrated_and_thrifty_shadow_are_met_and_drift_is_said_to_be_unknown() {
    let found = verdicts(&status("2026-11-10T00:00:00Z", "0.9876", ("1827.80", "1876.30")));
    assert_eq!(found[0], (Some(true), "14.0 days since 2026-11-10T00:00:00Z".to_owned()));
    assert_eq!(found[1], (Some(true), "0.9876".to_owned()));
    assert_eq!(found[2].0, None);
    assert!(found[2].1.starts_with("not measured: give metrics[].learnedCapacity.query"), "{}", found[2].1);
    assert_eq!(
        found[3],
        (Some(true), "0.974 x: 1827.8 replica-hours instead of 1876.3 that stood".to_owned())
    );
}

#[test]
fn each_line_is_missed_alone_at_its_own_bound() {
    let met = |status: &Value| -> Vec<bool> {
        verdicts(status).iter().map(|(met, _)| *met != Some(false)).collect()
    };
    let early = "2026-11-10T00:00:01Z";
    let since = "2026-11-10T00:00:00Z";
    assert_eq!(met(&status(early, "0.99", ("1", "1"))), [false, true, true, true]);
    for (coverage, good) in
        [("0.98", true), ("0.9799", false), ("0.995", true), ("0.9951", false), ("NaN", false)]
    {
        assert_eq!(met(&status(since, coverage, ("1", "1"))), [true, good, true, true], "{coverage}");
    }
    for (hours, good) in [(("11.00", "10.00"), true), (("11.01", "10.00"), false), (("1", "0"), false)] {
        assert_eq!(met(&status(since, "0.99", hours)), [true, true, true, good], "{hours:?}");
    }
}

#[test]
fn a_capacity_that_drifted_is_missed_one_that_did_not_is_met_and_one_that_is_not_judged_is_unknown() {
    let of = |capacity: &Value| {
        let mut status = status("2026-11-10T00:00:00Z", "0.99", ("1", "1"));
        status["capacity"] = capacity.clone();
        let Line { met, found, .. } = drift(autoscaler(&status).status.as_ref().unwrap());
        (met, found)
    };
    let stated = |name: &str, drifted: &Value| json!({"metric": name, "source": "Stated", "drifted": drifted, "reason": "because"});
    let learned = json!({"metric": "c", "source": "Learned", "reason": "because"});
    let (kept, gone, open) = (json!(false), json!(true), json!(null));
    assert_eq!(of(&json!([stated("a", &kept), learned])), (Some(true), "a: because; c: because".to_owned()));
    assert_eq!(of(&json!([stated("a", &kept), stated("b", &gone)])), (Some(false), "b: because".to_owned()));
    assert_eq!(of(&json!([learned, stated("b", &open)])), (None, "b: because".to_owned()));
    let learning = json!({"metric": "d", "source": "Learning", "reason": "because"});
    assert_eq!(of(&json!([learning])), (None, "d: because".to_owned()));
}

#[test]
fn without_any_evidence_nothing_is_met_and_each_line_says_why() {
    let found = verdicts(&json!({}));
    assert_eq!(
        found.iter().map(|(met, _)| *met).collect::<Vec<_>>(),
        [Some(false), Some(false), None, Some(false)]
    );
    assert_eq!(found[0].1, "no shadow: mode DryRun keeps one");
}

#[test]
fn after_dry_run_the_count_is_that_of_its_end() {
    let mut ended = status("2026-11-01T00:00:00Z", "0.99", ("1", "1"));
    ended["shadow"]["until"] = json!("2026-11-11T12:00:00Z");
    assert_eq!(verdicts(&ended)[0], (Some(false), "10.5 days since 2026-11-01T00:00:00Z".to_owned()));
}

#[test]
fn an_operator_that_stands_still_is_noted() {
    let status = json!({"decision": {"at": "2026-11-23T23:49:00Z", "summary": "3"}, "conditions": [
        {"type": "TargetConflict", "status": "True", "reason": "OtherWriter", "message": "an HPA",
         "lastTransitionTime": "2026-11-23T23:49:00Z"}]});
    let notes = notes(&autoscaler(&status), NOW);
    assert_eq!(notes[0], "the last decision is of 2026-11-23T23:49:00Z: the operator does not run");
    assert_eq!(notes[1], "TargetConflict is True: an HPA");
}
