//! Stage 8, last part: no change in a direction this long after any change.

use std::fmt;

use super::track::Track;
use crate::policy::Policy;
use crate::units::{Replicas, Span, Timestamp, faulty};

/// What the cooldowns did, for their sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// No cooldown binds.
    Free,
    /// An increase waits, for so long.
    Up(Span),
    /// A decrease waits, for so long.
    Down(Span),
}

/// What is left of a cooldown; a change stamped in the future counts as just made (I34).
fn left(cooldown: Span, last: Option<Timestamp>, now: Timestamp) -> Option<Span> {
    let since = now.since(last?);
    let left = faulty!(NoCooldown, 0, cooldown.millis().saturating_sub(since.millis()));
    (left > 0).then_some(Span::from_millis(left))
}

/// Holds a change that comes too soon. The way back after somebody lowered `asked` does not wait (I32).
pub fn apply(
    policy: &Policy,
    asked: Replicas,
    proposal: Replicas,
    track: &Track,
    now: Timestamp,
) -> (Replicas, Fact) {
    if proposal > asked && !track.lowered_outside {
        if let Some(left) = left(policy.cooldown.up, track.cools_from(true), now) {
            return (asked, Fact::Up(left));
        }
    } else if proposal < asked
        && let Some(left) = left(policy.cooldown.down, track.cools_from(false), now)
    {
        return (asked, Fact::Down(left));
    }
    (proposal, Fact::Free)
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Free => f.write_str("no cooldown binds"),
            Self::Up(left) => write!(f, "cooldown.scaleUp holds for another {}s", left.seconds()),
            Self::Down(left) => write!(f, "cooldown.scaleDown holds for another {}s", left.seconds()),
        }
    }
}
