//! Numeric kernels: plain slices and loops, no types of ours.
//!
//! The one file that indexes and casts, because here the bounds are those of the loops right beside them.
#![expect(clippy::indexing_slicing, reason = "every index is bounded by the loop it stands in")]
#![expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of samples stay far below 2^52; casts of floats saturate, which is what is wanted"
)]

/// `n` as a float; exact below 2^52.
pub(crate) fn float(n: usize) -> f64 {
    n as f64
}

/// `a / b`; exact for whole numbers below 2^52.
pub(crate) fn ratio(a: i64, b: i64) -> f64 {
    a as f64 / b as f64
}

/// `value` rounded down to a count; negative and NaN become 0, too large the largest.
pub(crate) fn count(value: f64) -> usize {
    value as usize
}

/// `value` rounded to a whole number; NaN becomes 0, too large or too small the nearest.
pub(crate) fn integer(value: f64) -> i32 {
    value.round() as i32
}

/// `value` as a 32-bit float, the form that is stored.
pub(crate) fn short(value: f64) -> f32 {
    value as f32
}

/// The normal equations of a weighted least-squares problem with `P` features.
#[derive(Clone)]
pub(crate) struct Normal<const P: usize> {
    /// Upper triangle of `X' W X`.
    gram: [[f64; P]; P],
    /// `X' W t`.
    moment: [f64; P],
}

impl<const P: usize> Normal<P> {
    /// No rows yet.
    pub(crate) const fn new() -> Self {
        Self { gram: [[0.0; P]; P], moment: [0.0; P] }
    }

    /// Adds a row of features `x` with target `t` and weight `w`.
    pub(crate) fn add(&mut self, x: &[f64; P], t: f64, w: f64) {
        for i in 0..P {
            let scaled = w * x[i];
            if scaled == 0.0 {
                continue;
            }
            let row = &mut self.gram[i];
            for j in i..P {
                row[j] += scaled * x[j];
            }
            self.moment[i] += scaled * t;
        }
    }

    /// Adds `factor` times the rows of `other`.
    pub(crate) fn add_scaled(&mut self, other: &Self, factor: f64) {
        for i in 0..P {
            for j in i..P {
                self.gram[i][j] += factor * other.gram[i][j];
            }
            self.moment[i] += factor * other.moment[i];
        }
    }

    /// The whole of `X' W X`, and `X' W t`.
    pub(crate) fn whole(&self) -> ([[f64; P]; P], [f64; P]) {
        let at = |i: usize, j: usize| self.gram[i.min(j)][i.max(j)];
        (std::array::from_fn(|i| std::array::from_fn(|j| at(i, j))), self.moment)
    }

    /// As [`Self::solve`], but for a penalty on the distance from `prior` instead of from zero.
    pub(crate) fn solve_towards(&self, prior: &[f64; P], ridge: f64) -> [f64; P] {
        let mut rest = self.clone();
        let (gram, _) = self.whole();
        for (moment, row) in rest.moment.iter_mut().zip(&gram) {
            *moment -= dot(row, prior);
        }
        let mut solution = rest.solve(ridge);
        for (coefficient, start) in solution.iter_mut().zip(prior) {
            *coefficient += start;
        }
        solution
    }

    /// Coefficients that minimise the squares plus `ridge` times each feature's own sum of squares times its
    /// squared coefficient: the penalty does not depend on units. By Cholesky; a feature without variation, or
    /// one that is no longer independent, gets 0.
    pub(crate) fn solve(&self, ridge: f64) -> [f64; P] {
        let mut factor = [[0.0; P]; P];
        let mut y = [0.0; P];
        for i in 0..P {
            let diagonal = self.gram[i][i];
            let mut pivot = diagonal * (1.0 + ridge);
            for row in &factor[..i] {
                pivot -= row[i] * row[i];
            }
            if pivot.is_nan() || pivot <= diagonal * 1e-12 || pivot < f64::MIN_POSITIVE {
                continue;
            }
            let root = pivot.sqrt();
            factor[i][i] = root;
            for j in i + 1..P {
                let mut sum = self.gram[i][j];
                for row in &factor[..i] {
                    sum -= row[i] * row[j];
                }
                factor[i][j] = sum / root;
            }
            let mut sum = self.moment[i];
            for (row, solved) in factor[..i].iter().zip(&y) {
                sum -= row[i] * solved;
            }
            y[i] = sum / root;
        }
        let mut solution = [0.0; P];
        for i in (0..P).rev() {
            if factor[i][i] == 0.0 {
                continue;
            }
            let mut sum = y[i];
            for j in i + 1..P {
                sum -= factor[i][j] * solution[j];
            }
            solution[i] = sum / factor[i][i];
        }
        if solution.iter().all(|c| c.is_finite()) { solution } else { [0.0; P] }
    }
}

