//! What was planned for something else, or knows less than what is stored, decides nothing; what does not answer makes no
//! tick late.

use super::*;
use crate::edge::clock::Clock;
use crate::operator::fake::Fault;

/// A rig of one autoscaler whose source reads `value`, with ticks every `interval`.
async fn rig(value: &str, interval: Span) -> (Rig, Server) {
    let server = Server::start(vec![vector(&[value])]).await;
    (of(autoscaler("web", "main", &json!({})), &[("main", &server)], interval), server)
}

fn of(object: Value, servers: &[(&str, &Server)], interval: Span) -> Rig {
    let sources = servers.iter().map(|(name, server)| source(name, server, PATIENT)).collect();
    let mut rig = Rig::new(&[object], sources);
    Arc::get_mut(&mut rig.ctx).expect("nobody else has it yet").settings.interval = interval;
    rig
}

const INTERVAL: Span = Span::from_seconds(15);
const PATH: &str = "/apis/foresail.dev/v1alpha1/namespaces/shop/predictiveautoscalers/web";

/// Edits the stored object while the watch cache still has the one of before.
fn edit(rig: &Rig, metadata: &Value, spec: &Value) {
    let mut object = serde_json::to_value(rig.object("web")).unwrap();
    for (into, from) in [("metadata", metadata), ("spec", spec)] {
        for (key, value) in from.as_object().unwrap() {
            object[into][key] = value.clone();
        }
    }
    rig.api.put(PATH, object);
}

/// Runs the fleet until `done`, in real time because the sources are real sockets.
async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let reached = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), reached).await.expect(what);
}

fn fleet(rig: &Rig) -> tokio::task::JoinHandle<()> {
    let (beat, _beats) = watch::channel(None);
    tokio::spawn(fleet::run(Arc::clone(&rig.ctx), rig.leadership.clone(), beat, CancellationToken::new()))
}

#[tokio::test]
async fn a_spec_that_was_edited_since_the_tick_began_is_followed_from_the_next_on() {
    let (rig, _server) = rig("140", INTERVAL).await;
    let mut worker = Worker::new(Arc::clone(&rig.ctx), "shop".to_owned(), "web".to_owned());
    let cached = rig.object("web");
    edit(&rig, &json!({"generation": 2}), &json!({"minReplicas": 4}));
    let newer = Box::pin(worker.tick(&cached, &rig.leadership)).await.expect("it was edited");
    assert_eq!((newer.metadata.generation, rig.asked("web")), (Some(2), 5));
    assert_eq!((rig.object("web").status, rig.writes_to_workloads()), (None, Vec::new()));
    assert!(Box::pin(worker.tick(&newer, &rig.leadership)).await.is_none());
    assert_eq!(rig.asked("web"), 4, "2 are enough, and 4 are the least of the new spec");
}

#[tokio::test]
async fn nothing_is_written_for_an_autoscaler_that_is_being_deleted_or_is_another_by_now() {
    for metadata in [json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}), json!({"uid": "uid-of-another"})] {
        let (rig, _server) = rig("140", INTERVAL).await;
        let mut worker = Worker::new(Arc::clone(&rig.ctx), "shop".to_owned(), "web".to_owned());
        let cached = rig.object("web");
        edit(&rig, &metadata, &json!({}));
        assert!(Box::pin(worker.tick(&cached, &rig.leadership)).await.is_some());
        assert_eq!((rig.object("web").status, rig.writes_to_workloads()), (None, Vec::new()));
    }
}

#[tokio::test]
async fn a_new_spec_is_followed_though_the_watch_is_dead() {
    let (rig, _server) = rig("350", Span::from_seconds(2)).await;
    let running = fleet(&rig);
    until("the first tick", || rig.object("web").status.is_some()).await;
    assert_eq!(rig.asked("web"), 5);
    edit(&rig, &json!({"generation": 2}), &json!({"minReplicas": 7}));
    until("the spec of the API server", || rig.asked("web") == 7).await;
    assert_eq!(rig.ctx.autoscaler("shop", "web").unwrap().metadata.generation, Some(1));
    running.abort();
}

