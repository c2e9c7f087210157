//! What survives a restart while the metric source is down: two weeks of half hours and the best of the fitted model,
//! in at most 8 KiB of JSON.
//!
//! After a restart the history is read again; only where that fails the forecasts come from here. Everything is
//! stored as whole numbers of thousandths, which is as exact as two weeks of half hours deserve.

use serde::{Deserialize, Serialize};

use super::alone::Alone;
use super::calibration::{Calibration, Parts};
use super::combine::Packed;
use super::experts::{ALL, EXPERTS};
use super::features::Ladder;
use super::global::GlobalModel;
use super::kernels::{count, float, integer, short};
use super::levels::Position;
use super::member::Member;
use super::model::{Knot, Model};
use super::quantiles::N_LEVELS;
use super::shape::Shape;
use super::shift::{Shift, Watch};
use crate::series::{Blocking, Sample, Series};
use crate::units::{Span, Step, Timestamp};

/// The version that is written, and the only one that is read.
const VERSION: u32 = 4;

/// Half hours kept: two weeks, so that a weekly season stays usable.
const BINS: u32 = 14 * 48;

/// The grid of the stored history.
const BIN: Span = Span::from_minutes(30);

/// Knots and experts that are kept: four times three hold all of the weight that matters within 3 KiB.
const KNOTS: usize = 4;
const EXPERTS_KEPT: usize = 3;

/// Thousandths in one.
const UNIT: f64 = 1000.0;

/// Why a checkpoint cannot be used: the history has to be learned again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Written by another version of the program.
    #[error("the checkpoint has version {0}, this program reads {VERSION}: the forecast is learned again")]
    Version(u32),
    /// Written for another grid.
    #[error("the checkpoint has a step of {0} s, the metric another: the forecast is learned again")]
    Step(u32),
    /// Not what this program writes.
    #[error("the checkpoint holds no usable model: the forecast is learned again")]
    Content,
}

/// A forecaster in at most 8 KiB of JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    version: u32,
    step_seconds: u32,
    /// How steps make up the blocks in which knots, seasons and shifts are counted.
    blocks: Blocking,
    /// Start of the newest step.
    newest: Timestamp,
    /// Start of the first half hour.
    start: Timestamp,
    /// Demand in one thousandth of the counts in `history`.
    resolution: f64,
    /// Means of half hours; null where nothing was read.
    history: Vec<Option<u16>>,
    rung: Ladder,
    scale: f64,
    bound: f64,
    coverage: [f64; 2],
    shape: Shape,
    #[serde(default)]
    watch: Option<Watch>,
    #[serde(default)]
    standing: Option<Shift>,
    #[serde(default)]
    cycle: Option<Position>,
    /// Thousandths of the calibration's numbers at the near and the far distance; nothing was stored before it had any.
    #[serde(default)]
    widths: Option<[Vec<i32>; 2]>,
    knots: Vec<StoredKnot>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct StoredKnot {
    ahead: Position,
    growth: f64,
    members: Vec<StoredMember>,
}

/// One expert: its name, thousandths of its numbers and of its weight at each level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct StoredMember {
    name: String,
    mean_error: f32,
    numbers: Vec<i32>,
    weights: Vec<u16>,
}

impl Checkpoint {
    pub(super) fn new(series: &Series, model: &Model, calibration: &Calibration) -> Option<Self> {
        let newest = series.time(series.newest()?);
        let end = bin_start(newest).plus(BIN);
        let start = end.minus(Span::from_millis(BIN.millis() * u64::from(BINS)));
        let means: Vec<Option<f64>> = (0..BINS)
            .map(|bin| mean_over(series, start.plus(Span::from_millis(BIN.millis() * u64::from(bin)))))
            .collect();
        let highest = means.iter().flatten().copied().fold(0.0, f64::max);
        let resolution = if highest > 0.0 { highest / UNIT } else { 1.0 };
        Some(Self {
            version: VERSION,
            step_seconds: series.step().seconds(),
            blocks: series.blocking(),
            newest,
            start,
            resolution,
            history: means
                .iter()
                .map(|mean| mean.map(|mean| thousandths_u16(mean / highest.max(f64::MIN_POSITIVE))))
                .collect(),
            rung: model.rung,
            scale: model.scale,
            bound: model.bound,
            coverage: model.coverage,
            shape: model.shape,
            watch: model.watch,
            standing: model.standing,
            cycle: model.cycle,
            widths: Some(
                calibration.numbers().map(|numbers| numbers.iter().map(|n| integer(n * UNIT)).collect()),
            ),
            knots: kept_knots(model).map(StoredKnot::new).collect(),
        })
    }

    /// Refuses what another version or another grid wrote.
    pub(super) fn check(&self, step: Step) -> Result<(), RestoreError> {
        if self.version != VERSION {
            return Err(RestoreError::Version(self.version));
        }
        if self.step_seconds != step.seconds() {
            return Err(RestoreError::Step(self.step_seconds));
        }
        let numbers = [self.scale, self.bound, self.resolution];
        let usable =
            numbers.iter().all(|n| n.is_finite() && *n >= 0.0) && self.scale > 0.0 && self.blocks.is_sound();
        if usable && self.history.len() <= usize::try_from(BINS).unwrap_or(0) {
            Ok(())
        } else {
            Err(RestoreError::Content)
        }
    }

    /// In which blocks the model counts.
    pub(super) const fn blocks(&self) -> Blocking {
        self.blocks
    }

