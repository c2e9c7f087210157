//! A price that is asked of a source: how often, how exactly, and what is no price.

use super::*;

/// A workload that needs eight replicas and may cost 0.60 an hour, with a price as `digits` say.
async fn priced(digits: &'static str) -> (Rig, Server, Worker) {
    let server =
        Server::answering(move |request| vector(&[if request.contains("price") { digits } else { "501" }]));
    let server = server.await;
    let spend = json!({"spend": {
        "priceQuery": {"query": "max(price)", "maxAge": "1m"}, "currency": "EUR", "maxPerHour": "0.60",
    }});
    let rig = Rig::new(&[autoscaler("web", "main", &spend)], vec![source("main", &server, PATIENT)]);
    let mut worker = Worker::new(Arc::clone(&rig.ctx), "shop".to_owned(), "web".to_owned());
    Box::pin(worker.tick(&rig.object("web"), &rig.leadership)).await;
    (rig, server, worker)
}

#[tokio::test]
async fn a_price_is_asked_for_once_a_step_and_read_digit_by_digit() {
    let (rig, server, mut worker) = priced("0.10000000000000002").await;
    let spend = rig.object("web").status.unwrap().spend.unwrap();
    assert_eq!(spend.price.as_deref(), Some("0.10000000000000002"));
    assert_eq!(spend.price_from.as_deref(), Some("priceQuery"));
    // One part in a quintillion more than six replicas cost: present demand needs six anyway.
    assert_eq!(rig.asked("web"), 6);
    for _ in 0..4 {
        rig.clock.advance(Span::from_seconds(15));
        Box::pin(worker.tick(&rig.object("web"), &rig.leadership)).await;
    }
    let asked = server.requests().iter().filter(|request| request.contains("price")).count();
    assert_eq!(asked, 2, "five ticks within two steps");
}

#[tokio::test]
async fn what_is_no_price_is_never_free_and_says_why() {
    for digits in ["0", "-0.1", "NaN", "+Inf", "1e9"] {
        let (rig, ..) = priced(digits).await;
        let (status, reason, message) = rig.condition("web", "BudgetLimited");
        assert_eq!((status.as_str(), reason.as_str()), ("True", "PriceUnknown"), "{message}");
        let told = format!("the price query gave `{digits}`: it must give a price greater than zero");
        assert!(message.contains(&told), "{message}");
        assert!(rig.events().await.iter().any(|(reason, _)| reason == "BudgetLimited"), "{digits}");
        // Present demand needs six, and eight at 70 %.
        assert_eq!(rig.asked("web"), 6, "{digits}");
    }
    let (rig, ..) = priced("6.0e-02").await;
    let spend = rig.object("web").status.unwrap().spend.unwrap();
    assert_eq!(spend.price.as_deref(), Some("0.06"));
    assert_eq!(rig.asked("web"), 8, "ten are paid for");
}
