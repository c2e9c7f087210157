//! Whether a forecast may decide: what its decisions would have cost, against those of simple rivals (DESIGN 12).
//!
//! All decisions of the last week are judged at the lead: the forecast's, the reactive rival's from the newest sample,
//! the seasonal one's from yesterday's. At first they are replayed, with experts that were fitted before the half week
//! they are judged on; until the next refit those of the model in use are judged as their outcomes come in, so that an
//! hour costs an hour's decisions. Steps are judged one by one where the series still knows them, else block by block.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::features::Ladder;
use super::kernels::{count, float, ratio, short};
use super::lessons::Material;
use super::levels::Position;
use super::model::Model;
use super::quantiles::Quantiles;
use super::view::{Sight, View};
use crate::series::{Sample, Series, Slot};
use crate::units::{CapacityPerReplica, Share, Span, replicas_ceil};

/// Days of decisions that are judged.
const DAYS: Position = 7;

/// Parts of the judged time, for each of which experts are fitted to what was known before it.
const PARTS: Position = 2;

/// Decisions on blocks in each part of the judged time; more do not change the verdict.
const DECISIONS_MAX: Position = 336;

/// Of the steps that are replayed every third is judged: it meets every phase of a block of five, and a ramp of three
/// minutes each day.
const STRIDE: usize = 3;

/// Costs are kept for spans of so many seconds: fine enough for a window of a week, few enough to forget.
const SPAN_SECONDS: i64 = 4 * 3600;

/// Fewer decisions than this are no measurement.
const DECISIONS_MIN: usize = 24;

/// Skill at which trust is gained, when it is reached twice in a row.
const GAIN: f64 = 0.02;

/// Skill under which trust is lost at once.
const LOSE: f64 = -0.02;

/// By how much a forecast that knows nothing may seem nearer than the present or the mean, by chance: white noise and
/// random walks stay within 1 % of their better one over a week, so that 3 % leave them clearly below [`LOSE`].
const NOISE: f64 = 0.03;

/// A missing replica never counts more than this many idle ones.
const MISSING_WEIGHT_MAX: f64 = 1000.0;

/// What decisions are judged by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrustQuestion {
    /// Demand that one replica serves.
    pub capacity: CapacityPerReplica,
    /// The objective.
    pub unserved: Share,
    /// From asking for a replica to it serving.
    pub lead: Span,
    /// The reactive and the seasonal rival's headroom: 0.7.
    pub utilization: Share,
}

/// How well the forecast decided.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trust {
    /// `1 - cost / cost of the better rival`: 0 when no better than it, .1 when a tenth cheaper; never more than
    /// `knows`.
    pub skill: f64,
    /// `1 - 1.03 error / error of the better of the newest demand and the mean of the last day`: at most 0 for noise.
    pub knows: f64,
    /// Decisions that were judged; 0 when the history is too short, and then the skill is no measurement.
    pub decisions: usize,
}

impl Trust {
    pub(super) const UNMEASURED: Self = Self { skill: 0.0, knows: 0.0, decisions: 0 };

    /// The skill, if any was measured.
    pub fn measured(self) -> Option<f64> {
        (self.decisions > 0).then_some(self.skill)
    }
}

/// Whether a forecast is trusted, with hysteresis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustState {
    /// Whether the forecast may decide.
    pub trusted: bool,
    /// How many measurements in a row reached the skill that gains trust; at most 2.
    pub streak: u8,
}

impl TrustState {
    /// The state at the first fit from history: trusted at once when the skill is there (DESIGN 12).
    #[must_use]
    pub fn earned(skill: Option<f64>) -> Self {
        let trusted = skill.is_some_and(|skill| skill >= GAIN);
        Self { trusted, streak: if trusted { 2 } else { 0 } }
    }

    /// The state after one more hourly measurement: on at .02 twice in a row, off under -.02 once. Without a
    /// measurement there is no trust.
    #[must_use]
    pub fn update(self, skill: Option<f64>) -> Self {
        let Some(skill) = skill else { return Self::default() };
        let streak = if skill >= GAIN { self.streak.saturating_add(1).min(2) } else { 0 };
        let trusted = if self.trusted { skill >= LOSE } else { streak >= 2 };
        Self { trusted, streak }
    }
}

/// The costs of the decisions of the last week, in replica-steps: of the forecast, the reactive and the seasonal rival.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    question: TrustQuestion,
    /// The newest slot whose demand was judged.
    judged: Slot,
    spans: VecDeque<Costs>,
}

