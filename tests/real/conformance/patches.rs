//! Patches: merge, JSON, strategic merge, and server-side apply.

#![expect(clippy::too_many_lines, reason = "a function here is a table of cases")]

use serde_json::{Value, json};

use super::step::*;

const MAP: &str = "{core}/configmaps/a";
const WEB: &str = "{apps}/deployments/web";
const OURS: &str = "{ours}/predictiveautoscalers/web";

fn map(rest: impl IntoIterator<Item = Step>) -> Vec<Step> {
    let made = post("{core}/configmaps", &configmap("a", &json!({"x": "1", "y": "2"})));
    std::iter::once(made).chain(rest).collect()
}

fn web(rest: impl IntoIterator<Item = Step>) -> Vec<Step> {
    std::iter::once(post("{apps}/deployments", &deployment("web", 1))).chain(rest).collect()
}

fn ours(rest: impl IntoIterator<Item = Step>) -> Vec<Step> {
    std::iter::once(post("{ours}/predictiveautoscalers", &autoscaler("web"))).chain(rest).collect()
}

/// An apply to `path` in the name of `manager`.
fn apply(path: &str, manager: &str, config: &Value) -> Step {
    patch(APPLY, &format!("{path}?fieldManager={manager}"), config)
}

pub(crate) fn cases() -> Vec<Case> {
    [merges(), operations(), strategics(), applies(), refusals()].into_iter().flatten().collect()
}

fn merges() -> Vec<Case> {
    vec![
        case(
            "a merge adds, changes and takes away",
            map([patch(
                MERGE,
                MAP,
                &json!({"data": {"x": "3", "y": null, "z": "4"}, "metadata": {"labels": {"a": "b"}}}),
            )]),
        ),
        case(
            "a merge with a stale version",
            map([
                patch(MERGE, MAP, &json!({"data": {"x": "3"}})),
                patch(MERGE, MAP, &json!({"metadata": {"resourceVersion": "{rv:0}"}, "data": {"x": "4"}})),
                get(MAP),
            ]),
        ),
        case(
            "a merge replaces a list",
            web([patch(
                MERGE,
                WEB,
                &json!({"spec": {"template": {"spec": {"containers": [{"name": "other", "image": "o:1"}]}}}}),
            )]),
        ),
        case(
            "a merge of an autoscaler",
            ours([patch(MERGE, OURS, &json!({"spec": {"mode": "Floor", "maxReplicas": 80}})), get(OURS)]),
        ),
        case(
            "a merge of the status of an autoscaler",
            ours([patch(
                MERGE,
                "{ours}/predictiveautoscalers/web/status",
                &json!({"spec": {"mode": "Active"}, "status": {"effectiveMode": "DryRun"}}),
            )]),
        ),
        case(
            "a merge that is not stored",
            map([patch(MERGE, &format!("{MAP}?dryRun=All"), &json!({"data": {"x": "9"}})), get(MAP)]),
        ),
        case(
            "a merge that changes nothing",
            map([
                patch(MERGE, MAP, &json!({"data": {"x": "1"}})),
                delete_with(MAP, &json!({"preconditions": {"resourceVersion": "{rv:0}"}})),
            ]),
        ),
    ]
}

fn operations() -> Vec<Case> {
    vec![
        case(
            "operations of a JSON patch",
            map([patch(
                JSON_PATCH,
                MAP,
                &json!([
                    {"op": "test", "path": "/data/x", "value": "1"}, {"op": "replace", "path": "/data/x", "value": "5"},
                    {"op": "add", "path": "/data/z", "value": "6"}, {"op": "remove", "path": "/data/y"},
                    {"op": "copy", "from": "/data/z", "path": "/data/w"},
                ]),
            )]),
        ),
        case(
            "a test of a JSON patch that fails",
            map([
                patch(JSON_PATCH, MAP, &json!([{"op": "test", "path": "/data/x", "value": "7"}])).verdict(),
                get(MAP),
            ]),
        ),
        case(
            "a JSON patch of a path that is not there",
            map([patch(JSON_PATCH, MAP, &json!([{"op": "remove", "path": "/data/none"}])).verdict()]),
        ),
        case(
            "a JSON patch that is none",
            map([patch(JSON_PATCH, MAP, &json!({"data": {"x": "3"}})).verdict()]),
        ),
        case(
            "a JSON patch of an autoscaler",
            ours([patch(
                JSON_PATCH,
                OURS,
                &json!([{"op": "replace", "path": "/spec/maxReplicas", "value": 70}]),
            )]),
        ),
    ]
}

fn strategics() -> Vec<Case> {
    let template = |containers: Value| json!({"spec": {"template": {"spec": {"containers": containers}}}});
    vec![
        case(
            "a strategic merge finds a container by its name",
            web([
                patch(
                    STRATEGIC,
                    WEB,
                    &template(json!([{"name": "web", "image": "web:2"}, {"name": "side", "image": "s:1"}])),
                ),
                patch(STRATEGIC, WEB, &template(json!([{"name": "side", "$patch": "delete"}]))),
            ]),
        ),
        case(
            "a strategic merge adds a container",
            web([patch(STRATEGIC, WEB, &template(json!([{"name": "side", "image": "s:1"}])))]),
        ),
        case(
            "a strategic merge of the environment",
            web([
                patch(
                    STRATEGIC,
                    WEB,
                    &template(
                        json!([{"name": "web", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}]),
                    ),
                ),
                patch(
                    STRATEGIC,
                    WEB,
                    &template(json!([{"name": "web", "env": [{"name": "A", "value": "3"}]}])),
                ),
            ]),
        ),
        case(
            "a strategic merge that retains keys",
            web([patch(
                STRATEGIC,
                WEB,
                &json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}),
            )]),
        ),
        case(
            "finalizers are merged",
            map([
                patch(STRATEGIC, MAP, &json!({"metadata": {"finalizers": ["example.com/a"]}})),
                patch(STRATEGIC, MAP, &json!({"metadata": {"finalizers": ["example.com/b"]}})),
                patch(
                    STRATEGIC,
                    MAP,
                    &json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/a"]}}),
                ),
            ]),
        ),
        case(
            "an autoscaler takes no strategic merge",
            ours([patch(STRATEGIC, OURS, &json!({"spec": {"maxReplicas": 70}}))]),
        ),
    ]
}

