//! What is scaled, how many replicas it asks for and has, who else writes it, and the writes themselves.
//!
//! Every write is a compare-and-swap with the `resourceVersion` of the read it was decided on (I52).

pub mod finalizer;
pub mod hpa;
pub mod rivals;
pub mod scale;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::Value;

use crate::api::ScaleTargetRef;
use crate::edge::client::{CallError, READ_DEADLINE, within};

/// The name under which Foresail writes, in `managedFields`.
pub const FIELD_MANAGER: &str = "foresail";

/// The object that is scaled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScaleTarget {
    /// Such as `apps/v1`.
    pub api_version: String,
    /// Such as `Deployment`.
    pub kind: String,
    /// The plural of the kind, when the user states it; else it is found out.
    pub plural: Option<String>,
    /// The namespace, that of the autoscaler.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl ScaleTarget {
    /// What `reference` names, in the namespace of its autoscaler.
    pub fn named(reference: &ScaleTargetRef, namespace: &str) -> Self {
        let ScaleTargetRef { api_version, kind, name } = reference.clone();
        Self { api_version, kind, plural: None, namespace: namespace.to_owned(), name }
    }

    /// The API group: `apps` of `apps/v1`, empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// Whether `api_version`, `kind` and `name` in this namespace mean this object; the version does not matter,
    /// since all versions of a group are views of one object (F14).
    pub fn is_named_by(&self, api_version: &str, kind: &str, name: &str) -> bool {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        group == self.group() && kind == self.kind && name == self.name
    }

    fn kind_of(&self) -> GroupVersionKind {
        let version =
            self.api_version.split_once('/').map_or(self.api_version.as_str(), |(_, version)| version);
        GroupVersionKind::gvk(self.group(), version, &self.kind)
    }

    /// Whether it is one of the three workloads of `apps`, whose status counts ready replicas.
    fn is_builtin(&self) -> bool {
        self.group() == "apps" && BUILTIN.iter().any(|(kind, _)| *kind == self.kind)
    }
}

impl std::fmt::Display for ScaleTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{} {}/{}", self.api_version, self.kind, self.namespace, self.name)
    }
}

const BUILTIN: [(&str, &str); 3] =
    [("Deployment", "deployments"), ("ReplicaSet", "replicasets"), ("StatefulSet", "statefulsets")];

/// Why a target could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cluster does not serve the kind.
    #[error("no resource serves `{0}`: check apiVersion and kind, and that its CRD is installed")]
    FindKind(String),
    /// The kind could not be looked up.
    #[error("the resource of `{0}` could not be looked up")]
    Discover(String, #[source] CallError),
    /// The scale could not be read.
    #[error("the scale of `{0}` could not be read")]
    ReadScale(String, #[source] CallError),
    /// The scale holds a count that is none.
    #[error("the scale of `{0}` asks for {1} replicas")]
    CountReplicas(String, i32),
    /// The object's status could not be read.
    #[error("the ready replicas of `{0}` could not be read")]
    ReadReady(String, #[source] CallError),
    /// The scale gives no selector, so its pods are unknown.
    #[error("the scale of `{0}` has no selector: its pods cannot be counted")]
    FindSelector(String),
    /// The HPAs of the namespace could not be listed.
    #[error("the HorizontalPodAutoscalers of `{0}` could not be listed")]
    ListHpas(String, #[source] CallError),
}

impl Error {
    /// Whether it takes a human: forbidden, missing, or not scalable (F52).
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::FindKind(_) | Self::CountReplicas(..) | Self::FindSelector(_) => true,
            Self::Discover(_, call)
            | Self::ReadScale(_, call)
            | Self::ReadReady(_, call)
            | Self::ListHpas(_, call) => call.is_final(),
        }
    }

    /// The call that failed, if it was a call.
    pub fn call(&self) -> Option<&CallError> {
        match self {
            Self::Discover(_, call)
            | Self::ReadScale(_, call)
            | Self::ReadReady(_, call)
            | Self::ListHpas(_, call) => Some(call),
            Self::FindKind(_) | Self::CountReplicas(..) | Self::FindSelector(_) => None,
        }
    }

    /// The error's name in metrics and conditions: one of a fixed few.
    pub fn label(&self) -> &'static str {
        self.call().map_or(
            match self {
                Self::CountReplicas(..) => "bad_count",
                Self::FindSelector(_) => "no_selector",
                _ => "no_such_kind",
            },
            CallError::label,
        )
    }
}

/// Reads and writes targets; knows the plural of each kind it has met.
pub struct Targets {
    client: kube::Client,
    known: Mutex<BTreeMap<(String, String), ApiResource>>,
}

