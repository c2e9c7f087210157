//! The operator: watch, schedule, decide, actuate.
//!
//! [`run`] starts the watch caches, the election, the sources, the probes and the fleet, and stops them gracefully.
//!
//! | module | what it is |
//! |---|---|
//! | [`lease`] | leader election on a Lease, with hot standby |
//! | [`pace`] | when each object ticks, how fast status is written, when to try again |
//! | [`actuate`] | `/scale` and the floor of an HPA, by compare-and-swap |
//! | [`protocol`] | read, decide, record the intent, write: at most three rounds |
//! | [`acts`], [`worker`] | one tick of one autoscaler: gather, tick, effect |
//! | [`signal`] | one metric: its reading and its forecaster |
//! | [`announced`] | calendars as windows |
//! | [`budgets`] | the books of budgets: reserve, then act |
//! | [`growth`], [`pods`] | starts of pods, the measured lead |
//! | [`obstacles`] | growth that cannot happen |
//! | [`fleet`] | a task for each autoscaler |
//! | [`floors`] | the finalizer that gives an HPA its own minimum back |
//! | [`restore`] | all of them at once, before the operator is removed |
//! | [`sources`], [`checkpoint`] | MetricSource to pool; what forecasters keep |
//! | [`status`], [`conditions`], [`objective`], [`report`] | what people are told |
//! | [`recorder`] | what goes to the decision log |
//! | [`health`] | `/livez`, `/readyz`, `/metrics` |
//! | [`self_check`] | a synthetic series through the whole pipeline, every minute |

pub mod acts;
pub mod actuate;
pub mod announced;
pub mod budgets;
pub mod capacities;
pub mod checkpoint;
pub mod conditions;
pub mod context;
#[cfg(test)]
pub(crate) mod fake;
pub mod fleet;
pub mod floors;
pub mod growth;
pub mod health;
pub mod lease;
pub mod objective;
pub mod obstacles;
pub mod pace;
mod pods;
pub mod pricing;
pub mod protocol;
pub mod recorder;
pub mod report;
pub mod restore;
pub mod self_check;
pub mod signal;
pub mod sources;
pub mod status;
mod watching;
pub mod worker;

pub use context::{Context, Settings};

use std::sync::{Arc, Mutex};
use std::time::Duration;

use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::edge::clock::Clock;
use actuate::Targets;
use lease::{Elector, LeaseSettings};

use crate::metrics::SourcePool;
use crate::telemetry::decisions::DecisionLog;
use crate::telemetry::events;
use crate::telemetry::metrics::Metrics;

/// A scheduler that has not come round for so long is stuck, and the process is to be restarted.
const SCHEDULER_LIMIT: Duration = Duration::from_mins(1);
/// A lease loop without an answer from the API server for so long is not ready.
const LEASE_LIMIT: Duration = Duration::from_secs(30);
/// How long the loops may take to end at a stop: a standby is to lead within 3 s.
const STOP_LIMIT: Duration = Duration::from_millis(2500);

/// What the operator meets outside itself.
pub struct Outside {
    /// The cluster.
    pub client: kube::Client,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Where metric sources are asked.
    pub pool: SourcePool,
    /// Where the probes are served; nowhere when `None`.
    pub listener: Option<TcpListener>,
    /// Where decisions are logged.
    pub decisions: DecisionLog,
    /// The operator's own metrics, and the registry that shows them.
    pub metrics: (Metrics, Arc<Registry>),
}

