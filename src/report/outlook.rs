//! One forecast as people read it: a table, a drawing for the terminal, a page, and sentences about where it comes from.

mod page;
mod plot;
mod table;
mod words;

pub use page::page;
pub use plot::plot;
pub use table::table;
pub use words::{Sentence, sentences};

use crate::forecast::{QuantileForecast, Quantiles, Summary, Trust, TrustQuestion};
use crate::plan::Grid;
use crate::units::{Span, Timestamp};

/// How many times the horizon is shown of the history before it, so that a third of a drawing is the forecast.
const TAIL_HORIZONS: usize = 2;

/// Steps of history that are shown at least: of one hourly step ahead, the day before.
const TAIL_STEPS_MIN: usize = 24;

/// Everything that is said about one forecast.
#[derive(Clone, Copy, Debug)]
pub struct Outlook<'a> {
    /// Where the history is from, as a file name.
    pub name: &'a str,
    /// The first reading, also of a history of which only the end is on the grid.
    pub begins: Timestamp,
    /// The steps of the history.
    pub grid: &'a Grid,
    /// Demand over each step of the grid; the last one is there, `None` is a gap.
    pub history: &'a [Option<f64>],
    /// From the step after the history.
    pub forecast: &'a QuantileForecast,
    /// What the forecaster learned.
    pub summary: &'a Summary,
    /// How well it would have decided.
    pub trust: Trust,
    /// What the decisions were judged by.
    pub question: &'a TrustQuestion,
    /// Whether the forecast reaches beyond what experts look at, so that it is the usual week at the coming level.
    pub distant: bool,
}

impl Outlook<'_> {
    /// Start of the `i`th step ahead, counted from 0.
    fn time(&self, i: usize) -> Timestamp {
        self.grid.time(self.grid.n_steps + i)
    }

    /// Time from the start of the first to the end of the last step ahead.
    fn horizon(&self) -> Span {
        self.time(self.forecast.steps.len()).since(self.time(0))
    }

    /// One quantile of every step ahead.
    fn path(&self, level: f64) -> Vec<f64> {
        self.forecast.steps.iter().map(|step: &Quantiles| step.at(level).get()).collect()
    }

    /// The newest steps of the history, as many as are shown beside the forecast.
    fn tail(&self) -> &[Option<f64>] {
        let wanted = (TAIL_HORIZONS * self.forecast.steps.len()).max(TAIL_STEPS_MIN);
        self.history.get(self.history.len().saturating_sub(wanted)..).unwrap_or_default()
    }

    /// The lowest and the highest value of an axis for the `history` and the forecast from p05 to p99. It begins at
    /// zero unless all that is shown lies far above.
    fn extent(&self, history: &[Option<f64>]) -> (f64, f64) {
        let bounds = [self.path(0.05), self.path(0.99)].concat();
        let shown = || history.iter().flatten().chain(&bounds).copied();
        let (low, high) = (shown().fold(f64::INFINITY, f64::min), shown().fold(0.0, f64::max));
        if high <= 0.0 {
            (0.0, 1.0)
        } else if low < high / 2.0 {
            (0.0, high * 1.05)
        } else {
            // A constant is drawn in the middle.
            let margin = ((high - low) / 20.0).max(high / 1000.0);
            (low - margin, high + margin)
        }
    }
}

/// A quantile level in percent: `p05`, `p50`, `p99.5`.
fn percentile(level: f64) -> String {
    let percent = (level * 1e8).round() / 1e6;
    if percent < 10.0 { format!("p0{percent}") } else { format!("p{percent}") }
}

/// A demand with about four significant digits.
fn figure(value: f64) -> String {
    match value {
        1e9.. => format!("{value:.3e}"),
        1e3.. => format!("{value:.0}"),
        1e2.. => format!("{value:.1}"),
        10.0.. => format!("{value:.2}"),
        1e-3.. => format!("{value:.3}"),
        _ if value > 0.0 => format!("{value:.2e}"),
        _ => "0".to_owned(),
    }
}

#[cfg(test)]
mod tests;
