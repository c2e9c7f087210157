//! The demand of a synthetic shop: days, weeks, noise on several scales, a flash sale, a Black Friday. From a seed.
//!
//! Every value follows from the seed and its instant alone, so any stretch of time can be asked for in any order. All
//! times of day are UTC.

use serde::{Deserialize, Serialize};

use super::seed::Seed;
use crate::units::{Span, Step, Timestamp};

/// A stretch of time in which demand is a multiple of what it would be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Surge {
    /// When it begins to climb.
    pub begins: Timestamp,
    /// From its beginning to its height.
    pub climb: Span,
    /// How long it stays there.
    pub stays: Span,
    /// From its height back to the ordinary.
    pub falls: Span,
    /// Its height, as a multiple of ordinary demand.
    pub times: f64,
}

impl Surge {
    /// The multiple at `at`; climb and fall are smooth.
    fn factor(&self, at: Timestamp) -> f64 {
        let Self { begins, climb, stays, falls, times } = *self;
        let top = begins.plus(climb);
        let end = top.plus(stays);
        let share = if at < top {
            smooth(ratio(at.since(begins), climb))
        } else {
            1.0 - smooth(ratio(at.since(end), falls))
        };
        1.0 + (times - 1.0) * share
    }
}

/// A shop's demand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shop {
    /// Seed of its noise.
    pub seed: u64,
    /// Demand on an ordinary weekday's peak, in requests a second.
    pub peak: f64,
    /// What is out of the ordinary.
    pub surges: Vec<Surge>,
}

/// Share of the peak at each full hour of the day.
const DAY: [f64; 25] = [
    0.30, 0.22, 0.17, 0.15, 0.15, 0.18, 0.26, 0.42, 0.66, 0.80, 0.84, 0.86, 0.90, 0.88, 0.82, 0.80, 0.80,
    0.84, 0.90, 0.97, 1.00, 0.92, 0.70, 0.46, 0.30,
];
/// Of each weekday from Monday on: people shop on Sundays.
const WEEK: [f64; 7] = [1.0, 0.97, 0.98, 1.0, 0.95, 1.08, 1.2];
/// Deviation of whole days, of half hours, of five minutes and of single minutes.
const NOISE: [(u64, f64); 4] = [(1440, 0.05), (30, 0.025), (5, 0.02), (1, 0.015)];
const MINUTES_A_DAY: u64 = 1440;

impl Shop {
    /// Demand over the minute that contains `at`, in requests a second.
    pub fn demand(&self, at: Timestamp) -> f64 {
        let start = at.floor_to(Step::MINUTE);
        let minute = start.seconds().div_euclid(60).cast_unsigned();
        let day = minute / MINUTES_A_DAY;
        // 1970-01-01 was a Thursday.
        let weekday = WEEK.get(usize::try_from((day + 3) % 7).unwrap_or(0)).copied().unwrap_or(1.0);
        let noise: f64 =
            NOISE.iter().map(|&(minutes, deviation)| deviation * self.wander(minute, minutes)).sum();
        let surge: f64 = self.surges.iter().map(|surge| surge.factor(start)).product();
        self.peak * of_day(minute % MINUTES_A_DAY) * weekday * noise.exp() * surge
    }

    /// A smooth random walk without memory: a normal number at each multiple of `minutes`, and lines between them.
    fn wander(&self, minute: u64, minutes: u64) -> f64 {
        let knot = |idx: u64| Seed::stream(self.seed ^ minutes.rotate_left(32), "shop").at(idx).normal();
        let place = minute / minutes;
        if minutes == 1 {
            return knot(place);
        }
        let within = fraction(minute % minutes, minutes);
        knot(place) * (1.0 - within) + knot(place + 1) * within
    }
}

/// The day's profile at a minute of the day, lines between full hours.
fn of_day(minute: u64) -> f64 {
    let hour = usize::try_from(minute / 60).unwrap_or(0);
    let (from, to) = (DAY.get(hour).copied().unwrap_or(0.3), DAY.get(hour + 1).copied().unwrap_or(0.3));
    from + (to - from) * fraction(minute % 60, 60)
}

fn fraction(part: u64, whole: u64) -> f64 {
    let small = |n: u64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    small(part) / small(whole.max(1))
}

fn ratio(part: Span, whole: Span) -> f64 {
    fraction(part.seconds().min(whole.seconds()), whole.seconds())
}

/// From 0 to 1 without a kink at either end.
fn smooth(x: f64) -> f64 {
    x * x * (3.0 - 2.0 * x)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRIDAY: Timestamp = Timestamp::from_seconds(1_795_737_600);

    fn shop(surges: Vec<Surge>) -> Shop {
        Shop { seed: 7, peak: 2000.0, surges }
    }

    #[test]
    fn days_repeat_roughly_and_never_exactly() {
        let shop = shop(Vec::new());
        let at = |day: u64, hour: u64| shop.demand(FRIDAY.plus(Span::from_hours(24 * day + hour)));
        for day in 0..14 {
            assert!((1500.0..3200.0).contains(&at(day, 20)), "{}", at(day, 20));
            assert!((220.0..500.0).contains(&at(day, 4)), "{}", at(day, 4));
        }
        assert!((at(0, 20) - at(7, 20)).abs() > 1.0);
        assert!((at(3, 9) - at(3, 9)).abs() < f64::EPSILON);
    }

    #[test]
    fn a_surge_climbs_stays_and_falls() {
        let surge = Surge {
            begins: FRIDAY.plus(Span::from_hours(8)),
            climb: Span::from_hours(2),
            stays: Span::from_hours(4),
            falls: Span::from_hours(2),
            times: 4.0,
        };
        let factor = |hour: u64| surge.factor(FRIDAY.plus(Span::from_hours(hour)));
        let factors = [7, 8, 9, 10, 14, 15, 16, 20].map(factor);
        let expected = [1.0, 1.0, 2.5, 4.0, 4.0, 2.5, 1.0, 1.0];
        assert!(factors.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{factors:?}");
        let (calm, wild) = (shop(Vec::new()), shop(vec![surge]));
        let noon = FRIDAY.plus(Span::from_hours(12));
        assert!((wild.demand(noon) / calm.demand(noon) - 4.0).abs() < 1e-9);
    }
}
