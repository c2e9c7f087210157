//! A demand series: a regular grid with typed gaps, in bounded memory.
//!
//! Samples of the last two days are kept on the grid itself; everything older as means over five minutes (of all
//! samples, when the grid is coarser than that). Values are stored as 32-bit floats, so 28 days of a 60 s grid take
//! 44 KiB. A gap stays a gap: nothing here invents a value.

mod robust;

use std::collections::VecDeque;

pub use robust::{mean_absolute, median, quantile, robust_maximum};

use crate::units::{Span, Step, Timestamp};

/// Older samples are kept as means over this many seconds, rounded up to whole steps. Five minutes is the finest
/// grid on which day profiles still gain from more detail (DESIGN 5).
const BLOCK_SECONDS: u32 = 300;

/// How much is kept on the grid itself when older samples are averaged: two days (DESIGN 5).
const FINE_SPAN: Span = Span::from_hours(48);

/// Most samples kept on a grid finer than five minutes: two days of a 60 s grid. A 15 s grid keeps half a day, so
/// that memory stays the same.
const FINE_SAMPLES_MAX: usize = 2880;

/// Most values kept of any kind: 28 days of five minutes, and 56 KiB at the least favourable step.
const BLOCKS_MAX: usize = 14_336;

/// Readings above this are a unit mistake or a broken exporter and are dropped; also keeps sums within `f32`.
const VALUE_MAX: f64 = 1e30;

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

    fn unpack(stored: f32) -> Self {
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

/// One metric's history.
#[derive(Clone, Debug)]
pub struct Series {
    step: Step,
    /// Steps in a block; 1 when the grid is five minutes or coarser and nothing is averaged.
    factor: u32,
    /// The newest samples, the last one at slot `newest`.
    fine: VecDeque<f32>,
    fine_max: usize,
    /// Means over blocks of `factor` slots; the last one holds `newest`. Empty when `factor` is 1.
    blocks: VecDeque<f32>,
    blocks_max: usize,
    newest: Option<Slot>,
}

impl Series {
    /// An empty series on the grid `step` that forgets what is older than `history`.
    pub fn new(step: Step, history: Span) -> Self {
        let factor = BLOCK_SECONDS.div_ceil(step.seconds());
        let wanted = step.steps_covering(history).max(1);
        let fine_max = if factor == 1 {
            wanted.min(BLOCKS_MAX)
        } else {
            step.steps_covering(FINE_SPAN).min(FINE_SAMPLES_MAX).min(wanted)
        };
        let per_block = usize::try_from(factor).unwrap_or(1);
        let blocks_max = if factor == 1 { 0 } else { wanted.div_ceil(per_block).min(BLOCKS_MAX) };
        Self {
            step,
            factor,
            fine: VecDeque::new(),
            fine_max,
            blocks: VecDeque::new(),
            blocks_max,
            newest: None,
        }
    }

    /// The grid.
    pub const fn step(&self) -> Step {
        self.step
    }

    /// Steps in a block.
    pub const fn factor(&self) -> u32 {
        self.factor
    }

    /// The length of a block: at least five minutes.
    pub fn block_span(&self) -> Span {
        Span::from_millis(self.step.span().millis().saturating_mul(u64::from(self.factor)))
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
        let factor = i64::from(self.factor);
        let blocks = (newest.div_euclid(factor) + 1 - length(self.blocks.len())) * factor;
        if self.blocks.is_empty() { fine } else { fine.min(blocks) }
    }

    /// The oldest slot that is kept as single samples; 0 while there is none.
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
        let sample = if censored { Sample::Censored(value) } else { Sample::Value(value) };
        let slot = self.slot(at);
        self.extend_to(slot);
        let Some(newest) = self.newest else { return false };
        let age = usize::try_from(newest - slot).unwrap_or(usize::MAX);
        if let Some(stored) = from_end_mut(&mut self.fine, age) {
            *stored = sample.pack();
            self.refresh_block(slot);
            return true;
        }
        let block_age = self.block_age(slot);
        match from_end_mut(&mut self.blocks, block_age) {
            Some(stored) if stored.is_nan() => {
                *stored = sample.pack();
                true
            }
            _ => false,
        }
    }

    /// The sample of `slot`; a gap where it is averaged already or not known.
    pub fn sample(&self, slot: Slot) -> Sample {
        let Some(age) = self.newest.and_then(|newest| usize::try_from(newest - slot).ok()) else {
            return Sample::Gap;
        };
        from_end(&self.fine, age).map_or(Sample::Gap, Sample::unpack)
    }

    /// The block that contains `slot`: the sample itself when blocks are single slots.
    pub fn block(&self, slot: Slot) -> Sample {
        if self.factor == 1 {
            return self.sample(slot);
        }
        match self.newest {
            Some(newest)
                if slot.div_euclid(i64::from(self.factor)) <= newest.div_euclid(i64::from(self.factor)) =>
            {
                from_end(&self.blocks, self.block_age(slot)).map_or(Sample::Gap, Sample::unpack)
            }
            _ => Sample::Gap,
        }
    }

    /// Demand over the `factor` slots that end with `last`, whether or not they make up one block: the mean of the
    /// readings, or of the two blocks they lie in, by overlap. Censored when half of the readings are.
    pub fn level(&self, last: Slot) -> Sample {
        if self.factor == 1 {
            return self.sample(last);
        }
        let factor = i64::from(self.factor);
        let first = last - factor + 1;
        let Some(newest) = self.newest else { return Sample::Gap };
        if first > newest - length(self.fine.len()) {
            return self.mean_of_fine(first, last);
        }
        let overlap = last.rem_euclid(factor) + 1;
        if overlap == factor {
            return self.block(last);
        }
        let weight = f64::from(i32::try_from(overlap).unwrap_or(0)) / f64::from(self.factor);
        match (self.block(first), self.block(last)) {
            (Sample::Gap, other) | (other, Sample::Gap) => other,
            (a, b) => {
                let mean = a.reading().unwrap_or(0.0) * (1.0 - weight) + b.reading().unwrap_or(0.0) * weight;
                let heavier = if weight >= 0.5 { b } else { a };
                if matches!(heavier, Sample::Censored(_)) {
                    Sample::Censored(mean)
                } else {
                    Sample::Value(mean)
                }
            }
        }
    }

    /// Bytes of the samples held.
    pub fn bytes(&self) -> usize {
        (self.fine.capacity() + self.blocks.capacity()) * size_of::<f32>()
    }

    fn step_millis(&self) -> i64 {
        self.step.span().millis().cast_signed()
    }

    fn block_age(&self, slot: Slot) -> usize {
        let factor = i64::from(self.factor);
        self.newest
            .and_then(|newest| usize::try_from(newest.div_euclid(factor) - slot.div_euclid(factor)).ok())
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
        let kept = length(
            self.fine_max.max(self.blocks_max.saturating_mul(usize::try_from(self.factor).unwrap_or(1))),
        );
        if slot.saturating_sub(newest) > kept {
            self.restart_at(slot);
            return;
        }
        let factor = i64::from(self.factor);
        for _ in newest..slot {
            push_bounded(&mut self.fine, self.fine_max);
        }
        for _ in newest.div_euclid(factor)..slot.div_euclid(factor) {
            push_bounded(&mut self.blocks, self.blocks_max);
        }
        self.newest = Some(slot);
    }

    /// Forgets everything: the first sample, or one so much later that nothing known would be kept.
    fn restart_at(&mut self, slot: Slot) {
        self.fine.clear();
        self.blocks.clear();
        push_bounded(&mut self.fine, self.fine_max);
        push_bounded(&mut self.blocks, self.blocks_max);
        self.newest = Some(slot);
    }

    /// Averages the block of `slot` again, unless a part of it has left the fine samples.
    fn refresh_block(&mut self, slot: Slot) {
        let Some(newest) = self.newest else { return };
        let factor = i64::from(self.factor);
        let first = slot.div_euclid(factor) * factor;
        let complete = first > newest - length(self.fine.len()) || self.fine.len() < self.fine_max;
        if self.factor == 1 || !complete {
            return;
        }
        let mean = self.mean_of_fine(first, (first + factor - 1).min(newest)).pack();
        let age = self.block_age(slot);
        if let Some(stored) = from_end_mut(&mut self.blocks, age) {
            *stored = mean;
        }
    }

    fn mean_of_fine(&self, first: Slot, last: Slot) -> Sample {
        let (mut sum, mut seen, mut censored) = (0.0, 0_u32, 0_u32);
        for slot in first..=last {
            match self.sample(slot) {
                Sample::Gap => continue,
                Sample::Censored(value) => {
                    censored += 1;
                    sum += value;
                }
                Sample::Value(value) => sum += value,
            }
            seen += 1;
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

fn push_bounded(ring: &mut VecDeque<f32>, most: usize) {
    if most == 0 {
        return;
    }
    if ring.len() >= most {
        ring.pop_front();
    }
    ring.push_back(f32::NAN);
    if ring.capacity() > most + most / 8 {
        ring.shrink_to(most);
    }
}

fn from_end(ring: &VecDeque<f32>, age: usize) -> Option<f32> {
    ring.get(ring.len().checked_sub(age)?.checked_sub(1)?).copied()
}

fn from_end_mut(ring: &mut VecDeque<f32>, age: usize) -> Option<&mut f32> {
    let at = ring.len().checked_sub(age)?.checked_sub(1)?;
    ring.get_mut(at)
}

#[cfg(test)]
mod tests;
