//! What a model looks at: recent levels and the same hours of earlier days, all relative to the mean of the last day.
//!
//! After the sketch of the study (`FORECASTING.md`), with gaps, local time and a smoothed profile added.

use super::levels::{Levels, Position};
use crate::series::median;

/// How many features a row has. Unused ones are 0 and get no coefficient.
pub(super) const FEATURES: usize = 25;

/// How many numbers explain the size of the error.
pub(super) const SPREADS: usize = 6;

/// Days that a day profile looks back.
const PROFILE_DAYS: u32 = 7;

/// Hours that an hour profile looks back.
const PROFILE_HOURS: Position = 6;

/// The furthest that a target may lie ahead: a week of silence and a week's horizon, and a day.
pub(super) const AHEAD_DAYS_MAX: u32 = 15;

/// How much of its past a series lets us use (DESIGN 5): each season only once it was seen twice (I28).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Ladder {
    /// Nothing is known yet: no forecast.
    Reactive,
    /// Less than two days: recent levels only.
    ColdStart,
    /// Two days and more: the same hour of earlier days.
    Daily,
    /// Two weeks and more: also the same hour of the same weekday.
    Weekly,
}

impl Ladder {
    /// The rung's name in answers and status.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reactive => "reactive",
            Self::ColdStart => "cold-start",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
        }
    }
}

/// Indices of the features that the fixed experts read.
pub(super) mod at {
    pub(in crate::forecast) const LAST: usize = 0;
    pub(in crate::forecast) const RECENT: usize = 4;
    pub(in crate::forecast) const YESTERDAY: usize = 7;
    pub(in crate::forecast) const MEDIAN: usize = 10;
    pub(in crate::forecast) const PROFILE_NOW: usize = 12;
    pub(in crate::forecast) const LAST_WEEK: usize = 11;
}

/// The features of one target, seen from one origin.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// In the order of `at`, minus `base`.
    pub(super) x: [f64; FEATURES],
    /// The mean of the day up to the origin.
    pub(super) base: f64,
    /// What explains the size of the error: 1 and five sizes, none negative.
    pub(super) z: [f64; SPREADS],
}

/// What of an origin all its targets share.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    position: Position,
    base: f64,
    recent: [f64; 7],
    profile_now: f64,
    yesterday_now: f64,
    yesterday_recent: f64,
    week_now: f64,
    /// The mean of this minute of earlier hours.
    hours_now: f64,
    jitter: f64,
}

impl Origin {
    /// The shared features at `position`; `None` when there is no reading in the day before it.
    pub(super) fn new(levels: &Levels, position: Position, rung: Ladder) -> Option<Self> {
        let day = levels.day();
        let hour = (day / 24).max(2);
        let base = levels.mean(position, day)?;
        let m3 = levels.mean(position, 3).unwrap_or(base);
        let m6 = levels.mean(position, 6).unwrap_or(m3);
        let last = levels.reading(position).unwrap_or(m3);
        let before = levels.reading(position - 1).unwrap_or(last);
        let before2 = levels.reading(position - 2).unwrap_or(before);
        let recent = [
            last,
            before,
            before2,
            m3,
            m6,
            levels.mean(position, hour).unwrap_or(m6),
            levels.mean(position, (day / 4).max(3)).unwrap_or(m6),
        ];
        let mut origin = Self {
            position,
            base,
            recent,
            profile_now: base,
            yesterday_now: base,
            yesterday_recent: base,
            week_now: base,
            hours_now: same_minutes(levels, position, position).mean.unwrap_or(m6),
            jitter: (last - before).abs() + (before - before2).abs(),
        };
        if rung >= Ladder::Daily {
            let days = same_hours(levels, position, position, PROFILE_DAYS);
            origin.profile_now = mean_of(&days).unwrap_or(base);
            let yesterday = levels.days_before(position, 1);
            origin.yesterday_now = levels.value(yesterday).unwrap_or(origin.profile_now);
            origin.yesterday_recent = levels.mean(yesterday, hour).unwrap_or(origin.profile_now);
            origin.week_now = origin.profile_now;
        }
        if rung >= Ladder::Weekly {
            origin.week_now = levels.value(levels.days_before(position, 7)).unwrap_or(origin.profile_now);
        }
        Some(origin)
    }

    /// The features of the target `ahead` levels after the origin.
    pub(super) fn row(&self, levels: &Levels, ahead: Position, rung: Ladder) -> Row {
        let target = self.position + ahead;
        let season = Season::new(levels, self, target, rung);
        let hours = same_minutes(levels, self.position, target);
        let [last, before, before2, m3, m6, hour, quarter] = self.recent;
        let base = self.base;
        let mut x = [
            last,
            before,
            before2,
            m3,
            m6,
            hour,
            quarter,
            season.yesterday,
            season.yesterday_smooth,
            season.mean,
            season.median,
            season.week,
            self.profile_now,
            self.yesterday_now,
            self.yesterday_recent,
            season.low,
            season.high,
            season.mean_smooth,
            season.weeks,
            self.week_now,
            season.same_class,
            base + 1.0,
            hours.newest.unwrap_or(m6),
            hours.mean.unwrap_or(m6),
            self.hours_now,
        ];
        for value in &mut x {
            *value -= base;
        }
        let z = [
            1.0,
            (last - m6).abs(),
            season.high - season.low,
            season.mean.abs(),
            (season.yesterday - season.mean).abs(),
            self.jitter,
        ];
        Row { x, base, z }
    }
}

