//! What a forecast needs, its quantiles counted in replicas.

/// The levels of the quantiles.
const LEVELS: [f64; 11] = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999];

/// The share that may go unserved, the quantile that is covered, or what an idle and a missing replica cost.
pub enum Objective {
    Unserved(f64),
    Quantile(f64),
    Costs(i64, i64),
}

/// `ceil(x * (1 - 1e-9))`, saturating.
pub fn need(replicas: f64) -> i64 {
    i64::from((replicas * (1.0 - 1e-9)).ceil() as u32)
}

/// The least count that is enough, bit by bit.
pub fn least(enough: impl Fn(i64) -> bool) -> i64 {
    (0..32).rev().fold(0, |n, bit| if enough(n + (1 << bit) - 1) { n } else { n + (1 << bit) })
}

/// What a step needs: the share unserved, or a rehearsed quantile that leaves half of it at least, and twice it at most
/// or is exceeded so rarely that a tenth above it each time comes to the share.
pub fn sized(q: &[f64; 11], objective: &Objective, level: Option<f64>) -> i64 {
    let at = |level: f64| need(quantile(q, level));
    let unserved = match *objective {
        Objective::Unserved(share) => share,
        Objective::Quantile(level) => return at(level),
        Objective::Costs(idle, missing) => return at(missing as f64 / (idle + missing) as f64),
    };
    // The least n with E[(x - n)+] <= unserved E[x].
    let serving = |times: f64| {
        let allowed = unserved * times * excess(q, 0.0);
        least(|n| excess(q, n as f64 * (1.0 + 1e-9)) <= allowed)
    };
    level.map_or_else(
        || serving(1.0),
        |level| at(level).min(serving(0.5)).max(serving(2.0).min(at(1.0 - 10.0 * unserved))),
    )
}

fn quantile(q: &[f64; 11], level: f64) -> f64 {
    match LEVELS.partition_point(|&l| l < level) {
        0 => q[0],
        11 => q[10] + (q[10] - q[8]) / 10_f64.ln() * (0.001 / (1.0 - level)).ln(),
        i => q[i - 1] + (q[i] - q[i - 1]) * (level - LEVELS[i - 1]) / (LEVELS[i] - LEVELS[i - 1]),
    }
}

/// E[(x - a)+]: linear between the levels, flat below the first, exponential above the last.
fn excess(q: &[f64; 11], a: f64) -> f64 {
    let beta = (q[10] - q[8]) / 10_f64.ln();
    let beyond = (a - q[10]).max(0.0) / beta.max(f64::MIN_POSITIVE);
    let tail = (q[10] - a).max(0.0) + beta * (-beyond).exp();
    let between = (0..10).map(|i| {
        let (low, high) = (q[i].max(a), q[i + 1].max(a));
        let all = q[i + 1] - q[i];
        let part = if all > 0.0 { (high - low) / all } else { 1.0 };
        (LEVELS[i + 1] - LEVELS[i]) * part * ((low + high) / 2.0 - a)
    });
    0.01 * (q[0] - a).max(0.0) + between.sum::<f64>() + 0.001 * tail
}
