//! What a workload shows of itself: how long its replicas take to serve, how much each serves, and how much of demand
//! was served.
//!
//! ```text
//! pods as they were seen -> Startings -> Starts (kept in the status) -> Lead
//! demand per replica and use -> Capacity (kept in the status)
//! demand and what serves -> Kept (kept in the status) -> Record -> Verdict on the objective
//! ```

mod capacity;
mod kept;
mod lead;
mod starting;

pub use capacity::{Capacity, Serves, Told, Use};
pub use kept::{GAP_MAX, Kept, Load, Record, Verdict};
pub use lead::{Ages, Excluded, Lead, SizeClass, Starts};
pub use starting::{Cause, Look, PodSeen, Startings};

use std::collections::BTreeMap;

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
    /// What a replica serves, by metric.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub capacities: BTreeMap<String, Capacity>,
    /// How much there was of each of `spec.limits`, as it was read last.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, f64>,
}

impl Measured {
    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        let Self { starts, kept, capacities, limits } = self;
        starts.is_empty() && kept.is_empty() && capacities.is_empty() && limits.is_empty()
    }
}
