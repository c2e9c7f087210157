//! The shadow of DryRun: what Foresail would have asked for, what would have been ready, what it would have cost.

use serde::{Deserialize, Serialize};

use crate::decide::{Decision, Track};
use crate::policy::Policy;
use crate::units::{Replicas, Span, Timestamp};

/// Time between two ticks beyond which nothing is accounted: the operator was not there.
const GAP_MAX: Span = Span::from_minutes(2);

/// The shadow target and its account since `since`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shadow {
    /// Its own history.
    pub track: Track,
    /// What Foresail would have asked for.
    pub asked: Replicas,
    /// What would serve.
    pub ready: Replicas,
    /// Replicas that would still be starting, and when they would serve.
    pub pending: Vec<(Timestamp, u32)>,
    /// When the shadow began.
    pub since: Timestamp,
    /// The last tick.
    pub at: Timestamp,
    /// Replicas asked for, integrated over time.
    pub replica_seconds: u64,
    /// Demand in replicas at 100 % of safe load, integrated over time.
    pub demand_seconds: f64,
    /// Its part above ready capacity.
    pub unserved_seconds: f64,
}

impl Shadow {
    /// A shadow that begins where the real target stands.
    pub fn begin(now: Timestamp, asked: Replicas, ready: Replicas) -> Self {
        Self {
            track: Track::begin(now, asked),
            asked,
            ready: ready.min(asked),
            pending: Vec::new(),
            since: now,
            at: now,
            replica_seconds: 0,
            demand_seconds: 0.0,
            unserved_seconds: 0.0,
        }
    }

    /// Replicas that have started by `now` serve.
    pub fn advance(&mut self, now: Timestamp) {
        let started: u32 = self.pending.iter().filter(|(at, _)| *at <= now).map(|(_, n)| *n).sum();
        self.pending.retain(|(at, _)| *at > now);
        self.ready = Replicas::new(self.ready.get().saturating_add(started));
    }

    /// Accounts for the time since the last tick with what stood during it.
    pub fn account(&mut self, _policy: &Policy, decision: &Decision) {
        let elapsed = decision.at.since(self.at);
        self.at = decision.at;
        if elapsed > GAP_MAX {
            return;
        }
        let seconds = f64::from(u32::try_from(elapsed.millis()).unwrap_or(u32::MAX)) / 1000.0;
        self.replica_seconds += u64::from(self.asked.get()) * elapsed.seconds();
        let load = decision
            .judged
            .iter()
            .filter_map(|judged| Some(judged.demand?.get() / judged.capacity?.get()))
            .fold(0.0_f64, f64::max);
        self.demand_seconds += load * seconds;
        self.unserved_seconds += (load - self.ready.as_f64()).max(0.0) * seconds;
    }

    /// Follows the decision: added replicas serve after the lead, removed ones stop at once, newest first.
    pub fn follow(&mut self, policy: &Policy, now: Timestamp, desired: Replicas) {
        let before = self.asked;
        if desired > before {
            self.pending.push((now.plus(policy.lead), desired.get() - before.get()));
        } else {
            let mut drop = before.get() - desired.get();
            while drop > 0
                && let Some(newest) = self.pending.last_mut()
            {
                let taken = newest.1.min(drop);
                newest.1 -= taken;
                drop -= taken;
                if newest.1 == 0 {
                    self.pending.pop();
                }
            }
            self.ready = Replicas::new(self.ready.get().saturating_sub(drop));
        }
        self.asked = desired;
        self.track.record_change(now, before, desired);
    }

    /// The share of demand above ready capacity so far; zero before any demand was seen.
    pub fn unserved_share(&self) -> f64 {
        if self.demand_seconds > 0.0 { self.unserved_seconds / self.demand_seconds } else { 0.0 }
    }
}
