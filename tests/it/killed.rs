//! An operator that is killed two hundred times in ten hours, a fifth of them between its intent and its write, beside
//! one that is not: never lower, equal a window later, no cooldown and no ceiling broken.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test over a world that it made itself")]

use std::collections::BTreeMap;
use std::sync::Arc;

use foresail::edge::clock::Clock as _;
use foresail::sandbox::{Fault, Faults, RunningOperator, StartUp, World};
use foresail::units::{Span, Step, Timestamp};
use serde_json::{Value, json};

use crate::deployment;

/// 2026-11-24T06:00:00Z, a Tuesday.
const START: Timestamp = Timestamp::from_seconds(1_795_500_000);
const LENGTH: Span = Span::from_hours(10);
const INTERVAL: Span = Span::from_seconds(15);
const WINDOW: Span = Span::from_seconds(60);
const COOLDOWN: Span = Span::from_seconds(90);
/// How finely replicas are followed.
const LOOK: Span = Span::from_seconds(5);
/// A Lease that was not given back is taken after 17 s.
const TAKEOVER: Span = Span::from_seconds(17);
const KILLS: usize = 200;
/// Each fifth waits for a moment between an intent and its write.
const AIMED_EVERY: usize = 5;
/// One without cooldown and budget, so that it falls as demand lets it; two with a cooldown that share a budget.
const NAMES: [&str; 3] = ["web", "checkout", "search"];
const PRICE: f64 = 0.25;
/// For the ten hours; the two would spend half as much again.
const AMOUNT: f64 = 30.0;

/// A pseudo-random number below `n`, the same for the same `k`.
fn below(k: usize, n: u64) -> u64 {
    let mut x = u64::try_from(k).unwrap().wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (x ^ (x >> 31)) % n
}

/// Restless: it goes up and down by a half in twenty minutes, over a wave of four hours.
fn demand(name: &str, at: Timestamp) -> f64 {
    let minutes =
        f64::from(u32::try_from(at.since(START.minus(Span::from_hours(24 * 40))).seconds() / 60).unwrap());
    let wave = |period: f64| (std::f64::consts::TAU * minutes / period).sin();
    let times = if name == "web" { 1.0 } else { 0.8 };
    times * 700.0 * (1.0 + 0.3 * wave(240.0) + 0.4 * wave(23.0))
}

fn autoscaler(name: &str) -> Value {
    let mut spec = json!({
        "mode": "Active", "minReplicas": 2, "maxReplicas": 100, "sourceRef": {"name": "main"},
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "metrics": [{"name": "requests", "type": "Prometheus", "query": format!("demand_of_{name}"),
            "capacityPerReplica": "100", "prediction": if name == "web" { "Disabled" } else { "Enabled" }}],
        "forecast": {"leadTime": "1m", "historyDays": 4},
        // A tolerance makes what is asked for depend on what stood before.
        "behavior": {
            "scaleUp": {"tolerance": "0"},
            "scaleDown": {"stabilizationWindowSeconds": WINDOW.seconds(), "tolerance": "0"},
        },
    });
    if name != "web" {
        spec["cooldown"] = json!({"scaleDown": format!("{}s", COOLDOWN.seconds())});
        spec["spend"] = json!({"pricePerReplicaHour": PRICE.to_string(), "currency": "EUR", "budgetRef": {"name": "shop"}});
    }
    json!({
        "apiVersion": "foresail.dev/v1alpha1", "kind": "PredictiveAutoscaler",
        "metadata": {"name": name, "namespace": "shop"}, "spec": spec,
    })
}

