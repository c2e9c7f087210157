//! How one write comes about: read, decide, record the intent, write, at most three rounds and within a deadline.
//!
//! The order makes every crash harmless: before (2) nothing happened, between (2) and (3) the intent in the status
//! says what may have happened, and the next read of the target tells whether it did. Each of (2) and (3) is a
//! compare-and-swap on what was read in this round, so an old leader's write fails.

use std::future::Future;

use tokio::time::{Duration, Instant};

use super::actuate::scale::Written;
use super::lease::Leadership;
use crate::edge::client::CallError;
use crate::units::Replicas;

/// Rounds of reading and deciding in one tick (DESIGN 4): a rollout changes the target's version every few hundred
/// milliseconds, three reads get through; more would be a fight.
pub const N_ROUNDS_MAX: u32 = 3;

/// What was read in one round: the target, and the status with the epoch that it was last written under.
#[derive(Clone, Debug)]
pub struct Read<T> {
    /// Whatever the decision needs, with the versions that the writes are conditional on.
    pub seen: T,
    /// The epoch in the stored status.
    pub stored_epoch: u64,
}

/// What was decided in one round.
#[derive(Clone, Debug)]
pub struct Decided<M> {
    /// The new memory and everything else that goes into the status.
    pub memory: M,
    /// What is to be written to the target; `None` when nothing is.
    pub write: Option<Replicas>,
    /// Whether the status is worth a write though the target is not written.
    pub record: bool,
}

/// What became of a status write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It stands.
    Recorded,
    /// Somebody else changed the object since it was read.
    Conflict,
    /// It failed, or its outcome is unknown.
    Failed {
        /// Why.
        message: String,
    },
}

impl From<Result<(), CallError>> for Recorded {
    fn from(outcome: Result<(), CallError>) -> Self {
        match outcome {
            Ok(()) => Self::Recorded,
            Err(error) if error.is_conflict() => Self::Conflict,
            Err(error) => Self::Failed { message: error.to_string() },
        }
    }
}

/// The four acts of a tick on one object. Implemented by the loop; calls in it have their own deadlines.
pub trait Acts: Send {
    /// What a read gives.
    type Seen: Send + Sync;
    /// What a decision leaves.
    type Memory: Send + Sync;
    /// Why nothing could be read.
    type Error: Send;

    /// (1) Reads target and status afresh, past every cache; `None` when the object is no longer the one that this tick
    /// was planned for.
    fn read(&mut self) -> impl Future<Output = Result<Option<Read<Self::Seen>>, Self::Error>> + Send;

    /// Decides on what was read. No I/O.
    fn decide(&mut self, seen: &Self::Seen, epoch: u64) -> Decided<Self::Memory>;

    /// (2) Compare-and-swap of the status: the memory with the epoch and the open intent.
    fn record(
        &mut self,
        seen: &Self::Seen,
        memory: &Self::Memory,
        deadline: Duration,
    ) -> impl Future<Output = Recorded> + Send;

    /// (3) Compare-and-swap of the target.
    fn write(
        &mut self,
        seen: &Self::Seen,
        to: Replicas,
        deadline: Duration,
    ) -> impl Future<Output = Written> + Send;
}

/// How a tick ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<E> {
    /// Nothing was to be written to the target.
    Unchanged,
    /// The target was written or may have been; the inner value tells.
    Acted {
        /// What was to stand.
        to: Replicas,
        /// What became of it; never [`Written::Conflict`].
        written: Written,
    },
    /// This process does not lead, or its lead ran out.
    NotLeading,
    /// The spec was changed, or the object deleted, since the tick was planned: what was planned is dropped (C43).
    Changed,
    /// The status was written under a higher epoch: another process leads.
    Superseded {
        /// The epoch in the status.
        stored: u64,
    },
    /// Three rounds, and each time somebody else was first.
    Contended,
    /// The time of the tick was up before a write could begin.
    Late,
    /// Target or status could not be read.
    Unread(E),
    /// The intent could not be recorded, so the target was not written.
    Unrecorded {
        /// Why.
        message: String,
    },
}

