//! The shadow of DryRun: what Foresail would have asked for, what would have been ready, what it would have cost.

use serde::{Deserialize, Serialize};

use crate::decide::{Decision, Track};
use crate::measure::GAP_MAX;
use crate::policy::Policy;
use crate::units::{Replicas, Span, Timestamp};

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
    /// What really stood at the last tick.
    pub stood: Stood,
    /// What it comes to.
    pub account: Account,
}

/// What really stands on the target, beside the shadow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stood {
    /// Replicas that the workload is asked for.
    pub asked: Replicas,
    /// Replicas that an HPA above the floor asks for; zero where the floor is no HPA's.
    pub beside: Replicas,
    /// Replicas that serve.
    pub ready: Replicas,
}

/// What a shadow comes to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// When the shadow began.
    pub since: Timestamp,
    /// The last tick.
    pub at: Timestamp,
    /// Replicas that would have been asked for, integrated over time.
    pub replica_seconds: u64,
    /// Replicas that the workload was really asked for, integrated over the same time.
    pub standing_seconds: u64,
    /// Demand in replicas at 100 % of safe load, integrated over time.
    pub demand_seconds: f64,
    /// Its part above ready capacity.
    pub unserved_seconds: f64,
}

impl Shadow {
    /// A shadow that begins where the real target stands.
    pub fn begin(now: Timestamp, asked: Replicas, ready: Replicas, stood: Stood) -> Self {
        Self {
            track: Track::begin(now, asked),
            asked,
            ready: ready.min(asked),
            pending: Vec::new(),
            stood,
            account: Account {
                since: now,
                at: now,
                replica_seconds: 0,
                standing_seconds: 0,
                demand_seconds: 0.0,
                unserved_seconds: 0.0,
            },
        }
    }

    /// Replicas that have started by `now` serve.
    pub fn advance(&mut self, now: Timestamp) {
        let started: u32 = self.pending.iter().filter(|(at, _)| *at <= now).map(|(_, n)| *n).sum();
        self.pending.retain(|(at, _)| *at > now);
        self.ready = Replicas::new(self.ready.get().saturating_add(started));
    }

    /// Accounts for the time since the last tick with what stood during it; `stands` counts from now on. Beside an HPA
    /// the workload runs and serves what the larger of both asks for.
    pub fn account(&mut self, stands: Stood, decision: &Decision) {
        let Stood { asked: standing, beside, .. } = std::mem::replace(&mut self.stood, stands);
        let account = &mut self.account;
        let elapsed = decision.at.since(account.at);
        if elapsed > GAP_MAX || decision.at < account.at {
            account.at = decision.at;
            return;
        }
        // Whole seconds; the rest counts with the next tick.
        let whole = elapsed.seconds();
        account.at = account.at.plus(Span::from_seconds(whole));
        let seconds = Span::from_seconds(whole).seconds_f64();
        account.replica_seconds += u64::from(self.asked.max(beside).get()) * whole;
        account.standing_seconds += u64::from(standing.get()) * whole;
        let serves = if beside > Replicas::ZERO { self.ready.max(stands.ready) } else { self.ready };
        let load = decision.load().unwrap_or(0.0);
        account.demand_seconds += load * seconds;
        account.unserved_seconds += (load - serves.as_f64()).max(0.0) * seconds;
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
}

impl Account {
    /// The share of demand above ready capacity so far; zero before any demand was seen.
    pub fn unserved_share(&self) -> f64 {
        if self.demand_seconds > 0.0 { self.unserved_seconds / self.demand_seconds } else { 0.0 }
    }
}
