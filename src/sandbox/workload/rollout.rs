//! Deployments to replica sets: one set for each pod template, replaced step by step within surge and unavailability.
//!
//! Source: the rolling update of the Deployment controller (`rolling.go`): scale the new set up to the total that the
//! surge allows, scale old ones down by what is available beyond the minimum.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{controlled, deployments, is_ending, owner_reference, replica_sets};
use crate::sandbox::json::{put, text, whole};
use crate::sandbox::server::{ApiServer, MANAGER};
use crate::sandbox::store::{Key, Store};

/// The label that tells the pods of one template from those of another.
const HASH_LABEL: &str = "pod-template-hash";
/// Counts the templates that a Deployment had.
const REVISION: &str = "deployment.kubernetes.io/revision";

/// How far a rollout may leave the wanted count.
pub(super) struct Limits {
    /// Replicas above it.
    pub(super) surge: i64,
    /// Ready replicas below it.
    pub(super) unavailable: i64,
}

/// The limits of a Deployment, its percentages taken of the wanted count: surge rounded up, unavailability down.
pub(super) fn limits(deployment: &Value) -> Limits {
    let wanted = whole(deployment, "/spec/replicas").unwrap_or(1);
    if text(deployment, "/spec/strategy/type") == "Recreate" {
        return Limits { surge: 0, unavailable: wanted };
    }
    let of = |name: &str, rounds_up: bool| {
        let pointer = format!("/spec/strategy/rollingUpdate/{name}");
        whole(deployment, &pointer).unwrap_or_else(|| {
            let percent = text(deployment, &pointer).trim_end_matches('%').parse::<i64>().unwrap_or(25);
            (percent * wanted + if rounds_up { 99 } else { 0 }) / 100
        })
    };
    let (surge, unavailable) = (of("maxSurge", true), of("maxUnavailable", false));
    // Without room in either direction nothing could ever be replaced.
    Limits { surge, unavailable: if surge == 0 { unavailable.max(1) } else { unavailable } }
}

/// A short text that differs when the pod template does.
pub(super) fn template_hash(deployment: &Value) -> String {
    let template = deployment.pointer("/spec/template").map(Value::to_string).unwrap_or_default();
    let hash = template
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    format!("{:09x}", hash >> 28)
}

/// The hash that a set, or a pod of it, carries.
pub(super) fn hash_of(object: &Value) -> &str {
    let labels = object.pointer("/metadata/labels");
    labels.and_then(|labels| labels.get(HASH_LABEL)).and_then(Value::as_str).unwrap_or_default()
}

/// Moves the sets of a Deployment one step towards what it asks for.
pub(super) fn sync(server: &ApiServer, store: &mut Store, key: &Key, deployment: &Arc<Value>) {
    if is_ending(deployment) {
        return;
    }
    let wanted = whole(deployment, "/spec/replicas").unwrap_or(1);
    let hash = template_hash(deployment);
    let sets = controlled(store, replica_sets(), key, text(deployment, "/metadata/uid"));
    let (mut new, old): (Vec<_>, Vec<_>) = sets.into_iter().partition(|(_, set)| hash_of(set) == hash);
    let asked = |set: &Value| whole(set, "/spec/replicas").unwrap_or(0);
    let n_old: i64 = old.iter().map(|(_, set)| asked(set)).sum();
    if new.is_empty() {
        let first = if n_old == 0 { wanted } else { 0 };
        new.extend(create_set(server, store, (key, deployment), &hash, (first, old.len())));
    }
    let Some((new_key, new_set)) = new.into_iter().next() else { return };
    let held = asked(&new_set);
    if n_old == 0 {
        scale(server, store, &new_key, held, wanted);
        return;
    }
    let Limits { surge, unavailable } = limits(deployment);
    let room = (wanted + surge - held - n_old).max(0);
    let grown = if held > wanted { wanted } else { (held + room).min(wanted) };
    scale(server, store, &new_key, held, grown);
    let ready = |set: &Value| whole(set, "/status/readyReplicas").unwrap_or(0);
    let n_ready_old: i64 = old.iter().map(|(_, set)| ready(set).min(asked(set))).sum();
    let spare = n_ready_old + ready(&new_set).min(held) - (wanted - unavailable);
    let mut unready = n_old - n_ready_old;
    let mut spare = spare.max(0);
    for (old_key, set) in &old {
        // Those that do not serve go first and cost nothing.
        let broken = (asked(set) - ready(set)).clamp(0, unready.max(0));
        let sound = (asked(set) - broken).min(spare).max(0);
        unready -= broken;
        spare -= sound;
        scale(server, store, old_key, asked(set), asked(set) - broken - sound);
    }
}

fn create_set(
    server: &ApiServer,
    store: &mut Store,
    (key, deployment): (&Key, &Value),
    hash: &str,
    (replicas, n_before): (i64, usize),
) -> Option<(Key, Arc<Value>)> {
    let mut template = deployment.pointer("/spec/template").cloned().unwrap_or_default();
    put(&mut template, &["metadata", "labels", HASH_LABEL], hash);
    let labels = template.pointer("/metadata/labels").cloned().unwrap_or_default();
    let mut selector = deployment.pointer("/spec/selector").cloned().unwrap_or_default();
    put(&mut selector, &["matchLabels", HASH_LABEL], hash);
    let revision = (n_before + 1).to_string();
    let set = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": format!("{}-{hash}", key.name), "namespace": key.namespace, "labels": labels,
            "annotations": {REVISION: revision}, "ownerReferences": owner_reference(deployment, deployments()),
        },
        "spec": {"replicas": replicas, "selector": selector, "template": template},
    });
    let created = server.create_locked(store, replica_sets(), set, MANAGER).ok()?;
    let note = |object: &mut Value| put(object, &["metadata", "annotations", REVISION], revision);
    drop(server.edit(store, key, (MANAGER, ""), note));
    let name = text(&created, "/metadata/name").to_owned();
    Some((Key { kind: replica_sets().idx, namespace: key.namespace.clone(), name }, created))
}

fn scale(server: &ApiServer, store: &mut Store, key: &Key, from: i64, to: i64) {
    if from != to {
        let write = |object: &mut Value| put(object, &["spec", "replicas"], to);
        drop(server.edit(store, key, (MANAGER, ""), write));
    }
}
