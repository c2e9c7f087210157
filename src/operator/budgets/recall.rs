//! What an autoscaler has spent where every status was lost: from the operator's own series, as a source scraped them.

use super::{Purse, made};
use crate::api::PredictiveAutoscaler;
use crate::engine::Memory;
use crate::metrics::HistoryQuery;
use crate::operator::context::Context;
use crate::operator::signal::{Query, Signal};
use crate::operator::status::memory_of;
use crate::policy::{Policy, SpendRule};
use crate::units::{Span, Step, Timestamp, whole};

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
    let known = memory_of(object).as_ref().is_some_and(Memory::has_decided);
    let (Some(SpendRule { price, .. }), Some(asked)) = (&policy.spend, first) else { return };
    let Some(price) = price.reckoned() else { return };
    if known || purse.recalled.is_some() || asked.refused.is_some() {
        return;
    }
    let Some(stretch) = ctx.budgets.period(ctx, &purse.budget, now) else { return };
    let step = Step::MINUTE;
    let (from, to) =
        (stretch.start.max(made(object, now)).floor_to(step).plus(step.span()), now.floor_to(step));
    if from >= to {
        return;
    }
    let Some((namespace, name)) = purse.key.split_once('/') else { return };
    let promql = format!("max(foresail_asked_replicas{{namespace=\"{namespace}\",name=\"{name}\"}})");
    let query = HistoryQuery { promql, from, to, step, max_age: Span::from_minutes(2), deadline: DEADLINE };
    let Ok(samples) = ctx.pool.history(&asked.source, &query).await else { return };
    let counts: Vec<u64> = samples.iter().filter_map(|(_, value)| whole(*value)).collect();
    let Some(most) = counts.iter().max() else { return };
    let minutes = to.since(from).seconds() / step.span().seconds() + 1;
    let missing = minutes.saturating_sub(u64::try_from(counts.len()).unwrap_or(u64::MAX));
    let sum: u64 = counts.iter().sum::<u64>().saturating_add(missing.saturating_mul(*most));
    let spent = price.of_replica_seconds(sum.saturating_mul(step.span().seconds()));
    purse.recalled = Some((spent, to));
}
