//! From what the metrics ask for to what is written: stabilisation windows, rate policies, bounds.

use serde_json::Value;

use crate::sandbox::json::{items, text, whole};
use crate::units::{Span, Timestamp, parse_quantity};

/// `--horizontal-pod-autoscaler-downscale-stabilization`.
const DOWN_WINDOW: Span = Span::from_minutes(5);
/// The longest window and period that the API takes.
const LONGEST: Span = Span::from_hours(1);

/// Type, status, reason, message.
pub(super) type Condition = (&'static str, &'static str, &'static str, &'static str);

/// What the controller remembers of one HPA.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// What the metrics asked for, unstabilised.
    recommended: Vec<(Timestamp, u32)>,
    /// Scalings: from, to.
    scaled: Vec<(Timestamp, u32, u32)>,
}

/// The count within all limits, and the condition `ScalingLimited`.
pub(super) struct Limited {
    pub(super) replicas: u32,
    pub(super) condition: Condition,
}

const SCALE_UP_LIMIT: Condition = (
    "ScalingLimited",
    "True",
    "ScaleUpLimit",
    "the desired replica count is increasing faster than the maximum scale rate",
);
const WITHIN: Condition =
    ("ScalingLimited", "False", "DesiredWithinRange", "the desired count is within the acceptable range");

/// The tolerance of one direction: stated in `behavior`, else the controller's.
pub(super) fn tolerance(hpa: &Value, direction: &str, otherwise: f64) -> f64 {
    let stated = text(hpa, &format!("/spec/behavior/{direction}/tolerance"));
    parse_quantity(stated).unwrap_or(otherwise)
}

impl Memory {
    /// `proposed` within the windows, the rate policies and the bounds.
    pub(super) fn limit(
        &mut self,
        hpa: &Value,
        (current, proposed): (u32, u32),
        (min, max): (u32, u32),
        now: Timestamp,
    ) -> Limited {
        self.recommended.retain(|(at, _)| now.since(*at) <= LONGEST);
        self.scaled.retain(|(at, _, _)| now.since(*at) <= LONGEST);
        let has_behavior = hpa.pointer("/spec/behavior").is_some();
        let window = |direction: &str, otherwise: Span| {
            let stated = whole(hpa, &format!("/spec/behavior/{direction}/stabilizationWindowSeconds"));
            stated.map_or(otherwise, |seconds| Span::from_seconds(seconds.unsigned_abs()))
        };
        let within = |span: Span| {
            self.recommended.iter().filter(move |(at, _)| now.since(*at) < span).map(|(_, n)| *n)
        };
        let up = within(window("scaleUp", Span::ZERO)).fold(proposed, u32::min);
        let down = within(window("scaleDown", DOWN_WINDOW)).fold(proposed, u32::max);
        let stable = current.max(up).min(down);
        self.recommended.push((now, proposed));
        if has_behavior {
            self.by_policies(hpa, (current, stable), (min, max), now)
        } else {
            by_default(current, stable, min, max)
        }
    }

    fn by_policies(
        &self,
        hpa: &Value,
        (current, stable): (u32, u32),
        (min, max): (u32, u32),
        now: Timestamp,
    ) -> Limited {
        if stable > current {
            let limit = self.furthest(hpa, "scaleUp", current, now).max(current);
            let allowed = limit.min(max);
            let reason = if limit < max { SCALE_UP_LIMIT } else { TOO_MANY };
            return Limited {
                replicas: stable.min(allowed),
                condition: if stable > allowed { reason } else { WITHIN },
            };
        }
        if stable < current {
            let limit = self.furthest(hpa, "scaleDown", current, now).min(current);
            let allowed = limit.max(min);
            let reason = if limit > min {
                (
                    "ScalingLimited",
                    "True",
                    "ScaleDownLimit",
                    "the desired replica count is decreasing faster than the maximum scale rate",
                )
            } else {
                TOO_FEW
            };
            return Limited {
                replicas: stable.max(allowed),
                condition: if stable < allowed { reason } else { WITHIN },
            };
        }
        Limited { replicas: stable.clamp(min, max), condition: WITHIN }
    }

    /// As far as the policies of a direction let the count go at once.
    fn furthest(&self, hpa: &Value, direction: &str, current: u32, now: Timestamp) -> u32 {
        let select = text(hpa, &format!("/spec/behavior/{direction}/selectPolicy"));
        if select == "Disabled" {
            return current;
        }
        let up = direction == "scaleUp";
        let limits = items(hpa, &format!("/spec/behavior/{direction}/policies")).iter().map(|policy| {
            let period = Span::from_seconds(whole(policy, "/periodSeconds").unwrap_or(15).unsigned_abs());
            let value = whole(policy, "/value").unwrap_or(0);
            let start = i64::from(current) - self.moved(period, now);
            let limit = match (text(policy, "/type"), up) {
                ("Pods", true) => start + value,
                ("Pods", false) => start - value,
                (_, true) => (start * (100 + value) + 99).div_euclid(100),
                (_, false) => (start * (100 - value)).div_euclid(100),
            };
            u32::try_from(limit.max(0)).unwrap_or(u32::MAX)
        });
        let furthest = if (select == "Min") == up { limits.min() } else { limits.max() };
        furthest.unwrap_or(current)
    }

    /// Replicas added less those removed within `period`.
    fn moved(&self, period: Span, now: Timestamp) -> i64 {
        let recent = self.scaled.iter().filter(|(at, _, _)| now.since(*at) < period);
        recent.map(|(_, from, to)| i64::from(*to) - i64::from(*from)).sum()
    }

    /// Remembers a scaling.
    pub(super) fn note_scaling(&mut self, from: u32, to: u32, now: Timestamp) {
        self.scaled.push((now, from, to));
    }
}

/// The bounds bind.
pub(super) const TOO_MANY: Condition = (
    "ScalingLimited",
    "True",
    "TooManyReplicas",
    "the desired replica count is more than the maximum replica count",
);
/// The bounds bind.
pub(super) const TOO_FEW: Condition = (
    "ScalingLimited",
    "True",
    "TooFewReplicas",
    "the desired replica count is less than the minimum replica count",
);

/// Without a `behavior` block: up to twice the current count or four.
fn by_default(current: u32, stable: u32, min: u32, max: u32) -> Limited {
    let limit = current.saturating_mul(2).max(4);
    if stable < min {
        return Limited { replicas: min, condition: TOO_FEW };
    }
    if stable > max.min(limit) {
        let condition = if max > limit { SCALE_UP_LIMIT } else { TOO_MANY };
        return Limited { replicas: max.min(limit), condition };
    }
    Limited { replicas: stable, condition: WITHIN }
}
