//! The one function that the operator, the planner and the replay call: [`tick`].

pub mod foresight;
mod memory;
mod relaxed;
mod shadow;

pub use memory::{Intent, Memory};
pub use relaxed::{Alternative, Relaxed, Turn, alternatives, turns};
pub use shadow::{Account, Shadow, Stood};

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::calendar::Window;
use crate::decide::spend::Stands;
use crate::decide::{
    self, Allowance, BreakGlass, Decision, Fact, Growth, Ledger, MetricObservation, ModeFact, Situation,
    Stage, StageRecord, Track,
};
use crate::policy::{Actuation, Mode, Pause, Policy, SpendRule};
use crate::units::{ReplicaBounds, Replicas, Timestamp, faulty};

/// Everything that is known at one instant. Nothing in it is later than `now`.
#[derive(Clone, Debug)]
pub struct Observation<'a> {
    /// The instant of the tick.
    pub now: Timestamp,
    /// `spec.replicas` of the target, or the HPA's `minReplicas` under `HorizontalPodAutoscalerFloor`.
    pub asked: Replicas,
    /// Replicas that serve.
    pub ready: Replicas,
    /// The HPA whose floor is moved, under `HorizontalPodAutoscalerFloor`.
    pub hpa: Option<HpaFloor>,
    /// Whether somebody else is known to scale the same target: then nothing is written.
    pub rival: bool,
    /// Announced events, at least those on now and near.
    pub events: &'a [Window],
    /// What somebody ordered for a while, outside the spec.
    pub break_glass: BreakGlass,
    /// What the cluster allows.
    pub growth: Growth,
    /// What the budget allows, where the policy names one.
    pub budget: Option<&'a Allowance>,
    /// One for each metric of the policy, in its order.
    pub metrics: &'a [MetricObservation<'a>],
}

/// The HPA whose `minReplicas` is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HpaFloor {
    /// Its own `minReplicas`, before anything was raised.
    pub original: Replicas,
    /// Its `maxReplicas`.
    pub max: Replicas,
}

/// What a tick gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// The decision.
    pub decision: Decision,
    /// What the next tick must know. When the decision writes, it holds the open intent: whether the write landed
    /// is read from `asked` at the next tick, so that a crash between the two changes nothing.
    pub memory: Memory,
}

/// One decision from the policy, what is seen and what is remembered. Pure: no clock, I/O, randomness or panic;
/// equal inputs give equal outputs.
pub fn tick(policy: &Policy, observation: &Observation<'_>, memory: &Memory) -> Tick {
    let mut memory = memory.clone();
    memory.set_back(observation.now);
    let policy = effective(policy, observation);
    account(&policy, observation, &mut memory);
    if policy.mode == Mode::DryRun {
        return shadow_tick(&policy, observation, memory);
    }
    let Observation { now, asked, ready, events, metrics, break_glass, ref growth, budget, .. } =
        *observation;
    // What the shadow came to is what the mode was earned by; it stays to be looked at.
    memory.account = memory.shadow.take().map(|shadow| shadow.account).or(memory.account);
    let mut track = memory.track.take().unwrap_or_else(|| Track::begin(now, asked));
    resolve_intent(&mut memory, &mut track, asked);
    track.notice_foreign_write(now, asked);
    let situation = Situation { now, asked, ready, events, metrics, break_glass, growth, budget };
    let mut decision = decide::decide(&policy, &situation, &mut memory.evidence, &mut track);
    let conflict = observation.rival || track.in_conflict();
    let fact = permit(&policy, &mut decision, conflict, &mut memory);
    note_mode(&mut decision, fact);
    track.prune(now, &policy);
    track.last_up = faulty!(TickIsChange, Some(now), track.last_up);
    memory.track = Some(track);
    draw(&policy, budget, &decision, &mut memory);
    if let Some(to) = decision.write {
        memory.intent_id = memory.intent_id.wrapping_add(1);
        memory.intent = Some(Intent { id: memory.intent_id, from: asked, to, at: now });
    }
    Tick { decision, memory }
}

/// The policy with the bounds that hold now: beside an HPA, between its own minimum and its maximum.
fn effective<'a>(policy: &'a Policy, observation: &Observation<'_>) -> Cow<'a, Policy> {
    match (policy.actuation, observation.hpa) {
        (Actuation::HorizontalPodAutoscalerFloor, Some(HpaFloor { original, max })) => {
            let max = max.min(policy.bounds.max()).max(original);
            let Some(bounds) = ReplicaBounds::new(original, max) else { return Cow::Borrowed(policy) };
            Cow::Owned(Policy { bounds, ..policy.clone() })
        }
        _ => Cow::Borrowed(policy),
    }
}

