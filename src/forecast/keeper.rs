//! One metric's forecaster through time: when it issues a forecast, refits, and has its trust measured.
//!
//! In: newly visible samples and the present instant. Out: the forecast that stands, what the forecast of half an hour
//! ago expected of now, and measurements of trust. Announced events are taken out of demand before it is learned: every
//! sample within a window is divided by what the window multiplies it by; where a window is excluded from learning the
//! quotient serves as the present while the event lasts, and is forgotten when it is over.
//!
//! The operator and the planner drive it with the same calls, so that
//! a plan has no forecast that the operator would not have had.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{
    ForecastConfig, Forecaster, QuantileForecast, SeasonalProfile, Trust, TrustQuestion, TrustState,
};
use crate::calendar::{self, Window};
use crate::units::{Demand, Span, Timestamp};

/// How long before a step [`Keeper::p05_earlier`] looks at it (DESIGN 4, stage 5).
const EARLIER: Span = Span::from_minutes(30);

/// How often trust is measured (DESIGN 12).
const TRUST_EVERY_MILLIS: i64 = 3_600_000;

/// A sample that has just become visible.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arrival {
    /// Start of the step that it covers.
    pub at: Timestamp,
    /// Demand over the step.
    pub value: f64,
    /// Whether the target was saturated, so that demand was at least `value`.
    pub censored: bool,
}

/// What is learned of a sample at `now`; `None` within an excluded window that is over.
fn without_events(windows: &[Window], arrival: Arrival, now: Timestamp) -> Option<Arrival> {
    let Arrival { at, value, censored } = arrival;
    let excluded = windows.iter().filter(|one| one.effect.exclude_from_learning && one.holds(at));
    let mut lasts = None;
    for window in excluded {
        lasts = lasts.max(Some(window.over()));
    }
    if lasts.is_some_and(|over| over <= now) {
        return None;
    }
    let value = value / calendar::factor(windows, at);
    Some(Arrival { at, value, censored: censored || lasts.is_some() })
}

/// The first fit from a history that is known at `now`, with announced events taken out.
pub fn fitted(
    config: ForecastConfig,
    windows: &[Window],
    samples: &[(Timestamp, f64)],
    now: Timestamp,
) -> Forecaster {
    let arrivals = samples.iter().map(|&(at, value)| Arrival { at, value, censored: false });
    Forecaster::learn_from(config, arrivals.filter_map(|one| without_events(windows, one, now)))
}

/// A measurement of trust, and what it does to the state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Judgement {
    /// At the first fit from history, which may earn trust at once.
    FirstFit(Trust),
    /// Once an hour.
    Hourly(Trust),
}

impl Judgement {
    /// What was measured.
    pub const fn trust(self) -> Trust {
        match self {
            Self::FirstFit(trust) | Self::Hourly(trust) => trust,
        }
    }

    /// The state after it. Trust that was kept over a restart stands at a first fit.
    #[must_use]
    pub fn after(self, state: TrustState) -> TrustState {
        match self {
            Self::FirstFit(trust) if state.trusted => {
                TrustState { level: trust.level.or(state.level), ..state }
            }
            Self::FirstFit(trust) => TrustState::earned(trust),
            Self::Hourly(trust) => state.update(trust),
        }
    }
}

/// One metric's forecaster and what it has said.
#[derive(Clone, Debug)]
pub struct Keeper {
    config: ForecastConfig,
    /// How far into each hour trust is measured, so that many keepers do not measure at once.
    trust_offset: Span,
    /// Announced events, from the start of the history on.
    windows: Arc<[Window]>,
    /// Excluded windows that were over by then are forgotten.
    forgotten: Timestamp,
    profile: Option<SeasonalProfile>,
    forecaster: Option<Forecaster>,
    outlook: Option<QuantileForecast>,
    /// Starts of coming steps with the .05 quantile issued [`EARLIER`] before them, oldest first.
    issued_p05: VecDeque<(Timestamp, Demand)>,
    p05_earlier: Option<Demand>,
    skill: Option<Trust>,
    refit_day: i64,
    /// The hour in which trust was last measured; `None` until the first fit was judged.
    trust_hour: Option<i64>,
}

