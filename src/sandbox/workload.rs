//! Workloads: Deployments become replica sets, replica sets pods, and pods need their time to serve and to end.
//!
//! In: the objects of the embedded API server. Out: the same objects, moved on once a second as the controllers and the
//! kubelet of a cluster would: rollouts with surge, pods that become Ready after a drawn start-up time, pods that are
//! deleted and take a while to go. A pod that is being deleted serves no more.

mod pods;
mod rollout;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::json::{items, put, text, whole};
use super::kinds::{Kind, known};
use super::seed::Seed;
use super::server::{ApiServer, MANAGER};
use super::store::{Key, Store};
use crate::units::{Span, Timestamp};
use pods::PodPlan;

/// How often everything is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// From a pod's creation to its readiness: log-normal, as image pulls and start-ups of real services are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StartUp {
    /// Half of all pods are ready by then.
    pub median: Span,
    /// Deviation of the logarithm: 0.2 puts 95 % of pods below 1.4 medians. 0 makes all alike.
    pub spread: f64,
}

impl StartUp {
    /// One start-up time, to the second, at least one.
    fn draw(&self, chance: &mut Seed) -> Span {
        let seconds = self.median.seconds_f64() * (self.spread * chance.normal()).exp();
        let whole = crate::units::replicas_ceil(seconds).get();
        Span::from_seconds(u64::from(whole.max(1)))
    }
}

/// The controllers of workloads.
pub struct Workloads {
    server: ApiServer,
    start_up: StartUp,
    chance: Seed,
    plans: BTreeMap<Key, PodPlan>,
    n_scheduled: usize,
    bells: Vec<watch::Receiver<u64>>,
}

impl Workloads {
    /// Controllers for the workloads of `server`, with start-up times drawn from `seed`.
    pub fn new(server: ApiServer, start_up: StartUp, seed: u64) -> Self {
        let bells = {
            let store = server.store();
            [deployments(), replica_sets(), pods()]
                .into_iter()
                .filter_map(|kind| store.bell(kind.idx))
                // What is there already is looked at too.
                .map(|mut bell| {
                    bell.mark_changed();
                    bell
                })
                .collect()
        };
        Self {
            server,
            start_up,
            chance: Seed::stream(seed, "pods"),
            plans: BTreeMap::new(),
            n_scheduled: 0,
            bells,
        }
    }

    /// Moves everything on once a second, until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = looks.tick() => self.look(),
            }
        }
    }

    /// One look at everything, unless nothing has changed and nothing is due.
    pub fn look(&mut self) {
        let now = self.server.now();
        let rung = self.bells.iter_mut().fold(false, |rung, bell| {
            let changed = bell.has_changed().unwrap_or(false);
            bell.borrow_and_update();
            rung || changed
        });
        if !rung && !self.plans.values().any(|plan| plan.is_due(now)) {
            return;
        }
        let server = self.server.clone();
        let mut store = server.store();
        self.move_pods(&mut store, now);
        for (key, deployment) in all(&store, deployments()) {
            rollout::sync(&server, &mut store, &key, &deployment);
        }
        for (key, set) in all(&store, replica_sets()) {
            self.fit(&mut store, &key, &set, now);
        }
        for (key, set) in all(&store, replica_sets()) {
            count_set(&server, &mut store, &key, &set);
        }
        for (key, deployment) in all(&store, deployments()) {
            count_deployment(&server, &mut store, &key, &deployment);
        }
    }

    /// Creates or deletes pods until the set has as many as it asks for.
    fn fit(&mut self, store: &mut Store, key: &Key, set: &Value, now: Timestamp) {
        if set.pointer("/metadata/deletionTimestamp").is_some() {
            return;
        }
        let mut held = pods::of_set(store, key, set);
        held.retain(|(_, pod)| !is_ending(pod));
        let wanted = usize::try_from(whole(set, "/spec/replicas").unwrap_or(1)).unwrap_or(0);
        for _ in held.len()..wanted {
            self.start_pod(store, set, now);
        }
        let surplus = held.len().saturating_sub(wanted);
        held.sort_by_cached_key(|(_, pod)| pods::rank_for_deletion(pod));
        for (key, _) in held.into_iter().take(surplus) {
            self.server.begin_deletion(store, &key, None);
        }
    }
}

fn deployments() -> &'static Kind {
    known("apps/v1", "Deployment")
}

fn replica_sets() -> &'static Kind {
    known("apps/v1", "ReplicaSet")
}

fn pods() -> &'static Kind {
    known("v1", "Pod")
}

fn all(store: &Store, kind: &Kind) -> Vec<(Key, Arc<Value>)> {
    store.list(kind.idx, None).map(|(key, object)| (key.clone(), Arc::clone(object))).collect()
}

