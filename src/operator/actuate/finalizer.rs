//! The finalizer that keeps an autoscaler until the floor it raised is put back.

use std::time::Duration;

use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::core::DynamicObject;
use serde_json::json;

use super::FIELD_MANAGER;
use crate::edge::client::{CallError, within};
use crate::units::{Span, Timestamp};

/// Kept on an autoscaler while it may have raised the floor of an HPA.
pub const RESTORE_FLOOR: &str = "foresail.dev/restore-floor";

/// How long a deletion waits for the restoration (DESIGN 11): a namespace must not hang because an HPA cannot be
/// written.
pub const GIVE_UP_AFTER: Span = Span::from_seconds(60);

/// Whether a deletion at `deleted_at` has waited long enough for the finalizer to be dropped unrestored.
pub fn is_overdue(deleted_at: Timestamp, now: Timestamp) -> bool {
    now.since(deleted_at) >= GIVE_UP_AFTER
}

/// Whether the object carries the finalizer.
pub fn is_held(object: &DynamicObject) -> bool {
    object.metadata.finalizers.as_deref().unwrap_or_default().iter().any(|name| name == RESTORE_FLOOR)
}

/// Adds the finalizer; nothing is written when it is there or the object is being deleted.
///
/// # Errors
/// What the write failed with; a conflict means that the object changed since it was read.
pub async fn add(
    api: &Api<DynamicObject>,
    object: &DynamicObject,
    deadline: Duration,
) -> Result<(), CallError> {
    if is_held(object) || object.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let mut names = object.metadata.finalizers.clone().unwrap_or_default();
    names.push(RESTORE_FLOOR.to_owned());
    write(api, object, names, deadline).await
}

/// Removes the finalizer; the others stay. An object that is gone is no error.
///
/// # Errors
/// What the write failed with; a conflict means that the object changed since it was read.
pub async fn remove(
    api: &Api<DynamicObject>,
    object: &DynamicObject,
    deadline: Duration,
) -> Result<(), CallError> {
    if !is_held(object) {
        return Ok(());
    }
    let mut names = object.metadata.finalizers.clone().unwrap_or_default();
    names.retain(|name| name != RESTORE_FLOOR);
    match write(api, object, names, deadline).await {
        Err(error) if error.is_not_found() => Ok(()),
        outcome => outcome,
    }
}

async fn write(
    api: &Api<DynamicObject>,
    object: &DynamicObject,
    finalizers: Vec<String>,
    deadline: Duration,
) -> Result<(), CallError> {
    let version = &object.metadata.resource_version;
    let patch = json!({"metadata": {"resourceVersion": version, "finalizers": finalizers}});
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let name = object.metadata.name.as_deref().unwrap_or_default();
    within(deadline, api.patch(name, &params, &Patch::Merge(&patch))).await.map(|_| ())
}
