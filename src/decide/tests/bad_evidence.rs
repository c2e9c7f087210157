//! Evidence that is absent, partial, impossible or suspect.

use super::*;

fn bad_readings() -> Vec<(&'static str, Reading)> {
    let far = |seconds| Reading::Value { value: 1.0, at: at(seconds), partial: false };
    vec![
        ("NaN", value(f64::NAN, 0)),
        ("+Inf", value(f64::INFINITY, 0)),
        ("-Inf", value(f64::NEG_INFINITY, 0)),
        ("negative", value(-1.0, 0)),
        ("stale", far(-121)),
        ("future", far(31)),
        ("empty", Reading::Absent(Absence::Empty)),
        ("unreachable", Reading::Absent(Absence::Unreachable)),
    ]
}

#[test]
fn i14_without_evidence_nothing_is_lowered() {
    for (name, reading) in bad_readings() {
        assert_eq!(decide_once(&policy(), 40, &[seen(reading, None)]).desired, replicas(40), "{name}");
    }
}

#[test]
fn i15_every_bad_value_decides_like_an_absent_one() {
    let outlook = sure(-60, &[4500.0; 60]);
    let absent = decide_once(&policy(), 40, &[seen(Reading::Absent(Absence::Empty), Some(&outlook))]);
    for (name, reading) in bad_readings() {
        let decision = decide_once(&policy(), 40, &[seen(reading, Some(&outlook))]);
        assert_eq!(decision.desired, absent.desired, "{name}");
    }
}

#[test]
fn i16_a_partial_answer_raises_and_never_lowers() {
    let partial = |x| Reading::Value { value: x, at: at(0), partial: true };
    assert_eq!(decide_once(&policy(), 10, &[seen(partial(1400.0), None)]).desired, replicas(20));
    assert_eq!(decide_once(&policy(), 10, &[seen(partial(70.0), None)]).desired, replicas(10));
}

#[test]
fn a_sudden_fall_is_held_for_suspect_for_and_its_window_passes_beside_that() {
    // The last high reading is that of 15 s, the first low one of 30 s.
    for (window, falls_at) in [(0, 30 + 300), (300, 30 + 300), (600, 15 + 600)] {
        let mut policy = policy();
        policy.behavior.down.window = Span::from_seconds(window);
        let mut track = Track { to: replicas(20), ..Track::default() };
        let (mut evidence, mut asked, mut fell_at) = (Vec::new(), replicas(20), None);
        for i in 0..60_i64 {
            let x = if i < 2 { 1400.0 } else { 70.0 };
            let metrics = [seen(value(x, 15 * i), None)];
            let situation = situation(at(15 * i), asked, &metrics);
            asked = decide(&policy, &situation, &mut evidence, &mut track).desired;
            if asked < replicas(20) {
                fell_at.get_or_insert(15 * i);
            }
        }
        assert_eq!(fell_at, Some(falls_at), "{window}");
    }
}

#[test]
fn i19_after_evidence_returns_the_first_decrease_waits_one_window() {
    let mut policy = policy();
    policy.behavior.down.window = Span::from_seconds(60);
    let mut track = Track { to: replicas(20), ..Track::default() };
    let (mut evidence, mut asked, mut fell_at) = (Vec::new(), replicas(20), None);
    for i in 0..30_i64 {
        let reading = if i < 10 { Reading::Absent(Absence::Empty) } else { value(700.0, 15 * i) };
        let metrics = [seen(reading, None)];
        let situation = situation(at(15 * i), asked, &metrics);
        asked = decide(&policy, &situation, &mut evidence, &mut track).desired;
        if asked < replicas(20) {
            fell_at.get_or_insert(15 * i);
        }
    }
    // The first evidence is that of 150 s: the window is clear at 210 s.
    assert_eq!(fell_at, Some(210));
}

#[test]
fn a_suspect_source_is_absent_until_a_forecast_agrees_or_ten_minutes_pass() {
    let mut evidence = Vec::new();
    let mut track = Track { to: replicas(20), ..Track::default() };
    let run = |seconds: i64,
               suspect: bool,
               outlook: Option<&QuantileForecast>,
               evidence: &mut Vec<EvidenceMemory>,
               track: &mut Track| {
        let mut metric = seen(value(700.0, seconds), outlook);
        metric.source_suspect = suspect;
        let metrics = [metric];
        let now = at(seconds);
        let situation = situation(now, replicas(20), &metrics);
        decide(&policy(), &situation, evidence, track).desired.get()
    };
    assert_eq!(run(0, true, None, &mut evidence, &mut track), 20);
    assert_eq!(run(30, false, None, &mut evidence, &mut track), 20, "still suspect");
    assert_eq!(run(599, false, None, &mut evidence, &mut track), 20);
    assert_eq!(run(600, false, None, &mut evidence, &mut track), 10, "ten minutes have passed");
    let agrees = sure(540, &[650.0; 60]);
    assert_eq!(
        run(615, true, Some(&agrees), &mut evidence, &mut track),
        8,
        "the forecast finds it plausible"
    );
}
