//! One autoscaler: gather, tick, effect, every interval.

mod invalid;

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::Api;
use tokio::sync::watch;

use super::acts::{ReadError, TickActs};
use super::actuate::ScaleTarget;
use super::announced::Announced;
use super::budgets::{self, Foresight, Purse};
use super::checkpoint;
use super::context::Context;
use super::growth::{Growth, lead_status};
use super::lease::Leadership;
use super::pricing::{Asked, Pricing};
use super::protocol::{Outcome, actuate};
use super::recorder::Recorder;
use super::report;
use super::signal::{Known, Moment, Signal};
use super::sources;
use super::status::{self, Surroundings};
use crate::api::{
    self, FieldError, MetricQuery, MetricSource, PredictiveAutoscaler, PredictiveAutoscalerStatus,
};
use crate::decide::{Decision, Reading};
use crate::edge::client::write_deadline;
use crate::engine::Memory;
use crate::forecast::TrustState;
use crate::journal::{Glance, Record};
use crate::policy::{CapacityRule, Policy};
use crate::telemetry::metrics::AutoscalerLabels;
use crate::units::{CapacityPerReplica, Span, Timestamp};

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
    decided_before: bool,
    saved_at: Option<Timestamp>,
    recorder: Recorder,
    growth: Growth,
    foresight: Foresight,
    pricing: Pricing,
}

