//! One expert at one knot: its rule, how large its errors are where, and their quantiles.

use super::experts::{Expert, Rule, fit_ridge};
use super::features::{FEATURES, Row, SPREADS};
use super::kernels::{Normal, dot, short, weighted_quantiles};
use super::levels::Space;
use super::quantiles::{LEVELS, N_LEVELS};

/// Penalty of the regression of the errors' size, in shares of each term's own sum of squares.
const SPREAD_PENALTY: f64 = 0.01;

/// The local size of errors stays between these multiples of its mean: below, a calm hour would promise certainty;
/// above, one wild reading would.
const SPREAD_RANGE: (f64, f64) = (0.3, 4.0);

/// What an expert has learned for one knot.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Member {
    coefficients: [f32; FEATURES],
    spread: [f32; SPREADS],
    /// Mean size of the errors, in the expert's space.
    mean_error: f32,
    /// Quantiles of error / local size, at [`LEVELS`].
    pub(super) errors: [f32; N_LEVELS],
}

/// One past target with what was known before it.
#[derive(Clone, Debug)]
pub(super) struct Lesson {
    pub(super) linear: Row,
    pub(super) log: Row,
    /// Demand over the block.
    pub(super) target: f64,
    /// Demand over one step within it.
    pub(super) actual: f64,
    /// Age in shares of the history: 0 newest, 1 oldest.
    pub(super) age: f64,
    pub(super) fold: usize,
}

impl Lesson {
    pub(super) fn row(&self, expert: &Expert) -> &Row {
        if expert.log { &self.log } else { &self.linear }
    }
}

impl Member {
    /// Learns one expert at one knot. Returns it with its forecasts' centres and sizes for every lesson, out of sample.
    pub(super) fn learn(expert: &Expert, lessons: &[Lesson]) -> (Self, Vec<(f64, f64)>) {
        let space = expert.space();
        let half_life = match expert.rule {
            Rule::Ridge { half_life } => half_life,
            Rule::Fixed(_) => super::experts::LONG,
        };
        let weight = |lesson: &Lesson| 0.5_f64.powf(lesson.age / half_life);
        let (all, without) = match expert.rule {
            Rule::Fixed(rule) => (rule, [rule; super::experts::FOLDS]),
            Rule::Ridge { .. } => fit_ridge(lessons.iter().map(|lesson| {
                let row = lesson.row(expert);
                (&row.x, space.enter(lesson.target) - row.base, weight(lesson), lesson.fold)
            })),
        };
        let centres: Vec<f64> = lessons
            .iter()
            .map(|lesson| {
                let row = lesson.row(expert);
                row.base + dot(without.get(lesson.fold).unwrap_or(&all), &row.x)
            })
            .collect();
        let mut sizes = Normal::<SPREADS>::new();
        let (mut sum, mut total) = (0.0, 0.0);
        for (lesson, centre) in lessons.iter().zip(&centres) {
            let error = (space.enter(lesson.actual) - centre).abs();
            sizes.add(&lesson.row(expert).z, error, weight(lesson));
            sum += error * weight(lesson);
            total += weight(lesson);
        }
        let mut member = Self {
            coefficients: all.map(short),
            spread: sizes.solve(SPREAD_PENALTY).map(short),
            mean_error: short(if total > 0.0 { sum / total } else { 0.0 }),
            errors: [0.0; N_LEVELS],
        };
        let placed: Vec<(f64, f64)> = lessons
            .iter()
            .zip(&centres)
            .map(|(lesson, &centre)| (centre, member.size(&lesson.row(expert).z)))
            .collect();
        let mut sample: Vec<(f64, f64)> = lessons
            .iter()
            .zip(&placed)
            .map(|(lesson, &(centre, size))| ((space.enter(lesson.actual) - centre) / size, weight(lesson)))
            .collect();
        member.errors = weighted_quantiles(&mut sample, &LEVELS).map(short);
        (member, placed)
    }

    /// Demand at [`LEVELS`] for a row of this expert's space.
    pub(super) fn quantiles(&self, row: &Row, space: Space) -> [f64; N_LEVELS] {
        let centre = row.base + dot(&self.coefficients.map(f64::from), &row.x);
        self.spread_around((centre, self.size(&row.z)), space)
    }

    /// Demand at [`LEVELS`] around a `(centre, size)` in this expert's space.
    pub(super) fn spread_around(&self, (centre, size): (f64, f64), space: Space) -> [f64; N_LEVELS] {
        self.errors.map(|error| space.leave(centre + f64::from(error) * size))
    }

    /// The usual size of an error where the terms are `z`; above zero.
    fn size(&self, z: &[f64; SPREADS]) -> f64 {
        let mean = f64::from(self.mean_error);
        let local = dot(&self.spread.map(f64::from), z);
        local.clamp(SPREAD_RANGE.0 * mean, SPREAD_RANGE.1 * mean).max(f64::MIN_POSITIVE)
    }
}
