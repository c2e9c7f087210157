//! The embedded API server beside the real one: the same requests, the same answers.
//!
//! Every case is a row: its name and its requests, sent by `kubectl` and by the client of kube-rs to both servers in the
//! same run. What must differ (uids, versions, instants, ports) is replaced by a word that says that something stood
//! there; everything else is compared as it is. The real server runs alone, without controllers, so that nothing moves
//! between two requests of a case.

mod creates;
mod deletes;
mod kubectl;
mod normal;
mod patches;
mod reads;
mod scales;
mod side;
mod step;
mod updates;
mod watches;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::control_plane::{ControlPlane, testbed};
use side::Side;
use step::Case;

/// The servers, started by the first test that needs them.
static PLANE: LazyLock<ControlPlane> = LazyLock::new(ControlPlane::start_api_server);

/// Every group of cases.
fn groups() -> [(&'static str, Vec<Case>); 8] {
    [
        ("reads", reads::cases()),
        ("watches", watches::cases()),
        ("creates", creates::cases()),
        ("updates", updates::cases()),
        ("patches", patches::cases()),
        ("scales", scales::cases()),
        ("deletes", deletes::cases()),
        ("kubectl", kubectl::cases()),
    ]
}

/// One group at a time: a change by another, in whatever namespace, shows in versions and bookmarks.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Runs the cases of a group on both servers, and says where they part.
async fn compare(group: &str) {
    if !testbed::is_on() {
        return;
    }
    let (_, cases) = groups().into_iter().find(|(name, _)| *name == group).expect("the group is one of them");
    let _alone = ALONE.lock().await;
    let real = Side::real(&PLANE).await;
    let embedded = Side::embedded(&PLANE, group).await;
    let mut apart = Vec::new();
    for (i, case) in cases.iter().enumerate() {
        let namespace = format!("{group}-{i}");
        let (expected, answers) =
            tokio::join!(real.answers(case, &namespace), embedded.answers(case, &namespace));
        let mut difference = differences(case, &expected, &answers);
        if difference.is_some() {
            // The real server and its store do work of their own, which moves versions and so shows in bookmarks: what
            // the real server answers differently a second time is no rule to keep.
            let again = real.answers(case, &format!("{namespace}-again")).await;
            difference = differences(case, &again, &answers);
        }
        apart.extend(difference);
    }
    testbed::say(&format!("conformance, {group}: {} cases on both servers", cases.len()));
    assert!(apart.is_empty(), "{} of {group} differ:\n{}", apart.len(), apart.join("\n"));
}

/// The first answer of a case in which the servers differ.
fn differences(case: &Case, expected: &[Value], answers: &[Value]) -> Option<String> {
    let (i, (expected, answer)) =
        expected.iter().zip(answers).enumerate().find(|(_, (expected, answer))| expected != answer)?;
    let shown = parts(expected, answer, "");
    Some(format!("{}, request {i}:\n    {}", case.name, shown.join("\n    ")))
}

/// Where two values part, with both sides.
fn parts(expected: &Value, found: &Value, path: &str) -> Vec<String> {
    match (expected, found) {
        (Value::Object(real), Value::Object(ours)) => {
            let names: BTreeSet<&String> = real.keys().chain(ours.keys()).collect();
            let null = Value::Null;
            let of = |side: &'_ serde_json::Map<String, Value>, name: &str| {
                side.get(name).cloned().unwrap_or_else(|| null.clone())
            };
            names
                .into_iter()
                .flat_map(|name| parts(&of(real, name), &of(ours, name), &format!("{path}/{name}")))
                .collect()
        }
        (Value::Array(real), Value::Array(ours)) if real.len() == ours.len() => {
            let pairs = real.iter().zip(ours).enumerate();
            pairs.flat_map(|(i, (real, ours))| parts(real, ours, &format!("{path}/{i}"))).collect()
        }
        (real, ours) if real == ours => Vec::new(),
        (real, ours) => vec![format!("{path}: real {real}, embedded {ours}")],
    }
}

#[tokio::test]
async fn reads_are_answered_alike() {
    compare("reads").await;
}

#[tokio::test]
async fn watches_tell_the_same() {
    compare("watches").await;
}

#[tokio::test]
async fn creates_are_answered_alike() {
    compare("creates").await;
}

#[tokio::test]
async fn updates_are_answered_alike() {
    compare("updates").await;
}

#[tokio::test]
async fn patches_are_answered_alike() {
    compare("patches").await;
}

#[tokio::test]
async fn scales_are_answered_alike() {
    compare("scales").await;
}

#[tokio::test]
async fn deletes_are_answered_alike() {
    compare("deletes").await;
}

#[tokio::test]
async fn kubectl_prints_the_same() {
    compare("kubectl").await;
}

#[test]
fn there_are_at_least_sixty_cases_each_with_its_own_name() {
    let all: Vec<&str> = groups().iter().flat_map(|(_, cases)| cases.iter().map(|case| case.name)).collect();
    let names: BTreeSet<&str> = all.iter().copied().collect();
    assert_eq!(names.len(), all.len());
    assert!(all.len() >= 60, "{} cases", all.len());
}

#[test]
fn a_difference_is_found_and_shown() {
    let case = step::case("c", [step::get("/a")]);
    let (real, ours) = ([json!({"code": 200, "body": [1]})], [json!({"code": 200, "body": [2]})]);
    assert_eq!(differences(&case, &real, &real), None);
    let said = differences(&case, &real, &ours).unwrap();
    assert_eq!(said, "c, request 0:\n    /body/0: real 1, embedded 2");
}
