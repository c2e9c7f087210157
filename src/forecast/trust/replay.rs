//! The decisions of a history, by experts that were fitted before the time they decide on.
//!
//! The last week is judged; three quarters of the history are rehearsed, since bursts come more rarely than each week: a
//! level that follows each of them up and down again costs more at the same share unserved than one that stands.

use std::collections::VecDeque;

use super::super::features::Ladder;
use super::super::kernels::{float, ratio};
use super::super::lessons::Material;
use super::super::levels::Position;
use super::super::model::Model;
use super::super::quantiles::Quantiles;
use super::super::rehearsal::{Came, Foreseen, Rehearsal, Standing};
use super::super::view::Sight;
use super::{Horizon, Ledger, Outcome, SPANS, TrustQuestion, foresight, steps};
use crate::series::{Series, Slot, median};

/// Days of decisions that are judged.
const DAYS: Position = 7;

/// Experts are judged for this part of the time that they learned from: after it they know less than the model in use,
/// which is fitted every day.
const FRESH: Position = 5;

/// The part of the history that is rehearsed, in (parts, of): the experts of its first decisions learn from the rest.
const REHEARSED: (Position, Position) = (3, 4);

/// Before the time that is judged, experts decide for this part of the time that they learned from.
const STALE: Position = 2;

/// The judged time has at least so many parts, for each of which experts are fitted to what was known before it.
const PARTS_MIN: Position = 2;

/// Decisions on blocks that are judged in each part of the judged time; more do not change the verdict.
const DECISIONS_MAX: Position = 336;

/// Of the steps that are replayed every third is judged: it meets every phase of a block of five, and a ramp of three
/// minutes each day.
const STRIDE: usize = 3;

/// What past blocks are judged with: experts fitted to what was known before them.
struct Past<'a> {
    series: &'a Series,
    material: &'a Material<'a>,
    model: Model,
    ahead: Ahead,
}

/// Distances in blocks.
#[derive(Clone, Copy)]
struct Ahead {
    /// Of a decision: the nearest to its lead.
    lead: Position,
    /// The lead as a multiple of it.
    late: f64,
    /// From it to the end of the hold.
    hold: Position,
    /// An hour: what it knew.
    far: Position,
}

/// What was foreseen of a whole block.
struct Block {
    slot: Slot,
    foreseen: Foreseen,
    actual: f64,
}

impl Ahead {
    fn new(series: &Series, question: &TrustQuestion, day: Position) -> Self {
        let blocking = series.blocking();
        let blocks = |steps: usize| {
            let steps = Position::try_from(steps).unwrap_or(day).saturating_add(blocking.factor() / 2);
            steps.div_euclid(blocking.factor()).clamp(1, day)
        };
        let (lead, hold) = steps(series, question);
        let late = float(lead) / ratio(blocks(lead) * blocking.factor(), 1);
        Self { lead: blocks(lead), late, hold: blocks(hold), far: blocks(foresight(series, question)) }
    }
}

impl<'a> Past<'a> {
    /// Experts fitted at `from`, at the distances `knots`. `None` where less than two days were known.
    fn new(
        sight: Sight<'a>,
        material: &'a Material<'a>,
        (from, knots): (Position, &[Position]),
        ahead: Ahead,
    ) -> Option<Self> {
        let Sight { model, series, .. } = sight;
        let mut knots = knots.to_vec();
        knots.sort_unstable();
        knots.dedup();
        let mut fitted = Model::of_material(material, (from, &knots), model.shape, &model.global);
        fitted.bound = model.bound;
        (fitted.rung >= Ladder::Daily).then_some(Self { series, material, model: fitted, ahead })
    }

    /// What was foreseen at `position` of the block `ahead` of it, and of the one a hold after that.
    fn block(&self, position: Position, ahead: Position) -> Option<Block> {
        let Self { series, material, model, .. } = self;
        let origin = material.origin(position, model.rung)?;
        let foreseen = |ahead: Position| {
            let knot = model.knots.iter().find(|knot| knot.ahead == ahead)?;
            let lesson = material.lesson(position, &origin, ahead, model.rung)?;
            let raw = knot.quantiles(&lesson.rows).map(|q| (q * material.scale).min(model.bound));
            Some((Quantiles::new(raw)?, lesson.actual() * material.scale))
        };
        let (at_lead, actual) = foreseen(ahead)?;
        let at_hold = foreseen(ahead + self.ahead.hold).map_or(at_lead, |(at_hold, _)| at_hold);
        let slot = series.blocking().last_slot(material.levels.block_at(position + ahead));
        let now = material.levels.reading(position).unwrap_or(0.0) * material.scale;
        Some(Block { slot, foreseen: Foreseen { at_lead, at_hold, now }, actual })
    }

    /// What was said of a block at `position`: its median, the newest demand and the median of the day before.
    fn said(&self, position: Position, block: &Block, steps: f64) -> Outcome<3> {
        let levels = &self.material.levels;
        let day = (position - levels.day() + 1..=position).filter_map(|position| levels.reading(position));
        let usual = median(&mut day.collect::<Vec<f64>>()) * self.material.scale;
        Outcome { said: block.foreseen.said(usual), actual: block.actual, steps }
    }

