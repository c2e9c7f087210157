use std::time::Duration;

use http::Method;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::api::ObjectMeta;
use serde_json::{Value, json};

use super::hpa::{Floor, NoFloor, ORIGINAL_ANNOTATION, floor_among};
use super::rivals::foreign_writer;
use super::scale::Written;
use super::*;
use crate::operator::fake::{FakeApi, Fault};
use crate::units::{Replicas, Timestamp};

const WEB: &str = "/apis/apps/v1/namespaces/shop/deployments/web";
const HPA: &str = "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/web";
const DEADLINE: Duration = Duration::from_secs(5);

fn target(api_version: &str, kind: &str) -> ScaleTarget {
    let own = str::to_owned;
    ScaleTarget {
        api_version: own(api_version),
        kind: own(kind),
        plural: None,
        namespace: own("shop"),
        name: own("web"),
    }
}

fn deployment() -> ScaleTarget {
    target("apps/v1", "Deployment")
}

fn cluster(replicas: u32) -> (FakeApi, Targets) {
    let api = FakeApi::default();
    let object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "uid": "u1"},
        "spec": {"replicas": replicas}, "status": {"replicas": 9, "readyReplicas": 2},
    });
    api.put(WEB, object);
    let targets = Targets::new(api.client());
    (api, targets)
}

async fn write(targets: &Targets, to: u32) -> Written {
    let seen = targets.read_scale(&deployment()).await.unwrap();
    let version = &seen.resource_version;
    targets.write_scale(&deployment(), Replicas::new(to), version, DEADLINE).await.unwrap()
}

