//! Seeded synthetic demand of many kinds, as services have it: the only data that the built-in model is trained on.

use std::f64::consts::TAU;
use std::fmt::Write as _;

use crate::sandbox::seed::Seed;

/// Series of each kind and step.
const EACH: u64 = 10;

/// Six weeks.
const DAYS: u32 = 42;

/// Grids: minutes, half hours and hours are what metrics are kept in.
const STEPS: [u32; 3] = [300, 1800, 3600];

/// 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600;

/// A named series.
pub(super) struct Synthetic {
    pub(super) name: String,
    step: u32,
    values: Vec<f64>,
}

/// What makes a kind of demand; each is the largest that a series of the kind may have.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    /// Depth of the day, in logarithms.
    day: f64,
    /// How much less a weekend has, 0 .. 1.
    weekend: f64,
    /// Deviation of the noise from sample to sample, and of that which stays for hours, in logarithms.
    noise: f64,
    wander: f64,
    /// Deviation of the whole level from day to day, in logarithms.
    daily: f64,
    /// Growth a day.
    growth: f64,
    /// New levels a day.
    shifts: f64,
    /// Bursts a day, each twice to five times the level.
    bursts: f64,
    /// A job each hour, in shares of the level.
    job: f64,
    /// Whether small numbers are counted, with the noise that counts have.
    counts: bool,
    /// Whether it moves between a few states.
    states: bool,
}

const NONE: Kind = Kind {
    name: "",
    day: 0.0,
    weekend: 0.0,
    noise: 0.0,
    wander: 0.0,
    daily: 0.0,
    growth: 0.0,
    shifts: 0.0,
    bursts: 0.0,
    job: 0.0,
    counts: false,
    states: false,
};

const KINDS: [Kind; 12] = [
    Kind { name: "smooth", day: 1.5, weekend: 0.3, noise: 0.01, wander: 0.03, daily: 0.03, ..NONE },
    Kind { name: "office", day: 3.0, weekend: 0.8, noise: 0.08, wander: 0.1, daily: 0.1, ..NONE },
    Kind { name: "noisy", day: 1.0, weekend: 0.3, noise: 0.4, wander: 0.2, daily: 0.1, ..NONE },
    Kind { name: "counts", day: 1.5, weekend: 0.4, noise: 0.1, wander: 0.2, counts: true, ..NONE },
    Kind { name: "bursty", day: 0.8, weekend: 0.2, noise: 0.15, wander: 0.2, bursts: 4.0, ..NONE },
    Kind { name: "shifting", day: 0.7, noise: 0.05, wander: 0.1, shifts: 0.3, ..NONE },
    Kind { name: "growing", day: 1.2, weekend: 0.3, noise: 0.05, wander: 0.1, growth: 0.04, ..NONE },
    Kind { name: "jobs", day: 0.6, noise: 0.05, wander: 0.1, job: 1.5, ..NONE },
    Kind { name: "walk", wander: 0.6, noise: 0.05, daily: 0.1, ..NONE },
    Kind { name: "states", noise: 0.05, wander: 0.05, states: true, ..NONE },
    Kind { name: "flat", noise: 0.05, bursts: 1.0, ..NONE },
    Kind {
        name: "mixed",
        day: 1.2,
        weekend: 0.5,
        noise: 0.2,
        wander: 0.2,
        daily: 0.15,
        growth: 0.01,
        shifts: 0.05,
        bursts: 1.0,
        job: 0.4,
        ..NONE
    },
];

/// All series of a seed.
pub(super) fn all(seed: u64) -> Vec<Synthetic> {
    let mut found = Vec::new();
    for step in STEPS {
        for kind in &KINDS {
            for n in 0..EACH {
                let name = format!("{}-{step}s-{n}", kind.name);
                let values = Service::draw(kind, &mut Seed::stream(seed, &name)).values(step);
                found.push(Synthetic { name, step, values });
            }
        }
    }
    found
}