fn world() -> World {
    let world = World::starting_at(START, 7).unwrap();
    world.add_namespace("shop").unwrap();
    world.start_controllers(StartUp { median: Span::from_seconds(20), spread: 0.0 }, BTreeMap::new());
    for name in NAMES {
        let read = move |at: Timestamp| Some(demand(name, at.minus(Span::from_minutes(1))));
        world.prometheus.script(&format!("demand_of_{name}"), Step::MINUTE, Arc::new(read)).unwrap();
        world.server.create(&deployment(("shop", name), 6)).unwrap();
        world.server.create(&autoscaler(name)).unwrap();
    }
    world
        .server
        .create(&json!({
            "apiVersion": "foresail.dev/v1alpha1", "kind": "SpendBudget", "metadata": {"name": "shop"},
            "spec": {"amount": format!("{AMOUNT:.2}"), "currency": "EUR", "period": "Day", "timeZone": "UTC",
                "members": [{"namespaces": ["shop"], "priority": 10}], "onExceed": "HoldGrowth"},
        }))
        .unwrap();
    // Reads and writes take a while, so that there is a time between an intent and its write.
    world.server.set_faults(Faults::seeded(7, &[(Fault::Delay(900), 1.0)]));
    world
}

fn asked(world: &World) -> [u32; 3] {
    NAMES.map(|name| world.server.replicas("shop", name).unwrap().0)
}

/// Whether a write is intended that has not landed.
fn is_between(world: &World) -> bool {
    NAMES.iter().any(|name| {
        let kind = ("foresail.dev/v1alpha1", "PredictiveAutoscaler");
        let object = world.server.object(kind, "shop", name).unwrap();
        let to = object.pointer("/status/memory/intent/to").and_then(Value::as_u64);
        to.is_some_and(|to| to != u64::from(world.server.replicas("shop", name).unwrap().0))
    })
}

/// What stood at each look.
struct Path(Vec<(Timestamp, [u32; 3])>);

impl Path {
    async fn look_until(&mut self, world: &World, end: Timestamp) {
        while world.clock.now() < end {
            world.play_until(end.min(world.clock.now().floor_to(Step::new(5).unwrap()).plus(LOOK))).await;
            self.0.push((world.clock.now(), asked(world)));
        }
    }

    fn between(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = [u32; 3]> {
        self.0.iter().filter(move |(at, _)| from <= *at && *at <= to).map(|(_, asked)| *asked)
    }

    /// When the replicas of `name` fell.
    fn falls(&self, name: usize) -> Vec<Timestamp> {
        let fell = self.0.windows(2).filter(|pair| pair[1].1[name] < pair[0].1[name]);
        fell.map(|pair| pair[1].0).collect()
    }

    /// Money that the two with a budget spent, and the most that they spent in an interval.
    fn spent(&self) -> (f64, f64) {
        let hours = |span: Span| f64::from(u32::try_from(span.millis()).unwrap()) / 3_600_000.0;
        let stood = |asked: [u32; 3]| f64::from(asked[1] + asked[2]);
        let spent =
            self.0.windows(2).map(|pair| stood(pair[0].1) * hours(pair[1].0.since(pair[0].0))).sum::<f64>();
        let most = self.0.iter().map(|(_, asked)| stood(*asked)).fold(0.0, f64::max);
        (spent * PRICE, most * hours(INTERVAL) * PRICE)
    }
}

/// What came of being killed.
struct Struck {
    path: Path,
    at: Vec<Timestamp>,
    n_between: usize,
}

async fn struck(world: &World, start: impl Fn(&World) -> RunningOperator) -> Struck {
    let mut operator = start(world);
    let mut told = Struck { path: Path(Vec::new()), at: Vec::new(), n_between: 0 };
    let each = LENGTH.millis() / u64::try_from(KILLS).unwrap();
    for k in 0..KILLS {
        // Once in each three minutes, and late enough after the last that its window is over.
        let from = START.plus(Span::from_millis(each * u64::try_from(k).unwrap()));
        let at = from.plus(Span::from_millis(each - 30_000 + below(k, 20_000)));
        if k % AIMED_EVERY == 0 {
            told.path.look_until(world, from.plus(Span::from_seconds(45))).await;
            while !is_between(world) && world.clock.now() < at {
                world.play(Span::from_millis(50)).await;
                if told.path.0.last().is_some_and(|(last, _)| world.clock.now().since(*last) >= LOOK) {
                    told.path.0.push((world.clock.now(), asked(world)));
                }
            }
        } else {
            told.path.look_until(world, at).await;
        }
        told.n_between += usize::from(is_between(world));
        operator.kill();
        told.at.push(world.clock.now());
        operator = start(world);
    }
    told.path.look_until(world, START.plus(LENGTH)).await;
    operator.kill();
    told
}

/// Ticks fall at other instants than without a kill.
const SEEN: Span = INTERVAL.plus(LOOK).plus(Span::from_seconds(2));
/// A decrease is seen up to a look late, and the answer to its write may take a while.
const APART: Span = Span::from_seconds(83);

fn seconds(at: Timestamp) -> i64 {
    at.seconds() - START.seconds()
}

impl Struck {
    /// `web` never stands lower than without a kill; while nobody leads nothing is raised.
    fn is_never_lower_than(&self, plain: &Path) {
        for (when, stood) in &self.path.0 {
            let (from, to) = (when.minus(TAKEOVER).minus(SEEN), when.plus(SEEN));
            let least = plain.between(from, to).map(|asked| asked[0]).min().unwrap_or(0);
            let near = |path: &Path| -> Vec<u32> { path.between(from, to).map(|asked| asked[0]).collect() };
            assert!(
                stood[0] >= least,
                "{} of web at {}, {least} without a kill: {:?}, {:?} without",
                stood[0],
                seconds(*when),
                near(&self.path),
                near(plain)
            );
        }
    }

