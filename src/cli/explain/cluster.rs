//! An autoscaler of the cluster with all that its decisions are made by, to make one of them again.

use anyhow::{Context as _, bail};
use kube::api::Api;
use serde_json::Value;

use crate::api::{CapacityStatus, DemandCalendar, MetricSource, PredictiveAutoscaler, SpendBudget};
use crate::cli::cluster::{Cluster, on_cluster};
use crate::cli::plan::autoscaler::{self, Autoscaler};
use crate::cli::server::{self, Asker, Header};
use crate::edge::client::{READ_DEADLINE, within};
use crate::metrics::SourceSettings;
use crate::operator::actuate::{ScaleTarget, Targets};
use crate::operator::report;
use crate::policy::CapacityRule;
use crate::units::{CapacityPerReplica, Span, parse_quantity};

/// The autoscaler `name`, and the server that has its history: the one at `url`, else that of its `MetricSource`.
///
/// # Errors
/// What cannot be read of the cluster, or does not say which server to ask.
pub(super) fn read(
    name: &str,
    namespace: Option<String>,
    (url, asker): (Option<String>, &Asker),
) -> anyhow::Result<(Autoscaler, SourceSettings)> {
    on_cluster(namespace, async |cluster| {
        let object = cluster.autoscaler(name).await?;
        let calendars = calendars(&cluster, &object).await?;
        let budgets = budget(&cluster, &object).await;
        let mut autoscaler = autoscaler::of(object, &calendars, &budgets)?;
        if let Some(lead) = autoscaler.object.status.as_ref().and_then(|status| status.lead_time.as_deref())
            && autoscaler.object.spec.forecast.lead_time.is_none()
        {
            autoscaler.policy.lead = Span::parse(lead).unwrap_or(autoscaler.policy.lead);
        }
        capacities(&cluster, &mut autoscaler).await?;
        let (url, tenant) = ask_at(&cluster, &mut autoscaler, url).await?;
        Ok((autoscaler, asker.server(&url, tenant)?))
    })
}

async fn calendars(cluster: &Cluster, object: &PredictiveAutoscaler) -> anyhow::Result<Vec<DemandCalendar>> {
    let api: Api<DemandCalendar> = Api::namespaced(cluster.client(), &cluster.namespace);
    let mut found = Vec::new();
    for named in &object.spec.calendar_refs {
        let calendar = within(READ_DEADLINE, api.get(&named.name)).await;
        found.push(calendar.with_context(|| format!("the DemandCalendar `{}`", named.name))?);
    }
    Ok(found)
}

/// The budget that is named; nothing where it cannot be read, which is said with the answer.
async fn budget(cluster: &Cluster, object: &PredictiveAutoscaler) -> Vec<SpendBudget> {
    let named = object.spec.spend.as_ref().and_then(|spend| spend.budget_ref.as_ref());
    let Some(named) = named else { return Vec::new() };
    let api: Api<SpendBudget> = Api::all(cluster.client());
    within(READ_DEADLINE, api.get(&named.name)).await.into_iter().collect()
}

/// Capacities that no manifest states: what is learned, as the status has it, and what the pods request.
async fn capacities(cluster: &Cluster, autoscaler: &mut Autoscaler) -> anyhow::Result<()> {
    let Autoscaler { object, policy, namespace, .. } = autoscaler;
    let workload = if policy.metrics.iter().any(|rule| rule.capacity == CapacityRule::PodRequests) {
        let target = ScaleTarget::named(&object.spec.scale_target_ref, namespace);
        Targets::new(cluster.client()).object(&target).await?.data
    } else {
        Value::Null
    };
    let learned: &[CapacityStatus] = object.status.as_ref().map_or(&[], |status| &status.capacity);
    for (rule, metric) in policy.metrics.iter_mut().zip(&object.spec.metrics) {
        let capacity = match rule.capacity {
            CapacityRule::Stated(_) => continue,
            CapacityRule::Learned => {
                let said = learned.iter().find(|one| one.metric == rule.name);
                said.and_then(|one| parse_quantity(one.per_replica.as_deref()?).ok())
            }
            CapacityRule::PodRequests => {
                metric.kind.resource().and_then(|resource| report::pod_requests(&workload, resource))
            }
        };
        let Some(capacity) = capacity.and_then(CapacityPerReplica::new) else {
            bail!(
                "metric `{}`: what a replica serves is not known: wait until status.capacity says so, or state requests in the pods",
                rule.name
            );
        };
        rule.capacity = CapacityRule::Stated(capacity);
    }
    Ok(())
}

/// Puts the queries as their sources have them sent; the server that they go to, and the tenant that these name.
async fn ask_at(
    cluster: &Cluster,
    autoscaler: &mut Autoscaler,
    url: Option<String>,
) -> anyhow::Result<(String, Option<Header>)> {
    let api: Api<MetricSource> = Api::all(cluster.client());
    let mut sources: Vec<MetricSource> = Vec::new();
    for query in &autoscaler.queries {
        let found = within(READ_DEADLINE, api.get(&query.source)).await;
        match found {
            Ok(source) => sources.push(source),
            // Without it the labels that it puts into queries are not known; the user says where to ask.
            Err(_) if url.is_some() => {}
            Err(error) => {
                return Err(error).context(format!(
                    "the MetricSource `{}` could not be read: add --prometheus URL",
                    query.source
                ));
            }
        }
    }
    let tenant = server::through(autoscaler, &sources)?;
    let mut urls: Vec<String> = sources.into_iter().map(|source| source.spec.url).collect();
    urls.sort();
    urls.dedup();
    match (url, urls.as_slice()) {
        (Some(url), _) => Ok((url, tenant)),
        (None, [one]) => Ok((one.clone(), tenant)),
        (None, _) => {
            bail!("the metrics have several sources: add --prometheus URL of one that has all of them")
        }
    }
}
