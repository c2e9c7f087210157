//! What one tick leaves for the next: plain data, kept in the status of the custom resource.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::shadow::{Account, Shadow};
use crate::decide::{EvidenceMemory, Ledger, Track};
use crate::forecast::TrustState;
use crate::measure::Measured;
use crate::policy::PriceMemory;
use crate::units::{Replicas, Timestamp};

/// The version of the stored form; another one is read as no memory at all (I33).
pub(super) const VERSION: u32 = 1;

/// What one tick leaves for the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Memory {
    /// Version of this form.
    pub v: u32,
    /// The Lease's transition count of the operator that wrote it; a lower one may not write.
    pub epoch: u64,
    /// Counts intents.
    pub intent_id: u64,
    /// A write that may or may not have landed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
    /// The pause whose entry was already acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause_entered: Option<Timestamp>,
    /// What is remembered of each metric.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<EvidenceMemory>,
    /// Whether each metric's forecast is trusted.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub trust: BTreeMap<String, TrustState>,
    /// The history of the real target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track: Option<Track>,
    /// The history of the shadow, in DryRun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Shadow>,
    /// What the shadow of the last DryRun came to, in the modes that write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// What was spent of the budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<Ledger>,
    /// The price that is asked for, where it is; what follows from it is in the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<PriceMemory>,
    /// What is measured of the workload; no decision looks at it, what follows from it is in the policy.
    #[serde(skip_serializing_if = "Measured::is_empty")]
    pub measured: Measured,
}

/// A write that was about to be made: the crash record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Rising.
    pub id: u64,
    /// What stood.
    pub from: Replicas,
    /// What is to stand.
    pub to: Replicas,
    /// When it was decided.
    pub at: Timestamp,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            v: VERSION,
            epoch: 0,
            intent_id: 0,
            intent: None,
            pause_entered: None,
            evidence: Vec::new(),
            trust: BTreeMap::new(),
            track: None,
            shadow: None,
            account: None,
            ledger: None,
            price: None,
            measured: Measured::default(),
        }
    }
}

impl Memory {
    /// Reads a stored memory; anything unreadable, or of another version, is no memory at all, and the next tick
    /// behaves as just changed (I33).
    pub fn read(stored: &serde_json::Value) -> Self {
        serde_json::from_value::<Self>(stored.clone())
            .ok()
            .filter(|memory| memory.v == VERSION)
            .unwrap_or_default()
    }

    /// Whether a decision left it: without a track or a shadow it is none, or was lost.
    pub const fn has_decided(&self) -> bool {
        self.track.is_some() || self.shadow.is_some()
    }

    /// Instants after `now` become `now`: a clock that was set back makes no wait longer than it is from now on (I34).
    pub(super) fn set_back(&mut self, now: Timestamp) {
        for evidence in &mut self.evidence {
            evidence.set_back(now);
        }
        if let Some(shadow) = &mut self.shadow {
            // Replicas that are starting need as long as they needed before.
            let back = shadow.account.at.since(now);
            for (serves_at, _) in &mut shadow.pending {
                *serves_at = serves_at.minus(back);
            }
        }
        let shadow = self.shadow.as_mut().map(|shadow| &mut shadow.track);
        for track in self.track.as_mut().into_iter().chain(shadow) {
            track.set_back(now);
        }
        if let Some(intent) = &mut self.intent {
            intent.at = intent.at.min(now);
        }
    }

    /// After a restart: the scale-down window begins with `(now, max(asked, stored maximum))` (DESIGN 8). A decrease
    /// that was intended and is not seen may still land, so that it counts for the cooldown (I33).
    pub fn reseed(&mut self, now: Timestamp, asked: Replicas) {
        if let Some(track) = &mut self.track {
            reseed(track, now, asked);
            if let Some(intent) = self.intent.filter(|intent| intent.to < intent.from) {
                track.last_down = track.last_down.max(Some(intent.at));
            }
        }
        if let Some(shadow) = &mut self.shadow {
            reseed(&mut shadow.track, now, shadow.asked);
        }
    }
}

fn reseed(track: &mut Track, now: Timestamp, asked: Replicas) {
    let highest = track.down.iter().map(|&(_, n)| n).max().map_or(asked, |stored| stored.max(asked));
    track.down.clear();
    track.down.push((now, highest));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_crash_a_decrease_that_was_intended_counts_for_the_cooldown_and_a_raise_does_not() {
        let at = Timestamp::from_seconds;
        let left = |from: u32, to: u32| {
            let track = Some(Track { last_up: Some(at(5)), last_down: Some(at(10)), ..Track::default() });
            let (from, to) = (Replicas::new(from), Replicas::new(to));
            let mut memory =
                Memory { track, intent: Some(Intent { id: 1, from, to, at: at(100) }), ..Memory::default() };
            memory.reseed(at(101), from);
            let track = memory.track.unwrap();
            (track.last_up, track.last_down)
        };
        assert_eq!(left(8, 7), (Some(at(5)), Some(at(100))));
        assert_eq!(left(7, 8), (Some(at(5)), Some(at(10))), "a raise that is needed waits for nothing");
    }
}
