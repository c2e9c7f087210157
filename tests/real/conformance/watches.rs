//! Watches: what they tell, where they begin, bookmarks, and versions that are gone.

#![expect(clippy::too_many_lines, reason = "a function here is a table of cases")]

use serde_json::json;

use super::step::*;

/// A watch of a collection, over after two seconds.
fn watch(collection: &str, query: &str) -> Step {
    get(&format!("{collection}?watch=true&timeoutSeconds=2&{query}"))
}

fn tier(tier: &str) -> Step {
    patch(MERGE, "{core}/configmaps/a", &json!({"metadata": {"labels": {"tier": tier}}}))
}

pub(crate) fn cases() -> Vec<Case> {
    let maps = "{core}/configmaps";
    let made = || post(maps, &labelled("a", "front"));
    vec![
        case(
            "changes since a version",
            [
                made(),
                post(maps, &labelled("b", "front")),
                tier("back"),
                delete("{core}/configmaps/b"),
                watch(maps, "resourceVersion={rv:0}"),
            ],
        ),
        case("what stands, then changes", [made(), watch(maps, ""), watch(maps, "resourceVersion=0")]),
        case(
            "an object that leaves a selection and comes back",
            [
                made(),
                tier("back"),
                tier("front"),
                watch(maps, "labelSelector=tier%3Dfront&resourceVersion={rv:0}"),
                watch(maps, "labelSelector=tier%3Dback&resourceVersion={rv:0}"),
            ],
        ),
        case(
            "one object by its name",
            [
                made(),
                post(maps, &labelled("b", "front")),
                tier("back"),
                watch(maps, "fieldSelector=metadata.name%3Da&resourceVersion={rv:0}"),
            ],
        ),
        case(
            "a version that is gone",
            [watch("{ours}/predictiveautoscalers", "resourceVersion=1")],
        ),
        case("a watch from a version that is no number", [watch(maps, "resourceVersion=new").verdict()]),
        case(
            "the state first, and where it ends",
            [
                made(),
                watch(
                    maps,
                    "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
                ),
            ],
        ),
        case(
            "the state first needs to say of which version",
            [watch(maps, "sendInitialEvents=true").verdict()],
        ),
        case(
            "changes as they happen",
            [
                made(),
                watch(maps, "resourceVersion={rv:0}").meanwhile(tier("back")),
                watch(maps, "resourceVersion={rv:0}").meanwhile(delete("{core}/configmaps/a")),
            ],
        ),
        case(
            "a bookmark of changes that are not shown",
            [
                made(),
                get("{core}/configmaps?watch=true&timeoutSeconds=5&allowWatchBookmarks=true&resourceVersion={rv:0}&labelSelector=tier%3Dfront")
                    .meanwhile(post(maps, &labelled("b", "back"))),
            ],
        ),
        case(
            "no bookmark while nothing happens",
            [
                made(),
                get(
                    "{core}/configmaps?watch=true&timeoutSeconds=5&allowWatchBookmarks=true&resourceVersion={rv:0}",
                ),
            ],
        ),
        case(
            "an autoscaler whose status changes",
            [
                post("{ours}/predictiveautoscalers", &autoscaler("a")),
                patch(
                    MERGE,
                    "{ours}/predictiveautoscalers/a/status",
                    &json!({"status": {"effectiveMode": "DryRun"}}),
                ),
                watch("{ours}/predictiveautoscalers", "resourceVersion={rv:0}"),
            ],
        ),
        case(
            "rows of a table",
            [
                post("{apps}/deployments", &deployment("web", 1)),
                patch(MERGE, "{apps}/deployments/web", &json!({"spec": {"replicas": 2}})),
                watch("{apps}/deployments", "resourceVersion={rv:0}").accept(TABLE),
                delete("{apps}/deployments/web"),
                watch("{apps}/deployments", "resourceVersion={rv:1}").accept(TABLE),
            ],
        ),
        case(
            "metadata alone",
            [
                post("{apps}/deployments", &deployment("web", 1)),
                watch("{apps}/deployments", "resourceVersion=0").accept(METADATA),
            ],
        ),
        case(
            "leases that are renewed",
            [
                post("{coord}/leases", &lease("x", "a")),
                patch(MERGE, "{coord}/leases/x", &json!({"spec": {"holderIdentity": "b"}})),
                watch("{coord}/leases", "resourceVersion={rv:0}"),
            ],
        ),
        case(
            "events in the form that is asked for",
            [
                post("{core}/events", &event("one", "web")),
                watch("/apis/events.k8s.io/v1/namespaces/{ns}/events", "resourceVersion=0"),
                watch("{core}/events", "resourceVersion=0&fieldSelector=involvedObject.name%3Dweb"),
            ],
        ),
    ]
}
