//! Days to a month ahead, for plans: the usual week at the level that demand is going to have.
//!
//! In: a history of four days or more. Out: quantiles of every step to the horizon. Nothing of the newest hours helps at
//! such distances, so that this is no matter of the experts: the logarithm of demand is a season (half hours of the day,
//! of the week once that was seen twice), a level for each day, and what is left. The level goes on as exponential
//! smoothing says, with or without a trend, whichever has foreseen the newer days from the older ones better (Gardner
//! and `McKenzie` 1985 on why a trend must earn its place; ours is a straight line that has to win by a tenth). How far
//! off the level was after one day, two, and so on to two weeks gives its error at any distance; the quantiles add
//! that to what is left within days.

use super::kernels::{count, float, ratio, weighted_quantiles};
use super::levels::Space;
use super::model::BOUND;
use super::quantiles::{LEVELS, N_LEVELS, QuantileForecast, Quantiles};
use crate::calendar::{Offsets, TimeZone, Weekday};
use crate::series::robust_maximum;
use crate::units::{Span, Step, Timestamp};

/// Whole days without which nothing is said: a day seen twice, and as many to measure errors on.
pub const DAYS_MIN: usize = 4;

const DAY_SECONDS: u64 = 86_400;

/// Finest part of a day that has a place of its own.
const BIN: Span = Span::from_minutes(30);

/// The offset of the logarithm, in shares of the mean demand, as for the experts.
const OFFSET: f64 = 0.3;

/// Weights of the newest day in a level: from the last day alone to the mean of a month.
const MEMORIES: [f64; 5] = [0.9, 0.6, 0.3, 0.12, 0.03];

/// A trend is followed where it errs less than this part of what standing still errs: of thirty days nearly all have
/// one by chance.
const TREND_EARNS: f64 = 0.9;

/// Days ahead that errors of the level are measured for.
const MEASURED_DAYS: usize = 14;

/// The variance of the level's error is taken to be so many times what was measured: a month holds few independent
/// fortnights, and the best of ten rules looks better than it is. At 1 the .9 quantile of a random walk covers 0.83
/// four weeks ahead.
const CAUTION: f64 = 1.3;

/// Quantiles of the normal distribution at [`LEVELS`].
const NORMAL: [f64; N_LEVELS] = [
    -2.326_35, -1.644_85, -1.281_55, -0.674_49, 0.0, 0.674_49, 1.281_55, 1.644_85, 2.326_35, 2.575_83,
    3.090_23,
];

/// Demand over `n_steps` steps after the newest of `samples`, which rise in time; `None` when they span less than
/// [`DAYS_MIN`] days.
///
/// Announced events are no part of it: multiply with [`QuantileForecast::times`].
pub fn days_ahead(
    samples: &[(Timestamp, f64)],
    (step, n_steps): (Step, usize),
    zone: TimeZone,
) -> Option<QuantileForecast> {
    let usual = Usual::learn(samples, (step, n_steps), zone)?;
    let left = usual.left(samples);
    let mut values: Vec<f64> = samples.iter().map(|(_, value)| *value).collect();
    let bound = BOUND * robust_maximum(&mut values);
    let steps = (0..n_steps).map(|i| {
        let at = usual.time(i);
        let ahead = usual.days_to(at);
        let centre = usual.course.level(ahead) + usual.season(at);
        let apart = usual.course.variance(ahead);
        let mut raw = [0.0; N_LEVELS];
        for ((value, left), normal) in raw.iter_mut().zip(left).zip(NORMAL) {
            // Independent errors: where both are normal this is exact.
            let own = if left * normal >= 0.0 { left } else { 0.0 };
            let size = (own * own + normal * normal * apart).sqrt();
            *value = usual.space.leave(centre + size.copysign(normal)).min(bound);
        }
        Quantiles::sorted(raw)
    });
    Some(QuantileForecast { newest: usual.end.minus(step.span()), step, steps: steps.collect() })
}

