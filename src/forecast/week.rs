//! Usual demand by the hour of the local week, for looks that go further ahead than a forecast.

use super::Forecaster;
use crate::units::{Demand, Span, Timestamp};

/// Weeks that are looked at.
const N_WEEKS: usize = 4;
/// Looks at an hour: every five minutes.
const N_LOOKS: u32 = 12;

impl Forecaster {
    /// Mean demand of each of the next `n_hours` hours, as the same hours of the last weeks were; where no week is held,
    /// as that hour of the last days was. `None` where neither is.
    pub fn usual_hours(&self, from: Timestamp, n_hours: u32) -> Vec<Option<Demand>> {
        let oldest = self.series.time(self.series.oldest());
        let hour = Span::from_hours(1);
        let offsets = self.config.zone.offsets(oldest, from.plus(Span::from_hours(u64::from(n_hours))));
        let look = Span::from_seconds(3600 / u64::from(N_LOOKS));
        let mean = |starts: &mut dyn Iterator<Item = Timestamp>| {
            let (mut sum, mut count) = (0.0, 0_u32);
            for start in starts {
                let mut at = start;
                for _ in 0..N_LOOKS {
                    if let Some(value) = self.series.known(self.series.slot(at)).reading() {
                        (sum, count) = (sum + value, count + 1);
                    }
                    at = at.plus(look);
                }
            }
            if count == 0 { None } else { Demand::new(sum / f64::from(count)) }
        };
        let mut at = from;
        let mut usual: Vec<Option<Demand>> = Vec::with_capacity(usize::try_from(n_hours).unwrap_or(0));
        for i in 0..n_hours {
            // A week ahead everything is as it was a week before.
            let same = usize::try_from(i).ok().and_then(|i| i.checked_sub(7 * 24)).and_then(|i| usual.get(i));
            let known = same.copied().unwrap_or_else(|| {
                let days = |step: u32| {
                    let offsets = &offsets;
                    (1..).map(move |n: u32| offsets.days_before(at, n * step))
                };
                let held = |start: &Timestamp| *start < from && *start >= oldest;
                let mut weeks = days(7).take(8).filter(held).take(N_WEEKS);
                mean(&mut weeks).or_else(|| mean(&mut days(1).take(35).filter(held).take(7)))
            });
            usual.push(known);
            at = at.plus(hour);
        }
        usual
    }
}
