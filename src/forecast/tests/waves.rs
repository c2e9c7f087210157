//! Waves of day and week are seen through noise that hides single days.

use super::*;

/// Four weeks of hours: a smooth day on a smooth week, and noise of a third of the level.
fn noisy(seed: u64) -> Vec<(Timestamp, f64)> {
    let mut dice = Dice::new(seed);
    (0..28 * 24)
        .map(|n| {
            let week = (hour(60 * n) / 24.0 + f64::from(u32::try_from(n / 24 % 7).unwrap())) / 7.0;
            let level = day(60 * n) * (1.0 + 0.4 * (week * std::f64::consts::TAU).sin());
            (minute(60 * n), level * (0.3 * dice.normal()).exp())
        })
        .collect()
}

/// The pinball loss of the half day ahead over the last week, each from a fit of its day.
fn loss(samples: &[(Timestamp, f64)], without: Without) -> f64 {
    let mut sum = 0.0;
    for day in 21..28 {
        let (known, _) = samples.split_at(24 * day);
        let arrivals = known.iter().map(|&(at, value)| Arrival { at, value, censored: false });
        let mut forecaster =
            Forecaster::learn_without(config(Step::new(3600).unwrap(), 12), arrivals, without);
        for n in 24 * day..(24 * day + 24).min(samples.len() - 12) {
            for (quantiles, (_, came)) in forecaster.forecast().unwrap().steps.iter().zip(&samples[n..]) {
                sum += combine::pinball(quantiles.values(), *came);
            }
            let (at, value) = samples[n];
            forecaster.observe(at, Some(value), false);
        }
    }
    sum
}

#[test]
fn waves_take_a_part_of_the_loss_that_noise_around_them_leaves() {
    let (mut with, mut without) = (0.0, 0.0);
    for seed in 1..=4 {
        let samples = noisy(seed);
        with += loss(&samples, Without::Nothing);
        without += loss(&samples, Without::parse("harmonic").unwrap());
    }
    assert!(with <= 0.96 * without, "{with} instead of {without}");
}
