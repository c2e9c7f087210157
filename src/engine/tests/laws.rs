//! The invariants of a decision, held against millions of random decisions in one run; and for each the fault that it
//! would see.
//!
//! | invariant | test |
//! |---|---|
//! | I01-I23, I27, I29, I31-I43, I48-I50 as far as a decision shows them | here, by number |
//! | I24-I26, I28, I30 of forecasts and trust | not by number yet: `forecast::tests` (`laws`, `nasty`, `events`, `changes`, `noise`), `i24_..` of `decide::events` |
//! | I44-I46 ledger and shared budgets | `i4x_..` of `decide::spend` |
//! | I47 an unknown price is not free | here, `i47_..` of `decide::spend` with budgets, of `policy::price` over time |
//! | I51 deletion | not by number: `operator::actuate` and `leaving::` |

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use super::cases::{Case, Draw, MIDNIGHT, Scene, Seen};
use super::reference::spread;
use crate::calendar::Window;
use crate::decide::{
    Absence, BreakGlass, Decision, Fact, Judged, Reading, Stage, Standing, Track, predictive, rate,
};
use crate::engine::{Memory, Shadow, Stood, Tick};
use crate::policy::{Actuation, Mode, Pause, Policy, RateAmount, RatePolicy, SelectPolicy, SpendRule};
use crate::units::fault::{Fault, with};
use crate::units::{
    CapacityPerReplica, Demand, PricePerReplicaHour, ReplicaBounds, Replicas, Share, Span, Timestamp,
};

/// Cases of a run, and the decisions that they come to at least, those with one thing changed included.
const CASES: u64 = 45_000;
const DECISIONS: u64 = 2_000_000;
/// A planted fault is seen within so many cases.
const CAUGHT_WITHIN: u64 = 20_000;

mod over_time;

/// What was found about each invariant.
#[derive(Default)]
pub(super) struct Judge {
    decisions: u64,
    held: BTreeMap<u8, u64>,
    /// The first decision that broke it.
    broken: BTreeMap<u8, String>,
    number: u64,
}

impl Judge {
    pub(super) fn hold(&mut self, law: u8, holds: bool, told: impl FnOnce() -> String) {
        *self.held.entry(law).or_default() += 1;
        if !holds && !self.broken.contains_key(&law) {
            self.broken.insert(law, format!("case {}: {}", self.number, told()));
        }
    }

    fn tick(&mut self, scene: &Scene, policy: &Policy, asked: Replicas, memory: &Memory) -> Tick {
        self.decisions += 1;
        scene.tick(policy, asked, memory)
    }

    /// Everything that is known about one case.
    fn case(&mut self, number: u64) {
        self.number = number;
        let whole = catch_unwind(AssertUnwindSafe(|| {
            let case = Case::of(number);
            let mut played = Vec::new();
            case.play(|scene, asked, memory, tick| {
                played.push((scene.clone(), asked, memory.clone(), tick.clone()));
            });
            self.decisions += u64::try_from(played.len()).unwrap();
            let mut draw = Draw::new(number ^ 0x5eed);
            for (scene, asked, memory, tick) in &played {
                let moment = Moment { policy: &case.policy, scene, asked: *asked, memory, tick };
                moment.within_its_bounds(self);
                moment.in_order(self, &mut draw);
                moment.on_bad_evidence(self);
                moment.with_a_forecast(self);
                moment.of_money(self);
                moment.of_modes(self);
                moment.of_time(self);
            }
            over_time::sequence(self, &case, &played);
            if number.is_multiple_of(20) {
                over_time::constant(self, &case, &mut draw);
            }
            hostile(self, &case, &mut draw);
        }));
        self.hold(2, whole.is_ok(), || "a decision panicked".into());
    }
}

/// One decision and what it was made of.
struct Moment<'a> {
    policy: &'a Policy,
    scene: &'a Scene,
    asked: Replicas,
    memory: &'a Memory,
    tick: &'a Tick,
}

fn after(decision: &Decision, stage: Stage) -> Replicas {
    decision.stages.iter().find(|one| one.stage == stage).unwrap().after
}

fn all_fresh(decision: &Decision) -> bool {
    decision.judged.iter().all(Judged::may_lower)
}

/// Whether a limit took something away.
fn limited(decision: &Decision) -> bool {
    decision.stages.iter().any(|one| one.stage > Stage::Combine && one.after < one.before)
}

