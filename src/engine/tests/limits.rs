//! Every threshold, cooldown, window, rate and tolerance: alone, and each with each other, replicas tick by tick; and
//! known ramps that rates and cooldowns may not make a policy miss.

use super::*;
use crate::policy::{PerDirection, RateAmount, RatePolicy, SelectPolicy};
use crate::units::fault::{Fault, with};
use crate::units::{Share, Span};

/// Replicas that demand needs, tick by tick (15 s): steps of two and of three, a climb at every tick, a plateau.
const COURSE: [u32; 30] = [
    7, 7, 9, 9, 9, 13, 13, 13, 16, 16, 16, 16, 18, 20, 23, 26, 29, 33, 37, 42, 42, 42, 42, 42, 42, 42, 42,
    42, 42, 42,
];

/// One limit of one direction.
type Limit = (&'static str, fn(&mut Policy, bool));

const LIMITS: [Limit; 7] = [
    ("minStep", |policy, _| policy.thresholds.min_step = replicas(3)),
    ("sustainFor", |policy, up| *of(&mut policy.thresholds.sustain, up) = Span::from_seconds(60)),
    ("cooldown", |policy, up| *of(&mut policy.cooldown, up) = Span::from_seconds(45)),
    ("window", |policy, up| rules(policy, up).window = Span::from_seconds(45)),
    ("pods", |policy, up| rules(policy, up).policies.push(rate(RateAmount::Pods(if up { 5 } else { 8 })))),
    ("percent", |policy, up| {
        rules(policy, up).policies.push(rate(RateAmount::Percent(if up { 40 } else { 25 })));
    }),
    ("tolerance", |policy, up| rules(policy, up).tolerance = Share::from_percent(if up { 25 } else { 20 })),
];

fn of<T>(pair: &mut PerDirection<T>, up: bool) -> &mut T {
    if up { &mut pair.up } else { &mut pair.down }
}

fn rules(policy: &mut Policy, up: bool) -> &mut crate::policy::ScalingRules {
    if up { &mut policy.behavior.up } else { &mut policy.behavior.down }
}

const fn rate(amount: RateAmount) -> RatePolicy {
    RatePolicy { amount, period: Span::from_seconds(60) }
}

/// A policy that follows the reactive answer at once, whatever it is.
fn unlimited() -> Policy {
    let mut policy = policy();
    for up in [true, false] {
        let rules = rules(&mut policy, up);
        let amount = RateAmount::Percent(if up { 10_000 } else { 100 });
        rules.policies = vec![RatePolicy { amount, period: Span::from_seconds(15) }];
        (rules.select, rules.tolerance, rules.window) =
            (SelectPolicy::Min, Share::from_percent(0), Span::ZERO);
    }
    policy
}

/// What stands at each tick of the course, up or down, under these limits.
fn path(limits: &[Limit], up: bool) -> Vec<u32> {
    let mut policy = unlimited();
    for (_, limit) in limits {
        limit(&mut policy, up);
    }
    let need = |i: i64| {
        let i = usize::try_from(i).unwrap();
        if up { COURSE[i] } else { COURSE[COURSE.len() - 1 - i] }
    };
    run(&policy, need(0), 30, |i| f64::from(need(i)) * 70.0).0
}

/// The path as runs of equal counts: `7x5 13x3`.
fn told(path: &[u32]) -> String {
    let runs = path.chunk_by(|a, b| a == b).map(|run| format!("{}x{}", run[0], run.len()));
    runs.collect::<Vec<_>>().join(" ")
}

/// All limits alone and in pairs; in a pair each of both leads to another path than without it.
fn table(up: bool) -> Vec<String> {
    let mut lines = vec![format!("none: {}", told(&path(&[], up)))];
    for (i, one) in LIMITS.iter().enumerate() {
        let alone = path(&[*one], up);
        assert_ne!(alone, path(&[], up), "{} does not bind", one.0);
        lines.push(format!("{}: {}", one.0, told(&alone)));
        for other in &LIMITS[i + 1..] {
            let both = path(&[*one, *other], up);
            assert_ne!(both, alone, "{} does not bind beside {} (up: {up})", other.0, one.0);
            assert_ne!(both, path(&[*other], up), "{} does not bind beside {} (up: {up})", one.0, other.0);
            lines.push(format!("{} + {}: {}", one.0, other.0, told(&both)));
        }
    }
    lines
}

#[test]
fn each_limit_of_raises_binds_alone_and_beside_each_other() {
    insta::assert_yaml_snapshot!(table(true), @r#"
    - "none: 7x2 9x3 13x3 16x4 18x1 20x1 23x1 26x1 29x1 33x1 37x1 42x11"
    - "minStep: 7x5 13x3 16x5 20x1 23x1 26x1 29x1 33x1 37x1 42x11"
    - "minStep + sustainFor: 7x6 13x6 18x2 23x1 26x1 29x1 33x1 37x1 42x11"
    - "minStep + cooldown: 7x5 13x3 16x5 20x3 29x3 42x11"
    - "minStep + window: 7x5 9x2 13x3 16x4 18x1 20x1 23x1 26x1 29x1 33x1 37x1 42x9"
    - "minStep + pods: 7x5 12x4 16x4 20x1 21x3 25x1 26x3 30x1 31x3 35x1 36x3 40x1"
    - "minStep + percent: 7x5 10x4 14x4 20x4 28x4 40x9"
    - "minStep + tolerance: 7x5 13x7 18x2 23x2 29x2 37x12"
    - "sustainFor: 7x6 13x6 18x1 20x1 23x1 26x1 29x1 33x1 37x1 42x11"
    - "sustainFor + cooldown: 7x6 13x6 18x3 26x3 37x3 42x9"
    - "sustainFor + window: 7x6 9x1 13x3 16x6 23x1 26x1 29x1 33x1 37x1 42x9"
    - "sustainFor + pods: 7x6 12x4 16x6 21x4 26x4 31x4 36x2"
    - "sustainFor + percent: 7x6 10x4 14x4 20x4 28x4 40x4 42x4"
    - "sustainFor + tolerance: 7x6 13x10 29x6 42x8"
    - "cooldown: 7x2 9x3 13x3 16x4 18x3 26x3 37x3 42x9"
    - "cooldown + window: 7x4 9x3 13x3 16x4 18x3 26x3 37x3 42x7"
    - "cooldown + pods: 7x2 9x3 12x3 14x3 16x3 19x3 21x3 24x3 26x3 29x3 31x1"
    - "cooldown + percent: 7x2 9x3 10x3 13x3 14x3 19x3 20x3 27x3 28x3 38x3 40x1"
    - "cooldown + tolerance: 7x2 9x3 13x7 18x3 26x3 37x12"
    - "window: 7x4 9x3 13x3 16x4 18x1 20x1 23x1 26x1 29x1 33x1 37x1 42x9"
    - "window + pods: 7x4 9x3 12x1 13x2 14x1 16x3 18x1 20x1 21x2 23x1 25x1 26x2 28x1 30x1 31x2 33x1 35x1 36x2"
    - "window + percent: 7x4 9x3 10x1 13x3 14x1 16x2 18x1 20x1 23x2 26x1 28x1 33x2 37x1 40x1 42x6"
    - "window + tolerance: 7x4 9x3 13x7 18x1 20x1 23x1 26x1 29x1 33x1 37x10"
    - "pods: 7x2 9x3 12x1 13x2 14x1 16x3 18x1 20x1 21x2 23x1 25x1 26x2 28x1 30x1 31x2 33x1 35x1 36x2 38x1 40x1"
    - "pods + percent: 7x2 9x3 10x1 13x3 14x1 16x2 18x1 19x1 21x2 23x1 24x1 26x2 28x1 29x1 31x2 33x1 34x1 36x2 38x1 39x1"
    - "pods + tolerance: 7x2 9x3 12x3 14x4 18x2 19x2 23x2 24x2 28x2 29x2 33x2 34x4"
    - "percent: 7x2 9x3 10x1 13x3 14x1 16x2 18x1 20x1 23x2 26x1 28x1 33x2 37x1 40x1 42x8"
    - "percent + tolerance: 7x2 9x3 10x1 13x6 18x2 19x2 26x2 27x2 37x10"
    - "tolerance: 7x2 9x3 13x7 18x2 23x2 29x2 37x12"
    "#);
}

#[test]
fn each_limit_of_decreases_binds_alone_and_beside_each_other() {
    insta::assert_yaml_snapshot!(table(false), @r#"
    - "none: 42x11 37x1 33x1 29x1 26x1 23x1 20x1 18x1 16x4 13x3 9x3 7x2"
    - "minStep: 42x11 37x1 33x1 29x1 26x1 23x1 20x2 16x4 13x3 9x5"
    - "minStep + sustainFor: 42x15 23x1 20x2 16x8 9x4"
    - "minStep + cooldown: 42x11 37x3 26x3 18x5 13x3 9x5"
    - "minStep + window: 42x13 37x1 33x1 29x1 26x1 23x1 20x1 18x3 16x2 13x3 9x3"
    - "minStep + pods: 42x11 37x1 34x3 29x1 26x3 21x1 18x3 13x2 10x3 7x2"
    - "minStep + percent: 42x11 37x1 33x1 31x2 27x1 24x1 23x2 20x1 18x2 17x1 15x2 13x1 12x1 11x2 9x1"
    - "minStep + tolerance: 42x12 33x2 26x2 20x6 13x3 9x5"
    - "sustainFor: 42x15 23x1 20x1 18x1 16x8 9x4"
    - "sustainFor + cooldown: 42x15 23x3 16x8 9x4"
    - "sustainFor + window: 42x15 29x1 26x1 23x1 20x1 18x1 16x6 13x1 9x3"
    - "sustainFor + pods: 42x15 34x4 26x4 18x4 10x3"
    - "sustainFor + percent: 42x15 31x4 23x4 17x4 12x3"
    - "sustainFor + tolerance: 42x16 20x10 9x4"
    - "cooldown: 42x11 37x3 26x3 18x3 16x3 13x3 9x3 7x1"
    - "cooldown + window: 42x13 37x3 26x3 18x3 16x3 13x3 9x2"
    - "cooldown + pods: 42x11 37x3 34x3 29x3 26x3 21x3 18x3 13x1"
    - "cooldown + percent: 42x11 37x3 31x3 27x3 23x3 20x3 17x3 15x1"
    - "cooldown + tolerance: 42x12 33x3 23x3 16x7 9x3 7x2"
    - "window: 42x13 37x1 33x1 29x1 26x1 23x1 20x1 18x1 16x4 13x3 9x3"
    - "window + pods: 42x13 37x1 34x3 29x1 26x3 21x1 18x3 13x2 10x2 9x1"
    - "window + percent: 42x13 37x1 33x1 31x2 27x1 24x1 23x2 20x1 18x1 17x2 15x1 13x1 12x2 11x1"
    - "window + tolerance: 42x14 33x1 29x1 26x1 23x1 20x6 13x3 9x3"
    - "pods: 42x11 37x1 34x3 29x1 26x3 21x1 18x3 13x2 10x2 9x1 7x2"
    - "pods + percent: 42x11 37x1 34x3 29x1 26x3 21x1 19x3 15x1 14x3 11x1 10x2"
    - "pods + tolerance: 42x12 34x4 26x4 18x4 13x1 10x3 7x2"
    - "percent: 42x11 37x1 33x1 31x2 27x1 24x1 23x2 20x1 18x1 17x2 15x1 13x1 12x2 11x1 9x2"
    - "percent + tolerance: 42x12 33x2 31x2 24x2 23x2 18x2 17x2 13x2 12x2 9x2"
    - "tolerance: 42x12 33x2 26x2 20x6 13x3 9x3 7x2"
    "#);
}

/// Seconds at which what was asked for one lead earlier serves less than demand, on a peak of 14 replicas at minute 20
/// that a sure forecast knows.
fn missed(policy: &Policy) -> Vec<i64> {
    let demand = |seconds: i64| if seconds < 1200 { 500.0 } else { 1400.0 };
    let (mut memory, mut asked, mut stood, mut missed) = (Memory::default(), 6, Vec::new(), Vec::new());
    for seconds in (0..2400_i64).step_by(15) {
        let newest = seconds.div_euclid(60) * 60 - 60;
        let ahead: Vec<f64> = (1..=60).map(|h| demand(newest + 60 * h)).collect();
        let outlook = sure(newest, &ahead);
        let metrics = [seen(value(demand(seconds), seconds), Some(&outlook))];
        let tick = tick(policy, &observe(seconds, asked, &metrics), &memory);
        (asked, memory) = (tick.decision.write.map_or(asked, Replicas::get), tick.memory);
        stood.push((seconds, asked));
        let lead = i64::try_from(policy.lead.seconds()).unwrap();
        let serves = stood.iter().rfind(|(at, _)| at + lead <= seconds).map_or(6, |(_, n)| *n);
        if f64::from(serves) * 100.0 < demand(seconds) {
            missed.push(seconds);
        }
    }
    missed
}

#[test]
fn no_rate_and_no_cooldown_makes_a_known_peak_be_missed() {
    let minutes = Span::from_minutes;
    let paced = |amount: RateAmount, period: Span| {
        let mut policy = policy();
        policy.behavior.up.policies = vec![RatePolicy { amount, period }];
        policy
    };
    let cooled = |cooldown: Span| {
        let mut policy = paced(RateAmount::Pods(4), Span::from_seconds(15));
        policy.cooldown.up = cooldown;
        policy
    };
    let mut both = paced(RateAmount::Pods(3), minutes(1));
    both.cooldown.up = minutes(2);
    for (name, policy) in [
        ("two pods a minute", paced(RateAmount::Pods(2), minutes(1))),
        ("15 % a minute", paced(RateAmount::Percent(15), minutes(1))),
        ("three pods in three minutes", paced(RateAmount::Pods(3), minutes(3))),
        ("50 % in four minutes", paced(RateAmount::Percent(50), minutes(4))),
        ("a cooldown of three minutes", cooled(minutes(3))),
        ("a rate and a cooldown", both),
    ] {
        assert_eq!(missed(&policy), Vec::<i64>::new(), "{name}");
        let without = with(Fault::NoBackwardPass, || missed(&policy));
        assert!(without.contains(&1200), "{name}: the peak is met without the backward pass as well");
    }
}
