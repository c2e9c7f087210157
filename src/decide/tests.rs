//! The stages through `decide`, on one metric unless said otherwise.

use super::*;
use crate::forecast::{QuantileForecast, Quantiles};
use crate::policy::{
    Actuation, Behavior, CapacityRule, Fallback, MetricRule, Mode, PerDirection, Policy, RateAmount,
    RatePolicy, ReactiveRule, SelectPolicy, SpendRule, Thresholds,
};
use crate::units::{
    CapacityPerReplica, Demand, Money, Objective, PricePerReplicaHour, ReplicaBounds, Share, Span, Step,
};

pub(crate) fn replicas(n: u32) -> Replicas {
    Replicas::new(n)
}

/// A policy with capacity 100, target 70 %, 1..100 replicas, lead 3 min, HPA defaults, no scale-down window.
pub(crate) fn policy() -> Policy {
    let mut behavior = Behavior::hpa_default();
    behavior.down.window = Span::ZERO;
    Policy {
        mode: Mode::Active,
        pause: None,
        bounds: ReplicaBounds::new(replicas(1), replicas(100)).unwrap(),
        metrics: vec![metric("requests")],
        lead: Span::from_minutes(3),
        step: Step::MINUTE,
        history: Span::from_hours(28 * 24),
        time_zone: "UTC".into(),
        objective: Objective::Unserved(Share::parse("0.1%").unwrap()),
        reactive: ReactiveRule {
            average_utilization: Share::from_percent(70),
            floor_utilization: Share::from_percent(95),
        },
        behavior,
        cooldown: PerDirection { up: Span::ZERO, down: Span::ZERO },
        thresholds: Thresholds {
            min_step: replicas(1),
            sustain: PerDirection { up: Span::ZERO, down: Span::ZERO },
        },
        spend: None,
        suspect_for: Span::from_minutes(5),
        fallback: Fallback { after_absent_for: Span::from_minutes(10), replicas: None },
        actuation: Actuation::Scale,
    }
}

pub(crate) fn metric(name: &str) -> MetricRule {
    let capacity = CapacityPerReplica::new(100.0).unwrap();
    MetricRule {
        name: name.into(),
        max_age: Span::from_minutes(2),
        capacity: CapacityRule::Stated(capacity),
        drifted: None,
        prediction: true,
    }
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_000_000_020 + seconds)
}

pub(crate) fn value(value: f64, seconds: i64) -> Reading {
    Reading::Value { value, at: at(seconds), partial: false }
}

pub(crate) fn seen(reading: Reading, outlook: Option<&QuantileForecast>) -> MetricObservation<'_> {
    MetricObservation {
        reading,
        capacity: CapacityPerReplica::new(100.0),
        outlook,
        trusted: outlook.is_some(),
        level: None,
        profile: None,
        p05_earlier: None,
        same_hours_maximum: None,
        source_suspect: false,
    }
}

/// A sure forecast: every quantile of step `h` is `path[h - 1]`.
pub(crate) fn sure(newest: i64, path: &[f64]) -> QuantileForecast {
    let steps = path.iter().map(|&x| Quantiles::new([x; 11]).unwrap()).collect();
    QuantileForecast { newest: at(newest), step: Step::MINUTE, steps }
}

/// One decision on a fresh reading of `x`, without a forecast.
/// A situation in which everything that was asked for serves, with no events and no orders.
pub(crate) fn situation<'a>(
    now: Timestamp,
    asked: Replicas,
    metrics: &'a [MetricObservation<'a>],
) -> Situation<'a> {
    let (break_glass, growth) = (BreakGlass::NONE, Growth::default());
    Situation { now, asked, ready: asked, events: &[], break_glass, growth, budget: None, metrics }
}

fn reactive_answer(policy: &Policy, asked: u32, x: f64) -> u32 {
    decide_once(policy, asked, &[seen(value(x, 0), None)]).desired.get()
}