impl Moment<'_> {
    fn decision(&self) -> &Decision {
        &self.tick.decision
    }

    fn desired(&self) -> Replicas {
        self.tick.decision.desired
    }

    /// What stands and may stay: events may cap less.
    fn stays(&self) -> Replicas {
        let caps = self.scene.events.iter().filter_map(|one| one.effect.max_replicas).min();
        self.asked.min(self.policy.bounds.max()).min(caps.unwrap_or(Replicas::HARD_CAP))
    }

    fn again(&self, judge: &mut Judge, policy: &Policy, scene: &Scene) -> Decision {
        judge.tick(scene, policy, self.asked, self.memory).decision
    }

    fn with_scene(&self, judge: &mut Judge, change: impl FnOnce(&mut Scene)) -> Decision {
        let mut scene = self.scene.clone();
        change(&mut scene);
        self.again(judge, self.policy, &scene)
    }

    fn with_policy(&self, judge: &mut Judge, change: impl FnOnce(&mut Policy)) -> Decision {
        let mut policy = self.policy.clone();
        change(&mut policy);
        self.again(judge, &policy, self.scene)
    }

    fn told(&self, other: &Decision) -> String {
        let trail = |decision: &Decision| {
            let moved = decision.stages.iter().filter(|one| one.before != one.after);
            moved.map(|one| format!("{} {}", one.stage.name(), one.after)).collect::<Vec<_>>().join(", ")
        };
        format!("asked {}: {}; changed: {}", self.asked, trail(self.decision()), trail(other))
    }

    fn within_its_bounds(&self, judge: &mut Judge) {
        let (policy, decision) = (self.policy, self.decision());
        judge.hold(1, policy.bounds.clamp(self.desired()) == self.desired(), || {
            format!("{} is out of bounds", self.desired())
        });
        judge.hold(2, self.desired() <= Replicas::HARD_CAP, || format!("{}", self.desired()));
        let again = judge.tick(self.scene, policy, self.asked, self.memory);
        judge.hold(3, again == *self.tick, || self.told(&again.decision));
        let holes = decision.stages.windows(2).all(|pair| pair[0].after == pair[1].before);
        judge.hold(3, holes, || "the trail has a hole".into());
        let strict = policy.actuation == Actuation::Scale
            && (1.0 + policy.behavior.up.tolerance.get()) * policy.reactive.average_utilization.get() <= 1.0;
        if strict
            && !limited(decision)
            && !decision.judged.iter().any(|one| one.standing == Standing::SuddenFall)
        {
            let covers = decision.judged.iter().all(|one| {
                let (Some(demand), Some(capacity)) = (one.demand, one.capacity) else { return true };
                self.desired().as_f64() * capacity.get() * (1.0 + 1e-8) >= demand.get()
            });
            judge.hold(10, covers, || format!("{} do not cover demand", self.desired()));
        }
        let dead_band = decision.judged.iter().all(|one| {
            let (Some(demand), Some(capacity)) = (one.demand, one.capacity) else { return false };
            let target = capacity.get() * policy.reactive.average_utilization.get() * self.asked.as_f64();
            let ratio = demand.get() / target;
            ratio >= 1.0 - policy.behavior.down.tolerance.get()
                && ratio <= 1.0 + policy.behavior.up.tolerance.get()
        });
        if dead_band {
            judge.hold(12, decision.reactive == self.asked, || format!("{}", decision.reactive));
        }
        for ready in [Replicas::ZERO, Replicas::new(self.asked.get() * 2)] {
            let other = self.with_scene(judge, |scene| scene.ready = ready);
            let same = (other.desired, other.write) == (self.desired(), decision.write);
            judge.hold(13, same, || self.told(&other));
        }
        if (policy.mode == Mode::Floor || policy.has_drifted()) && policy.actuation == Actuation::Scale {
            let combined = after(decision, Stage::Combine);
            judge.hold(22, combined >= decision.reactive, || format!("{combined} < {}", decision.reactive));
        }
    }

    fn in_order(&self, judge: &mut Judge, draw: &mut Draw) {
        let more = draw.uniform(1.0, 3.0);
        let scaled = |scene: &mut Scene, times: f64| {
            for seen in &mut scene.metrics {
                if let Reading::Value { value, .. } = &mut seen.reading {
                    *value *= times;
                }
            }
        };
        let admitted = |decision: &Decision| {
            let same =
                decision.judged.iter().zip(&self.decision().judged).all(|(a, b)| a.standing == b.standing);
            same && !decision.judged.iter().any(|one| one.standing == Standing::SuddenFall)
        };
        let greater = self.with_scene(judge, |scene| scaled(scene, more));
        if admitted(&greater) {
            judge.hold(4, greater.desired >= self.desired(), || {
                format!("times {more}: {}", self.told(&greater))
            });
        }
        let larger = self.with_scene(judge, |scene| {
            for seen in &mut scene.metrics {
                seen.capacity = seen.capacity.and_then(|one| CapacityPerReplica::new(one.get() * more));
            }
        });
        judge.hold(5, larger.desired <= self.desired(), || format!("capacity: {}", self.told(&larger)));
        let fuller = self.with_policy(judge, |policy| {
            let share = policy.reactive.average_utilization.get() * more;
            policy.reactive.average_utilization = Share::new(share).unwrap();
        });
        judge.hold(5, fuller.desired <= self.desired(), || format!("target: {}", self.told(&fuller)));
        // An event's cap is taken before `minStep` looks, `maxReplicas` after it.
        let capped = self.scene.events.iter().any(|one| one.effect.max_replicas.is_some());
        if self.policy.spend.is_none() && !capped {
            let (min, max) = (self.policy.bounds.min().get(), self.policy.bounds.max().get());
            for (min, max) in [((min + 3).min(max), max), (min, max + 5)] {
                let bounds = ReplicaBounds::new(Replicas::new(min), Replicas::new(max)).unwrap();
                let other = self.with_policy(judge, |policy| policy.bounds = bounds);
                judge.hold(6, other.desired >= self.desired(), || {
                    format!("{min}..{max}: {}", self.told(&other))
                });
            }
        }
        self.without_units_and_order(judge);
        let most = self.with_scene(judge, |scene| scaled(scene, f64::MAX / 1e9));
        let some = most.judged.iter().any(|one| one.demand.is_some_and(|demand| demand.get() > 1e100));
        if some && self.policy.actuation == Actuation::Scale && admitted(&most) && all_fresh(&most) {
            judge.hold(11, most.desired >= self.desired().max(self.stays()), || self.told(&most));
        }
    }

    fn without_units_and_order(&self, judge: &mut Judge) {
        let k = 2.0_f64.powi(-7);
        let (mut scene, mut memory) = (self.scene.clone(), self.memory.clone());
        let times = |demand: Option<Demand>| demand.and_then(|one| Demand::new(one.get() * k));
        for seen in &mut scene.metrics {
            if let Reading::Value { value, .. } = &mut seen.reading {
                *value *= k;
            }
            seen.capacity = seen.capacity.and_then(|one| CapacityPerReplica::new(one.get() * k));
            seen.outlook = seen.outlook.as_ref().map(|outlook| outlook.times(|_| k));
            (seen.p05_earlier, seen.same_hours_maximum) =
                (times(seen.p05_earlier), times(seen.same_hours_maximum));
        }
        for evidence in &mut memory.evidence {
            evidence.last = evidence.last.map(|last| last * k);
        }
        let scaled = judge.tick(&scene, self.policy, self.asked, &memory).decision;
        judge.hold(7, scaled.desired == self.desired(), || self.told(&scaled));

        let (mut policy, mut scene, mut memory) =
            (self.policy.clone(), self.scene.clone(), self.memory.clone());
        policy.metrics.push({
            let mut copy = policy.metrics[0].clone();
            copy.name = "copy".into();
            copy
        });
        scene.metrics.push(scene.metrics[0].clone());
        if let Some(first) = memory.evidence.first().cloned() {
            memory.evidence.push(crate::decide::EvidenceMemory { name: "copy".into(), ..first });
        }
        policy.metrics.reverse();
        scene.metrics.reverse();
        scene.events.reverse();
        policy.behavior.up.policies.reverse();
        policy.behavior.down.policies.reverse();
        let turned = judge.tick(&scene, &policy, self.asked, &memory).decision;
        judge.hold(8, turned.desired == self.desired(), || self.told(&turned));
    }

    fn on_bad_evidence(&self, judge: &mut Judge) {
        let stays = self.stays();
        let set = |scene: &mut Scene, reading: Reading| {
            for seen in &mut scene.metrics {
                seen.reading = reading;
            }
        };
        let absent = self.with_scene(judge, |scene| set(scene, Reading::Absent(Absence::Empty)));
        judge.hold(14, absent.desired >= stays, || self.told(&absent));
        let now = self.scene.now;
        let value = |value: f64, at: Timestamp| Reading::Value { value, at, partial: false };
        let bad = [
            value(f64::NAN, now),
            value(f64::INFINITY, now),
            value(f64::NEG_INFINITY, now),
            value(-1.0, now),
            value(1.0, now.minus(Span::from_minutes(4))),
            value(1.0, now.plus(Span::from_seconds(31))),
            Reading::Absent(Absence::SourceError),
        ];
        for reading in bad {
            let other = self.with_scene(judge, |scene| set(scene, reading));
            judge.hold(15, other.desired == absent.desired, || format!("{reading:?}: {}", self.told(&other)));
        }
        let partial = self.with_scene(judge, |scene| {
            for seen in &mut scene.metrics {
                if let Reading::Value { partial, .. } = &mut seen.reading {
                    *partial = true;
                }
            }
        });
        judge.hold(16, partial.desired >= self.desired().max(stays), || self.told(&partial));
        for i in 0..self.scene.metrics.len() {
            let other = self
                .with_scene(judge, |scene| scene.metrics[i].reading = Reading::Absent(Absence::Unreachable));
            judge.hold(20, other.desired >= self.desired().min(self.asked), || self.told(&other));
        }
        let mut lower = self.policy.clone();
        lower.bounds = ReplicaBounds::new(Replicas::ONE, self.policy.bounds.max()).unwrap();
        let mut scene = self.scene.clone();
        set(&mut scene, Reading::Absent(Absence::Empty));
        let edited = self.again(judge, &lower, &scene);
        judge.hold(21, edited.desired >= stays, || self.told(&edited));
        self.fallback_and_one_signal(judge, &scene);
    }

    fn fallback_and_one_signal(&self, judge: &mut Judge, absent: &Scene) {
        let mut memory = self.tick.memory.clone();
        for evidence in &mut memory.evidence {
            let since = self.scene.now.minus(self.policy.fallback.after_absent_for);
            evidence.absent_since = Some(since);
        }
        memory.intent = None;
        let fallen = judge.tick(absent, self.policy, self.asked, &memory).decision;
        let bounds = self.policy.bounds;
        let mut holds = fallen.desired >= self.stays() && fallen.desired <= bounds.max();
        if let Some(least) = self.policy.fallback.replicas
            && !limited(&fallen)
            && self.scene.events.is_empty()
        {
            holds &= fallen.desired >= least;
        }
        judge.hold(17, holds, || self.told(&fallen));
        if self.scene.metrics.len() > 1 {
            let (mut policy, mut alone) = (self.policy.clone(), self.scene.clone());
            policy.metrics.truncate(1);
            alone.metrics.truncate(1);
            let one = judge.tick(&alone, &policy, self.asked, self.memory).decision;
            let others = self.with_scene(judge, |scene| {
                for seen in scene.metrics.iter_mut().skip(1) {
                    seen.reading = Reading::Absent(Absence::Unreachable);
                }
            });
            if one.desired > self.asked {
                judge.hold(18, others.desired >= one.desired, || self.told(&others));
            }
        }
        let lost =
            judge.tick(self.scene, self.policy, self.asked, &Memory::read(&serde_json::Value::Null)).decision;
        if self.policy.cooldown.down > Span::ZERO {
            judge.hold(33, lost.desired >= self.stays(), || self.told(&lost));
        }
        let (before, cooled) = (after(&lost, Stage::Rate), after(&lost, Stage::Cooldown));
        judge.hold(33, before <= self.asked || before == cooled, || "a needed raise waits".into());
    }

    fn with_a_forecast(&self, judge: &mut Judge) {
        let (policy, decision) = (self.policy, self.decision());
        if self.scene.events.is_empty() {
            let distrusted = self.with_scene(judge, |scene| {
                for seen in &mut scene.metrics {
                    seen.trusted = false;
                }
            });
            let (mut reactive, mut none) = (policy.clone(), self.scene.clone());
            for rule in &mut reactive.metrics {
                rule.prediction = false;
            }
            for seen in &mut none.metrics {
                seen.outlook = None;
            }
            let without = self.again(judge, &reactive, &none);
            judge.hold(23, distrusted.desired == without.desired, || without.desired.to_string());
        }
        let wants = decision.stages.iter().find_map(|one| match &one.fact {
            Fact::Predictive(predictive::Fact::Wants(wants, _)) => Some(*wants),
            _ => None,
        });
        let ([seen], Some(wants)) = (self.scene.metrics.as_slice(), wants) else { return };
        let (Some(outlook), Some(capacity)) = (&seen.outlook, seen.capacity) else { return };
        let age = self.scene.now.since(outlook.newest).millis() / outlook.step.span().millis();
        let first = usize::try_from(age).unwrap().saturating_sub(1);
        let lead = outlook.step.steps_covering(policy.lead);
        let last = lead + outlook.step.steps_covering(policy.hold());
        let enough = |n: Replicas, i: usize| {
            let Some(quantiles) = outlook.steps.get(first + i) else { return true };
            let served = n.as_f64() * capacity.get() * (1.0 + 1e-8);
            let reaches = |level: f64| served >= quantiles.at(level).get();
            if let Some(level) = policy.objective.level() {
                return reaches(level.get());
            }
            let (share, rehearsed) = (policy.objective.share().get(), seen.level.is_some());
            let allowed = share * quantiles.mean() * if rehearsed { 2.0 } else { 1.0 };
            quantiles.expected_above(served) <= allowed * (1.0 + 1e-6) + 1e-12
                || rehearsed && reaches(1.0 - 10.0 * share)
        };
        judge.hold(27, enough(wants.raise_to, lead), || format!("{} are raised to", wants.raise_to));
        judge.hold(27, (0..=last).all(|i| enough(wants.release_to, i)), || {
            format!("{} stay", wants.release_to)
        });
        let finite = outlook.steps.iter().flat_map(|one| *one.values()).all(|x| x.is_finite() && x >= 0.0);
        judge.hold(27, finite, || "a forecast is no forecast".into());
    }

    fn of_money(&self, judge: &mut Judge) {
        let (policy, decision) = (self.policy, self.decision());
        for up in [true, false] {
            let rules = if up { &policy.behavior.up } else { &policy.behavior.down };
            let track = Track::default();
            if rules.select != SelectPolicy::Disabled && self.asked > Replicas::ZERO {
                let reach = if up { rate::up_limit } else { rate::down_limit };
                let limit = reach(policy, self.asked, &track, self.scene.now);
                judge.hold(40, limit != self.asked, || format!("no movement from {}", self.asked));
            }
        }
        self.of_a_budget(judge);
        let Some(SpendRule { price, max_per_hour: Some(most), budget, .. }) = &policy.spend else { return };
        let (min, need) = (policy.bounds.min(), decision.present_need);
        let unknown = price.known().is_none();
        let paid = |n: Replicas| price.known().is_some_and(|price| price.hourly(n) <= *most);
        let owed = min.max(need);
        let within = paid(self.desired()) || self.desired() <= owed.max(self.asked);
        judge.hold(41, within, || format!("{} at {price}", self.desired()));
        judge.hold(40, within, || format!("{} at {price}", self.desired()));
        if unknown {
            judge.hold(47, within, || format!("{} at {price}", self.desired()));
            // It is the same as a price that the limit does not pay for once; a budget may pay for that one.
            let dear = PricePerReplicaHour::parse("1000000").map(Into::into);
            let dear = self.with_policy(judge, |policy| {
                policy.spend =
                    policy.spend.take().and_then(|rule| Some(SpendRule { price: dear.ok()?, ..rule }));
            });
            let same = budget.is_some() || dear.desired == self.desired();
            judge.hold(47, same, || self.told(&dear));
        }
        if !paid(min) {
            judge.hold(42, self.desired() <= owed.max(self.asked), || self.desired().to_string());
        }
        let free = self.with_policy(judge, |policy| policy.spend = None);
        judge.hold(43, self.desired() >= free.desired.min(self.asked), || self.told(&free));
        judge.hold(43, self.desired() <= free.desired, || self.told(&free));
    }

    /// Nothing grows beyond what a budget pays for, or its overdraft for present demand; and it takes nothing away.
    fn of_a_budget(&self, judge: &mut Judge) {
        let Some(rule) = self.policy.spend.as_ref().filter(|rule| rule.budget.is_some()) else { return };
        let (stands, need) = (self.asked.max(self.policy.bounds.min()), self.decision().present_need);
        let holds = self.scene.budget.as_ref().is_none_or(|(allowance, _)| allowance.holds);
        let known = self.scene.budget.as_ref().filter(|_| rule.price.known().is_some());
        let most = match known {
            Some((allowance, _)) => {
                let drawn = allowance.overdraft.map_or(Replicas::ZERO, |most| most.min(need));
                allowance.ceiling.max(drawn).max(stands)
            }
            None => stands.max(need),
        };
        let within = self.desired() <= most || !holds;
        judge.hold(41, within, || format!("{} of {most} that the budget pays for", self.desired()));
        if rule.price.known().is_none() {
            judge.hold(47, within, || format!("{} at an unknown price", self.desired()));
        }
        let free = self.with_policy(judge, |policy| policy.spend = None);
        judge.hold(43, self.desired() >= free.desired.min(self.asked), || self.told(&free));
    }

    fn of_modes(&self, judge: &mut Judge) {
        let (policy, now) = (self.policy, self.scene.now);
        if policy.mode == Mode::Active && self.memory.intent.is_none() && self.memory.track.is_some() {
            let track = self.memory.track.clone().unwrap();
            if track.to == self.asked {
                let mut memory = self.memory.clone();
                let mut shadow = Shadow::begin(now, self.asked, self.asked, Stood::default());
                shadow.track = track;
                memory.shadow = Some(shadow);
                let dry = Policy { mode: Mode::DryRun, ..policy.clone() };
                let shadowed = judge.tick(self.scene, &dry, self.asked, &memory).decision;
                let same = shadowed.write.is_none() && shadowed.desired == self.desired();
                judge.hold(48, same, || self.told(&shadowed));
            }
        }
        let until = now.plus(Span::from_minutes(1));
        let paused = self.with_policy(judge, |policy| {
            policy.pause = Some(Pause { until, reason: "migration".into(), replicas: None });
        });
        let still = paused.write.is_none() && paused.desired == self.asked;
        let contested = self.tick.memory.track.as_ref().is_some_and(Track::in_conflict);
        judge.hold(49, still || self.scene.rival || contested, || self.told(&paused));
        judge.hold(49, paused.write.is_none(), || self.told(&paused));
        let contested = self.with_scene(judge, |scene| scene.rival = true);
        judge.hold(50, contested.write.is_none(), || self.told(&contested));
        let off = judge.tick(self.scene, policy, Replicas::ZERO, self.memory).decision;
        judge.hold(50, off.write.is_none(), || self.told(&off));
        if self.memory.intent.is_none() && self.memory.track.is_some() {
            let last = |memory: &Memory| memory.track.as_ref().and_then(Track::last_change);
            let moved = last(&self.tick.memory) != last(self.memory).map(|at| at.min(now));
            judge.hold(35, !moved, || "a tick without a change of ours counts as one".into());
        }
    }

    fn of_time(&self, judge: &mut Judge) {
        let (policy, now) = (self.policy, self.scene.now);
        for days in [1, 7] {
            let by = Span::from_hours(24 * days);
            let (mut scene, mut memory) = (self.scene.clone(), self.memory.clone());
            over_time::later(&mut scene, by);
            over_time::remembered_later(&mut memory, by);
            let shifted = judge.tick(&scene, policy, self.asked, &memory).decision;
            judge.hold(29, shifted.desired == self.desired(), || self.told(&shifted));
        }
        // The clock is set back by an hour; no cooldown lasts longer than it is from then on.
        let mut memory = self.memory.clone();
        over_time::remembered_later(&mut memory, Span::from_hours(1));
        let first = judge.tick(self.scene, policy, self.asked, &memory);
        let mut scene = self.scene.clone();
        scene.now = now.plus(policy.cooldown.up.max(policy.cooldown.down));
        let mut memory = first.memory;
        memory.intent = None;
        let second = judge.tick(&scene, policy, self.asked, &memory).decision;
        let waits = after(&second, Stage::Rate) != after(&second, Stage::Cooldown);
        judge.hold(34, !waits, || "a cooldown is longer than it is stated".into());
    }
}

