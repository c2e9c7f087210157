//! A season of its own length, found in the data: a batch every five hours, a shift of four days.
//!
//! What the day (and the class of weekday) leaves of the levels is correlated with itself: the first length at which it
//! repeats nearly as well as at any is the candidate. It is looked for in the older three quarters of the history, where
//! it must have been seen twice, and used only where it halves none of the truth away: on the newest quarter, which it
//! was not found in, its repetition must err clearly less than the day alone (I28). The autocorrelation as in Box and
//! Jenkins 1970, chapter 2; the confirmation is ours.

use super::features::{FEATURES, Ladder, Row, at};
use super::kernels::{correlations, float, ratio};
use super::levels::{Levels, Position};
use crate::series::median;

/// Most points that are correlated, and with them most lengths: 20 minutes for four weeks of five.
const POINTS_MAX: usize = 2048;

/// Shortest length, in points: below, neighbouring levels say it.
const LENGTH_MIN: usize = 4;

/// How well what is left of the levels must repeat: noise of a thousand points repeats to a tenth by chance.
const REPEATS: f64 = 0.25;

/// A shorter length is taken for the season where it repeats this part as well as the best: of its multiples each
/// repeats alike.
const AS_WELL: f64 = 0.85;

/// What of the error of the day the season must leave at most on days that it was not found in.
const CONFIRMED: f64 = 0.8;

/// Repetitions that are looked back at.
const TIMES: usize = 3;

/// Readings beyond this multiple of the usual deviation count as it: one wild one repeats with itself only.
const WILD: f64 = 6.0;

/// The length of a season of `levels` up to `end` beside day and week, in blocks; `None` when none was seen twice and
/// confirmed.
pub(super) fn find(levels: &Levels<'_>, end: Position, rung: Ladder) -> Option<Position> {
    let n = usize::try_from(end + 1).ok()?;
    let known = n - n / 4;
    let rest = rest(levels, (n, known), rung);
    let older = rest.get(..known)?;
    let width = known.div_ceil(POINTS_MAX).max(1);
    let coarse: Vec<f64> =
        older.chunks(width).map(|chunk| chunk.iter().sum::<f64>() / float(chunk.len())).collect();
    let hour = (levels.day() / 24).max(1);
    let week = 7 * levels.day();
    let is_known = |length: Position| {
        let nearly = length / 200 + Position::try_from(width).unwrap_or(1);
        let from_week = (length + nearly).rem_euclid(week);
        hour % length == 0 || (rung >= Ladder::Weekly && from_week <= 2 * nearly)
    };
    let of_points = |points: usize| position(points * width).max(1);
    let repeated = candidate(&correlations(&coarse, coarse.len() / 2), |points| is_known(of_points(points)))?;
    let length = finer(older, repeated * width, width)?;
    (!is_known(position(length)) && confirmed(&rest, known, length)).then(|| position(length))
}

/// What the usual day leaves of the first `n` levels, the usual day being that of the first `known`; 0 where nothing
/// was read.
fn rest(levels: &Levels<'_>, (n, known): (usize, usize), rung: Ladder) -> Vec<f64> {
    let day = usize::try_from(levels.day()).unwrap_or(1).max(1);
    let place = |i: usize| {
        let weekend = rung >= Ladder::Weekly && levels.is_weekend(position(i));
        if rung < Ladder::Daily { 0 } else { i % day + if weekend { day } else { 0 } }
    };
    let read: Vec<Option<(usize, f64)>> =
        (0..n).map(|i| Some((place(i), levels.value(position(i))?))).collect();
    let mut seen = vec![Vec::new(); 2 * day];
    for (place, value) in read.iter().take(known).flatten() {
        if let Some(values) = seen.get_mut(*place) {
            values.push(*value);
        }
    }
    // Medians: a mean of few days holds a share of each batch that ran then, and that share comes again each day.
    let usual: Vec<f64> = seen.iter_mut().map(|values| median(values)).collect();
    let of_day = |(place, value): (usize, f64)| value - usual.get(place).copied().unwrap_or(0.0);
    let mut rest: Vec<f64> = read.into_iter().map(|read| read.map_or(0.0, of_day)).collect();
    let most = WILD * size(&rest);
    for value in &mut rest {
        *value = value.clamp(-most, most);
    }
    rest
}

fn position(i: usize) -> Position {
    Position::try_from(i).unwrap_or(Position::MAX)
}

/// The mean size of the values.
fn size(values: &[f64]) -> f64 {
    values.iter().map(|value| value.abs()).sum::<f64>() / float(values.len().max(1))
}

