//! The pods of one workload, watched only while some of them are starting, and kept without all but their state.

use futures::{FutureExt as _, StreamExt as _};
use k8s_openapi::api::core::v1::{Pod, PodCondition};
use kube::core::{ApiResource, NotUsed, Object};
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, ResourceExt as _};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use crate::edge::clock::from_jiff;
use crate::measure::PodSeen;
use crate::units::Timestamp;

/// A pod without its spec.
type SlimPod = Object<NotUsed, PodState>;

/// What is kept of a pod's status.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct PodState {
    conditions: Vec<PodCondition>,
}

/// A watch on the pods that a selector finds.
pub(super) struct PodWatch {
    namespace: String,
    selector: String,
    store: Store<SlimPod>,
    task: JoinHandle<()>,
}

impl PodWatch {
    /// Begins to watch.
    pub(super) fn begin(client: &kube::Client, namespace: &str, selector: &str) -> Self {
        let resource = ApiResource::erase::<Pod>(&());
        let api: Api<SlimPod> = Api::namespaced_with(client.clone(), namespace, &resource);
        let writer = reflector::store::Writer::<SlimPod>::new(resource);
        let store = writer.as_reader();
        let events = watcher(api, watcher::Config::default().labels(selector).page_size(500));
        let slim = events.default_backoff().modify(|pod| {
            pod.metadata.managed_fields = None;
            pod.metadata.annotations = None;
            pod.metadata.labels = None;
            pod.metadata.owner_references = None;
        });
        let stream = reflector::reflector(writer, slim);
        let (place, found_by) = (namespace.to_owned(), selector.to_owned());
        let task = tokio::spawn(async move {
            let mut stream = std::pin::pin!(stream);
            while let Some(event) = stream.next().await {
                if let Err(error) = event {
                    tracing::warn!(namespace = place, selector = found_by, %error, "pods cannot be watched, so that start-up times are not measured: set rbac.readPods in the chart");
                }
            }
        });
        Self { namespace: namespace.to_owned(), selector: selector.to_owned(), store, task }
    }

    /// Whether it watches these pods.
    pub(super) fn is_of(&self, namespace: &str, selector: &str) -> bool {
        self.namespace == namespace && self.selector == selector
    }

    /// The pods as they are now; `None` before the first list came.
    pub(super) fn pods(&self) -> Option<Vec<PodSeen>> {
        self.store.wait_until_ready().now_or_never()?.ok()?;
        Some(self.store.state().iter().map(|pod| seen(pod)).collect())
    }
}

impl Drop for PodWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn seen(pod: &SlimPod) -> PodSeen {
    let conditions = pod.status.as_ref().map(|state| state.conditions.as_slice()).unwrap_or_default();
    let holds =
        |kind: &str, status: &str| conditions.iter().find(|one| one.type_ == kind && one.status == status);
    let since = |one: &PodCondition| one.last_transition_time.as_ref().map(|at| from_jiff(at.0));
    PodSeen {
        uid: pod.uid().unwrap_or_default(),
        created: pod.creation_timestamp().map_or(Timestamp::from_millis(0), |at| from_jiff(at.0)),
        ready_since: holds("Ready", "True").and_then(since),
        unschedulable: holds("PodScheduled", "False")
            .filter(|one| one.reason.as_deref() == Some("Unschedulable"))
            .and_then(since),
        ending: pod.metadata.deletion_timestamp.is_some(),
    }
}
