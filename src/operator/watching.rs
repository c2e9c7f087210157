//! The watch caches. An object that cannot be read is skipped and logged; the others go on.

use std::fmt::Debug;
use std::hash::Hash;

use futures::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::core::{DeserializeGuard, NamespaceResourceScope};
use kube::runtime::reflector::{self, Store};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::api::{DemandCalendar, MetricSource, PredictiveAutoscaler, SpendBudget};

/// The caches.
pub(super) struct Watching {
    /// Autoscalers, one cache for each watched namespace.
    pub(super) autoscalers: Vec<Store<PredictiveAutoscaler>>,
    /// Calendars, one cache for each watched namespace.
    pub(super) calendars: Vec<Store<DemandCalendar>>,
    /// Quotas, one cache for each watched namespace.
    pub(super) quotas: Vec<Store<ResourceQuota>>,
    /// Budgets.
    pub(super) budgets: Store<SpendBudget>,
    /// Sources.
    pub(super) sources: Store<MetricSource>,
}

/// Starts the caches; they end with `stop`.
pub(super) fn start(client: &kube::Client, namespaces: &[String], stop: &CancellationToken) -> Watching {
    Watching {
        autoscalers: caches(client, namespaces, stop),
        calendars: caches(client, namespaces, stop),
        quotas: caches(client, namespaces, stop),
        budgets: cache::<SpendBudget>(Api::all(client.clone()), stop),
        sources: cache::<MetricSource>(Api::all(client.clone()), stop),
    }
}

/// One cache for each of the namespaces, or one for all.
fn caches<K>(client: &kube::Client, namespaces: &[String], stop: &CancellationToken) -> Vec<Store<K>>
where
    K: Resource<Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    K::DynamicType: Default + Eq + Hash + Clone + Debug + Send + Sync + Unpin,
    DeserializeGuard<K>: Resource<DynamicType = K::DynamicType, Scope = NamespaceResourceScope>,
{
    if namespaces.is_empty() {
        return vec![cache(Api::all(client.clone()), stop)];
    }
    namespaces.iter().map(|namespace| cache(Api::namespaced(client.clone(), namespace), stop)).collect()
}

fn cache<K>(api: Api<DeserializeGuard<K>>, stop: &CancellationToken) -> Store<K>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    K::DynamicType: Default + Eq + Hash + Clone + Debug + Send + Sync + Unpin,
    DeserializeGuard<K>: Resource<DynamicType = K::DynamicType>,
{
    let (store, writer) = reflector::store();
    let events = watch(api, watcher::Config::default().page_size(500)).default_backoff();
    let stream = reflector::reflector(writer, readable(events)).take_until(stop.clone().cancelled_owned());
    tokio::spawn(async move {
        let mut stream = std::pin::pin!(stream);
        while let Some(event) = stream.next().await {
            if let Err(error) = event {
                tracing::warn!(kind = std::any::type_name::<K>(), %error, "a watch ended and begins again");
            }
        }
    });
    store
}

/// Only the objects that can be read.
fn readable<K: Resource>(
    events: impl Stream<Item = Result<Event<DeserializeGuard<K>>, watcher::Error>>,
) -> impl Stream<Item = Result<Event<K>, watcher::Error>>
where
    DeserializeGuard<K>: Resource,
{
    let read = |guarded: DeserializeGuard<K>| match guarded.0 {
        Ok(object) => Some(object),
        Err(error) => {
            tracing::warn!(
                name = error.metadata.name,
                problem = error.error,
                "an object could not be read and is skipped"
            );
            None
        }
    };
    events.filter_map(move |event| {
        let event = match event {
            Err(error) => Some(Err(error)),
            Ok(Event::Init) => Some(Ok(Event::Init)),
            Ok(Event::InitDone) => Some(Ok(Event::InitDone)),
            Ok(Event::InitApply(object)) => read(object).map(|object| Ok(Event::InitApply(object))),
            Ok(Event::Apply(object)) => read(object).map(|object| Ok(Event::Apply(object))),
            Ok(Event::Delete(object)) => read(object).map(|object| Ok(Event::Delete(object))),
        };
        std::future::ready(event)
    })
}