/// What stood since the last tick is spent, whoever asked for it: beside an HPA what the workload runs.
fn account(policy: &Policy, observation: &Observation<'_>, memory: &mut Memory) {
    let Observation { now, asked, budget, break_glass, .. } = *observation;
    let (Some(SpendRule { price, budget: Some(named), .. }), Some(allowance)) = (&policy.spend, budget)
    else {
        if policy.spend.as_ref().is_none_or(|rule| rule.budget.is_none()) {
            memory.ledger = None;
        }
        return;
    };
    let stands = Stands { replicas: asked.max(break_glass.standing), price: price.reckoned() };
    let ledger = memory.ledger.take().filter(|ledger| ledger.budget == *named);
    let mut ledger = ledger.unwrap_or_else(|| Ledger::begin(named, (allowance.period, now), stands));
    ledger.account(now, allowance.period, stands);
    memory.ledger = Some(ledger);
}

/// How many of the replicas that stand from now on the overdraft pays for.
fn draw(policy: &Policy, budget: Option<&Allowance>, decision: &Decision, memory: &mut Memory) {
    let (Some(ledger), Some(allowance)) = (&mut memory.ledger, budget) else { return };
    let stands = decision.write.unwrap_or(decision.asked);
    let reckoned = policy.spend.as_ref().is_some_and(|rule| rule.price.reckoned().is_some());
    let paid = match (reckoned, allowance.holds) {
        (true, true) => allowance.ceiling.max(policy.bounds.min()),
        (true, false) => stands,
        // Without any price present demand is served, and not from the overdraft.
        (false, _) => Replicas::new(stands.get().saturating_sub(ledger.over.get())),
    };
    ledger.draw((decision.asked, stands), paid);
}

/// Whether the write of the last tick landed: then it is a change of ours, at the instant it was intended.
fn resolve_intent(memory: &mut Memory, track: &mut Track, asked: Replicas) {
    if let Some(intent) = memory.intent.take()
        && asked == intent.to
    {
        track.record_change(intent.at, intent.from, intent.to);
    }
}

/// Whether the decision is written, and why.
fn permit(policy: &Policy, decision: &mut Decision, conflict: bool, memory: &mut Memory) -> ModeFact {
    let (now, asked) = (decision.at, decision.asked);
    if asked == Replicas::ZERO {
        decision.desired = Replicas::ZERO;
        return ModeFact::SwitchedOff;
    }
    if faulty!(NoConflict, false, conflict) {
        return ModeFact::Conflict;
    }
    if let Some(Pause { until, reason, replicas }) =
        policy.pause.as_ref().filter(|pause| faulty!(NoPause, false, now < pause.until))
    {
        let entered = memory.pause_entered.replace(*until) != Some(*until);
        let once = replicas.filter(|&n| entered && n != asked);
        decision.write = once;
        decision.desired = once.unwrap_or(asked);
        return once.map_or_else(
            || ModeFact::Paused { reason: reason.clone(), left: until.since(now) },
            ModeFact::PauseEntered,
        );
    }
    memory.pause_entered = None;
    if decision.desired == asked {
        return ModeFact::Unchanged(asked);
    }
    decision.write = Some(decision.desired);
    ModeFact::Writes(policy.mode)
}

fn note_mode(decision: &mut Decision, fact: ModeFact) {
    let before = decision.stages.last().map_or(decision.asked, |record| record.after);
    let after = decision.desired;
    decision.stages.push(StageRecord { stage: Stage::Mode, before, after, fact: Fact::Mode(fact) });
}

/// A tick on the shadow: its own asked and ready, so that decisions are those of Foresail and not of what acts.
fn shadow_tick(policy: &Policy, observation: &Observation<'_>, mut memory: Memory) -> Tick {
    let Observation { now, asked, ready, events, metrics, break_glass, ref growth, budget, .. } =
        *observation;
    memory.track = None;
    memory.intent = None;
    memory.pause_entered = None;
    memory.account = None;
    let beside = break_glass.standing;
    let stood = Stood { asked: asked.max(beside), beside, ready };
    let mut shadow = memory.shadow.take().unwrap_or_else(|| Shadow::begin(now, asked, ready, stood));
    shadow.advance(now);
    let (shadowed, serving) = (shadow.asked, shadow.ready);
    let situation =
        Situation { now, asked: shadowed, ready: serving, events, metrics, break_glass, growth, budget };
    let mut decision = decide::decide(policy, &situation, &mut memory.evidence, &mut shadow.track);
    note_mode(&mut decision, ModeFact::DryRun);
    decision.write = faulty!(DryRunWrites, Some(decision.desired), None);
    shadow.account(stood, &decision);
    shadow.follow(policy, now, decision.desired);
    shadow.track.prune(now, policy);
    memory.shadow = Some(shadow);
    Tick { decision, memory }
}

/// The instant at which a memory was last touched by a change, for reports.
pub fn last_change(memory: &Memory) -> Option<Timestamp> {
    memory.track.as_ref().and_then(Track::last_change)
}

#[cfg(test)]
pub(crate) mod tests;
