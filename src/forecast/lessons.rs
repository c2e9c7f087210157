//! What the experts learn from: past targets, each with what was known when it lay ahead.

use super::alone::Alone;
use super::cycle;
use super::experts::{Expert, FOLDS, LOG, LONG, SHORT};
use super::features::{Ladder, Origin, Row, Rows};
use super::kernels::{float, ratio};
use super::levels::{Clock, Levels, Position};
use super::shape::{Fine, Shape};
use super::shift::{Shift, Shifts, Watch};
use crate::series::{Block, Series};

/// Most origins that a fit looks at: 1500 rows fix 22 coefficients well, and keep the first fit of 28 days fast.
const ORIGINS_MAX: Position = 1500;

/// The share of a season's slots that must hold a reading before the season counts as seen (I28).
const COVERAGE: f64 = 0.8;

/// What trust judges, in days, of a history of at least twice that; half of a shorter one.
const JUDGED_DAYS: Position = 7;

/// One past target with what was known before it, in units of the material's scale.
#[derive(Clone, Debug)]
pub(super) struct Lesson {
    /// Position of the origin.
    pub(super) origin: Position,
    pub(super) rows: Rows,
    linear: Outcome,
    log: Outcome,
    /// Age in shares of the history: 0 newest, 1 oldest.
    pub(super) age: f64,
    /// Weights by age, for long and short half-lives.
    weights: [f64; 2],
    /// Time block for errors out of sample.
    pub(super) fold: usize,
    /// The part of the local day that the target lies in.
    pub(super) part: usize,
}

/// What came of it, in one space.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    /// Demand over the block.
    pub(super) target: f64,
    /// Demand over one step within it.
    pub(super) actual: f64,
}

impl Lesson {
    /// The features that `expert` looks at.
    pub(super) fn row(&self, expert: &Expert) -> &Row {
        self.rows.of(expert)
    }

    /// The outcome in the space of `expert`.
    pub(super) fn outcome(&self, expert: &Expert) -> Outcome {
        self.of_space(expert.log).1
    }

    /// Features and outcome, of demand or of its logarithm.
    pub(super) fn of_space(&self, log: bool) -> (&Row, Outcome) {
        if log { (&self.rows.log, self.log) } else { (&self.rows.linear, self.linear) }
    }

    /// How much it counts for `expert`.
    pub(super) fn weight(&self, expert: &Expert) -> f64 {
        let [long, short] = self.weights;
        if expert.rule.is_short_lived() { short } else { long }
    }

    /// Demand over one step within the target.
    pub(super) fn actual(&self) -> f64 {
        self.linear.actual
    }

    fn set_age(&mut self, age: f64) {
        self.age = age;
        self.weights = [LONG, SHORT].map(|half_life| (-age / half_life).exp2());
    }
}

/// A history prepared for learning.
pub(super) struct Material<'a> {
    pub(super) levels: Levels<'a>,
    /// Length of a block, seconds.
    pub(super) block_seconds: f64,
    /// What demand was divided by: a power of two near its mean, so that nothing depends on units.
    pub(super) scale: f64,
    /// How single steps differ from what is said of them when the mean of their block is known, divided by the root of
    /// that mean: counts scatter so. Empty when blocks are single steps. In time order.
    noise: Vec<f64>,
    /// Which changes of level lessons are freed of; none where single decisions are judged in demand.
    pub(super) watch: Option<Watch>,
}

/// Origins with their features, in time order.
pub(super) struct Origins {
    pub(super) rung: Ladder,
    /// The last position that may be looked at.
    end: Position,
    all: Vec<(Position, Origin)>,
}

impl<'a> Material<'a> {
    /// The whole history of `series`, to judge decisions of its last week; a season of its own length is one that was
    /// known before. `None` while there is no sample.
    pub(super) fn new(series: &'a Series, clock: &'a Clock, shape: &Shape) -> Option<Self> {
        let mut material = Self::replacing(series, clock, shape, None)?;
        let newest = material.levels.newest();
        material.find_cycle(newest - (JUDGED_DAYS * material.levels.day()).min((newest + 1) / 2));
        Some(material)
    }

    /// The whole history of `series` without levels that stand alone. `None` while there is no sample.
    pub(super) fn replacing(
        series: &'a Series,
        clock: &'a Clock,
        shape: &Shape,
        alone: Option<&'a Alone>,
    ) -> Option<Self> {
        let last = last_whole_block(series)?;
        let mut levels = Levels::new(series, clock, last, None);
        if let Some(alone) = alone {
            levels = levels.replacing(alone);
        }
        let scale = scale_of(mean(levels.present()));
        let levels = levels.in_units_of(scale).with_sums();
        let mut noise = shape.noise(&Fine::new(series, clock));
        for value in &mut noise {
            *value /= scale.sqrt();
        }
        let millis = i64::try_from(series.block_span().millis()).unwrap_or(i64::MAX);
        let block_seconds = ratio(millis, 1000);
        Some(Self { levels, block_seconds, scale, noise, watch: None })
    }