#[tokio::test]
async fn a_metric_that_hangs_delays_neither_its_neighbour_nor_the_tick() {
    let (hanging, answering) =
        (Server::start(vec![Reply::Hang]).await, Server::start(vec![vector(&["501"])]).await);
    let metric = |name: &str, source: &str| {
        json!({"name": name, "type": "Prometheus", "query": "sum(demand)", "sourceRef": {"name": source},
            "capacityPerReplica": "100", "prediction": "Disabled"})
    };
    let hanged = [metric("one", "hanging"), metric("two", "hanging"), metric("demand", "main")];
    let object = autoscaler("web", "main", &json!({"metrics": hanged}));
    let rig = of(object, &[("hanging", &hanging), ("main", &answering)], Span::from_seconds(6));
    let mut worker = Worker::new(Arc::clone(&rig.ctx), "shop".to_owned(), "web".to_owned());
    let object = rig.object("web");
    // The source may take 20 s for each of two queries.
    let tick = tokio::time::timeout(Duration::from_secs(15), Box::pin(worker.tick(&object, &rig.leadership)));
    assert!(tick.await.expect("a tick ends within its interval").is_none());
    assert_eq!(rig.asked("web"), 8, "the metric that answers may raise");
    let (_, reason, message) = rig.condition("web", "EvidenceFresh");
    assert_eq!(reason, "SourceUnreachable", "{message}");
    assert!(message.contains("one: the source did not answer within the tick"), "{message}");
}

/// A history is asked for once by each worker, so it tells when one begins anew.
#[tokio::test]
async fn who_led_before_somebody_else_did_knows_nothing_of_before() {
    let server = without_history().await;
    let predicted = json!({"metrics": [{
        "name": "demand", "type": "Prometheus", "query": "sum(demand)", "capacityPerReplica": "100",
    }]});
    let rig = of(autoscaler("web", "main", &predicted), &[("main", &server)], Span::from_seconds(1));
    // It is read by days; the first of them is 28 days ago.
    let first = format!("&start={}&", START.minus(Span::from_hours(28 * 24)).seconds());
    let n_histories = || server.requests().iter().filter(|one| one.contains(&first)).count();
    let n_readings = || rig.api.log().iter().filter(|line| line.starts_with("GET /apis/apps/")).count();
    let shown = || rig.shown().contains("asked_replicas{namespace=\"shop\",name=\"web\"} 5.0");
    let running = fleet(&rig);
    until("the first history", || n_histories() == 1 && shown()).await;
    // The API server was away for a while, and nobody took the Lease.
    rig.lead(Leadership::Standby { holder: None });
    rig.lead_under(1);
    let before = n_readings();
    until("two more ticks", || n_readings() >= before + 6).await;
    assert_eq!((n_histories(), shown()), (1, true));
    rig.lead(Leadership::Standby { holder: Some("another".to_owned()) });
    until("what is shown by the other", || !shown()).await;
    rig.lead_under(3);
    until("the second history", || n_histories() == 2 && shown()).await;
    // It may also have come and gone between two ticks.
    rig.lead_under(5);
    until("the third history", || n_histories() == 3 && shown()).await;
    running.abort();
}

/// The rig without the Deployment, and its status after a tick.
async fn without_target() -> (Rig, Server, Worker) {
    let (rig, server) = rig("501", INTERVAL).await;
    rig.api.delete(DEPLOYMENT);
    let worker = Worker::new(Arc::clone(&rig.ctx), "shop".to_owned(), "web".to_owned());
    (rig, server, worker)
}

const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/web";

fn n_reads(rig: &Rig) -> usize {
    rig.api.log().iter().filter(|line| line.starts_with("GET /apis/apps/")).count()
}

