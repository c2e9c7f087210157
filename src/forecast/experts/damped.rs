//! Demand is what it was at this hour yesterday, moved by a part of what today differs.

use super::super::features::{FEATURES, at};

/// Yesterday's level at the target's local time, moved half the way that the last hour lies from yesterday's same hour.
///
/// The damped level of Holt's method, on differences from yesterday: Gardner and `McKenzie` 1985 let a deviation fade as
/// the target lies further ahead. Here a half stands for the middle of that at every distance, and the weights of each
/// knot, which stay with `seasonal-naive` where a deviation is gone, for the fading.
pub(super) const RULE: [f64; FEATURES] =
    super::rule([(at::YESTERDAY, 1.0), (at::AROUND, 0.5), (at::YESTERDAY_RECENT, -0.5)]);
