//! A budget and its members as they are told.

use super::path::Theta;
use crate::calendar::Stretch;
use crate::units::{Money, Replicas};

/// One member as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberReport {
    /// `namespace/name`.
    pub name: String,
    /// Higher ones are served first.
    pub priority: u32,
    /// What it spent in the period.
    pub spent: Money,
    /// The share of its needs that is paid for.
    pub theta: Theta,
    /// Whether what it spent is a guess.
    pub guessed: bool,
    /// What stands.
    pub asked: Replicas,
    /// What its share pays for now.
    pub ceiling: Replicas,
    /// Replicas that its last decision wanted and did not get.
    pub withheld: Replicas,
    /// What they would cost an hour.
    pub withheld_hourly: Money,
}

/// A budget as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetReport {
    /// The period.
    pub period: Stretch,
    /// What was spent in it.
    pub spent: Money,
    /// The overdraft's part of it.
    pub overdrawn: Money,
    /// What remains of the amount.
    pub remaining: Money,
    /// What will have been spent at its end: in the low course of demand, as foreseen, in the high course.
    pub projected: [Money; 3],
    /// The least share among the members.
    pub theta: Theta,
    /// Whether the minima are paid for.
    pub feasible: bool,
    /// Members whose price was never known; they count as the dearest of the others.
    pub n_unpriced: usize,
    /// Whether it may be told: a book that was just opened may have to guess what its members spent.
    pub complete: bool,
    /// The members, those with most withheld first.
    pub members: Vec<MemberReport>,
}
