//! Probabilistic forecasts of one demand series.

mod combine;
mod experts;
mod features;
mod kernels;
mod lessons;
mod levels;
mod member;
mod model;
mod quantiles;
pub mod request;
mod view;

pub use features::Ladder;
pub use quantiles::{LEVELS, N_LEVELS, QuantileForecast, Quantiles};

use crate::calendar::TimeZone;
use crate::series::Series;
use crate::units::{Span, Step, Timestamp};
use model::Model;
use view::View;

/// What a forecaster needs to know beforehand.
#[derive(Clone, Debug, PartialEq)]
pub struct ForecastConfig {
    /// The grid.
    pub step: Step,
    /// How much history is kept: 28 days.
    pub history: Span,
    /// Whose days and weeks.
    pub zone: TimeZone,
    /// How many steps ahead a forecast reaches.
    pub horizon_steps: usize,
}

/// All state of one metric: its history and the model fitted to it.
#[derive(Clone, Debug)]
pub struct Forecaster {
    config: ForecastConfig,
    series: Series,
    model: Option<Model>,
}

impl Forecaster {
    /// A forecaster that knows nothing.
    pub fn new(config: ForecastConfig) -> Self {
        Self { series: Series::new(config.step, config.history), model: None, config }
    }

    /// The first fit from history.
    pub fn learn(config: ForecastConfig, samples: &[(Timestamp, f64)]) -> Self {
        let mut forecaster = Self::new(config);
        for &(at, value) in samples {
            forecaster.series.push(at, value, false);
        }
        forecaster.refit();
        forecaster
    }

    /// Fits the model again.
    pub fn refit(&mut self) {
        self.model = Model::fit(&self.series, self.config.zone, self.config.horizon_steps);
    }

    /// How far up the ladder the history reached at the last fit.
    pub fn rung(&self) -> Ladder {
        self.model.as_ref().map_or(Ladder::Reactive, |model| model.rung)
    }

    /// The forecast from the newest sample.
    pub fn forecast(&self) -> Option<QuantileForecast> {
        let newest = self.series.newest()?;
        let view = View::new(self.model.as_ref()?, &self.series, newest, self.config.zone)?;
        let steps = view.steps(1, self.config.horizon_steps);
        Some(QuantileForecast { newest: self.series.time(newest), step: self.config.step, steps })
    }
}
