//! What alone leads to another answer: named when it does, and not named when it does not.

use super::super::tests::observe;
use super::*;
use crate::decide::tests::{at, policy, replicas, seen, sure, value};
use crate::decide::{Growth, Most, Obstacle};
use crate::policy::Pause;
use crate::units::{Money, PricePerReplicaHour};

/// The alternatives of a decision on a reading of `x`, when `asked` stand.
fn found(policy: &Policy, asked: u32, x: f64, memory: &Memory) -> Vec<(Relaxed, u32)> {
    let metrics = [seen(value(x, 0), None)];
    let observation = observe(0, asked, &metrics);
    let pairs = alternatives(policy, &observation, memory);
    pairs.into_iter().map(|one| (one.relaxed, one.desired.get())).collect()
}

#[test]
fn each_limit_that_binds_alone_is_named_with_what_it_held_back() {
    let free = policy();
    assert_eq!(found(&free, 10, 1400.0, &Memory::default()), [], "nothing binds");
    let mut capped = policy();
    capped.bounds = ReplicaBounds::new(replicas(1), replicas(12)).unwrap();
    assert_eq!(found(&capped, 10, 1400.0, &Memory::default()), [(Relaxed::Max, 20)]);
    let mut floored = policy();
    floored.bounds = ReplicaBounds::new(replicas(15), replicas(100)).unwrap();
    assert_eq!(found(&floored, 15, 700.0, &Memory::default()), [(Relaxed::Min, 10)]);
    let mut slow = policy();
    slow.behavior.up.policies =
        vec![RatePolicy { amount: RateAmount::Pods(3), period: Span::from_seconds(60) }];
    assert_eq!(found(&slow, 10, 1400.0, &Memory::default()), [(Relaxed::Rate, 20)]);
    let mut poor = policy();
    poor.spend = Some(SpendRule {
        price: PricePerReplicaHour::parse("1").unwrap().into(),
        currency: "EUR".into(),
        max_per_hour: Money::parse("16").ok(),
        budget: None,
    });
    assert_eq!(found(&poor, 10, 1400.0, &Memory::default()), [(Relaxed::Spend, 20)]);
    let mut paused = policy();
    paused.pause = Some(Pause { until: at(600), reason: "migration".into(), replicas: None });
    assert_eq!(found(&paused, 10, 1400.0, &Memory::default()), [(Relaxed::Pause, 20)]);
}

#[test]
fn two_limits_that_hold_the_same_are_not_named_one_by_one() {
    let mut both = policy();
    both.bounds = ReplicaBounds::new(replicas(1), replicas(13)).unwrap();
    both.behavior.up.policies =
        vec![RatePolicy { amount: RateAmount::Pods(3), period: Span::from_seconds(60) }];
    assert_eq!(found(&both, 10, 1400.0, &Memory::default()), []);
}

#[test]
fn a_human_and_a_cooldown_are_taken_out_of_what_is_remembered() {
    let mut memory = Memory { track: Some(Track::begin(at(-600), replicas(10))), ..Memory::default() };
    // Somebody scaled from 10 to 30 just now.
    assert_eq!(found(&policy(), 30, 700.0, &memory), [(Relaxed::Human, 10)]);
    let mut cooled = policy();
    cooled.cooldown.up = Span::from_seconds(300);
    memory.track = memory.track.map(|track| Track { last_up: Some(at(-60)), ..track });
    assert_eq!(found(&cooled, 10, 1400.0, &memory), [(Relaxed::Cooldown, 20)]);
}

#[test]
fn trust_counts_in_both_directions() {
    let high = sure(-60, &[3000.0; 60]);
    let mut metric = seen(value(1000.0, 0), Some(&high));
    let policy = policy();
    let ask = |metric: MetricObservation<'_>| {
        let metrics = [metric];
        alternatives(&policy, &observe(0, 15, &metrics), &Memory::default())
    };
    let trusted = ask(metric.clone());
    assert!(trusted.iter().any(|one| one.relaxed == Relaxed::Untrusted && one.desired < replicas(20)));
    metric.trusted = false;
    let untrusted = ask(metric);
    assert!(untrusted.iter().any(|one| one.relaxed == Relaxed::Trusted && one.desired > replicas(20)));
}

#[test]
fn a_demand_is_told_at_which_the_answer_really_turns() {
    let policy = policy();
    let metrics = [seen(value(1000.0, 0), None)];
    let observation = observe(0, 15, &metrics);
    let turns = turns(&policy, &observation, &Memory::default());
    // 15 replicas of 100 at 70 % carry 1050; with the tolerance of a tenth up to 1155.
    let up = turns.iter().find(|turn| turn.at > turn.reads).unwrap();
    assert!((up.at.get() - 1156.0).abs() < 1.0 + 1e-9, "{up:?}");
    assert_eq!(up.desired, replicas(17));
    for turn in &turns {
        let metrics = [seen(value(turn.at.get(), 0), None)];
        let moved = Observation { metrics: &metrics, ..observation.clone() };
        assert_eq!(tick(&policy, &moved, &Memory::default()).decision.desired, turn.desired);
        assert_ne!(turn.desired, observation.asked);
    }
}

#[test]
fn a_cluster_without_room_and_a_rollout_are_named() {
    let why = Obstacle::Quota;
    for (asked, x, growth, expected) in [
        (
            10,
            1400.0,
            Growth { rollout: false, most: Some(Most { replicas: replicas(12), why, told: String::new() }) },
            (Relaxed::Blocked, 20),
        ),
        (30, 700.0, Growth { rollout: true, most: None }, (Relaxed::Rollout, 10)),
    ] {
        // Nothing is left of a window that would hold the decrease too.
        let mut policy = policy();
        policy.behavior.down.window = Span::ZERO;
        let metrics = [seen(value(x, 0), None)];
        let observation = Observation { growth, ..observe(0, asked, &metrics) };
        let named = alternatives(&policy, &observation, &Memory::default());
        let named: Vec<_> = named.into_iter().map(|one| (one.relaxed, one.desired.get())).collect();
        assert_eq!(named, [expected]);
    }
}
