use std::sync::Mutex;

use super::*;
use crate::edge::clock::ManualClock;
use crate::units::Span;

/// An HPA with a target of 10 per replica, a Deployment whose pods count at once, and the metric.
struct World {
    clock: Arc<ManualClock>,
    server: ApiServer,
    controller: HpaController,
    demand: Arc<Mutex<Option<f64>>>,
}

fn key(kind: &Kind) -> Key {
    Key { kind: kind.idx, namespace: "default".to_owned(), name: "web".to_owned() }
}

impl World {
    fn new(replicas: u32, behavior: Option<Value>) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_795_000_000)));
        let server = ApiServer::new(clock.clone(), 1);
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": {
                "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}},
        });
        server.create(&deployment).unwrap();
        let mut hpa = json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"minReplicas": 1, "maxReplicas": 100,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                "metrics": [{"type": "External", "external": {"metric": {"name": "demand"},
                    "target": {"type": "AverageValue", "averageValue": "10"}}}]},
        });
        if let Some(behavior) = behavior {
            put(&mut hpa, &["spec", "behavior"], behavior);
        }
        server.create(&hpa).unwrap();
        let demand = Arc::new(Mutex::new(None));
        let read = Arc::clone(&demand);
        let controller = HpaController::new(server.clone(), Arc::new(move |_, _| *read.lock().unwrap()));
        let world = Self { clock, server, controller, demand };
        world.count();
        world
    }

    fn asked(&self) -> u32 {
        let kind = known("apps/v1", "Deployment");
        let store = self.server.store();
        u32::try_from(whole(store.get(&key(kind)).unwrap(), "/spec/replicas").unwrap()).unwrap()
    }

    fn count(&self) {
        let n = self.asked();
        let kind = known("apps/v1", "Deployment");
        let show = |object: &mut Value| put(object, &["status", "replicas"], n);
        self.server.edit(&mut self.server.store(), &key(kind), ("test", "status"), show).unwrap();
    }

    /// One sync at `demand`, after `seconds`.
    fn sync(&mut self, demand: Option<f64>, seconds: u64) -> u32 {
        self.clock.advance(Span::from_seconds(seconds));
        *self.demand.lock().unwrap() = demand;
        self.controller.sync();
        self.count();
        self.asked()
    }

    fn condition(&self, name: &str) -> (String, String) {
        let store = self.server.store();
        let hpa = store.get(&key(hpas())).unwrap();
        let one = items(hpa, "/status/conditions").iter().find(|one| text(one, "/type") == name).unwrap();
        (text(one, "/status").to_owned(), text(one, "/reason").to_owned())
    }
}

#[test]
fn the_tolerance_is_closed_and_the_count_a_ceiling() {
    let check = |demand: f64, expected: u32| {
        assert_eq!(World::new(4, None).sync(Some(demand), 0), expected, "{demand}");
    };
    check(44.0, 4);
    check(44.1, 5);
    check(36.0, 4);
    check(80.0, 8);
    // From 4 at most to 8.
    check(400.0, 8);
}

#[test]
fn a_default_behavior_block_allows_what_the_documentation_says() {
    let check = |from: u32, expected: u32| {
        let behavior = json!({"scaleDown": {"stabilizationWindowSeconds": 300}});
        assert_eq!(World::new(from, Some(behavior)).sync(Some(900.0), 0), expected, "{from}");
    };
    for (from, expected) in [(1, 5), (2, 6), (4, 8), (5, 10), (10, 20)] {
        check(from, expected);
    }
}

#[test]
fn without_behavior_the_limit_is_twice_the_count_or_four() {
    for (from, expected) in [(1, 4), (2, 4), (3, 6)] {
        assert_eq!(World::new(from, None).sync(Some(900.0), 0), expected, "{from}");
    }
}

#[test]
fn what_was_added_within_the_period_counts() {
    let behavior = json!({"scaleUp": {"policies": [{"type": "Pods", "value": 5, "periodSeconds": 60}]}});
    let mut world = World::new(5, Some(behavior));
    assert_eq!(world.sync(Some(900.0), 0), 10);
    assert_eq!(world.sync(Some(900.0), 15), 10);
    assert_eq!(world.condition("ScalingLimited"), ("True".to_owned(), "ScaleUpLimit".to_owned()));
    assert_eq!(world.sync(Some(900.0), 45), 15);
}

#[test]
fn rates_down_are_those_of_the_documentation() {
    let policy = |kind: &str, value: u32| json!({"type": kind, "value": value, "periodSeconds": 60});
    let behavior = json!({"scaleDown": {"stabilizationWindowSeconds": 0, "policies": [policy("Pods", 4), policy("Percent", 10)]}});
    let mut world = World::new(80, Some(behavior));
    let counts: Vec<u32> = (0..14).map(|_| world.sync(Some(100.0), 60)).collect();
    assert_eq!(counts, [72, 64, 57, 51, 45, 40, 36, 32, 28, 24, 20, 16, 12, 10]);
}

#[test]
fn a_fall_waits_for_the_window() {
    let mut world = World::new(8, None);
    assert_eq!(world.sync(Some(80.0), 0), 8);
    assert_eq!(world.sync(Some(20.0), 15), 8);
    assert_eq!(world.sync(Some(20.0), 270), 8);
    assert_eq!(world.sync(Some(20.0), 15), 2);
}

#[test]
fn a_missing_metric_changes_nothing_and_bounds_hold_all_the_same() {
    let mut world = World::new(8, None);
    assert_eq!(world.sync(None, 0), 8);
    assert_eq!(world.condition("ScalingActive"), ("False".to_owned(), "FailedGetExternalMetric".to_owned()));
    let raise = |object: &mut Value| put(object, &["spec", "minReplicas"], 12);
    world.server.edit(&mut world.server.store(), &key(hpas()), ("test", ""), raise).unwrap();
    assert_eq!(world.sync(None, 15), 12);
}
