//! The validated form of a `SpendBudget`: what several autoscalers may spend together in a period.

use serde::{Deserialize, Serialize};

use crate::calendar::{Period, Stretch, TimeZone};
use crate::units::{Money, Timestamp};

/// What several autoscalers may spend together in a period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BudgetRule {
    /// The name of the custom resource.
    pub name: String,
    /// What a period may cost.
    pub amount: Money,
    /// ISO 4217 code; the prices of its autoscalers are in it too.
    pub currency: String,
    /// How long the amount is to last.
    pub period: Period,
    /// The IANA zone on whose clocks periods begin.
    pub time_zone: String,
    /// What happens to growth that the amount does not pay for.
    pub on_exceed: OnExceed,
    /// What may be spent beyond the amount.
    pub overdraft: Option<Overdraft>,
}

/// What happens to growth that a budget does not pay for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnExceed {
    /// It is reported and let through.
    Warn,
    /// It is withheld.
    HoldGrowth,
}

impl OnExceed {
    /// The word in the custom resource.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warn => "Warn",
            Self::HoldGrowth => "HoldGrowth",
        }
    }
}

/// What may be spent beyond the amount of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Overdraft {
    /// How much in a period.
    pub amount: Money,
    /// Whether present demand that would go unserved may be served from it.
    pub unserved: bool,
}

impl BudgetRule {
    /// The period that contains `at`.
    pub fn stretch(&self, at: Timestamp) -> Stretch {
        TimeZone::parse(&self.time_zone).unwrap_or(TimeZone::UTC).period(self.period, at)
    }
}
