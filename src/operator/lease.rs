//! Leader election on a `coordination.k8s.io/v1` Lease, with hot standby.
//!
//! A Lease is no lock: a stalled leader may believe in it for too long. So the leader stops by its own monotonic
//! clock 10 s after the last renewal it *began*, a write takes at most 5 s, a standby waits 15 s measured by its own
//! clock from when it saw the last change, and every write is a compare-and-swap that carries the epoch besides.
//! Wall-clock times in the Lease are for people: nothing is decided by them (F76).

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Api;
use kube::api::PostParams;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::edge::client::{CallError, within};
use crate::edge::clock::{Clock, to_jiff};
use crate::units::Timestamp;

/// How long a Lease stands after its last renewal; the length others wait.
pub const LEASE_DURATION: Duration = Duration::from_secs(15);
/// How long after the beginning of its last renewal a leader may begin writes. With a write's 5 s it ends before
/// the 15 s of the others.
pub const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// How often a leader renews: five tries within the deadline.
pub const RENEW_EVERY: Duration = Duration::from_secs(2);
/// How often a standby looks: 15 s + 1 s + the calls stay under 17 s after a kill.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// One call to the Lease. Short, so that one lost packet does not cost the leadership.
const CALL_DEADLINE: Duration = Duration::from_secs(2);
/// A seized Lease outlives its holder this long: time to remove the operator's Deployment. The most that is believed.
const SEIZED_FOR: Duration = Duration::from_mins(1);
/// A Lease that claims to stand for longer is garbage.
const BELIEVABLE_SECONDS: std::ops::RangeInclusive<i32> = 1..=60;
/// The epoch of a new Lease counts seconds from here (2025-01-01T00:00:00Z): a Lease that is deleted and made anew
/// then begins above every epoch that was stored before, and `i32` lasts until 2093.
const EPOCH_ORIGIN: Timestamp = Timestamp::from_seconds(1_735_689_600);

/// Whether this process may write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leadership {
    /// It holds the Lease.
    Leading {
        /// The Lease's transition count: rises with each change of holder.
        epoch: u64,
        /// No write begins at or after this instant.
        valid_until: Instant,
    },
    /// Another process holds the Lease, or nobody is known to.
    Standby {
        /// Its identity, as far as known.
        holder: Option<String>,
    },
}

impl Leadership {
    /// Whether a write may begin at `now`.
    pub fn may_write(&self, now: Instant) -> bool {
        matches!(self, Self::Leading { valid_until, .. } if now < *valid_until)
    }

    /// Whether somebody else is known to lead.
    pub const fn is_anothers(&self) -> bool {
        matches!(self, Self::Standby { holder: Some(_) })
    }

    /// The epoch under which a write may begin at `now`.
    pub fn epoch(&self, now: Instant) -> Option<u64> {
        match self {
            Self::Leading { epoch, valid_until } if now < *valid_until => Some(*epoch),
            _ => None,
        }
    }
}

/// Which Lease, and who asks.
#[derive(Clone, Debug)]
pub struct LeaseSettings {
    /// The operator's own namespace.
    pub namespace: String,
    /// The name of the Lease.
    pub name: String,
    /// Unique to this process: the pod's name and something random.
    pub identity: String,
}

/// The Lease as last seen. Its version tells a renewal, not its times: a holder whose wall clock stands still renews
/// too.
struct Seen {
    version: Option<String>,
    stands_for: Duration,
    since: Instant,
}

/// One candidate.
pub struct Elector {
    api: Api<Lease>,
    settings: LeaseSettings,
    clock: Arc<dyn Clock>,
    published: watch::Sender<Leadership>,
    /// The Lease as last seen, and since when it has stood so by our clock.
    seen: Option<Seen>,
    /// The epoch we hold.
    epoch: Option<i32>,
    /// How long what we write into the Lease stands.
    stands_for: Duration,
    /// The last loop's beat, for `/readyz`.
    beat: watch::Sender<Option<Instant>>,
}

impl Elector {
    /// A candidate, on standby, and where its leadership can be read.
    pub fn new(
        client: kube::Client,
        settings: LeaseSettings,
        clock: Arc<dyn Clock>,
    ) -> (Self, watch::Receiver<Leadership>) {
        let (published, reader) = watch::channel(Leadership::Standby { holder: None });
        let api = Api::namespaced(client, &settings.namespace);
        let beat = watch::Sender::new(None);
        let stands_for = LEASE_DURATION;
        (Self { api, settings, clock, published, seen: None, epoch: None, stands_for, beat }, reader)
    }

