use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::telemetry::metrics::Metrics;

struct Rig {
    scheduler: watch::Sender<Option<Instant>>,
    synced: watch::Sender<bool>,
    lease: watch::Sender<Option<Instant>>,
    check: watch::Sender<Health>,
    vitals: Vitals,
}

fn rig() -> Rig {
    let (scheduler, scheduler_beat) = watch::channel(None);
    let (synced, caches_synced) = watch::channel(false);
    let (lease, lease_beat) = watch::channel(None);
    let (check, self_check) = watch::channel(Health::NotYet);
    let vitals = Vitals {
        scheduler_beat,
        scheduler_limit: Duration::from_mins(1),
        caches_synced,
        self_check,
        lease_beat,
        lease_limit: Duration::from_secs(30),
        registry: Metrics::register().1,
        started: Instant::now(),
    };
    Rig { scheduler, synced, lease, check, vitals }
}

#[tokio::test(start_paused = true)]
async fn a_scheduler_that_stops_coming_round_is_dead() {
    let rig = rig();
    let start = Instant::now();
    assert_eq!(rig.vitals.dead_because(start + Duration::from_mins(1)), None);
    assert!(rig.vitals.dead_because(start + Duration::from_secs(61)).is_some());
    rig.scheduler.send_replace(Some(start + Duration::from_secs(50)));
    assert_eq!(rig.vitals.dead_because(start + Duration::from_secs(61)), None);
}

#[tokio::test(start_paused = true)]
async fn ready_needs_filled_caches_and_a_lease_loop() {
    let rig = rig();
    let now = Instant::now();
    assert!(rig.vitals.unready_because(now).is_some());
    rig.synced.send_replace(true);
    assert!(rig.vitals.unready_because(now).is_some());
    rig.lease.send_replace(Some(now));
    assert!(rig.vitals.unready_because(now).is_some());
    rig.check.send_replace(Health::Right);
    assert_eq!(rig.vitals.unready_because(now), None);
    assert!(rig.vitals.unready_because(now + Duration::from_secs(31)).is_some());
    rig.check.send_replace(Health::Wrong("2 replicas where 9 are right".to_owned()));
    assert!(rig.vitals.unready_because(now).unwrap().starts_with("the self-check"));
}

async fn ask(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn the_three_pages_answer_and_the_server_stops() {
    let rig = rig();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve(listener, rig.vitals.clone(), stop.clone()));
    assert!(ask(address, "/livez").await.starts_with("HTTP/1.1 200"));
    assert!(ask(address, "/readyz").await.starts_with("HTTP/1.1 503"));
    let page = ask(address, "/metrics").await;
    assert!(page.contains("application/openmetrics-text") && page.ends_with("# EOF\n"), "{page}");
    assert!(ask(address, "/secrets").await.starts_with("HTTP/1.1 404"));
    stop.cancel();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let _client = TcpStream::connect(address).await.unwrap();
    let mut limited = Limited { listener, permits: Arc::new(Semaphore::new(1)) };
    let (mut served, _) = axum::serve::Listener::accept(&mut limited).await;
    tokio::time::pause();
    let error = served.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}
