//! The highest quantiles are exceeded about as often as they say, also where errors have heavy tails.

use super::*;

/// Noise of mean about 1.
type Noise = fn(&mut Dice) -> f64;

const FAMILIES: [(&str, Noise); 5] = [
    ("normal", |dice| (1.0 + 0.1 * dice.normal()).max(0.0)),
    ("even", |dice| 0.7 + 0.6 * dice.uniform()),
    ("exponential", |dice| 0.5 - 0.5 * (1.0 - dice.uniform() * 0.999_999).ln()),
    ("bursts", |dice| {
        let burst = if dice.uniform() < 0.01 { 0.5 - (1.0 - dice.uniform() * 0.999_999).ln() } else { 0.0 };
        1.0 + 0.05 * dice.normal().abs() + burst
    }),
    ("Pareto", |dice| 0.2 + 0.8 * (1.0 - dice.uniform() * 0.999_999).powf(-0.25)),
];

/// How many of the steps ahead over the last week exceed the .99, the .995 and the .999 quantile, and of how many.
fn misses(seed: u64, noise: Noise) -> ([u32; 3], u32) {
    let mut dice = Dice::new(seed);
    let at = |n: usize| Timestamp::from_seconds(START + 300 * i64::try_from(n).unwrap());
    let values: Vec<f64> = (0..22 * 288).map(|n| day(5 * n) * noise(&mut dice)).collect();
    let known = 15 * 288;
    let samples: Vec<(Timestamp, f64)> = (0..known).map(|n| (at(n), values[n])).collect();
    let mut forecaster = Forecaster::learn(config(Step::new(300).unwrap(), 12), &samples);
    let (mut misses, mut steps) = ([0; 3], 0);
    for n in known..values.len() - 12 {
        if n % 288 == 0 {
            forecaster.refit();
        }
        if n % 5 == 0 {
            let outlook = forecaster.forecast().unwrap();
            for (quantiles, came) in outlook.steps.iter().zip(&values[n..]) {
                steps += 1;
                for (missed, level) in misses.iter_mut().zip([0.99, 0.995, 0.999]) {
                    *missed += u32::from(*came > quantiles.at(level).get());
                }
            }
        }
        forecaster.observe(at(n), Some(values[n]), false);
    }
    (misses, steps)
}

#[test]
fn the_highest_quantiles_hold_what_they_say() {
    let (mut total, mut of) = ([0; 3], 0);
    for (name, noise) in FAMILIES {
        let (mut family, mut steps) = ([0; 3], 0);
        for seed in 1..=4 {
            let (missed, n) = misses(seed, noise);
            steps += n;
            for (sum, missed) in family.iter_mut().zip(missed) {
                *sum += missed;
            }
        }
        let [_, _, highest] = family.map(|missed| f64::from(missed) / f64::from(steps));
        assert!(highest <= 0.004, "{name}: {highest} exceed the .999 quantile");
        of += steps;
        for (sum, missed) in total.iter_mut().zip(family) {
            *sum += missed;
        }
    }
    let shares = total.map(|missed| f64::from(missed) / f64::from(of));
    for (share, most) in shares.into_iter().zip([0.0125, 0.0075, 0.0015]) {
        assert!(share <= most, "{shares:?}: {share} of all steps, at most {most}");
    }
    // Nor do they say far more than they must.
    let [_, _, highest] = shares;
    assert!(highest >= 0.000_2, "{shares:?}");
}
