//! How far the demo has come, for who waits for it; and no faster than asked for.

use std::io::{IsTerminal as _, Write as _};
use std::thread;

use super::script::Stretch;
use crate::calendar::rfc3339;
use crate::edge::clock::{Clock as _, SystemClock};
use crate::units::{Span, Timestamp};

/// Characters of the bar.
const WIDTH: u64 = 40;

/// A bar on standard error, when that is a terminal; and the pace of virtual time.
#[derive(Debug)]
pub(super) struct Progress {
    live: Stretch,
    started: Timestamp,
    /// Virtual seconds in a real one; as many as there can be when `None`.
    speed: Option<u32>,
    shows: bool,
    drawn: Option<u64>,
}

impl Progress {
    pub(super) fn begin(live: Stretch, speed: Option<u32>) -> Self {
        let shows = std::io::stderr().is_terminal();
        Self { live, started: SystemClock.now(), speed, shows, drawn: None }
    }

    /// Virtual time has come to `at`: waits for real time if it is slower, and draws.
    pub(super) fn come_to(&mut self, at: Timestamp) {
        let past = at.since(self.live.from);
        if let Some(speed) = self.speed {
            let due = self.started.plus(Span::from_millis(past.millis() / u64::from(speed.max(1))));
            thread::sleep(due.since(SystemClock.now()).to_std());
        }
        let done = past.millis() * WIDTH / self.live.to.since(self.live.from).millis().max(1);
        // Every minute of virtual time when it is watched at a pace, else only when the bar grows.
        if self.shows && (self.speed.is_some() || self.drawn != Some(done)) {
            self.drawn = Some(done);
            let bar: String = (0..WIDTH).map(|i| if i < done { '#' } else { '.' }).collect();
            let end = if at >= self.live.to { "\n" } else { "" };
            // Nobody is told when standard error is gone.
            drop(write!(std::io::stderr(), "\r[{bar}] {}{end}", rfc3339(at)));
        }
    }
}
