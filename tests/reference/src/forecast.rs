//! What a forecast says, and what it needs.

use crate::Objective;

/// The levels of the quantiles.
const LEVELS: [f64; 11] = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999];

#[derive(Clone, Debug)]
pub struct Forecast {
    pub newest: i64,
    pub step: i64,
    /// The first is for the step that begins one step after `newest`.
    pub steps: Vec<[f64; 11]>,
}

impl Forecast {
    pub fn at(&self, at: i64) -> Option<&[f64; 11]> {
        let h = (at - self.newest).div_euclid(self.step);
        self.steps.get(usize::try_from(h - 1).ok()?)
    }
}

/// `ceil(x * (1 - 1e-9))`, saturating.
pub fn need(replicas: f64) -> u32 {
    (replicas * (1.0 - 1e-9)).ceil() as u32
}

/// What a step needs: the share unserved, or a rehearsed quantile that leaves half of it at least, and twice it at most
/// or is exceeded so rarely that a tenth above it each time comes to the share.
pub fn sized(q: &[f64; 11], capacity: f64, objective: Objective, level: Option<f64>) -> u32 {
    let unserved = match objective {
        Objective::Unserved(share) => share,
        Objective::Quantile(level) => return need(quantile(q, level) / capacity),
        Objective::Costs(idle, missing) => {
            let level = missing as f64 / (idle + missing) as f64;
            return need(quantile(q, level) / capacity);
        }
    };
    let least = |times: f64| least_for_unserved(q, capacity, unserved * times);
    let at = |level: f64| need(quantile(q, level) / capacity);
    let bounded = |level: f64| at(level).min(least(0.5)).max(least(2.0).min(at(1.0 - 10.0 * unserved)));
    level.map_or_else(|| least(1.0), bounded)
}

fn quantile(q: &[f64; 11], level: f64) -> f64 {
    if level > LEVELS[10] {
        return q[10] + (q[10] - q[8]) / 10_f64.ln() * (0.001 / (1.0 - level)).ln();
    }
    let i = LEVELS.iter().position(|&l| level <= l).unwrap_or(0);
    match i {
        0 => q[0],
        i => q[i - 1] + (q[i] - q[i - 1]) * (level - LEVELS[i - 1]) / (LEVELS[i] - LEVELS[i - 1]),
    }
}

/// The least n with E[(x - n c)+] <= unserved E[x].
fn least_for_unserved(q: &[f64; 11], capacity: f64, unserved: f64) -> u32 {
    let allowed = unserved * excess(q, 0.0);
    let enough = |n: u32| excess(q, f64::from(n) * capacity * (1.0 + 1e-9)) <= allowed;
    let mut high = 1;
    while !enough(high) {
        high *= 2;
    }
    let mut low = 0;
    while low < high {
        let middle = low + (high - low) / 2;
        if enough(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

/// E[(x - a)+]: linear between the levels, flat below the first, exponential above the last.
fn excess(q: &[f64; 11], a: f64) -> f64 {
    let beta = (q[10] - q[8]) / 10_f64.ln();
    let tail = if a < q[10] {
        q[10] + beta - a
    } else if beta > 0.0 {
        beta * (-(a - q[10]) / beta).exp()
    } else {
        0.0
    };
    let between = (0..10).map(|i| {
        let (low, high) = (q[i].max(a), q[i + 1].max(a));
        let all = q[i + 1] - q[i];
        let part = if all > 0.0 { (high - low) / all } else { 1.0 };
        (LEVELS[i + 1] - LEVELS[i]) * part * ((low + high) / 2.0 - a)
    });
    0.01 * (q[0] - a).max(0.0) + between.sum::<f64>() + 0.001 * tail
}
