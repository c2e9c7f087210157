use serde_json::{Value, json};

use super::*;
use crate::policy::{self as valid, CapacityRule, RateAmount};
use crate::units::{Replicas, Span};

fn spec(change: impl FnOnce(&mut Value)) -> PredictiveAutoscalerSpec {
    let mut value = json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop.v2"},
        "maxReplicas": 10,
        "sourceRef": {"name": "main"},
        "metrics": [
            {"name": "requests", "type": "Prometheus", "query": "sum(a)", "capacityPerReplica": "120"},
            {"name": "cpu", "type": "CPU", "sourceRef": {"name": "other"}},
        ],
        "forecast": {"leadTime": "3m"},
    });
    change(&mut value);
    serde_json::from_value(value).expect("the wire form is lenient")
}

fn refused(change: impl FnOnce(&mut Value)) -> Vec<String> {
    policy(&spec(change)).expect_err("something is wrong").iter().map(ToString::to_string).collect()
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let policy = policy(&spec(|_| {})).expect("valid");
    assert_eq!(policy.mode, valid::Mode::DryRun);
    assert_eq!((policy.bounds.min(), policy.bounds.max()), (Replicas::ONE, Replicas::new(10)));
    assert_eq!((policy.step.seconds(), policy.history), (60, Span::from_hours(28 * 24)));
    assert_eq!(
        (policy.time_zone.as_str(), policy.objective.to_string().as_str()),
        ("UTC", "0.1 % of demand unserved")
    );
    assert_eq!(policy.behavior, valid::Behavior::hpa_default());
    assert_eq!(policy.suspect_for, Span::from_minutes(5));
    assert_eq!(policy.fallback, valid::Fallback { after_absent_for: Span::from_minutes(10), replicas: None });
    assert_eq!(policy.metrics[1].capacity, CapacityRule::PodRequests);
    assert!(policy.pause.is_none() && policy.spend.is_none());
    assert!(policy.metrics.iter().all(|metric| metric.prediction && metric.max_age == Span::from_minutes(2)));
}

#[test]
fn a_partial_behavior_keeps_the_other_defaults() {
    let policy = policy(&spec(|value| {
        value["behavior"] =
            json!({"scaleDown": {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]}});
    }))
    .expect("valid");
    let default = valid::Behavior::hpa_default();
    assert_eq!(policy.behavior.up, default.up);
    assert_eq!(policy.behavior.down.window, Span::from_seconds(300));
    assert_eq!(policy.behavior.down.policies.len(), 1);
    assert_eq!(policy.behavior.down.policies[0].amount, RateAmount::Pods(2));
}

#[test]
fn all_errors_are_reported_at_once() {
    let errors = refused(|value| {
        value["minReplicas"] = json!(20);
        value["metrics"][0]["query"] = json!("sum(a");
        value["metrics"][0]["capacityPerReplica"] = json!("1e999");
        value["forecast"] = json!({"leadTime": "3 minutes", "timeZone": "Mars/Olympus"});
    });
    assert_eq!(
        errors,
        [
            "spec.forecast.leadTime: `3 minutes` is not of the expected form: write it as `90s`, `5m` or `1h30m`, \
             largest unit first",
            "spec.forecast.timeZone: `Mars/Olympus` is no time zone of the IANA database: write it as \
             `Europe/Berlin` or `UTC`",
            "spec.metrics[0].capacityPerReplica: `1e999` is no capacity, being too small, too large or too long: \
             write demand per replica with at most 17 digits, at least 1e-9, as `120` or `500m`",
            "spec.metrics[0].query: `(` is not closed, at line 1 column 4: balance brackets and quotes",
            "spec.minReplicas: `20` must be at most maxReplicas `10`: lower minReplicas or raise maxReplicas",
        ]
    );
}

#[test]
fn a_rule_that_cannot_be_evaluated_is_not_reported_beside_its_cause() {
    let errors = refused(|value| value["objective"] = json!({"unserved": "few"}));
    assert_eq!(errors.len(), 1, "{errors:?}");
}

#[test]
fn presets_name_the_pods_of_the_target_and_nothing_else() {
    let queries = metric_queries(&spec(|_| {}), "shop");
    let sources: Vec<&str> = queries.iter().map(|query| query.source.as_str()).collect();
    assert_eq!(sources, ["main", "other"]);
    assert_eq!(queries[0].promql, "sum(a)");
    assert_eq!(
        queries[1].promql,
        "sum(rate(container_cpu_usage_seconds_total{namespace=\"shop\",\
         pod=~\"shop\\\\.v2-[a-z0-9]+-[a-z0-9]+\",container!=\"\",container!=\"POD\"}[2m]))"
    );
}

#[test]
fn presets_are_valid_for_every_kind_of_target() {
    for kind in ["Deployment", "StatefulSet", "ReplicaSet", "Rollout"] {
        let target = ScaleTargetRef {
            api_version: "apps/v1".to_owned(),
            kind: kind.to_owned(),
            name: "a\"} or vector(1e9) #\n".to_owned(),
        };
        for metric in [MetricType::Cpu, MetricType::Memory] {
            let query = presets::query(metric, "n\"\\", &target).expect("a preset");
            assert_eq!(crate::metrics::promql::check(&query), Ok(()), "{query}");
        }
    }
}

#[test]
fn foreign_kinds_are_not_ours() {
    assert_eq!(lint(&json!({"apiVersion": "v1", "kind": "ConfigMap"})), None);
    assert!(lint(&json!({"apiVersion": "foresail.dev/v1alpha1", "kind": "PredictiveAutoscalr"})).is_some());
}

#[test]
fn every_rule_compiles() {
    fn broken(schema: &kube::core::cel::CompiledSchema) -> usize {
        let below = schema.properties.values().chain(schema.items.as_deref());
        schema.compilation_errors().len() + below.map(broken).sum::<usize>()
    }
    for kind in kinds() {
        assert_eq!(broken(&kind.cel), 0, "{}", kind.name);
    }
}

#[test]
fn texts_are_clipped_to_what_the_schema_of_the_status_allows() {
    assert_eq!(limits::clip("abc", 3), "abc");
    assert_eq!(limits::clip("äöüß", 3), "äö…");
    let schema = &kind("PredictiveAutoscaler").expect("ours").schema;
    let at = |pointer: &str| schema.pointer(&format!("/properties/status/properties/{pointer}")).cloned();
    assert_eq!(at("decision/properties/stages/maxItems"), Some(json!(limits::STAGES)));
    assert_eq!(at("decision/properties/summary/maxLength"), Some(json!(limits::SENTENCE)));
    assert_eq!(at("leadTime/maxLength"), Some(json!(limits::SHORT)));
    assert_eq!(at("forecast/properties/experts/maxItems"), Some(json!(limits::EXPERTS)));
    assert_eq!(at("conditions/maxItems"), Some(json!(limits::CONDITIONS)));
}
