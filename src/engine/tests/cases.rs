//! Random policies and situations from a seed: a past, and ticks that follow each other. Spans are short and replicas
//! few, so that every limit has something to bind.

use crate::calendar::{Effect, Stretch, Window};
use crate::decide::spend::Theta;
use crate::decide::{Absence, Allowance, Boost, BreakGlass, Growth, MetricObservation, Reading, Track};
use crate::engine::{HpaFloor, Memory, Observation, Tick, tick};
use crate::forecast::tests::Dice;
use crate::forecast::{QuantileForecast, Quantiles};
use crate::policy::{
    Actuation, Behavior, CapacityRule, Fallback, MetricRule, Mode, PerDirection, Policy, Price, RateAmount,
    RatePolicy, ReactiveRule, ScalingRules, SelectPolicy, SpendRule, Thresholds,
};
use crate::units::{
    CapacityPerReplica, Demand, Money, Objective, PricePerReplicaHour, ReplicaBounds, Replicas, Share, Span,
    Step, Timestamp,
};

/// 2026-11-27T00:00:00Z.
pub(super) const MIDNIGHT: Timestamp = Timestamp::from_seconds(1_795_737_600);

/// Chance, with what cases need of it.
pub(super) struct Draw(Dice);

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        // Neighbouring seeds begin alike.
        for _ in 0..4 {
            dice.below(1);
        }
        Self(dice)
    }

    pub(super) fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.0.uniform()
    }

    pub(super) fn happens(&mut self, probability: f64) -> bool {
        self.0.uniform() < probability
    }

    /// In `low ..= high`.
    pub(super) fn whole(&mut self, low: u32, high: u32) -> u32 {
        low + self.0.below(high - low + 1)
    }

    pub(super) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.whole(0, u32::try_from(of.len()).unwrap() - 1)).unwrap()]
    }

    fn seconds(&mut self, low: u32, high: u32) -> Span {
        Span::from_seconds(u64::from(self.whole(low, high)))
    }

    /// None as often as not, else up to `high` seconds.
    fn wait(&mut self, high: u32) -> Span {
        if self.happens(0.6) { Span::ZERO } else { self.seconds(1, high) }
    }
}

/// What is seen of one metric, owned.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) reading: Reading,
    pub(super) capacity: Option<CapacityPerReplica>,
    pub(super) outlook: Option<QuantileForecast>,
    pub(super) trusted: bool,
    pub(super) level: Option<Share>,
    pub(super) p05_earlier: Option<Demand>,
    pub(super) same_hours_maximum: Option<Demand>,
    pub(super) source_suspect: bool,
}

/// What is seen at one tick; `asked` is who else wrote, if somebody did.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub(super) now: Timestamp,
    pub(super) foreign: Option<Replicas>,
    /// Whether the write of the tick before landed.
    pub(super) landed: bool,
    pub(super) ready: Replicas,
    pub(super) metrics: Vec<Seen>,
    pub(super) events: Vec<Window>,
    pub(super) orders: BreakGlass,
    pub(super) rival: bool,
    /// What the budget allows, where it takes the autoscaler; and the need of which it pays for a share.
    pub(super) budget: Option<(Allowance, Replicas)>,
}

/// What came before the first tick.
#[derive(Clone, Debug)]
pub(super) struct Past {
    pub(super) begun: Timestamp,
    /// When, what was recommended for decreases, for increases.
    pub(super) recommended: Vec<(Timestamp, Replicas, Option<Replicas>)>,
    pub(super) changes: Vec<(Timestamp, Replicas, Replicas)>,
}

/// A policy, its past and what is seen from then on.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) policy: Policy,
    pub(super) asked: Replicas,
    pub(super) past: Past,
    pub(super) scenes: Vec<Scene>,
}

impl Seen {
    pub(super) fn observation(&self) -> MetricObservation<'_> {
        MetricObservation {
            reading: self.reading,
            capacity: self.capacity,
            outlook: self.outlook.as_ref(),
            trusted: self.trusted,
            level: self.level,
            profile: None,
            p05_earlier: self.p05_earlier,
            same_hours_maximum: self.same_hours_maximum,
            source_suspect: self.source_suspect,
        }
    }
}