/// Anything at all: nothing panics, and what comes out is within bounds and the same again.
fn hostile(judge: &mut Judge, case: &Case, draw: &mut Draw) {
    let numbers =
        [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, -0.0, f64::MAX, f64::MIN_POSITIVE, 1e300, 5e-324];
    let instants = [i64::MIN, i64::MAX, 0, -1, MIDNIGHT.millis(), MIDNIGHT.millis() - 3_600_000];
    let instant = |draw: &mut Draw| Timestamp::from_millis(draw.one(&instants));
    let (mut policy, mut memory, mut asked) = (case.policy.clone(), case.memory(), case.asked);
    let huge = RatePolicy { amount: RateAmount::Percent(u32::MAX), period: Span::from_seconds(1) };
    policy.behavior.up.policies.push(huge);
    for scene in case.scenes.iter().take(2) {
        let mut scene = scene.clone();
        scene.now = instant(draw);
        if draw.happens(0.3) {
            asked = Replicas::new(draw.one(&[0, 1, 10_000, u32::MAX / 2, u32::MAX]));
        }
        for seen in &mut scene.metrics {
            let (value, at) = (draw.one(&numbers), instant(draw));
            let at = if draw.happens(0.6) { scene.now } else { at };
            seen.reading = Reading::Value { value, at, partial: draw.happens(0.3) };
            let capacity = draw.one(&[1e-9, 1e300, 1.0, f64::MAX]);
            seen.capacity = CapacityPerReplica::new(capacity);
            if let Some(outlook) = &mut seen.outlook {
                outlook.newest = if draw.happens(0.5) { scene.now } else { instant(draw) };
                let times = draw.one(&[0.0, 1.0, 1e300, f64::MAX]);
                *outlook = outlook.times(|_| times);
            }
            seen.p05_earlier = Demand::new(draw.one(&numbers));
            seen.same_hours_maximum = Demand::new(draw.one(&numbers));
        }
        let tick = judge.tick(&scene, &policy, asked, &memory);
        let again = judge.tick(&scene, &policy, asked, &memory);
        judge.hold(3, tick == again, || "hostile".into());
        let desired = tick.decision.desired;
        let bounded = asked == Replicas::ZERO || policy.bounds.clamp(desired) == desired;
        judge.hold(1, bounded, || format!("hostile: {desired}"));
        let stands = asked.min(policy.bounds.max());
        let blind = tick.decision.judged.iter().all(|one| one.demand.is_none());
        judge.hold(14, !blind || !scene.events.is_empty() || desired >= stands, || {
            format!("hostile: {desired}")
        });
        // What it leaves can be read again: a number that is none would lose all of it.
        if draw.happens(0.05) {
            let read = Memory::read(&serde_json::to_value(&tick.memory).unwrap());
            judge.hold(33, read.has_decided(), || "hostile: its memory cannot be read".into());
        }
        memory = tick.memory;
    }
}