impl Keeper {
    /// A keeper without a forecaster. `trust_offset`: how far into each hour trust is measured; `windows`: announced
    /// events, from the start of the history on.
    pub const fn new(config: ForecastConfig, trust_offset: Span, windows: Arc<[Window]>) -> Self {
        Self {
            config,
            trust_offset,
            windows,
            forgotten: Timestamp::from_millis(i64::MIN),
            profile: None,
            forecaster: None,
            outlook: None,
            issued_p05: VecDeque::new(),
            p05_earlier: None,
            skill: None,
            refit_day: 0,
            trust_hour: None,
        }
    }

    /// Takes a forecaster that was fitted to history: its forecast stands, and the next [`Self::keep`] judges it.
    pub fn begin(&mut self, forecaster: Forecaster, now: Timestamp) {
        self.replace(forecaster, now);
        self.trust_hour = None;
    }

    /// Takes a forecaster that a checkpoint kept: its forecast stands, and it is judged when the next hour begins.
    pub fn resume(&mut self, forecaster: Forecaster, now: Timestamp) {
        self.replace(forecaster, now);
        self.trust_hour = Some(self.hour(now));
    }

    /// Comes to the end of a day without issuing anything on the way: afterwards it stands as one that was driven
    /// through all of `samples` up to the tick at `last_tick` stands after the first tick of the next UTC day, when
    /// everything is fitted anew.
    pub fn catch_up(&mut self, samples: &[(Timestamp, f64)], last_tick: Timestamp) {
        let mut forecaster = Forecaster::new(self.config.clone());
        for &(at, value) in samples {
            let arrival = Arrival { at, value, censored: false };
            if let Some(Arrival { at, value, censored }) = without_events(&self.windows, arrival, last_tick) {
                forecaster.observe(at, Some(value), censored);
            }
        }
        self.forecaster = Some(forecaster);
        self.forgotten = last_tick;
        self.issued_p05.clear();
        self.refit_day = day(last_tick);
        self.trust_hour = Some(self.hour(last_tick));
    }

    fn replace(&mut self, forecaster: Forecaster, now: Timestamp) {
        self.forecaster = Some(forecaster);
        self.refit_day = day(now);
        self.forgotten = now;
        self.issued_p05.clear();
        self.issue(now);
    }

    /// Other events are announced. What was learned stands where they take the same out of it
    /// ([`Self::takes_out`]); else the caller learns the history again.
    pub fn announce(&mut self, windows: Arc<[Window]>) {
        self.windows = windows;
    }

    /// Whether the windows that began before `now` are those of `windows`, and demand within them is unchanged.
    pub fn takes_out(&self, windows: &[Window], now: Timestamp) -> bool {
        let begun = |all: &[Window]| -> Vec<Window> {
            let teaches = |one: &&Window| one.multiplies() || one.effect.exclude_from_learning;
            let kept = now.minus(self.config.history);
            all.iter().filter(|one| one.start < now && kept < one.over()).filter(teaches).cloned().collect()
        };
        begun(&self.windows) == begun(windows)
    }

    /// Appends samples in time order and issues a new forecast. Nothing happens before there is a forecaster.
    pub fn observe(&mut self, arrivals: &[Arrival], now: Timestamp) {
        let Some(forecaster) = &mut self.forecaster else { return };
        if arrivals.is_empty() {
            return;
        }
        for &arrival in arrivals {
            let Some(Arrival { at, value, censored }) = without_events(&self.windows, arrival, now) else {
                continue;
            };
            forecaster.observe(at, Some(value), censored);
            let over = |one: &&Window| self.forgotten < one.over() && one.over() <= at;
            for window in self.windows.iter().filter(|one| one.effect.exclude_from_learning).filter(over) {
                forecaster.forget(window.start, window.over());
            }
            self.forgotten = self.forgotten.max(at);
        }
        self.issue(now);
    }

    /// Usual demand from now on, while an event is near that changes it.
    fn usual(&self, now: Timestamp) -> Option<SeasonalProfile> {
        let horizon = Span::from_millis(
            self.config.step.span().millis().saturating_mul(u64::try_from(self.config.horizon_steps).ok()?),
        );
        let near = |one: &&Window| {
            one.multiplies()
                && one.start.minus(one.effect.ready_before).minus(horizon) <= now
                && now < one.over()
        };
        let ahead = self.windows.iter().filter(near).map(|one| one.effect.ready_before).max()?;
        Some(self.forecaster.as_ref()?.profile(now, self.config.step.steps_covering(horizon.plus(ahead))))
    }

