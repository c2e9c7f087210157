//! Three weeks of a synthetic shop, up to and with its Black Friday.
//!
//! Days and weeks as [`Shop`] has them; every day two deals that go live on the minute; deploys on Tuesdays and
//! Thursdays, which turn a part of the visitors away for some minutes; one flash sale that nobody announced; and the
//! Black Friday, which climbs to four times an ordinary day over its morning.

use super::shop::{Shop, Surge};
use crate::units::{Span, Timestamp};

/// Midnight before the Black Friday, 2026-11-27T00:00:00Z.
const BLACK_FRIDAY: Timestamp = Timestamp::from_seconds(1_795_737_600);
/// Days before it.
const DAYS_BEFORE: u64 = 21;
/// Demand on an ordinary weekday's peak, in requests a second.
const PEAK: f64 = 1500.0;
/// When deals go live, in minutes of the day.
const DEALS: [u64; 2] = [600, 1140];
/// Day and minute of the flash sale.
const FLASH_SALE: (u64, u64) = (11, 840);

/// A shop's three weeks and its Black Friday.
#[derive(Clone, Debug, PartialEq)]
pub struct Season {
    /// The demand.
    pub shop: Shop,
    /// The first instant, a midnight.
    pub begins: Timestamp,
    /// The midnight before the Black Friday.
    pub black_friday: Timestamp,
    /// When the Black Friday begins to climb.
    pub wave: Timestamp,
}

impl Season {
    /// The season of a seed.
    pub fn of(seed: u64) -> Self {
        let begins = BLACK_FRIDAY.minus(days(DAYS_BEFORE));
        let wave = BLACK_FRIDAY.plus(Span::from_hours(6));
        let day = |day: u64| begins.plus(days(day));
        let mut surges: Vec<Surge> = (0..=DAYS_BEFORE)
            .flat_map(|i| DEALS.map(|minute| deal(day(i).plus(Span::from_minutes(minute)))))
            .collect();
        // The first day is a Friday, so that days 4 and 6 of each week are a Tuesday and a Thursday.
        let deploys = (0..DAYS_BEFORE).filter(|i| matches!(i % 7, 4 | 6));
        surges.extend(deploys.map(|i| deploy(day(i).plus(Span::from_minutes(900)))));
        let (sale, minute) = FLASH_SALE;
        surges.push(flash_sale(day(sale).plus(Span::from_minutes(minute))));
        surges.push(Surge {
            begins: wave,
            climb: Span::from_hours(4),
            stays: Span::from_hours(10),
            falls: Span::from_hours(4),
            times: 4.0,
        });
        Self { shop: Shop { seed, peak: PEAK, surges }, begins, black_friday: BLACK_FRIDAY, wave }
    }
}

const fn days(n: u64) -> Span {
    Span::from_hours(24 * n)
}

/// Twice the visitors within three minutes, for a quarter of an hour.
const fn deal(begins: Timestamp) -> Surge {
    Surge {
        begins,
        climb: Span::from_minutes(3),
        stays: Span::from_minutes(12),
        falls: Span::from_minutes(45),
        times: 2.0,
    }
}

const fn deploy(begins: Timestamp) -> Surge {
    Surge {
        begins,
        climb: Span::from_minutes(1),
        stays: Span::from_minutes(2),
        falls: Span::from_minutes(2),
        times: 0.85,
    }
}

const fn flash_sale(begins: Timestamp) -> Surge {
    Surge {
        begins,
        climb: Span::from_minutes(5),
        stays: Span::from_hours(1),
        falls: Span::from_minutes(30),
        times: 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_black_friday_is_four_times_a_friday_and_only_after_its_morning() {
        let season = Season::of(7);
        let ordinary = Shop { surges: Vec::new(), ..season.shop.clone() };
        let factor = |at: Timestamp| season.shop.demand(at) / ordinary.demand(at);
        let hour = |hour: u64| season.black_friday.plus(Span::from_hours(hour));
        let factors = [5, 6, 8, 12, 18].map(|h| factor(hour(h)));
        let expected = [1.0, 1.0, 2.5, 4.0, 4.0];
        assert!(factors.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{factors:?}");
    }

    #[test]
    fn every_day_has_its_deals_and_one_day_a_flash_sale() {
        let season = Season::of(7);
        let ordinary = Shop { surges: Vec::new(), ..season.shop.clone() };
        let factor = |day: u64, minute: u64| {
            let at = season.begins.plus(days(day)).plus(Span::from_minutes(minute));
            season.shop.demand(at) / ordinary.demand(at)
        };
        for day in 0..21 {
            assert!((factor(day, 605) - 2.0).abs() < 1e-9, "day {day}");
            assert!((factor(day, 870) > 1.5) == (day == 11), "day {day}");
            // A deploy during the flash sale does not show.
            let is_deployed = matches!(day % 7, 4 | 6) && day != FLASH_SALE.0;
            assert!((factor(day, 902) < 0.9) == is_deployed, "day {day}");
        }
    }
}
