//! The trail: what each stage proposed before and after, and one sentence with numbers, rendered only when read.

use std::fmt;

use super::{
    bounds, combine, cooldown, evidence, floors, guards, predictive, rate, reactive, spend, stabilise,
    threshold,
};
use crate::policy::Mode;
use crate::units::{Replicas, Span};

/// The stages, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Readings become values or absent.
    Evidence,
    /// The HPA's answer.
    Reactive,
    /// Quantiles of the coming steps.
    Forecast,
    /// What they need.
    Predictive,
    /// One proposal of both.
    Combine,
    /// Fallback, a human's scale-up, a boost, `minReplicas`.
    Floors,
    /// A freeze.
    Guards,
    /// `minStep` and `sustainFor`.
    Threshold,
    /// Stabilisation windows.
    Stabilise,
    /// Rate policies.
    Rate,
    /// Cooldowns.
    Cooldown,
    /// `maxPerHour`.
    Spend,
    /// `minReplicas` and `maxReplicas`.
    Bounds,
    /// Whether it is written.
    Mode,
}

impl Stage {
    /// All stages, in their order.
    pub const ALL: [Self; 14] = [
        Self::Evidence,
        Self::Reactive,
        Self::Forecast,
        Self::Predictive,
        Self::Combine,
        Self::Floors,
        Self::Guards,
        Self::Threshold,
        Self::Stabilise,
        Self::Rate,
        Self::Cooldown,
        Self::Spend,
        Self::Bounds,
        Self::Mode,
    ];

    /// The stage of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.name() == name)
    }

    /// The stage's name in status, logs and metrics: stable.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Evidence => "evidence",
            Self::Reactive => "reactive",
            Self::Forecast => "forecast",
            Self::Predictive => "predictive",
            Self::Combine => "combine",
            Self::Floors => "floors",
            Self::Guards => "guards",
            Self::Threshold => "threshold",
            Self::Stabilise => "stabilise",
            Self::Rate => "rate",
            Self::Cooldown => "cooldown",
            Self::Spend => "spend",
            Self::Bounds => "bounds",
            Self::Mode => "mode",
        }
    }
}

/// What a stage found.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// Stage 1.
    Evidence(evidence::Fact),
    /// Stage 2.
    Reactive(reactive::Fact),
    /// Stage 3.
    Forecast(predictive::ForecastFact),
    /// Stage 4.
    Predictive(predictive::Fact),
    /// Stage 5.
    Combine(combine::Fact),
    /// Stage 6.
    Floors(floors::Fact),
    /// Stage 7.
    Guards(guards::Fact),
    /// Stage 7.
    Threshold(threshold::Fact),
    /// Stage 8.
    Stabilise(stabilise::Fact),
    /// Stage 8.
    Rate(rate::Fact),
    /// Stage 8.
    Cooldown(cooldown::Fact),
    /// Stage 9.
    Spend(spend::Fact),
    /// Stage 10.
    Bounds(bounds::Fact),
    /// Whether it is written.
    Mode(ModeFact),
}

/// Why a decision is written or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModeFact {
    /// It is written.
    Writes(Mode),
    /// Nothing is to be changed.
    Unchanged(Replicas),
    /// DryRun records only.
    DryRun,
    /// Paused, for so long yet.
    Paused {
        /// The user's reason.
        reason: String,
        /// What is left of the pause.
        left: Span,
    },
    /// `pause.replicas`, written once on entry.
    PauseEntered(Replicas),
    /// The target is at zero although `minReplicas` is not: somebody switched it off.
    SwitchedOff,
    /// Somebody else writes the same target.
    Conflict,
}

/// One stage of a decision.
#[derive(Clone, Debug, PartialEq)]
pub struct StageRecord {
    /// Which.
    pub stage: Stage,
    /// The proposal before it.
    pub before: Replicas,
    /// The proposal after it.
    pub after: Replicas,
    /// What it found.
    pub fact: Fact,
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Evidence(fact) => fact.fmt(f),
            Self::Reactive(fact) => fact.fmt(f),
            Self::Forecast(fact) => fact.fmt(f),
            Self::Predictive(fact) => fact.fmt(f),
            Self::Combine(fact) => fact.fmt(f),
            Self::Floors(fact) => fact.fmt(f),
            Self::Guards(fact) => fact.fmt(f),
            Self::Threshold(fact) => fact.fmt(f),
            Self::Stabilise(fact) => fact.fmt(f),
            Self::Rate(fact) => fact.fmt(f),
            Self::Cooldown(fact) => fact.fmt(f),
            Self::Spend(fact) => fact.fmt(f),
            Self::Bounds(fact) => fact.fmt(f),
            Self::Mode(fact) => fact.fmt(f),
        }
    }
}

impl fmt::Display for ModeFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Writes(mode) => write!(f, "mode {} writes it", mode.name()),
            Self::Unchanged(n) => write!(f, "{n} stand already: nothing is written"),
            Self::DryRun => f.write_str("mode DryRun records it and writes nothing"),
            Self::Paused { reason, left } => {
                write!(f, "paused for another {}s ({reason}): nothing is written", left.seconds())
            }
            Self::PauseEntered(n) => write!(f, "pause.replicas writes {n} once"),
            Self::SwitchedOff => f.write_str(
                "the target stands at 0, so somebody switched it off: nothing is written until it is raised",
            ),
            Self::Conflict => {
                f.write_str("somebody else scales the same target: nothing is written, to avoid a fight")
            }
        }
    }
}

/// A number as people read it: whole from a hundred on, else three significant digits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number(pub f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0;
        if value >= 100.0 || value == 0.0 {
            write!(f, "{value:.0}")
        } else if value >= 1.0 {
            write!(f, "{value:.1}")
        } else {
            write!(f, "{value:.3}")
        }
    }
}
