//! Sources that change less often than they are read: blocks take over their grid.

use super::*;

/// Native values every `hold` minutes, of a day with noise, read every minute; the first native value begins at
/// minute `phase`.
fn held(minutes: usize, hold: usize, phase: usize, seed: u64) -> Vec<f64> {
    let mut dice = Dice::new(seed);
    let mut now = day(0);
    (0..minutes)
        .map(|n| {
            if n % hold == phase % hold {
                now = day(n) * (1.0 + 0.1 * dice.normal());
            }
            now
        })
        .collect()
}

#[test]
fn the_rest_of_a_native_value_is_known() {
    for (hold, phase) in [(5, 0), (5, 3), (15, 7), (30, 11)] {
        let values = held(6 * 1440 + 60, hold, phase, 1);
        // Two minutes into a native value.
        let known = (6 * 1440 / hold) * hold + phase + 2;
        let forecaster = learned(&values[..known]);
        let outlook = forecaster.forecast_to(hold).unwrap();
        let value = values[known - 1];
        for (ahead, quantiles) in outlook.steps.iter().enumerate() {
            let near = |level: f64| (quantiles.at(level).get() / value - 1.0).abs() < 1e-4;
            let is_known = ahead < hold - 2;
            assert_eq!(near(0.01) && near(0.999), is_known, "hold {hold} phase {phase} ahead {ahead}");
        }
    }
}

#[test]
fn forecasts_are_those_of_the_native_grid() {
    let (hold, phase) = (5, 2);
    let values = held(10 * 1440 + phase, hold, phase, 4);
    let by_minute = learned(&values[phase..]);
    let native: Vec<(Timestamp, f64)> =
        (phase..values.len()).step_by(hold).map(|n| (minute(n - phase), values[n])).collect();
    let by_native = Forecaster::learn(config(Step::new(300).unwrap(), 12), &native);
    let (fine, coarse) = (by_minute.forecast().unwrap(), by_native.forecast().unwrap());
    for (ahead, quantiles) in fine.steps.iter().enumerate() {
        for level in LEVELS {
            let (a, b) = (quantiles.at(level).get(), coarse.steps[ahead / hold].at(level).get());
            assert!((a - b).abs() <= 1e-6 * b, "{a} instead of {b} at {level}, {ahead} minutes ahead");
        }
    }
}

#[test]
fn a_source_that_begins_to_change_every_minute_is_followed() {
    let mut values = held(4 * 1440, 5, 1, 2);
    let mut forecaster = learned(&values);
    let mut dice = Dice::new(9);
    for n in values.len()..values.len() + 3 * 1440 {
        values.push(day(n) * (1.0 + 0.1 * dice.normal()));
        forecaster.observe(minute(n), values.last().copied(), false);
        if (n + 1) % 1440 == 0 {
            forecaster.refit();
        }
    }
    // A minute is uncertain again.
    let outlook = forecaster.forecast_to(1).unwrap();
    let (low, high) = (outlook.steps[0].at(0.05).get(), outlook.steps[0].at(0.95).get());
    assert!(high / low > 1.15, "{low} .. {high}");
}
