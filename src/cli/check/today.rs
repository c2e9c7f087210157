//! What the capacity of a manifest means on the cluster today: what each ready replica of the target serves now.

use std::fmt;

use anyhow::Context as _;
use kube::api::Api;
use serde::Serialize;
use serde_json::Value;

use crate::api::{self, FieldError, MetricQuery, MetricSource, PredictiveAutoscaler, UseQuery};
use crate::cli::cluster::{Cluster, on_cluster};
use crate::cli::server::Asker;
use crate::decide::Reading;
use crate::decide::trail::Number;
use crate::edge::client::{READ_DEADLINE, within};
use crate::edge::clock::{Clock as _, SystemClock};
use crate::measure::Capacity;
use crate::metrics::{InstantQuery, SourceClient};
use crate::operator::actuate::{ScaleTarget, Targets};
use crate::operator::{report, sources};
use crate::units::{Span, Timestamp};

/// A number that is older is not of today's load: a query looks back no further either.
const MAX_AGE: Span = Span::from_minutes(5);

/// What a metric of a manifest comes to now.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Today {
    /// Kind and name, as `PredictiveAutoscaler/checkout`.
    object: String,
    metric: String,
    /// Replicas that serve.
    ready: u32,
    /// Demand now, over all of them.
    demand: f64,
    /// Demand of each.
    per_replica: Option<f64>,
    /// What the manifest says that each serves, or what its pods request.
    capacity: Option<f64>,
    /// How far they are used, where `learnedCapacity` asks.
    #[serde(rename = "use")]
    used: Option<f64>,
    /// What each would serve at the use that is allowed, in proportion.
    serves: Option<f64>,
    /// The use that is allowed.
    at: Option<f64>,
}

impl fmt::Display for Today {
    /// As `PredictiveAutoscaler/checkout: requests: now 20 replicas and 1400: 70.0 each, 58 % of the 120 you state`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { object, metric, ready, demand, per_replica, capacity, used, serves, at } = self;
        write!(f, "{object}: {metric}: now {ready} replicas and {}", Number(*demand))?;
        let Some(each) = per_replica else { return f.write_str(": none is ready to serve it") };
        write!(f, ": {} each", Number(*each))?;
        if let Some(capacity) = capacity {
            write!(f, ", {:.0} % of the {} you state", 100.0 * each / capacity, Number(*capacity))?;
            if each > capacity {
                f.write_str(" (more than they are said to serve: correct capacityPerReplica)")?;
            }
        }
        if let (Some(used), Some(at)) = (used, at) {
            write!(f, "; they are used to {:.0} %", 100.0 * used)?;
            if let Some(serves) = serves {
                write!(f, ", in proportion each serves {} at {:.0} %", Number(*serves), 100.0 * at)?;
            }
        }
        Ok(())
    }
}

/// Where metrics are asked for.
pub(super) struct Place<'a> {
    /// `-n`.
    pub(super) namespace: Option<String>,
    /// `--prometheus`, else the URL of the `MetricSource`.
    pub(super) url: Option<&'a str>,
    /// Who asks.
    pub(super) asker: &'a Asker,
}

/// What each autoscaler of `manifests` comes to now, by its position, or what stands in the way.
///
/// # Errors
/// When there is no way to a cluster.
pub(super) fn look(
    manifests: &[Value],
    place: Place<'_>,
) -> anyhow::Result<Vec<(usize, Result<Today, FieldError>)>> {
    let Place { namespace, url, asker } = place;
    on_cluster(namespace, async |cluster| {
        let mut found = Vec::new();
        for (i, manifest) in manifests.iter().enumerate() {
            let is_one = manifest.get("kind").and_then(Value::as_str) == Some("PredictiveAutoscaler");
            let Some(object) =
                serde_json::from_value::<PredictiveAutoscaler>(manifest.clone()).ok().filter(|_| is_one)
            else {
                continue;
            };
            let lines = Look { cluster: &cluster, manifests, url, asker }.of(&object).await;
            found.extend(lines.into_iter().map(|line| (i, line)));
        }
        Ok(found)
    })
}

struct Look<'a> {
    cluster: &'a Cluster,
    manifests: &'a [Value],
    url: Option<&'a str>,
    asker: &'a Asker,
}