fn judged(from: u64, to: u64) -> Judge {
    let mut judge = Judge::default();
    for number in from..to {
        judge.case(number);
    }
    judge
}

/// The whole run, once for all laws.
fn run() -> &'static Judge {
    static RUN: OnceLock<Judge> = OnceLock::new();
    RUN.get_or_init(|| {
        let mut whole = Judge::default();
        for part in spread(CASES, judged) {
            whole.decisions += part.decisions;
            for (law, n) in part.held {
                *whole.held.entry(law).or_default() += n;
            }
            for (law, told) in part.broken {
                whole.broken.entry(law).or_insert(told);
            }
        }
        whole
    })
}

/// The law holds in every decision of the run, and each of the faults breaks it.
fn holds(law: u8, faults: &[Fault]) {
    let whole = run();
    assert_eq!(whole.broken.get(&law), None, "I{law:02}");
    let n = whole.held.get(&law).copied().unwrap_or(0);
    assert!(n >= 1000, "I{law:02} was looked at {n} times only");
    for &fault in faults {
        let seen = with(fault, || {
            let mut judge = Judge::default();
            (0..CAUGHT_WITHIN).any(|number| {
                judge.case(number);
                judge.broken.contains_key(&law)
            })
        });
        assert!(seen, "I{law:02} does not see {fault:?}");
    }
}

