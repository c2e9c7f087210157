//! A decision: an ordered list of stages, each with the proposal before and after it and one sentence with numbers.
//!
//! The order is DESIGN 4: evidence, reactive, forecast, predictive, combine, floors, guards, threshold, stabilise,
//! rate, cooldown, spend, bounds, mode. Each stage is one file and pure; only this file appends to the trail.

pub mod bounds;
pub mod combine;
pub mod cooldown;
pub mod events;
pub mod evidence;
pub mod floors;
pub mod growth;
pub mod guards;
pub mod predictive;
pub mod rate;
pub mod reactive;
pub mod spend;
pub mod stabilise;
pub mod threshold;
mod track;
pub mod trail;

pub use events::Unapplied;
pub use evidence::{Absence, EvidenceMemory, Judged, MetricObservation, Reading, Standing};
pub use growth::{Growth, Most, Obstacle};
pub use guards::{Boost, BreakGlass};
pub use spend::{Allowance, Ledger};
pub use track::{HumanFloor, Sustain, Track};
pub use trail::{Fact, ModeFact, Stage, StageRecord};

use crate::calendar::Window;
use crate::policy::Policy;
use crate::units::{CapacityPerReplica, Replicas, Span, Timestamp, faulty};
use predictive::Predicted;

/// What a decision is made on, besides the policy.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The instant of the decision.
    pub now: Timestamp,
    /// Replicas that were asked for: the only "current" there is (I13).
    pub asked: Replicas,
    /// Replicas that serve.
    pub ready: Replicas,
    /// Announced events, at least those on now and near.
    pub events: &'a [Window],
    /// One observation for each of the policy's metrics, in their order.
    pub metrics: &'a [MetricObservation<'a>],
    /// What somebody ordered for a while, outside the spec.
    pub break_glass: BreakGlass,
    /// What the cluster allows.
    pub growth: &'a Growth,
    /// What the budget allows, where the policy names one.
    pub budget: Option<&'a Allowance>,
}

/// A decision and how it came about.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// When it was made.
    pub at: Timestamp,
    /// What stood.
    pub asked: Replicas,
    /// What served.
    pub ready: Replicas,
    /// What is wanted after all stages.
    pub desired: Replicas,
    /// What an HPA would ask for.
    pub reactive: Replicas,
    /// What the trusted forecast wants, if there is one.
    pub predicted: Option<Replicas>,
    /// The need of present demand at 100 % of safe load.
    pub present_need: Replicas,
    /// Replicas withheld by the spend limit or the budget.
    pub withheld: Replicas,
    /// What is in the way of growth that was withheld, if so.
    pub blocked: Option<Most>,
    /// Why an announced event gets less than it asks for, if so.
    pub unapplied: Option<Unapplied>,
    /// What was made of each metric's reading.
    pub judged: Vec<Judged>,
    /// Every stage, in order.
    pub stages: Vec<StageRecord>,
    /// What is to be written now; `None` when nothing is.
    pub write: Option<Replicas>,
}

impl Decision {
    /// The last stage that changed the proposal; `Combine` when none did.
    pub fn bound_by(&self) -> Stage {
        self.stages
            .iter()
            .rev()
            .find(|record| record.before != record.after && record.stage != Stage::Mode)
            .map_or(Stage::Combine, |record| record.stage.max(Stage::Combine))
    }

    /// Present demand in replicas at 100 % of safe load, by the metric that needs most, and at most as many as can be
    /// counted, so that sums of it stay finite; `None` where none is known.
    pub fn load(&self) -> Option<f64> {
        let loads = self.judged.iter().filter_map(|one| Some(one.demand?.get() / one.capacity?.get()));
        loads.reduce(f64::max).map(|load| load.min(f64::from(u32::MAX)))
    }