impl Scene {
    /// One tick on this scene.
    pub(super) fn tick(&self, policy: &Policy, asked: Replicas, memory: &Memory) -> Tick {
        let metrics: Vec<MetricObservation<'_>> = self.metrics.iter().map(Seen::observation).collect();
        let hpa = (policy.actuation == Actuation::HorizontalPodAutoscalerFloor)
            .then_some(HpaFloor { original: policy.bounds.min(), max: policy.bounds.max() });
        let observation = Observation {
            now: self.now,
            asked,
            ready: self.ready,
            hpa,
            rival: self.rival,
            events: &self.events,
            break_glass: self.orders,
            growth: Growth::default(),
            budget: self.budget.as_ref().map(|(allowance, _)| allowance),
            metrics: &metrics,
        };
        tick(policy, &observation, memory)
    }

    /// What stands at this tick, after what stood and what the tick before wrote.
    pub(super) fn asked(&self, stood: Replicas, written: Option<Replicas>) -> Replicas {
        self.foreign.unwrap_or_else(|| written.filter(|_| self.landed).unwrap_or(stood))
    }
}

impl Case {
    /// The case of that number: the same on every machine.
    pub(super) fn of(number: u64) -> Self {
        let mut draw = Draw::new(number);
        let mut policy = policy(&mut draw);
        let asked = Replicas::new(
            draw.whole(policy.bounds.min().get().saturating_sub(2).max(1), policy.bounds.max().get() + 2),
        );
        let past = past(&mut draw, &policy, asked);
        let ticks = match draw.whole(0, 99) {
            0..=49 => 1,
            50..=96 => draw.whole(2, 12),
            _ => draw.whole(13, 40),
        };
        let mut scenes = scenes(&mut draw, &policy, asked, ticks);
        budget(&mut draw, &mut policy, &mut scenes);
        Self { policy, asked, past, scenes }
    }

    /// The memory that the past left.
    pub(super) fn memory(&self) -> Memory {
        let Past { begun, recommended, changes } = &self.past;
        let mut track = Track::begin(*begun, changes.first().map_or(self.asked, |change| change.1));
        let behavior = &self.policy.behavior;
        for &(at, down, up) in recommended {
            track.highest_of_window(at, behavior.down.window, down);
            if let Some(up) = up {
                track.lowest_of_window(at, behavior.up.window, up);
            }
        }
        for &(at, from, to) in changes {
            track.record_change(at, from, to);
        }
        track.to = self.asked;
        Memory { track: Some(track), ..Memory::default() }
    }

    /// Every tick in turn: the scene, what stood, the memory before, what came of it.
    pub(super) fn play(&self, mut each: impl FnMut(&Scene, Replicas, &Memory, &Tick)) {
        let (mut memory, mut stood, mut written) = (self.memory(), self.asked, None);
        for scene in &self.scenes {
            let asked = scene.asked(stood, written);
            let tick = scene.tick(&self.policy, asked, &memory);
            each(scene, asked, &memory, &tick);
            (stood, written, memory) = (asked, tick.decision.write, tick.memory);
        }
    }
}

pub(super) fn money(thousandths: u32) -> String {
    format!("{}.{:03}", thousandths / 1000, thousandths % 1000)
}

fn rules(draw: &mut Draw, up: bool) -> ScalingRules {
    let select = match draw.whole(0, 9) {
        0 => SelectPolicy::Disabled,
        1..=3 => SelectPolicy::Min,
        _ => SelectPolicy::Max,
    };
    let policies = (0..draw.whole(1, 2)).map(|_| rate(draw, up)).collect();
    let window = if draw.happens(0.5) { Span::ZERO } else { draw.seconds(1, if up { 120 } else { 900 }) };
    ScalingRules { window, select, policies, tolerance: Share::from_percent(draw.one(&[0, 5, 10, 10, 20])) }
}

fn rate(draw: &mut Draw, up: bool) -> RatePolicy {
    let amount = if draw.happens(0.5) {
        RateAmount::Pods(draw.whole(1, 12))
    } else {
        RateAmount::Percent(if up { draw.whole(5, 200) } else { draw.whole(5, 100) })
    };
    RatePolicy {
        amount,
        period: Span::from_seconds(u64::from(draw.one(&[1_u32, 15, 15, 30, 60, 60, 90, 300, 900]))),
    }
}

