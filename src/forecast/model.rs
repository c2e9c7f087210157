//! The fitted model: experts at a dozen knots over the horizon, and their weights.

use super::combine::{Evaluation, Weights, weigh};
use super::experts::{ALL, EXPERTS, FOLDS, LOG};
use super::features::{Ladder, Origin};
use super::kernels::{count, float};
use super::levels::{Levels, Position};
use super::member::{Lesson, Member};
use crate::calendar::TimeZone;
use crate::series::{Sample, Series, Slot, robust_maximum};

/// Most knots: more do not help (neighbouring blocks ahead have nearly the same coefficients), and each is a fit.
const KNOTS_MAX: usize = 24;

/// Most origins that a fit looks at: 1500 rows fix 22 coefficients well, and keep the first fit of 28 days fast.
const ORIGINS_MAX: usize = 1500;

/// No forecast is more than this multiple of the robust maximum of the history (I24).
const BOUND: f64 = 3.0;

/// The share of a season's slots that must hold a reading before the season counts as seen (I28).
const COVERAGE: f64 = 0.8;

/// One knot: all experts for one distance ahead.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Knot {
    /// Blocks ahead of the newest.
    pub(super) ahead: Position,
    pub(super) members: [Option<Member>; EXPERTS],
    pub(super) weights: Weights,
}

/// Everything that a fit learns.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Model {
    pub(super) rung: Ladder,
    /// What demand is divided by, a power of two near its mean, so that nothing depends on units.
    pub(super) scale: f64,
    /// The upper bound of every forecast, in demand.
    pub(super) bound: f64,
    days_ahead: usize,
    pub(super) knots: Vec<Knot>,
    /// Coverage of the .9 and the .99 quantile on past targets.
    pub(super) coverage: [f64; 2],
}

impl Model {
    /// Whole days that the furthest knot lies ahead, rounded up, for hourly blocks and finer.
    pub(super) fn days_ahead(&self) -> usize {
        self.days_ahead
    }

    /// Fits all experts at all knots for forecasts of up to `horizon` steps. `None` while there is no sample.
    pub(super) fn fit(series: &Series, zone: TimeZone, horizon: usize) -> Option<Self> {
        let last = last_whole_block(series)?;
        let levels = Levels::new(series, last, usize::MAX, zone);
        let mut present: Vec<f64> = levels.present().collect();
        let scale = scale_of(&present);
        let bound = BOUND * robust_maximum(&mut present);
        let rung = rung_of(&levels);
        let levels = levels.scaled(scale);
        let logs = levels.in_space(LOG);
        let noise = step_noise(series, last, scale);
        let mut evaluation = Evaluation::default();
        let knots = knots_of(blocks_ahead(horizon, series.factor()), levels.day())
            .into_iter()
            .map(|ahead| {
                let lessons = lessons([&levels, &logs], ahead, rung, &noise);
                fit_knot(ahead, rung, &lessons, &mut evaluation)
            })
            .collect();
        let days_ahead =
            usize::try_from(blocks_ahead(horizon, series.factor()) / levels.day()).unwrap_or(0) + 1;
        Some(Self { rung, scale, bound, days_ahead, knots, coverage: evaluation.coverage() })
    }
}

/// The last slot of the last block that is complete, or of the newest when none is.
fn last_whole_block(series: &Series) -> Option<Slot> {
    let newest = series.newest()?;
    let factor = i64::from(series.factor());
    let last = (newest + 1).div_euclid(factor) * factor - 1;
    Some(if last < series.oldest() { newest } else { last })
}

/// A power of two near the mean; 1 when all is zero. Dividing by it is exact.
fn scale_of(present: &[f64]) -> f64 {
    let mean = present.iter().sum::<f64>() / float(present.len().max(1));
    if mean > f64::MIN_POSITIVE { mean.log2().round().exp2() } else { 1.0 }
}

/// How far up the ladder the history reaches: each season only once it was seen twice.
fn rung_of(levels: &Levels) -> Ladder {
    let (day, newest) = (levels.day(), levels.newest());
    let seen = |days: Position| {
        newest + 1 >= days * day && levels.coverage(newest + 1 - days * day, newest) >= COVERAGE
    };
    if seen(14) {
        Ladder::Weekly
    } else if seen(2) {
        Ladder::Daily
    } else {
        Ladder::ColdStart
    }
}

/// Blocks that cover `horizon` steps.
pub(super) fn blocks_ahead(horizon: usize, factor: u32) -> Position {
    let factor = usize::try_from(factor).unwrap_or(1);
    Position::try_from(horizon.max(1).div_ceil(factor)).unwrap_or(Position::MAX)
}

