//! Events through `decide`: readied ahead with and without trust, floors and caps, and what is said of them.

use proptest::prelude::*;

use super::super::tests::{at, policy, replicas, seen, situation, sure, value};
use super::super::{Decision, Situation, decide};
use super::*;
use crate::calendar::Effect;
use crate::calendar::tests::effect;
use crate::policy::{Policy, RateAmount, RatePolicy, SpendRule};
use crate::units::{Money, PricePerReplicaHour};

fn window(from: i64, to: i64, effect: Effect) -> Window {
    Window { start: at(from), end: at(to), effect }
}

fn least(name: &str, n: u32) -> Effect {
    Effect { min_replicas: Some(replicas(n)), ..effect(name, 1.0) }
}

fn most(name: &str, n: u32) -> Effect {
    Effect { max_replicas: Some(replicas(n)), ..effect(name, 1.0) }
}

/// One decision on demand `x` at second `now`, without a forecast.
fn decision(policy: &Policy, (now, asked): (i64, u32), x: f64, events: &[Window]) -> Decision {
    let metrics = [seen(value(x, now), None)];
    let (asked, mut track) = (replicas(asked), Track { to: replicas(asked), ..Track::default() });
    let situation = Situation { events, ..situation(at(now), asked, &metrics) };
    decide(policy, &situation, &mut Vec::new(), &mut track)
}

fn sentence(decision: &Decision, stage: Stage) -> String {
    decision.stages.iter().find(|one| one.stage == stage).unwrap().fact.to_string()
}

/// What is asked for every 15 s from second 0 to `end` on demand `x`; every decision is carried out at once.
fn follow(policy: &Policy, end: i64, x: impl Fn(i64) -> f64, events: &[Window]) -> Vec<(i64, u32)> {
    let (mut asked, mut evidence) = (replicas(10), Vec::new());
    let mut track = Track { to: asked, ..Track::default() };
    let mut path = Vec::new();
    for now in (0..end).step_by(15) {
        let metrics = [seen(value(x(now), now), None)];
        let situation = Situation { events, ..situation(at(now), asked, &metrics) };
        let decision = decide(policy, &situation, &mut evidence, &mut track);
        track.record_change(at(now), asked, decision.desired);
        asked = decision.desired;
        path.push((now, asked.get()));
    }
    path
}

fn asked_at(path: &[(i64, u32)], second: i64) -> u32 {
    path.iter().take_while(|(now, _)| *now <= second).last().unwrap().1
}

#[test]
fn an_announced_wave_is_ready_when_it_comes_without_any_trusted_forecast() {
    let policy = policy();
    let wave = [window(1800, 5400, effect("retail/sale", 4.0))];
    let x = |now: i64| if (1800..5400).contains(&now) { 2800.0 } else { 700.0 };
    let path = follow(&policy, 7200, x, &wave);
    assert_eq!(asked_at(&path, 1500), 10, "not earlier than it must be");
    // 2800 at 70 % of 100 each, one lead of three minutes ahead; the HPA's rate takes two ticks to 40.
    assert_eq!((asked_at(&path, 1800 - 180), asked_at(&path, 1800 - 165)), (20, 40));
    assert_eq!(asked_at(&path, 5000), 40);
    assert_eq!(asked_at(&path, 7000), 10);
}

#[test]
fn a_slow_rate_policy_begins_earlier_so_that_the_wave_is_met() {
    let mut policy = policy();
    let amount = RateAmount::Pods(4);
    policy.behavior.up.policies = vec![RatePolicy { amount, period: Span::from_seconds(60) }];
    let wave = [window(1800, 5400, effect("retail/sale", 4.0))];
    let path = follow(&policy, 1800, |_| 700.0, &wave);
    assert!(asked_at(&path, 1800 - 180) >= 40, "{}", asked_at(&path, 1800 - 180));
}

