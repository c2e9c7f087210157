//! A wall clock that is not believed when it jumps, unless the API server's clock has gone the same way.
//!
//! Cooldowns, windows and the periods of budgets are instants in a status, so that they outlive a process; a clock that is
//! set an hour ahead by mistake would end them all at once (F36). Between two looks time is therefore counted by the
//! monotonic clock, and the wall clock is followed while it agrees. Where it does not, the `Date` of the API server's answers
//! decides which of the two is nearer: after a suspension, or when a clock that was wrong is set right, that is the wall
//! clock.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::clock::Clock;
use crate::units::{Span, Timestamp};

/// Between two looks the wall clock may differ by so much from the monotonic one: what is left of a cooldown may be off by
/// 2 s (I34), and clocks that are slewed go half a millisecond a second astray.
const STEP: Span = Span::from_seconds(2);

/// At the first look the wall clock is wrong when it is so far from the server's, which an answer that was long on its way
/// tells late.
const WRONG: Span = Span::from_seconds(10);

/// How long the fastest answer counts. A later one tells an earlier time when it was longer on its way.
const HOLDS: Duration = Duration::from_mins(2);

/// The time by the clock of the API server, as its answers tell it.
#[derive(Debug, Default)]
pub struct ServerTime(Mutex<Option<Answered>>);

#[derive(Clone, Copy, Debug)]
struct Answered {
    at: Instant,
    told: Timestamp,
}

impl Answered {
    fn present(&self) -> Timestamp {
        self.told.plus(Span::from_millis(u64::try_from(self.at.elapsed().as_millis()).unwrap_or(u64::MAX)))
    }
}

impl ServerTime {
    /// Takes the `Date` of an answer that has just come; one that cannot be read says nothing.
    pub fn note(&self, date: &str) {
        let Ok(date) = chrono::DateTime::parse_from_rfc2822(date) else { return };
        let new = Answered { at: Instant::now(), told: Timestamp::from_millis(date.timestamp_millis()) };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slower = kept.is_some_and(|old| old.at.elapsed() < HOLDS && old.present() > new.told);
        if !slower {
            *kept = Some(new);
        }
    }

    /// The present instant, late by what the fastest answer of the last minutes took and up to a second; `None` before
    /// the first answer.
    pub fn now(&self) -> Option<Timestamp> {
        let kept = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.map(|kept| kept.present())
    }
}

/// The wall clock, with its jumps looked into.
#[derive(Debug)]
pub struct SteadyClock<C> {
    wall: C,
    server: Arc<ServerTime>,
    last: Mutex<Option<Last>>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    at: Instant,
    shown: Timestamp,
    /// Whether the wall clock was believed.
    believed: bool,
    /// How many times it was believed when it jumped ahead.
    jumps: u64,
}

impl<C: Clock> SteadyClock<C> {
    /// A clock over `wall`, whose jumps `server` judges.
    pub const fn new(wall: C, server: Arc<ServerTime>) -> Self {
        Self { wall, server, last: Mutex::new(None) }
    }
}

impl<C: Clock> Clock for SteadyClock<C> {
    fn now(&self) -> Timestamp {
        self.look().0
    }

    fn look(&self) -> (Timestamp, u64) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (wall, judge) = (self.wall.now(), self.server.now());
        let steady = match *last {
            Some(Last { at, shown, .. }) => Answered { at, told: shown }.present(),
            // A process that was started with a wrong clock.
            None => judge.filter(|judge| apart(wall, *judge) > WRONG).unwrap_or(wall),
        };
        let agrees = apart(wall, steady) <= STEP;
        let believed = agrees || judge.is_some_and(|judge| apart(wall, judge) < apart(steady, judge));
        let was_believed = last.is_none_or(|last| last.believed);
        if believed != was_believed || !agrees && believed {
            tracing::warn!(
                wall_ms = wall.millis(),
                steady_ms = steady.millis(),
                server_ms = judge.map(Timestamp::millis),
                believed,
                "the wall clock jumped, or is wrong: the API server's clock decides whether it is followed"
            );
        }
        let shown = if believed { wall } else { steady };
        let before = last.map_or(0, |last| last.jumps);
        let jumps = if !agrees && shown > steady { before + 1 } else { before };
        *last = Some(Last { at: Instant::now(), shown, believed, jumps });
        (shown, jumps)
    }
}

