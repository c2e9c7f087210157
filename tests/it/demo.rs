//! Every scenario of the demo on a shortened time, and the command itself.

#![expect(clippy::unwrap_used, reason = "a test over a demo that it plays itself")]

use std::process::Command;

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
