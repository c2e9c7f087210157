//! The conditions of an object of any kind: from what is claimed to what stands in its status, and the write of it.

use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::ClusterResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::actuate::FIELD_MANAGER;
use crate::edge::client::{CallError, within};
use crate::edge::clock::to_jiff;
use crate::units::Timestamp;

/// One write of a status of the cluster's own objects.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);

/// The message of a condition is cut to this.
const MESSAGE_MAX: usize = 1024;

/// One condition before it is merged with the old ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its type, such as `EvidenceFresh`.
    pub kind: &'static str,
    /// True, False, or `None` for Unknown.
    pub holds: Option<bool>,
    /// A CamelCase fact: stable.
    pub reason: &'static str,
    /// The sentence.
    pub message: String,
}

impl Claim {
    /// A claim that holds or does not.
    pub fn new(kind: &'static str, holds: bool, reason: &'static str, message: impl Into<String>) -> Self {
        Self { kind, holds: Some(holds), reason, message: message.into() }
    }
}

/// Merges claims with the old conditions: a transition time changes only when the status does.
pub fn merge(old: &[Condition], claims: &[Claim], now: Timestamp, generation: Option<i64>) -> Vec<Condition> {
    claims
        .iter()
        .map(|claim| {
            let status = match claim.holds {
                Some(true) => "True",
                Some(false) => "False",
                None => "Unknown",
            };
            let before =
                old.iter().find(|condition| condition.type_ == claim.kind && condition.status == status);
            Condition {
                type_: claim.kind.to_owned(),
                status: status.to_owned(),
                reason: claim.reason.to_owned(),
                message: claim.message.chars().take(MESSAGE_MAX).collect(),
                observed_generation: generation,
                last_transition_time: before
                    .map_or_else(|| Time(to_jiff(now)), |condition| condition.last_transition_time.clone()),
            }
        })
        .collect()
}

/// What is worth a write when it changes: messages may hold counts and times.
pub fn told(conditions: &[Condition]) -> Vec<(&str, &str, &str)> {
    conditions.iter().map(|one| (one.type_.as_str(), one.status.as_str(), one.reason.as_str())).collect()
}

/// Merges `status` into that of the cluster's object `name`.
///
/// # Errors
/// [`CallError`] where the API server refuses it, or does not answer in time.
pub async fn patch_status<K>(client: &Client, name: &str, status: &Value) -> Result<(), CallError>
where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope> + Clone + Debug + DeserializeOwned,
{
    let api: Api<K> = Api::all(client.clone());
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let patch = Patch::Merge(json!({"status": status}));
    within(WRITE_DEADLINE, api.patch_status(name, &params, &patch)).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transition_time_changes_only_with_the_status() {
        let at = Timestamp::from_seconds;
        let first = merge(&[], &[Claim::new("Ready", true, "Deciding", "3")], at(10), Some(1));
        let same = merge(&first, &[Claim::new("Ready", true, "Deciding", "4")], at(20), Some(1));
        let flipped = merge(&same, &[Claim::new("Ready", false, "Stale", "old")], at(30), Some(1));
        let times: Vec<i64> = [&first, &same, &flipped]
            .iter()
            .map(|conditions| conditions[0].last_transition_time.0.as_second())
            .collect();
        assert_eq!(times, [10, 10, 30]);
    }
}
