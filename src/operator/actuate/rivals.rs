//! Who else writes the replica count of a target: field managers, and HPAs.

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::Api;
use kube::api::{ListParams, ObjectMeta};

use super::{Error, FIELD_MANAGER, ScaleTarget, Targets};
use crate::edge::client::{READ_DEADLINE, sanitised, within};

/// An HPA that scales the same object.
#[derive(Clone, Debug)]
pub struct Rival {
    /// The HPA as it was read.
    pub hpa: HorizontalPodAutoscaler,
    /// The `ScaledObject` that owns it, empty when only its label says KEDA; `None` when KEDA does not own it.
    pub keda: Option<String>,
}

impl Rival {
    /// The HPA's name.
    pub fn name(&self) -> &str {
        self.hpa.metadata.name.as_deref().unwrap_or_default()
    }
}

/// The name of the last manager other than Foresail that set `spec.replicas`, from the object's `managedFields`.
///
/// A change of the value leaves one `Update` owner, the last; beside it only `Apply` owners of the same value stay. The
/// server gives entries written through `/scale` no time (seen on 1.37), so no time counts as newest.
pub fn foreign_writer(metadata: &ObjectMeta) -> Option<String> {
    let entries = metadata.managed_fields.as_deref().unwrap_or_default();
    entries
        .iter()
        .filter(|entry| sets_replicas(entry))
        .filter(|entry| entry.manager.as_deref() != Some(FIELD_MANAGER))
        .max_by_key(|entry| {
            let time = entry.time.as_ref().map(|time| time.0);
            (entry.operation.as_deref() == Some("Update"), time.is_none(), time)
        })
        .and_then(|entry| entry.manager.as_deref())
        .map(|name| sanitised(name, 128))
}

fn sets_replicas(entry: &ManagedFieldsEntry) -> bool {
    entry.fields_v1.as_ref().is_some_and(|fields| fields.0.pointer("/f:spec/f:replicas").is_some())
}

impl Targets {
    /// The HPAs of the target's namespace that scale the target.
    ///
    /// # Errors
    /// [`Error::ListHpas`] when they cannot be listed; then nothing is known and nothing may be written.
    pub async fn hpas_targeting(&self, target: &ScaleTarget) -> Result<Vec<Rival>, Error> {
        let hpas = self.hpas_in(&target.namespace).await?;
        Ok(hpas.into_iter().filter_map(|hpa| rival_of(target, hpa)).collect())
    }

    /// All HPAs of a namespace.
    ///
    /// # Errors
    /// [`Error::ListHpas`] when they cannot be listed.
    pub async fn hpas_in(&self, namespace: &str) -> Result<Vec<HorizontalPodAutoscaler>, Error> {
        let api: Api<HorizontalPodAutoscaler> = Api::namespaced(self.client.clone(), namespace);
        let mut params = ListParams::default().limit(500);
        let mut hpas = Vec::new();
        loop {
            let page = within(READ_DEADLINE, api.list(&params))
                .await
                .map_err(|error| Error::ListHpas(namespace.to_owned(), error))?;
            hpas.extend(page.items);
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(hpas),
            }
        }
    }
}

/// The HPA as a rival, when it scales `target`. Pure, for those who watch HPAs instead of listing them.
pub fn rival_of(target: &ScaleTarget, hpa: HorizontalPodAutoscaler) -> Option<Rival> {
    let named = &hpa.spec.as_ref()?.scale_target_ref;
    let api_version = named.api_version.as_deref().unwrap_or_default();
    let same_namespace = hpa.metadata.namespace.as_deref().is_none_or(|ns| ns == target.namespace);
    if !same_namespace || !target.is_named_by(api_version, &named.kind, &named.name) {
        return None;
    }
    let keda = keda_owner(&hpa.metadata);
    Some(Rival { hpa, keda })
}

/// The `ScaledObject` that owns an HPA, by owner reference or else by KEDA's label.
pub fn keda_owner(metadata: &ObjectMeta) -> Option<String> {
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    if let Some(owner) = owners.iter().find(|owner| owner.kind == "ScaledObject") {
        return Some(sanitised(&owner.name, 253));
    }
    let labels = metadata.labels.as_ref()?;
    let managed_by = labels.get("app.kubernetes.io/managed-by")?;
    (managed_by == "keda-operator").then(String::new)
}
