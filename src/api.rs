//! The custom resources: wire types, generated CRDs, and the way from a spec to a valid [`Policy`].
//!
//! - [`v1alpha1`]: the types as users write them, with their rules in the schema.
//! - [`crds`]: the `CustomResourceDefinition`s that the API server gets.
//! - [`policy()`]: a spec as the validated form, or every field that is wrong.
//! - [`calendar()`], [`budget()`]: the same for a calendar of events and for a budget.
//! - [`lint`]: the same rules, and more, on a manifest that no API server has seen.
//! - [`price_book()`]: the administrator's prices, a file of the operator.
//! - [`annotations`]: a freeze and a boost, ordered outside the spec.
//! - [`presets`]: the queries of the metric types CPU and Memory.
//!
//! Each rule is stated once, in the schema or in a CEL rule of it; [`policy()`] and [`lint`] evaluate exactly those,
//! then add what an API server cannot know (`PromQL`, time zones).

pub mod annotations;
mod asked;
mod budgets;
mod crd;
mod events;
mod lint;
mod policy;
pub mod presets;
mod price_book;
pub mod rules;
mod schema;
pub mod v1alpha1;

pub use asked::{LimitQuery, UseQuery, limit_queries, use_queries};
pub use budgets::{budget, priority};
pub use crd::{Kind, VERSION, crds, crds_yaml, kind, kinds};
pub use events::calendar;
pub use lint::{lint, source_problems, violated};
pub use policy::{MetricQuery, by_price_book, metric_queries, policy, price_query};
pub use price_book::{in_currency, price_book, read_price_book};
pub use v1alpha1::*;

/// What the API server refuses in `object`: the rules of the schema and its CEL rules, on the object as stored.
pub fn refusals(kind: &Kind, object: &serde_json::Value) -> Vec<FieldError> {
    schema::validate(kind, object).into_iter().map(|finding| finding.error).collect()
}

/// `object` as the API server stores it: without nulls, with the defaults of the schema.
pub fn stored(kind: &Kind, object: &serde_json::Value) -> serde_json::Value {
    schema::as_stored(kind, object)
}

#[expect(unused_imports, reason = "named in the module documentation")]
use crate::policy::Policy;

/// One field that is wrong, and how to put it right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, thiserror::Error)]
#[error("{path}: {problem}: {remedy}")]
pub struct FieldError {
    /// Where: `spec.metrics[0].query`.
    pub path: String,
    /// What is wrong, with the value.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl FieldError {
    /// A problem at `path`.
    pub fn new(path: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { path: path.into(), problem: problem.into(), remedy: remedy.into() }
    }
}

/// Whether `name` is a zone of the IANA database.
pub fn zone_exists(name: &str) -> bool {
    name.parse::<chrono_tz::Tz>().is_ok()
}

#[cfg(test)]
mod tests;
