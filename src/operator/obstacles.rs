//! What stands in the way of growth: quotas of the namespace, pods without a node, pods that are not made.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::ResourceQuota;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::ResourceExt as _;
use kube::runtime::reflector::Store;
use serde_json::Value;

use super::context::{Context, is_filled};
use crate::decide::{Most, Obstacle};
use crate::units::{Replicas, parse_quantity, replicas_ceil};

/// What is known before the target is read.
#[derive(Clone, Debug, Default)]
pub struct Obstacles {
    /// Pods that have been waiting for a node for long.
    pub stuck: Replicas,
    /// Whether pods that are asked for have not been made for long.
    pub missing: bool,
    /// The quotas of the namespace.
    pub quotas: Vec<Arc<ResourceQuota>>,
    /// Whether the quotas could not be read.
    pub quotas_unread: bool,
    /// What there is of each of `spec.limits`.
    pub limits: Vec<Room>,
}

/// What there is of one of `spec.limits`.
#[derive(Clone, Debug, PartialEq)]
pub struct Room {
    /// Its name.
    pub name: String,
    /// How much there is in all, as it was read last.
    pub available: Option<f64>,
    /// How much of it one replica takes.
    pub per_replica: f64,
    /// Why it could not be read now, if so.
    pub problem: Option<String>,
}

impl Room {
    /// The most replicas that share it, and its sentence; `None` while it was never read.
    fn most(&self) -> Option<(Replicas, String)> {
        let Self { name, available, per_replica, problem } = self;
        let available = available.filter(|available| available.is_finite())?;
        let most = replicas_ceil((available / per_replica * (1.0 + 1e-9)).floor().max(0.0));
        let last = if problem.is_some() { ", as it was read last" } else { "" };
        let told = format!(
            "limit `{name}`: {available}{last}, and each replica takes {per_replica}, which is room for {most}: raise what there is, or lower maxReplicas"
        );
        Some((most, told))
    }
}

impl Obstacles {
    /// The tightest of all. `exist` are the pods there are, `workload` is the object with the
    /// template of more.
    pub fn tightest(&self, asked: Replicas, exist: Replicas, workload: &Value) -> Option<Most> {
        let Self { stuck, missing, quotas, quotas_unread: _, limits } = self;
        let mut found: Vec<Most> = Vec::new();
        if *stuck > Replicas::ZERO {
            let replicas = Replicas::new(asked.get().saturating_sub(stuck.get()));
            let told =
                format!("{stuck} pods find no node: add nodes, or lower the requests of the pod template");
            found.push(Most { replicas, why: Obstacle::Unschedulable, told });
        }
        if let Some((room, told)) =
            quotas.iter().filter_map(|quota| room_in(quota, workload)).min_by_key(|one| one.0)
        {
            let replicas = Replicas::new(exist.get().saturating_add(room.get()));
            found.push(Most { replicas, why: Obstacle::Quota, told });
        } else if *missing {
            let told = format!(
                "{exist} pods of the {asked} that are asked for exist, and no more are made: see the Events of the workload's ReplicaSet"
            );
            found.push(Most { replicas: exist, why: Obstacle::NotCreated, told });
        }
        let limited = limits.iter().filter_map(Room::most);
        found.extend(limited.map(|(replicas, told)| Most { replicas, why: Obstacle::Limit, told }));
        found.into_iter().min_by_key(|most| most.replicas)
    }

    /// The first limit that could not be read, and why.
    pub fn unread_limit(&self) -> Option<String> {
        self.limits.iter().find_map(|room| {
            let Room { name, available, problem, .. } = room;
            let stands = if available.is_some() {
                "what was read last stands"
            } else {
                "it limits nothing until then"
            };
            problem.as_ref().map(|problem| format!("limit `{name}` could not be read ({problem}): {stands}"))
        })
    }
}

/// The quotas of a namespace as the watch caches have them, and whether they could not be read.
pub fn quotas(ctx: &Context, namespace: &str) -> (Vec<Arc<ResourceQuota>>, bool) {
    let all = ctx.quotas.iter().flat_map(Store::state);
    let own = all.filter(|quota| quota.namespace().as_deref() == Some(namespace)).collect();
    (own, !ctx.quotas.iter().all(is_filled))
}

/// Pods of the workload for which a quota has room, and its sentence; `None` where it counts nothing of a pod. A quota
/// with a scope counts some pods only, and is left to the API server.
fn room_in(quota: &ResourceQuota, workload: &Value) -> Option<(Replicas, String)> {
    let scoped = quota.spec.as_ref().is_some_and(|spec| {
        spec.scope_selector.is_some() || spec.scopes.as_ref().is_some_and(|scopes| !scopes.is_empty())
    });
    let status = quota.status.as_ref().filter(|_| !scoped)?;
    let (hard, used) = (status.hard.as_ref()?, status.used.as_ref());
    let name = quota.name_any();
    hard.iter()
        .filter_map(|(resource, hard)| {
            let each = each_pod_takes(workload, resource).filter(|each| *each > 0.0)?;
            let number = |quantity: &Quantity| parse_quantity(&quantity.0).ok();
            let taken: Option<&BTreeMap<String, Quantity>> = used;
            let taken = taken.and_then(|used| used.get(resource));
            let left = number(hard)? - taken.and_then(number).unwrap_or(0.0);
            let room = replicas_ceil((left / each * (1.0 + 1e-9)).floor().max(0.0));
            let told = format!(
                "ResourceQuota `{name}` has room for {room} more pods ({resource}: {} of {} used): raise the quota, or lower maxReplicas",
                taken.map_or("0", |taken| taken.0.as_str()),
                hard.0
            );
            Some((room, told))
        })
        .min_by_key(|one| one.0)
}