#[test]
fn the_run_is_two_million_decisions() {
    assert!(run().decisions >= DECISIONS, "{}", run().decisions);
}

macro_rules! laws {
    ($($name:ident: $law:literal, [$($fault:ident),+];)+) => {
        $(#[test]
        fn $name() {
            holds($law, &[$(Fault::$fault),+]);
        })+
    };
}

laws! {
    i01_the_result_is_within_bounds: 1, [Unbounded];
    i02_every_input_has_an_answer: 2, [Overflow];
    i03_equal_inputs_give_equal_decisions: 3, [Chance];
    i04_more_demand_never_gives_fewer: 4, [ManyAreOne];
    i05_more_capacity_or_use_never_gives_more: 5, [CapacityUpsideDown];
    i06_higher_bounds_never_give_fewer: 6, [OddMinimum];
    i07_the_unit_of_demand_does_not_matter: 7, [HalfAUnit];
    i08_order_and_duplicates_do_not_matter: 8, [FirstMetricOnly];
    i10_without_limits_demand_is_covered: 10, [NoPresentDemand];
    i11_any_demand_saturates: 11, [WrapsAround];
    i12_within_tolerance_the_reactive_answer_stays: 12, [NoTolerance];
    i13_only_asked_is_current: 13, [ReadyIsAsked];
    i14_without_evidence_nothing_is_lowered: 14, [AbsentIsFresh];
    i15_every_bad_value_decides_like_an_absent_one: 15, [BadIsZero];
    i16_a_partial_answer_never_lowers: 16, [PartialIsWhole];
    i17_a_fallback_stands: 17, [NoFallback];
    i18_one_signal_may_always_raise: 18, [AbsentStopsRaises];
    i19_after_evidence_returns_a_decrease_waits_one_window: 19, [ReturnsAtOnce];
    i20_losing_a_reading_never_lowers: 20, [AbsentIsFresh];
    i21_a_lower_minimum_lowers_nothing_without_evidence: 21, [AbsentIsFresh];
    i22_floor_is_never_below_the_reactive_answer: 22, [BelowReactive, DriftIgnored];
    i23_without_trust_the_answer_is_the_reactive_one: 23, [TrustsAll];
    i27_the_upper_band_is_followed: 27, [LowQuantile];
    i29_whole_days_later_nothing_changes: 29, [FixedInstant];
    i31_rates_hold: 31, [ForgetsChanges];
    i32_cooldowns_hold: 32, [NoCooldown];
    i33_a_lost_memory_is_as_just_changed: 33, [LostIsSettled];
    i34_a_clock_set_back_draws_no_cooldown_out: 34, [ClockBackWaits];
    i35_a_tick_is_no_change: 35, [TickIsChange];
    i36_a_decrease_stops_at_the_window: 36, [NoWindow];
    i38_constant_demand_comes_to_rest: 38, [Chance];
    i39_nothing_goes_beyond_the_fixed_point: 39, [Overshoots];
    i40_caps_round_towards_less: 40, [RoundsMoneyUp, RoundsRatesDown];
    i41_growth_is_paid_for: 41, [NoCeiling];
    i42_a_minimum_beyond_the_limit_stands_and_no_more: 42, [NoCeiling];
    i43_money_alone_never_lowers: 43, [MoneyLowers];
    i47_an_unknown_price_buys_nothing: 47, [UnknownIsFree];
    i48_dry_run_decides_the_same_and_writes_nothing: 48, [DryRunWrites];
    i49_a_pause_writes_nothing: 49, [NoPause];
    i50_off_or_contested_nothing_is_written: 50, [NoConflict];
}

