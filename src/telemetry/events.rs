//! Facts about an autoscaler: each is one log line, one count and one Kubernetes Event, from one call.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Api;
use kube::api::PostParams;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::metrics::Metrics;
use crate::edge::client::{sanitised, within};
use crate::edge::clock::{Clock, to_jiff};

/// The same reason and note within this time is one Event.
const DEDUPE: Duration = Duration::from_mins(10);
/// Events of one object: a burst of 10, then one in 30 s. A tick that flaps cannot fill etcd (F78).
const BURST: Duration = Duration::from_mins(5);
const COST: Duration = Duration::from_secs(30);
/// An Event is worth little: it is given up early.
const CALL_DEADLINE: Duration = Duration::from_secs(5);
/// Waiting Events; more than that are dropped and counted.
const N_QUEUED_MAX: usize = 256;
/// Longest note, in bytes; the API refuses more than 1024.
const NOTE_BYTES_MAX: usize = 1000;

/// How a fact is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// As it should be.
    Normal,
    /// Somebody should look.
    Warning,
}

impl Severity {
    const fn name(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// One fact about one object.
#[derive(Clone, Debug)]
pub struct ObjectEvent {
    /// The object it is about.
    pub regarding: ObjectReference,
    /// Normal or Warning.
    pub severity: Severity,
    /// A CamelCase fact: stable, from a fixed set.
    pub reason: &'static str,
    /// What was being done: stable, from a fixed set.
    pub action: &'static str,
    /// One sentence with numbers.
    pub note: String,
}

impl ObjectEvent {
    /// Writes the fact to the log, the metrics and the object's Events at once. Never waits.
    pub fn emit(self, sink: &EventSink) {
        let namespace = self.regarding.namespace.as_deref().unwrap_or_default();
        let name = self.regarding.name.as_deref().unwrap_or_default();
        let Self { reason, action, note, .. } = &self;
        match self.severity {
            Severity::Normal => tracing::info!(namespace, name, reason, action, "{note}"),
            Severity::Warning => tracing::warn!(namespace, name, reason, action, "{note}"),
        }
        sink.metrics.stated(reason);
        sink.offer(self);
    }
}

/// Where facts go; clones share it.
#[derive(Clone)]
pub struct EventSink {
    queue: mpsc::Sender<ObjectEvent>,
    pace: Arc<Mutex<Pace>>,
    metrics: Metrics,
}

/// Sends what the sink lets through; run it as one task.
pub struct Publisher {
    queue: mpsc::Receiver<ObjectEvent>,
    client: kube::Client,
    instance: String,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    n_sent: u64,
}

/// A sink and the publisher behind it. `instance` names this process.
pub fn channel(
    client: kube::Client,
    instance: &str,
    clock: Arc<dyn Clock>,
    metrics: &Metrics,
) -> (EventSink, Publisher) {
    let (sender, queue) = mpsc::channel(N_QUEUED_MAX);
    let sink = EventSink { queue: sender, pace: Arc::default(), metrics: metrics.clone() };
    let instance = sanitised(instance, 128);
    (sink, Publisher { queue, client, instance, clock, metrics: metrics.clone(), n_sent: 0 })
}

impl EventSink {
    fn offer(&self, event: ObjectEvent) {
        let verdict = {
            let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
            pace.judge(&event, Instant::now())
        };
        let result = match verdict {
            Verdict::Send => match self.queue.try_send(event) {
                Ok(()) => return,
                Err(_) => "queue_full",
            },
            Verdict::Repeated => "repeated",
            Verdict::TooMany => "rate_limited",
        };
        self.metrics.event(result);
    }

    /// Forgets an object that was deleted.
    pub fn forget(&self, namespace: &str, name: &str) {
        let key = (namespace.to_owned(), name.to_owned());
        self.pace.lock().unwrap_or_else(PoisonError::into_inner).objects.remove(&key);
    }
}

impl Publisher {
    /// Publishes until every sink is gone.
    pub async fn run(mut self) {
        while let Some(event) = self.queue.recv().await {
            let result = self.publish(event).await;
            self.metrics.event(result);
        }
    }

    async fn publish(&mut self, event: ObjectEvent) -> &'static str {
        let namespace = event.regarding.namespace.clone().unwrap_or_else(|| "default".to_owned());
        let api: Api<Event> = Api::namespaced(self.client.clone(), &namespace);
        self.n_sent = self.n_sent.wrapping_add(1);
        let event = self.wire(event, namespace);
        match within(CALL_DEADLINE, api.create(&PostParams::default(), &event)).await {
            Ok(_) => "sent",
            Err(error) => {
                tracing::debug!(error = %error, "an Event was dropped");
                error.label()
            }
        }
    }

    fn wire(&self, event: ObjectEvent, namespace: String) -> Event {
        let now = self.clock.now();
        let ObjectEvent { regarding, severity, reason, action, note } = event;
        let object = regarding.name.as_deref().unwrap_or("object");
        // The suffix keeps names of one object apart; 253 is the API's limit.
        let suffix = format!(".{:x}{:04x}", now.millis().unsigned_abs(), self.n_sent & 0xffff);
        let room = 253_usize.saturating_sub(suffix.len());
        let name = format!("{}{suffix}", object.chars().take(room).collect::<String>());
        Event {
            metadata: ObjectMeta { name: Some(name), namespace: Some(namespace), ..ObjectMeta::default() },
            action: Some(action.to_owned()),
            event_time: Some(MicroTime(to_jiff(now))),
            note: Some(cut(sanitised(&note, NOTE_BYTES_MAX))),
            reason: Some(reason.to_owned()),
            regarding: Some(regarding),
            reporting_controller: Some("foresail.dev/operator".to_owned()),
            reporting_instance: Some(self.instance.clone()),
            type_: Some(severity.name().to_owned()),
            ..Event::default()
        }
    }
}

/// The longest beginning of `text` that fits a note.
fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(NOTE_BYTES_MAX));
    text
}

/// What was sent of which object, and when.
#[derive(Default)]
struct Pace {
    objects: BTreeMap<(String, String), ObjectPace>,
}

struct ObjectPace {
    credit: Duration,
    filled_at: Instant,
    recent: Vec<(&'static str, String, Instant)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Send,
    Repeated,
    TooMany,
}

impl Pace {
    fn judge(&mut self, event: &ObjectEvent, now: Instant) -> Verdict {
        let of = |text: &Option<String>| text.clone().unwrap_or_default();
        let key = (of(&event.regarding.namespace), of(&event.regarding.name));
        let fresh = || ObjectPace { credit: BURST, filled_at: now, recent: Vec::new() };
        let object = self.objects.entry(key).or_insert_with(fresh);
        object.recent.retain(|(_, _, at)| now.saturating_duration_since(*at) < DEDUPE);
        if object.recent.iter().any(|(reason, note, _)| *reason == event.reason && *note == event.note) {
            return Verdict::Repeated;
        }
        let earned = now.saturating_duration_since(object.filled_at);
        object.filled_at = now;
        object.credit = object.credit.saturating_add(earned).min(BURST);
        if object.credit < COST {
            return Verdict::TooMany;
        }
        object.credit = object.credit.saturating_sub(COST);
        // Bounded by the bucket: at most a burst and 20 more within the time of the dedupe.
        object.recent.push((event.reason, event.note.clone(), now));
        Verdict::Send
    }
}

#[cfg(test)]
mod tests;
