//! What the status proves about an autoscaler, line by line.

use serde::Serialize;

use crate::api::{CapacityStatus, PredictiveAutoscaler, PredictiveAutoscalerStatus, ShadowStatus};
use crate::calendar::rfc3339;
use crate::edge::clock::from_jiff;
use crate::units::{Span, Timestamp};

/// Two weeks: every weekday was seen twice.
const SHADOW_MIN: Span = Span::from_hours(14 * 24);
/// Shares of demand under the .99 quantile between which it is neither too low nor paid for in vain.
const COVERAGE: std::ops::RangeInclusive<f64> = 0.98..=0.995;
/// Replica-hours of the shadow over those that stood, at most.
const COST_MAX: f64 = 1.1;
/// A decision older than this is no evidence: the operator does not run.
const STALE_AFTER: Span = Span::from_minutes(10);

/// One line of the evidence.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Line {
    /// What it is about.
    pub(super) fact: &'static str,
    /// Whether it is met; `None` when it is not measured.
    pub(super) met: Option<bool>,
    /// What the status says.
    pub(super) found: String,
    /// What is wanted.
    pub(super) wanted: &'static str,
}

/// The evidence for the next mode.
pub(super) fn lines(object: &PredictiveAutoscaler, now: Timestamp) -> Vec<Line> {
    let none = PredictiveAutoscalerStatus::default();
    let status = object.status.as_ref().unwrap_or(&none);
    let shadow = status.shadow.as_ref();
    vec![length(shadow, now), coverage(status), drift(status), cost(shadow)]
}

fn length(shadow: Option<&ShadowStatus>, now: Timestamp) -> Line {
    let since = shadow.and_then(|shadow| shadow.since).map(from_jiff);
    let until = shadow.and_then(|shadow| shadow.until).map_or(now, from_jiff);
    let length = since.map(|since| until.since(since));
    let found = match (since, length) {
        (Some(since), Some(length)) => {
            let tenths = length.seconds() / 8640;
            format!("{}.{} days since {}", tenths / 10, tenths % 10, rfc3339(since))
        }
        _ => "no shadow: mode DryRun keeps one".to_owned(),
    };
    let met = Some(length.is_some_and(|length| length >= SHADOW_MIN));
    Line { fact: "shadow", met, found, wanted: "at least 14 days" }
}

fn coverage(status: &PredictiveAutoscalerStatus) -> Line {
    let text = status.forecast.as_ref().and_then(|forecast| forecast.coverage_p99.as_deref());
    let share: Option<f64> = text.and_then(|text| text.parse().ok());
    Line {
        fact: "coverage of p99",
        met: Some(share.is_some_and(|share| COVERAGE.contains(&share))),
        found: share.map_or_else(|| "no forecast yet".to_owned(), |share| format!("{share:.4}")),
        wanted: "0.98 to 0.995",
    }
}

/// Whether replicas serve what is stated. Nothing can drift where nothing is stated.
fn drift(status: &PredictiveAutoscalerStatus) -> Line {
    let line = |met, found| Line { fact: "capacity drift", met, found, wanted: "none" };
    let told = |one: &CapacityStatus| {
        format!("{}: {}", one.metric, one.reason.as_deref().unwrap_or("nothing is known"))
    };
    if let Some(drifted) = status.capacity.iter().find(|one| one.drifted == Some(true)) {
        return line(Some(false), told(drifted));
    }
    let unjudged = status.capacity.iter().find(|one| one.drifted.is_none() && one.source != "Learned");
    match (unjudged, status.capacity.is_empty()) {
        (Some(unjudged), _) => line(None, told(unjudged)),
        (None, false) => line(Some(true), status.capacity.iter().map(told).collect::<Vec<_>>().join("; ")),
        (None, true) => line(
            None,
            "not measured: give metrics[].learnedCapacity.query, or compare by `foresail check --cluster`"
                .to_owned(),
        ),
    }
}

fn cost(shadow: Option<&ShadowStatus>) -> Line {
    let hours = |text: Option<&String>| text.and_then(|text| text.parse::<f64>().ok());
    let ours = hours(shadow.and_then(|shadow| shadow.replica_hours.as_ref()));
    let stood = hours(shadow.and_then(|shadow| shadow.standing_replica_hours.as_ref()));
    let ratio = ours.zip(stood).filter(|(_, stood)| *stood > 0.0).map(|(ours, stood)| ours / stood);
    let found = match (ratio, ours, stood) {
        (Some(ratio), Some(ours), Some(stood)) => {
            format!("{ratio:.3} x: {ours:.1} replica-hours instead of {stood:.1} that stood")
        }
        _ => "no replica-hours to compare yet".to_owned(),
    };
    Line {
        fact: "cost",
        met: Some(ratio.is_some_and(|ratio| ratio <= COST_MAX)),
        found,
        wanted: "at most 1.1 x what stood, the HPA's where one scales the target",
    }
}

/// What else should be known before the step is taken.
pub(super) fn notes(object: &PredictiveAutoscaler, now: Timestamp) -> Vec<String> {
    let mut notes = Vec::new();
    let Some(status) = &object.status else {
        return vec!["no status: the operator has not seen it".to_owned()];
    };
    let decided = status.decision.as_ref().map(|decision| from_jiff(decision.at));
    match decided {
        None => notes.push("no decision was made yet: see the condition SpecValid".to_owned()),
        Some(at) if now.since(at) > STALE_AFTER => {
            notes.push(format!("the last decision is of {}: the operator does not run", rfc3339(at)));
        }
        Some(_) => {}
    }
    for (kind, state) in [
        ("SpecValid", "False"),
        ("EvidenceFresh", "False"),
        ("ForecastTrusted", "False"),
        ("AbleToScale", "False"),
        ("TargetConflict", "True"),
    ] {
        let found = status.conditions.iter().find(|one| one.type_ == kind && one.status == state);
        notes.extend(found.map(|one| format!("{kind} is {state}: {}", one.message)));
    }
    notes
}

#[cfg(test)]
mod tests;