/// The same hours of earlier days, as far as the rung allows; `base` where nothing is known.
struct Season {
    yesterday: f64,
    yesterday_smooth: f64,
    mean: f64,
    mean_smooth: f64,
    median: f64,
    low: f64,
    high: f64,
    week: f64,
    weeks: f64,
    same_class: f64,
}

impl Season {
    fn new(levels: &Levels, origin: &Origin, target: Position, rung: Ladder) -> Self {
        let base = origin.base;
        let none = Self {
            yesterday: base,
            yesterday_smooth: base,
            mean: base,
            mean_smooth: base,
            median: base,
            low: base,
            high: base,
            week: base,
            weeks: base,
            same_class: base,
        };
        if rung < Ladder::Daily {
            return none;
        }
        let days = same_hours(levels, origin.position, target, PROFILE_DAYS);
        let Some(mean) = mean_of(&days) else { return none };
        let (day, last) = (levels.day(), origin.position);
        let around = (day / 24).max(2);
        let yesterday = levels.days_before(target, first_day(levels, last, target));
        let yesterday_smooth = levels.mean((yesterday + around / 2).min(last), around).unwrap_or(mean);
        let mut newest: Vec<f64> = days.iter().flatten().take(5).copied().collect();
        let mut season = Self {
            yesterday: days.first().copied().flatten().unwrap_or(mean),
            yesterday_smooth,
            mean,
            mean_smooth: smooth_profile(levels, last, target).unwrap_or(mean),
            median: median(&mut newest),
            low: days.iter().flatten().copied().fold(f64::INFINITY, f64::min),
            high: days.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max),
            week: mean,
            weeks: mean,
            same_class: mean,
        };
        if rung >= Ladder::Weekly {
            season.add_week(levels, last, target);
        }
        season
    }

    fn add_week(&mut self, levels: &Levels, last: Position, target: Position) {
        let week = |n: u32| {
            let at = levels.days_before(target, 7 * n);
            if at <= last { levels.value(at) } else { None }
        };
        self.week = week(1).unwrap_or(self.mean);
        self.weeks = mean_of(&[week(1), week(2), week(3)]).unwrap_or(self.mean);
        let offsets = levels.offsets();
        let class = offsets.weekday(levels.time(target)).is_weekend();
        let same: Vec<Option<f64>> = (1..=PROFILE_DAYS)
            .map(|n| levels.days_before(target, n))
            .filter(|&at| at <= last && offsets.weekday(levels.time(at)).is_weekend() == class)
            .map(|at| levels.value(at))
            .collect();
        self.same_class = mean_of(&same).unwrap_or(self.mean);
    }
}

/// How many days before `target` the newest day with a known level at that hour is: 1 up to a day ahead.
fn first_day(levels: &Levels, last: Position, target: Position) -> u32 {
    (1..=AHEAD_DAYS_MAX).find(|&n| levels.days_before(target, n) <= last).unwrap_or(AHEAD_DAYS_MAX)
}

/// Levels at the hour of `target` on `days` earlier days, newest first; never one after `last`.
fn same_hours(levels: &Levels, last: Position, target: Position, days: u32) -> Vec<Option<f64>> {
    let first = first_day(levels, last, target);
    (first..first + days)
        .map(|n| {
            let at = levels.days_before(target, n);
            if at <= last { levels.value(at) } else { None }
        })
        .collect()
}

/// The mean over seven days of half an hour around the hour of `target`.
fn smooth_profile(levels: &Levels, last: Position, target: Position) -> Option<f64> {
    let width = (levels.day() / 48).max(1);
    let first = first_day(levels, last, target);
    let days: Vec<Option<f64>> = (first..first + PROFILE_DAYS)
        .map(|n| levels.mean((levels.days_before(target, n) + width / 2).min(last), width))
        .collect();
    mean_of(&days)
}

fn mean_of(values: &[Option<f64>]) -> Option<f64> {
    let (sum, seen) = values.iter().flatten().fold((0.0, 0_u32), |(sum, seen), v| (sum + v, seen + 1));
    (seen > 0).then(|| sum / f64::from(seen))
}

/// Levels at the minute of `target` in earlier hours: scheduled jobs leave a pattern there.
struct Hours {
    newest: Option<f64>,
    mean: Option<f64>,
}

/// Up to [`PROFILE_HOURS`] earlier hours that were complete at `last`; nothing where blocks are half hours or more.
fn same_minutes(levels: &Levels, last: Position, target: Position) -> Hours {
    let hour = levels.day() / 24;
    if hour < 3 {
        return Hours { newest: None, mean: None };
    }
    // The first whole number of hours that reaches back to `last` or before, at least one.
    let first = ((target - last + hour - 1) / hour).max(1);
    let at = |n: Position| levels.value(target - n * hour);
    let (mut sum, mut seen) = (0.0, 0_u32);
    for value in (first..first + PROFILE_HOURS).filter_map(at) {
        sum += value;
        seen += 1;
    }
    Hours { newest: at(first), mean: (seen > 0).then(|| sum / f64::from(seen)) }
}