fn decide_once(policy: &Policy, asked: u32, metrics: &[MetricObservation<'_>]) -> Decision {
    let mut track = Track { to: replicas(asked), ..Track::default() };
    let situation = situation(at(0), replicas(asked), metrics);
    decide(policy, &situation, &mut Vec::new(), &mut track)
}

/// Decisions every 15 s on a constant reading until `n` were made; each is carried out at once.
fn follow(policy: &Policy, asked: u32, x: f64, n: i64) -> Vec<u32> {
    let mut track = Track { to: replicas(asked), ..Track::default() };
    let (mut asked, mut evidence, mut path) = (replicas(asked), Vec::new(), Vec::new());
    for i in 0..n {
        let metrics = [seen(value(x, 15 * i), None)];
        let situation = situation(at(15 * i), asked, &metrics);
        let decision = decide(policy, &situation, &mut evidence, &mut track);
        track.record_change(at(15 * i), asked, decision.desired);
        asked = decision.desired;
        path.push(asked.get());
    }
    path
}

mod reactive_stage {
    use super::*;

    /// PEERS 2.1 rules 6 and 7 for AverageValue: tolerance is a closed interval on total / (target * current).
    #[test]
    fn tolerance_is_closed_on_both_ends() {
        let policy = policy();
        for (asked, x, expected) in [
            (10, 770.0, 10), // ratio 1.10: inside
            (10, 770.1, 12), // just outside: ceil(770.1 / 70)
            (10, 630.0, 10), // ratio 0.90: inside
            (10, 629.9, 9),  // ceil(629.9 / 70)
            (4, 560.0, 8),   // ceil(560 / 70)
            (1, 0.0, 1),     // bounds hold at zero
            (5, 350.0, 5),
        ] {
            assert_eq!(reactive_answer(&policy, asked, x), expected, "asked {asked}, demand {x}");
        }
    }

    #[test]
    fn tolerance_is_read_per_direction() {
        let mut policy = policy();
        policy.behavior.up.tolerance = Share::from_percent(0);
        policy.behavior.down.tolerance = Share::from_percent(50);
        assert_eq!(reactive_answer(&policy, 10, 701.0), 11);
        assert_eq!(reactive_answer(&policy, 10, 360.0), 10);
        assert_eq!(reactive_answer(&policy, 10, 340.0), 5);
    }

    #[test]
    fn the_largest_of_several_metrics_wins() {
        let mut policy = policy();
        policy.metrics.push(metric("cores"));
        let decision = decide_once(&policy, 10, &[seen(value(350.0, 0), None), seen(value(840.0, 0), None)]);
        assert_eq!(decision.desired, replicas(12));
    }

    /// Rule 8: any invalid and max below current: no change; a scale-up with some invalid is allowed.
    #[test]
    fn one_absent_metric_stops_decreases_and_no_increase() {
        let mut policy = policy();
        policy.metrics.push(metric("cores"));
        let absent = || seen(Reading::Absent(Absence::Empty), None);
        let down = decide_once(&policy, 10, &[seen(value(100.0, 0), None), absent()]);
        assert_eq!(down.desired, replicas(10));
        let up = decide_once(&policy, 10, &[seen(value(1400.0, 0), None), absent()]);
        assert_eq!(up.desired, replicas(20));
    }
}

mod rates {
    use super::*;

    /// PEERS 2.1: default up-limit from 1, 2, 4, 5, 10.
    #[test]
    fn default_up_limits_are_the_hpas() {
        for (asked, limit) in [(1, 5), (2, 6), (4, 8), (5, 10), (10, 20)] {
            assert_eq!(reactive_answer(&policy(), asked, 1e6), limit, "from {asked}");
        }
    }

    /// PEERS 2.1: from 10 with 5 added in the last 15 s the limit is 10.
    #[test]
    fn what_was_added_within_the_period_counts() {
        let mut track = Track { to: replicas(5), ..Track::default() };
        track.record_change(at(-10), replicas(5), replicas(10));
        let limit = rate::up_limit(&policy(), replicas(10), &track, at(0));
        assert_eq!(limit, replicas(10));
        assert_eq!(rate::up_limit(&policy(), replicas(10), &track, at(5)), replicas(20));
    }

    /// PEERS 2.1: down with Pods 4/60 + Percent 10/60 from 80 to 10.
    #[test]
    fn two_down_policies_give_the_golden_ladder() {
        let mut policy = policy();
        let period = Span::from_seconds(60);
        policy.behavior.down.policies = vec![
            RatePolicy { amount: RateAmount::Pods(4), period },
            RatePolicy { amount: RateAmount::Percent(10), period },
        ];
        let mut path = follow(&policy, 80, 700.0, 4 * 16);
        path.dedup();
        assert_eq!(path, [72, 64, 57, 51, 45, 40, 36, 32, 28, 24, 20, 16, 12, 10]);
    }

    #[test]
    fn disabled_means_no_change_in_that_direction() {
        let mut policy = policy();
        policy.behavior.down.select = SelectPolicy::Disabled;
        assert_eq!(reactive_answer(&policy, 10, 0.0), 10);
        policy.behavior.up.select = SelectPolicy::Disabled;
        assert_eq!(reactive_answer(&policy, 10, 9000.0), 10);
    }

    #[test]
    fn min_takes_the_smaller_change() {
        let mut policy = policy();
        policy.behavior.up.select = SelectPolicy::Min;
        assert_eq!(reactive_answer(&policy, 10, 9000.0), 14);
    }
}

mod stabilisation {
    use super::*;

    #[test]
    fn holds_a_decrease_at_the_highest_of_the_window() {
        let mut policy = policy();
        policy.behavior.down.window = Span::from_seconds(60);
        let path = follow(&policy, 20, 700.0, 7);
        // The first recommendation is 10 at once; nothing higher was recommended before.
        assert_eq!(path.first(), Some(&10));
        let mut track = Track::begin(at(0), replicas(20));
        let mut evidence = Vec::new();
        let mut asked = replicas(20);
        let mut changed_at = None;
        for i in 1..=8_i64 {
            let metrics = [seen(value(700.0, 15 * i), None)];
            let situation = situation(at(15 * i), asked, &metrics);
            asked = decide(&policy, &situation, &mut evidence, &mut track).desired;
            if asked == replicas(10) {
                changed_at.get_or_insert(15 * i);
            }
        }
        assert_eq!(changed_at, Some(60), "the recommendation of 20 at 0 s leaves the window at 60 s");
    }

    #[test]
    fn the_scale_up_window_holds_back_only_the_reactive_answer() {
        let mut policy = policy();
        policy.behavior.up.window = Span::from_seconds(60);
        let mut track = Track { to: replicas(10), ..Track::default() };
        let mut evidence = Vec::new();
        let calm = [seen(value(700.0, 0), None)];
        let asked = replicas(10);
        let now = |seconds: i64, metrics| situation(at(seconds), asked, metrics);
        decide(&policy, &now(0, &calm), &mut evidence, &mut track);
        let burst = [seen(value(1400.0, 15), None)];
        let held = decide(&policy, &now(15, &burst), &mut evidence, &mut track);
        assert_eq!(held.desired, replicas(10));
        assert_eq!(held.bound_by(), Stage::Stabilise);
        let outlook = sure(-30, &[1500.0; 60]);
        let known = [seen(value(1400.0, 30), Some(&outlook))];
        let raised = decide(&policy, &now(30, &known), &mut evidence, &mut track);
        assert_eq!(raised.desired, replicas(15));
    }

    #[test]
    fn what_a_forecast_kept_ready_is_not_kept_for_a_window_more() {
        let mut policy = policy();
        policy.behavior.down.window = Span::from_seconds(300);
        let mut track = Track { to: replicas(20), ..Track::default() };
        let (mut evidence, asked) = (Vec::new(), replicas(20));
        let mut peak = vec![700.0; 10];
        peak.resize(60, 2000.0);
        let mut decided = |seconds: i64, path: &[f64]| {
            let outlook = sure(seconds - 60, path);
            let metrics = [seen(value(700.0, seconds), Some(&outlook))];
            let situation = situation(at(seconds), asked, &metrics);
            decide(&policy, &situation, &mut evidence, &mut track).desired
        };
        assert_eq!(decided(0, &peak), asked, "the peak is within lead and hold");
        assert_eq!(
            decided(60, &[700.0; 60]),
            replicas(8),
            "it is not to come any more, and 8 were recommended"
        );
    }

    /// Seen on the HPA of Kubernetes 1.37: without a value it makes no recommendation.
    #[test]
    fn a_missing_value_does_not_begin_the_scale_up_window_anew() {
        let mut policy = policy();
        policy.behavior.up.window = Span::from_seconds(60);
        let mut track = Track::begin(at(0), replicas(10));
        let (mut evidence, asked) = (Vec::new(), replicas(10));
        let mut desired = Vec::new();
        for i in 0..=4_i64 {
            let reading = match i {
                0 => value(700.0, 0),
                3 => Reading::Absent(Absence::Empty),
                _ => value(1000.0, 15 * i),
            };
            let metrics = [seen(reading, None)];
            let situation = situation(at(15 * i), asked, &metrics);
            desired.push(decide(&policy, &situation, &mut evidence, &mut track).desired.get());
        }
        assert_eq!(
            desired,
            [10, 10, 10, 10, 15],
            "the recommendation of 10 at 0 s leaves the window at 60 s"
        );
    }
}

mod prediction {
    use super::*;

    #[test]
    fn a_raise_is_made_one_lead_before_the_step_that_needs_it() {
        // Demand is 500 for five more steps and 2000 from the sixth on; lead is 3 steps.
        let mut path = vec![500.0; 5];
        path.resize(60, 2000.0);
        let mut raised_at = None;
        for i in 0..6_i64 {
            let shift = usize::try_from(i).unwrap();
            let outlook = sure(60 * i - 60, path.get(shift..).unwrap());
            let metrics = [seen(value(500.0, 60 * i), Some(&outlook))];
            let mut track = Track { to: replicas(6), ..Track::default() };
            let situation = situation(at(60 * i), replicas(6), &metrics);
            let decision = decide(&policy(), &situation, &mut Vec::new(), &mut track);
            if decision.desired > replicas(6) {
                raised_at.get_or_insert(i);
            }
        }
        // Step 6 begins at 300 s; it is asked for at 120 s, when the sample of 60 s is the newest.
        assert_eq!(raised_at, Some(2));
    }

    #[test]
    fn the_backward_pass_starts_early_where_the_rates_are_slow() {
        let mut policy = policy();
        policy.behavior.up.policies =
            vec![RatePolicy { amount: RateAmount::Pods(2), period: Span::from_seconds(60) }];
        let mut path = vec![500.0; 10];
        path.resize(60, 1500.0);
        let outlook = sure(-60, &path);
        let decision = decide_once(&policy, 5, &[seen(value(500.0, 0), Some(&outlook))]);
        // 15 are needed in step 11; from step 4 (lead) there are 7 steps of 2 to climb: 15 - 14 = 1, so 5 suffice.
        assert_eq!(decision.predicted, Some(replicas(5)));
        assert_eq!(decision.desired, replicas(6), "present demand at 95 %");
        let mut path = vec![500.0; 6];
        path.resize(60, 1500.0);
        let outlook = sure(-60, &path);
        let decision = decide_once(&policy, 5, &[seen(value(500.0, 0), Some(&outlook))]);
        // Needed in step 7, three steps after lead: 15 - 6 = 9 must be asked for now; the rate allows 7.
        assert_eq!(decision.predicted, Some(replicas(9)));
        assert_eq!(decision.desired, replicas(7));
    }

    #[test]
    fn the_backward_pass_knows_periods_longer_than_a_step() {
        let mut policy = policy();
        policy.behavior.up.policies =
            vec![RatePolicy { amount: RateAmount::Pods(2), period: Span::from_minutes(3) }];
        let mut path = vec![500.0; 9];
        path.resize(60, 1500.0);
        let outlook = sure(-60, &path);
        let decision = decide_once(&policy, 5, &[seen(value(500.0, 0), Some(&outlook))]);
        // 15 are needed in step 9; from step 3 (lead) 2 may be added, and 2 three steps later: 15 - 4 = 11.
        assert_eq!(decision.predicted, Some(replicas(11)));
    }

    #[test]
    fn a_release_waits_for_every_step_of_lead_and_hold() {
        let mut path = vec![500.0; 12];
        path.push(1200.0);
        path.resize(60, 500.0);
        let outlook = sure(-60, &path);
        let metrics = [seen(value(500.0, 0), Some(&outlook))];
        assert_eq!(decide_once(&policy(), 14, &metrics).desired, replicas(12));
        // A peak beyond lead + hold (3 + 10 steps) is no reason to stay.
        let mut path = vec![500.0; 20];
        path.resize(60, 1200.0);
        let outlook = sure(-60, &path);
        let metrics = [seen(value(500.0, 0), Some(&outlook))];
        assert!(decide_once(&policy(), 14, &metrics).desired < replicas(12));
    }

    #[test]
    fn active_never_goes_under_present_demand_at_floor_utilization() {
        let outlook = sure(-60, &[100.0; 60]);
        let decision = decide_once(&policy(), 10, &[seen(value(950.0, 0), Some(&outlook))]);
        assert_eq!(decision.desired, replicas(10));
        let outlook = sure(-60, &[100.0; 60]);
        let decision = decide_once(&policy(), 10, &[seen(value(951.0, 0), Some(&outlook))]);
        assert_eq!(decision.desired, replicas(11));
    }

    #[test]
    fn floor_mode_never_goes_below_the_reactive_answer() {
        let mut policy = policy();
        policy.mode = Mode::Floor;
        let low = sure(-60, &[100.0; 60]);
        assert_eq!(decide_once(&policy, 10, &[seen(value(840.0, 0), Some(&low))]).desired, replicas(12));
        let high = sure(-60, &[1800.0; 60]);
        assert_eq!(decide_once(&policy, 10, &[seen(value(840.0, 0), Some(&high))]).desired, replicas(18));
    }

    #[test]
    fn active_keeps_the_reactive_answer_while_a_stated_capacity_has_drifted() {
        let mut policy = policy();
        let low = sure(-60, &[100.0; 60]);
        let answer = |policy: &Policy| decide_once(policy, 10, &[seen(value(840.0, 0), Some(&low))]).desired;
        assert_eq!(answer(&policy), replicas(9), "present demand at 95 %, and nothing more is expected");
        policy.metrics[0].drifted = CapacityPerReplica::new(80.0);
        assert_eq!(answer(&policy), replicas(12));
    }

    #[test]
    fn an_untrusted_forecast_changes_nothing() {
        let outlook = sure(-60, &[5000.0; 60]);
        let mut untrusted = seen(value(700.0, 0), Some(&outlook));
        untrusted.trusted = false;
        let with = decide_once(&policy(), 10, &[untrusted]);
        let without = decide_once(&policy(), 10, &[seen(value(700.0, 0), None)]);
        assert_eq!(with.desired, without.desired);
    }

    #[test]
    fn a_fall_that_the_forecast_did_not_expect_stops_at_its_p05() {
        let outlook = sure(-60, &[300.0; 60]);
        let mut metric = seen(value(300.0, 0), Some(&outlook));
        metric.p05_earlier = Demand::new(1000.0);
        let decision = decide_once(&policy(), 14, &[metric]);
        assert_eq!(decision.desired, replicas(10));
    }

    #[test]
    fn a_known_ramp_is_followed_without_evidence() {
        let mut path = vec![500.0; 7];
        path.resize(60, 1500.0);
        let outlook = sure(-300, &path);
        let metric = seen(Reading::Absent(Absence::Unreachable), Some(&outlook));
        let decision = decide_once(&policy(), 6, &[metric]);
        assert_eq!(decision.desired, replicas(12), "15 are wanted, the rate allows 12");
        let flat = sure(-300, &[100.0; 60]);
        let metric = seen(Reading::Absent(Absence::Unreachable), Some(&flat));
        assert_eq!(decide_once(&policy(), 6, &[metric]).desired, replicas(6), "nothing falls");
    }
}

mod bad_evidence {
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
}

mod floors_and_limits {
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
        assert_eq!(
            decide_once(&policy, 10, &[seen(Reading::Absent(Absence::Empty), None)]).desired,
            replicas(5)
        );
    }
}

