//! What is read before a decision: everything at once, and within a share of the interval, so that a source that does not
//! answer makes no tick late.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, timeout_at};

use super::Worker;
use super::planning::Plan;
use crate::api;
use crate::decide::Reading;
use crate::operator::actuate::ScaleTarget;
use crate::operator::capacities::{self, Capacities};
use crate::operator::checkpoint;
use crate::operator::context::Context;
use crate::operator::report;
use crate::operator::signal::{Moment, Signal};
use crate::operator::status;
use crate::units::{CapacityPerReplica, Span, Timestamp};

/// What was read.
pub(super) struct Gathered {
    pub(super) readings: Vec<Reading>,
    pub(super) notes: Vec<(String, String)>,
    /// The capacity part of the status.
    pub(super) capacity: Vec<api::CapacityStatus>,
}

/// How long reading may take: two thirds of the interval. The rest is for deciding and writing, which at the usual
/// interval of 15 s has the 5 s that a write may take.
pub(super) fn time_to_read(interval: Span) -> Duration {
    interval.to_std() * 2 / 3
}

impl Worker {
    /// Reads demand, prices, capacities and requests until `until`, and brings forecasts up to date.
    pub(super) async fn gather(&mut self, plan: &mut Plan, (now, until): (Timestamp, Instant)) -> Gathered {
        let ctx = Arc::clone(&self.ctx);
        let moment = Moment { now, tick: ctx.tick(), pool: &ctx.pool, fits: &ctx.fits, until };
        for signal in &mut plan.signals {
            signal.load(&plan.policy, moment).await;
        }
        let Plan { policy, signals, target, price, asks, .. } = &mut *plan;
        let last = &self.growth.measured.limits;
        let (looks, found, priced, answered) = tokio::join!(
            join_all(signals.iter().map(|signal| signal.look(moment))),
            requests(&ctx, target, (signals, until)),
            self.pricing.ask(&ctx, (price.as_ref(), target), policy, (now, until)),
            self.capacities.ask(&ctx, asks, last, (policy.step, now, until)),
        );
        for (signal, found) in signals.iter_mut().zip(found) {
            signal.found = found;
        }
        self.pricing.take((price.as_ref(), priced), policy, now);
        let capacity = self.know_capacities(plan, answered, now);
        let mut gathered = Gathered { readings: Vec::new(), notes: Vec::new(), capacity };
        self.censored.resize(plan.signals.len(), false);
        for ((signal, censored), look) in plan.signals.iter_mut().zip(&self.censored).zip(&looks) {
            signal.keep(look, &plan.policy, (moment, *censored));
            if signal.needs_checkpoint() {
                let restored = checkpoint::restore(&ctx, &self.namespace, &self.name, signal, now);
                timeout_at(until, restored).await.ok();
            }
            let answer = &look.answer;
            ctx.metrics.read_source(match answer.reading {
                Reading::Value { .. } => "value",
                Reading::Absent(absence) => status::absence_reason(absence),
            });
            gathered.readings.push(answer.reading);
            gathered.notes.extend(answer.note.clone().map(|note| (signal.name().to_owned(), note)));
        }
        for signal in &mut plan.signals {
            let trust = self.trust.entry(signal.name().to_owned()).or_default();
            signal.settle(moment, trust).await;
        }
        gathered.notes.extend(self.capacities.notes(&plan.asks, (&plan.policy, &self.growth.measured), now));
        self.growth.note_ages(&gathered.readings, now);
        gathered
    }

    /// What is learned of capacities goes into the plan of this tick; the capacity part of the status.
    fn know_capacities(
        &mut self,
        plan: &mut Plan,
        answered: Option<capacities::Answered>,
        now: Timestamp,
    ) -> Vec<api::CapacityStatus> {
        let measured = &mut self.growth.measured;
        self.capacities.take(answered);
        measured.limits = self.capacities.limits();
        Capacities::apply(&plan.asks, measured, (&mut plan.policy, &mut plan.signals));
        self.capacities.status(&plan.asks, (&plan.policy, measured), now)
    }
}

/// The capacity of each signal, where a preset takes it from the requests of the target's pods: as it was while the
/// target cannot be read.
async fn requests(
    ctx: &Context,
    target: &ScaleTarget,
    (signals, until): (&[Signal], Instant),
) -> Vec<Option<CapacityPerReplica>> {
    let asks = signals.iter().any(|signal| signal.query().request.is_some());
    let read = async { timeout_at(until, ctx.targets.object(target)).await.ok()?.ok() };
    let object = if asks { read.await } else { None };
    let found = |signal: &Signal| match (signal.query().request, &object) {
        (Some(resource), Some(object)) => {
            report::pod_requests(&object.data, resource).and_then(CapacityPerReplica::new)
        }
        _ => signal.found,
    };
    signals.iter().map(found).collect()
}
