//! The present seen through a model: the features of one origin, and quantiles for any step after it.
//!
//! An origin may lie within a block. Then the block is foreseen from the one before, its steps so far say how far off
//! that was ([`Shape::certainty`]), and what stands in for its mean is the steps read and those expected.

use super::features::Origin;
use super::kernels::{float, ratio};
use super::levels::{Clock, Levels, Position};
use super::model::{BOUND, Knot, Model};
use super::quantiles::{N_LEVELS, Quantiles};
use super::shape::{DEAF, Shape, agreed_deviation, towards};
use super::shift::{Shift, Shifts};
use crate::series::{Block, Series, Slot, median};

/// Demand at the levels of a forecast, in units of the model's scale.
type Raw = [f64; N_LEVELS];

/// What a model and a series are seen with.
#[derive(Clone, Copy)]
pub(super) struct Sight<'a> {
    pub(super) model: &'a Model,
    pub(super) series: &'a Series,
    pub(super) clock: &'a Clock,
}

impl Sight<'_> {
    /// The part of the local day that a slot begins in.
    pub(super) fn part(&self, slot: Slot) -> usize {
        self.clock.part(self.series.time(slot))
    }
}

/// One origin.
pub(super) struct View<'a> {
    sight: Sight<'a>,
    levels: Levels<'a>,
    origin: Origin,
    /// The origin's slot and its block.
    slot: Slot,
    block: Block,
    /// The rest of the block in progress; the level itself where it is complete.
    rest: Raw,
    /// How well the newest level is known: 1 for a complete block.
    certainty: f64,
    /// In demand.
    bound: f64,
    /// What its levels are measured in, in demand: the model's scale, times the factor of a change of level.
    scale: f64,
}

/// A block in progress.
struct Progress {
    /// Its mean, of what was read and what is expected, in demand.
    mean: f64,
    /// In demand.
    rest: Raw,
    certainty: f64,
}

/// Levels in the model's units, or in those of the level before a change, and what that is in demand.
fn moved<'a>(model: &'a Model, levels: Levels<'a>) -> (Levels<'a>, f64) {
    let mut levels = levels.replacing(&model.alone).in_units_of(model.scale);
    levels.see_cycle(model.cycle);
    let Some(watch) = model.watch else { return (levels, model.scale) };
    if let Some(standing) = model.standing {
        let shift = Shift { from: levels.position_of(standing.from), ..standing };
        levels = levels.without(Shifts::NONE.and(shift));
    }
    if let Some(shift) = watch.shift(&levels, levels.newest(), model.rung) {
        levels = levels.without(levels.shifts().and(shift));
    }
    let scale = model.scale * levels.shifts().factor_at(levels.newest());
    (levels, scale)
}

impl<'a> View<'a> {
    /// The view at the slot `last`, which sees nothing later. `None` when nothing was read in the day before it.
    pub(super) fn new(sight: Sight<'a>, last: Slot) -> Option<Self> {
        let Sight { model, series, clock } = sight;
        let blocking = series.blocking();
        let block = blocking.block_of(last);
        let progress =
            if blocking.last_slot(block) == last { None } else { Some(Progress::new(sight, block, last)?) };
        let newest = progress.as_ref().map(|progress| progress.mean);
        let (levels, scale) = moved(model, Levels::new(series, clock, block, newest));
        let origin = Origin::new(&levels, levels.newest(), model.rung)?;
        // A level that is new since the fit may be followed up, once three readings say so.
        let mut newest = [0.0; 3];
        let mut seen = 0;
        for (slot, level) in newest.iter_mut().zip((0..3).filter_map(|n| levels.reading(levels.newest() - n)))
        {
            *slot = level;
            seen += 1;
        }
        let middle = median(newest.get_mut(..seen).unwrap_or_default());
        let (rest, certainty) = progress.map_or_else(
            || ([origin.last(); N_LEVELS], 1.0),
            |progress| (progress.rest.map(|value| value / scale), progress.certainty),
        );
        let bound = model.bound.max(BOUND * middle * scale);
        Some(Self { sight, levels, origin, slot: last, block, rest, certainty, bound, scale })
    }

