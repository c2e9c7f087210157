//! New levels: demand that has left what is usual at this hour, further than any burst did before, and stays there.
//!
//! A change is seen when the median of the last hour lies outside of what the same hour had yesterday, last week and on
//! average of a week, by more than the history before the newest day has shown without lasting. Then levels since the
//! change are divided by its factor, the forecast is made in the units of the old level, and multiplied again:
//! profiles, local sizes of errors and experts stay what they were. So do lessons; a fit takes a change of the last
//! week out of the whole history, with the factor that the time since then shows. A burst as the history knows it is no
//! change: the regressions and the sizes of errors have learned what comes after one.

use serde::{Deserialize, Serialize};

use super::experts::LOG;
use super::features::Ladder;
use super::kernels::ratio;
use super::levels::{Levels, Position};
use crate::series::median;

/// Deviations are only taken for changes from here on: by a quarter.
const LEAST: f64 = 0.22;

/// ... and beyond this multiple of what the history has shown: at 1.25 two of 31 traces with bursts lose 2 %, 2 gains
/// nothing over 1.5.
const MARGIN: f64 = 1.5;

/// A deviation that is half gone after so many times the window was no new level.
const LASTS: Position = 3;

/// Days for which a change stays in what profiles are made of.
const WEEK: Position = 8;

/// Days without which it is not known what is usual.
const DAYS_MIN: Position = 7;

/// Most levels that a median is taken of.
const WIDEST: usize = 12;

/// Factors beyond are no new level but another unit.
const FACTORS: (f64, f64) = (0.05, 100.0);

/// What counts as a change.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Watch {
    /// In logarithms.
    threshold: f64,
}

/// A change of level.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Shift {
    /// The first level after it.
    pub(super) from: Position,
    /// How many times the old level.
    pub(super) factor: f64,
}

/// At most one change of the last week and one of the last day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shifts(pub(super) [Option<Shift>; 2]);

impl Shifts {
    /// Levels as they were.
    pub(super) const NONE: Self = Self([None; 2]);

    /// With another change.
    pub(super) const fn and(self, shift: Shift) -> Self {
        match self {
            Self([None, new]) => Self([Some(shift), new]),
            Self([standing, _]) => Self([standing, Some(shift)]),
        }
    }

    /// What the level at `position` was multiplied by.
    pub(super) fn factor_at(self, position: Position) -> f64 {
        self.0.iter().flatten().filter(|shift| position >= shift.from).map(|shift| shift.factor).product()
    }
}

/// An hour against the same one before.
struct Hour {
    now: f64,
    usual: f64,
    /// In logarithms; 0 within what was there before.
    deviation: f64,
    /// From the average of a week, in logarithms.
    apart: f64,
}

impl Watch {
    /// What the history up to the day before `end` has not shown; `None` while there are less than three days.
    pub(super) fn learn(levels: &Levels<'_>, end: Position, rung: Ladder) -> Option<Self> {
        let day = levels.day();
        if rung < Ladder::Daily || end < DAYS_MIN * day {
            return None;
        }
        // Not a whole hour, so that every minute of it is met.
        let stride = if day > 24 { day / 24 + 1 } else { 1 };
        let later = LASTS * width_of(levels);
        let mut highest: f64 = 0.0;
        let mut at = 2 * day;
        while at < end - day {
            if let Some(hour) = Hour::new(levels, at, rung)
                && hour.deviation.abs() > highest
                && !Hour::new(levels, at + later, rung).is_some_and(|then| then.apart / hour.deviation > 0.5)
            {
                highest = hour.deviation.abs();
            }
            at += stride;
        }
        Some(Self { threshold: (MARGIN * highest).max(LEAST) })
    }

    /// Whether the mean of the hour up to `position` is so near to the one a day before that no other could tell of a
    /// change: a deviation is from the nearest of several, and of the mean and the median whichever is nearer. Spares
    /// most hours the look at a week.
    fn is_as_yesterday(self, levels: &Levels<'_>, position: Position) -> bool {
        let width = width_of(levels);
        let apart = levels.mean(levels.days_before(position, 1), width).zip(levels.mean(position, width));
        apart.is_some_and(|(before, now)| (LOG.enter(now) - LOG.enter(before)).abs() < self.threshold)
    }

