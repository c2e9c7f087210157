//! What every part of the operator shares: clients, caches, clocks, telemetry.

use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Resource, ResourceExt as _};

use futures::FutureExt as _;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::actuate::{ScaleTarget, Targets};
use super::budgets::Budgets;
use super::pace::{StatusBucket, Urgency};
use crate::api::{DemandCalendar, MetricSource, PredictiveAutoscaler, SpendBudget};
use crate::edge::clock::Clock;
use crate::metrics::SourcePool;
use crate::policy::PriceBook;
use crate::telemetry::decisions::DecisionLog;
use crate::telemetry::events::EventSink;
use crate::telemetry::metrics::Metrics;
use crate::units::{Span, Step};

/// How the operator runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Time between two ticks of an autoscaler.
    pub interval: Span,
    /// Namespaces that are watched; all when empty.
    pub watch_namespaces: Vec<String>,
    /// The operator's own namespace: its Lease and the Secrets of sources.
    pub namespace: String,
    /// Name of the Lease.
    pub lease_name: String,
    /// Who this process is, unique among its replicas.
    pub identity: String,
    /// What nodes cost, where the administrator says so.
    pub price_book: Option<Arc<PriceBook>>,
}

/// What every part of the operator shares.
pub struct Context {
    /// How it runs.
    pub settings: Settings,
    /// The Kubernetes client.
    pub client: kube::Client,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Sources of metrics.
    pub pool: Arc<SourcePool>,
    /// As many fits of forecasters at once as there are processors: at midnight all are due.
    pub fits: Arc<Semaphore>,
    /// What writes of status may take.
    pub writes: Mutex<StatusBucket>,
    /// Reads and writes targets.
    pub targets: Targets,
    /// The watch cache of autoscalers, one for each watched namespace.
    pub autoscalers: Vec<Store<PredictiveAutoscaler>>,
    /// The watch cache of calendars, one for each watched namespace.
    pub calendars: Vec<Store<DemandCalendar>>,
    /// The watch cache of quotas, one for each watched namespace; empty where they may not be read.
    pub quotas: Vec<Store<ResourceQuota>>,
    /// The watch cache of budgets.
    pub budget_specs: Store<SpendBudget>,
    /// The books of budgets.
    pub budgets: Budgets,
    /// The watch cache of sources.
    pub sources: Store<MetricSource>,
    /// Whether the sources were put into the pool.
    pub sources_known: watch::Receiver<bool>,
    /// The operator's own metrics.
    pub metrics: Arc<Metrics>,
    /// Where Events go.
    pub events: EventSink,
    /// Where decisions are logged.
    pub decisions: DecisionLog,
}

/// Whether a cache has been filled once.
pub fn is_filled<K>(store: &Store<K>) -> bool
where
    K: Resource + Clone + 'static,
    K::DynamicType: std::hash::Hash + Eq + Clone,
{
    store.wait_until_ready().now_or_never().is_some_and(|ready| ready.is_ok())
}

/// Room for as many fits at once as there are processors.
pub fn fits() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(1, NonZero::get)))
}

impl Context {
    /// The interval as a grid of instants.
    pub fn tick(&self) -> Step {
        let seconds = u32::try_from(self.settings.interval.seconds()).unwrap_or(15).max(1);
        Step::new(seconds).unwrap_or(Step::MINUTE)
    }

    /// Whether a status may be written now; what may not waits for its next tick.
    pub fn may_record(&self, urgency: Urgency) -> bool {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner).take(urgency, Instant::now())
    }

    /// A source by name.
    pub fn source(&self, name: &str) -> Option<Arc<MetricSource>> {
        self.sources.get(&ObjectRef::new(name))
    }

    /// A budget by name.
    pub fn budget(&self, name: &str) -> Option<Arc<SpendBudget>> {
        self.budget_specs.get(&ObjectRef::new(name))
    }

    /// Every autoscaler in the watch caches.
    pub fn all(&self) -> Vec<Arc<PredictiveAutoscaler>> {
        self.autoscalers.iter().flat_map(Store::state).collect()
    }

    /// The cache of those that belongs to `namespace`.
    fn of<'a, K>(&self, stores: &'a [Store<K>], namespace: &str) -> Option<&'a Store<K>>
    where
        K: Resource<DynamicType = ()> + Clone + 'static,
    {
        let watched = &self.settings.watch_namespaces;
        let idx = watched.iter().position(|one| one == namespace);
        stores.get(if watched.is_empty() { 0 } else { idx? })
    }

    /// Whether everything is known that bears on `object`: its sources; its calendars, where it names any; and, where it
    /// names a budget, that and every autoscaler that may be its member.
    pub fn knows_enough(&self, object: &PredictiveAutoscaler) -> bool {
        let namespace = object.namespace().unwrap_or_default();
        let calendars = || self.of(&self.calendars, &namespace).is_some_and(is_filled::<DemandCalendar>);
        let has_budget = object.spec.spend.as_ref().is_some_and(|spend| spend.budget_ref.is_some());
        *self.sources_known.borrow()
            && (object.spec.calendar_refs.is_empty() || calendars())
            && (!has_budget || self.knows_members())
    }

    /// Whether every budget is known, and every autoscaler that may be a member of one.
    pub fn knows_members(&self) -> bool {
        is_filled(&self.budget_specs) && self.autoscalers.iter().all(is_filled)
    }

    /// Waits until every cache is filled but that of quotas, which need not be readable; `false` when that ended first.
    pub async fn until_all_known(&self) -> bool {
        let autoscalers = try_join_all(self.autoscalers.iter().map(Store::wait_until_ready));
        let calendars = try_join_all(self.calendars.iter().map(Store::wait_until_ready));
        let mut sources = self.sources_known.clone();
        let (autoscalers, calendars, budgets, sources) =
            tokio::join!(autoscalers, calendars, self.budget_specs.wait_until_ready(), async {
                sources.wait_for(|known| *known).await.is_ok()
            },);
        autoscalers.is_ok() && calendars.is_ok() && budgets.is_ok() && sources
    }

    /// An autoscaler as the watch caches have it.
    pub fn autoscaler(&self, namespace: &str, name: &str) -> Option<Arc<PredictiveAutoscaler>> {
        let key = ObjectRef::new(name).within(namespace);
        self.autoscalers.iter().find_map(|store| store.get(&key))
    }

    /// A calendar as the watch caches have it.
    pub fn calendar(&self, namespace: &str, name: &str) -> Option<Arc<DemandCalendar>> {
        let key = ObjectRef::new(name).within(namespace);
        self.calendars.iter().find_map(|store| store.get(&key))
    }

    /// The older autoscaler that names the same target: it acts, the younger waits (F14).
    pub fn older_rival(&self, object: &PredictiveAutoscaler) -> Option<String> {
        let namespace = object.namespace().unwrap_or_default();
        let target = ScaleTarget::named(&object.spec.scale_target_ref, &namespace);
        let age =
            |one: &PredictiveAutoscaler| (one.metadata.creation_timestamp.clone(), one.metadata.uid.clone());
        let own = age(object);
        self.all()
            .into_iter()
            .filter(|other| {
                other.namespace().as_deref() == Some(&namespace) && other.name_any() != object.name_any()
            })
            .filter(|other| {
                let other = &other.spec.scale_target_ref;
                target.is_named_by(&other.api_version, &other.kind, &other.name)
            })
            .filter(|other| age(other) < own)
            .map(|other| {
                format!(
                    "PredictiveAutoscaler `{}` is older and scales the same target: remove one of them",
                    other.name_any()
                )
            })
            .next()
    }
}
