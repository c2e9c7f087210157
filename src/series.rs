//! A demand series: a regular grid with typed gaps, in bounded memory.
//!
//! Samples of the last two days are kept on the grid itself; everything older as means over blocks of at least five
//! minutes (of single samples, when the grid is coarser than that). Values are stored as 32-bit floats, so 28 days of
//! a 60 s grid take 44 KiB. A gap stays a gap: nothing here invents a value.
//!
//! A source that is read more often than it changes leaves runs of equal samples ([`held`]); blocks then take over its
//! own grid, length and phase, so that a mean is one native value and not a mixture of two.

mod held;
mod ring;
mod robust;

pub use held::Blocking;
pub use robust::{mean_absolute, median, quantile, robust_maximum};

use crate::units::{Span, Step, Timestamp};
use ring::Ring;

/// How much is kept on the grid itself when older samples are averaged: two days (DESIGN 5), and two hours more so that
/// the same minute of two days ago is known for every step of a forecast and of one issued an hour ago.
const FINE_SPAN: Span = Span::from_hours(50);

/// Most samples kept on a grid finer than five minutes: those of a 60 s grid. A 15 s grid keeps half a day, so that
/// memory stays the same.
const FINE_SAMPLES_MAX: usize = 3000;

/// Most values kept of any kind: 28 days of five minutes, and 56 KiB at the least favourable step.
const BLOCKS_MAX: usize = 14_336;

/// Readings above this are a unit mistake or a broken exporter and are dropped; also keeps sums within `f32`.
pub const VALUE_MAX: f64 = 1e30;

/// What is known of one grid slot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sample {
    /// No reading.
    Gap,
    /// A reading.
    Value(f64),
    /// A reading taken while the target was saturated: demand was at least this.
    Censored(f64),
}

impl Sample {
    /// The number read, also when it is only a lower bound.
    pub const fn reading(self) -> Option<f64> {
        match self {
            Self::Gap => None,
            Self::Value(value) | Self::Censored(value) => Some(value),
        }
    }

    /// The sample as stored: NaN for a gap, the sign bit for censored.
    fn pack(self) -> f32 {
        #[expect(
            clippy::as_conversions,
            clippy::cast_possible_truncation,
            reason = "storage precision; values are below 1e30 by `push`"
        )]
        match self {
            Self::Gap => f32::NAN,
            Self::Value(value) => value as f32,
            Self::Censored(value) => -(value as f32),
        }
    }

    /// The sample that is stored so.
    pub(crate) fn unpack(stored: f32) -> Self {
        if stored.is_nan() {
            Self::Gap
        } else if stored.is_sign_negative() {
            Self::Censored(f64::from(-stored))
        } else {
            Self::Value(f64::from(stored))
        }
    }
}

/// Index of a grid slot: slot `i` covers `[i * step, (i + 1) * step)` since the Unix epoch.
pub type Slot = i64;

/// Index of a block: block `i` of a [`Blocking`] covers `[offset + i * factor, offset + (i + 1) * factor)` in slots.
pub type Block = i64;

/// One metric's history.
#[derive(Clone, Debug)]
pub struct Series {
    step: Step,
    /// Steps of history that are kept.
    wanted: usize,
    blocking: Blocking,
    /// The newest samples, the last one at slot `newest`.
    fine: Ring,
    /// Means over blocks; the last one holds `newest`. Unused when blocks are single slots.
    blocks: Ring,
    newest: Option<Slot>,
}

impl Series {
    /// An empty series on the grid `step` that forgets what is older than `history`.
    pub fn new(step: Step, history: Span) -> Self {
        Self::with(step, step.steps_covering(history).max(1), Blocking::usual(step))
    }

    /// The same with blocks that are known.
    pub(crate) fn in_blocks(step: Step, history: Span, blocking: Blocking) -> Self {
        Self::with(step, step.steps_covering(history).max(1), blocking)
    }

    fn with(step: Step, wanted: usize, blocking: Blocking) -> Self {
        let single = blocking.factor() == 1;
        let fine = if single {
            wanted.min(BLOCKS_MAX)
        } else {
            step.steps_covering(FINE_SPAN).min(FINE_SAMPLES_MAX).min(wanted)
        };
        let per_block = usize::try_from(blocking.factor()).unwrap_or(1);
        let blocks = if single { 0 } else { wanted.div_ceil(per_block).min(BLOCKS_MAX) };
        Self { step, wanted, blocking, fine: Ring::new(fine), blocks: Ring::new(blocks), newest: None }
    }

    /// The grid.
    pub const fn step(&self) -> Step {
        self.step
    }

    /// How slots make up blocks.
    pub const fn blocking(&self) -> Blocking {
        self.blocking
    }

