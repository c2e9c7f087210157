//! Get, list, pages, selectors, tables, discovery.

use serde_json::json;

use super::step::*;

const THREE: [(&str, &str); 3] = [("a", "front"), ("b", "back"), ("c", "front")];

/// Three config maps `a`, `b`, `c` of the tiers front, back and front, then `rest`.
fn three(rest: impl IntoIterator<Item = Step>) -> Vec<Step> {
    let made = THREE.map(|(name, tier)| post("{core}/configmaps", &labelled(name, tier)));
    made.into_iter().chain(rest).collect()
}

/// The config maps that a query selects.
fn selected(query: &str) -> Vec<Step> {
    three([get(&format!("{{core}}/configmaps?{query}"))])
}

pub(crate) fn cases() -> Vec<Case> {
    [objects(), lists(), selectors(), forms(), discovery()].into_iter().flatten().collect()
}

fn objects() -> Vec<Case> {
    vec![
        case(
            "a deployment is read as it was made",
            [post("{apps}/deployments", &deployment("web", 3)), get("{apps}/deployments/web")],
        ),
        case(
            "an autoscaler is read with its defaults",
            [
                post("{ours}/predictiveautoscalers", &autoscaler("web")),
                get("{ours}/predictiveautoscalers/web"),
            ],
        ),
        case("a deployment that is not there", [get("{apps}/deployments/none")]),
        case("an autoscaler that is not there", [get("{ours}/predictiveautoscalers/none")]),
        case(
            "a cluster-wide object that is not there",
            [get("/apis/foresail.dev/v1alpha1/metricsources/none")],
        ),
        case("a resource that is not served", [get("{apps}/nothings"), get("{apps}/nothings/web")]),
        case("a version that is not served", [get("/apis/apps/v9/deployments")]),
        case(
            "the status of an object",
            [post("{apps}/deployments", &deployment("web", 3)), get("{apps}/deployments/web/status")],
        ),
        case(
            "a part that a kind does not have",
            [post("{core}/configmaps", &labelled("a", "x")), get("{core}/configmaps/a/scale")],
        ),
    ]
}

fn lists() -> Vec<Case> {
    vec![
        case("an empty list", [get("{apps}/deployments"), get("{ours}/predictiveautoscalers")]),
        case("a list of three", selected("")),
        case(
            "a list of autoscalers",
            [
                post("{ours}/predictiveautoscalers", &autoscaler("a")),
                post("{ours}/predictiveautoscalers", &autoscaler("b")),
                get("{ours}/predictiveautoscalers"),
            ],
        ),
        case(
            "pages of two",
            three([get("{core}/configmaps?limit=2"), get("{core}/configmaps?limit=2&continue={next:3}")]),
        ),
        case(
            "pages show what stood at the first one",
            three([
                get("{core}/configmaps?limit=1"),
                delete("{core}/configmaps/b"),
                post("{core}/configmaps", &labelled("d", "front")),
                get("{core}/configmaps?limit=1&continue={next:3}"),
                get("{core}/configmaps?continue={next:6}"),
            ]),
        ),
        case(
            "pages of a selection",
            three([
                get("{core}/configmaps?limit=1&labelSelector=tier%3Dfront"),
                get("{core}/configmaps?limit=1&labelSelector=tier%3Dfront&continue={next:3}"),
            ]),
        ),
        case("a continue token that is none", [get("{core}/configmaps?limit=1&continue=nonsense").verdict()]),
        case(
            "a list at an exact version",
            three([
                delete("{core}/configmaps/a"),
                get("{core}/configmaps?resourceVersion={rv:2}&resourceVersionMatch=Exact"),
                get("{core}/configmaps?resourceVersion={rv:2}&resourceVersionMatch=NotOlderThan"),
                get("{core}/configmaps?resourceVersion=0"),
            ]),
        ),
        case(
            "a version that is no number",
            [
                get("{core}/configmaps?resourceVersion=new").verdict(),
                get("{core}/configmaps?resourceVersionMatch=Exact").verdict(),
            ],
        ),
    ]
}

