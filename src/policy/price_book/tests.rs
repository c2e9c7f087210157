#![expect(clippy::needless_pass_by_value, reason = "`json!` makes values")]

use serde_json::json;

use super::*;

fn rate(labels: &[(&str, &str)], cpu: &str, memory: &str) -> Rate {
    Rate {
        node_selector: labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        cpu_hour: UnitPrice::parse(cpu).unwrap(),
        memory_gibibyte_hour: UnitPrice::parse(memory).unwrap(),
    }
}

fn book() -> PriceBook {
    PriceBook {
        currency: "EUR".into(),
        rates: vec![
            rate(&[("tier", "spot")], "0.01", "0.001"),
            rate(&[("tier", "gpu")], "0.5", "0.05"),
            rate(&[("tier", "spot"), ("zone", "a")], "0.012", "0.001"),
        ],
        default: Some(rate(&[], "0.031", "0.0042")),
    }
}

fn workload(spec: Value) -> Value {
    json!({"spec": {"template": {"spec": spec}}})
}

fn container(cpu: &str, memory: &str) -> Value {
    json!({"resources": {"requests": {"cpu": cpu, "memory": memory}}})
}

fn sidecar(cpu: &str, memory: &str) -> Value {
    json!({"restartPolicy": "Always", "resources": {"requests": {"cpu": cpu, "memory": memory}}})
}

fn requests(spec: Value) -> (String, String) {
    let pod = PodCost::of_workload(&workload(spec)).unwrap();
    let text = |amount: Option<ResourceAmount>| amount.map_or("none".to_owned(), |amount| amount.to_string());
    (text(pod.cpu), text(pod.memory))
}

/// The numbers are those of Kubernetes' own rule, worked out by hand.
#[test]
fn requests_count_as_the_scheduler_counts_them() {
    let check = |spec: Value, cpu: &str, memory: &str| {
        assert_eq!(requests(spec.clone()), (cpu.to_owned(), memory.to_owned()), "{spec}");
    };
    check(json!({"containers": [container("250m", "100"), container("250m", "50")]}), "0.5", "150");
    // An init container that is larger than all that runs later.
    check(
        json!({"containers": [container("100m", "100")], "initContainers": [container("2", "10"), container("1", "500")]}),
        "2",
        "500",
    );
    // A sidecar counts with the containers, and with the init containers after it, and not with those before it.
    check(
        json!({"containers": [container("100m", "100")],
            "initContainers": [container("1", "10"), sidecar("200m", "20"), container("900m", "10")]}),
        "1.1",
        "120",
    );
    check(
        json!({"containers": [container("1", "100")], "overhead": {"cpu": "250m", "memory": "20"}}),
        "1.25",
        "120",
    );
    // A limit without a request is a request; a number is a quantity; requests of the pod stand for all.
    check(json!({"containers": [{"resources": {"limits": {"cpu": 2}}}]}), "2", "none");
    check(json!({"resources": {"requests": {"cpu": "3"}}, "containers": [container("1", "7")]}), "3", "7");
    check(json!({"containers": [{}]}), "none", "none");
}

fn price(spec: Value) -> Result<(String, String), Unpriceable> {
    let book = book();
    let pod = PodCost::of_workload(&workload(spec))?;
    book.price(&pod).map(|(price, rate)| (price.to_string(), rate.name()))
}

fn on(labels: Value, affinity: Value) -> Value {
    json!({"containers": [container("1", "1Gi")], "nodeSelector": labels, "affinity": {"nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": affinity}}}})
}

fn term(label: &str, values: &[&str]) -> Value {
    json!({"matchExpressions": [{"key": label, "operator": "In", "values": values}]})
}

#[test]
fn the_rate_is_that_of_the_nodes_the_pods_require() {
    let check = |spec: Value, cost: &str, name: &str| {
        assert_eq!(price(spec.clone()).unwrap(), (cost.to_owned(), name.to_owned()), "{spec}");
    };
    check(on(json!({}), json!([])), "0.0352", "default rate");
    check(on(json!({"tier": "spot"}), json!([])), "0.011", "rate tier=spot");
    check(on(json!({"tier": "arm"}), json!([])), "0.0352", "default rate");
    // The one with most labels.
    check(on(json!({"tier": "spot", "zone": "a"}), json!([])), "0.013", "rate tier=spot,zone=a");
    check(on(json!({"tier": "spot", "zone": "b"}), json!([])), "0.011", "rate tier=spot");
    check(on(json!({}), json!([term("tier", &["gpu"])])), "0.55", "rate tier=gpu");
    // What may be either counts as the dearest, also against the default.
    check(on(json!({}), json!([term("tier", &["gpu", "spot"])])), "0.55", "rate tier=gpu");
    check(on(json!({}), json!([term("tier", &["spot", "arm"])])), "0.0352", "default rate");
    check(on(json!({}), json!([term("tier", &["spot"]), term("tier", &["gpu"])])), "0.55", "rate tier=gpu");
    // The selector narrows what the affinity leaves open.
    check(on(json!({"tier": "spot"}), json!([term("tier", &["spot", "gpu"])])), "0.011", "rate tier=spot");
    // A label that is excluded is not required.
    let not = json!([{"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["spot"]}]}]);
    check(on(json!({}), not), "0.0352", "default rate");
}

#[test]
fn what_is_not_known_is_never_free() {
    let refused = |spec: Value, why: Unpriceable| assert_eq!(price(spec).unwrap_err(), why);
    refused(json!({"containers": [{}]}), Unpriceable::NotRequested("cpu"));
    refused(
        json!({"containers": [{"resources": {"requests": {"cpu": "1"}}}]}),
        Unpriceable::NotRequested("memory"),
    );
    refused(json!({"containers": [container("0", "1Gi")]}), Unpriceable::NotRequested("cpu"));
    refused(json!({"containers": [container("many", "1Gi")]}), Unpriceable::NoQuantity("many".into()));
    assert_eq!(PodCost::of_workload(&json!({"spec": {}})), Err(Unpriceable::NoTemplate));
    let bare = PriceBook { default: None, ..book() };
    let somewhere = PodCost::of_workload(&workload(on(json!({"tier": "arm"}), json!([])))).unwrap();
    assert_eq!(bare.price(&somewhere).unwrap_err(), Unpriceable::NoRate("tier=arm".into()));
    let nothing = PriceBook { rates: Vec::new(), default: Some(rate(&[], "0", "0")), ..book() };
    assert_eq!(nothing.price(&somewhere).unwrap_err(), Unpriceable::NoPrice);
    // Memory that no rate charges for need not be requested.
    let cores = PriceBook { rates: Vec::new(), default: Some(rate(&[], "0.04", "0")), ..book() };
    let stated = PodCost::stated(ResourceAmount::parse("500m"), None);
    assert_eq!(cores.price(&stated).unwrap().0.to_string(), "0.02");
}
