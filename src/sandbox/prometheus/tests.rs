use super::*;
use crate::decide::{Absence, Reading};
use crate::edge::clock::ManualClock;
use crate::metrics::{HistoryQuery, InstantQuery, SourcePool, SourceSettings};

const START: Timestamp = Timestamp::from_seconds(1_795_000_020);
const QUERY: &str = "sum(rate(http_requests_total{app=\"web\"}[1m]))";

/// A series that counts its own minutes.
fn scripted() -> (Arc<ManualClock>, Prometheus) {
    let clock = Arc::new(ManualClock::at(START));
    let prometheus = Prometheus::new(clock.clone());
    let minutes = |at: Timestamp| Some(f64::from(u32::try_from(at.seconds().div_euclid(60) % 1000).unwrap()));
    prometheus.script(QUERY, Step::MINUTE, Arc::new(minutes)).unwrap();
    (clock, prometheus)
}

fn pool(prometheus: &Prometheus) -> SourcePool {
    let pool = SourcePool::within(Arc::new(prometheus.clone()));
    let settings = SourceSettings {
        name: "main".to_owned(),
        url: "http://prometheus.sandbox".to_owned(),
        authorization: None,
        ca_pem: None,
        tenant_header: None,
        timeout: Span::from_seconds(5),
        max_concurrent: 4,
    };
    pool.set(settings).unwrap();
    pool
}

async fn read(pool: &SourcePool, at: Timestamp) -> Reading {
    let query = InstantQuery { promql: QUERY.to_owned(), at, max_age: Span::from_minutes(2) };
    pool.instant("main", &query, Step::new(15).unwrap()).await.reading
}

#[tokio::test(start_paused = true)]
async fn the_newest_sample_counts_and_the_spelling_of_the_query_does_not() {
    let (_, prometheus) = scripted();
    let pool = pool(&prometheus);
    let expected = f64::from(u32::try_from(START.seconds() / 60 % 1000).unwrap());
    assert_eq!(read(&pool, START).await, Reading::Value { value: expected, at: START, partial: false });
    assert_eq!(prometheus.value("sum( rate(http_requests_total{ app='web' }[1m]) )"), Some(expected));
    assert_eq!(prometheus.value("sum(other)"), None);
}

#[tokio::test(start_paused = true)]
async fn a_history_is_read_up_to_now_and_no_further() {
    let (_, prometheus) = scripted();
    let query = HistoryQuery {
        promql: QUERY.to_owned(),
        from: START.minus(Span::from_hours(72)),
        to: START.plus(Span::from_hours(1)),
        step: Step::MINUTE,
        max_age: Span::from_minutes(2),
        deadline: Span::from_minutes(1),
    };
    let samples = pool(&prometheus).history("main", &query).await.unwrap();
    // Beyond now the last sample is repeated for its lookback, as Prometheus does.
    assert_eq!(samples.len(), 72 * 60 + 2);
}

#[tokio::test(start_paused = true)]
async fn every_trouble_is_told_apart_from_a_number() {
    let check = async |trouble: Trouble, expected: Reading| {
        let (_, prometheus) = scripted();
        let (from, to) = (START.minus(Span::from_minutes(10)), START.plus(Span::from_minutes(10)));
        prometheus.trouble(Window { from, to, trouble });
        assert_eq!(read(&pool(&prometheus), START).await, expected, "{trouble:?}");
    };
    check(Trouble::Refused, Reading::Absent(Absence::Unreachable)).await;
    check(Trouble::Silent, Reading::Absent(Absence::Unreachable)).await;
    check(Trouble::Status(503), Reading::Absent(Absence::SourceError)).await;
    check(Trouble::Gap, Reading::Absent(Absence::Empty)).await;
    check(Trouble::Twice, Reading::Absent(Absence::ManySeries)).await;
    check(Trouble::Says(0.0), Reading::Value { value: 0.0, at: START, partial: false }).await;
    let minutes = f64::from(u32::try_from(START.seconds() / 60 % 1000).unwrap());
    check(Trouble::Times(1000.0), Reading::Value { value: 1000.0 * minutes, at: START, partial: false })
        .await;
    check(Trouble::Warning, Reading::Value { value: minutes, at: START, partial: true }).await;
    let (_, prometheus) = scripted();
    prometheus.trouble(Window {
        from: START.minus(Span::from_hours(1)),
        to: START.plus(Span::from_hours(1)),
        trouble: Trouble::Says(f64::NAN),
    });
    assert!(matches!(read(&pool(&prometheus), START).await, Reading::Value { value, .. } if value.is_nan()));
}

#[tokio::test(start_paused = true)]
async fn requests_over_http_are_answered_as_prometheus_answers_them() {
    let (_, prometheus) = scripted();
    let get = async |address: &str| {
        let response = prometheus.handle(Request::get(address).body(Bytes::new()).unwrap()).await;
        (response.status().as_u16(), String::from_utf8(response.into_body().to_vec()).unwrap())
    };
    assert_eq!(get("/-/ready").await, (200, "ready".to_owned()));
    assert_eq!(get("/api/v1/query?query=up").await.0, 200);
    let (code, body) = get("/api/v1/query?query=sum(").await;
    assert!(code == 400 && body.contains("\"errorType\":\"bad_data\""), "{body}");
    let (code, body) = get("/api/v1/query_range?query=up&start=0&end=1000000&step=1").await;
    assert!(code == 400 && body.contains("11,000 points"), "{body}");
    assert_eq!(get("/api/v1/query_range?query=up&start=60&end=0&step=1").await.0, 400);
    assert_eq!(get("/nowhere").await.0, 404);
}
