//! The fitted model: experts at some knots over the horizon, and their weights.

use super::ExpertShare;
use super::ablation::Without;
use super::alone::Alone;
use super::calibration::Parts;
use super::combine::{Evaluation, Opinions, Packed, pool, weigh};
use super::experts::{ALL, EXPERTS};
use super::features::{Ladder, Rows};
use super::global::{GlobalModel, Outlook};
use super::kernels::{count, float, ratio};
use super::lessons::{Lesson, Material, alone_in};
use super::levels::{Clock, Position};
use super::member::Member;
use super::quantiles::N_LEVELS;
use super::shape::{Fine, Shape};
use super::shift::{Shift, Shifts, Watch};
use super::view::{Sight, learn_ratio};
use crate::series::{Series, robust_maximum};

/// Most knots: all distances of a day in hours. With 12 knots over a day the forecasts between them are 5 % worse.
const KNOTS_MAX: usize = 24;

/// Knots of an hour in blocks of five minutes, or of half a day in hours: every second distance from the middle on
/// costs no accuracy and a quarter of the time and the memory less.
const HOUR: [Position; 9] = [1, 2, 3, 4, 5, 6, 8, 10, 12];

/// No forecast is more than this multiple of the robust maximum of the history (I24).
pub(super) const BOUND: f64 = 3.0;

/// A forecast of the next block is never more than this many times as wide: beyond, the two were fitted to noise.
const GROWTH_MAX: f64 = 2.0;

/// One knot: all experts for one distance ahead.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Knot {
    /// Blocks ahead of the newest.
    pub(super) ahead: Position,
    /// In the order of [`ALL`]; `None` for those that need more history.
    pub(super) members: [Option<Box<Member>>; EXPERTS],
    pub(super) weights: Packed,
    /// How much wider the forecast of the next block is: 1 .. 2.
    pub(super) growth: f64,
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
    /// What demand does within a block.
    pub(super) shape: Shape,
    /// Coverage of the .9 and the .99 quantile on past targets.
    pub(super) coverage: [f64; 2],
    /// How much wider each part of the local day is than the whole.
    pub(super) parts: Parts,
    /// Which changes of level it follows.
    pub(super) watch: Option<Watch>,
    /// The change of level of the last week, at a block.
    pub(super) standing: Option<Shift>,
    /// The length of a season of its own, in blocks.
    pub(super) cycle: Option<Position>,
    /// Levels that stand alone.
    pub(super) alone: Alone,
    /// What it leaned on.
    pub(super) global: GlobalModel,
}

impl Knot {
    /// The pooled demand at the levels, for one target in both spaces, in units of the model's scale.
    pub(super) fn quantiles(&self, rows: &Rows) -> [f64; N_LEVELS] {
        let mut opinions: Opinions = [None; EXPERTS];
        for ((slot, member), expert) in opinions.iter_mut().zip(&self.members).zip(&ALL) {
            *slot = member.as_ref().map(|member| member.quantiles(rows.of(expert), expert));
        }
        pool(&opinions, &self.weights.whole())
    }
}

impl Model {
    /// Fits all experts at all knots for forecasts of up to `horizon` steps. `None` while there is no sample.
    pub(super) fn fit(
        series: &Series,
        clock: &Clock,
        (horizon, global): (usize, &GlobalModel),
        without: Without,
    ) -> Option<Self> {
        let shape = Shape::learn(&Fine::new(series, clock));
        let alone = if without == Without::Cleaning { Alone::NONE } else { alone_in(series, clock)? };
        let mut material = Material::replacing(series, clock, &shape, Some(&alone))?;
        let end = material.levels.newest();
        let standing = if without == Without::Shifts { None } else { material.follow_changes() };
        if without != Without::FoundSeason {
            material.find_cycle(end);
        }
        let mut present: Vec<f64> = material.levels.without(Shifts::NONE).present().collect();
        let bound = BOUND * robust_maximum(&mut present) * material.scale;
        let knots = knots_of(blocks_ahead(horizon, series.blocking().factor()), material.levels.day());
        let mut model = Self::of_parts(&material, (end, &knots), (shape, global), without);
        model.bound = bound;
        model.watch = material.watch;
        model.standing = standing.map(|shift| Shift { from: material.levels.block_at(shift.from), ..shift });
        model.alone.clone_from(&alone);
        model.shape.ratio = learn_ratio(Sight { model: &model, series, clock });
        Some(model)
    }

    /// The model of what is known up to `end`, at the distances `ahead`.
    pub(super) fn of_material(
        material: &Material<'_>,
        (end, ahead): (Position, &[Position]),
        shape: Shape,
        global: &GlobalModel,
    ) -> Self {
        Self::of_parts(material, (end, ahead), (shape, global), Without::Nothing)
    }

