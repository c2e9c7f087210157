//! Laws of forecasts on seeded synthetic series.

mod changes;
mod distant;
mod events;
mod held;
mod invariants;
mod laws;
mod nasty;
mod noise;
mod parts;
mod ramps;
mod seasons;
mod tails;
mod waves;

use super::*;
use crate::units::{CapacityPerReplica, Objective, ReplicaBounds, Replicas};

/// 2026-01-01T00:00:00Z, a Thursday.
const START: i64 = 1_767_225_600;

fn minute(n: usize) -> Timestamp {
    Timestamp::from_seconds(START + 60 * i64::try_from(n).unwrap())
}

fn config(step: Step, horizon_steps: usize) -> ForecastConfig {
    ForecastConfig {
        step,
        history: Span::from_hours(28 * 24),
        zone: TimeZone::UTC,
        horizon_steps,
        global: GlobalModel::shipped(),
    }
}

/// A forecaster of minutes that knows `values`, the first at [`START`].
fn learned(values: &[f64]) -> Forecaster {
    let samples: Vec<(Timestamp, f64)> =
        values.iter().enumerate().map(|(n, value)| (minute(n), *value)).collect();
    Forecaster::learn(config(Step::MINUTE, 60), &samples)
}

fn question(lead: Span, unserved: &str) -> TrustQuestion {
    TrustQuestion {
        capacity: CapacityPerReplica::new(100.0).unwrap(),
        bounds: ReplicaBounds::new(Replicas::ONE, Replicas::HARD_CAP).unwrap(),
        objective: Objective::Unserved(Share::parse(unserved).unwrap()),
        lead,
        utilization: Share::from_percent(70),
        floor: Share::from_percent(95),
        window: Span::from_minutes(5),
        hold: Span::from_minutes(10),
    }
}

/// Repeatable numbers (xorshift64*, Vigna 2016).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        dice.uniform();
        dice
    }

    /// In 0 .. 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        f64::from(self.bits()) / f64::from(u32::MAX)
    }

    /// In `0 .. n`; `n` is small, so that the bias of the remainder does not matter.
    pub(crate) fn below(&mut self, n: u32) -> u32 {
        self.bits() % n
    }

    fn bits(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        u32::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32).unwrap()
    }

    /// Of mean 0 and variance 1, the sum of twelve uniform ones.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

/// The hour of the day of minute `n`, with its fraction.
fn hour(n: usize) -> f64 {
    f64::from(u32::try_from(n % 1440).unwrap()) / 60.0
}

/// A smooth day between 100 and 300.
fn day(n: usize) -> f64 {
    200.0 - 100.0 * (hour(n) / 24.0 * std::f64::consts::TAU).cos()
}
