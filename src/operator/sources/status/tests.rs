use super::*;
use crate::metrics::SourceSettings;
use crate::metrics::tests::server::{Reply, Server, http, json as answer_json};
use crate::operator::fake::rig::{Rig, START};

const GOOD: &str = r#"{"status":"success","data":{"resultType":"scalar","result":[1700000040,"1"]}}"#;
const MAIN: &str = "/apis/foresail.dev/v1alpha1/metricsources/main";

/// An operator with one source that gives `replies`, and the stored object.
async fn rig(replies: Vec<Reply>) -> (Rig, Server) {
    rustls::crypto::ring::default_provider().install_default().ok();
    let hangs = replies.iter().any(|reply| matches!(reply, Reply::Hang));
    let server = Server::start(replies).await;
    let source = SourceSettings {
        name: "main".to_owned(),
        url: server.url.clone(),
        authorization: None,
        ca_pem: None,
        tenant_header: None,
        timeout: if hangs { Span::from_millis(200) } else { Span::from_seconds(20) },
        max_concurrent: 4,
    };
    let rig = Rig::new(&[], vec![source]);
    let object = rig.ctx.source("main").unwrap();
    rig.api.put(MAIN, serde_json::to_value(&*object).unwrap());
    (rig, server)
}

fn stored(rig: &Rig) -> MetricSource {
    serde_json::from_value(rig.api.get(MAIN).unwrap()).unwrap()
}

/// Status and reason of Ready and Reachable, and the message of Ready.
fn shown(rig: &Rig) -> (String, String, String) {
    let status = stored(rig).status.unwrap();
    let show = |kind: &str| {
        let one = status.conditions.iter().find(|one| one.type_ == kind).unwrap();
        (format!("{} {}", one.status, one.reason), one.message.clone())
    };
    let ((ready, message), (reachable, _)) = (show("Ready"), show("Reachable"));
    (ready, reachable, message)
}

#[tokio::test]
async fn a_source_is_told_whether_and_when_it_answered() {
    let none = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
    for body in [GOOD, none] {
        let (rig, _server) = rig(vec![answer_json(body)]).await;
        report(&rig.ctx, &stored(&rig), &rig.leadership).await;
        let (ready, reachable, _) = shown(&rig);
        assert_eq!((ready.as_str(), reachable.as_str()), ("True Answering", "True Answered"), "{body}");
        assert_eq!(stored(&rig).status.unwrap().last_answer, Some(to_jiff(START)), "{body}");
    }
}

#[tokio::test]
async fn a_source_that_does_not_answer_is_told_why_and_what_to_do() {
    for (reply, ready, reachable, message) in [
        (
            Reply::Hang,
            "False SourceUnreachable",
            "False SourceUnreachable",
            "the source did not answer in time; see why the MetricSource does not answer, or raise its timeout, which counts up to two thirds of the operator's interval",
        ),
        (
            http("401 Unauthorized", "", ""),
            "False SourceError",
            "True Answered",
            "HTTP 401; try the query on the MetricSource itself",
        ),
        (
            answer_json("<html>"),
            "False MalformedAnswer",
            "True Answered",
            "the answer is not JSON (line 1, column 1)",
        ),
    ] {
        let (rig, _server) = rig(vec![reply]).await;
        report(&rig.ctx, &stored(&rig), &rig.leadership).await;
        let told = shown(&rig);
        assert_eq!((told.0.as_str(), told.1.as_str(), told.2.as_str()), (ready, reachable, message));
        assert_eq!(stored(&rig).status.unwrap().last_answer, None);
    }
}

#[tokio::test]
async fn a_source_with_a_wrong_setting_is_told_which() {
    let (rig, server) = rig(vec![answer_json(GOOD)]).await;
    rig.ctx.pool.refuse("main", "the Secret `token` has no key `value`".to_owned());
    report(&rig.ctx, &stored(&rig), &rig.leadership).await;
    let (ready, reachable, message) = shown(&rig);
    assert_eq!((ready.as_str(), reachable.as_str()), ("False InvalidSettings", "Unknown NotAsked"));
    assert_eq!(message, "the Secret `token` has no key `value`");
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_status_is_written_when_it_turns_and_every_ten_minutes() {
    let (rig, server) =
        rig(vec![answer_json(GOOD), answer_json(GOOD), http("503 X", "", ""), answer_json(GOOD)]).await;
    let mut writes = Vec::new();
    let mut n_before = 0;
    for minutes in 0..12_u64 {
        rig.clock.set(START.plus(Span::from_minutes(minutes)));
        report(&rig.ctx, &stored(&rig), &rig.leadership).await;
        let n = rig.api.n_requests("PATCH");
        if n > n_before {
            writes.push((minutes, shown(&rig).0));
        }
        n_before = n;
    }
    let of = |minute, ready: &str| (minute, ready.to_owned());
    // The write of minute 3 refreshes the time too, so that the next is due ten minutes later.
    assert_eq!(writes, [of(0, "True Answering"), of(2, "False SourceError"), of(3, "True Answering")]);
    // Each minute asked once, because no autoscaler does.
    assert_eq!(server.requests().len(), 12);
    rig.clock.set(START.plus(Span::from_minutes(13)));
    report(&rig.ctx, &stored(&rig), &rig.leadership).await;
    assert_eq!(stored(&rig).status.unwrap().last_answer, Some(to_jiff(START.plus(Span::from_minutes(13)))));
}

#[tokio::test]
async fn a_standby_asks_and_writes_nothing() {
    let (rig, server) = rig(vec![answer_json(GOOD)]).await;
    let stop = CancellationToken::new();
    let (_lead, standby) = watch::channel(Leadership::Standby { holder: None });
    let running = tokio::spawn(run(Arc::clone(&rig.ctx), standby, stop.clone()));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    running.await.unwrap();
    assert_eq!(server.requests(), Vec::<String>::new());
    assert_eq!(rig.api.n_requests("PATCH"), 0);
}
