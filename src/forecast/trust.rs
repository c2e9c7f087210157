//! Trust: does deciding by the forecast cost less than deciding without it? (DESIGN 12)
//!
//! Over the last seven days, or the last third of a shorter history, decisions are made at a lead by a model that was
//! fitted on what came before them. A decision costs its replica-steps and, for each replica-step that is missing,
//! what the objective makes it worth: `min(1000, (1 - u) / u)`.

use serde::{Deserialize, Serialize};

use super::Forecaster;
use super::model::Model;
use super::view::View;
use crate::series::{Series, Slot};
use crate::units::{CapacityPerReplica, Demand, Replicas, Share, Span, replicas_ceil};

/// The decisions that are judged.
const JUDGED: Span = Span::from_hours(7 * 24);
/// A missing replica-step costs at most so many replica-steps.
const MISSING_MAX: f64 = 1000.0;
/// Decisions that are looked at: enough to see a daily pattern for a week every five minutes.
const DECISIONS_MAX: i64 = 2016;
/// Fewer say nothing.
const DECISIONS_MIN: usize = 24;
/// Trust is given from this skill on, twice in a row.
const GIVEN_FROM: f64 = 0.02;
/// Trust is lost below this skill, at once.
const LOST_BELOW: f64 = -0.02;

/// What the decisions are about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrustQuestion {
    /// Demand one replica serves.
    pub capacity: CapacityPerReplica,
    /// The share of demand that may go unserved.
    pub unserved: Share,
    /// From asking to serving.
    pub lead: Span,
    /// The target utilisation of the rivals.
    pub utilization: Share,
}

/// A measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trust {
    /// 1 - cost / the lower cost of the rivals: above zero the forecast decides more cheaply. NaN without decisions.
    pub skill: f64,
    /// How many decisions were judged.
    pub decisions: usize,
}

/// Whether a forecast is trusted, with hysteresis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustState {
    /// Whether it is.
    pub trusted: bool,
    /// Measurements in a row that would give trust.
    pub streak: u8,
}

impl TrustState {
    /// The state after a measurement: on at a skill of .02 twice in a row, off below -.02 once; NaN changes nothing.
    #[must_use]
    pub fn update(self, skill: f64) -> Self {
        if skill < LOST_BELOW {
            return Self { trusted: false, streak: 0 };
        }
        if skill >= GIVEN_FROM {
            let streak = self.streak.saturating_add(1);
            return Self { trusted: self.trusted || streak >= 2, streak };
        }
        if skill.is_nan() { self } else { Self { streak: 0, ..self } }
    }

    /// The state after the first fit: a history that shows the skill earns trust at once.
    #[must_use]
    pub fn at_first_fit(self, skill: f64) -> Self {
        if skill >= GIVEN_FROM { Self { trusted: true, streak: 2 } } else { self.update(skill) }
    }
}

#[derive(Default)]
struct Costs {
    forecast: f64,
    reactive: f64,
    seasonal: f64,
    decisions: usize,
}

impl Forecaster {
    /// Measures skill in decision cost against the reactive answer and a seasonal naive one.
    pub fn trust(&self, question: &TrustQuestion) -> Trust {
        let costs = self.costs(question).unwrap_or_default();
        let rival = costs.reactive.min(costs.seasonal);
        let enough = costs.decisions >= DECISIONS_MIN && rival > 0.0;
        let skill = if enough { 1.0 - costs.forecast / rival } else { f64::NAN };
        Trust { skill, decisions: costs.decisions }
    }

    fn costs(&self, question: &TrustQuestion) -> Option<Costs> {
        let series = &self.series;
        let newest = series.newest()?;
        let step = series.step();
        let steps = |span: Span| Slot::try_from(step.steps_covering(span)).unwrap_or(Slot::MAX);
        let known = newest + 1 - series.oldest();
        let judged = steps(JUDGED).min(known / 3);
        let first = newest + 1 - judged;
        // A decision at origin i has seen slot i; what it asks for serves from slot i + 1 + lead on.
        let ahead = usize::try_from(steps(question.lead) + 1).ok()?;
        let model = Model::fit(&self.before(first), self.config.zone, ahead)?;
        let stride = (judged / DECISIONS_MAX).max(1);
        let day = 86_400_000 / step.span().millis().cast_signed();
        let mut costs = Costs::default();
        let mut origin = first;
        while origin + Slot::try_from(ahead).ok()? <= newest {
            let target = origin + Slot::try_from(ahead).ok()?;
            let read = |slot: Slot| value(series, slot);
            if let (Some(present), Some(actual)) = (read(origin), read(target)) {
                let quantiles = View::new(&model, series, origin, self.config.zone)
                    .and_then(|view| view.steps(ahead, ahead).first().copied());
                if let Some(quantiles) = quantiles {
                    let capacity = question.capacity;
                    let needed = actual.get() / capacity.get();
                    let forecast = quantiles.capacity_for_unserved(question.unserved) / capacity.get();
                    let with_headroom = |demand: Demand| capacity.at(question.utilization).need(demand);
                    let yesterday = read(target - day).unwrap_or(present);
                    let price = |n: Replicas| cost(n.max(Replicas::ONE), needed, question.unserved);
                    costs.forecast += price(replicas_ceil(forecast));
                    costs.reactive += price(with_headroom(present));
                    costs.seasonal += price(with_headroom(yesterday));
                    costs.decisions += 1;
                }
            }
            origin += stride;
        }
        Some(costs)
    }

