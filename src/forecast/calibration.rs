//! Upper quantiles that hold when the world has changed: widened while they are exceeded more often than they say,
//! narrowed again while they are not.
//!
//! Adaptive conformal inference (Gibbs and Candès 2021) on the logarithm of the width above the median, for a near and
//! a far distance. Between a fit and the next each block is scored as it comes; a fit scores the newest day first, so
//! that what it cannot follow widens its quantiles at once. Never narrower than fitted, and the lower quantiles stay.

use super::kernels::float;
use super::quantiles::{N_LEVELS, Quantiles};
use super::view::{Sight, View};
use crate::series::{Sample, Slot};

/// The levels that are watched, with the share of misses from which on their quantile is widened.
const WATCHED: [(f64, f64); 2] = [(0.9, 0.11), (0.99, 0.01)];

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
    /// Logarithms of the widths of [`WATCHED`]; not negative.
    widths: [f64; 2],
    /// Misses in a row.
    runs: [u32; 2],
}

impl Calibration {
    /// Not widened.
    fn new(factor: i64, horizon: usize) -> Self {
        let band = |ahead| Band { ahead, widths: [0.0; 2], runs: [0; 2] };
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
            let widened = band.widen(&said, f64::INFINITY);
            for (((level, most), width), run) in WATCHED.into_iter().zip(&mut band.widths).zip(&mut band.runs)
            {
                // A little more than nothing, so that rounding in a steady series is no miss.
                let missed = came > widened.at(level).get() * (1.0 + 1e-6);
                if missed {
                    *run = (*run + 1).min(RUN_MAX);
                    *width = (*width + f64::from(*run) * RATE * (1.0 - most)).min(WIDEST.ln());
                } else if matches!(sample, Sample::Value(_)) {
                    *run = 0;
                    *width = (*width - RATE * most).max(0.0);
                }
            }
        }
    }

    /// The quantiles `ahead` steps away, none above `bound`.
    pub(super) fn widen(&self, ahead: usize, said: &Quantiles, bound: f64) -> Quantiles {
        let [near, far] = &self.bands;
        if near.widths.iter().chain(&far.widths).all(|width| *width <= 0.0) {
            return *said;
        }
        let blocks = |ahead: usize| float(ahead.div_ceil(self.factor).saturating_sub(1));
        let share = (blocks(ahead) / blocks(far.ahead).max(1.0)).min(1.0);
        let mut widths = near.widths;
        for (width, other) in widths.iter_mut().zip(far.widths) {
            *width += share * (other - *width);
        }
        Band { ahead, widths, runs: [0; 2] }.widen(said, bound)
    }
}

impl Band {
    fn widen(&self, said: &Quantiles, bound: f64) -> Quantiles {
        let [often, seldom] = self.widths.map(f64::exp);
        let mut raw: [f64; N_LEVELS] = *said.values();
        let [_, _, _, _, middle, _, high @ ..] = &mut raw;
        let centre = *middle;
        for (value, width) in high.iter_mut().zip([often, often, seldom, seldom, seldom]) {
            let wider = centre + (*value - centre) * width;
            *value = wider.min(bound).max(*value);
        }
        Quantiles::sorted(raw)
    }
}