    /// The first change of the last week, if its level still stands.
    pub(super) fn standing(self, levels: &Levels<'_>, rung: Ladder) -> Option<Shift> {
        let (end, day) = (levels.newest(), levels.day());
        let stride = usize::try_from((day / 24).max(1)).unwrap_or(1);
        let mut hours = (end - WEEK * day..=end).rev().step_by(stride).collect::<Vec<_>>();
        hours.reverse();
        let first =
            hours.into_iter().filter(|at| *at > 2 * day).find_map(|at| self.shift(levels, at, rung))?;
        let factor = factor_since(levels, first.from)?;
        let stands = factor.ln() / first.factor.ln() > 0.5;
        (stands && (FACTORS.0..=FACTORS.1).contains(&factor)).then_some(Shift { factor, ..first })
    }

    /// The change that the hour up to `position` shows.
    pub(super) fn shift(self, levels: &Levels<'_>, position: Position, rung: Ladder) -> Option<Shift> {
        if self.is_as_yesterday(levels, position) {
            return None;
        }
        let hour = Hour::new(levels, position, rung)?;
        if hour.deviation.abs() < self.threshold || hour.usual <= 0.0 {
            return None;
        }
        let factor = hour.now / hour.usual;
        if !(FACTORS.0..=FACTORS.1).contains(&factor) {
            return None;
        }
        // Half of the way there in logarithms.
        let middle = factor.sqrt();
        let mut from = position;
        while from > position - levels.day() {
            let Some(before) = levels.reading(from - 1) else { break };
            let Some(usual) = usual(levels, from - 1, 1) else { break };
            if (before > usual * middle) != (factor > 1.0) {
                break;
            }
            from -= 1;
        }
        Some(Shift { from, factor })
    }
}

/// The newest day, or what there is of it since `from`, against the mean of the same hours on the days before `from`.
fn factor_since(levels: &Levels<'_>, from: Position) -> Option<f64> {
    let newest = levels.newest();
    let (mut now, mut usual) = (0.0, 0.0);
    for position in from.max(newest - levels.day() + 1)..=newest {
        let Some(level) = levels.reading(position) else { continue };
        let (mut sum, mut seen) = (0.0, 0);
        let before = (1..=14).map(|days| levels.days_before(position, days)).filter(|at| *at < from).take(7);
        for earlier in before.filter_map(|at| levels.reading(at)) {
            sum += earlier;
            seen += 1;
        }
        if seen > 0 {
            now += level;
            usual += sum / ratio(seen, 1);
        }
    }
    (usual > 0.0).then_some(now / usual)
}

/// How many levels count as an hour.
fn width_of(levels: &Levels<'_>) -> Position {
    (levels.day() / 24).clamp(3, 12)
}

impl Hour {
    fn new(levels: &Levels<'_>, position: Position, rung: Ladder) -> Option<Self> {
        let width = width_of(levels);
        let mut last = [0.0; WIDEST];
        let mut seen = 0;
        for (slot, value) in last.iter_mut().zip((0..width).filter_map(|n| levels.reading(position - n))) {
            *slot = value;
            seen += 1;
        }
        if seen < 3 {
            return None;
        }
        let now = median(last.get_mut(..seen).unwrap_or_default());
        let on_average = usual(levels, position, width)?;
        let yesterday = levels.mean(levels.days_before(position, 1), width).unwrap_or(on_average);
        let last_week =
            if rung >= Ladder::Weekly { levels.mean(levels.days_before(position, 7), width) } else { None };
        let mut all = [yesterday, last_week.unwrap_or(on_average), on_average];
        let low = all.into_iter().fold(f64::INFINITY, f64::min);
        let high = all.into_iter().fold(0.0, f64::max);
        // The mean is what earlier hours are told by, but one reading makes it; of the two the one that says less.
        let mean = levels.mean(position, width)?;
        let beyond = |now: f64| now - now.clamp(low, high);
        let judged = if beyond(now).abs() < beyond(mean).abs() { now } else { mean };
        let apart = |from: f64| LOG.enter(judged) - LOG.enter(from);
        let deviation = if beyond(now) * beyond(mean) > 0.0 { apart(judged.clamp(low, high)) } else { 0.0 };
        Some(Self { now, usual: median(&mut all), deviation, apart: apart(on_average) })
    }
}

/// The mean over a week of days of the `width` levels that end with `position`.
fn usual(levels: &Levels<'_>, position: Position, width: Position) -> Option<f64> {
    let (mut sum, mut seen) = (0.0, 0);
    for mean in (1..=7).filter_map(|days| levels.mean(levels.days_before(position, days), width)) {
        sum += mean;
        seen += 1;
    }
    (seen > 0).then(|| sum / ratio(seen, 1))
}