    fn of_parts(
        material: &Material<'_>,
        (end, ahead): (Position, &[Position]),
        (shape, global): (Shape, &GlobalModel),
        without: Without,
    ) -> Self {
        let rung = material.rung(end);
        let cycle = material.levels.cycle();
        let origins = material.origins(end, rung);
        let mut evaluation = Evaluation::default();
        let nearest = ahead.first().copied().unwrap_or(1);
        let furthest = ahead.last().copied().unwrap_or(1);
        let mut widths = Vec::with_capacity(ahead.len());
        let mut knots: Vec<Knot> = Vec::with_capacity(ahead.len());
        for &ahead in ahead {
            let lessons = material.lessons(&origins, ahead);
            evaluation.share = ratio(ahead - nearest, (furthest - nearest).max(1));
            let outlook = |ahead| global.outlook(material.block_seconds, rung, ahead);
            let nearer = knots.last().map(|knot| (knot, outlook(knot.ahead)));
            let (knot, width) = fit_knot(
                &Place { ahead, rung, outlook: outlook(ahead), nearer, has_cycle: cycle.is_some(), without },
                &lessons,
                &mut evaluation,
            );
            widths.push(width);
            knots.push(knot);
        }
        let further = widths.iter().skip(1).zip(ahead.iter().skip(1));
        for ((knot, width), (next, at)) in knots.iter_mut().zip(&widths).zip(further) {
            let growth = if *width > 0.0 { (next / width).clamp(1.0, GROWTH_MAX) } else { 1.0 };
            knot.growth = growth.powf(ratio(at - knot.ahead, 1).recip());
        }
        let (scale, coverage) = (material.scale, evaluation.coverage());
        Self {
            rung,
            scale,
            bound: f64::MAX,
            knots,
            shape,
            coverage,
            parts: evaluation.excesses.widths(ratio(end, material.levels.day())),
            watch: None,
            standing: None,
            cycle,
            alone: Alone::NONE,
            global: global.clone(),
        }
    }
}

impl Model {
    /// The experts with their weights, averaged over knots and levels, heaviest first.
    pub(super) fn shares(&self) -> Vec<ExpertShare> {
        let rows = || self.knots.iter().flat_map(|knot| knot.weights.whole());
        let total = float(rows().count().max(1));
        let mut shares: Vec<ExpertShare> = ALL
            .iter()
            .enumerate()
            .filter(|(i, _)| self.knots.iter().any(|knot| matches!(knot.members.get(*i), Some(Some(_)))))
            .map(|(i, expert)| {
                let sum: f64 = rows().filter_map(|weights| weights.get(i).map(|w| f64::from(*w))).sum();
                ExpertShare { name: expert.name, weight: sum / total }
            })
            .collect();
        shares.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        shares
    }

    /// Bytes held outside of the struct itself.
    pub(super) fn bytes(&self) -> usize {
        let members = self.knots.iter().flat_map(|knot| knot.members.iter().flatten());
        let members: usize = members.map(|member| member.bytes()).sum();
        self.alone.bytes() + self.knots.capacity() * size_of::<Knot>() + members
    }
}

/// Where a knot stands.
struct Place<'a> {
    /// Blocks ahead.
    ahead: Position,
    rung: Ladder,
    outlook: Outlook<'a>,
    /// The knot before.
    nearer: Option<(&'a Knot, Outlook<'a>)>,
    has_cycle: bool,
    without: Without,
}

impl<'a> Place<'a> {
    /// An expert at the knot before, and how many times as far off it usually is here.
    fn nearer(&self, index: usize, log: bool) -> Option<(&'a Member, f64)> {
        let (knot, outlook) = self.nearer?;
        let member = knot.members.get(index)?.as_deref()?;
        let (near, far) = (outlook.of(log).mean_error, self.outlook.of(log).mean_error);
        Some((member, f64::from(far / near.max(f32::MIN_POSITIVE)).clamp(1.0, GROWTH_MAX)))
    }
}

/// Fits all experts of a rung at one knot; also how wide its forecasts are.
fn fit_knot(at: &Place<'_>, lessons: &[Lesson], evaluation: &mut Evaluation) -> (Knot, f64) {
    let mut members = [const { None }; EXPERTS];
    let mut placed = [const { Vec::new() }; EXPERTS];
    for (index, ((slot, places), expert)) in members.iter_mut().zip(&mut placed).zip(&ALL).enumerate() {
        if expert.needs <= at.rung
            && (at.has_cycle || !expert.is_of_cycle())
            && !at.without.leaves_out(index)
            && let Some((member, all)) = Member::learn(
                (expert, at.rung),
                lessons,
                at.outlook.of(expert.log),
                at.nearer(index, expert.log),
            )
        {
            *slot = Some(Box::new(member));
            *places = all;
        }
    }
    let (mut weights, width) = weigh(&members, &placed, lessons, evaluation);
    if at.without == Without::Combination {
        weights = [[1.0; EXPERTS]; N_LEVELS];
    }
    (Knot { ahead: at.ahead, members, weights: Packed::new(&weights), growth: 1.0 }, width)
}

/// Blocks that cover `horizon` steps.
pub(super) fn blocks_ahead(horizon: usize, factor: i64) -> Position {
    let factor = usize::try_from(factor).unwrap_or(1);
    Position::try_from(horizon.max(1).div_ceil(factor)).unwrap_or(Position::MAX)
}

/// At most [`KNOTS_MAX`] distances from 1 to `most`: those of [`HOUR`], all, or dense near the present and then in even
/// ratios.
fn knots_of(most: Position, day: Position) -> Vec<Position> {
    let wanted = usize::try_from(most).unwrap_or(usize::MAX);
    let [.., hour] = HOUR;
    if most <= hour {
        return HOUR.into_iter().filter(|knot| *knot < most).chain([most]).collect();
    }
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
