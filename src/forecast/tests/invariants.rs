//! What holds whatever the series: scale, whole weeks, single samples, seasons that were not seen twice.

use proptest::prelude::*;

use super::*;

/// Five minutes of a day with 5 % noise and quieter weekends.
fn week(n: usize, dice: &mut Dice) -> f64 {
    let weekend = if n / 288 % 7 >= 5 { 0.7 } else { 1.0 };
    5.0 * day(5 * n) * weekend * (1.0 + 0.05 * dice.normal())
}

fn values(days: usize, seed: u64) -> Vec<f64> {
    let mut dice = Dice::new(seed);
    (0..days * 288 + 100).map(|n| week(n, &mut dice)).collect()
}

/// The forecast of an hour from `values`, the first `weeks` weeks after [`START`].
fn outlook(values: &[f64], weeks: i64) -> Vec<Quantiles> {
    let at = |n: usize| Timestamp::from_seconds(START + 7 * 86_400 * weeks + 300 * i64::try_from(n).unwrap());
    let samples: Vec<(Timestamp, f64)> =
        values.iter().enumerate().map(|(n, value)| (at(n), *value)).collect();
    Forecaster::learn(config(Step::new(300).unwrap(), 12), &samples).forecast().unwrap().steps
}

/// The largest share by which quantiles of these levels differ.
fn apart<const N: usize>(a: &[Quantiles], b: &[Quantiles], levels: [f64; N]) -> f64 {
    let at =
        |level: f64| a.iter().zip(b).map(move |(a, b)| (a.at(level).get() / b.at(level).get() - 1.0).abs());
    levels.into_iter().flat_map(at).fold(0.0, f64::max)
}

