//! What an autoscaler has spent where every status was lost: from the operator's own series, as a source scraped them.

use super::Purse;
use crate::api::PredictiveAutoscaler;
use crate::edge::clock::from_jiff;
use crate::engine::Memory;
use crate::metrics::HistoryQuery;
use crate::operator::context::Context;
use crate::operator::signal::{Query, Signal};
use crate::policy::{Policy, SpendRule};
use crate::units::{Span, Step, Timestamp};

/// How long the series may take.
const DEADLINE: Span = Span::from_seconds(5);

/// The way of an autoscaler to its budget; at its first tick in this process with what the operator's own series tell,
/// where every status was lost.
pub async fn purse(
    ctx: &Context,
    (object, policy, signals): (&PredictiveAutoscaler, &Policy, &[Signal]),
    (first, now): (bool, Timestamp),
) -> Option<Purse> {
    let mut purse = ctx.budgets.purse(ctx, object, policy)?;
    if first {
        let asked = signals.first().map(Signal::query);
        from_series((ctx, &mut purse), (object, policy), (asked, now)).await;
    }
    Some(purse)
}

/// Makes up what the autoscaler spent in the period, where neither its own status nor the budget's tells it. Minutes
/// that were not scraped count as the most that was. Without the series what stands counts, as ever.
async fn from_series(
    (ctx, purse): (&Context, &mut Purse),
    (object, policy): (&PredictiveAutoscaler, &Policy),
    (first, now): (Option<&Query>, Timestamp),
) {
    let stored = object.status.as_ref().and_then(|status| status.memory.as_ref()).map(Memory::read);
    let known = stored.is_some_and(|memory| memory.track.is_some() || memory.shadow.is_some());
    let (Some(SpendRule { price, .. }), Some(asked)) = (&policy.spend, first) else { return };
    if known || purse.recalled.is_some() || asked.refused.is_some() {
        return;
    }
    let Some(stretch) = ctx.budgets.period(ctx, &purse.budget, now) else { return };
    let made = object.metadata.creation_timestamp.as_ref().map_or(now, |time| from_jiff(time.0));
    let step = Step::MINUTE;
    let (from, to) = (stretch.start.max(made).floor_to(step).plus(step.span()), now.floor_to(step));
    if from >= to {
        return;
    }
    let Some((namespace, name)) = purse.key.split_once('/') else { return };
    let promql = format!("max(foresail_asked_replicas{{namespace=\"{namespace}\",name=\"{name}\"}})");
    let query = HistoryQuery { promql, from, to, step, max_age: Span::from_minutes(2), deadline: DEADLINE };
    let Ok(samples) = ctx.pool.history(&asked.source, &query).await else { return };
    let counts: Vec<u64> =
        samples.iter().filter_map(|(_, value)| format!("{value:.0}").parse().ok()).collect();
    let Some(most) = counts.iter().max() else { return };
    let minutes = to.since(from).seconds() / step.span().seconds() + 1;
    let missing = minutes.saturating_sub(u64::try_from(counts.len()).unwrap_or(u64::MAX));
    let sum: u64 = counts.iter().sum::<u64>().saturating_add(missing.saturating_mul(*most));
    let spent = price.of_replica_seconds(sum.saturating_mul(step.span().seconds()));
    purse.recalled = Some((spent, to));
}