#[tokio::test(start_paused = true)]
async fn a_target_that_does_not_exist_is_told_and_asked_for_ever_more_rarely() {
    let (rig, _server, mut worker) = without_target().await;
    let mut asked_at = Vec::new();
    for tick in 0..80_u64 {
        let before = n_reads(&rig);
        Box::pin(worker.tick(&rig.object("web"), &rig.leadership)).await;
        if n_reads(&rig) > before {
            asked_at.push(tick);
        }
        tokio::time::advance(INTERVAL.to_std()).await;
        rig.clock.advance(INTERVAL);
    }
    assert_eq!(asked_at, [0, 1, 3, 7, 15, 31, 51, 71], "from every 15 s to every 5 minutes");
    let (status, reason, message) = rig.condition("web", "AbleToScale");
    assert_eq!((status.as_str(), reason.as_str()), ("False", "TargetNotScalable"));
    assert!(message.contains("shop/web") && message.contains("404"), "{message}");
    assert_eq!(rig.condition("web", "Ready").1, "TargetNotScalable");
    let told = rig.events().await.into_iter().filter(|(reason, _)| reason == "UnableToScale");
    assert_eq!(told.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_came_is_scaled_and_a_new_spec_is_tried_at_once() {
    let (rig, _server, mut worker) = without_target().await;
    let deployment = json!({
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"replicas": 5}, "status": {"replicas": 5, "readyReplicas": 5},
    });
    for _ in 0..5 {
        Box::pin(worker.tick(&rig.object("web"), &rig.leadership)).await;
        tokio::time::advance(INTERVAL.to_std()).await;
    }
    rig.api.put(DEPLOYMENT, deployment);
    Box::pin(worker.tick(&rig.object("web"), &rig.leadership)).await;
    assert_eq!(rig.asked("web"), 5, "it rests");
    edit(&rig, &json!({"generation": 2}), &json!({"maxReplicas": 20}));
    Box::pin(worker.tick(&rig.object("web"), &rig.leadership)).await;
    assert_eq!(rig.asked("web"), 8);
    assert_eq!(rig.condition("web", "AbleToScale").0, "True");
}

fn fail_to_read_the_scale(rig: &Rig) {
    rig.api.fail_next(http::Method::GET, "/deployments/web/scale", Fault::Code(503));
}

#[tokio::test(start_paused = true)]
async fn a_target_whose_scale_hangs_is_told_at_the_second_tick() {
    let (rig, _server) = rig("350", INTERVAL).await;
    let mut worker = Worker::new(Arc::clone(&rig.ctx), "shop".to_owned(), "web".to_owned());
    for told in [false, true] {
        rig.api.fail_next(http::Method::GET, "/deployments/web/scale", Fault::Hang);
        Box::pin(worker.tick(&rig.object("web"), &rig.leadership)).await;
        assert_eq!(rig.object("web").status.is_some(), told);
    }
    let (status, reason, message) = rig.condition("web", "AbleToScale");
    assert_eq!((status.as_str(), reason.as_str()), ("False", "TargetUnreadable"));
    assert_eq!(message, "the target could not be read within the time of the tick");
}

#[tokio::test]
async fn a_target_that_cannot_be_read_once_is_not_told_and_twice_in_a_row_is() {
    let (rig, _server) = rig("350", INTERVAL).await;
    let mut worker = Worker::new(Arc::clone(&rig.ctx), "shop".to_owned(), "web".to_owned());
    let mut told = Vec::new();
    for fails in [false, true, false, true, true, false] {
        if fails {
            fail_to_read_the_scale(&rig);
        }
        Box::pin(worker.tick(&rig.object("web"), &rig.leadership)).await;
        told.push(rig.condition("web", "AbleToScale").1);
        rig.clock.advance(INTERVAL);
    }
    let (found, unreadable) = ("TargetFound", "TargetUnreadable");
    assert_eq!(told, [found, found, found, found, unreadable, found]);
    assert_eq!(rig.writes_to_workloads(), Vec::<String>::new());
}

/// A cache whose watch may not list.
fn unfilled<K: kube::Resource<DynamicType = ()> + Clone + 'static>() -> kube::runtime::reflector::Store<K> {
    let (store, writer) = kube::runtime::reflector::store();
    // A dropped writer would be an end, not a wait.
    std::mem::forget(writer);
    store
}

