//! Freeze and boost through `tick`: what they hold, what they never do, and that they end by themselves.

use super::*;
use crate::decide::{Boost, guards};

fn frozen(until: i64) -> BreakGlass {
    BreakGlass { no_scale_down: Some(at(until)), ..BreakGlass::NONE }
}

fn growth_frozen(until: i64) -> BreakGlass {
    BreakGlass { no_scale_up: Some(at(until)), ..BreakGlass::NONE }
}

fn boosted(floor: u32, until: i64) -> BreakGlass {
    BreakGlass { boost: Some(Boost { floor: replicas(floor), until: at(until) }), ..BreakGlass::NONE }
}

/// One tick on `x` under `orders`.
fn once(policy: &Policy, asked: u32, x: f64, orders: BreakGlass) -> Decision {
    let metrics = [seen(value(x, 0), None)];
    let observation = Observation { break_glass: orders, ..observe(0, asked, &metrics) };
    tick(policy, &observation, &Memory::default()).decision
}

/// As [`run`], under `orders`; what was decided, and what stood after it.
fn run_under(
    policy: &Policy,
    asked: u32,
    orders: BreakGlass,
    ticks: i64,
    x: impl Fn(i64) -> f64,
) -> Vec<(Decision, u32)> {
    let (mut memory, mut asked, mut path) = (Memory::default(), asked, Vec::new());
    for i in 0..ticks {
        let metrics = [seen(value(x(i), 15 * i), None)];
        let observation = Observation { break_glass: orders, ..observe(15 * i, asked, &metrics) };
        let tick = tick(policy, &observation, &memory);
        asked = tick.decision.write.map_or(asked, Replicas::get);
        memory = tick.memory;
        path.push((tick.decision, asked));
    }
    path
}

fn stood(path: &[(Decision, u32)]) -> Vec<u32> {
    path.iter().map(|(_, asked)| *asked).collect()
}

fn sentence(decision: &Decision, stage: Stage) -> String {
    decision.stages.iter().find(|record| record.stage == stage).unwrap().fact.to_string()
}

#[test]
fn a_freeze_holds_decreases_lets_growth_through_and_ends_by_itself() {
    let path = run_under(&policy(), 20, frozen(60), 8, |i| if i == 2 { 2100.0 } else { 700.0 });
    assert_eq!(stood(&path), [20, 20, 30, 30, 10, 10, 10, 10]);
    let (first, last) = (&path[0].0, &path[7].0);
    assert_eq!(first.summary(), "20: frozen, no scale-down for another 60s: 20 stay instead of 10");
    assert_eq!(sentence(last, Stage::Guards), "nothing is frozen");
    assert_eq!(
        sentence(&once(&policy(), 10, 700.0, frozen(60)), Stage::Guards),
        "frozen for another 60s, and nothing is wanted against it"
    );
}

#[test]
fn growth_is_withheld_only_when_that_was_ordered() {
    assert_eq!(once(&policy(), 10, 1400.0, frozen(60)).desired, replicas(20));
    let held = once(&policy(), 10, 1400.0, growth_frozen(60));
    assert_eq!(held.summary(), "10: frozen, no scale-up for another 60s: 10 stay instead of 20");
    assert_eq!(once(&policy(), 10, 350.0, growth_frozen(60)).desired, replicas(5));
    let mut under_min = policy();
    under_min.bounds = ReplicaBounds::new(replicas(12), replicas(100)).unwrap();
    assert_eq!(once(&under_min, 10, 1400.0, growth_frozen(60)).desired, replicas(12), "minReplicas stands");
}

#[test]
fn a_boost_is_reached_as_fast_as_the_rate_allows_and_released_by_the_usual_rules() {
    let mut policy = policy();
    policy.behavior.down.window = Span::from_seconds(60);
    let path = run_under(&policy, 10, boosted(40, 60), 12, |_| 700.0);
    assert_eq!(stood(&path), [20, 40, 40, 40, 40, 40, 40, 10, 10, 10, 10, 10]);
    assert_eq!(sentence(&path[0].0, Stage::Floors), "boosted to at least 40 for another 60s");
    assert_eq!(path[1].0.summary(), "20 -> 40: boosted to at least 40 for another 45s");
    assert_eq!(sentence(&path[4].0, Stage::Floors), "no floor is above the proposal", "it ended");
}

