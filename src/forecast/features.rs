//! What a model looks at: recent levels and the same hours of earlier days, all relative to the mean of the last day.
//!
//! After the sketch of the study (`FORECASTING.md`), with gaps, local time and a smoothed profile added. Features are
//! levels; for experts that work on logarithms each is taken to that space by itself.

use super::cycle;
use super::experts::{Expert, LOG, harmonic_row};
use super::levels::{Levels, Position};
use super::shift::Shifts;
use crate::series::median;

/// How many features a row has. Unused ones are 0 and get no coefficient.
pub const FEATURES: usize = 25;

/// How many features all targets of an origin share; they come first.
const SHARED: usize = 12;

/// How many numbers explain the size of the error.
pub(super) const SPREADS: usize = 6;

/// Days that a day profile looks back.
const PROFILE_DAYS: usize = 7;

/// Hours that an hour profile looks back.
const PROFILE_HOURS: Position = 6;

/// The furthest that a target may lie ahead: a week of silence and a week's horizon, and a day.
pub(super) const AHEAD_DAYS_MAX: usize = 15;

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

/// Indices of the features that the fixed experts and the sizes of errors read.
pub(super) mod at {
    pub(in crate::forecast) const LAST: usize = 0;
    pub(in crate::forecast) const BEFORE: usize = 1;
    pub(in crate::forecast) const BEFORE2: usize = 2;
    pub(in crate::forecast) const RECENT: usize = 4;
    pub(in crate::forecast) const AROUND: usize = 5;
    pub(in crate::forecast) const YESTERDAY_RECENT: usize = 9;
    pub(in crate::forecast) const WEEK_NOW: usize = 10;
    pub(in crate::forecast) const HOURS_NOW: usize = 11;
    pub(in crate::forecast) const YESTERDAY: usize = 12;
    pub(in crate::forecast) const MEAN: usize = 14;
    pub(in crate::forecast) const LAST_WEEK: usize = 16;
    pub(in crate::forecast) const LOW: usize = 17;
    pub(in crate::forecast) const HIGH: usize = 18;
    pub(in crate::forecast) const WEEKS: usize = 20;
    pub(in crate::forecast) const SAME_CLASS: usize = 21;
    pub(in crate::forecast) const HOURS_NEWEST: usize = 22;
    pub(in crate::forecast) const HOURS_MEAN: usize = 23;
}

/// The features of one target, seen from one origin, in one space.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Minus `base`; the last is always 1.
    pub(super) x: [f64; FEATURES],
    /// The mean of the day up to the origin.
    pub(super) base: f64,
    /// What explains the size of the error: 1 and five sizes, none negative.
    pub(super) z: [f64; SPREADS],
}

impl Row {
    /// The row of the levels `x`, which are in the space of `base`.
    pub(super) fn new(mut x: [f64; FEATURES], base: f64) -> Self {
        let of = |i: usize| x.get(i).copied().unwrap_or(0.0);
        let [last, before, before2] = [of(at::LAST), of(at::BEFORE), of(at::BEFORE2)];
        let z = [
            1.0,
            (last - of(at::RECENT)).abs(),
            of(at::HIGH) - of(at::LOW),
            of(at::MEAN).abs(),
            (of(at::YESTERDAY) - of(at::MEAN)).abs(),
            (last - before).abs() + (before - before2).abs(),
        ];
        for value in &mut x {
            *value -= base;
        }
        let [.., one] = &mut x;
        *one = 1.0;
        Self { x, base, z }
    }
}

/// The features of one target in both spaces.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    pub(super) linear: Row,
    pub(super) log: Row,
    /// Of demand, with what a season of its own length says; where there is one.
    cycle: Option<Box<Row>>,
    /// Of the logarithm, with waves in place of earlier days; where days may be used.
    harmonic: Option<Box<Row>>,
}

impl Rows {
    /// The row in the space of `expert`.
    pub(super) fn of(&self, expert: &Expert) -> &Row {
        match (&self.cycle, &self.harmonic) {
            (Some(cycle), _) if expert.is_of_cycle() => cycle,
            (_, Some(harmonic)) if expert.is_of_waves() => harmonic,
            _ if expert.log => &self.log,
            _ => &self.linear,
        }
    }
}

