//! How fast status is written, and when a target that takes a human is tried again. Pure.

use std::time::Duration;

use tokio::time::Instant;

use crate::units::Span;

/// What a status write is for, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Numbers alone.
    Numbers,
    /// A condition or the binding stage changed.
    Condition,
    /// Without it a write of replicas has no intent, or a later decision could be lower or faster: it never waits.
    Safety,
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
        let needed = match urgency {
            Urgency::Safety => Duration::ZERO,
            Urgency::Condition => Self::COST,
            Urgency::Numbers => Self::KEPT_FOR_CONDITIONS + Self::COST,
        };
        let affordable = self.credit >= needed;
        if affordable {
            self.credit = self.credit.saturating_sub(Self::COST);
        }
        affordable
    }
}

/// When a target that is forbidden, missing or not scalable is tried again (F52).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    n_failures: u32,
}

impl Backoff {
    /// The longest wait.
    pub const MOST: Span = Span::from_minutes(5);

    /// Notes a failure and gives the wait until the next try: the interval, doubled for each failure in a row, up to
    /// 5 minutes.
    pub fn after(&mut self, interval: Span) -> Span {
        let doublings = self.n_failures.min(16);
        self.n_failures = self.n_failures.saturating_add(1);
        Span::from_millis(interval.millis().saturating_mul(1 << doublings)).min(Self::MOST).max(interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Span = Span::from_seconds(15);

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

    #[tokio::test(start_paused = true)]
    async fn what_keeps_decisions_safe_never_waits_and_others_wait_for_it() {
        let start = Instant::now();
        let mut bucket = StatusBucket::full(start);
        assert!((0..100).all(|_| bucket.take(Urgency::Safety, start)));
        assert!(!bucket.take(Urgency::Condition, start));
        assert!(bucket.take(Urgency::Condition, start + Duration::from_millis(100)));
    }

    #[test]
    fn a_target_that_takes_a_human_is_asked_ever_more_rarely_up_to_every_five_minutes() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..7).map(|_| backoff.after(INTERVAL).seconds()).collect();
        assert_eq!(waits, [15, 30, 60, 120, 240, 300, 300]);
        assert_eq!(Backoff::default().after(Span::from_minutes(10)), Span::from_minutes(10));
    }
}