#[test]
fn what_a_start_needs_stands_ready_before_it() {
    let ready_before = Span::from_minutes(10);
    let wave = [window(3600, 5400, Effect { ready_before, ..effect("retail/sale", 4.0) })];
    let path = follow(&policy(), 3600, |_| 700.0, &wave);
    assert_eq!(asked_at(&path, 3600 - 600 - 240), 10);
    assert_eq!(asked_at(&path, 3600 - 600 - 165), 40);
}

#[test]
fn a_trusted_forecast_of_ordinary_demand_is_multiplied_for_the_event() {
    let outlook = sure(-60, &[1000.0; 60]);
    let wave = [window(120, 3600, effect("retail/sale", 3.0))];
    let metrics = [seen(value(1000.0, 0), Some(&outlook))];
    let asked = replicas(12);
    let situation = Situation { events: &wave, ..situation(at(0), asked, &metrics) };
    let decision = decide(&policy(), &situation, &mut Vec::new(), &mut Track::begin(at(-600), asked));
    let said = sentence(&decision, Stage::Forecast);
    assert!(said.contains("demand is 3000 at the median") && said.contains("3.0 times ordinary"), "{said}");
    assert!(decision.predicted.unwrap() >= replicas(30), "{:?}", decision.predicted);
    let without = Situation { events: &[], ..situation };
    let ordinary = decide(&policy(), &without, &mut Vec::new(), &mut Track::begin(at(-600), asked));
    assert_eq!(ordinary.predicted, Some(replicas(10)));
}

#[test]
fn the_stage_floors_names_the_event() {
    let events = [window(0, 600, least("retail/launch", 20))];
    let decision = decision(&policy(), (0, 10), 700.0, &events);
    assert_eq!(sentence(&decision, Stage::Floors), "event `retail/launch` asks for at least 20");
    assert_eq!((decision.desired, decision.unapplied), (replicas(20), None));
}

#[test]
fn of_overlapping_events_the_largest_floor_and_the_smallest_cap_hold() {
    let floors = [window(0, 600, least("a", 20)), window(0, 600, least("b", 30))];
    assert_eq!(decision(&policy(), (0, 20), 700.0, &floors).desired, replicas(30));
    let caps = [window(0, 600, most("a", 12)), window(0, 600, most("b", 15))];
    let capped = decision(&policy(), (0, 10), 2100.0, &caps);
    assert_eq!(capped.desired, replicas(12));
    assert_eq!(sentence(&capped, Stage::Floors), "event `a` allows at most 12, 30 were wanted");
    assert_eq!(capped.unapplied, None, "a cap that caps is applied");
}

#[test]
fn a_cap_binds_at_once_on_what_stands() {
    let caps = [window(0, 600, most("a", 12))];
    let capped = decision(&policy(), (0, 30), 2100.0, &caps);
    assert_eq!(capped.desired, replicas(12));
}

/// Reason of a decision in which an event gets less than it asks for, and what stands.
fn unapplied(policy: &Policy, events: &[Window]) -> (&'static str, u32) {
    let decision = decision(policy, (0, 10), 700.0, events);
    let Unapplied { reason, message } = decision.unapplied.unwrap();
    assert!(message.starts_with("event `"), "{message}");
    (reason, decision.desired.get())
}

#[test]
fn contradictions_are_decided_for_the_floor_and_told() {
    let both = [window(0, 600, least("a", 20)), window(0, 600, most("b", 12))];
    assert_eq!(unapplied(&policy(), &both), ("FloorAboveCap", 20));
    let mut few = policy();
    few.bounds = ReplicaBounds::new(replicas(8), replicas(15)).unwrap();
    assert_eq!(unapplied(&few, &[window(0, 600, least("a", 20))]), ("FloorAboveMaxReplicas", 15));
    assert_eq!(unapplied(&few, &[window(0, 600, most("a", 5))]), ("CapBelowMinReplicas", 8));
}

