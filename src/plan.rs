//! Policies replayed on a history, side by side, by the very function that the operator calls (DESIGN 6).
//!
//! ```text
//! samples -> Scenario -> days -> foresee (any order) -> Run::advance (in order) -+
//!                \-> baselines, HPAs --------------------------------------------+-> Outcome -> gates
//! ```
//!
//! Demand `x[i]` holds over step `i`; a decision at its start has seen `x[0..i]` only. At the first step every policy
//! stands where `x[0]` needs 70 % of it. Forecasts are issued once a step and shared by all policies.

mod baselines;
mod budgeted;
mod cluster;
mod course;
mod foresight;
mod gate;
mod grid;
mod hpa;
mod replay;
mod scenario;

pub use course::{BudgetFigures, Course, Figures, Stood};
pub use foresight::{Day, Issued, days, foresee};
pub use gate::{Gate, GateError, Verdict};
pub use grid::Grid;
pub use hpa::of_scenario as hpa_course;
pub use replay::{Foreseen, Replay, Shown, Watch};
pub use scenario::{History, Scenario, ScenarioError, hpa_at, replayed, unpredicted};

use crate::calendar;
use crate::forecast::TrustState;
use crate::policy::Mode;

/// One policy's course and what it comes to.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What stood at every step.
    pub course: Course,
    /// What that comes to.
    pub figures: Figures,
    /// Whether no other policy that knows no future both costs less and serves more.
    pub on_front: bool,
}

/// Median and .99 quantile of demand at `t_i + lead` as issued at step `i`, in the unit of the first metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ahead {
    /// The median.
    pub p50: f64,
    /// The .99 quantile.
    pub p99: f64,
    /// Whether the forecast was trusted.
    pub trusted: bool,
}

/// All policies of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// In the order in which they are shown; `foresail` first.
    pub policies: Vec<Judged>,
    /// The forecast of every step.
    pub ahead: Vec<Option<Ahead>>,
}

/// The ticking policies of a run on their way.
#[derive(Clone, Debug)]
pub struct Run {
    replays: Vec<Replay>,
    trust: Vec<TrustState>,
    ahead: Vec<Option<Ahead>>,
}

impl Run {
    /// All ticking policies at the first step.
    pub fn begin(scenario: &Scenario) -> Self {
        let policy = &scenario.policy;
        let replays = vec![
            Replay::begin("foresail", replayed(policy, Mode::Active), scenario),
            Replay::begin("floor", replayed(policy, Mode::Floor), scenario),
            Replay::begin("reactive", unpredicted(policy), scenario).unannounced(),
        ];
        let trust = vec![TrustState::default(); policy.metrics.len()];
        Self { replays, trust, ahead: Vec::with_capacity(scenario.grid.n_steps) }
    }

    /// What is known at each step of `day`, the next one: its forecasts with the trust that holds by then.
    pub fn foreseen<'a>(&mut self, scenario: &Scenario, day: &'a Day) -> Vec<Vec<Foreseen<'a>>> {
        (0..day.steps.len())
            .map(|step| {
                let known: Vec<Foreseen<'a>> = day
                    .metrics
                    .iter()
                    .zip(&mut self.trust)
                    .zip(&day.usual)
                    .map(|((issued, trust), usual)| Foreseen {
                        usual: usual.as_ref(),
                        ..of_issued(issued.get(step), trust)
                    })
                    .collect();
                self.ahead.push(ahead(scenario, self.ahead.len(), &known));
                known
            })
            .collect()
    }

    /// The one that decides as the policy does in `mode`; in `DryRun` that is Active.
    pub fn replay_mut(&mut self, mode: Mode) -> Option<&mut Replay> {
        match (mode, self.replays.as_mut_slice()) {
            (Mode::Floor, [_, floor, ..]) => Some(floor),
            (_, [active, ..]) => Some(active),
            _ => None,
        }
    }

    /// The policies, which may be advanced at once.
    pub fn replays_mut(&mut self) -> &mut [Replay] {
        &mut self.replays
    }

    /// All policies judged, once every day has passed.
    pub fn finish(self, scenario: &Scenario) -> Outcome {
        let Self { replays, trust: _, ahead } = self;
        let mut courses: Vec<Course> = replays.into_iter().map(Replay::course).collect();
        courses.extend([hpa::of_scenario(scenario), hpa::best(scenario)]);
        courses.extend(baselines::recorded(scenario));
        courses.extend([
            baselines::fixed(scenario),
            baselines::schedule(scenario),
            baselines::oracle(scenario),
        ]);
        Outcome::judge(scenario, courses, ahead)
    }
}

