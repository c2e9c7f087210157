//! Whole runs on seeded synthetic series: no look-ahead, figures recomputed, the HPA by its golden rule.

use proptest::prelude::*;

use super::*;
use crate::decide::tests::policy;
use crate::policy::{Policy, SpendRule};
use crate::units::{
    CapacityPerReplica, Demand, Money, Objective, PricePerReplicaHour, ReplicaBounds, Replicas, Share, Span,
    Step, Timestamp,
};

/// Thursday 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600;
pub(crate) const TICK: Span = Span::from_seconds(15);

/// A generator that only tests use.
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        f64::from(u32::try_from(self.0 >> 32).unwrap()) / f64::from(u32::MAX)
    }
}

/// Five-minute samples over `days`: a day's wave, noise, and now and then a burst.
pub(crate) fn shop(seed: u64, days: i32) -> Vec<f64> {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    (0..days * 288)
        .map(|i| {
            let wave = 1.2 - (f64::from(i % 288) / 288.0 * std::f64::consts::TAU).cos();
            let burst = if random.unit() > 0.995 { 900.0 } else { 0.0 };
            600.0 * wave + 120.0 * random.unit() + burst
        })
        .collect()
}

pub(crate) fn five_minutes() -> Policy {
    Policy {
        step: Step::new(300).unwrap(),
        lead: Span::from_minutes(10),
        bounds: ReplicaBounds::new(Replicas::new(2), Replicas::new(80)).unwrap(),
        behavior: crate::policy::Behavior::hpa_default(),
        ..policy()
    }
}

pub(crate) fn history(values: &[f64], step: Step, from: Option<usize>) -> History {
    let at =
        |i: usize| Timestamp::from_seconds(START + i64::from(step.seconds()) * i64::try_from(i).unwrap());
    let samples = values.iter().enumerate().map(|(i, &value)| (at(i), Demand::new(value).unwrap())).collect();
    History {
        demand: vec![samples],
        capacities: vec![CapacityPerReplica::new(100.0).unwrap()],
        events: Vec::new(),
        recorded: Vec::new(),
        from: from.map(at),
    }
}

pub(crate) fn scenario(policy: &Policy, values: &[f64], from: usize) -> Scenario {
    Scenario::new("shop/web", policy, None, TICK, history(values, policy.step, Some(from))).unwrap()
}

fn course<'a>(outcome: &'a Outcome, name: &str) -> &'a Course {
    &outcome.policies.iter().find(|one| one.course.name == name).unwrap().course
}

fn asked(course: &Course) -> Vec<u32> {
    course.stood.iter().map(|stood| stood.desired.get()).collect()
}

/// What DESIGN 6 says of a row of decisions, written down a second time: ready, replica-hours, unserved share, share
/// of steps short, changes. Steps of five minutes, replicas of 100.
fn recomputed(x: &[f64], asked: &[u32], first: usize, lead: usize) -> (Vec<i64>, [f64; 4]) {
    let count = |i: usize| usize::try_from(asked[i]).unwrap();
    let mut serving: Vec<usize> = vec![0; count(0)];
    let (mut ready, mut hours, mut unserved, mut demand, mut short, mut changes) =
        (vec![], 0.0, 0.0, 0.0, 0, 0);
    for i in 0..x.len() {
        // One entry a replica, by the step from which it serves; the newest is last.
        while serving.len() < count(i) {
            serving.push(i + lead);
        }
        serving.truncate(count(i));
        let n = serving.iter().filter(|from| **from <= i).count();
        ready.push(i64::try_from(n).unwrap());
        if i >= first {
            hours += f64::from(asked[i]) / 12.0;
            demand += x[i];
            let above = x[i] - f64::from(u32::try_from(n).unwrap()) * 100.0;
            if above > 1e-9 {
                unserved += above;
                short += 1;
            }
            changes += i32::from(i > 0 && asked[i] != asked[i - 1]);
        }
    }
    let judged = f64::from(u32::try_from(x.len() - first).unwrap());
    (ready, [hours, unserved / demand, f64::from(short) / judged, f64::from(changes)])
}

