//! High quantiles that hold when the world has changed: widened while the .99 quantile is exceeded more often than it
//! says, narrowed again while it is not; and each part of the local day as wide as its own errors are.
//!
//! Adaptive conformal inference (Gibbs and Candès 2021) on the logarithm of the width above the median, for a near and
//! a far distance. Between a fit and the next each block is scored as it comes; a fit scores the newest day first, so
//! that what it cannot follow widens its quantiles at once. The widening is never narrower than fitted; the .95
//! quantile and below have none: correcting chance there, and only upwards, would cover .925 instead of .9.
//! What was missed while a change of level was not yet seen says nothing of forecasts that know it: once these have
//! missed nothing for an hour the widths are again what they were.
//!
//! By local time of day: a fit compares the errors of each part of the day with those of all (conformal prediction by
//! groups, Vovk 2003), leaning on the whole while its targets are few; between fits each part follows its own misses of
//! the .9 quantile, slowly, upwards and downwards, and adds to the widening or takes from it what its own misses of the
//! .99 quantile say.

use super::kernels::{float, short, weighted_quantiles};
use super::quantiles::{N_LEVELS, Quantiles};
use super::view::{Sight, View};
use crate::series::{Sample, Slot};

/// The level that is watched, and the share of misses that it promises.
const WATCHED: f64 = 0.99;
const MISSES: f64 = 0.01;

/// How much a miss widens, in logarithms: a sixth of the width. The second in a row counts twice and any further one
/// three times: by chance they hardly occur.
const RATE: f64 = 0.15;
const RUN_MAX: u8 = 3;

/// The widest: from there on the level itself has to be learned.
const WIDEST: f64 = 8.0;

/// Blocks for which a change of level may be unseen: the hour by which it is told.
const UNSEEN: Slot = 12;

/// A forecast knows of another level when it is so far from the one before it, in logarithms: a little less than the
/// least change.
const ANOTHER: f64 = 0.2;

/// Most blocks of the newest day that a fit scores.
const WARM_MAX: Slot = 288;

/// Parts of a local day, each six hours long: nights, mornings, afternoons and evenings.
pub(super) const PARTS: usize = 4;

/// The level by which parts of the day are compared: enough targets exceed it.
const COMPARED: f64 = 0.9;

/// The level by which those of the .99 quantile and above are: the highest that a few dozen targets of a part hold.
const FAR_OUT: f64 = 0.98;

/// Targets of a part that count as much as those of the whole day: the logarithm of their .9 quantile is known to
/// 1.3 / sqrt(n), and parts of a day differ by a tenth to a fifth.
const PRIOR_TARGETS: f64 = 100.0;

/// Days whose parts count as much as those of a usual day: errors of one afternoon resemble each other, so that a few
/// days say less than their targets. Without it, two days of history forecast 0.5 % worse.
const PRIOR_DAYS: f64 = 7.0;

/// A part is at most twice or half as wide as the day: beyond, its level would have to be learned.
const PART_MOST: f64 = 2.0;

/// How far one target moves the width of its part, in logarithms: a hundredth of what a miss of a day's targets does.
const PART_RATE: f64 = 0.01;

/// How much wider the upper quantiles are than the model's.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Calibration {
    /// Steps in a block.
    factor: usize,
    /// Whether parts of the day have widths of their own, as everywhere but in measurements of what that earns.
    by_part: bool,
    bands: [Band; 2],
}

/// One distance.
#[derive(Clone, Debug, PartialEq)]
struct Band {
    /// Steps ahead.
    ahead: usize,
    widths: Widths,
    /// Misses in a row.
    run: u8,
    /// Whether the level has become another one, which may be a burst yet.
    has_moved: bool,
    /// The slot of the last miss, or of the last change of level.
    missed: Slot,
    /// What the widths were when nothing had been missed for [`UNSEEN`] blocks.
    calm: Kept,
    /// How many times the level that was fitted the last forecast took the present one to be, in logarithms.
    level: f64,
}

/// How much wider at one distance, in logarithms.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Widths {
    /// Of the .99 quantile and above; not negative.
    high: f64,
    parts: [Part; PARTS],
}

/// [`Widths`] in half of the memory.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Kept {
    high: f32,
    parts: [[f32; 2]; PARTS],
}

/// One part of the local day at one distance, in logarithms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Part {
    /// Of all quantiles above the median.
    upper: f64,
    /// Of the .99 quantile and above, in addition to the band's.
    high: f64,
}

/// How far past targets lay above the median, in widths to the .9 quantile, by distance and part of the day.
#[derive(Debug, Default)]
pub(super) struct Excesses([[Vec<(f64, f64)>; PARTS]; 2]);

