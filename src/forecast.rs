//! Probabilistic forecasts of one demand series.

mod quantiles;

pub use quantiles::{LEVELS, N_LEVELS, QuantileForecast, Quantiles};
