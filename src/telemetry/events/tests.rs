use http::Method;

use super::*;
use crate::edge::clock::ManualClock;
use crate::operator::fake::{FakeApi, Fault};
use crate::telemetry::metrics;
use crate::units::Timestamp;

fn fact(note: &str) -> ObjectEvent {
    let regarding = ObjectReference {
        namespace: Some("shop".to_owned()),
        name: Some("web".to_owned()),
        ..ObjectReference::default()
    };
    ObjectEvent {
        regarding,
        severity: Severity::Normal,
        reason: "Scaled",
        action: "Scale",
        note: note.to_owned(),
    }
}

struct Rig {
    api: FakeApi,
    sink: EventSink,
    registry: Arc<prometheus_client::registry::Registry>,
}

impl Rig {
    fn new() -> Self {
        let api = FakeApi::default();
        let (metrics, registry) = Metrics::register();
        let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_790_000_000)));
        let (sink, publisher) = channel(api.client(), "foresail-0", clock, &metrics);
        tokio::spawn(publisher.run());
        Self { api, sink, registry }
    }

    async fn emit(&self, note: &str) {
        fact(note).emit(&self.sink);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    fn counts(&self, line: &str) -> bool {
        metrics::encode(&self.registry).unwrap().contains(line)
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_fact_within_ten_minutes_is_one_event() {
    let rig = Rig::new();
    for _ in 0..5 {
        rig.emit("from 2 to 3").await;
    }
    assert_eq!(rig.api.n_requests("POST"), 1);
    tokio::time::sleep(DEDUPE).await;
    rig.emit("from 2 to 3").await;
    assert_eq!(rig.api.n_requests("POST"), 2);
    assert!(rig.counts("foresail_events_total{result=\"repeated\"} 4"));
    assert!(rig.counts("foresail_facts_total{reason=\"Scaled\"} 6"));
}

#[tokio::test(start_paused = true)]
async fn a_flapping_object_is_limited_to_a_burst_and_two_a_minute() {
    let rig = Rig::new();
    for idx in 0..60_u32 {
        rig.emit(&format!("from {idx}")).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    assert!((28..=31).contains(&rig.api.n_requests("POST")), "{}", rig.api.n_requests("POST"));
}

#[tokio::test(start_paused = true)]
async fn a_refused_event_is_dropped_and_counted() {
    let rig = Rig::new();
    rig.api.fail_next(Method::POST, "events", Fault::Code(429));
    rig.api.fail_next(Method::POST, "events", Fault::Code(403));
    rig.emit("a").await;
    rig.emit("b").await;
    rig.emit("c").await;
    assert_eq!(rig.api.n_requests("POST"), 3);
    for line in ["throttled\"} 1", "forbidden\"} 1", "sent\"} 1"] {
        assert!(rig.counts(line), "{line}");
    }
}

#[test]
fn a_note_is_cut_between_characters() {
    assert_eq!(cut("\u{20ac}".repeat(400)).len(), 999);
    assert_eq!(cut("short".to_owned()), "short");
}
