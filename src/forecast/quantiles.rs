//! What a forecast is: for each step ahead, demand at eleven quantile levels.

use serde::{Deserialize, Serialize};

use crate::units::{Demand, Objective, Share, Step, Timestamp};

/// How many quantile levels a forecast holds.
pub const N_LEVELS: usize = 11;

/// The quantile levels of every forecast (DESIGN 5).
pub const LEVELS: [f64; N_LEVELS] = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999];

/// Probability below the first level.
const BELOW: f64 = 0.01;

/// Probability above the last level.
const ABOVE: f64 = 0.001;

/// A rehearsed level leaves no step more than so many times the objective's share, and gives none less than this part
/// of it: what a week taught may be wrong tomorrow.
const LEEWAY: f64 = 2.0;

/// What demand exceeds capacity by when it does, at least, as a part of itself: a level that is exceeded so rarely that
/// this keeps the objective's share is low enough for every step. Else the mean of demand that bursts once a week, to a
/// hundred times of itself, would ask for dozens of replicas at every hour.
const EXCESS: f64 = 0.1;

/// Between two levels: `mass` of probability spread evenly from `low` to `high`.
struct Segment {
    low: f64,
    high: f64,
    mass: f64,
}

/// Demand at each of [`LEVELS`]: finite, not negative, rising.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "[f64; N_LEVELS]")]
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

    /// The quantiles of `factor` times this demand; `factor` is finite and not negative.
    #[must_use]
    pub fn times(&self, factor: f64) -> Self {
        Self(self.0.map(|value| (value * factor).min(f64::MAX)))
    }

    /// The mean excess over the .999 quantile, `(Q.999 - Q.99) / ln 10` (DESIGN 12).
    fn tail_scale(&self) -> f64 {
        let [.., q99, _, q999] = self.0;
        (q999 - q99) / std::f64::consts::LN_10
    }

    /// The mean of the distribution that DESIGN 12 draws through the quantiles: linear between the levels, flat below
    /// .01, exponential above .999.
    pub fn mean(&self) -> f64 {
        let [lowest, .., highest] = self.0;
        let inner: f64 = self.segments().map(|s| s.mass * f64::midpoint(s.low, s.high)).sum();
        BELOW * lowest + inner + ABOVE * (highest + self.tail_scale())
    }

    /// Demand expected above `capacity`, `E[(x - capacity)+]`, for the distribution of [`Self::mean`].
    pub fn expected_above(&self, capacity: f64) -> f64 {
        let [lowest, .., highest] = self.0;
        let beta = self.tail_scale();
        let tail = if capacity <= highest {
            ABOVE * (highest + beta - capacity)
        } else if beta > 0.0 {
            ABOVE * beta * (-(capacity - highest) / beta).exp()
        } else {
            0.0
        };
        let inner: f64 = self
            .segments()
            .map(|s| {
                if capacity <= s.low {
                    s.mass * (f64::midpoint(s.low, s.high) - capacity)
                } else if capacity < s.high {
                    s.mass * (s.high - capacity).powi(2) / (2.0 * (s.high - s.low))
                } else {
                    0.0
                }
            })
            .sum();
        BELOW * (lowest - capacity).max(0.0) + inner + tail
    }

    /// The least capacity, in demand, that leaves at most the share `unserved` of the expected demand unserved:
    /// `E[(x - a)+] <= unserved * E[x]` (DESIGN 12). In closed form, from the top segment down.
    ///
    /// A share under 1e-9 counts as 1e-9: an exponential tail has no end. No demand needs no capacity.
    pub fn capacity_for_unserved(&self, unserved: Share) -> f64 {
        let [lowest, .., highest] = self.0;
        let allowed = unserved.get().max(1e-9) * self.mean();
        let beta = self.tail_scale();
        let mut above = ABOVE * beta;
        if allowed < above {
            return (highest + beta * (above / allowed).ln()).min(f64::MAX);
        }
        let mut beyond = ABOVE;
        for s in self.segments().rev() {
            let width = s.high - s.low;
            let next = above + beyond * width + s.mass * width / 2.0;
            if allowed < next {
                // above + beyond d + density d^2 / 2 = allowed, for d below the upper end.
                let density = s.mass / width;
                let spare = allowed - above;
                return s.high - 2.0 * spare / (beyond + (beyond * beyond + 2.0 * density * spare).sqrt());
            }
            above = next;
            beyond += s.mass;
        }
        (lowest - (allowed - above)).max(0.0)
    }

    /// The capacity, in demand, that an objective leads to. A share of all demand is kept at the quantile `rehearsed`
    /// that did so for weeks, but no step is left with more than twice the share, unless demand exceeds its capacity as
    /// rarely as the objective bears anyway, or given less than half of it; without a rehearsal every step keeps the share
    /// itself.
    pub fn capacity_for(&self, objective: Objective, rehearsed: Option<Share>) -> f64 {
        if let Some(level) = objective.level() {
            return self.at(level.get()).get();
        }
        let unserved = objective.share();
        let times = |by: f64| Share::new(unserved.get() * by).unwrap_or(unserved);
        let Some(level) = rehearsed else { return self.capacity_for_unserved(unserved) };
        let rarely = self.at(1.0 - unserved.get() / EXCESS).get();
        let least = self.capacity_for_unserved(times(LEEWAY)).min(rarely);
        let most = self.capacity_for_unserved(times(1.0 / LEEWAY));
        self.at(level.get()).get().min(most).max(least)
    }

    fn segments(&self) -> impl DoubleEndedIterator<Item = Segment> + '_ {
        self.0.windows(2).zip(LEVELS.windows(2)).filter_map(|(values, levels)| match (values, levels) {
            ([low, high], [p, q]) => Some(Segment { low: *low, high: *high, mass: q - p }),
            _ => None,
        })
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