#[test]
fn a_burst_that_comes_once_a_week_is_held_at_no_hour() {
    // A hundred times of itself in a few minutes of a thousand.
    let bursts = Quantiles::new([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 5.0, 100.0]).unwrap();
    let asked = |unserved: &str, level: Option<f64>| {
        let objective = Objective::Unserved(Share::parse(unserved).unwrap());
        bursts.capacity_for(objective, level.and_then(Share::new))
    };
    assert!(asked("10%", None) > 10.0, "every step for itself: {}", asked("10%", None));
    assert!((asked("10%", Some(0.5)) - 1.0).abs() < 1e-9, "{}", asked("10%", Some(0.5)));
    assert!(
        asked("0.01%", Some(0.5)) > 90.0,
        "an objective that bears no burst: {}",
        asked("0.01%", Some(0.5))
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn i26_no_single_sample_but_the_newest_three_moves_a_forecast_by_a_tenth(
        seed in 1_u64..1000,
        back in 3_usize..4000,
        times in prop_oneof![Just(0.0), Just(0.3), Just(3.0), Just(10.0), Just(1e3), Just(1e9), Just(1e26)],
    ) {
        let values = values(14, seed);
        let mut other = values.clone();
        let at = values.len() - 1 - back;
        other[at] *= times;
        let (with, without) = (outlook(&other, 0), outlook(&values, 0));
        let moved = apart(&with, &without, [0.05, 0.5, 0.9, 0.95]);
        prop_assert!(moved <= 0.1, "{moved} by a sample {back} back, x{times}");
        // Above, a single error decides more.
        let moved = apart(&with, &without, [0.99]);
        prop_assert!(moved <= 0.25, "{moved} of the .99 quantile by a sample {back} back, x{times}");
    }

    #[test]
    fn forecasts_have_no_scale(seed in 1_u64..1000, doublings in -30_i32..60, times in 0.5_f64..2.0) {
        let values = values(9, seed);
        let plain = outlook(&values, 0);
        let power = f64::from(doublings).exp2();
        let doubled = outlook(&values.iter().map(|x| x * power).collect::<Vec<_>>(), 0);
        for (one, other) in plain.iter().zip(&doubled) {
            prop_assert_eq!(&one.times(power), other);
        }
        let scaled = outlook(&values.iter().map(|x| x * times).collect::<Vec<_>>(), 0);
        let plain: Vec<Quantiles> = plain.iter().map(|one| one.times(times)).collect();
        // The offset of the logarithm is a share of a power of two near the mean.
        let apart = apart(&scaled, &plain, [0.5, 0.99]);
        prop_assert!(apart < 0.08, "{apart}");
    }

    #[test]
    fn whole_weeks_later_the_forecast_is_the_same(seed in 1_u64..1000, weeks in -200_i64..200) {
        let values = values(15, seed);
        prop_assert_eq!(outlook(&values, weeks), outlook(&values, 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn i27_what_a_forecast_asks_for_is_the_upper_band_of_every_step_and_no_point(
        seed in 1_u64..1000,
        level in prop_oneof![Just("90%"), Just("95%"), Just("99%"), Just("99.9%")],
        first in 1_usize..6,
        more in 1_usize..7,
    ) {
        let steps = outlook(&values(9, seed), 0);
        let objective = Objective::Quantile(Share::parse(level).unwrap());
        let window = &steps[first - 1..first - 1 + more];
        let asked = window.iter().map(|step| step.capacity_for(objective, None)).fold(0.0, f64::max);
        for step in window {
            prop_assert!(asked >= step.at(objective.level().unwrap().get()).get());
            // 5 % noise: the band is no line.
            prop_assert!(asked > 1.03 * step.at(0.5).get(), "{asked} for a median of {}", step.at(0.5).get());
        }
        let unserved = Objective::Unserved(Share::parse("0.1%").unwrap());
        for step in window {
            let capacity = step.capacity_for(unserved, None);
            prop_assert!(step.expected_above(capacity) <= 0.001 * step.mean() * (1.0 + 1e-9));
            prop_assert!(capacity > step.at(0.5).get());
        }
    }

    #[test]
    fn nothing_after_the_newest_sample_is_seen(seed in 1_u64..1000, later in 1_usize..300, times in 0.0_f64..50.0) {
        // What comes later is only known to a forecaster that was told; told and asked about then, it says the same.
        let at = |n: usize| Timestamp::from_seconds(START + 300 * i64::try_from(n).unwrap());
        let values = values(9, seed);
        let known = values.len() - 24;
        let samples: Vec<(Timestamp, f64)> = (0..known).map(|n| (at(n), values[n])).collect();
        let mut forecaster = Forecaster::learn(config(Step::new(300).unwrap(), 12), &samples);
        let now = at(known - 1);
        // Half an hour before, told all up to now, and told something wild since.
        let before = forecaster.p05_30_min_ago(now);
        let half = now.plus(Span::from_minutes(30));
        let expected = forecaster.forecast().unwrap().at(half).map(|step| step.at(0.05));
        for n in 0..6.max(later % 24) {
            forecaster.observe(at(known + n), Some(values[known] * times), false);
        }
        prop_assert_eq!(forecaster.p05_30_min_ago(now), before);
        prop_assert_eq!(forecaster.p05_30_min_ago(half), expected);
    }
}

#[test]
fn a_wild_reading_is_forgotten_once_three_came_after_it() {
    let at = |n: usize| Timestamp::from_seconds(START + 300 * i64::try_from(n).unwrap());
    let values = values(14, 3);
    let known = values.len() - 4;
    let samples: Vec<(Timestamp, f64)> = (0..known).map(|n| (at(n), values[n])).collect();
    let plain = Forecaster::learn(config(Step::new(300).unwrap(), 12), &samples);
    let after = |times: f64| {
        let mut forecaster = plain.clone();
        for (n, value) in values.iter().enumerate().skip(known) {
            forecaster.observe(at(n), Some(value * if n == known { times } else { 1.0 }), false);
        }
        forecaster.forecast().unwrap().steps
    };
    for times in [0.0, 1000.0, 1e9] {
        let moved = apart(&after(times), &after(1.0), [0.05, 0.5, 0.95]);
        assert!(moved <= 0.1, "{moved} by x{times}");
    }
}

#[test]
fn i28_a_season_is_used_once_it_was_seen_twice() {
    let rung = |hours: usize, kept: usize| {
        let mut dice = Dice::new(3);
        let samples: Vec<(Timestamp, f64)> = (0..hours * 12)
            .map(|n| (minute(5 * n), week(n, &mut dice)))
            .filter(|(at, _)| at.seconds() / 300 % 10 < i64::try_from(kept).unwrap())
            .collect();
        Forecaster::learn(config(Step::new(300).unwrap(), 12), &samples).rung()
    };
    assert_eq!(rung(47, 10), Ladder::ColdStart);
    assert_eq!(rung(48, 10), Ladder::Daily);
    assert_eq!(rung(48, 7), Ladder::ColdStart, "under 80 % of it was read");
    assert_eq!(rung(14 * 24 - 1, 10), Ladder::Daily);
    assert_eq!(rung(14 * 24, 10), Ladder::Weekly);
}
