//! The present seen through a model: the features of one origin, and quantiles for any step after it.

use super::experts::LOG;
use super::features::{Ladder, Origin};
use super::levels::{Levels, Position};
use super::model::{BOUND, Knot, Model};
use super::quantiles::{N_LEVELS, Quantiles};
use crate::calendar::TimeZone;
use crate::series::{Series, Slot, median};

/// One origin.
pub(super) struct View<'a> {
    model: &'a Model,
    linear: Levels,
    log: Levels,
    linear_origin: Origin,
    log_origin: Origin,
    factor: Position,
    /// In demand.
    bound: f64,
}

impl<'a> View<'a> {
    /// The view at the slot `last`, which sees nothing later. `None` when nothing was read in the day before it.
    pub(super) fn new(model: &'a Model, series: &Series, last: Slot, zone: TimeZone) -> Option<Self> {
        let day = usize::try_from(86_400_000 / series.block_span().millis().max(1)).unwrap_or(1) + 1;
        let furthest = model.knots.last().map_or(0, |knot| usize::try_from(knot.ahead).unwrap_or(0));
        let days_ahead = furthest / day + 1;
        let days = match model.rung {
            Ladder::Reactive | Ladder::ColdStart => 1,
            Ladder::Daily => 9 + days_ahead,
            Ladder::Weekly => 22,
        };
        let linear = Levels::new(series, last, days * day, zone).scaled(model.scale);
        let log = linear.in_space(LOG);
        // A level that is new since the fit may be followed up, once three readings say so.
        let mut newest: Vec<f64> = (0..3).filter_map(|n| linear.reading(linear.newest() - n)).collect();
        let bound = model.bound.max(BOUND * median(&mut newest) * model.scale);
        Some(Self {
            model,
            bound,
            linear_origin: Origin::new(&linear, linear.newest(), model.rung)?,
            log_origin: Origin::new(&log, log.newest(), model.rung)?,
            linear,
            log,
            factor: i64::from(series.factor()),
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
                self.finish(&blend(&low, &high, self.share_after(step, below)))
            })
            .collect()
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
        let at = |knot: &Knot| knot.quantiles(&linear, &log);
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
        let bound = self.bound;
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
