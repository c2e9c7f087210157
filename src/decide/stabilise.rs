//! Stage 8, first part: the stabilisation windows of the HPA (PEERS 2.1 rule 10); the scale-up window holds back
//! only what the reactive answer wants.

use std::fmt;

use super::track::Track;
use crate::policy::Policy;
use crate::units::{Replicas, Timestamp, faulty};

/// What the windows did, for their sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// No window binds.
    Free,
    /// A raise is held to the lowest reactive answer of the scale-up window.
    Up {
        /// Where it stops.
        limit: Replicas,
        /// The lowest recommendation in the window.
        lowest: Replicas,
    },
    /// A decrease is held to the highest proposal of the scale-down window.
    Down {
        /// Where it stops.
        limit: Replicas,
        /// The highest recommendation in the window.
        highest: Replicas,
    },
}

/// What the windows look at besides the proposal.
#[derive(Clone, Copy, Debug)]
pub struct Recommended {
    /// What an HPA would recommend, noted in the scale-up window. An HPA notes nothing while a metric is missing, so
    /// that a gap does not begin the window anew.
    pub reactive: Option<Replicas>,
    /// What is recommended whatever stands, before thresholds, noted in the scale-down window. What a forecast keeps
    /// from being released is kept for its own time ahead already, and not for a window after that as well. Without
    /// evidence what stands is noted, unlike by an HPA, so that the first decrease comes a whole window after the
    /// evidence is back (I19).
    pub unheld: Replicas,
    /// What is wanted by more than the reactive answer: never held back.
    pub firm: Replicas,
}

/// Notes the recommendations in both windows and holds the proposal to them.
pub fn apply(
    policy: &Policy,
    asked: Replicas,
    proposal: Replicas,
    recommended: Recommended,
    (track, now): (&mut Track, Timestamp),
) -> (Replicas, Fact) {
    let Recommended { reactive, unheld, firm } = recommended;
    let lowest = reactive.map_or(asked, |n| track.lowest_of_window(now, policy.behavior.up.window, n));
    let highest = track.highest_of_window(now, policy.behavior.down.window, unheld);
    if proposal > asked {
        let limit = lowest.max(firm).max(asked);
        if proposal > limit {
            return (limit, Fact::Up { limit, lowest });
        }
    } else if proposal < asked {
        let limit = faulty!(NoWindow, proposal, highest.min(asked));
        if proposal < limit {
            return (limit, Fact::Down { limit, highest });
        }
    }
    (proposal, Fact::Free)
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Free => f.write_str("no stabilisation window binds"),
            Self::Up { limit, lowest } => {
                write!(
                    f,
                    "the scale-up window holds the raise at {limit}: its lowest recommendation is {lowest}"
                )
            }
            Self::Down { limit, highest } => write!(
                f,
                "the scale-down window holds the decrease at {limit}: its highest recommendation is {highest}"
            ),
        }
    }
}
