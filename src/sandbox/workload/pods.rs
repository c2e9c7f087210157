//! Pods: created on a node, ready after their start-up time, gone a while after they were deleted.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Workloads, controlled, is_ending, owner_reference, pods, replica_sets};
use crate::sandbox::json::{items, put, text};
use crate::sandbox::kinds::known;
use crate::sandbox::server::{ApiServer, MANAGER};
use crate::sandbox::store::{Key, Store};
use crate::units::{Span, Timestamp};

/// The scheduler, as a writer of fields.
const SCHEDULER: &str = "kube-scheduler";
/// The kubelet, as a writer of fields.
const KUBELET: &str = "kubelet";
/// From a deletion to the end of the process: long enough to finish what was begun, shorter than the grace period.
const ENDS_AFTER: Span = Span::from_seconds(5);

/// What is to come of a pod.
#[derive(Clone, Copy, Debug)]
pub(super) enum PodPlan {
    /// Ready then.
    Starts(Timestamp),
    /// It serves, until it is deleted.
    Serves,
    /// It waits for a node with room.
    Waits,
    /// Gone then.
    Ends(Timestamp),
}

impl PodPlan {
    pub(super) fn is_due(self, now: Timestamp) -> bool {
        match self {
            Self::Starts(at) | Self::Ends(at) => at <= now,
            Self::Serves => false,
            Self::Waits => true,
        }
    }
}

/// The pods of a ReplicaSet, those that end included.
pub(super) fn of_set(store: &Store, key: &Key, set: &Value) -> Vec<(Key, Arc<Value>)> {
    controlled(store, pods(), key, text(set, "/metadata/uid"))
}

/// Whether a pod serves.
pub(super) fn is_ready(pod: &Value) -> bool {
    !is_ending(pod)
        && items(pod, "/status/conditions")
            .iter()
            .any(|one| text(one, "/type") == "Ready" && text(one, "/status") == "True")
}

/// Who goes first: pods that do not serve yet, then the newest (as the ReplicaSet controller ranks them).
pub(super) fn rank_for_deletion(pod: &Value) -> (bool, std::cmp::Reverse<String>, String) {
    let created = text(pod, "/metadata/creationTimestamp").to_owned();
    (is_ready(pod), std::cmp::Reverse(created), text(pod, "/metadata/name").to_owned())
}

impl Workloads {
    /// Creates one pod of a set on the next node.
    pub(super) fn start_pod(&mut self, store: &mut Store, set: &Value, now: Timestamp) {
        let Some(template) = set.pointer("/spec/template") else { return };
        let set_name = text(set, "/metadata/name");
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": template.get("spec")});
        let mut metadata = template.get("metadata").cloned().unwrap_or_else(|| json!({}));
        put(&mut metadata, &["namespace"], text(set, "/metadata/namespace"));
        put(&mut metadata, &["name"], format!("{set_name}-{}", self.server.suffix()));
        put(&mut metadata, &["generateName"], format!("{set_name}-"));
        put(&mut metadata, &["ownerReferences"], owner_reference(set, replica_sets()));
        put(&mut pod, &["metadata"], metadata);
        let place = self.next_node(store);
        if let Place::Node(node) = &place {
            put(&mut pod, &["spec", "nodeName"], node.as_str());
        }
        let Ok(created) = self.server.create_locked(store, pods(), pod, MANAGER) else { return };
        let key = Key {
            kind: pods().idx,
            namespace: text(&created, "/metadata/namespace").to_owned(),
            name: text(&created, "/metadata/name").to_owned(),
        };
        let server = self.server.clone();
        if let Place::Full = place {
            self.plans.insert(key.clone(), PodPlan::Waits);
            wait_for_node(&server, store, &key);
        } else {
            self.take_on(&server, store, &key, now);
        }
    }

    /// The nodes that have room take turns.
    fn next_node(&mut self, store: &Store) -> Place {
        let mut nodes: Vec<_> = store.list(known("v1", "Node").idx, None).collect();
        if nodes.is_empty() {
            return Place::NoNodes;
        }
        nodes.retain(|(key, node)| has_room(store, &key.name, node));
        let turn = self.n_scheduled.checked_rem(nodes.len());
        let Some((key, _)) = turn.and_then(|turn| nodes.get(turn)) else { return Place::Full };
        self.n_scheduled += 1;
        Place::Node(key.name.clone())
    }