/// What follows from one generation of the spec and its source.
struct Plan {
    fingerprint: (i64, Vec<Option<String>>, u64),
    policy: Policy,
    target: ScaleTarget,
    signals: Vec<Signal>,
    /// Where the price is asked for.
    price: Option<Asked>,
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
            decided_before: false,
            saved_at: None,
            recorder: Recorder::default(),
            growth: Growth::default(),
            foresight: Foresight::default(),
            pricing: Pricing::default(),
        }
    }

    /// One tick on the object as the watch cache has it.
    pub async fn tick(&mut self, object: &PredictiveAutoscaler, leadership: &watch::Receiver<Leadership>) {
        let now = self.ctx.clock.now();
        self.announced.look_up(&self.ctx, object, &self.namespace, now);
        if let Err(errors) = self.plan_for(object, now) {
            self.plan = None;
            self.say_invalid(object, &errors, leadership, now).await;
            return;
        }
        let Some(mut plan) = self.plan.take() else { return };
        // On the heap: the future of a tick is too large for the stack of its caller.
        Box::pin(self.tick_plan(&mut plan, object, leadership, now)).await;
        self.plan = Some(plan);
    }

    /// Makes the plan of this generation unless it stands already.
    fn plan_for(&mut self, object: &PredictiveAutoscaler, now: Timestamp) -> Result<(), Vec<FieldError>> {
        let asked = api::metric_queries(&object.spec, &self.namespace);
        let sources: Vec<_> = asked.iter().map(|query| self.ctx.source(&query.source)).collect();
        let price = api::price_query(&object.spec);
        let price_source = price.as_ref().and_then(|(query, _)| self.ctx.source(&query.source));
        let all = sources.iter().chain([&price_source]);
        let versions = all.map(|source| source.as_deref().map(sources::version)).collect();
        let fingerprint = (object.metadata.generation.unwrap_or_default(), versions, self.announced.round);
        let windows = &self.announced.windows;
        if self.plan.as_ref().is_some_and(|plan| plan.fingerprint == fingerprint) {
            return Ok(());
        }
        let policy = api::policy(&object.spec)?;
        let price =
            self.asked_price(object, (price, price_source.as_deref())).map_err(|error| vec![error])?;
        let mut old: Vec<Signal> = self.plan.take().map(|plan| plan.signals).unwrap_or_default();
        let mut signals = Vec::new();
        let key = format!("{}/{}", self.namespace, self.name);
        for (i, (rule, (question, source))) in
            policy.metrics.iter().zip(asked.into_iter().zip(&sources)).enumerate()
        {
            let preset = object.spec.metrics.get(i).map(|metric| metric.kind);
            let preset = preset.filter(|_| rule.capacity == CapacityRule::PodRequests);
            let query = sources::question(question, source.as_deref(), &self.namespace, preset);
            let query = query.map_err(|error| {
                let path = format!("spec.metrics[{i}].query");
                vec![FieldError::new(path, error.problem, error.remedy)]
            })?;
            // A metric whose question did not change keeps what it has learned.
            let same = old.iter().position(|signal| {
                *signal.query() == query && signal.learns_as(&policy, rule) && signal.takes_out(windows, now)
            });
            let mut signal = match same {
                Some(idx) => old.swap_remove(idx),
                None => Signal::new(&key, &policy, (rule, query), windows),
            };
            signal.announce(windows);
            signals.push(signal);
        }
        let reference = &object.spec.scale_target_ref;
        let target = ScaleTarget {
            api_version: reference.api_version.clone(),
            kind: reference.kind.clone(),
            plural: None,
            namespace: self.namespace.clone(),
            name: reference.name.clone(),
        };
        self.plan = Some(Plan { fingerprint, policy, target, signals, price });
        Ok(())
    }

    /// Where the price is asked for.
    fn asked_price(
        &self,
        object: &PredictiveAutoscaler,
        (query, source): (Option<(MetricQuery, Span)>, Option<&MetricSource>),
    ) -> Result<Option<Asked>, FieldError> {
        let query = query.map(|(query, max_age)| {
            let question = sources::question(query, source, &self.namespace, None);
            question
                .map(|question| (question, max_age))
                .map_err(|error| FieldError::new("spec.spend.priceQuery.query", error.problem, error.remedy))
        });
        Asked::of(&object.spec, query.transpose()?, self.ctx.settings.price_book.as_deref())
    }

    async fn tick_plan(
        &mut self,
        plan: &mut Plan,
        object: &PredictiveAutoscaler,
        leadership: &watch::Receiver<Leadership>,
        now: Timestamp,
    ) {
        let ctx = Arc::clone(&self.ctx);
        self.recall(object);
        self.know_requests(plan).await;
        self.pricing.look(&ctx, (plan.price.as_ref(), &plan.target), &mut plan.policy, now).await;
        let Gathered { readings, notes } = self.gather(plan, now).await;
        self.growth.note_ages(&readings, now);
        let lead = self.lead(plan, object);
        let obstacles = self.growth.obstacles(&ctx, &self.namespace, now);
        let around = Surroundings {
            unable: self.unable.clone(),
            conflict: None,
            notes,
            trusted: report::trust_sentence(&plan.signals, &self.trust),
            has_calendars: !object.spec.calendar_refs.is_empty(),
            calendar_problem: self.announced.problem.clone(),
            ignored: Vec::new(),
            asks_price: plan.price.is_some(),
            ..Surroundings::default()
        };
        let signals = self.known(&plan.signals, readings, now);
        let forecast = report::forecasts(&plan.signals, &self.trust);
        let objective = report::objective(&plan.policy, &plan.signals, &self.trust, now);
        let known = (object, &plan.policy, plan.signals.as_slice());
        let purse = Box::pin(budgets::purse(&ctx, known, (self.memory.is_none(), now))).await;
        let mut acts = TickActs {
            name: &self.name,
            policy: &plan.policy,
            target: &plan.target,
            api: Api::namespaced(ctx.client.clone(), &self.namespace),
            targets: &ctx.targets,
            signals,
            events: &self.announced.windows,
            now,
            remembered: self.memory.as_ref(),
            fresh: !self.decided_before,
            trust: self.trust.clone(),
            older: ctx.older_rival(object),
            around,
            forecast,
            objective,
            decided: None,
            lead,
            purse: purse.map(|purse| (&*ctx, purse)),
            obstacles,
            price: self.price(plan),
            measured: self.growth.measured.clone(),
            workload: None,
            recorder: &self.recorder,
            logged: ctx.decisions.is_on(),
            seen: None,
        };
        let outcome = actuate(&mut acts, leadership, write_deadline(ctx.settings.interval)).await;
        let (decided, seen) = (acts.decided.take(), acts.seen.take());
        let purse = acts.purse.take().map(|(_, purse)| purse);
        if let Some(workload) = acts.workload.take() {
            self.growth.follow(&ctx, &self.namespace, &workload, now);
        }
        if let Outcome::Acted { to, .. } = outcome {
            self.growth.note_write(now, to);
        }
        self.settle(plan, (purse, &outcome), now);
        self.log(decided.as_ref().map(|(decision, ..)| decision), seen, outcome.label());
        self.conclude(plan, object, decided, &outcome);
        checkpoint::keep(&ctx, object, &mut self.saved_at, &plan.signals, now).await;
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
        readings: Vec<Reading>,
        now: Timestamp,
    ) -> Vec<(&'a Signal, Reading, Known)> {
        let tick = self.ctx.tick();
        let known = |(signal, reading): (&'a Signal, Reading)| {
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

    /// The requests of the target's pods, where a preset needs them.
    async fn know_requests(&mut self, plan: &mut Plan) {
        if plan.signals.iter().all(|signal| signal.query().request.is_none()) {
            return;
        }
        let Ok(object) = self.ctx.targets.object(&plan.target).await else { return };
        for signal in &mut plan.signals {
            if let Some(resource) = signal.query().request {
                signal.requested =
                    report::pod_requests(&object.data, resource).and_then(CapacityPerReplica::new);
            }
        }
    }

    async fn gather(&mut self, plan: &mut Plan, now: Timestamp) -> Gathered {
        let ctx = Arc::clone(&self.ctx);
        let moment = Moment { now, tick: ctx.tick(), pool: &ctx.pool };
        let mut gathered = Gathered { readings: Vec::new(), notes: Vec::new() };
        self.censored.resize(plan.signals.len(), false);
        for (signal, censored) in plan.signals.iter_mut().zip(&self.censored) {
            if let Some(note) = &signal.query().refused {
                gathered.readings.push(Reading::Absent(crate::decide::Absence::SourceNotAllowed));
                gathered.notes.push((signal.name().to_owned(), note.clone()));
                continue;
            }
            let trust = self.trust.entry(signal.name().to_owned()).or_default();
            signal.keep(&plan.policy, moment, trust, *censored).await;
            if signal.needs_checkpoint() {
                checkpoint::restore(&ctx, &self.namespace, &self.name, signal, now).await;
            }
            let answer = signal.read(moment).await;
            ctx.metrics.read_source(match answer.reading {
                Reading::Value { .. } => "value",
                Reading::Absent(absence) => status::absence_reason(absence),
            });
            gathered.readings.push(answer.reading);
            if let Some(note) = answer.note {
                gathered.notes.push((signal.name().to_owned(), note));
            }
        }
        gathered
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
            Outcome::Unread(error) => Some((error.reason(), report::chain(error))),
            Outcome::Acted { written, .. } => report::write_problem(written),
            Outcome::Superseded { .. } | Outcome::NotLeading | Outcome::Late | Outcome::Contended => {
                self.unable.take()
            }
            Outcome::Unchanged => None,
            Outcome::Unrecorded { message } => Some(("StatusNotWritten", message.clone())),
        };
        if let Some((reason, message)) = &self.unable {
            tracing::warn!(namespace = %self.namespace, name = %self.name, reason, message, "the target could not be handled");
        }
        let Some((decision, new_status, memory)) = decided else { return };
        self.decided_before = true;
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

struct Gathered {
    readings: Vec<Reading>,
    notes: Vec<(String, String)>,
}

#[cfg(test)]
mod tests;
