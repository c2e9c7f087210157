//! The gauges of budgets, by name of the budget.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BudgetLabels {
    budget: String,
}

/// What is shown of one budget, in its currency where it is money.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BudgetNumbers {
    /// What a period may cost.
    pub amount: f64,
    /// What was spent in it.
    pub spent: f64,
    /// The overdraft's part of it.
    pub overdrawn: f64,
    /// What remains of the amount.
    pub remaining: f64,
    /// What will have been spent: low, as foreseen, high.
    pub projected: [f64; 3],
    /// The least share of needs that is paid for.
    pub theta: f64,
    /// Replicas withheld from all members.
    pub withheld: f64,
}

/// Name and help of each gauge, in the order of [`values_of`].
const GAUGES: [(&str, &str); 9] = [
    ("budget_amount", "What a period of the budget may cost"),
    ("budget_spent", "What was spent in the period"),
    ("budget_overdrawn", "What of it the overdraft paid for"),
    ("budget_remaining", "What remains of the amount"),
    ("budget_projected_low", "What will have been spent in the low course of demand"),
    ("budget_projected", "What will have been spent as foreseen"),
    ("budget_projected_high", "What will have been spent in the high course of demand"),
    ("budget_theta", "The least share of needs that is paid for"),
    ("budget_withheld_replicas", "Replicas withheld from the members"),
];

fn values_of(numbers: &BudgetNumbers) -> [f64; 9] {
    let BudgetNumbers {
        amount,
        spent,
        overdrawn,
        remaining,
        projected: [low, expected, high],
        theta,
        withheld,
    } = *numbers;
    [amount, spent, overdrawn, remaining, low, expected, high, theta, withheld]
}

/// The gauges of all budgets. Clones share their values.
#[derive(Clone, Debug)]
pub struct BudgetGauges(Vec<Family<BudgetLabels, Gauge<f64, AtomicU64>>>);

impl BudgetGauges {
    /// The gauges, in `registry`.
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = GAUGES.map(|(name, help)| {
            let family = Family::default();
            registry.register(name, help, family.clone());
            family
        });
        Self(families.to_vec())
    }

    /// Shows one budget.
    pub fn show(&self, budget: &str, numbers: &BudgetNumbers) {
        for (family, value) in self.0.iter().zip(values_of(numbers)) {
            family.get_or_create(&BudgetLabels { budget: budget.to_owned() }).set(value);
        }
    }

    /// Removes the series of a budget that is gone.
    pub fn forget(&self, budget: &str) {
        for family in &self.0 {
            family.remove(&BudgetLabels { budget: budget.to_owned() });
        }
    }
}
