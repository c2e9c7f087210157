//! What of one autoscaler goes to the decision log: a decision that changes something, a new binding stage, and one
//! each five minutes; between them only the numbers that were seen.

use crate::decide::{Decision, Stage};
use crate::journal::{Glance, Record};
use crate::policy::Mode;
use crate::telemetry::decisions::DecisionLog;
use crate::units::{Span, Timestamp};

/// A line at least this often.
const HEARTBEAT: Span = Span::from_minutes(5);
/// Numbers kept between two lines; at the shortest interval more ticks fall between them, and the oldest are dropped.
const N_GLANCES_MAX: usize = 64;

/// What was logged last, and what was seen since.
#[derive(Debug, Default)]
pub struct Recorder {
    last: Option<(Timestamp, Stage)>,
    since: Vec<Glance>,
}

impl Recorder {
    /// Whether `decision` is worth a line.
    pub fn is_due(&self, mode: Mode, decision: &Decision) -> bool {
        let Some((at, stage)) = self.last else { return true };
        let shadow_moves = mode == Mode::DryRun && decision.desired != decision.asked;
        decision.write.is_some()
            || shadow_moves
            || decision.bound_by() != stage
            || decision.at.since(at) >= HEARTBEAT
    }

    /// Keeps what was seen at a tick.
    pub fn note(&mut self, glance: Glance) {
        if self.since.len() >= N_GLANCES_MAX {
            self.since.remove(0);
        }
        self.since.push(glance);
    }

    /// Writes the line of a decision that was due, with what became of it and what was seen before it.
    pub fn write(&mut self, log: &DecisionLog, decision: &Decision, outcome: &str, mut record: Record) {
        self.last = Some((decision.at, decision.bound_by()));
        record.since = std::mem::take(&mut self.since);
        outcome.clone_into(&mut record.outcome);
        match record.line() {
            Ok(line) => log.write(line),
            Err(error) => tracing::warn!(%error, "a decision cannot be written down"),
        }
    }
}
