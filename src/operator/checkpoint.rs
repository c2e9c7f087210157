//! Checkpoints: what a forecaster must not lose when Prometheus is away at the next start. Written hourly, spread by
//! name, owned by the autoscaler.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource as _, ResourceExt as _};

use tokio::sync::watch;
use tokio::time::Instant;

use super::context::Context;
use super::lease::Leadership;
use super::signal::Signal;
use crate::api::{ForecastCheckpoint, ForecastCheckpointSpec, PredictiveAutoscaler};
use crate::edge::client::{READ_DEADLINE, within};
use crate::edge::clock::to_jiff;
use crate::units::{Span, Timestamp, offset_of};

/// How often a checkpoint is written.
const EVERY: Span = Span::from_hours(1);
/// The largest checkpoint of one metric (DESIGN 3).
const BYTES_MAX: usize = 8 * 1024;

fn name_of(autoscaler: &str, metric: &str) -> String {
    // Object names end at 253 characters; both parts end at 63.
    format!("{autoscaler}.{metric}")
}

/// A question that changed makes what was learned worthless.
fn fingerprint(signal: &Signal) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in signal.query().promql.bytes().chain(signal.query().source.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
}

/// Writes the checkpoints when an hour has passed since the last ones. A failure is logged and tried again in an hour.
pub async fn keep(
    ctx: &Context,
    (object, leadership): (&PredictiveAutoscaler, &watch::Receiver<Leadership>),
    saved_at: &mut Option<Timestamp>,
    signals: &[Signal],
    now: Timestamp,
) {
    let name = object.name_any();
    // The first one comes after a random part of the hour, so that a restart does not write all at once.
    let first = now.minus(EVERY).plus(offset_of(&name, EVERY));
    let last = *saved_at.get_or_insert(first);
    if now.since(last) < EVERY {
        return;
    }
    *saved_at = Some(now);
    for signal in signals {
        let Some(data) = signal.checkpoint().and_then(|kept| serde_json::to_string(&kept).ok()) else {
            continue;
        };
        if data.len() > BYTES_MAX {
            tracing::warn!(
                name,
                metric = signal.name(),
                bytes = data.len(),
                "a checkpoint is too large and was not saved"
            );
            continue;
        }
        if !leadership.borrow().may_write(Instant::now()) {
            return;
        }
        if let Err(error) = save(ctx, object, signal, data, now).await {
            tracing::warn!(name, metric = signal.name(), %error, "a checkpoint could not be saved");
        }
    }
}

async fn save(
    ctx: &Context,
    object: &PredictiveAutoscaler,
    signal: &Signal,
    data: String,
    now: Timestamp,
) -> Result<(), crate::edge::client::CallError> {
    let namespace = object.namespace().unwrap_or_default();
    let name = name_of(&object.name_any(), signal.name());
    let spec = ForecastCheckpointSpec {
        metric: signal.name().to_owned(),
        fingerprint: Some(fingerprint(signal)),
        saved_at: to_jiff(now),
        data,
    };
    let owner = OwnerReference {
        api_version: PredictiveAutoscaler::api_version(&()).into_owned(),
        kind: PredictiveAutoscaler::kind(&()).into_owned(),
        name: object.name_any(),
        uid: object.uid().unwrap_or_default(),
        ..OwnerReference::default()
    };
    let mut checkpoint = ForecastCheckpoint::new(&name, spec);
    checkpoint.metadata = ObjectMeta {
        name: Some(name.clone()),
        namespace: Some(namespace.clone()),
        owner_references: Some(vec![owner]),
        ..ObjectMeta::default()
    };
    let api: Api<ForecastCheckpoint> = Api::namespaced(ctx.client.clone(), &namespace);
    let params = PatchParams::apply(super::actuate::FIELD_MANAGER).force();
    within(READ_DEADLINE, api.patch(&name, &params, &Patch::Apply(&checkpoint))).await.map(|_| ())
}

/// Gives a signal what its checkpoint kept, if there is one for the same question.
pub async fn restore(ctx: &Context, namespace: &str, autoscaler: &str, signal: &mut Signal, now: Timestamp) {
    let api: Api<ForecastCheckpoint> = Api::namespaced(ctx.client.clone(), namespace);
    let name = name_of(autoscaler, signal.name());
    let Ok(checkpoint) = within(READ_DEADLINE, api.get(&name)).await else { return };
    if checkpoint.spec.fingerprint != Some(fingerprint(signal)) {
        return;
    }
    if let Ok(kept) = serde_json::from_str(&checkpoint.spec.data) {
        signal.restore(&kept, now);
    }
}
