//! How experts are combined: a weighted mean of their quantiles, the weights learned from the pinball loss on past
//! targets, for each knot and each quantile level.
//!
//! The weights start from each expert's total loss and then descend by exponentiated gradient over the targets in
//! time order, averaged over the walk (Kivinen and Warmuth 1997, section 3; the gradient of the pinball loss of the
//! pool, as in online aggregation of quantile forecasts). A mean of quantiles is spoilt by one member that explodes,
//! so every opinion is first moved within reach of the weighted median.

use super::calibration::Excesses;
use super::experts::{ALL, EXPERTS};
use super::kernels::{float, integer, short};
use super::lessons::{Lesson, scattered};
use super::levels::Position;
use super::member::Member;
use super::quantiles::{LEVELS, N_LEVELS};

/// Weights of the experts at each quantile level: not negative, summing to 1 over the experts present.
pub(super) type Weights = [[f32; EXPERTS]; N_LEVELS];

/// Weights as they are kept: in parts of the largest that sixteen bits hold, a tenth of the least that an expert has.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Packed([[u16; EXPERTS]; N_LEVELS]);

impl Packed {
    /// The weights, each at most 1, in half of the memory.
    pub(super) fn new(weights: &Weights) -> Self {
        let pack = |weight: f32| {
            u16::try_from(integer(f64::from(weight) * f64::from(u16::MAX)).max(0)).unwrap_or(u16::MAX)
        };
        Self(weights.map(|level| level.map(pack)))
    }

    /// The weights again.
    pub(super) fn whole(&self) -> Weights {
        let Self(packed) = self;
        packed.map(|level| level.map(|weight| f32::from(weight) / f32::from(u16::MAX)))
    }
}

/// Quantiles of every expert that takes part.
pub(super) type Opinions = [Option<[f64; N_LEVELS]>; EXPERTS];

/// An expert with a tenth more loss than the best starts with `exp(-1.2)` of its weight. Half or twice as sharp
/// changes the accuracy by less than 0.5 %.
const SHARPNESS: f64 = 12.0;

/// Verdicts that count as much as what is thought of the experts before any.
const PRIOR_VERDICTS: f64 = 10.0;

/// Half-life of the losses, in shares of the history: the last three days of 28 say most about which expert to trust.
/// 0.25 is 0.5 % worse, 1 is 1.3 % worse.
const HALF_LIFE: f64 = 0.1;

/// Past targets that the weights are measured on, spread evenly over the history.
const LESSONS_MAX: usize = 300;

/// Step of the descent, for gradients in units of the mean loss; a third of it gains half as much.
const DESCENT: f64 = 0.3;

/// Largest gradient, in units of the mean loss: one wild target does not decide.
const GRADIENT_MAX: f64 = 3.0;

/// Start weight below which an expert could not return within the walk.
const WEIGHT_MIN: f64 = 1e-4;

/// How far an opinion may be from the weighted median, in widths between the .05 and .95 quantile.
const REACH: f64 = 3.0;

/// One past target and what each expert said of it.
struct Verdict {
    actual: f64,
    opinions: Opinions,
    recency: f64,
    /// The part of the local day that it lies in.
    part: usize,
}

/// What the pooled forecast reached on past targets.
#[derive(Debug, Default)]
pub(super) struct Evaluation {
    seen: u32,
    under: [u32; 2],
    /// How far from the nearest to the furthest knot the one that is evaluated lies.
    pub(super) share: f64,
    pub(super) excesses: Excesses,
}

impl Evaluation {
    /// Coverage of the .9 and the .99 quantile; nominal while nothing was seen.
    pub(super) fn coverage(&self) -> [f64; 2] {
        if self.seen == 0 {
            return [0.9, 0.99];
        }
        self.under.map(|n| f64::from(n) / f64::from(self.seen))
    }

    fn add(&mut self, pooled: &[f64; N_LEVELS], Verdict { actual, part, .. }: &Verdict) {
        let actual = *actual;
        self.excesses.add(self.share, *part, pooled, actual);
        let [_, _, _, _, _, _, q90, _, q99, _, _] = *pooled;
        self.seen += 1;
        for (count, quantile) in self.under.iter_mut().zip([q90, q99]) {
            *count += u32::from(actual <= quantile);
        }
    }
}

