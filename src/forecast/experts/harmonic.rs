//! Demand is a sum of waves of the local day and week, moved by what the newest levels differ from it: a regression for
//! each knot ahead (direct, not iterated) on logarithms of demand.
//!
//! Dynamic harmonic regression (Young, Pedregal and Tych 1999) with the newest levels in place of a model of the errors.
//! By an elastic net (Zou and Hastie 2005), which leaves out the waves that a series has not: the ridge experts see
//! single days and shapes of any kind; this one sees what is smooth, through the noise of all days at once.

use super::super::features::{FEATURES, Ladder, Row, at};
use super::FOLDS;
use super::ridge::by_folds;

/// Waves of a day, down to four hours, and of a week, down to 42 hours: what is sharper, other experts see.
const DAY_WAVES: usize = 6;
const WEEK_WAVES: usize = 4;

/// Levels of the present that stand behind the waves.
const PRESENT: [usize; 4] = [at::LAST, at::BEFORE, at::RECENT, at::AROUND];

/// The penalty in shares of the one that leaves out everything, once weeks were seen and before. With 0.01 instead of
/// the first, four weeks are forecast 0.2 % worse; with 0.01 instead of the second, two days 0.7 %: a few days hold
/// waves of every kind by chance.
const PENALTY: f64 = 0.002;
const PENALTY_YOUNG: f64 = 0.1;

/// What the expert sees of a target whose other features are `row`, at the shares `[day, week]` of its local day and
/// week.
pub(in crate::forecast) fn row([day, week]: [f64; 2], rung: Ladder, row: &Row) -> Row {
    let weeks = if rung >= Ladder::Weekly { WEEK_WAVES } else { 0 };
    let all = waves(day, DAY_WAVES).chain(waves(week, weeks)).flatten();
    let mut x = [0.0; FEATURES];
    for (slot, wave) in x.iter_mut().zip(all) {
        *slot = wave;
    }
    let [.., one] = &mut x;
    *one = 1.0;
    for (slot, from) in x.iter_mut().skip(2 * (DAY_WAVES + WEEK_WAVES)).zip(PRESENT) {
        *slot = row.x.get(from).copied().unwrap_or(0.0);
    }
    Row { x, base: row.base, z: row.z }
}

/// Sine and cosine of the first `n` waves at a share of their longest.
fn waves(share: f64, n: usize) -> impl Iterator<Item = [f64; 2]> {
    let (sine, cosine) = (share * std::f64::consts::TAU).sin_cos();
    std::iter::successors(Some([sine, cosine]), move |[s, c]| {
        Some([s * cosine + c * sine, c * cosine - s * sine])
    })
    .take(n)
}

/// Coefficients from all rows, and for each fold from the rows of the others.
///
/// `rows`: features, target, weight and fold (below [`FOLDS`]) of each.
pub(in crate::forecast) fn fit<'a>(
    rows: impl Iterator<Item = (&'a [f64; FEATURES], f64, f64, usize)>,
    rung: Ladder,
) -> ([f64; FEATURES], [[f64; FEATURES]; FOLDS]) {
    let penalty = if rung >= Ladder::Weekly { PENALTY } else { PENALTY_YOUNG };
    let nothing = [0.0; FEATURES];
    by_folds(rows, |normal, start| normal.solve_sparsely(penalty, start.unwrap_or(&nothing)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::kernels::float;
    use crate::forecast::tests::Dice;

    /// Rows with two waves of the day, one of the week and noise.
    fn rows(n: usize) -> Vec<([f64; FEATURES], f64)> {
        let mut dice = Dice::new(3);
        (0..n)
            .map(|i| {
                let days = float(i) / 24.0;
                let nothing = Row::new([0.0; FEATURES], 0.0);
                let row = row([days.fract(), (days / 7.0).fract()], Ladder::Weekly, &nothing);
                let target = 0.5 + row.x[1] - 0.4 * row.x[2] + 0.3 * row.x[13] + 0.1 * (dice.uniform() - 0.5);
                (row.x, target)
            })
            .collect()
    }

    #[test]
    fn waves_that_are_there_are_found_and_others_left_out() {
        let rows = rows(24 * 28);
        let (all, without) =
            fit(rows.iter().enumerate().map(|(i, (x, t))| (x, *t, 1.0, i % FOLDS)), Ladder::Weekly);
        for coefficients in without.iter().chain([&all]) {
            for (i, said) in coefficients.iter().enumerate() {
                let wanted = match i {
                    1 => 1.0,
                    2 => -0.4,
                    13 => 0.3,
                    24 => 0.5,
                    _ => 0.0,
                };
                assert!((said - wanted).abs() < 0.02, "{i}: {said}");
            }
        }
        assert!(all.iter().filter(|said| said.abs() < 1e-9).count() >= 8, "{all:?}");
    }
}