fn assert_close(a: f64, b: f64, what: &str) {
    assert!((a - b).abs() <= 1e-9 * a.abs().max(1.0), "{what}: {a} {b}");
}

#[test]
fn figures_are_those_of_an_independent_computation() {
    let policy = five_minutes();
    let x = shop(3, 5);
    let scenario = scenario(&policy, &x, 400);
    let outcome = run(&scenario);
    let names: Vec<&str> = outcome.policies.iter().map(|one| one.course.name).collect();
    assert_eq!(names, ["foresail", "floor", "reactive", "hpa", "hpa-best", "fixed", "schedule", "oracle"]);
    for Judged { course, figures, .. } in &outcome.policies {
        let (ready, [hours, unserved, short, changes]) = recomputed(&x, &asked(course), 400, 2);
        let stood: Vec<i64> = course.stood.iter().map(|stood| i64::from(stood.ready.get())).collect();
        assert_eq!(stood, ready, "{}", course.name);
        assert_close(figures.replica_hours(), hours, course.name);
        assert_close(figures.unserved_share, unserved, course.name);
        assert_close(figures.time_short, short, course.name);
        assert_close(super::course::as_float(figures.changes), changes, course.name);
        assert!(figures.replica_hours() > 0.0 && figures.changes < 2000, "{}", course.name);
    }
    assert_eq!(outcome.ahead.len(), x.len());
    assert!(outcome.ahead.iter().skip(1).all(Option::is_some), "a forecast from the first sample on");
}

#[test]
fn the_forecast_comes_to_decide_on_a_daily_wave() {
    let policy = five_minutes();
    let x = shop(5, 7);
    let outcome = run(&scenario(&policy, &x, 4 * 288));
    let trusted = outcome.ahead.iter().skip(4 * 288).flatten().filter(|ahead| ahead.trusted).count();
    assert!(trusted > 2 * 288, "trusted at {trusted} of {} steps", 3 * 288);
    let hours = |name: &str| {
        outcome.policies.iter().find(|one| one.course.name == name).unwrap().figures.replica_hours()
    };
    assert_ne!(asked(course(&outcome, "foresail")), asked(course(&outcome, "reactive")));
    assert!(hours("oracle") < hours("foresail"), "{} {}", hours("oracle"), hours("foresail"));
}

#[test]
fn days_are_forecast_alike_alone_and_one_after_the_other() {
    let policy = five_minutes();
    let x = shop(9, 4);
    let scenario = scenario(&policy, &x, 288);
    let days = days(&scenario);
    assert_eq!(days, [0..288, 288..576, 576..864, 864..1152]);
    let rule = &policy.metrics[0];
    let question = crate::engine::foresight::trust_question(&policy, scenario.capacities[0]);
    let mut keeper = crate::engine::foresight::keeper("shop/web", &policy, rule, std::sync::Arc::from([]));
    let mut driven = vec![Issued::default()];
    for i in 1..x.len() {
        let (at, now) = (scenario.grid.time(i - 1), scenario.grid.time(i));
        if i == 1 {
            let first = crate::forecast::Forecaster::learn(keeper.config().clone(), &[(at, x[0])]);
            keeper.begin(first, now);
        } else {
            keeper.observe(&[crate::forecast::Arrival { at, value: x[i - 1], censored: false }], now);
        }
        let judgement = keeper.keep(Some(&question), now);
        driven.push(Issued {
            outlook: keeper.outlook().cloned(),
            profile: keeper.profile().cloned(),
            p05_earlier: keeper.p05_earlier(),
            judgement,
        });
    }
    let judgements = driven.iter().filter(|issued| issued.judgement.is_some()).count();
    assert_eq!(judgements, 4 * 24 + 1, "the first fit, then each hour");
    for steps in days.into_iter().rev() {
        let day = foresee(&scenario, steps.clone());
        for (i, issued) in steps.zip(&day.metrics[0]) {
            assert_eq!(*issued, driven[i], "step {i}");
        }
    }
}

