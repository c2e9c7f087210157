//! `/scale`.

use serde_json::{Value, json};

use super::step::*;

const SCALE: &str = "{apps}/deployments/web/scale";

fn web(replicas: u32, rest: impl IntoIterator<Item = Step>) -> Vec<Step> {
    std::iter::once(post("{apps}/deployments", &deployment("web", replicas))).chain(rest).collect()
}

fn scale(replicas: i32) -> Value {
    json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web", "namespace": "{ns}"},
        "spec": {"replicas": replicas}})
}

fn apply(query: &str, config: &Value) -> Step {
    patch(APPLY, &format!("{SCALE}?{query}"), config)
}

pub(crate) fn cases() -> Vec<Case> {
    [reads_and_writes(), applies(), refusals()].into_iter().flatten().collect()
}

fn reads_and_writes() -> Vec<Case> {
    vec![
        case("a scale is read", web(3, [get(SCALE)])),
        case("a scale of none", web(0, [get(SCALE)])),
        case(
            "a scale of a replica set",
            [
                post(
                    "{apps}/replicasets",
                    &json!({"metadata": {"name": "rs"}, "spec": {"replicas": 2,
                "selector": {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "c", "operator": "In", "values": ["d", "e"]}]},
                "template": {"metadata": {"labels": {"a": "b", "c": "d"}}, "spec": {"containers": [{"name": "x", "image": "x"}]}}}}),
                ),
                get("{apps}/replicasets/rs/scale"),
            ],
        ),
        case("a scale is written", web(3, [put(SCALE, &scale(5)), get("{apps}/deployments/web")])),
        case(
            "a scale with a stale version",
            web(
                3,
                [
                    put(SCALE, &scale(5)),
                    put(
                        SCALE,
                        &json!({"apiVersion": "autoscaling/v1", "kind": "Scale",
                "metadata": {"name": "web", "namespace": "{ns}", "resourceVersion": "{rv:0}"}, "spec": {"replicas": 6}}),
                    ),
                    patch(
                        MERGE,
                        SCALE,
                        &json!({"metadata": {"resourceVersion": "{rv:0}"}, "spec": {"replicas": 7}}),
                    ),
                    get(SCALE),
                ],
            ),
        ),
        case(
            "a scale with a fresh version",
            web(
                3,
                [patch(
                    MERGE,
                    SCALE,
                    &json!({"metadata": {"resourceVersion": "{rv:0}"}, "spec": {"replicas": 7}}),
                )],
            ),
        ),
        case("a merge of a scale", web(3, [patch(MERGE, SCALE, &json!({"spec": {"replicas": 0}}))])),
        case(
            "a JSON patch of a scale",
            web(
                3,
                [patch(JSON_PATCH, SCALE, &json!([{"op": "replace", "path": "/spec/replicas", "value": 4}]))],
            ),
        ),
        case(
            "a strategic merge of a scale",
            web(3, [patch(STRATEGIC, SCALE, &json!({"spec": {"replicas": 4}})).verdict()]),
        ),
        case(
            "a scale that is not stored",
            web(3, [put(&format!("{SCALE}?dryRun=All"), &scale(9)), get(SCALE)]),
        ),
    ]
}

fn applies() -> Vec<Case> {
    vec![
        case(
            "an apply to a scale meets who wrote the replicas",
            web(
                3,
                [
                    apply("fieldManager=ann", &scale(5)),
                    apply("fieldManager=ann&force=true", &scale(5)),
                    get("{apps}/deployments/web"),
                    apply("fieldManager=bob", &scale(6)),
                    apply("fieldManager=bob", &scale(5)),
                ],
            ),
        ),
        case(
            "an apply to a scale owns the replicas of the deployment",
            web(
                3,
                [
                    apply("fieldManager=ann&force=true", &scale(5)),
                    patch(
                        APPLY,
                        "{apps}/deployments/web?fieldManager=bob",
                        &json!({"apiVersion": "apps/v1",
                "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 8}}),
                    ),
                ],
            ),
        ),
        case("an apply to a scale of what it says already", web(3, [apply("fieldManager=ann", &scale(3))])),
        case("an apply to a scale in nobody's name", web(3, [apply("", &scale(5))])),
        case(
            "an apply of a deployment to a scale",
            web(3, [apply("fieldManager=ann", &deployment("web", 3))]),
        ),
        case("an apply to the scale of nothing", [apply("fieldManager=ann", &scale(5))]),
        case(
            "an apply to a scale that is not stored",
            web(3, [apply("fieldManager=ann&force=true&dryRun=All", &scale(5)), get(SCALE)]),
        ),
    ]
}

fn refusals() -> Vec<Case> {
    vec![
        case(
            "a scale under none",
            web(
                3,
                [
                    put(SCALE, &scale(-1)),
                    patch(MERGE, SCALE, &json!({"spec": {"replicas": -2}})),
                    apply("fieldManager=ann&force=true", &scale(-3)),
                ],
            ),
        ),
        case("the scale of nothing", [get(SCALE), put(SCALE, &scale(1)), patch(MERGE, SCALE, &json!({}))]),
        case(
            "a scale of another type",
            web(3, [patch(MERGE, SCALE, &json!({"spec": {"replicas": "many"}})).verdict()]),
        ),
        case(
            "a kind without a scale",
            [
                post("{ours}/predictiveautoscalers", &autoscaler("web")),
                get("{ours}/predictiveautoscalers/web/scale"),
            ],
        ),
    ]
}
