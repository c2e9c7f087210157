//! How a global model is learned: windows of many series, cut as long as the rungs of the ladder are, give lessons;
//! each series counts alike, in units of its own error.

use super::super::experts::LOG;
use super::super::features::{FEATURES, Ladder, Row, SPREADS};
use super::super::kernels::{Normal, count, dot, float, ratio, short};
use super::super::lessons::{Lesson, Material, Outcome, scattered};
use super::super::levels::{Clock, Position, clock_ahead};
use super::super::shape::{Fine, Shape};
use super::{Cell, GlobalModel, Prior, Table};
use crate::calendar::TimeZone;
use crate::series::{Blocking, Series};
use crate::units::{Span, Step, Timestamp};
use std::sync::Arc;

/// Windows of each series and rung.
const WINDOWS: usize = 8;

/// Lessons of each window and distance, spread over its younger half: in the older half half the past is missing.
const LESSONS: usize = 40;

/// A series that the last value foresees better than this share of its level counts as if not: one without any noise
/// would count more than all others.
const ERROR_MIN: f64 = 0.005;

/// Penalty of the regression of the errors' size.
const SPREAD_PENALTY: f64 = 0.01;

/// One series to learn from.
#[derive(Clone, Debug)]
pub struct Course {
    /// Its grid.
    pub step: Step,
    /// Time and demand, in time order.
    pub samples: Vec<(Timestamp, f64)>,
}

impl Course {
    /// Length of the blocks that its levels are means of.
    pub fn block_seconds(&self) -> u32 {
        let factor = u32::try_from(Blocking::usual(self.step).factor()).unwrap_or(1);
        self.step.seconds().saturating_mul(factor)
    }
}

/// Series of one length of block, and the lessons of one rung.
#[derive(Debug)]
pub struct Family {
    block_seconds: u32,
    rung: Ladder,
    windows: Vec<Window>,
}

/// The normal equations of targets (what came, above the mean of the last day) on features, both in units of the usual
/// error of their series, so that every series weighs alike. The last feature is the constant.
#[derive(Clone, Debug)]
pub struct Examples {
    /// Sums of products of the features.
    pub gram: [[f64; FEATURES]; FEATURES],
    /// Sums of products of the features with the target.
    pub moment: [f64; FEATURES],
    /// How many rows there were.
    pub count: usize,
}

#[derive(Debug)]
struct Window {
    /// How far off the last value usually is one block ahead, of demand and of its logarithm.
    units: (f64, f64),
    /// By distance.
    lessons: Vec<(Position, Vec<Lesson>)>,
}

/// The rungs that have lessons, each with the days that its windows are long.
const RUNGS: [(Ladder, [f64; WINDOWS]); 3] = [
    (Ladder::ColdStart, [0.4, 0.6, 0.8, 1.0, 1.2, 1.5, 1.75, 1.95]),
    (Ladder::Daily, [2.0, 2.0, 2.0, 2.5, 3.0, 5.0, 8.0, 13.0]),
    (Ladder::Weekly, [14.0, 16.0, 18.0, 20.0, 22.0, 24.0, 26.0, 28.0]),
];

/// Distances that are learned, in blocks: every one near the present, then in steps of about a fifth, to a day.
fn distances(blocks_a_day: Position) -> Vec<Position> {
    let mut all = Vec::new();
    let mut ahead: Position = 1;
    while ahead < blocks_a_day {
        all.push(ahead);
        ahead += (ahead / 5).max(1);
    }
    // Just below a day: a whole day ahead the present is also yesterday's hour.
    all.push((blocks_a_day - 1).max(1));
    all.dedup();
    all
}

impl Family {
    /// The lessons that series of one length of block hold for each rung.
    pub fn all(block_seconds: u32, courses: &[Course]) -> Vec<Self> {
        RUNGS
            .iter()
            .map(|(rung, days)| {
                let mut windows = Vec::new();
                for (i, course) in courses.iter().enumerate() {
                    for (n, days) in days.iter().enumerate() {
                        windows.extend(Window::cut(course, *days, scattered_share(i * WINDOWS + n), *rung));
                    }
                }
                Self { block_seconds, rung: *rung, windows }
            })
            .collect()
    }

    /// Learns a rule for every distance; `solve` gives the coefficients of a linear regression.
    pub fn learn(&self, solve: &dyn Fn(&Examples) -> [f64; FEATURES]) -> GlobalModel {
        let day = Position::from(86_400 / self.block_seconds.max(1));
        let cells = distances(day)
            .into_iter()
            .map(|ahead| Cell {
                block_seconds: self.block_seconds,
                rung: self.rung,
                ahead,
                linear: self.prior(ahead, false, solve),
                log: self.prior(ahead, true, solve),
            })
            .collect();
        GlobalModel(Arc::new(Table { cells }))
    }

