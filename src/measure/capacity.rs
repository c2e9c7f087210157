//! The capacity of a replica: the demand at which it is used as far as it may be.
//!
//! DESIGN 4: the lower 95 % bound; never beyond the highest demand per ready replica seen under `at`; at most 5 % a day
//! up, at once down; learned anew after a change of the pod template. The line of use over demand per replica is the
//! least-squares one with weights that fade over days, and the bound that of its one-sided prediction interval.

use serde::{Deserialize, Serialize};

use crate::series::VALUE_MAX;
use crate::units::{CapacityPerReplica, Demand, Replicas, Share, Span, Timestamp};

/// Two looks are at least so far apart, or they see the same scrapes.
const LOOK_EVERY: Span = Span::from_minutes(1);
/// Two looks further apart say nothing of whether the replicas stood in between.
const GAP_MAX: Span = Span::from_minutes(5);
/// Looks until the line is believed.
const LOOKS_LEAST: u32 = 60;
/// What is learned first has seen every hour of a day.
const FIRST_AFTER: Span = Span::from_hours(24);
/// Each look counts for so much less with the next: half of it after a day and a half.
const FADES: f64 = 1.0 - 1.0 / 2880.0;
/// The one-sided 95 % of the normal distribution.
const NORMAL_95: f64 = 1.645;
/// With less spread of demand, in shares of its mean, a slope cannot be told from an intercept.
const SPREAD_LEAST: f64 = 0.05;
/// A line says nothing of demand more than twice as high as any that was seen.
const REACH: f64 = 2.0;
/// A bound below this share of the line is the doing of noise, and nothing is learned from it.
const NOISE_LEAVES: f64 = 0.5;
/// The most that is learned a day upwards.
const UP_A_DAY: f64 = 0.05;
/// A stated capacity has drifted when a replica serves less than this of it, until it serves so much again.
const DRIFTED: (f64, f64) = (0.9, 0.95);
/// Use beyond this is no share: most likely per cent.
const USE_MAX: f64 = 4.0;

/// What is seen of a workload's use at one look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Use {
    /// The instant.
    pub now: Timestamp,
    /// Demand summed over all replicas.
    pub demand: Demand,
    /// Replicas that serve it, all that are asked for.
    pub ready: Replicas,
    /// How far they are used on average: 1 is all of what they have.
    pub used: f64,
    /// Identifies the pod template.
    pub template: u32,
}

/// What is learned of the capacity of a replica.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Capacity {
    template: u32,
    /// Since when this template is looked at.
    since: Option<Timestamp>,
    last: Option<Last>,
    line: Line,
    /// The highest demand per replica of two looks in a row, and of those under `at`.
    densest: f64,
    highest: f64,
    /// What counts, and when it was moved.
    learned: Option<(CapacityPerReplica, Timestamp)>,
    /// Whether the stated capacity had drifted at the last look.
    drifts: bool,
}

/// The look before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Last {
    at: Timestamp,
    ready: Replicas,
    density: f64,
    used: f64,
}

/// Fading sums over looks of demand per replica `d` and use `u`, from which a line follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Line {
    looks: u32,
    n: f64,
    d: f64,
    u: f64,
    dd: f64,
    du: f64,
    uu: f64,
}

/// Use over demand per replica: `intercept + slope * d`, with the error of what a reading will be.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Fit {
    intercept: f64,
    slope: f64,
    /// Standard deviation of the readings about the line.
    sigma: f64,
    n: f64,
    mean: f64,
    /// Squared deviations of demand from `mean`.
    spread: f64,
}

/// What a replica serves, as it was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Serves {
    /// Demand per replica at which the line meets `at`.
    pub line: f64,
    /// Demand per replica under which 95 of 100 readings stay under `at`.
    pub bound: f64,
}

/// What there is to tell of what is learned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Told {
    /// What counts.
    pub learned: Option<CapacityPerReplica>,
    /// What the line says, once it is believed.
    pub serves: Option<Serves>,
    /// Looks at this template.
    pub looks: u32,
    /// Since when.
    pub since: Option<Timestamp>,
    /// The highest demand per ready replica under `at`.
    pub highest: f64,
}

impl Line {
    fn add(&mut self, d: f64, u: f64) {
        let fade = |sum: &mut f64, new: f64| *sum = FADES.mul_add(*sum, new);
        self.looks = self.looks.saturating_add(1);
        fade(&mut self.n, 1.0);
        fade(&mut self.d, d);
        fade(&mut self.u, u);
        fade(&mut self.dd, d * d);
        fade(&mut self.du, d * u);
        fade(&mut self.uu, u * u);
    }

    /// The line; through the origin where demand hardly differed, or where the best line would fall, or start below it.
    fn fit(&self) -> Option<Fit> {
        let Self { looks, n, d, u, dd, du, uu } = *self;
        if looks < LOOKS_LEAST || dd <= 0.0 {
            return None;
        }
        let mean = d / n;
        let spread = n.mul_add(-mean * mean, dd);
        let (mut slope, mut intercept) = (0.0, -1.0);
        if spread > n * (SPREAD_LEAST * mean).powi(2) {
            slope = n.mul_add(-mean * (u / n), du) / spread;
            intercept = slope.mul_add(-mean, u / n);
        }
        let through_origin = slope <= 0.0 || intercept < 0.0;
        if through_origin {
            (slope, intercept) = (du / dd, 0.0);
        }
        let (a, b) = (intercept, slope);
        let squares = uu - 2.0 * a * u - 2.0 * b * du + n * a * a + 2.0 * a * b * d + b * b * dd;
        let sigma = (squares.max(0.0) / (n - 2.0).max(1.0)).sqrt();
        let (mean, spread) = if through_origin { (0.0, dd) } else { (mean, spread) };
        Some(Fit { intercept, slope, sigma, n, mean, spread }).filter(|fit| fit.slope > 0.0)
    }
}

