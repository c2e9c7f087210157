//! The custom resources `foresail.dev/v1alpha1`: wire types, their rules, and the way to a valid [`Policy`].
//!
//! The only module with schema types. Rules that need no cluster stand in the schema and its CEL rules, so that the
//! API server enforces them; what it cannot know (PromQL, time zones) is found by [`policy`], which reports every
//! problem of a spec at once.
//!
//! [`Policy`]: crate::policy::Policy

pub mod autoscaler;
pub mod checkpoint;
mod convert;
mod presets;
pub mod source;
pub mod status;
pub mod text;

pub use autoscaler::*;
pub use checkpoint::{ForecastCheckpoint, ForecastCheckpointSpec};
pub use convert::{FieldError, policy, queries};
pub use presets::MetricQuery;
pub use source::*;
pub use status::*;
pub use text::*;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::CustomResourceExt as _;

/// The API group of every custom resource.
pub const GROUP: &str = "foresail.dev";

/// The definitions of the custom resources, in the order in which they are printed.
pub fn crds() -> Vec<CustomResourceDefinition> {
    let mut crds = vec![PredictiveAutoscaler::crd(), MetricSource::crd(), ForecastCheckpoint::crd()];
    for version in crds.iter_mut().flat_map(|crd| &mut crd.spec.versions) {
        if let Some(root) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            tidy_schema(root);
        }
    }
    crds
}

/// The API server knows no unsigned formats: the bounds say the same.
fn tidy_schema(schema: &mut JSONSchemaProps) {
    if schema.format.as_deref().is_some_and(|format| format.starts_with("uint")) {
        schema.format = Some("int32".to_owned());
        schema.minimum = schema.minimum.or(Some(0.0));
    }
    schema.properties.iter_mut().flat_map(|properties| properties.values_mut()).for_each(tidy_schema);
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => tidy_schema(items),
        Some(JSONSchemaPropsOrArray::Schemas(all)) => all.iter_mut().for_each(tidy_schema),
        None => {}
    }
}

#[cfg(test)]
mod tests;
