//! Prices that are asked for, in the sandbox and on the command line: the manifests are those of the example.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test over a world that it made itself")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use foresail::api::read_price_book;
use foresail::sandbox::{StartUp, World};
use foresail::telemetry::decisions::DecisionLog;
use foresail::units::{Span, Step, Timestamp};
use serde_json::{Value, json};

use crate::scratch;

/// 2026-11-24T12:00:00Z, a Tuesday.
const NOON: Timestamp = Timestamp::from_seconds(1_795_521_600);
const INTERVAL: Span = Span::from_seconds(15);
/// From then on the price query has no answer, for two hours.
const GONE: Timestamp = Timestamp::from_seconds(1_795_521_600 + 600);
const BACK: Timestamp = Timestamp::from_seconds(1_795_521_600 + 7_800);
const BOOK: &str = "examples/prices/price-book/prices.yaml";

fn example(file: &str) -> Value {
    let text = fs::read_to_string(format!("examples/prices/{file}.yaml")).unwrap();
    let mut object: Value = serde_saphyr::from_str(&text).unwrap();
    if object["kind"] == "PredictiveAutoscaler" {
        // The reactive answer is the same at every minute.
        object["spec"]["metrics"][0]["prediction"] = json!("Disabled");
    }
    object
}

/// Demand needs five replicas, and from `rises` on ten.
fn shop(rises: Timestamp) -> World {
    let world = World::starting_at(NOON, 7).unwrap();
    world.add_namespace("shop").unwrap();
    world.start_controllers(StartUp { median: Span::from_seconds(30), spread: 0.0 }, BTreeMap::new());
    for name in ["checkout", "search"] {
        let query = format!("sum(rate(http_requests_total{{namespace=\"shop\", app=\"{name}\"}}[1m]))");
        let read = move |at: Timestamp| Some(if at < rises { 450.0 } else { 990.0 });
        world.prometheus.script(&query, Step::MINUTE, Arc::new(read)).unwrap();
    }
    let price = |at: Timestamp| (at < GONE || at >= BACK).then_some(0.0625);
    let query = "max(replica_price_per_hour{namespace=\"shop\", app=\"search\"})";
    world.prometheus.script(query, Step::MINUTE, Arc::new(price)).unwrap();
    let mut deployment = example("deployment");
    world.server.create(&deployment).unwrap();
    deployment["metadata"]["name"] = json!("search");
    deployment["spec"]["selector"]["matchLabels"]["app"] = json!("search");
    deployment["spec"]["template"]["metadata"]["labels"]["app"] = json!("search");
    world.server.create(&deployment).unwrap();
    world
}

fn asked(world: &World, name: &str) -> u32 {
    world.server.replicas("shop", name).unwrap().0
}

fn status(world: &World, name: &str) -> Value {
    let kind = ("foresail.dev/v1alpha1", "PredictiveAutoscaler");
    world.server.object(kind, "shop", name).unwrap()["status"].clone()
}

fn condition(world: &World, name: &str, kind: &str) -> Value {
    let status = status(world, name);
    let all = status["conditions"].as_array().unwrap();
    all.iter().find(|one| one["type"] == kind).cloned().unwrap_or(Value::Null)
}