    /// The length of a block: at least five minutes.
    pub fn block_span(&self) -> Span {
        let factor = self.blocking.factor().unsigned_abs();
        Span::from_millis(self.step.span().millis().saturating_mul(factor))
    }

    /// The slot that contains `at`.
    pub fn slot(&self, at: Timestamp) -> Slot {
        at.millis().div_euclid(self.step_millis())
    }

    /// The start of `slot`, saturating.
    pub fn time(&self, slot: Slot) -> Timestamp {
        Timestamp::from_millis(slot.saturating_mul(self.step_millis()))
    }

    /// The slot of the newest sample; `None` while there is none.
    pub const fn newest(&self) -> Option<Slot> {
        self.newest
    }

    /// The start of the history that is kept, in slots; 0 while there is none.
    pub fn oldest(&self) -> Slot {
        let Some(newest) = self.newest else { return 0 };
        let fine = newest + 1 - length(self.fine.len());
        if self.blocking.factor() == 1 {
            return fine;
        }
        let block = self.blocking.block_of(newest) + 1 - length(self.blocks.len());
        fine.min(self.blocking.first_slot(block))
    }

    /// The oldest slot that is kept as a single sample; 0 while there is none.
    pub fn oldest_fine(&self) -> Slot {
        self.newest.map_or(0, |newest| newest + 1 - length(self.fine.len()))
    }

    /// Puts a reading on the grid; a later reading of the same slot replaces an earlier one.
    ///
    /// Returns false when it was dropped: not finite, negative, beyond 1e30, or older than what is kept. A late one
    /// from the averaged part fills its block only where that is still empty.
    pub fn push(&mut self, at: Timestamp, value: f64, censored: bool) -> bool {
        if !(0.0..=VALUE_MAX).contains(&value) {
            return false;
        }
        let value = value + 0.0;
        let before = self.newest;
        let taken =
            self.put(self.slot(at), if censored { Sample::Censored(value) } else { Sample::Value(value) });
        if self.looks_for_grid(before) {
            self.adopt_native_grid();
        }
        taken
    }

    /// As [`Self::push`] of a number that is not the source's own: it says nothing about the source's grid.
    pub(crate) fn fill(&mut self, at: Timestamp, value: f64) {
        if (0.0..=VALUE_MAX).contains(&value) {
            self.put(self.slot(at), Sample::Value(value));
        }
    }

    fn put(&mut self, slot: Slot, sample: Sample) -> bool {
        self.extend_to(slot);
        let Some(newest) = self.newest else { return false };
        let age = usize::try_from(newest - slot).unwrap_or(usize::MAX);
        if let Some(stored) = self.fine.back_mut(age) {
            *stored = sample.pack();
            self.refresh_block(slot);
            return true;
        }
        let block_age = self.block_age(self.blocking.block_of(slot));
        match self.blocks.back_mut(block_age) {
            Some(stored) if stored.is_nan() => {
                *stored = sample.pack();
                true
            }
            _ => false,
        }
    }

    /// Makes a gap of everything from `from` until before `to`, but for the newest sample.
    pub fn forget(&mut self, from: Timestamp, to: Timestamp) {
        let Some(newest) = self.newest else { return };
        let last = self.slot(to.minus(Span::from_millis(1))).min(newest - 1);
        for slot in self.slot(from).max(self.oldest())..=last {
            let age = usize::try_from(newest - slot).unwrap_or(usize::MAX);
            if let Some(stored) = self.fine.back_mut(age) {
                *stored = f32::NAN;
                self.refresh_block(slot);
            } else {
                let age = self.block_age(self.blocking.block_of(slot));
                if let Some(stored) = self.blocks.back_mut(age) {
                    *stored = f32::NAN;
                }
            }
        }
    }

    /// The sample of `slot`; a gap where it is averaged already or not known.
    pub fn sample(&self, slot: Slot) -> Sample {
        let Some(age) = self.newest.and_then(|newest| usize::try_from(newest - slot).ok()) else {
            return Sample::Gap;
        };
        self.fine.back(age).map_or(Sample::Gap, Sample::unpack)
    }

    /// The mean over a block; of the readings so far, where it is in progress.
    pub fn block(&self, block: Block) -> Sample {
        let age = self.block_age(block);
        self.block_ring().back(age).map_or(Sample::Gap, Sample::unpack)
    }

    /// What is known of `slot`: its sample, or the mean of its block where it is averaged already.
    pub fn known(&self, slot: Slot) -> Sample {
        if slot >= self.oldest_fine() { self.sample(slot) } else { self.block(self.blocking.block_of(slot)) }
    }