#[test]
fn what_the_future_holds_changes_no_earlier_decision() {
    let policy = five_minutes();
    for (seed, cut) in [(11, 700), (12, 1011), (13, 864)] {
        let x = shop(seed, 5);
        let whole = run(&scenario(&policy, &x, 400));
        for future in [9_000.0, 0.0] {
            let mut other = x.clone();
            other.truncate(cut);
            other.extend([future; 40]);
            let part = run(&scenario(&policy, &other, 400));
            for one in &whole.policies {
                if matches!(one.course.name, "oracle" | "hpa-best") {
                    continue;
                }
                let (a, b) = (asked(&one.course), asked(course(&part, one.course.name)));
                assert_eq!(a[..=cut], b[..=cut], "{} cut at {cut}, then {future}", one.course.name);
            }
            assert_eq!(whole.ahead[..=cut], part.ahead[..=cut]);
        }
    }
}

/// The HPA's published rule (PEERS 2.1) at its defaults, one sync every 15 s, for a value that changes every four; it
/// begins at 70 % of capacity, which is its target.
fn golden_hpa(x: &[f64], target: f64, (min, max): (u32, u32)) -> Vec<u32> {
    let need =
        |value: f64| (0..100_000_u32).find(|n| f64::from(*n) >= value / target * (1.0 - 1e-9)).unwrap();
    let mut asked = need(x[0]).clamp(min, max);
    let mut path = vec![asked];
    let mut recommended: Vec<(i64, u32)> = Vec::new();
    for (i, value) in x.iter().enumerate().take(x.len() - 1) {
        for sync in 0..4 {
            let now = i64::try_from(i * 60 + sync * 15).unwrap();
            let ratio = value / (target * f64::from(asked));
            let mut wants = if (0.9 - 1e-9..=1.1 + 1e-9).contains(&ratio) { asked } else { need(*value) };
            if recommended.is_empty() {
                recommended.push((now, asked));
            }
            recommended.push((now, wants));
            let highest =
                recommended.iter().filter(|(at, _)| *at > now - 300).map(|(_, n)| *n).max().unwrap();
            if wants < asked {
                wants = highest.min(asked);
            }
            let limit = (2 * asked).max(asked + 4);
            asked = wants.min(limit).clamp(min, max);
        }
        path.push(asked);
    }
    path
}

#[test]
fn the_hpa_follows_the_published_rule() {
    for seed in 0..20 {
        let mut random = Random(seed * 77 + 5);
        let mut level = 900.0;
        let x: Vec<f64> = (0..600)
            .map(|_| {
                level = (level * (0.8 + 0.42 * random.unit())).clamp(20.0, 9_000.0);
                level
            })
            .collect();
        let mut policy = policy();
        policy.bounds = ReplicaBounds::new(Replicas::new(2), Replicas::new(80)).unwrap();
        let scenario = scenario(&policy, &x, 0);
        let hpa = hpa::of_scenario(&scenario);
        assert_eq!(asked(&hpa), golden_hpa(&x, 70.0, (2, 80)), "seed {seed}");
    }
}

#[test]
fn the_hpa_is_what_the_engine_does_without_forecasts() {
    let x = shop(21, 3);
    let policy = Policy { step: Step::new(300).unwrap(), ..five_minutes() };
    let scenario = scenario(&policy, &x, 0);
    let mut replay = Replay::begin("hpa", scenario.hpa.clone(), &scenario);
    let silent = vec![vec![Foreseen::default()]; x.len()];
    replay.advance(&scenario, &silent);
    assert_eq!(asked(&replay.course()), asked(&hpa::of_scenario(&scenario)));
}

#[test]
fn the_oracle_is_never_short_once_its_first_replicas_serve() {
    let policy = five_minutes();
    let x = shop(31, 3);
    let outcome = run(&scenario(&policy, &x, 3));
    let oracle = outcome.policies.iter().find(|one| one.course.name == "oracle").unwrap();
    assert_eq!(oracle.figures.unserved_share.to_bits(), 0.0_f64.to_bits());
}