impl Excesses {
    /// Takes in what came of a forecast `share` of the way from the near to the far distance.
    pub(super) fn add(&mut self, share: f64, part: usize, pooled: &[f64; N_LEVELS], actual: f64) {
        let [_, _, _, _, middle, _, q90, ..] = *pooled;
        if q90 <= middle {
            return;
        }
        let Self([near, far]) = self;
        for (band, weight) in [(near, 1.0 - share), (far, share)] {
            if weight > 0.0
                && let Some(part) = band.get_mut(part)
            {
                part.push(((actual - middle) / (q90 - middle), weight));
            }
        }
    }

    /// How much wider the errors of each part reach than those of the whole day, for each distance, after so many `days`
    /// of history.
    pub(super) fn widths(self, days: f64) -> Parts {
        let Self(bands) = self;
        bands.map(|mut parts| {
            let whole = weighted_quantiles(&mut parts.concat(), &[COMPARED, FAR_OUT]);
            parts.each_mut().map(|part| {
                let own = weighted_quantiles(part, &[COMPARED, FAR_OUT]);
                let seen: f64 = part.iter().map(|(_, weight)| weight).sum();
                let known = seen / (seen + PRIOR_TARGETS) * days / (days + PRIOR_DAYS);
                let [upper, highest] = std::array::from_fn(|i| {
                    let [own, whole] = [own, whole].map(|reaches| reaches.get(i).copied().unwrap_or(0.0));
                    let width = if own > 0.0 && whole > 0.0 { (own / whole).ln() * known } else { 0.0 };
                    width.clamp(-PART_MOST.ln(), PART_MOST.ln())
                });
                [short(upper), short((highest - upper).max(0.0))]
            })
        })
    }
}

/// Widths of the parts of the day at the near and the far distance: of the quantiles above the median, and of the .99 and
/// above in addition.
pub(super) type Parts = [[[f32; 2]; PARTS]; 2];

impl Calibration {
    /// Not widened, but for `parts` of the day, which stay alike without.
    pub(super) fn new((factor, horizon): (i64, usize), parts: Option<Parts>) -> Self {
        let by_part = parts.is_some();
        let [near, far] = parts.unwrap_or_default();
        let band = |ahead, parts| Band::new(ahead, Kept { high: 0.0, parts }.widths());
        let factor = usize::try_from(factor).unwrap_or(1).max(1);
        Self { factor, by_part, bands: [band(factor.min(horizon.max(1)), near), band(horizon.max(1), far)] }
    }

    /// What the newest day says of a model that forecasts `horizon` steps.
    pub(super) fn warm(sight: Sight<'_>, horizon: usize, by_part: bool) -> Self {
        let factor = sight.series.blocking().factor();
        let mut calibration = Self::new((factor, horizon), by_part.then_some(sight.model.parts));
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
        let part = self.by_part.then(|| sight.part(slot));
        let unseen = UNSEEN * sight.series.blocking().factor();
        for band in &mut self.bands {
            let Ok(ahead) = Slot::try_from(band.ahead) else { continue };
            let Some(view) = View::new(sight, slot - ahead) else { continue };
            let Some(said) = view.steps(band.ahead, band.ahead).pop() else { continue };
            band.follow(view.level(), slot, unseen);
            band.score(part, &said, (came, matches!(sample, Sample::Value(_))), slot);
        }
    }

    /// For each distance the day's width and those of its parts, for a checkpoint.
    pub(super) fn numbers(&self) -> [Vec<f64>; 2] {
        self.bands.each_ref().map(|band| {
            let Widths { high, parts } = band.widths;
            std::iter::once(high).chain(parts.iter().flat_map(|part| [part.upper, part.high])).collect()
        })
    }

    /// The calibration that [`Self::numbers`] told of; `None` when they are no widths.
    pub(super) fn from_numbers((factor, horizon): (i64, usize), numbers: &[Vec<f64>; 2]) -> Option<Self> {
        let mut calibration = Self::new((factor, horizon), Some(Parts::default()));
        for (band, numbers) in calibration.bands.iter_mut().zip(numbers) {
            let (width, parts) = numbers.split_first()?;
            let parts = parts.as_chunks::<2>().0;
            if numbers.iter().any(|number| !number.is_finite()) || parts.len() != PARTS {
                return None;
            }
            let mut widths = Widths { high: width.clamp(0.0, WIDEST.ln()), ..band.widths };
            for (slot, &[upper, high]) in widths.parts.iter_mut().zip(parts) {
                let most = PART_MOST.ln();
                *slot = Part { upper: upper.clamp(-most, most), high: high.clamp(-widths.high, most) };
            }
            *band = Band::new(band.ahead, widths);
        }
        Some(calibration)
    }