impl Targets {
    /// Nothing is known yet but the workloads of `apps`.
    pub fn new(client: kube::Client) -> Self {
        Self { client, known: Mutex::new(BTreeMap::new()) }
    }

    /// The client it calls with.
    pub fn client(&self) -> &kube::Client {
        &self.client
    }

    /// The resource that serves the target: stated, well known, met before, or looked up once.
    ///
    /// # Errors
    /// [`Error::FindKind`] when the cluster does not serve it, [`Error::Discover`] when it could not be asked.
    pub async fn resource(&self, target: &ScaleTarget) -> Result<ApiResource, Error> {
        let gvk = target.kind_of();
        if let Some(plural) = &target.plural {
            return Ok(ApiResource::from_gvk_with_plural(&gvk, plural));
        }
        if let Some((_, plural)) =
            BUILTIN.iter().find(|(kind, _)| target.is_builtin() && *kind == target.kind)
        {
            return Ok(ApiResource::from_gvk_with_plural(&gvk, plural));
        }
        let key = (target.api_version.clone(), target.kind.clone());
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(resource) = known {
            return Ok(resource);
        }
        let resource = self.discover(target, &gvk).await?;
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(key, resource.clone());
        Ok(resource)
    }

    async fn discover(&self, target: &ScaleTarget, gvk: &GroupVersionKind) -> Result<ApiResource, Error> {
        let request = async {
            if gvk.group.is_empty() {
                self.client.list_core_api_resources(&gvk.version).await
            } else {
                self.client.list_api_group_resources(&target.api_version).await
            }
        };
        let served = match within(READ_DEADLINE, request).await {
            Ok(served) => served,
            Err(error) if error.is_not_found() => return Err(Error::FindKind(target.to_string())),
            Err(error) => return Err(Error::Discover(target.to_string(), error)),
        };
        served
            .resources
            .iter()
            .find(|resource| resource.kind == gvk.kind && resource.namespaced && !resource.name.contains('/'))
            .map(|resource| ApiResource::from_gvk_with_plural(gvk, &resource.name))
            .ok_or_else(|| Error::FindKind(target.to_string()))
    }

    /// Forgets where the kind is served, as after a 404 of a CRD that was replaced.
    pub fn forget(&self, target: &ScaleTarget) {
        let key = (target.api_version.clone(), target.kind.clone());
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }

    pub(crate) async fn api(&self, target: &ScaleTarget) -> Result<Api<DynamicObject>, Error> {
        let resource = self.resource(target).await?;
        Ok(Api::namespaced_with(self.client.clone(), &target.namespace, &resource))
    }

    /// The target itself: its `managedFields` tell who else writes it, its status how many are ready.
    ///
    /// # Errors
    /// [`Error::ReadReady`] when it cannot be read.
    pub async fn object(&self, target: &ScaleTarget) -> Result<DynamicObject, Error> {
        let api = self.api(target).await?;
        within(READ_DEADLINE, api.get(&target.name))
            .await
            .map_err(|error| Error::ReadReady(target.to_string(), error))
    }

    /// How many replicas serve: `status.readyReplicas` of a built-in workload, else the Ready pods that `selector`
    /// of the scale finds.
    ///
    /// # Errors
    /// [`Error::ReadReady`] when a call fails, [`Error::FindSelector`] without a selector.
    pub async fn ready(
        &self,
        target: &ScaleTarget,
        object: &DynamicObject,
        selector: Option<&str>,
    ) -> Result<u32, Error> {
        if target.is_builtin() {
            return Ok(ready_of(object));
        }
        let selector = selector.filter(|text| !text.is_empty());
        let selector = selector.ok_or_else(|| Error::FindSelector(target.to_string()))?;
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &target.namespace);
        let mut params = ListParams::default().labels(selector).limit(500);
        let mut n_ready = 0_u32;
        // 10,000 replicas are 20 pages; more pages than that are not ours to count.
        for _ in 0..40 {
            let page = within(READ_DEADLINE, pods.list(&params))
                .await
                .map_err(|error| Error::ReadReady(target.to_string(), error))?;
            let on_page = page.items.iter().filter(|pod| is_ready(pod)).count();
            n_ready = n_ready.saturating_add(u32::try_from(on_page).unwrap_or(u32::MAX));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => break,
            }
        }
        Ok(n_ready)
    }
}

/// `status.readyReplicas`, which the server leaves out when it is zero.
fn ready_of(object: &DynamicObject) -> u32 {
    object
        .data
        .pointer("/status/readyReplicas")
        .and_then(Value::as_u64)
        .and_then(|n| u32::try_from(n).ok())
        .unwrap_or(0)
}

/// Whether a pod serves: its Ready condition holds and it is not being deleted.
fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    pod.metadata.deletion_timestamp.is_none()
        && conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

#[cfg(test)]
mod tests;
