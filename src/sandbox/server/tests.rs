use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::*;
use crate::sandbox::VirtualClock;

fn server() -> ApiServer {
    ApiServer::new(Arc::new(VirtualClock::starting_at(Timestamp::from_seconds(1_795_000_000))), 1)
}

fn deployment(name: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}},
    })
}

fn deployments(server: &ApiServer) -> Api<Deployment> {
    Api::namespaced(server.client(), "default")
}

#[tokio::test(start_paused = true)]
async fn a_stale_write_meets_a_conflict_and_a_fresh_one_the_next_version() {
    let server = server();
    server.create(&deployment("web", 2)).unwrap();
    let api = deployments(&server);
    let read = api.get("web").await.unwrap();
    let version = read.resource_version().unwrap();
    let patch = |version: &str, n: u32| {
        Patch::Merge(json!({"metadata": {"resourceVersion": version}, "spec": {"replicas": n}}))
    };
    let scaled = api.patch_scale("web", &PatchParams::default(), &patch(&version, 5)).await.unwrap();
    assert_eq!(scaled.spec.unwrap().replicas, Some(5));
    let stale = api.patch_scale("web", &PatchParams::default(), &patch(&version, 6)).await.unwrap_err();
    let kube::Error::Api(status) = stale else { panic!("{stale}") };
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    let now = api.get("web").await.unwrap();
    assert_eq!((now.spec.as_ref().unwrap().replicas, now.metadata.generation), (Some(5), Some(2)));
}

#[tokio::test(start_paused = true)]
async fn pages_show_the_state_of_the_first_page() {
    let server = server();
    for name in ["a", "b", "c", "d"] {
        server.create(&deployment(name, 1)).unwrap();
    }
    let api = deployments(&server);
    let mut params = ListParams::default().limit(2);
    let first = api.list(&params).await.unwrap();
    assert_eq!(first.metadata.remaining_item_count, Some(2));
    api.delete("c", &DeleteParams::default()).await.unwrap();
    server.create(&deployment("e", 1)).unwrap();
    params = params.continue_token(&first.metadata.continue_.unwrap());
    let second = api.list(&params).await.unwrap();
    let names: Vec<String> = first.items.iter().chain(&second.items).map(ResourceExt::name_any).collect();
    assert_eq!(names, ["a", "b", "c", "d"]);
    assert_eq!(second.metadata.continue_, None);
}

#[tokio::test(start_paused = true)]
async fn a_watch_tells_changes_and_bookmarks_and_ends_in_virtual_time() {
    let server = server();
    server.create(&deployment("web", 1)).unwrap();
    let version = server.store().version().to_string();
    let api = deployments(&server);
    let started = tokio::time::Instant::now();
    let params = WatchParams::default().timeout(200);
    let stream = api.watch(&params, &version).await.unwrap();
    let changes = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        server.create(&deployment("api", 1)).unwrap();
        api.delete("api", &DeleteParams::default()).await.unwrap();
    };
    let seen = stream.map(|event| match event.unwrap() {
        WatchEvent::Added(one) => format!("added {}", one.name_any()),
        WatchEvent::Deleted(one) => format!("deleted {}", one.name_any()),
        WatchEvent::Bookmark(_) => "bookmark".to_owned(),
        other => format!("{other:?}"),
    });
    let (seen, ()) = tokio::join!(seen.collect::<Vec<_>>(), changes);
    assert_eq!(seen, ["added api", "deleted api", "bookmark", "bookmark", "bookmark", "bookmark"]);
    assert_eq!(started.elapsed(), Duration::from_secs(200));
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_before_the_log_is_told_that_it_is_gone() {
    let server = server();
    let api = deployments(&server);
    let events: Vec<_> = api.watch(&WatchParams::default(), "1").await.unwrap().collect().await;
    let Some(Ok(WatchEvent::Error(status))) = events.first() else { panic!("{events:?}") };
    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
}

#[tokio::test(start_paused = true)]
async fn a_watcher_of_kube_follows_for_hours_and_time_goes_on() {
    let server = server();
    let stream =
        watcher(deployments(&server), watcher::Config::default()).default_backoff().applied_objects();
    let mut stream = std::pin::pin!(stream);
    for hour in 0..24 {
        let name = format!("web-{hour}");
        let later = server.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_hours(1)).await;
            later.create(&deployment(&name, 1)).unwrap();
        });
        assert_eq!(stream.try_next().await.unwrap().unwrap().name_any(), format!("web-{hour}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_taken_by_compare_and_swap() {
    let server = server();
    let api: Api<Lease> = Api::namespaced(server.client(), "default");
    let lease: Lease =
        serde_json::from_value(json!({"metadata": {"name": "x"}, "spec": {"holderIdentity": "a"}})).unwrap();
    let created = api.create(&PostParams::default(), &lease).await.unwrap();
    let mut taken = created.clone();
    taken.spec.as_mut().unwrap().holder_identity = Some("b".to_owned());
    api.replace("x", &PostParams::default(), &taken).await.unwrap();
    let late = api.replace("x", &PostParams::default(), &created).await.unwrap_err();
    assert!(matches!(late, kube::Error::Api(status) if status.code == 409));
}

#[tokio::test(start_paused = true)]
async fn faults_come_from_the_seed_and_lost_answers_are_carried_out() {
    let outcomes = |seed: u64| async move {
        let server = server();
        server.create(&deployment("web", 1)).unwrap();
        server.set_faults(Faults::seeded(
            seed,
            &[(Fault::Refuse(503), 0.2), (Fault::LoseAnswer, 0.2), (Fault::Overtake, 0.2)],
        ));
        let api = deployments(&server);
        let mut said = Vec::new();
        for n in 0..40 {
            let patch = Patch::Merge(json!({"spec": {"replicas": n}}));
            let params = PatchParams::default();
            let call = tokio::time::timeout(Duration::from_secs(5), api.patch("web", &params, &patch));
            said.push(match call.await {
                Ok(Ok(_)) => "done",
                Ok(Err(_)) => "refused",
                Err(_) => "silent",
            });
        }
        server.set_faults(Faults::none());
        (said, api.get("web").await.unwrap().metadata.generation)
    };
    let (said, generation) = outcomes(1).await;
    assert_eq!((said.clone(), generation), outcomes(1).await);
    assert_ne!(said, outcomes(2).await.0);
    let n_carried_out = said.iter().filter(|one| **one != "refused").count();
    assert!(said.contains(&"refused") && said.contains(&"silent"));
    // The first patch of 0 replicas is a change too: from 1.
    assert_eq!(generation, Some(1 + i64::try_from(n_carried_out).unwrap()));
}