/// The weights at one knot, and how wide the pooled forecasts are from the .05 to the .95 quantile.
///
/// `placed`: for each expert its centre and size at every lesson, out of sample.
pub(super) fn weigh(
    members: &[Option<Box<Member>>; EXPERTS],
    placed: &[Vec<(f64, f64)>; EXPERTS],
    lessons: &[Lesson],
    evaluation: &mut Evaluation,
) -> (Weights, f64) {
    let verdicts = verdicts(members, placed, lessons);
    let losses = losses(&verdicts);
    let start = shares(members, &losses, verdicts.len());
    let recent: f64 = verdicts.iter().map(|v| v.recency).sum();
    let best = losses
        .iter()
        .zip(members)
        .filter(|(_, m)| m.is_some())
        .map(|(l, _)| *l)
        .fold(f64::INFINITY, f64::min);
    let unit = best / recent.max(f64::MIN_POSITIVE) / 11.0;
    let mut weights = [start.map(short); N_LEVELS];
    if unit > 0.0 && unit.is_finite() {
        for (level, slot) in weights.iter_mut().enumerate() {
            *slot = descend(&start, &verdicts, level, unit).map(short);
        }
    }
    let mut width = 0.0;
    for verdict in &verdicts {
        let pooled = pool(&verdict.opinions, &weights);
        let [_, low, .., high, _, _, _] = pooled;
        width += verdict.recency * (high - low);
        evaluation.add(&pooled, verdict);
    }
    (weights, width / recent.max(f64::MIN_POSITIVE))
}

fn verdicts(
    members: &[Option<Box<Member>>; EXPERTS],
    placed: &[Vec<(f64, f64)>; EXPERTS],
    lessons: &[Lesson],
) -> Vec<Verdict> {
    let stride = lessons.len().div_ceil(LESSONS_MAX).max(1);
    let mut verdicts: Vec<Verdict> = Vec::with_capacity(LESSONS_MAX);
    let width = Position::try_from(stride).unwrap_or(1);
    for cell in (0..lessons.len().div_ceil(stride)).rev() {
        let offset = usize::try_from(scattered(Position::try_from(cell).unwrap_or(0), width)).unwrap_or(0);
        let i = cell * stride + offset;
        let Some(lesson) = lessons.get(i) else { continue };
        let mut opinions: Opinions = [None; EXPERTS];
        for (((opinion, member), places), expert) in opinions.iter_mut().zip(members).zip(placed).zip(&ALL) {
            *opinion =
                member.as_ref().zip(places.get(i)).map(|(m, &place)| m.spread_around(place, expert.space()));
        }
        verdicts.push(Verdict {
            actual: lesson.actual(),
            opinions,
            recency: 0.5_f64.powf(lesson.age / HALF_LIFE),
            part: lesson.part,
        });
    }
    verdicts.reverse();
    verdicts
}

fn losses(verdicts: &[Verdict]) -> [f64; EXPERTS] {
    let mut losses = [0.0; EXPERTS];
    for verdict in verdicts {
        for (loss, opinion) in losses.iter_mut().zip(&verdict.opinions) {
            if let Some(quantiles) = opinion {
                *loss += verdict.recency * pinball(quantiles, verdict.actual);
            }
        }
    }
    losses
}

/// Start weights from the total losses over so many verdicts; all that are without loss share when one is.
fn shares(members: &[Option<Box<Member>>; EXPERTS], losses: &[f64; EXPERTS], n: usize) -> [f64; EXPERTS] {
    let known = float(n) / (float(n) + PRIOR_VERDICTS);
    let present = || losses.iter().zip(members).filter(|(_, member)| member.is_some()).map(|(loss, _)| *loss);
    let best = present().fold(f64::INFINITY, f64::min);
    let mut shares = [0.0; EXPERTS];
    for (((share, loss), member), expert) in shares.iter_mut().zip(losses).zip(members).zip(&ALL) {
        if member.is_some() {
            let excess = if *loss <= best { 0.0 } else { loss / best - 1.0 };
            let prior = expert.untried().powf(1.0 - known);
            *share = (prior * (-SHARPNESS * known * excess).exp()).max(WEIGHT_MIN);
        }
    }
    let total: f64 = shares.iter().sum();
    shares.map(|share| share / total.max(f64::MIN_POSITIVE))
}