    /// What came of the decision on a block.
    fn came(&self, block: &Block) -> Came {
        Came { demand: block.actual, censored: false, steps: self.length(), late: self.ahead.late }
    }

    /// Steps of a block.
    fn length(&self) -> f64 {
        ratio(self.series.blocking().factor(), 1)
    }
}

impl Ledger {
    /// Replays the decisions of the last week, or of half of a shorter history, and rehearses those of three quarters of
    /// it. `None` under four days.
    pub(in super::super) fn replay(sight: Sight<'_>, question: &TrustQuestion) -> Option<Self> {
        let material = Material::new(sight.series, sight.clock, &sight.model.shape)?;
        let (end, day) = (material.levels.newest(), material.levels.day());
        let mut ledger = Self {
            question: *question,
            judged: sight.series.newest()?,
            spans: VecDeque::with_capacity(usize::from(SPANS)),
            older: Rehearsal::default(),
            standing: Standing::default(),
        };
        let judged = (DAYS * day).min((end + 1) / 2);
        let start = end - judged;
        let (parts, of) = REHEARSED;
        let mut from = end - (end + 1) * parts / of;
        while from < start {
            let to = (from + (from / STALE).max(day)).min(start);
            ledger.rehearse_part(sight, &material, (from, to));
            from = to;
        }
        let fresh = (start / FRESH).max(day);
        let parts = (judged / fresh).max(PARTS_MIN);
        for part in 0..parts {
            let span = (start + judged * part / parts, start + judged * (part + 1) / parts);
            ledger.replay_part(sight, &material, span)?;
        }
        Some(ledger)
    }

    /// Rehearses the decisions on the blocks after the position `from` and not after `to`, of experts fitted at `from`.
    fn rehearse_part(&mut self, sight: Sight<'_>, material: &Material<'_>, (from, to): (Position, Position)) {
        let ahead = Ahead::new(sight.series, &self.question, material.levels.day());
        let Some(past) = Past::new(sight, material, (from, &[ahead.lead, ahead.lead + ahead.hold]), ahead)
        else {
            return;
        };
        for block in (from + 1..=to - ahead.lead).filter_map(|position| past.block(position, ahead.lead)) {
            let stands = self.stands(sight.series, block.slot, &block.foreseen);
            self.older.add(&stands, (self.question.capacity, self.question.bounds), past.came(&block));
        }
    }

    /// Judges the decisions on what came after the position `from` and not after `to`, of experts fitted at `from`.
    /// `None` where less than two days were known.
    fn replay_part(
        &mut self,
        sight: Sight<'_>,
        material: &Material<'_>,
        (from, to): (Position, Position),
    ) -> Option<()> {
        let Sight { series, clock, .. } = sight;
        let (levels, blocking) = (&material.levels, series.blocking());
        let ahead = Ahead::new(series, &self.question, levels.day());
        let Ahead { lead, hold, far, .. } = ahead;
        let knots = [1, lead, lead + 1, lead + hold, lead + hold + 1, far, far + 1];
        let past = Past::new(sight, material, (from, &knots), ahead)?;
        // Steps are judged where a day of steps before them is known, for the shape of their blocks.
        let newest = series.newest()?;
        let fine = if blocking.factor() == 1 {
            to + 1
        } else {
            let first = series.oldest_fine() + newest - clock.slot_days_before(series, newest, 1);
            levels.position_of(blocking.block_of(first) + 1)
        };
        let (last, stride) = (to.min(fine - 1), ((to - from) / DECISIONS_MAX).max(1));
        for position in from + 1..=last - lead {
            self.add_block(&past, position, ((position - from - 1) % stride == 0).then_some(stride));
        }
        let steps_of = ratio(stride, 1) * past.length();
        for position in (from + 1..=last - far).step_by(usize::try_from(stride).unwrap_or(1)) {
            let Some(block) = past.block(position, far) else { continue };
            self.add_errors(series, block.slot, &past.said(position, &block, steps_of), Horizon::Hour);
        }
        let sight = Sight { model: &past.model, ..sight };
        let first = blocking.first_slot(levels.block_at((from + 1).max(fine)));
        for slot in (first..=blocking.last_slot(levels.block_at(to))).step_by(STRIDE) {
            self.add_step(sight, slot, steps(series, &self.question), STRIDE);
        }
        Some(())
    }

    /// Rehearses the decision on a whole block at `position`, and judges it where it stands for `stride` of them.
    fn add_block(&mut self, past: &Past<'_>, position: Position, stride: Option<Position>) {
        let lead = past.ahead.lead;
        let Some(block) = past.block(position, lead) else { return };
        let (series, material) = (past.series, past.material);
        let came = past.came(&block);
        let Block { slot, foreseen, actual } = block;
        self.rehearse(series, slot, &foreseen, came);
        let Some(stride) = stride else { return };
        let steps = ratio(stride, 1) * past.length();
        let yesterday = material.levels.value(material.levels.days_before(position + lead, 1));
        let yesterday = yesterday.map(|level| level * material.scale);
        let wanted = Outcome { said: self.capacities(&foreseen, yesterday), actual, steps };
        self.add_decision(series, slot, &wanted);
        self.add_errors(series, slot, &past.said(position, &block, steps), Horizon::Lead);
    }
}