impl<const P: usize> Normal<P> {
    /// Coefficients that minimise half of the squares, in features scaled to a sum of squares of 1, plus half of
    /// `penalty` times the largest moment times the sum of the coefficients' sizes, plus a quarter of `penalty` times
    /// their squares (an elastic net); the last feature, the constant, is free. With a penalty of 2 and more all others
    /// are 0. By coordinate descent from `start` on the normal equations (Friedman, Hastie and Tibshirani 2010).
    pub(crate) fn solve_sparsely(&self, penalty: f64, start: &[f64; P]) -> [f64; P] {
        const SWEEPS_MAX: usize = 100;
        const SETTLED: f64 = 1e-3;
        let (mut gram, mut rest) = self.whole();
        let sizes: [f64; P] = std::array::from_fn(|i| gram[i][i].max(0.0).sqrt());
        let shares = sizes.map(|size| if size > f64::MIN_POSITIVE { size.recip() } else { 0.0 });
        for i in 0..P {
            rest[i] *= shares[i];
            for j in 0..P {
                gram[i][j] *= shares[i] * shares[j];
            }
        }
        let most = rest.iter().fold(0.0, |most: f64, moment| most.max(moment.abs()));
        let (least, shrink) = (0.5 * penalty * most, (1.0 + 0.5 * penalty).recip());
        let mut solution: [f64; P] = std::array::from_fn(|i| start[i] * sizes[i]);
        for i in 0..P {
            for j in 0..P {
                rest[i] -= gram[i][j] * solution[j];
            }
        }
        for _ in 0..SWEEPS_MAX {
            let mut furthest: f64 = 0.0;
            for i in 0..P {
                if shares[i] == 0.0 {
                    continue;
                }
                let alone = rest[i] + solution[i];
                let is_free = i + 1 == P;
                let kept = (alone.abs() - least).max(0.0).copysign(alone) * shrink;
                let step = if is_free { alone } else { kept } - solution[i];
                if step != 0.0 {
                    solution[i] += step;
                    for (left, row) in rest.iter_mut().zip(&gram[i]) {
                        *left -= row * step;
                    }
                    furthest = furthest.max(step.abs());
                }
            }
            if furthest <= SETTLED * most {
                break;
            }
        }
        let whole: [f64; P] = std::array::from_fn(|i| solution[i] * shares[i]);
        if whole.iter().all(|c| c.is_finite()) { whole } else { [0.0; P] }
    }
}

/// The sum of products.
pub(crate) fn dot<const P: usize>(a: &[f64; P], b: &[f64; P]) -> f64 {
    let mut sum = 0.0;
    for i in 0..P {
        sum += a[i] * b[i];
    }
    sum
}

/// The values of a weighted sample `(value, weight)` at the rising `levels`, linear between the cumulated weights
/// (as the sketch's `np.interp(Q, cumsum(w) / sum(w), sorted)`). Sorts the sample; empty: zeros.
pub(crate) fn weighted_quantiles<const N: usize>(sample: &mut [(f64, f64)], levels: &[f64; N]) -> [f64; N] {
    let mut out = [0.0; N];
    if sample.is_empty() {
        return out;
    }
    sample.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = sample.iter().map(|s| s.1).sum();
    let (mut below, mut i) = (0.0, 0);
    let mut previous = sample[0].0;
    for (slot, level) in out.iter_mut().zip(levels) {
        let want = level * total;
        while i < sample.len() && below + sample[i].1 < want {
            below += sample[i].1;
            previous = sample[i].0;
            i += 1;
        }
        *slot = if i >= sample.len() {
            sample[sample.len() - 1].0
        } else {
            let share = ((want - below) / sample[i].1.max(f64::MIN_POSITIVE)).clamp(0.0, 1.0);
            previous + share * (sample[i].0 - previous)
        };
    }
    out
}

/// The sum of products of two rows of one length, in eight sums that a processor adds at once.
fn products(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let whole = a.len().min(b.len()) / 8 * 8;
    for (a, b) in a[..whole].chunks_exact(8).zip(b[..whole].chunks_exact(8)) {
        for i in 0..8 {
            sums[i] += a[i] * b[i];
        }
    }
    let rest: f64 = a[whole..].iter().zip(&b[whole..]).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

/// How well a row of mean about 0 repeats after each length from 0 to `most`, 1 being as well as at 0; zeros where it
/// does not vary.
pub(crate) fn correlations(row: &[f64], most: usize) -> Vec<f64> {
    let at = |lag: usize| {
        let n = row.len() - lag;
        products(&row[lag..], &row[..n]) / n as f64
    };
    let whole = if row.is_empty() { 0.0 } else { at(0) };
    (0..=most.min(row.len().saturating_sub(1)))
        .map(|lag| if whole > 0.0 { at(lag) / whole } else { 0.0 })
        .collect()
}

/// Running sums over a row of stored levels.
pub(crate) struct Sums {
    /// `sums[i]` over the first `i`, absent ones left out.
    sums: Vec<f64>,
    counts: Vec<u32>,
}

impl Sums {
    /// Sum and count over `from .. to`; nothing where that is no part of the row.
    pub(crate) fn between(&self, from: usize, to: usize) -> (f64, u32) {
        if from >= to || to >= self.sums.len() {
            return (0.0, 0);
        }
        (self.sums[to] - self.sums[from], self.counts[to] - self.counts[from])
    }
}

/// Running sums of stored levels (NaN absent, the sign bit without meaning) times `unit`.
pub(crate) fn running_sums(stored: &[f32], unit: f64) -> Sums {
    let (mut sums, mut counts) = (Vec::with_capacity(stored.len() + 1), Vec::with_capacity(stored.len() + 1));
    let (mut sum, mut count) = (0.0, 0_u32);
    sums.push(sum);
    counts.push(count);
    for &value in stored {
        if !value.is_nan() {
            sum += f64::from(value.abs()) * unit;
            count += 1;
        }
        sums.push(sum);
        counts.push(count);
    }
    Sums { sums, counts }
}