impl<E> Outcome<E> {
    /// The outcome's name in metrics.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Acted { written, .. } => written.label(),
            Self::NotLeading => "not_leading",
            Self::Changed => "changed",
            Self::Superseded { .. } => "superseded",
            Self::Contended => "contended",
            Self::Late => "late",
            Self::Unread(_) => "unread",
            Self::Unrecorded { .. } => "unrecorded",
        }
    }
}

/// One round's end: settled, or once more from a fresh read.
enum Round<E> {
    Settled(Outcome<E>),
    Again,
}

/// Runs one tick on one object. `leadership` is asked anew before each act; `allowed` is the whole time of the tick,
/// min(5 s, interval). Nothing begins after it, and a call that runs into it is abandoned.
pub async fn actuate<A: Acts>(
    acts: &mut A,
    leadership: &tokio::sync::watch::Receiver<Leadership>,
    allowed: Duration,
) -> Outcome<A::Error> {
    let until = Instant::now() + allowed;
    for _ in 0..N_ROUNDS_MAX {
        match round(acts, leadership, until).await {
            Round::Settled(outcome) => return outcome,
            Round::Again => {}
        }
    }
    Outcome::Contended
}

async fn round<A: Acts>(
    acts: &mut A,
    leadership: &tokio::sync::watch::Receiver<Leadership>,
    until: Instant,
) -> Round<A::Error> {
    let leading = || leadership.borrow().epoch(Instant::now());
    let Some(epoch) = leading() else { return Round::Settled(Outcome::NotLeading) };
    let Read { seen, stored_epoch } = match tokio::time::timeout_at(until, acts.read()).await {
        Ok(Ok(Some(read))) => read,
        Ok(Ok(None)) => return Round::Settled(Outcome::Changed),
        Ok(Err(error)) => return Round::Settled(Outcome::Unread(error)),
        Err(_) => return Round::Settled(Outcome::Late),
    };
    if stored_epoch > epoch {
        return Round::Settled(Outcome::Superseded { stored: stored_epoch });
    }
    let Decided { memory, write, record } = acts.decide(&seen, epoch);
    if write.is_none() && !record {
        return Round::Settled(Outcome::Unchanged);
    }
    // The epoch may have changed hands and come back during the read: then the memory carries an old one.
    if leading() != Some(epoch) {
        return Round::Settled(Outcome::NotLeading);
    }
    let Some(left) = time_left(until) else { return Round::Settled(Outcome::Late) };
    let recorded = tokio::time::timeout_at(until, acts.record(&seen, &memory, left)).await;
    match recorded {
        Ok(Recorded::Recorded) => {}
        Ok(Recorded::Conflict) => return Round::Again,
        Ok(Recorded::Failed { message }) => return Round::Settled(Outcome::Unrecorded { message }),
        Err(_) => {
            let message = "no answer within the time of the tick".to_owned();
            return Round::Settled(Outcome::Unrecorded { message });
        }
    }
    let Some(to) = write else { return Round::Settled(Outcome::Unchanged) };
    if leading() != Some(epoch) {
        return Round::Settled(Outcome::NotLeading);
    }
    let Some(left) = time_left(until) else { return Round::Settled(Outcome::Late) };
    match tokio::time::timeout_at(until, acts.write(&seen, to, left)).await {
        Ok(Written::Conflict) => Round::Again,
        Ok(written) => Round::Settled(Outcome::Acted { to, written }),
        Err(_) => {
            let message = "no answer within the time of the tick".to_owned();
            Round::Settled(Outcome::Acted { to, written: Written::Unknown { message } })
        }
    }
}

fn time_left(until: Instant) -> Option<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    (!left.is_zero()).then_some(left)
}

#[cfg(test)]
mod tests;