/// One course that demand may take over `n_steps` steps after the newest of `samples`, with all its noise: the days
/// held, again and again, each at the level that is expected. `None` as for [`days_ahead`]. Announced events are no part
/// of it.
pub fn days_to_come(
    samples: &[(Timestamp, f64)],
    (step, n_steps): (Step, usize),
    zone: TimeZone,
) -> Option<Vec<(Timestamp, f64)>> {
    let usual = Usual::learn(samples, (step, n_steps), zone)?;
    let days = usual.history.days;
    // Whole weeks, so that weekdays stay.
    let repeated = if days < 7 { days } else { days / 7 * 7 };
    let step_at = |i: usize| {
        let at = usual.time(i);
        let ahead = usual.days_to(at);
        let back = count(ahead).div_ceil(repeated) * repeated;
        let source = usual.history.clock.offsets.days_before(at, u32::try_from(back).unwrap_or(u32::MAX));
        let next = samples.partition_point(|(sampled, _)| *sampled <= source);
        let value = samples.get(next.max(1) - 1)?.1;
        let then = usual.level_before(source)?;
        Some((at, usual.space.leave(usual.space.enter(value) + usual.course.level(ahead) - then)))
    };
    (0..n_steps).map(step_at).collect()
}

/// A history taken apart, and how its level goes on.
struct Usual {
    step: Step,
    /// Of the newest step.
    end: Timestamp,
    space: Space,
    history: History,
    parts: Parts,
    course: Course,
}

impl Usual {
    fn learn(samples: &[(Timestamp, f64)], (step, n_steps): (Step, usize), zone: TimeZone) -> Option<Self> {
        let (oldest, newest) = (samples.first()?.0, samples.last()?.0.floor_to(step));
        let end = newest.plus(step.span());
        let mean = samples.iter().map(|(_, value)| value).sum::<f64>() / float(samples.len());
        let space = Space::Log { offset: OFFSET * if mean > 0.0 { mean } else { 1.0 } };
        let offsets = zone.offsets(oldest, end.plus(times(step.span(), n_steps)));
        let history = History::new(samples, end, Clock::new(step, offsets), space)?;
        let parts = Parts::learn(&history);
        let course = Course::learn(&parts.levels);
        Some(Self { step, end, space, history, parts, course })
    }

    /// The start of the `i`th step ahead, from 0.
    fn time(&self, i: usize) -> Timestamp {
        self.end.plus(times(self.step.span(), i))
    }

    /// In which day ahead an instant lies, from 1.
    fn days_to(&self, at: Timestamp) -> f64 {
        ratio(i64::try_from(at.since(self.end).seconds() / DAY_SECONDS).unwrap_or(0) + 1, 1)
    }

    fn season(&self, at: Timestamp) -> f64 {
        self.parts.season.get(self.history.clock.place(at)).copied().unwrap_or(0.0)
    }

    /// The level of the day before the end that an instant lies in.
    fn level_before(&self, at: Timestamp) -> Option<f64> {
        let back = (self.end.since(at).seconds().max(1) - 1) / DAY_SECONDS;
        self.parts.levels.iter().rev().nth(usize::try_from(back).ok()?).copied()
    }

    /// Quantiles of what season and level leave of the samples, at [`LEVELS`].
    fn left(&self, samples: &[(Timestamp, f64)]) -> [f64; N_LEVELS] {
        let mut left: Vec<(f64, f64)> = samples
            .iter()
            .filter_map(|(at, value)| {
                Some((self.space.enter(*value) - self.season(*at) - self.level_before(*at)?, 1.0))
            })
            .collect();
        // A mean of few lies nearer to each of them than to the next one.
        let share = 1.0 / self.parts.seen.max(2.0);
        let wider = ((1.0 + share) / (1.0 - share)).sqrt();
        weighted_quantiles(&mut left, &LEVELS).map(|value| value * wider)
    }
}

fn times(span: Span, n: usize) -> Span {
    Span::from_millis(span.millis().saturating_mul(u64::try_from(n).unwrap_or(u64::MAX)))
}

/// Where an instant stands in the local week.
struct Clock {
    offsets: Offsets,
    bin: Span,
    per_day: usize,
}

impl Clock {
    fn new(step: Step, offsets: Offsets) -> Self {
        let seconds = BIN.seconds().max(u64::from(step.seconds())).min(DAY_SECONDS);
        let per_day = DAY_SECONDS.div_ceil(seconds).max(1);
        Self { offsets, bin: Span::from_seconds(seconds), per_day: usize::try_from(per_day).unwrap_or(1) }
    }

    /// The bin of the local week.
    fn place(&self, at: Timestamp) -> usize {
        let day = match self.offsets.weekday(at) {
            Weekday::Monday => 0,
            Weekday::Tuesday => 1,
            Weekday::Wednesday => 2,
            Weekday::Thursday => 3,
            Weekday::Friday => 4,
            Weekday::Saturday => 5,
            Weekday::Sunday => 6,
        };
        let within = u64::from(self.offsets.second_of_day(at)) / self.bin.seconds().max(1);
        day * self.per_day + usize::try_from(within).unwrap_or(0).min(self.per_day - 1)
    }
}

