//! Two autoscalers that share a budget, in the sandbox: the manifests are those of the example.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test over a world that it made itself")]

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex};

use foresail::edge::clock::Clock as _;
use foresail::sandbox::{RunningOperator, StartUp, World};
use foresail::units::{Span, Step, Timestamp};
use serde_json::{Value, json};

use crate::deployment;

/// 2026-11-23T23:00:00Z: midnight in Berlin, a Tuesday.
const MIDNIGHT: Timestamp = Timestamp::from_seconds(1_795_474_800);
const INTERVAL: Span = Span::from_seconds(60);
const NAMES: [&str; 2] = ["checkout", "search"];
/// A replica costs 0.25 an hour.
const PRICE: f64 = 0.25;

/// The same every day: the night, a day of three times as much, an evening of four times as much.
fn demand(name: &str, at: Timestamp) -> f64 {
    let hour = at.since(MIDNIGHT.minus(Span::from_hours(24 * 40))).seconds() / 3600 % 24;
    let times = match hour {
        0..=6 | 23 => 1.0,
        7..=17 => 3.0,
        _ => 4.0,
    };
    if name == "checkout" { 300.0 * times } else { 250.0 * times }
}

fn example(file: &str, edit: &[(&str, Value)]) -> Value {
    let text = fs::read_to_string(format!("examples/budget/{file}.yaml")).unwrap();
    let mut object: Value = serde_saphyr::from_str(&text).unwrap();
    for (field, value) in edit {
        object["spec"][*field] = value.clone();
    }
    object
}

/// The shop of the example at `start`, with a budget changed by `edit`.
async fn shop(start: Timestamp, edit: &[(&str, Value)]) -> World {
    let world = World::starting_at(start, 7).unwrap();
    world.add_namespace("shop").unwrap();
    world.start_controllers(StartUp { median: Span::from_seconds(60), spread: 0.0 }, BTreeMap::new());
    for name in NAMES {
        let query = format!("sum(rate(http_requests_total{{namespace=\"shop\", app=\"{name}\"}}[1m]))");
        let read = move |at: Timestamp| Some(demand(name, at.minus(Span::from_minutes(1))));
        world.prometheus.script(&query, Step::MINUTE, Arc::new(read)).unwrap();
        world.server.create(&deployment(("shop", name), 5)).unwrap();
    }
    world.play(Span::from_minutes(2)).await;
    world.server.create(&example("budget", edit)).unwrap();
    for name in NAMES {
        world.server.create(&example(name, &[])).unwrap();
    }
    world
}

fn asked(world: &World, name: &str) -> u32 {
    world.server.replicas("shop", name).unwrap().0
}

fn budget(world: &World) -> Value {
    let found = world.server.object(("foresail.dev/v1alpha1", "SpendBudget"), "", "shop").unwrap();
    found["status"].clone()
}

fn condition(world: &World, name: &str, kind: &str) -> Value {
    let found = world.server.object(("foresail.dev/v1alpha1", "PredictiveAutoscaler"), "shop", name).unwrap();
    let all = found["status"]["conditions"].as_array().unwrap().clone();
    all.into_iter().find(|one| one["type"] == kind).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_str().unwrap().parse().unwrap()
}

/// What stood, minute by minute, until `end`, times the price; and the most of both.
async fn spend_until(world: &World, end: Timestamp, most: &mut [u32; 2]) -> f64 {
    let mut spent = 0.0;
    while world.clock.now() < end {
        world.play(Span::from_minutes(1)).await;
        for (i, name) in NAMES.iter().enumerate() {
            let stands = asked(world, name);
            most[i] = most[i].max(stands);
            spent += f64::from(stands) * PRICE / 60.0;
        }
    }
    spent
}