impl Outcome {
    /// What `courses` come to, each beside the others.
    pub fn judge(scenario: &Scenario, courses: Vec<Course>, ahead: Vec<Option<Ahead>>) -> Self {
        let figures: Vec<Figures> = courses.iter().map(|course| course.figures(scenario)).collect();
        let fair: Vec<Figures> = courses
            .iter()
            .zip(&figures)
            .filter(|(course, _)| !matches!(course.name, "oracle" | "hpa-best"))
            .map(|(_, figures)| *figures)
            .collect();
        let policies = courses
            .into_iter()
            .zip(figures)
            .map(|(course, figures)| Judged { on_front: on_front(&figures, &fair), course, figures })
            .collect();
        Self { policies, ahead }
    }
}

/// The whole run, one day after the other.
pub fn run(scenario: &Scenario) -> Outcome {
    let mut run = Run::begin(scenario);
    for steps in days(scenario) {
        let day = foresee(scenario, steps);
        let foreseen = run.foreseen(scenario, &day);
        for replay in run.replays_mut() {
            replay.advance(scenario, &foreseen);
        }
    }
    run.finish(scenario)
}

fn of_issued<'a>(issued: Option<&'a Issued>, trust: &mut TrustState) -> Foreseen<'a> {
    let Some(Issued { outlook, profile, p05_earlier, judgement }) = issued else {
        return Foreseen::default();
    };
    if let Some(judgement) = judgement {
        *trust = judgement.after(*trust);
    }
    Foreseen {
        outlook: outlook.as_ref(),
        profile: profile.as_ref(),
        trusted: trust.trusted,
        level: trust.level,
        p05_earlier: *p05_earlier,
        usual: None,
    }
}

fn ahead(scenario: &Scenario, i: usize, known: &[Foreseen<'_>]) -> Option<Ahead> {
    let at = scenario.grid.time(i).plus(scenario.policy.lead);
    let unit = scenario.capacity()?.get() * calendar::factor(&scenario.events, at);
    let mut largest: Option<Ahead> = None;
    for (one, capacity) in known.iter().zip(&scenario.capacities) {
        let Some(quantiles) = one.outlook.and_then(|outlook| outlook.at(at)) else { continue };
        let in_unit = |level: f64| quantiles.at(level).get() * (unit / capacity.get());
        let ahead = Ahead { p50: in_unit(0.5), p99: in_unit(0.99), trusted: one.trusted };
        largest = Some(largest.map_or(ahead, |most| Ahead {
            p50: most.p50.max(ahead.p50),
            p99: most.p99.max(ahead.p99),
            trusted: most.trusted && ahead.trusted,
        }));
    }
    largest
}

/// Whether none of `others` is as good in both cost and unserved demand and better in one.
fn on_front(figures: &Figures, others: &[Figures]) -> bool {
    !others.iter().any(|other| {
        let (cheaper, fewer) =
            (other.replica_seconds < figures.replica_seconds, other.unserved_share < figures.unserved_share);
        let (dearer, more) =
            (other.replica_seconds > figures.replica_seconds, other.unserved_share > figures.unserved_share);
        (cheaper || fewer) && !dearer && !more
    })
}

#[cfg(test)]
pub(crate) mod tests;
