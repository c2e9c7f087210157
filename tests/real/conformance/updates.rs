//! Updates: versions, what is kept, and `/status`.

use serde_json::{Value, json};

use super::step::*;

/// `object` with the version in answer 0.
fn versioned(mut object: Value) -> Value {
    object["metadata"]["resourceVersion"] = json!("{rv:0}");
    object
}

const WEB: &str = "{apps}/deployments/web";
const OURS: &str = "{ours}/predictiveautoscalers/web";

pub(crate) fn cases() -> Vec<Case> {
    [versions(), status(), kept()].into_iter().flatten().collect()
}

fn versions() -> Vec<Case> {
    let deployed = || post("{apps}/deployments", &deployment("web", 1));
    vec![
        case(
            "a fresh version, then a stale one",
            [
                deployed(),
                put(WEB, &versioned(deployment("web", 2))),
                put(WEB, &versioned(deployment("web", 3))),
                get(WEB),
            ],
        ),
        case("no version replaces a deployment", [deployed(), put(WEB, &deployment("web", 4))]),
        case(
            "no version replaces no lease",
            [post("{coord}/leases", &lease("x", "a")), put("{coord}/leases/x", &lease("x", "b"))],
        ),
        case(
            "no version replaces no autoscaler",
            [post("{ours}/predictiveautoscalers", &autoscaler("web")), put(OURS, &autoscaler("web"))],
        ),
        case(
            "a lease is taken by compare and swap",
            [
                post("{coord}/leases", &lease("x", "a")),
                put("{coord}/leases/x", &versioned(lease("x", "b"))),
                put("{coord}/leases/x", &versioned(lease("x", "c"))),
                get("{coord}/leases/x"),
            ],
        ),
        case(
            "an autoscaler with a stale version",
            [
                post("{ours}/predictiveautoscalers", &autoscaler("web")),
                patch(MERGE, OURS, &json!({"spec": {"minReplicas": 3}})),
                put(OURS, &versioned(autoscaler("web"))),
            ],
        ),
        case(
            "an object that is not there",
            [
                put(WEB, &deployment("web", 1)),
                put("{core}/configmaps/a", &labelled("a", "x")),
                put(OURS, &autoscaler("web")).verdict(),
            ],
        ),
        case(
            "the uid of another object",
            [
                deployed(),
                put(WEB, &{
                    let mut object = deployment("web", 2);
                    object["metadata"]["uid"] = json!("00000000-0000-4000-8000-000000000000");
                    object
                }),
            ],
        ),
        case("the name of another object", [deployed(), put(WEB, &deployment("other", 1))]),
    ]
}

fn status() -> Vec<Case> {
    let observed = |object: Value, status: Value| {
        let mut object = object;
        object["status"] = status;
        object
    };
    vec![
        case(
            "the status is written apart, and nothing else with it",
            [
                post("{apps}/deployments", &deployment("web", 1)),
                put(
                    "{apps}/deployments/web/status",
                    &observed(
                        deployment("web", 9),
                        json!({"replicas": 1, "readyReplicas": 1, "availableReplicas": 1}),
                    ),
                ),
                get(WEB),
            ],
        ),
        case(
            "an update leaves the status alone",
            [
                post("{apps}/deployments", &deployment("web", 1)),
                patch(MERGE, "{apps}/deployments/web/status", &json!({"status": {"replicas": 1}})),
                put(WEB, &observed(deployment("web", 2), json!({"replicas": 7}))),
            ],
        ),
        case(
            "the status of an autoscaler",
            [
                post("{ours}/predictiveautoscalers", &autoscaler("web")),
                put(
                    "{ours}/predictiveautoscalers/web/status",
                    &versioned(observed(
                        autoscaler("web"),
                        json!({"effectiveMode": "DryRun", "observedGeneration": 1}),
                    )),
                ),
                put(
                    "{ours}/predictiveautoscalers/web/status",
                    &versioned(observed(autoscaler("web"), json!({"effectiveMode": "Active"}))),
                ),
                get("{ours}/predictiveautoscalers/web/status"),
            ],
        ),
        case(
            "a status of another type",
            [
                post("{ours}/predictiveautoscalers", &autoscaler("web")),
                patch(
                    MERGE,
                    "{ours}/predictiveautoscalers/web/status",
                    &json!({"status": {"observedGeneration": "one"}}),
                )
                .verdict(),
            ],
        ),
        case(
            "a new object brings no status",
            [post(
                "{ours}/predictiveautoscalers",
                &observed(autoscaler("web"), json!({"effectiveMode": "Active"})),
            )],
        ),
    ]
}

fn kept() -> Vec<Case> {
    let deployed = || post("{apps}/deployments", &deployment("web", 1));
    vec![
        case(
            "an update that changes nothing is no change",
            [
                deployed(),
                put(WEB, &deployment("web", 1)),
                delete_with(WEB, &json!({"preconditions": {"resourceVersion": "{rv:0}"}})),
            ],
        ),
        case(
            "the generation counts changes of the spec",
            [
                deployed(),
                put(WEB, &deployment("web", 2)),
                patch(MERGE, WEB, &json!({"metadata": {"labels": {"x": "y"}}})),
            ],
        ),
        case(
            "a selector stays as it is",
            [
                deployed(),
                put(WEB, &{
                    let mut object = deployment("web", 1);
                    object["spec"]["selector"]["matchLabels"]["x"] = json!("y");
                    object["spec"]["template"]["metadata"]["labels"]["x"] = json!("y");
                    object
                })
                .verdict(),
            ],
        ),
        case(
            "an update that is not stored",
            [deployed(), put(&format!("{WEB}?dryRun=All"), &deployment("web", 5)), get(WEB)],
        ),
        case(
            "an update that makes an autoscaler invalid",
            [
                post("{ours}/predictiveautoscalers", &autoscaler("web")),
                patch(MERGE, OURS, &json!({"spec": {"maxReplicas": 1}})).verdict(),
                get(OURS),
            ],
        ),
    ]
}
