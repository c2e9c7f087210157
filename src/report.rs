//! A plan as people and programs read it: a table, `plan.json`, `decisions.csv` and a page that needs nothing else. And
//! one forecast ([`outlook`]), one decision ([`explanation`]).

mod chart;
mod decisions;
pub mod explanation;
mod json;
pub mod outlook;
mod page;
mod table;

pub use decisions::write_decisions;
pub use json::{PlanJson, PolicyJson};
pub use page::page;
pub use table::table;

use crate::decide::Stage;
use crate::plan::{Course, Figures, Judged, Outcome, Scenario, Verdict};
use crate::units::Replicas;

/// Everything that is said about one plan.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// What was replayed.
    pub scenario: &'a Scenario,
    /// What came of it.
    pub outcome: &'a Outcome,
    /// How the gates were met.
    pub verdicts: &'a [Verdict],
    /// What the reader must know of the history.
    pub notes: &'a [String],
}

impl<'a> Report<'a> {
    fn policy(&self, name: &str) -> Option<&'a Judged> {
        self.outcome.policies.iter().find(|one| one.course.name == name)
    }

    /// Replica-hours as a multiple of those of `name`.
    fn times(&self, figures: &Figures, name: &str) -> Option<f64> {
        let other = self.policy(name)?.figures.replica_hours();
        (other > 0.0).then(|| figures.replica_hours() / other)
    }

    /// Share of judged steps at which the forecast was trusted.
    fn trusted_share(&self) -> f64 {
        let judged = self.outcome.ahead.iter().skip(self.scenario.from);
        let (trusted, all) = judged.fold((0_u32, 0_u32), |(trusted, all), ahead| {
            (trusted + u32::from(ahead.is_some_and(|ahead| ahead.trusted)), all + 1)
        });
        if all > 0 { f64::from(trusted) / f64::from(all) } else { 0.0 }
    }
}

/// A policy in a few words.
fn meaning(name: &str) -> &'static str {
    match name {
        "foresail" => "the forecast decides while it is trusted (mode Active)",
        "floor" => "the forecast only adds to the reactive answer (mode Floor)",
        "reactive" => "the same policy without forecasts",
        "hpa" => "a HorizontalPodAutoscaler on the same metric",
        "hpa-best" => "the HPA target that turns out best, known only in hindsight",
        "recorded" => "what really stood",
        "fixed" => "one count, chosen on the history before the judged time",
        "schedule" => "a count for each hour of working and weekend days, chosen as fixed",
        "oracle" => "knows the future: the fewest replicas that are never short",
        _ => "",
    }
}

fn stage_name(stage: Option<Stage>) -> &'static str {
    stage.map_or("", Stage::name)
}

/// Percent with three significant digits, at least down to a thousandth.
fn percent(share: f64) -> String {
    let value = share * 100.0;
    if value == 0.0 {
        "0 %".to_owned()
    } else if value >= 10.0 {
        format!("{value:.1} %")
    } else if value >= 1.0 {
        format!("{value:.2} %")
    } else {
        format!("{value:.3} %")
    }
}

/// The replicas of every step.
fn counts(course: &Course, of: impl Fn(&crate::plan::Stood) -> Replicas) -> Vec<f64> {
    course.stood.iter().map(|stood| of(stood).as_f64()).collect()
}

#[cfg(test)]
mod tests;
