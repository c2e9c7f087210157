//! Patches: JSON (RFC 6902), merge (RFC 7396) and Kubernetes' strategic merge.

use serde_json::Value;

use super::call::Call;
use super::status::Refused;
use super::strategic;
use crate::sandbox::kinds::Kind;

/// How a patch is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Json,
    Merge,
    Strategic,
    Apply,
}

impl Style {
    /// The style that the content type of `call` states.
    pub(crate) fn of(call: &Call, kind: &Kind) -> Result<Self, Refused> {
        match call.content_type.as_str() {
            "application/json-patch+json" => Ok(Self::Json),
            "application/merge-patch+json" => Ok(Self::Merge),
            "application/apply-patch+yaml" => Ok(Self::Apply),
            "application/strategic-merge-patch+json" if kind.custom.is_none() => Ok(Self::Strategic),
            "application/strategic-merge-patch+json" => Err(Refused::media_type(
                "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
            )),
            _ => Err(Refused::no_patch_style()),
        }
    }
}

/// `object` with `patch` applied.
pub(crate) fn patched(style: Style, object: &Value, patch: &Value) -> Result<Value, Refused> {
    let mut result = object.clone();
    match style {
        Style::Json => {
            let operations: json_patch::Patch = serde_json::from_value(patch.clone())
                .map_err(|error| Refused::bad_request(format!("error decoding patch: {error}")))?;
            json_patch::patch(&mut result, &operations)
                .map_err(|error| Refused::unprocessable(&error.to_string()))?;
        }
        Style::Merge => {
            if !patch.is_object() {
                return Err(Refused::bad_request("error decoding patch: a merge patch is an object"));
            }
            json_patch::merge(&mut result, patch);
        }
        Style::Strategic | Style::Apply => strategic::merge(&mut result, patch),
    }
    Ok(result)
}
