//! Two hundred series that break forecasters: every shape with every kind of dirt. Whatever comes, quantiles are finite,
//! not negative, bounded and rising, and nothing panics (I24, I25).

use super::*;
use crate::series::robust_maximum;

/// Five days of five minutes.
const N: usize = 1440;

const STEP: i64 = 300;

type Shape = (&'static str, fn(usize, &mut Dice) -> f64);

/// The day of sample `n`, with its fraction.
fn days(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap()) / 288.0
}

fn wave(n: usize) -> f64 {
    200.0 - 100.0 * (days(n) * std::f64::consts::TAU).cos()
}

const SHAPES: [Shape; 20] = [
    ("zero", |_, _| 0.0),
    ("constant", |_, _| 7.0),
    ("tiny", |_, _| 1e-30),
    ("the least", |_, _| f64::MIN_POSITIVE),
    ("huge", |_, _| 9e29),
    ("constant but for the last digit", |n, _| 1e6 + f64::from(u32::try_from(n % 2).unwrap()) * 1e-9),
    ("zero but for one", |n, _| if n == 700 { 1000.0 } else { 0.0 }),
    ("zero until now", |n, _| if n + 3 > N { 500.0 } else { 0.0 }),
    ("counts near zero", |_, dice| (dice.uniform() * 1.1).floor()),
    ("counts of a few", |_, dice| (dice.uniform() * 4.0).floor()),
    ("rising line", |n, _| days(n)),
    ("falling to zero", |n, _| (4.0 - days(n)).max(0.0)),
    ("doubling each four hours", |n, _| (days(n) * 6.0).exp2()),
    ("a day", |n, _| wave(n)),
    ("on and off", |n, _| if n / 12 % 2 == 0 { 0.0 } else { 1000.0 }),
    ("saw of a counter that resets", |n, _| f64::from(u32::try_from(n % 97).unwrap()) * 1e4),
    ("white noise", |_, dice| 100.0 * dice.uniform()),
    ("spikes of a million", |n, dice| if dice.uniform() > 0.995 { 1e6 * wave(n) } else { wave(n) }),
    ("heavy tails", |_, dice| 1.0 / (dice.uniform() + 1e-6)),
    ("a hundredfold new level", |n, dice| {
        wave(n) * (1.0 + 0.1 * dice.uniform()) * if n > 1300 { 100.0 } else { 1.0 }
    }),
];

/// Time, value and whether it is a lower bound only.
type Raw = Vec<(usize, f64, bool)>;

type Dirt = (&'static str, fn(Raw, &mut Dice) -> Raw);

const DIRT: [Dirt; 10] = [
    ("clean", |raw, _| raw),
    ("half of it missing", |mut raw, dice| {
        raw.retain(|_| dice.uniform() < 0.5);
        raw
    }),
    ("a day missing", |mut raw, _| {
        raw.retain(|(n, ..)| !(500..800).contains(n));
        raw
    }),
    ("silent for half a day", |mut raw, _| {
        raw.truncate(N - 144);
        raw
    }),
    ("one sample", |mut raw, _| {
        raw.drain(..N - 1);
        raw
    }),
    ("an hour old", |mut raw, _| {
        raw.drain(..N - 12);
        raw
    }),
    ("doubled and out of order", |mut raw, dice| {
        for at in (1..raw.len()).rev() {
            let other = at.saturating_sub(usize::from(dice.uniform() < 0.5));
            raw.swap(at, other);
        }
        let again: Raw = raw.iter().step_by(3).copied().collect();
        raw.extend(again);
        raw
    }),
    ("saturated at its highest hours", |mut raw, _| {
        for (n, _, censored) in &mut raw {
            *censored = (100..200).contains(&(*n % 288));
        }
        raw
    }),
    ("all saturated", |mut raw, _| {
        for (_, _, censored) in &mut raw {
            *censored = true;
        }
        raw
    }),
    ("with what is no number", |mut raw, _| {
        for (n, value, _) in &mut raw {
            *value =
                [*value, f64::NAN, *value, f64::INFINITY, *value, -1.0, *value, f64::NEG_INFINITY][*n % 8];
        }
        raw
    }),
];

#[test]
fn i24_two_hundred_nasty_series_are_forecast_within_bounds() {
    let mut tried = 0;
    for (i, (shape, of)) in SHAPES.iter().enumerate() {
        for (k, (dirt, make)) in DIRT.iter().enumerate() {
            let mut dice = Dice::new(u64::try_from(100 * i + k).unwrap() + 1);
            let clean: Raw = (0..N).map(|n| (n, of(n, &mut dice), false)).collect();
            check(&format!("{shape}, {dirt}"), &make(clean, &mut dice));
            tried += 1;
        }
    }
    assert_eq!(tried, 200);
}

fn at(n: usize) -> Timestamp {
    Timestamp::from_seconds(START + STEP * i64::try_from(n).unwrap())
}

fn check(case: &str, raw: &Raw) {
    let mut forecaster = Forecaster::new(config(Step::new(300).unwrap(), 12));
    for &(n, value, censored) in raw {
        forecaster.observe(at(n), Some(value), censored);
    }
    forecaster.refit();
    let asked = question(Span::from_minutes(10), "0.1%");
    assert!(forecaster.trust(&asked).skill.is_finite(), "{case}");
    let forecast = forecaster.forecast().unwrap_or_else(|| panic!("{case}: no forecast"));
    assert_eq!(forecast.steps.len(), 12, "{case}");
    let mut values: Vec<f64> =
        raw.iter().map(|(_, value, _)| *value).filter(|value| (0.0..=1e30).contains(value)).collect();
    let mut newest: Raw = raw.iter().copied().filter(|(_, value, _)| (0.0..=1e30).contains(value)).collect();
    newest.sort_by_key(|(n, ..)| *n);
    let newest = newest.iter().rev().take(3).map(|(_, value, _)| *value).fold(0.0, f64::max);
    // Of the history without its wildest samples, or of a new level (I24); storage rounds.
    let bound = 3.0 * robust_maximum(&mut values).max(newest) * 1.0001 + 1e-30;
    for quantiles in &forecast.steps {
        let levels = quantiles.values();
        let sound = levels.iter().all(|q| q.is_finite() && *q >= 0.0) && levels.is_sorted();
        assert!(sound, "{case}: {levels:?}");
        let [.., top] = levels;
        assert!(*top <= bound, "{case}: {top} is above {bound}");
        assert!(quantiles.capacity_for(asked.objective, None).is_finite(), "{case}: {levels:?}");
    }
    let restored = Forecaster::restore(
        config(Step::new(300).unwrap(), 12),
        &forecaster.checkpoint().unwrap_or_else(|| panic!("{case}: no checkpoint")),
        &[],
    );
    assert!(restored.is_ok(), "{case}");
}
