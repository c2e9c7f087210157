//! What people are told: forecasts in the status, Events with numbers, errors with their causes.

use std::collections::BTreeMap;
use std::error::Error;

use kube::Resource as _;
use serde_json::Value;

use super::acts::ReadError;
use super::actuate::scale::Written;
use super::context::Context;
use super::protocol::Outcome;
use super::signal::Signal;
use crate::api::{
    EffectiveMode, ExpertStatus, ForecastStatus, NextPeakStatus, ObjectiveStatus, PredictiveAutoscaler,
    PredictiveAutoscalerStatus, limits,
};
use crate::decide::Decision;
use crate::edge::clock::to_jiff;
use crate::engine::Memory;
use crate::engine::foresight::{self, Headroom};
use crate::forecast::{Summary, Trust, TrustState};
use crate::policy::{Policy, is_sidecar, request};
use crate::telemetry::events::{ObjectEvent, Severity};
use crate::telemetry::metrics::Numbers;
use crate::units::{Replicas, parse_quantity, replicas_ceil};

/// An error and its causes in one line, each once.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// What a write that did not simply succeed says about the target.
pub fn write_problem(written: &Written) -> Option<(&'static str, String)> {
    match written {
        Written::Written { .. } | Written::Conflict => None,
        Written::Overridden { actual } => Some((
            "Overridden",
            format!(
                "an admission hook changed the written replicas to {actual}: exempt Foresail or the target"
            ),
        )),
        Written::Refused { code: 403, message } => Some((
            "Forbidden",
            format!(
                "{message}: bind the ClusterRole foresail-enforce in this namespace (Helm value enforce.namespaces)"
            ),
        )),
        Written::Refused { message, .. } => Some(("WriteRefused", message.clone())),
        Written::Unknown { message } => Some(("WriteUnknown", message.clone())),
    }
}

/// The sum of a resource's requests over what runs in a pod of a workload's template: its containers, and its sidecars
/// among the init containers. A limit without a request is one; `None` where one of them states neither.
pub fn pod_requests(workload: &Value, resource: &str) -> Option<f64> {
    let pod = workload.pointer("/spec/template/spec")?;
    let list = |name: &str| pod.get(name).and_then(Value::as_array).into_iter().flatten();
    let sidecars = list("initContainers").filter(|one| is_sidecar(one));
    let mut sum = None;
    for container in list("containers").chain(sidecars) {
        let requested = parse_quantity(request(container, resource)?.as_str()?).ok()?;
        sum = Some(sum.unwrap_or(0.0) + requested);
    }
    sum
}

/// The forecast as the status shows it: of the first metric that has one, with the coverage of all.
pub fn forecasts(signals: &[Signal], trust: &BTreeMap<String, TrustState>) -> Option<ForecastStatus> {
    let first = signals.iter().find_map(|signal| forecast(signal, trust))?;
    Some(ForecastStatus { coverage_p99: coverage_p99(signals), ..first })
}

/// One metric's forecast as the status shows it.
fn forecast(signal: &Signal, trust: &BTreeMap<String, TrustState>) -> Option<ForecastStatus> {
    let summary = signal.forecaster()?.summary();
    let next_peak = signal.outlook().and_then(|outlook| {
        let mut at = outlook.newest;
        let mut best: Option<(crate::units::Timestamp, f64)> = None;
        for quantiles in &outlook.steps {
            at = at.plus(outlook.step.span());
            let median = quantiles.at(0.5).get() * signal.times(at);
            if best.is_none_or(|(_, most)| median > most) {
                best = Some((at, median));
            }
        }
        best.map(|(at, median)| NextPeakStatus {
            at: to_jiff(at),
            demand: Some(format!("{median:.4}")),
            replicas: signal.capacity().map(|capacity| replicas_ceil(median / capacity.get()).get()),
        })
    });
    let coverage = format!("p90 {}, p99 {}", summary.coverage_90, summary.coverage_99);
    Some(ForecastStatus {
        trusted: Some(trust.get(signal.name()).is_some_and(|trust| trust.trusted)),
        skill: signal.skill().and_then(Trust::measured).map(|skill| format!("{skill:.3}")),
        coverage: Some(coverage),
        coverage_p99: None,
        experts: summary
            .experts
            .iter()
            .map(|one| ExpertStatus { name: one.name.to_owned(), weight: format!("{:.2}", one.weight) })
            .collect(),
        next_peak,
        ready_from: summary.ready_from.map(to_jiff),
    })
}

