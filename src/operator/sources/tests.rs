use http::Method;
use serde_json::json;

use super::*;
use crate::operator::fake::Fault;
use crate::operator::fake::rig::Rig;

const SECRET: &str = "/api/v1/namespaces/foresail/secrets/prometheus";

fn source(generation: i64) -> MetricSource {
    let spec = json!({"url": "http://127.0.0.1:9", "auth": {
        "bearerTokenSecretRef": {"name": "prometheus", "key": "token"},
    }});
    let mut source = MetricSource::new("main", serde_json::from_value(spec).unwrap());
    source.metadata.generation = Some(generation);
    source
}

/// Whether the Secrets could be read, after a look at the source.
async fn look(kept: &mut Kept, rig: &Rig, source: &MetricSource) -> bool {
    let settings = settings(&rig.ctx, "main", &source.spec).await;
    kept.apply(&rig.ctx, source, settings)
}

/// An operator that read the token of its source once.
async fn rig() -> (Rig, Kept) {
    rustls::crypto::ring::default_provider().install_default().ok();
    let rig = Rig::new(&[], Vec::new());
    let token = json!({"metadata": {"name": "prometheus"}, "data": {"token": "c2VjcmV0"}});
    rig.api.put(SECRET, token);
    let mut kept = Kept::default();
    assert!(look(&mut kept, &rig, &source(1)).await);
    assert_eq!(rig.ctx.pool.problem("main"), None);
    (rig, kept)
}

#[tokio::test]
async fn a_secret_that_the_api_server_does_not_give_for_a_while_takes_no_source_away() {
    let (rig, mut kept) = rig().await;
    for code in [500, 503, 429] {
        rig.api.fail_next(Method::GET, "/secrets/prometheus", Fault::Code(code));
        assert!(!look(&mut kept, &rig, &source(1)).await, "it is asked for again soon");
        assert_eq!(rig.ctx.pool.problem("main"), None, "{code}");
    }
    assert!(look(&mut kept, &rig, &source(1)).await);
}

#[tokio::test]
async fn a_secret_that_is_gone_or_was_never_read_for_this_source_takes_it_away() {
    for code in [403, 404] {
        let (rig, mut kept) = rig().await;
        rig.api.fail_next(Method::GET, "/secrets/prometheus", Fault::Code(code));
        assert!(look(&mut kept, &rig, &source(1)).await);
        let problem = rig.ctx.pool.problem("main").unwrap();
        assert!(problem.ends_with("name it in the Helm value metricSourceSecrets"), "{problem}");
    }
    // Its administrator changed it: what was there before must not be asked.
    let (rig, mut kept) = rig().await;
    kept.read.retain(|_, read| *read == version(&source(2)));
    rig.api.fail_next(Method::GET, "/secrets/prometheus", Fault::Code(503));
    assert!(!look(&mut kept, &rig, &source(2)).await);
    assert!(rig.ctx.pool.problem("main").is_some());
}