#[tokio::test(start_paused = true)]
async fn a_price_that_is_gone_holds_for_its_time_then_stops_growth_and_lowers_nothing() {
    // Demand doubles an hour after the price went, when it is unknown.
    let mut world = shop(GONE.plus(Span::from_hours(1)));
    let log = scratch("prices").join("decisions.jsonl");
    world.decisions = DecisionLog::append(&log).unwrap();
    world.server.create(&example("search")).unwrap();
    let operator = world.start_operator(INTERVAL);
    world.play_until(NOON.plus(Span::from_minutes(9))).await;
    let spend = status(&world, "search")["spend"].clone();
    assert_eq!((&spend["price"], &spend["priceFrom"]), (&json!("0.0625"), &json!("priceQuery")), "{spend}");
    assert_eq!(condition(&world, "search", "BudgetLimited")["reason"], "PriceKnown");
    let before = asked(&world, "search");
    // The last answer holds for half an hour, also over a crash.
    world.play_until(GONE.plus(Span::from_minutes(20))).await;
    operator.kill();
    world.play(Span::from_seconds(30)).await;
    let operator = world.start_operator(INTERVAL);
    world.play_until(GONE.plus(Span::from_minutes(28))).await;
    assert_eq!(condition(&world, "search", "BudgetLimited")["reason"], "PriceKnown");
    world.play_until(GONE.plus(Span::from_minutes(50))).await;
    let limited = condition(&world, "search", "BudgetLimited");
    assert_eq!(
        (&limited["status"], &limited["reason"]),
        (&json!("True"), &json!("PriceUnknown")),
        "{limited}"
    );
    let told = limited["message"].as_str().unwrap();
    assert!(told.contains("price unknown since 2026-11-24T12:") && told.contains(" because "), "{told}");
    assert!(told.contains("it was 0.0625 last"), "{told}");
    let spend = status(&world, "search")["spend"].clone();
    assert!(
        spend["priceUnknownSince"].as_str().is_some_and(|at| at.starts_with("2026-11-24T12:4")),
        "{spend}"
    );
    assert_eq!(asked(&world, "search"), before, "nothing is lowered for it");
    // Present demand is served, its headroom is not: 990 need ten of 100 each, and fifteen at 70 %.
    world.play_until(GONE.plus(Span::from_minutes(100))).await;
    assert_eq!(asked(&world, "search"), 10);
    world.play_until(BACK.plus(Span::from_minutes(10))).await;
    assert_eq!(condition(&world, "search", "BudgetLimited")["reason"], "PriceKnown");
    assert_eq!(asked(&world, "search"), 15);
    let events = world.server.dump();
    assert!(events.contains("BudgetBack"), "Events tell of it");
    operator.stop().await.unwrap();
    // Each decision is derived again, byte by byte, those without a price among them.
    let lines = fs::read_to_string(&log).unwrap();
    let unknown = lines.lines().filter(|line| line.contains("\"because\"")).count();
    assert!(unknown > 3, "{unknown} of the logged decisions knew no price");
    let (code, told) = foresail(&["replay", &log.display().to_string()]);
    assert_eq!(code, Some(0), "{told}");
}