fn policy(draw: &mut Draw) -> Policy {
    let min = draw.whole(1, 12);
    let max = min + draw.whole(0, 60);
    let n_metrics = draw.one(&[1, 1, 1, 2, 3]);
    let metric = |n: u32, draw: &mut Draw| MetricRule {
        name: format!("metric-{n}"),
        max_age: draw.seconds(30, 180),
        capacity: CapacityRule::PodRequests,
        drifted: if draw.happens(0.03) { CapacityPerReplica::new(1.0) } else { None },
        prediction: draw.happens(0.85),
    };
    let hpa_default = draw.happens(0.3);
    let mut behavior = Behavior { up: rules(draw, true), down: rules(draw, false) };
    if hpa_default {
        behavior.up.policies = Behavior::hpa_default().up.policies;
        behavior.down.policies = Behavior::hpa_default().down.policies;
    }
    let beside_hpa = draw.happens(0.08);
    Policy {
        mode: if beside_hpa || draw.happens(0.3) { Mode::Floor } else { Mode::Active },
        pause: None,
        bounds: ReplicaBounds::new(Replicas::new(min), Replicas::new(max)).unwrap(),
        metrics: (0..n_metrics).map(|n| metric(n, draw)).collect(),
        lead: draw.seconds(0, 300),
        step: Step::MINUTE,
        history: Span::from_hours(28 * 24),
        time_zone: "UTC".into(),
        objective: objective(draw),
        reactive: ReactiveRule {
            average_utilization: Share::from_percent(draw.whole(40, 100)),
            floor_utilization: Share::from_percent(draw.whole(60, 100)),
        },
        behavior,
        cooldown: PerDirection {
            up: if draw.happens(0.1) { draw.wait(4000) } else { draw.wait(300) },
            down: draw.wait(3000),
        },
        thresholds: Thresholds {
            min_step: Replicas::new(draw.one(&[1, 1, 1, 2, 3, 6])),
            sustain: PerDirection { up: draw.wait(120), down: draw.wait(300) },
        },
        spend: draw.happens(0.45).then(|| SpendRule {
            price: if draw.happens(0.15) {
                Price::unknown("nobody knows")
            } else {
                PricePerReplicaHour::parse(&money(draw.whole(1, 400))).unwrap().into()
            },
            currency: "EUR".into(),
            max_per_hour: draw.happens(0.9).then(|| Money::parse(&money(draw.whole(1, 6000))).unwrap()),
            budget: None,
        }),
        suspect_for: draw.wait(300),
        fallback: Fallback {
            after_absent_for: draw.seconds(0, 300),
            replicas: draw.happens(0.4).then(|| Replicas::new(draw.whole(min, max))),
        },
        actuation: if beside_hpa { Actuation::HorizontalPodAutoscalerFloor } else { Actuation::Scale },
    }
}

fn objective(draw: &mut Draw) -> Objective {
    let price = |thousandths: u32| PricePerReplicaHour::parse(&money(thousandths)).unwrap();
    match draw.whole(0, 9) {
        0..=6 => Objective::Unserved(Share::new(draw.one(&[0.1, 0.01, 0.001, 0.0001])).unwrap()),
        7 | 8 => Objective::Quantile(Share::new(draw.uniform(0.5, 0.999)).unwrap()),
        _ => Objective::Costs { idle: price(draw.whole(1, 100)), missing: price(draw.whole(100, 9000)) },
    }
}

fn past(draw: &mut Draw, policy: &Policy, asked: Replicas) -> Past {
    let before = |seconds: u32| MIDNIGHT.minus(Span::from_seconds(u64::from(seconds)));
    let near = |draw: &mut Draw, n: Replicas| {
        Replicas::new(n.get().saturating_add(draw.whole(0, 12)).saturating_sub(6).max(1))
    };
    let (many, all) = (draw.one(&[0, 0, 1, 2, 3]), draw.one(&[60, 300, 1500]));
    let mut times: Vec<u32> = (0..many).map(|_| draw.whole(1, all)).collect();
    times.sort_unstable_by(|a, b| b.cmp(a));
    times.dedup();
    let begun = before(times.first().map_or(0, |&first| first) + draw.whole(1, 3000));
    let recommended = times
        .iter()
        .map(|&t| (before(t), near(draw, asked), draw.happens(0.9).then(|| near(draw, asked))))
        .collect();
    let mut to = asked;
    let mut changes = Vec::new();
    for &t in times.iter().rev() {
        let from = near(draw, to);
        if from != to && draw.happens(0.7) && from <= policy.bounds.max() {
            changes.push((before(t), from, to));
            to = from;
        }
    }
    changes.reverse();
    Past { begun, recommended, changes }
}

