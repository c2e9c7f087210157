use kube::ResourceExt as _;
use serde_json::{Value, json};

use super::*;
use crate::operator::actuate::hpa::{ORIGINAL_ANNOTATION, WRITTEN_ANNOTATION};
use crate::operator::fake::rig::{Rig, autoscaler};

/// An autoscaler in mode Floor that moves the floor of the HPA on `target`.
fn mover(name: &str, target: &str) -> Value {
    let edit = json!({
        "mode": "Floor", "actuation": {"via": "HorizontalPodAutoscalerFloor"},
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
    });
    let mut object = autoscaler(name, "main", &edit);
    object["metadata"]["finalizers"] = json!([finalizer::RESTORE_FLOOR]);
    object
}

fn path_of(name: &str) -> String {
    format!("/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/{name}")
}

/// An HPA on the Deployment of its name: its own minimum is 2, and 9 were written if it is `raised`.
fn put_hpa(rig: &Rig, name: &str, raised: bool) {
    let notes = if raised { json!({ORIGINAL_ANNOTATION: "2", WRITTEN_ANNOTATION: "9"}) } else { json!({}) };
    let hpa = json!({
        "metadata": {"name": name, "namespace": "shop", "annotations": notes},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": if raised { 9 } else { 2 }, "maxReplicas": 20,
        },
    });
    rig.api.put(&path_of(name), hpa);
}

fn least(rig: &Rig, name: &str) -> u64 {
    rig.api.get(&path_of(name)).unwrap()["spec"]["minReplicas"].as_u64().unwrap()
}

#[tokio::test]
async fn an_autoscaler_that_names_another_target_gives_the_floor_of_the_former_back() {
    let rig = Rig::new(&[mover("web", "web-v2"), mover("api", "api")], Vec::new());
    for (name, raised) in [("web", true), ("web-v2", true), ("api", true), ("other", false)] {
        put_hpa(&rig, name, raised);
    }
    assert!(sweep(&rig.ctx, &rig.object("web"), &rig.leadership).await);
    let stand: Vec<u64> = ["web", "web-v2", "api", "other"].map(|name| least(&rig, name)).to_vec();
    assert_eq!(stand, [2, 9, 9, 2]);
    let notes = rig.api.get(&path_of("web")).unwrap()["metadata"]["annotations"].clone();
    assert_eq!(notes, json!({}));
}

#[tokio::test]
async fn a_deleted_autoscaler_gives_back_every_floor_that_nobody_else_moves() {
    let rig = Rig::new(&[mover("web", "web"), mover("younger", "web"), mover("api", "api")], Vec::new());
    for name in ["web", "api", "former"] {
        put_hpa(&rig, name, true);
    }
    let mut api = rig.object("api");
    api.metadata.deletion_timestamp = serde_json::from_value(json!("2023-11-14T22:14:00Z")).unwrap();
    give_back(&rig.ctx, &api, &rig.leadership).await;
    assert_eq!(["web", "api", "former"].map(|name| least(&rig, name)), [9, 2, 2]);
    assert!(rig.object("api").finalizers().is_empty());
    let mut web = rig.object("web");
    web.metadata.deletion_timestamp.clone_from(&api.metadata.deletion_timestamp);
    give_back(&rig.ctx, &web, &rig.leadership).await;
    assert_eq!(least(&rig, "web"), 9, "`younger` goes on with it");
}