#[test]
fn no_threshold_and_no_window_keeps_a_boost_waiting() {
    let mut policy = policy();
    policy.thresholds.min_step = replicas(5);
    policy.thresholds.sustain.up = Span::from_minutes(5);
    policy.behavior.up.window = Span::from_minutes(5);
    assert_eq!(once(&policy, 10, 700.0, boosted(12, 60)).desired, replicas(12));
    assert_eq!(once(&policy, 10, 700.0, boosted(18, 60)).desired, replicas(18));
}

#[test]
fn limits_of_the_spec_outrank_a_boost_and_say_so() {
    let above = once(&policy(), 90, 700.0, boosted(400, 60));
    assert_eq!(above.summary(), "90 -> 100: maxReplicas is 100, 180 were wanted");
    let mut priced = policy();
    priced.spend = Some(SpendRule {
        price: PricePerReplicaHour::parse("0.10").unwrap().into(),
        currency: "EUR".into(),
        max_per_hour: Money::parse("1.50").ok(),
        budget: None,
    });
    let withheld = once(&priced, 10, 700.0, boosted(20, 60));
    assert_eq!((withheld.desired, withheld.withheld), (replicas(15), replicas(5)));
    assert_eq!(
        once(&policy(), 10, 700.0, BreakGlass { boost: boosted(40, 60).boost, ..growth_frozen(60) }).desired,
        replicas(10)
    );
}

#[test]
fn beside_an_hpa_a_freeze_raises_the_floor_to_what_the_workload_runs() {
    let mut policy = policy();
    policy.mode = Mode::Floor;
    policy.actuation = Actuation::HorizontalPodAutoscalerFloor;
    let hpa = Some(HpaFloor { original: replicas(3), max: replicas(40) });
    let metrics = [seen(value(700.0, 0), None)];
    let decide = |orders| {
        let observation = Observation { hpa, break_glass: orders, ..observe(0, 8, &metrics) };
        tick(&policy, &observation, &Memory::default()).decision
    };
    let standing = replicas(14);
    let held = decide(BreakGlass { standing, ..frozen(60) });
    assert_eq!(held.summary(), "8 -> 14: frozen, no scale-down for another 60s: 14 stay instead of 3");
    assert_eq!(decide(BreakGlass { standing, ..BreakGlass::NONE }).desired, replicas(3));
    let both = BreakGlass { standing, no_scale_up: Some(at(60)), ..frozen(60) };
    assert_eq!(decide(both).desired, replicas(8));
}

#[test]
fn i49_paused_or_switched_off_nothing_is_written_whatever_is_ordered() {
    let mut paused = policy();
    paused.pause = Some(Pause { until: at(600), reason: "migration".into(), replicas: None });
    for orders in [frozen(60), growth_frozen(60), boosted(40, 60)] {
        assert_eq!(once(&paused, 10, 2100.0, orders).write, None);
        assert_eq!(once(&policy(), 0, 2100.0, orders).write, None);
    }
}

#[test]
fn orders_are_kept_as_they_are_through_json() {
    let orders = BreakGlass { no_scale_up: Some(at(9)), standing: replicas(3), ..boosted(40, 60) };
    let stored = serde_json::to_value(orders).unwrap();
    assert_eq!(serde_json::from_value::<BreakGlass>(stored).unwrap(), orders);
    assert_eq!(
        guards::Fact::Free,
        guards::apply(replicas(3), replicas(2), (&BreakGlass::NONE, false), at(0)).1
    );
}

prop_compose! {
    fn any_orders()(down in prop::option::of(-60..600_i64), up in prop::option::of(-60..600_i64),
                    boost in prop::option::of((1..200_u32, -60..600_i64)), standing in 0..60_u32) -> BreakGlass {
        BreakGlass {
            no_scale_down: down.map(at),
            no_scale_up: up.map(at),
            boost: boost.and_then(|(n, until)| boosted(n, until).boost),
            standing: replicas(standing),
        }
    }
}

