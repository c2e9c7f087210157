//! What is asked of sources besides demand: how far replicas are used, and how much there is of what limits them.

use super::policy::{MetricQuery, source_of};
use super::v1alpha1 as wire;
use crate::units::{Share, Span, parse_quantity};

/// How far the replicas are used, where a capacity is learned or checked by it.
#[derive(Clone, Debug, PartialEq)]
pub struct UseQuery {
    /// The query, named as the metric.
    pub query: MetricQuery,
    /// How far they may be used.
    pub at: Share,
}

/// How much there is of something that each replica takes a part of.
#[derive(Clone, Debug, PartialEq)]
pub struct LimitQuery {
    /// The query, named as the limit.
    pub query: MetricQuery,
    /// How much of it one replica takes.
    pub per_replica: f64,
    /// A sample older than this is not taken up.
    pub max_age: Span,
}

/// The query for the use of each metric's replicas, in the order of the metrics; `None` where none is stated.
pub fn use_queries(spec: &wire::PredictiveAutoscalerSpec) -> Vec<Option<UseQuery>> {
    let of = |metric: &wire::Metric| {
        let wire::LearnedCapacity { query, at } = metric.learned_capacity.as_ref()?;
        let source = source_of(spec, metric.source_ref.as_ref());
        let query = MetricQuery { metric: metric.name.clone(), source, promql: query.clone() };
        Some(UseQuery { query, at: Share::parse(&at.0)? })
    };
    spec.metrics.iter().map(of).collect()
}

/// The query of each limit, in their order.
pub fn limit_queries(spec: &wire::PredictiveAutoscalerSpec) -> Vec<LimitQuery> {
    let of = |limit: &wire::Limit| {
        let wire::Limit { name, query, per_replica, max_age, source_ref } = limit;
        let source = source_of(spec, source_ref.as_ref());
        let query = MetricQuery { metric: name.clone(), source, promql: query.clone() };
        let per_replica = parse_quantity(&per_replica.0).ok().filter(|each| *each > 0.0)?;
        Some(LimitQuery { query, per_replica, max_age: max_age.span()? })
    };
    spec.limits.iter().filter_map(of).collect()
}