impl Fit {
    /// What 95 of 100 readings at demand `d` per replica stay under.
    fn upper(&self, d: f64) -> f64 {
        let Self { intercept, slope, sigma, n, mean, spread } = *self;
        let error = sigma * (1.0 + 1.0 / n + (d - mean).powi(2) / spread).sqrt();
        NORMAL_95.mul_add(error, slope.mul_add(d, intercept))
    }

    fn serves(&self, at: Share) -> Serves {
        let line = ((at.get() - self.intercept) / self.slope).max(0.0);
        // The bound rises with demand from its lowest point on, which lies below every demand that uses more.
        let (mut low, mut high) = (0.0, line);
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if self.upper(middle) <= at.get() { low = middle } else { high = middle }
        }
        Serves { line, bound: low }
    }
}

impl Capacity {
    /// Looks until the line is believed.
    pub const LOOKS_LEAST: u32 = LOOKS_LEAST;

    /// Whether `used` can be a share of what replicas have.
    pub fn is_share(used: f64) -> bool {
        (0.0..=USE_MAX).contains(&used)
    }

    /// Takes up one look, a minute after the last one at the earliest. It counts when as many replicas served at the
    /// look before: new ones share the load only after a while.
    pub fn note(&mut self, seen: Use, at: Share) {
        let Use { now, demand, ready, used, template } = seen;
        if self.since.is_none() || template != self.template {
            let (learned, drifts) = (self.learned, self.drifts);
            *self = Self { template, since: Some(now), learned, drifts, ..Self::default() };
        }
        if self.last.is_some_and(|last| last.at <= now && now.since(last.at) < LOOK_EVERY) {
            return;
        }
        let density = demand.get() / ready.as_f64();
        if ready == Replicas::ZERO
            || !(0.0..=VALUE_MAX).contains(&density)
            || density == 0.0
            || !Self::is_share(used)
        {
            self.last = None;
            return;
        }
        let before = self.last.replace(Last { at: now, ready, density, used });
        let stood = |last: &Last| last.ready == ready && last.at <= now && now.since(last.at) <= GAP_MAX;
        let Some(before) = before.filter(stood) else { return };
        self.line.add(density, used);
        let both = density.min(before.density);
        self.densest = self.densest.max(both);
        if used <= at.get() && before.used <= at.get() {
            self.highest = self.highest.max(both);
        }
        self.learn(now, at);
    }

    /// What the line says, unless readings are so noisy that it says nothing.
    fn meets(&self, at: Share) -> Option<Serves> {
        self.line.fit().map(|fit| fit.serves(at)).filter(|serves| serves.bound >= NOISE_LEAVES * serves.line)
    }

    /// What a replica serves, once the line is believed and was seen half of the way to it.
    fn serves(&self, at: Share) -> Option<Serves> {
        self.meets(at).filter(|serves| serves.line <= REACH * self.densest)
    }

    fn learn(&mut self, now: Timestamp, at: Share) {
        let Some((value, moved)) = self.learned else {
            let long_enough = self.since.is_some_and(|since| now.since(since) >= FIRST_AFTER);
            let first = self.meets(at).filter(|_| long_enough).map(|serves| serves.bound.min(self.highest));
            self.learned = first.and_then(CapacityPerReplica::new).map(|value| (value, now));
            return;
        };
        let Some(serves) = self.serves(at) else { return };
        let (old, days) = (value.get(), now.since(moved).seconds_f64() / 86_400.0);
        let most = (old * (1.0 + UP_A_DAY).powf(days.min(1.0))).min(self.highest.max(old));
        if let Some(new) = CapacityPerReplica::new(serves.bound.min(most)) {
            self.learned = Some((new, now));
        }
    }

    /// What counts.
    pub fn learned(&self) -> Option<CapacityPerReplica> {
        self.learned.map(|(value, _)| value)
    }

    /// What a replica really serves at `at`, where that is so much less than `stated` that decisions must not rest on
    /// it: less than 0.9 of it, until it is 0.95 again.
    pub fn drift(&mut self, stated: CapacityPerReplica, at: Share) -> Option<CapacityPerReplica> {
        if let Some(Serves { line, .. }) = self.serves(at) {
            let share = line / stated.get();
            self.drifts = share < if self.drifts { DRIFTED.1 } else { DRIFTED.0 };
            return CapacityPerReplica::new(line).filter(|_| self.drifts);
        }
        // A new template is not judged yet: what was found of the one before stands.
        self.learned().filter(|_| self.drifts)
    }

    /// What there is to tell.
    pub fn told(&self, at: Share) -> Told {
        Told {
            learned: self.learned(),
            serves: self.serves(at),
            looks: self.line.looks,
            since: self.since,
            highest: self.highest,
        }
    }
}

#[cfg(test)]
mod tests;
