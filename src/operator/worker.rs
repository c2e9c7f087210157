//! One autoscaler: gather, tick, effect, every interval.

mod gathering;
mod planning;
mod telling;

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::Api;
use tokio::sync::watch;
use tokio::time::Instant;

use super::acts::{ReadError, TickActs};
use super::announced::Announced;
use super::budgets::{self, Foresight, Purse};
use super::capacities::Capacities;
use super::checkpoint;
use super::context::Context;
use super::growth::{Growth, Workload, lead_status};
use super::lease::Leadership;
use super::pricing::Pricing;
use super::protocol::{Outcome, actuate};
use super::recorder::Recorder;
use super::report;
use super::signal::{Known, Signal};
use super::status::{self, Surroundings};
use crate::api::{self, PredictiveAutoscaler, PredictiveAutoscalerStatus};
use crate::decide::{Decision, Reading};
use crate::edge::client::write_deadline;
use crate::engine::Memory;
use crate::forecast::TrustState;
use crate::journal::{Glance, Record};
use crate::telemetry::metrics::AutoscalerLabels;
use crate::units::Timestamp;
use gathering::{Gathered, time_to_read};
use planning::Plan;
use telling::Unread;

/// What one autoscaler needs from tick to tick.
pub struct Worker {
    ctx: Arc<Context>,
    namespace: String,
    name: String,
    plan: Option<Plan>,
    announced: Announced,
    memory: Option<Memory>,
    trust: BTreeMap<String, TrustState>,
    censored: Vec<bool>,
    unable: Option<(&'static str, String)>,
    unread: Unread,
    decided_before: bool,
    /// How many times the clock had gone ahead at the last tick.
    jumps: u64,
    /// Whether it went ahead since the last decision: what has run out by it may not have, and no decrease comes before a
    /// window from now on (F36).
    leapt: bool,
    saved_at: Option<Timestamp>,
    recorder: Recorder,
    growth: Growth,
    foresight: Foresight,
    pricing: Pricing,
    capacities: Capacities,
}

impl Worker {
    /// A worker that knows nothing yet.
    pub fn new(ctx: Arc<Context>, namespace: String, name: String) -> Self {
        Self {
            ctx,
            namespace,
            name,
            plan: None,
            announced: Announced::default(),
            memory: None,
            trust: BTreeMap::new(),
            censored: Vec::new(),
            unable: None,
            unread: Unread::default(),
            decided_before: false,
            jumps: 0,
            leapt: false,
            saved_at: None,
            recorder: Recorder::default(),
            growth: Growth::default(),
            foresight: Foresight::default(),
            pricing: Pricing::default(),
            capacities: Capacities::default(),
        }
    }

    /// One tick on the object as it is known. Gives the object as the API server has it, where that is another by now:
    /// then nothing was decided.
    pub async fn tick(
        &mut self,
        object: &PredictiveAutoscaler,
        leadership: &watch::Receiver<Leadership>,
    ) -> Option<PredictiveAutoscaler> {
        if self.unread.rests(object) {
            return None;
        }
        let (now, jumps) = self.ctx.clock.look();
        self.leapt |= std::mem::replace(&mut self.jumps, jumps) != jumps;
        self.announced.look_up(&self.ctx, object, &self.namespace, now);
        if let Err(errors) = self.plan_for(object, now) {
            self.plan = None;
            self.say_invalid(object, &errors, leadership, now).await;
            return None;
        }
        let mut plan = self.plan.take()?;
        // On the heap: the future of a tick is too large for the stack of its caller.
        let newer = Box::pin(self.tick_plan(&mut plan, object, leadership, now)).await;
        self.plan = Some(plan);
        newer
    }