/// Objects of a kind in the namespace of `owner` that it controls.
fn controlled(store: &Store, kind: &Kind, owner: &Key, uid: &str) -> Vec<(Key, Arc<Value>)> {
    store
        .list(kind.idx, Some(&owner.namespace))
        .filter(|(_, object)| {
            items(object, "/metadata/ownerReferences").iter().any(|one| text(one, "/uid") == uid)
        })
        .map(|(key, object)| (key.clone(), Arc::clone(object)))
        .collect()
}

fn is_ending(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some()
}

fn owner_reference(owner: &Value, kind: &Kind) -> Value {
    json!([{
        "apiVersion": kind.api_version(), "kind": kind.name, "name": text(owner, "/metadata/name"),
        "uid": text(owner, "/metadata/uid"), "controller": true, "blockOwnerDeletion": true,
    }])
}

/// Writes what a ReplicaSet has.
fn count_set(server: &ApiServer, store: &mut Store, key: &Key, set: &Value) {
    let held: Vec<_> = pods::of_set(store, key, set).into_iter().filter(|(_, pod)| !is_ending(pod)).collect();
    let n_ready = held.iter().filter(|(_, pod)| pods::is_ready(pod)).count();
    let mut status = json!({
        "replicas": held.len(), "observedGeneration": whole(set, "/metadata/generation"),
    });
    for (name, n) in
        [("fullyLabeledReplicas", held.len()), ("readyReplicas", n_ready), ("availableReplicas", n_ready)]
    {
        if n > 0 {
            put(&mut status, &[name], n);
        }
    }
    write_status(server, store, (key, set), status);
}

/// Writes what a Deployment has: the sum of its sets.
fn count_deployment(server: &ApiServer, store: &mut Store, key: &Key, deployment: &Value) {
    let sets = controlled(store, replica_sets(), key, text(deployment, "/metadata/uid"));
    let current = rollout::template_hash(deployment);
    let sum = |pointer: &str| sets.iter().filter_map(|(_, set)| whole(set, pointer)).sum::<i64>();
    let updated: i64 = sets
        .iter()
        .filter(|(_, set)| rollout::hash_of(set) == current)
        .filter_map(|(_, set)| whole(set, "/status/replicas"))
        .sum();
    let wanted = whole(deployment, "/spec/replicas").unwrap_or(1);
    let (total, ready) = (sum("/status/replicas"), sum("/status/readyReplicas"));
    let ending: usize = sets
        .iter()
        .map(|(key, set)| pods::of_set(store, key, set).iter().filter(|(_, pod)| is_ending(pod)).count())
        .sum();
    let mut status = json!({"observedGeneration": whole(deployment, "/metadata/generation")});
    for (name, n) in [
        ("replicas", total),
        ("updatedReplicas", updated),
        ("readyReplicas", ready),
        ("availableReplicas", ready),
        ("unavailableReplicas", (total.max(wanted) - ready).max(0)),
        ("terminatingReplicas", i64::try_from(ending).unwrap_or(0)),
    ] {
        if n > 0 {
            put(&mut status, &[name], n);
        }
    }
    let available = ready >= wanted - rollout::limits(deployment).unavailable;
    let done = updated == wanted && total == wanted && ready == wanted;
    let now = server.seconds();
    let conditions = [
        if available {
            ("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
        } else {
            (
                "Available",
                "False",
                "MinimumReplicasUnavailable",
                "Deployment does not have minimum availability.",
            )
        },
        if done {
            ("Progressing", "True", "NewReplicaSetAvailable", "ReplicaSet has successfully progressed.")
        } else {
            ("Progressing", "True", "ReplicaSetUpdated", "ReplicaSet is progressing.")
        },
    ];
    let conditions: Vec<Value> = conditions.into_iter().map(|one| condition(deployment, one, &now)).collect();
    put(&mut status, &["conditions"], conditions);
    write_status(server, store, (key, deployment), status);
}

/// A condition; its times change only when it does.
fn condition(object: &Value, (kind, holds, reason, message): (&str, &str, &str, &str), now: &str) -> Value {
    let old = items(object, "/status/conditions").iter().find(|one| text(one, "/type") == kind);
    let unchanged = |pointer: &str, new: &str| old.filter(|old| text(old, pointer) == new);
    let since = unchanged("/status", holds).map_or(now, |old| text(old, "/lastTransitionTime"));
    let updated = unchanged("/reason", reason).map_or(now, |old| text(old, "/lastUpdateTime"));
    json!({
        "type": kind, "status": holds, "reason": reason, "message": message, "lastTransitionTime": since,
        "lastUpdateTime": updated,
    })
}

/// Writes a status that differs from the one that stands.
fn write_status(server: &ApiServer, store: &mut Store, (key, object): (&Key, &Value), status: Value) {
    if object.get("status") == Some(&status) {
        return;
    }
    // Nobody writes between the read and this: the store is locked all the while.
    drop(server.edit(store, key, (MANAGER, "status"), |object| put(object, &["status"], status)));
}

#[cfg(test)]
mod tests;
