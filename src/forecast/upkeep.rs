//! Keeping a forecaster fresh: new samples, what was forecast earlier for now, what people are told of it.

use std::collections::VecDeque;

use super::experts::ALL;
use super::view::View;
use super::{Forecaster, Ladder, QuantileForecast};
use crate::series::Slot;
use crate::units::{Demand, Span, Timestamp};

/// How long a failed dependency may hide demand: the floor of stage 5 stands so long (DESIGN 4).
const EARLIER: Span = Span::from_minutes(30);

/// The .05 quantile for each coming step, as forecast [`EARLIER`] before it; oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Earlier(VecDeque<(Slot, f64)>);

/// What people are told of a forecaster.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The experts with their mean weight over all knots and levels, the heaviest first; weights sum to one.
    pub experts: Vec<(&'static str, f64)>,
    /// Share of past targets under the .9 and the .99 quantile.
    pub coverage: Option<(f64, f64)>,
    /// Grid slots from the oldest to the newest sample.
    pub samples: usize,
    /// How far up the ladder the history reached at the last fit.
    pub rung: Ladder,
    /// When the next rung can be reached.
    pub ready_from: Option<Timestamp>,
}

impl Forecaster {
    /// One new sample; `None` is a gap, which the grid keeps as one. No refit. `censored` marks a lower bound.
    pub fn observe(&mut self, at: Timestamp, value: Option<f64>, censored: bool) {
        if let Some(value) = value {
            self.series.push(at, value, censored);
        }
    }

    /// The start of the newest sample and its value.
    pub fn newest(&self) -> Option<(Timestamp, f64)> {
        let slot = self.series.newest()?;
        Some((self.series.time(slot), self.series.sample(slot).reading()?))
    }

    /// The forecast from the newest sample; its .05 quantile half an hour ahead is kept for [`Self::p05_30_min_ago`].
    pub fn issue(&mut self) -> Option<QuantileForecast> {
        let forecast = self.forecast()?;
        let newest = self.series.newest()?;
        if let Some(quantiles) = forecast.at(forecast.newest.plus(EARLIER)) {
            self.note_earlier(newest, quantiles.at(0.05).get());
        }
        Some(forecast)
    }

    fn note_earlier(&mut self, newest: Slot, value: f64) {
        let steps = Slot::try_from(self.config.step.steps_covering(EARLIER)).unwrap_or(Slot::MAX);
        let target = newest.saturating_add(steps);
        self.earlier.0.retain(|&(slot, _)| slot >= newest && slot != target);
        self.earlier.0.push_back((target, value));
    }

    /// After a first fit: what would have been forecast half an hour ago for now and the coming half hour.
    pub(super) fn look_back(&mut self) {
        let (Some(model), Some(newest)) = (self.model.clone(), self.series.newest()) else { return };
        let steps = self.config.step.steps_covering(EARLIER);
        for back in (0..steps).rev() {
            let Some(origin) = Slot::try_from(back).ok().map(|back| newest - back) else { continue };
            let quantiles = View::new(&model, &self.series, origin, self.config.zone)
                .and_then(|view| view.steps(steps, steps).first().copied());
            if let Some(quantiles) = quantiles {
                self.note_earlier(origin, quantiles.at(0.05).get());
            }
        }
    }

    /// The .05 quantile for the step that contains `now`, as it was forecast 30 minutes before.
    pub fn p05_30_min_ago(&self, now: Timestamp) -> Option<Demand> {
        let slot = self.series.slot(now);
        self.earlier.0.iter().find(|(target, _)| *target == slot).and_then(|&(_, value)| Demand::new(value))
    }

    /// The most that was read at the same local hours, from `at` over `span`, on the last seven days.
    pub fn same_hours_maximum(&self, at: Timestamp, span: Span) -> Option<Demand> {
        let end = at.plus(span);
        let offsets = self.config.zone.offsets(at.minus(Span::from_hours(8 * 24)), end);
        let block = self.series.block_span();
        let mut most: Option<f64> = None;
        for days in 1..=7 {
            let mut instant = at;
            while instant <= end {
                let slot = self.series.slot(offsets.days_before(instant, days));
                if let Some(value) = self.series.block(slot).reading() {
                    most = Some(most.map_or(value, |most| most.max(value)));
                }
                instant = instant.plus(block);
            }
        }
        most.and_then(Demand::new)
    }

    /// What people are told.
    pub fn summary(&self) -> Summary {
        let newest = self.series.newest();
        let samples =
            newest.map_or(0, |newest| usize::try_from(newest + 1 - self.series.oldest()).unwrap_or(0));
        let rung = self.rung();
        let needed = match rung {
            Ladder::Reactive | Ladder::ColdStart => Some(2),
            Ladder::Daily => Some(14),
            Ladder::Weekly => None,
        };
        let ready_from = newest
            .and(needed)
            .map(|days| self.series.time(self.series.oldest()).plus(Span::from_hours(24 * days)));
        Summary {
            experts: self.weights(),
            coverage: self.model.as_ref().map(|model| (model.coverage[0], model.coverage[1])),
            samples,
            rung,
            ready_from,
        }
    }

    fn weights(&self) -> Vec<(&'static str, f64)> {
        let Some(model) = &self.model else { return Vec::new() };
        let mut sums: Vec<(&'static str, f64)> = ALL.iter().map(|expert| (expert.name, 0.0)).collect();
        let mut total = 0.0;
        for weights in model.knots.iter().flat_map(|knot| knot.weights.iter()) {
            for ((_, sum), weight) in sums.iter_mut().zip(weights) {
                *sum += f64::from(*weight);
                total += f64::from(*weight);
            }
        }
        if total > 0.0 {
            sums.iter_mut().for_each(|(_, sum)| *sum /= total);
        }
        sums.retain(|(_, weight)| *weight > 0.0);
        sums.sort_by(|a, b| b.1.total_cmp(&a.1));
        sums
    }
}