/// Means over the bins of whole days up to the end, oldest first.
struct History {
    clock: Clock,
    /// Place in the week and level in the space of the model; `None` where nothing was read.
    bins: Vec<(usize, Option<f64>)>,
    days: usize,
}

impl History {
    fn new(samples: &[(Timestamp, f64)], end: Timestamp, clock: Clock, space: Space) -> Option<Self> {
        let bin = clock.bin.millis().max(1);
        let back =
            |at: Timestamp| usize::try_from((end.since(at).millis().max(1) - 1) / bin).unwrap_or(usize::MAX);
        let days = (back(samples.first()?.0) + 1) / clock.per_day;
        if days < DAYS_MIN {
            return None;
        }
        let mut sums = vec![(0.0, 0_u32); days * clock.per_day];
        for (at, value) in samples {
            if let Some((sum, seen)) = sums.get_mut(back(*at)) {
                *sum += value;
                *seen += 1;
            }
        }
        let mut bins: Vec<(usize, Option<f64>)> = (1..)
            .zip(sums)
            .map(|(n, (sum, seen))| {
                // The middle of the bin, so that its place does not hang on a second.
                let middle = end.minus(times(clock.bin, n)).plus(Span::from_millis(bin / 2));
                (clock.place(middle), (seen > 0).then(|| space.enter(sum / f64::from(seen))))
            })
            .collect();
        bins.reverse();
        Some(Self { clock, bins, days })
    }
}

/// A history taken apart.
struct Parts {
    /// By place in the week.
    season: Vec<f64>,
    /// By day, oldest first.
    levels: Vec<f64>,
    /// How many times each place was seen, on average.
    seen: f64,
}

impl Parts {
    fn learn(history: &History) -> Self {
        let per_day = history.clock.per_day;
        let weekly = history.days >= 14;
        let place = |place: usize| if weekly { place } else { place % per_day };
        let width = if weekly { 7 } else { 1 };
        let mut season = vec![0.0; 7 * per_day];
        // The mean of a whole week around each day is free of weekdays; the season it gives frees days of them.
        let mut levels = around(&levels_of(history, &season), width);
        for _ in 0..2 {
            let mut sums = vec![(0.0, 0_u32); 7 * per_day];
            for (day, level) in history.bins.chunks(per_day).zip(&levels) {
                for (at, value) in day {
                    if let (Some((sum, seen)), Some(value)) = (sums.get_mut(place(*at)), value) {
                        *sum += value - level;
                        *seen += 1;
                    }
                }
            }
            for (at, slot) in season.iter_mut().enumerate() {
                let (sum, seen) = sums.get(place(at)).copied().unwrap_or((0.0, 0));
                *slot = if seen > 0 { sum / f64::from(seen) } else { 0.0 };
            }
            levels = levels_of(history, &season);
        }
        Self { season, levels, seen: float(history.days) / if weekly { 7.0 } else { 1.0 } }
    }
}

/// The mean of each day without its season; a day without a reading has that of the day before.
fn levels_of(history: &History, season: &[f64]) -> Vec<f64> {
    let mut levels: Vec<f64> = Vec::with_capacity(history.days);
    for day in history.bins.chunks(history.clock.per_day) {
        let rest = day.iter().filter_map(|(at, value)| Some((*value)? - season.get(*at)?));
        let (sum, seen) = rest.fold((0.0, 0_u32), |(sum, seen), value| (sum + value, seen + 1));
        let before = levels.last().copied().unwrap_or(0.0);
        levels.push(if seen > 0 { sum / f64::from(seen) } else { before });
    }
    levels
}

/// The mean of the `width` days around each, whole windows only.
fn around(levels: &[f64], width: usize) -> Vec<f64> {
    let last = levels.len().saturating_sub(width);
    let mean = |day: usize| {
        let first = day.saturating_sub(width / 2).min(last);
        let window = levels.get(first..first + width).unwrap_or(levels);
        window.iter().sum::<f64>() / float(window.len().max(1))
    };
    (0..levels.len()).map(mean).collect()
}

/// Days ahead, and how far off the level was.
type Error = (f64, f64);

