//! The fleet: one task for each autoscaler, ticks spread over the interval; a task that panics is started again
//! and the others go on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use kube::ResourceExt as _;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::floors;
use super::lease::Leadership;
use super::worker::Worker;
use crate::api::PredictiveAutoscaler;
use crate::units::offset_of;

/// How often the watch caches are compared with the tasks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the ticks that are under way may take to end at a stop.
const STOP_LIMIT: Duration = Duration::from_secs(2);
/// A task that panicked starts again after this.
const REST_AFTER_PANIC: Duration = Duration::from_secs(30);

type Key = (String, String);

/// Runs a task for each autoscaler until `stop`; `beat` tells the probes that it lives.
pub async fn run(
    ctx: Arc<Context>,
    leadership: watch::Receiver<Leadership>,
    beat: watch::Sender<Option<Instant>>,
    stop: CancellationToken,
) {
    let mut tasks: BTreeMap<Key, JoinHandle<()>> = BTreeMap::new();
    let mut resting: BTreeMap<Key, Instant> = BTreeMap::new();
    loop {
        let now = Instant::now();
        beat.send_replace(Some(now));
        ctx.metrics.set_leading(leadership.borrow().may_write(now));
        let finished: Vec<Key> =
            tasks.iter().filter(|(_, task)| task.is_finished()).map(|(key, _)| key.clone()).collect();
        for key in finished {
            if let Some(task) = tasks.remove(&key)
                && let Err(error) = task.await
                && error.is_panic()
            {
                tracing::error!(
                    namespace = key.0,
                    name = key.1,
                    "the task of an autoscaler panicked; it rests and starts again"
                );
                resting.insert(key, now + REST_AFTER_PANIC);
            }
        }
        resting.retain(|_, until| *until > now);
        for object in ctx.all() {
            let key = (object.namespace().unwrap_or_default(), object.name_any());
            if !tasks.contains_key(&key) && !resting.contains_key(&key) {
                let task = follow(Arc::clone(&ctx), key.clone(), leadership.clone(), stop.clone());
                tasks.insert(key, tokio::spawn(task));
            }
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    // Nobody leads any more, so that no write begins; what one that was under way came to is told by its intent.
    let aborts: Vec<AbortHandle> = tasks.values().map(JoinHandle::abort_handle).collect();
    if tokio::time::timeout(STOP_LIMIT, join_all(tasks.into_values())).await.is_err() {
        tracing::warn!("a tick did not end in time and is abandoned");
        aborts.iter().for_each(AbortHandle::abort);
    }
}

/// Ticks one autoscaler until it is gone.
async fn follow(
    ctx: Arc<Context>,
    (namespace, name): Key,
    mut leadership: watch::Receiver<Leadership>,
    stop: CancellationToken,
) {
    let interval = ctx.settings.interval;
    let mut worker = Worker::new(Arc::clone(&ctx), namespace.clone(), name.clone());
    let offset = offset_of(&format!("{namespace}/{name}"), interval);
    let mut ticks = tokio::time::interval_at(Instant::now() + offset.to_std(), interval.to_std());
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let (mut uid, mut led, mut swept) = (None, None, None);
    let mut newer: Option<Arc<PredictiveAutoscaler>> = None;
    loop {
        let due = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            due = ticks.tick() => due,
        };
        let Some(cached) = ctx.autoscaler(&namespace, &name) else { break };
        newer = newer.filter(|newer| is_behind(&cached, newer));
        let object = newer.clone().unwrap_or(cached);
        if uid.is_some() && uid != object.metadata.uid {
            // Another object of the same name: nothing of the one that is gone holds for it.
            worker.forget();
            worker = Worker::new(Arc::clone(&ctx), namespace.clone(), name.clone());
            swept = None;
        }
        uid.clone_from(&object.metadata.uid);
        let (epoch, anothers) = {
            let now = leadership.borrow_and_update();
            (now.epoch(Instant::now()), now.is_anothers())
        };
        if led.is_some() && (anothers || epoch.is_some_and(|epoch| led != Some(epoch))) {
            // Somebody else leads, or led in between: what was known here may be older than what is stored.
            worker.forget();
            worker = Worker::new(Arc::clone(&ctx), namespace.clone(), name.clone());
            swept = None;
            led = None;
        }
        let Some(epoch) = epoch else { continue };
        led = Some(epoch);
        ctx.budgets.lead_under(epoch);
        if !ctx.knows_enough(&object) {
            continue;
        }
        let began = Instant::now();
        if object.metadata.deletion_timestamp.is_some() {
            floors::give_back(&ctx, &object, &leadership).await;
            continue;
        }
        if !floors::claim(&ctx, &object, &leadership).await {
            continue;
        }
        // Once for each target, as it may have named another before, also before a restart.
        let target = &object.spec.scale_target_ref;
        if floors::is_held(&object)
            && swept.as_ref() != Some(target)
            && floors::sweep(&ctx, &object, &leadership).await
        {
            swept = Some(target.clone());
        }
        if let Some(read) = worker.tick(&object, &leadership).await {
            newer = Some(Arc::new(read));
        }
        ctx.metrics.ticked(began.elapsed(), began.saturating_duration_since(due));
    }
    worker.forget();
}

/// Whether the watch cache has not seen yet what was read: a watch may be dead for minutes without a sign (F45).
fn is_behind(cached: &PredictiveAutoscaler, read: &PredictiveAutoscaler) -> bool {
    let (cached, read) = (&cached.metadata, &read.metadata);
    if cached.uid != read.uid {
        return cached.creation_timestamp < read.creation_timestamp;
    }
    cached.generation < read.generation
        || (cached.deletion_timestamp.is_none() && read.deletion_timestamp.is_some())
}
