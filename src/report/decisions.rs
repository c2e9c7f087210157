//! `decisions.csv`: one row a step and policy.

use std::io::Write;

use super::{Report, stage_name};
use crate::calendar::rfc3339;

const HEADER: [&str; 9] = [
    "timestamp",
    "policy",
    "demand",
    "desired",
    "ready",
    "unserved",
    "stage",
    "forecast_p50",
    "forecast_p99",
];

/// Writes every decision of every policy, in time order. `desired` is what is asked for after all stages at
/// `timestamp`; `unserved` is demand above ready capacity, integrated over the step; the forecasts are those issued at
/// `timestamp` for one lead later.
///
/// # Errors
/// When `out` cannot be written.
pub fn write_decisions(report: &Report<'_>, out: impl Write) -> csv::Result<()> {
    let Report { scenario, outcome, .. } = report;
    let capacity = scenario.capacity().map_or(0.0, crate::units::CapacityPerReplica::get);
    let seconds = f64::from(scenario.step().seconds());
    let mut rows = csv::Writer::from_writer(out);
    rows.write_record(HEADER)?;
    for i in 0..scenario.grid.n_steps {
        let timestamp = rfc3339(scenario.grid.time(i));
        let demand = scenario.demand_at(i);
        let demand_text = demand.to_string();
        let ahead = outcome.ahead.get(i).copied().flatten();
        let p50 = ahead.map_or_else(String::new, |ahead| ahead.p50.to_string());
        let p99 = ahead.map_or_else(String::new, |ahead| ahead.p99.to_string());
        for one in &outcome.policies {
            let Some(stood) = one.course.stood.get(i) else { continue };
            let above = (demand - stood.ready.as_f64() * capacity).max(0.0) * seconds;
            let (desired, ready) = (stood.desired.to_string(), stood.ready.to_string());
            let unserved = if above > 0.0 { above.to_string() } else { "0".to_owned() };
            let name = one.course.name;
            let stage = stage_name(stood.stage);
            rows.write_record([
                &timestamp,
                name,
                &demand_text,
                &desired,
                &ready,
                &unserved,
                stage,
                &p50,
                &p99,
            ])?;
        }
    }
    rows.flush()?;
    Ok(())
}
