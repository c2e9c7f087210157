//! How experts are combined: weights by measured pinball loss, and a pool of their quantiles.

use super::experts::{ALL, EXPERTS};
use super::kernels::{float, short};
use super::levels::Space;
use super::member::{Lesson, Member};
use super::model::LOG;
use super::quantiles::{LEVELS, N_LEVELS};

/// Weights of the experts at each quantile level: not negative, summing to 1 over the experts present.
pub(super) type Weights = [[f32; EXPERTS]; N_LEVELS];

/// Quantiles of every expert that takes part.
pub(super) type Opinions = [Option<[f64; N_LEVELS]>; EXPERTS];

const SHARPNESS: f64 = 12.0;
/// Half-life of the losses, in shares of the history.
const HALF_LIFE: f64 = 0.25;
const LESSONS_MAX: usize = 400;

/// What the pooled forecast reached on past targets.
#[derive(Debug, Default)]
pub(super) struct Evaluation {
    seen: f64,
    under_90: f64,
    under_99: f64,
}

impl Evaluation {
    pub(super) fn coverage(&self) -> (f64, f64) {
        let seen = self.seen.max(1.0);
        (self.under_90 / seen, self.under_99 / seen)
    }
}

/// Weights by the loss on past targets.
pub(super) fn weigh(
    members: &[Option<Member>; EXPERTS],
    placed: &[Vec<(f64, f64)>; EXPERTS],
    lessons: &[Lesson],
    evaluation: &mut Evaluation,
) -> Weights {
    let stride = lessons.len().div_ceil(LESSONS_MAX).max(1);
    let mut losses = [0.0; EXPERTS];
    let mut rows: Vec<(f64, Opinions)> = Vec::new();
    for (i, lesson) in lessons.iter().enumerate().rev().step_by(stride) {
        let mut opinions: Opinions = [None; EXPERTS];
        for (((opinion, member), places), expert) in opinions.iter_mut().zip(members).zip(placed).zip(&ALL) {
            let space = if expert.log { LOG } else { Space::Linear };
            *opinion = member.as_ref().zip(places.get(i)).map(|(m, &place)| m.spread_around(place, space));
        }
        let recency = 0.5_f64.powf(lesson.age / HALF_LIFE);
        for (loss, opinion) in losses.iter_mut().zip(&opinions) {
            if let Some(quantiles) = opinion {
                *loss += recency * pinball(quantiles, lesson.actual);
            }
        }
        rows.push((lesson.actual, opinions));
    }
    let best = losses
        .iter()
        .zip(members)
        .filter(|(_, m)| m.is_some())
        .map(|(l, _)| *l)
        .fold(f64::INFINITY, f64::min);
    let mut shares = [0.0; EXPERTS];
    for ((share, loss), member) in shares.iter_mut().zip(&losses).zip(members) {
        if member.is_some() {
            *share = if best > 0.0 {
                (-SHARPNESS * (loss / best - 1.0)).exp()
            } else if *loss <= 0.0 {
                1.0
            } else {
                0.0
            };
        }
    }
    let total: f64 = shares.iter().sum();
    let weights = [shares.map(|s| short(s / total.max(f64::MIN_POSITIVE))); N_LEVELS];
    for (actual, opinions) in &rows {
        let pooled = pool(opinions, &weights);
        evaluation.seen += 1.0;
        evaluation.under_90 += f64::from(u8::from(pooled.get(6).is_some_and(|q| actual <= q)));
        evaluation.under_99 += f64::from(u8::from(pooled.get(8).is_some_and(|q| actual <= q)));
    }
    weights
}

/// The pinball loss summed over the levels.
pub(super) fn pinball(quantiles: &[f64; N_LEVELS], actual: f64) -> f64 {
    quantiles.iter().zip(&LEVELS).map(|(q, p)| (p * (actual - q)).max((p - 1.0) * (actual - q))).sum()
}

/// The pooled quantiles.
pub(super) fn pool(opinions: &Opinions, weights: &Weights) -> [f64; N_LEVELS] {
    let mut out = [0.0; N_LEVELS];
    for (level, (slot, shares)) in out.iter_mut().zip(weights).enumerate() {
        let mut sum = 0.0;
        let mut weight = 0.0;
        for (opinion, share) in opinions.iter().zip(shares) {
            if let Some(value) = opinion.as_ref().and_then(|q| q.get(level))
                && value.is_finite()
            {
                sum += value * f64::from(*share);
                weight += f64::from(*share);
            }
        }
        *slot = if weight > 0.0 { sum / weight } else { 0.0 };
    }
    let _ = float(0);
    out
}
