//! Virtual time: tokio's paused clock, told as time of day.

use std::sync::atomic::{AtomicI64, Ordering};
use std::thread::{self, ThreadId};

use tokio::time::Instant;

use crate::edge::clock::Clock;
use crate::units::{Span, Timestamp};

/// The time of day in a runtime with a paused clock. It belongs to the thread that made it; any other thread (the
/// loopback listener, which lives in real time) is told the latest instant that the owner saw.
#[derive(Debug)]
pub struct VirtualClock {
    owner: ThreadId,
    origin: Timestamp,
    started: Instant,
    latest: AtomicI64,
}

impl VirtualClock {
    /// A clock that shows `origin` now. Call it on the thread of the paused runtime.
    pub fn starting_at(origin: Timestamp) -> Self {
        Self {
            owner: thread::current().id(),
            origin,
            started: Instant::now(),
            latest: AtomicI64::new(origin.millis()),
        }
    }

    /// The virtual instant of the runtime at which the clock shows `at`; never before the clock's start.
    pub fn instant_of(&self, at: Timestamp) -> Instant {
        self.started + at.since(self.origin).to_std()
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        if thread::current().id() != self.owner {
            return Timestamp::from_millis(self.latest.load(Ordering::Acquire));
        }
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let now = self.origin.plus(Span::from_millis(elapsed));
        self.latest.store(now.millis(), Ordering::Release);
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn hours_pass_in_no_time_and_other_threads_are_told() {
        let origin = Timestamp::from_seconds(1_000);
        let clock = Arc::new(VirtualClock::starting_at(origin));
        tokio::time::sleep(Duration::from_hours(3)).await;
        assert_eq!(clock.now(), origin.plus(Span::from_hours(3)));
        tokio::time::sleep_until(clock.instant_of(origin.plus(Span::from_hours(4)))).await;
        let elsewhere = Arc::clone(&clock);
        let seen = thread::spawn(move || elsewhere.now()).join().unwrap();
        assert_eq!(seen, origin.plus(Span::from_hours(3)));
        assert_eq!(clock.now(), origin.plus(Span::from_hours(4)));
    }
}
