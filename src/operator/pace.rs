//! When each object ticks, how fast status is written, and when a failed object is tried again. Pure.

use std::time::Duration;

use tokio::time::Instant;

use crate::units::{Span, Timestamp, offset_of};

/// The first instant strictly after `now` at which the object `key` ticks. A tick that was slept through is not made
/// up for.
pub fn next_tick(key: &str, interval: Span, now: Timestamp) -> Timestamp {
    let length = i64::try_from(interval.millis()).unwrap_or(i64::MAX).max(1);
    let start = now.millis().div_euclid(length).saturating_mul(length);
    let this = Timestamp::from_millis(start).plus(offset_of(key, interval));
    if this > now { this } else { this.plus(Span::from_millis(length.unsigned_abs())) }
}

/// What a status write is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// A condition, the asked count or the binding stage changed.
    Condition,
    /// Numbers alone.
    Numbers,
}

/// A token bucket shared by all status writes of the process.
#[derive(Clone, Copy, Debug)]
pub struct StatusBucket {
    /// Nanoseconds of credit; one write costs [`Self::COST`].
    credit: Duration,
    filled_at: Instant,
}

impl StatusBucket {
    /// 10 writes a second: an API server takes thousands, and ten operators may share it.
    const COST: Duration = Duration::from_millis(100);
    /// A burst of 20: two seconds of writes.
    const FULL: Duration = Duration::from_secs(2);
    /// Numbers leave the last half to conditions, so that a storm of numbers never delays a condition.
    const KEPT_FOR_CONDITIONS: Duration = Duration::from_secs(1);

    /// A full bucket.
    pub const fn full(now: Instant) -> Self {
        Self { credit: Self::FULL, filled_at: now }
    }

    /// Takes one write out of the bucket at `now`; `false` when it has to wait for the next tick.
    pub fn take(&mut self, urgency: Urgency, now: Instant) -> bool {
        let earned = now.saturating_duration_since(self.filled_at);
        self.filled_at = self.filled_at.max(now);
        self.credit = self.credit.saturating_add(earned).min(Self::FULL);
        let kept = match urgency {
            Urgency::Condition => Duration::ZERO,
            Urgency::Numbers => Self::KEPT_FOR_CONDITIONS,
        };
        let affordable = self.credit >= kept + Self::COST;
        if affordable {
            self.credit = self.credit.saturating_sub(Self::COST);
        }
        affordable
    }
}

/// What failed, as far as it says when to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The target is forbidden or does not exist (F52): it takes a human, so ask rarely.
    Target,
    /// Anything that may pass by itself.
    Transient,
}

/// When a failed object is tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    n_failures: u32,
}

impl Backoff {
    /// A forbidden or missing target is asked again after this.
    pub const TARGET: Span = Span::from_minutes(5);

    /// Notes a failure and gives the wait until the next try: 5 min for the target; else the interval, doubled for each
    /// failure in a row up to 5 min.
    pub fn after(&mut self, failure: Failure, interval: Span) -> Span {
        self.n_failures = self.n_failures.saturating_add(1);
        match failure {
            Failure::Target => Self::TARGET.max(interval),
            Failure::Transient => {
                let doublings = self.n_failures.saturating_sub(1).min(16);
                let wait = interval.millis().saturating_mul(1 << doublings);
                Span::from_millis(wait).min(Self::TARGET).max(interval)
            }
        }
    }

    /// Forgets the failures: the object ticked.
    pub const fn reset(&mut self) {
        self.n_failures = 0;
    }
}

/// The wait that a `Retry-After` of the API server asks for, at most 60 s; anything that is not a whole number of
/// seconds is ignored (F40).
pub fn retry_after(header: &str) -> Option<Span> {
    let seconds = header.trim().parse::<u64>().ok()?;
    Some(Span::from_seconds(seconds.min(60)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Span = Span::from_seconds(15);

    #[test]
    fn ticks_are_one_interval_apart_and_missed_ones_are_dropped() {
        let mut at = Timestamp::from_seconds(1_700_000_000);
        for _ in 0..10 {
            let next = next_tick("shop/web", INTERVAL, at);
            assert!(next > at && next.since(at) <= INTERVAL);
            assert_eq!(next_tick("shop/web", INTERVAL, next), next.plus(INTERVAL));
            at = next;
        }
        let late = next_tick("shop/web", INTERVAL, at.plus(Span::from_hours(1)));
        assert!(late.since(at) <= Span::from_hours(1).plus(INTERVAL));
    }

    #[tokio::test(start_paused = true)]
    async fn the_bucket_gives_ten_writes_a_second_and_conditions_go_first() {
        let start = Instant::now();
        let mut bucket = StatusBucket::full(start);
        let n_numbers = (0..100).filter(|_| bucket.take(Urgency::Numbers, start)).count();
        let n_conditions = (0..100).filter(|_| bucket.take(Urgency::Condition, start)).count();
        assert_eq!((n_numbers, n_conditions), (10, 10));
        let later = start + Duration::from_secs(1);
        assert!(!bucket.take(Urgency::Numbers, later));
        assert_eq!((0..100).filter(|_| bucket.take(Urgency::Condition, later)).count(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_steps_back_gives_no_credit() {
        let start = Instant::now() + Duration::from_secs(100);
        let mut bucket = StatusBucket::full(start);
        while bucket.take(Urgency::Condition, start) {}
        assert!(!bucket.take(Urgency::Condition, start - Duration::from_secs(50)));
        assert!(!bucket.take(Urgency::Condition, start));
    }

    #[test]
    fn a_forbidden_target_is_asked_every_five_minutes_and_other_failures_back_off() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.after(Failure::Target, INTERVAL), Span::from_minutes(5));
        backoff.reset();
        let waits: Vec<u64> = (0..7).map(|_| backoff.after(Failure::Transient, INTERVAL).seconds()).collect();
        assert_eq!(waits, [15, 30, 60, 120, 240, 300, 300]);
    }

    #[test]
    fn retry_after_is_capped_and_garbage_is_ignored() {
        assert_eq!(retry_after("1"), Some(Span::from_seconds(1)));
        assert_eq!(retry_after("86400"), Some(Span::from_seconds(60)));
        assert_eq!(retry_after("18446744073709551615"), Some(Span::from_seconds(60)));
        for garbage in ["-1", "soon", "", "Wed, 21 Oct 2026 07:28:00 GMT", "1e3"] {
            assert_eq!(retry_after(garbage), None, "{garbage}");
        }
    }
}
