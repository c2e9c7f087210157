//! Whether a forecast may decide: what its decisions would have cost, against those of simple rivals (DESIGN 12).
//!
//! All decisions of the last week are replayed at the lead: the forecast's from experts that were fitted before the
//! half week they are judged on, the reactive rival's from the newest level, the seasonal one's from yesterday's.

use serde::{Deserialize, Serialize};

use super::combine::Evaluation;
use super::features::Ladder;
use super::lessons::{Lesson, Material};
use super::levels::Position;
use super::model::{Knot, fit_knot};
use super::quantiles::Quantiles;
use crate::calendar::TimeZone;
use crate::series::Series;
use crate::units::{CapacityPerReplica, Share, Span};

/// Days of decisions that are judged.
const DAYS: Position = 7;

/// Decisions in each half of the judged time; more do not change the verdict.
const DECISIONS_MAX: Position = 336;

/// Fewer decisions than this are no measurement.
const DECISIONS_MIN: usize = 24;

/// Skill at which trust is gained, when it is reached twice in a row.
const GAIN: f64 = 0.02;

/// Skill under which trust is lost at once.
const LOSE: f64 = -0.02;

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
    /// `1 - cost / cost of the better rival`: 0 when no better than it, .1 when a tenth cheaper.
    pub skill: f64,
    /// Decisions that were judged; 0 when the history is too short, and then the skill is no measurement.
    pub decisions: usize,
}

impl Trust {
    const UNMEASURED: Self = Self { skill: 0.0, decisions: 0 };

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

/// Replays the decisions of the last week, or of half of a shorter history. Unmeasured under four days.
pub(super) fn measure(series: &Series, zone: TimeZone, question: &TrustQuestion) -> Trust {
    let Some(material) = Material::new(series, zone) else { return Trust::UNMEASURED };
    let end = material.linear.newest();
    let day = material.linear.day();
    let judged = (DAYS * day).min((end + 1) / 2);
    let block = series.block_span().millis().max(1);
    let blocks = Position::try_from(question.lead.millis().div_ceil(block)).unwrap_or(day);
    let ahead = blocks.clamp(1, day);
    let mut costs = Costs::new(question, material.scale);
    for (from, to) in [(end - judged, end - judged / 2), (end - judged / 2, end)] {
        let rung = material.rung(from);
        if rung < Ladder::Daily {
            return Trust::UNMEASURED;
        }
        let lessons = material.lessons(&material.origins(from, rung), ahead);
        let knot = fit_knot(ahead, rung, &lessons, material.level, &mut Evaluation::default());
        let stride = ((to - from) / DECISIONS_MAX).max(1);
        let mut position = from + 1;
        while position + ahead <= to {
            if let Some(lesson) =
                material.origin(position, rung).and_then(|o| material.lesson(position, &o, ahead, rung))
            {
                costs.add(&knot, &material, &lesson, ahead);
            }
            position += stride;
        }
    }
    costs.verdict()
}

/// Costs in replica-steps, of the forecast and its two rivals.
struct Costs {
    capacity: f64,
    scale: f64,
    unserved: Share,
    headroom: f64,
    missing_weight: f64,
    sums: [f64; 3],
    decisions: usize,
}

impl Costs {
    fn new(question: &TrustQuestion, scale: f64) -> Self {
        let share = question.unserved.get();
        let missing_weight = if share > 0.0 {
            ((1.0 - share) / share).clamp(0.0, MISSING_WEIGHT_MAX)
        } else {
            MISSING_WEIGHT_MAX
        };
        Self {
            capacity: question.capacity.get(),
            scale,
            unserved: question.unserved,
            headroom: question.utilization.get().max(0.01),
            missing_weight,
            sums: [0.0; 3],
            decisions: 0,
        }
    }

    fn add(&mut self, knot: &Knot, material: &Material, lesson: &Lesson, ahead: Position) {
        let levels = &material.linear;
        let Some(now) = levels.reading(lesson.origin) else { return };
        let yesterday = levels.value(levels.days_before(lesson.origin + ahead, 1)).unwrap_or(now);
        let quantiles = knot.quantiles(&lesson.linear, &lesson.log);
        let Some(quantiles) = Quantiles::new(quantiles.map(|q| (q * self.scale).min(1e300))) else { return };
        let wanted = [
            quantiles.capacity_for_unserved(self.unserved),
            now * self.scale / self.headroom,
            yesterday * self.scale / self.headroom,
        ];
        let actual = lesson.actual * self.scale;
        for (sum, wanted) in self.sums.iter_mut().zip(wanted) {
            let replicas = crate::units::replicas_ceil(wanted / self.capacity).as_f64();
            let missing = (actual / self.capacity - replicas).max(0.0);
            *sum += replicas + self.missing_weight * missing;
        }
        self.decisions += 1;
    }

    fn verdict(&self) -> Trust {
        let [cost, reactive, seasonal] = self.sums;
        let best = reactive.min(seasonal);
        if self.decisions == 0 || best <= 0.0 || self.decisions < DECISIONS_MIN {
            return Trust::UNMEASURED;
        }
        Trust { skill: 1.0 - cost / best, decisions: self.decisions }
    }
}
