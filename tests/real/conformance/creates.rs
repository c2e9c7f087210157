//! Creates: defaults, names, dry runs, and what is refused.

use serde_json::{Value, json};

use super::step::*;

/// `object` with `value` at `pointer`.
fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer begins with a slash");
    object.pointer_mut(parent).expect("the manifest has the parent")[name] = value;
    object
}

const MAPS: &str = "{core}/configmaps";
const DEPLOYMENTS: &str = "{apps}/deployments";
const OURS: &str = "{ours}/predictiveautoscalers";

pub(crate) fn cases() -> Vec<Case> {
    [names(), unknown(), invalid(), kinds()].into_iter().flatten().collect()
}

fn names() -> Vec<Case> {
    let generated = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "gen-"}});
    vec![
        case(
            "a name that is taken",
            [post(DEPLOYMENTS, &deployment("web", 1)), post(DEPLOYMENTS, &deployment("web", 2))],
        ),
        case(
            "an autoscaler whose name is taken",
            [post(OURS, &autoscaler("web")), post(OURS, &autoscaler("web"))],
        ),
        case("a generated name", [post(MAPS, &generated)]),
        case("no name", [post(MAPS, &json!({"metadata": {}}))]),
        case(
            "names that are no names",
            [post(MAPS, &labelled("Not_A_Name", "x")), post(OURS, &autoscaler("Not_A_Name"))],
        ),
        case(
            "a namespace that is not there",
            [post("/api/v1/namespaces/nowhere/configmaps", &labelled("a", "x"))],
        ),
        case(
            "a namespace that contradicts the address",
            [post(MAPS, &with(labelled("a", "x"), "/metadata/namespace", json!("other")))],
        ),
        case(
            "a version that a new object cannot have",
            [post(MAPS, &with(labelled("a", "x"), "/metadata/resourceVersion", json!("7")))],
        ),
        case(
            "a new object that is not stored",
            [
                post(&format!("{DEPLOYMENTS}?dryRun=All"), &deployment("web", 1)),
                get("{apps}/deployments/web"),
            ],
        ),
        case("a dry run that is none", [post(&format!("{MAPS}?dryRun=Some"), &labelled("a", "x")).verdict()]),
        case(
            "metadata that only the server writes",
            [post(
                MAPS,
                &json!({"metadata": {
                    "name": "a", "generation": 7, "creationTimestamp": "2020-01-01T00:00:00Z",
                    "finalizers": ["example.com/hold"],
                }}),
            )],
        ),
    ]
}

fn unknown() -> Vec<Case> {
    let strange = || with(deployment("web", 1), "/spec/replica", json!(3));
    let ours = || with(autoscaler("web"), "/spec/minReplica", json!(3));
    let at = |collection: &str, validation: &str| format!("{collection}?fieldValidation={validation}");
    vec![
        case("an unknown field is warned of", [post(&at(DEPLOYMENTS, "Warn"), &strange())]),
        case("an unknown field is refused", [post(&at(DEPLOYMENTS, "Strict"), &strange())]),
        case("an unknown field is dropped", [post(&at(DEPLOYMENTS, "Ignore"), &strange())]),
        case("an unknown field of an autoscaler is warned of", [post(&at(OURS, "Warn"), &ours())]),
        case("an unknown field of an autoscaler is refused", [post(&at(OURS, "Strict"), &ours()).verdict()]),
        case("an unknown field of an autoscaler is dropped", [post(OURS, &ours())]),
    ]
}

fn invalid() -> Vec<Case> {
    let ours = |pointer: &str, value: Value| post(OURS, &with(autoscaler("web"), pointer, value)).verdict();
    vec![
        case("another kind than the address says", [post(MAPS, &deployment("web", 1))]),
        case(
            "another kind of our group than the address says",
            [post(OURS, &with(autoscaler("web"), "/kind", json!("MetricSource"))).verdict()],
        ),
        case("no JSON", [post_text(MAPS, "{\"metadata\": ").verdict(), post_text(OURS, "{").verdict()]),
        case(
            "a field of another type",
            [
                post(DEPLOYMENTS, &with(deployment("web", 1), "/spec/replicas", json!("three"))).verdict(),
                post(OURS, &with(autoscaler("web"), "/spec/minReplicas", json!("three"))).verdict(),
            ],
        ),
        case(
            "a deployment without a selector",
            [post(DEPLOYMENTS, &with(deployment("web", 1), "/spec/selector", Value::Null)).verdict()],
        ),
        case(
            "a selector that does not match the template",
            [post(
                DEPLOYMENTS,
                &with(deployment("web", 1), "/spec/selector", json!({"matchLabels": {"app": "other"}})),
            )],
        ),
        case(
            "fewer replicas than none",
            [post(DEPLOYMENTS, &with(deployment("web", 1), "/spec/replicas", json!(-1)))],
        ),
        case(
            "a deployment without containers",
            [post(DEPLOYMENTS, &with(deployment("web", 1), "/spec/template/spec/containers", json!([])))],
        ),
        case(
            "an HPA with its limits the wrong way round",
            [post(
                "/apis/autoscaling/v2/namespaces/{ns}/horizontalpodautoscalers",
                &with(hpa("web"), "/spec/maxReplicas", json!(1)),
            )],
        ),
        case("an autoscaler without a target", [ours("/spec/scaleTargetRef", Value::Null)]),
        case("an autoscaler with an unknown mode", [ours("/spec/mode", json!("Sometimes"))]),
        case("an autoscaler with its limits the wrong way round", [ours("/spec/maxReplicas", json!(1))]),
        case("an autoscaler without metrics", [ours("/spec/metrics", json!([]))]),
        case(
            "an autoscaler with a price that is none",
            [ours("/spec/spend", json!({"pricePerReplicaHour": "dear"}))],
        ),
    ]
}

fn kinds() -> Vec<Case> {
    vec![
        case("a lease", [post("{coord}/leases", &lease("x", "a"))]),
        case("an event", [post("{core}/events", &event("one", "web"))]),
        case(
            "an event of the newer API",
            [post("/apis/events.k8s.io/v1/namespaces/{ns}/events", &newer_event("one", "web"))],
        ),
        case(
            "a secret of no stated type",
            [post(
                "{core}/secrets",
                &json!({"metadata": {"name": "s"}, "data": {"token": "eA=="}, "stringData": {"more": "y"}}),
            )],
        ),
        case("an HPA", [post("/apis/autoscaling/v2/namespaces/{ns}/horizontalpodautoscalers", &hpa("web"))]),
        case(
            "a metric source",
            [post(
                "/apis/foresail.dev/v1alpha1/metricsources",
                &json!({"apiVersion": "foresail.dev/v1alpha1", "kind": "MetricSource", "metadata": {"name": "{ns}"},
                "spec": {"url": "http://prometheus:9090"}}),
            )],
        ),
        case(
            "a pod",
            [post(
                "{core}/pods",
                &json!({"metadata": {"name": "p"}, "spec": {"containers": [
            {"name": "web", "image": "web", "resources": {"limits": {"cpu": "100m"}}}]}}),
            )
            .verdict()],
        ),
    ]
}
