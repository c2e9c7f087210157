//! The samples of a file on a regular grid, with gaps where nothing is known.

use serde_json::json;

use crate::calendar::{TimeZone, rfc3339};
use crate::cli::samples::{distances, usual};
use crate::plan::Grid;
use crate::units::{Span, Step, Timestamp};

/// How much of a history is put on the grid: a week more than the four that a forecaster keeps, so that it forgets
/// here what it would forget of all of it.
const KEPT: Span = Span::from_hours(35 * 24);

/// Seconds of the shortest step that is chosen: the default grid of a policy.
const STEP_SECONDS_MIN: u64 = 60;

/// Demand over each step of a grid.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Trace {
    /// The first sample, also where it is older than the grid.
    pub(super) begins: Timestamp,
    pub(super) grid: Grid,
    /// One a step; the first and the last are there.
    pub(super) values: Vec<Option<f64>>,
    /// The usual time between two samples; `None` of a single one.
    pub(super) usual: Option<Span>,
}

impl Trace {
    /// `samples` rising in time, at least one. A step with samples has their mean; a step without has the sample
    /// before, as long as that is not older than samples usually are apart; else it is a gap.
    ///
    /// Without a `step` it is a minute, or the usual time between two samples where that is longer.
    pub(super) fn new(samples: &[(Timestamp, f64)], step: Option<Step>) -> Option<Self> {
        let (&(begins, _), &(newest, _)) = (samples.first()?, samples.last()?);
        let usual = usual(&distances(samples));
        let step = step.unwrap_or_else(|| step_for(usual));
        let held = usual.unwrap_or(Span::ZERO);
        // The last sample stands for all steps that end no later than the next one is due.
        let due = newest.plus(held).floor_to(step).minus(step.span());
        let last = newest.floor_to(step).max(due);
        let start = begins.floor_to(step).max(last.minus(KEPT).floor_to(step));
        let grid = Grid::covering(start, last, step);
        let mut later = samples.iter().copied().peekable();
        let mut before: Option<(Timestamp, f64)> = None;
        while let Some(old) = later.next_if(|(at, _)| *at < start) {
            before = Some(old);
        }
        let values = (0..grid.n_steps).map(|i| {
            let (from, to) = (grid.time(i), grid.time(i + 1));
            let (mut sum, mut seen) = (0.0, 0_u32);
            while let Some((at, value)) = later.next_if(|(at, _)| *at < to) {
                before = Some((at, value));
                sum += value;
                seen += 1;
            }
            let standing = before.filter(|(at, _)| from.since(*at) < held).map(|(_, value)| value);
            if seen > 0 { Some(sum / f64::from(seen)) } else { standing }
        });
        let mut values: Vec<Option<f64>> = values.collect();
        // Old samples end where the kept part begins, which may be a gap.
        let leading = values.iter().take_while(|value| value.is_none()).count();
        values.drain(..leading);
        let grid = Grid { start: grid.time(leading), n_steps: values.len(), ..grid };
        Some(Self { begins, grid, values, usual })
    }

    /// The samples that there are, in time order.
    pub(super) fn samples(&self) -> Vec<(Timestamp, f64)> {
        let all = self.values.iter().enumerate();
        all.filter_map(|(i, value)| Some((self.grid.time(i), (*value)?))).collect()
    }

    /// A line of the protocol that asks for the same forecast (DESIGN 5).
    pub(super) fn request(&self, id: &str, horizon: usize, levels: &[f64], zone: TimeZone) -> String {
        json!({
            "id": id,
            "step_seconds": self.grid.step.seconds(),
            "start": rfc3339(self.grid.start),
            "values": self.values,
            "horizon": horizon,
            "quantiles": levels,
            "time_zone": zone.name(),
        })
        .to_string()
    }
}

fn step_for(usual: Option<Span>) -> Step {
    let seconds = usual.map_or(STEP_SECONDS_MIN, |usual| (usual.millis() + 500) / 1000);
    let seconds = seconds.clamp(STEP_SECONDS_MIN, 86_400);
    u32::try_from(seconds).ok().and_then(Step::new).unwrap_or(Step::MINUTE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-01T00:00:00Z.
    const START: i64 = 1_767_225_600;

    fn check(samples: &[(i64, f64)], step: Option<u32>, expected: (u32, i64, &[Option<f64>])) {
        let samples: Vec<(Timestamp, f64)> = samples
            .iter()
            .map(|(seconds, value)| (Timestamp::from_seconds(START + seconds), *value))
            .collect();
        let trace = Trace::new(&samples, step.and_then(Step::new)).unwrap();
        let start = trace.grid.start.seconds() - START;
        assert_eq!((trace.grid.step.seconds(), start, trace.values.as_slice()), expected);
        assert_eq!(trace.grid.n_steps, trace.values.len());
    }

    #[test]
    fn the_step_is_a_minute_or_as_long_as_samples_are_apart() {
        check(&[(0, 1.0)], None, (60, 0, &[Some(1.0)]));
        check(&[(0, 1.0), (300, 2.0), (600, 3.0)], None, (300, 0, &[Some(1.0), Some(2.0), Some(3.0)]));
        check(&[(0, 1.0), (30, 2.0), (60, 3.0)], None, (60, 0, &[Some(1.5), Some(3.0)]));
    }

    #[test]
    fn a_missing_sample_is_a_gap_and_a_late_one_is_not() {
        check(
            &[(0, 1.0), (60, 2.0), (240, 5.0), (300, 6.0)],
            None,
            (60, 0, &[Some(1.0), Some(2.0), None, None, Some(5.0), Some(6.0)]),
        );
        check(&[(1, 1.0), (59, 2.0), (123, 3.0)], Some(60), (60, 0, &[Some(1.5), Some(2.0), Some(3.0)]));
    }

    #[test]
    fn samples_further_apart_than_a_step_hold_until_the_next_is_due() {
        check(
            &[(0, 1.0), (120, 2.0), (360, 3.0), (480, 4.0)],
            Some(60),
            (
                60,
                0,
                &[1.0, 1.0, 2.0, 2.0, f64::NAN, f64::NAN, 3.0, 3.0, 4.0, 4.0]
                    .map(|v| (!v.is_nan()).then_some(v)),
            ),
        );
    }

    #[test]
    fn of_a_long_history_the_newest_weeks_are_kept_and_begin_with_a_value() {
        let day = 86_400;
        check(
            &[(0, 1.0), (day, 2.0), (2 * day, 3.0), (60 * day, 4.0), (61 * day, 5.0)],
            None,
            (86_400, 60 * day, &[Some(4.0), Some(5.0)]),
        );
    }
}
