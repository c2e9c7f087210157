//! The table that `foresail plan` prints.

use super::{Report, percent};
use crate::calendar::rfc3339;
use crate::plan::BudgetFigures;

/// Every policy with its figures, the gates and the notes; ends with a line break.
pub fn table(report: &Report<'_>) -> String {
    let Report { scenario, outcome, verdicts, notes } = report;
    let policy = &scenario.policy;
    let currency = policy.spend.as_ref().map(|spend| spend.currency.as_str());
    let mut lines = vec![
        format!(
            "{}: {} to {}, lead {}, objective {}, the forecast trusted {} of the time",
            scenario.key,
            rfc3339(scenario.grid.time(scenario.from)),
            rfc3339(scenario.grid.time(scenario.grid.n_steps)),
            policy.lead,
            policy.objective,
            percent(report.trusted_share()),
        ),
        String::new(),
        format!(
            "{:<10} {:>14} {:>7} {:>10} {:>9} {:>8}{}",
            "policy",
            "replica-hours",
            "x hpa",
            "unserved",
            "short",
            "changes",
            currency.map_or_else(String::new, |code| format!(" {:>14}", format!("cost {code}"))),
        ),
    ];
    for one in &outcome.policies {
        let figures = &one.figures;
        let times =
            report.times(figures, "hpa").map_or_else(|| "-".to_owned(), |times| format!("{times:.3}"));
        lines.push(format!(
            "{:<10} {:>14.1} {:>7} {:>10} {:>9} {:>8}{}",
            one.course.name,
            figures.replica_hours(),
            times,
            percent(figures.unserved_share),
            percent(figures.time_short),
            figures.changes,
            figures.cost.map_or_else(String::new, |cost| format!(" {:>14}", cost.to_string())),
        ));
    }
    lines.extend(budget(report));
    lines.extend(verdicts.iter().map(|verdict| format!("\n{verdict}")));
    lines.extend(notes.iter().map(|note| format!("\nnote: {note}")));
    lines.push(String::new());
    lines.join("\n")
}

/// What the policies spend of the budget, beside its amount.
fn budget(report: &Report<'_>) -> Vec<String> {
    let Some(rule) = &report.scenario.budget else { return Vec::new() };
    let (period, amount, currency) = (rule.period.name(), rule.amount, &rule.currency);
    let mut lines =
        vec![format!("\nbudget {}: {amount} {currency} a {period}, {}", rule.name, rule.on_exceed.name())];
    lines.extend(report.outcome.policies.iter().filter_map(|one| {
        let BudgetFigures { n_periods, n_exceeded, largest } = one.figures.budget?;
        let name = one.course.name;
        Some(format!(
            "{name:<10} at most {largest} {currency}, more than the amount in {n_exceeded} of {n_periods}"
        ))
    }));
    lines
}
