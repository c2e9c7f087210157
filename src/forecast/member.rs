//! One expert at one knot: its rule, how large its errors are where, and their quantiles.

use super::experts::{Expert, Rule, fit_harmonic, fit_ridge};
use super::features::{FEATURES, Ladder, Row, SPREADS};
use super::global::Prior;
use super::kernels::{Normal, dot, float, short, weighted_quantiles};
use super::lessons::Lesson;
use super::levels::Space;
use super::quantiles::{LEVELS, N_LEVELS};
use super::tail::Tail;

/// Penalty of the regression of the errors' size, in shares of each term's own sum of squares.
const SPREAD_PENALTY: f64 = 0.01;

/// The local size of errors stays between these multiples of its mean: below, a calm hour would promise certainty;
/// above, one wild reading would.
const SPREAD_RANGE: (f64, f64) = (0.3, 4.0);

/// Lessons below which a ridge regression takes no part: it would say what the global model says.
const RIDGE_LESSONS_MIN: usize = 24;

/// Lessons up to which the measured size of errors is mixed with the prior: a day and a quarter of hourly samples.
const PRIOR_LESSONS: usize = 30;

/// Lessons that the prior shape of errors (Laplace's, with mean size 1) counts for: twenty hold no .99 quantile.
const PRIOR_SHAPE_LESSONS: f64 = 20.0;

/// Quantiles above are those of a fitted tail where that says more: a thousand errors hold one beyond the .999.
const HIGHEST_SHOWN: f64 = 0.99;

/// What an expert has learned for one knot.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Member {
    /// None where the rule is fixed.
    coefficients: Option<Box<[f32; FEATURES]>>,
    spread: [f32; SPREADS],
    /// Mean size of the errors, in the expert's space.
    mean_error: f32,
    /// Quantiles of error / local size, at [`LEVELS`].
    errors: [f32; N_LEVELS],
}

impl Member {
    /// Learns one expert at a knot. Returns it with the centre and size of its forecast for every lesson, out of
    /// sample. `None` when the lessons are too few for the expert.
    ///
    /// `nearer`: the expert at the knot before, and how many times as far off this one usually is.
    pub(super) fn learn(
        (expert, rung): (&Expert, Ladder),
        lessons: &[Lesson],
        prior: &Prior,
        nearer: Option<(&Self, f64)>,
    ) -> Option<(Self, Vec<(f64, f64)>)> {
        if matches!(expert.rule, Rule::Ridge { .. } | Rule::Cycle | Rule::Harmonic)
            && lessons.len() < RIDGE_LESSONS_MIN
        {
            return None;
        }
        let weight = |lesson: &Lesson| lesson.weight(expert);
        let actual = |lesson: &Lesson| lesson.outcome(expert).actual;
        let rows = lessons.iter().map(|lesson| {
            let row = lesson.row(expert);
            (&row.x, lesson.outcome(expert).target - row.base, weight(lesson), lesson.fold)
        });
        let (all, without) = match expert.rule {
            Rule::Fixed(rule) => (rule, [rule; super::experts::FOLDS]),
            Rule::Global => (prior.rule(), [prior.rule(); super::experts::FOLDS]),
            Rule::Harmonic => fit_harmonic(rows, rung),
            Rule::Ridge { .. } | Rule::Cycle => {
                // What many series have in common says nothing of a season that one has.
                let rule = if expert.is_of_cycle() { [0.0; FEATURES] } else { prior.rule() };
                fit_ridge(rows, &rule)
            }
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
            let error = (actual(lesson) - centre).abs();
            sizes.add(&lesson.row(expert).z, error, weight(lesson));
            sum += error * weight(lesson);
            total += weight(lesson);
        }
        let mut member = Self {
            coefficients: learned(expert).then(|| Box::new(all.map(short))),
            spread: sizes.solve(SPREAD_PENALTY).map(short),
            mean_error: short(if total > 0.0 { sum / total } else { 0.0 }),
            errors: [0.0; N_LEVELS],
        };
        member.mix_prior(lessons.len(), prior, nearer);
        let placed: Vec<(f64, f64)> = lessons
            .iter()
            .zip(&centres)
            .map(|(lesson, &centre)| (centre, member.size(&lesson.row(expert).z)))
            .collect();
        let mut sample: Vec<(f64, f64)> = lessons
            .iter()
            .zip(&placed)
            .map(|(lesson, &(centre, size))| ((actual(lesson) - centre) / size, weight(lesson)))
            .collect();
        member.errors = weighted_quantiles(&mut sample, &LEVELS).map(short);
        member.lengthen(&sample);
        let trust = float(lessons.len()) / (float(lessons.len()) + PRIOR_SHAPE_LESSONS);
        for (error, level) in member.errors.iter_mut().zip(LEVELS) {
            *error = short(trust * f64::from(*error) + (1.0 - trust) * laplace_quantile(level));
        }
        Some((member, placed))
    }

