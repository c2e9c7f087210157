//! Quantiles hold in every part of the local day, also where errors of the afternoon are of another size or shape.

use super::*;

/// What demand is multiplied by, in the afternoon or not.
type Noise = fn(bool, &mut Dice) -> f64;

const FAMILIES: [(&str, Noise); 3] = [
    ("normal", |afternoon, dice| (1.0 + if afternoon { 0.3 } else { 0.02 } * dice.normal()).max(0.0)),
    ("exponential", |afternoon, dice| {
        1.0 - if afternoon { 0.5 } else { 0.02 } * (1.0 - dice.uniform() * 0.999_999).ln()
    }),
    ("in proportion", |afternoon, dice| (if afternoon { 0.5 } else { 0.05 } * dice.normal()).exp()),
];

/// Demand of five minutes, wild from twelve to six of a local day that is `behind` hours behind UTC.
struct Days {
    zone: &'static str,
    behind: usize,
}

const DAYS: [Days; 2] = [Days { zone: "UTC", behind: 0 }, Days { zone: "America/Bogota", behind: 5 }];

impl Days {
    /// The part of the local day of the `n`th five minutes.
    fn part(&self, n: usize) -> usize {
        (n + 288 - 12 * self.behind) % 288 / 72
    }

    /// Coverage of the .9 and the .99 quantile in each part of the day, over the week after two weeks.
    fn coverage(&self, noise: Noise, without: Without) -> [[f64; 4]; 2] {
        let at = |n: usize| Timestamp::from_seconds(START + 300 * i64::try_from(n).unwrap());
        let (mut under, mut of) = ([[0_u32; 4]; 2], [0_u32; 4]);
        for seed in 1..=3 {
            let mut dice = Dice::new(seed);
            let values: Vec<f64> =
                (0..22 * 288).map(|n| day(5 * n) * noise(self.part(n) == 2, &mut dice)).collect();
            let known = 15 * 288;
            let zone = TimeZone::parse(self.zone).unwrap();
            let config = ForecastConfig { zone, ..config(Step::new(300).unwrap(), 12) };
            let samples = (0..known).map(|n| Arrival { at: at(n), value: values[n], censored: false });
            let mut forecaster = Forecaster::learn_without(config, samples, without);
            for n in known..values.len() - 12 {
                if n % 288 == 0 {
                    forecaster.refit();
                }
                if n % 5 == 0 {
                    let outlook = forecaster.forecast().unwrap();
                    for (i, (quantiles, came)) in (n..).zip(outlook.steps.iter().zip(&values[n..])) {
                        of[self.part(i)] += 1;
                        for (under, level) in under.iter_mut().zip([0.9, 0.99]) {
                            under[self.part(i)] += u32::from(*came <= quantiles.at(level).get());
                        }
                    }
                }
                forecaster.observe(at(n), Some(values[n]), false);
            }
        }
        under.map(|under| std::array::from_fn(|part| f64::from(under[part]) / f64::from(of[part])))
    }
}

#[test]
fn each_part_of_the_local_day_is_as_wide_as_its_own_errors() {
    let furthest =
        |coverage: [f64; 4]| coverage.map(|share| (share - 0.9).abs()).into_iter().fold(0.0, f64::max);
    for days in DAYS {
        for (name, noise) in FAMILIES {
            let [ninety, highest] = days.coverage(noise, Without::Nothing);
            let [ninety_alike, highest_alike] = days.coverage(noise, Without::PartsOfDay);
            let case = format!(
                "{name}, {}: {ninety:?} {highest:?}, alike {ninety_alike:?} {highest_alike:?}",
                days.zone
            );
            assert!(furthest(ninety) <= 0.06 && furthest(ninety) < 0.8 * furthest(ninety_alike), "{case}");
            assert!(highest.iter().all(|share| *share >= 0.98), "{case}");
            assert!(highest_alike[2] < highest[2] - 0.005, "{case}");
        }
    }
}

#[test]
fn what_a_part_of_the_day_has_learned_survives_a_restart() {
    let mut dice = Dice::new(4);
    let (_, noise) = FAMILIES[0];
    let samples: Vec<(Timestamp, f64)> = (0..15 * 288)
        .map(|n| (Timestamp::from_seconds(START + 300 * i64::try_from(n).unwrap()), n))
        .map(|(at, n)| (at, day(5 * n) * noise((144..216).contains(&(n % 288)), &mut dice)))
        .collect();
    let config = config(Step::new(300).unwrap(), 12);
    let forecaster = Forecaster::learn(config.clone(), &samples);
    let widths = |forecaster: &Forecaster| forecaster.model.as_ref().unwrap().calibration.numbers();
    let kept = forecaster.checkpoint().unwrap();
    let restored = Forecaster::restore(config.clone(), &kept, &[]).unwrap();
    for (before, after) in widths(&forecaster).iter().zip(widths(&restored)) {
        assert!(before.iter().zip(&after).all(|(a, b)| (a - b).abs() <= 0.000_51), "{before:?} {after:?}");
        // The afternoon is wider than the day, the morning narrower.
        assert!(after[5] > 0.1 && after[3] < 0.0, "{after:?}");
    }
    // A form from before there were any is read, and one that is none.
    let mut form = serde_json::to_value(&kept).unwrap();
    for nothing in [serde_json::json!(null), serde_json::json!([[], [1]])] {
        form["widths"] = nothing;
        let older: Checkpoint = serde_json::from_value(form.clone()).unwrap();
        assert!(Forecaster::restore(config.clone(), &older, &[]).unwrap().forecast().is_some());
    }
}

/// What is stored of the history is level over half hours, which are no grid of the source's: knots and seasons count in
/// blocks, and would be six times as far ahead in blocks of half an hour.
#[test]
fn a_checkpoint_of_minutes_forecasts_the_same_hour_in_the_same_blocks() {
    let mut dice = Dice::new(9);
    // To a minute past a half hour.
    let values: Vec<f64> = (0..=10 * 1440 + 10 * 60).map(|n| day(n) * (1.0 + 0.02 * dice.normal())).collect();
    let forecaster = learned(&values);
    let kept = forecaster.checkpoint().unwrap();
    let restored = Forecaster::restore(forecaster.config.clone(), &kept, &[]).unwrap();
    assert_eq!(restored.series.blocking(), forecaster.series.blocking());
    assert_eq!(restored.series.newest(), forecaster.series.newest());
    let (before, after) = (forecaster.forecast().unwrap(), restored.forecast().unwrap());
    for (n, (before, after)) in before.steps.iter().zip(&after.steps).enumerate() {
        let (median, width) = (before.at(0.5).get(), before.at(0.99).get() - before.at(0.5).get());
        assert!(
            (after.at(0.5).get() / median - 1.0).abs() < 0.05,
            "{n}: {} for {median}",
            after.at(0.5).get()
        );
        let kept = after.at(0.99).get() - after.at(0.5).get();
        assert!((0.5..2.0).contains(&(kept / width)), "{n}: {kept} for {width}");
    }
    // Blocks of no length are none.
    let mut form = serde_json::to_value(&kept).unwrap();
    for factor in [0, -5, i64::MAX] {
        form["blocks"]["factor"] = factor.into();
        let hostile: Checkpoint = serde_json::from_value(form.clone()).unwrap();
        assert!(Forecaster::restore(forecaster.config.clone(), &hostile, &[]).is_err(), "{factor}");
    }
}
