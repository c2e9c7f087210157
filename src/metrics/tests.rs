//! Sources on real sockets that answer badly, and the exact reading that each gives.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;

use self::server::{Reply, Server, http, json};
use super::*;
use crate::decide::evidence::{Absence, Reading};
use crate::units::{Span, Step, Timestamp};

pub(crate) mod server;
mod tls;

const GOOD: &str = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1700000000.5,"12.5"]}]}}"#;
const TOKEN: &str = "t0k3n-canary";
/// For answers that come: long, so that a busy machine fails no test.
const PATIENT: Span = Span::from_seconds(20);
/// For answers that do not.
const HASTY: Span = Span::from_millis(200);

fn settings(url: &str) -> SourceSettings {
    rustls::crypto::ring::default_provider().install_default().ok();
    SourceSettings {
        name: "main".into(),
        url: url.into(),
        authorization: Some(Authorization::Bearer(Secret::new(TOKEN.into()))),
        ca_pem: None,
        tenant_header: Some(("X-Scope-OrgID".into(), "shop".into())),
        timeout: PATIENT,
        max_concurrent: 4,
    }
}

fn query() -> InstantQuery {
    InstantQuery {
        promql: "sum(up)".into(),
        at: Timestamp::from_millis(1_700_000_000_500),
        max_age: Span::from_minutes(2),
    }
}

async fn ask(reply: Reply) -> Answer {
    let timeout = if matches!(reply, Reply::Hang | Reply::Drip(_)) { HASTY } else { PATIENT };
    let server = Server::start(vec![reply]).await;
    let settings = SourceSettings { timeout, ..settings(&server.url) };
    let answer = SourceClient::new(settings).unwrap().instant(&query()).await;
    let note = answer.note.clone().unwrap_or_default();
    assert!(note.len() <= 256 && !note.contains(char::is_control) && !note.contains(TOKEN), "{note}");
    answer
}

async fn check(reply: Reply, absence: Absence) {
    let shown = if let Reply::Bytes(bytes) = &reply {
        String::from_utf8_lossy(bytes).into_owned()
    } else {
        String::new()
    };
    assert_eq!(ask(reply).await.reading, Reading::Absent(absence), "{}", &shown[..shown.len().min(200)]);
}

const GOOD_READING: Reading =
    Reading::Value { value: 12.5, at: Timestamp::from_millis(1_700_000_000_500), partial: false };

