//! The price that a plan reckons with, where the spec asks for it: by its query, by the price book, or as `--price`
//! states it.

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::autoscaler::Autoscaler;
use crate::api;
use crate::metrics::{SourceClient, SourceSettings};
use crate::operator::pricing;
use crate::policy::{PodCost, Price, PriceBook, SpendRule, Unpriceable};
use crate::units::{PricePerReplicaHour, ResourceAmount, Timestamp};

/// `cpu=500m,memory=1Gi`: what a pod requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct PodRequests(PodCost);

impl PodRequests {
    /// Parses `cpu=500m,memory=1Gi`; one of them may be left out.
    pub(in crate::cli) fn parse(text: &str) -> Result<Self, String> {
        let (mut cpu, mut memory) = (None, None);
        for part in text.split(',') {
            let (name, amount) = part.split_once('=').unwrap_or((part, ""));
            let slot = match name.trim() {
                "cpu" => &mut cpu,
                "memory" => &mut memory,
                _ => return Err("write it as `cpu=500m,memory=1Gi`".to_owned()),
            };
            let amount = ResourceAmount::parse(amount.trim());
            *slot = Some(amount.ok_or("write quantities as Kubernetes does, as `cpu=500m,memory=1Gi`")?);
        }
        Ok(Self(PodCost::stated(cpu, memory)))
    }
}

/// Parses the price of a replica for an hour.
pub(super) fn parse(text: &str) -> Result<PricePerReplicaHour, String> {
    PricePerReplicaHour::parse(text).map_err(|error| error.to_string())
}

/// What the command line knows of prices.
pub(in crate::cli) struct Given<'a> {
    /// `--price`.
    pub(in crate::cli) price: Option<PricePerReplicaHour>,
    /// `--price-book`.
    pub(in crate::cli) book: Option<&'a PriceBook>,
    /// `--pod-requests`.
    pub(in crate::cli) requests: Option<&'a PodRequests>,
    /// `--prometheus`, and the instant at which the price is asked for.
    pub(in crate::cli) server: Option<(&'a SourceSettings, Timestamp)>,
}

/// Puts the price into the autoscaler's policy, where its spec asks for one, and says where it is from.
///
/// # Errors
/// When the price cannot be known, with what to add.
pub(in crate::cli) fn settle(
    autoscaler: &mut Autoscaler,
    given: &Given<'_>,
) -> anyhow::Result<Option<String>> {
    let Some(SpendRule { price: Price::Unknown(_), currency, .. }) = &autoscaler.policy.spend else {
        if given.price.is_some() || given.requests.is_some() {
            bail!(
                "--price and --pod-requests stand for spend.priceQuery and spend.priceBook, which the autoscaler does not have: use --set spend.pricePerReplicaHour=VALUE"
            );
        }
        return Ok(None);
    };
    let (price, from) = match given.price {
        Some(price) => (price, "as --price states it".to_owned()),
        None if api::by_price_book(&autoscaler.object.spec) => by_book(autoscaler, currency, given)?,
        None => by_query(autoscaler, given.server)?,
    };
    let note = format!("a replica costs {price} {currency} an hour, {from}: the plan takes it to stay so");
    if let Some(rule) = &mut autoscaler.policy.spend {
        rule.price = price.into();
    }
    Ok(Some(note))
}

fn by_book(
    autoscaler: &Autoscaler,
    currency: &str,
    given: &Given<'_>,
) -> anyhow::Result<(PricePerReplicaHour, String)> {
    let Some(book) = given.book else {
        bail!("spec.spend.priceBook: no price book is given: add --price-book FILE, or --price VALUE");
    };
    api::in_currency(book, currency).map_err(|error| anyhow::anyhow!("{error}"))?;
    let named = &autoscaler.object.spec.scale_target_ref;
    let target = (named.kind.as_str(), named.name.as_str(), autoscaler.namespace.as_str());
    let Some(pod) = pod_of(target, &autoscaler.others, given.requests) else {
        bail!(
            "spec.spend.priceBook: what the pods request is not known: add -f FILE that has {} `{}`, or --pod-requests cpu=500m,memory=1Gi",
            named.kind,
            named.name
        );
    };
    let pod = pod.context("spec.spend.priceBook")?;
    let (price, rate) = book.price(&pod).context("spec.spend.priceBook")?;
    Ok((price, format!("by the {} of the price book", rate.name())))
}

/// The pods of the target of that kind, name and namespace: as they are stated, or as its manifest among `manifests` has
/// them; one without a namespace is of every one. `None` where neither is given.
pub(in crate::cli) fn pod_of<'a>(
    (kind, name, namespace): (&str, &str, &str),
    manifests: impl IntoIterator<Item = &'a Value>,
    stated: Option<&PodRequests>,
) -> Option<Result<PodCost, Unpriceable>> {
    if let Some(PodRequests(stated)) = stated {
        return Some(Ok(stated.clone()));
    }
    let is_target = |manifest: &&Value| {
        let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str);
        text("/kind") == Some(kind)
            && text("/metadata/name") == Some(name)
            && text("/metadata/namespace").is_none_or(|its| its == namespace)
    };
    manifests.into_iter().find(is_target).map(PodCost::of_workload)
}

fn by_query(
    autoscaler: &Autoscaler,
    server: Option<(&SourceSettings, Timestamp)>,
) -> anyhow::Result<(PricePerReplicaHour, String)> {
    let Some((query, max_age)) = api::price_query(&autoscaler.object.spec) else {
        bail!("spec.spend: nothing says what a replica costs: add --price VALUE");
    };
    let Some((server, at)) = server else {
        bail!(
            "spec.spend.priceQuery: there is no server to ask: add --price VALUE, or --prometheus URL instead of --history"
        );
    };
    let client = SourceClient::new(server.clone())?;
    let asked = pricing::question(query.promql, at, max_age);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let remedy = "correct spec.spend.priceQuery, or add --price VALUE";
    let (digits, _) = runtime
        .block_on(client.exact(&asked))
        .map_err(|problem| anyhow::anyhow!("spec.spend.priceQuery: {problem}: {remedy}"))?;
    let price = PricePerReplicaHour::told(&digits).map_err(|_| {
        anyhow::anyhow!("spec.spend.priceQuery: `{digits}` is no price greater than zero: {remedy}")
    })?;
    Ok((price, "as spend.priceQuery gives it".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_stated_as_kubernetes_writes_them() {
        assert!(PodRequests::parse("cpu=500m,memory=1Gi").is_ok());
        assert!(PodRequests::parse("cpu=2").is_ok());
        for text in ["", "cpu", "cpu=many", "gpu=1", "cpu=1;memory=1Gi"] {
            assert!(PodRequests::parse(text).is_err(), "{text}");
        }
    }
}