fn scenes(draw: &mut Draw, policy: &Policy, asked: Replicas, ticks: u32) -> Vec<Scene> {
    let capacities: Vec<f64> =
        policy.metrics.iter().map(|_| draw.one(&[0.1, 1.0, 37.5, 100.0, 100.0])).collect();
    let (mut now, around) = (MIDNIGHT, asked.as_f64().max(1.0));
    let mut load = around * draw.uniform(0.1, 1.5);
    let calm = draw.happens(0.3);
    let (announced, ordered) = (draw.happens(0.15), draw.happens(0.2));
    let events = if announced { events(draw, policy) } else { Vec::new() };
    let orders = if ordered { orders(draw, policy) } else { BreakGlass::NONE };
    let bad = draw.one(&[0.0, 0.0, 0.0, 0.1, 0.5, 1.0]);
    (0..ticks)
        .map(|i| {
            if i > 0 {
                now = now
                    .plus(Span::from_seconds(u64::from(draw.one(&[15_u32, 15, 15, 15, 20, 60, 240, 1000]))));
                if draw.happens(0.01) {
                    now = now.minus(Span::from_seconds(u64::from(draw.one(&[1_u32, 20, 600, 5000]))));
                }
            }
            if !calm || draw.happens(0.2) {
                load = if draw.happens(0.1) {
                    around * draw.uniform(0.0, 2.0)
                } else {
                    load * draw.uniform(0.8, 1.25)
                };
            }
            let metrics =
                capacities.iter().map(|&capacity| seen(draw, policy, (now, capacity, load), bad)).collect();
            let foreign = (i > 0 && draw.happens(0.02))
                .then(|| Replicas::new(draw.whole(policy.bounds.min().get(), policy.bounds.max().get())));
            Scene {
                now,
                foreign,
                landed: draw.happens(0.95),
                ready: Replicas::new(draw.whole(0, asked.get())),
                metrics,
                events: events.clone(),
                orders,
                rival: draw.happens(0.13),
                budget: None,
            }
        })
        .collect()
}

fn seen(draw: &mut Draw, policy: &Policy, (now, capacity, load): (Timestamp, f64, f64), bad: f64) -> Seen {
    let x = load * draw.uniform(0.7, 1.1) * capacity;
    let age = draw.one(&[0, 5, 15, 29]);
    let fine = |value: f64| Reading::Value { value, at: now.minus(Span::from_seconds(age)), partial: false };
    let reading = if draw.happens(1.0 - bad) {
        fine(if draw.happens(0.05) { x * 0.05 } else { x })
    } else {
        match draw.whole(0, 8) {
            0 => fine(f64::NAN),
            1 => fine(f64::INFINITY),
            2 => fine(-x - 1.0),
            3 => Reading::Value { value: x, at: now.minus(Span::from_minutes(4)), partial: false },
            4 => Reading::Value { value: x, at: now.plus(Span::from_seconds(31)), partial: false },
            5 | 6 => Reading::Value { value: x, at: now, partial: true },
            _ => Reading::Absent(Absence::Unreachable),
        }
    };
    let demand =
        |draw: &mut Draw, p: f64| draw.happens(p).then(|| Demand::new(x * draw.uniform(0.3, 1.6)).unwrap());
    let capacity_known = !draw.happens(0.02);
    Seen {
        reading,
        capacity: CapacityPerReplica::new(capacity).filter(|_| capacity_known),
        outlook: draw.happens(0.6).then(|| outlook(draw, policy, now, x)),
        trusted: draw.happens(0.85),
        level: draw.happens(0.3).then(|| Share::new(draw.uniform(0.3, 0.9999)).unwrap()),
        p05_earlier: demand(draw, 0.3),
        same_hours_maximum: demand(draw, 0.5),
        source_suspect: draw.happens(0.03),
    }
}

