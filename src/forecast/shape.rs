//! What demand does within a block: the part of a forecast that is finer than the levels the experts work on.
//!
//! Three numbers, learned from the two days that are known step by step: how far a step moves towards the next block
//! (`slope`), how much of yesterday's course within the same block comes again (`repeat`), and how much single steps
//! scatter against how well a block was foreseen (`ratio`), which says what the first steps of a block tell of its rest.

use serde::{Deserialize, Serialize};

use super::kernels::{Normal, float, ratio};
use super::levels::Clock;
use crate::series::{Block, Blocking, Sample, Series, Slot};

/// Penalty of the regression on slope and yesterday's course, in shares of their sums of squares: both nearly vanish
/// in smooth series, where they say the same.
const PENALTY: f64 = 0.01;

/// Steps below which nothing is learned of the shape: two hours of minutes.
const STEPS_MIN: usize = 120;

/// The ratio with which a whole day of steps moves nothing.
pub(super) const DEAF: f64 = 1e9;

/// What is left of the width where the rest of a block is known: more than 32-bit samples are rounded by, so that what
/// comes is not above every quantile.
const NARROWEST: f64 = 1e-5;

/// The course of demand within blocks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Shape {
    /// Share of the way to the neighbouring block that a step goes, by its distance from the middle: 0 a staircase,
    /// 1 a line through the middles.
    pub(super) slope: f64,
    /// Share of yesterday's deviation from its block that is repeated: 0 .. 1.
    pub(super) repeat: f64,
    /// Variance of single steps around their block, over that of the block around its forecast (a Kalman filter's
    /// ratio of observation to state variance); [`DEAF`] when a block in progress says nothing.
    pub(super) ratio: f64,
}

impl Shape {
    /// Steps lie on the line through the middles of blocks and scatter much.
    pub(super) const UNKNOWN: Self = Self { slope: 1.0, repeat: 0.0, ratio: DEAF };

    /// Blocks are single steps, or native values that are held.
    pub(super) const LEVEL: Self = Self { slope: 0.0, repeat: 0.0, ratio: 0.0 };

    /// Slope and repetition from the steps of the last day and the day before.
    pub(super) fn learn(fine: &Fine<'_>) -> Self {
        if fine.series.blocking().factor() == 1 {
            return Self::LEVEL;
        }
        let mut both = Normal::<2>::new();
        let mut slope = Normal::<2>::new();
        let (mut n_both, mut n_slope) = (0, 0);
        for slot in fine.slots() {
            let Some(step) = fine.step(slot) else { continue };
            let y = step.value - step.level;
            if let Some(repeated) = step.yesterday {
                both.add(&[step.towards, repeated * step.level], y, step.level.recip());
                n_both += 1;
            }
            slope.add(&[step.towards, 0.0], y, step.level.recip());
            n_slope += 1;
        }
        let [mut towards, mut repeat] = if n_both >= STEPS_MIN { both.solve(PENALTY) } else { [0.0; 2] };
        if n_both < STEPS_MIN || repeat <= 0.0 {
            if n_slope < STEPS_MIN {
                return Self::UNKNOWN;
            }
            [towards, repeat] = slope.solve(PENALTY);
        }
        Self { slope: towards.clamp(0.0, 1.0), repeat: repeat.clamp(0.0, 1.0), ratio: DEAF }
    }

    /// How single steps differ from what is said of them once the mean of their block is known, divided by the root of
    /// that mean. In time order; empty when blocks are single steps.
    pub(super) fn noise(&self, fine: &Fine<'_>) -> Vec<f64> {
        if fine.series.blocking().factor() == 1 {
            return Vec::new();
        }
        let repeats = self.repeat > 0.0;
        fine.slots()
            .filter_map(|slot| {
                let step = fine.step(slot)?;
                if repeats && step.yesterday.is_none() {
                    return None;
                }
                let said = step.level * (1.0 + self.repeat * step.yesterday.unwrap_or(0.0))
                    + self.slope * step.towards;
                Some((step.value - said) / step.level.sqrt())
            })
            .collect()
    }

    /// What a sample of `seen` steps says of the rest of their block: the share of their surprise that stays.
    pub(super) fn certainty(&self, seen: usize) -> f64 {
        float(seen) / (float(seen) + self.ratio)
    }

    /// The width of a forecast of the rest of a block after `seen` steps, in shares of that before the block.
    pub(super) fn narrowing(&self, seen: usize) -> f64 {
        (((1.0 - self.certainty(seen)) + self.ratio) / (1.0 + self.ratio)).sqrt().max(NARROWEST)
    }
}

/// One step against its block.
pub(super) struct StepInBlock {
    pub(super) value: f64,
    /// The mean of its block; above zero.
    pub(super) level: f64,
    /// The way to the line through the middles of the blocks.
    pub(super) towards: f64,
    /// Yesterday's deviation in shares of yesterday's level.
    pub(super) yesterday: Option<f64>,
}