/// What the objective asks for now, and what it costs.
pub fn objective(
    policy: &Policy,
    signals: &[Signal],
    trust: &BTreeMap<String, TrustState>,
    now: crate::units::Timestamp,
) -> ObjectiveStatus {
    let rehearsed = |signal: &Signal| trust.get(signal.name()).and_then(|trust| trust.level);
    let at = now.plus(policy.lead);
    let forecasts = signals.iter().filter_map(|signal| {
        Some((signal.capacity()?, signal.outlook()?, signal.times(at), rehearsed(signal)))
    });
    let level = policy.objective.level().or_else(|| signals.iter().find_map(rehearsed));
    let percent = |share: f64| format!("{:.2}%", 100.0 * share);
    let status = ObjectiveStatus {
        asks: Some(limits::clip(&policy.objective.to_string(), 128)),
        level: level.map(|level| percent(level.get())),
        ..ObjectiveStatus::default()
    };
    let Some(Headroom { median, objective }) = foresight::headroom(policy, now, forecasts) else {
        return status;
    };
    let above = objective.get().saturating_sub(median.get());
    let headroom = (median > Replicas::ZERO).then(|| f64::from(above) / median.as_f64());
    ObjectiveStatus {
        median_replicas: Some(median.get()),
        replicas: Some(objective.get()),
        headroom: headroom.map(percent),
        cost_per_hour: policy
            .spend
            .as_ref()
            .and_then(|rule| rule.price.hourly(Replicas::new(above)))
            .map(|cost| cost.to_string()),
        ..status
    }
}

/// The coverage of the .99 quantile of the metric that is furthest from it.
fn coverage_p99(signals: &[Signal]) -> Option<String> {
    let coverages = signals.iter().filter_map(Signal::forecaster).map(|one| one.summary().coverage_99.get());
    let furthest = coverages.max_by(|a, b| (a - 0.99).abs().total_cmp(&(b - 0.99).abs()))?;
    Some(format!("{furthest:.4}"))
}