fn outlook(draw: &mut Draw, policy: &Policy, now: Timestamp, x: f64) -> QuantileForecast {
    let age = draw.one(&[0, 60, 60, 75, 119, 120, 400]);
    let needed = policy.step.steps_covering(policy.lead) + policy.step.steps_covering(policy.hold());
    let many = if draw.happens(0.05) {
        draw.whole(1, 12)
    } else {
        u32::try_from(needed).unwrap() + draw.whole(0, 8)
    };
    let level = x * draw.uniform(0.3, 1.3);
    let slope = if draw.happens(0.5) { 0.0 } else { level * draw.uniform(-0.05, 0.1) };
    let (peak, height) = (draw.whole(1, many), if draw.happens(0.3) { draw.uniform(1.0, 3.0) } else { 1.0 });
    let spread = if draw.happens(0.2) { 0.0 } else { draw.uniform(0.01, 0.4) };
    let steps = (1..=many).map(|h| {
        let middle = (level + slope * f64::from(h)).max(0.0) * if h >= peak { height } else { 1.0 };
        let scores = [-2.33, -1.64, -1.28, -0.67, 0.0, 0.67, 1.28, 1.64, 2.33, 2.58, 3.09];
        Quantiles::new(scores.map(|score| middle * (1.0 + spread * score).max(0.0))).unwrap()
    });
    QuantileForecast { newest: now.minus(Span::from_seconds(age)), step: policy.step, steps: steps.collect() }
}

/// `minReplicas` and `maxReplicas` of events around now.
fn events(draw: &mut Draw, policy: &Policy) -> Vec<Window> {
    let (min, max) = (policy.bounds.min().get(), policy.bounds.max().get());
    (0..draw.whole(1, 2))
        .map(|n| {
            let start = MIDNIGHT.minus(Span::from_minutes(10)).plus(draw.seconds(0, 1800));
            let effect = Effect {
                name: format!("shop/event-{n}"),
                multiplier: 1.0,
                ramp_up: Span::ZERO,
                decay: Span::ZERO,
                ready_before: draw.wait(600),
                min_replicas: draw.happens(0.6).then(|| Replicas::new(draw.whole(1, max + 3))),
                max_replicas: draw
                    .happens(0.5)
                    .then(|| Replicas::new(draw.whole(min.saturating_sub(2).max(1), max))),
                exclude_from_learning: false,
            };
            Window { start, end: start.plus(draw.seconds(60, 1800)), effect }
        })
        .collect()
}

/// Names a budget where there is a price, as often as not; a tenth of them do not take the autoscaler.
fn budget(draw: &mut Draw, policy: &mut Policy, scenes: &mut [Scene]) {
    let Some(rule) = policy.spend.as_mut().filter(|_| draw.happens(0.6)) else { return };
    rule.budget = Some("shop".into());
    let (min, taken) = (policy.bounds.min(), draw.happens(0.9));
    let (holds, overdraft) = (draw.happens(0.85), draw.happens(0.7));
    let from = policy.bounds.min().get();
    for scene in scenes.iter_mut().filter(|_| taken) {
        let need = Replicas::new(draw.whole(from, policy.bounds.max().get()));
        let theta = Theta::from_millionths(draw.whole(0, if overdraft { 600_000 } else { 1_100_000 }));
        let ceiling = theta.of(need).max(min);
        let allowance = Allowance {
            budget: "shop".into(),
            currency: "EUR".into(),
            period: Stretch { start: MIDNIGHT, end: MIDNIGHT.plus(Span::from_hours(24)) },
            holds,
            theta,
            ceiling,
            overdraft: overdraft.then(|| Replicas::new(ceiling.get() + draw.whole(0, 30))),
            remaining: Money::ZERO,
            feasible: theta > Theta::ZERO,
        };
        scene.budget = Some((allowance, need));
    }
}

fn orders(draw: &mut Draw, policy: &Policy) -> BreakGlass {
    let until = |draw: &mut Draw| MIDNIGHT.plus(draw.seconds(0, 600));
    let boost = draw.happens(0.4).then(|| Boost {
        floor: Replicas::new(draw.whole(1, policy.bounds.max().get() + 2)),
        until: until(draw),
    });
    BreakGlass {
        no_scale_down: draw.happens(0.5).then(|| until(draw)),
        no_scale_up: draw.happens(0.4).then(|| until(draw)),
        boost,
        standing: Replicas::new(if draw.happens(0.2) { draw.whole(1, 40) } else { 0 }),
    }
}
