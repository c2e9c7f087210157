//! What is told of a spec that cannot be followed.

use std::time::Duration;

use kube::api::PostParams;
use kube::{Api, Resource as _};
use tokio::sync::watch;

use super::Worker;
use crate::api::{FieldError, PredictiveAutoscaler, PredictiveAutoscalerStatus};
use crate::edge::client::within;
use crate::operator::conditions::{Claim, merge};
use crate::operator::lease::Leadership;
use crate::telemetry::events::{ObjectEvent, Severity};
use crate::units::Timestamp;

impl Worker {
    /// `SpecValid=False` with every problem; the target is left alone.
    pub(super) async fn say_invalid(
        &self,
        object: &PredictiveAutoscaler,
        errors: &[FieldError],
        leadership: &watch::Receiver<Leadership>,
        now: Timestamp,
    ) {
        if !leadership.borrow().may_write(tokio::time::Instant::now()) {
            return;
        }
        let message = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        let old = object.status.clone().unwrap_or_default();
        let claims = [
            Claim::new("Ready", false, "InvalidSpec", message.clone()),
            Claim::new("SpecValid", false, "InvalidSpec", message.clone()),
        ];
        let generation = object.metadata.generation;
        let conditions = merge(&old.conditions, &claims, now, generation);
        let same = old.observed_generation == generation
            && conditions.iter().all(|new| {
                old.conditions.iter().any(|one| {
                    one.type_ == new.type_ && one.message == new.message && one.status == new.status
                })
            });
        if same {
            return;
        }
        let mut changed = object.clone();
        changed.metadata.managed_fields = None;
        changed.status =
            Some(PredictiveAutoscalerStatus { conditions, observed_generation: generation, ..old });
        let api: Api<PredictiveAutoscaler> = Api::namespaced(self.ctx.client.clone(), &self.namespace);
        let params = PostParams::default();
        let call = within(Duration::from_secs(5), api.replace_status(&self.name, &params, &changed));
        if let Err(error) = call.await {
            tracing::warn!(namespace = %self.namespace, name = %self.name, %error, "the status could not be written");
        }
        ObjectEvent {
            regarding: object.object_ref(&()),
            severity: Severity::Warning,
            reason: "InvalidSpec",
            action: "Check",
            note: message,
        }
        .emit(&self.ctx.events);
    }
}
