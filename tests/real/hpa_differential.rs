//! The HPA of the real controller manager against Foresail's reactive answer, on the same values at the same instants.
//!
//! The test serves an external metric to HPAs of type `AverageValue` and lets them scale Deployments. `lane` drives one
//! HPA from value to value, `judge` says from what was served and from the audit log what each HPA saw and did,
//! `candidate` is what Foresail would have done. The lanes run side by side, each in its own namespace, so that the whole
//! is a matter of two minutes.

mod candidate;
mod judge;
mod lane;
mod values;

use std::ops::AddAssign;

use serde_json::json;

use crate::control_plane::{shared, testbed};
use candidate::Candidate;
use judge::{Counts, Observed};
use lane::{Driven, Lane};

/// The HPA's `averageValue`. Foresail's capacity is 100 at an `averageUtilization` of 70 %.
const TARGET_MILLI: u64 = 70_000;

fn lanes() -> Vec<Lane> {
    let at_once = json!({ "scaleDown": { "stabilizationWindowSeconds": 0 } });
    let windows = json!({
        "scaleUp": { "stabilizationWindowSeconds": 15 },
        "scaleDown": { "stabilizationWindowSeconds": 15 },
    });
    let mut lanes: Vec<Lane> = [("hpa-walk-0", 1), ("hpa-walk-1", 2), ("hpa-walk-2", 3)]
        .into_iter()
        .map(|(namespace, seed)| Lane {
            namespace,
            behavior: at_once.clone(),
            windowed: false,
            first: 12,
            steps: values::walk(seed),
        })
        .collect();
    lanes.push(Lane {
        namespace: "hpa-rates",
        behavior: at_once,
        windowed: false,
        first: 4,
        steps: values::rates(4),
    });
    lanes.push(Lane {
        namespace: "hpa-windows",
        behavior: windows,
        windowed: true,
        first: 10,
        steps: values::windows(),
    });
    lanes
}

#[tokio::test]
async fn the_reactive_answer_is_that_of_a_real_hpa() {
    let Some(plane) = shared() else { return };
    let client = plane.client().await;
    let driven = futures::future::join_all(lanes().into_iter().map(|lane| lane.drive(plane, client.clone())));
    let driven = driven.await;
    let audit = plane.audit();
    let mut counts = Counts::default();
    for Driven { namespace, behavior, values } in driven {
        let served = plane.external_metrics().served(namespace);
        let observed = judge::observe(namespace, &served, &audit);
        judge::no_value_was_dropped_or_seen_unsettled(namespace, &values, &observed);
        compare(namespace, &observed, Candidate::new(&behavior));
        counts.add_assign(judge::count_outcomes(&observed));
    }
    let Counts { ups, downs, holds, missing, decisions } = counts;
    testbed::say(&format!(
        "{decisions} decisions of a real HPA: {ups} up, {downs} down, {holds} held within tolerance, {missing} without a value"
    ));
    assert!(ups >= 40 && downs >= 40 && holds >= 20 && missing >= 20, "{counts:?}");
}

/// Foresail decides at the same instants on the same values, and is told what the HPA made of them.
fn compare(namespace: &str, observed: &[Observed], mut candidate: Candidate) {
    let mut differences = Vec::new();
    for seen in observed {
        let desired = candidate.desired(seen.at, seen.asked, seen.value_milli);
        if desired != seen.after {
            differences.push(format!("Foresail wants {desired}: {seen:?}"));
        }
    }
    assert_eq!(
        differences,
        Vec::<String>::new(),
        "{namespace}, all decisions:\n{}",
        judge::listing(observed)
    );
}
