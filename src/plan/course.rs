//! What stood at every step of a replay, and what it comes to.

use super::scenario::Scenario;
use crate::calendar::Stretch;
use crate::decide::Stage;
use crate::units::{Money, Replicas};

/// Demand above ready capacity that counts as none, against rounding (DESIGN 6).
const SHORT: f64 = 1e-9;

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stood {
    /// What is asked for after all stages, from the start of the step.
    pub desired: Replicas,
    /// What serves over the step.
    pub ready: Replicas,
    /// The stage that bound the decision, where there are stages.
    pub stage: Option<Stage>,
}

/// One policy over all steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Course {
    /// The policy's name.
    pub name: &'static str,
    /// One entry a step.
    pub stood: Vec<Stood>,
}

/// What a course comes to over the judged steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// Replicas asked for, integrated over time.
    pub replica_seconds: u64,
    /// Demand above ready capacity as a share of all demand; 0 when there is none.
    pub unserved_share: f64,
    /// Share of steps with demand above ready capacity.
    pub time_short: f64,
    /// Steps with another count asked for than in the step before.
    pub changes: u64,
    /// What was asked for costs so much; `None` without a price.
    pub cost: Option<Money>,
    /// What it spends in the periods of the budget; `None` without one.
    pub budget: Option<BudgetFigures>,
}

/// What a course spends in the periods of a budget, from its first step on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetFigures {
    /// Periods, also those that are covered in part.
    pub n_periods: u32,
    /// Periods in which it spends more than the amount.
    pub n_exceeded: u32,
    /// The most that it spends in one.
    pub largest: Money,
}

impl Figures {
    /// Replica-hours asked for.
    pub fn replica_hours(&self) -> f64 {
        let (hours, rest) = (self.replica_seconds / 3600, self.replica_seconds % 3600);
        as_float(hours) + as_float(rest) / 3600.0
    }
}

impl Course {
    /// What stood comes to, from the scenario's first judged step on.
    pub fn figures(&self, scenario: &Scenario) -> Figures {
        let capacity = scenario.capacity().map_or(f64::INFINITY, crate::units::CapacityPerReplica::get);
        let step = u64::from(scenario.step().seconds());
        let (mut replica_seconds, mut changes, mut short, mut judged) = (0_u64, 0_u64, 0_u64, 0_u64);
        let (mut unserved, mut demanded) = (0.0, 0.0);
        let mut before = self.stood.get(scenario.from.saturating_sub(1)).map(|stood| stood.desired);
        for (i, stood) in self.stood.iter().enumerate().skip(scenario.from) {
            replica_seconds = replica_seconds.saturating_add(u64::from(stood.desired.get()) * step);
            changes += u64::from(before.is_some_and(|before| before != stood.desired));
            before = Some(stood.desired);
            let (demand, missing) = (scenario.demand_at(i), missing(scenario, i, stood.ready, capacity));
            demanded += demand;
            unserved += missing;
            short += u64::from(missing > 0.0);
            judged += 1;
        }
        Figures {
            replica_seconds,
            unserved_share: if demanded > 0.0 { unserved / demanded } else { 0.0 },
            time_short: if judged > 0 { as_float(short) / as_float(judged) } else { 0.0 },
            changes,
            cost: scenario
                .policy
                .spend
                .as_ref()
                .and_then(|spend| spend.price.of_replica_seconds(replica_seconds)),
            budget: self.of_budget(scenario),
        }
    }

    /// What it spends in the periods of the scenario's budget.
    fn of_budget(&self, scenario: &Scenario) -> Option<BudgetFigures> {
        let (rule, priced) = (scenario.budget.as_ref()?, scenario.policy.spend.as_ref()?);
        let step = u64::from(scenario.step().seconds());
        let mut periods: Vec<(Stretch, u64)> = Vec::new();
        for (i, stood) in self.stood.iter().enumerate() {
            let at = scenario.grid.time(i);
            let spent = u64::from(stood.desired.get()) * step;
            match periods.last_mut() {
                Some((stretch, sum)) if at < stretch.end => *sum = sum.saturating_add(spent),
                _ => periods.push((rule.stretch(at), spent)),
            }
        }
        let price = priced.price.reckoned()?;
        let costs: Vec<Money> = periods.iter().map(|(_, sum)| price.of_replica_seconds(*sum)).collect();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Some(BudgetFigures {
            n_periods: count(costs.len()),
            n_exceeded: count(costs.iter().filter(|cost| **cost > rule.amount).count()),
            largest: costs.into_iter().max().unwrap_or(Money::ZERO),
        })
    }
}

/// Demand over step `i` above what `ready` replicas serve, per second.
pub(super) fn missing(scenario: &Scenario, i: usize, ready: Replicas, capacity: f64) -> f64 {
    let above = scenario.demand_at(i) - ready.as_f64() * capacity;
    if above > SHORT { above } else { 0.0 }
}

/// A count as a float: exact up to 2^53, which no sum of replica-hours reaches.
pub(super) fn as_float(n: u64) -> f64 {
    let low = u32::try_from(n & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    let high = u32::try_from(n >> 32).unwrap_or(u32::MAX);
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}
