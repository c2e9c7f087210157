//! What a `MetricSource` is told about itself: whether autoscalers can read from it, and when it last answered.
//!
//! Written when a condition turns, and every ten minutes for the time of the last answer; only by the leader.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::api::MetricSource;
use crate::decide::{Absence, Reading};
use crate::edge::client::CallError;
use crate::edge::clock::{from_jiff, to_jiff};
use crate::metrics::Answer;
use crate::operator::conditions::{Claim, merge, patch_status, told};
use crate::operator::context::Context;
use crate::operator::lease::Leadership;
use crate::operator::status::{absence_reason, remedy};
use crate::units::{Span, Timestamp};

/// How often the sources are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A source that answered no query for so long is asked itself.
const PROBE_AFTER: Span = Span::from_minutes(1);
/// The time of the last answer is written this often.
const REFRESH_EVERY: Span = Span::from_minutes(10);

/// Reports on every source until `stop`. Each has its own task, so that one that hangs delays no other.
pub async fn run(ctx: Arc<Context>, leadership: watch::Receiver<Leadership>, stop: CancellationToken) {
    let mut under_way: BTreeMap<String, JoinHandle<()>> = BTreeMap::new();
    loop {
        under_way.retain(|_, task| !task.is_finished());
        if *ctx.sources_known.borrow() && leadership.borrow().may_write(Instant::now()) {
            for source in ctx.sources.state() {
                let task = || {
                    let (ctx, source) = (Arc::clone(&ctx), Arc::clone(&source));
                    let leadership = leadership.clone();
                    tokio::spawn(async move { report(&ctx, &source, &leadership).await })
                };
                under_way.entry(source.name_any()).or_insert_with(task);
            }
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    for task in under_way.into_values() {
        task.abort();
    }
}

/// Looks at one source, asks it if nobody did lately, and writes its status if that is worth it.
pub async fn report(ctx: &Context, source: &MetricSource, leadership: &watch::Receiver<Leadership>) {
    let now = ctx.clock.now();
    let name = source.name_any();
    let claims = claims(ctx, &name, now).await;
    let answered = ctx.pool.answered_at(&name);
    let old = source.status.clone().unwrap_or_default();
    let generation = source.metadata.generation;
    let conditions = merge(&old.conditions, &claims, now, generation);
    let stored = old.last_answer.map(from_jiff);
    let newer = answered.filter(|&at| stored.is_none_or(|stored| at.since(stored) >= REFRESH_EVERY));
    if told(&old.conditions) == told(&conditions) && old.observed_generation == generation && newer.is_none()
    {
        return;
    }
    // The source may have taken its time to answer.
    if !leadership.borrow().may_write(Instant::now()) {
        return;
    }
    if let Err(error) = write(ctx, &name, generation, &conditions, answered.or(stored)).await {
        tracing::warn!(source = name, %error, "the status of a metric source could not be written");
    }
}

async fn claims(ctx: &Context, name: &str, now: Timestamp) -> [Claim; 2] {
    if let Some(problem) = ctx.pool.problem(name) {
        return [
            Claim::new("Ready", false, "InvalidSettings", problem),
            Claim {
                kind: "Reachable",
                holds: None,
                reason: "NotAsked",
                message: "it cannot be asked".to_owned(),
            },
        ];
    }
    let has_answered = || ctx.pool.answered_at(name).is_some_and(|at| now.since(at) < PROBE_AFTER);
    if has_answered() {
        return answering();
    }
    let Answer { reading, note } = ctx.pool.probe(name, now).await;
    let absence = match reading {
        Reading::Absent(absence) if !has_answered() => absence,
        // Any answer, that there is no number or one to somebody else too, tells of a server that takes queries.
        Reading::Absent(_) | Reading::Value { .. } => return answering(),
    };
    let reason = absence_reason(absence);
    let mut message = note.unwrap_or_else(|| absence.words().to_owned());
    if let Some(remedy) = remedy(absence) {
        message = format!("{message}; {remedy}");
    }
    let reachable = match absence {
        Absence::Unreachable => Claim::new("Reachable", false, reason, message.clone()),
        _ => Claim::new("Reachable", true, "Answered", "its server answers"),
    };
    [Claim::new("Ready", false, reason, message), reachable]
}

fn answering() -> [Claim; 2] {
    [
        Claim::new("Ready", true, "Answering", "it answers queries"),
        Claim::new("Reachable", true, "Answered", "its server answers"),
    ]
}

async fn write(
    ctx: &Context,
    name: &str,
    generation: Option<i64>,
    conditions: &[Condition],
    answered: Option<Timestamp>,
) -> Result<(), CallError> {
    let mut status = json!({"observedGeneration": generation, "conditions": conditions});
    if let (Some(at), Some(status)) = (answered, status.as_object_mut()) {
        status.insert("lastAnswer".to_owned(), json!(to_jiff(at)));
    }
    patch_status::<MetricSource>(&ctx.client, name, &status).await
}

#[cfg(test)]
mod tests;
