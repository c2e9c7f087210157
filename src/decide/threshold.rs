//! Stage 7: `minStep` and `sustainFor`: small and short-lived wishes change nothing.

use std::fmt;

use super::track::Track;
use crate::policy::Policy;
use crate::units::{Replicas, Span, Timestamp};

/// What the thresholds did, for their sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Nothing to hold.
    Free,
    /// The change is smaller than `minStep`.
    Small(Replicas, Replicas),
    /// A raise that only the reactive answer wants has not lasted long enough: so long of so long.
    RaiseNotSustained(Span, Span),
    /// A decrease has not been wanted long enough: so long of so long.
    DecreaseNotSustained(Span, Span),
}

/// Holds what is too small or too young. `firm` is what is wanted by more than the reactive answer; `ordered` what
/// somebody asked for outright, to which no step is too small.
pub fn apply(
    policy: &Policy,
    asked: Replicas,
    proposal: Replicas,
    (firm, ordered): (Replicas, Replicas),
    (track, now): (&mut Track, Timestamp),
) -> (Replicas, Fact) {
    let (wants_up, wants_down) = (proposal > asked && firm < proposal, proposal < asked);
    track.sustain.up = if wants_up { track.sustain.up.or(Some(now)) } else { None };
    track.sustain.down = if wants_down { track.sustain.down.or(Some(now)) } else { None };
    let distance = asked.get().abs_diff(proposal.get());
    let raises_to_order = proposal > asked && ordered > asked;
    if distance > 0 && distance < policy.thresholds.min_step.get() && !raises_to_order {
        return (asked, Fact::Small(proposal, policy.thresholds.min_step));
    }
    let lasted = |since: Option<Timestamp>| since.map_or(Span::ZERO, |since| now.since(since));
    let needed = policy.thresholds.sustain;
    if wants_up && lasted(track.sustain.up) < needed.up {
        return (firm.max(asked), Fact::RaiseNotSustained(lasted(track.sustain.up), needed.up));
    }
    if wants_down && lasted(track.sustain.down) < needed.down {
        return (asked, Fact::DecreaseNotSustained(lasted(track.sustain.down), needed.down));
    }
    (proposal, Fact::Free)
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Free => f.write_str("no threshold binds"),
            Self::Small(wanted, min_step) => write!(f, "{wanted} are less than minStep {min_step} away"),
            Self::RaiseNotSustained(lasted, needed) => {
                write!(f, "a raise that only present demand wants has lasted {lasted} of {needed}")
            }
            Self::DecreaseNotSustained(lasted, needed) => {
                write!(f, "the decrease has been wanted for {lasted} of {needed}")
            }
        }
    }
}