    /// What is wanted, money aside: what stood before the stage of money, and not less than present demand needs.
    pub fn wish(&self) -> Replicas {
        let before = self.stages.iter().find(|record| record.stage == Stage::Spend);
        before.map_or(self.desired, |record| record.before).max(self.present_need)
    }

    /// What the stage of money found.
    pub fn money(&self) -> Option<&spend::Fact> {
        self.stages.iter().find_map(|record| match &record.fact {
            Fact::Spend(fact) => Some(fact),
            _ => None,
        })
    }

    /// The last stage that lowered the proposal.
    pub fn lowered_by(&self) -> Option<Stage> {
        self.stages.iter().rev().find(|record| record.after < record.before).map(|record| record.stage)
    }

    /// One line: from, to and the sentence of the stage that bound it.
    pub fn summary(&self) -> String {
        let bound = self.bound_by();
        let sentence = self
            .stages
            .iter()
            .find(|record| record.stage == bound)
            .map_or_else(String::new, |record| record.fact.to_string());
        if self.desired == self.asked {
            format!("{}: {sentence}", self.asked)
        } else {
            format!("{} -> {}: {sentence}", self.asked, self.desired)
        }
    }

    /// Whether every reading is fresh, complete and believed.
    pub fn may_lower(&self) -> bool {
        self.judged.iter().all(Judged::may_lower)
    }
}

/// The trail under construction.
struct Trail {
    stages: Vec<StageRecord>,
    proposal: Replicas,
}

impl Trail {
    fn note(&mut self, stage: Stage, after: Replicas, fact: Fact) {
        self.stages.push(StageRecord { stage, before: self.proposal, after, fact });
        self.proposal = after;
    }
}

/// What stages 1 to 4 found.
struct Wishes {
    judged: Vec<Judged>,
    answers: combine::Answers,
    /// The answers to what was read, where a sudden fall is held.
    fallen: Option<combine::Answers>,
    recommendation: Option<Replicas>,
    present_need: Replicas,
}