fn applies() -> Vec<Case> {
    let config = |data: Value| configmap("a", &data);
    let scaler = |max: u32| {
        let mut object = autoscaler("web");
        object["spec"]["maxReplicas"] = json!(max);
        object
    };
    vec![
        case("an apply creates", [apply(MAP, "ann", &config(json!({"x": "1"}))), get(MAP)]),
        case(
            "an apply drops what it names no more",
            [
                apply(MAP, "ann", &config(json!({"x": "1", "y": "2"}))),
                patch(MERGE, MAP, &json!({"data": {"z": "3"}})),
                apply(MAP, "ann", &config(json!({"x": "4"}))),
            ],
        ),
        case(
            "an apply meets the field of another",
            [
                apply(MAP, "ann", &config(json!({"x": "1", "y": "1"}))),
                apply(MAP, "bob", &config(json!({"x": "2"}))),
                apply(MAP, "bob", &config(json!({"x": "2", "y": "2"}))),
                apply(MAP, "bob", &config(json!({"x": "1"}))),
                apply(&format!("{MAP}?force=true"), "bob", &config(json!({"x": "2"}))).verdict(),
                patch(APPLY, &format!("{MAP}?force=true&fieldManager=bob"), &config(json!({"x": "2"}))),
            ],
        ),
        case(
            "an apply meets what an update wrote",
            web([
                apply(WEB, "ann", &deployment("web", 3)),
                patch(APPLY, &format!("{WEB}?force=true&fieldManager=ann"), &deployment("web", 3)),
            ]),
        ),
        case(
            "an apply of an autoscaler, and another",
            [
                apply(OURS, "ann", &scaler(60)),
                apply(OURS, "ann", &scaler(70)),
                apply(OURS, "bob", &scaler(80)),
            ],
        ),
        case(
            "an apply to a status",
            ours([apply(
                "{ours}/predictiveautoscalers/web/status",
                "operator",
                &json!({"apiVersion": "foresail.dev/v1alpha1", "kind": "PredictiveAutoscaler", "metadata": {"name": "web"},
                "status": {"effectiveMode": "DryRun"}}),
            )]),
        ),
        case("an apply in nobody's name", [patch(APPLY, MAP, &config(json!({"x": "1"})))]),
        case(
            "an apply of another version",
            [apply(
                MAP,
                "ann",
                &json!({"apiVersion": "v2", "kind": "ConfigMap",
            "metadata": {"name": "a"}}),
            )],
        ),
        case(
            "an apply with owners",
            [apply(
                MAP,
                "ann",
                &json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "a", "managedFields": [{"manager": "x", "operation": "Apply"}]}}),
            )
            .verdict()],
        ),
        case(
            "an apply that is not stored",
            [
                patch(APPLY, &format!("{MAP}?dryRun=All&fieldManager=ann"), &config(json!({"x": "1"}))),
                get(MAP),
            ],
        ),
        case(
            "an apply with a stale version",
            map([
                patch(MERGE, MAP, &json!({"data": {"x": "3"}})),
                apply(
                    MAP,
                    "ann",
                    &json!({"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "a", "resourceVersion": "{rv:0}"}, "data": {"w": "1"}}),
                ),
            ]),
        ),
        case(
            "an apply of an unknown field",
            [apply(
                MAP,
                "ann",
                &json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "a"}, "datum": {"x": "1"}}),
            )
            .verdict()],
        ),
    ]
}

fn refusals() -> Vec<Case> {
    vec![
        case(
            "a patch of what is not there",
            [patch(MERGE, MAP, &json!({"data": {}})), patch(MERGE, OURS, &json!({"spec": {}}))],
        ),
        case("a patch of no known style", map([patch(JSON, MAP, &json!({"data": {}}))])),
        case("a patch of the name", map([patch(MERGE, MAP, &json!({"metadata": {"name": "b"}}))])),
        case(
            "a patch that makes an object invalid",
            web([
                patch(MERGE, WEB, &json!({"spec": {"replicas": -1}})),
                patch(MERGE, WEB, &json!({"spec": {"replicas": "three"}})).verdict(),
            ]),
        ),
        case(
            "a patch with an unknown field",
            web([
                patch(MERGE, &format!("{WEB}?fieldValidation=Warn"), &json!({"spec": {"replica": 2}}))
                    .verdict(),
                patch(MERGE, &format!("{WEB}?fieldValidation=Strict"), &json!({"spec": {"replica": 2}}))
                    .verdict(),
            ]),
        ),
        case(
            "a patch of another uid",
            map([patch(MERGE, MAP, &json!({"metadata": {"uid": "00000000-0000-4000-8000-000000000000"}}))]),
        ),
    ]
}