    /// Demand over each of the steps `first ..= last` after the origin's slot.
    pub(super) fn steps(&self, first: usize, last: usize) -> Vec<Quantiles> {
        let slot_of = |step: usize| self.slot + Slot::try_from(step).unwrap_or(Slot::MAX / 4);
        let blocking = self.sight.series.blocking();
        // A block more on each side, where steps lean towards it.
        let more = Block::from(self.sight.model.shape.slope > 0.0);
        let from = (blocking.block_of(slot_of(first)) - self.block - more).max(0);
        let to = blocking.block_of(slot_of(last)) - self.block + more;
        let blocks: Vec<Raw> = (from..=to).map(|ahead| self.block(ahead)).collect();
        let at = |ahead: Block| blocks.get(usize::try_from(ahead - from).ok()?);
        (first..=last)
            .map(|step| {
                let slot = slot_of(step);
                let ahead = blocking.block_of(slot) - self.block;
                let own = at(ahead).copied().unwrap_or([0.0; N_LEVELS]);
                let (side, share) = towards(slot, blocking);
                self.finish(&self.shaped(slot, own, at(ahead + side).map(|other| (other, share))))
            })
            .collect()
    }

    /// The most that any quantile may say, in demand.
    pub(super) const fn bound(&self) -> f64 {
        self.bound
    }

    /// How many times the level that was fitted it takes the present one to be, in logarithms.
    pub(super) fn level(&self) -> f64 {
        (self.scale / self.sight.model.scale).ln()
    }

    /// The part of the local day that the step `ahead` of the origin's slot begins in.
    pub(super) fn part(&self, ahead: usize) -> usize {
        self.sight.part(self.slot + Slot::try_from(ahead).unwrap_or(0))
    }

    /// The median for the block after the origin's, in demand.
    pub(super) fn next_block(&self) -> f64 {
        middle(&self.block(1)) * self.scale
    }

    /// Demand over the `ahead`th block after the origin's, in units of the view's scale.
    fn block(&self, ahead: Position) -> Raw {
        if ahead < 1 {
            return self.rest;
        }
        let rows = self.origin.rows(&self.levels, ahead, self.sight.model.rung);
        let at = |knot: &Knot| knot.quantiles(&rows);
        let knots = &self.sight.model.knots;
        let after = knots.iter().find(|knot| knot.ahead >= ahead).or(knots.last());
        let before = knots.iter().rev().find(|knot| knot.ahead <= ahead).or(knots.first());
        let (mut raw, growth) = match (before, after) {
            (Some(before), Some(after)) if before.ahead < after.ahead => {
                let share = ratio(ahead - before.ahead, after.ahead - before.ahead);
                (blend(&at(before), &at(after), share), before.growth)
            }
            (Some(only), _) => (at(only), only.growth),
            _ => ([0.0; N_LEVELS], 1.0),
        };
        if self.certainty < 1.0 {
            // What is not known of the block in progress makes this one as uncertain as a block further on.
            widen(&mut raw, self.certainty + (1.0 - self.certainty) * growth);
        }
        raw
    }

    /// A step within its block: moved towards the neighbouring block, and along the course that the same block had on
    /// the days before.
    fn shaped(&self, slot: Slot, own: Raw, neighbour: Option<(&Raw, f64)>) -> Raw {
        let shape: &Shape = &self.sight.model.shape;
        let mut raw = own;
        if let Some((other, share)) = neighbour
            && shape.slope > 0.0
        {
            let shift = shape.slope * share * (middle(other) - middle(&own));
            for value in &mut raw {
                *value += shift;
            }
        }
        if shape.repeat > 0.0 {
            let course = 1.0 + shape.repeat * agreed_deviation(self.sight.series, self.sight.clock, slot);
            for value in &mut raw {
                *value *= course;
            }
        }
        raw
    }

    /// In demand, within bounds, rising.
    fn finish(&self, raw: &Raw) -> Quantiles {
        let (bound, scale) = (self.bound, self.scale);
        Quantiles::sorted(raw.map(|v| if v.is_finite() { (v * scale).clamp(0.0, bound) } else { bound }))
    }
}

impl Progress {
    /// The block that contains `last`, as its steps up to there show it; `None` when none of them was read.
    fn new(sight: Sight<'_>, block: Block, last: Slot) -> Option<Self> {
        let Sight { model, series, clock } = sight;
        let blocking = series.blocking();
        let (mut sum, mut seen, mut expected) = (0.0, 0_usize, 0.0);
        let mut to_come = 0.0;
        for slot in blocking.first_slot(block)..=blocking.last_slot(block) {
            let course = if model.shape.repeat > 0.0 {
                1.0 + model.shape.repeat * agreed_deviation(series, clock, slot)
            } else {
                1.0
            };
            if slot > last {
                to_come += course;
            } else if let Some(value) = series.sample(slot).reading() {
                sum += value;
                expected += course;
                seen += 1;
            }
        }
        if seen == 0 {
            return None;
        }
        let read = float(seen);
        let (before, scale) = moved(model, Levels::new(series, clock, block - 1, None));
        let prior = Origin::new(&before, before.newest(), model.rung)
            .and_then(|origin| Some(model.knots.first()?.quantiles(&origin.rows(&before, 1, model.rung))));
        let Some(mut rest) = prior else {
            return Some(Self { mean: sum / read, rest: [sum / read; N_LEVELS], certainty: 1.0 });
        };
        let foreseen = middle(&rest) * scale;
        let certainty = model.shape.certainty(seen);
        let surprise = (sum - expected * foreseen) / read;
        let level = (foreseen + certainty * surprise).max(0.0);
        widen(&mut rest, model.shape.narrowing(seen));
        for value in &mut rest {
            *value = *value * scale + level - foreseen;
        }
        let whole = read + ratio(blocking.last_slot(block) - last, 1);
        Some(Self { mean: (sum + level * to_come) / whole, rest, certainty })
    }
}