#[test]
fn money_withholds_an_event_and_says_so() {
    let mut policy = policy();
    let price = PricePerReplicaHour::parse("0.10").unwrap();
    let max_per_hour = Some(Money::parse("1.50").unwrap());
    policy.spend =
        Some(SpendRule { price: price.into(), currency: "EUR".to_owned(), max_per_hour, budget: None });
    let events = [window(0, 600, least("a", 20))];
    assert_eq!(unapplied(&policy, &events), ("WithheldByMaxPerHour", 15));
    let budget = Some("shop".to_owned());
    policy.spend =
        Some(SpendRule { price: price.into(), currency: "EUR".to_owned(), max_per_hour: None, budget });
    assert_eq!(
        unapplied(&policy, &events).0,
        "WithheldByBudget",
        "a budget that is not there pays for nothing"
    );
}

#[test]
fn a_trust_loss_within_an_event_lowers_nothing_until_it_is_over() {
    let policy = policy();
    let wave = [window(0, 1800, effect("retail/sale", 4.0))];
    let (mut asked, mut evidence) = (replicas(60), Vec::new());
    let mut track = Track { to: asked, ..Track::default() };
    let mut stood = Vec::new();
    for now in (0..2400).step_by(15) {
        let outlook = sure(now - 60, &[1500.0; 60]);
        let mut metric = seen(value(2000.0, now), Some(&outlook));
        metric.trusted = now < 300;
        let metrics = [metric];
        let situation = Situation { events: &wave, ..situation(at(now), asked, &metrics) };
        let decision = decide(&policy, &situation, &mut evidence, &mut track);
        if now == 600 {
            let said = sentence(&decision, Stage::Floors);
            assert!(said.starts_with("the forecast lost its trust within event `retail/sale`"), "{said}");
        }
        track.record_change(at(now), asked, decision.desired);
        asked = decision.desired;
        stood.push((now, asked.get()));
    }
    let while_trusted = asked_at(&stood, 285);
    assert!(stood.iter().filter(|(now, _)| (300..1800).contains(now)).all(|(_, n)| *n >= while_trusted));
    assert_eq!(asked_at(&stood, 2385), 29, "2000 at 70 %");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    /// I24: a forecast is bounded before multiplication, so that after it it is finite, not negative and in order.
    #[test]
    fn i24_multiplied_forecasts_are_finite_and_in_order(
        x in 0.0_f64..1e30, multiplier in 0.01_f64..100.0, now in -4000_i64..4000,
    ) {
        let outlook = sure(now, &[x; 60]).times(|when| window(0, 600, effect("a", multiplier)).factor(when));
        for quantiles in &outlook.steps {
            let values = quantiles.values();
            prop_assert!(values.iter().all(|value| value.is_finite() && *value >= 0.0));
            prop_assert!(values.windows(2).all(|pair| pair[0] <= pair[1]));
        }
    }

    /// An event that multiplies by more than one, or asks for replicas, never leaves fewer than without it.
    #[test]
    fn an_event_without_a_cap_never_lowers(
        (asked, x) in (1_u32..100, 0.0_f64..9000.0),
        (from, length, multiplier) in (-3600_i64..3600, 60_i64..3600, 1.0_f64..10.0),
        (ramp, ready, n) in (0_u64..1800, 0_u64..1800, 1_u32..200),
        trusted in any::<bool>(),
    ) {
        let effect = Effect {
            ramp_up: Span::from_seconds(ramp),
            ready_before: Span::from_seconds(ready),
            min_replicas: Some(replicas(n)),
            ..effect("a", multiplier)
        };
        let events = [window(from, from + length, effect)];
        let outlook = sure(-60, &[x; 60]);
        let mut metric = seen(value(x, 0), Some(&outlook));
        metric.trusted = trusted;
        let metrics = [metric];
        let asked = replicas(asked);
        let desired = |events: &[Window]| {
            let situation = Situation { events, ..situation(at(0), asked, &metrics) };
            let mut track = Track { to: asked, ..Track::default() };
            decide(&policy(), &situation, &mut Vec::new(), &mut track).desired
        };
        let (with, without) = (desired(&events), desired(&[]));
        prop_assert!(with >= without, "{with} {without}");
        prop_assert!(policy().bounds.clamp(with) == with, "I01: {with}");
    }
}
