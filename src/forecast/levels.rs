//! The series as the models see it: a row of levels (mean demand over one block each), newest last, ending anywhere.
//!
//! Levels are the blocks of the series themselves; only the newest may be an estimate, where its block is in progress.
//! So the features of lessons and of forecasts are computed by the same code from the same numbers.

use super::features::AHEAD_DAYS_MAX;
use super::kernels::{Sums, running_sums};
use crate::calendar::{Offsets, TimeZone};
use crate::series::{Block, Sample, Series, Slot};
use crate::units::{Span, Timestamp};

/// A position in [`Levels`], or before or after it.
pub(super) type Position = i64;

/// Days that anyone looks back from a target: the furthest that it may lie ahead, and a week.
const BACK_DAYS_MAX: usize = 24;

/// In which numbers a model works.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Space {
    /// Demand as it is: noise of one size.
    Linear,
    /// `ln(1 + demand / offset)`: noise and seasons in proportion to the level.
    Log { offset: f64 },
}

impl Space {
    /// A demand in this space.
    pub(super) fn enter(self, demand: f64) -> f64 {
        match self {
            Self::Linear => demand,
            Self::Log { offset } => (1.0 + demand / offset).ln(),
        }
    }

    /// A number of this space as demand: not negative; infinite when it is beyond all numbers.
    pub(super) fn leave(self, value: f64) -> f64 {
        match self {
            Self::Linear => value.max(0.0),
            Self::Log { offset } => ((value.exp() - 1.0) * offset).max(0.0),
        }
    }
}

/// Levels on a regular grid with gaps, in units of a scale.
pub(super) struct Levels<'a> {
    /// As in the series: NaN for a gap, negative for a lower bound.
    stored: &'a [f32],
    /// What stands in for the last of `stored`.
    newest: Option<f64>,
    /// One over the scale, a power of two.
    unit: f64,
    /// Present in a fit, where windows are many; a forecast adds its few windows up.
    sums: Option<Sums>,
    clock: &'a Clock,
    /// The index of the first of `stored`.
    first: Block,
}

/// Where the blocks of a series stand in civil time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Clock {
    /// Start of block 0.
    start: Timestamp,
    block_millis: i64,
    offsets: Offsets,
    /// Until when the offsets are known.
    until: Timestamp,
    /// Blocks in so many days; of use where every local day has 24 hours.
    days: [Position; BACK_DAYS_MAX],
}

impl Clock {
    /// The clock of a series from its oldest block to `ahead` after its newest.
    pub(super) fn new(series: &Series, zone: TimeZone, ahead: Span) -> Self {
        let newest = series.time(series.newest().unwrap_or(0));
        let until = newest.plus(ahead);
        let block_millis = series.block_span().millis().cast_signed().max(1);
        let mut days = [0; BACK_DAYS_MAX];
        for (slot, n) in days.iter_mut().zip(0..) {
            *slot = (n * 86_400_000 + block_millis / 2).div_euclid(block_millis);
        }
        Self {
            start: series.time(series.blocking().first_slot(0)),
            block_millis,
            offsets: zone.offsets(series.time(series.oldest()), until),
            until,
            days,
        }
    }

    /// Whether it reaches to `at`.
    pub(super) fn reaches(&self, at: Timestamp) -> bool {
        at <= self.until
    }

    /// The start of `block`.
    fn time(&self, block: Block) -> Timestamp {
        Timestamp::from_millis(self.start.millis().saturating_add(block.saturating_mul(self.block_millis)))
    }

    /// The slot of `series` with the same local time `days` days before `slot`.
    pub(super) fn slot_days_before(&self, series: &Series, slot: Slot, days: usize) -> Slot {
        let n = u32::try_from(days).unwrap_or(0);
        if self.offsets.is_constant() {
            let step = i64::from(series.step().seconds());
            return slot - (i64::from(n) * 86_400 + step / 2).div_euclid(step);
        }
        series.slot(self.offsets.days_before(series.time(slot), n))
    }

    /// The block with the same local time `days` days before `block`.
    fn days_before(&self, block: Block, days: usize) -> Block {
        if self.offsets.is_constant() {
            return block - self.days.get(days).copied().unwrap_or(0);
        }
        let at = self.offsets.days_before(self.time(block), u32::try_from(days).unwrap_or(0));
        (at.millis() - self.start.millis() + self.block_millis / 2).div_euclid(self.block_millis)
    }
}

impl<'a> Levels<'a> {
    /// The levels of `series` up to `last`, which is `newest` when that is given.
    pub(super) fn new(series: &'a Series, clock: &'a Clock, last: Block, newest: Option<f64>) -> Self {
        let (stored, first) = series.stored_blocks();
        let n = usize::try_from(last - first + 1).unwrap_or(0).min(stored.len());
        Self { stored: stored.get(..n).unwrap_or_default(), newest, unit: 1.0, sums: None, clock, first }
    }