#[tokio::test(start_paused = true)]
async fn two_autoscalers_keep_the_ceiling_the_first_is_served_first_and_a_crash_changes_nothing() {
    let start = MIDNIGHT.plus(Span::from_hours(15));
    let end = MIDNIGHT.plus(Span::from_hours(24));
    // Nine hours of all that is needed cost about 41, of minReplicas alone 13.5, and checkout alone 22.5.
    let world = shop(start, &[("amount", json!("36.00")), ("overdraft", json!(null))]).await;
    let mut most = [0; 2];
    let operator = world.start_operator(INTERVAL);
    let mut spent = spend_until(&world, MIDNIGHT.plus(Span::from_hours(19)), &mut most).await;
    let limited = condition(&world, "search", "BudgetLimited");
    operator.kill();
    world.play(Span::from_seconds(1)).await;
    let operator = world.start_operator(INTERVAL);
    spent += spend_until(&world, end.minus(Span::from_minutes(2)), &mut most).await;
    let status = budget(&world);
    let told = number(&status["spent"]);
    operator.stop().await.unwrap();
    let interval = f64::from(most[0] + most[1]) * PRICE / 60.0;
    assert!(spent <= 36.0 + interval, "{spent}");
    assert!(spent > 28.0, "the money is not left lying: {spent}");
    assert!((told - spent).abs() < 3.0 * interval, "{told} are told, {spent} were spent");
    // Checkout needs 12 for its evening and gets them; search would need 10 and does not.
    assert!(most[0] >= 12 && most[1] < 10, "{most:?}");
    assert_eq!(status["memberCount"], 2, "{status}");
    assert!(number(&status["projected"]["low"]) <= number(&status["projected"]["high"]), "{status}");
    assert_eq!(limited["status"], "True", "{limited}");
    assert!(limited["message"].as_str().unwrap().contains("budget shop"), "{limited}");
}