/// What of an origin all its targets share.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    position: Position,
    base: f64,
    shared: [f64; SHARED],
    base_log: f64,
    shared_log: [f64; SHARED],
    /// What a season of its own length says of the present.
    cycle: [f64; 2],
    /// In units of the level before it are all features.
    pub(super) shifts: Shifts,
}

impl Origin {
    /// The shared features at `position`; `None` when there is no reading in the day before it.
    pub(super) fn new(levels: &Levels<'_>, position: Position, rung: Ladder) -> Option<Self> {
        let day = levels.day();
        let hour = (day / 24).max(2);
        let base = levels.mean(position, day)?;
        let m3 = levels.mean(position, 3).unwrap_or(base);
        let m6 = levels.mean(position, 6).unwrap_or(m3);
        let last = levels.reading(position).unwrap_or(m3);
        let before = levels.reading(position - 1).unwrap_or(last);
        let before2 = levels.reading(position - 2).unwrap_or(before);
        let around = levels.mean(position, hour).unwrap_or(m6);
        let quarter = levels.mean(position, (day / 4).max(3)).unwrap_or(m6);
        let mut profile_now = base;
        let mut yesterday_now = base;
        let mut yesterday_recent = base;
        let mut week_now = base;
        if rung >= Ladder::Daily {
            profile_now = SameHours::new(levels, position, position).mean().unwrap_or(base);
            let yesterday = levels.days_before(position, 1);
            yesterday_now = levels.value(yesterday).unwrap_or(profile_now);
            yesterday_recent = levels.mean(yesterday, hour).unwrap_or(profile_now);
            week_now = profile_now;
        }
        if rung >= Ladder::Weekly {
            week_now = levels.value(levels.days_before(position, 7)).unwrap_or(profile_now);
        }
        let hours_now = same_minutes(levels, position, position).mean.unwrap_or(m6);
        let shared = [
            last,
            before,
            before2,
            m3,
            m6,
            around,
            quarter,
            profile_now,
            yesterday_now,
            yesterday_recent,
            week_now,
            hours_now,
        ];
        let enter = |level: f64| LOG.enter(level);
        Some(Self {
            shifts: levels.shifts(),
            position,
            base,
            shared,
            base_log: enter(base),
            shared_log: shared.map(enter),
            cycle: levels.cycle().map_or([base; 2], |length| cycle::present(levels, position, length, base)),
        })
    }

    /// The features of the target `ahead` levels after the origin.
    pub(super) fn rows(&self, levels: &Levels<'_>, ahead: Position, rung: Ladder) -> Rows {
        let target = self.position + ahead;
        let season = Season::new(levels, self, target, rung);
        let hours = same_minutes(levels, self.position, target);
        let [_, _, _, _, m6, ..] = self.shared;
        let own = [
            season.yesterday,
            season.yesterday_smooth,
            season.mean,
            season.median,
            season.week,
            season.low,
            season.high,
            season.mean_smooth,
            season.weeks,
            season.same_class,
            hours.newest.unwrap_or(m6),
            hours.mean.unwrap_or(m6),
        ];
        let own_log = own.map(|level| LOG.enter(level));
        let x = join(&self.shared, &own);
        let log = Row::new(join(&self.shared_log, &own_log), self.base_log);
        Rows {
            cycle: levels.cycle().map(|length| {
                let places = (self.position, target);
                Box::new(cycle::row(levels, places, length, (&x, self.base), self.cycle))
            }),
            linear: Row::new(x, self.base),
            harmonic: (rung >= Ladder::Daily)
                .then(|| Box::new(harmonic_row(levels.day_and_week(target), rung, &log))),
            log,
        }
    }

    /// The newest level.
    pub(super) fn last(&self) -> f64 {
        let [last, ..] = self.shared;
        last
    }
}

