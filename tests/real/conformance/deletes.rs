//! Deletes: preconditions, finalizers, dry runs, whole collections.

#![expect(clippy::too_many_lines, reason = "a function here is a table of cases")]

use serde_json::json;

use super::step::*;

const MAP: &str = "{core}/configmaps/a";
const MAPS: &str = "{core}/configmaps";

fn held() -> Step {
    post(MAPS, &json!({"metadata": {"name": "a", "finalizers": ["example.com/hold"]}}))
}

pub(crate) fn cases() -> Vec<Case> {
    let made = || post(MAPS, &labelled("a", "front"));
    let nobody = "00000000-0000-4000-8000-000000000000";
    vec![
        case("an object goes", [made(), delete(MAP), get(MAP), delete(MAP)]),
        case("a deployment goes in the background", [
            post("{apps}/deployments", &deployment("web", 1)),
            delete_with("{apps}/deployments/web", &json!({"propagationPolicy": "Background"})),
            get("{apps}/deployments/web"),
        ]),
        case("an autoscaler goes", [
            post("{ours}/predictiveautoscalers", &autoscaler("web")),
            delete("{ours}/predictiveautoscalers/web"),
            get("{ours}/predictiveautoscalers/web"),
        ]),
        case("a lease goes", [post("{coord}/leases", &lease("x", "a")), delete("{coord}/leases/x")]),
        case("an event goes", [post("{core}/events", &event("one", "web")), delete("{core}/events/one")]),
        case("a pod that runs nowhere goes", [
            post("{core}/pods", &json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "x", "image": "x"}]}}))
                .verdict(),
            delete("{core}/pods/p").verdict(),
            get("{core}/pods/p"),
        ]),
        case("the uid must be as expected", [
            made(),
            delete_with(MAP, &json!({"preconditions": {"uid": nobody}})),
            delete_with(MAP, &json!({"preconditions": {"uid": "{uid:0}"}})),
        ]),
        case("the version must be as expected", [
            made(),
            patch(MERGE, MAP, &json!({"data": {"x": "1"}})),
            delete_with(MAP, &json!({"preconditions": {"resourceVersion": "{rv:0}"}})),
            delete_with(MAP, &json!({"preconditions": {"resourceVersion": "{rv:1}"}})),
        ]),
        case("the uid of an autoscaler must be as expected", [
            post("{ours}/predictiveautoscalers", &autoscaler("web")),
            delete_with("{ours}/predictiveautoscalers/web", &json!({"preconditions": {"uid": nobody}})),
        ]),
        case("a finalizer holds an object until it is taken away", [
            held(),
            delete(MAP),
            get(MAP),
            delete(MAP),
            patch(MERGE, MAP, &json!({"data": {"x": "1"}})),
            patch(MERGE, MAP, &json!({"metadata": {"finalizers": null}})),
            get(MAP),
        ]),
        case("a finalizer holds an autoscaler", [
            post("{ours}/predictiveautoscalers", &{
                let mut object = autoscaler("web");
                object["metadata"]["finalizers"] = json!(["foresail.dev/floor"]);
                object
            }),
            delete("{ours}/predictiveautoscalers/web"),
            patch(JSON_PATCH, "{ours}/predictiveautoscalers/web", &json!([{"op": "remove", "path": "/metadata/finalizers/0"}])),
            get("{ours}/predictiveautoscalers/web"),
        ]),
        case("no finalizer is added to what is going", [
            held(),
            delete(MAP),
            patch(MERGE, MAP, &json!({"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}})),
        ]),
        case("a delete that is not stored", [
            made(),
            delete(&format!("{MAP}?dryRun=All")),
            delete_with(MAP, &json!({"dryRun": ["All"]})),
            get(MAP),
        ]),
        case("a selection goes", [
            made(),
            post(MAPS, &labelled("b", "back")),
            post(MAPS, &labelled("c", "front")),
            delete(&format!("{MAPS}?labelSelector=tier%3Dfront")),
            get(MAPS),
        ]),
        case("a collection of autoscalers goes", [
            post("{ours}/predictiveautoscalers", &autoscaler("a")),
            post("{ours}/predictiveautoscalers", &autoscaler("b")),
            delete("{ours}/predictiveautoscalers"),
            get("{ours}/predictiveautoscalers"),
        ]),
        case("a name is free again", [made(), delete(MAP), made()]),
    ]
}