#[tokio::test(start_paused = true)]
async fn present_demand_draws_on_the_overdraft_and_everyone_is_told() {
    let start = MIDNIGHT.plus(Span::from_hours(17));
    let end = MIDNIGHT.plus(Span::from_hours(20));
    // minReplicas of the seven hours cost 10.5, so that nothing is left for growth.
    let world = shop(
        start,
        &[("amount", json!("18.00")), ("overdraft", json!({"share": "100%", "for": ["Unserved"]}))],
    )
    .await;
    let mut most = [0; 2];
    let operator = world.start_operator(INTERVAL);
    let spent = spend_until(&world, end, &mut most).await;
    let status = budget(&world);
    operator.stop().await.unwrap();
    // It pays for about twelve replicas until the evening is over; the amount pays for none beyond what stood.
    assert!(most[0] + most[1] >= 18, "{most:?}");
    assert!(number(&status["overdrawn"]) > 0.0, "{status}");
    assert!(spent <= 36.0, "{spent}");
    let used =
        status["conditions"].as_array().unwrap().iter().find(|one| one["type"] == "OverdraftUsed").unwrap();
    assert_eq!(used["status"], "True", "{used}");
    let events = world.server.dump();
    assert!(events.contains("OverdraftUsed"), "an Event tells of it");
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_is_not_there_holds_growth_at_present_demand_and_says_so() {
    let world = shop(MIDNIGHT.plus(Span::from_hours(15)), &[("currency", json!("USD"))]).await;
    let operator = world.start_operator(INTERVAL);
    world.play(Span::from_minutes(10)).await;
    let limited = condition(&world, "checkout", "BudgetLimited");
    operator.stop().await.unwrap();
    assert_eq!(limited["reason"], "CurrencyMismatch", "{limited}");
    // At 70 % it would be thirteen; present demand needs nine.
    assert_eq!(asked(&world, "checkout"), 9);
}

#[tokio::test(start_paused = true)]
async fn a_status_that_was_lost_is_made_up_from_the_budgets_own_and_nothing_is_free() {
    let world = shop(MIDNIGHT.plus(Span::from_hours(12)), &[]).await;
    let operator = world.start_operator(INTERVAL);
    world.play(Span::from_hours(2)).await;
    operator.stop().await.unwrap();
    let before = number(&budget(&world)["spent"]);
    for name in NAMES {
        let api: kube::Api<foresail::api::PredictiveAutoscaler> =
            kube::Api::namespaced(world.server.client(), "shop");
        let nothing = kube::api::Patch::Merge(json!({"status": null}));
        api.patch_status(name, &kube::api::PatchParams::default(), &nothing).await.unwrap();
    }
    let operator = world.start_operator(INTERVAL);
    world.play(Span::from_minutes(10)).await;
    let after = number(&budget(&world)["spent"]);
    operator.stop().await.unwrap();
    assert!(before > 5.0, "{before}");
    assert!(after >= before && after < before + 3.0, "{before} before, {after} after");
}

/// What a Prometheus keeps that scrapes the operator: when, the series as it was written, its value.
#[derive(Clone, Default)]
struct Scraped(Arc<Mutex<Vec<(Timestamp, String, f64)>>>);

impl Scraped {
    /// Answers what the operator asks about its own series of the shop, as a scrape that keeps the target's labels.
    fn serve(&self, world: &World) {
        for (name, what) in
            NAMES.iter().flat_map(|name| [(name, "charged_replicas"), (name, "replica_price")])
        {
            let series = format!("foresail_{what}{{name=\"{name}\",");
            let query = format!(
                "max(max_over_time({series}namespace=\"shop\",exported_namespace=\"\"}}[1m]) \
                 or max_over_time({series}exported_namespace=\"shop\"}}[1m]))"
            );
            let (kept, wanted) =
                (self.clone(), format!("foresail_{what}{{namespace=\"shop\",name=\"{name}\"}}"));
            let read = move |at: Timestamp| {
                let all = kept.0.lock().unwrap();
                let minute = |one: &&(Timestamp, String, f64)| {
                    one.1 == wanted && one.0 > at.minus(Span::from_minutes(1)) && one.0 <= at
                };
                all.iter().filter(minute).map(|one| one.2).reduce(f64::max)
            };
            world.prometheus.script(&query, Step::MINUTE, Arc::new(read)).unwrap();
        }
    }

    /// Scrapes every half minute until `end`, but not between 17:55 and 18:05; what stood, times the price.
    async fn until(&self, world: &World, operator: &RunningOperator, end: Timestamp) -> f64 {
        let gap = MIDNIGHT.plus(Span::from_minutes(17 * 60 + 55));
        let mut spent = 0.0;
        while world.clock.now() < end {
            world.play(Span::from_seconds(30)).await;
            let now = world.clock.now();
            spent += NAMES.iter().map(|name| f64::from(asked(world, name)) * PRICE / 120.0).sum::<f64>();
            if now > gap && now < gap.plus(Span::from_minutes(10)) {
                continue;
            }
            for line in operator.scrape().lines() {
                if let Some((series, value)) = line.rsplit_once(' ')
                    && let Ok(value) = value.parse()
                {
                    self.0.lock().unwrap().push((now, series.to_owned(), value));
                }
            }
        }
        spent
    }
}

/// Nothing is left of what was told: neither by the autoscalers nor by the budget.
async fn lose_every_status(world: &World) {
    let (nothing, params) =
        (kube::api::Patch::Merge(json!({"status": null})), kube::api::PatchParams::default());
    let client = world.server.client();
    let api: kube::Api<foresail::api::PredictiveAutoscaler> = kube::Api::namespaced(client.clone(), "shop");
    for name in NAMES {
        api.patch_status(name, &params, &nothing).await.unwrap();
    }
    let api: kube::Api<foresail::api::SpendBudget> = kube::Api::all(client);
    api.patch_status("shop", &params, &nothing).await.unwrap();
    assert_eq!(budget(world), Value::Null, "it is lost");
}

#[tokio::test(start_paused = true)]
async fn where_every_status_was_lost_the_operators_own_scraped_series_tell_what_was_spent() {
    let end = MIDNIGHT.plus(Span::from_hours(19));
    let world = shop(MIDNIGHT.plus(Span::from_hours(12)), &[]).await;
    let scraped = Scraped::default();
    scraped.serve(&world);
    let operator = world.start_operator(INTERVAL);
    let mut spent = scraped.until(&world, &operator, end).await;
    operator.stop().await.unwrap();
    let mut told = Vec::new();
    // The second time nothing is added but what stood since.
    for round in 1..=2 {
        lose_every_status(&world).await;
        let operator = world.start_operator(INTERVAL);
        let until = end.plus(Span::from_minutes(10 * round));
        spent += scraped.until(&world, &operator, until).await;
        told.push((number(&budget(&world)["spent"]), spent));
        operator.stop().await.unwrap();
    }
    for (told, spent) in told {
        // Ten minutes that were not scraped count with the evening's replicas; a change counts from its minute on. All
        // of the seven hours with what stands now would be 44 instead of 35.
        assert!(told >= spent - 0.2 && told < spent * 1.04, "{told} are told, {spent} were spent");
        assert!(spent > 30.0, "{spent}");
    }
}