/// Shared features, then the target's own, then the place of the constant.
fn join(shared: &[f64; SHARED], own: &[f64; FEATURES - SHARED - 1]) -> [f64; FEATURES] {
    let mut x = [0.0; FEATURES];
    for (slot, value) in x.iter_mut().zip(shared.iter().chain(own)) {
        *slot = *value;
    }
    x
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
    fn new(levels: &Levels<'_>, origin: &Origin, target: Position, rung: Ladder) -> Self {
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
        let last = origin.position;
        let days = SameHours::new(levels, last, target);
        let Some(mean) = days.mean() else { return none };
        let around = (levels.day() / 24).max(2);
        let yesterday = levels.days_before(target, days.first);
        let (low, high) = days.range();
        let mut season = Self {
            yesterday: days.newest().unwrap_or(mean),
            yesterday_smooth: levels.mean((yesterday + around / 2).min(last), around).unwrap_or(mean),
            mean,
            mean_smooth: days.smooth(levels, last, target).unwrap_or(mean),
            median: days.median(),
            low,
            high,
            week: mean,
            weeks: mean,
            same_class: mean,
        };
        if rung >= Ladder::Weekly {
            season.add_week(levels, last, target);
        }
        season
    }

    fn add_week(&mut self, levels: &Levels<'_>, last: Position, target: Position) {
        let week = |n: usize| known(levels, last, levels.days_before(target, 7 * n));
        self.week = week(1).unwrap_or(self.mean);
        self.weeks = mean_of([1, 2, 3].map(week)).unwrap_or(self.mean);
        let class = levels.is_weekend(target);
        let mut same = [None; PROFILE_DAYS];
        for (slot, n) in same.iter_mut().zip(1..) {
            let at = levels.days_before(target, n);
            if at <= last && levels.is_weekend(at) == class {
                *slot = levels.value(at);
            }
        }
        self.same_class = mean_of(same).unwrap_or(self.mean);
    }
}

/// The level at `position` unless that is after `last`.
fn known(levels: &Levels<'_>, last: Position, position: Position) -> Option<f64> {
    if position <= last { levels.value(position) } else { None }
}

/// Levels at the hour of a target on earlier days, newest first; never one after the origin.
struct SameHours {
    /// How many days before the target the newest one is: 1 up to a day ahead.
    first: usize,
    levels: [Option<f64>; PROFILE_DAYS],
}

impl SameHours {
    fn new(levels: &Levels<'_>, last: Position, target: Position) -> Self {
        let first =
            (1..=AHEAD_DAYS_MAX).find(|&n| levels.days_before(target, n) <= last).unwrap_or(AHEAD_DAYS_MAX);
        let mut found = [None; PROFILE_DAYS];
        for (slot, n) in found.iter_mut().zip(first..) {
            *slot = known(levels, last, levels.days_before(target, n));
        }
        Self { first, levels: found }
    }

    fn newest(&self) -> Option<f64> {
        let [newest, ..] = self.levels;
        newest
    }

    fn mean(&self) -> Option<f64> {
        mean_of(self.levels)
    }

    /// The median of the newest five that are known.
    fn median(&self) -> f64 {
        let mut newest = [0.0; 5];
        let mut seen = 0;
        for (slot, value) in newest.iter_mut().zip(self.levels.iter().flatten()) {
            *slot = *value;
            seen += 1;
        }
        median(newest.get_mut(..seen).unwrap_or_default())
    }

    fn range(&self) -> (f64, f64) {
        let known = self.levels.iter().flatten().copied();
        known.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    }

    /// The mean over the days of half an hour around the hour of `target`.
    fn smooth(&self, levels: &Levels<'_>, last: Position, target: Position) -> Option<f64> {
        let width = (levels.day() / 48).max(1);
        let mut days = [None; PROFILE_DAYS];
        for (slot, n) in days.iter_mut().zip(self.first..) {
            *slot = levels.mean((levels.days_before(target, n) + width / 2).min(last), width);
        }
        mean_of(days)
    }
}

fn mean_of<const N: usize>(values: [Option<f64>; N]) -> Option<f64> {
    let (sum, seen) = values.iter().flatten().fold((0.0, 0_u32), |(sum, seen), v| (sum + v, seen + 1));
    (seen > 0).then(|| sum / f64::from(seen))
}

/// Levels at the minute of `target` in earlier hours: scheduled jobs leave a pattern there.
struct Hours {
    newest: Option<f64>,
    mean: Option<f64>,
}

/// Up to [`PROFILE_HOURS`] earlier hours that were complete at `last`; nothing where blocks are half hours or more.
fn same_minutes(levels: &Levels<'_>, last: Position, target: Position) -> Hours {
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