    /// The same levels in units of `scale`, a power of two.
    pub(super) fn in_units_of(mut self, scale: f64) -> Self {
        self.unit = scale.recip();
        self
    }

    /// The same levels, prepared for many windows.
    pub(super) fn with_sums(mut self) -> Self {
        self.sums = Some(running_sums(self.stored, self.unit));
        self
    }

    /// The position of the newest level.
    pub(super) fn newest(&self) -> Position {
        i64::try_from(self.stored.len()).unwrap_or(i64::MAX) - 1
    }

    /// The position of `block`.
    pub(super) const fn position_of(&self, block: Block) -> Position {
        block - self.first
    }

    /// The block at `position`.
    pub(super) const fn block_at(&self, position: Position) -> Block {
        position + self.first
    }

    /// The levels that are present, in time order.
    pub(super) fn present(&self) -> impl Iterator<Item = f64> + '_ {
        (0..=self.newest()).filter_map(|position| self.reading(position))
    }

    /// The share of positions `from ..= to` that is present.
    pub(super) fn coverage(&self, from: Position, to: Position) -> f64 {
        let width = u32::try_from(to - from + 1).unwrap_or(0);
        let (_, seen) = self.window(from, to);
        if width == 0 { 0.0 } else { f64::from(seen) / f64::from(width) }
    }

    /// The level at `position`, also when it is only a lower bound.
    pub(super) fn reading(&self, position: Position) -> Option<f64> {
        let stored = *self.stored.get(usize::try_from(position).ok()?)?;
        if let Some(newest) = self.newest
            && position == self.newest()
        {
            return Some(newest * self.unit);
        }
        (!stored.is_nan()).then(|| f64::from(stored.abs()) * self.unit)
    }

    /// The level at `position`; a censored one is no value.
    pub(super) fn value(&self, position: Position) -> Option<f64> {
        let stored = *self.stored.get(usize::try_from(position).ok()?)?;
        if self.newest.is_some() && position == self.newest() {
            return self.reading(position);
        }
        match Sample::unpack(stored) {
            Sample::Value(value) => Some(value * self.unit),
            Sample::Gap | Sample::Censored(_) => None,
        }
    }

    /// The mean of what is present among the `width` levels that end with `last`.
    pub(super) fn mean(&self, last: Position, width: Position) -> Option<f64> {
        let (sum, seen) = self.window(last - width + 1, last);
        (seen > 0).then(|| sum / f64::from(seen))
    }

    /// The position with the same local time `days` days before `position`.
    pub(super) fn days_before(&self, position: Position, days: usize) -> Position {
        self.clock.days_before(position + self.first, days) - self.first
    }

    /// Whether the local day of the level at `position` is a Saturday or Sunday.
    pub(super) fn is_weekend(&self, position: Position) -> bool {
        self.clock.offsets.weekday(self.clock.time(position + self.first)).is_weekend()
    }

    /// Levels in 24 hours, rounded.
    pub(super) fn day(&self) -> Position {
        let [_, day, ..] = self.clock.days;
        day.max(1)
    }

    /// Sum and count over `first ..= last`, cut to what exists.
    fn window(&self, first: Position, last: Position) -> (f64, u32) {
        let from = usize::try_from(first.max(0)).unwrap_or(usize::MAX);
        let to = usize::try_from(last.min(self.newest()) + 1).unwrap_or(0);
        if let (Some(sums), None) = (&self.sums, self.newest) {
            return sums.between(from, to);
        }
        let ends_in_progress = self.newest.is_some() && to == self.stored.len();
        let plain = if ends_in_progress { to.saturating_sub(1) } else { to };
        let (mut sum, mut seen) = (0.0, 0_u32);
        for stored in self.stored.get(from..plain).unwrap_or_default() {
            if !stored.is_nan() {
                sum += f64::from(stored.abs());
                seen += 1;
            }
        }
        if let Some(newest) = self.newest
            && ends_in_progress
            && from < to
        {
            sum += newest;
            seen += 1;
        }
        (sum * self.unit, seen)
    }
}

/// How far ahead the clock of a model must reach: the furthest target, and two days without a refit.
pub(super) fn clock_ahead(horizon: Span) -> Span {
    let furthest = Span::from_hours(24 * u64::try_from(AHEAD_DAYS_MAX).unwrap_or(0));
    Span::from_millis(horizon.millis().min(furthest.millis())).plus(Span::from_hours(48))
}