#[test]
fn the_best_hpa_keeps_the_objective_when_one_does_and_costs_least_of_those() {
    let mut policy = five_minutes();
    policy.objective = Objective::Unserved(Share::parse("3%").unwrap());
    let scenario = scenario(&policy, &shop(41, 4), 288);
    let best = hpa::best(&scenario).figures(&scenario);
    assert!(best.unserved_share <= 0.03);
    for percent in [30, 50, 70, 90] {
        let other = hpa::follow("hpa", &hpa_at(&policy, Share::from_percent(percent)), &scenario);
        let other = other.figures(&scenario);
        assert!(other.unserved_share > 0.03 || other.replica_seconds >= best.replica_seconds, "{percent} %");
    }
}

#[test]
fn fixed_and_schedule_are_chosen_on_the_past_alone() {
    let policy = five_minutes();
    let x = shop(51, 6);
    let first = scenario(&policy, &x, 4 * 288);
    let mut later = x.clone();
    for value in later.iter_mut().skip(4 * 288) {
        *value *= 3.0;
    }
    let second = scenario(&policy, &later, 4 * 288);
    assert_eq!(baselines::fixed(&first), baselines::fixed(&second));
    assert_eq!(baselines::schedule(&first), baselines::schedule(&second));
    let fixed = asked(&baselines::fixed(&first));
    assert_eq!(fixed[..4 * 288 - 2], vec![fixed[0]; 4 * 288 - 2], "nothing is known before it is chosen");
    let schedule = asked(&baselines::schedule(&first));
    let (day, night): (Vec<u32>, Vec<u32>) =
        (schedule[4 * 288 + 120..][..48].into(), schedule[4 * 288..][..24].into());
    assert!(day.iter().min() > night.iter().max(), "more by day than by night: {day:?} {night:?}");
    let figures = baselines::fixed(&first).figures(&first);
    assert!(figures.unserved_share < 0.01, "{figures:?}");
}

#[test]
fn a_recorded_count_is_followed_and_a_price_makes_costs() {
    let mut policy = five_minutes();
    let price = PricePerReplicaHour::parse("0.10").unwrap();
    policy.spend =
        Some(SpendRule { price: price.into(), currency: "EUR".into(), max_per_hour: None, budget: None });
    let x = shop(61, 2);
    let mut history = history(&x, policy.step, Some(10));
    history.recorded = vec![
        (Timestamp::from_seconds(START - 60), Replicas::new(7)),
        (Timestamp::from_seconds(START + 3000), Replicas::new(9)),
    ];
    let scenario = Scenario::new("shop/web", &policy, None, TICK, history).unwrap();
    let recorded = baselines::recorded(&scenario).unwrap();
    assert_eq!(asked(&recorded)[1..12], [7, 7, 7, 7, 7, 7, 7, 7, 7, 9, 9]);
    let figures = recorded.figures(&scenario);
    let hours = 9.0 * (2.0 * 288.0 - 10.0) / 12.0;
    assert_close(figures.replica_hours(), hours, "replica-hours");
    assert_close(figures.cost.map(Money::as_f64).unwrap(), hours / 10.0, "cost");
}

#[test]
fn gates_compare_with_a_number_or_with_another_policy() {
    let policy = five_minutes();
    let outcome = run(&scenario(&policy, &shop(71, 3), 288));
    let of = |name: &str| outcome.policies.iter().find(|one| one.course.name == name).unwrap().figures;
    let verdict = Gate::parse("cost<=1xoracle").unwrap().judge(&outcome).unwrap();
    assert!(!verdict.is_kept(), "nobody is cheaper than the oracle: {verdict}");
    let verdict = Gate::parse("replica-hours<=1.5xhpa").unwrap().judge(&outcome).unwrap();
    assert_close(verdict.most, 1.5 * of("hpa").replica_hours(), "most");
    assert_close(verdict.value, of("foresail").replica_hours(), "value");
    assert!(Gate::parse("unserved<=100%").unwrap().judge(&outcome).unwrap().is_kept());
    assert!(matches!(Gate::parse("cost<=5").unwrap().judge(&outcome), Err(GateError::NoPrice(_))));
    let unknown = Gate::parse("cost<=1xkeda").unwrap().judge(&outcome).unwrap_err().to_string();
    assert!(unknown.contains("foresail, floor, reactive"), "{unknown}");
}

