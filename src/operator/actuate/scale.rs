//! The `/scale` subresource: read, and written by compare-and-swap.

use std::time::Duration;

use k8s_openapi::api::autoscaling::v1::Scale;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::{Error, FIELD_MANAGER, ScaleTarget, Targets};
use crate::edge::client::{CallError, READ_DEADLINE, within};
use crate::units::Replicas;

/// A scale as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scaled {
    /// `spec.replicas`: what is asked for.
    pub asked: Replicas,
    /// `status.replicas`: how many exist, ready or not. Never used as "current": it counts surge pods (G12).
    pub status_replicas: Replicas,
    /// Finds the pods; `None` when the kind gives none.
    pub selector: Option<String>,
    /// The version of the object that this was read from.
    pub resource_version: String,
    /// Another one after the object was deleted and made anew (F53).
    pub uid: String,
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It stands as asked.
    Written {
        /// The object's version with the write in it.
        resource_version: String,
    },
    /// Somebody else was first: nothing was changed.
    Conflict,
    /// It was accepted, and an admission hook made something else of it.
    Overridden {
        /// What stands.
        actual: Replicas,
    },
    /// It was refused: nothing was changed.
    Refused {
        /// The HTTP code, 0 when the request was never sent.
        code: u16,
        /// What the server said, at most 256 printable characters.
        message: String,
    },
    /// No answer: it may or may not have been done. The next read tells (I58).
    Unknown {
        /// What happened instead of an answer.
        message: String,
    },
}

impl Written {
    /// Whether something may stand other than before.
    pub const fn may_have_landed(&self) -> bool {
        matches!(self, Self::Written { .. } | Self::Overridden { .. } | Self::Unknown { .. })
    }

    /// The outcome's name in metrics.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Written { .. } => "written",
            Self::Conflict => "conflict",
            Self::Overridden { .. } => "overridden",
            Self::Refused { .. } => "refused",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// The outcome of a write that failed.
    pub fn from_error(error: &CallError) -> Self {
        match error {
            error if error.is_conflict() => Self::Conflict,
            error if error.may_have_happened() => Self::Unknown { message: error.to_string() },
            CallError::Refused { code, message, .. } => {
                Self::Refused { code: *code, message: message.clone() }
            }
            other => Self::Refused { code: 0, message: other.to_string() },
        }
    }
}

impl Targets {
    /// Reads the target's scale.
    ///
    /// # Errors
    /// [`Error::ReadScale`] when the call fails, [`Error::CountReplicas`] for a negative count, and what finding the
    /// resource fails with.
    pub async fn read_scale(&self, target: &ScaleTarget) -> Result<Scaled, Error> {
        let api = self.api(target).await?;
        let scale = within(READ_DEADLINE, api.get_scale(&target.name))
            .await
            .map_err(|error| Error::ReadScale(target.to_string(), error))?;
        scaled_of(target, scale)
    }

    /// Writes `to` into the target's scale if its version still is `resource_version`. Tried once.
    ///
    /// # Errors
    /// Only what finding the resource fails with; every outcome of the write itself is a [`Written`].
    pub async fn write_scale(
        &self,
        target: &ScaleTarget,
        to: Replicas,
        resource_version: &str,
        deadline: Duration,
    ) -> Result<Written, Error> {
        let api = self.api(target).await?;
        let patch =
            json!({"metadata": {"resourceVersion": resource_version}, "spec": {"replicas": to.get()}});
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let answer = within(deadline, api.patch_scale(&target.name, &params, &Patch::Merge(&patch))).await;
        Ok(match answer {
            Ok(scale) => outcome_of(target, to, scale),
            Err(error) => Written::from_error(&error),
        })
    }
}

fn outcome_of(target: &ScaleTarget, to: Replicas, answer: Scale) -> Written {
    match scaled_of(target, answer) {
        Ok(stored) if stored.asked == to => Written::Written { resource_version: stored.resource_version },
        Ok(stored) => Written::Overridden { actual: stored.asked },
        Err(error) => Written::Unknown { message: error.to_string() },
    }
}

/// A Scale leaves `spec.replicas` out when it is zero, and only then: a built-in workload without a count was given 1
/// when it was admitted, and the server refuses the scale of a custom resource that has none. So absent is 0 (switched
/// off, F15), never 1.
fn scaled_of(target: &ScaleTarget, scale: Scale) -> Result<Scaled, Error> {
    let Scale { metadata, spec, status } = scale;
    let count =
        |n: i32| u32::try_from(n).map(Replicas::new).map_err(|_| Error::CountReplicas(target.to_string(), n));
    let (n_status, selector) = status.map_or((0, None), |status| (status.replicas, status.selector));
    Ok(Scaled {
        asked: count(spec.and_then(|spec| spec.replicas).unwrap_or(0))?,
        status_replicas: count(n_status)?,
        selector: selector.filter(|text| !text.is_empty()),
        resource_version: metadata.resource_version.unwrap_or_default(),
        uid: metadata.uid.unwrap_or_default(),
    })
}
