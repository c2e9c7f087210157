//! What a workload shows of itself: how long its replicas take to serve.
//!
//! ```text
//! pods as they were seen -> Startings -> Starts (kept in the status) -> Lead
//! ```

mod lead;
mod starting;

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
}

impl Measured {
    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        let Self { starts } = self;
        starts.is_empty()
    }
}
