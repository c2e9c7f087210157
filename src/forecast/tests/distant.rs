//! A month ahead: intervals hold on families of series, a known week goes on, and a short history says nothing.

use super::*;

/// Four weeks of hours.
const KNOWN: usize = 28 * 24;

/// The level of each of `days` days.
type Course = fn(usize, f64, &mut Dice) -> Vec<f64>;

const FAMILIES: [(&str, Course); 4] = [
    ("steady", |days, _, _| vec![1.0; days]),
    ("growing", |days, size, _| {
        (0..days).map(|d| ((2.0 * size - 0.8) * 0.05 / 7.0 * days_of(d)).exp()).collect()
    }),
    ("a walk", |days, size, dice| {
        let mut at = 0.0;
        (0..days)
            .map(|_| {
                at += (0.01 + 0.03 * size) * dice.normal();
                f64::exp(at)
            })
            .collect()
    }),
    ("weather", |days, _, dice| {
        let mut at = 0.0;
        (0..days)
            .map(|_| {
                at = 0.8 * at + 0.06 * dice.normal();
                f64::exp(at)
            })
            .collect()
    }),
];

fn days_of(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap())
}

fn hour_at(n: usize) -> Timestamp {
    Timestamp::from_seconds(START + 3600 * i64::try_from(n).unwrap())
}

/// Hours of a week with weekends at `levels`.
fn hours(levels: &[f64], noise: f64, dice: &mut Dice) -> Vec<f64> {
    (0..24 * levels.len())
        .map(|n| {
            let weekend = if n / 24 % 7 >= 5 { 0.6 } else { 1.0 };
            day(60 * n) * weekend * levels[n / 24] * (1.0 + noise * dice.normal()).max(0.0)
        })
        .collect()
}

fn stamped(values: &[f64]) -> Vec<(Timestamp, f64)> {
    values.iter().enumerate().map(|(n, value)| (hour_at(n), *value)).collect()
}

fn ahead(values: &[f64], n_steps: usize) -> Option<QuantileForecast> {
    days_ahead(&stamped(values), (Step::new(3600).unwrap(), n_steps), TimeZone::UTC)
}

#[test]
fn the_upper_quantile_covers_what_it_says_a_day_to_four_weeks_ahead() {
    let wanted = [1, 7, 14, 28];
    let mut pooled = [0.0; 4];
    for (name, course) in FAMILIES {
        let mut covered = [0.0; 4];
        for seed in 1..=40 {
            let mut dice = Dice::new(seed);
            let (size, noise) = (dice.uniform(), 0.03 + 0.15 * dice.uniform());
            let levels = course(56, size, &mut dice);
            let values = hours(&levels, noise, &mut dice);
            let outlook = ahead(&values[..KNOWN], 28 * 24).unwrap();
            for (share, days) in covered.iter_mut().zip(wanted) {
                let hours = 24 * (days - 1)..24 * days;
                let held = hours.filter(|h| values[KNOWN + h] <= outlook.steps[*h].at(0.9).get()).count();
                *share += days_of(held) / 24.0 / 40.0;
            }
        }
        for ((sum, share), days) in pooled.iter_mut().zip(covered).zip(wanted) {
            *sum += share / 4.0;
            // A family by itself is forty futures, of which the walks are forty numbers.
            assert!((0.8..=0.97).contains(&share), "{name}, {days} days ahead: {share}");
        }
    }
    for (share, days) in pooled.into_iter().zip(wanted) {
        assert!((0.85..=0.95).contains(&share), "{days} days ahead: {share}");
    }
}

#[test]
fn a_known_week_that_grows_goes_on() {
    let levels: Vec<f64> = (0..56).map(|d| (0.04 / 7.0 * days_of(d)).exp()).collect();
    let values = hours(&levels, 0.02, &mut Dice::new(3));
    let outlook = ahead(&values[..KNOWN], 28 * 24).unwrap();
    for h in (0..28 * 24).step_by(5) {
        let (said, came) = (outlook.steps[h].at(0.5).get(), values[KNOWN + h]);
        assert!((said / came - 1.0).abs() < 0.12, "{h} hours ahead: {said} instead of {came}");
    }
    assert_eq!(outlook.newest, hour_at(KNOWN - 1));
}

#[test]
fn local_time_is_kept_when_clocks_change() {
    // To 2026-04-10; summer time begins in Berlin on 29 March.
    let zone = TimeZone::parse("Europe/Berlin").unwrap();
    let start = 70 * 24;
    let job = |n: usize| if zone.second_of_day(hour_at(n)) / 3600 == 9 { 500.0 } else { 100.0 };
    let samples: Vec<(Timestamp, f64)> = (start..start + 16 * 24).map(|n| (hour_at(n), job(n))).collect();
    let end = start + 16 * 24;
    let outlook = days_ahead(&samples, (Step::new(3600).unwrap(), 14 * 24), zone).unwrap();
    for h in 0..14 * 24 {
        let (said, came) = (outlook.steps[h].at(0.5).get(), job(end + h));
        assert!((said / came - 1.0).abs() < 0.05, "{h}: {said} instead of {came}");
    }
}

#[test]
fn what_is_short_constant_or_nothing_is_no_trouble() {
    assert!(ahead(&[], 10).is_none());
    assert!(ahead(&vec![1.0; 4 * 24 - 1], 10).is_none());
    for value in [0.0, 7.0, 1e27] {
        let outlook = ahead(&vec![value; 5 * 24], 30 * 24).unwrap();
        assert_eq!(outlook.steps.len(), 30 * 24);
        for step in &outlook.steps {
            let near = |level: f64| (step.at(level).get() - value).abs() <= 1e-6 * value;
            assert!(near(0.01) && near(0.999), "{value}: {:?}", step.values());
        }
    }
}
