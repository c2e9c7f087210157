//! What is told where nothing can be decided: of a spec that cannot be followed, and of a target that cannot be read.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::PostParams;
use kube::{Api, Resource as _};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Worker;
use crate::api::{FieldError, PredictiveAutoscaler, PredictiveAutoscalerStatus};
use crate::edge::client::within;
use crate::operator::acts::ReadError;
use crate::operator::conditions::{Claim, merge, told};
use crate::operator::lease::Leadership;
use crate::operator::pace::{Backoff, Urgency};
use crate::operator::report;
use crate::telemetry::events::{ObjectEvent, Severity};
use crate::units::Timestamp;

/// One write.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);

/// How long a target could not be read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unread {
    /// Ticks in a row.
    n_ticks: u32,
    backoff: Backoff,
    /// Not before then, and for this generation of the spec.
    rests: Option<(Instant, Option<i64>)>,
}

impl Unread {
    /// Whether the target of this spec is left alone, because it takes a human.
    pub(super) fn rests(&self, object: &PredictiveAutoscaler) -> bool {
        self.rests.is_some_and(|(until, generation)| {
            generation == object.metadata.generation && Instant::now() < until
        })
    }
}

impl Worker {
    /// `SpecValid=False` with every problem; the target is left alone.
    pub(super) async fn say_invalid(
        &self,
        object: &PredictiveAutoscaler,
        errors: &[FieldError],
        leadership: &watch::Receiver<Leadership>,
        now: Timestamp,
    ) {
        let message = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        let claims = [
            Claim::new("Ready", false, "InvalidSpec", message.clone()),
            Claim::new("SpecValid", false, "InvalidSpec", message.clone()),
        ];
        let old = object.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        let conditions = merge(old, &claims, now, object.metadata.generation);
        let same = conditions.iter().all(|new| {
            old.iter()
                .any(|one| one.type_ == new.type_ && one.message == new.message && one.status == new.status)
        });
        let event = ("InvalidSpec", "Check", message);
        self.say(object, (conditions, same), event, leadership).await;
    }

    /// `AbleToScale=False` with what went wrong, at once where that takes a human, and at the second tick in a row where
    /// it may pass. The other conditions stay as the last decision left them.
    pub(super) async fn say_unread(
        &mut self,
        object: Option<&PredictiveAutoscaler>,
        error: &ReadError,
        leadership: &watch::Receiver<Leadership>,
        now: Timestamp,
    ) {
        self.unread.n_ticks = self.unread.n_ticks.saturating_add(1);
        let Some(object) = object else { return };
        if error.is_permanent() {
            let generation = object.metadata.generation;
            if self.unread.rests.is_some_and(|(_, of)| of != generation) {
                self.unread.backoff = Backoff::default();
            }
            let interval = self.ctx.settings.interval;
            let wait = self.unread.backoff.after(interval).to_std();
            // Ticks do not come to the millisecond.
            let wait = wait.saturating_sub(interval.to_std() / 2);
            self.unread.rests = Some((Instant::now() + wait, generation));
        } else if self.unread.n_ticks < 2 {
            return;
        }
        let message = report::chain(error);
        let claims = [
            Claim::new("Ready", false, error.reason(), message.clone()),
            Claim::new("AbleToScale", false, error.reason(), message.clone()),
        ];
        let old = object.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        let mut conditions = merge(old, &claims, now, object.metadata.generation);
        let others = old.iter().filter(|one| claims.iter().all(|claim| claim.kind != one.type_));
        conditions.extend(others.cloned());
        let stands = told(old);
        let same = told(&conditions).iter().all(|one| stands.contains(one));
        self.say(object, (conditions, same), ("UnableToScale", "Read", message), leadership).await;
    }

    /// The target could be read.
    pub(super) fn was_read(&mut self) {
        self.unread = Unread::default();
    }

    /// Writes `conditions` and tells the Event, unless they are the `same` as those that stand.
    async fn say(
        &self,
        object: &PredictiveAutoscaler,
        (conditions, same): (Vec<Condition>, bool),
        (reason, action, note): (&'static str, &'static str, String),
        leadership: &watch::Receiver<Leadership>,
    ) {
        let old = object.status.clone().unwrap_or_default();
        let generation = object.metadata.generation;
        let stands = same && old.observed_generation == generation;
        if stands
            || !leadership.borrow().may_write(Instant::now())
            || !self.ctx.may_record(Urgency::Condition)
        {
            return;
        }
        let mut changed = object.clone();
        changed.metadata.managed_fields = None;
        changed.status =
            Some(PredictiveAutoscalerStatus { conditions, observed_generation: generation, ..old });
        let api: Api<PredictiveAutoscaler> = Api::namespaced(self.ctx.client.clone(), &self.namespace);
        let params = PostParams::default();
        let call = within(WRITE_DEADLINE, api.replace_status(&self.name, &params, &changed));
        if let Err(error) = call.await {
            tracing::warn!(namespace = %self.namespace, name = %self.name, %error, "the status could not be written");
            return;
        }
        let regarding = object.object_ref(&());
        ObjectEvent { regarding, severity: Severity::Warning, reason, action, note }.emit(&self.ctx.events);
    }
}