    /// Whether [`Self::keep`] has work to do, which takes milliseconds: a refit, or a measurement of trust.
    pub fn is_due(&self, question: Option<&TrustQuestion>, now: Timestamp) -> bool {
        self.refit_is_due(now) || (question.is_some() && self.trust_is_due(now))
    }

    /// Refits at 00:00 UTC and when the history has outgrown the last fit, and measures trust once an hour. Without a
    /// question (no capacity is known) trust waits.
    pub fn keep(&mut self, question: Option<&TrustQuestion>, now: Timestamp) -> Option<Judgement> {
        if self.refit_is_due(now) {
            self.refit_day = day(now);
            if let Some(forecaster) = &mut self.forecaster {
                forecaster.refit();
            }
            self.issued_p05.clear();
            self.issue(now);
        }
        if !self.trust_is_due(now) {
            return None;
        }
        let trust = self.forecaster.as_mut()?.trust(question?);
        self.skill = Some(trust);
        let first = self.trust_hour.replace(self.hour(now)).is_none();
        Some(if first { Judgement::FirstFit(trust) } else { Judgement::Hourly(trust) })
    }

    fn refit_is_due(&self, now: Timestamp) -> bool {
        self.forecaster
            .as_ref()
            .is_some_and(|forecaster| day(now) != self.refit_day || forecaster.has_outgrown())
    }

    fn trust_is_due(&self, now: Timestamp) -> bool {
        self.forecaster.is_some() && self.trust_hour != Some(self.hour(now))
    }

    /// The hour of the step that contains `now`, counted from the offset: all ticks of a step lie in one hour.
    fn hour(&self, now: Timestamp) -> i64 {
        now.floor_to(self.config.step).minus(self.trust_offset).millis().div_euclid(TRUST_EVERY_MILLIS)
    }

    fn issue(&mut self, now: Timestamp) {
        self.profile = self.usual(now);
        let Some(forecaster) = &self.forecaster else { return };
        self.outlook = forecaster.forecast();
        let step = self.config.step;
        let ahead = step.steps_covering(EARLIER);
        if let Some(outlook) = &self.outlook
            && let Some(quantiles) = ahead.checked_sub(1).and_then(|last| outlook.steps.get(last))
        {
            let after = step.span().millis().saturating_mul(u64::try_from(ahead).unwrap_or(u64::MAX));
            let target = outlook.newest.plus(Span::from_millis(after));
            self.issued_p05.push_back((target, quantiles.at(0.05)));
        }
        let present = now.floor_to(step);
        while self.issued_p05.front().is_some_and(|(target, _)| *target < present) {
            self.issued_p05.pop_front();
        }
        let issued = self.issued_p05.iter().find(|(target, _)| *target == present).map(|(_, p05)| *p05);
        self.p05_earlier = issued.or_else(|| forecaster.p05_30_min_ago(now));
    }

    /// The forecaster, once there is one.
    pub const fn forecaster(&self) -> Option<&Forecaster> {
        self.forecaster.as_ref()
    }

    /// The forecast that stands.
    pub const fn outlook(&self) -> Option<&QuantileForecast> {
        self.outlook.as_ref()
    }

    /// Usual demand of the coming steps, while an event is near that changes it.
    pub const fn profile(&self) -> Option<&SeasonalProfile> {
        self.profile.as_ref()
    }

    /// How many times ordinary demand the announced events expect at `at`.
    pub fn times(&self, at: Timestamp) -> f64 {
        calendar::factor(&self.windows, at)
    }

    /// The announced events.
    pub const fn windows(&self) -> &Arc<[Window]> {
        &self.windows
    }

    /// The .05 quantile for the step of the last issue, as it was forecast 30 minutes before; computed afterwards
    /// where nothing was issued then, as after a start or a refit.
    pub const fn p05_earlier(&self) -> Option<Demand> {
        self.p05_earlier
    }

    /// The last measured skill.
    pub const fn skill(&self) -> Option<Trust> {
        self.skill
    }

    /// What the forecaster was told beforehand.
    pub const fn config(&self) -> &ForecastConfig {
        &self.config
    }
}

