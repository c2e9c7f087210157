//! What an autoscaler has spent where every status was lost: from the operator's own series, as a source scraped them.

use tokio::time::{Instant, timeout_at};

use super::{Purse, made};
use crate::api::{MetricQuery, PredictiveAutoscaler};
use crate::decide::spend::Recalled;
use crate::engine::Memory;
use crate::metrics::HistoryQuery;
use crate::metrics::promql::quote;
use crate::operator::context::Context;
use crate::operator::signal::{Query, Signal};
use crate::operator::sources;
use crate::operator::status::memory_of;
use crate::policy::Policy;
use crate::units::{PricePerReplicaHour, Replicas, Span, Step, Timestamp, whole};

/// How long the series may take, where the tick allows it: the first tick of one autoscaler waits for them, and nobody
/// else.
const DEADLINE: Span = Span::from_seconds(10);
/// The grid on which they are read; what was scraped between two instants of it counts with the largest.
const STEP: Step = Step::MINUTE;

/// The way of an autoscaler to its budget; at its first tick in this process with what the operator's own series tell,
/// where every status was lost and they come before `until`.
pub async fn purse(
    ctx: &Context,
    (object, policy, signals): (&PredictiveAutoscaler, &Policy, &[Signal]),
    (first, now, until): (bool, Timestamp, Instant),
) -> Option<Purse> {
    let mut purse = ctx.budgets.purse(ctx, object, policy, now)?;
    let known = memory_of(object).as_ref().is_some_and(Memory::has_decided) || purse.recalled.is_some();
    let source = signals.first().map(|signal| signal.query().source.as_str());
    if let (true, false, Some(source)) = (first, known, source)
        && let Ok(Some(recalled)) =
            timeout_at(until, from_series((ctx, &purse, source), (object, policy), now)).await
    {
        tracing::info!(
            autoscaler = purse.key, budget = purse.budget, spent = %recalled.spent,
            "what was spent is made up from the operator's own series"
        );
        purse.recalled = Some(recalled);
    }
    Some(purse)
}

/// What the series of `source` tell of the period up to `now`; `None` where there are none.
async fn from_series(
    (ctx, purse, source): (&Context, &Purse, &str),
    (object, policy): (&PredictiveAutoscaler, &Policy),
    now: Timestamp,
) -> Option<Recalled> {
    let stretch = ctx.budgets.period(ctx, &purse.budget, now)?;
    let from = stretch.start.max(made(object, now));
    let span = (from.floor_to(STEP).plus(STEP.span()), now.floor_to(STEP));
    if span.0 > span.1 {
        return None;
    }
    let read = async |what: &str| {
        let query = own(ctx, (source, &purse.key), what)?;
        let (from, to) = span;
        let query = HistoryQuery {
            promql: query.promql,
            from,
            to,
            step: STEP,
            max_age: Span::from_minutes(2),
            deadline: DEADLINE,
        };
        ctx.pool.history(source, &query).await.ok()
    };
    let (counts, prices) = tokio::join!(read("charged_replicas"), read("replica_price"));
    let counts: Vec<(Timestamp, Replicas)> =
        counts?.iter().filter_map(|(at, value)| Some((*at, replicas(*value)?))).collect();
    let mut prices: Vec<(Timestamp, PricePerReplicaHour)> = prices?
        .iter()
        .filter_map(|(at, value)| Some((*at, PricePerReplicaHour::told(&value.to_string()).ok()?)))
        .collect();
    prices.extend(policy.spend.as_ref()?.price.reckoned().map(|price| (now, price)));
    Recalled::of_series(from, &counts, &prices)
}

fn replicas(value: f64) -> Option<Replicas> {
    whole(value).and_then(|count| u32::try_from(count).ok()).map(Replicas::new)
}

/// The question for one of the operator's own series, where `source` may be used at all. Where a scrape keeps the labels
/// of a target, those of the series are called `exported_..`.
fn own(ctx: &Context, (source, key): (&str, &str), what: &str) -> Option<Query> {
    let (namespace, name) = key.split_once('/')?;
    let (quoted, name) = (quote(namespace), quote(name));
    let series = format!("foresail_{what}{{name={name},");
    let promql = format!(
        "max(max_over_time({series}namespace={quoted},exported_namespace=\"\"}}[1m]) or max_over_time({series}exported_namespace={quoted}}}[1m]))"
    );
    let query = MetricQuery { metric: what.to_owned(), source: source.to_owned(), promql };
    let query = sources::question(query, ctx.source(source).as_deref(), namespace, None).ok()?;
    query.refused.is_none().then_some(query)
}
