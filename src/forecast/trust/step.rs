//! One step of the judged time: what was foreseen of it, what else was known then, and what came.

use super::super::rehearsal::Foreseen;
use super::super::view::{Sight, View};
use crate::series::{Sample, Slot, median};

/// The median of a day is that of so many of its samples: the middle of many more is hardly nearer.
const SAMPLED: Slot = 288;

/// One step as it was foreseen.
pub(super) struct Step {
    pub(super) foreseen: Foreseen,
    /// The median of the day before the origin.
    pub(super) level: f64,
    pub(super) actual: f64,
    /// Whether `actual` is only a lower bound.
    pub(super) censored: bool,
}

impl Step {
    /// What was foreseen of the slot `target`, `steps` before it, and of the one `hold` steps later. `None` where the
    /// slot or the origin is absent.
    pub(super) fn before(sight: Sight<'_>, target: Slot, (steps, hold): (usize, usize)) -> Option<Self> {
        let origin = target - Slot::try_from(steps).ok()?;
        let sample = sight.series.sample(target);
        let (actual, censored) = (sample.reading()?, matches!(sample, Sample::Censored(_)));
        let now = sight.series.sample(origin).reading()?;
        let view = View::new(sight, origin)?;
        let at_lead = view.steps(steps, steps).pop()?;
        let at_hold = if hold > 0 { view.steps(steps + hold, steps + hold).pop()? } else { at_lead };
        let day = sight.clock.slot_days_before(sight.series, origin, 1);
        let stride = usize::try_from((origin - day) / SAMPLED).unwrap_or(1).max(1);
        let readings =
            (day + 1..=origin).rev().step_by(stride).filter_map(|slot| sight.series.known(slot).reading());
        let level = median(&mut readings.collect::<Vec<f64>>());
        Some(Self { foreseen: Foreseen { at_lead, at_hold, now }, level, actual, censored })
    }
}