#[tokio::test]
async fn only_those_wait_that_need_what_is_not_known() {
    let edit = json!({"calendarRefs": [{"name": "retail"}]});
    let spend =
        json!({"spend": {"currency": "EUR", "pricePerReplicaHour": "0.1", "budgetRef": {"name": "shop"}}});
    let objects = [
        autoscaler("web", "main", &json!({})),
        autoscaler("api", "main", &edit),
        autoscaler("db", "main", &spend),
    ];
    let mut rig = Rig::new(&objects, Vec::new());
    let knows = |rig: &Rig| ["web", "api", "db"].map(|name| rig.ctx.knows_enough(&rig.object(name)));
    assert_eq!(knows(&rig), [true; 3]);
    let context = Arc::get_mut(&mut rig.ctx).unwrap();
    context.calendars = vec![unfilled()];
    assert_eq!(knows(&rig), [true, false, true]);
    let context = Arc::get_mut(&mut rig.ctx).unwrap();
    // The calendars of another namespace are not missed.
    context.settings.watch_namespaces = vec!["other".to_owned(), "shop".to_owned()];
    let filled = Rig::new(&[], Vec::new());
    context.calendars.extend(filled.ctx.calendars.iter().cloned());
    context.autoscalers.insert(0, unfilled());
    assert_eq!(knows(&rig), [true, true, false], "another namespace may hold members of the budget");
    Arc::get_mut(&mut rig.ctx).unwrap().sources_known = watch::channel(false).1;
    assert_eq!(knows(&rig), [false; 3]);
}

/// A clock that went ahead once.
struct Ahead(Arc<crate::edge::clock::ManualClock>, std::sync::atomic::AtomicU64);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn look(&self) -> (Timestamp, u64) {
        (self.now(), self.1.load(std::sync::atomic::Ordering::Relaxed))
    }
}

#[tokio::test]
async fn after_a_jump_of_the_clock_nothing_is_lowered_for_a_window() {
    for jumps in [0, 1] {
        let server = Server::start(vec![vector(&["350"]), vector(&["140"])]).await;
        let window = json!({"behavior": {"scaleDown": {"stabilizationWindowSeconds": 45}}});
        let mut rig = of(autoscaler("web", "main", &window), &[("main", &server)], INTERVAL);
        let clock = Arc::new(Ahead(Arc::clone(&rig.clock), 0.into()));
        Arc::get_mut(&mut rig.ctx).unwrap().clock = Arc::<Ahead>::clone(&clock);
        let mut worker = Worker::new(Arc::clone(&rig.ctx), "shop".to_owned(), "web".to_owned());
        Box::pin(worker.tick(&rig.object("web"), &rig.leadership)).await;
        clock.1.store(jumps, std::sync::atomic::Ordering::Relaxed);
        rig.clock.advance(Span::from_minutes(1));
        // A tick that comes to no decision does not use it up.
        fail_to_read_the_scale(&rig);
        Box::pin(worker.tick(&rig.object("web"), &rig.leadership)).await;
        assert_eq!(rig.asked("web"), 5);
        Box::pin(worker.tick(&rig.object("web"), &rig.leadership)).await;
        assert_eq!(rig.asked("web"), if jumps == 0 { 2 } else { 5 });
        rig.clock.advance(Span::from_seconds(40));
        Box::pin(worker.tick(&rig.object("web"), &rig.leadership)).await;
        assert_eq!(rig.asked("web"), if jumps == 0 { 2 } else { 5 });
        rig.clock.advance(Span::from_seconds(10));
        Box::pin(worker.tick(&rig.object("web"), &rig.leadership)).await;
        assert_eq!(rig.asked("web"), 2);
    }
}