/// The UTC day.
fn day(now: Timestamp) -> i64 {
    now.seconds().div_euclid(86_400)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::TimeZone;
    use crate::units::{CapacityPerReplica, Objective, ReplicaBounds, Replicas, Share, Step};

    /// 2026-01-01T22:30:00Z.
    const START: i64 = 1_767_306_600;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_seconds(START + 60 * minutes)
    }

    fn demand(minute: i64) -> f64 {
        f64::from(i32::try_from(100 + (minute * 37) % 50).unwrap())
    }

    fn keeper(offset: Span) -> Keeper {
        let config = ForecastConfig {
            step: Step::MINUTE,
            history: Span::from_hours(28 * 24),
            zone: TimeZone::UTC,
            horizon_steps: 60,
            global: crate::forecast::GlobalModel::shipped(),
        };
        let mut keeper = Keeper::new(config.clone(), offset, Arc::from([]));
        let samples: Vec<(Timestamp, f64)> = (-300..0).map(|i| (at(i), demand(i))).collect();
        keeper.begin(Forecaster::learn(config, &samples), at(0));
        keeper
    }

    fn question() -> TrustQuestion {
        TrustQuestion {
            capacity: CapacityPerReplica::new(10.0).unwrap(),
            bounds: ReplicaBounds::new(Replicas::ONE, Replicas::new(1000)).unwrap(),
            objective: Objective::Unserved(Share::from_percent(1)),
            lead: Span::from_minutes(3),
            utilization: Share::from_percent(70),
            floor: Share::from_percent(95),
            window: Span::from_minutes(5),
            hold: Span::from_minutes(10),
        }
    }

    /// Drives the keeper; minutes at which trust was measured, and at which it was fitted anew.
    fn drive(keeper: &mut Keeper, minutes: std::ops::RangeInclusive<i64>) -> (Vec<i64>, Vec<i64>) {
        let (mut judged, mut refitted) = (Vec::new(), Vec::new());
        for i in minutes {
            keeper.observe(&[Arrival { at: at(i - 1), value: demand(i - 1), censored: false }], at(i));
            if keeper.refit_is_due(at(i)) {
                refitted.push(i);
            }
            if keeper.keep(Some(&question()), at(i)).is_some() {
                judged.push(i);
            }
            assert!(!keeper.is_due(Some(&question()), at(i)), "all work is done at {i}");
        }
        (judged, refitted)
    }

    #[test]
    fn trust_is_measured_at_the_first_fit_and_then_once_an_hour_at_the_offset() {
        assert_eq!(drive(&mut keeper(Span::ZERO), 1..=200).0, [1, 30, 90, 150]);
        assert_eq!(drive(&mut keeper(Span::from_minutes(40)), 1..=200).0, [1, 10, 70, 130, 190]);
    }

    #[test]
    fn everything_is_fitted_anew_at_midnight_and_when_the_history_has_doubled() {
        assert_eq!(drive(&mut keeper(Span::ZERO), 1..=479).1, [90]);
        // 390 samples at midnight.
        assert_eq!(drive(&mut keeper(Span::ZERO), 1..=1000).1, [90, 480]);
    }

    #[test]
    fn what_was_expected_half_an_hour_ago_is_what_was_issued_then() {
        let mut keeper = keeper(Span::ZERO);
        drive(&mut keeper, 1..=9);
        let then = keeper.outlook().unwrap().at(at(38)).unwrap().at(0.05);
        drive(&mut keeper, 10..=38);
        assert_eq!(keeper.p05_earlier(), Some(then));
    }

    #[test]
    fn without_a_question_trust_waits_and_the_first_fit_is_still_judged_as_such() {
        let mut keeper = keeper(Span::ZERO);
        assert_eq!(keeper.keep(None, at(0)), None);
        assert!(!keeper.is_due(None, at(0)) && keeper.is_due(Some(&question()), at(0)));
        assert!(matches!(keeper.keep(Some(&question()), at(1)), Some(Judgement::FirstFit(_))));
    }

    #[test]
    fn a_first_fit_earns_trust_at_once_and_takes_none() {
        let measured = |skill| Trust { skill, decisions: 100, certainty: 9.0, level: None };
        let earned = Judgement::FirstFit(measured(0.1)).after(TrustState::default());
        assert!(earned.trusted);
        assert!(Judgement::FirstFit(measured(-0.5)).after(earned).trusted, "kept over a restart");
        assert!(!Judgement::Hourly(measured(-0.5)).after(earned).trusted);
        assert!(!Judgement::Hourly(measured(0.1)).after(TrustState::default()).trusted, "twice in a row");
    }
}
