//! The wall clock, behind a trait so that tests set it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::units::{Span, Timestamp};

/// Tells the time of day. Lengths of time are measured with tokio's monotonic clock and never with this one.
pub trait Clock: Send + Sync {
    /// The present instant, UTC.
    fn now(&self) -> Timestamp;

    /// The present instant, and how many times until then the clock has gone ahead of the time that passed, as far as it
    /// knows.
    fn look(&self) -> (Timestamp, u64) {
        (self.now(), 0)
    }
}

/// The machine's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
    fn now(&self) -> Timestamp {
        from_system_time(SystemTime::now())
    }
}

/// A clock before 1970 gives a negative instant; one beyond the range saturates.
fn from_system_time(time: SystemTime) -> Timestamp {
    let millis = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, i64::wrapping_neg),
    };
    Timestamp::from_millis(millis)
}

/// A clock that stands still until it is told otherwise.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `now`.
    pub const fn at(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.millis()))
    }

    /// Sets the clock, forwards or backwards.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.millis(), Ordering::SeqCst);
    }

    /// Moves the clock on by `span`.
    pub fn advance(&self, span: Span) {
        self.set(self.now().plus(span));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }

    fn look(&self) -> (Timestamp, u64) {
        (**self).look()
    }
}

/// `at` in the time type of the Kubernetes API; outside its range (year -9999 to 9999) the epoch.
pub fn to_jiff(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(at.millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

/// An instant of the Kubernetes API, to the millisecond.
pub fn from_jiff(at: jiff::Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::at(Timestamp::from_seconds(100));
        assert_eq!(clock.now(), Timestamp::from_seconds(100));
        clock.advance(Span::from_seconds(5));
        assert_eq!(clock.now(), Timestamp::from_seconds(105));
        clock.set(Timestamp::from_seconds(1));
        assert_eq!(clock.now(), Timestamp::from_seconds(1));
    }

    #[test]
    fn instants_before_1970_are_negative() {
        assert_eq!(from_system_time(UNIX_EPOCH - Duration::from_secs(2)), Timestamp::from_seconds(-2));
        assert_eq!(from_system_time(UNIX_EPOCH + Duration::from_secs(2)), Timestamp::from_seconds(2));
    }

    #[test]
    fn the_system_clock_is_after_the_year_2020() {
        assert!(SystemClock.now() > Timestamp::from_seconds(1_577_836_800));
    }

    #[test]
    fn instants_survive_the_kubernetes_time_type() {
        let at = Timestamp::from_millis(1_700_000_000_123);
        assert_eq!(from_jiff(to_jiff(at)), at);
        assert_eq!(to_jiff(Timestamp::from_millis(i64::MAX)), jiff::Timestamp::UNIX_EPOCH);
    }
}