/// Events for what changed: a write and its sentence, a refused write, a condition that turned.
pub fn events(
    ctx: &Context,
    object: &PredictiveAutoscaler,
    decision: &Decision,
    status: &PredictiveAutoscalerStatus,
    outcome: &Outcome<ReadError>,
) {
    let regarding = object.object_ref(&());
    let emit = |severity, reason, action, note: String| {
        ObjectEvent { regarding: regarding.clone(), severity, reason, action, note }.emit(&ctx.events);
    };
    match outcome {
        Outcome::Acted { written: Written::Written { .. }, .. } => {
            let reason = if decision.desired > decision.asked { "ScaledUp" } else { "ScaledDown" };
            emit(Severity::Normal, reason, "Scale", decision.summary());
        }
        Outcome::Acted { written, .. } => {
            if let Some((reason, message)) = write_problem(written) {
                emit(Severity::Warning, reason, "Scale", message);
            }
        }
        _ => {}
    }
    let old = object.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    for condition in &status.conditions {
        let before = old.iter().find(|one| one.type_ == condition.type_);
        let turned =
            before.is_none_or(|one| one.status != condition.status || one.reason != condition.reason);
        let reason = match (condition.type_.as_str(), condition.status.as_str()) {
            ("EvidenceFresh", "False") => "EvidenceLost",
            ("EvidenceFresh", "True") if before.is_some() => "EvidenceBack",
            ("TargetConflict", "True") => "TargetConflict",
            ("EventNotApplied", "True") => "EventNotApplied",
            ("CapacityBlocked", "True") => "CapacityBlocked",
            ("CapacityBlocked", "False") if before.is_some_and(|one| one.status == "True") => "CapacityBack",
            ("ObjectiveKept", "False") => "ObjectiveMissed",
            ("ObjectiveKept", "True") if before.is_some_and(|one| one.status == "False") => "ObjectiveBack",
            ("BudgetLimited", "True") => "BudgetLimited",
            ("BudgetLimited", "False") if before.is_some_and(|one| one.status == "True") => "BudgetBack",
            ("SpecValid", "False") => "AnnotationIgnored",
            ("AbleToScale", "False") => "UnableToScale",
            _ => continue,
        };
        if turned {
            let severity = if reason.ends_with("Back") { Severity::Normal } else { Severity::Warning };
            emit(severity, reason, "Decide", condition.message.clone());
        }
    }
    let desired_before =
        object.status.as_ref().and_then(|status| status.replicas.as_ref()).map(|one| one.desired);
    let dry_run = status.effective_mode == Some(EffectiveMode::DryRun);
    if dry_run && desired_before.is_some_and(|before| before != Some(decision.desired.get())) {
        emit(Severity::Normal, "WouldScale", "DryRun", decision.summary());
    }
}

/// Whether any forecast is trusted, and a sentence for each metric.
pub fn trust_sentence(signals: &[Signal], trust: &BTreeMap<String, TrustState>) -> (bool, String) {
    let mut sentences = Vec::new();
    let mut any = false;
    for signal in signals {
        let trusted = trust.get(signal.name()).is_some_and(|trust| trust.trusted);
        any |= trusted;
        let measured = signal.skill().filter(|trust| trust.measured().is_some());
        let sentence = match (signal.history_note.as_deref(), measured) {
            (Some(note), _) => note.to_owned(),
            (None, None) => "its skill is not measured yet".to_owned(),
            (None, Some(measured)) => skill_sentence(measured, trusted),
        };
        sentences.push(format!("{}: {sentence}", signal.name()));
    }
    (any, sentences.join("; "))
}

/// Why a forecast of which this was measured is trusted, or is not.
fn skill_sentence(measured: Trust, trusted: bool) -> String {
    let Trust { skill, certainty, .. } = measured;
    let (percent, way) = (100.0 * skill.abs(), if skill < 0.0 { "more" } else { "less" });
    let cost =
        format!("its decisions cost {percent:.0} % {way} than the better of reactive and seasonal naive");
    match (trusted, measured.is_sure()) {
        (true, _) => cost,
        (false, true) if skill >= Trust::GAIN => format!("{cost}: measured so twice in a row it is trusted"),
        (false, true) => format!("{cost}, and {:.0} % less are needed", 100.0 * Trust::GAIN),
        (false, false) if certainty > 0.0 => format!(
            "its median is nearer to what came than the newest and the usual demand by {certainty:.1} standard errors, and {:.0} are needed: it knows too little",
            Trust::SURE
        ),
        (false, false) => {
            "its median is no nearer to what came than the newest or the usual demand: it knows nothing"
                .to_owned()
        }
    }
}

/// What the first forecast shows of itself; `None` while it has no experts.
pub fn summary(signals: &[Signal]) -> Option<Summary> {
    let summary = signals.iter().find_map(Signal::forecaster)?.summary();
    (!summary.experts.is_empty()).then_some(summary)
}

