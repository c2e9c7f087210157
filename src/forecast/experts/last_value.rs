//! Demand stays where it is.

use super::super::features::{FEATURES, at};

/// The newest level.
pub(super) const RULE: [f64; FEATURES] = super::rule([(at::LAST, 1.0)]);
