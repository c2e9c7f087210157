//! A ridge regression of the target on all features, one for each knot ahead (direct, not iterated).
//!
//! As the study's sketch: rows weighted by age, penalty in proportion to each feature's own size, and errors measured
//! on time blocks that the coefficients have not seen.

use super::super::features::FEATURES;
use super::super::kernels::{Normal, float};

/// Half-life of the rows, in shares of the history: a fortnight of four weeks.
pub(in crate::forecast) const LONG: f64 = 0.5;

/// Half-life of the expert that follows changes: three days of four weeks.
pub(in crate::forecast) const SHORT: f64 = 0.12;

/// The penalty on a coefficient, in shares of its feature's own sum of squares. The features overlap much; at 0.002
/// the coefficients of short histories explode, at 0.2 sharp profiles are blurred.
const PENALTY: f64 = 0.02;

/// Time blocks for errors out of sample.
pub(in crate::forecast) const FOLDS: usize = 4;

/// With so many rows the coefficients lean half on those of the global model and half on none; with many, on none: what
/// many series have in common blurs what is sharp in one.
const PRIOR_ROWS: f64 = 150.0;

/// Coefficients from all rows, and for each fold from the rows of the others; few rows lean on `prior`.
///
/// `rows`: features, target, weight and fold (below [`FOLDS`]) of each.
pub(in crate::forecast) fn fit<'a>(
    rows: impl ExactSizeIterator<Item = (&'a [f64; FEATURES], f64, f64, usize)>,
    prior: &[f64; FEATURES],
) -> ([f64; FEATURES], [[f64; FEATURES]; FOLDS]) {
    let youth = (PRIOR_ROWS / float(rows.len().max(1))).powi(2);
    let penalty = PENALTY * (1.0 + youth);
    let prior = prior.map(|coefficient| coefficient * youth / (1.0 + youth));
    by_folds(rows, |normal, _| normal.solve_towards(&prior, penalty))
}

/// Coefficients from all rows, and for each fold from the rows of the others. `solve` gets those of all rows too, once
/// they are known.
pub(super) fn by_folds<'a>(
    rows: impl Iterator<Item = (&'a [f64; FEATURES], f64, f64, usize)>,
    solve: impl Fn(&Normal<FEATURES>, Option<&[f64; FEATURES]>) -> [f64; FEATURES],
) -> ([f64; FEATURES], [[f64; FEATURES]; FOLDS]) {
    let mut folds = vec![Normal::new(); FOLDS];
    for (x, target, weight, fold) in rows {
        if let Some(normal) = folds.get_mut(fold) {
            normal.add(x, target, weight);
        }
    }
    let mut all = Normal::new();
    for fold in &folds {
        all.add_scaled(fold, 1.0);
    }
    let whole = solve(&all, None);
    let mut without = [[0.0; FEATURES]; FOLDS];
    for (coefficients, fold) in without.iter_mut().zip(&folds) {
        let mut others = all.clone();
        others.add_scaled(fold, -1.0);
        *coefficients = solve(&others, Some(&whole));
    }
    (whole, without)
}
