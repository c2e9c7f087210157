//! The series as the models see it: a row of levels (mean demand over one block each), newest last, ending anywhere.
//!
//! Levels are the blocks of the series themselves; only the newest may be an estimate, where its block is in progress.
//! So the features of lessons and of forecasts are computed by the same code from the same numbers.

use super::alone::Alone;
use super::calibration::PARTS;
use super::features::AHEAD_DAYS_MAX;
use super::kernels::{Sums, running_sums, short};
use super::shift::{Shift, Shifts};
use crate::calendar::{Offsets, TimeZone};
use crate::series::{Block, Sample, Series, Slot};
use crate::units::{Span, Timestamp};
use std::rc::Rc;

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
    sums: Option<Rc<Sums>>,
    /// Levels from a change on are divided by its factor.
    shifts: Shifts,
    /// Blocks that stand alone, with what they count as, in demand.
    alone: &'a [(Block, f64)],
    /// A season of its own length, in levels.
    cycle: Option<Position>,
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

    /// The part of the local day that `at` lies in: 0 .. [`PARTS`].
    pub(super) fn part(&self, at: Timestamp) -> usize {
        usize::try_from(self.offsets.second_of_day(at)).unwrap_or(0) * PARTS / 86_400
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
        Self {
            stored: stored.get(..n).unwrap_or_default(),
            newest,
            unit: 1.0,
            sums: None,
            shifts: Shifts::NONE,
            alone: &[],
            cycle: None,
            clock,
            first,
        }
    }

    /// The same levels in units of `scale`, a power of two.
    pub(super) fn in_units_of(mut self, scale: f64) -> Self {
        self.unit = scale.recip();
        self
    }

    /// From now on a season of its own length is seen, in levels.
    pub(super) const fn see_cycle(&mut self, cycle: Option<Position>) {
        self.cycle = cycle;
    }

    /// The season of its own length, in levels.
    pub(super) const fn cycle(&self) -> Option<Position> {
        self.cycle
    }

    /// The same levels with those that stand alone replaced.
    pub(super) fn replacing(mut self, alone: &'a Alone) -> Self {
        self.alone = alone.seen_from(self.block_at(self.newest()));
        self
    }

    /// One over what levels are measured in.
    pub(super) const fn unit(&self) -> f64 {
        self.unit
    }

    /// A stored level in demand; one that is only a lower bound is what the same hour of an earlier day was, where that
    /// is more.
    #[inline]
    fn at_least(&self, position: Position, stored: f32) -> f64 {
        if stored.is_sign_positive() { f64::from(stored) } else { self.censored(position, stored) }
    }

    #[cold]
    fn censored(&self, position: Position, stored: f32) -> f64 {
        let bound = f64::from(stored.abs());
        let earlier = |days| {
            let at = self.days_before(position, days);
            match Sample::unpack(*self.stored.get(usize::try_from(at).ok()?)?) {
                Sample::Value(value) => Some(value),
                Sample::Gap | Sample::Censored(_) => None,
            }
        };
        bound.max((1..=7).find_map(earlier).unwrap_or(bound))
    }

    /// What the level at `position` counts as where it stands alone, in demand.
    fn replaced(&self, position: Position) -> Option<f64> {
        let block = self.block_at(position);
        self.alone.iter().find(|(at, _)| *at == block).map(|(_, usual)| *usual)
    }

    /// The same levels, prepared for many windows.
    pub(super) fn with_sums(mut self) -> Self {
        let mut stored = self.stored.to_vec();
        for (position, value) in (0..).zip(&mut stored) {
            if value.is_sign_negative() && !value.is_nan() {
                *value = short(self.at_least(position, *value));
            }
        }
        for (block, usual) in self.alone {
            let at = usize::try_from(self.position_of(*block)).ok().and_then(|at| stored.get_mut(at));
            if let Some(value) = at {
                *value = short(*usual);
            }
        }
        self.sums = Some(Rc::new(running_sums(&stored, self.unit)));
        self
    }

    /// The same levels in units of those before the changes.
    pub(super) fn without(&self, shifts: Shifts) -> Self {
        Self { sums: self.sums.clone(), shifts, ..*self }
    }

    /// The changes that newer levels are divided by.
    pub(super) const fn shifts(&self) -> Shifts {
        self.shifts
    }

    /// One over what the level at `position` is measured in.
    fn unit_at(&self, position: Position) -> f64 {
        self.unit / self.shifts.factor_at(position)
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
            return Some(newest * self.unit_at(position));
        }
        if let Some(usual) = self.replaced(position) {
            return Some(usual * self.unit_at(position));
        }
        (!stored.is_nan()).then(|| self.at_least(position, stored) * self.unit_at(position))
    }

    /// The level at `position`; a censored one is no value.
    pub(super) fn value(&self, position: Position) -> Option<f64> {
        let stored = *self.stored.get(usize::try_from(position).ok()?)?;
        if self.newest.is_some() && position == self.newest() {
            return self.reading(position);
        }
        if let Some(usual) = self.replaced(position) {
            return Some(usual * self.unit_at(position));
        }
        match Sample::unpack(stored) {
            Sample::Value(value) => Some(value * self.unit_at(position)),
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

    /// The part of the local day that the level at `position` begins in.
    pub(super) fn part(&self, position: Position) -> usize {
        self.clock.part(self.clock.time(position + self.first))
    }

    /// How much of its local day and of its local week has passed when the level at `position` begins: 0 .. 1 each.
    pub(super) fn day_and_week(&self, position: Position) -> [f64; 2] {
        const DAY_SECONDS: i64 = 86_400;
        let at = self.clock.time(position + self.first);
        let local = at.seconds().saturating_add(self.clock.offsets.seconds_at(at));
        [DAY_SECONDS, 7 * DAY_SECONDS].map(|length| super::kernels::ratio(local.rem_euclid(length), length))
    }

    /// Levels in 24 hours, rounded.
    pub(super) fn day(&self) -> Position {
        let [_, day, ..] = self.clock.days;
        day.max(1)
    }

    /// Sum and count over `first ..= last`, cut to what exists.
    fn window(&self, first: Position, last: Position) -> (f64, u32) {
        let Shifts([standing, new]) = self.shifts;
        split((first, last), standing, |first, last| {
            split((first, last), new, |first, last| self.plain(first, last))
        })
    }

    fn plain(&self, first: Position, last: Position) -> (f64, u32) {
        let from = usize::try_from(first.max(0)).unwrap_or(usize::MAX);
        let to = usize::try_from(last.min(self.newest()) + 1).unwrap_or(0);
        if let (Some(sums), None) = (&self.sums, self.newest) {
            return sums.between(from, to);
        }
        let ends_in_progress = self.newest.is_some() && to == self.stored.len();
        let plain = if ends_in_progress { to.saturating_sub(1) } else { to };
        let is_within = |block: Block| {
            usize::try_from(self.position_of(block)).is_ok_and(|at| (from..plain).contains(&at))
        };
        // Never added and taken out again: beside the largest of them a sum would forget all others.
        let any_alone = self.alone.iter().any(|(block, _)| is_within(*block));
        let (mut sum, mut seen) = (0.0, 0_u32);
        for (position, stored) in (first.max(0)..).zip(self.stored.get(from..plain).unwrap_or_default()) {
            if !stored.is_nan() {
                let replaced = if any_alone { self.replaced(position) } else { None };
                sum += replaced.unwrap_or_else(|| self.at_least(position, *stored));
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

/// Sum and count of `window` over both sides of a change.
fn split(
    (first, last): (Position, Position),
    shift: Option<Shift>,
    window: impl Fn(Position, Position) -> (f64, u32),
) -> (f64, u32) {
    match shift {
        Some(Shift { from, factor }) if last >= from => {
            let (old, seen) = if first < from { window(first, from - 1) } else { (0.0, 0) };
            let (new, since) = window(first.max(from), last);
            (old + new / factor, seen + since)
        }
        _ => window(first, last),
    }
}

/// How far ahead the clock of a model must reach: the furthest target, and two days without a refit.
pub(super) fn clock_ahead(horizon: Span) -> Span {
    let furthest = Span::from_hours(24 * u64::try_from(AHEAD_DAYS_MAX).unwrap_or(0));
    Span::from_millis(horizon.millis().min(furthest.millis())).plus(Span::from_hours(48))
}
