//! The table that `foresail forecast --csv` prints.

use super::{Outlook, figure, percentile};
use crate::calendar::rfc3339;

/// One row for each step ahead: when it begins, and demand at each of `levels`; ends with a line break.
pub fn table(outlook: &Outlook<'_>, levels: &[f64]) -> String {
    let heads = levels.iter().map(|level| format!(" {:>10}", percentile(*level)));
    let mut lines = vec![format!("{:<20}{}", "step", heads.collect::<String>())];
    for (i, step) in outlook.forecast.steps.iter().enumerate() {
        let cells = levels.iter().map(|level| format!(" {:>10}", figure(step.at(*level).get())));
        lines.push(format!("{}{}", rfc3339(outlook.time(i)), cells.collect::<String>()));
    }
    lines.push(String::new());
    lines.join("\n")
}
