//! `kubectl` as people use it: what it prints.

#![expect(clippy::too_many_lines, reason = "a function here is a table of cases")]

use serde_json::{Value, json};

use super::step::*;

fn deployed() -> Step {
    kubectl_file("create -f {file}", deployment("web", 3))
}

fn scaled() -> Step {
    kubectl_file("create -f {file}", autoscaler("web"))
}

pub(crate) fn cases() -> Vec<Case> {
    [looks(), explanations(), changes(), applies()].into_iter().flatten().collect()
}

fn looks() -> Vec<Case> {
    let leased = || kubectl_file("create -f {file}", lease("x", "a"));
    vec![
        case(
            "get of everything in the demo",
            [
                deployed(),
                scaled(),
                kubectl_file("create -f {file}", hpa("web")),
                leased(),
                kubectl_file("create -f {file}", event("one", "web")),
                kubectl("get pra,deploy,hpa,lease,events"),
            ],
        ),
        case(
            "get -o wide",
            [deployed(), kubectl("get deploy -o wide"), kubectl("get deploy web -o wide --no-headers")],
        ),
        case("get -o yaml", [deployed(), kubectl("get deploy web -o yaml")]),
        case("get -o yaml of an autoscaler", [scaled(), kubectl("get pra web -o yaml")]),
        case("get -o json of a list", [deployed(), kubectl("get deployments -o json")]),
        case(
            "get -o name and jsonpath",
            [
                deployed(),
                kubectl("get deploy -o name"),
                kubectl("get deploy web -o jsonpath={.spec.replicas}"),
                kubectl("get deploy -o custom-columns=NAME:.metadata.name,N:.spec.replicas"),
            ],
        ),
        case(
            "get by label, by field, sorted",
            [
                deployed(),
                kubectl("get deploy -l app=web"),
                kubectl("get deploy -l app!=web"),
                kubectl("get deploy --field-selector metadata.name=web --sort-by .metadata.name"),
            ],
        ),
        case("get in pages", [deployed(), scaled(), kubectl("get deploy,pra --chunk-size=1 --show-labels")]),
        case(
            "get of what is not there",
            [
                kubectl("get deploy none"),
                kubectl("get pra none"),
                kubectl("get nothings"),
                kubectl("get pra"),
            ],
        ),
        case(
            "get -w",
            [
                deployed(),
                kubectl("get deploy web -w --request-timeout=1s"),
                kubectl("get deploy -w --output-watch-events --request-timeout=1s"),
            ],
        ),
        case(
            "describe of an autoscaler with its events",
            [
                scaled(),
                kubectl_file("create -f {file}", newer_event("one", "web")),
                kubectl("describe pra web"),
                kubectl("describe pra"),
            ],
        ),
        case(
            "describe of a deployment",
            [
                deployed(),
                kubectl_file("create -f {file}", event("one", "web")),
                kubectl("describe deploy web"),
            ],
        ),
        case(
            "describe of a lease and an HPA",
            [
                leased(),
                kubectl_file("create -f {file}", hpa("web")),
                kubectl("describe lease x"),
                kubectl("describe hpa web"),
            ],
        ),
        case(
            "events",
            [
                deployed(),
                kubectl_file("create -f {file}", event("one", "web")),
                kubectl("events"),
                kubectl("events --for deployment/web"),
                kubectl("get events -o wide"),
            ],
        ),
        case("a namespace", [kubectl("get ns {ns}"), kubectl("get ns {ns} -o yaml")]),
        case(
            "wait for what is true, and for what is not",
            [
                scaled(),
                kubectl("wait pra/web --for=jsonpath={.spec.mode}=DryRun --timeout=5s"),
                kubectl("wait pra/web --for=condition=Ready --timeout=1s"),
            ],
        ),
    ]
}

fn explanations() -> Vec<Case> {
    const BUILT_IN: &[&str] =
        &["configmaps ", "events ", "deployments ", "leases ", "horizontalpodautoscalers ", "NAME "];
    vec![
        case("explain of an autoscaler", [kubectl("explain pra"), kubectl("explain pra.spec")]),
        case(
            "explain of its fields",
            [
                kubectl("explain pra.spec.metrics"),
                kubectl("explain pra.spec.mode"),
                kubectl("explain pra.status.decision"),
                kubectl("explain predictiveautoscalers.spec.behavior --recursive"),
            ],
        ),
        case(
            "explain of the other kinds",
            [kubectl("explain metricsource.spec"), kubectl("explain forecastcheckpoint --recursive")],
        ),
        case("explain of a field that is not there", [kubectl("explain pra.spec.nothing")]),
        case(
            "the resources of our group",
            [
                kubectl("api-resources --api-group=foresail.dev"),
                kubectl("api-resources --api-group=foresail.dev -o wide"),
                kubectl("api-resources --api-group=foresail.dev -o name"),
            ],
        ),
        case(
            "the resources that are built in",
            [
                kubectl("api-resources").only(BUILT_IN).verdict(),
                kubectl("api-resources --api-group=apps").only(&["NAME ", "deployments ", "replicasets "]),
                kubectl("api-resources --api-group=coordination.k8s.io").only(&["NAME ", "leases "]),
            ],
        ),
        case(
            "the versions",
            [kubectl("api-versions").only(&[
                "apps/v1",
                "autoscaling/v2",
                "coordination.k8s.io/v1",
                "events.k8s.io/v1",
                "foresail.dev/v1alpha1",
            ])],
        ),
    ]
}

