//! What cannot be foreseen earns no trust.

use proptest::prelude::*;

use super::*;

const LEADS: [Span; 3] = [Span::from_minutes(1), Span::from_minutes(3), Span::from_minutes(10)];

/// Values of mean 1000 that have nothing to do with each other.
fn white(n: usize, size: f64, dice: &mut Dice) -> Vec<f64> {
    (0..n).map(|_| 1000.0 * (1.0 + size * dice.normal()).max(0.0)).collect()
}

/// Values of which each differs from the one before by a random share.
fn walk(n: usize, size: f64, dice: &mut Dice) -> Vec<f64> {
    let mut at: f64 = 0.0;
    (0..n)
        .map(|_| {
            at = (at + size * dice.normal()).clamp(-2.0, 2.0);
            1000.0 * at.exp()
        })
        .collect()
}

/// Values of median 1000 that have nothing to do with each other and reach far above it: nearer to their median than to
/// their mean.
fn bursting(n: usize, size: f64, dice: &mut Dice) -> Vec<f64> {
    (0..n).map(|_| 1000.0 * (size * dice.normal()).exp()).collect()
}

const TRUSTED: TrustState = TrustState { trusted: true, streak: 2, level: None };

/// The state of trust that stood before, after a day of hourly measurements.
fn after_a_day(values: &[f64], asked: &TrustQuestion, before: TrustState) -> TrustState {
    let known = values.len() - 1440;
    let mut forecaster = learned(&values[..known]);
    let mut state = before;
    for (n, value) in values.iter().enumerate().skip(known) {
        forecaster.observe(minute(n), Some(*value), false);
        if n % 60 == 59 {
            state = state.update(forecaster.trust(asked));
        }
    }
    state
}

/// Trust that stood is lost within a day, with each of the objectives.
fn loses_trust(values: &[f64], lead: Span, objectives: [&str; 2]) -> Result<(), TestCaseError> {
    for unserved in objectives {
        let state = after_a_day(values, &question(lead, unserved), TRUSTED);
        prop_assert!(!state.trusted, "{unserved}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn i30_white_noise_loses_trust_within_a_day(seed in 1_u64..1000, size in 0.02_f64..0.3, which in 0_usize..3) {
        let values = white(8 * 1440, size, &mut Dice::new(seed));
        loses_trust(&values, LEADS[which], ["0.1%", "1%"])?;
    }

    #[test]
    fn i30_noise_that_bursts_loses_trust_within_a_day(seed in 1_u64..1000, size in 0.8_f64..1.6, which in 0_usize..3) {
        let values = bursting(8 * 1440, size, &mut Dice::new(seed));
        loses_trust(&values, LEADS[which], ["1%", "10%"])?;
    }

    #[test]
    fn a_random_walk_loses_trust_within_a_day(seed in 1_u64..1000, size in 0.002_f64..0.03, which in 0_usize..3) {
        let values = walk(8 * 1440, size, &mut Dice::new(seed));
        loses_trust(&values, LEADS[which], ["0.1%", "1%"])?;
    }
}

#[test]
fn a_smooth_day_keeps_trust() {
    let mut dice = Dice::new(3);
    let values: Vec<f64> = (0..9 * 1440).map(|n| 5.0 * day(n) * (1.0 + 0.01 * dice.normal())).collect();
    let state = after_a_day(&values, &question(LEADS[2], "1%"), TRUSTED);
    assert!(state.trusted);
}

#[test]
fn a_ramp_each_day_out_of_rest_is_known() {
    // Thirteen times as much within three minutes, for four; nothing is nearer to the rest of the day than its median.
    let level = |since: f64| match since {
        s if s < 3.0 => 150.0 + 1820.0 * s / 3.0,
        s if s < 7.0 => 1970.0,
        s if s < 8.0 => 1970.0 - 1820.0 * (s - 7.0),
        _ => 150.0,
    };
    let mut dice = Dice::new(5);
    for first in [0.0, 90.4, 360.9, 719.5, 1001.2, 1436.7] {
        let at = |n: u32| level((f64::from(n) - first).rem_euclid(1440.0));
        let values: Vec<f64> = (0..14 * 1440).map(|n| at(n) * (0.995 + 0.01 * dice.uniform())).collect();
        let trust = learned(&values).trust(&question(LEADS[0], "0.1%"));
        assert!(trust.is_sure() && trust.skill > 0.1, "the ramp at {first}: {trust:?}");
    }
}
