//! Newtypes for every quantity that crosses a module: an instant, a span, a demand, a count of replicas, a price.
//!
//! Each is validated once, in its constructor, so that later stages cannot meet a NaN, a negative count or a
//! swapped pair of arguments.

mod duration;
pub(crate) mod fault;
mod money;
mod objective;
mod quantity;
mod resource;
mod spread;
mod stored;

pub use duration::{Span, SpanError};
pub(crate) use fault::faulty;
pub use money::{Money, MoneyError, PricePerReplicaHour};
pub use objective::Objective;
pub use quantity::{QuantityError, parse_quantity};
pub use resource::{ResourceAmount, UnitPrice};
pub use spread::offset_of;
pub use stored::any_float;

use serde::{Deserialize, Serialize};

/// An instant: milliseconds since 1970-01-01T00:00:00Z. An integer; the core knows no time library.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// An instant from milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// An instant from whole seconds since the Unix epoch; saturates at the ends of `i64` milliseconds.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Time from `earlier` to `self`; zero when `earlier` is later (a clock that stepped back).
    pub const fn since(self, earlier: Self) -> Span {
        let millis = self.0.saturating_sub(earlier.0);
        Span::from_millis(if millis < 0 { 0 } else { millis.unsigned_abs() })
    }

    /// The instant `span` later, saturating.
    #[must_use]
    pub const fn plus(self, span: Span) -> Self {
        Self(self.0.saturating_add_unsigned(span.millis()))
    }

    /// The instant `span` earlier, saturating.
    #[must_use]
    pub const fn minus(self, span: Span) -> Self {
        Self(self.0.saturating_sub_unsigned(span.millis()))
    }

    /// The latest multiple of `step` (counted from the Unix epoch) that is not after `self`.
    #[must_use]
    pub const fn floor_to(self, step: Step) -> Self {
        let millis = step.span().millis().cast_signed();
        Self(self.0.div_euclid(millis).saturating_mul(millis))
    }
}

/// The grid of a demand series: a positive whole number of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Step(u32);

impl Step {
    /// One minute, the default grid.
    pub const MINUTE: Self = Self(60);
    /// One day, the largest.
    pub const DAY: Self = Self(86_400);

    /// A step of `seconds`; `None` unless it is between one second and one day.
    pub const fn new(seconds: u32) -> Option<Self> {
        if seconds >= 1 && seconds <= 86_400 { Some(Self(seconds)) } else { None }
    }

    /// The step in seconds.
    pub const fn seconds(self) -> u32 {
        self.0
    }

    /// The step as a span.
    #[expect(clippy::as_conversions, reason = "u32 to u64 is lossless; From is not const")]
    pub const fn span(self) -> Span {
        Span::from_seconds(self.0 as u64)
    }

    /// Steps needed to cover `span`, rounded up.
    pub fn steps_covering(self, span: Span) -> usize {
        usize::try_from(span.millis().div_ceil(self.span().millis())).unwrap_or(usize::MAX)
    }
}

/// What arrives, in its own unit (req/s, cores, messages/s), summed over replicas: finite and never negative.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64")]
pub struct Demand(f64);

impl Demand {
    /// No demand at all: a real reading of zero, never a stand-in for a missing one.
    pub const ZERO: Self = Self(0.0);

    /// `value` as a demand; `None` when it is NaN, infinite or negative.
    pub fn new(value: f64) -> Option<Self> {
        (value.is_finite() && value >= 0.0).then_some(Self(value + 0.0))
    }

    /// The number, in the metric's own unit.
    pub const fn get(self) -> f64 {
        self.0
    }

    /// The larger of two demands.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        if other.0 > self.0 { other } else { self }
    }
}

/// Demand that one ready replica serves at 100 % of its safe load: finite and greater than zero.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64")]
pub struct CapacityPerReplica(f64);

impl CapacityPerReplica {
    /// `value` as a capacity; `None` unless it is finite and at least 1e-9 (a smaller one is a unit mistake that
    /// would ask for any number of replicas).
    pub fn new(value: f64) -> Option<Self> {
        (value.is_finite() && value >= 1e-9).then_some(Self(value))
    }

    /// The number, in the metric's own unit per replica.
    pub const fn get(self) -> f64 {
        self.0
    }