impl Look<'_> {
    async fn of(&self, object: &PredictiveAutoscaler) -> Vec<Result<Today, FieldError>> {
        let namespace = object.metadata.namespace.clone().unwrap_or_else(|| self.cluster.namespace.clone());
        let target = ScaleTarget::named(&object.spec.scale_target_ref, &namespace);
        let (workload, ready) = match self.target(&target).await {
            Ok(read) => read,
            Err(error) => {
                let problem = report::chain(error.as_ref());
                let remedy = "correct it, or give the namespace with -n";
                return vec![Err(FieldError::new("spec.scaleTargetRef", problem, remedy))];
            }
        };
        let now = SystemClock.now();
        let mut lines = Vec::new();
        let uses = api::use_queries(&object.spec);
        for ((i, query), used) in api::metric_queries(&object.spec, &namespace).iter().enumerate().zip(uses) {
            let path = format!("spec.metrics[{i}]");
            let at_path = |(below, problem): (&str, String)| {
                let remedy = "try the query on the metric source, or name another with --prometheus URL";
                FieldError::new(format!("{path}.{below}"), problem, remedy)
            };
            let asked = self.demand_and_use((query, used.as_ref()), &namespace, now).await;
            lines.push(asked.map_err(at_path).map(|(demand, used_now)| {
                let metric = object.spec.metrics.get(i);
                let stated = metric.and_then(|metric| metric.capacity_per_replica.as_ref());
                let stated = stated.and_then(|stated| crate::units::parse_quantity(&stated.0).ok());
                let resource = metric.and_then(|metric| metric.kind.resource());
                let requested = resource.and_then(|resource| report::pod_requests(&workload, resource));
                let per_replica = (ready > 0).then(|| demand / f64::from(ready));
                let at = used.as_ref().map(|used| used.at.get());
                let part = |used: &f64| Some(per_replica? * at? / used);
                Today {
                    object: format!(
                        "PredictiveAutoscaler/{}",
                        object.metadata.name.as_deref().unwrap_or("?")
                    ),
                    metric: query.metric.clone(),
                    ready,
                    demand,
                    per_replica,
                    capacity: stated.or(requested),
                    used: used_now,
                    serves: used_now.filter(|used| *used > 0.0).as_ref().and_then(part),
                    at,
                }
            }));
        }
        lines
    }

    async fn target(&self, target: &ScaleTarget) -> anyhow::Result<(Value, u32)> {
        let targets = Targets::new(self.cluster.client());
        let scaled = targets.read_scale(target).await?;
        let object = targets.object(target).await?;
        let ready = targets.ready(target, &object, scaled.selector.as_deref()).await?;
        Ok((object.data, ready))
    }

    /// The demand of a metric and how far its replicas are used; or which field gave no number, and why.
    async fn demand_and_use(
        &self,
        (query, used): (&MetricQuery, Option<&UseQuery>),
        namespace: &str,
        now: Timestamp,
    ) -> Result<(f64, Option<f64>), (&'static str, String)> {
        let demand = self.number(query, namespace, now).await.map_err(|problem| ("query", problem))?;
        let Some(UseQuery { query, at: _ }) = used else { return Ok((demand, None)) };
        let path = "learnedCapacity.query";
        let used = self.number(query, namespace, now).await.map_err(|problem| (path, problem))?;
        if Capacity::is_share(used) {
            Ok((demand, Some(used)))
        } else {
            Err((path, format!("it gives {used}, and must give a share from 0 to 4, as 0.64 for 64 %")))
        }
    }

    async fn number(&self, query: &MetricQuery, namespace: &str, now: Timestamp) -> Result<f64, String> {
        let source = self.source(&query.source).await;
        let url = match (self.url, &source) {
            (Some(url), _) => url.to_owned(),
            (None, Ok(source)) => source.spec.url.clone(),
            (None, Err(problem)) => return Err(format!("{problem:#}")),
        };
        let source = source.ok();
        let asked = match &source {
            None => query.promql.clone(),
            Some(source) => {
                sources::question(query.clone(), Some(source), namespace, None)
                    .map_err(|error| error.problem)?
                    .promql
            }
        };
        let tenant = source.as_ref().and_then(|source| sources::tenant_of(&source.spec));
        let server = self.asker.server(&url, tenant).map_err(|error| format!("{error:#}"))?;
        let client = SourceClient::new(server).map_err(|error| error.to_string())?;
        let answer = client.instant(&InstantQuery { promql: asked, at: now, max_age: MAX_AGE }).await;
        match answer.reading {
            Reading::Value { value, .. } if value.is_finite() && value >= 0.0 => Ok(value),
            Reading::Value { value, .. } => Err(format!("it gives {value}, which is no demand")),
            Reading::Absent(absence) => {
                Err(format!("{url}: {}", answer.note.unwrap_or_else(|| absence.words().to_owned())))
            }
        }
    }

    /// The source of that name: among the manifests, else on the cluster.
    async fn source(&self, name: &str) -> anyhow::Result<MetricSource> {
        let stated = self.manifests.iter().find(|one| {
            one.get("kind").and_then(Value::as_str) == Some("MetricSource")
                && one.pointer("/metadata/name").and_then(Value::as_str) == Some(name)
        });
        if let Some(source) = stated.and_then(|source| serde_json::from_value(source.clone()).ok()) {
            return Ok(source);
        }
        let sources: Api<MetricSource> = Api::all(self.cluster.client());
        within(READ_DEADLINE, sources.get(name))
            .await
            .with_context(|| format!("the MetricSource `{name}` could not be read"))
    }
}