/// Runs the operator until `stop`: no write begins after it, the Lease is released, the probes answer to the end.
///
/// # Errors
/// When the probes cannot be served.
pub async fn run(settings: Settings, outside: Outside, stop: CancellationToken) -> std::io::Result<()> {
    let Outside { client, clock, pool, listener, decisions, metrics: (metrics, registry) } = outside;
    let (sink, publisher) = events::channel(client.clone(), &settings.identity, Arc::clone(&clock), &metrics);
    let lease = LeaseSettings {
        namespace: settings.namespace.clone(),
        name: settings.lease_name.clone(),
        identity: settings.identity.clone(),
    };
    let (elector, held) = Elector::new(client.clone(), lease, Arc::clone(&clock));
    let leadership = until(&stop, held);
    let lease_beat = elector.beats();
    let (synced, caches_synced) = watch::channel(false);
    let (beat, scheduler_beat) = watch::channel(None);
    let (health, self_check) = watch::channel(self_check::Health::NotYet);
    let vitals = health::Vitals {
        scheduler_beat,
        scheduler_limit: SCHEDULER_LIMIT,
        caches_synced,
        self_check,
        lease_beat,
        lease_limit: LEASE_LIMIT,
        registry,
        started: Instant::now(),
    };
    let watching = watching::start(&client, &settings.watch_namespaces, &stop);
    let (sources_told, sources_known) = watch::channel(false);
    let ctx = Arc::new(Context {
        targets: Targets::new(client.clone()),
        client,
        clock,
        pool: Arc::new(pool),
        fits: context::fits(),
        writes: Mutex::new(pace::StatusBucket::full(Instant::now())),
        autoscalers: watching.autoscalers,
        calendars: watching.calendars,
        quotas: watching.quotas,
        budget_specs: watching.budgets,
        budgets: budgets::Budgets::default(),
        sources: watching.sources,
        sources_known,
        metrics: Arc::new(metrics),
        events: sink,
        decisions,
        settings,
    });
    tracing::info!(interval = %ctx.settings.interval, identity = ctx.settings.identity, "the operator starts");
    tokio::spawn(publisher.run());
    let probes = listener.map(|listener| {
        tokio::spawn(self_check::run(Arc::clone(&ctx.metrics), health, stop.clone()));
        tokio::spawn(health::serve(listener, vitals, stop.clone()))
    });
    let lease_stop = CancellationToken::new();
    let election = tokio::spawn(elector.run(lease_stop.clone()));
    let told = Told { beat, sources_known: sources_told, synced };
    let work = tokio::spawn(work(Arc::clone(&ctx), leadership, told, stop.clone()));
    stop.cancelled().await;
    tracing::info!("the operator stops: no write begins from now on");
    if tokio::time::timeout(STOP_LIMIT, work).await.is_err() {
        tracing::warn!("a tick did not end in time and is left to its intent");
    }
    // The Lease is released last, so that no other leader begins while a tick of ours is under way.
    lease_stop.cancel();
    if tokio::time::timeout(Duration::from_secs(3), election).await.is_err() {
        tracing::warn!("the Lease could not be released: another process takes over when it ends");
    }
    match probes {
        Some(probes) => probes.await.unwrap_or(Ok(())),
        None => Ok(()),
    }
}

/// Leadership as long as the operator runs: from `stop` on nothing may be written any more, though the Lease is held until
/// what is under way has ended.
fn until(
    stop: &CancellationToken,
    mut held: watch::Receiver<lease::Leadership>,
) -> watch::Receiver<lease::Leadership> {
    let (sender, leadership) = watch::channel(held.borrow_and_update().clone());
    let stop = stop.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                changed = held.changed() => if changed.is_err() { break },
            }
            sender.send_replace(held.borrow_and_update().clone());
        }
        sender.send_replace(lease::Leadership::Standby { holder: None });
        // Whoever still asks is to hear this and not that the sender is gone.
        sender.closed().await;
    });
    leadership
}

/// What the loops tell of themselves.
struct Told {
    /// When the scheduler came round last.
    beat: watch::Sender<Option<Instant>>,
    /// Whether the sources were put into the pool.
    sources_known: watch::Sender<bool>,
    /// Whether every cache is filled.
    synced: watch::Sender<bool>,
}

/// The loops. Nothing is decided for an autoscaler before the watch caches that it needs are filled
/// ([`Context::knows_enough`], F07); one that cannot be filled keeps nobody else waiting (I60).
async fn work(
    ctx: Arc<Context>,
    leadership: watch::Receiver<lease::Leadership>,
    told: Told,
    stop: CancellationToken,
) {
    let Told { beat, sources_known, synced } = told;
    let sources = tokio::spawn(sources::run(Arc::clone(&ctx), sources_known, stop.clone()));
    let reports = tokio::spawn(sources::status::run(Arc::clone(&ctx), leadership.clone(), stop.clone()));
    let spent = tokio::spawn(budgets::run(Arc::clone(&ctx), leadership.clone(), stop.clone()));
    let filled = tokio::spawn({
        let ctx = Arc::clone(&ctx);
        async move {
            if ctx.until_all_known().await {
                synced.send_replace(true);
            }
        }
    });
    fleet::run(ctx, leadership, beat, stop).await;
    for task in [sources, reports, spent, filled] {
        task.abort();
    }
}
