//! A policy replayed by the operator's own function: `engine::tick` at every tick of every step.

use super::budgeted::{self, Budgeted};
use super::cluster::Cluster;
use super::course::{Course, Stood};
use super::scenario::Scenario;
use crate::calendar::Window;
use crate::decide::spend::Usual;
use crate::decide::{BreakGlass, Decision, Growth, MetricObservation, Reading, Stage};
use crate::engine::{self, Memory, Observation, Tick};
use crate::forecast::{QuantileForecast, SeasonalProfile};
use crate::policy::Policy;
use crate::units::{Demand, Replicas, Share, Span};

/// What is known of one metric at one step.
#[derive(Clone, Copy, Debug, Default)]
pub struct Foreseen<'a> {
    /// The forecast from the newest sample.
    pub outlook: Option<&'a QuantileForecast>,
    /// Usual demand of the coming steps, while an event is near.
    pub profile: Option<&'a SeasonalProfile>,
    /// Whether it has earned its place.
    pub trusted: bool,
    /// The quantile that keeps the objective when every step follows it.
    pub level: Option<Share>,
    /// The .05 quantile for this step as forecast 30 minutes earlier.
    pub p05_earlier: Option<Demand>,
    /// Usual demand of the coming weeks, where a budget asks for it.
    pub usual: Option<&'a Usual>,
}

/// Who is shown each tick of a replay.
pub type Watch<'a> = &'a mut dyn FnMut(Shown<'_>);

/// One tick of a replay: what the decision was made from, and what came of it.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The policy as it is replayed.
    pub policy: &'a Policy,
    /// What was seen.
    pub observation: &'a Observation<'a>,
    /// What was remembered.
    pub memory: &'a Memory,
    /// The decision, and what is remembered after it.
    pub tick: &'a Tick,
}

/// One tick on its way.
#[derive(Clone, Copy)]
struct Moment<'a> {
    step: usize,
    tick: u64,
    asked: Replicas,
    known: &'a [Foreseen<'a>],
}

/// One policy on its way through the history.
#[derive(Clone, Debug)]
pub struct Replay {
    name: &'static str,
    policy: Policy,
    /// Whether announced events are part of it.
    knows_events: bool,
    cluster: Cluster,
    memory: Memory,
    budget: Option<Budgeted>,
    stood: Vec<Stood>,
}

impl Replay {
    /// `policy`, which writes, at the first step of `scenario`.
    pub fn begin(name: &'static str, policy: Policy, scenario: &Scenario) -> Self {
        let cluster = Cluster::begin(scenario.start());
        let stood = Vec::with_capacity(scenario.grid.n_steps);
        let budget = Budgeted::begin(&policy, scenario);
        Self { name, policy, knows_events: true, cluster, memory: Memory::default(), budget, stood }
    }

    /// The same without announced events: what comes is met when it is there.
    #[must_use]
    pub fn unannounced(self) -> Self {
        Self { knows_events: false, ..self }
    }

    /// Goes through the next steps, one entry of `foreseen` each; of them every metric's.
    pub fn advance(&mut self, scenario: &Scenario, foreseen: &[Vec<Foreseen<'_>>]) {
        self.advance_watched(scenario, foreseen, &mut |_| ());
    }

    /// [`Self::advance`], and each tick is shown.
    pub fn advance_watched(&mut self, scenario: &Scenario, foreseen: &[Vec<Foreseen<'_>>], watch: Watch<'_>) {
        for known in foreseen {
            let stage = self.step(scenario, known, watch);
            let (desired, ready) = (self.cluster.asked(), self.cluster.ready());
            self.stood.push(Stood { desired, ready, stage });
        }
    }

    /// The steps so far.
    pub fn course(self) -> Course {
        Course { name: self.name, stood: self.stood }
    }

    /// All ticks of one step; the stage that bound its last change, or else its last tick.
    fn step(&mut self, scenario: &Scenario, known: &[Foreseen<'_>], watch: Watch<'_>) -> Option<Stage> {
        let step = self.stood.len();
        if step == 0 {
            // What arrives over the first step is seen when it has passed.
            return None;
        }
        self.cluster.advance(step);
        let mut asked = self.cluster.asked();
        let mut bound: Option<Decision> = None;
        for tick in 0..scenario.ticks() {
            let decision = self.tick(scenario, Moment { step, tick, asked, known }, watch);
            let wrote = decision.write;
            if wrote.is_some() || bound.as_ref().is_none_or(|last| last.write.is_none()) {
                bound = Some(decision);
            }
            asked = wrote.unwrap_or(asked);
        }
        self.cluster.follow(asked, step + scenario.lead_steps());
        self.cluster.advance(step);
        bound.map(|decision| decision.bound_by())
    }

    fn tick(&mut self, scenario: &Scenario, moment: Moment<'_>, watch: Watch<'_>) -> Decision {
        let Moment { step, tick, asked, known } = moment;
        let seen = step.saturating_sub(1);
        let since = Span::from_millis(scenario.interval.millis().saturating_mul(tick));
        let now = scenario.grid.time(step).plus(since);
        let metrics: Vec<MetricObservation<'_>> = scenario
            .demand
            .iter()
            .zip(&scenario.capacities)
            .zip(known)
            .map(|((demand, capacity), known)| {
                let value = demand.get(seen).map_or(0.0, |demand| demand.get());
                let Foreseen { outlook, profile, trusted, level, p05_earlier, usual: _ } = *known;
                MetricObservation {
                    reading: Reading::Value { value, at: now, partial: false },
                    capacity: Some(*capacity),
                    outlook,
                    trusted,
                    level,
                    profile,
                    p05_earlier,
                    same_hours_maximum: None,
                    source_suspect: false,
                }
            })
            .collect();
        let ready = self.cluster.ready();
        let (break_glass, hpa, rival) = (BreakGlass::NONE, None, false);
        // A history of demand tells nothing of quotas and rollouts.
        let growth = Growth::default();
        let events: &[Window] = if self.knows_events { &scenario.events } else { &[] };
        let metrics = &*metrics;
        let (moment, memory) = (budgeted::Moment { now, asked, seen, known, events }, &self.memory);
        let allowed =
            self.budget.as_mut().and_then(|budget| budget.allow((&self.policy, scenario), moment, memory));
        let budget = allowed.as_ref();
        let observation =
            Observation { now, asked, ready, hpa, rival, events, break_glass, growth, budget, metrics };
        let ticked = engine::tick(&self.policy, &observation, &self.memory);
        let (policy, memory) = (&self.policy, &self.memory);
        watch(Shown { policy, observation: &observation, memory, tick: &ticked });
        let Tick { decision, memory } = ticked;
        if let Some(budget) = &mut self.budget {
            budget.take(&decision, &memory);
        }
        self.memory = memory;
        decision
    }
}
