//! Everything together: a clock, an API server, a Prometheus, the controllers, and the real operator in the middle.

use std::collections::BTreeMap;
use std::sync::Arc;

use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::clock::VirtualClock;
use super::hpa::HpaController;
use super::prometheus::Prometheus;
use super::server::ApiServer;
use super::workload::{StartUp, Workloads};
use crate::edge::clock::Clock;
use crate::metrics::SourcePool;
use crate::operator::{self, Outside, Settings};
use crate::policy::PriceBook;
use crate::telemetry::decisions::DecisionLog;
use crate::telemetry::metrics::{Metrics, encode};
use crate::units::{Span, Timestamp};

/// The namespace of the operator.
pub const OPERATOR_NAMESPACE: &str = "foresail-system";
/// The metric source that a world has.
pub const SOURCE: &str = "main";

/// A cluster in virtual time. Make it on the thread of a runtime with a paused clock, and with one thread only.
pub struct World {
    /// The time of day.
    pub clock: Arc<VirtualClock>,
    /// The API server.
    pub server: ApiServer,
    /// Where demand is read.
    pub prometheus: Prometheus,
    /// Where the operators that are started from now on log their decisions; nowhere at first.
    pub decisions: DecisionLog,
    /// The price book of the operators that are started from now on; none at first.
    pub price_book: Option<PriceBook>,
    seed: u64,
    controllers: CancellationToken,
}

/// The real operator, running in a world.
pub struct RunningOperator {
    stop: CancellationToken,
    cut: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
    registry: Arc<Registry>,
}

impl World {
    /// A cluster with three nodes and a metric source, at `origin`.
    ///
    /// # Errors
    /// What the API server refused; none in practice.
    pub fn starting_at(origin: Timestamp, seed: u64) -> Result<Self, String> {
        let clock = Arc::new(VirtualClock::starting_at(origin));
        let server = ApiServer::new(clock.clone(), seed);
        let prometheus = Prometheus::new(clock.clone());
        let (decisions, controllers) = (DecisionLog::off(), CancellationToken::new());
        let price_book = None;
        let world = Self { clock, server, prometheus, decisions, price_book, seed, controllers };
        world.add_namespace(OPERATOR_NAMESPACE)?;
        for i in 0..3 {
            world.server.create(&node(&format!("node-{i}")))?;
        }
        world.server.create(&json!({
            "apiVersion": "foresail.dev/v1alpha1", "kind": "MetricSource", "metadata": {"name": SOURCE},
            "spec": {"url": "http://prometheus.sandbox:9090", "allowedNamespaces": ["*"]},
        }))?;
        Ok(world)
    }

    /// Creates a namespace.
    ///
    /// # Errors
    /// When it exists.
    pub fn add_namespace(&self, name: &str) -> Result<(), String> {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        self.server.create(&object).map(|_| ())
    }

    /// Starts the controllers of workloads and of HPAs. `external` maps the name of an external metric to its query.
    pub fn start_controllers(&self, start_up: StartUp, external: BTreeMap<String, String>) {
        let workloads = Workloads::new(self.server.clone(), start_up, self.seed);
        tokio::spawn(workloads.run(self.controllers.clone()));
        let prometheus = self.prometheus.clone();
        let read = move |_: &str, metric: &str| prometheus.value(external.get(metric)?);
        let hpas = HpaController::new(self.server.clone(), Arc::new(read));
        tokio::spawn(hpas.run(self.controllers.clone()));
    }

    /// Starts the real operator with a tick every `interval`; only its clock, its API server and the way to its metric
    /// sources are the sandbox's.
    pub fn start_operator(&self, interval: Span) -> RunningOperator {
        let (stop, cut) = (CancellationToken::new(), CancellationToken::new());
        let (metrics, registry) = Metrics::register();
        let settings = Settings {
            interval,
            watch_namespaces: Vec::new(),
            namespace: OPERATOR_NAMESPACE.to_owned(),
            lease_name: "foresail".to_owned(),
            identity: "foresail-0".to_owned(),
            price_book: self.price_book.clone().map(Arc::new),
        };
        let outside = Outside {
            client: self.server.client_until(cut.clone()),
            clock: self.clock.clone(),
            pool: SourcePool::within(Arc::new(self.prometheus.clone())),
            listener: None,
            decisions: self.decisions.clone(),
            metrics: (metrics, Arc::clone(&registry)),
        };
        let task = tokio::spawn(operator::run(settings, outside, stop.clone()));
        RunningOperator { stop, cut, task, registry }
    }

    /// Lets time pass until the clock shows `at`.
    pub async fn play_until(&self, at: Timestamp) {
        tokio::time::sleep_until(self.clock.instant_of(at)).await;
    }

    /// Lets `span` of time pass.
    pub async fn play(&self, span: Span) {
        self.play_until(self.clock.now().plus(span)).await;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.controllers.cancel();
    }
}

impl RunningOperator {
    /// What a scrape of it gives now.
    pub fn scrape(&self) -> String {
        encode(&self.registry).unwrap_or_default()
    }

    /// Ends it as SIGTERM does, and waits for its end.
    ///
    /// # Errors
    /// What `operator::run` ended with.
    pub async fn stop(self) -> std::io::Result<()> {
        self.stop.cancel();
        self.task.await.unwrap_or(Ok(()))
    }

    /// Ends it as a crash of its node does: not another word reaches the API server, not even a goodbye.
    pub fn kill(self) {
        self.cut.cancel();
        self.stop.cancel();
        self.task.abort();
    }
}

fn node(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": {},
    })
}
