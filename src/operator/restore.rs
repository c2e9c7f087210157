//! Every raised HPA floor is given back, once, before the operator is removed: what a Helm pre-delete hook runs.
//!
//! The operator still runs at that moment and would raise the floors again, so its Lease is taken first; then the HPAs
//! get their own minimum, and autoscalers lose the finalizer that nobody would remove afterwards.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::api::ListParams;
use kube::core::{ApiResource, DynamicObject};
use kube::{Api, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::Settings;
use super::actuate::hpa::{Floor, floor_of};
use super::actuate::scale::Written;
use super::actuate::{Targets, finalizer};
use super::lease::{Elector, LEASE_DURATION, LeaseSettings};
use super::report::write_problem;
use crate::api::PredictiveAutoscaler;
use crate::edge::client::{CallError, READ_DEADLINE, within};
use crate::edge::clock::Clock;

/// One write.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);
/// An HPA is written by its controller every few seconds, so a conflict is tried again from a fresh read.
const N_TRIES_MAX: u32 = 5;

/// Why nothing was tried.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The objects could not be listed.
    #[error("the {0} could not be listed, so it is not known what to give back")]
    List(&'static str, #[source] CallError),
    /// The Lease could not be taken.
    #[error("the Lease `{0}` could not be taken, so the running operator would raise the floors again")]
    TakeLease(String, #[source] CallError),
}

/// What became of each object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// What was done, one sentence each.
    pub done: Vec<String>,
    /// What could not be done and why, one sentence each.
    pub failed: Vec<String>,
}

/// What is to be given back.
#[derive(Default)]
struct Raised {
    floors: Vec<Floor>,
    autoscalers: Vec<DynamicObject>,
}

/// Gives every floor back. Without any, the operator is left alone.
///
/// # Errors
/// [`Error`] when it is not known what to give back, or the operator cannot be stopped from raising floors again.
pub async fn restore_floors(
    settings: &Settings,
    client: &kube::Client,
    clock: Arc<dyn Clock>,
) -> Result<Restored, Error> {
    let Raised { floors, autoscalers } = raised(settings, client).await?;
    if floors.is_empty() && autoscalers.is_empty() {
        return Ok(Restored::default());
    }
    let lease = LeaseSettings {
        namespace: settings.namespace.clone(),
        name: settings.lease_name.clone(),
        identity: settings.identity.clone(),
    };
    let (mut elector, _leadership) = Elector::new(client.clone(), lease, clock);
    let held = elector.seize().await.map_err(|error| Error::TakeLease(settings.lease_name.clone(), error))?;
    // Ends with this process and does not give the Lease back.
    let renewing = tokio::spawn(elector.run(CancellationToken::new()));
    if held {
        tokio::time::sleep(LEASE_DURATION).await;
    }
    // Read again: the operator may have raised more until it stopped.
    let Raised { floors, autoscalers } = raised(settings, client).await?;
    let targets = Targets::new(client.clone());
    let mut restored = Restored::default();
    for floor in floors {
        match restore(&targets, floor.clone()).await {
            Ok(()) => restored.done.push(format!(
                "HorizontalPodAutoscaler `{}/{}` has its own minReplicas of {} again",
                floor.namespace, floor.name, floor.original
            )),
            Err(why) => restored.failed.push(format!(
                "HorizontalPodAutoscaler `{}/{}` stays at minReplicas {} instead of {}: {why}",
                floor.namespace, floor.name, floor.asked, floor.original
            )),
        }
    }
    for object in autoscalers {
        release(client, &object, &mut restored).await;
    }
    renewing.abort();
    Ok(restored)
}

async fn raised(settings: &Settings, client: &kube::Client) -> Result<Raised, Error> {
    let mut raised = Raised::default();
    let autoscaler = ApiResource::erase::<PredictiveAutoscaler>(&());
    let scopes: Vec<Option<&str>> = if settings.watch_namespaces.is_empty() {
        vec![None]
    } else {
        settings.watch_namespaces.iter().map(|name| Some(name.as_str())).collect()
    };
    for scope in scopes {
        let (hpas, autoscalers): (Api<HorizontalPodAutoscaler>, Api<DynamicObject>) = match scope {
            None => (Api::all(client.clone()), Api::all_with(client.clone(), &autoscaler)),
            Some(name) => (
                Api::namespaced(client.clone(), name),
                Api::namespaced_with(client.clone(), name, &autoscaler),
            ),
        };
        let hpas = list(&hpas).await.map_err(|error| Error::List("HorizontalPodAutoscalers", error))?;
        raised.floors.extend(hpas.iter().map(floor_of).filter(|floor| floor.annotated));
        let found = match list(&autoscalers).await {
            Ok(found) => found,
            // Without the definition there are no autoscalers.
            Err(error) if error.is_not_found() => Vec::new(),
            Err(error) => return Err(Error::List("PredictiveAutoscalers", error)),
        };
        raised.autoscalers.extend(found.into_iter().filter(finalizer::is_held));
    }
    Ok(raised)
}

async fn list<K>(api: &Api<K>) -> Result<Vec<K>, CallError>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let mut params = ListParams::default().limit(500);
    let mut found = Vec::new();
    loop {
        let page = within(READ_DEADLINE, api.list(&params)).await?;
        found.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(found),
        }
    }
}

async fn restore(targets: &Targets, mut floor: Floor) -> Result<(), String> {
    for _ in 0..N_TRIES_MAX {
        match targets.restore_floor(&floor, WRITE_DEADLINE).await {
            None | Some(Written::Written { .. }) => return Ok(()),
            Some(Written::Conflict) => {}
            Some(other) => return Err(write_problem(&other).map_or_else(String::new, |(_, why)| why)),
        }
        match targets.read_hpa(&floor.namespace, &floor.name).await {
            Ok(Some(hpa)) => floor = floor_of(&hpa),
            Ok(None) => return Ok(()),
            Err(error) => return Err(error.to_string()),
        }
    }
    Err(format!("somebody else wrote it each time, {N_TRIES_MAX} times"))
}

/// Removes the finalizer of an autoscaler whose floor is no longer raised.
async fn release(client: &kube::Client, object: &DynamicObject, restored: &mut Restored) {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let resource = ApiResource::erase::<PredictiveAutoscaler>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &resource);
    let mut outcome = finalizer::remove(&api, object, WRITE_DEADLINE).await;
    if outcome.as_ref().is_err_and(CallError::is_conflict)
        && let Ok(read) = within(READ_DEADLINE, api.get(&name)).await
    {
        // A status that was still under way.
        outcome = finalizer::remove(&api, &read, WRITE_DEADLINE).await;
    }
    if let Err(error) = outcome {
        restored.failed.push(format!(
            "PredictiveAutoscaler `{namespace}/{name}` keeps its finalizer and cannot be deleted: {error}"
        ));
    }
}

#[cfg(test)]
mod tests;
