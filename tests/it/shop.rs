//! A shop in the sandbox: its workload `shop/checkout`, what its queries answer, and what the autoscaler tells of it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test over a world that it made itself")]

use std::collections::BTreeMap;
use std::sync::Arc;

use foresail::sandbox::{StartUp, World};
use foresail::units::{Span, Step, Timestamp};
use serde_json::Value;

use crate::deployment;

/// When every shop opens.
pub(crate) const START: Timestamp = Timestamp::from_seconds(1_795_478_400);

/// A query and its answer at an instant.
pub(crate) type Scripted<'a> = (&'a str, fn(Timestamp) -> f64);

/// A shop of `replicas` whose pods need `start_up`, with the autoscaler `object`.
pub(crate) async fn open(
    (start_up, replicas): (StartUp, u32),
    object: &Value,
    queries: &[Scripted<'_>],
) -> World {
    let world = World::starting_at(START, 7).unwrap();
    for (query, read) in queries {
        let read = *read;
        world.prometheus.script(query, Step::MINUTE, Arc::new(move |at| Some(read(at)))).unwrap();
    }
    world.add_namespace("shop").unwrap();
    world.start_controllers(start_up, BTreeMap::new());
    world.server.create(&deployment(("shop", "checkout"), replicas)).unwrap();
    world.play(Span::from_minutes(4)).await;
    world.server.create(object).unwrap();
    world
}

/// The status of the autoscaler `shop/checkout` of a sandbox.
pub(crate) fn status(world: &World) -> Value {
    let found = world.server.object(("foresail.dev/v1alpha1", "PredictiveAutoscaler"), "shop", "checkout");
    found.unwrap()["status"].clone()
}

/// Status, reason and message of one of its conditions.
pub(crate) fn condition(world: &World, kind: &str) -> (String, String, String) {
    let told = status(world);
    let found =
        told["conditions"].as_array().unwrap().iter().find(|one| one["type"] == kind).unwrap().clone();
    let text = |name: &str| found[name].as_str().unwrap().to_owned();
    (text("status"), text("reason"), text("message"))
}
