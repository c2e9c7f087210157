//! The series as the models see it: a dense row of levels (demand over one block), newest last, ending anywhere.
//!
//! While learning the blocks are those of the series; for a forecast they end with the newest sample. So the features
//! of both are computed by the same code.

use super::features::AHEAD_DAYS_MAX;
use super::kernels::{float, running_sums};
use crate::calendar::{Offsets, TimeZone};
use crate::series::{Sample, Series, Slot};
use crate::units::{Span, Timestamp};

/// A position in [`Levels`], or before or after it.
pub(super) type Position = i64;

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
            Self::Log { offset } => (demand / offset).ln_1p(),
        }
    }

    /// A number of this space as demand: not negative; infinite when it is beyond all numbers.
    pub(super) fn leave(self, value: f64) -> f64 {
        match self {
            Self::Linear => value.max(0.0),
            Self::Log { offset } => (value.exp_m1() * offset).max(0.0),
        }
    }
}

/// Levels on a regular grid with gaps.
#[derive(Clone, Debug)]
pub(super) struct Levels {
    /// NaN for a gap. Never handed out as such.
    values: Vec<f64>,
    /// Positions of censored levels, rising.
    censored: Vec<Position>,
    sums: Vec<f64>,
    counts: Vec<u32>,
    clock: Clock,
}

/// Where the levels stand in civil time.
#[derive(Clone, Debug)]
struct Clock {
    /// Start of the level at position 0.
    start: Timestamp,
    block_millis: i64,
    offsets: Offsets,
}

impl Levels {
    /// At most `wanted` levels, the newest over the block that ends with the slot `last`.
    pub(super) fn new(series: &Series, last: Slot, wanted: usize, zone: TimeZone) -> Self {
        let factor = i64::from(series.factor());
        let known = usize::try_from((last - series.oldest()).div_euclid(factor) + 1).unwrap_or(0);
        let n = i64::try_from(wanted.min(known).max(1)).unwrap_or(1);
        let (mut values, mut censored) = (Vec::with_capacity(usize::try_from(n).unwrap_or(1)), Vec::new());
        for position in 0..n {
            values.push(match series.level(last - (n - 1 - position) * factor) {
                Sample::Gap => f64::NAN,
                Sample::Value(value) => value,
                Sample::Censored(value) => {
                    censored.push(position);
                    value
                }
            });
        }
        let start = series.time(last - n * factor + 1);
        let block_millis = series.block_span().millis().cast_signed();
        let end = series.time(last).plus(Span::from_hours(24 * u64::from(AHEAD_DAYS_MAX)));
        let (sums, counts) = running_sums(&values);
        Self {
            values,
            censored,
            sums,
            counts,
            clock: Clock { start, block_millis, offsets: zone.offsets(start, end) },
        }
    }

    /// The same levels in another space.
    pub(super) fn in_space(&self, space: Space) -> Self {
        let values: Vec<f64> = self.values.iter().map(|&v| space.enter(v)).collect();
        let (sums, counts) = running_sums(&values);
        Self { values, sums, counts, censored: self.censored.clone(), clock: self.clock.clone() }
    }

    /// The same levels in units of `unit`.
    pub(super) fn scaled(mut self, unit: f64) -> Self {
        for value in self.values.iter_mut().chain(&mut self.sums) {
            *value /= unit;
        }
        self
    }

    /// The position of the newest level.
    pub(super) fn newest(&self) -> Position {
        i64::try_from(self.values.len()).unwrap_or(i64::MAX) - 1
    }

    /// The levels that are present, in time order.
    pub(super) fn present(&self) -> impl Iterator<Item = f64> + '_ {
        self.values.iter().copied().filter(|v| !v.is_nan())
    }

    /// The share of positions `from ..= to` that is present.
    pub(super) fn coverage(&self, from: Position, to: Position) -> f64 {
        let width = usize::try_from(to - from + 1).unwrap_or(0);
        let seen = self.window(from, to).map_or(0, |(_, seen)| seen);
        if width == 0 { 0.0 } else { f64::from(seen) / float(width) }
    }

    /// The level at `position`, also when it is only a lower bound.
    pub(super) fn reading(&self, position: Position) -> Option<f64> {
        let value = self.values.get(usize::try_from(position).ok()?).copied()?;
        (!value.is_nan()).then_some(value)
    }

    /// The level at `position`; a censored one is no value.
    pub(super) fn value(&self, position: Position) -> Option<f64> {
        if !self.censored.is_empty() && self.censored.binary_search(&position).is_ok() {
            return None;
        }
        self.reading(position)
    }

    /// The mean of what is present among the `width` levels that end with `last`.
    pub(super) fn mean(&self, last: Position, width: Position) -> Option<f64> {
        let (sum, seen) = self.window(last - width + 1, last)?;
        (seen > 0).then(|| sum / f64::from(seen))
    }

    /// The position with the same local time `days` days before `position`.
    pub(super) fn days_before(&self, position: Position, days: u32) -> Position {
        let clock = &self.clock;
        if clock.offsets.is_constant() {
            let millis = i64::from(days) * 86_400_000;
            return position - (millis + clock.block_millis / 2).div_euclid(clock.block_millis);
        }
        let at = clock.offsets.days_before(self.time(position), days);
        (at.millis() - clock.start.millis() + clock.block_millis / 2).div_euclid(clock.block_millis)
    }

    /// The start of the level at `position`.
    pub(super) fn time(&self, position: Position) -> Timestamp {
        Timestamp::from_millis(
            self.clock.start.millis().saturating_add(position.saturating_mul(self.clock.block_millis)),
        )
    }

    /// The local offsets over the levels and the days ahead.
    pub(super) fn offsets(&self) -> &Offsets {
        &self.clock.offsets
    }

    /// Levels in 24 hours, rounded.
    pub(super) fn day(&self) -> Position {
        ((86_400_000 + self.clock.block_millis / 2) / self.clock.block_millis).max(1)
    }

    /// Sum and count over `first ..= last`, cut to what exists.
    fn window(&self, first: Position, last: Position) -> Option<(f64, u32)> {
        let from = usize::try_from(first.max(0)).ok()?;
        let to = usize::try_from(last.min(self.newest()) + 1).ok()?;
        if to <= from {
            return None;
        }
        let sum = self.sums.get(to)? - self.sums.get(from)?;
        Some((sum, self.counts.get(to)? - self.counts.get(from)?))
    }
}
