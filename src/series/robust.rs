//! Statistics that a few wild values do not move.

/// The median, the mean of the middle two for an even count; reorders; 0 when empty.
pub fn median(values: &mut [f64]) -> f64 {
    let n = values.len();
    if n == 0 {
        return 0.0;
    }
    let (below, upper, _) = values.select_nth_unstable_by(n / 2, f64::total_cmp);
    let lower = below.iter().copied().max_by(f64::total_cmp).filter(|_| n.is_multiple_of(2));
    lower.map_or(*upper, |lower| f64::midpoint(lower, *upper))
}

/// The value of rank `n * numerator / denominator` (rounded down, from 0); reorders; 0 when empty.
pub fn quantile(values: &mut [f64], numerator: usize, denominator: usize) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let rank = (values.len() * numerator / denominator.max(1)).min(values.len() - 1);
    *values.select_nth_unstable_by(rank, f64::total_cmp).1
}

/// The mean of the absolute values; 0 when empty.
pub fn mean_absolute(values: &[f64]) -> f64 {
    let (sum, seen) = values.iter().fold((0.0, 0_u32), |(sum, seen), v| (sum + v.abs(), seen + 1));
    if seen == 0 { 0.0 } else { sum / f64::from(seen) }
}

/// The largest value that is not alone: all but the highest thousandth (of a week of five minutes, two values), but
/// never under the median of the newest three, so that a new level counts at once.
///
/// `values` in time order, newest last; reorders; 0 when empty.
pub fn robust_maximum(values: &mut [f64]) -> f64 {
    let mut newest: Vec<f64> = values.iter().rev().take(3).copied().collect();
    let usual = quantile(values, 999, 1000);
    usual.max(median(&mut newest))
}