#[tokio::test(start_paused = true)]
async fn the_price_book_prices_what_pods_request_and_a_change_of_the_template_counts_at_once() {
    let mut world = shop(NOON);
    world.price_book = Some(read_price_book(&fs::read_to_string(BOOK).unwrap()).unwrap());
    world.server.create(&example("checkout")).unwrap();
    let operator = world.start_operator(INTERVAL);
    world.play(Span::from_minutes(5)).await;
    let spend = status(&world, "checkout")["spend"].clone();
    assert_eq!(spend["price"], "0.018325", "{spend}");
    assert_eq!(spend["priceFrom"], "priceBook: rate karpenter.sh/capacity-type=spot", "{spend}");
    // Fifteen at 70 %, ten by 0.20 an hour, which is what present demand needs too.
    assert_eq!(asked(&world, "checkout"), 10);
    let api: kube::Api<k8s_openapi::api::apps::v1::Deployment> =
        kube::Api::namespaced(world.server.client(), "shop");
    let spec = |container: Value| json!({"spec": {"template": {"spec": {"initContainers": [], "containers": [container]}}}});
    let change = |body: Value| {
        let api = api.clone();
        async move {
            let patch = kube::api::Patch::Merge(body);
            api.patch("checkout", &kube::api::PatchParams::default(), &patch).await.unwrap();
        }
    };
    let small = json!({"name": "web", "image": "web:2", "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}}});
    change(spec(small)).await;
    world.play(Span::from_minutes(10)).await;
    assert_eq!(status(&world, "checkout")["spend"]["price"], "0.00141", "0.1 x 0.0121 + 0.125 x 0.0016");
    assert_eq!(asked(&world, "checkout"), 15);
    change(spec(json!({"name": "web", "image": "web:3", "resources": {"requests": {"cpu": "100m"}}}))).await;
    world.play(Span::from_minutes(3)).await;
    let limited = condition(&world, "checkout", "BudgetLimited");
    operator.stop().await.unwrap();
    assert_eq!(limited["reason"], "PriceUnknown", "{limited}");
    assert!(limited["message"].as_str().unwrap().contains("request no memory"), "{limited}");
    assert_eq!(asked(&world, "checkout"), 15, "nothing is lowered for it");
}

#[tokio::test(start_paused = true)]
async fn a_price_book_in_another_currency_is_an_invalid_spec_and_none_is_an_unknown_price() {
    let mut world = shop(NOON);
    world.server.create(&example("checkout")).unwrap();
    let operator = world.start_operator(INTERVAL);
    world.play(Span::from_minutes(3)).await;
    let limited = condition(&world, "checkout", "BudgetLimited");
    assert!(limited["message"].as_str().unwrap().contains("start it with --price-book"), "{limited}");
    operator.stop().await.unwrap();
    let dollars = fs::read_to_string(BOOK).unwrap().replace("currency: EUR", "currency: USD");
    world.price_book = Some(read_price_book(&dollars).unwrap());
    let operator = world.start_operator(INTERVAL);
    world.play(Span::from_minutes(3)).await;
    let invalid = condition(&world, "checkout", "SpecValid");
    operator.stop().await.unwrap();
    assert_eq!(invalid["status"], "False", "{invalid}");
    let told = invalid["message"].as_str().unwrap();
    assert!(
        told.contains("spec.spend.currency: `EUR` is not `USD`, the currency of the price book"),
        "{told}"
    );
}

fn foresail(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_foresail")).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (status.code(), text(&stdout) + &text(&stderr))
}

/// Two days of demand, one sample every five minutes.
fn history(test: &str) -> String {
    let rows: Vec<String> =
        (0..576).map(|i| format!("{},{}\n", NOON.seconds() + 300 * i, 400 + 300 * ((i / 72) % 2))).collect();
    let file = scratch(test).join("trace.csv");
    fs::write(&file, format!("timestamp,value\n{}", rows.concat())).unwrap();
    format!("requests={}", file.display())
}

#[test]
fn a_plan_is_priced_by_the_price_book_or_says_what_it_needs() {
    let history = history("prices-plan");
    let checkout = "examples/prices/checkout.yaml";
    let plan = |more: &[&str]| {
        let base = ["plan", "-f", checkout, "--history", history.as_str(), "--set", "forecast.step=5m"];
        foresail(&[&base[..], more].concat())
    };
    let needs = |more: &[&str], expected: &str| {
        let (code, told) = plan(more);
        assert_eq!(code, Some(1), "{told}");
        assert!(told.contains(expected), "{told}");
    };
    needs(&[], "add --price-book FILE, or --price VALUE");
    needs(&["--price-book", BOOK], "add -f FILE that has Deployment `checkout`, or --pod-requests");
    needs(&["--price-book", checkout], "the price book has problems");
    let deployment = ["--price-book", BOOK, "-f", "examples/prices/deployment.yaml"];
    let usd = [&deployment[..], &["--set", "spend.currency=USD"]].concat();
    needs(&usd, "spec.spend.currency: `USD` is not `EUR`");
    let (code, told) = plan(&deployment);
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.contains("a replica costs 0.018325 EUR an hour, by the rate karpenter.sh/capacity-type=spot"),
        "{told}"
    );
    let (code, told) = plan(&["--price-book", BOOK, "--pod-requests", "cpu=1,memory=1Gi"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("a replica costs 0.0435 EUR an hour, by the default rate"), "{told}");
    let (code, told) = plan(&["--price", "0.5"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("a replica costs 0.5 EUR an hour, as --price states it"), "{told}");
    let (code, told) = foresail(&["plan", "-f", "examples/prices/search.yaml", "--history", &history]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("spec.spend.priceQuery: there is no server to ask: add --price VALUE"), "{told}");
}

#[test]
fn a_check_prices_the_target_and_sees_currencies_that_do_not_fit() {
    let all =
        ["examples/prices/checkout.yaml", "examples/prices/deployment.yaml", "examples/prices/search.yaml"];
    let (code, told) = foresail(&[&["check"], &all[..], &["--price-book", BOOK]].concat());
    assert_eq!(code, Some(0), "{told}");
    let (code, told) = foresail(&["check", all[0], "--price-book", BOOK]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("spec.spend.priceBook: what the pods request is not known"), "{told}");
    let (code, told) = foresail(&["check", all[0], "--price-book", BOOK, "--pod-requests", "cpu=1"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("the pods request no memory"), "{told}");
    let dir = scratch("prices-check");
    let write = |name: &str, from: &str, (old, new): (&str, &str)| {
        let file = dir.join(name);
        fs::write(&file, fs::read_to_string(from).unwrap().replace(old, new)).unwrap();
        file.display().to_string()
    };
    let book = write("book.yaml", BOOK, ("currency: EUR", "currency: CHF"));
    let (code, told) = foresail(&["check", all[0], all[1], "--price-book", &book]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("`EUR` is not `CHF`, the currency of the price book"), "{told}");
    let budget = write("budget.yaml", "examples/budget/budget.yaml", ("currency: EUR", "currency: CHF"));
    assert!(Path::new(&budget).exists());
    let (code, told) = foresail(&["check", &budget, "examples/budget/checkout.yaml"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("`EUR` is not `CHF`, the currency of SpendBudget `shop`"), "{told}");
}
