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

/// Two weeks as ever, then `factor` times as much.
fn changed(factor: f64) -> impl Fn(usize, &mut Dice) -> f64 {
    move |n, dice| local(day_of(n), dice) * if n >= 14 * PER_DAY { factor } else { 1.0 }
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
    let covered = [2.0, 0.5, 5.0, 20.0].map(|factor| after(24, changed(factor)));
    assert!(covered.iter().all(|share| *share >= 0.97), "{covered:?}");
}

#[test]
fn a_new_level_is_covered_after_two_hours() {
    let covered = [2.0, 0.5, 5.0, 20.0].map(|factor| after(2, changed(factor)));
    assert!(covered.iter().all(|share| *share >= 0.97), "{covered:?}");
}

/// A forecaster of two weeks, and of so many blocks of the next, which begin at 10:00.
fn followed(blocks: usize, series: impl Fn(usize, &mut Dice) -> f64) -> Forecaster {
    let at = |n: usize| Timestamp::from_seconds(START + 300 * i64::try_from(n).unwrap());
    let mut dice = Dice::new(7);
    let samples: Vec<(Timestamp, f64)> =
        (0..14 * PER_DAY + 120 + blocks).map(|n| (at(n), series(n, &mut dice))).collect();
    let (known, coming) = samples.split_at(14 * PER_DAY);
    let mut forecaster = Forecaster::learn(config(Step::new(300).unwrap(), 12), known);
    for (at, value) in coming {
        forecaster.observe(*at, Some(*value), false);
    }
    forecaster
}

#[test]
fn an_hour_after_a_change_the_forecast_has_the_new_level() {
    let change = 14 * PER_DAY + 120;
    for factor in [0.3, 3.0, 10.0] {
        let forecaster =
            followed(12, |n, dice| local(day_of(n), dice) * if n >= change { factor } else { 1.0 });
        let outlook = forecaster.forecast().unwrap();
        let expected = factor * 1000.0 * (1.0 - 0.6 * (day_of(change + 24) * std::f64::consts::TAU).cos());
        let said = outlook.steps[11].at(0.5).get();
        assert!((said / expected - 1.0).abs() < 0.1, "{said} instead of {expected} at x{factor}");
    }
}

#[test]
fn what_was_missed_before_a_change_was_seen_widens_no_forecast_after_it() {
    let change = 14 * PER_DAY + 120;
    let width = |factor: f64| {
        let forecaster =
            followed(60, |n, dice| local(day_of(n), dice) * if n >= change { factor } else { 1.0 });
        let reach = |q: &Quantiles| q.at(0.99).get() / q.at(0.5).get() - 1.0;
        let steps = forecaster.forecast().unwrap().steps;
        [reach(&steps[0]), reach(&steps[11])]
    };
    let [near, far] = width(1.0);
    for factor in [3.0, 10.0] {
        let changed = width(factor);
        assert!(
            changed[0] < 1.5 * near && changed[1] < 1.5 * far,
            "{changed:?} for {near} and {far} at x{factor}"
        );
    }
}

#[test]
fn a_burst_of_a_kind_that_was_seen_to_end_is_no_new_level() {
    // An hour and a half of five times as much, on each third day at another hour; and one that has just lasted an hour.
    let burst = |n: usize| {
        let (day, hour) = (n / PER_DAY, n % PER_DAY / 12);
        (day % 3 == 1 && day < 14 && hour == 3 + day && n % 12 < 12) || n >= 14 * PER_DAY + 120
    };
    let with = followed(12, |n, dice| local(day_of(n), dice) * if burst(n) { 5.0 } else { 1.0 });
    let never =
        followed(12, |n, dice| local(day_of(n), dice) * if n >= 14 * PER_DAY + 120 { 5.0 } else { 1.0 });
    let spread = |forecaster: &Forecaster| {
        let last = forecaster.forecast().unwrap().steps[11];
        last.at(0.95).get() / last.at(0.05).get()
    };
    // It may end or go on.
    assert!(spread(&with) > 1.25 * spread(&never), "{} and {}", spread(&with), spread(&never));
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

#[test]
fn a_saturated_peak_teaches_no_lower_demand() {
    // Ten days of which the last four are cut off at 1100 where demand goes to 1600: marked so, or not known at all.
    let at = |n: usize| Timestamp::from_seconds(START + 300 * i64::try_from(n).unwrap());
    let mut dice = Dice::new(11);
    let demand: Vec<f64> = (0..10 * PER_DAY).map(|n| local(day_of(n), &mut dice)).collect();
    let known = 9 * PER_DAY + 132;
    let last_peaks = |marked: bool| {
        let arrivals = (0..known).map(|n| {
            let cut = n >= 6 * PER_DAY && demand[n] > 1100.0;
            let value = if cut { 1100.0 } else { demand[n] };
            Arrival { at: at(n), value, censored: cut && marked }
        });
        let forecaster = Forecaster::learn_from(config(Step::new(300).unwrap(), 12), arrivals);
        forecaster.forecast().unwrap().steps[11]
    };
    let uncut = (0..known).map(|n| Arrival { at: at(n), value: demand[n], censored: false });
    let uncut =
        Forecaster::learn_from(config(Step::new(300).unwrap(), 12), uncut).forecast().unwrap().steps[11];
    let (marked, taken) = (last_peaks(true), last_peaks(false));
    for level in [0.5, 0.99] {
        let [marked, taken, uncut] = [marked, taken, uncut].map(|quantiles| quantiles.at(level).get());
        assert!(marked >= 0.9 * uncut, "{marked} at {level}, {uncut} without saturation");
        assert!(taken < marked, "{taken} at {level} when taken as demand, {marked} when marked");
    }
}
