//! `report.html`: one file without scripts, which loads nothing and may load nothing.

use std::ops::Range;

use maud::{DOCTYPE, Markup, html};

use super::chart::{Columns, Dot, Frame, scatter};
use super::{Report, counts, meaning, percent};
use crate::calendar::rfc3339;
use crate::plan::{Course, Judged};

/// No request may leave: nothing is loaded, no form is sent, no frame shown.
const CONTENT_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

const STYLE: &str = include_str!("page.css");

/// The page as HTML; every text of the user is escaped.
pub fn page(report: &Report<'_>) -> String {
    let key = &report.scenario.key;
    let whole = report.scenario.from..report.scenario.grid.n_steps;
    let title = format!("Foresail plan: {key}");
    let content = html! {
        p { (period(report)) }
        (verdict(report))
        (gates(report))
        h2 { "Policies on the same demand" }
        (policies(report))
        h2 { "Cost against unserved demand" }
        p.legend { "Replica-hours to the right, unserved share upwards: the lower left is better. Filled dots are not beaten in both by any policy that could be run; the dashed line is the objective." }
        (scatter(&dots(report), report.scenario.policy.objective.share().get()))
        h2 { "Demand and what serves it" }
        (demand_chart(report, whole.clone(), "The judged time"))
        @if let Some(day) = hardest_day(report) {
            h2 { "The hardest day: " (rfc3339(report.scenario.grid.time(day.start)).get(..10).unwrap_or_default()) }
            (demand_chart(report, day.clone(), "The hardest day"))
            h2 { "Replicas on that day" }
            (replica_chart(report, day))
        }
        (notes(report))
    };
    document(&title, &content)
}

/// A whole page around its content.
pub(super) fn document(title: &str, content: &Markup) -> String {
    let whole = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(CONTENT_POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (maud::PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { (title) }
                    (content)
                    footer { "Times are UTC. Made by foresail " (env!("CARGO_PKG_VERSION")) "." }
                }
            }
        }
    };
    whole.into_string()
}

fn period(report: &Report<'_>) -> String {
    let (scenario, policy) = (report.scenario, &report.scenario.policy);
    format!(
        "{} to {}; lead {}; objective: {}; {} to {} replicas; the forecast was trusted {} of the time.",
        rfc3339(scenario.grid.time(scenario.from)),
        rfc3339(scenario.grid.time(scenario.grid.n_steps)),
        policy.lead,
        policy.objective,
        policy.bounds.min(),
        policy.bounds.max(),
        percent(report.trusted_share()),
    )
}

/// The answer in one sentence.
fn verdict(report: &Report<'_>) -> Markup {
    let (Some(ours), Some(hpa)) = (report.policy("foresail"), report.policy("hpa")) else { return html! {} };
    let times = report.times(&ours.figures, "hpa").unwrap_or(1.0);
    let cost = if times <= 1.0 {
        format!("{} fewer replica-hours than the HPA", percent(1.0 - times))
    } else {
        format!("{} more replica-hours than the HPA", percent(times - 1.0))
    };
    html! {
        p.verdict {
            "Foresail would have used " strong { (cost) } " and left " strong { (percent(ours.figures.unserved_share)) }
            " of demand unserved, where the HPA left " strong { (percent(hpa.figures.unserved_share)) } "."
        }
    }
}

fn gates(report: &Report<'_>) -> Markup {
    html! {
        @for verdict in report.verdicts {
            p class=(if verdict.is_kept() { "kept" } else { "missed" }) { (verdict) }
        }
    }
}

fn policies(report: &Report<'_>) -> Markup {
    let currency = report.scenario.policy.spend.as_ref().map(|spend| spend.currency.as_str());
    html! {
        table {
            thead { tr {
                th { "Policy" } th { "Replica-hours" } th { "× HPA" } th { "Unserved" } th { "Time short" } th { "Changes" }
                @if let Some(code) = currency { th { "Cost, " (code) } }
                th { "What it is" }
            } }
            tbody {
                @for Judged { course, figures, .. } in &report.outcome.policies {
                    tr class=(if course.name == "foresail" { "ours" } else { "" }) {
                        td { (course.name) }
                        td { (format!("{:.1}", figures.replica_hours())) }
                        td { (report.times(figures, "hpa").map_or_else(|| "-".to_owned(), |times| format!("{times:.3}"))) }
                        td { (percent(figures.unserved_share)) }
                        td { (percent(figures.time_short)) }
                        td { (figures.changes) }
                        @if currency.is_some() {
                            td { (figures.cost.map_or_else(String::new, |cost| cost.to_string())) }
                        }
                        td { (meaning(course.name)) }
                    }
                }
            }
        }
    }
}

fn dots(report: &Report<'_>) -> Vec<Dot> {
    let policies = report.outcome.policies.iter();
    policies
        .map(|one| Dot {
            name: one.course.name,
            cost: one.figures.replica_hours(),
            unserved: one.figures.unserved_share,
            on_front: one.on_front,
        })
        .collect()
}

