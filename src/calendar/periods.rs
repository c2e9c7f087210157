//! Days, weeks and months on the clocks of a time zone, as spans of UTC.

use chrono::{Datelike as _, Days, Months, NaiveDate, NaiveTime};
use serde::{Deserialize, Serialize};

use super::TimeZone;
use crate::units::{Span, Timestamp};

/// How long an amount of money is to last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// From the first of a month to the first of the next.
    Month,
}

impl Period {
    /// The word in the custom resource.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "Day",
            Self::Week => "Week",
            Self::Month => "Month",
        }
    }
}

/// One period: `[start, end)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// When it begins.
    pub start: Timestamp,
    /// When the next one begins.
    pub end: Timestamp,
}

impl Stretch {
    /// How long it is.
    pub const fn length(self) -> Span {
        self.end.since(self.start)
    }
}

impl TimeZone {
    /// The period that contains `at`. It begins with the first instant of a local day, also where the clocks skip
    /// midnight, so that a day has 23 to 25 hours when they change.
    pub fn period(self, period: Period, at: Timestamp) -> Stretch {
        let plain = Stretch { start: at, end: at.plus(Span::from_hours(24)) };
        let Some(today) = self.date(at) else { return plain };
        let first = match period {
            Period::Day => Some(today),
            Period::Week => {
                today.checked_sub_days(Days::new(u64::from(today.weekday().num_days_from_monday())))
            }
            Period::Month => today.with_day(1),
        };
        let next = first.and_then(|first| match period {
            Period::Day => first.checked_add_days(Days::new(1)),
            Period::Week => first.checked_add_days(Days::new(7)),
            Period::Month => first.checked_add_months(Months::new(1)),
        });
        let (Some(first), Some(next)) = (first, next) else { return plain };
        Stretch { start: self.start_of(first), end: self.start_of(next) }
    }

    /// The local date at `at`; `None` outside the years that the time library knows.
    fn date(self, at: Timestamp) -> Option<NaiveDate> {
        let local = at.seconds().saturating_add(self.offset_seconds(at));
        chrono::DateTime::from_timestamp(local, 0).map(|there| there.naive_utc().date())
    }

    /// The first instant whose local date is `day`.
    fn start_of(self, day: NaiveDate) -> Timestamp {
        let midnight = self.first(day.and_time(NaiveTime::MIN));
        // Where the clocks skip midnight the day begins with the change, at most an hour from there.
        if self.date(midnight.minus(Span::from_seconds(1))) != Some(day) {
            return midnight;
        }
        let hour = Span::from_hours(1);
        let (mut before, mut within) = (midnight.minus(hour).minus(hour), midnight);
        while within.since(before) > Span::from_seconds(1) {
            let middle = before.plus(Span::from_seconds(within.since(before).seconds() / 2));
            if self.date(middle) == Some(day) { within = middle } else { before = middle }
        }
        within
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::{parse_instant, rfc3339};

    fn check(zone: &str, period: Period, at: &str, start: &str, end: &str) {
        let zone = TimeZone::parse(zone).unwrap();
        let Stretch { start: begins, end: ends } = zone.period(period, parse_instant(at).unwrap());
        assert_eq!((rfc3339(begins).as_str(), rfc3339(ends).as_str()), (start, end), "{zone} {at}");
        for edge in [begins, ends.minus(Span::from_seconds(1))] {
            assert_eq!(zone.period(period, edge), Stretch { start: begins, end: ends }, "{zone} {at}");
        }
        assert_eq!(zone.period(period, ends).start, ends, "{zone} {at}: no gap and no overlap");
    }

    #[test]
    fn a_period_begins_at_local_midnight_whatever_the_clocks_do() {
        let berlin = "Europe/Berlin";
        check("UTC", Period::Day, "2026-03-29T12:00:00Z", "2026-03-29T00:00:00Z", "2026-03-30T00:00:00Z");
        // 23 and 25 hours.
        check(berlin, Period::Day, "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z");
        check(berlin, Period::Day, "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
        check(berlin, Period::Week, "2026-03-29T12:00:00Z", "2026-03-22T23:00:00Z", "2026-03-29T22:00:00Z");
        check(berlin, Period::Month, "2026-03-31T21:59:59Z", "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z");
        check(berlin, Period::Month, "2026-12-31T23:30:00Z", "2026-12-31T23:00:00Z", "2027-01-31T23:00:00Z");
        check(
            "America/New_York",
            Period::Month,
            "2026-11-01T03:59:00Z",
            "2026-10-01T04:00:00Z",
            "2026-11-01T04:00:00Z",
        );
    }

    #[test]
    fn a_day_whose_midnight_is_skipped_begins_with_the_change() {
        // Clocks in Cairo go from 23:59:59 to 01:00:00.
        check(
            "Africa/Cairo",
            Period::Day,
            "2026-04-24T12:00:00Z",
            "2026-04-23T22:00:00Z",
            "2026-04-24T21:00:00Z",
        );
        // Clocks in Havana show midnight twice in November; the day begins with the first.
        check(
            "America/Havana",
            Period::Day,
            "2026-11-01T12:00:00Z",
            "2026-11-01T04:00:00Z",
            "2026-11-02T05:00:00Z",
        );
    }
}
