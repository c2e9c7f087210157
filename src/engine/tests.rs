//! `tick`: modes, intents, foreign writes, the shadow; and laws over random policies and situations.

use proptest::prelude::*;

use super::*;
use crate::decide::tests::{at, policy, replicas, seen, sure, value};
use crate::decide::{Absence, Most, Obstacle, Reading};
use crate::forecast::{QuantileForecast, Quantiles};
use crate::policy::{Fallback, PerDirection, RateAmount, RatePolicy, SelectPolicy, SpendRule};
use crate::units::{Money, PricePerReplicaHour, Share, Span, Step};

mod break_glass;
mod cases;
mod laws;
mod limits;
mod reference;

pub(crate) fn observe<'a>(seconds: i64, asked: u32, metrics: &'a [MetricObservation<'a>]) -> Observation<'a> {
    Observation {
        now: at(seconds),
        asked: replicas(asked),
        ready: replicas(asked),
        hpa: None,
        rival: false,
        events: &[],
        break_glass: BreakGlass::NONE,
        growth: Growth::default(),
        budget: None,
        metrics,
    }
}

/// Ticks every 15 s with writes that land, on the demand of `x(i)`; what stood after each.
fn run(policy: &Policy, asked: u32, ticks: i64, x: impl Fn(i64) -> f64) -> (Vec<u32>, Memory) {
    let (mut memory, mut asked, mut path) = (Memory::default(), asked, Vec::new());
    for i in 0..ticks {
        let metrics = [seen(value(x(i), 15 * i), None)];
        let tick = tick(policy, &observe(15 * i, asked, &metrics), &memory);
        asked = tick.decision.write.map_or(asked, Replicas::get);
        memory = tick.memory;
        path.push(asked);
    }
    (path, memory)
}

#[test]
fn a_write_counts_only_when_it_landed() {
    let policy = policy();
    let metrics = [seen(value(1400.0, 0), None)];
    let first = tick(&policy, &observe(0, 10, &metrics), &Memory::default());
    assert_eq!(first.decision.write, Some(replicas(20)));
    let intent = first.memory.intent.unwrap();
    assert_eq!((intent.from, intent.to, intent.at), (replicas(10), replicas(20), at(0)));
    let metrics = [seen(value(1400.0, 15), None)];
    let landed = tick(&policy, &observe(15, 20, &metrics), &first.memory);
    assert_eq!(landed.memory.track.unwrap().last_up, Some(at(0)));
    let lost = tick(&policy, &observe(15, 10, &metrics), &first.memory);
    let track = lost.memory.track.unwrap();
    assert_eq!((track.last_up, track.foreign.len()), (None, 0));
    assert_eq!(lost.decision.write, Some(replicas(20)), "decided afresh");
}

#[test]
fn growth_stops_where_the_cluster_has_no_room_and_is_asked_for_once_it_has() {
    let mut policy = policy();
    policy.behavior.down.window = Span::ZERO;
    let most = || Some(Most { replicas: replicas(12), why: Obstacle::Quota, told: "no room".to_owned() });
    let blocked = || Growth { rollout: false, most: most() };
    let wanted = |asked: u32, growth: Growth, policy: &Policy| {
        let metrics = [seen(value(1400.0, 0), None)];
        let observation = Observation { growth, ..observe(0, asked, &metrics) };
        let decision = tick(policy, &observation, &Memory::default()).decision;
        (decision.desired.get(), decision.blocked)
    };
    assert_eq!(wanted(10, blocked(), &policy), (12, most()));
    assert_eq!(wanted(15, blocked(), &policy), (15, most()), "what was asked for stays asked for");
    assert_eq!(wanted(10, Growth::default(), &policy), (20, None));
    assert_eq!(wanted(30, blocked(), &policy), (20, None), "a decrease is none of it");
    policy.bounds = ReplicaBounds::new(replicas(14), replicas(100)).unwrap();
    assert_eq!(wanted(10, blocked(), &policy), (14, most()), "minReplicas stands");
}

#[test]
fn a_rollout_holds_decreases_and_no_raise() {
    let mut policy = policy();
    policy.behavior.down.window = Span::ZERO;
    let growth = Growth { rollout: true, most: None };
    // The HPA's own up-rate doubles 10 at most.
    for (x, asked, desired) in [(700.0, 30, 30), (2100.0, 10, 20)] {
        let metrics = [seen(value(x, 0), None)];
        let observation = Observation { growth: growth.clone(), ..observe(0, asked, &metrics) };
        assert_eq!(tick(&policy, &observation, &Memory::default()).decision.desired, replicas(desired));
    }
}

#[test]
fn two_foreign_writes_within_ten_minutes_end_the_fight() {
    let policy = policy();
    let mut memory = Memory::default();
    let mut writes = Vec::new();
    for (i, asked) in [10, 30, 10, 10].into_iter().enumerate() {
        let seconds = 15 * i64::try_from(i).unwrap();
        let metrics = [seen(value(700.0, seconds), None)];
        let tick = tick(&policy, &observe(seconds, asked, &metrics), &memory);
        writes.push(tick.decision.write);
        memory = tick.memory;
    }
    assert_eq!(writes, [None, None, None, None]);
    let metrics = [seen(value(2100.0, 60), None)];
    let in_fight = tick(&policy, &observe(60, 10, &metrics), &memory);
    assert_eq!(in_fight.decision.write, None);
    assert!(in_fight.decision.desired > replicas(10), "what it would do is still said");
    let metrics = [seen(value(2100.0, 700), None)];
    let later = tick(&policy, &observe(700, 10, &metrics), &memory);
    assert!(later.decision.write.is_some(), "ten minutes without a foreign write end it");
}

#[test]
fn a_target_at_zero_is_switched_off() {
    let metrics = [seen(value(2100.0, 0), None)];
    let tick = tick(&policy(), &observe(0, 0, &metrics), &Memory::default());
    assert_eq!((tick.decision.write, tick.decision.desired), (None, replicas(0)));
}

#[test]
fn a_pause_writes_its_replicas_once_and_nothing_else() {
    let mut policy = policy();
    policy.pause = Some(crate::policy::Pause {
        until: at(600),
        reason: "migration".into(),
        replicas: Some(replicas(12)),
    });
    let (path, _) = run(&policy, 10, 39, |_| 2100.0);
    assert_eq!(path, vec![12; 39]);
    let (path, _) = run(&policy, 10, 45, |_| 2100.0);
    assert!(path.last().unwrap() > &12, "it ends by itself");
}

#[test]
fn i48_dry_run_decides_as_active_does_on_equal_inputs() {
    let mut active = policy();
    active.lead = Span::ZERO;
    let mut dry = active.clone();
    dry.mode = Mode::DryRun;
    let x = |i: i64| 700.0 + 600.0 * (f64::from(i32::try_from(i).unwrap()) / 9.0).sin();
    let (path, _) = run(&active, 10, 200, x);
    let (mut memory, mut shadow) = (Memory::default(), Vec::new());
    for i in 0..200 {
        let metrics = [seen(value(x(i), 15 * i), None)];
        let tick = tick(&dry, &observe(15 * i, 10, &metrics), &memory);
        assert_eq!(tick.decision.write, None);
        shadow.push(tick.decision.desired.get());
        memory = tick.memory;
    }
    assert_eq!(shadow, path);
    let account = memory.shadow.unwrap().account;
    let expected: u64 = path.iter().take(199).map(|&n| u64::from(n) * 15).sum();
    assert_eq!(account.replica_seconds, expected);
}

#[test]
fn a_restart_is_never_lower_and_equal_within_one_window() {
    let mut policy = policy();
    policy.behavior.down.window = Span::from_seconds(60);
    let x = |i: i64| if i < 10 { 1400.0 } else { 700.0 };
    let (whole, _) = run(&policy, 20, 40, x);
    for crash in 0..40_i64 {
        let (mut memory, mut asked) = (Memory::default(), 20);
        for i in 0..40_i64 {
            if i == crash {
                memory = Memory::read(&serde_json::to_value(&memory).unwrap());
                memory.reseed(at(15 * i), replicas(asked));
            }
            let metrics = [seen(value(x(i), 15 * i), None)];
            let tick = tick(&policy, &observe(15 * i, asked, &metrics), &memory);
            asked = tick.decision.write.map_or(asked, Replicas::get);
            memory = tick.memory;
            let without = whole[usize::try_from(i).unwrap()];
            assert!(asked >= without, "crash at {crash}, tick {i}");
            if i >= crash + 5 {
                assert_eq!(asked, without, "crash at {crash}, tick {i}");
            }
        }
    }
}

#[test]
fn an_unreadable_memory_behaves_as_just_changed() {
    for stored in ["null", "{}", "[]", "{\"v\":99}", "{\"v\":1,\"track\":7}", "{\"v\":1,\"evidence\":null}"] {
        let memory = Memory::read(&serde_json::from_str(stored).unwrap());
        let mut policy = policy();
        policy.cooldown.down = Span::from_seconds(60);
        let metrics = [seen(value(70.0, 0), None)];
        let down = tick(&policy, &observe(0, 10, &metrics), &memory);
        assert_eq!(down.decision.write, None, "{stored}");
        let metrics = [seen(value(1400.0, 0), None)];
        let up = tick(&policy, &observe(0, 10, &metrics), &memory);
        assert_eq!(up.decision.write, Some(replicas(20)), "{stored}");
    }
}

#[test]
fn beside_an_hpa_only_the_forecast_moves_its_floor() {
    let mut policy = policy();
    policy.mode = Mode::Floor;
    policy.actuation = Actuation::HorizontalPodAutoscalerFloor;
    let hpa = Some(HpaFloor { original: replicas(3), max: replicas(40) });
    let floor = |asked: u32, outlook: Option<&QuantileForecast>, x: f64| {
        let metrics = [seen(value(x, 0), outlook)];
        let observation = Observation { hpa, ..observe(0, asked, &metrics) };
        tick(&policy, &observation, &Memory::default()).decision.desired.get()
    };
    let ramp = sure(-60, &[1200.0; 60]);
    assert_eq!(floor(3, Some(&ramp), 200.0), 7, "the rate allows max(4, 100 %) of the floor more");
    assert_eq!(floor(3, None, 2000.0), 3, "the reactive answer is the HPA's own");
    let beyond = sure(-60, &[9000.0; 60]);
    assert_eq!(floor(39, Some(&beyond), 200.0), 40, "clamped to the HPA's maximum");
    let low = sure(-60, &[10.0; 60]);
    assert_eq!(floor(3, Some(&low), 10.0), 3, "never under its own minimum");
}

prop_compose! {
    pub(crate) fn any_reading()(kind in 0..8_u8, x in prop_oneof![0.0..20_000.0, Just(f64::NAN), Just(f64::INFINITY), Just(-5.0), Just(1e300)],
                     age in 0..200_i64, partial in any::<bool>()) -> Reading {
        match kind {
            0 => Reading::Absent(Absence::Unreachable),
            _ => Reading::Value { value: x, at: at(-age), partial: partial && kind < 3 },
        }
    }
}

prop_compose! {
    pub(crate) fn any_forecast()(level in 0.0..15_000.0_f64, spread in 1.0..3.0_f64, slope in -200.0..200.0_f64, age in 0..40_i64)
        -> QuantileForecast {
        let steps = (1..=60_u32).map(|h| {
            let middle = (level + slope * f64::from(h)).max(0.0);
            let mut raw = [0.0; 11];
            for (i, slot) in (0_u32..).zip(raw.iter_mut()) {
                *slot = middle * (0.8 + 0.2 * f64::from(i) / 5.0 * spread);
            }
            Quantiles::new(raw).unwrap()
        }).collect();
        QuantileForecast { newest: at(-60 * age), step: Step::MINUTE, steps }
    }
}

prop_compose! {
    pub(crate) fn any_policy()(min in 1..20_u32, extra in 0..100_u32, window in 0..400_u64, cool in (0..100_u64, 0..100_u64),
                    step in 1..5_u32, select in 0..4_u8, amounts in (1..20_u32, 1..200_u32, 15..120_u64),
                    mode in 0..3_u8, spend in prop::option::of(1..100_u32), fallback in prop::option::of(0..20_u32))
        -> Policy {
        let mut policy = policy();
        let (min, max) = (replicas(min), replicas(min + extra));
        policy.bounds = ReplicaBounds::new(min, max).unwrap();
        policy.behavior.down.window = Span::from_seconds(window);
        policy.cooldown = PerDirection { up: Span::from_seconds(cool.0), down: Span::from_seconds(cool.1) };
        policy.thresholds.min_step = replicas(step);
        let period = Span::from_seconds(amounts.2);
        policy.behavior.up.policies.push(RatePolicy { amount: RateAmount::Pods(amounts.0), period });
        policy.behavior.down.policies = vec![RatePolicy { amount: RateAmount::Percent(amounts.1.min(100)), period }];
        policy.behavior.up.select = match select { 0 => SelectPolicy::Min, 1 => SelectPolicy::Disabled, _ => SelectPolicy::Max };
        policy.mode = match mode { 0 => Mode::DryRun, 1 => Mode::Floor, _ => Mode::Active };
        policy.spend = spend.map(|n| SpendRule {
            price: PricePerReplicaHour::parse("0.10").unwrap().into(),
            currency: "EUR".into(),
            max_per_hour: Money::parse(&format!("{}.{}", n / 10, n % 10 + 1)).ok(),
            budget: None,
        });
        policy.fallback = Fallback { after_absent_for: Span::from_seconds(30), replicas: fallback.map(|n| replicas(min.get() + n.min(extra))) };
        policy
    }
}

#[test]
fn shares_of_the_shadow_begin_at_zero() {
    let account = Shadow::begin(at(0), replicas(3), replicas(3), Stood::default()).account;
    assert!(account.unserved_share().abs() < f64::EPSILON);
    assert!(Share::new(account.unserved_share()).is_some());
}

#[test]
fn the_shadow_accounts_for_the_whole_of_ticks_that_come_early() {
    let mut policy = policy();
    policy.mode = Mode::DryRun;
    let mut memory = Memory::default();
    for i in 0..=1000 {
        let metrics = [seen(value(700.0, 15 * i), None)];
        let now = crate::units::Timestamp::from_millis(at(0).millis() + 14_999 * i);
        let observation = Observation { now, ..observe(0, 10, &metrics) };
        memory = tick(&policy, &observation, &memory).memory;
    }
    let account = memory.shadow.unwrap().account;
    assert!((149_980..=149_990).contains(&account.replica_seconds), "{account:?}");
    assert!((149_980..=149_990).contains(&account.standing_seconds), "{account:?}");
}

#[test]
fn replicas_of_the_shadow_that_start_need_no_longer_when_the_clock_is_set_back() {
    let mut policy = policy();
    (policy.mode, policy.lead) = (Mode::DryRun, Span::from_minutes(2));
    let (mut memory, mut served) = (Memory::default(), Vec::new());
    // Twice the demand a minute after the start; then the clock goes back an hour.
    for (seconds, x) in
        [(0, 700.0), (60, 1400.0), (75, 1400.0), (-3525, 1400.0), (-3435, 1400.0), (-3420, 1400.0)]
    {
        let metrics = [seen(value(x, seconds), None)];
        memory = tick(&policy, &observe(seconds, 10, &metrics), &memory).memory;
        served.push(memory.shadow.as_ref().unwrap().ready.get());
    }
    assert_eq!(
        served,
        [10, 10, 10, 10, 10, 20],
        "asked for 15 s before the clock went back, they start 105 s after it"
    );
}

#[test]
fn a_stage_is_found_by_its_name() {
    for stage in crate::decide::Stage::ALL {
        assert_eq!(crate::decide::Stage::named(stage.name()), Some(stage));
    }
    let metrics = [seen(value(700.0, 0), None)];
    let decided = tick(&policy(), &observe(0, 10, &metrics), &Memory::default()).decision;
    let stages: Vec<_> = decided.stages.iter().map(|one| one.stage).collect();
    assert_eq!(stages, crate::decide::Stage::ALL, "each of them has its say");
}

#[test]
fn the_longest_lead_is_within_the_forecast_also_when_a_sample_is_late() {
    for (step, lead) in [(60, 3600), (300, 3600), (300, 3300), (15, 3600), (60, 240)] {
        let mut policy = policy();
        (policy.step, policy.lead) = (Step::new(step).unwrap(), Span::from_seconds(lead));
        let keeper = foresight::keeper("shop/web", &policy, &policy.metrics[0], [].into());
        let steps = keeper.config().horizon_steps;
        let mut outlook = sure(0, &vec![700.0; steps]);
        outlook.step = policy.step;
        // The newest step began two steps ago: its own end, and one that has not come.
        let now = outlook.newest.plus(policy.step.span()).plus(policy.step.span());
        let seen = seen(value(700.0, now.since(at(0)).seconds().cast_signed()), Some(&outlook));
        let observation = Observation { now, ..observe(0, 10, std::slice::from_ref(&seen)) };
        let decision = tick(&policy, &observation, &Memory::default()).decision;
        let told = decision.stages.iter().find(|one| one.stage == crate::decide::Stage::Predictive).unwrap();
        assert!(!told.fact.to_string().contains("no longer"), "{step} {lead}: {}", told.fact);
    }
}

#[test]
fn i32_a_decrease_waits_its_cooldown_after_a_change_by_somebody_else_too() {
    let mut policy = policy();
    policy.cooldown.down = Span::from_hours(2);
    policy.behavior.down.window = Span::ZERO;
    // The history begins with 5 at zero; somebody asks for `other` five hours later, and 5 are enough all along.
    for (other, left_at) in [(12, 7 * 3600), (8, 7 * 3600)] {
        let (mut memory, mut asked, mut fell_at) = (Memory::default(), 5, None);
        for minute in 0..8 * 60 {
            let seconds = 60 * minute;
            asked = if minute == 5 * 60 { other } else { asked };
            let metrics = [seen(value(350.0, seconds), None)];
            let ticked = tick(&policy, &observe(seconds, asked, &metrics), &memory);
            if ticked.decision.write.is_some() {
                fell_at.get_or_insert(seconds);
            }
            asked = ticked.decision.write.map_or(asked, Replicas::get);
            memory = ticked.memory;
        }
        assert_eq!(fell_at, Some(left_at), "{other} were asked for at 5 h");
    }
}
