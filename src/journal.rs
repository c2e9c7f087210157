//! The decision log: one JSON object a line, with everything that a decision was made of and what it became.
//!
//! ```text
//! operator -> Record::of -> line        line -> read -> Record -> tick again -> the same decision, or what differs
//! ```
//!
//! The form is described in `docs/decision-log.md`. A line stands alone: policy, observation and memory are all that
//! [`engine::tick`](crate::engine::tick) takes.

mod again;
mod seen;
mod told;

pub use again::Difference;
pub use seen::{Seen, SeenMetric};
pub use told::{Told, ToldMetric, ToldStage};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::calendar::rfc3339;
use crate::engine::{Memory, Observation, Tick};
use crate::measure::Measured;
use crate::policy::Policy;
use crate::units::{Replicas, Timestamp};

/// The version of the form of a line.
pub const VERSION: u32 = 1;

/// The field that makes a line one of the decision log; other lines of the same stream are somebody else's.
pub const MARK: &str = "decisionLog";

/// One line of the decision log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The version of this form.
    #[serde(rename = "decisionLog")]
    pub version: u32,
    /// When it was decided, RFC 3339 in UTC to the second, for people; `observation.now` is exact.
    pub at: String,
    /// The autoscaler's namespace.
    pub namespace: String,
    /// The autoscaler's name.
    pub name: String,
    /// What became of the decision: `written`, `unchanged`, `refused` and so on, as in the operator's metrics.
    pub outcome: String,
    /// The policy as it held.
    pub policy: Policy,
    /// What was seen.
    pub observation: Seen,
    /// What was remembered.
    pub memory: Memory,
    /// What was decided.
    pub decision: Told,
    /// What was remembered after it.
    pub after: Memory,
    /// What was seen at the ticks since the line before, this one included, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub since: Vec<Glance>,
    /// The custom resource's spec, for people and for `foresail incident`; replaying does not need it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub spec: Value,
}

/// What was seen at one tick: the instant, replicas asked for, replicas that serve, and each metric's demand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Glance(pub Timestamp, pub Replicas, pub Replicas, pub Vec<Option<f64>>);

/// Whose decision it is.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// The autoscaler's namespace.
    pub namespace: &'a str,
    /// The autoscaler's name.
    pub name: &'a str,
}

/// Why a line is no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It is no JSON object.
    #[error("is no JSON ({0}): cut the log at whole lines, or remove this one")]
    NoJson(String),
    /// It was written in another form.
    #[error(
        "has the form `{0}` of the decision log, and this version reads `{VERSION}`: use the version that wrote it"
    )]
    OtherVersion(String),
    /// A field is missing or holds something else.
    #[error(
        "{0}: the line was changed, or written by a version with other fields; take it from the log anew"
    )]
    Malformed(String),
}

impl Record {
    /// The record of one tick.
    pub fn of(
        owner: Owner<'_>,
        policy: &Policy,
        observation: &Observation<'_>,
        memory: &Memory,
        tick: &Tick,
    ) -> Self {
        Self {
            version: VERSION,
            at: rfc3339(observation.now),
            namespace: owner.namespace.to_owned(),
            name: owner.name.to_owned(),
            outcome: String::new(),
            policy: policy.clone(),
            observation: Seen::of(policy, observation),
            // No decision looks at what is measured.
            memory: Memory { measured: Measured::default(), ..memory.clone() },
            decision: Told::of(policy, &tick.decision),
            after: Memory { measured: Measured::default(), ..tick.memory.clone() },
            since: Vec::new(),
            spec: Value::Null,
        }
    }

    /// The line, without its end.
    ///
    /// # Errors
    /// When a number of the memory is none; not in practice.
    pub fn line(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// `namespace/name`.
    pub fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// The instant of the decision.
    pub const fn now(&self) -> Timestamp {
        self.observation.now
    }
}

/// Reads one line. `None` for a line of somebody else: another JSON object, or nothing at all.
///
/// # Errors
/// [`LineError`] says what is wrong with a line that is no JSON, or one of this log that cannot be read.
pub fn read(line: &str) -> Result<Option<Record>, LineError> {
    if line.trim().is_empty() {
        return Ok(None);
    }
    let value: Value = serde_json::from_str(line).map_err(|error| LineError::NoJson(error.to_string()))?;
    match value.get(MARK) {
        None => Ok(None),
        Some(version) if version.as_u64() == Some(u64::from(VERSION)) => {
            // Read from the text and not from the value, so that an error tells its column.
            serde_json::from_str(line).map(Some).map_err(|error| LineError::Malformed(error.to_string()))
        }
        Some(version) => Err(LineError::OtherVersion(version.to_string())),
    }
}

#[cfg(test)]
mod tests;
