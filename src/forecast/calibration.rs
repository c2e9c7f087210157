//! High quantiles that hold when the world has changed: widened while the .99 quantile is exceeded more often than it
//! says, narrowed again while it is not.
//!
//! Adaptive conformal inference (Gibbs and Candès 2021) on the logarithm of the width above the median, for a near and
//! a far distance. Between a fit and the next each block is scored as it comes; a fit scores the newest day first, so
//! that what it cannot follow widens its quantiles at once. Never narrower than fitted; the .95 quantile and below
//! stay: correcting chance there, and only upwards, would cover .925 instead of .9.

use super::kernels::float;
use super::quantiles::{N_LEVELS, Quantiles};
use super::view::{Sight, View};
use crate::series::{Sample, Slot};

/// The level that is watched, and the share of misses that it promises.
const WATCHED: f64 = 0.99;
const MISSES: f64 = 0.01;

/// How much a miss widens, in logarithms: a sixth of the width. The second in a row counts twice and any further one
/// three times: by chance they hardly occur.
const RATE: f64 = 0.15;
const RUN_MAX: u32 = 3;

/// The widest: from there on the level itself has to be learned.
const WIDEST: f64 = 8.0;

/// Most blocks of the newest day that a fit scores.
const WARM_MAX: Slot = 288;

/// How much wider the upper quantiles are than the model's.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Calibration {
    /// Steps in a block.
    factor: usize,
    bands: [Band; 2],
}

/// One distance.
#[derive(Clone, Debug, PartialEq)]
struct Band {
    /// Steps ahead.
    ahead: usize,
    /// Logarithm of the width; not negative.
    width: f64,
    /// Misses in a row.
    run: u32,
}

impl Calibration {
    /// Not widened.
    pub(super) fn new(factor: i64, horizon: usize) -> Self {
        let band = |ahead| Band { ahead, width: 0.0, run: 0 };
        let factor = usize::try_from(factor).unwrap_or(1).max(1);
        Self { factor, bands: [band(factor.min(horizon.max(1))), band(horizon.max(1))] }
    }

    /// What the newest day says of a model that forecasts `horizon` steps.
    pub(super) fn warm(sight: Sight<'_>, horizon: usize) -> Self {
        let factor = sight.series.blocking().factor();
        let mut calibration = Self::new(factor, horizon);
        let Some(newest) = sight.series.newest() else { return calibration };
        let first = sight.clock.slot_days_before(sight.series, newest, 1).max(sight.series.oldest() + 1);
        let blocks = (newest - first) / factor.max(1);
        let stride = factor * (blocks / WARM_MAX + 1);
        let mut slot = newest - (newest - first) / stride * stride;
        while slot <= newest {
            calibration.score(sight, slot);
            slot += stride;
        }
        calibration
    }

    /// Takes in what came in `slot` after what was forecast.
    pub(super) fn score(&mut self, sight: Sight<'_>, slot: Slot) {
        let sample = sight.series.sample(slot);
        let Some(came) = sample.reading() else { return };
        for band in &mut self.bands {
            let Ok(ahead) = Slot::try_from(band.ahead) else { continue };
            let view = View::new(sight, slot - ahead);
            let Some(said) = view.and_then(|view| view.steps(band.ahead, band.ahead).pop()) else { continue };
            // A little more than nothing, so that rounding in a steady series is no miss.
            let most = widen(&said, band.width, f64::INFINITY).at(WATCHED).get() * (1.0 + 1e-6);
            if came > most {
                band.run = (band.run + 1).min(RUN_MAX);
                band.width = (band.width + f64::from(band.run) * RATE * (1.0 - MISSES)).min(WIDEST.ln());
            } else if matches!(sample, Sample::Value(_)) {
                band.run = 0;
                band.width = (band.width - RATE * MISSES).max(0.0);
            }
        }
    }

    /// The quantiles `ahead` steps away, none above `bound`.
    pub(super) fn widen(&self, ahead: usize, said: &Quantiles, bound: f64) -> Quantiles {
        let [near, far] = &self.bands;
        let blocks = |ahead: usize| float(ahead.div_ceil(self.factor).saturating_sub(1));
        let share = (blocks(ahead) / blocks(far.ahead).max(1.0)).min(1.0);
        widen(said, near.width + share * (far.width - near.width), bound)
    }
}

/// The quantiles above the .95, further from the median by the logarithm `width`, none above `bound`.
fn widen(said: &Quantiles, width: f64, bound: f64) -> Quantiles {
    if width <= 0.0 {
        return *said;
    }
    let mut raw: [f64; N_LEVELS] = *said.values();
    let [_, _, _, _, middle, _, _, _, high @ ..] = &mut raw;
    for value in high {
        *value = (*middle + (*value - *middle) * width.exp()).min(bound).max(*value);
    }
    Quantiles::sorted(raw)
}
