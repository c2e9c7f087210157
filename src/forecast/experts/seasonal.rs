//! Demand is what it was at this hour yesterday.

use super::super::features::{FEATURES, at};

/// Yesterday's level at the target's local time.
pub(super) const RULE: [f64; FEATURES] = super::rule([(at::YESTERDAY, 1.0)]);