fn middle(raw: &Raw) -> f64 {
    let [_, _, _, _, middle, ..] = *raw;
    middle
}

/// Makes a distribution `factor` times as wide around its median.
fn widen(raw: &mut Raw, factor: f64) {
    let centre = middle(raw);
    for value in raw {
        *value = centre + factor * (*value - centre);
    }
}

/// `share` of the way from `a` to `b`.
fn blend(a: &Raw, b: &Raw, share: f64) -> Raw {
    let mut out = *a;
    if share > 0.0 {
        for (value, other) in out.iter_mut().zip(b) {
            *value += share * (other - *value);
        }
    }
    out
}

/// Blocks of which the rest is foreseen from their first steps, to learn [`Shape::ratio`]: a day of five minutes.
const BLOCKS_MAX: Block = 288;

/// Blocks below which nothing is learned: half a day of hours.
const BLOCKS_MIN: usize = 12;

/// Ratios that are tried. Beyond 64 a block of five steps says less of itself than a tenth of its surprise.
const RATIOS: [f64; 9] = [0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 64.0];

/// The ratio that foresees the rest of past blocks best from their first steps; [`DEAF`] when none does.
pub(super) fn learn_ratio(sight: Sight<'_>) -> f64 {
    let Sight { series, .. } = sight;
    let blocking = series.blocking();
    if blocking.factor() == 1 {
        return 0.0;
    }
    let end = blocking.block_of(series.newest().unwrap_or(0) + 1);
    let first = (blocking.block_of(series.oldest_fine()) + 1).max(end - BLOCKS_MAX);
    let mut losses = [0.0; RATIOS.len()];
    let (mut nothing, mut blocks) = (0.0, 0);
    for block in first..end {
        let Some(view) = View::new(sight, blocking.first_slot(block) - 1) else { continue };
        let foreseen = view.next_block();
        if foreseen <= 0.0 {
            continue;
        }
        let surprises = surprises(sight, block, foreseen);
        blocks += usize::from(!surprises.is_empty());
        for (seen, early, late) in surprises {
            nothing += late.abs() / foreseen;
            for (loss, ratio) in losses.iter_mut().zip(RATIOS) {
                let seen = float(seen);
                *loss += (late - seen / (seen + ratio) * early).abs() / foreseen;
            }
        }
    }
    if blocks < BLOCKS_MIN {
        return DEAF;
    }
    let best = losses.iter().zip(RATIOS).min_by(|a, b| a.0.total_cmp(b.0));
    best.filter(|(loss, _)| **loss < nothing).map_or(DEAF, |(_, ratio)| ratio)
}

/// After a fifth, two, three and four fifths of a block: the steps seen, and the mean surprise of these and of those
/// that followed.
fn surprises(sight: Sight<'_>, block: Block, foreseen: f64) -> Vec<(usize, f64, f64)> {
    let Sight { model, series, clock } = sight;
    let blocking = series.blocking();
    let steps: Vec<f64> = (blocking.first_slot(block)..=blocking.last_slot(block))
        .filter_map(|slot| {
            let value = series.sample(slot).reading()?;
            let course = 1.0 + model.shape.repeat * agreed_deviation(series, clock, slot);
            Some(value - foreseen * course)
        })
        .collect();
    let mut cuts: Vec<usize> = (1..5).map(|fifth| steps.len() * fifth / 5).filter(|cut| *cut > 0).collect();
    cuts.dedup();
    let mean = |part: &[f64]| part.iter().sum::<f64>() / float(part.len());
    cuts.into_iter()
        .filter_map(|cut| {
            let (early, late) = steps.split_at_checked(cut)?;
            (!late.is_empty()).then(|| (cut, mean(early), mean(late)))
        })
        .collect()
}
