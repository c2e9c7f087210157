//! Demand follows its usual day, or its usual week, at today's level.

use super::super::features::{FEATURES, at};

/// The median of the same hours of five days, moved half the way to where the present stands against its own
/// profile: a whole move would take over all the noise of the present, none would miss a new level.
pub(super) const DAY: [f64; FEATURES] =
    super::rule([(at::MEDIAN, 1.0), (at::RECENT, 0.5), (at::PROFILE_NOW, -0.5)]);

/// The level at the same hour last week, moved half the way to where the present stands against its profile.
pub(super) const WEEK: [f64; FEATURES] =
    super::rule([(at::LAST_WEEK, 1.0), (at::RECENT, 0.5), (at::PROFILE_NOW, -0.5)]);