/// The mean of the weights over a walk through the verdicts at one quantile level.
fn descend(start: &[f64; EXPERTS], verdicts: &[Verdict], level: usize, unit: f64) -> [f64; EXPERTS] {
    let probability = LEVELS.get(level).copied().unwrap_or(0.5);
    let mut weights = *start;
    let (mut mean, mut total) = ([0.0; EXPERTS], 0.0);
    for Verdict { actual, opinions, recency, .. } in verdicts {
        let said = opinions.map(|opinion| opinion.and_then(|q| q.get(level).copied()));
        let pooled: f64 = said.iter().zip(&weights).map(|(said, weight)| said.unwrap_or(0.0) * weight).sum();
        let slope = f64::from(u8::from(*actual < pooled)) - probability;
        let mut sum = 0.0;
        for (weight, said) in weights.iter_mut().zip(&said) {
            let gradient = said.map_or(0.0, |said| slope * (said - pooled) / unit);
            *weight *= (-DESCENT * recency * gradient.clamp(-GRADIENT_MAX, GRADIENT_MAX)).exp();
            *weight = weight.max(if said.is_some() { WEIGHT_MIN } else { 0.0 });
            sum += *weight;
        }
        for (average, weight) in mean.iter_mut().zip(&mut weights) {
            *weight /= sum;
            *average += recency * *weight;
        }
        total += recency;
    }
    mean.map(|weight| weight / total.max(f64::MIN_POSITIVE))
}

/// The pinball loss summed over the levels.
pub(super) fn pinball(quantiles: &[f64; N_LEVELS], actual: f64) -> f64 {
    quantiles.iter().zip(&LEVELS).map(|(q, p)| (p * (actual - q)).max((p - 1.0) * (actual - q))).sum()
}

/// The pooled quantiles; zeros when nobody has an opinion.
pub(super) fn pool(opinions: &Opinions, weights: &Weights) -> [f64; N_LEVELS] {
    let width = width(opinions, weights);
    let mut out = [0.0; N_LEVELS];
    for (level, (slot, shares)) in out.iter_mut().zip(weights).enumerate() {
        let said = opinions.map(|opinion| opinion.and_then(|q| q.get(level).copied()));
        let known = said.iter().zip(shares).filter_map(|(said, share)| Some(((*said)?, f64::from(*share))));
        let (low, high) = known.clone().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (said, _)| {
            (low.min(said), high.max(said))
        });
        let (mut low_limit, mut high_limit) = (low, high);
        // The median lies between all opinions: where these are that close together, none is out of its reach.
        if high - low > REACH * width || !high.is_finite() {
            let middle = weighted_median(&said, shares);
            (low_limit, high_limit) = (middle - REACH * width, middle + REACH * width);
        }
        let (sum, weight) = known.fold((0.0, 0.0), |(sum, weight), (said, share)| {
            (sum + said.clamp(low_limit, high_limit) * share, weight + share)
        });
        *slot = if weight > 0.0 { sum / weight } else { 0.0 };
    }
    out
}

/// The weighted median of the experts' widths from the .05 to the .95 quantile.
fn width(opinions: &Opinions, weights: &Weights) -> f64 {
    let widths = opinions.map(|opinion| {
        opinion.map(
            |[_, low, .., high, _, _, _]: [f64; N_LEVELS]| {
                if high.is_finite() { high - low } else { f64::MAX }
            },
        )
    });
    let [_, _, _, _, shares, ..] = weights;
    weighted_median(&widths, shares).max(0.0)
}

/// The least value that at least half of the weight does not exceed; 0 when there is none. Never infinite.
fn weighted_median(values: &[Option<f64>; EXPERTS], weights: &[f32; EXPERTS]) -> f64 {
    let mut sorted = [(f64::MAX, 0.0_f32); EXPERTS];
    for (slot, (value, weight)) in sorted.iter_mut().zip(values.iter().zip(weights)) {
        if let Some(value) = value {
            *slot = (value.min(f64::MAX), *weight);
        }
    }
    sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let half = sorted.iter().map(|(_, weight)| weight).sum::<f32>() / 2.0;
    let mut below = 0.0;
    for (value, weight) in sorted {
        below += weight;
        if below >= half {
            return if value < f64::MAX { value } else { 0.0 };
        }
    }
    0.0
}