#[test]
fn a_scenario_that_cannot_be_replayed_says_why() {
    let policy = five_minutes();
    let refused = |policy: &Policy, values: &[f64], from| {
        Scenario::new("shop/web", policy, None, TICK, history(values, policy.step, from)).unwrap_err()
    };
    assert_eq!(refused(&policy, &[5.0], None), ScenarioError::TooShort(1));
    assert!(matches!(refused(&policy, &[5.0; 10], Some(10)), ScenarioError::NothingJudged(_)));
    let two =
        Policy { metrics: vec![policy.metrics[0].clone(), policy.metrics[0].clone()], ..policy.clone() };
    assert!(matches!(refused(&two, &[5.0; 10], None), ScenarioError::Unmatched { .. }));
    let odd = Policy { step: Step::new(20).unwrap(), ..policy };
    assert!(matches!(refused(&odd, &[5.0; 10], None), ScenarioError::Interval(20, _)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_policy_stays_within_bounds_and_the_front_is_one(
        seed in 1_u64..1000, max in 3_u32..60, capacity in 20.0_f64..400.0, lead in 0_u64..1200,
    ) {
        let mut policy = five_minutes();
        policy.bounds = ReplicaBounds::new(Replicas::new(2), Replicas::new(max)).unwrap();
        policy.lead = Span::from_seconds(lead);
        let mut history = history(&shop(seed, 1), policy.step, None);
        history.capacities = vec![CapacityPerReplica::new(capacity).unwrap()];
        let scenario = Scenario::new("shop/web", &policy, None, TICK, history).unwrap();
        let outcome = run(&scenario);
        for one in &outcome.policies {
            for stood in &one.course.stood {
                prop_assert!((2..=max).contains(&stood.desired.get()), "{}", one.course.name);
                prop_assert!(stood.ready <= stood.desired, "{}", one.course.name);
            }
            prop_assert!((0.0..=1.0).contains(&one.figures.unserved_share));
        }
        prop_assert!(outcome.policies.iter().any(|one| one.on_front));
    }
}

/// Replica-hours of the forecast's course over those of the reactive one, from a day after the history of `first` steps.
fn over_reactive(values: &[f64], first: usize) -> f64 {
    let mut policy = five_minutes();
    policy.bounds = ReplicaBounds::new(Replicas::new(2), Replicas::new(400)).unwrap();
    let outcome = run(&scenario(&policy, values, first + 288));
    let hours = |name: &str| {
        outcome.policies.iter().find(|one| one.course.name == name).unwrap().figures.replica_hours()
    };
    hours("foresail") / hours("reactive")
}

#[test]
fn i30_what_cannot_be_foreseen_costs_what_the_reactive_answer_costs_after_a_day() {
    for seed in 1..=3 {
        let mut random = Random(u64::wrapping_mul(seed, 0x9E37_79B9_7F4A_7C15) | 1);
        let white: Vec<f64> = (0..6 * 288).map(|_| 1000.0 + 600.0 * (random.unit() - 0.5)).collect();
        let mut at: f64 = 0.0;
        let walk: Vec<f64> = (0..6 * 288)
            .map(|_| {
                at = (at + 0.04 * (random.unit() - 0.5)).clamp(-1.5, 1.5);
                2000.0 * at.exp()
            })
            .collect();
        for (name, values) in [("white noise", white), ("a random walk", walk)] {
            let ratio = over_reactive(&values, 2 * 288);
            assert!(
                (ratio - 1.0).abs() <= 0.01,
                "{name}, seed {seed}: {ratio} times the reactive replica-hours"
            );
        }
    }
}