/// The numbers of one decision, for the operator's own metrics.
pub fn numbers(
    policy: &Policy,
    signals: &[Signal],
    decision: &Decision,
    (memory, trust, summary): (&Memory, &BTreeMap<String, TrustState>, Option<&Summary>),
) -> Numbers {
    let at_lead = signals.iter().find_map(|signal| {
        let at = decision.at.plus(policy.lead);
        signal.outlook().and_then(|outlook| outlook.at(at)).map(|quantiles| quantiles.times(signal.times(at)))
    });
    let kept = memory.measured.kept.record();
    Numbers {
        asked: decision.asked.get(),
        ready: decision.ready.get(),
        desired: decision.desired.get(),
        reactive: decision.reactive.get(),
        predicted: decision.predicted.map(crate::units::Replicas::get),
        demand_p50: at_lead.map(|quantiles| quantiles.at(0.5).get()),
        demand_p99: at_lead.map(|quantiles| quantiles.at(0.99).get()),
        trusted: trust.values().any(|trust| trust.trusted),
        skill: signals.iter().find_map(|signal| signal.skill().and_then(Trust::measured)),
        coverage_p90: summary.map(|summary| summary.coverage_90.get()),
        coverage_p99: summary.map(|summary| summary.coverage_99.get()),
        charged: memory
            .ledger
            .as_ref()
            .map(|ledger| ledger.replicas.max(decision.write.unwrap_or_default()).get()),
        hourly_cost: policy
            .spend
            .as_ref()
            .and_then(|rule| rule.price.known())
            .map(|price| price.hourly(decision.desired).as_f64()),
        price: policy
            .spend
            .as_ref()
            .and_then(|rule| rule.price.known())
            .map(|price| price.hourly(Replicas::ONE).as_f64()),
        price_known: policy.spend.as_ref().map(|rule| rule.price.known().is_some()),
        shadow: memory.shadow.as_ref().map(|shadow| shadow.asked.get()),
        unserved: kept.map(|record| record.unserved),
        worst: kept.map(|record| record.worst.map_or(0.0, |(_, share)| share)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_in_a_pod_counts_with_its_requests_or_limits() {
        let asks = |kind: &str, cpu: &str| serde_json::json!({"resources": {kind: {"cpu": cpu}}});
        let mut sidecar = asks("requests", "100m");
        sidecar["restartPolicy"] = "Always".into();
        let requests = |containers: Value, first: Value| {
            let pod = serde_json::json!({"containers": containers, "initContainers": first});
            pod_requests(&serde_json::json!({"spec": {"template": {"spec": pod}}}), "cpu")
        };
        let two = serde_json::json!([asks("requests", "500m"), asks("limits", "1")]);
        assert_eq!(requests(two.clone(), serde_json::json!([asks("requests", "8")])), Some(1.5));
        assert_eq!(requests(two, serde_json::json!([sidecar])), Some(1.6));
        assert_eq!(requests(serde_json::json!([asks("requests", "1"), {}]), Value::Null), None);
        assert_eq!(requests(serde_json::json!([]), Value::Null), None);
    }

    #[test]
    fn trust_is_told_with_what_is_missing_to_it() {
        let rivals = "the better of reactive and seasonal naive";
        for (skill, certainty, trusted, told) in [
            (0.123, 9.0, true, format!("its decisions cost 12 % less than {rivals}")),
            (-0.01, 9.0, true, format!("its decisions cost 1 % more than {rivals}")),
            (0.3, 9.0, false, format!("its decisions cost 30 % less than {rivals}: measured so twice in a row it is trusted")),
            (-1.63, 2.0, false, format!("its decisions cost 163 % more than {rivals}, and 2 % less are needed")),
            (0.0, 1.26, false, "its median is nearer to what came than the newest and the usual demand by 1.3 standard errors, and 2 are needed: it knows too little".to_owned()),
            (-0.03, -4.0, false, "its median is no nearer to what came than the newest or the usual demand: it knows nothing".to_owned()),
        ] {
            assert_eq!(skill_sentence(Trust { skill, certainty, level: None, decisions: 100 }, trusted), told);
        }
    }
}