/// Runs stages 1 to 10; whether the result is written is the engine's to say.
pub fn decide(
    policy: &Policy,
    situation: &Situation<'_>,
    evidence: &mut Vec<EvidenceMemory>,
    track: &mut Track,
) -> Decision {
    let Situation { now, asked, ready, break_glass, growth, budget, .. } = *situation;
    let mut trail = Trail { stages: Vec::with_capacity(14), proposal: asked };
    let events = events::Events::near(policy, situation);
    let stated = policy.bounds;
    let policy = &*events.capped(policy);
    let put_back = events.put_back(situation.metrics, policy.lead.plus(policy.hold()));
    let metrics = &*events::multiplied(situation.metrics, &put_back);
    let multiplied = Situation { metrics, ..*situation };
    let Wishes { judged, answers, fallen, recommendation, present_need } =
        wishes(policy, &multiplied, evidence, &mut trail);

    let (combined, fact) = combine::apply(policy, &answers);
    trail.note(Stage::Combine, combined, Fact::Combine(fact));

    let pairs: Vec<(Judged, &MetricObservation<'_>)> = judged.iter().copied().zip(metrics).collect();
    let wish = events.wish(policy, situation, &judged, track);
    let cap = events.binding_cap(policy, stated);
    let boost = break_glass.boost_at(now);
    let (floored, asked_for, fact) =
        floors::apply(policy, combined, &pairs, (&wish, cap), ((track.human, boost), now));
    let (possible, blocked) = growth::apply(asked, floored, growth);
    let fact = blocked.clone().map_or(fact, |most| floors::Fact::Blocked(most, floored));
    let (floored, asked_for) = (possible, asked_for.min(possible));
    trail.note(Stage::Floors, floored, Fact::Floors(fact));

    let (thawed, fact) = guards::apply(asked, floored, (&break_glass, growth.rollout), now);
    trail.note(Stage::Guards, thawed, Fact::Guards(fact));

    let predicted = answers.predicted.map(|predicted| predicted.wants(asked));
    // A freeze beside an HPA may raise the floor to what the workload runs: no window holds that back.
    let frozen = break_glass.kept(now);
    let firm = predicted
        .map_or(Replicas::ZERO, |wants| wants.max(answers.present))
        .max(asked_for)
        .max(frozen)
        .max(policy.bounds.min());
    let ordered = boost.map_or(Replicas::ZERO, |boost| boost.floor);
    let (sustained, fact) = threshold::apply(policy, asked, thawed, (firm, ordered), (&mut *track, now));
    trail.note(Stage::Threshold, sustained, Fact::Threshold(fact));

    // The window begins anew with the first evidence after some time without (I19).
    let returned = faulty!(ReturnsAtOnce, false, judged.iter().any(|one| one.returned));
    let kept = if returned && policy.behavior.down.window > Span::ZERO { asked } else { Replicas::ZERO };
    // A fall that is held is noted as it was read: its hold and the window pass side by side.
    let read = fallen.as_ref().unwrap_or(&answers);
    let unheld = combine::recommended(policy, read).max(asked_for).max(policy.bounds.min()).max(kept);
    let recommended = stabilise::Recommended { reactive: recommendation, unheld, firm };
    let (stable, fact) = stabilise::apply(policy, asked, sustained, recommended, (&mut *track, now));
    trail.note(Stage::Stabilise, stable, Fact::Stabilise(fact));

    let (limited, fact) = rate::apply(policy, asked, stable, track, now);
    trail.note(Stage::Rate, limited, Fact::Rate(fact));

    let (cooled, fact) = cooldown::apply(policy, asked, limited, track, now);
    trail.note(Stage::Cooldown, cooled, Fact::Cooldown(fact));

    let (affordable, fact) = spend::apply(policy, (asked, cooled, present_need), budget);
    let withheld = Replicas::new(cooled.get().saturating_sub(affordable.get()));
    trail.note(Stage::Spend, affordable, Fact::Spend(fact));

    let (desired, fact) = bounds::apply(policy.bounds, affordable, cap);
    trail.note(Stage::Bounds, desired, Fact::Bounds(fact));

    let Trail { stages, .. } = trail;
    let reactive = answers.reactive;
    let mut decision = Decision {
        at: now,
        asked,
        ready,
        desired,
        reactive,
        predicted,
        present_need,
        withheld,
        blocked,
        unapplied: None,
        judged,
        stages,
        write: None,
    };
    decision.unapplied = events.unapplied(stated, &wish, &decision);
    decision
}

/// Stages 1 to 4: evidence, the reactive answer, the forecast and what it needs.
fn wishes(
    policy: &Policy,
    situation: &Situation<'_>,
    evidence: &mut Vec<EvidenceMemory>,
    trail: &mut Trail,
) -> Wishes {
    let Situation { now, asked, ready, metrics, .. } = *situation;
    let asked = faulty!(ReadyIsAsked, ready.max(Replicas::ONE), asked);
    align(policy, evidence);
    let judged: Vec<Judged> = policy
        .metrics
        .iter()
        .zip(metrics)
        .zip(evidence.iter_mut())
        .map(|((rule, seen), memory)| evidence::judge(policy, rule, seen, (now, ready), memory))
        .collect();
    let names = policy.metrics.iter().map(|rule| rule.name.clone());
    let fact = evidence::Fact { metrics: names.zip(judged.iter().copied()).collect() };
    trail.note(Stage::Evidence, asked, Fact::Evidence(fact));

    let recommendation = reactive::recommendation(policy, &judged, asked);
    let (answers, silent) = answer(policy, (asked, recommendation), (metrics, &judged), now);
    let utilization = policy.reactive.average_utilization;
    trail.note(
        Stage::Reactive,
        asked,
        Fact::Reactive(reactive::Fact { answer: answers.reactive, asked, utilization }),
    );
    let fact =
        predictive::ForecastFact::of(policy, metrics, now, events::times(situation, now.plus(policy.lead)));
    trail.note(Stage::Forecast, asked, Fact::Forecast(fact));
    let wants = answers
        .predicted
        .map_or(predictive::Fact::Silent(silent), |wants| predictive::Fact::Wants(wants, policy.lead));
    trail.note(Stage::Predictive, asked, Fact::Predictive(wants));

    let present_need = judged.iter().map(|one| need_at(one, one.capacity)).max().unwrap_or_default();
    let fallen = judged.iter().any(|one| one.standing == Standing::SuddenFall).then(|| {
        let read: Vec<Judged> = judged.iter().zip(metrics).map(|(one, seen)| one.as_read(seen)).collect();
        let recommendation = reactive::recommendation(policy, &read, asked);
        answer(policy, (asked, recommendation), (metrics, &read), now).0
    });
    Wishes { judged, answers, fallen, recommendation, present_need }
}

/// The need of what one metric demands, at so much per replica.
fn need_at(judged: &Judged, capacity: Option<CapacityPerReplica>) -> Replicas {
    judged.demand.zip(capacity).map_or(Replicas::ZERO, |(demand, capacity)| capacity.need(demand))
}

/// Stages 2 to 4 on judged readings, and why no forecast speaks if none does.
fn answer(
    policy: &Policy,
    (asked, recommendation): (Replicas, Option<Replicas>),
    (metrics, judged): (&[MetricObservation<'_>], &[Judged]),
    now: Timestamp,
) -> (combine::Answers, predictive::NoForecast) {
    let mut predicted: Option<Predicted> = None;
    let mut silent = predictive::NoForecast::Disabled;
    let mut untrusted: Vec<Judged> = Vec::new();
    let mut present = Replicas::ZERO;
    let mut p05_need: Option<Replicas> = None;
    for ((rule, seen), judged) in policy.metrics.iter().zip(metrics).zip(judged) {
        let outcome = if rule.prediction {
            predictive::of_metric(policy, judged, seen, now)
        } else {
            Err(predictive::NoForecast::Disabled)
        };
        match outcome {
            Ok(wants) => {
                predicted = Some(predictive::larger(predicted, wants));
                let floor = policy.reactive.floor_utilization;
                let now_needed = need_at(judged, judged.capacity.map(|capacity| capacity.at(floor)));
                present = present.max(faulty!(NoPresentDemand, Replicas::ZERO, now_needed));
                let need =
                    seen.p05_earlier.zip(seen.capacity).map(|(demand, capacity)| capacity.need(demand));
                p05_need = p05_need.max(need);
            }
            Err(reason) => {
                silent = reason;
                untrusted.push(*judged);
            }
        }
    }
    let reactive_untrusted =
        (!untrusted.is_empty()).then(|| reactive::of_all(policy, untrusted.iter(), asked));
    let reactive = recommendation.unwrap_or(asked);
    let may_lower = judged.iter().all(Judged::may_lower);
    let answers =
        combine::Answers { asked, reactive, reactive_untrusted, present, predicted, p05_need, may_lower };
    (answers, silent)
}

/// One memory for each metric, in the policy's order; a metric keeps its memory when others come and go.
fn align(policy: &Policy, evidence: &mut Vec<EvidenceMemory>) {
    let same = evidence.len() == policy.metrics.len()
        && evidence.iter().zip(&policy.metrics).all(|(memory, rule)| memory.name == rule.name);
    if same {
        return;
    }
    let mut old = std::mem::take(evidence);
    for rule in &policy.metrics {
        let found = old.iter().position(|memory| memory.name == rule.name);
        let fresh = || EvidenceMemory { name: rule.name.clone(), ..EvidenceMemory::default() };
        evidence.push(found.map_or_else(fresh, |idx| old.swap_remove(idx)));
    }
}

#[cfg(test)]
pub(crate) mod tests;
