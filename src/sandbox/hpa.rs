//! The HorizontalPodAutoscaler of `kube-controller-manager`, for external metrics with an `AverageValue` target.
//!
//! Source: `pkg/controller/podautoscaler` (`horizontal.go`, `replica_calculator.go`): the gate on the current count,
//! the tolerance on total / (target * status.replicas), the ceiling of total / target, the stabilisation windows and
//! the rate policies. Its memory is lost with it, as there.

mod behavior;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::json::{items, put, text, whole};
use super::kinds::{Kind, known};
use super::server::{ApiServer, MANAGER};
use super::store::{Key, Store};
use crate::units::{Timestamp, parse_quantity};
use behavior::{Condition, Limited, Memory, TOO_FEW, TOO_MANY};

/// The controller's sync period.
const SYNC_EVERY: Duration = Duration::from_secs(15);
/// `--horizontal-pod-autoscaler-tolerance`.
const TOLERANCE: f64 = 0.1;

/// The value of an external metric of a namespace; `None` when its adapter has none.
pub type ExternalMetrics = Arc<dyn Fn(&str, &str) -> Option<f64> + Send + Sync>;

const NO_SCALE: Condition = (
    "AbleToScale",
    "False",
    "FailedGetScale",
    "the HPA controller was unable to get the target's current scale",
);
const ABLE: Condition = ("AbleToScale", "True", "ReadyForNewScale", "recommended size matches current size");
const DISABLED: Condition = (
    "ScalingActive",
    "False",
    "ScalingDisabled",
    "scaling is disabled since the replica count of the target is zero",
);
const ACTIVE: Condition = (
    "ScalingActive",
    "True",
    "ValidMetricFound",
    "the HPA was able to successfully calculate a replica count from external metric",
);
const NO_METRIC: Condition =
    ("ScalingActive", "False", "FailedGetExternalMetric", "the HPA was unable to compute the replica count");

/// The controller.
pub struct HpaController {
    server: ApiServer,
    metrics: ExternalMetrics,
    memories: BTreeMap<Key, Memory>,
}

/// What the metrics of an HPA ask for.
struct Proposal {
    /// Replicas; `None` when nothing is to be changed.
    replicas: Option<u32>,
    /// `status.currentMetrics`.
    seen: Vec<Value>,
}

/// The workload that an HPA scales.
struct Target {
    key: Key,
    asked: u32,
    counted: u32,
}

impl HpaController {
    /// A controller of the HPAs of `server`, which reads `metrics`.
    pub fn new(server: ApiServer, metrics: ExternalMetrics) -> Self {
        Self { server, metrics, memories: BTreeMap::new() }
    }

    /// Looks at every HPA each 15 s, until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut syncs = tokio::time::interval(SYNC_EVERY);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = syncs.tick() => self.sync(),
            }
        }
    }

    /// One look at every HPA.
    pub fn sync(&mut self) {
        let now = self.server.now();
        let server = self.server.clone();
        let mut store = server.store();
        let all: Vec<(Key, Arc<Value>)> =
            store.list(hpas().idx, None).map(|(key, hpa)| (key.clone(), Arc::clone(hpa))).collect();
        self.memories.retain(|key, _| all.iter().any(|(other, _)| other == key));
        for (key, hpa) in all {
            self.sync_one(&mut store, &key, &hpa, now);
        }
    }

    fn sync_one(&mut self, store: &mut Store, key: &Key, hpa: &Value, now: Timestamp) {
        let Some(target) = target_of(store, key, hpa) else {
            self.tell(store, key, &Told::only(hpa, None, NO_SCALE));
            return;
        };
        let count = |pointer: &str| whole(hpa, pointer).and_then(|n| u32::try_from(n).ok()).unwrap_or(1);
        let bounds @ (min, max) = (count("/spec/minReplicas"), count("/spec/maxReplicas"));
        if target.asked == 0 && min > 0 {
            self.tell(store, key, &Told::only(hpa, Some(&target), DISABLED));
            return;
        }
        let memory = self.memories.entry(key.clone()).or_default();
        let mut told = Told::only(hpa, Some(&target), ABLE);
        let desired = if target.asked > max {
            told.conditions.push(TOO_MANY);
            max
        } else if target.asked < min {
            told.conditions.push(TOO_FEW);
            min
        } else {
            let Proposal { replicas, seen } = propose(&self.metrics, key, hpa, &target);
            told.seen = seen;
            let Some(proposed) = replicas else {
                told.conditions.push(NO_METRIC);
                self.tell(store, key, &told);
                return;
            };
            let Limited { replicas, condition } = memory.limit(hpa, (target.asked, proposed), bounds, now);
            told.conditions.extend([ACTIVE, condition]);
            replicas
        };
        told.desired = Some(desired);
        if desired != target.asked {
            let write = |object: &mut Value| put(object, &["spec", "replicas"], desired);
            told.scaled = self.server.edit(store, &target.key, (MANAGER, "scale"), write).is_ok();
            if told.scaled {
                memory.note_scaling(target.asked, desired, now);
            }
        }
        self.tell(store, key, &told);
    }

    /// Writes the status.
    fn tell(&self, store: &mut Store, key: &Key, told: &Told<'_>) {
        let Told { hpa, target, desired, conditions, seen, scaled } = told;
        let now = self.server.seconds();
        let mut status = json!({"desiredReplicas": desired.unwrap_or(0), "currentMetrics": seen});
        if let Some(target) = target {
            put(&mut status, &["currentReplicas"], target.asked);
            if desired.is_none() {
                put(&mut status, &["desiredReplicas"], target.asked);
            }
        }
        super::json::copy(&mut status, hpa.get("status").unwrap_or(&Value::Null), &["lastScaleTime"]);
        if *scaled {
            put(&mut status, &["lastScaleTime"], now.clone());
        }
        let merged: Vec<Value> = conditions
            .iter()
            .map(|(kind, holds, reason, message)| {
                let old = items(hpa, "/status/conditions").iter().find(|one| text(one, "/type") == *kind);
                let since = old
                    .filter(|old| text(old, "/status") == *holds)
                    .map(|old| text(old, "/lastTransitionTime"));
                json!({
                    "type": kind, "status": holds, "reason": reason, "message": message,
                    "lastTransitionTime": since.unwrap_or(&now),
                })
            })
            .collect();
        put(&mut status, &["conditions"], merged);
        drop(self.server.edit(store, key, (MANAGER, "status"), |object| put(object, &["status"], status)));
    }
}

