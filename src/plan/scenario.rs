//! What is replayed: a policy, the demand that it meets, and from when on it is judged.

use std::sync::Arc;

use super::grid::Grid;
use crate::calendar::{Window, rfc3339};
use crate::policy::{Actuation, Behavior, BudgetRule, Mode, PerDirection, Policy, ReactiveRule, Thresholds};
use crate::units::{CapacityPerReplica, Demand, Replicas, Share, Span, Step, Timestamp};

/// Utilisation at which every policy begins (DESIGN 6).
const START_UTILIZATION: f64 = 0.7;

/// A policy and the demand that it meets.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// `namespace/name` of the autoscaler.
    pub key: String,
    /// The policy as the user wrote it.
    pub policy: Policy,
    /// Time between two ticks of the operator.
    pub interval: Span,
    /// The steps.
    pub grid: Grid,
    /// For each metric of the policy its demand over every step.
    pub demand: Vec<Vec<Demand>>,
    /// For each metric the demand that one replica serves.
    pub capacities: Vec<CapacityPerReplica>,
    /// Announced events: the windows that touch the history, by start.
    pub events: Arc<[Window]>,
    /// What really stood at the start of every step, if known.
    pub recorded: Option<Vec<Replicas>>,
    /// The HPA to compare with.
    pub hpa: Policy,
    /// The first step that is judged.
    pub from: usize,
    /// The budget that the policy draws on alone; none when it is left out.
    pub budget: Option<BudgetRule>,
}

/// Why a policy cannot be replayed on a history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// The metrics share fewer than two steps.
    #[error("the history covers {0} steps: at least two are needed, one to see and one to decide on")]
    TooShort(usize),
    /// Histories, capacities and metrics are not one for one.
    #[error("{metrics} metrics need as many histories ({histories}) and capacities ({capacities})")]
    Unmatched {
        /// Metrics of the policy.
        metrics: usize,
        /// Histories given.
        histories: usize,
        /// Capacities given.
        capacities: usize,
    },
    /// Nothing is left to judge.
    #[error("nothing is judged from `{0}` on, where the history ends: choose an earlier `from`")]
    NothingJudged(String),
    /// The grid is no whole number of intervals.
    #[error("a step of {0}s is no whole number of ticks of {1}: choose a step such as 60s")]
    Interval(u32, Span),
}

/// What a scenario is made of besides the policy.
#[derive(Clone, Debug)]
pub struct History {
    /// For each metric its samples, rising in time, at least one each.
    pub demand: Vec<Vec<(Timestamp, Demand)>>,
    /// For each metric the demand that one replica serves.
    pub capacities: Vec<CapacityPerReplica>,
    /// Announced events.
    pub events: Vec<Window>,
    /// What really stood, rising in time; empty when it is not known.
    pub recorded: Vec<(Timestamp, Replicas)>,
    /// From when on is judged; the end of the first quarter when not said.
    pub from: Option<Timestamp>,
}

impl Scenario {
    /// The policy on the steps that all metrics cover, ticking every `interval`.
    ///
    /// # Errors
    /// [`ScenarioError`] says why it cannot be replayed.
    pub fn new(
        key: &str,
        policy: &Policy,
        hpa: Option<Policy>,
        interval: Span,
        history: History,
    ) -> Result<Self, ScenarioError> {
        let History { demand, capacities, events, recorded, from } = history;
        let (metrics, step) = (policy.metrics.len(), policy.step);
        if demand.len() != metrics || capacities.len() != metrics {
            let (histories, capacities) = (demand.len(), capacities.len());
            return Err(ScenarioError::Unmatched { metrics, histories, capacities });
        }
        if interval == Span::ZERO || !step.span().millis().is_multiple_of(interval.millis()) {
            return Err(ScenarioError::Interval(step.seconds(), interval));
        }
        let starts = demand.iter().filter_map(|samples| samples.first()).map(|(at, _)| *at);
        let ends = demand.iter().filter_map(|samples| samples.last()).map(|(at, _)| *at);
        let (Some(first), Some(last)) = (starts.max(), ends.min()) else {
            return Err(ScenarioError::TooShort(0));
        };
        let grid = Grid::covering(first, last, step);
        if grid.n_steps < 2 || demand.iter().any(Vec::is_empty) {
            return Err(ScenarioError::TooShort(grid.n_steps));
        }
        let first_judged = from.map_or(grid.n_steps / 4, |from| grid.first_at(from));
        if first_judged >= grid.n_steps {
            return Err(ScenarioError::NothingJudged(rfc3339(from.unwrap_or(last))));
        }
        let recorded = held_recorded(&grid, &recorded);
        Ok(Self {
            key: key.to_owned(),
            interval,
            demand: demand.iter().map(|samples| grid.hold(samples)).collect(),
            capacities,
            events: events.into(),
            recorded,
            hpa: hpa.unwrap_or_else(|| usual_hpa(policy)),
            policy: policy.clone(),
            grid,
            from: first_judged,
            budget: None,
        })
    }