/// How the level goes on.
#[derive(Clone, Copy, Debug)]
struct Rule {
    memory: f64,
    trend: bool,
}

/// A level and a slope, and how old on average what the level was made of is, in days.
#[derive(Clone, Copy, Debug)]
struct Line {
    level: f64,
    slope: f64,
    age: f64,
}

impl Line {
    /// Of the days up to the present.
    fn of(levels: &[f64], rule: Rule) -> Self {
        let (mut level, mut age, mut total, mut weight) = (0.0, 0.0, 0.0, 1.0);
        for (back, value) in levels.iter().rev().enumerate() {
            level += weight * value;
            age += weight * float(back);
            total += weight;
            weight *= 1.0 - rule.memory;
        }
        let slope = if rule.trend { slope(levels) } else { 0.0 };
        let total = f64::max(total, f64::MIN_POSITIVE);
        Self { level: level / total, slope, age: age / total }
    }

    fn at(&self, ahead: f64) -> f64 {
        self.level + self.slope * (self.age + ahead)
    }
}

/// The slope of the least squares, for each day.
fn slope(levels: &[f64]) -> f64 {
    let n = float(levels.len());
    let (middle, mean) = ((n - 1.0) / 2.0, levels.iter().sum::<f64>() / n.max(1.0));
    let (mut product, mut squares) = (0.0, 0.0);
    for (day, level) in levels.iter().enumerate() {
        let from = float(day) - middle;
        product += from * (level - mean);
        squares += from * from;
    }
    if squares > 0.0 { product / squares } else { 0.0 }
}

/// The level of coming days, and how far off it will be.
struct Course {
    line: Line,
    /// The variance of the error is `fixed + growing * days ^ power`.
    fixed: f64,
    growing: f64,
    power: f64,
}

impl Course {
    fn learn(levels: &[f64]) -> Self {
        let mut best: Option<(f64, Rule, Vec<Error>)> = None;
        for trend in [false, true] {
            for memory in MEMORIES {
                let rule = Rule { memory, trend };
                let errors = errors(levels, rule);
                let size: f64 = errors.iter().map(|(_, error)| error.abs()).sum();
                let judged = if trend { size / TREND_EARNS } else { size };
                if best.as_ref().is_none_or(|(least, ..)| judged < *least) {
                    best = Some((judged, rule, errors));
                }
            }
        }
        let (rule, errors) =
            best.map_or((Rule { memory: 0.3, trend: false }, Vec::new()), |(_, rule, errors)| (rule, errors));
        // A random walk drifts off by its variance each day; a slope that is wrong, by the square of the days.
        let power = if rule.trend { 1.5 } else { 1.0 };
        let (fixed, growing) = variances(&errors, power);
        Self { line: Line::of(levels, rule), fixed, growing, power }
    }

    fn level(&self, ahead: f64) -> f64 {
        self.line.at(ahead)
    }

    fn variance(&self, ahead: f64) -> f64 {
        CAUTION * (self.fixed + self.growing * ahead.powf(self.power))
    }
}

/// Days ahead and error of every forecast of a known level from the days before.
fn errors(levels: &[f64], rule: Rule) -> Vec<Error> {
    let mut errors = Vec::new();
    for origin in (levels.len() / 3).max(2)..levels.len() {
        let Some((before, after)) = levels.split_at_checked(origin) else { continue };
        let line = Line::of(before, rule);
        for (ahead, level) in (1..=MEASURED_DAYS).zip(after) {
            errors.push((float(ahead), level - line.at(float(ahead))));
        }
    }
    errors
}

/// The straight line through the squares of errors over `days ^ power`, neither part negative.
fn variances(errors: &[Error], power: f64) -> (f64, f64) {
    let (mut n, mut sum, mut squares, mut of_errors, mut product) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (ahead, error) in errors {
        let (x, y) = (ahead.powf(power), error * error);
        n += 1.0;
        sum += x;
        squares += x * x;
        of_errors += y;
        product += x * y;
    }
    let spread = n * squares - sum * sum;
    if spread <= 0.0 {
        return (of_errors / f64::max(n, 1.0), 0.0);
    }
    let growing = (n * product - sum * of_errors) / spread;
    let fixed = (of_errors - growing * sum) / n;
    if growing < 0.0 {
        (of_errors / n, 0.0)
    } else if fixed < 0.0 {
        (0.0, product / squares)
    } else {
        (fixed, growing)
    }
}
