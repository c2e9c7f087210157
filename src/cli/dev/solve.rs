//! The regression that trains a global model: an elastic net by linfa.

use linfa::Dataset;
use linfa::prelude::Fit as _;
use linfa_elasticnet::ElasticNet;
use linfa_linalg::cholesky::Cholesky as _;
use linfa_linalg::triangular::{SolveTriangular as _, UPLO};
use ndarray::{Array1, Array2, Axis};

use crate::forecast::{Examples, FEATURES};

/// Weight of the penalty against the mean square of an error: features overlap much, and a thousandth takes the
/// coefficients of those that repeat others to zero.
const PENALTY: f64 = 1e-3;

/// Share of the penalty that is on the size of a coefficient, the rest on its square.
const L1_RATIO: f64 = 0.5;

/// Rounds of coordinate descent, and the relative duality gap that ends it.
const ROUNDS: u32 = 5000;
const GAP: f64 = 1e-5;

/// Added to the square of each feature, in units of its mean square: features that repeat others exactly have no root.
const JITTER: f64 = 1e-9;

/// Coefficients of the targets on the features, with every feature in units of its own spread. Zeros where there is
/// nothing to learn from, or nothing finite to be learned.
///
/// An elastic net sees its rows through their products only, so the root of the normal equations (Cholesky) stands in
/// for any number of rows.
pub(super) fn elastic_net(examples: &Examples) -> [f64; FEATURES] {
    fit(examples).filter(|found| found.iter().all(|c| c.is_finite())).unwrap_or([0.0; FEATURES])
}

fn fit(examples: &Examples) -> Option<[f64; FEATURES]> {
    let Examples { gram, moment, count } = examples;
    if *count == 0 {
        return None;
    }
    let n = f64::from(u32::try_from(*count).unwrap_or(u32::MAX));
    let at = |i: usize, j: usize| gram.get(i).and_then(|row| row.get(j)).copied().unwrap_or(0.0);
    let unit = |i: usize| if at(i, i) > 0.0 { (at(i, i) / n).sqrt() } else { 1.0 };
    let scaled = Array2::from_shape_fn((FEATURES, FEATURES), |(i, j)| {
        at(i, j) / (unit(i) * unit(j)) / n + if i == j { JITTER } else { 0.0 }
    });
    let products = Array1::from_shape_fn(FEATURES, |i| moment.get(i).copied().unwrap_or(0.0) / unit(i) / n);
    let root = scaled.cholesky().ok()?;
    let rows = f64::from(u32::try_from(FEATURES).unwrap_or(1)).sqrt();
    // root * targets = products; so many rows count as one each.
    let targets = root.solve_triangular(&products.insert_axis(Axis(1)), UPLO::Lower).ok()?;
    let dataset = Dataset::new(root.t().to_owned() * rows, targets.remove_axis(Axis(1)) * rows);
    let net = ElasticNet::params()
        .penalty(PENALTY)
        .l1_ratio(L1_RATIO)
        .with_intercept(false)
        .max_iterations(ROUNDS)
        .tolerance(GAP);
    let fitted = net.fit(&dataset).ok()?;
    let mut coefficients = [0.0; FEATURES];
    for ((i, slot), coefficient) in coefficients.iter_mut().enumerate().zip(fitted.hyperplane()) {
        *slot = coefficient / unit(i);
    }
    Some(coefficients)
}