#[test]
fn every_stage_leaves_a_sentence_with_numbers() {
    let outlook = sure(-60, &[1500.0; 60]);
    let decision = decide_once(&policy(), 10, &[seen(value(700.0, 0), Some(&outlook))]);
    let trail: Vec<String> = decision
        .stages
        .iter()
        .map(|record| {
            format!("{} {} -> {}: {}", record.stage.name(), record.before, record.after, record.fact)
        })
        .collect();
    insta::assert_yaml_snapshot!(trail, @r#"
    - "evidence 10 -> 10: requests is 700"
    - "reactive 10 -> 10: an HPA at 70 % would stay at 10"
    - "forecast 10 -> 10: in 3m demand is 1500 at the median and 1500 at p99, from samples 60s old; trusted"
    - "predictive 10 -> 10: 15 are needed in 3m; no fewer than 15 may stay until then and after"
    - "combine 10 -> 15: the forecast decides: 15"
    - "floors 15 -> 15: no floor is above the proposal"
    - "guards 15 -> 15: nothing is frozen"
    - "threshold 15 -> 15: no threshold binds"
    - "stabilise 15 -> 15: no stabilisation window binds"
    - "rate 15 -> 15: no rate policy binds"
    - "cooldown 15 -> 15: no cooldown binds"
    - "spend 15 -> 15: no price is stated: nothing is limited by money"
    - "bounds 15 -> 15: within 1 and 100"
    "#);
    assert_eq!(decision.summary(), "10 -> 15: the forecast decides: 15");
}

#[test]
fn the_unserved_objective_matches_numerical_integration() {
    let shapes: [[f64; 11]; 4] = [
        [1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 26.0, 40.0, 45.0, 60.0],
        [100.0; 11],
        [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 5.0, 50.0, 80.0, 200.0],
        [90.0, 94.0, 95.0, 98.0, 100.0, 102.0, 105.0, 106.0, 110.0, 111.0, 114.0],
    ];
    for shape in shapes {
        let quantiles = Quantiles::new(shape).unwrap();
        for u in [0.1, 0.03, 0.01, 0.003, 0.001, 1e-5] {
            let a = quantiles.capacity_for_unserved(Share::new(u).unwrap());
            let mean = excess(&shape, 0.0);
            let left = excess(&shape, a) / mean;
            assert!(left <= u * 1.001 + 1e-12, "{shape:?} at {u}: capacity {a} leaves {left}");
            if a > 0.0 && left > 0.0 {
                assert!(
                    (left - u).abs() < 0.01 * u + 1e-9,
                    "{shape:?} at {u}: capacity {a} leaves only {left}"
                );
            }
        }
    }
}

/// E[(x - a)+] by summing the quantile function on a fine grid, with the exponential tail summed apart.
fn excess(shape: &[f64; 11], a: f64) -> f64 {
    let quantiles = Quantiles::new(*shape).unwrap();
    let n = 200_000_u32;
    let body: f64 = (0..n)
        .map(|i| (f64::from(i) + 0.5) / f64::from(n) * 0.999)
        .map(|p| (quantiles.at(p).get() - a).max(0.0))
        .sum::<f64>()
        * 0.999
        / f64::from(n);
    let (top, beta) = (shape[10], (shape[10] - shape[8]) / std::f64::consts::LN_10);
    let tail = if a <= top { top + beta - a } else { beta * (-(a - top) / beta.max(1e-300)).exp() };
    body + 0.001 * tail
}
