//! Integration tests that need no cluster.

mod admission;
mod breakglass;
mod budget;
mod crds;
mod decisions;
mod deleted;
mod demo;
mod dev;
mod forecast;
mod friday;
mod killed;
mod learned;
mod manifests;
mod measured;
mod parity;
mod plan;
mod prices;
mod recomputed;
mod sandbox;
mod saturated;
mod shop;
mod stub;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// A Deployment of the sandbox, in a namespace.
fn deployment((namespace, name): (&str, &str), replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}},
    })
}

/// An empty directory for one test.
fn scratch(test: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    drop(fs::remove_dir_all(&dir));
    fs::create_dir_all(&dir).expect("a directory can be made where cargo builds");
    dir
}