    /// The history before `first`, at the resolution that is kept.
    fn before(&self, first: Slot) -> Series {
        let mut cut = Series::new(self.series.step(), self.config.history);
        for slot in self.series.oldest()..first {
            if let Some(demand) = value(&self.series, slot) {
                cut.push(self.series.time(slot), demand.get(), false);
            }
        }
        cut
    }
}

/// A slot's sample, or the mean of its block where samples are averaged already.
fn value(series: &Series, slot: Slot) -> Option<Demand> {
    series.sample(slot).reading().or_else(|| series.block(slot).reading()).and_then(Demand::new)
}

/// Replica-steps asked for, and the part of `needed` (demand in replicas, not rounded) that they do not serve: the
/// objective bounds demand that is lost, so a hundredth of a replica too few is not a whole one.
fn cost(asked: Replicas, needed: f64, unserved: Share) -> f64 {
    let worth = ((1.0 - unserved.get()) / unserved.get()).min(MISSING_MAX);
    let missing = (needed - asked.as_f64()).max(0.0);
    asked.as_f64() + worth * missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::TimeZone;
    use crate::forecast::ForecastConfig;
    use crate::units::{Step, Timestamp};

    fn learned(x: impl Fn(i32, f64) -> f64) -> Forecaster {
        let config = ForecastConfig {
            step: Step::new(300).unwrap(),
            history: Span::from_hours(28 * 24),
            zone: TimeZone::UTC,
            horizon_steps: 12,
        };
        let mut state = 1_u64;
        let samples: Vec<(Timestamp, f64)> = (0..14 * 288)
            .map(|i| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let uniform = f64::from(u32::try_from(state >> 32).unwrap()) / f64::from(u32::MAX);
                (Timestamp::from_seconds(1_700_006_400 + i64::from(i) * 300), x(i, uniform))
            })
            .collect();
        Forecaster::learn(config, &samples)
    }

    fn question() -> TrustQuestion {
        TrustQuestion {
            capacity: CapacityPerReplica::new(100.0).unwrap(),
            unserved: Share::parse("0.1%").unwrap(),
            lead: Span::from_minutes(10),
            utilization: Share::from_percent(70),
        }
    }

    #[test]
    fn a_daily_ramp_is_trusted_at_the_first_fit() {
        let day = |i: i32, noise: f64| {
            2000.0 + 1500.0 * (f64::from(i) / 288.0 * std::f64::consts::TAU).sin() + 40.0 * (noise - 0.5)
        };
        let trust = learned(day).trust(&question());
        assert!(trust.skill >= 0.1, "{trust:?}");
        assert!(TrustState::default().at_first_fit(trust.skill).trusted);
    }

    #[test]
    fn white_noise_with_bursts_is_not_trusted_more_than_it_saves() {
        let bursts = |_: i32, noise: f64| if noise > 0.97 { 3000.0 } else { 100.0 + 200.0 * noise };
        let trust = learned(bursts).trust(&question());
        assert!(trust.skill < 1.0, "{trust:?}");
    }

    #[test]
    fn trust_has_hysteresis() {
        let state = TrustState::default();
        assert!(!state.update(0.05).trusted, "once is not enough");
        let on = state.update(0.05).update(0.05);
        assert!(on.trusted);
        assert!(on.update(-0.01).trusted, "a little worse is borne");
        assert!(!on.update(-0.03).trusted);
        assert!(on.update(f64::NAN).trusted);
        assert!(!state.update(0.05).update(0.01).update(0.05).trusted, "twice in a row");
    }
}