fn selectors() -> Vec<Case> {
    vec![
        case("a label that is equal", selected("labelSelector=tier%3Dfront")),
        case("a label that is not equal", selected("labelSelector=tier!%3Dfront,app")),
        case("a label in a set", selected("labelSelector=tier+in+(back,middle)")),
        case("a label not in a set", selected("labelSelector=tier+notin+(back),app%3D%3Dshop")),
        case("a label that exists, and one that does not", selected("labelSelector=app,!zone,!tier")),
        case(
            "a label selector that is none",
            selected("labelSelector=a+b+c").into_iter().map(Step::verdict).collect::<Vec<_>>(),
        ),
        case("a name", selected("fieldSelector=metadata.name%3Db")),
        case(
            "every name but one in a namespace",
            selected("fieldSelector=metadata.name!%3Db,metadata.namespace%3D{ns}"),
        ),
        case("a field that cannot be selected by", selected("fieldSelector=data.x%3D1")),
        case(
            "an autoscaler by its name",
            [
                post("{ours}/predictiveautoscalers", &autoscaler("a")),
                post("{ours}/predictiveautoscalers", &autoscaler("b")),
                get("{ours}/predictiveautoscalers?fieldSelector=metadata.name%3Db"),
                get("{ours}/predictiveautoscalers?fieldSelector=spec.mode%3DActive"),
            ],
        ),
        case(
            "events about one object",
            [
                post("{core}/events", &event("one", "web")),
                post("{core}/events", &event("two", "api")),
                get("{core}/events?fieldSelector=involvedObject.name%3Dweb,involvedObject.kind%3DDeployment"),
                get("{core}/events?fieldSelector=type!%3DNormal"),
            ],
        ),
        case(
            "an event in both of its forms",
            [
                post("{core}/events", &event("old", "web")),
                post("/apis/events.k8s.io/v1/namespaces/{ns}/events", &newer_event("new", "web")),
                get("/apis/events.k8s.io/v1/namespaces/{ns}/events/old"),
                get("{core}/events/new"),
            ],
        ),
    ]
}

fn forms() -> Vec<Case> {
    let deployed = || post("{apps}/deployments", &deployment("web", 3));
    let scaled = || post("{ours}/predictiveautoscalers", &autoscaler("web"));
    vec![
        case("deployments as a table", [deployed(), get("{apps}/deployments").accept(TABLE)]),
        case("one autoscaler as a table", [scaled(), get("{ours}/predictiveautoscalers/web").accept(TABLE)]),
        case(
            "autoscalers as a table with whole objects, and with none",
            [
                scaled(),
                get("{ours}/predictiveautoscalers?includeObject=Object").accept(TABLE),
                get("{ours}/predictiveautoscalers?includeObject=None").accept(TABLE),
            ],
        ),
        case("an empty table", [get("{apps}/deployments").accept(TABLE)]),
        case(
            "events, leases and config maps as tables",
            [
                post("{core}/events", &event("one", "web")),
                post("{coord}/leases", &lease("x", "a")),
                post("{core}/configmaps", &configmap("m", &json!({"a": "1", "b": "2"}))),
                get("{core}/events").accept(TABLE),
                get("{coord}/leases").accept(TABLE),
                get("{core}/configmaps").accept(TABLE),
            ],
        ),
        case(
            "an HPA as a table",
            [
                post("/apis/autoscaling/v2/namespaces/{ns}/horizontalpodautoscalers", &hpa("web")),
                get("/apis/autoscaling/v2/namespaces/{ns}/horizontalpodautoscalers").accept(TABLE),
            ],
        ),
        case("the metadata of a deployment", [deployed(), get("{apps}/deployments/web").accept(METADATA)]),
        case("the metadata of a list", [deployed(), get("{apps}/deployments").accept(METADATA_LIST)]),
        case("a form that is not spoken", [get("{apps}/deployments").accept("text/html").verdict()]),
    ]
}

fn discovery() -> Vec<Case> {
    let groups = &["apps", "autoscaling", "coordination.k8s.io", "events.k8s.io", "foresail.dev"];
    vec![
        case("the versions of the core", [get("/api").verdict()]),
        case("every group", [get("/apis").only(groups).verdict()]),
        case("our group", [get("/apis/foresail.dev"), get("/apis/foresail.dev/v1alpha1")]),
        case(
            "the resources of apps",
            [get("/apis/apps/v1").only(&[
                "deployments",
                "deployments/scale",
                "deployments/status",
                "replicasets",
                "replicasets/scale",
                "replicasets/status",
            ])],
        ),
        case(
            "the resources of the core",
            [get("/api/v1").only(&[
                "configmaps",
                "events",
                "namespaces",
                "namespaces/status",
                "nodes",
                "nodes/status",
                "pods",
                "pods/status",
                "secrets",
                "serviceaccounts",
            ])],
        ),
        case(
            "the resources of leases and events",
            [get("/apis/coordination.k8s.io/v1").only(&["leases"]), get("/apis/events.k8s.io/v1")],
        ),
        case("a group that is not served", [get("/apis/nothing.dev/v1")]),
        case("health", [get("/healthz"), get("/livez"), get("/readyz")]),
    ]
}
