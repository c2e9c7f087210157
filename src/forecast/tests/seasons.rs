//! Seasons that nobody named: found, confirmed, and worth having; none found where there is none.

use super::*;

const FIVE_MINUTES: i64 = 300;

fn samples(days: usize, value: impl FnMut(usize) -> f64) -> Vec<(Timestamp, f64)> {
    let at = |n: usize| Timestamp::from_seconds(START + FIVE_MINUTES * i64::try_from(n).unwrap());
    (0..days * 288).map(value).enumerate().map(|(n, value)| (at(n), value)).collect()
}

fn learned_from(samples: &[(Timestamp, f64)], without: Without) -> Forecaster {
    let arrivals = samples.iter().map(|&(at, value)| Arrival { at, value, censored: false });
    Forecaster::learn_without(config(Step::new(300).unwrap(), 12), arrivals, without)
}

/// The season found, in minutes.
fn found(samples: &[(Timestamp, f64)]) -> Option<i64> {
    let forecaster = learned_from(samples, Without::Nothing);
    Some(5 * forecaster.model.as_ref()?.model.cycle?)
}

/// A day with noise, and a batch that runs a tenth of the time, every `period` steps.
fn batch(period: usize, seed: u64) -> impl FnMut(usize) -> f64 {
    let mut dice = Dice::new(seed);
    move |n| {
        let runs = n % period < (period / 10).max(3);
        day(5 * n) * (1.0 + 0.03 * dice.normal()) + if runs { 300.0 } else { 0.0 }
    }
}

/// The pinball loss of the hour ahead over the last two days.
fn loss(samples: &[(Timestamp, f64)], without: Without) -> f64 {
    let known = samples.len() - 2 * 288;
    let mut forecaster = learned_from(&samples[..known], without);
    let mut sum = 0.0;
    for n in known..samples.len() - 12 {
        let outlook = forecaster.forecast().unwrap();
        for (quantiles, (_, came)) in outlook.steps.iter().zip(&samples[n..]) {
            sum += combine::pinball(quantiles.values(), *came);
        }
        let (at, value) = samples[n];
        forecaster.observe(at, Some(value), false);
    }
    sum
}

#[test]
fn i28_a_season_of_its_own_length_is_found_once_it_was_seen_twice_and_confirmed() {
    // Five, seven and eleven hours, and four days; five hours and ten minutes.
    for (period, days) in [(60, 14), (84, 10), (132, 20), (62, 14), (4 * 288, 28), (60, 28)] {
        let all = samples(days, batch(period, 1));
        assert_eq!(found(&all), Some(5 * i64::try_from(period).unwrap()), "{period} steps in {days} days");
    }
    // Twice four days lie within the older three quarters of eleven days, and not of ten.
    assert_eq!(found(&samples(10, batch(4 * 288, 1))), None);
}

#[test]
fn a_batch_that_stopped_is_not_confirmed() {
    let mut with = batch(60, 2);
    let stopped = samples(20, |n| if n < 14 * 288 { with(n) } else { with(59) + day(5 * n) - day(5 * 59) });
    assert_eq!(found(&stopped), None);
}

#[test]
fn a_new_level_is_no_season() {
    let mut dice = Dice::new(2);
    let mut with = batch(60, 2);
    let moved =
        samples(
            20,
            |n| if n < 14 * 288 { with(n) } else { 300.0 + day(5 * n) * (1.0 + 0.03 * dice.normal()) },
        );
    assert_eq!(found(&moved), None);
}

#[test]
fn what_has_no_season_but_day_and_week_has_none_found() {
    for seed in 1..=12 {
        let mut dice = Dice::new(seed);
        let noisy = samples(21, |n| day(5 * n) * (1.0 + 0.1 * dice.normal()));
        assert_eq!(found(&noisy), None, "noise {seed}");
        let mut dice = Dice::new(seed);
        let mut drift = 0.0;
        let drifting = samples(21, |n| {
            drift = 0.98 * drift + 0.05 * dice.normal();
            day(5 * n) * f64::exp(drift)
        });
        assert_eq!(found(&drifting), None, "drift {seed}");
        let mut dice = Dice::new(seed);
        let weekly = samples(28, |n| {
            let weekend = if n / 288 % 7 >= 5 { 0.5 } else { 1.0 };
            let job = if n % 12 == 0 { 60.0 } else { 0.0 };
            weekend * day(5 * n) * (1.0 + 0.05 * dice.normal()) + job
        });
        assert_eq!(found(&weekly), None, "week {seed}");
    }
}

#[test]
fn a_found_season_halves_the_loss() {
    for period in [60, 132] {
        let all = samples(16, batch(period, 5));
        let (with, without) = (loss(&all, Without::Nothing), loss(&all, Without::FoundSeason));
        assert!(with <= 0.5 * without, "{period} steps: {with} instead of {without}");
    }
}

#[test]
fn a_found_season_survives_a_restart() {
    let all = samples(16, batch(60, 3));
    let forecaster = learned_from(&all, Without::Nothing);
    let kept = forecaster.checkpoint().unwrap();
    let text = serde_json::to_string(&kept).unwrap();
    assert!(text.len() <= 8192, "{} bytes", text.len());
    let restored =
        Forecaster::restore(config(Step::new(300).unwrap(), 12), &serde_json::from_str(&text).unwrap(), &[])
            .unwrap();
    assert_eq!(restored.model.as_ref().unwrap().model.cycle, Some(60));
    assert!(restored.forecast().unwrap().steps.iter().all(|step| step.at(0.5).get().is_finite()));
}
