//! The stages through `decide`, on one metric unless said otherwise.

mod bad_evidence;
mod floors_and_limits;
mod prediction;
mod rates;
mod reactive_stage;
mod stabilisation;

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
    static ROOM: Growth = Growth { rollout: false, most: None };
    let break_glass = BreakGlass::NONE;
    Situation { now, asked, ready: asked, events: &[], break_glass, growth: &ROOM, budget: None, metrics }
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
