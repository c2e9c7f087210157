//! `plan.json`: the figures, for programs.

use serde::{Deserialize, Serialize};

use super::Report;
use crate::calendar::rfc3339;
use crate::units::Money;

/// The content of `plan.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanJson {
    /// `namespace/name` of the autoscaler.
    pub autoscaler: String,
    /// Length of a step.
    pub step_seconds: u32,
    /// From asking for a replica to it serving.
    pub lead_seconds: u64,
    /// Demand that one replica serves, in the unit of the first metric.
    pub capacity_per_replica: f64,
    /// Code of the currency of the costs; null without a price.
    pub currency: Option<String>,
    /// Start of the first judged step, RFC 3339.
    pub from: String,
    /// End of the last step.
    pub to: String,
    /// The share of demand that may go unserved, or at which a missing replica weighs as much as the objective says.
    pub objective_unserved: f64,
    /// Share of the judged steps at which the forecast was trusted.
    pub trusted_share: f64,
    /// All policies.
    pub policies: Vec<PolicyJson>,
    /// The gates that were asked for.
    pub gates: Vec<GateJson>,
    /// What the reader must know of the history.
    pub notes: Vec<String>,
}

/// One policy's figures over the judged steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyJson {
    /// Its name.
    pub name: String,
    /// Replicas asked for, integrated.
    pub replica_hours: f64,
    /// Share of demand above ready capacity.
    pub unserved_share: f64,
    /// Share of steps with demand above ready capacity.
    pub time_short: f64,
    /// Steps with another count asked for.
    pub changes: u64,
    /// What was asked for costs so much; null without a price.
    pub cost: Option<f64>,
    /// What it spends in the periods of the budget; null without one.
    #[serde(default)]
    pub budget: Option<BudgetJson>,
    /// Whether no policy that could be run both costs less and serves more.
    pub on_front: bool,
}

/// What a policy spends in the periods of a budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BudgetJson {
    /// The amount of a period.
    pub amount: f64,
    /// Periods, also those that the history covers in part.
    pub periods: u32,
    /// Periods in which it spends more than the amount.
    pub exceeded: u32,
    /// The most that it spends in one.
    pub largest: f64,
}

/// One gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateJson {
    /// As it was written.
    pub gate: String,
    /// The figure.
    pub value: f64,
    /// The most that it may be.
    pub most: f64,
    /// Whether it is kept.
    pub kept: bool,
}

impl PlanJson {
    /// The figures of a plan.
    pub fn new(report: &Report<'_>) -> Self {
        let Report { scenario, outcome, verdicts, notes } = report;
        let policies = outcome.policies.iter().map(|one| PolicyJson {
            name: one.course.name.to_owned(),
            replica_hours: one.figures.replica_hours(),
            unserved_share: one.figures.unserved_share,
            time_short: one.figures.time_short,
            changes: one.figures.changes,
            cost: one.figures.cost.map(Money::as_f64),
            budget: scenario.budget.as_ref().zip(one.figures.budget).map(|(rule, figures)| BudgetJson {
                amount: rule.amount.as_f64(),
                periods: figures.n_periods,
                exceeded: figures.n_exceeded,
                largest: figures.largest.as_f64(),
            }),
            on_front: one.on_front,
        });
        let gates = verdicts.iter().map(|one| GateJson {
            gate: one.gate.clone(),
            value: one.value,
            most: one.most,
            kept: one.is_kept(),
        });
        Self {
            autoscaler: scenario.key.clone(),
            step_seconds: scenario.step().seconds(),
            lead_seconds: scenario.policy.lead.seconds(),
            capacity_per_replica: scenario.capacity().map_or(0.0, crate::units::CapacityPerReplica::get),
            currency: scenario.policy.spend.as_ref().map(|spend| spend.currency.clone()),
            from: rfc3339(scenario.grid.time(scenario.from)),
            to: rfc3339(scenario.grid.time(scenario.grid.n_steps)),
            objective_unserved: scenario.policy.objective.share().get(),
            trusted_share: report.trusted_share(),
            policies: policies.collect(),
            gates: gates.collect(),
            notes: notes.to_vec(),
        }
    }
}
