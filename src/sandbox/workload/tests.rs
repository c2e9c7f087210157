use std::sync::Arc;

use super::*;
use crate::sandbox::VirtualClock;

struct World {
    server: ApiServer,
    workloads: Workloads,
}

impl World {
    fn new(start_up: StartUp) -> Self {
        let clock = Arc::new(VirtualClock::starting_at(Timestamp::from_seconds(1_795_000_000)));
        let server = ApiServer::new(clock, 1);
        server.create(&json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-0"}})).unwrap();
        let workloads = Workloads::new(server.clone(), start_up, 1);
        Self { server, workloads }
    }

    async fn play(&mut self, seconds: u64) {
        for _ in 0..seconds {
            tokio::time::sleep(LOOK_EVERY).await;
            self.workloads.look();
        }
    }

    fn deployment(&self) -> Arc<Value> {
        let key = Key { kind: deployments().idx, namespace: "default".to_owned(), name: "web".to_owned() };
        Arc::clone(self.server.store().get(&key).unwrap())
    }

    /// Replicas, updated, ready, ending.
    fn counts(&self) -> [i64; 4] {
        let deployment = self.deployment();
        ["replicas", "updatedReplicas", "readyReplicas", "terminatingReplicas"]
            .map(|name| whole(&deployment, &format!("/status/{name}")).unwrap_or(0))
    }

    fn edit(&self, change: impl FnOnce(&mut Value)) {
        let key = Key { kind: deployments().idx, namespace: "default".to_owned(), name: "web".to_owned() };
        self.server.edit(&mut self.server.store(), &key, ("test", ""), change).unwrap();
    }
}

fn deployment(replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}},
    })
}

const MINUTE: StartUp = StartUp { median: Span::from_seconds(60), spread: 0.0 };

#[tokio::test(start_paused = true)]
async fn pods_serve_after_their_start_up_and_end_after_their_deletion() {
    let mut world = World::new(MINUTE);
    world.server.create(&deployment(4)).unwrap();
    world.play(3).await;
    assert_eq!(world.counts(), [4, 4, 0, 0]);
    world.play(57).await;
    assert_eq!(world.counts(), [4, 4, 0, 0]);
    world.play(3).await;
    assert_eq!(world.counts(), [4, 4, 4, 0]);
    world.edit(|object| put(object, &["spec", "replicas"], 1));
    world.play(2).await;
    assert_eq!(world.counts(), [1, 1, 1, 3]);
    world.play(8).await;
    assert_eq!(world.counts(), [1, 1, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_rollout_keeps_most_replicas_ready_and_never_exceeds_its_surge() {
    let mut world = World::new(MINUTE);
    world.server.create(&deployment(8)).unwrap();
    world.play(70).await;
    world.edit(|object| {
        let containers = object.pointer_mut("/spec/template/spec/containers/0").unwrap();
        put(containers, &["image"], "web:2");
    });
    let mut highest = 0;
    let mut lowest = i64::MAX;
    for _ in 0..400 {
        world.play(1).await;
        let [replicas, _, ready, _] = world.counts();
        highest = highest.max(replicas);
        lowest = lowest.min(ready);
    }
    // 25 % of 8 on both sides.
    assert_eq!((lowest, highest), (6, 10));
    assert_eq!(world.counts(), [8, 8, 8, 0]);
    let conditions = world.deployment().pointer("/status/conditions/1/reason").cloned();
    assert_eq!(conditions, Some(json!("NewReplicaSetAvailable")));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_deployment_takes_its_pods_along() {
    let mut world = World::new(MINUTE);
    world.server.create(&deployment(3)).unwrap();
    world.play(70).await;
    let key = Key { kind: deployments().idx, namespace: "default".to_owned(), name: "web".to_owned() };
    world.server.begin_deletion(&mut world.server.store(), &key, None);
    world.play(10).await;
    let store = world.server.store();
    assert_eq!([replica_sets(), pods()].map(|kind| store.list(kind.idx, None).count()), [0, 0]);
}

#[test]
fn start_up_times_follow_their_distribution() {
    let start_up = StartUp { median: Span::from_seconds(100), spread: 0.2 };
    let mut chance = Seed::new(5);
    let mut seconds: Vec<u64> = (0..2000).map(|_| start_up.draw(&mut chance).seconds()).collect();
    seconds.sort_unstable();
    assert!((98..=103).contains(&seconds[1000]), "{}", seconds[1000]);
    // 100 * exp(0.2 * 1.645) = 139.
    assert!((135..=144).contains(&seconds[1900]), "{}", seconds[1900]);
}