fn tick_under(
    policy: &Policy,
    asked: u32,
    reading: Reading,
    outlook: Option<&QuantileForecast>,
    orders: BreakGlass,
) -> Tick {
    let metrics = [seen(reading, outlook)];
    let observation = Observation { break_glass: orders, ..observe(0, asked, &metrics) };
    tick(policy, &observation, &Memory::default())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn i01_i02_i03_under_any_orders_the_result_is_within_bounds_and_repeatable(
        policy in any_policy(), asked in 1..150_u32, reading in any_reading(),
        outlook in prop::option::of(any_forecast()), orders in any_orders()
    ) {
        let tick = tick_under(&policy, asked, reading, outlook.as_ref(), orders);
        prop_assert_eq!(&tick, &tick_under(&policy, asked, reading, outlook.as_ref(), orders));
        prop_assert!(policy.bounds.clamp(tick.decision.desired) == tick.decision.desired);
        for pair in tick.decision.stages.windows(2) {
            prop_assert_eq!(pair[0].after, pair[1].before, "the trail has no hole");
        }
    }

    #[test]
    fn i04_under_any_orders_more_demand_never_gives_fewer(
        policy in any_policy(), asked in 1..150_u32, x in 0.0..15_000.0_f64, more in 0.0..5_000.0_f64,
        orders in any_orders()
    ) {
        let fewer = once(&policy, asked, x, orders).desired;
        prop_assert!(fewer <= once(&policy, asked, x + more, orders).desired);
    }

    #[test]
    fn i14_i20_under_any_orders_losing_the_reading_never_lowers(
        policy in any_policy(), asked in 1..150_u32, reading in any_reading(),
        outlook in prop::option::of(any_forecast()), orders in any_orders()
    ) {
        let decide = |reading| tick_under(&policy, asked, reading, outlook.as_ref(), orders).decision.desired;
        let (present, absent) = (decide(reading), decide(Reading::Absent(Absence::Empty)));
        let stands = replicas(asked).min(policy.bounds.max());
        prop_assert!(absent >= stands);
        prop_assert!(absent >= stands.min(present));
    }

    #[test]
    fn a_freeze_lowers_nothing_and_withholds_nothing_else(
        policy in any_policy(), asked in 1..150_u32, reading in any_reading(),
        outlook in prop::option::of(any_forecast()), boost in prop::option::of(1..200_u32)
    ) {
        let orders = BreakGlass { boost: boost.and_then(|n| boosted(n, 60).boost), ..BreakGlass::NONE };
        let decide = |orders| tick_under(&policy, asked, reading, outlook.as_ref(), orders).decision.desired;
        let (free, held) = (decide(orders), decide(BreakGlass { no_scale_down: Some(at(60)), ..orders }));
        let stands = policy.bounds.clamp(replicas(asked));
        prop_assert_eq!(held, free.max(stands));
        let withheld = decide(BreakGlass { no_scale_up: Some(at(60)), ..orders });
        prop_assert_eq!(withheld, free.min(stands));
    }

    #[test]
    fn a_boost_never_gives_fewer_and_is_a_floor_where_no_limit_binds(
        policy in any_policy(), asked in 1..150_u32, reading in any_reading(),
        outlook in prop::option::of(any_forecast()), floor in 1..200_u32
    ) {
        let decide = |orders| tick_under(&policy, asked, reading, outlook.as_ref(), orders).decision;
        let (free, more) = (decide(BreakGlass::NONE), decide(boosted(floor, 60)));
        prop_assert!(more.desired >= free.desired);
        let limits = [Stage::Guards, Stage::Threshold, Stage::Stabilise, Stage::Rate, Stage::Cooldown, Stage::Spend, Stage::Bounds];
        if !limits.iter().any(|&stage| more.stages.iter().any(|one| one.stage == stage && one.after < one.before)) {
            prop_assert!(more.desired >= replicas(floor));
        }
        for stage in [Stage::Guards, Stage::Threshold, Stage::Stabilise] {
            let one = more.stages.iter().find(|one| one.stage == stage).unwrap();
            prop_assert!(one.after >= one.before.min(replicas(floor)), "{} withholds a boost", stage.name());
        }
    }

    #[test]
    fn orders_that_ended_have_no_influence(
        policy in any_policy(), asked in 1..150_u32, reading in any_reading(),
        ended in 0..100_000_i64, floor in 1..200_u32
    ) {
        let orders = BreakGlass {
            no_scale_down: Some(at(-ended)), no_scale_up: Some(at(-ended)), ..boosted(floor, -ended)
        };
        let plain = tick_under(&policy, asked, reading, None, BreakGlass::NONE);
        prop_assert_eq!(plain, tick_under(&policy, asked, reading, None, orders));
    }

    #[test]
    fn i31_i32_rates_and_cooldowns_hold_under_orders_that_come_and_go(
        mut policy in any_policy(), xs in prop::collection::vec(0.0..12_000.0_f64, 60), orders in any_orders()
    ) {
        policy.mode = Mode::Active;
        policy.bounds = ReplicaBounds::new(policy.bounds.min(), replicas(10_000)).unwrap();
        let start = policy.bounds.min().get();
        let path = stood(&run_under(&policy, start, orders, 60, |i| xs[usize::try_from(i).unwrap()]));
        let (mut last_change, mut before): (Option<usize>, u32) = (None, start);
        for (i, &n) in path.iter().enumerate() {
            if n == before {
                continue;
            }
            if let Some(last) = last_change {
                let gap = Span::from_seconds(15 * u64::try_from(i - last).unwrap());
                let needed = if n > before { policy.cooldown.up } else { policy.cooldown.down };
                prop_assert!(gap >= needed, "changed {before} -> {n} after {gap}, cooldown {needed}");
            }
            // As an HPA's, a policy starts from what stood before the removals of its period, at most 120 s.
            let start = path[..i].iter().rev().take(9).copied().max().unwrap_or(before);
            let most = policy.behavior.up.policies.iter().map(|one| match one.amount {
                RateAmount::Pods(pods) => start + pods,
                RateAmount::Percent(percent) => start + (start * percent).div_ceil(100),
            }).max().unwrap();
            prop_assert!(n <= most.max(before), "raised {before} -> {n}, the policies allow {most}");
            (last_change, before) = (Some(i), n);
        }
    }

    #[test]
    fn i41_money_withholds_a_boost_and_never_lowers(
        policy in any_policy(), asked in 1..150_u32, x in 0.0..15_000.0_f64, orders in any_orders()
    ) {
        let unlimited = Policy { spend: None, ..policy.clone() };
        let (with, without) = (once(&policy, asked, x, orders), once(&unlimited, asked, x, orders));
        prop_assert!(with.desired <= without.desired);
        prop_assert!(with.desired >= without.desired.min(replicas(asked)));
        if let Some(SpendRule { price, max_per_hour: Some(most), .. }) = &policy.spend {
            let paid = price.known().map_or(Replicas::ZERO, |price| most.replicas_at(price));
            let allowed =
                paid.max(replicas(asked)).max(policy.bounds.min()).max(with.present_need);
            prop_assert!(with.desired <= policy.bounds.clamp(allowed));
        }
    }

    #[test]
    fn i48_dry_run_decides_as_active_does_under_orders(
        mut active in any_policy(), xs in prop::collection::vec(0.0..12_000.0_f64, 20), orders in any_orders()
    ) {
        (active.mode, active.lead) = (Mode::Active, Span::ZERO);
        let dry = Policy { mode: Mode::DryRun, ..active.clone() };
        let orders = BreakGlass { standing: Replicas::ZERO, ..orders };
        let start = active.bounds.min().get();
        let x = |i: i64| xs[usize::try_from(i).unwrap()];
        let real = run_under(&active, start, orders, 20, x);
        let shadow = run_under(&dry, start, orders, 20, x);
        for ((decided, stood), (would, _)) in real.iter().zip(&shadow) {
            prop_assert_eq!(decided.desired, would.desired);
            prop_assert_eq!(decided.desired.get(), *stood);
            prop_assert_eq!(would.write, None);
        }
    }
}
