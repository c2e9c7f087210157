//! What the real API server refuses, by the table that `foresail check` is held to.
//!
//! The definitions are applied as they are shipped; every row is sent as it stands with `fieldValidation=Strict` and
//! `dryRun=All`.

#[path = "../it/manifests.rs"]
mod manifests;

use std::time::Duration;

use serde_json::Value;

use crate::control_plane::shared;
use manifests::Verdict;

const TIMEOUT: Duration = Duration::from_secs(30);

/// Offers `manifest` to the API server without storing it; what it says when it refuses.
async fn refusal(client: &kube::Client, kind: &str, manifest: &Value) -> Option<String> {
    let collection = match kind {
        "PredictiveAutoscaler" => "namespaces/default/predictiveautoscalers",
        "MetricSource" => "metricsources",
        "SpendBudget" => "spendbudgets",
        "DemandCalendar" => "namespaces/default/demandcalendars",
        _ => "namespaces/default/forecastcheckpoints",
    };
    let uri = format!("/apis/{}/{collection}?dryRun=All&fieldValidation=Strict", foresail::api::VERSION);
    let request = http::Request::post(uri)
        .header("content-type", "application/json")
        .body(manifest.to_string().into_bytes())
        .expect("the request is well formed");
    match client.request_text(request).await {
        Ok(_) => None,
        Err(kube::Error::Api(status)) => Some(status.message.clone()),
        Err(error) => panic!("the API server gave no verdict: {error}"),
    }
}

#[tokio::test]
async fn the_api_server_agrees_with_the_table() {
    let Some(plane) = shared() else { return };
    plane.define_kinds();
    let client = plane.client().await;
    let mut disagreements = Vec::new();
    for (name, manifest) in manifests::good().into_iter().chain(manifests::legal()) {
        let kind = manifest.get("kind").and_then(Value::as_str).unwrap_or_default();
        if let Some(message) = refusal(&client, kind, &manifest).await {
            disagreements.push(format!("{name}: refused: {message}"));
        }
    }
    for row in manifests::rows() {
        match (refusal(&client, &row.kind, &row.manifest).await, row.server) {
            (None, Verdict::Refuses) => disagreements.push(format!("{} ({}): accepted", row.name, row.path)),
            (Some(message), Verdict::Accepts) => {
                disagreements.push(format!("{}: refused: {message}", row.name));
            }
            _ => {}
        }
    }
    assert_eq!(disagreements, Vec::<String>::new());
}

/// The reference of the fields is the server's: `kubectl explain`.
#[test]
fn kubectl_explains_every_kind() {
    let Some(plane) = shared() else { return };
    plane.define_kinds();
    for (kind, field) in [
        ("pra", "metrics.query"),
        ("metricsource", "enforcedLabels"),
        ("forecastcheckpoint", "data"),
        ("demandcalendar", "events.multiplier"),
    ] {
        // The server publishes the schema some seconds after it serves the resource.
        plane.wait_until("kubectl to explain the field", TIMEOUT, || {
            let output = plane.kubectl_output(&["explain", &format!("{kind}.spec.{field}")]);
            String::from_utf8_lossy(&output.stdout).contains("DESCRIPTION").then_some(())
        });
    }
}