    fn prior(&self, ahead: Position, log: bool, solve: &dyn Fn(&Examples) -> [f64; FEATURES]) -> Prior {
        let windows: Vec<(f64, &[Lesson])> =
            self.windows.iter().filter_map(|window| window.at(ahead, log)).collect();
        let mut normal = Normal::<FEATURES>::new();
        let mut count = 0;
        for (unit, lessons) in &windows {
            for lesson in *lessons {
                let (row, outcome) = lesson.of_space(log);
                normal.add(&row.x, outcome.target - row.base, unit.powi(-2));
            }
            count += lessons.len();
        }
        let (gram, moment) = normal.whole();
        let coefficients = solve(&Examples { gram, moment, count }).map(rounded);
        let mut measured = Measured { relative: 0.0, log_units: 0.0, windows: 0, sizes: Normal::new() };
        for (unit, lessons) in &windows {
            measured.add(&coefficients, *unit, lessons.iter().map(|lesson| lesson.of_space(log)));
        }
        measured.prior(&coefficients)
    }
}

/// How far off a rule is.
struct Measured {
    /// Sum over windows of the mean size of errors in units of that of the last value, and of the logarithm of that.
    relative: f64,
    log_units: f64,
    windows: usize,
    /// Size of errors on 1 and on the newest changes.
    sizes: Normal<2>,
}

impl Measured {
    fn add<'a>(
        &mut self,
        rule: &[f64; FEATURES],
        unit: f64,
        lessons: impl Iterator<Item = (&'a Row, Outcome)>,
    ) {
        let (mut sum, mut seen) = (0.0, 0);
        for (row, outcome) in lessons {
            let error = outcome.actual - row.base - dot(rule, &row.x);
            let [one, .., newest] = row.z;
            self.sizes.add(&[one, newest], error.abs(), unit.powi(-2));
            sum += error.abs();
            seen += 1;
        }
        self.relative += sum / float(seen.max(1)) / unit;
        self.log_units += unit.ln();
        self.windows += 1;
    }

    fn prior(self, rule: &[f64; FEATURES]) -> Prior {
        let n = float(self.windows.max(1));
        let mean_error = rounded(self.relative / n * (self.log_units / n).exp()).max(1e-5);
        let [one, newest] = self.sizes.solve(SPREAD_PENALTY);
        let mut spread = [0.0; SPREADS];
        let [of_one, .., of_newest] = &mut spread;
        *of_one = short(rounded(one.max(0.0)));
        *of_newest = short(rounded(newest.max(0.0)));
        Prior { coefficients: rule.map(short), spread, mean_error: short(mean_error) }
    }
}

impl Window {
    /// The lessons of a distance with the unit of their errors; `None` when there are none.
    fn at(&self, ahead: Position, log: bool) -> Option<(f64, &[Lesson])> {
        let (_, lessons) = self.lessons.iter().find(|(at, lessons)| *at == ahead && !lessons.is_empty())?;
        let (linear, of_log) = self.units;
        Some((if log { of_log } else { linear }, lessons))
    }

    /// `days` of a course that begin at the share `place` of what is left; `None` when it is shorter.
    fn cut(course: &Course, days: f64, place: f64, rung: Ladder) -> Option<Self> {
        let per_day = 86_400.0 / f64::from(course.step.seconds());
        let n = count(days * per_day);
        let free = course.samples.len().checked_sub(n)?;
        let first = count(place * float(free));
        let samples = course.samples.get(first..first + n)?;
        let mut series = Series::new(course.step, Span::from_hours(28 * 24));
        for &(at, value) in samples {
            series.push(at, value, false);
        }
        let clock = Clock::new(&series, TimeZone::UTC, clock_ahead(Span::from_hours(24)));
        let shape = Shape::learn(&Fine::new(&series, &clock));
        let material = Material::new(&series, &clock, &shape)?;
        let end = material.levels.newest();
        if material.rung(end) != rung {
            return None;
        }
        let origins = material.origins(end, rung);
        let lessons: Vec<(Position, Vec<Lesson>)> = distances(material.levels.day())
            .into_iter()
            .map(|ahead| {
                let mut young = material.lessons(&origins, ahead);
                young.retain(|lesson| lesson.age < 0.5);
                let stride = young.len().div_ceil(LESSONS).max(1);
                (ahead, young.into_iter().step_by(stride).collect())
            })
            .collect();
        let (_, next) = lessons.first()?;
        Some(Self { units: (usual_error(next, false), usual_error(next, true)), lessons })
    }
}

/// How far off the last value usually is, in one space.
fn usual_error(lessons: &[Lesson], log: bool) -> f64 {
    let (mut sum, mut level) = (0.0, 0.0);
    for lesson in lessons {
        let (row, outcome) = lesson.of_space(log);
        let [last, ..] = row.x;
        sum += (outcome.target - row.base - last).abs();
        level += if log { LOG.enter(1.0) } else { row.base };
    }
    let n = float(lessons.len().max(1));
    (sum / n).max(ERROR_MIN * level / n).max(f64::MIN_POSITIVE)
}

/// A share of 0 .. 1 for the `n`th window, evenly scattered.
fn scattered_share(n: usize) -> f64 {
    const PARTS: Position = 1_000_000;
    ratio(scattered(Position::try_from(n).unwrap_or(0), PARTS), PARTS)
}

/// As it is stored: five digits after the point; what is finer is noise and would make the file large.
fn rounded(value: f64) -> f64 {
    if value.is_finite() { (value * 1e5).round() / 1e5 } else { 0.0 }
}
