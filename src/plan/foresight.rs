//! The forecasts of a replay, day by day: what the operator would have known at each step, and nothing later.
//!
//! At 00:00 UTC everything is fitted anew to the history, so a day's forecasts follow from the samples before it alone,
//! and days may be computed in any order or at once.

use std::ops::Range;
use std::sync::Arc;

use super::scenario::Scenario;
use crate::decide::spend::Usual;
use crate::engine::foresight;
use crate::forecast::{Arrival, Judgement, Keeper, QuantileForecast, SeasonalProfile, fitted};
use crate::units::{Demand, Timestamp};

/// What one metric's keeper said at a step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Issued {
    /// The forecast from the newest sample.
    pub outlook: Option<QuantileForecast>,
    /// Usual demand of the coming steps, while an event is near.
    pub profile: Option<SeasonalProfile>,
    /// The .05 quantile for this step as forecast 30 minutes earlier.
    pub p05_earlier: Option<Demand>,
    /// A measurement of trust.
    pub judgement: Option<Judgement>,
}

/// The forecasts of a stretch of steps within one UTC day.
#[derive(Clone, Debug)]
pub struct Day {
    /// The steps.
    pub steps: Range<usize>,
    /// For each metric of the policy one entry a step.
    pub metrics: Vec<Vec<Issued>>,
    /// For each metric usual demand from the first step on, where a budget asks for it.
    pub usual: Vec<Option<Usual>>,
}

/// The steps cut at 00:00 UTC. The first stretch holds at least two steps: nothing is seen at the first.
pub fn days(scenario: &Scenario) -> Vec<Range<usize>> {
    let day = |i: usize| scenario.grid.time(i).seconds().div_euclid(86_400);
    let mut days = Vec::new();
    let mut start = 0;
    for i in 2..scenario.grid.n_steps {
        if day(i) != day(i - 1) {
            days.push(start..i);
            start = i;
        }
    }
    days.push(start..scenario.grid.n_steps);
    days
}

/// The forecasts of one of the [`days`], from the samples that are visible by then.
pub fn foresee(scenario: &Scenario, steps: Range<usize>) -> Day {
    let all = (0..scenario.policy.metrics.len()).map(|m| of_metric(scenario, m, steps.clone()));
    let (metrics, usual) = all.unzip();
    Day { steps, metrics, usual }
}

fn of_metric(scenario: &Scenario, metric: usize, steps: Range<usize>) -> (Vec<Issued>, Option<Usual>) {
    let (Some(rule), Some(demand), Some(capacity)) =
        (scenario.policy.metrics.get(metric), scenario.demand.get(metric), scenario.capacities.get(metric))
    else {
        return (Vec::new(), None);
    };
    if !rule.prediction {
        return (vec![Issued::default(); steps.len()], None);
    }
    let question = foresight::trust_question(&scenario.policy, *capacity);
    let sample =
        |i: usize| -> Option<(Timestamp, f64)> { Some((scenario.grid.time(i), demand.get(i)?.get())) };
    let mut keeper = foresight::keeper(&scenario.key, &scenario.policy, rule, Arc::clone(&scenario.events));
    if let Some(last_tick) = steps.start.checked_sub(1) {
        let before: Vec<(Timestamp, f64)> = (0..last_tick).filter_map(sample).collect();
        keeper.catch_up(&before, scenario.grid.time(last_tick));
    }
    let now = scenario.grid.time(steps.start);
    let usual =
        scenario.budget.as_ref().and(keeper.forecaster()).map(|forecaster| Usual::of(forecaster, now));
    let issued = steps
        .map(|i| step(&mut keeper, i.checked_sub(1).and_then(sample), &question, scenario.grid.time(i)))
        .collect();
    (issued, usual)
}

fn step(
    keeper: &mut Keeper,
    sample: Option<(Timestamp, f64)>,
    question: &crate::forecast::TrustQuestion,
    now: Timestamp,
) -> Issued {
    let Some((at, value)) = sample else { return Issued::default() };
    if keeper.forecaster().is_none() {
        let forecaster = fitted(keeper.config().clone(), keeper.windows(), &[(at, value)], now);
        keeper.begin(forecaster, now);
    } else {
        keeper.observe(&[Arrival { at, value, censored: false }], now);
    }
    let judgement = keeper.keep(Some(question), now);
    Issued {
        outlook: keeper.outlook().cloned(),
        profile: keeper.profile().cloned(),
        p05_earlier: keeper.p05_earlier(),
        judgement,
    }
}
