//! The history of an autoscaler's metrics from a Prometheus-compatible server.

use anyhow::Context as _;

use super::autoscaler::Autoscaler;
use crate::metrics::{HistoryQuery, SourceClient, SourceSettings};
use crate::units::{Replicas, Span, Timestamp, replicas_ceil};

/// How long all chunks of one query may take.
const DEADLINE: Span = Span::from_minutes(10);
/// A sample of the replica count stands for so long: kube-state-metrics is scraped at least as often.
const REPLICAS_MAX_AGE: Span = Span::from_minutes(5);

/// What a server knows of an autoscaler.
pub(super) struct Known {
    /// For each metric its samples, by the start of the step that each covers.
    pub(super) demand: Vec<Vec<(Timestamp, f64)>>,
    /// What stood, where kube-state-metrics knows it.
    pub(super) recorded: Vec<(Timestamp, Replicas)>,
}

/// Asks `server` for every metric of the autoscaler between two instants.
///
/// # Errors
/// A server that cannot be reached, or a query that gives nothing usable.
pub(super) fn read(
    autoscaler: &Autoscaler,
    server: &SourceSettings,
    (from, to): (Timestamp, Timestamp),
) -> anyhow::Result<Known> {
    let client = SourceClient::new(server.clone())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(ask(autoscaler, &client, (from, to)))
}

async fn ask(
    autoscaler: &Autoscaler,
    client: &SourceClient,
    (from, to): (Timestamp, Timestamp),
) -> anyhow::Result<Known> {
    let step = autoscaler.policy.step;
    let query = |promql: &str, max_age: Span| HistoryQuery {
        promql: promql.to_owned(),
        from,
        to,
        step,
        max_age,
        deadline: DEADLINE,
    };
    let mut demand = Vec::new();
    for (metric, rule) in autoscaler.queries.iter().zip(&autoscaler.policy.metrics) {
        let points = client.history(&query(&metric.promql, rule.max_age)).await;
        let points = points.with_context(|| format!("metric `{}`", rule.name))?;
        // The evaluation at an instant is demand over the step that ends there.
        demand.push(points.into_iter().map(|(at, value)| (at.minus(step.span()), value)).collect());
    }
    // Without kube-state-metrics there is no such policy in the plan.
    let recorded = match replicas_query(autoscaler) {
        Some(promql) => client.history(&query(&promql, REPLICAS_MAX_AGE)).await.unwrap_or_default(),
        None => Vec::new(),
    };
    let recorded = recorded.into_iter().map(|(at, n)| (at, replicas_ceil(n))).collect();
    Ok(Known { demand, recorded })
}

/// What kube-state-metrics calls the count that was asked for.
fn replicas_query(autoscaler: &Autoscaler) -> Option<String> {
    let target = &autoscaler.object.spec.scale_target_ref;
    let (series, label) = match target.kind.as_str() {
        "Deployment" => ("kube_deployment_spec_replicas", "deployment"),
        "StatefulSet" => ("kube_statefulset_replicas", "statefulset"),
        "ReplicaSet" => ("kube_replicaset_spec_replicas", "replicaset"),
        _ => return None,
    };
    // PromQL reads quoted text as JSON does.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    Some(format!(
        "max({series}{{namespace={},{label}={}}})",
        quoted(&autoscaler.namespace),
        quoted(&target.name)
    ))
}