    /// After a kill that has the time to settle `web` stands where it would without, within a tick or two of then.
    fn settles_on(&self, plain: &Path) {
        let settled = |kill: &Timestamp| kill.plus(TAKEOVER).plus(WINDOW).plus(INTERVAL).plus(INTERVAL);
        let pairs = self.at.windows(2).map(|pair| (settled(&pair[0]), pair[1]));
        let alone: Vec<Timestamp> = pairs.filter(|(at, next)| at < next).map(|(at, _)| at).collect();
        let is_equal = |at: &&Timestamp| {
            let near: Vec<u32> = plain.between(at.minus(SEEN), at.plus(SEEN)).map(|asked| asked[0]).collect();
            let stands = self.path.between(at.minus(LOOK).minus(LOOK), **at).last().unwrap()[0];
            near.iter().min() <= Some(&stands) && Some(&stands) <= near.iter().max()
        };
        let n_equal = alone.iter().filter(is_equal).count();
        assert!(alone.len() >= 50, "{} kills have the time to settle", alone.len());
        assert!(n_equal * 100 >= alone.len() * 97, "{n_equal} of {} are where they would be", alone.len());
    }

    /// The two with a cooldown keep it.
    fn keeps_cooldowns(&self) {
        for name in 1..3 {
            for pair in self.path.falls(name).windows(2) {
                let (from, to) = (pair[0].minus(COOLDOWN), pair[1].plus(LOOK));
                let near: Vec<u32> = self.path.between(from, to).map(|asked| asked[name]).collect();
                let kills: Vec<i64> =
                    self.at.iter().filter(|at| from < **at && **at < to).map(|at| seconds(*at)).collect();
                assert!(
                    pair[1].since(pair[0]) >= APART,
                    "{} falls at {} and {}: {near:?}, killed at {kills:?}",
                    NAMES[name],
                    seconds(pair[0]),
                    seconds(pair[1])
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_hundred_kills_never_leave_less_nor_break_a_cooldown_or_a_ceiling() {
    let start = |world: &World| world.start_operator(INTERVAL);
    let plain = {
        let world = world();
        let operator = start(&world);
        let mut path = Path(Vec::new());
        path.look_until(&world, START.plus(LENGTH)).await;
        operator.kill();
        path
    };
    let needed = plain.0.iter().map(|(_, asked)| asked[0]).max().unwrap();
    assert!(needed >= 12, "demand moves replicas: {needed}");

    let struck = struck(&world(), start).await;
    assert_eq!(struck.at.len(), KILLS);
    assert!(struck.n_between >= 10, "{} were killed between an intent and its write", struck.n_between);
    struck.is_never_lower_than(&plain);
    struck.settles_on(&plain);
    struck.keeps_cooldowns();
    let (spent, interval) = struck.path.spent();
    assert!(spent <= AMOUNT + interval, "{spent} of {AMOUNT}");
    assert!(spent > 0.85 * AMOUNT, "the money is not left lying: {spent}");
}
