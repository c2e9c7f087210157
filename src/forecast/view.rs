//! The present seen through a model: the features of one origin, and quantiles for any step after it.

use super::combine::{Opinions, pool};
use super::experts::{ALL, EXPERTS, LOG};
use super::features::{Ladder, Origin};
use super::levels::{Levels, Position};
use super::model::{Knot, Model};
use super::quantiles::{N_LEVELS, Quantiles};
use crate::calendar::TimeZone;
use crate::series::{Series, Slot};

/// A departure from the line through the blocks counts from this share of the level on: below it the two days agree
/// too often by chance, and the quantiles cover it anyhow.
const SHAPE_MIN: f64 = 0.05;

/// One origin.
pub(super) struct View<'a> {
    model: &'a Model,
    linear: Levels,
    log: Levels,
    linear_origin: Origin,
    log_origin: Origin,
    factor: Position,
    series: &'a Series,
    last: Slot,
}

impl<'a> View<'a> {
    /// The view at the slot `last`, which sees nothing later. `None` when nothing was read in the day before it.
    pub(super) fn new(model: &'a Model, series: &'a Series, last: Slot, zone: TimeZone) -> Option<Self> {
        let day = usize::try_from(86_400_000 / series.block_span().millis().max(1)).unwrap_or(1) + 1;
        let days = match model.rung {
            Ladder::Reactive | Ladder::ColdStart => 1,
            Ladder::Daily => 9 + model.days_ahead(),
            Ladder::Weekly => 22,
        };
        let linear = Levels::new(series, last, days * day, zone).scaled(model.scale);
        let log = linear.in_space(LOG);
        Some(Self {
            model,
            linear_origin: Origin::new(&linear, linear.newest(), model.rung)?,
            log_origin: Origin::new(&log, log.newest(), model.rung)?,
            linear,
            log,
            factor: i64::from(series.factor()),
            series,
            last,
        })
    }

    /// Demand over each of the steps `first ..= last` after the origin's slot.
    pub(super) fn steps(&self, first: usize, last: usize) -> Vec<Quantiles> {
        let first_block = self.blocks_before(first);
        let last_block = self.blocks_before(last) + 1;
        let blocks: Vec<[f64; N_LEVELS]> = (first_block..=last_block).map(|k| self.block(k)).collect();
        (first..=last)
            .map(|step| {
                let below = self.blocks_before(step);
                let at = usize::try_from(below - first_block).unwrap_or(0);
                let low = blocks.get(at).copied().unwrap_or([0.0; N_LEVELS]);
                let high = blocks.get(at + 1).copied().unwrap_or(low);
                let share = self.share_after(step, below);
                let shape = self.shape_within_block(step, below, share) / self.model.scale;
                self.finish(&blend(&low, &high, share).map(|value| value + shape))
            })
            .collect()
    }

    /// What a step rises above or falls below the line through its blocks, as yesterday and the day before agree: a
    /// ramp that begins at the same minute each day is steeper than means over blocks can tell. Zero where the two
    /// days differ in sign, where either was not read, and where the difference is no more than noise.
    fn shape_within_block(&self, step: usize, below: Position, share: f64) -> f64 {
        if self.factor == 1 || self.model.rung < Ladder::Daily {
            return 0.0;
        }
        let (Ok(ahead), day) =
            (Slot::try_from(step), 86_400_000 / self.series.step().span().millis().cast_signed())
        else {
            return 0.0;
        };
        let departure = |days: Slot| {
            let origin = self.last - days * day;
            let fine = self.series.sample(origin + ahead).reading()?;
            let low = self.series.level(origin + below * self.factor).reading()?;
            let high = self.series.level(origin + (below + 1) * self.factor).reading()?;
            let line = low + share * (high - low);
            Some((fine - line, line))
        };
        let (Some((first, line)), Some((second, _))) = (departure(1), departure(2)) else { return 0.0 };
        let agreed = first.abs().min(second.abs());
        // Means over a block of counts scatter by the root of the level; twice that is no accident on both days.
        if first * second <= 0.0 || agreed < SHAPE_MIN * line.max(0.0) { 0.0 } else { agreed.copysign(first) }
    }

    /// The last block whose middle is not after the middle of `step`, at least the first.
    ///
    /// Block `k` covers the steps `(k - 1) factor + 1 ..= k factor`; its middle is `k factor - (factor - 1) / 2`.
    fn blocks_before(&self, step: usize) -> Position {
        let step = Position::try_from(step).unwrap_or(Position::MAX / 4);
        ((2 * step + self.factor - 1).div_euclid(2 * self.factor)).max(1)
    }

    /// How far the middle of `step` is on the way from the middle of block `below` to that of the next: 0 .. 1.
    fn share_after(&self, step: usize, below: Position) -> f64 {
        let twice = 2 * Position::try_from(step).unwrap_or(0) - (2 * below * self.factor - self.factor + 1);
        (ratio(twice, 2 * self.factor)).clamp(0.0, 1.0)
    }

    /// Demand over the `ahead`th block after the origin, in units of the model's scale.
    fn block(&self, ahead: Position) -> [f64; N_LEVELS] {
        let rung = self.model.rung;
        let linear = self.linear_origin.row(&self.linear, ahead, rung);
        let log = self.log_origin.row(&self.log, ahead, rung);
        let at = |knot: &Knot| {
            let mut opinions: Opinions = [None; EXPERTS];
            for ((slot, member), expert) in opinions.iter_mut().zip(&knot.members).zip(&ALL) {
                let row = if expert.log { &log } else { &linear };
                *slot = member.as_ref().map(|member| member.quantiles(row, expert.space()));
            }
            pool(&opinions, &knot.weights)
        };
        let knots = &self.model.knots;
        let after = knots.iter().find(|knot| knot.ahead >= ahead).or(knots.last());
        let before = knots.iter().rev().find(|knot| knot.ahead <= ahead).or(knots.first());
        match (before, after) {
            (Some(before), Some(after)) if before.ahead < after.ahead => {
                blend(&at(before), &at(after), ratio(ahead - before.ahead, after.ahead - before.ahead))
            }
            (Some(only), _) => at(only),
            _ => [0.0; N_LEVELS],
        }
    }

    /// In demand, within bounds, rising.
    fn finish(&self, raw: &[f64; N_LEVELS]) -> Quantiles {
        let bound = self.model.bound;
        let demand =
            raw.map(|v| if v.is_finite() { (v * self.model.scale).clamp(0.0, bound) } else { bound });
        Quantiles::sorted(demand)
    }
}

fn ratio(a: Position, b: Position) -> f64 {
    let float = |n: Position| f64::from(i32::try_from(n).unwrap_or(i32::MAX));
    float(a) / float(b.max(1))
}

/// `share` of the way from `a` to `b`.
fn blend(a: &[f64; N_LEVELS], b: &[f64; N_LEVELS], share: f64) -> [f64; N_LEVELS] {
    let mut out = *a;
    if share > 0.0 {
        for (value, other) in out.iter_mut().zip(b) {
            *value += share * (other - *value);
        }
    }
    out
}
