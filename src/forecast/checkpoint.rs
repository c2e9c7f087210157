//! A checkpoint: two weeks of the history in quarter-hours, small enough for an object of the cluster.
//!
//! Coefficients without the levels they apply to forecast nothing, so what is kept is the levels; the fit is repeated
//! from them. Each is stored in 16 bits, relative to the largest.

use serde::{Deserialize, Serialize};

use super::{ForecastConfig, Forecaster};
use crate::units::{Span, Timestamp};

/// The form of the stored text; another one is relearnt.
const VERSION: u32 = 1;
/// The grid of the stored levels.
const QUARTER: Span = Span::from_minutes(15);
/// Levels that are stored: two weeks of quarter-hours, 5.4 KB as text.
const LEVELS_MAX: i64 = 14 * 96;
/// Stands for a gap; real levels are `0 ..= GAP - 1`.
const GAP: u16 = u16::MAX;

/// What a forecaster must not lose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    v: u32,
    /// Start of the first level, in milliseconds since the Unix epoch.
    start: i64,
    /// The largest level, which all are relative to.
    largest: f64,
    /// Four hexadecimal digits a level.
    levels: String,
}

/// Why a checkpoint cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It was written by another version.
    #[error("the checkpoint has version {0}, this program reads {VERSION}: the history is learned again")]
    Version(u32),
    /// It is damaged.
    #[error("the checkpoint is damaged: the history is learned again")]
    Damaged,
}

impl Forecaster {
    /// What to keep.
    pub fn checkpoint(&self) -> Checkpoint {
        let quarter = QUARTER.millis().cast_signed();
        let end = self.series.newest().map_or(0, |slot| self.series.time(slot).millis().div_euclid(quarter));
        let start = (end - LEVELS_MAX) * quarter;
        let levels: Vec<Option<f64>> = (0..LEVELS_MAX)
            .map(|i| Timestamp::from_millis(start + i * quarter))
            .map(|at| self.series.block(self.series.slot(at)).reading())
            .collect();
        let largest = levels.iter().flatten().copied().fold(0.0, f64::max);
        let text = levels.iter().map(|level| format!("{:04x}", pack(*level, largest))).collect();
        Checkpoint { v: VERSION, start, largest, levels: text }
    }

    /// A forecaster from what was kept and whatever has been read since.
    ///
    /// # Errors
    /// [`CheckpointError`] for another version or a damaged text.
    pub fn restore(
        config: ForecastConfig,
        checkpoint: &Checkpoint,
        recent: &[(Timestamp, f64)],
    ) -> Result<Self, CheckpointError> {
        let Checkpoint { v, start, largest, levels } = checkpoint;
        if *v != VERSION {
            return Err(CheckpointError::Version(*v));
        }
        if !largest.is_finite() || *largest < 0.0 || levels.len() % 4 != 0 || !levels.is_ascii() {
            return Err(CheckpointError::Damaged);
        }
        let step = config.step.span();
        let mut samples: Vec<(Timestamp, f64)> = Vec::new();
        for (digits, i) in levels.as_bytes().chunks(4).zip(0_i64..) {
            let digits = std::str::from_utf8(digits).map_err(|_| CheckpointError::Damaged)?;
            let stored = u16::from_str_radix(digits, 16).map_err(|_| CheckpointError::Damaged)?;
            if stored == GAP {
                continue;
            }
            let level = f64::from(stored) / f64::from(GAP - 1) * largest;
            let first = Timestamp::from_millis(start.saturating_add(i * QUARTER.millis().cast_signed()));
            let mut at = first;
            while at < first.plus(QUARTER) {
                samples.push((at, level));
                at = at.plus(step);
            }
        }
        samples.extend_from_slice(recent);
        Ok(Self::learn(config, &samples))
    }
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "within 0 ..= 65534 by the clamp"
)]
fn pack(level: Option<f64>, largest: f64) -> u16 {
    match level {
        Some(level) if largest > 0.0 => {
            (level / largest * f64::from(GAP - 1)).round().clamp(0.0, 65_534.0) as u16
        }
        Some(_) => 0,
        None => GAP,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::TimeZone;
    use crate::units::Step;

    #[test]
    fn a_checkpoint_is_small_and_forecasts_nearly_as_before() {
        let config = ForecastConfig {
            step: Step::MINUTE,
            history: Span::from_hours(28 * 24),
            zone: TimeZone::UTC,
            horizon_steps: 60,
        };
        let samples: Vec<(Timestamp, f64)> = (0..20 * 1440)
            .map(|i| {
                let day = (f64::from(i) / 1440.0 * std::f64::consts::TAU).sin();
                (Timestamp::from_seconds(1_700_006_400 + i64::from(i) * 60), 1000.0 + 600.0 * day)
            })
            .collect();
        let whole = Forecaster::learn(config.clone(), &samples);
        let kept = whole.checkpoint();
        let text = serde_json::to_string(&kept).unwrap();
        assert!(text.len() <= 8 * 1024, "{} bytes", text.len());
        let restored =
            Forecaster::restore(config.clone(), &serde_json::from_str(&text).unwrap(), &[]).unwrap();
        let median = |forecaster: &Forecaster, i: usize| {
            let forecast = forecaster.forecast().unwrap();
            forecast
                .at(forecast.newest.plus(Span::from_minutes(u64::try_from(i).unwrap())))
                .unwrap()
                .at(0.5)
                .get()
        };
        for i in [15, 30, 60] {
            let (before, after) = (median(&whole, i), median(&restored, i));
            assert!((before - after).abs() < 0.1 * before, "{i} min ahead: {before} and {after}");
        }
        let other = Checkpoint { v: 99, ..kept.clone() };
        assert_eq!(
            Forecaster::restore(config.clone(), &other, &[]).err(),
            Some(CheckpointError::Version(99))
        );
        let damaged = Checkpoint { levels: "zzzz".into(), ..kept };
        assert_eq!(Forecaster::restore(config, &damaged, &[]).err(), Some(CheckpointError::Damaged));
    }
}
