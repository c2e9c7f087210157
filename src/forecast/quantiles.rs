//! What a forecast is: for each step ahead, demand at eleven quantile levels.

use crate::units::{Demand, Share, Step, Timestamp};

/// How many quantile levels a forecast holds.
pub const N_LEVELS: usize = 11;

/// The quantile levels of every forecast (DESIGN 5).
pub const LEVELS: [f64; N_LEVELS] = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999];

/// Demand at each of [`LEVELS`]: finite, not negative, rising.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantiles([f64; N_LEVELS]);

impl Quantiles {
    /// Makes valid quantiles of raw numbers: negatives become zero, crossings are levelled upwards.
    /// `None` when a number is NaN or infinite.
    pub fn new(raw: [f64; N_LEVELS]) -> Option<Self> {
        let mut values = raw;
        let mut floor = 0.0_f64;
        for value in &mut values {
            if !value.is_finite() {
                return None;
            }
            floor = floor.max(*value);
            *value = floor;
        }
        Some(Self(values))
    }

    /// Quantiles of numbers that are finite and not negative, sorted.
    pub(super) fn sorted(mut values: [f64; N_LEVELS]) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        Self(values)
    }

    /// The values, in the order of [`LEVELS`].
    pub const fn values(&self) -> &[f64; N_LEVELS] {
        &self.0
    }

    /// The mean excess over the .999 quantile, `(Q.999 - Q.99) / ln 10` (DESIGN 12).
    fn tail_scale(&self) -> f64 {
        let [.., q99, _, q999] = self.0;
        (q999 - q99) / std::f64::consts::LN_10
    }

    /// The least capacity `a` for which the expected demand above it is at most `unserved` of the expected demand:
    /// `E[(x - a)+] <= unserved * E[x]` (DESIGN 12). The quantile function is linear between the levels, flat below
    /// the first and exponential above the last with `beta = (Q.999 - Q.99) / ln 10`. Closed form per segment.
    pub fn capacity_for_unserved(&self, unserved: Share) -> f64 {
        let [.., top] = self.0;
        let beta = self.tail_scale();
        let tail_share = 1.0 - LEVELS[N_LEVELS - 1];
        let target = unserved.get() * self.mean(beta);
        let tail = tail_share * beta;
        if tail > 0.0 && tail > target {
            return top + beta * (tail / target.max(f64::MIN_POSITIVE)).ln();
        }
        let mut above = tail;
        let mut upper = (LEVELS[N_LEVELS - 1], top);
        for (&p, &q) in LEVELS.iter().zip(&self.0).rev().skip(1) {
            let width = upper.1 - q;
            let density = if width > 0.0 { (upper.0 - p) / width } else { 0.0 };
            let exceed = 1.0 - upper.0;
            let whole = above + exceed * width + 0.5 * density * width * width;
            if whole > target {
                let gap = (target - above).max(0.0);
                let root = (exceed * exceed + 2.0 * density * gap).sqrt();
                return upper.1 - 2.0 * gap / (root + exceed);
            }
            above = whole;
            upper = (p, q);
        }
        // Below the first level the quantile function is flat: every unit less leaves that much unserved.
        (upper.1 - (target - above)).max(0.0)
    }

    /// The mean, by the same integral.
    fn mean(&self, beta: f64) -> f64 {
        let points = || LEVELS.iter().zip(&self.0);
        let body: f64 =
            points().zip(points().skip(1)).map(|((p0, q0), (p1, q1))| 0.5 * (q0 + q1) * (p1 - p0)).sum();
        let first = self.0[0] * LEVELS[0];
        let tail = (1.0 - LEVELS[N_LEVELS - 1]) * (self.0[N_LEVELS - 1] + beta);
        first + body + tail
    }

    /// The value at `level`: linear between the levels, flat below .01, exponential above .999 (DESIGN 12).
    pub fn at(&self, level: f64) -> Demand {
        let points = LEVELS.iter().zip(&self.0);
        let mut below: Option<(f64, f64)> = None;
        for (&p, &q) in points {
            if level <= p {
                let value = match below {
                    Some((p0, q0)) if p > p0 => q0 + (q - q0) * (level - p0) / (p - p0),
                    _ => q,
                };
                return Demand::new(value).unwrap_or(Demand::ZERO);
            }
            below = Some((p, q));
        }
        let beyond = (0.001 / (1.0 - level).max(f64::MIN_POSITIVE)).ln().max(0.0);
        let last = below.map_or(0.0, |(_, q)| q);
        Demand::new((last + self.tail_scale() * beyond).min(f64::MAX)).unwrap_or(Demand::ZERO)
    }
}

/// A forecast on a regular grid, issued from all samples up to `newest`.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantileForecast {
    /// Start of the newest sample that the forecast has seen; it covers `[newest, newest + step)`.
    pub newest: Timestamp,
    /// The grid.
    pub step: Step,
    /// `steps[h - 1]` is demand over `[newest + h * step, newest + (h + 1) * step)`.
    pub steps: Vec<Quantiles>,
}

impl QuantileForecast {
    /// The quantiles for the step that contains `at`; `None` before the first and after the last step ahead.
    pub fn at(&self, at: Timestamp) -> Option<&Quantiles> {
        let ahead = at.millis().checked_sub(self.newest.millis())?;
        let h = ahead.div_euclid(self.step.span().millis().cast_signed());
        self.steps.get(usize::try_from(h.checked_sub(1)?).ok()?)
    }
}
