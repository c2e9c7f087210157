//! Fallbacks, a human's floor, thresholds, cooldowns, money and bounds.

use super::*;

#[test]
fn fallback_replicas_stand_after_the_stated_absence() {
    let mut policy = policy();
    policy.fallback.replicas = Some(replicas(15));
    let mut track = Track { to: replicas(12), ..Track::default() };
    let mut evidence = Vec::new();
    let absent = [seen(Reading::Absent(Absence::Unreachable), None)];
    let mut desired = |seconds: i64| {
        let situation = situation(at(seconds), replicas(12), &absent);
        decide(&policy, &situation, &mut evidence, &mut track).desired.get()
    };
    assert_eq!(desired(0), 12);
    assert_eq!(desired(585), 12);
    assert_eq!(desired(600), 15);
}

#[test]
fn without_a_forecast_the_fallback_is_the_same_hours_maximum() {
    let mut metric = seen(Reading::Absent(Absence::Unreachable), None);
    metric.same_hours_maximum = Demand::new(1450.0);
    let metrics = [metric];
    let mut track = Track { to: replicas(10), ..Track::default() };
    let mut evidence = Vec::new();
    for (seconds, expected) in [(0, 10), (600, 15)] {
        let situation = situation(at(seconds), replicas(10), &metrics);
        let decision = decide(&policy(), &situation, &mut evidence, &mut track);
        assert_eq!(decision.desired, replicas(expected), "at {seconds} s");
    }
}

#[test]
fn a_human_scale_up_is_a_floor_for_thirty_minutes() {
    let mut track = Track { to: replicas(10), ..Track::default() };
    track.notice_foreign_write(at(0), replicas(30));
    let desired = |seconds: i64, track: &mut Track| {
        let metrics = [seen(value(700.0, seconds), None)];
        let now = at(seconds);
        let situation = situation(now, replicas(30), &metrics);
        decide(&policy(), &situation, &mut Vec::new(), track).desired.get()
    };
    assert_eq!(desired(0, &mut track), 30);
    assert_eq!(desired(1799, &mut track), 30);
    assert_eq!(desired(1800, &mut track), 10);
}

#[test]
fn min_step_drops_a_small_change() {
    let mut policy = policy();
    policy.thresholds.min_step = replicas(3);
    assert_eq!(reactive_answer(&policy, 10, 840.0), 10);
    assert_eq!(reactive_answer(&policy, 10, 910.0), 13);
}

#[test]
fn sustain_for_waits_on_decreases_and_reactive_raises_only() {
    let mut policy = policy();
    policy.thresholds.sustain = PerDirection { up: Span::from_seconds(30), down: Span::from_seconds(60) };
    assert_eq!(follow(&policy, 10, 1400.0, 4), [10, 10, 20, 20]);
    assert_eq!(follow(&policy, 20, 700.0, 6), [20, 20, 20, 20, 10, 10]);
    let outlook = sure(-60, &[1500.0; 60]);
    assert_eq!(decide_once(&policy, 10, &[seen(value(700.0, 0), Some(&outlook))]).desired, replicas(15));
}

#[test]
fn cooldowns_hold_after_any_change() {
    let mut policy = policy();
    policy.cooldown = PerDirection { up: Span::from_seconds(60), down: Span::from_seconds(60) };
    let mut track = Track { to: replicas(20), ..Track::default() };
    track.record_change(at(-30), replicas(10), replicas(20));
    let desired = |x: f64, seconds: i64, track: &mut Track| {
        let metrics = [seen(value(x, seconds), None)];
        let now = at(seconds);
        let situation = situation(now, replicas(20), &metrics);
        decide(&policy, &situation, &mut Vec::new(), track).desired.get()
    };
    assert_eq!(desired(2800.0, 0, &mut track), 20);
    assert_eq!(desired(70.0, 0, &mut track), 20);
    assert_eq!(desired(2800.0, 30, &mut track), 40);
}

#[test]
fn a_cooldown_longer_than_half_an_hour_is_kept() {
    let mut policy = policy();
    policy.cooldown.up = Span::from_hours(1);
    let mut track = Track { to: replicas(20), ..Track::default() };
    track.record_change(at(0), replicas(30), replicas(20));
    for (seconds, expected) in [(2400, 20), (3599, 20), (3600, 40)] {
        track.prune(at(seconds), &policy);
        let metrics = [seen(value(2800.0, seconds), None)];
        let situation = situation(at(seconds), replicas(20), &metrics);
        let decision = decide(&policy, &situation, &mut Vec::new(), &mut track);
        assert_eq!(decision.desired, replicas(expected), "at {seconds} s");
    }
}

#[test]
fn i34_a_clock_that_is_set_back_makes_no_wait_longer_than_it_is() {
    let mut policy = policy();
    policy.cooldown = PerDirection { up: Span::from_seconds(60), down: Span::from_seconds(60) };
    for (x, expected) in [(2800.0, 40), (700.0, 10)] {
        let mut track = Track { to: replicas(20), ..Track::default() };
        track.record_change(at(7200), replicas(10), replicas(20));
        for seconds in [0, 30, 59, 60] {
            track.set_back(at(seconds));
            let metrics = [seen(value(x, seconds), None)];
            let situation = situation(at(seconds), replicas(20), &metrics);
            let desired = decide(&policy, &situation, &mut Vec::new(), &mut track).desired;
            assert_eq!(desired, replicas(if seconds < 60 { 20 } else { expected }), "at {seconds} s");
        }
    }
}

#[test]
fn the_way_back_after_a_foreign_decrease_does_not_wait() {
    let mut policy = policy();
    policy.cooldown.up = Span::from_minutes(10);
    let mut track = Track { to: replicas(20), ..Track::default() };
    track.record_change(at(-30), replicas(19), replicas(20));
    track.notice_foreign_write(at(0), replicas(10));
    let metrics = [seen(value(1400.0, 0), None)];
    let situation = situation(at(0), replicas(10), &metrics);
    let decision = decide(&policy, &situation, &mut Vec::new(), &mut track);
    assert_eq!(decision.desired, replicas(20));
}

#[test]
fn max_per_hour_withholds_growth_and_nothing_else() {
    let mut policy = policy();
    policy.spend = Some(SpendRule {
        price: PricePerReplicaHour::parse("0.10").unwrap().into(),
        currency: "EUR".into(),
        max_per_hour: Some(Money::parse("1.55").unwrap()),
        budget: None,
    });
    // 15 are paid for. Growth stops there; present demand at full use is served whatever it costs.
    let withheld = decide_once(&policy, 10, &[seen(value(1300.0, 0), None)]);
    assert_eq!((withheld.desired, withheld.withheld), (replicas(15), replicas(4)));
    assert_eq!(withheld.bound_by(), Stage::Spend);
    assert_eq!(reactive_answer(&policy, 10, 1800.0), 18);
    assert_eq!(reactive_answer(&policy, 30, 2100.0), 30, "what stands is not lowered by money");
}

#[test]
fn a_change_of_bounds_binds_at_once() {
    let mut policy = policy();
    policy.bounds = ReplicaBounds::new(replicas(50), replicas(60)).unwrap();
    assert_eq!(reactive_answer(&policy, 10, 700.0), 50);
    policy.bounds = ReplicaBounds::new(replicas(1), replicas(5)).unwrap();
    assert_eq!(reactive_answer(&policy, 10, 700.0), 5);
    assert_eq!(decide_once(&policy, 10, &[seen(Reading::Absent(Absence::Empty), None)]).desired, replicas(5));
}