    /// The stored history as samples on the grid `step`, each half hour level, before `until` and up to its newest.
    pub(super) fn samples(
        &self,
        step: Step,
        until: Timestamp,
    ) -> impl Iterator<Item = (Timestamp, f64)> + '_ {
        let per_bin = BIN.millis().div_ceil(step.span().millis()).max(1);
        self.history.iter().zip(0_u64..).filter_map(|(mean, bin)| Some((*mean.as_ref()?, bin))).flat_map(
            move |(mean, bin)| {
                (0..per_bin)
                    .map(move |i| {
                        let after = bin * BIN.millis() + i * step.span().millis();
                        (self.start.plus(Span::from_millis(after)), f64::from(mean) * self.resolution)
                    })
                    .filter(move |(at, _)| *at < until && *at <= self.newest)
            },
        )
    }

    /// How much history is stored, to the end of the last half hour.
    pub(super) fn end(&self) -> Timestamp {
        self.start.plus(Span::from_millis(
            BIN.millis().saturating_mul(u64::try_from(self.history.len()).unwrap_or(0)),
        ))
    }

    /// The stored calibration of forecasts over `horizon` steps of which `factor` are a block.
    pub(super) fn calibration(&self, (factor, horizon): (i64, usize)) -> Option<Calibration> {
        let numbers = self.widths.as_ref()?.each_ref().map(|numbers| {
            numbers.iter().map(|thousandths| f64::from(*thousandths) / UNIT).collect::<Vec<f64>>()
        });
        Calibration::from_numbers((factor, horizon), &numbers)
    }

    /// The stored model.
    pub(super) fn model(&self, global: &GlobalModel) -> Result<Model, RestoreError> {
        let knots: Option<Vec<Knot>> = self.knots.iter().map(StoredKnot::restore).collect();
        let knots = knots.filter(|knots| !knots.is_empty()).ok_or(RestoreError::Content)?;
        Ok(Model {
            rung: self.rung,
            scale: self.scale,
            bound: self.bound,
            knots,
            shape: self.shape,
            coverage: self.coverage,
            parts: Parts::default(),
            watch: self.watch,
            standing: self.standing,
            cycle: self.cycle.filter(|length| *length > 0),
            alone: Alone::NONE,
            global: global.clone(),
        })
    }
}

impl StoredKnot {
    fn new(knot: &Knot) -> Self {
        let weights = knot.weights.whole();
        let weight = |expert: usize| weights.iter().filter_map(|level| level.get(expert)).sum::<f32>();
        let mut order: Vec<usize> =
            (0..EXPERTS).filter(|&e| matches!(knot.members.get(e), Some(Some(_)))).collect();
        order.sort_by(|&a, &b| weight(b).total_cmp(&weight(a)));
        let members = order
            .into_iter()
            .take(EXPERTS_KEPT)
            .filter_map(|e| {
                let member = knot.members.get(e)?.as_ref()?;
                Some(StoredMember {
                    name: ALL.get(e)?.name.to_owned(),
                    mean_error: member.mean_error(),
                    numbers: member.numbers().map(|number| integer(f64::from(number) * UNIT)).collect(),
                    weights: weights
                        .iter()
                        .filter_map(|w| Some(thousandths_u16(f64::from(*w.get(e)?))))
                        .collect(),
                })
            })
            .collect();
        Self { ahead: knot.ahead, growth: knot.growth, members }
    }

    fn restore(&self) -> Option<Knot> {
        let mut knot = Knot {
            ahead: self.ahead,
            members: [const { None }; EXPERTS],
            weights: Packed::new(&[[0.0; EXPERTS]; N_LEVELS]),
            growth: self.growth,
        };
        let mut weights = [[0.0; EXPERTS]; N_LEVELS];
        for stored in &self.members {
            let expert = ALL.iter().position(|expert| expert.name == stored.name)?;
            let numbers = stored.numbers.iter().map(|n| short(f64::from(*n) / UNIT));
            *knot.members.get_mut(expert)? =
                Some(Box::new(Member::from_numbers(ALL.get(expert)?, stored.mean_error, numbers)?));
            for (level, weight) in weights.iter_mut().zip(&stored.weights) {
                *level.get_mut(expert)? = short((f64::from(*weight) / UNIT).max(1.0 / 65_535.0));
            }
        }
        knot.weights = Packed::new(&weights);
        (!self.members.is_empty()).then_some(knot)
    }
}

/// The first and the last knot, and those between in even distances.
fn kept_knots(model: &Model) -> impl Iterator<Item = &Knot> {
    let last = model.knots.len().saturating_sub(1);
    let kept = KNOTS.min(model.knots.len());
    (0..kept).filter_map(move |i| model.knots.get(if kept < 2 { 0 } else { i * last / (kept - 1) }))
}

fn bin_start(at: Timestamp) -> Timestamp {
    let bin = BIN.millis().cast_signed();
    Timestamp::from_millis(at.millis().div_euclid(bin).saturating_mul(bin))
}

/// The mean of the blocks that start in the half hour from `start`, or of the one that holds it.
fn mean_over(series: &Series, start: Timestamp) -> Option<f64> {
    let (first, end) = (series.slot(start), series.slot(start.plus(BIN)).max(series.slot(start) + 1));
    let stride = usize::try_from(series.blocking().factor()).unwrap_or(1);
    let values: Vec<f64> = (first..end)
        .step_by(stride)
        .filter_map(|slot| match series.block(series.blocking().block_of(slot)) {
            Sample::Value(value) => Some(value),
            Sample::Gap | Sample::Censored(_) => None,
        })
        .collect();
    if values.is_empty() { None } else { Some(values.iter().sum::<f64>() / float(values.len())) }
}

fn thousandths_u16(share: f64) -> u16 {
    u16::try_from(count((share * UNIT).round())).unwrap_or(u16::MAX)
}
