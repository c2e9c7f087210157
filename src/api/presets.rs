//! The queries of the metric types CPU and Memory: cAdvisor's series of the pods of the target.

use super::v1alpha1::{MetricType, ScaleTargetRef};
use crate::metrics::promql::quote;

/// The query of a preset for a target in `namespace`; `None` for `Prometheus`, which brings its own.
///
/// CPU is in cores (mean over two minutes), Memory is the working set in bytes; both are sums over the pods.
pub fn query(kind: MetricType, namespace: &str, target: &ScaleTargetRef) -> Option<String> {
    let matchers = format!(
        "namespace={},pod=~{},container!=\"\",container!=\"POD\"",
        quote(namespace),
        quote(&pods(target))
    );
    match kind {
        MetricType::Prometheus => None,
        MetricType::Cpu => Some(format!("sum(rate(container_cpu_usage_seconds_total{{{matchers}}}[2m]))")),
        MetricType::Memory => Some(format!("sum(container_memory_working_set_bytes{{{matchers}}})")),
    }
}

/// A regular expression of the names that the controllers give to the pods of `target`.
fn pods(target: &ScaleTargetRef) -> String {
    let name = regex::escape(&target.name);
    match target.kind.as_str() {
        "Deployment" => format!("{name}-[a-z0-9]+-[a-z0-9]+"),
        "StatefulSet" => format!("{name}-[0-9]+"),
        "ReplicaSet" => format!("{name}-[a-z0-9]+"),
        // Controllers of other kinds have their own scheme below the name.
        _ => format!("{name}-.+"),
    }
}
