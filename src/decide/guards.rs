//! Stage 7, first part: what somebody froze for a while, outside the spec, and what a rollout holds.
//!
//! A freeze holds what stands; it withholds no growth unless that was ordered too, and it ends by itself.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::units::{Replicas, Span, Timestamp};

/// What somebody ordered for a while, outside the spec: a freeze and a boost, each until an instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BreakGlass {
    /// Until when nothing is scaled down.
    pub no_scale_down: Option<Timestamp>,
    /// Until when nothing is scaled up.
    pub no_scale_up: Option<Timestamp>,
    /// A floor for a while.
    pub boost: Option<Boost>,
    /// What an HPA above its floor asks the workload for, zero where there is none: a freeze holds it too.
    pub standing: Replicas,
}

/// A floor for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boost {
    /// At least so many replicas.
    pub floor: Replicas,
    /// When it ends by itself.
    pub until: Timestamp,
}

impl BreakGlass {
    /// Nothing is ordered.
    pub const NONE: Self =
        Self { no_scale_down: None, no_scale_up: None, boost: None, standing: Replicas::ZERO };

    /// What stays whatever is wanted, beside an HPA: what the workload runs while no decrease is allowed.
    pub fn kept(&self, now: Timestamp) -> Replicas {
        let active = |until: Option<Timestamp>| until.is_some_and(|until| now < until);
        let keeps = active(self.no_scale_down) && !active(self.no_scale_up);
        if keeps { self.standing } else { Replicas::ZERO }
    }

    /// The boost that holds at `now`, if there is one.
    pub fn boost_at(&self, now: Timestamp) -> Option<Boost> {
        self.boost.filter(|boost| now < boost.until)
    }
}

/// What the freeze did, for its sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Nothing is frozen.
    Free,
    /// Something is frozen for so long yet, and the proposal keeps to it.
    Idle(Span),
    /// A decrease is held.
    NoScaleDown {
        /// What was proposed.
        wanted: Replicas,
        /// What stays.
        held: Replicas,
        /// How long yet.
        left: Span,
    },
    /// A raise is withheld.
    NoScaleUp {
        /// What was proposed.
        wanted: Replicas,
        /// What stays.
        held: Replicas,
        /// How long yet.
        left: Span,
    },
    /// Pods are being replaced: a decrease waits for the end of it, since neither what is ready nor what is served
    /// meanwhile says what will be.
    Rollout {
        /// What was proposed.
        wanted: Replicas,
        /// What stays.
        held: Replicas,
    },
}

/// The proposal as far as it is not frozen.
pub fn apply(
    asked: Replicas,
    proposal: Replicas,
    (orders, rollout): (&BreakGlass, bool),
    now: Timestamp,
) -> (Replicas, Fact) {
    let left = |until: Option<Timestamp>| until.filter(|&until| now < until).map(|until| until.since(now));
    let (down, up) = (left(orders.no_scale_down), left(orders.no_scale_up));
    if let Some(left) = up
        && proposal > asked
    {
        return (asked, Fact::NoScaleUp { wanted: proposal, held: asked, left });
    }
    // Beside an HPA the floor may stand below what the HPA asks for: frozen is what the workload runs.
    let stands = if up.is_some() { asked } else { asked.max(orders.standing) };
    if let Some(left) = down
        && proposal < stands
    {
        return (stands, Fact::NoScaleDown { wanted: proposal, held: stands, left });
    }
    if rollout && proposal < asked {
        return (asked, Fact::Rollout { wanted: proposal, held: asked });
    }
    (proposal, down.max(up).map_or(Fact::Free, Fact::Idle))
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Free => f.write_str("nothing is frozen"),
            Self::Idle(left) => {
                write!(f, "frozen for another {}s, and nothing is wanted against it", left.seconds())
            }
            Self::NoScaleDown { wanted, held, left } => write!(
                f,
                "frozen, no scale-down for another {}s: {held} stay instead of {wanted}",
                left.seconds()
            ),
            Self::Rollout { wanted, held } => {
                write!(f, "a rollout is under way: {held} stay instead of {wanted} until it has ended")
            }
            Self::NoScaleUp { wanted, held, left } => write!(
                f,
                "frozen, no scale-up for another {}s: {held} stay instead of {wanted}",
                left.seconds()
            ),
        }
    }
}
