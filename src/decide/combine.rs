//! Stage 5: the reactive and the predictive answer become one proposal.

use std::fmt;

use super::predictive::Predicted;
use crate::policy::{Actuation, Mode, Policy};
use crate::units::{Replicas, faulty};

/// What the earlier stages leave to be combined.
#[derive(Clone, Copy, Debug)]
pub struct Answers {
    /// What stands.
    pub asked: Replicas,
    /// The HPA's answer over all metrics.
    pub reactive: Replicas,
    /// The HPA's answer over the metrics without a trusted forecast; `None` when all have one.
    pub reactive_untrusted: Option<Replicas>,
    /// Present demand at `floorUtilization`, over the metrics with a trusted forecast.
    pub present: Replicas,
    /// What the trusted forecasts want.
    pub predicted: Option<Predicted>,
    /// The need of the forecast's p05 of 30 minutes ago, while trusted.
    pub p05_need: Option<Replicas>,
    /// Whether the evidence allows a decrease.
    pub may_lower: bool,
}

/// What the combination did, for its sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Which answer stands.
    pub from: Source,
    /// The proposal.
    pub proposal: Replicas,
    /// The decrease stopped at the need of the forecast's p05.
    pub p05_held: Option<Replicas>,
    /// The decrease was dropped because evidence is missing.
    pub held_for_evidence: bool,
}

/// Which answer the proposal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The reactive answer, larger than the forecast's.
    Reactive,
    /// The reactive answer alone: no forecast takes part.
    Alone,
    /// The forecast.
    Forecast,
    /// Present demand at `floorUtilization`.
    Present,
    /// The HPA decides; the floor may go back.
    Hpa,
}

fn choose(policy: &Policy, answers: &Answers) -> (Replicas, Source) {
    let wants = answers.predicted.map(|predicted| predicted.wants(answers.asked));
    if policy.actuation == Actuation::HorizontalPodAutoscalerFloor {
        return wants.map_or((policy.bounds.min(), Source::Hpa), |n| (n, Source::Forecast));
    }
    let Some(wants) = wants else { return (answers.reactive, Source::Alone) };
    let mut rival = match policy.mode {
        Mode::Floor => (faulty!(BelowReactive, Replicas::ZERO, answers.reactive), Source::Reactive),
        Mode::Active | Mode::DryRun => {
            let untrusted = answers.reactive_untrusted.unwrap_or_default();
            if untrusted > answers.present {
                (untrusted, Source::Reactive)
            } else {
                (answers.present, Source::Present)
            }
        }
    };
    if faulty!(DriftIgnored, false, policy.has_drifted()) && answers.reactive > rival.0 {
        rival = (answers.reactive, Source::Reactive);
    }
    if wants >= rival.0 { (wants, Source::Forecast) } else { rival }
}

/// The proposal before floors, and why.
pub fn apply(policy: &Policy, answers: &Answers) -> (Replicas, Fact) {
    let (mut proposal, from) = choose(policy, answers);
    let Answers { asked, may_lower, p05_need, .. } = *answers;
    let stays = asked.min(policy.bounds.max());
    let held_for_evidence = !faulty!(AbsentIsFresh, true, may_lower) && proposal < stays;
    if held_for_evidence {
        proposal = stays;
    }
    let p05_held = p05_need.map(|need| need.min(asked)).filter(|&need| proposal < need);
    if let Some(need) = p05_held {
        proposal = need;
    }
    (proposal, Fact { from, proposal, p05_held, held_for_evidence })
}

/// What is recommended whatever stands: the proposal without what the forecast only keeps from being released.
pub fn recommended(policy: &Policy, answers: &Answers) -> Replicas {
    let predicted = answers.predicted.map(|wants| Predicted { release_to: wants.raise_to, ..wants });
    apply(policy, &Answers { predicted, ..*answers }).0
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, proposal, p05_held, held_for_evidence } = self;
        if *held_for_evidence {
            return write!(f, "{proposal} stay: evidence is missing, and nothing is lowered on it");
        }
        if let Some(need) = p05_held {
            return write!(
                f,
                "a decrease stops at {need}: the forecast of 30 minutes ago expected at least its p05 now"
            );
        }
        match from {
            Source::Reactive => write!(f, "the reactive answer is larger: {proposal}"),
            Source::Alone => write!(f, "the reactive answer decides: {proposal}; no forecast takes part"),
            Source::Forecast => write!(f, "the forecast decides: {proposal}"),
            Source::Present => write!(f, "present demand decides: {proposal}"),
            Source::Hpa => {
                write!(f, "no trusted forecast: the HPA decides above its own minimum of {proposal}")
            }
        }
    }
}
