//! Announced events leave no trace in what is learned.

use std::sync::Arc;

use super::*;
use crate::calendar::{Effect, Window};

const DAYS: usize = 28;
const A_DAY: usize = 288;

fn at(i: usize) -> Timestamp {
    Timestamp::from_seconds(START + 300 * i64::try_from(i).unwrap())
}

/// Four weeks and four more: a day's wave, a week's, and noise.
fn ordinary() -> Vec<f64> {
    let mut dice = Dice::new(5);
    let week = [1.0, 0.95, 1.1, 1.2, 0.9, 0.95, 1.0];
    (0..2 * DAYS * A_DAY).map(|i| day(5 * i) * week[i / A_DAY % 7] * (0.03 * dice.normal()).exp()).collect()
}

/// From six in the morning to midnight of the 24th day, with a ramp and a decay of two hours.
fn sale(multiplier: f64, exclude_from_learning: bool) -> Window {
    let effect = Effect {
        name: "retail/sale".to_owned(),
        multiplier,
        ramp_up: Span::from_hours(2),
        decay: Span::from_hours(2),
        ready_before: Span::ZERO,
        min_replicas: None,
        max_replicas: None,
        exclude_from_learning,
    };
    Window { start: at(23 * A_DAY + 72), end: at(24 * A_DAY), effect }
}

/// Median and .99 quantile an hour ahead at every hour of the four weeks after the history `x`.
fn next_four_weeks(x: &[f64], windows: &[Window]) -> Vec<f64> {
    let config = config(Step::new(300).unwrap(), 12);
    let mut keeper = Keeper::new(config.clone(), Span::ZERO, Arc::from(windows));
    let samples: Vec<(Timestamp, f64)> = x.iter().enumerate().map(|(i, x)| (at(i), *x)).collect();
    let (known, coming) = samples.split_at(DAYS * A_DAY);
    keeper.begin(fitted(config, windows, known, at(DAYS * A_DAY)), at(DAYS * A_DAY));
    let mut forecasts = Vec::new();
    for hour in coming.chunks(12) {
        let arrivals: Vec<Arrival> =
            hour.iter().map(|&(at, value)| Arrival { at, value, censored: false }).collect();
        let now = arrivals.last().unwrap().at.plus(Span::from_minutes(5));
        keeper.observe(&arrivals, now);
        keeper.keep(None, now);
        let last = keeper.outlook().unwrap().steps.last().unwrap();
        forecasts.extend([last.at(0.5).get(), last.at(0.99).get()]);
    }
    forecasts
}

/// The mean distance of two courses, as a share of the second.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    let apart: f64 = a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum();
    apart / b.iter().sum::<f64>()
}

#[test]
fn with_an_event_in_the_history_the_next_four_weeks_are_forecast_as_without_it() {
    let x = ordinary();
    let without = next_four_weeks(&x, &[]);
    let busy = |times: f64| -> Vec<f64> {
        let real = sale(times, true);
        x.iter().enumerate().map(|(i, x)| x * real.factor(at(i))).collect()
    };
    // As announced and excluded; as announced and learned; and by half more than announced, excluded.
    for (real, window) in [(4.0, sale(4.0, true)), (4.0, sale(4.0, false)), (6.0, sale(4.0, true))] {
        let with = next_four_weeks(&busy(real), &[window]);
        let apart = distance(&with, &without);
        assert!(apart < 0.02, "{apart} apart, x{real}");
    }
    // Nobody announced it: the test sees a difference where there is one.
    assert!(distance(&next_four_weeks(&busy(4.0), &[]), &without) > 0.02);
}

#[test]
fn an_event_that_is_on_is_seen_divided_and_forgotten_when_it_is_over() {
    let x = ordinary();
    let window = sale(4.0, true);
    let config = config(Step::new(300).unwrap(), 12);
    let windows = [window.clone()];
    let samples: Vec<(Timestamp, f64)> =
        x.iter().enumerate().map(|(i, x)| (at(i), x * window.factor(at(i)))).collect();
    let noon = 23 * A_DAY + 144;
    let mut keeper = Keeper::new(config.clone(), Span::ZERO, Arc::from(windows.clone()));
    keeper.begin(fitted(config, &windows, &samples[..noon], at(noon)), at(noon));
    let (_, newest) = keeper.forecaster().unwrap().newest().unwrap();
    assert!((newest - x[noon - 1]).abs() < 0.01, "{newest} {}", x[noon - 1]);
    assert!(keeper.profile().unwrap().at(at(noon)).is_some());
    for &(at, value) in &samples[noon..25 * A_DAY] {
        keeper.observe(&[Arrival { at, value, censored: false }], at.plus(Span::from_minutes(5)));
    }
    // The twenty hours of the sale are gaps now.
    assert_eq!(keeper.forecaster().unwrap().summary().samples, 25 * A_DAY - 20 * 12);
}

#[test]
fn i25_what_was_read_within_an_excluded_window_has_no_influence() {
    let x = ordinary();
    let window = sale(4.0, true);
    let now = at(DAYS * A_DAY);
    let forecast = |times: f64| {
        let read = |i: usize| if window.holds(at(i)) { x[i] * times } else { x[i] };
        let samples: Vec<(Timestamp, f64)> = (0..DAYS * A_DAY).map(|i| (at(i), read(i))).collect();
        fitted(config(Step::new(300).unwrap(), 12), std::slice::from_ref(&window), &samples, now).forecast()
    };
    assert!(window.over() < now && forecast(1.0).is_some());
    for times in [0.0, 3.0, 1e20] {
        assert_eq!(forecast(times), forecast(1.0), "x{times}");
    }
}