/// At most [`KNOTS_MAX`] distances from 1 to `most`: all of them, or dense near the present and then in even ratios.
fn knots_of(most: Position, day: Position) -> Vec<Position> {
    let wanted = usize::try_from(most).unwrap_or(usize::MAX);
    if wanted <= KNOTS_MAX {
        return (1..=most).collect();
    }
    let mut knots: Vec<Position> = Vec::with_capacity(KNOTS_MAX);
    for i in 0..KNOTS_MAX {
        let share = float(i) / float(KNOTS_MAX - 1);
        let even = Position::try_from(count(float(wanted).powf(share).round())).unwrap_or(most);
        // A whole day ahead the newest level is also that of yesterday's hour, so that coefficients there say nothing
        // about the distances around.
        let even = if even.rem_euclid(day) == 0 { even - 1 } else { even };
        knots.push(even.max(knots.last().map_or(1, |last| last + 1)).min(most));
    }
    knots.dedup();
    knots
}

/// How single steps differ from the mean of their block, divided by the root of that mean: counts scatter so.
/// Empty when blocks are single steps. In time order, two days.
fn step_noise(series: &Series, last: Slot, scale: f64) -> Vec<f64> {
    if series.factor() == 1 {
        return Vec::new();
    }
    let newest = series.newest().unwrap_or(last);
    let mut noise = Vec::new();
    for slot in (series.oldest().max(newest - 2880)..=last).rev() {
        let (Sample::Value(value), Sample::Value(mean)) = (series.sample(slot), series.block(slot)) else {
            continue;
        };
        if mean > 0.0 {
            noise.push((value - mean) / scale / (mean / scale).sqrt());
        }
    }
    noise.reverse();
    noise
}

/// All past targets `ahead` blocks after origins spread evenly over the history.
fn lessons([linear, log]: [&Levels; 2], ahead: Position, rung: Ladder, noise: &[f64]) -> Vec<Lesson> {
    let (n, day) = (linear.newest() + 1, linear.day());
    // A day profile needs a day before its first origin, better two; never more than half of a short history.
    let first = if rung >= Ladder::Daily { (2 * day).min(n / 2) } else { (n / 4).min(3) };
    let origins = n - ahead - first;
    if origins <= 0 {
        return Vec::new();
    }
    let stride = (origins + Position::try_from(ORIGINS_MAX).unwrap_or(1) - 1)
        / Position::try_from(ORIGINS_MAX).unwrap_or(1);
    let mut lessons = Vec::with_capacity(ORIGINS_MAX);
    let mut origin = n - 1 - ahead;
    while origin >= first {
        if let Some(lesson) = lesson([linear, log], origin, ahead, rung, noise) {
            lessons.push(lesson);
        }
        origin -= stride;
    }
    lessons.reverse();
    let total = lessons.len().max(1);
    for (i, lesson) in lessons.iter_mut().enumerate() {
        lesson.fold = i * FOLDS / total;
    }
    lessons
}

fn lesson(
    [linear, log]: [&Levels; 2],
    origin: Position,
    ahead: Position,
    rung: Ladder,
    noise: &[f64],
) -> Option<Lesson> {
    linear.reading(origin)?;
    let target = linear.value(origin + ahead)?;
    let n = linear.newest() + 1;
    // A prime stride walks through the noise without following the day.
    let pick =
        usize::try_from((origin * 7919).rem_euclid(Position::try_from(noise.len().max(1)).unwrap_or(1)))
            .unwrap_or(0);
    let actual = (target + noise.get(pick).map_or(0.0, |noise| noise * target.sqrt())).max(0.0);
    Some(Lesson {
        linear: Origin::new(linear, origin, rung)?.row(linear, ahead, rung),
        log: Origin::new(log, origin, rung)?.row(log, ahead, rung),
        target,
        actual,
        age: 1.0 - float(usize::try_from(origin).unwrap_or(0)) / float(usize::try_from(n).unwrap_or(1)),
        fold: 0,
    })
}

fn fit_knot(ahead: Position, rung: Ladder, lessons: &[Lesson], evaluation: &mut Evaluation) -> Knot {
    let mut members = [const { None }; EXPERTS];
    let mut placed = [const { Vec::new() }; EXPERTS];
    for (((slot, places), expert), _) in members.iter_mut().zip(&mut placed).zip(&ALL).zip(0..) {
        if expert.needs <= rung {
            let (member, all) = Member::learn(expert, lessons);
            *slot = Some(member);
            *places = all;
        }
    }
    let weights = weigh(&members, &placed, lessons, evaluation);
    Knot { ahead, members, weights }
}