impl Synthetic {
    /// As a CSV file of `timestamp,value`.
    pub(super) fn csv(&self) -> String {
        let mut text = String::from("timestamp,value\n");
        let mut at = START;
        for value in &self.values {
            // Writing to a String does not fail.
            writeln!(text, "{at},{value:.4}").unwrap_or_default();
            at += i64::from(self.step);
        }
        text
    }
}

/// One service: a kind with its own sizes.
struct Service {
    kind: Kind,
    level: f64,
    /// Of the day's harmonics.
    phases: [f64; 4],
    shares: [f64; 4],
    /// How much of the wander is left after an hour.
    keeps: f64,
    chance: Seed,
}

impl Service {
    fn draw(kind: &Kind, chance: &mut Seed) -> Self {
        let mut own = *kind;
        // Noise of services differs by orders of magnitude, seasons do not.
        for size in [&mut own.noise, &mut own.wander] {
            *size *= 10.0_f64.powf(-1.3 * chance.uniform());
        }
        for size in [&mut own.day, &mut own.weekend, &mut own.daily, &mut own.bursts, &mut own.job] {
            *size *= 0.2 + 0.8 * chance.uniform();
        }
        own.growth *= 2.0 * chance.uniform() - 1.0;
        let level = if own.counts { 20.0 } else { 1e4 } * 10.0_f64.powf(-1.5 * chance.uniform());
        let phases = [0.0; 4].map(|_: f64| TAU * chance.uniform());
        let [a, b, c, d] = [0.0; 4].map(|_: f64| chance.uniform());
        let keeps = 0.3 + 0.69 * chance.uniform();
        Self {
            kind: own,
            level,
            phases,
            shares: [a, 0.5 * b, 0.25 * c, 0.15 * d],
            keeps,
            chance: chance.clone(),
        }
    }

    /// The season in logarithms at a second since the start.
    fn season(&self, second: u32) -> f64 {
        let day = f64::from(second % 86_400) / 86_400.0;
        let mut shape = 0.0;
        for ((phase, share), n) in self.phases.iter().zip(self.shares).zip([1.0, 2.0, 3.0, 4.0]) {
            shape += share * (n * TAU * day + phase).cos();
        }
        // The start is a Thursday.
        let weekend = matches!(second / 86_400 % 7, 2 | 3);
        self.kind.day * shape + if weekend { (1.0 - 0.9 * self.kind.weekend).ln() } else { 0.0 }
    }

    fn values(mut self, step: u32) -> Vec<f64> {
        let hours = f64::from(step) / 3600.0;
        let keeps = self.keeps.powf(hours);
        let fades = 0.2_f64.powf(hours);
        let (mut wander, mut burst, mut shift, mut today, mut state) = (0.0, 0.0, 0.0, 0.0, 0.0);
        let mut values = Vec::new();
        for second in (0..DAYS * 86_400).step_by(usize::try_from(step).unwrap_or(1)) {
            let kind = self.kind;
            let chance = &mut self.chance;
            wander = keeps * wander + kind.wander * (1.0 - keeps * keeps).sqrt() * chance.normal();
            if second % 86_400 < step {
                today = kind.daily * chance.normal();
            }
            if chance.happens(kind.shifts * hours / 24.0) {
                shift = 0.5 * chance.normal();
            }
            if kind.states && chance.happens(hours / 3.0) {
                state = 1.5 * chance.uniform();
            }
            burst *= fades;
            if chance.happens((kind.bursts * hours / 24.0).min(1.0)) {
                burst += 1.0 + 4.0 * chance.uniform();
            }
            let noise = kind.noise * chance.normal();
            let counting = chance.normal();
            let grown = kind.growth * f64::from(second) / 86_400.0;
            let steady =
                self.level * (self.season(second) + wander + today + shift + state + grown + noise).exp();
            // A job of ten minutes; longer samples are means.
            let job = if second % 3600 < 600 { kind.job * (hours * 6.0).recip().min(1.0) } else { 0.0 };
            let value = steady * (1.0 + burst) + self.level * job;
            values.push(if kind.counts { (value + value.sqrt() * counting).round().max(0.0) } else { value });
        }
        values
    }
}