    /// Draws when a new pod will be ready, and says that it is being made.
    fn take_on(&mut self, server: &ApiServer, store: &mut Store, key: &Key, now: Timestamp) {
        let ready_at = now.plus(self.start_up.draw(&mut self.chance));
        self.plans.insert(key.clone(), PodPlan::Starts(ready_at));
        let started = server.seconds();
        let show = |pod: &mut Value| {
            put(pod, &["status", "startTime"], started.clone());
            put(pod, &["status", "conditions"], conditions("False", &started, &started));
            put(pod, &["status", "containerStatuses"], containers(pod, None));
        };
        drop(server.edit(store, key, (KUBELET, "status"), show));
    }

    /// Pods that are due become ready or go; pods that somebody else made or deleted are noticed.
    pub(super) fn move_pods(&mut self, store: &mut Store, now: Timestamp) {
        let server = self.server.clone();
        let found = super::all(store, pods());
        self.plans.retain(|key, _| found.iter().any(|(other, _)| other == key));
        for (key, pod) in found {
            match self.plans.get(&key).copied() {
                Some(PodPlan::Ends(at)) if at <= now => {
                    self.plans.remove(&key);
                    server.remove(store, &key);
                }
                Some(PodPlan::Ends(_)) => {}
                _ if is_ending(&pod) => {
                    self.plans.insert(key, PodPlan::Ends(now.plus(ENDS_AFTER)));
                }
                Some(PodPlan::Starts(at)) if at <= now => {
                    self.plans.insert(key.clone(), PodPlan::Serves);
                    become_ready(&server, store, &key, &pod);
                }
                Some(PodPlan::Waits) => {
                    if let Place::Node(node) = self.next_node(store) {
                        let bind = |pod: &mut Value| put(pod, &["spec", "nodeName"], node.as_str());
                        drop(server.edit(store, &key, (SCHEDULER, ""), bind));
                        self.take_on(&server, store, &key, now);
                    }
                }
                Some(PodPlan::Starts(_) | PodPlan::Serves) => {}
                None => self.take_on(&server, store, &key, now),
            }
        }
    }
}

/// Where a pod may run.
enum Place {
    /// On this node.
    Node(String),
    /// On none for now: all are full.
    Full,
    /// There are no nodes, and pods run without.
    NoNodes,
}

/// Whether a node takes one more pod; one that does not say how many it takes takes any number.
fn has_room(store: &Store, name: &str, node: &Value) -> bool {
    let Ok(most) = text(node, "/status/allocatable/pods").parse::<usize>() else { return true };
    let on_node = |pod: &Value| text(pod, "/spec/nodeName") == name;
    store.list(pods().idx, None).filter(|(_, pod)| on_node(pod)).count() < most
}

/// Says that no node has room for a pod.
fn wait_for_node(server: &ApiServer, store: &mut Store, key: &Key) {
    let now = server.seconds();
    let show = |pod: &mut Value| {
        let waits = json!([{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "lastTransitionTime": now,
            "message": "no node has room for one more pod",
        }]);
        put(pod, &["status", "conditions"], waits);
    };
    drop(server.edit(store, key, (SCHEDULER, "status"), show));
}

fn become_ready(server: &ApiServer, store: &mut Store, key: &Key, pod: &Value) {
    let now = server.seconds();
    let started = text(pod, "/status/startTime").to_owned();
    let show = |pod: &mut Value| {
        put(pod, &["status", "phase"], "Running");
        put(pod, &["status", "conditions"], conditions("True", &started, &now));
        put(pod, &["status", "containerStatuses"], containers(pod, Some(&now)));
    };
    drop(server.edit(store, key, (KUBELET, "status"), show));
}

fn conditions(ready: &str, started: &str, changed: &str) -> Value {
    let one = |kind: &str, holds: &str, since: &str| json!({"type": kind, "status": holds, "lastTransitionTime": since});
    json!([
        one("PodScheduled", "True", started),
        one("Initialized", "True", started),
        one("ContainersReady", ready, changed),
        one("Ready", ready, changed),
    ])
}

/// The state of each container: waiting, or running since then.
fn containers(pod: &Value, running_since: Option<&str>) -> Value {
    items(pod, "/spec/containers")
        .iter()
        .map(|container| {
            let state = running_since.map_or_else(
                || json!({"waiting": {"reason": "ContainerCreating"}}),
                |since| json!({"running": {"startedAt": since}}),
            );
            let ready = running_since.is_some();
            json!({
                "name": text(container, "/name"), "image": text(container, "/image"), "imageID": "",
                "ready": ready, "started": ready, "restartCount": 0, "state": state,
            })
        })
        .collect()
}