    /// Where the sorted errors have a tail that goes on beyond what the highest of them show, follows it.
    fn lengthen(&mut self, sorted: &[(f64, f64)]) {
        let Some(tail) = Tail::fit(sorted) else { return };
        for (error, level) in self.errors.iter_mut().zip(LEVELS).filter(|(_, level)| *level > HIGHEST_SHOWN) {
            *error = error.max(short(tail.at(level)));
        }
    }

    /// While lessons are few, mixes the measured size of errors with that at the knot before, or of the global model.
    fn mix_prior(&mut self, lessons: usize, prior: &Prior, nearer: Option<(&Self, f64)>) {
        let known = float(lessons.min(PRIOR_LESSONS)) / float(PRIOR_LESSONS);
        if known >= 1.0 {
            return;
        }
        let (spread, mean, growth) = nearer
            .map_or((prior.spread, prior.mean_error, 1.0), |(member, growth)| {
                (member.spread, member.mean_error, growth)
            });
        let mix =
            |own: f32, other: f32| short(known * f64::from(own) + (1.0 - known) * growth * f64::from(other));
        for (term, other) in self.spread.iter_mut().zip(spread) {
            *term = mix(*term, other);
        }
        self.mean_error = mix(self.mean_error, mean);
    }

    /// All numbers but the mean error, for a checkpoint.
    pub(super) fn numbers(&self) -> impl Iterator<Item = f32> + '_ {
        let coefficients = self.coefficients.as_deref().into_iter().flatten();
        coefficients.chain(&self.spread).chain(&self.errors).copied()
    }

    /// A member of what [`Self::numbers`] gave; `None` when there are too few.
    pub(super) fn from_numbers(
        expert: &Expert,
        mean_error: f32,
        mut numbers: impl Iterator<Item = f32>,
    ) -> Option<Self> {
        let mut member = Self {
            coefficients: learned(expert).then(|| Box::new([0.0; FEATURES])),
            spread: [0.0; SPREADS],
            mean_error: mean_error.max(0.0),
            errors: [0.0; N_LEVELS],
        };
        let coefficients = member.coefficients.as_deref_mut().into_iter().flatten();
        for slot in coefficients.chain(&mut member.spread).chain(&mut member.errors) {
            *slot = numbers.next()?;
        }
        // More than that belongs to another form of the expert.
        numbers.next().is_none().then_some(member)
    }

    /// Bytes held, with the struct itself.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.coefficients.as_deref().map_or(0, size_of_val)
    }

    /// The mean size of the errors, in the expert's space.
    pub(super) fn mean_error(&self) -> f32 {
        self.mean_error
    }

    /// Demand at [`LEVELS`] for a row that `expert`, whose member this is, sees.
    pub(super) fn quantiles(&self, row: &Row, expert: &Expert) -> [f64; N_LEVELS] {
        let moved = match (&self.coefficients, expert.rule) {
            (Some(coefficients), _) => dot(&coefficients.map(f64::from), &row.x),
            (None, Rule::Fixed(rule)) => dot(&rule, &row.x),
            (None, Rule::Global | Rule::Cycle | Rule::Ridge { .. } | Rule::Harmonic) => 0.0,
        };
        self.spread_around((row.base + moved, self.size(&row.z)), expert.space())
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

/// Whether an expert has coefficients of its own.
const fn learned(expert: &Expert) -> bool {
    !matches!(expert.rule, Rule::Fixed(_))
}

/// The quantile of Laplace's distribution with mean absolute value 1.
fn laplace_quantile(level: f64) -> f64 {
    if level < 0.5 { (2.0 * level).ln() } else { -(2.0 * (1.0 - level)).ln() }
}
