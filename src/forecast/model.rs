//! The fitted model: experts at up to two dozen knots over the horizon, and their weights.

use super::ExpertShare;
use super::combine::{Evaluation, Opinions, Weights, pool, weigh};
use super::experts::{ALL, EXPERTS};
use super::features::{Ladder, Row};
use super::kernels::{count, float};
use super::lessons::{Lesson, Material};
use super::levels::Position;
use super::member::Member;
use super::quantiles::N_LEVELS;
use crate::calendar::TimeZone;
use crate::series::{Series, robust_maximum};

/// Most knots: all distances of an hour in blocks of five minutes (12) or of a day in hours (24). With 12 knots over
/// a day the forecasts between them are 5 % worse.
const KNOTS_MAX: usize = 24;

/// No forecast is more than this multiple of the robust maximum of the history (I24).
pub(super) const BOUND: f64 = 3.0;

/// One knot: all experts for one distance ahead.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Knot {
    /// Blocks ahead of the newest.
    pub(super) ahead: Position,
    /// In the order of [`ALL`]; `None` for those that need more history.
    pub(super) members: [Option<Box<Member>>; EXPERTS],
    pub(super) weights: Weights,
}

/// Everything that a fit learns.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Model {
    pub(super) rung: Ladder,
    /// What demand is divided by, a power of two near its mean, so that nothing depends on units.
    pub(super) scale: f64,
    /// The upper bound of every forecast, in demand.
    pub(super) bound: f64,
    /// By distance.
    pub(super) knots: Vec<Knot>,
    /// Coverage of the .9 and the .99 quantile on past targets.
    pub(super) coverage: [f64; 2],
}

impl Knot {
    /// The pooled demand at the levels, for one target in both spaces, in units of the model's scale.
    pub(super) fn quantiles(&self, linear: &Row, log: &Row) -> [f64; N_LEVELS] {
        let mut opinions: Opinions = [None; EXPERTS];
        for ((slot, member), expert) in opinions.iter_mut().zip(&self.members).zip(&ALL) {
            let row = if expert.log { log } else { linear };
            *slot = member.as_ref().map(|member| member.quantiles(row, expert.space()));
        }
        pool(&opinions, &self.weights)
    }
}

impl Model {
    /// Fits all experts at all knots for forecasts of up to `horizon` steps. `None` while there is no sample.
    pub(super) fn fit(series: &Series, zone: TimeZone, horizon: usize) -> Option<Self> {
        let material = Material::new(series, zone)?;
        let end = material.linear.newest();
        let mut present: Vec<f64> = material.linear.present().collect();
        let bound = BOUND * robust_maximum(&mut present) * material.scale;
        let rung = material.rung(end);
        let origins = material.origins(end, rung);
        let mut evaluation = Evaluation::default();
        let knots = knots_of(blocks_ahead(horizon, series.factor()), material.linear.day())
            .into_iter()
            .map(|ahead| {
                fit_knot(ahead, rung, &material.lessons(&origins, ahead), material.level, &mut evaluation)
            })
            .collect();
        Some(Self { rung, scale: material.scale, bound, knots, coverage: evaluation.coverage() })
    }
}

impl Model {
    /// The experts with their weights, averaged over knots and levels, heaviest first.
    pub(super) fn shares(&self) -> Vec<ExpertShare> {
        let rows = || self.knots.iter().flat_map(|knot| &knot.weights);
        let total = float(rows().count().max(1));
        let mut shares: Vec<ExpertShare> = ALL
            .iter()
            .enumerate()
            .filter(|(i, _)| self.knots.iter().any(|knot| matches!(knot.members.get(*i), Some(Some(_)))))
            .map(|(i, expert)| {
                let sum: f64 = rows().filter_map(|weights| weights.get(i)).map(|w| f64::from(*w)).sum();
                ExpertShare { name: expert.name, weight: sum / total }
            })
            .collect();
        shares.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        shares
    }

    /// Bytes held outside of the struct itself.
    pub(super) fn bytes(&self) -> usize {
        let members = self.knots.iter().map(|knot| knot.members.iter().flatten().count()).sum::<usize>();
        self.knots.capacity() * size_of::<Knot>() + members * size_of::<Member>()
    }
}

/// Fits all experts of a rung at one knot. `level`: the mean of the series.
pub(super) fn fit_knot(
    ahead: Position,
    rung: Ladder,
    lessons: &[Lesson],
    level: f64,
    evaluation: &mut Evaluation,
) -> Knot {
    let mut members = [const { None }; EXPERTS];
    let mut placed = [const { Vec::new() }; EXPERTS];
    for ((slot, places), expert) in members.iter_mut().zip(&mut placed).zip(&ALL) {
        if expert.needs <= rung
            && let Some((member, all)) = Member::learn(expert, lessons, ahead, expert.space().enter(level))
        {
            *slot = Some(Box::new(member));
            *places = all;
        }
    }
    let weights = weigh(&members, &placed, lessons, evaluation);
    Knot { ahead, members, weights }
}

/// Blocks that cover `horizon` steps.
pub(super) fn blocks_ahead(horizon: usize, factor: u32) -> Position {
    let factor = usize::try_from(factor).unwrap_or(1);
    Position::try_from(horizon.max(1).div_ceil(factor)).unwrap_or(Position::MAX)
}

/// At most [`KNOTS_MAX`] distances from 1 to `most`: all of them, or dense near the present and then in even ratios.
fn knots_of(most: Position, day: Position) -> Vec<Position> {
    let wanted = usize::try_from(most).unwrap_or(usize::MAX);
    if wanted <= KNOTS_MAX {
        return (1..=most).collect();
    }
    let mut knots: Vec<Position> = Vec::with_capacity(KNOTS_MAX);
    for i in 0..KNOTS_MAX {
        let share = float(i) / float(KNOTS_MAX - 1);
        let even = Position::try_from(count(float(wanted).powf(share).round())).unwrap_or(most);
        // A whole day ahead the newest level is also that of yesterday's hour, so that coefficients there say nothing
        // about the distances around.
        let even = if even.rem_euclid(day) == 0 { even - 1 } else { even };
        knots.push(even.max(knots.last().map_or(1, |last| last + 1)).min(most));
    }
    knots.dedup();
    knots
}
