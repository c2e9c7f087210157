//! What a workload shows of itself: how long its replicas take to serve, and how much of demand it served.
//!
//! ```text
//! pods as they were seen -> Startings -> Starts (kept in the status) -> Lead
//! demand and what serves -> Kept (kept in the status) -> Record -> Verdict on the objective
//! ```

mod kept;
mod lead;
mod starting;

pub use kept::{GAP_MAX, Kept, Load, Record, Verdict};
pub use lead::{Ages, Excluded, Lead, SizeClass, Starts};
pub use starting::{Cause, Look, PodSeen, Startings};

use serde::{Deserialize, Serialize};

/// What is measured of one workload and outlives a restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Measured {
    /// Its start-up times.
    #[serde(skip_serializing_if = "Starts::is_empty")]
    pub starts: Starts,
    /// Demand against what served.
    #[serde(skip_serializing_if = "Kept::is_empty")]
    pub kept: Kept,
}

impl Measured {
    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        let Self { starts, kept } = self;
        starts.is_empty() && kept.is_empty()
    }
}