    async fn tick_plan(
        &mut self,
        plan: &mut Plan,
        object: &PredictiveAutoscaler,
        leadership: &watch::Receiver<Leadership>,
        now: Timestamp,
    ) -> Option<PredictiveAutoscaler> {
        let ctx = Arc::clone(&self.ctx);
        // A decision is dropped when it is older than the interval (F09): by this clock, which a stalled process has too.
        let (began, interval) = (Instant::now(), ctx.settings.interval);
        let reads_end = began + time_to_read(interval);
        self.recall(object);
        let Gathered { readings, notes, capacity } = self.gather(plan, (now, reads_end)).await;
        let lead = self.lead(plan, object);
        let obstacles = self.growth.obstacles(&ctx, &self.namespace, (self.capacities.rooms.clone(), now));
        let around = self.surroundings(plan, object, notes);
        let signals = self.known(&plan.signals, &readings, now);
        let forecast = report::forecasts(&plan.signals, &self.trust);
        let objective = report::objective(&plan.policy, &plan.signals, &self.trust, now);
        let known = (object, &plan.policy, plan.signals.as_slice());
        let first = (self.memory.is_none(), now, reads_end);
        let purse = Box::pin(budgets::purse(&ctx, known, first)).await;
        let mut acts = TickActs {
            name: &self.name,
            planned: object,
            newer: None,
            unread: None,
            policy: &plan.policy,
            target: &plan.target,
            api: Api::namespaced(ctx.client.clone(), &self.namespace),
            shared: &ctx,
            signals,
            events: &self.announced.windows,
            now,
            remembered: self.memory.as_ref(),
            fresh: !self.decided_before || self.leapt,
            trust: self.trust.clone(),
            older: ctx.older_rival(object),
            around,
            forecast,
            objective,
            decided: None,
            lead,
            purse,
            obstacles,
            price: self.price(plan),
            capacity,
            measured: self.growth.measured.clone(),
            workload: None,
            recorder: &self.recorder,
            logged: ctx.decisions.is_on(),
            seen: None,
        };
        let left = interval.to_std().saturating_sub(began.elapsed());
        let outcome = actuate(&mut acts, leadership, write_deadline(interval).min(left)).await;
        let (newer, unread) = (acts.newer.take(), acts.unread.take());
        let (decided, seen) = (acts.decided.take(), acts.seen.take());
        let purse = acts.purse.take();
        let workload = acts.workload.take();
        self.follow(plan, workload.as_ref(), (&readings, &outcome), now);
        self.settle(plan, (purse, &outcome), now);
        self.log(decided.as_ref().map(|(decision, ..)| decision), seen, outcome.label());
        self.conclude(plan, object, decided, &outcome);
        match &outcome {
            Outcome::Unread(error) => self.say_unread(unread.as_ref(), error, leadership, now).await,
            // The autoscaler was read, and then the time of the tick was up.
            Outcome::Late if unread.is_some() => {
                self.say_unread(unread.as_ref(), &ReadError::Late, leadership, now).await;
            }
            Outcome::NotLeading | Outcome::Changed | Outcome::Late => {}
            _ => self.was_read(),
        }
        checkpoint::keep(&ctx, (object, leadership), &mut self.saved_at, &plan.signals, now).await;
        newer
    }

    /// What conditions need besides the decision, as far as it is known before the target is read.
    fn surroundings(
        &self,
        plan: &Plan,
        object: &PredictiveAutoscaler,
        notes: Vec<(String, String)>,
    ) -> Surroundings {
        Surroundings {
            unable: self.unable.clone(),
            notes,
            trusted: report::trust_sentence(&plan.signals, &self.trust),
            has_calendars: !object.spec.calendar_refs.is_empty(),
            calendar_problem: self.announced.problem.clone(),
            asks_price: plan.price.is_some(),
            ..Surroundings::default()
        }
    }

    /// What the workload shows of itself at this tick.
    fn follow(
        &mut self,
        plan: &Plan,
        workload: Option<&Workload>,
        (readings, outcome): (&[Reading], &Outcome<ReadError>),
        now: Timestamp,
    ) {
        if let Some(workload) = workload {
            self.growth.follow(&self.ctx, &self.namespace, workload, now);
            self.capacities.learn(&plan.asks, &mut self.growth.measured, (workload, readings), now);
        }
        if let Outcome::Acted { to, .. } = *outcome {
            self.growth.note_write(now, to);
        }
    }

    /// Gives back what was reserved and did not land, and tells the budget what is to come.
    fn settle(
        &mut self,
        plan: &Plan,
        (purse, outcome): (Option<Purse>, &Outcome<ReadError>),
        now: Timestamp,
    ) {
        let Some(purse) = purse else { return };
        let landed = matches!(outcome, Outcome::Acted { written, .. } if written.may_have_landed());
        self.ctx.budgets.settle(&purse, landed);
        let known = (&plan.policy, plan.signals.as_slice(), &*self.announced.windows);
        self.foresight.look_ahead((&self.ctx, &purse), known, (&self.trust, now));
    }

