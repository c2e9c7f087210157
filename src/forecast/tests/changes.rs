//! How soon quantiles hold again after the world has changed: a new level, steady growth, a change of the clocks.

use super::*;

const PER_DAY: usize = 288;

/// A day of five minutes around 1000 with 5 % noise, by local time of day 0 .. 1.
fn local(day: f64, dice: &mut Dice) -> f64 {
    1000.0 * (1.0 - 0.6 * (day * std::f64::consts::TAU).cos()) * (1.0 + 0.05 * dice.normal())
}

fn day_of(n: usize) -> f64 {
    f64::from(u32::try_from(n % PER_DAY).unwrap()) / 288.0
}

fn float(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap())
}

/// Shares of the targets of the next hour that the .99 quantile covers, of forecasts issued from `from` to `to`, when
/// `values[i]` is demand at `start + i * 5 min`.
fn coverage(values: &[f64], start: i64, zone: TimeZone, (from, to): (usize, usize)) -> f64 {
    let at = |n: usize| Timestamp::from_seconds(start + 300 * i64::try_from(n).unwrap());
    let config = ForecastConfig { zone, ..config(Step::new(300).unwrap(), 12) };
    let known = from - 2 * PER_DAY;
    let samples: Vec<(Timestamp, f64)> = (0..known).map(|n| (at(n), values[n])).collect();
    let mut forecaster = Forecaster::learn(config, &samples);
    let (mut covered, mut seen) = (0, 0);
    for n in known..to {
        forecaster.observe(at(n), Some(values[n]), false);
        // As the caller does, at 00:00 UTC.
        if (at(n + 1).millis() / 1000) % 86_400 == 0 {
            forecaster.refit();
        }
        if n >= from {
            let forecast = forecaster.forecast().unwrap();
            for (ahead, quantiles) in forecast.steps.iter().enumerate() {
                covered += u32::from(values[n + 1 + ahead] <= quantiles.at(0.99).get());
                seen += 1;
            }
        }
    }
    f64::from(covered) / f64::from(seen)
}

/// The coverage over some seeds, of a day that begins `hours` after the change at day 14.
fn after(hours: usize, series: impl Fn(usize, &mut Dice) -> f64) -> f64 {
    let covered: f64 = (1..=4)
        .map(|seed| {
            let mut dice = Dice::new(seed);
            let from = 14 * PER_DAY + 12 * hours;
            let values: Vec<f64> = (0..from + PER_DAY + 13).map(|n| series(n, &mut dice)).collect();
            coverage(&values, START, TimeZone::UTC, (from, from + PER_DAY))
        })
        .sum();
    covered / 4.0
}

#[test]
fn a_new_level_is_covered_after_a_day() {
    let covered = [2.0, 0.5, 5.0].map(|factor| {
        let series =
            |n: usize, dice: &mut Dice| local(day_of(n), dice) * if n >= 14 * PER_DAY { factor } else { 1.0 };
        after(24, series)
    });
    assert!(covered.iter().all(|share| *share >= 0.97), "{covered:?}");
}

#[test]
fn growth_of_five_percent_a_day_is_covered() {
    let covered = after(24, |n, dice| local(day_of(n), dice) * 1.05_f64.powf(float(n) / 288.0));
    assert!(covered >= 0.97, "{covered}");
}

#[test]
fn a_change_of_the_clocks_is_covered() {
    let zone = TimeZone::parse("Europe/Berlin").unwrap();
    // Both changes of 2026, at 01:00 UTC; the history begins 14 days before.
    for change in ["2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z"] {
        let change = crate::calendar::parse_instant(change).unwrap().millis() / 1000;
        let start = change - 14 * 86_400;
        let mut dice = Dice::new(5);
        let from = 15 * PER_DAY;
        let values: Vec<f64> = (0..from + PER_DAY + 13)
            .map(|n| {
                let at = Timestamp::from_seconds(start + 300 * i64::try_from(n).unwrap());
                local(f64::from(zone.second_of_day(at)) / 86_400.0, &mut dice)
            })
            .collect();
        let covered = coverage(&values, start, zone, (from, from + PER_DAY));
        assert!(covered >= 0.97, "{covered}");
    }
}