    /// When the loop last had an answer from the API server.
    pub fn beats(&self) -> watch::Receiver<Option<Instant>> {
        self.beat.subscribe()
    }

    /// For the removal of the operator: takes the Lease from whoever holds it, under the next epoch: the holder stops at its next renewal, 2 s later, and
    /// a write that it began has ended after [`LEASE_DURATION`]. Gives whether there was a holder to wait for.
    ///
    /// # Errors
    /// When the Lease cannot be read or written.
    pub async fn seize(&mut self) -> Result<bool, CallError> {
        let began = Instant::now();
        let found = within(CALL_DEADLINE, self.api.get_opt(&self.settings.name)).await?;
        let spec = found.as_ref().and_then(|lease| lease.spec.as_ref());
        let held = spec.and_then(|spec| spec.holder_identity.as_ref()).is_some_and(|name| !name.is_empty());
        let transitions = spec.and_then(|spec| spec.lease_transitions).filter(|n| *n >= 0);
        let epoch = transitions.map_or_else(|| self.first_epoch(), |n| n.saturating_add(1));
        self.stands_for = SEIZED_FOR;
        let leadership = self.take(found, epoch, began).await?;
        self.publish(leadership);
        Ok(held)
    }

    /// Stands for election until `stop`, then gives the Lease back.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let wait = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                wait = self.round() => wait,
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.release().await;
    }

    /// One look at the Lease and what follows from it; gives the time until the next.
    async fn round(&mut self) -> Duration {
        let began = Instant::now();
        match self.look(began).await {
            Ok(leadership) => {
                self.beat.send_replace(Some(Instant::now()));
                self.publish(leadership);
            }
            Err(error) => {
                tracing::warn!(error = %error, result = error.label(), "the Lease could not be renewed or read");
                let expired = !self.published.borrow().may_write(Instant::now());
                if expired {
                    self.publish(Leadership::Standby { holder: None });
                }
            }
        }
        self.wait(began)
    }

    fn wait(&self, began: Instant) -> Duration {
        if self.epoch.is_some() {
            return RENEW_EVERY.saturating_sub(began.elapsed());
        }
        let expiry = self.seen.as_ref().map(|seen| seen.since + seen.stands_for);
        let until_expiry = expiry.map_or(WATCH_EVERY, |at| at.saturating_duration_since(Instant::now()));
        // Never a hot loop, even when an expired Lease cannot be taken.
        WATCH_EVERY.min(until_expiry.max(Duration::from_millis(100)))
    }

    fn publish(&mut self, leadership: Leadership) {
        self.published.send_if_modified(|current| {
            let was = matches!(current, Leadership::Leading { .. });
            let is = matches!(leadership, Leadership::Leading { .. });
            if was != is {
                tracing::info!(identity = %self.settings.identity, leading = is, "leadership changed");
            }
            let changed = *current != leadership;
            *current = leadership;
            changed
        });
    }

    /// Reads the Lease and takes or renews it where that is right.
    async fn look(&mut self, began: Instant) -> Result<Leadership, CallError> {
        let found = within(CALL_DEADLINE, self.api.get_opt(&self.settings.name)).await?;
        let Some(lease) = found else {
            let epoch = self.epoch.map_or_else(|| self.first_epoch(), |epoch| epoch.saturating_add(1));
            return self.take(None, epoch, began).await;
        };
        let spec = lease.spec.clone();
        let expired = self.observe(&lease);
        let transitions = spec.as_ref().and_then(|spec| spec.lease_transitions).filter(|n| *n >= 0);
        let next_epoch = transitions.map_or_else(|| self.first_epoch(), |n| n.saturating_add(1));
        let holder = spec.as_ref().and_then(|spec| spec.holder_identity.clone());
        match (holder, self.epoch) {
            (Some(holder), Some(epoch)) if holder == self.settings.identity => {
                self.take(Some(lease), epoch.max(transitions.unwrap_or(0)), began).await
            }
            // Our own name of an earlier life, or a Lease that was given back.
            (Some(holder), None) if holder == self.settings.identity || holder.is_empty() => {
                self.take(Some(lease), next_epoch, began).await
            }
            (holder, _) => {
                self.epoch = None;
                if expired {
                    return self.take(Some(lease), next_epoch, began).await;
                }
                Ok(Leadership::Standby { holder: holder.filter(|name| !name.is_empty()) })
            }
        }
    }

    /// Whether the Lease has stood unchanged for as long as it claims to stand, by our own clock.
    fn observe(&mut self, lease: &Lease) -> bool {
        let version = &lease.metadata.resource_version;
        match &self.seen {
            Some(seen) if seen.version == *version => seen.since.elapsed() >= seen.stands_for,
            _ => {
                let stands_for = duration_of(lease.spec.as_ref());
                self.seen = Some(Seen { version: version.clone(), stands_for, since: Instant::now() });
                false
            }
        }
    }

    fn first_epoch(&self) -> i32 {
        i32::try_from(self.clock.now().since(EPOCH_ORIGIN).seconds()).unwrap_or(i32::MAX)
    }

    /// Writes our name into the Lease; fails without effect when somebody else did so first.
    async fn take(
        &mut self,
        old: Option<Lease>,
        epoch: i32,
        began: Instant,
    ) -> Result<Leadership, CallError> {
        let now = MicroTime(to_jiff(self.clock.now()));
        let renewed = self.epoch == Some(epoch);
        let acquired = old
            .as_ref()
            .and_then(|lease| lease.spec.as_ref()?.acquire_time.clone())
            .filter(|_| renewed)
            .unwrap_or_else(|| now.clone());
        let spec = LeaseSpec {
            holder_identity: Some(self.settings.identity.clone()),
            lease_duration_seconds: i32::try_from(self.stands_for.as_secs()).ok(),
            lease_transitions: Some(epoch),
            acquire_time: Some(acquired),
            renew_time: Some(now),
            ..LeaseSpec::default()
        };
        let outcome = self.write(old, spec).await;
        if outcome.as_ref().is_err_and(|error| !error.may_have_happened()) && !renewed {
            self.epoch = None;
        }
        let stored = outcome?;
        self.epoch = Some(epoch);
        self.observe(&stored);
        Ok(Leadership::Leading {
            epoch: u64::from(epoch.unsigned_abs()),
            valid_until: began + RENEW_DEADLINE,
        })
    }

    async fn write(&self, old: Option<Lease>, spec: LeaseSpec) -> Result<Lease, CallError> {
        let params = PostParams { field_manager: Some("foresail".to_owned()), ..PostParams::default() };
        let name = &self.settings.name;
        if let Some(mut lease) = old {
            lease.metadata.managed_fields = None;
            lease.spec = Some(spec);
            return within(CALL_DEADLINE, self.api.replace(name, &params, &lease)).await;
        }
        let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
        let lease = Lease { metadata, spec: Some(spec) };
        within(CALL_DEADLINE, self.api.create(&params, &lease)).await
    }

    /// Gives the Lease back, so that a standby takes it at its next look. Writes stop before it is given back.
    async fn release(&mut self) {
        self.publish(Leadership::Standby { holder: None });
        let mut outcome = self.clear_holder().await;
        if outcome.as_ref().is_err_and(CallError::is_conflict) {
            // A renewal that was cut off by the stop landed in between.
            outcome = self.clear_holder().await;
        }
        if let Err(error) = outcome {
            tracing::warn!(error = %error, "the Lease was not given back; it expires by itself");
        }
    }

    async fn clear_holder(&mut self) -> Result<(), CallError> {
        let found = within(CALL_DEADLINE, self.api.get_opt(&self.settings.name)).await?;
        let Some((lease, spec)) = found.and_then(|lease| lease.spec.clone().map(|spec| (lease, spec))) else {
            return Ok(());
        };
        if spec.holder_identity.as_deref() != Some(self.settings.identity.as_str()) {
            return Ok(());
        }
        let spec = LeaseSpec {
            holder_identity: Some(String::new()),
            lease_duration_seconds: Some(1),
            renew_time: Some(MicroTime(to_jiff(self.clock.now()))),
            ..spec
        };
        self.epoch = None;
        self.write(Some(lease), spec).await.map(|_| ())
    }
}

/// How long a Lease stands after its last change: what it says if that is believable, else our own duration.
fn duration_of(spec: Option<&LeaseSpec>) -> Duration {
    let stated = spec
        .filter(|spec| spec.holder_identity.is_some())
        .and_then(|spec| spec.lease_duration_seconds)
        .filter(|seconds| BELIEVABLE_SECONDS.contains(seconds));
    stated.and_then(|seconds| u64::try_from(seconds).ok()).map_or(LEASE_DURATION, Duration::from_secs)
}

#[cfg(test)]
mod tests;