/// How much of a quota's resource one more pod takes; `None` when pods take none of it.
fn each_pod_takes(workload: &Value, resource: &str) -> Option<f64> {
    let (kind, what) = match resource {
        "pods" | "count/pods" => return Some(1.0),
        "cpu" | "requests.cpu" => ("requests", "cpu"),
        "memory" | "requests.memory" => ("requests", "memory"),
        "limits.cpu" => ("limits", "cpu"),
        "limits.memory" => ("limits", "memory"),
        _ => return None,
    };
    let containers = workload.pointer("/spec/template/spec/containers")?.as_array()?;
    let mut sum = 0.0;
    for container in containers {
        let stated = |kind: &str| container.pointer(&format!("/resources/{kind}/{what}"))?.as_str();
        // The server fills a request that is left out with the limit.
        let taken = stated(kind).or_else(|| stated("limits"));
        sum += taken.and_then(|text| parse_quantity(text).ok()).unwrap_or(0.0);
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn quota(hard: &Value, used: &Value) -> Arc<ResourceQuota> {
        let object = json!({"metadata": {"name": "team"}, "status": {"hard": hard, "used": used}});
        Arc::new(serde_json::from_value(object).unwrap())
    }

    fn workload() -> Value {
        json!({"spec": {"template": {"spec": {"containers": [
            {"resources": {"requests": {"cpu": "250m"}, "limits": {"memory": "1Gi"}}},
            {"resources": {"requests": {"cpu": "250m"}}},
        ]}}}})
    }

    fn tightest(obstacles: &Obstacles) -> Option<(u32, Obstacle)> {
        let (asked, exist) = (Replicas::new(6), Replicas::new(5));
        obstacles.tightest(asked, exist, &workload()).map(|most| (most.replicas.get(), most.why))
    }

    #[test]
    fn a_quota_leaves_room_for_as_many_pods_as_its_scarcest_resource() {
        for (hard, used, most) in [
            (json!({"pods": "10"}), json!({"pods": "7"}), Some(8)),
            (json!({"requests.cpu": "4"}), json!({"requests.cpu": "2500m"}), Some(8)),
            (json!({"pods": "100", "requests.memory": "6Gi"}), json!({"requests.memory": "4Gi"}), Some(7)),
            (json!({"pods": "5"}), json!({"pods": "9"}), Some(5)),
            (json!({"configmaps": "1"}), json!({"configmaps": "1"}), None),
            (json!({"limits.cpu": "1"}), json!({"limits.cpu": "1"}), None),
        ] {
            let obstacles = Obstacles { quotas: vec![quota(&hard, &used)], ..Obstacles::default() };
            assert_eq!(tightest(&obstacles), most.map(|n| (n, Obstacle::Quota)), "{hard} {used}");
        }
    }

    #[test]
    fn a_quota_with_a_scope_is_left_to_the_server() {
        let object = json!({"metadata": {"name": "team"}, "spec": {"scopes": ["BestEffort"]},
            "status": {"hard": {"pods": "1"}}});
        let quotas = vec![Arc::new(serde_json::from_value(object).unwrap())];
        assert_eq!(tightest(&Obstacles { quotas, ..Obstacles::default() }), None);
    }

    #[test]
    fn a_limit_has_room_for_as_many_replicas_as_share_it_and_stands_while_it_cannot_be_read() {
        let room = |available, problem: Option<&str>| Room {
            name: "db-pool".to_owned(),
            available,
            per_replica: 20.0,
            problem: problem.map(str::to_owned),
        };
        let of = |limits| Obstacles { limits, ..Obstacles::default() };
        for (available, most) in [(100.0, 5), (119.0, 5), (120.0, 6), (0.0, 0), (-5.0, 0)] {
            let obstacles = of(vec![room(Some(500.0), None), room(Some(available), None)]);
            assert_eq!(tightest(&obstacles), Some((most, Obstacle::Limit)), "{available}");
            assert_eq!(obstacles.unread_limit(), None);
        }
        let stale = of(vec![room(Some(100.0), Some("no answer"))]);
        assert_eq!(tightest(&stale), Some((5, Obstacle::Limit)));
        assert_eq!(
            stale.unread_limit().unwrap(),
            "limit `db-pool` could not be read (no answer): what was read last stands"
        );
        let never = of(vec![room(None, Some("no answer"))]);
        assert_eq!(tightest(&never), None);
        assert!(never.unread_limit().unwrap().ends_with("it limits nothing until then"));
    }

    #[test]
    fn the_tightest_obstacle_is_told_with_what_to_do() {
        let obstacles = Obstacles {
            stuck: Replicas::new(2),
            missing: true,
            quotas: vec![quota(&json!({"pods": "3"}), &json!({"pods": "3"}))],
            ..Obstacles::default()
        };
        assert_eq!(tightest(&obstacles), Some((4, Obstacle::Unschedulable)));
        let without = Obstacles { stuck: Replicas::ZERO, ..obstacles.clone() };
        let most = without.tightest(Replicas::new(6), Replicas::new(5), &workload()).unwrap();
        assert_eq!((most.replicas.get(), most.why), (5, Obstacle::Quota));
        assert_eq!(
            most.told,
            "ResourceQuota `team` has room for 0 more pods (pods: 3 of 3 used): raise the quota, or lower maxReplicas"
        );
        let unread = Obstacles { quotas: Vec::new(), ..without };
        assert_eq!(tightest(&unread), Some((5, Obstacle::NotCreated)));
        assert_eq!(tightest(&Obstacles { missing: false, ..unread }), None);
    }
}