/// What a look ends with.
struct Told<'a> {
    hpa: &'a Value,
    target: Option<&'a Target>,
    desired: Option<u32>,
    conditions: Vec<Condition>,
    seen: Vec<Value>,
    scaled: bool,
}

impl<'a> Told<'a> {
    /// It ends with nothing but this.
    fn only(hpa: &'a Value, target: Option<&'a Target>, condition: Condition) -> Self {
        Self { hpa, target, desired: None, conditions: vec![condition], seen: Vec::new(), scaled: false }
    }
}

fn hpas() -> &'static Kind {
    known("autoscaling/v2", "HorizontalPodAutoscaler")
}

fn target_of(store: &Store, key: &Key, hpa: &Value) -> Option<Target> {
    if text(hpa, "/spec/scaleTargetRef/kind") != "Deployment" {
        return None;
    }
    let name = text(hpa, "/spec/scaleTargetRef/name").to_owned();
    let key = Key { kind: known("apps/v1", "Deployment").idx, namespace: key.namespace.clone(), name };
    let object = store.get(&key)?;
    let count = |pointer: &str| whole(object, pointer).and_then(|n| u32::try_from(n).ok());
    Some(Target { asked: count("/spec/replicas")?, counted: count("/status/replicas").unwrap_or(0), key })
}

/// The largest count that a metric asks for. Nothing is changed when all failed, or when some did and the rest would
/// scale down.
fn propose(metrics: &ExternalMetrics, key: &Key, hpa: &Value, target: &Target) -> Proposal {
    let mut proposal = Proposal { replicas: None, seen: Vec::new() };
    let mut failed = false;
    for metric in items(hpa, "/spec/metrics") {
        let name = text(metric, "/external/metric/name");
        let goal =
            parse_quantity(text(metric, "/external/target/averageValue")).ok().filter(|goal| *goal > 0.0);
        let value = metrics(&key.namespace, name).filter(|value| value.is_finite());
        let (Some(goal), Some(value)) = (goal, value) else {
            failed = true;
            proposal.seen.push(json!({"type": ""}));
            continue;
        };
        let replicas = replicas_for(value, goal, hpa, target);
        proposal.replicas = proposal.replicas.max(Some(replicas));
        let average = milli(value / f64::from(target.counted.max(1)));
        proposal.seen.push(json!({
            "type": "External",
            "external": {"metric": {"name": name}, "current": {"averageValue": average}},
        }));
    }
    if failed && proposal.replicas.is_none_or(|replicas| replicas < target.asked) {
        proposal.replicas = None;
    }
    proposal
}

fn replicas_for(value: f64, goal: f64, hpa: &Value, target: &Target) -> u32 {
    let ratio = value / (goal * f64::from(target.counted));
    let (down, up) =
        (behavior::tolerance(hpa, "scaleDown", TOLERANCE), behavior::tolerance(hpa, "scaleUp", TOLERANCE));
    if ratio >= 1.0 - down && ratio <= 1.0 + up {
        return target.asked;
    }
    crate::units::replicas_ceil(value / goal).get()
}

/// A number as a quantity, in thousandths.
fn milli(value: f64) -> String {
    let thousandths = (value * 1000.0).ceil();
    format!("{thousandths}m")
}

#[cfg(test)]
mod tests;