#[derive(Clone, Copy, Debug)]
struct Costs {
    /// Which span since the epoch.
    span: i64,
    /// Of the forecast, the reactive and the seasonal rival, in replica-steps.
    sums: [f32; 3],
    /// Absolute errors of the forecast's median, the newest demand and the mean of the last day.
    errors: [f32; 3],
    decisions: f32,
}

/// One decision and what came of it, in demand.
struct Outcome {
    /// What each policy wanted: the forecast's capacity, the newest demand, yesterday's.
    wanted: [f64; 3],
    /// The forecast's median, the newest demand, the mean of the last day.
    said: [f64; 3],
    actual: f64,
    /// Steps that it stands for.
    steps: f64,
}

impl Ledger {
    /// Replays the decisions of the last week, or of half of a shorter history. `None` under four days.
    pub(super) fn replay(sight: Sight<'_>, question: &TrustQuestion) -> Option<Self> {
        let material = Material::new(sight.series, sight.clock, &sight.model.shape)?;
        let end = material.levels.newest();
        let judged = (DAYS * material.levels.day()).min((end + 1) / 2);
        let mut ledger = Self { question: *question, judged: sight.series.newest()?, spans: VecDeque::new() };
        let start = end - judged;
        for part in 0..PARTS {
            let span = (start + judged * part / PARTS, start + judged * (part + 1) / PARTS);
            ledger.replay_part(sight, &material, span)?;
        }
        Some(ledger)
    }

    /// Judges the decisions on what came after the position `from` and not after `to`, of experts fitted at `from`.
    /// `None` where less than two days were known.
    fn replay_part(
        &mut self,
        sight: Sight<'_>,
        material: &Material<'_>,
        (from, to): (Position, Position),
    ) -> Option<()> {
        let Sight { model, series, clock } = sight;
        let (levels, blocking) = (&material.levels, series.blocking());
        let steps = ahead(series, &self.question);
        let day = levels.day();
        let blocks = Position::try_from(steps).unwrap_or(day).saturating_add(blocking.factor() - 1);
        let blocks = blocks.div_euclid(blocking.factor()).clamp(1, day);
        let mut knots = vec![1, blocks, blocks + 1];
        knots.dedup();
        let mut fitted = Model::of_material(material, (from, &knots), model.shape, &model.global);
        fitted.bound = model.bound;
        if fitted.rung < Ladder::Daily {
            return None;
        }
        // Steps are judged where a day of steps before them is known, for the shape of their blocks.
        let newest = series.newest()?;
        let fine = if blocking.factor() == 1 {
            to + 1
        } else {
            let first = series.oldest_fine() + newest - clock.slot_days_before(series, newest, 1);
            levels.position_of(blocking.block_of(first) + 1)
        };
        let stride = ((to - from) / DECISIONS_MAX).max(1);
        let mut target = from + blocks + 1;
        while target < fine.min(to + 1) {
            self.add_block(series, material, &fitted, (target - blocks, blocks, stride * blocking.factor()));
            target += stride;
        }
        let sight = Sight { model: &fitted, ..sight };
        let first = blocking.first_slot(levels.block_at((from + 1).max(fine)));
        for slot in (first..=blocking.last_slot(levels.block_at(to))).step_by(STRIDE) {
            self.add_step(sight, slot, steps, STRIDE);
        }
        Some(())
    }

    /// Whether these are the costs asked about.
    pub(super) fn answers(&self, question: &TrustQuestion) -> bool {
        self.question == *question
    }

    /// Judges the decisions whose outcome has come in since the last time.
    pub(super) fn judge(&mut self, sight: Sight<'_>) {
        let Some(newest) = sight.series.newest() else { return };
        let steps = ahead(sight.series, &self.question);
        for target in (self.judged + 1).max(sight.series.oldest_fine())..=newest {
            self.add_step(sight, target, steps, 1);
        }
        self.judged = newest;
    }

    /// The skill over the last seven days.
    pub(super) fn verdict(&self) -> Trust {
        let (mut sums, mut errors) = ([0.0; 3], [0.0; 3]);
        let mut decisions = 0.0;
        for costs in &self.spans {
            for (sum, cost) in sums.iter_mut().zip(costs.sums).chain(errors.iter_mut().zip(costs.errors)) {
                *sum += f64::from(cost);
            }
            decisions += f64::from(costs.decisions);
        }
        let [cost, reactive, seasonal] = sums;
        let [error, present, level] = errors;
        let (cheapest, nearest) = (reactive.min(seasonal), present.min(level));
        let decisions = count(decisions);
        if cheapest <= 0.0 || decisions < DECISIONS_MIN {
            return Trust::UNMEASURED;
        }
        let knows = 1.0 - if nearest > 0.0 { (1.0 + NOISE) * error / nearest } else { 1.0 };
        Trust { skill: (1.0 - cost / cheapest).min(knows), knows, decisions }
    }