    /// The capacity that the figures are in: that of the first metric.
    pub fn capacity(&self) -> Option<CapacityPerReplica> {
        self.capacities.first().copied()
    }

    /// Demand over step `i` in the unit of the first metric: the largest of all metrics, in replicas.
    pub fn demand_at(&self, i: usize) -> f64 {
        let unit = self.capacity().map_or(1.0, CapacityPerReplica::get);
        self.demand
            .iter()
            .zip(&self.capacities)
            .filter_map(|(demand, capacity)| Some(demand.get(i)?.get() * (unit / capacity.get())))
            .fold(0.0, f64::max)
    }

    /// Replicas that step `i` needs, within the policy's bounds.
    pub fn need_at(&self, i: usize) -> Replicas {
        let need = self
            .demand
            .iter()
            .zip(&self.capacities)
            .filter_map(|(demand, capacity)| Some(capacity.need(*demand.get(i)?)))
            .max()
            .unwrap_or_default();
        self.policy.bounds.clamp(need)
    }

    /// What every policy begins with: the first step's need at 70 %.
    pub fn start(&self) -> Replicas {
        let need = self
            .demand
            .iter()
            .zip(&self.capacities)
            .filter_map(|(demand, capacity)| {
                let first = demand.first()?.get() / START_UTILIZATION;
                Some(capacity.need(Demand::new(first).unwrap_or(Demand::ZERO)))
            })
            .max()
            .unwrap_or_default();
        self.policy.bounds.clamp(need)
    }

    /// Steps from asking for a replica to it serving.
    pub fn lead_steps(&self) -> usize {
        self.grid.step.steps_covering(self.policy.lead)
    }

    /// Ticks in a step.
    pub fn ticks(&self) -> u64 {
        (self.grid.step.span().millis() / self.interval.millis().max(1)).max(1)
    }

    /// The grid's step.
    pub const fn step(&self) -> Step {
        self.grid.step
    }
}

/// What stood on each step; `None` unless it is known from the first step on.
fn held_recorded(grid: &Grid, recorded: &[(Timestamp, Replicas)]) -> Option<Vec<Replicas>> {
    let (first, _) = recorded.first()?;
    (*first <= grid.start).then(|| grid.hold(recorded))
}

/// The policy as it is replayed: it writes, in `mode`, and is not paused.
#[must_use]
pub fn replayed(policy: &Policy, mode: Mode) -> Policy {
    Policy { mode, pause: None, actuation: Actuation::Scale, ..policy.clone() }
}

/// The policy without its forecasts.
#[must_use]
pub fn unpredicted(policy: &Policy) -> Policy {
    let mut policy = replayed(policy, Mode::Active);
    for rule in &mut policy.metrics {
        rule.prediction = false;
    }
    policy
}

/// The HPA that `policy` would replace: 70 % of the capacity, the HPA's default behaviour, and nothing else.
fn usual_hpa(policy: &Policy) -> Policy {
    hpa_at(policy, Share::from_percent(70))
}

/// An HPA at `utilization` of the capacity, with the HPA's default behaviour.
#[must_use]
pub fn hpa_at(policy: &Policy, utilization: Share) -> Policy {
    let zero = PerDirection { up: Span::ZERO, down: Span::ZERO };
    Policy {
        reactive: ReactiveRule { average_utilization: utilization, floor_utilization: utilization },
        behavior: Behavior::hpa_default(),
        cooldown: zero,
        thresholds: Thresholds { min_step: Replicas::ONE, sustain: zero },
        spend: None,
        suspect_for: Span::ZERO,
        ..unpredicted(policy)
    }
}
