//! Quantiles beyond what a sample of errors can show: a generalised Pareto distribution fitted to the excesses over its
//! .95 quantile (Pickands 1975), by probability-weighted moments (Hosking and Wallis 1987, section 3), which stay
//! finite and sensible where likelihoods have no maximum.
//!
//! A few dozen excesses hardly tell how heavy a tail is, so that the shape leans on a usual one; and a tail never says
//! less than what was seen.

/// The quantile beyond which the tail begins.
const FROM: f64 = 0.95;

/// How heavy a tail is taken to be before anything is known of it, and how many excesses that counts for: between an
/// exponential tail, 0, and one without variance, 0.5.
const USUAL_SHAPE: f64 = 0.2;
const USUAL_COUNTS: f64 = 40.0;

/// Beyond a half a tail has no variance, and moments no meaning; a tail with an end is not believed.
const SHAPES: (f64, f64) = (0.0, 0.5);

/// Excesses below which nothing is fitted.
const EXCESSES_MIN: usize = 8;

/// The upper tail of a sample.
pub(super) struct Tail {
    /// Where it begins, and the share of the sample beyond.
    from: f64,
    beyond: f64,
    shape: f64,
    scale: f64,
}

impl Tail {
    /// The tail of a sorted weighted sample `(value, weight)`; `None` when it is too short or does not vary.
    pub(super) fn fit(sorted: &[(f64, f64)]) -> Option<Self> {
        let total: f64 = sorted.iter().map(|(_, weight)| weight).sum();
        let mut above = 0.0;
        let mut excesses: Vec<(f64, f64)> = Vec::new();
        let mut from = f64::NAN;
        for &(value, weight) in sorted.iter().rev() {
            from = value;
            if above + weight > (1.0 - FROM) * total {
                break;
            }
            above += weight;
            excesses.push((value, weight));
        }
        if excesses.len() < EXCESSES_MIN {
            return None;
        }
        // Means of the excess, and of it times the share that lies beyond it.
        let (mut mean, mut ranked, mut beyond, mut squares) = (0.0, 0.0, 0.0, 0.0);
        for (value, weight) in excesses {
            let share = weight / above;
            mean += share * (value - from);
            ranked += share * (value - from) * (beyond + share / 2.0);
            beyond += share;
            squares += share * share;
        }
        let spread = mean - 2.0 * ranked;
        if !(spread > 0.0 && mean > 0.0 && mean.is_finite()) {
            return None;
        }
        let counts = 1.0 / squares;
        let shape = (counts * (2.0 - mean / spread) + USUAL_COUNTS * USUAL_SHAPE) / (counts + USUAL_COUNTS);
        let shape = shape.clamp(SHAPES.0, SHAPES.1);
        // The scale that keeps the mean excess.
        Some(Self { from, beyond: above / total, shape, scale: mean * (1.0 - shape) })
    }

    /// The value that the share `1 - level` of all exceeds; `level` is beyond the beginning of the tail.
    pub(super) fn at(&self, level: f64) -> f64 {
        let times = self.beyond / (1.0 - level).max(f64::MIN_POSITIVE);
        let reach = if self.shape > 1e-6 { (times.powf(self.shape) - 1.0) / self.shape } else { times.ln() };
        self.from + self.scale * reach.max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::kernels::float;

    /// Even quantiles of a distribution, by its inverse.
    fn sample(n: usize, inverse: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        (0..n).map(|i| (inverse((float(i) + 0.5) / float(n)), 1.0)).collect()
    }

    fn check(name: &str, inverse: impl Fn(f64) -> f64, within: f64) {
        let tail = Tail::fit(&sample(4000, &inverse)).unwrap();
        for level in [0.99, 0.995, 0.999] {
            let (said, true_one) = (tail.at(level), inverse(level));
            assert!(
                (said / true_one - 1.0).abs() < within,
                "{name} at {level}: {said} instead of {true_one}"
            );
        }
    }

    #[test]
    fn known_tails_are_found_again() {
        check("exponential", |p| -(1.0 - p).ln(), 0.06);
        check("Pareto of shape .2", |p| (1.0 - p).powf(-0.2), 0.02);
        check("Pareto of shape .4", |p| (1.0 - p).powf(-0.4), 0.12);
    }

    #[test]
    fn a_short_or_a_constant_sample_has_no_tail() {
        assert!(Tail::fit(&sample(100, |p| p)).is_none());
        assert!(Tail::fit(&sample(4000, |_| 3.0)).is_none());
        assert!(Tail::fit(&[]).is_none());
    }
}