fn changes() -> Vec<Case> {
    vec![
        case("create of a name that is taken", [deployed(), deployed()]),
        case(
            "create of what is invalid",
            [
                kubectl_file("create -f {file}", {
                    let mut object = deployment("web", 3);
                    object["spec"]["replica"] = json!(1);
                    object
                }),
                kubectl_file(
                    "create -f {file} --validate=false",
                    json!({"apiVersion": "apps/v9", "kind": "Deployment",
                "metadata": {"name": "web"}}),
                ),
            ],
        ),
        case(
            "scale",
            [
                deployed(),
                kubectl("scale deploy web --replicas=5"),
                kubectl("scale deploy web --replicas=6 --current-replicas=3"),
                kubectl("scale deploy web --replicas=6 --current-replicas=5"),
                kubectl("get deploy web -o jsonpath={.spec.replicas}"),
                kubectl("scale pra none --replicas=2"),
            ],
        ),
        case(
            "label and annotate",
            [
                deployed(),
                kubectl("label deploy web tier=front"),
                kubectl("label deploy web tier=back"),
                kubectl("label deploy web tier=back --overwrite"),
                kubectl("annotate pra,deploy --all note=x"),
                kubectl("get deploy --show-labels"),
            ],
        ),
        case(
            "patch in three styles",
            [
                deployed(),
                kubectl("patch deploy web -p {\"spec\":{\"replicas\":4}}"),
                kubectl("patch deploy web --type=merge -p {\"spec\":{\"replicas\":5}}"),
                kubectl(
                    "patch deploy web --type=json -p [{\"op\":\"replace\",\"path\":\"/spec/replicas\",\"value\":6}]",
                ),
                kubectl("patch deploy web -p {\"spec\":{\"replicas\":6}}"),
                scaled(),
                kubectl("patch pra web --type=merge -p {\"spec\":{\"mode\":\"Active\"}}"),
                kubectl(
                    "patch pra web --subresource=status --type=merge -p {\"status\":{\"effectiveMode\":\"Active\"}}",
                ),
                kubectl("get pra"),
            ],
        ),
        case(
            "set an image, then look at the roll-out",
            [
                deployed(),
                kubectl("set image deploy/web web=web:2"),
                kubectl("get deploy web -o wide"),
                kubectl("rollout pause deploy/web"),
                kubectl("rollout history deploy/web"),
            ],
        ),
        case(
            "delete",
            [
                deployed(),
                scaled(),
                kubectl("delete deploy web --dry-run=server"),
                kubectl("delete deploy web --now"),
                kubectl("delete pra --all"),
                kubectl("delete deploy web"),
                kubectl("delete deploy web --ignore-not-found"),
            ],
        ),
        case(
            "replace",
            [
                deployed(),
                kubectl_file("replace -f {file}", deployment("web", 4)),
                kubectl_file("replace -f {file}", deployment("other", 4)),
            ],
        ),
    ]
}

fn applies() -> Vec<Case> {
    let apply = |object: Value| kubectl_file("apply -f {file}", object);
    let server_side = |object: Value| kubectl_file("apply --server-side -f {file}", object);
    vec![
        case(
            "apply three times",
            [
                apply(deployment("web", 3)),
                apply(deployment("web", 3)),
                apply(deployment("web", 4)),
                kubectl("get deploy web -o jsonpath={.spec.replicas}{.metadata.generation}"),
            ],
        ),
        case(
            "apply of an autoscaler",
            [
                apply(autoscaler("web")),
                apply(autoscaler("web")),
                apply({
                    let mut object = autoscaler("web");
                    object["spec"]["mode"] = json!("Active");
                    object
                }),
            ],
        ),
        case(
            "apply that takes a field away",
            [
                apply(configmap("a", &json!({"x": "1", "y": "2"}))),
                apply(configmap("a", &json!({"x": "1"}))),
                kubectl("get cm a -o jsonpath={.data}"),
            ],
        ),
        case(
            "apply on the server",
            [
                server_side(autoscaler("web")),
                server_side(autoscaler("web")),
                kubectl("patch pra web --type=merge -p {\"spec\":{\"maxReplicas\":70}}"),
                server_side(autoscaler("web")),
                kubectl_file("apply --server-side --force-conflicts -f {file}", autoscaler("web")),
            ],
        ),
        case(
            "apply without effect",
            [
                kubectl_file("apply --dry-run=server -f {file}", deployment("web", 3)),
                kubectl_file("apply --dry-run=client -f {file}", deployment("web", 3)),
                kubectl("get deploy"),
            ],
        ),
        case(
            "diff",
            [
                apply(configmap("a", &json!({"x": "1"}))),
                kubectl_file("diff -f {file}", configmap("a", &json!({"x": "1"}))),
                kubectl_file("diff -f {file}", configmap("a", &json!({"x": "2"}))).verdict(),
            ],
        ),
    ]
}
