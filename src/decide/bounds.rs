//! Stage 10: `minReplicas` and `maxReplicas`; a change of either binds at once.

use std::cmp::Ordering;
use std::fmt;

use crate::units::{ReplicaBounds, Replicas, faulty};

/// What the bounds did, for their sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Within.
    Within(Replicas, Replicas),
    /// Raised to `minReplicas`.
    Min(Replicas),
    /// Lowered to `maxReplicas`.
    Max {
        /// What was wanted.
        wanted: Replicas,
        /// The bound.
        max: Replicas,
    },
    /// Lowered to the `maxReplicas` of an announced event.
    Event {
        /// What was wanted.
        wanted: Replicas,
        /// The event's bound.
        max: Replicas,
        /// The event.
        name: String,
    },
}

/// Moves the proposal into the bounds, of which the upper one is that of the event `cap` if there is one.
pub fn apply(bounds: ReplicaBounds, proposal: Replicas, cap: Option<&str>) -> (Replicas, Fact) {
    let proposal = faulty!(Chance, one_more_at_times(proposal), proposal);
    let bounds = faulty!(OddMinimum, odd_minimum(bounds), bounds);
    let n = faulty!(Unbounded, proposal, bounds.clamp(proposal));
    let fact = match n.cmp(&proposal) {
        Ordering::Greater => Fact::Min(n),
        Ordering::Less => match cap {
            Some(name) => Fact::Event { wanted: proposal, max: n, name: name.to_owned() },
            None => Fact::Max { wanted: proposal, max: n },
        },
        Ordering::Equal => Fact::Within(bounds.min(), bounds.max()),
    };
    (n, fact)
}

#[cfg(test)]
fn one_more_at_times(n: Replicas) -> Replicas {
    Replicas::new(n.get().saturating_add(crate::units::fault::toggles().into()))
}

#[cfg(test)]
fn odd_minimum(bounds: ReplicaBounds) -> ReplicaBounds {
    let even = bounds.min().get().is_multiple_of(2);
    if even { bounds } else { ReplicaBounds::new(bounds.max(), bounds.max()).unwrap() }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Within(min, max) => write!(f, "within {min} and {max}"),
            Self::Min(min) => write!(f, "minReplicas is {min}"),
            Self::Event { wanted, max, name } => {
                write!(f, "event `{name}` allows at most {max}, {wanted} were wanted")
            }
            Self::Max { wanted, max } => write!(f, "maxReplicas is {max}, {wanted} were wanted"),
        }
    }
}
