//! What a forecast says, and what it needs.

/// The levels of the quantiles.
const LEVELS: [f64; 11] = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999];

/// The share that may go unserved, the quantile that is covered, or what an idle and a missing replica cost.
#[derive(Clone, Copy)]
pub enum Objective {
    Unserved(f64),
    Quantile(f64),
    Costs(u64, u64),
}

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

/// The least of `low ..= high` that is enough; `high` is.
pub fn least(mut low: u32, mut high: u32, enough: impl Fn(u32) -> bool) -> u32 {
    while low < high {
        let middle = low + (high - low) / 2;
        if enough(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

/// What a step needs: the share unserved, or a rehearsed quantile that leaves half of it at least, and twice it at most
/// or is exceeded so rarely that a tenth above it each time comes to the share.
pub fn sized(q: &[f64; 11], capacity: f64, objective: Objective, level: Option<f64>) -> u32 {
    let at = |level: f64| need(quantile(q, level) / capacity);
    let unserved = match objective {
        Objective::Unserved(share) => share,
        Objective::Quantile(level) => return at(level),
        Objective::Costs(idle, missing) => return at(missing as f64 / (idle + missing) as f64),
    };
    // The least n with E[(x - n c)+] <= unserved E[x].
    let serving = |times: f64| {
        let allowed = unserved * times * excess(q, 0.0);
        let enough = |n: u32| excess(q, f64::from(n) * capacity * (1.0 + 1e-9)) <= allowed;
        least(0, (0..32).map(|i| 1 << i).find(|&n| enough(n)).unwrap_or(u32::MAX), enough)
    };
    level.map_or_else(
        || serving(1.0),
        |level| at(level).min(serving(0.5)).max(serving(2.0).min(at(1.0 - 10.0 * unserved))),
    )
}

fn quantile(q: &[f64; 11], level: f64) -> f64 {
    if level > LEVELS[10] {
        return q[10] + (q[10] - q[8]) / 10_f64.ln() * (0.001 / (1.0 - level)).ln();
    }
    match LEVELS.iter().position(|&l| level <= l).unwrap_or(0) {
        0 => q[0],
        i => q[i - 1] + (q[i] - q[i - 1]) * (level - LEVELS[i - 1]) / (LEVELS[i] - LEVELS[i - 1]),
    }
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
