use http::Method;
use serde_json::json;
use tokio::time::{advance, sleep};

use super::*;
use crate::edge::clock::ManualClock;
use crate::operator::fake::{FakeApi, Fault};

const PATH: &str = "/apis/coordination.k8s.io/v1/namespaces/foresail/leases/foresail";
const YEAR_2026: Timestamp = Timestamp::from_seconds(1_790_000_000);

struct Candidate {
    leadership: watch::Receiver<Leadership>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Candidate {
    fn start(api: &FakeApi, identity: &str) -> Self {
        let settings = LeaseSettings {
            namespace: "foresail".to_owned(),
            name: "foresail".to_owned(),
            identity: identity.to_owned(),
        };
        let clock = Arc::new(ManualClock::at(YEAR_2026));
        let (elector, leadership) = Elector::new(api.client(), settings, clock);
        let stop = CancellationToken::new();
        let task = tokio::spawn(elector.run(stop.clone()));
        Self { leadership, stop, task }
    }

    fn epoch(&self) -> Option<u64> {
        self.leadership.borrow().epoch(Instant::now())
    }

    /// The time until it leads, up to a minute.
    async fn leads_after(&self) -> Duration {
        let start = Instant::now();
        while self.epoch().is_none() {
            assert!(start.elapsed() < Duration::from_mins(1), "never led");
            sleep(Duration::from_millis(50)).await;
        }
        start.elapsed()
    }
}

fn stored(api: &FakeApi) -> LeaseSpec {
    serde_json::from_value(api.get(PATH).unwrap()["spec"].clone()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_first_candidate_leads_and_the_second_stands_by() {
    let api = FakeApi::default();
    let first = Candidate::start(&api, "a");
    assert!(first.leads_after().await < Duration::from_secs(1));
    let second = Candidate::start(&api, "b");
    sleep(Duration::from_mins(10)).await;
    assert!(first.epoch().is_some());
    assert_eq!(*second.leadership.borrow(), Leadership::Standby { holder: Some("a".to_owned()) });
}

#[tokio::test(start_paused = true)]
async fn a_killed_leader_is_followed_within_17_seconds_under_a_higher_epoch() {
    let api = FakeApi::default();
    let first = Candidate::start(&api, "a");
    first.leads_after().await;
    let epoch = first.epoch().unwrap();
    let second = Candidate::start(&api, "b");
    sleep(Duration::from_millis(4100)).await;
    first.task.abort();
    assert!(second.leads_after().await <= Duration::from_secs(17));
    assert_eq!(second.epoch(), Some(epoch + 1));
    assert!(!first.leadership.borrow().may_write(Instant::now()));
}

#[tokio::test(start_paused = true)]
async fn a_seized_lease_stops_its_holder_before_the_next_lease_duration_is_over() {
    let api = FakeApi::default();
    let holder = Candidate::start(&api, "holder");
    holder.leads_after().await;
    let before = holder.epoch();
    let settings = LeaseSettings {
        namespace: "foresail".to_owned(),
        name: "foresail".to_owned(),
        identity: "restorer".to_owned(),
    };
    let (mut elector, seized) = Elector::new(api.client(), settings, Arc::new(ManualClock::at(YEAR_2026)));
    assert!(elector.seize().await.unwrap(), "somebody held it");
    let epoch = || seized.borrow().epoch(Instant::now());
    assert_eq!(epoch(), before.map(|epoch| epoch + 1));
    // It goes on renewing what it took, and the old holder does not take it back.
    let renewing = tokio::spawn(elector.run(CancellationToken::new()));
    sleep(RENEW_EVERY + Duration::from_millis(100)).await;
    assert_eq!(holder.epoch(), None);
    sleep(Duration::from_mins(2)).await;
    assert_eq!((holder.epoch(), epoch()), (None, before.map(|epoch| epoch + 1)));
    // Its process ends without giving the Lease back: the operator has a minute to be removed.
    renewing.abort();
    sleep(Duration::from_secs(50)).await;
    assert_eq!(holder.epoch(), None);
    holder.leads_after().await;
}

#[tokio::test(start_paused = true)]
async fn a_stopped_leader_is_followed_within_3_seconds() {
    let api = FakeApi::default();
    let first = Candidate::start(&api, "a");
    first.leads_after().await;
    let second = Candidate::start(&api, "b");
    sleep(Duration::from_secs(5)).await;
    first.stop.cancel();
    assert!(second.leads_after().await <= Duration::from_secs(3));
    assert_eq!(first.epoch(), None);
}

#[tokio::test(start_paused = true)]
async fn two_never_lead_at_once_while_the_server_hangs_and_returns() {
    let api = FakeApi::default();
    let first = Candidate::start(&api, "a");
    first.leads_after().await;
    let second = Candidate::start(&api, "b");
    for round in 0..300 {
        if round % 7 == 0 {
            api.fail_next(Method::PUT, "foresail", Fault::HangAfter);
            api.fail_next(Method::GET, "foresail", Fault::Hang);
            api.fail_next(Method::PUT, "foresail", Fault::Code(503));
        }
        sleep(Duration::from_millis(700)).await;
        assert!(first.epoch().is_none() || second.epoch().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_server_is_silent_stops_writing_at_the_renew_deadline() {
    let api = FakeApi::default();
    let first = Candidate::start(&api, "a");
    first.leads_after().await;
    let granted = Instant::now();
    for _ in 0..20 {
        api.fail_next(Method::GET, "foresail", Fault::Hang);
    }
    while first.epoch().is_some() {
        sleep(Duration::from_millis(100)).await;
    }
    assert!(granted.elapsed() <= RENEW_DEADLINE + RENEW_EVERY);
    sleep(Duration::from_secs(5)).await;
    assert!(matches!(*first.leadership.borrow(), Leadership::Standby { .. }));
}

#[tokio::test(start_paused = true)]
async fn garbage_is_held_by_nobody_known_for_our_own_duration() {
    for spec in [
        json!(null),
        json!({}),
        json!({"holderIdentity": "x", "leaseDurationSeconds": -1}),
        json!({"holderIdentity": "x", "leaseDurationSeconds": 2_000_000_000}),
        json!({"holderIdentity": "x", "leaseDurationSeconds": 15, "renewTime": "2999-01-01T00:00:00.000000Z"}),
        json!({"holderIdentity": "x", "leaseTransitions": -7}),
    ] {
        let api = FakeApi::default();
        api.put(PATH, json!({"metadata": {"name": "foresail", "namespace": "foresail"}, "spec": spec}));
        let candidate = Candidate::start(&api, "a");
        let waited = candidate.leads_after().await;
        assert!((LEASE_DURATION..=Duration::from_secs(17)).contains(&waited), "{spec}: {waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deleted_lease_is_made_anew_above_every_earlier_epoch() {
    let api = FakeApi::default();
    let first = Candidate::start(&api, "a");
    first.leads_after().await;
    let epoch = first.epoch().unwrap();
    api.delete(PATH);
    sleep(Duration::from_secs(3)).await;
    assert_eq!(first.epoch(), Some(epoch + 1));
    assert_eq!(stored(&api).holder_identity.as_deref(), Some("a"));
}

#[tokio::test(start_paused = true)]
async fn an_edited_transition_count_does_not_lower_the_epoch() {
    let api = FakeApi::default();
    let first = Candidate::start(&api, "a");
    first.leads_after().await;
    let epoch = first.epoch().unwrap();
    let mut lease = api.get(PATH).unwrap();
    lease["spec"]["leaseTransitions"] = json!(0);
    api.put(PATH, lease);
    sleep(Duration::from_secs(3)).await;
    assert_eq!(first.epoch(), Some(epoch));
}

#[tokio::test(start_paused = true)]
async fn a_process_that_slept_may_not_write_when_it_wakes() {
    let api = FakeApi::default();
    let first = Candidate::start(&api, "a");
    first.leads_after().await;
    let before = first.leadership.borrow().clone();
    advance(Duration::from_secs(11)).await;
    assert!(!before.may_write(Instant::now()));
}
