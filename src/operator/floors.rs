//! The finalizer of autoscalers that move an HPA's floor: the HPA's own minimum is given back before they go.

use std::time::Duration;

use kube::core::{ApiResource, DynamicObject};
use kube::{Api, ResourceExt as _};
use tokio::sync::watch;
use tokio::time::Instant;

use super::actuate::hpa::floor_of;
use super::actuate::rivals::rival_of;
use super::actuate::scale::Written;
use super::actuate::{ScaleTarget, finalizer};
use super::context::Context;
use super::lease::Leadership;
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

/// Whether it may have raised the floor of an HPA.
pub fn is_held(object: &PredictiveAutoscaler) -> bool {
    object.finalizers().iter().any(|name| name == finalizer::RESTORE_FLOOR)
}

/// Makes sure that the finalizer is held where a floor may be moved, and not elsewhere. `false` when a floor must not
/// be moved yet.
pub async fn claim(
    ctx: &Context,
    object: &PredictiveAutoscaler,
    leadership: &watch::Receiver<Leadership>,
) -> bool {
    let wanted = moves_a_floor(object);
    let held = is_held(object);
    if wanted == held {
        return true;
    }
    if !wanted {
        // It moved a floor before: give it back, then let go.
        give_back(ctx, object, leadership).await;
        return true;
    }
    let Some((api, read)) = dynamic(ctx, object).await else { return false };
    if !leads(leadership) {
        return false;
    }
    match finalizer::add(&api, &read, WRITE_DEADLINE).await {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(name = object.name_any(), %error, "the finalizer could not be set, so the floor is not moved: see the operator's permissions");
            false
        }
    }
}

/// Puts the HPA's own minimum back and lets the autoscaler go; after 60 s it goes in any case.
pub async fn give_back(
    ctx: &Context,
    object: &PredictiveAutoscaler,
    leadership: &watch::Receiver<Leadership>,
) {
    if !is_held(object) {
        return;
    }
    let restored = sweep(ctx, object, leadership).await;
    let now = ctx.clock.now();
    let deleted = object.metadata.deletion_timestamp.as_ref().map(|at| from_jiff(at.0));
    if !restored && !deleted.is_some_and(|at| finalizer::is_overdue(at, now)) {
        return;
    }
    let Some((api, read)) = dynamic(ctx, object).await else { return };
    if !leads(leadership) {
        return;
    }
    if let Err(error) = finalizer::remove(&api, &read, WRITE_DEADLINE).await {
        tracing::warn!(name = object.name_any(), %error, "the finalizer could not be removed yet");
    }
}

/// Puts the own minimum of every HPA of the namespace back that was raised and that no autoscaler moves any more: that of
/// `object` when it goes or was told otherwise, and one that it named before. `false` when that did not come to its end.
pub async fn sweep(
    ctx: &Context,
    object: &PredictiveAutoscaler,
    leadership: &watch::Receiver<Leadership>,
) -> bool {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let hpas = match ctx.targets.hpas_in(&namespace).await {
        Ok(hpas) => hpas,
        Err(error) => {
            tracing::warn!(name, %error, "the HPA's floor could not be given back yet");
            return false;
        }
    };
    // The cache may have another spec of the object than the one that is followed.
    let others = ctx
        .all()
        .into_iter()
        .filter(|one| one.namespace().as_deref() == Some(namespace.as_str()) && one.name_any() != name);
    let all: Vec<_> = others.chain([std::sync::Arc::new(object.clone())]).collect();
    let mut complete = true;
    for hpa in hpas {
        let floor = floor_of(&hpa);
        let is_moved = |one: &PredictiveAutoscaler| {
            let target = ScaleTarget::named(&one.spec.scale_target_ref, &namespace);
            moves_a_floor(one) && rival_of(&target, hpa.clone()).is_some()
        };
        if !floor.annotated || all.iter().any(|one| is_moved(one)) {
            continue;
        }
        if !leads(leadership) {
            return false;
        }
        match ctx.targets.restore_floor(&floor, WRITE_DEADLINE).await {
            None | Some(Written::Written { .. }) => {
                tracing::info!(name, hpa = floor.name, min = %floor.original, "the HPA has its own minReplicas again");
            }
            Some(written) => {
                tracing::warn!(
                    name,
                    hpa = floor.name,
                    result = written.label(),
                    "the HPA's floor could not be given back yet"
                );
                complete = false;
            }
        }
    }
    complete
}

/// Whether a write may begin now: reads before it may have taken long.
fn leads(leadership: &watch::Receiver<Leadership>) -> bool {
    leadership.borrow().may_write(Instant::now())
}

/// Whether it may raise the floor of an HPA.
fn moves_a_floor(object: &PredictiveAutoscaler) -> bool {
    object.spec.actuation.via == ActuationVia::HorizontalPodAutoscalerFloor
        && object.spec.mode != Mode::DryRun
        && object.metadata.deletion_timestamp.is_none()
}

#[cfg(test)]
mod tests;