fn stored(api: &FakeApi) -> Value {
    api.get(WEB).unwrap()["spec"]["replicas"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_scale_is_read_and_written_as_foresail() {
    let (api, targets) = cluster(3);
    let seen = targets.read_scale(&deployment()).await.unwrap();
    assert_eq!((seen.asked.get(), seen.status_replicas.get(), seen.uid.as_str()), (3, 9, "u1"));
    assert_eq!(write(&targets, 5).await.label(), "written");
    assert_eq!(stored(&api), json!(5));
    assert!(api.log().last().unwrap().contains("fieldManager=foresail"));
}

#[tokio::test(start_paused = true)]
async fn a_scale_without_a_count_asks_for_none() {
    let (_api, targets) = cluster(0);
    assert_eq!(targets.read_scale(&deployment()).await.unwrap().asked, Replicas::ZERO);
}

#[tokio::test(start_paused = true)]
async fn each_failed_write_is_told_apart_and_tried_once() {
    for (fault, label, stands) in [
        (Fault::Overtake, "conflict", 3),
        (Fault::Code(409), "conflict", 3),
        (Fault::Code(403), "refused", 3),
        (Fault::Code(429), "refused", 3),
        (Fault::Code(503), "unknown", 3),
        (Fault::Hang, "unknown", 3),
        (Fault::HangAfter, "unknown", 5),
        (Fault::Override(4), "overridden", 4),
    ] {
        let (api, targets) = cluster(3);
        api.fail_next(Method::PATCH, "/scale", fault);
        assert_eq!(write(&targets, 5).await.label(), label, "{fault:?}");
        assert_eq!((stored(&api), api.n_requests("PATCH")), (json!(stands), 1), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_or_forbidden_target_is_permanent_and_a_hanging_server_is_not() {
    let (api, targets) = cluster(3);
    for (fault, permanent) in
        [(Fault::Code(403), true), (Fault::Code(404), true), (Fault::Code(503), false), (Fault::Hang, false)]
    {
        api.fail_next(Method::GET, "/scale", fault);
        let error = targets.read_scale(&deployment()).await.unwrap_err();
        assert_eq!(error.is_permanent(), permanent, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_plural_of_a_custom_kind_is_looked_up_once() {
    let (api, targets) = cluster(3);
    let served = json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "x.io/v1", "metadata": {},
        "resources": [
            {"name": "geese/scale", "kind": "Goose", "namespaced": true, "singularName": "", "verbs": []},
            {"name": "geese", "kind": "Goose", "namespaced": true, "singularName": "goose", "verbs": []}]});
    api.put("/apis/x.io/v1", served);
    let goose = target("x.io/v1", "Goose");
    for _ in 0..3 {
        assert_eq!(targets.resource(&goose).await.unwrap().plural, "geese");
    }
    assert_eq!(api.n_requests("GET /apis/x.io/v1?"), 1);
    let error = targets.resource(&target("x.io/v1", "Duck")).await.unwrap_err();
    assert!(matches!(error, Error::FindKind(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn ready_is_the_status_of_a_deployment_and_the_ready_pods_of_another_kind() {
    let (api, targets) = cluster(3);
    let object = targets.object(&deployment()).await.unwrap();
    assert_eq!(targets.ready(&deployment(), &object, None).await.unwrap(), 2);
    for (name, ready) in [("a", "True"), ("b", "False"), ("c", "True")] {
        let conditions = json!([{"type": "Ready", "status": ready}]);
        let pod = json!({"metadata": {"name": name}, "status": {"conditions": conditions}});
        api.put(&format!("/api/v1/namespaces/shop/pods/{name}"), pod);
    }
    let goose = target("x.io/v1", "Goose");
    assert_eq!(targets.ready(&goose, &object, Some("app=web")).await.unwrap(), 2);
    assert!(matches!(targets.ready(&goose, &object, None).await, Err(Error::FindSelector(_))));
}

#[test]
fn the_foreign_writer_is_the_last_owner_of_the_count() {
    let entry = |manager: &str, time: Option<&str>, field: &str| {
        json!({"manager": manager, "operation": "Update", "time": time, "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {field: {}}}})
    };
    let writer = |entries: Value| {
        let metadata: ObjectMeta = serde_json::from_value(json!({"managedFields": entries})).unwrap();
        foreign_writer(&metadata)
    };
    let (old, new) = (Some("2026-01-01T00:00:00Z"), Some("2026-02-01T00:00:00Z"));
    let helm = entry("helm", old, "f:replicas");
    let argo = entry("argocd", new, "f:replicas");
    let keda = entry("keda", None, "f:replicas");
    let ours = entry("foresail", new, "f:replicas");
    let other = entry("kubectl", new, "f:template");
    assert_eq!(writer(json!([helm, argo, ours, other])).as_deref(), Some("argocd"));
    assert_eq!(writer(json!([argo, keda, helm])).as_deref(), Some("keda"));
    assert_eq!(writer(json!([ours, other])), None);
}

fn hpa(min: Option<u32>, owner: Option<&str>) -> Value {
    let owners = owner.map_or(
        json!([]),
        |name| json!([{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": name, "uid": "k"}]),
    );
    json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": "shop", "ownerReferences": owners},
        "spec": {"minReplicas": min, "maxReplicas": 10,
            "scaleTargetRef": {"apiVersion": "apps/v1beta1", "kind": "Deployment", "name": "web"}}})
}

async fn floor(targets: &Targets) -> Result<Floor, NoFloor> {
    floor_among(&targets.hpas_targeting(&deployment()).await.unwrap())
}

async fn raise(targets: &Targets, to: u32) {
    let seen = floor(targets).await.unwrap();
    assert_eq!(targets.move_floor(&seen, Replicas::new(to), DEADLINE).await.label(), "written");
}

fn original(api: &FakeApi) -> Value {
    api.get(HPA).unwrap()["metadata"]["annotations"][ORIGINAL_ANNOTATION].clone()
}

#[tokio::test(start_paused = true)]
async fn a_floor_keeps_its_original_while_it_is_moved_and_gets_it_back() {
    let (api, targets) = cluster(3);
    api.put(HPA, hpa(None, None));
    raise(&targets, 5).await;
    raise(&targets, 99).await;
    let seen = floor(&targets).await.unwrap();
    assert_eq!((seen.asked.get(), seen.original.get(), seen.max.get()), (10, 1, 10));
    assert_eq!(original(&api), json!("1"));
    let restored = targets.restore_floor(&seen, DEADLINE).await.unwrap();
    assert_eq!(restored.label(), "written");
    assert_eq!((&api.get(HPA).unwrap()["spec"]["minReplicas"], original(&api)), (&json!(1), json!(null)));
    assert_eq!(targets.restore_floor(&floor(&targets).await.unwrap(), DEADLINE).await, None);
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_edit_becomes_the_new_original() {
    let (api, targets) = cluster(3);
    api.put(HPA, hpa(Some(2), None));
    raise(&targets, 6).await;
    let mut edited = api.get(HPA).unwrap();
    edited["spec"]["minReplicas"] = json!(4);
    api.put(HPA, edited);
    assert_eq!(floor(&targets).await.unwrap().original, Replicas::new(4));
    raise(&targets, 8).await;
    assert_eq!(original(&api), json!("4"));
}

#[tokio::test(start_paused = true)]
async fn a_floor_that_changed_since_it_was_read_is_not_written() {
    let (api, targets) = cluster(3);
    api.put(HPA, hpa(Some(2), None));
    let seen = floor(&targets).await.unwrap();
    api.put(HPA, hpa(Some(3), None));
    assert_eq!(targets.move_floor(&seen, Replicas::new(5), DEADLINE).await, Written::Conflict);
}

#[tokio::test(start_paused = true)]
async fn a_floor_that_keda_owns_or_that_is_not_alone_is_refused() {
    let (api, targets) = cluster(3);
    assert_eq!(floor(&targets).await, Err(NoFloor::Missing));
    api.put(HPA, hpa(Some(2), Some("web-so")));
    assert!(matches!(floor(&targets).await, Err(NoFloor::KedaOwned { owner, .. }) if owner == "web-so"));
    api.put(&format!("{HPA}-2"), hpa(Some(2), None));
    assert_eq!(floor(&targets).await, Err(NoFloor::Ambiguous(2)));
}

#[test]
fn an_hpa_of_another_object_is_no_rival() {
    let mut other: HorizontalPodAutoscaler = serde_json::from_value(hpa(None, None)).unwrap();
    other.spec.as_mut().unwrap().scale_target_ref.name = "api".to_owned();
    assert!(rivals::rival_of(&deployment(), other).is_none());
}

#[tokio::test(start_paused = true)]
async fn the_finalizer_comes_and_goes_and_leaves_others_alone() {
    let (api, targets) = cluster(3);
    let mut object = api.get(WEB).unwrap();
    object["metadata"]["finalizers"] = json!(["other/one"]);
    api.put(WEB, object);
    let objects = targets.api(&deployment()).await.unwrap();
    let read = async || targets.object(&deployment()).await.unwrap();
    finalizer::add(&objects, &read().await, DEADLINE).await.unwrap();
    finalizer::add(&objects, &read().await, DEADLINE).await.unwrap();
    assert_eq!(
        api.get(WEB).unwrap()["metadata"]["finalizers"],
        json!(["other/one", finalizer::RESTORE_FLOOR])
    );
    let stale = read().await;
    api.put(WEB, api.get(WEB).unwrap());
    assert!(finalizer::remove(&objects, &stale, DEADLINE).await.unwrap_err().is_conflict());
    finalizer::remove(&objects, &read().await, DEADLINE).await.unwrap();
    assert_eq!(api.get(WEB).unwrap()["metadata"]["finalizers"], json!(["other/one"]));
    assert_eq!(api.n_requests("PATCH"), 3);
    let deleted = Timestamp::from_seconds(100);
    assert!(!finalizer::is_overdue(deleted, Timestamp::from_seconds(159)));
    assert!(finalizer::is_overdue(deleted, Timestamp::from_seconds(160)));
}
