//! What holds for every forecast.

use super::*;

/// A day with noise and a job of five minutes each hour.
fn busy(minutes: usize, seed: u64) -> Vec<f64> {
    let mut dice = Dice::new(seed);
    (0..minutes).map(|n| day(n) + if n % 60 < 5 { 40.0 } else { 0.0 } + 20.0 * dice.normal().abs()).collect()
}

#[test]
fn the_first_steps_can_be_issued_alone() {
    let values = busy(5 * 1440 + 33, 1);
    let forecaster = learned(&values);
    let all = forecaster.forecast().unwrap();
    assert_eq!(all.steps.len(), 60);
    for last in [1, 2, 14, 59, 60, 99] {
        let part = forecaster.forecast_to(last).unwrap();
        assert_eq!(part.steps, all.steps[..last.min(60)]);
    }
}

#[test]
fn an_earlier_forecast_can_be_issued_again_without_looking_ahead() {
    let values = busy(5 * 1440, 2);
    let known = 4 * 1440 + 2;
    let mut forecaster = learned(&values[..known]);
    let mut issued = Vec::new();
    for (n, value) in values.iter().enumerate().skip(known) {
        issued.push((n, forecaster.forecast_to(30).unwrap().steps[29]));
        forecaster.observe(minute(n), Some(*value), false);
        let Some((_, quantiles)) =
            n.checked_sub(29).and_then(|then| issued.iter().find(|(at, _)| *at == then))
        else {
            continue;
        };
        // Issued from the sample 30 minutes before this one.
        assert_eq!(forecaster.p05_30_min_ago(minute(n)), Some(quantiles.at(0.05)), "at {n}");
        if n > known + 60 {
            break;
        }
    }
}

#[test]
fn a_day_of_samples_teaches_the_same_one_by_one() {
    let values = busy(3 * 1440, 3);
    let mut one_by_one = Forecaster::new(config(Step::MINUTE, 60));
    for (n, value) in values.iter().enumerate() {
        one_by_one.observe(minute(n), Some(*value), false);
    }
    one_by_one.refit();
    assert_eq!(one_by_one.forecast(), learned(&values).forecast());
}

#[test]
fn trust_is_that_of_the_history_after_each_refit() {
    let values = busy(6 * 1440, 4);
    let asked = question(Span::from_minutes(3), "1%");
    let mut kept = learned(&values[..5 * 1440]);
    for (n, value) in values.iter().enumerate().skip(5 * 1440) {
        kept.observe(minute(n), Some(*value), false);
        if n % 60 == 0 {
            kept.trust(&asked);
        }
    }
    kept.refit();
    assert_eq!(kept.trust(&asked), learned(&values).trust(&asked));
}

#[test]
fn an_hour_of_decisions_is_added_to_those_before() {
    let values = busy(6 * 1440 + 120, 5);
    let asked = question(Span::from_minutes(3), "1%");
    let mut forecaster = learned(&values[..6 * 1440]);
    let first = forecaster.trust(&asked);
    for (n, value) in values.iter().enumerate().skip(6 * 1440) {
        forecaster.observe(minute(n), Some(*value), false);
    }
    let second = forecaster.trust(&asked);
    assert_eq!(second.decisions, first.decisions + 120);
    assert_eq!(forecaster.trust(&asked), second, "asked again");
    assert_ne!(forecaster.trust(&question(Span::from_minutes(3), "0.1%")), second, "asked another question");
}

#[test]
fn the_level_remembers_bursts_from_before_the_week_that_is_judged() {
    // Three times as much for five minutes, one time in fifty, in the second and third week of four.
    let level = |bursts: bool| {
        let mut dice = Dice::new(9);
        let mut times = 1.0;
        let values: Vec<f64> = (0..28 * 1440)
            .map(|n| {
                if n % 5 == 0 {
                    let bursting = dice.below(50) == 0 && (10 * 1440..20 * 1440).contains(&n);
                    times = if bursts && bursting { 3.0 } else { 1.0 };
                }
                times * 5.0 * day(n) * (1.0 + 0.03 * dice.normal())
            })
            .collect();
        learned(&values).trust(&question(Span::from_minutes(3), "1%")).level.unwrap().get()
    };
    let (quiet, remembered) = (level(false), level(true));
    assert!(remembered > quiet + 0.1, "{remembered} with bursts, {quiet} without");
}

#[test]
fn four_weeks_of_minutes_fit_into_64_kib() {
    // With a batch every seven hours, so that every expert takes part.
    let batch = |n: usize| if n % 420 < 60 { 150.0 } else { 0.0 };
    let values: Vec<f64> =
        busy(28 * 1440, 6).into_iter().enumerate().map(|(n, value)| value + batch(n)).collect();
    let mut forecaster = learned(&values);
    forecaster.trust(&question(Span::from_minutes(3), "1%"));
    for n in values.len()..values.len() + 1440 {
        forecaster.observe(minute(n), Some(day(n) + batch(n)), false);
    }
    forecaster.refit();
    assert_eq!(forecaster.summary().experts.len(), experts::EXPERTS);
    forecaster.trust(&question(Span::from_minutes(3), "1%"));
    assert!(forecaster.bytes() <= 65_536, "{} bytes", forecaster.bytes());
    let checkpoint = serde_json::to_string(&forecaster.checkpoint().unwrap()).unwrap();
    assert!(checkpoint.len() <= 8192, "{} bytes of checkpoint", checkpoint.len());
}
