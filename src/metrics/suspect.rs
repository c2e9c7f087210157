//! Many series of a source falling at once: the source, not the demand, has failed.
//!
//! In: the values of a source's queries as they are read. Out: whether to suspect the source. One workload may lose
//! its load in a minute; a fifth of all workloads losing half of theirs at once is a scraper, a shard or a region
//! that is gone. Pure, and its memory is bounded.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::units::{Span, Timestamp};

/// A fall to less than this share of the largest value of the window counts.
const FALLEN_BELOW: f64 = 0.5;
/// With fewer series one workload's own fall would be a fifth of them.
const SERIES_MIN: usize = 5;
/// Suspect when more than one in this many series fell.
const ONE_IN: usize = 5;
/// More series than this are not watched: the others are sample enough.
const SERIES_MAX: usize = 20_000;
/// Values kept of one series; three arrive in two intervals, more only when it is read more often.
const VALUES_MAX: usize = 8;

/// The last values of the series of one source.
#[derive(Clone, Debug)]
pub struct FallWatch {
    window: Span,
    series: HashMap<u64, Vec<(Timestamp, f64)>>,
}

impl FallWatch {
    /// A watch over a source whose series are read every `interval`.
    pub fn new(interval: Span) -> Self {
        // Two intervals, and half of one because ticks are spread and late.
        let window = Span::from_millis(interval.millis().saturating_mul(5) / 2);
        Self { window, series: HashMap::new() }
    }

    /// Takes note of `value` of the series `key` at `now`; a value that is not finite or is negative is passed over.
    pub fn note(&mut self, key: &str, now: Timestamp, value: f64) {
        if !value.is_finite() || value < 0.0 {
            return;
        }
        let key = digest(key);
        if !self.series.contains_key(&key) && self.series.len() >= SERIES_MAX {
            let window = self.window;
            self.series.retain(|_, values| values.last().is_some_and(|(at, _)| now.since(*at) <= window));
            if self.series.len() >= SERIES_MAX {
                return;
            }
        }
        let values = self.series.entry(key).or_default();
        // After the clock stepped back the earlier values have no place in time.
        values.retain(|(at, _)| *at <= now && now.since(*at) <= self.window);
        values.push((now, value));
        if values.len() > VALUES_MAX {
            forget_smallest(values);
        }
    }

    /// Whether more than 20 % of the series read within the last two intervals, at least five of them, fell to less
    /// than half within that time.
    pub fn is_suspect(&self, now: Timestamp) -> bool {
        let mut n_series = 0_usize;
        let mut n_fallen = 0_usize;
        for values in self.series.values() {
            let recent = || values.iter().filter(|(at, _)| *at <= now && now.since(*at) <= self.window);
            let Some((_, last)) = recent().next_back() else { continue };
            let largest = recent().map(|(_, value)| *value).fold(0.0, f64::max);
            n_series += 1;
            n_fallen += usize::from(*last < FALLEN_BELOW * largest);
        }
        n_series >= SERIES_MIN && n_fallen.saturating_mul(ONE_IN) > n_series
    }
}

fn digest(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

/// Drops the smallest value but the last: the largest is what a fall is measured from, the last is what fell.
fn forget_smallest(values: &mut Vec<(Timestamp, f64)>) {
    let earlier = values.iter().enumerate().take(values.len().saturating_sub(1));
    if let Some((smallest, _)) = earlier.min_by(|(_, a), (_, b)| a.1.total_cmp(&b.1)) {
        values.remove(smallest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Span = Span::from_minutes(1);

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_seconds(minute * 60)
    }

    /// `n` series at 100, of which `n_fallen` are at `low` a minute later.
    fn watch(n: usize, n_fallen: usize, low: f64) -> FallWatch {
        let mut watch = FallWatch::new(MINUTE);
        for series in 0..n {
            watch.note(&series.to_string(), at(0), 100.0);
            watch.note(&series.to_string(), at(1), if series < n_fallen { low } else { 100.0 });
        }
        watch
    }

    #[test]
    fn suspects_when_more_than_a_fifth_fall_by_more_than_half() {
        assert!(watch(10, 3, 49.0).is_suspect(at(1)));
        assert!(!watch(10, 2, 49.0).is_suspect(at(1)), "a fifth is not more than a fifth");
        assert!(!watch(10, 10, 50.0).is_suspect(at(1)), "half is not more than half");
        assert!(watch(5, 2, 0.0).is_suspect(at(1)));
        assert!(!watch(4, 4, 0.0).is_suspect(at(1)), "four series are too few");
    }

    #[test]
    fn a_slow_fall_is_demand() {
        let mut watch = FallWatch::new(MINUTE);
        let mut value = 100.0;
        for minute in 0..20 {
            for series in 0..10 {
                watch.note(&series.to_string(), at(minute), value);
            }
            assert!(!watch.is_suspect(at(minute)));
            value *= 0.75;
        }
    }

    #[test]
    fn a_fall_in_two_halves_within_two_intervals_counts() {
        let mut watch = FallWatch::new(MINUTE);
        for (minute, value) in [(0, 100.0), (1, 60.0), (2, 40.0)] {
            for series in 0..10 {
                watch.note(&series.to_string(), at(minute), value);
            }
        }
        assert!(watch.is_suspect(at(2)));
    }

    #[test]
    fn the_suspicion_passes_with_the_window() {
        let mut watch = watch(10, 10, 10.0);
        assert!(watch.is_suspect(at(2)));
        for minute in 2..5 {
            for series in 0..10 {
                watch.note(&series.to_string(), at(minute), 10.0);
            }
        }
        assert!(!watch.is_suspect(at(4)));
        assert!(!watch.is_suspect(at(60)), "and nothing is known after an hour of silence");
    }

    #[test]
    fn values_that_are_no_demand_and_a_clock_that_steps_back_are_passed_over() {
        let mut watch = watch(10, 0, 0.0);
        for series in 0..10 {
            for value in [f64::NAN, f64::INFINITY, -1.0] {
                watch.note(&series.to_string(), at(1), value);
            }
            watch.note(&series.to_string(), at(-60), 1.0);
        }
        assert!(!watch.is_suspect(at(-60)));
        assert!(!watch.is_suspect(at(1)));
    }

    #[test]
    fn memory_is_bounded() {
        let mut watch = FallWatch::new(MINUTE);
        for series in 0..SERIES_MAX + 100 {
            watch.note(&series.to_string(), at(0), 1.0);
        }
        assert_eq!(watch.series.len(), SERIES_MAX);
        for second in 0..100 {
            watch.note(
                "0",
                Timestamp::from_seconds(second),
                100.0 - f64::from(i32::try_from(second).unwrap()),
            );
        }
        assert!(watch.series.values().all(|values| values.len() <= VALUES_MAX));
        watch.note("another", at(60), 1.0);
        assert_eq!(watch.series.len(), 1, "series that are no longer read make room");
    }
}
