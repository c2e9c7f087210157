//! What a `SpendBudget` is told about itself: what was spent, what is to come, what was withheld from whom.
//!
//! Written when a condition or the share that is paid for changes, and every minute for the numbers; only by the leader.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kube::{Resource as _, ResourceExt as _};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{open, seat_all};
use crate::api::{BudgetMemberStatus, FieldError, ProjectedStatus, SpendBudget, SpendBudgetStatus};
use crate::decide::spend::BudgetReport;
use crate::edge::clock::{from_jiff, to_jiff};
use crate::operator::conditions::{Claim, merge, patch_status, told};
use crate::operator::context::Context;
use crate::operator::lease::Leadership;
use crate::policy::{BudgetRule, OnExceed};
use crate::telemetry::budgets::BudgetNumbers;
use crate::telemetry::events::{ObjectEvent, Severity};
use crate::units::{Money, Replicas, Span, Timestamp};

/// How often budgets are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// Numbers alone are written this often.
const REFRESH_EVERY: Span = Span::from_minutes(1);
/// Members that are told by name.
const N_MEMBERS: usize = 64;

/// Reports on every budget until `stop`.
pub async fn run(ctx: Arc<Context>, leadership: watch::Receiver<Leadership>, stop: CancellationToken) {
    let mut known: BTreeSet<String> = BTreeSet::new();
    loop {
        if leadership.borrow().is_anothers() {
            for gone in std::mem::take(&mut known) {
                ctx.metrics.budgets.forget(&gone);
            }
        }
        let epoch = leadership.borrow().epoch(Instant::now());
        // What a member spent that is not known yet would count as spent by one that is gone.
        if let Some(epoch) = epoch.filter(|_| ctx.knows_members()) {
            ctx.budgets.lead_under(epoch);
            let budgets = ctx.budget_specs.state();
            let names: BTreeSet<String> = budgets.iter().map(|one| one.name_any()).collect();
            for gone in known.difference(&names) {
                ctx.budgets.books().remove(gone);
                ctx.metrics.budgets.forget(gone);
            }
            known = names;
            for budget in budgets {
                report(&ctx, &budget, &leadership).await;
            }
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Looks at one budget, and writes its status if that is worth it.
async fn report(ctx: &Context, budget: &SpendBudget, leadership: &watch::Receiver<Leadership>) {
    let now = ctx.clock.now();
    let old = budget.status.clone().unwrap_or_default();
    let looked = {
        let mut books = ctx.budgets.books();
        open(&mut books, ctx, budget, now).map_err(<[FieldError]>::to_vec).map(|book| {
            seat_all(ctx, budget, book, now);
            (book.rule().clone(), book.report(now))
        })
    };
    let generation = budget.metadata.generation;
    let (claims, mut new) = match &looked {
        Ok((rule, report)) => {
            ctx.metrics.budgets.show(&rule.name, &numbers(rule, report));
            (claims(rule, report), status_of(report, now))
        }
        Err(errors) => {
            let message = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            let invalid = Claim::new("SpecValid", false, "InvalidSpec", message);
            (vec![invalid], SpendBudgetStatus { conditions: Vec::new(), ..old.clone() })
        }
    };
    new.conditions = merge(&old.conditions, &claims, now, generation);
    new.observed_generation = generation;
    if looked.as_ref().is_ok_and(|(_, report)| !report.complete)
        || is_anothers(&ctx.settings.watch_namespaces, &old, &new)
        || !worth_writing(&old, &new, now)
        || !leadership.borrow().may_write(Instant::now())
    {
        return;
    }
    alert(ctx, budget, &new);
    if let Err(error) = patch_status::<SpendBudget>(&ctx.client, &budget.name_any(), &written(&new)).await {
        tracing::warn!(budget = budget.name_any(), %error, "the status of a budget could not be written");
    }
}

/// The conditions of a budget.
fn claims(rule: &BudgetRule, report: &BudgetReport) -> Vec<Claim> {
    let BudgetRule { amount, currency, on_exceed, .. } = rule;
    let BudgetReport { spent, overdrawn, remaining, projected: [_, expected, _], theta, feasible, .. } =
        report;
    let mut claims = vec![Claim::new("SpecValid", true, "Valid", "every field is valid")];
    claims.push(if *feasible {
        Claim::new("BudgetFeasible", true, "MinimaPaidFor", "minReplicas of every member are paid for until the period ends")
    } else {
        let message = format!(
            "{remaining} {currency} left are less than minReplicas of the members cost until the period ends: raise amount, or lower minReplicas"
        );
        Claim::new("BudgetFeasible", false, "MinimaNotPaidFor", message)
    });
    let regular = spent.less(*overdrawn);
    claims.push(if regular > *amount {
        let message = format!("{regular} {currency} were spent, the amount is {amount}");
        Claim::new("WithinBudget", false, "Exceeded", message)
    } else if expected.less(*overdrawn) > *amount {
        let message = format!(
            "{expected} {currency} will have been spent when the period ends, the amount is {amount}"
        );
        Claim::new("WithinBudget", false, "ProjectedToExceed", message)
    } else if *theta < crate::decide::spend::Theta::ONE {
        let growth =
            if *on_exceed == OnExceed::HoldGrowth { "withheld" } else { "only told, as onExceed is Warn" };
        let message = format!(
            "{remaining} {currency} left pay for {theta} of what is needed; growth beyond that is {growth}"
        );
        Claim::new("WithinBudget", true, "GrowthLimited", message)
    } else {
        let message = format!("{remaining} {currency} left pay for all that is needed until the period ends");
        Claim::new("WithinBudget", true, "AllPaidFor", message)
    });
    if report.n_unpriced > 0 {
        let message = format!(
            "the price of {} members was never known: they count as the dearest of the others, and grow to what present demand needs only",
            report.n_unpriced
        );
        claims.push(Claim::new("PricesKnown", false, "PriceUnknown", message));
    }
    if let Some(overdraft) = rule.overdraft {
        let used = *overdrawn > Money::ZERO;
        let reason = if used { "PresentDemandServed" } else { "NotUsed" };
        let message = format!("{overdrawn} of {} {currency} of the overdraft were spent", overdraft.amount);
        claims.push(Claim::new("OverdraftUsed", used, reason, message));
    }
    claims
}

/// The numbers of the status.
fn status_of(report: &BudgetReport, now: Timestamp) -> SpendBudgetStatus {
    let BudgetReport {
        period,
        spent,
        overdrawn,
        remaining,
        projected,
        theta,
        feasible: _,
        n_unpriced: _,
        complete: _,
        members,
    } = report;
    let [low, expected, high] = projected.map(|money| money.to_string());
    SpendBudgetStatus {
        observed_generation: None,
        conditions: Vec::new(),
        period_start: Some(to_jiff(period.start)),
        period_end: Some(to_jiff(period.end)),
        spent: Some(spent.exact()),
        overdrawn: Some(overdrawn.exact()),
        remaining: Some(remaining.to_string()),
        projected: Some(ProjectedStatus { low, expected, high }),
        theta: Some(theta.to_string()),
        member_count: u32::try_from(members.len()).ok(),
        members: members
            .iter()
            .filter(|member| !member.guessed)
            .take(N_MEMBERS)
            .map(|member| BudgetMemberStatus {
                name: member.name.clone(),
                priority: member.priority,
                spent: member.spent.exact(),
                theta: member.theta.to_string(),
                asked: member.asked.get(),
                ceiling: member.ceiling.get(),
                withheld_replicas: member.withheld.get(),
                withheld_per_hour: member.withheld_hourly.to_string(),
            })
            .collect(),
        at: Some(to_jiff(now)),
    }
}

fn numbers(rule: &BudgetRule, report: &BudgetReport) -> BudgetNumbers {
    let BudgetReport {
        spent, overdrawn, remaining, projected: [low, expected, high], theta, members, ..
    } = report;
    let withheld = members.iter().fold(0_u32, |sum, one| sum.saturating_add(one.withheld.get()));
    BudgetNumbers {
        amount: rule.amount.as_f64(),
        spent: spent.as_f64(),
        overdrawn: overdrawn.as_f64(),
        remaining: remaining.as_f64(),
        projected: [low.as_f64(), expected.as_f64(), high.as_f64()],
        theta: f64::from(theta.millionths()) / 1e6,
        withheld: Replicas::new(withheld).as_f64(),
    }
}

/// What is written. A merge patch keeps what it does not name, so that a list is named also when it is empty.
fn written(status: &SpendBudgetStatus) -> Value {
    let mut written = json!(status);
    if let Some(fields) = written.as_object_mut() {
        fields.insert("members".to_owned(), json!(status.members));
    }
    written
}

/// Whether a budget is another operator's to tell of: of one that watches `watched` only, when no member is in these
/// namespaces, none was told to be, and somebody has told something.
fn is_anothers(watched: &[String], old: &SpendBudgetStatus, new: &SpendBudgetStatus) -> bool {
    let of_ours = |member: &BudgetMemberStatus| {
        member.name.split_once('/').is_some_and(|(namespace, _)| watched.iter().any(|one| one == namespace))
    };
    let unknown = new.members.is_empty() && !old.members.iter().any(of_ours);
    !watched.is_empty() && unknown && old.at.is_some()
}

/// Whether the new status is worth a write: a condition turned, the share changed, or the numbers are a minute old.
fn worth_writing(old: &SpendBudgetStatus, new: &SpendBudgetStatus, now: Timestamp) -> bool {
    let shown =
        |status: &SpendBudgetStatus| (status.observed_generation, status.period_start, status.member_count);
    let old_enough = old.at.is_none_or(|at| now.since(from_jiff(at)) >= REFRESH_EVERY);
    told(&old.conditions) != told(&new.conditions)
        || shown(old) != shown(new)
        || (old_enough && new.at.is_some())
}

/// Events for conditions that turned for the worse, and back.
fn alert(ctx: &Context, budget: &SpendBudget, new: &SpendBudgetStatus) {
    let old = budget.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    for condition in &new.conditions {
        let before = old.iter().find(|one| one.type_ == condition.type_);
        if before.is_some_and(|one| one.status == condition.status && one.reason == condition.reason) {
            continue;
        }
        let (severity, reason) = match (condition.type_.as_str(), condition.status.as_str()) {
            ("OverdraftUsed", "True") => (Severity::Warning, "OverdraftUsed"),
            ("BudgetFeasible", "False") => (Severity::Warning, "BudgetInfeasible"),
            ("WithinBudget", "False") => (Severity::Warning, "BudgetExceeded"),
            ("WithinBudget", "True") if before.is_some_and(|one| one.status == "False") => {
                (Severity::Normal, "BudgetKept")
            }
            ("SpecValid", "False") => (Severity::Warning, "InvalidSpec"),
            _ => continue,
        };
        let (regarding, note) = (budget.object_ref(&()), condition.message.clone());
        ObjectEvent { regarding, severity, reason, action: "Account", note }.emit(&ctx.events);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told_of(members: &[&str]) -> SpendBudgetStatus {
        let members = members.iter().map(|name| {
            json!({
                "name": name, "priority": 1, "spent": "0", "theta": "1.00", "asked": 2, "ceiling": 2,
                "withheldReplicas": 0, "withheldPerHour": "0",
            })
        });
        let at = "2026-11-24T00:00:00Z";
        serde_json::from_value(json!({ "at": at, "members": members.collect::<Vec<_>>() })).unwrap()
    }

    #[test]
    fn an_operator_of_some_namespaces_leaves_a_budget_of_others_alone() {
        let (shop, all) = (["shop".to_owned()], Vec::new());
        let (nobody, others, ours) =
            (told_of(&[]), told_of(&["mail/web"]), told_of(&["mail/web", "shop/web"]));
        assert!(is_anothers(&shop, &others, &nobody));
        assert!(is_anothers(&shop, &nobody, &nobody));
        assert!(!is_anothers(&shop, &others, &ours), "a member of its own came");
        assert!(!is_anothers(&shop, &ours, &nobody), "its member left");
        assert!(!is_anothers(&shop, &SpendBudgetStatus::default(), &nobody), "nothing was told yet");
        assert!(!is_anothers(&all, &others, &nobody), "it watches all namespaces");
    }

    #[test]
    fn members_that_left_are_told_no_more() {
        assert_eq!(written(&told_of(&[]))["members"], json!([]));
        assert_eq!(written(&told_of(&["shop/web"]))["members"][0]["name"], "shop/web");
    }
}