    /// Looks for a season of its own length in what was known at `end`, and uses it from then on.
    pub(super) fn find_cycle(&mut self, end: Position) -> Option<Position> {
        let cycle = cycle::find(&self.levels, end, self.rung(end));
        self.levels.see_cycle(cycle);
        cycle
    }

    /// Watches for changes of level, and takes the one that stands out of the history.
    pub(super) fn follow_changes(&mut self) -> Option<Shift> {
        let end = self.levels.newest();
        let rung = self.rung(end);
        let watch = Watch::learn(&self.levels, end, rung)?;
        let standing = watch.standing(&self.levels, rung);
        if let Some(shift) = standing {
            self.levels = self.levels.without(Shifts::NONE.and(shift));
        }
        self.watch = Some(watch);
        standing
    }

    /// How far up the ladder the history up to `end` reaches: each season only once it was seen twice.
    pub(super) fn rung(&self, end: Position) -> Ladder {
        let day = self.levels.day();
        let seen = |days: Position| {
            end + 1 >= days * day && self.levels.coverage(end + 1 - days * day, end) >= COVERAGE
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
        let (n, day) = (end + 1, self.levels.day());
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
            lesson.set_age(1.0 - as_float(lesson.origin) / as_float(origins.end + 1));
        }
        lessons
    }

    /// The features at one position.
    pub(super) fn origin(&self, position: Position, rung: Ladder) -> Option<Origin> {
        self.levels.reading(position)?;
        match self.watch.and_then(|watch| watch.shift(&self.levels, position, rung)) {
            None => Origin::new(&self.levels, position, rung),
            Some(shift) => Origin::new(&self.levels.without(self.levels.shifts().and(shift)), position, rung),
        }
    }

    /// One lesson; `None` when the target is absent or censored.
    pub(super) fn lesson(
        &self,
        position: Position,
        origin: &Origin,
        ahead: Position,
        rung: Ladder,
    ) -> Option<Lesson> {
        let moved = (origin.shifts != self.levels.shifts()).then(|| self.levels.without(origin.shifts));
        let levels = moved.as_ref().unwrap_or(&self.levels);
        let target = levels.value(position + ahead)?;
        let actual = (target + self.noise_at(position) * target.sqrt()).max(0.0);
        Some(Lesson {
            origin: position,
            rows: origin.rows(levels, ahead, rung),
            linear: Outcome { target, actual },
            log: Outcome { target: LOG.enter(target), actual: LOG.enter(actual) },
            age: 0.0,
            weights: [1.0; 2],
            fold: 0,
            part: levels.part(position + ahead),
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

/// A position in a cell of `width`, evenly scattered by the reciprocal of the plastic number (Roberts 2018): an even
/// stride would see only one phase of a pattern that repeats every few blocks. Not by the golden ratio: 144 cells in a
/// day are a Fibonacci number, after which it begins again, and a block of each day would always or never be seen.
pub(super) fn scattered(cell: Position, width: Position) -> Position {
    const PLASTIC: Position = 754_878;
    (cell.rem_euclid(1_000_000) * PLASTIC).rem_euclid(1_000_000) * width / 1_000_000
}

/// The levels of `series` that stand alone. `None` while there is no sample.
pub(super) fn alone_in(series: &Series, clock: &Clock) -> Option<Alone> {
    let levels = Levels::new(series, clock, last_whole_block(series)?, None);
    // In units of a mean that a single level does not move.
    let (mut largest, mut second): (f64, f64) = (0.0, 0.0);
    for value in levels.present() {
        second = second.max(value.min(largest));
        largest = largest.max(value);
    }
    let mean = mean(levels.present().map(|value| value.min(second)));
    Some(Alone::find(&levels.in_units_of(scale_of(mean))))
}

/// The last block that is complete, or the newest when none is.
fn last_whole_block(series: &Series) -> Option<Block> {
    let newest = series.newest()?;
    let blocking = series.blocking();
    let block = blocking.block_of(newest);
    let (_, first) = series.stored_blocks();
    Some(if blocking.last_slot(block) == newest || block == first { block } else { block - 1 })
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, seen) = values.fold((0.0, 0_u32), |(sum, seen), value| (sum + value, seen + 1));
    sum / f64::from(seen.max(1))
}

/// A power of two near `mean`; 1 when all is zero. Dividing by it is exact.
fn scale_of(mean: f64) -> f64 {
    if mean > f64::MIN_POSITIVE { mean.log2().round().exp2() } else { 1.0 }
}