    /// Each signal with its reading and what else is known of it.
    fn known<'a>(
        &self,
        signals: &'a [Signal],
        readings: &[Reading],
        now: Timestamp,
    ) -> Vec<(&'a Signal, Reading, Known)> {
        let tick = self.ctx.tick();
        let known = |(signal, &reading): (&'a Signal, &Reading)| {
            let TrustState { trusted, level, .. } =
                self.trust.get(signal.name()).copied().unwrap_or_default();
            let source_suspect = self.ctx.pool.is_suspect(&signal.query().source, tick, now);
            (signal, reading, Known { trusted, level, source_suspect })
        };
        signals.iter().zip(readings).map(known).collect()
    }

    /// Keeps what was seen at this tick for the decision log, and writes the line that is due.
    fn log(&mut self, decision: Option<&Decision>, seen: Option<(Glance, Option<Record>)>, outcome: &str) {
        let (Some(decision), Some((glance, record))) = (decision, seen) else { return };
        self.recorder.note(glance);
        if let Some(record) = record {
            self.recorder.write(&self.ctx.decisions, decision, outcome, record);
        }
    }

    /// After a restart: trust as it was stored.
    fn recall(&mut self, object: &PredictiveAutoscaler) {
        if self.decided_before || !self.trust.is_empty() {
            return;
        }
        if let Some(Memory { trust, measured, price, .. }) = status::memory_of(object) {
            self.trust = trust;
            self.growth.measured = measured;
            self.pricing.memory = price;
        }
    }

    /// What the status says of the price, and what is remembered of it.
    fn price(&self, plan: &Plan) -> (api::SpendStatus, Option<crate::policy::PriceMemory>) {
        let told =
            plan.policy.spend.as_ref().map(|rule| self.pricing.status(plan.price.as_ref(), &rule.price));
        (told.unwrap_or_default(), self.pricing.memory.clone())
    }

    /// The lead for this tick goes into the policy: as it is stated, or as it is measured.
    fn lead(&self, plan: &mut Plan, object: &PredictiveAutoscaler) -> api::LeadStatus {
        let lead = self.growth.lead(self.ctx.settings.interval);
        let stated = object.spec.forecast.lead_time.as_ref().map(|_| plan.policy.lead);
        plan.policy.lead = stated.unwrap_or_else(|| lead.total());
        lead_status(stated, &lead, self.growth.measured.starts.excluded)
    }

    fn conclude(
        &mut self,
        plan: &Plan,
        object: &PredictiveAutoscaler,
        decided: Option<(Decision, PredictiveAutoscalerStatus, Memory)>,
        outcome: &Outcome<ReadError>,
    ) {
        let ctx = Arc::clone(&self.ctx);
        ctx.metrics.wrote("target", outcome.label());
        self.unable = match outcome {
            Outcome::Unread(error) => {
                let (reason, message) = (error.reason(), report::chain(error));
                tracing::warn!(namespace = %self.namespace, name = %self.name, reason, message, "the target could not be read");
                None
            }
            Outcome::Acted { written, .. } => report::write_problem(written),
            Outcome::Superseded { .. }
            | Outcome::NotLeading
            | Outcome::Changed
            | Outcome::Late
            | Outcome::Contended => self.unable.take(),
            Outcome::Unchanged => None,
            Outcome::Unrecorded { message } => Some(("StatusNotWritten", message.clone())),
        };
        if let Some((reason, message)) = &self.unable {
            tracing::warn!(namespace = %self.namespace, name = %self.name, reason, message, "the target could not be handled");
        }
        let Some((decision, new_status, memory)) = decided else { return };
        self.decided_before = true;
        self.leapt = false;
        self.censored = decision.judged.iter().map(|judged| judged.censored).collect();
        ctx.metrics.decided(decision.bound_by().name(), plan.policy.mode.name());
        let summary = report::summary(&plan.signals);
        let known = (&memory, &self.trust, summary.as_ref());
        let labels = self.labels();
        ctx.metrics.show(&labels, &report::numbers(&plan.policy, &plan.signals, &decision, known));
        ctx.metrics.weigh(&labels, summary.as_ref());
        report::events(&ctx, object, &decision, &new_status, outcome);
        self.growth.measured.kept.clone_from(&memory.measured.kept);
        // A write that was refused leaves an open intent, which the next read of the target settles.
        self.memory = Some(memory);
    }

    fn labels(&self) -> AutoscalerLabels {
        AutoscalerLabels { namespace: self.namespace.clone(), name: self.name.clone() }
    }

    /// Forgets the autoscaler in metrics and Events, when it is gone.
    pub fn forget(&self) {
        self.ctx.metrics.forget(&self.labels());
        self.ctx.events.forget(&self.namespace, &self.name);
    }
}

#[cfg(test)]
mod tests;
