//! The grid, its blocks and the grids of sources that hold their values.

use super::*;

fn series(values: impl IntoIterator<Item = f64>) -> Series {
    let mut series = Series::new(Step::MINUTE, Span::from_hours(28 * 24));
    for (minute, value) in (0..).zip(values) {
        assert!(series.push(Timestamp::from_seconds(60 * minute), value, false));
    }
    series
}

/// Numbers that change every minute and repeat every 1009.
fn busy(n: u32) -> f64 {
    f64::from((n * 7919) % 1009 + 1)
}

#[test]
fn minutes_are_averaged_over_five() {
    let series = series((0..20).map(f64::from));
    assert_eq!(series.blocking(), Blocking::usual(Step::MINUTE));
    assert_eq!(series.block(0), Sample::Value(2.0));
    assert_eq!(series.block(3), Sample::Value(17.0));
    assert_eq!(series.block(4), Sample::Gap);
    assert_eq!(series.sample(19), Sample::Value(19.0));
    assert_eq!(series.known(3), Sample::Value(3.0));
}

#[test]
fn old_minutes_are_known_as_means() {
    let series = series((0..6 * 1440).map(busy));
    assert_eq!(series.sample(0), Sample::Gap);
    let mean = (0..5).map(busy).sum::<f64>() / 5.0;
    assert!((series.known(3).reading().unwrap() - mean).abs() < 1e-4, "to the precision of 32 bits");
    assert_eq!(series.oldest(), 0);
    assert!(series.oldest_fine() <= 4 * 1440 - 120, "two days and two hours are kept");
}

#[test]
fn what_is_older_than_the_history_is_forgotten() {
    let mut series = Series::new(Step::MINUTE, Span::from_hours(24));
    for minute in 0..3 * 1440 {
        series.push(Timestamp::from_seconds(60 * minute), 1.0, false);
    }
    assert_eq!(series.oldest(), 2 * 1440);
    assert!(!series.push(Timestamp::from_seconds(60), 1.0, false), "too late");
    assert!(series.push(Timestamp::from_seconds(60 * 20 * 1440), 1.0, false));
    assert_eq!(series.oldest(), 20 * 1440, "nothing known is kept over a silence of weeks");
}

#[test]
fn a_late_sample_fills_its_place() {
    let mut series = series((0..4).map(f64::from));
    series.push(Timestamp::from_seconds(60 * 9), 9.0, false);
    assert_eq!(series.sample(6), Sample::Gap);
    assert!(series.push(Timestamp::from_seconds(60 * 6), 6.0, true));
    assert_eq!(series.sample(6), Sample::Censored(6.0));
    assert_eq!(series.block(1), Sample::Censored(7.5), "censored when half of its samples are");
}

#[test]
fn no_demand_is_dropped() {
    let mut series = series([1.0]);
    for wrong in [-1.0, f64::NAN, f64::INFINITY, 1e31] {
        assert!(!series.push(Timestamp::from_seconds(60), wrong, false));
    }
    assert_eq!(series.newest(), Some(0));
}

#[test]
fn blocks_take_over_the_grid_of_a_source_at_any_phase() {
    for (hold, factor) in [(2, 6), (3, 6), (4, 8), (5, 5), (10, 10), (30, 30), (60, 60)] {
        for phase in [0, 1, hold - 1] {
            let native = |n: u32| busy((n + hold - phase) / hold);
            let series = series((0..10 * 1440).map(native));
            let blocking = series.blocking();
            assert_eq!(blocking.factor(), factor, "hold {hold}, phase {phase}");
            let block = blocking.block_of(100);
            let first = u32::try_from(blocking.first_slot(block)).unwrap();
            assert_eq!(first % hold, phase, "hold {hold}");
            let mean = (0..u32::try_from(factor).unwrap()).map(|n| native(first + n)).sum::<f64>();
            let Sample::Value(known) = series.block(block) else { panic!("a gap") };
            assert!((known - mean / f64::from(u32::try_from(factor).unwrap())).abs() < 1e-3);
        }
    }
}

#[test]
fn a_grid_needs_enough_changes_and_gives_way_to_others() {
    // Two changes a day are no grid.
    let rare = series((0..3 * 1440_u32).map(|n| if n % 1440 < 600 { 1.0 } else { 2.0 }));
    assert_eq!(rare.blocking(), Blocking::usual(Step::MINUTE));
    // One native value in fifty may come late.
    let late = |n: u32| busy(if n % 500 == 5 { n / 5 - 1 } else { n / 5 });
    assert_eq!(series((0..3 * 1440).map(late)).blocking().factor(), 5);
    // Held for three days, then not.
    let changed = |n: u32| if n < 3 * 1440 { busy(n / 30) } else { busy(n) };
    let series = series((0..6 * 1440).map(changed));
    assert_eq!(series.blocking(), Blocking::usual(Step::MINUTE));
    assert_eq!(series.block(0), Sample::Value(busy(0)), "what is known stays known");
}

#[test]
fn coarse_grids_are_kept_sample_by_sample() {
    let mut series = Series::new(Step::new(3600).unwrap(), Span::from_hours(28 * 24));
    for hour in 0..700 {
        series.push(Timestamp::from_seconds(3600 * hour), f64::from(u32::try_from(hour).unwrap()), false);
    }
    assert_eq!(series.blocking().factor(), 1);
    assert_eq!(series.block(650), series.sample(650));
    assert_eq!(series.oldest(), 700 - 28 * 24);
    assert!(series.bytes() < 4096);
}