    /// All blocks as stored (see [`Sample::unpack`]), oldest first, and the index of the first.
    pub(crate) fn stored_blocks(&self) -> (&[f32], Block) {
        let stored = self.block_ring().as_slice();
        let newest = self.newest.map_or(0, |newest| self.blocking.block_of(newest));
        (stored, newest + 1 - length(stored.len()))
    }

    /// Whether the native grid is to be looked for, now that the newest sample is later than `before`: at the end of
    /// each UTC day, and of each hour as long as nothing is averaged that could be mixed up.
    fn looks_for_grid(&self, before: Option<Slot>) -> bool {
        let (Some(newest), Some(before)) = (self.newest, before) else { return false };
        let seconds = if self.fine.len() < self.fine.most() { 3600 } else { 86_400 };
        let period = |slot: Slot| self.time(slot + 1).seconds().div_euclid(seconds);
        period(newest) != period(before)
    }

    /// Takes over the grid of a source that holds its values, where the last two days show one; gives it up where
    /// they show that there is none.
    fn adopt_native_grid(&mut self) {
        let found = held::native_grid(self.fine.as_slice(), self.oldest_fine(), self.step);
        let Some(blocking) = found.filter(|found| *found != self.blocking) else { return };
        let mut other = Self::with(self.step, self.wanted, blocking);
        for slot in self.oldest()..=self.newest.unwrap_or(0) {
            let known = self.known(slot);
            if known != Sample::Gap {
                other.put(slot, known);
            }
        }
        *self = other;
    }

    /// Bytes of the samples held.
    pub fn bytes(&self) -> usize {
        self.fine.bytes() + self.blocks.bytes()
    }

    fn step_millis(&self) -> i64 {
        self.step.span().millis().cast_signed()
    }

    fn block_ring(&self) -> &Ring {
        if self.blocking.factor() == 1 { &self.fine } else { &self.blocks }
    }

    fn block_age(&self, block: Block) -> usize {
        self.newest
            .and_then(|newest| usize::try_from(self.blocking.block_of(newest) - block).ok())
            .unwrap_or(usize::MAX)
    }

    /// Moves the end of the grid to `slot` if that is later, with gaps in between.
    fn extend_to(&mut self, slot: Slot) {
        let Some(newest) = self.newest else {
            self.restart_at(slot);
            return;
        };
        if slot <= newest {
            return;
        }
        if slot.saturating_sub(newest) > length(self.wanted) {
            self.restart_at(slot);
            return;
        }
        for _ in newest..slot {
            self.fine.push(f32::NAN);
        }
        for _ in self.blocking.block_of(newest)..self.blocking.block_of(slot) {
            self.blocks.push(f32::NAN);
        }
        self.newest = Some(slot);
    }

    /// Forgets everything: the first sample, or one so much later that nothing known would be kept.
    fn restart_at(&mut self, slot: Slot) {
        self.fine.clear();
        self.blocks.clear();
        self.fine.push(f32::NAN);
        self.blocks.push(f32::NAN);
        self.newest = Some(slot);
    }

    /// Averages the block of `slot` again, unless a part of it has left the fine samples.
    fn refresh_block(&mut self, slot: Slot) {
        let Some(newest) = self.newest else { return };
        if self.blocking.factor() == 1 {
            return;
        }
        let block = self.blocking.block_of(slot);
        let first = self.blocking.first_slot(block);
        let complete = first > newest - length(self.fine.len()) || self.fine.len() < self.fine.most();
        if !complete {
            return;
        }
        let mean = self.mean_of_fine(first, self.blocking.last_slot(block)).pack();
        let age = self.block_age(block);
        if let Some(stored) = self.blocks.back_mut(age) {
            *stored = mean;
        }
    }

    /// The mean of the samples in `first ..= last`; censored when half of them are.
    fn mean_of_fine(&self, first: Slot, last: Slot) -> Sample {
        let (mut sum, mut seen, mut censored) = (0.0, 0_u32, 0_u32);
        let fine = self.fine.as_slice();
        let oldest = self.oldest_fine();
        let at = |slot: Slot| usize::try_from((slot - oldest).max(0)).unwrap_or(usize::MAX).min(fine.len());
        for &stored in fine.get(at(first)..at(last + 1)).unwrap_or_default() {
            if !stored.is_nan() {
                sum += f64::from(stored.abs());
                seen += 1;
                censored += u32::from(stored.is_sign_negative());
            }
        }
        if seen == 0 {
            return Sample::Gap;
        }
        let mean = sum / f64::from(seen);
        if censored * 2 >= seen { Sample::Censored(mean) } else { Sample::Value(mean) }
    }
}

fn length(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX / 2)
}

#[cfg(test)]
mod tests;