impl TryFrom<[f64; N_LEVELS]> for Quantiles {
    type Error = String;

    fn try_from(values: [f64; N_LEVELS]) -> Result<Self, String> {
        let rising = values.is_sorted() && values.iter().all(|value| *value >= 0.0);
        Self::new(values)
            .filter(|_| rising)
            .ok_or_else(|| format!("`{values:?}` are no quantiles: they are finite, not negative and rising"))
    }
}

/// A forecast on a regular grid, issued from all samples up to `newest`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuantileForecast {
    /// Start of the newest sample that the forecast has seen; it covers `[newest, newest + step)`.
    pub newest: Timestamp,
    /// The grid.
    pub step: Step,
    /// `steps[h - 1]` is demand over `[newest + h * step, newest + (h + 1) * step)`.
    pub steps: Vec<Quantiles>,
}

impl QuantileForecast {
    /// The forecast of demand that is `factor(start of a step)` times this.
    #[must_use]
    pub fn times(&self, factor: impl Fn(Timestamp) -> f64) -> Self {
        let mut at = self.newest;
        let steps = self.steps.iter().map(|quantiles| {
            at = at.plus(self.step.span());
            quantiles.times(factor(at))
        });
        Self { newest: self.newest, step: self.step, steps: steps.collect() }
    }

    /// The quantiles for the step that contains `at`; `None` before the first and after the last step ahead.
    pub fn at(&self, at: Timestamp) -> Option<&Quantiles> {
        let ahead = at.millis().checked_sub(self.newest.millis())?;
        let h = ahead.div_euclid(self.step.span().millis().cast_signed());
        self.steps.get(usize::try_from(h.checked_sub(1)?).ok()?)
    }
}

/// Usual demand at coming steps: the median of the same local time on the days that are held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeasonalProfile {
    /// The start of the first step.
    pub from: Timestamp,
    /// The grid.
    pub step: Step,
    /// `usual[i]` is demand over `[from + i * step, from + (i + 1) * step)`; `None` where no day is held.
    pub usual: Vec<Option<Demand>>,
}

impl SeasonalProfile {
    /// Usual demand over the step that contains `at`.
    pub fn at(&self, at: Timestamp) -> Option<Demand> {
        let after = at.millis().checked_sub(self.from.millis())?;
        let i = after.div_euclid(self.step.span().millis().cast_signed());
        *self.usual.get(usize::try_from(i).ok()?)?
    }
}