fn apart(a: Timestamp, b: Timestamp) -> Span {
    a.since(b).max(b.since(a))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::clock::ManualClock;

    const START: Timestamp = Timestamp::from_seconds(1_700_000_000);
    const HOUR: Span = Span::from_hours(1);

    /// A clock, its wall clock and the server's; all three show [`START`].
    fn clocks() -> (SteadyClock<Arc<ManualClock>>, Arc<ManualClock>, Arc<ServerTime>) {
        let (wall, server) = (Arc::new(ManualClock::at(START)), Arc::new(ServerTime::default()));
        let steady = SteadyClock::new(Arc::clone(&wall), Arc::clone(&server));
        tell(&server, START);
        assert_eq!(steady.now(), START);
        (steady, wall, server)
    }

    fn tell(server: &ServerTime, now: Timestamp) {
        let date = chrono::DateTime::from_timestamp_millis(now.millis()).unwrap();
        server.note(&date.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
    }

    /// Time goes on for both clocks.
    async fn pass(wall: &ManualClock, span: Span) {
        tokio::time::advance(span.to_std()).await;
        wall.advance(span);
    }

    #[tokio::test(start_paused = true)]
    async fn a_jump_that_the_server_did_not_make_is_not_followed_and_time_goes_on() {
        for forwards in [true, false] {
            let (steady, wall, server) = clocks();
            wall.set(if forwards { START.plus(HOUR) } else { START.minus(HOUR) });
            for seconds in 0..600 {
                let expected = START.plus(Span::from_seconds(seconds));
                assert_eq!(steady.now(), expected);
                tell(&server, expected);
                pass(&wall, Span::from_seconds(1)).await;
            }
            // Somebody sets it right again.
            wall.set(START.plus(Span::from_millis(600_500)));
            assert_eq!(steady.now(), START.plus(Span::from_millis(600_500)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_right_is_followed_as_soon_as_the_server_says_so() {
        let (steady, wall, server) = clocks();
        // The machine was suspended for an hour; the monotonic clock stood still.
        wall.set(START.plus(HOUR));
        assert_eq!(steady.now(), START);
        pass(&wall, Span::from_seconds(3)).await;
        let present = START.plus(HOUR).plus(Span::from_seconds(3));
        tell(&server, present);
        assert_eq!(steady.look(), (present, 1));
        pass(&wall, Span::from_seconds(15)).await;
        assert_eq!(steady.look(), (present.plus(Span::from_seconds(15)), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_is_started_with_a_wrong_clock_goes_by_the_servers() {
        for (ahead, shown) in
            [(Span::from_seconds(90), START), (Span::from_seconds(3), START.plus(Span::from_seconds(3)))]
        {
            let (wall, server) =
                (Arc::new(ManualClock::at(START.plus(ahead))), Arc::new(ServerTime::default()));
            tell(&server, START);
            let steady = SteadyClock::new(Arc::clone(&wall), server);
            assert_eq!(steady.look(), (shown, 0));
            pass(&wall, Span::from_seconds(15)).await;
            assert_eq!(steady.look(), (shown.plus(Span::from_seconds(15)), 0));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slewed_clock_is_followed_without_a_word_of_the_server() {
        let (wall, server) = (Arc::new(ManualClock::at(START)), Arc::new(ServerTime::default()));
        let steady = SteadyClock::new(Arc::clone(&wall), server);
        for _ in 0..100 {
            tokio::time::advance(Duration::from_secs(15)).await;
            wall.advance(Span::from_millis(15_007));
            assert_eq!(steady.now(), wall.now());
        }
        wall.advance(HOUR);
        let before = steady.now();
        assert!(before < wall.now().minus(Span::from_minutes(59)), "nobody says that it is right");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_was_long_on_its_way_does_not_set_the_server_back() {
        let server = ServerTime::default();
        server.note("no date");
        assert_eq!(server.now(), None);
        tell(&server, START);
        tokio::time::advance(Duration::from_mins(1)).await;
        tell(&server, START.plus(Span::from_seconds(51)));
        assert_eq!(server.now(), Some(START.plus(Span::from_seconds(60))));
        // A server whose clock went back is believed after a while.
        tokio::time::advance(Duration::from_mins(1)).await;
        tell(&server, START);
        assert_eq!(server.now(), Some(START));
    }
}