    /// The quantiles `ahead` steps away, in a part of the local day, none above `bound`.
    pub(super) fn widen(&self, (ahead, part): (usize, usize), said: &Quantiles, bound: f64) -> Quantiles {
        let [near, far] = &self.bands;
        let blocks = |ahead: usize| float(ahead.div_ceil(self.factor).saturating_sub(1));
        let share = (blocks(ahead) / blocks(far.ahead).max(1.0)).min(1.0);
        let (near, far) = (near.widths(Some(part)), far.widths(Some(part)));
        let width = Part {
            upper: near.upper + share * (far.upper - near.upper),
            high: near.high + share * (far.high - near.high),
        };
        widen(said, width, bound)
    }
}

impl Widths {
    fn kept(&self) -> Kept {
        Kept { high: short(self.high), parts: self.parts.map(|part| [part.upper, part.high].map(short)) }
    }
}

impl Kept {
    fn widths(&self) -> Widths {
        let part = |[upper, high]: [f32; 2]| Part { upper: f64::from(upper), high: f64::from(high) };
        Widths { high: f64::from(self.high), parts: self.parts.map(part) }
    }
}

impl Band {
    fn new(ahead: usize, widths: Widths) -> Self {
        Self { ahead, widths, run: 0, has_moved: false, missed: Slot::MIN, calm: widths.kept(), level: 0.0 }
    }

    /// The widths in a part of the day.
    fn widths(&self, part: Option<usize>) -> Part {
        let Widths { high, parts } = &self.widths;
        let own = part.and_then(|part| parts.get(part)).copied().unwrap_or_default();
        Part { upper: own.upper, high: (high + own.high).max(0.0) }
    }

    /// The forecast of what came in `slot` took the level to be the fitted one times the logarithm `level`. When that has
    /// been another for as long as a change may be unseen and nothing was missed since, what was missed before is
    /// forgotten; a burst that ends sooner is remembered.
    fn follow(&mut self, level: f64, slot: Slot, unseen: Slot) {
        if level.abs() > self.level.abs() + ANOTHER {
            (self.has_moved, self.missed) = (true, slot);
        } else if level.abs() < ANOTHER {
            self.has_moved = false;
        }
        self.level = level;
        if slot.saturating_sub(self.missed) > unseen {
            if self.has_moved {
                self.widths = self.calm.widths();
                self.has_moved = false;
            }
            self.calm = self.widths.kept();
        }
    }

    /// Takes in what came in `slot` after `said`, a lower bound if it is not `exact`.
    fn score(&mut self, part: Option<usize>, said: &Quantiles, (came, exact): (f64, bool), slot: Slot) {
        // A little more than nothing, so that rounding in a steady series is no miss.
        let exceeds =
            |width: Part, level: f64| came > widen(said, width, f64::INFINITY).at(level).get() * (1.0 + 1e-6);
        let own = self.widths(part);
        let (is_above, is_miss) = (exceeds(own, COMPARED), exceeds(own, WATCHED));
        let Widths { high, parts } = &mut self.widths;
        if exceeds(Part { high: *high, ..own }, WATCHED) {
            self.missed = slot;
            self.run = (self.run + 1).min(RUN_MAX);
            *high = (*high + f64::from(self.run) * RATE * (1.0 - MISSES)).min(WIDEST.ln());
        } else if exact {
            self.run = 0;
            *high = (*high - RATE * MISSES).max(0.0);
        }
        if let Some(part) = part.and_then(|part| parts.get_mut(part)).filter(|_| exact || is_miss) {
            let step = |is_above: bool, level: f64| if is_above { level } else { level - 1.0 };
            part.upper =
                (part.upper + PART_RATE * step(is_above, COMPARED)).clamp(-PART_MOST.ln(), PART_MOST.ln());
            part.high = (part.high + RATE * step(is_miss, WATCHED)).clamp(-*high, PART_MOST.ln());
        }
    }
}

/// The quantiles above the median further from it by the logarithm `upper`, those from the .99 on also by `high`; none
/// above `bound`.
fn widen(said: &Quantiles, Part { upper, high }: Part, bound: f64) -> Quantiles {
    if upper == 0.0 && high <= 0.0 {
        return *said;
    }
    let mut raw: [f64; N_LEVELS] = *said.values();
    let [_, _, _, _, middle, above @ ..] = &mut raw;
    let middle = *middle;
    for (value, width) in
        above.iter_mut().zip([upper, upper, upper, upper + high, upper + high, upper + high])
    {
        let wide = middle + (*value - middle) * width.exp();
        *value = if wide > *value { wide.min(bound).max(*value) } else { wide };
    }
    Quantiles::sorted(raw)
}
