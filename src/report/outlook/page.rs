//! A forecast as one page without scripts, which loads nothing and may load nothing.

use maud::{Markup, html};

use super::{Outlook, figure, percentile, sentences};
use crate::calendar::rfc3339;
use crate::plan::Grid;
use crate::report::chart::{Columns, Frame};
use crate::report::page::document;

/// Rows of the table at most: those of two hours of minutes. A longer horizon is shown in even distances.
const ROWS_MAX: usize = 120;

/// Steps of history in the second chart: as many as it has columns are clear, five times as many still show their days.
const HISTORY_STEPS_MAX: usize = 4600;

/// The page as HTML, with a table of `levels`; the name of the history is escaped.
pub fn page(outlook: &Outlook<'_>, levels: &[f64]) -> String {
    let content = html! {
        @for sentence in sentences(outlook) {
            p { strong { (sentence.about) ": " } (sentence.text) }
        }
        h2 { "What is ahead" }
        (chart(outlook, outlook.tail(), "The newest demand and the forecast"))
        @let before = outlook.history.get(outlook.history.len().saturating_sub(HISTORY_STEPS_MAX)..).unwrap_or_default();
        @if before.len() > outlook.tail().len() {
            h2 { "Where it comes from" }
            (chart(outlook, before, "The history and the forecast"))
        }
        h2 { "Experts" }
        (experts(outlook))
        h2 { "Quantiles" }
        (quantiles(outlook, levels))
    };
    document(&format!("Foresail forecast: {}", outlook.name), &content)
}

/// The end of the history and the forecast after it.
fn chart(outlook: &Outlook<'_>, history: &[Option<f64>], label: &str) -> Markup {
    let ahead = outlook.forecast.steps.len();
    let start = outlook.grid.time(outlook.grid.n_steps.saturating_sub(history.len()));
    let n_steps = history.len() + ahead;
    let grid = Grid { start, step: outlook.grid.step, n_steps };
    let columns = Columns::of(0..n_steps);
    let (least, most) = outlook.extent(history);
    let frame = Frame { grid: &grid, columns: &columns, least, most };
    let blank = |n: usize| vec![f64::NAN; n];
    let demand: Vec<f64> =
        history.iter().map(|value| value.unwrap_or(f64::NAN)).chain(blank(ahead)).collect();
    let path = |level: f64, pick: fn(f64, f64) -> f64| {
        columns.fold(&[blank(history.len()), outlook.path(level)].concat(), pick)
    };
    let (p05, p50) = (path(0.05, f64::min), path(0.5, f64::max));
    let (p95, p99) = (path(0.95, f64::max), path(0.99, f64::max));
    let content = html! {
        path class="beyond" d=(frame.band(&p95, &p99)) {}
        path class="forecast" d=(frame.band(&p05, &p95)) {}
        path class="demand" d=(frame.line(&columns.fold(&demand, f64::max))) {}
        path class="median" d=(frame.line(&p50)) {}
        (frame.mark(history.len()))
    };
    html! {
        p.legend {
            span.key-demand { "demand; dashed ahead: the median" } " "
            span.key-forecast { "p05 to p95, lighter to p99" }
            @if !columns.is_single() { " Each column shows its highest demand." }
        }
        (frame.draw(label, &content))
    }
}

fn experts(outlook: &Outlook<'_>) -> Markup {
    html! {
        table.figures {
            thead { tr { th { "Expert" } th { "Weight" } } }
            tbody {
                @for share in &outlook.summary.experts {
                    tr { td { (share.name) } td { (format!("{:.1} %", share.weight * 100.0)) } }
                }
            }
        }
    }
}

fn quantiles(outlook: &Outlook<'_>, levels: &[f64]) -> Markup {
    let steps = &outlook.forecast.steps;
    let stride = steps.len().div_ceil(ROWS_MAX).max(1);
    html! {
        @if stride > 1 { p.legend { "One step of " (stride) " is shown." } }
        table.figures {
            thead { tr { th { "Step" } @for level in levels { th { (percentile(*level)) } } } }
            tbody {
                @for (i, step) in steps.iter().enumerate().step_by(stride) {
                    tr {
                        td { (rfc3339(outlook.time(i))) }
                        @for level in levels { td { (figure(step.at(*level).get())) } }
                    }
                }
            }
        }
    }
}
