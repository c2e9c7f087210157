//! Drives one HPA from value to value. A value stands until the replicas it leads to are complete and a further request
//! has changed nothing, so that no decision is made on a scale that is still moving.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use serde_json::{Value, json};

use super::TARGET_MILLI;
use crate::control_plane::ControlPlane;
use crate::control_plane::manifests::deployment;

const TARGET: &str = "shop";
const METRIC: &str = "demand";
/// The longest step waits for a window of 15 s; a busy machine makes the HPA's seconds longer.
const STEP_TIMEOUT: Duration = Duration::from_secs(90);
/// Rate policies and windows of these HPAs look back so far.
const LOOK_BACK: SignedDuration = SignedDuration::from_secs(15);
/// Clocks of two processes are read some time apart: no decision is made so near to the end of a look back.
const UNCLEAR: SignedDuration = SignedDuration::from_millis(50);
/// From the answer to a request until the HPA has noted its recommendation.
const NOTED_WITHIN: SignedDuration = SignedDuration::from_millis(350);
/// From the answer to a request until the HPA's write, if it makes one, shows; only a step whose value is about to be
/// replaced waits for it.
const WRITTEN_WITHIN: SignedDuration = SignedDuration::from_millis(300);

/// A value for the HPA, in thousandths, and how long it stands.
pub(super) struct Step {
    pub(super) value_milli: Option<u64>,
    pub(super) until: Until,
}

/// When a step is over, once the replicas are complete.
pub(super) enum Until {
    /// At once.
    Settled,
    /// After so many requests.
    Requests(usize),
    /// When so many replicas are asked for.
    Replicas(u32),
}

/// One HPA with its own namespace, Deployment and metric.
pub(super) struct Lane {
    pub(super) namespace: &'static str,
    /// The HPA's `behavior`.
    pub(super) behavior: Value,
    /// Whether stabilisation windows look back on each decision.
    pub(super) windowed: bool,
    /// Replicas to begin with.
    pub(super) first: u32,
    /// The next step from the replicas that stand; `None` at the end.
    pub(super) steps: Box<dyn FnMut(u32) -> Option<Step>>,
}

/// What a lane did.
pub(super) struct Driven {
    pub(super) namespace: &'static str,
    pub(super) behavior: Value,
    /// Every value that was set, in order.
    pub(super) values: Vec<Option<u64>>,
}

/// What is known of the target and of the requests at one instant.
#[derive(Clone, Copy, PartialEq)]
struct Look {
    at: Timestamp,
    asked: u32,
    settled: bool,
    n_served: usize,
}

impl Lane {
    /// Runs every step.
    pub(super) async fn drive(self, plane: &ControlPlane, client: kube::Client) -> Driven {
        let Self { namespace, behavior, windowed, first, mut steps } = self;
        let watched = Watched { plane, deployments: Api::namespaced(client, namespace), namespace, windowed };
        watched.prepare(first, &behavior).await;
        let (mut look, mut values) = (watched.look().await, vec![Some(TARGET_MILLI * u64::from(first))]);
        look = watched.stand(look, &Until::Settled).await;
        while let Some(Step { value_milli, until }) = steps(look.asked) {
            watched.set(value_milli);
            values.push(value_milli);
            look = watched.stand(Look { n_served: watched.n_served(), ..look }, &until).await;
        }
        plane.kubectl(&["delete", "hpa", TARGET, "-n", namespace]);
        plane.kubectl(&["delete", "deployment", TARGET, "-n", namespace, "--wait=false"]);
        Driven { namespace, behavior, values }
    }
}

struct Watched<'a> {
    plane: &'a ControlPlane,
    deployments: Api<Deployment>,
    namespace: &'static str,
    windowed: bool,
}

