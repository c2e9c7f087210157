//! The next hour of a demand series, in quantiles.
//!
//! ```sh
//! cargo run --example forecast                  # a synthetic shop's two weeks, from a seed
//! cargo run --example forecast -- trace.csv     # `timestamp,value`, RFC 3339, one row a minute
//! ```

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::error::Error;

use foresail::calendar::{TimeZone, parse_instant, rfc3339};
use foresail::forecast::{ForecastConfig, Forecaster, GlobalModel};
use foresail::units::{Span, Step, Timestamp};

/// 2026-01-01T00:00:00Z.
const START: Timestamp = Timestamp::from_seconds(1_767_225_600);
const TWO_WEEKS: u32 = 14 * 1440;

fn main() -> Result<(), Box<dyn Error>> {
    let samples = match std::env::args().nth(1) {
        Some(path) => read(&std::fs::read_to_string(path)?)?,
        None => shop(7),
    };
    let config = ForecastConfig {
        step: Step::MINUTE,
        history: Span::from_hours(28 * 24),
        zone: TimeZone::parse("Europe/Berlin")?,
        horizon_steps: 60,
        global: GlobalModel::shipped(),
    };
    let forecaster = Forecaster::learn(config, &samples);
    let forecast = forecaster.forecast().ok_or("no sample to forecast from")?;
    println!("{:<20} {:>8} {:>8} {:>8}", "step", "p50", "p90", "p99");
    for (minutes, quantiles) in (1..).zip(&forecast.steps).filter(|(minutes, _)| minutes % 10 == 0) {
        let at = forecast.newest.plus(Span::from_minutes(minutes));
        let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|level| quantiles.at(level).get());
        println!("{} {p50:>8.1} {p90:>8.1} {p99:>8.1}", rfc3339(at));
    }
    let summary = forecaster.summary();
    let experts: Vec<&str> = summary.experts.iter().map(|expert| expert.name).collect();
    println!("learned up to `{}`, by {}", summary.rung.name(), experts.join(", "));
    Ok(())
}

/// The samples of `timestamp,value` rows under a header.
fn read(text: &str) -> Result<Vec<(Timestamp, f64)>, String> {
    let mut samples = Vec::new();
    for (line, row) in (1..).zip(text.lines()).skip(1) {
        let (at, value) = row.split_once(',').ok_or(format!("line {line}: write `timestamp,value`"))?;
        let at = parse_instant(at).ok_or(format!("line {line}: write `2026-01-01T00:00:00Z`"))?;
        let value = value.parse().map_err(|error| format!("line {line}: {error}"))?;
        samples.push((at, value));
    }
    Ok(samples)
}

/// A daily wave between 100 and 500 with noise (xorshift64*, Vigna 2016).
fn shop(seed: u64) -> Vec<(Timestamp, f64)> {
    let mut state = seed;
    let samples = (0..TWO_WEEKS).map(|minute| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let top = u32::try_from(state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32).unwrap_or(0);
        let wave = 1.5 - (f64::from(minute) / 1440.0 * std::f64::consts::TAU).cos();
        let noise = 0.9 + 0.2 * f64::from(top) / f64::from(u32::MAX);
        (START.plus(Span::from_minutes(u64::from(minute))), 200.0 * wave * noise)
    });
    samples.collect()
}