/// The part of a series that is known step by step.
///
/// No sample counts for more than the highest of the other day, so that a single wild one teaches nothing.
pub(super) struct Fine<'a> {
    series: &'a Series,
    clock: &'a Clock,
    most: f64,
    /// The first block of which all samples are fine.
    first: Block,
    /// The means of complete blocks from the first on; NaN where nothing was read.
    levels: Vec<f64>,
}

impl<'a> Fine<'a> {
    pub(super) fn new(series: &'a Series, clock: &'a Clock) -> Self {
        let newest = series.newest().unwrap_or(0);
        let middle = clock.slot_days_before(series, newest, 1);
        let highest = |from: Slot, to: Slot| {
            (from..=to).filter_map(|slot| series.sample(slot).reading()).fold(0.0, f64::max)
        };
        let (before, since) = (highest(series.oldest_fine(), middle), highest(middle + 1, newest));
        let blocking = series.blocking();
        let first = blocking.block_of(series.oldest_fine() - 1) + 1;
        let most = if before > 0.0 { before.min(since) } else { since };
        let mut fine = Self { series, clock, most, first, levels: Vec::new() };
        fine.levels = (first..blocking.block_of(newest + 1)).map(|block| fine.mean(block)).collect();
        fine
    }

    /// The slots of complete blocks among the fine samples.
    fn slots(&self) -> std::ops::Range<Slot> {
        let blocking = self.series.blocking();
        let end = self.first + Block::try_from(self.levels.len()).unwrap_or(0);
        blocking.first_slot(self.first)..blocking.first_slot(end)
    }

    fn value(&self, slot: Slot) -> Option<f64> {
        match self.series.sample(slot) {
            Sample::Value(value) => Some(value.min(self.most)),
            Sample::Gap | Sample::Censored(_) => None,
        }
    }

    fn mean(&self, block: Block) -> f64 {
        let blocking = self.series.blocking();
        let (mut sum, mut seen) = (0.0, 0_u32);
        for slot in blocking.first_slot(block)..=blocking.last_slot(block) {
            if let Some(value) = self.value(slot) {
                sum += value;
                seen += 1;
            }
        }
        sum / f64::from(seen)
    }

    /// The mean of a block; `None` where nothing was read, or only zeros.
    fn level(&self, block: Block) -> Option<f64> {
        let level = self.levels.get(usize::try_from(block - self.first).ok()?).copied()?;
        (level > 0.0).then_some(level)
    }

    fn step(&self, slot: Slot) -> Option<StepInBlock> {
        let blocking = self.series.blocking();
        let block = blocking.block_of(slot);
        let (value, level) = (self.value(slot)?, self.level(block)?);
        let (side, share) = towards(slot, blocking);
        let neighbour = self.level(block + side).unwrap_or(level);
        let yesterday = self.clock.slot_days_before(self.series, slot, 1);
        Some(StepInBlock {
            value,
            level,
            towards: share * (neighbour - level),
            yesterday: self.deviation(yesterday),
        })
    }

    /// The deviation of a sample from the mean of its block, in shares of that.
    fn deviation(&self, slot: Slot) -> Option<f64> {
        Some(self.value(slot)? / self.level(self.series.blocking().block_of(slot))? - 1.0)
    }
}

/// On which side of the middle of its block a slot lies (-1 or 1), and how far in blocks: 0 .. 0.5.
pub(super) fn towards(slot: Slot, blocking: Blocking) -> (Block, f64) {
    let block = blocking.block_of(slot);
    // Twice the distance from the middle of the block, in slots.
    let twice = 2 * (slot - blocking.first_slot(block)) - (blocking.factor() - 1);
    let share = ratio(twice.abs(), 2 * blocking.factor());
    (twice.signum(), share)
}

/// How a sample deviated from the mean of its block, in shares of it, as the same minute of one and two days before
/// agree: the smaller deviation where both have the same sign, none where they differ. Where only yesterday is known,
/// yesterday's.
pub(super) fn agreed_deviation(series: &Series, clock: &Clock, slot: Slot) -> f64 {
    let deviation = |days: usize| {
        let at = clock.slot_days_before(series, slot, days);
        match (series.sample(at), series.block(series.blocking().block_of(at))) {
            (Sample::Value(value), Sample::Value(level)) if level > 0.0 => Some(value / level - 1.0),
            _ => None,
        }
    };
    let Some(yesterday) = deviation(1) else { return 0.0 };
    match deviation(2) {
        Some(before) if before.signum() * yesterday.signum() < 0.0 => 0.0,
        Some(before) if before.abs() < yesterday.abs() => before,
        _ => yesterday,
    }
}