    /// This capacity used to `share` of its safe load: the `AverageValue` target of an HPA.
    #[must_use]
    pub fn at(self, share: Share) -> Self {
        Self((self.0 * share.get()).max(1e-12))
    }

    /// Replicas that `demand` requires: `ceil(x/c * (1 - 1e-9))` (I09: a sum of tenths does not buy one more),
    /// saturating.
    pub fn need(self, demand: Demand) -> Replicas {
        replicas_ceil(faulty!(HalfAUnit, demand.get() + 0.5, demand.get()) / self.0)
    }
}

/// `ceil(value * (1 - 1e-9))` as replicas, for a `value` in replicas; saturates, and NaN counts as the most.
pub fn replicas_ceil(value: f64) -> Replicas {
    let exact = (value * faulty!(PlainCeiling, 1.0, 1.0 - 1e-9)).ceil();
    if exact <= 0.0 {
        Replicas(0)
    } else if exact >= f64::from(u32::MAX) || exact.is_nan() {
        Replicas(faulty!(WrapsAround, 0, u32::MAX))
    } else {
        #[expect(
            clippy::as_conversions,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "finite, positive and below u32::MAX by the branches above"
        )]
        Replicas(exact as u32)
    }
}

/// `value` rounded to a whole number; `None` for one that is negative, no number or beyond 2^53.
pub fn whole(value: f64) -> Option<u64> {
    let rounded = value.round();
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole, not negative and exact by the condition"
    )]
    (0.0..=9_007_199_254_740_992.0).contains(&rounded).then_some(rounded as u64)
}

/// A count of replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Replicas(u32);

impl Replicas {
    /// None at all.
    pub const ZERO: Self = Self(0);
    /// One replica.
    pub const ONE: Self = Self(1);
    /// The most that any policy may ask for (schema: `maxReplicas <= 10000`).
    pub const HARD_CAP: Self = Self(10_000);

    /// `n` replicas.
    pub const fn new(n: u32) -> Self {
        Self(n)
    }

    /// The count.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The count as a float, exact.
    pub fn as_f64(self) -> f64 {
        f64::from(self.0)
    }

    /// Replicas added from `self` to `other`; negative when `other` is fewer.
    pub fn delta_to(self, other: Self) -> i64 {
        i64::from(other.0) - i64::from(self.0)
    }
}

impl std::fmt::Display for Replicas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The lower and upper limit that the user set: `1 <= min <= max <= 10000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "stored::StoredBounds", into = "stored::StoredBounds")]
pub struct ReplicaBounds {
    min: Replicas,
    max: Replicas,
}

impl ReplicaBounds {
    /// Bounds from `min` to `max`; `None` unless `1 <= min <= max <= 10000`.
    pub fn new(min: Replicas, max: Replicas) -> Option<Self> {
        (Replicas::ONE <= min && min <= max && max <= Replicas::HARD_CAP).then_some(Self { min, max })
    }

    /// The fewest replicas.
    pub const fn min(self) -> Replicas {
        self.min
    }

    /// The most replicas.
    pub const fn max(self) -> Replicas {
        self.max
    }

    /// `n` moved to the nearest bound.
    pub fn clamp(self, n: Replicas) -> Replicas {
        n.clamp(self.min, self.max)
    }
}

/// A ratio, stored as a fraction: `70 %` is 0.7. Finite and greater than or equal to zero.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64")]
pub struct Share(f64);

impl Share {
    /// `fraction` as a share; `None` when it is NaN, infinite or negative.
    pub fn new(fraction: f64) -> Option<Self> {
        (fraction.is_finite() && fraction >= 0.0).then_some(Self(fraction))
    }

    /// A share of `percent` hundredths.
    pub fn from_percent(percent: u32) -> Self {
        Self(f64::from(percent) / 100.0)
    }

    /// Parses `"0.1%"` or `"0.001"`; both are the fraction 0.001. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix('%') {
            Some(percent) => parse_quantity(percent).ok().and_then(|value| Self::new(value / 100.0)),
            None => parse_quantity(text).ok().and_then(Self::new),
        }
    }

    /// The fraction.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl std::fmt::Display for Share {
    /// As a percentage with up to four significant decimals: `0.1 %`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let percent = (self.0 * 100.0 * 1e6).round() / 1e6;
        write!(f, "{percent} %")
    }
}

#[cfg(test)]
mod tests;