/// The first length at which a row repeats nearly as well as at its best, by its correlation with itself at each
/// length; none that is known without.
fn candidate(correlations: &[f64], is_known: impl Fn(usize) -> bool) -> Option<usize> {
    let mut lowest = f64::INFINITY;
    let mut peaks: Vec<(usize, f64)> = Vec::new();
    for (length, around) in correlations.windows(3).enumerate() {
        let [before, here, after] = *around else { continue };
        lowest = lowest.min(before);
        let is_peak = here >= before && here >= after && length + 1 >= LENGTH_MIN;
        if is_peak && here >= REPEATS && here - lowest >= REPEATS && !is_known(length + 1) {
            peaks.push((length + 1, here));
        }
    }
    let best = peaks.iter().map(|(_, height)| *height).fold(0.0, f64::max);
    peaks.into_iter().find(|(_, height)| *height >= AS_WELL * best).map(|(length, _)| length)
}

/// The length within `width` of `about` at which `rest` repeats best.
fn finer(rest: &[f64], about: usize, width: usize) -> Option<usize> {
    let repeats = |length: usize| {
        let later = rest.get(length..).unwrap_or_default();
        later.iter().zip(rest).map(|(a, b)| a * b).sum::<f64>() / float(later.len().max(1))
    };
    let near = about.saturating_sub(width).max(2)..=about + width;
    near.map(|length| (length, repeats(length))).max_by(|a, b| a.1.total_cmp(&b.1)).map(|(length, _)| length)
}

/// Whether the mean of earlier repetitions errs clearly less from `known` on than the day alone, and than the mean of
/// what was known as long before: a new level repeats at every length.
fn confirmed(rest: &[f64], known: usize, length: usize) -> bool {
    let (mut by_season, mut by_day, mut by_level) = (0.0, 0.0, 0.0);
    let mut window = 0.0;
    for (i, value) in rest.iter().enumerate().skip(length) {
        let at = |back: usize| rest.get(i.checked_sub(back)?).copied();
        window += at(length).unwrap_or(0.0) - at(2 * length).unwrap_or(0.0);
        if i < known {
            continue;
        }
        let earlier = (1..=TIMES).filter_map(|times| at(times * length));
        let (sum, seen) = earlier.fold((0.0, 0_u32), |(sum, seen), value| (sum + value, seen + 1));
        if seen > 0 {
            by_season += (value - sum / f64::from(seen)).abs();
            by_day += value.abs();
            by_level += (value - window / float(length)).abs();
        }
    }
    by_day > 0.0 && by_season <= CONFIRMED * f64::min(by_day, by_level)
}

/// Levels one, two and three times `length` before `target`, newest first, none after `last`.
fn earlier(
    levels: &Levels<'_>,
    (last, target): (Position, Position),
    length: Position,
) -> ([Option<f64>; TIMES], Position) {
    let first = ((target - last + length - 1) / length).max(1);
    let mut found = [None; TIMES];
    for (slot, times) in found.iter_mut().zip(first..) {
        *slot = levels.value(target - times * length);
    }
    (found, target - first * length)
}

fn mean_of(values: [Option<f64>; TIMES]) -> Option<f64> {
    let (sum, seen) = values.iter().flatten().fold((0.0, 0), |(sum, seen), value| (sum + value, seen + 1));
    (seen > 0).then(|| sum / ratio(seen, 1))
}

/// What the season says of the present: its level one season ago, and the mean of three.
pub(super) fn present(levels: &Levels<'_>, origin: Position, length: Position, base: f64) -> [f64; 2] {
    let (found, _) = earlier(levels, (origin, origin), length);
    let mean = mean_of(found).unwrap_or(base);
    let [newest, ..] = found;
    [newest.unwrap_or(mean), mean]
}

/// The row of the levels `x` with what the season says in place of what weeks and hours say.
pub(super) fn row(
    levels: &Levels<'_>,
    (last, target): (Position, Position),
    length: Position,
    (x, base): (&[f64; FEATURES], f64),
    now: [f64; 2],
) -> Row {
    let (found, newest_at) = earlier(levels, (last, target), length);
    let mean = mean_of(found).unwrap_or(base);
    let [first, second, third] = found.map(|level| level.unwrap_or(mean));
    let smooth = levels.mean((newest_at + 1).min(last), 3).unwrap_or(mean);
    let [newest_now, mean_now] = now;
    let mut x = *x;
    let said = [
        (at::WEEK_NOW, newest_now),
        (at::HOURS_NOW, mean_now),
        (at::LAST_WEEK, first),
        (at::WEEKS, second),
        (at::SAME_CLASS, mean),
        (at::HOURS_NEWEST, smooth),
        (at::HOURS_MEAN, third),
    ];
    for (index, level) in said {
        if let Some(slot) = x.get_mut(index) {
            *slot = level;
        }
    }
    let mut row = Row::new(x, base);
    // Errors are large where the season is high.
    let [_, _, _, of_level, ..] = &mut row.z;
    *of_level = mean.abs();
    row
}