#[test]
fn i47_no_price_is_a_price_of_nothing() {
    for text in ["0", "0.000", "-1", "", "NaN", "free"] {
        assert!(PricePerReplicaHour::parse(text).is_err(), "{text}");
    }
}

/// Every count of replicas is the need of what it serves, whatever its capacity.
fn needs(n: u32) -> Option<String> {
    let mut draw = Draw::new(9);
    let tenths = CapacityPerReplica::new(0.1).unwrap().need(Demand::new(0.1 + 0.2).unwrap());
    if tenths != Replicas::new(3) {
        return Some(format!("three tenths need {tenths}"));
    }
    (1..=n).find_map(|n| {
        let capacity = CapacityPerReplica::new(draw.uniform(1e-3, 1e4)).unwrap();
        let need = capacity.need(Demand::new(f64::from(n) * capacity.get()).unwrap());
        (need != Replicas::new(n)).then(|| format!("{n} of {} need {need}", capacity.get()))
    })
}

#[test]
fn i09_the_ceiling_is_exact() {
    assert_eq!(needs(1_000_000), None);
    assert!(with(Fault::PlainCeiling, || needs(1000)).is_some());
}

#[test]
fn i37_noise_within_tolerance_turns_nothing_around() {
    assert_eq!(over_time::reversals(), 0);
    assert!(with(Fault::NoTolerance, over_time::reversals) > 2);
}
