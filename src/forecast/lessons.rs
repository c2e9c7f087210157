//! What the experts learn from: past targets, each with what was known when it lay ahead.

use super::experts::{FOLDS, LOG};
use super::features::{Ladder, Origin, Row};
use super::kernels::float;
use super::levels::{Levels, Position};
use crate::calendar::TimeZone;
use crate::series::{Sample, Series, Slot};

/// Most origins that a fit looks at: 1500 rows fix 22 coefficients well, and keep the first fit of 28 days fast.
const ORIGINS_MAX: Position = 1500;

/// The share of a season's slots that must hold a reading before the season counts as seen (I28).
const COVERAGE: f64 = 0.8;

/// One past target with what was known before it, in units of the material's scale.
#[derive(Clone, Debug)]
pub(super) struct Lesson {
    /// Position of the origin.
    pub(super) origin: Position,
    pub(super) linear: Row,
    pub(super) log: Row,
    /// Demand over the block.
    pub(super) target: f64,
    /// Demand over one step within it.
    pub(super) actual: f64,
    /// Age in shares of the history: 0 newest, 1 oldest.
    pub(super) age: f64,
    /// Time block for errors out of sample.
    pub(super) fold: usize,
}

/// A history prepared for learning.
pub(super) struct Material {
    pub(super) linear: Levels,
    log: Levels,
    /// The mean of the levels.
    pub(super) level: f64,
    /// What demand was divided by: a power of two near its mean, so that nothing depends on units.
    pub(super) scale: f64,
    /// How single steps differ from the mean of their block, divided by the root of that mean: counts scatter so.
    /// Empty when blocks are single steps. In time order.
    noise: Vec<f64>,
}

/// Origins with their features, in time order.
pub(super) struct Origins {
    pub(super) rung: Ladder,
    /// The last position that may be looked at.
    end: Position,
    all: Vec<(Position, [Origin; 2])>,
}

impl Material {
    /// The whole history of `series`. `None` while there is no sample.
    pub(super) fn new(series: &Series, zone: TimeZone) -> Option<Self> {
        let last = last_whole_block(series)?;
        let linear = Levels::new(series, last, usize::MAX, zone);
        let scale = scale_of(&linear);
        let linear = linear.scaled(scale);
        let log = linear.in_space(LOG);
        Some(Self { noise: step_noise(series, last, scale), level: mean_of(&linear), linear, log, scale })
    }

    /// How far up the ladder the history up to `end` reaches: each season only once it was seen twice.
    pub(super) fn rung(&self, end: Position) -> Ladder {
        let day = self.linear.day();
        let seen = |days: Position| {
            end + 1 >= days * day && self.linear.coverage(end + 1 - days * day, end) >= COVERAGE
        };
        if seen(14) {
            Ladder::Weekly
        } else if seen(2) {
            Ladder::Daily
        } else {
            Ladder::ColdStart
        }
    }

    /// Origins up to `end`, spread evenly; those without a reading are left out.
    pub(super) fn origins(&self, end: Position, rung: Ladder) -> Origins {
        let (n, day) = (end + 1, self.linear.day());
        // A day profile needs a day before its first origin, better two; never more than half of a short history.
        let first = if rung >= Ladder::Daily { (2 * day).min(n / 2) } else { (n / 4).min(3) };
        let stride = ((n - first) / ORIGINS_MAX + 1).max(1);
        let mut all = Vec::new();
        for cell in (0..=(end - 1 - first) / stride).rev() {
            let position = end - 1 - cell * stride - scattered(cell, stride);
            if position >= first {
                all.extend(self.origin(position, rung).map(|origin| (position, origin)));
            }
        }
        Origins { rung, end, all }
    }

    /// Past targets `ahead` blocks after the origins, all of them within the end of the origins.
    pub(super) fn lessons(&self, origins: &Origins, ahead: Position) -> Vec<Lesson> {
        let mut lessons: Vec<Lesson> = origins
            .all
            .iter()
            .filter(|(position, _)| position + ahead <= origins.end)
            .filter_map(|(position, origin)| self.lesson(*position, origin, ahead, origins.rung))
            .collect();
        let total = lessons.len().max(1);
        let as_float = |n: Position| float(usize::try_from(n).unwrap_or(0));
        for (i, lesson) in lessons.iter_mut().enumerate() {
            lesson.fold = i * FOLDS / total;
            lesson.age = 1.0 - as_float(lesson.origin) / as_float(origins.end + 1);
        }
        lessons
    }

    /// The features at one position.
    pub(super) fn origin(&self, position: Position, rung: Ladder) -> Option<[Origin; 2]> {
        self.linear.reading(position)?;
        Some([Origin::new(&self.linear, position, rung)?, Origin::new(&self.log, position, rung)?])
    }

    /// One lesson; `None` when the target is absent or censored.
    pub(super) fn lesson(
        &self,
        position: Position,
        [linear, log]: &[Origin; 2],
        ahead: Position,
        rung: Ladder,
    ) -> Option<Lesson> {
        let target = self.linear.value(position + ahead)?;
        Some(Lesson {
            origin: position,
            linear: linear.row(&self.linear, ahead, rung),
            log: log.row(&self.log, ahead, rung),
            target,
            actual: (target + self.noise_at(position) * target.sqrt()).max(0.0),
            age: 0.0,
            fold: 0,
        })
    }

    /// Noise for a target that is known as a mean only: that of some step of the last two days.
    fn noise_at(&self, position: Position) -> f64 {
        let n = Position::try_from(self.noise.len().max(1)).unwrap_or(1);
        // A prime stride walks through the noise without following the day.
        let pick = usize::try_from((position * 7919).rem_euclid(n)).unwrap_or(0);
        self.noise.get(pick).copied().unwrap_or(0.0)
    }
}

/// A position in a cell of `width`, evenly scattered by the golden ratio: an even stride would see only one phase of
/// a pattern that repeats every few blocks.
pub(super) fn scattered(cell: Position, width: Position) -> Position {
    const GOLDEN: Position = 618_034;
    (cell.rem_euclid(1_000_000) * GOLDEN).rem_euclid(1_000_000) * width / 1_000_000
}

/// The last slot of the last block that is complete, or of the newest when none is.
fn last_whole_block(series: &Series) -> Option<Slot> {
    let newest = series.newest()?;
    let factor = i64::from(series.factor());
    let last = (newest + 1).div_euclid(factor) * factor - 1;
    Some(if last < series.oldest() { newest } else { last })
}

fn mean_of(levels: &Levels) -> f64 {
    let (sum, seen) = levels.present().fold((0.0, 0_u32), |(sum, seen), value| (sum + value, seen + 1));
    sum / f64::from(seen.max(1))
}

/// A power of two near the mean; 1 when all is zero. Dividing by it is exact.
fn scale_of(levels: &Levels) -> f64 {
    let mean = mean_of(levels);
    if mean > f64::MIN_POSITIVE { mean.log2().round().exp2() } else { 1.0 }
}

fn step_noise(series: &Series, last: Slot, scale: f64) -> Vec<f64> {
    if series.factor() == 1 {
        return Vec::new();
    }
    let mut noise = Vec::new();
    for slot in series.oldest_fine()..=last {
        let (Sample::Value(value), Sample::Value(mean)) = (series.sample(slot), series.block(slot)) else {
            continue;
        };
        if mean > 0.0 {
            noise.push((value - mean) / scale / (mean / scale).sqrt());
        }
    }
    noise
}
