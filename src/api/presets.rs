//! The queries of a spec: the user's own, and the presets CPU and Memory from cAdvisor series.

use super::autoscaler::{MetricSpec, MetricType, PredictiveAutoscalerSpec, ScaleTargetRef};

/// The PromQL of one metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricQuery {
    /// The metric.
    pub name: String,
    /// What is asked.
    pub promql: String,
    /// The pods' resource whose requests are the capacity, for a preset without a stated one: `cpu` or `memory`.
    pub request: Option<&'static str>,
}

/// The PromQL of one metric of an autoscaler in `namespace`.
pub(super) fn query(namespace: &str, spec: &PredictiveAutoscalerSpec, metric: &MetricSpec) -> MetricQuery {
    let selector = || {
        format!(
            "namespace=\"{}\",pod=~\"{}\",container!=\"\",container!=\"POD\"",
            escape(namespace),
            pods_of(&spec.scale_target_ref)
        )
    };
    let (promql, request) = match metric.type_ {
        MetricType::Prometheus => (metric.query.clone().unwrap_or_default(), None),
        MetricType::Cpu => {
            (format!("sum(rate(container_cpu_usage_seconds_total{{{}}}[2m]))", selector()), Some("cpu"))
        }
        MetricType::Memory => {
            (format!("sum(container_memory_working_set_bytes{{{}}})", selector()), Some("memory"))
        }
    };
    let request = request.filter(|_| metric.capacity_per_replica.is_none());
    MetricQuery { name: metric.name.clone(), promql, request }
}

/// A regular expression for the names of a workload's pods.
fn pods_of(target: &ScaleTargetRef) -> String {
    let name = escape(&target.name.replace('.', "\\."));
    match target.kind.as_str() {
        "StatefulSet" => format!("{name}-[0-9]+"),
        "ReplicaSet" => format!("{name}-[a-z0-9]+"),
        _ => format!("{name}-[a-z0-9]+-[a-z0-9]+"),
    }
}

/// `text` within a double-quoted PromQL string.
fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut all, c| {
        match c {
            '\\' => all.push_str("\\\\"),
            '"' => all.push_str("\\\""),
            '\n' => all.push_str("\\n"),
            c => all.push(c),
        }
        all
    })
}