#[tokio::test]
async fn a_good_answer_is_a_value_whatever_its_label_says() {
    for label in ["Content-Type: application/json\r\n", "Content-Type: text/html\r\n", ""] {
        assert_eq!(ask(http("200 OK", label, GOOD)).await, Answer { reading: GOOD_READING, note: None });
    }
    let partial = GOOD.replacen('{', r#"{"warnings":["store b is down"],"#, 1);
    let Answer { reading, note } = ask(json(&partial)).await;
    assert!(matches!(reading, Reading::Value { partial: true, .. }));
    assert_eq!(note.as_deref(), Some("store b is down"));
}

#[tokio::test]
async fn the_question_carries_instant_age_deadline_and_identity() {
    let server = Server::start(vec![json(GOOD)]).await;
    SourceClient::new(settings(&format!("{}/prom/", server.url))).unwrap().instant(&query()).await;
    let request = server.requests().remove(0);
    let (line, headers) = request.split_once("\r\n").unwrap();
    assert_eq!(
        line,
        "GET /prom/api/v1/query?query=sum%28up%29&time=1700000000.500&timeout=20000ms&lookback_delta=120000ms\
         &partial_response=false&limit=2 HTTP/1.1"
    );
    let headers = headers.to_lowercase();
    assert!(
        headers.contains("authorization: bearer t0k3n-canary\r\n")
            && headers.contains("x-scope-orgid: shop\r\n")
    );
}

#[tokio::test]
async fn a_long_query_goes_as_post() {
    let server = Server::start(vec![json(GOOD)]).await;
    let long = InstantQuery { promql: format!("sum({})", "x".repeat(4000)), ..query() };
    let answer = SourceClient::new(settings(&server.url)).unwrap().instant(&long).await;
    assert_eq!(answer.reading, GOOD_READING);
    assert!(server.requests()[0].starts_with("POST /api/v1/query HTTP/1.1"));
}

#[tokio::test]
async fn a_failed_request_is_the_sources_error() {
    let error = r#"{"status":"error","errorType":"execution","error":"query timed out"}"#;
    for status in
        ["400 Bad Request", "401 X", "403 X", "404 X", "422 X", "429 X", "500 X", "502 X", "503 X", "504 X"]
    {
        check(http(status, "", ""), Absence::SourceError).await;
        let html = ask(http(status, "Content-Type: text/html\r\n", "<html>internal-host</html>")).await;
        assert_eq!(html.reading, Reading::Absent(Absence::SourceError));
        assert_eq!(html.note.unwrap(), format!("HTTP {}", &status[..3]));
        let words = ask(http(status, "", error)).await;
        assert_eq!(words.note.unwrap(), format!("HTTP {}: execution: query timed out", &status[..3]));
    }
    for status in ["204 No Content", "206 Partial Content", "304 Not Modified", "201 Created"] {
        check(http(status, "", ""), Absence::SourceError).await;
    }
    check(http("206 Partial Content", "", GOOD), Absence::SourceError).await;
    check(http("503 X", "", GOOD), Absence::SourceError).await;
    check(json(error), Absence::SourceError).await;
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_nothing_is_sent_there() {
    let elsewhere = Server::start(vec![json(GOOD)]).await;
    for status in ["301 X", "302 X", "307 X", "308 X"] {
        check(
            http(status, &format!("Location: {}/api/v1/query\r\n", elsewhere.url), GOOD),
            Absence::SourceError,
        )
        .await;
    }
    assert_eq!(elsewhere.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_source_that_cannot_be_reached_or_does_not_finish_is_unreachable() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    let answer = SourceClient::new(settings(&url)).unwrap().instant(&query()).await;
    assert_eq!(answer.reading, Reading::Absent(Absence::Unreachable));
    assert!(answer.note.unwrap().starts_with("cannot connect: Connection refused"));

    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n".to_vec();
    let begun = tokio::time::Instant::now();
    check(Reply::Hang, Absence::Unreachable).await;
    check(Reply::Drip(b"HTTP/1.1 200 OK\r\nX: ".to_vec()), Absence::Unreachable).await;
    check(Reply::Drip(head), Absence::Unreachable).await;
    assert!(begun.elapsed() < Duration::from_secs(3));
    check(Reply::Bytes(Vec::new()), Absence::Unreachable).await;
    check(Reply::Bytes(b"SSH-2.0-OpenSSH\r\n".to_vec()), Absence::Unreachable).await;
}

#[tokio::test]
async fn an_answer_without_sense_is_malformed() {
    for body in ["", "null", "[]", "{}", "<html></html>", "{\"status\":\"success\"}"] {
        check(json(body), Absence::Malformed).await;
    }
    check(json(&GOOD[..GOOD.len() - 1]), Absence::Malformed).await;
    check(json(&format!("{GOOD}{GOOD}")), Absence::Malformed).await;
    check(http("200 OK", "Content-Encoding: gzip\r\n", GOOD), Absence::Malformed).await;
    check(json(&"[".repeat(1_000_000)), Absence::Malformed).await;
    check(
        Reply::Bytes(format!("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{GOOD}").into()),
        Absence::Malformed,
    )
    .await;
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for chunk in ["-5\r\n", "ffffffffffffffffff\r\n", "5\r\nabc"] {
        check(Reply::Bytes(format!("{chunked}{chunk}").into()), Absence::Malformed).await;
    }
}

#[tokio::test]
async fn an_oversize_answer_is_left_at_the_cap() {
    let taken = Arc::new(Mutex::new(0));
    let known = b"HTTP/1.1 200 OK\r\nContent-Length: 314572800\r\n\r\n".to_vec();
    let unknown = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
    for head in [known, unknown] {
        let server = Server::start(vec![Reply::Flood(head, Arc::clone(&taken))]).await;
        let answer = SourceClient::new(settings(&server.url)).unwrap().instant(&query()).await;
        assert_eq!(answer.reading, Reading::Absent(Absence::Malformed));
        assert_eq!(answer.note.unwrap(), "the answer is larger than 8192 KiB: aggregate the query");
    }
    // Buffers of the system lie between; they hold some megabytes, not some hundred.
    assert!(*taken.lock().unwrap() < 40 << 20, "{} bytes were taken", taken.lock().unwrap());
}

/// 64 MiB of zeros as gzip, in some 400 KB: one literal, then runs of 258 bytes (13 bits each) at distance one.
fn gzip_bomb() -> Vec<u8> {
    let mut bits: Vec<bool> = Vec::new();
    let push = |bits: &mut Vec<bool>, code: &str| bits.extend(code.bytes().map(|bit| bit == b'1'));
    push(&mut bits, "110");
    push(&mut bits, "00110000");
    for _ in 0..(64 << 20) / 258 {
        push(&mut bits, "1100010100000");
    }
    let packed =
        bits.chunks(8).map(|byte| byte.iter().rev().fold(0_u8, |value, bit| (value << 1) | u8::from(*bit)));
    [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255].into_iter().chain(packed).collect()
}

#[tokio::test]
async fn a_gzip_bomb_is_left_at_the_cap_of_what_it_unpacks_to() {
    let bomb = gzip_bomb();
    assert!(bomb.len() < 500_000);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", bomb.len());
    let server = Server::start(vec![Reply::Bytes([head.into_bytes(), bomb].concat())]).await;
    let answer = SourceClient::new(settings(&server.url)).unwrap().instant(&query()).await;
    assert_eq!(answer.note.unwrap(), "the answer is larger than 8192 KiB: aggregate the query");
}

#[tokio::test]
async fn wrong_settings_are_refused_with_the_setting_named() {
    let good = settings("http://127.0.0.1:9090");
    let secret = |text: &str| Some(Authorization::Bearer(Secret::new(text.into())));
    for (settings, word) in [
        (SourceSettings { url: "ftp://x".into(), ..good.clone() }, "url"),
        (SourceSettings { url: "prometheus:9090".into(), ..good.clone() }, "url"),
        (SourceSettings { url: "http://ann:pw@x".into(), ..good.clone() }, "Secret"),
        (SourceSettings { url: "http://x/?a=1".into(), ..good.clone() }, "url"),
        (SourceSettings { authorization: secret("a\r\nHost: b"), ..good.clone() }, "authorization"),
        (SourceSettings { authorization: secret(&"a".repeat(9000)), ..good.clone() }, "8 KiB"),
        (SourceSettings { tenant_header: Some(("a b".into(), "c".into())), ..good.clone() }, "tenant"),
        (SourceSettings { tenant_header: Some(("x".into(), "c\nd".into())), ..good.clone() }, "tenant"),
        (
            SourceSettings { tenant_header: Some(("Authorization".into(), "c".into())), ..good.clone() },
            "tenant",
        ),
        (SourceSettings { ca_pem: Some("nonsense".into()), ..good.clone() }, "caPem"),
        (SourceSettings { timeout: Span::ZERO, ..good.clone() }, "timeout"),
        (SourceSettings { max_concurrent: 0, ..good.clone() }, "concurrency"),
    ] {
        let error = SourceClient::new(settings).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
        assert!(!error.to_string().contains("pw"), "{error}");
    }
    assert!(!format!("{good:?}").contains(TOKEN));
}

fn matrix(points: &str) -> Reply {
    json(&format!(
        r#"{{"status":"success","data":{{"resultType":"matrix","result":[{{"metric":{{}},"values":[{points}]}}]}}}}"#
    ))
}

fn two_days() -> HistoryQuery {
    HistoryQuery {
        promql: "sum(up)".into(),
        from: Timestamp::from_seconds(0),
        to: Timestamp::from_seconds(2 * 86_400 - 3600),
        step: Step::new(3600).unwrap(),
        max_age: Span::from_minutes(5),
        deadline: PATIENT,
    }
}

async fn history(replies: Vec<Reply>) -> Result<Vec<(i64, f64)>, Absence> {
    let hangs = replies.iter().any(|reply| matches!(reply, Reply::Hang));
    let server = Server::start(replies).await;
    let timeout = if hangs { Span::from_seconds(1) } else { PATIENT };
    let settings = SourceSettings { timeout, ..settings(&server.url) };
    let points = SourceClient::new(settings).unwrap().history(&two_days()).await;
    points
        .map(|points| points.iter().map(|(at, value)| (at.seconds(), *value)).collect())
        .map_err(|error| error.absence())
}

#[tokio::test]
async fn a_history_joins_its_chunks_and_keeps_gaps() {
    let first = matrix(r#"[3600,"1"],[0,"0"],[7200,"NaN"],[3600,"1"],[86400,"9"]"#);
    let second = matrix(r#"[86400,"2"],[165600,"3"]"#);
    assert_eq!(
        history(vec![first.clone(), second]).await,
        Ok(vec![(0, 0.0), (3600, 1.0), (86_400, 2.0), (165_600, 3.0)])
    );
    let empty = json(r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#);
    assert_eq!(history(vec![empty.clone()]).await, Ok(vec![]));
    let warned = json(r#"{"status":"success","warnings":["w"],"data":{"resultType":"matrix","result":[]}}"#);
    assert_eq!(history(vec![first.clone(), warned.clone()]).await, Ok(vec![(0, 0.0), (3600, 1.0)]));
    assert_eq!(history(vec![warned]).await, Err(Absence::SourceError));
    assert_eq!(history(vec![first.clone(), http("503 X", "", "")]).await, Err(Absence::SourceError));
    assert_eq!(history(vec![first.clone(), Reply::Hang]).await, Err(Absence::Unreachable));
    assert_eq!(history(vec![first, json(GOOD)]).await, Err(Absence::Malformed));
}

#[tokio::test]
async fn a_history_ends_at_its_deadline() {
    let server = Server::start(vec![Reply::Hang]).await;
    let hasty = HistoryQuery { deadline: Span::from_millis(100), ..two_days() };
    let error = SourceClient::new(settings(&server.url)).unwrap().history(&hasty).await.unwrap_err();
    assert_eq!(error.to_string(), "metric source `main`: the history did not arrive in time");
}

#[tokio::test]
async fn identical_questions_of_a_tick_are_asked_once() {
    let server = Server::start(vec![json(GOOD)]).await;
    let pool = SourcePool::new();
    pool.set(settings(&server.url)).unwrap();
    let tick = Step::new(15).unwrap();
    let later = InstantQuery { at: query().at.plus(Span::from_seconds(1)), ..query() };
    let (first, second) = (query(), later);
    let (a, b) = tokio::join!(pool.instant("main", &first, tick), pool.instant("main", &second, tick));
    assert_eq!((a.reading, b.reading), (GOOD_READING, GOOD_READING));
    pool.instant("main", &first, tick).await;
    assert_eq!(server.requests().len(), 1);
    pool.set(settings(&server.url)).unwrap();
    pool.instant("main", &first, tick).await;
    assert_eq!(server.requests().len(), 1, "equal settings keep the answers");
    let next = InstantQuery { at: query().at.plus(Span::from_seconds(15)), ..query() };
    pool.instant("main", &next, tick).await;
    pool.instant("main", &InstantQuery { max_age: Span::from_seconds(30), ..next }, tick).await;
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_source_is_replaced_and_removed_at_once() {
    let (old, new) = (Server::start(vec![Reply::Hang]).await, Server::start(vec![json(GOOD)]).await);
    let pool = SourcePool::new();
    let tick = Step::MINUTE;
    assert_eq!(
        pool.instant("main", &query(), tick).await.reading,
        Reading::Absent(Absence::SourceNotAllowed)
    );
    pool.set(SourceSettings { timeout: HASTY, ..settings(&old.url) }).unwrap();
    assert_eq!(pool.instant("main", &query(), tick).await.reading, Reading::Absent(Absence::Unreachable));
    pool.set(settings(&new.url)).unwrap();
    assert_eq!(pool.instant("main", &query(), tick).await.reading, GOOD_READING);
    assert!(pool.set(settings("nonsense")).is_err());
    let Answer { reading, note } = pool.instant("main", &query(), tick).await;
    assert_eq!(reading, Reading::Absent(Absence::SourceNotAllowed));
    assert_eq!(note, pool.problem("main"));
    assert!(note.unwrap().starts_with("metric source `main`: url: "));
    pool.set(settings(&new.url)).unwrap();
    pool.remove("main");
    assert_eq!(pool.history("main", &two_days()).await.unwrap_err().absence(), Absence::SourceNotAllowed);
}

#[tokio::test]
async fn an_answer_without_a_number_is_an_answer_and_silence_is_none() {
    let empty = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
    for (reply, answers) in [
        (json(GOOD), true),
        (json(empty), true),
        (http("401 Unauthorized", "", ""), false),
        (json("<html>"), false),
        (Reply::Hang, false),
    ] {
        let timeout = if matches!(reply, Reply::Hang) { HASTY } else { PATIENT };
        let server = Server::start(vec![reply]).await;
        let pool = SourcePool::new();
        pool.set(SourceSettings { timeout, ..settings(&server.url) }).unwrap();
        assert_eq!(pool.answered_at("main"), None);
        let now = query().at;
        pool.probe("main", now).await;
        assert_eq!(pool.answered_at("main"), answers.then_some(now));
        assert!(server.requests()[0].contains("query=vector%281%29"));
    }
}

#[tokio::test]
async fn a_slow_source_delays_only_its_users() {
    let (slow, fast) = (Server::start(vec![Reply::Hang]).await, Server::start(vec![json(GOOD)]).await);
    let pool = SourcePool::new();
    let patient = SourceSettings { max_concurrent: 1, ..settings(&slow.url) };
    pool.set(SourceSettings { name: "slow".into(), ..patient }).unwrap();
    pool.set(SourceSettings { name: "fast".into(), ..settings(&fast.url) }).unwrap();
    let (question, other) = (query(), InstantQuery { promql: "other".into(), ..query() });
    let stuck = async {
        tokio::join!(
            pool.instant("slow", &question, Step::MINUTE),
            pool.instant("slow", &other, Step::MINUTE)
        )
    };
    tokio::select! {
        answers = stuck => panic!("the slow source answered first: {answers:?}"),
        answer = pool.instant("fast", &question, Step::MINUTE) => assert_eq!(answer.reading, GOOD_READING),
    }
    assert!(slow.requests().len() <= 1, "only one may be under way");
}

#[tokio::test]
async fn the_pool_watches_for_a_source_that_falls_at_once() {
    let of = |value: &str| json(&GOOD.replace("12.5", value));
    let replies = [vec![of("100"); 6], vec![of("10"); 6]].concat();
    let server = Server::start(replies).await;
    let pool = SourcePool::new();
    pool.set(settings(&server.url)).unwrap();
    for minute in 0..2 {
        for series in 0..6 {
            let at = query().at.plus(Span::from_minutes(minute));
            pool.instant("main", &InstantQuery { promql: format!("q{series}"), at, ..query() }, Step::MINUTE)
                .await;
        }
        let now = query().at.plus(Span::from_minutes(minute));
        assert_eq!(pool.is_suspect("main", Step::MINUTE, now), minute == 1);
    }
}
