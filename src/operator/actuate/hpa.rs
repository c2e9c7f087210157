//! The floor of an HPA: Foresail moves only `minReplicas`, and the HPA goes on if Foresail dies.
//!
//! The HPA's own minimum is kept in an annotation while it is moved, together with the value we wrote last, so that
//! somebody else's edit is told from ours and becomes the new original.

use std::time::Duration;

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::rivals::Rival;
use super::scale::Written;
use super::{FIELD_MANAGER, Targets};
use crate::edge::client::{CallError, READ_DEADLINE, within};
use crate::engine::HpaFloor;
use crate::units::Replicas;

/// Holds the HPA's own `minReplicas` while Foresail has moved it.
pub const ORIGINAL_ANNOTATION: &str = "foresail.dev/original-min-replicas";

/// Holds the `minReplicas` that Foresail wrote last.
pub const WRITTEN_ANNOTATION: &str = "foresail.dev/written-min-replicas";

/// Why an HPA's floor cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoFloor {
    /// KEDA owns it and would undo each write.
    #[error("the HorizontalPodAutoscaler `{hpa}` belongs to KEDA (`{owner}`), which would undo every change")]
    KedaOwned {
        /// The HPA.
        hpa: String,
        /// The `ScaledObject`, empty when unknown.
        owner: String,
    },
    /// No HPA scales the object.
    #[error("no HorizontalPodAutoscaler scales the target: create one, or actuate via Scale")]
    Missing,
    /// Several HPAs scale the object.
    #[error("{0} HorizontalPodAutoscalers scale the target: keep one")]
    Ambiguous(usize),
}

/// The floor of one HPA as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Floor {
    /// The HPA's namespace.
    pub namespace: String,
    /// The HPA's name.
    pub name: String,
    /// `minReplicas` as it stands.
    pub asked: Replicas,
    /// The HPA's own minimum, before anything was raised.
    pub original: Replicas,
    /// `maxReplicas`.
    pub max: Replicas,
    /// Whether the HPA carries our annotations.
    pub annotated: bool,
    /// The version it was read at.
    pub resource_version: String,
}

impl Floor {
    /// What the core is told of it.
    pub const fn observed(&self) -> HpaFloor {
        HpaFloor { original: self.original, max: self.max }
    }
}

/// The one HPA whose floor may be moved, out of those that scale the target.
///
/// # Errors
/// [`NoFloor`] when there is none, more than one, or KEDA owns it.
pub fn floor_among(rivals: &[Rival]) -> Result<Floor, NoFloor> {
    match rivals {
        [] => Err(NoFloor::Missing),
        [Rival { hpa, keda: None }] => Ok(floor_of(hpa)),
        [rival @ Rival { keda: Some(owner), .. }] => {
            Err(NoFloor::KedaOwned { hpa: rival.name().to_owned(), owner: owner.clone() })
        }
        several => Err(NoFloor::Ambiguous(several.len())),
    }
}

/// The floor of an HPA. Its own minimum is what the annotation keeps as long as `minReplicas` is what we wrote; a
/// different value is somebody's edit and the new original.
pub fn floor_of(hpa: &HorizontalPodAutoscaler) -> Floor {
    let metadata = &hpa.metadata;
    let count = |n: i32| Replicas::new(u32::try_from(n).unwrap_or(0));
    let spec = hpa.spec.as_ref();
    // The API's default; the server fills it in, an older one or a test may not.
    let asked = spec.and_then(|spec| spec.min_replicas).map_or(Replicas::ONE, count);
    let max = spec.map_or(asked, |spec| count(spec.max_replicas));
    let note = |key: &str| {
        let text = metadata.annotations.as_ref()?.get(key)?;
        text.parse::<u32>().ok().map(Replicas::new)
    };
    let kept = note(ORIGINAL_ANNOTATION);
    // Without the second note (removed by hand), `minReplicas` is believed to be ours: the kept original survives.
    let ours = note(WRITTEN_ANNOTATION).is_none_or(|written| written == asked);
    let original = kept.filter(|original| ours && *original <= max).unwrap_or(asked);
    let has = |key: &str| metadata.annotations.as_ref().is_some_and(|notes| notes.contains_key(key));
    Floor {
        namespace: metadata.namespace.clone().unwrap_or_default(),
        name: metadata.name.clone().unwrap_or_default(),
        asked,
        original,
        max,
        annotated: has(ORIGINAL_ANNOTATION) || has(WRITTEN_ANNOTATION),
        resource_version: metadata.resource_version.clone().unwrap_or_default(),
    }
}

impl Targets {
    /// Writes `to`, clamped to [original, max], into the HPA's `minReplicas` if nobody changed the HPA since the floor
    /// was read. The annotations go away with the last of the difference.
    pub async fn move_floor(&self, floor: &Floor, to: Replicas, deadline: Duration) -> Written {
        let to = to.min(floor.max).max(floor.original);
        let notes = if to == floor.original {
            json!({ORIGINAL_ANNOTATION: null, WRITTEN_ANNOTATION: null})
        } else {
            json!({
                ORIGINAL_ANNOTATION: floor.original.to_string(),
                WRITTEN_ANNOTATION: to.to_string(),
            })
        };
        let patch = json!({
            "metadata": {"resourceVersion": floor.resource_version, "annotations": notes},
            "spec": {"minReplicas": to.get()},
        });
        self.patch_floor(floor, to, &patch, deadline).await
    }

    /// Puts the HPA's own minimum back and removes the annotations; `None` when there was nothing to do.
    pub async fn restore_floor(&self, floor: &Floor, deadline: Duration) -> Option<Written> {
        if !floor.annotated {
            return None;
        }
        Some(self.move_floor(floor, floor.original, deadline).await)
    }

    /// Reads one HPA by name, for the restoration after its target or our object went away; `None` when it is gone.
    ///
    /// # Errors
    /// What the call failed with.
    pub async fn read_hpa(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<HorizontalPodAutoscaler>, CallError> {
        let api: Api<HorizontalPodAutoscaler> = Api::namespaced(self.client.clone(), namespace);
        within(READ_DEADLINE, api.get_opt(name)).await
    }

    async fn patch_floor(&self, floor: &Floor, to: Replicas, patch: &Value, deadline: Duration) -> Written {
        let api: Api<HorizontalPodAutoscaler> = Api::namespaced(self.client.clone(), &floor.namespace);
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        match within(deadline, api.patch(&floor.name, &params, &Patch::Merge(patch))).await {
            Ok(hpa) => {
                let stored = floor_of(&hpa);
                if stored.asked == to {
                    Written::Written { resource_version: stored.resource_version }
                } else {
                    Written::Overridden { actual: stored.asked }
                }
            }
            Err(error) => Written::from_error(&error),
        }
    }
}