impl Watched<'_> {
    /// A complete Deployment whose pods no scheduler looks at, and then the HPA.
    async fn prepare(&self, first: u32, behavior: &Value) {
        let namespace = self.plane.namespace(self.namespace);
        let mut target = deployment(namespace, TARGET, first, "1s");
        target["spec"]["template"]["spec"]["schedulerName"] = json!("nobody");
        self.plane.apply(&target);
        self.plane
            .eventually("the first replicas", STEP_TIMEOUT, async || {
                let look = self.look().await;
                (look.settled && look.asked == first).then_some(())
            })
            .await;
        self.set(Some(TARGET_MILLI * u64::from(first)));
        let external = json!({
            "metric": { "name": METRIC },
            "target": { "type": "AverageValue", "averageValue": format!("{TARGET_MILLI}m") },
        });
        self.plane.apply(&json!({
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": { "name": TARGET, "namespace": namespace },
            "spec": {
                "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": TARGET },
                "minReplicas": 1,
                "maxReplicas": 60,
                "metrics": [{ "type": "External", "external": external }],
                "behavior": behavior,
            },
        }));
    }

    fn set(&self, value_milli: Option<u64>) {
        let metrics = self.plane.external_metrics();
        match value_milli {
            Some(milli) => metrics.set(self.namespace, METRIC, &format!("{milli}m")),
            None => metrics.remove(self.namespace, METRIC),
        }
    }

    fn n_served(&self) -> usize {
        self.plane.external_metrics().served(self.namespace).len()
    }

    /// The requests are counted first, so that the scale is at least as new.
    async fn look(&self) -> Look {
        let n_served = self.n_served();
        let at = Timestamp::now();
        let scale = self.deployments.get_scale(TARGET).await.expect("the Deployment has a scale");
        let asked = scale.spec.and_then(|spec| spec.replicas).unwrap_or(0);
        let status = scale.status.map_or(0, |status| status.replicas);
        let asked = u32::try_from(asked).expect("a count of replicas");
        Look { at, asked, settled: i64::from(asked) == i64::from(status), n_served }
    }

    /// Waits until `until` holds, the replicas are complete, and a request that began after that has ended without a
    /// change, which the request after it shows. Meanwhile keeps the HPA from deciding at instants at which it is unclear
    /// what its rate policies and windows still see.
    async fn stand(&self, begun: Look, until: &Until) -> Look {
        let mut last = begun;
        let mut unchanged_since = begun;
        let what = format!("the HPA of {} to settle", self.namespace);
        self.plane
            .eventually(&what, STEP_TIMEOUT, async || {
                let look = self.look().await;
                self.pause_where_unclear(last, look);
                if (look.asked, look.settled) != (unchanged_since.asked, unchanged_since.settled) {
                    unchanged_since = look;
                }
                last = look;
                let reached = match until {
                    Until::Settled => true,
                    Until::Requests(n) => look.n_served >= begun.n_served + n,
                    Until::Replicas(n) => look.asked == *n,
                };
                let quiet = look.n_served >= unchanged_since.n_served + 2 && self.is_written(look.at);
                (reached && look.settled && quiet).then_some(look)
            })
            .await
    }

    fn is_written(&self, now: Timestamp) -> bool {
        let served = self.plane.external_metrics().served(self.namespace);
        served.last().is_some_and(|newest| now.duration_since(newest.at) >= WRITTEN_WITHIN)
    }

    fn pause_where_unclear(&self, before: Look, now: Look) {
        let metrics = self.plane.external_metrics();
        let served = metrics.served(self.namespace);
        if self.windowed {
            for served in served.iter().skip(before.n_served) {
                let noted = served.at + LOOK_BACK;
                metrics.pause(self.namespace, noted - UNCLEAR, noted + NOTED_WITHIN);
            }
        }
        if before.asked != now.asked
            && let Some(cause) = served.iter().rfind(|served| served.at <= now.at)
        {
            metrics.pause(self.namespace, cause.at + LOOK_BACK - UNCLEAR, now.at + LOOK_BACK + UNCLEAR);
        }
    }
}
