//! An operator without its loops, on the fake API server: autoscalers in namespace `shop`, each with a Deployment of its
//! name, and the sources that they ask.

use std::sync::{Arc, Mutex};

use kube::ResourceExt as _;
use kube::runtime::reflector::{self, Store};
use kube::runtime::watcher::Event;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Duration, Instant};

use super::FakeApi;
use crate::api::{MetricSource, PredictiveAutoscaler};
use crate::edge::clock::ManualClock;
use crate::metrics::{SourcePool, SourceSettings};
use crate::operator::actuate::Targets;
use crate::operator::lease::Leadership;
use crate::operator::pace::StatusBucket;
use crate::operator::{Context, Settings};
use crate::telemetry::decisions::DecisionLog;
use crate::telemetry::events;
use crate::telemetry::metrics::Metrics;
use crate::units::{Span, Timestamp};

/// What the clock shows first, a whole minute.
pub(crate) const START: Timestamp = Timestamp::from_seconds(1_700_000_040);

/// The parts, and a lead that does not run out.
pub(crate) struct Rig {
    pub(crate) api: FakeApi,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) ctx: Arc<Context>,
    pub(crate) leadership: watch::Receiver<Leadership>,
    lead: watch::Sender<Leadership>,
    registry: Arc<Registry>,
}

/// An autoscaler in mode Active on the Deployment of its name; `edit` merges into its spec.
pub(crate) fn autoscaler(name: &str, source: &str, edit: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "foresail.dev/v1alpha1",
        "kind": "PredictiveAutoscaler",
        "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}"), "generation": 1},
        "spec": {
            "mode": "Active",
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": 1,
            "maxReplicas": 50,
            "sourceRef": {"name": source},
            "metrics": [{
                "name": "demand", "type": "Prometheus", "query": "sum(demand)",
                "capacityPerReplica": "100", "prediction": "Disabled",
            }],
            "forecast": {"leadTime": "1m"},
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
        },
    });
    super::merge(&mut object["spec"], edit);
    object
}

impl Rig {
    /// Everything in place; each Deployment asks for five replicas and has them.
    pub(crate) fn new(autoscalers: &[Value], sources: Vec<SourceSettings>) -> Self {
        let api = FakeApi::default();
        let clock = Arc::new(ManualClock::at(START));
        for object in autoscalers {
            let name = object["metadata"]["name"].as_str().unwrap();
            api.put(&path_of(name), object.clone());
            let deployment = json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": name, "namespace": "shop", "uid": format!("target-{name}")},
                "spec": {"replicas": 5}, "status": {"replicas": 5, "readyReplicas": 5},
            });
            api.put(&format!("/apis/apps/v1/namespaces/shop/deployments/{name}"), deployment);
        }
        let pool = SourcePool::new();
        let mut objects = Vec::new();
        for source in sources {
            let spec = json!({"url": source.url});
            objects.push(MetricSource::new(&source.name, serde_json::from_value(spec).unwrap()));
            pool.set(source).unwrap();
        }
        let read = |object: &Value| serde_json::from_value(object.clone()).unwrap();
        let (metrics, registry) = Metrics::register();
        let client = api.client();
        let (sink, publisher) =
            events::channel(client.clone(), "rig", Arc::<ManualClock>::clone(&clock), &metrics);
        tokio::spawn(publisher.run());
        let ctx = Arc::new(Context {
            settings: Settings {
                interval: Span::from_seconds(15),
                watch_namespaces: Vec::new(),
                namespace: "foresail".to_owned(),
                lease_name: "foresail".to_owned(),
                identity: "rig".to_owned(),
                price_book: None,
            },
            targets: Targets::new(client.clone()),
            client,
            clock: Arc::<ManualClock>::clone(&clock),
            pool: Arc::new(pool),
            fits: crate::operator::context::fits(),
            writes: Mutex::new(StatusBucket::full(Instant::now())),
            autoscalers: vec![cache::<PredictiveAutoscaler>(autoscalers.iter().map(read).collect())],
            calendars: vec![cache(Vec::new())],
            quotas: vec![cache(Vec::new())],
            budget_specs: cache(Vec::new()),
            budgets: crate::operator::budgets::Budgets::default(),
            sources: cache(objects),
            sources_known: watch::channel(true).1,
            metrics: Arc::new(metrics),
            events: sink,
            decisions: DecisionLog::off(),
        });
        let (lead, leadership) = watch::channel(leading(1));
        Self { api, clock, ctx, leadership, lead, registry }
    }

    /// Another leadership from now on.
    pub(crate) fn lead(&self, leadership: Leadership) {
        self.lead.send_replace(leadership);
    }

    /// This process leads under `epoch`.
    pub(crate) fn lead_under(&self, epoch: u64) {
        self.lead(leading(epoch));
    }

    /// What `/metrics` shows.
    pub(crate) fn shown(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text
    }

    /// The autoscaler as it is stored now.
    pub(crate) fn object(&self, name: &str) -> PredictiveAutoscaler {
        serde_json::from_value(self.api.get(&path_of(name)).unwrap()).unwrap()
    }

    /// Replicas that the Deployment asks for.
    pub(crate) fn asked(&self, name: &str) -> u64 {
        let path = format!("/apis/apps/v1/namespaces/shop/deployments/{name}");
        self.api.get(&path).unwrap()["spec"]["replicas"].as_u64().unwrap()
    }

    /// Every write to a Deployment, its scale or an HPA that the server was asked for.
    pub(crate) fn writes_to_workloads(&self) -> Vec<String> {
        let is_write =
            |line: &String| ["PUT ", "PATCH ", "POST ", "DELETE "].iter().any(|verb| line.starts_with(verb));
        let is_workload = |line: &String| line.contains("/apis/apps/") || line.contains("/apis/autoscaling/");
        self.api.log().into_iter().filter(|line| is_write(line) && is_workload(line)).collect()
    }

    /// Reason and note of every Event so far.
    pub(crate) async fn events(&self) -> Vec<(String, String)> {
        // The publisher is a task of this runtime and the fake answers at once.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let body = |line: String| {
            let (_, body) = line.strip_prefix("POST /apis/events.k8s.io/")?.split_once(' ')?;
            let event: Value = serde_json::from_str(body).ok()?;
            Some((event["reason"].as_str()?.to_owned(), event["note"].as_str()?.to_owned()))
        };
        self.api.log().into_iter().filter_map(body).collect()
    }

    /// Status, reason and message of a condition.
    pub(crate) fn condition(&self, name: &str, kind: &str) -> (String, String, String) {
        let status = self.object(name).status.unwrap_or_default();
        let found = status.conditions.into_iter().find(|one| one.type_ == kind);
        let found = found.unwrap_or_else(|| panic!("`{name}` has no condition {kind}"));
        (found.status, found.reason, found.message)
    }
}

/// Leads under `epoch` for an hour.
fn leading(epoch: u64) -> Leadership {
    Leadership::Leading { epoch, valid_until: Instant::now() + Duration::from_hours(1) }
}

fn path_of(name: &str) -> String {
    format!("/apis/foresail.dev/v1alpha1/namespaces/shop/predictiveautoscalers/{name}")
}

fn cache<K>(objects: Vec<K>) -> Store<K>
where
    K: kube::Resource<DynamicType = ()> + Clone + 'static,
{
    let (store, mut writer) = reflector::store();
    writer.apply_watcher_event(&Event::Init);
    for object in objects {
        assert!(!object.name_any().is_empty());
        writer.apply_watcher_event(&Event::InitApply(object));
    }
    writer.apply_watcher_event(&Event::InitDone);
    store
}