/// Demand, the forecast for it, what serves it under Foresail, and what that leaves unserved.
fn demand_chart(report: &Report<'_>, steps: Range<usize>, label: &str) -> Markup {
    let Some(ours) = report.policy("foresail") else { return html! {} };
    let (scenario, columns) = (report.scenario, Columns::of(steps));
    let capacity = scenario.capacity().map_or(0.0, crate::units::CapacityPerReplica::get);
    let demand: Vec<f64> = (0..scenario.grid.n_steps).map(|i| scenario.demand_at(i)).collect();
    let served: Vec<f64> = counts(&ours.course, |stood| stood.ready).iter().map(|n| n * capacity).collect();
    let (p50, p99) = issued_for(report);
    let demand = columns.fold(&demand, f64::max);
    let served = columns.fold(&served, f64::min);
    let (p50, p99) = (columns.fold(&p50, f64::min), columns.fold(&p99, f64::max));
    let most = demand.iter().chain(&served).copied().fold(0.0, f64::max) * 1.05;
    let frame = Frame { grid: &scenario.grid, columns: &columns, least: 0.0, most };
    let content = html! {
        path class="forecast" d=(frame.band(&p50, &p99)) {}
        path class="unserved" d=(frame.band(&served, &demand)) {}
        path class="demand" d=(frame.line(&demand)) {}
        path class="served" d=(frame.line(&served)) {}
    };
    html! {
        p.legend {
            span.key-demand { "demand" } " " span.key-served { "what foresail's ready replicas serve" } " "
            span.key-forecast { "forecast one lead earlier, median to p99" } " " span.key-unserved { "unserved" }
            @if !columns.is_single() { " Each column shows its highest demand and its lowest capacity." }
        }
        (frame.draw(label, &content))
    }
}

/// For each step the median and .99 quantile that were issued one lead before it.
fn issued_for(report: &Report<'_>) -> (Vec<f64>, Vec<f64>) {
    let lead = report.scenario.lead_steps();
    let issued = |i: usize| report.outcome.ahead.get(i.checked_sub(lead)?).copied().flatten();
    (0..report.scenario.grid.n_steps)
        .map(|i| issued(i).map_or((0.0, 0.0), |ahead| (ahead.p50, ahead.p99)))
        .unzip()
}

fn replica_chart(report: &Report<'_>, steps: Range<usize>) -> Markup {
    let columns = Columns::of(steps);
    let asked = |name: &str| {
        let course: Option<&Course> = report.policy(name).map(|one| &one.course);
        course.map_or_else(Vec::new, |course| columns.fold(&counts(course, |stood| stood.desired), f64::max))
    };
    let (ours, hpa, oracle) = (asked("foresail"), asked("hpa"), asked("oracle"));
    let most = ours.iter().chain(&hpa).chain(&oracle).copied().fold(0.0, f64::max) * 1.05;
    let frame = Frame { grid: &report.scenario.grid, columns: &columns, least: 0.0, most };
    let content = html! {
        path class="oracle" d=(frame.line(&oracle)) {}
        path class="hpa" d=(frame.line(&hpa)) {}
        path class="served" d=(frame.line(&ours)) {}
    };
    html! {
        p.legend {
            span.key-served { "asked for by foresail" } " " span.key-hpa { "by the HPA" } " "
            span.key-oracle { "by the oracle" }
        }
        (frame.draw("Replicas asked for", &content))
    }
}

/// The UTC day with the most demand unserved by Foresail and the HPA, or with the highest demand where they served all. `None` when
/// the judged time is no longer than two days.
fn hardest_day(report: &Report<'_>) -> Option<Range<usize>> {
    let scenario = report.scenario;
    let both = ["foresail", "hpa"].map(|name| report.policy(name));
    let capacity = scenario.capacity()?.get();
    let day = |i: usize| scenario.grid.time(i).seconds().div_euclid(86_400);
    let mut days: Vec<(Range<usize>, f64, f64)> = Vec::new();
    for i in scenario.from..scenario.grid.n_steps {
        let demand = scenario.demand_at(i);
        let ready =
            both.iter().flatten().filter_map(|one| one.course.stood.get(i)).map(|stood| stood.ready.as_f64());
        let unserved: f64 = ready.map(|ready| (demand - ready * capacity).max(0.0)).sum();
        match days.last_mut() {
            Some((range, sum, highest)) if day(range.start) == day(i) => {
                range.end = i + 1;
                *sum += unserved;
                *highest = highest.max(demand);
            }
            _ => days.push((i..i + 1, unserved, demand)),
        }
    }
    if days.len() < 3 {
        return None;
    }
    let hardest = days.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then(a.2.total_cmp(&b.2)))?;
    Some(hardest.0)
}

fn notes(report: &Report<'_>) -> Markup {
    html! {
        @if !report.notes.is_empty() {
            h2 { "Notes" }
            ul { @for note in report.notes { li { (note) } } }
        }
    }
}
