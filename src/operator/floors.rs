//! The finalizer of autoscalers that move an HPA's floor: the HPA's own minimum is given back before they go.

use std::time::Duration;

use kube::core::{ApiResource, DynamicObject};
use kube::{Api, ResourceExt as _};

use super::actuate::hpa::floor_among;
use super::actuate::{ScaleTarget, finalizer};
use super::context::Context;
use crate::api::{ActuationVia, Mode, PredictiveAutoscaler};
use crate::edge::client::{READ_DEADLINE, within};
use crate::edge::clock::from_jiff;

/// One write of the finalizer or the floor.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);

async fn dynamic(
    ctx: &Context,
    object: &PredictiveAutoscaler,
) -> Option<(Api<DynamicObject>, DynamicObject)> {
    let namespace = object.namespace().unwrap_or_default();
    let resource = ApiResource::erase::<PredictiveAutoscaler>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(ctx.client.clone(), &namespace, &resource);
    let read = within(READ_DEADLINE, api.get(&object.name_any())).await.ok()?;
    Some((api, read))
}

/// Makes sure that the finalizer is held where a floor may be moved, and not elsewhere. `false` when a floor must not
/// be moved yet.
pub async fn claim(ctx: &Context, object: &PredictiveAutoscaler) -> bool {
    let wanted = object.spec.actuation.via == ActuationVia::HorizontalPodAutoscalerFloor
        && object.spec.mode != Mode::DryRun;
    let held = object.finalizers().iter().any(|name| name == finalizer::RESTORE_FLOOR);
    if wanted == held {
        return true;
    }
    if !wanted {
        // It moved a floor before: give it back, then let go.
        give_back(ctx, object).await;
        return true;
    }
    let Some((api, read)) = dynamic(ctx, object).await else { return false };
    match finalizer::add(&api, &read, WRITE_DEADLINE).await {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(name = object.name_any(), %error, "the finalizer could not be set, so the floor is not moved: bind foresail-enforce in this namespace");
            false
        }
    }
}

/// Puts the HPA's own minimum back and lets the autoscaler go; after 60 s it goes in any case.
pub async fn give_back(ctx: &Context, object: &PredictiveAutoscaler) {
    if !object.finalizers().iter().any(|name| name == finalizer::RESTORE_FLOOR) {
        return;
    }
    let target = ScaleTarget::named(&object.spec.scale_target_ref, &object.namespace().unwrap_or_default());
    let restored = match ctx.targets.hpas_targeting(&target).await {
        Ok(rivals) => match floor_among(&rivals) {
            Ok(floor) => !matches!(
                ctx.targets.restore_floor(&floor, WRITE_DEADLINE).await,
                Some(written) if written.label() != "written"
            ),
            // No HPA of ours to restore.
            Err(_) => true,
        },
        Err(error) => {
            tracing::warn!(name = object.name_any(), %error, "the HPA's floor could not be given back yet");
            false
        }
    };
    let now = ctx.clock.now();
    let deleted = object.metadata.deletion_timestamp.as_ref().map(|at| from_jiff(at.0));
    if !restored && !deleted.is_some_and(|at| finalizer::is_overdue(at, now)) {
        return;
    }
    let Some((api, read)) = dynamic(ctx, object).await else { return };
    if let Err(error) = finalizer::remove(&api, &read, WRITE_DEADLINE).await {
        tracing::warn!(name = object.name_any(), %error, "the finalizer could not be removed yet");
    }
}