    /// The decision for the slot `target`, `steps` before it.
    fn add_step(&mut self, sight: Sight<'_>, target: Slot, steps: usize, stride: usize) {
        let Sight { series, clock, .. } = sight;
        let origin = target - Slot::try_from(steps).unwrap_or(0);
        let Sample::Value(actual) = series.sample(target) else { return };
        let Some(now) = series.sample(origin).reading() else { return };
        let Some(view) = View::new(sight, origin) else { return };
        let Some(quantiles) = view.steps(steps, steps).pop() else { return };
        let yesterday = series.known(clock.slot_days_before(series, target, 1)).reading().unwrap_or(now);
        let outcome = Outcome {
            wanted: [quantiles.capacity_for_unserved(self.question.unserved), now, yesterday],
            said: [quantiles.at(0.5).get(), now, view.level()],
            actual,
            steps: float(stride),
        };
        self.add(series, target, &outcome);
    }

    /// The decision for a whole block, from another: of the (position of the origin, blocks ahead, steps it stands
    /// for).
    fn add_block(
        &mut self,
        series: &Series,
        material: &Material<'_>,
        model: &Model,
        (position, ahead, steps): (Position, Position, Position),
    ) {
        let levels = &material.levels;
        let Some(origin) = material.origin(position, model.rung) else { return };
        let Some(lesson) = material.lesson(position, &origin, ahead, model.rung) else { return };
        let Some(knot) = model.knots.iter().find(|knot| knot.ahead == ahead) else { return };
        let scale = material.scale;
        let raw = knot.quantiles(&lesson.rows).map(|q| (q * scale).min(model.bound));
        let Some(quantiles) = Quantiles::new(raw) else { return };
        let now = levels.reading(position).unwrap_or(0.0) * scale;
        let yesterday =
            levels.value(levels.days_before(position + ahead, 1)).map_or(now, |level| level * scale);
        let outcome = Outcome {
            wanted: [quantiles.capacity_for_unserved(self.question.unserved), now, yesterday],
            said: [quantiles.at(0.5).get(), now, lesson.rows.linear.base * scale],
            actual: lesson.actual() * scale,
            steps: ratio(steps, 1),
        };
        self.add(series, series.blocking().last_slot(levels.block_at(position + ahead)), &outcome);
    }

    fn add(&mut self, series: &Series, target: Slot, outcome: &Outcome) {
        let Outcome { wanted: [forecast, now, yesterday], said, actual, steps } = outcome;
        let TrustQuestion { capacity, unserved, utilization, lead: _ } = self.question;
        let (capacity, headroom) = (capacity.get(), utilization.get().max(0.01));
        let missing_weight = missing_weight(unserved);
        let span = series.time(target).seconds().div_euclid(SPAN_SECONDS);
        if self.spans.back().is_none_or(|last| last.span != span) {
            let oldest = span - DAYS * 86_400 / SPAN_SECONDS;
            self.spans.push_back(Costs { span, sums: [0.0; 3], errors: [0.0; 3], decisions: 0.0 });
            self.spans.retain(|costs| costs.span > oldest);
        }
        let Some(costs) = self.spans.back_mut() else { return };
        for (sum, wanted) in costs.sums.iter_mut().zip([*forecast, now / headroom, yesterday / headroom]) {
            let replicas = replicas_ceil(wanted / capacity).as_f64();
            let missing = (actual / capacity - replicas).max(0.0);
            *sum += short(steps * (replicas + missing_weight * missing));
        }
        for (sum, said) in costs.errors.iter_mut().zip(said) {
            *sum += short(steps * (said - actual).abs());
        }
        costs.decisions += 1.0;
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.spans.capacity() * size_of::<Costs>()
    }
}

/// Steps from the newest sample to the one that a replica asked for now serves: it arrives a step after that sample,
/// and the lead later.
fn ahead(series: &Series, question: &TrustQuestion) -> usize {
    series.step().steps_covering(question.lead) + 1
}

fn missing_weight(unserved: Share) -> f64 {
    let share = unserved.get();
    if share > 0.0 { ((1.0 - share) / share).clamp(0.0, MISSING_WEIGHT_MAX) } else { MISSING_WEIGHT_MAX }
}
