use http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;
use crate::edge::clock::ManualClock;
use crate::operator::actuate::hpa::{ORIGINAL_ANNOTATION, WRITTEN_ANNOTATION};
use crate::operator::fake::{FakeApi, Fault};
use crate::units::{Span, Timestamp};

const HPA: &str = "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/web";
const AUTOSCALER: &str = "/apis/foresail.dev/v1alpha1/namespaces/shop/predictiveautoscalers/web";

fn settings() -> Settings {
    Settings {
        interval: Span::from_seconds(15),
        watch_namespaces: vec!["shop".to_owned()],
        namespace: "foresail".to_owned(),
        lease_name: "foresail".to_owned(),
        identity: "restorer".to_owned(),
        price_book: None,
    }
}

fn cluster(raised: bool) -> FakeApi {
    let api = FakeApi::default();
    let annotations = if raised {
        json!({ORIGINAL_ANNOTATION: "2", WRITTEN_ANNOTATION: "7", "team": "shop"})
    } else {
        json!({"team": "shop"})
    };
    let finalizers = if raised { json!([finalizer::RESTORE_FLOOR, "other"]) } else { json!([]) };
    api.put(
        HPA,
        json!({
            "metadata": {"name": "web", "namespace": "shop", "annotations": annotations},
            "spec": {
                "minReplicas": 7, "maxReplicas": 20,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            },
        }),
    );
    api.put(
        AUTOSCALER,
        json!({
            "apiVersion": "foresail.dev/v1alpha1", "kind": "PredictiveAutoscaler",
            "metadata": {"name": "web", "namespace": "shop", "finalizers": finalizers},
        }),
    );
    api
}

async fn run(api: &FakeApi) -> Result<Restored, Error> {
    let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_790_000_000)));
    restore_floors(&settings(), &api.client(), clock).await
}

fn min_and_notes(api: &FakeApi) -> (Value, Value) {
    let hpa = api.get(HPA).unwrap();
    (hpa["spec"]["minReplicas"].clone(), hpa["metadata"]["annotations"].clone())
}

#[tokio::test(start_paused = true)]
async fn a_raised_floor_and_the_finalizer_are_given_back() {
    let api = cluster(true);
    let restored = run(&api).await.unwrap();
    assert_eq!(restored.failed, Vec::<String>::new());
    assert_eq!(restored.done, ["HorizontalPodAutoscaler `shop/web` has its own minReplicas of 2 again"]);
    assert_eq!(min_and_notes(&api), (json!(2), json!({"team": "shop"})));
    assert_eq!(api.get(AUTOSCALER).unwrap()["metadata"]["finalizers"], json!(["other"]));
    // A second run finds nothing to do.
    assert_eq!(run(&api).await.unwrap(), Restored::default());
}

#[tokio::test(start_paused = true)]
async fn without_a_raised_floor_the_operator_is_left_alone() {
    let api = cluster(false);
    assert_eq!(run(&api).await.unwrap(), Restored::default());
    assert!(!api.log().iter().any(|line| line.contains("/leases")), "{:?}", api.log());
    assert_eq!(min_and_notes(&api).0, json!(7));
}

#[tokio::test(start_paused = true)]
async fn a_running_operator_is_stopped_and_waited_for_first() {
    let api = cluster(true);
    let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_790_000_000)));
    let lease = LeaseSettings {
        namespace: "foresail".to_owned(),
        name: "foresail".to_owned(),
        identity: "operator".to_owned(),
    };
    let (elector, leadership) = Elector::new(api.client(), lease, clock);
    tokio::spawn(elector.run(CancellationToken::new()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(leadership.borrow().may_write(Instant::now()));
    let began = Instant::now();
    run(&api).await.unwrap();
    assert!(began.elapsed() >= LEASE_DURATION);
    assert!(!leadership.borrow().may_write(Instant::now()), "the operator still leads");
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_tried_again_and_a_refusal_is_told() {
    let api = cluster(true);
    api.fail_next(Method::PATCH, "horizontalpodautoscalers/web", Fault::Code(409));
    assert_eq!(run(&api).await.unwrap().failed, Vec::<String>::new());
    assert_eq!(min_and_notes(&api).0, json!(2));

    let api = cluster(true);
    api.fail_next(Method::PATCH, "horizontalpodautoscalers/web", Fault::Code(403));
    api.fail_next(Method::PATCH, "predictiveautoscalers/web", Fault::Code(403));
    let failed = run(&api).await.unwrap().failed;
    assert!(
        failed[0].starts_with("HorizontalPodAutoscaler `shop/web` stays at minReplicas 7 instead of 2: ")
    );
    assert!(failed[0].contains("Helm value enforce.namespaces"), "{}", failed[0]);
    assert!(failed[1].starts_with("PredictiveAutoscaler `shop/web` keeps its finalizer"), "{}", failed[1]);
    assert_eq!(failed.len(), 2);
}
