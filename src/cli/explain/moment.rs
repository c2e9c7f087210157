//! The instant that is asked about: a time of day, or a full instant.

use crate::calendar::{TimeZone, parse_instant};
use crate::units::{Span, Timestamp};

const DAY_SECONDS: i64 = 86_400;

/// An instant as a user names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// A time of day: seconds since midnight on the wall clock of the policy's zone.
    Clock(u32),
    /// An instant.
    Instant(Timestamp),
}

impl Moment {
    /// Parses `09:05`, `09:05:30` or RFC 3339.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        clock(text)
            .map(Self::Clock)
            .or_else(|| parse_instant(text).map(Self::Instant))
            .ok_or_else(|| "write it as `09:05` or `2026-01-01T09:05:00Z`".to_owned())
    }
}

fn clock(text: &str) -> Option<u32> {
    let mut parts = text.split(':');
    let mut part = |limit: u32, digits: usize| -> Option<u32> {
        let part = parts.next()?;
        let plain = part.len() == digits && part.chars().all(|c| c.is_ascii_digit());
        part.parse().ok().filter(|value| plain && *value < limit)
    };
    let (hour, minute) = (part(24, 2)?, part(60, 2)?);
    let second = if text.len() > 5 { part(60, 2)? } else { 0 };
    (text.len() == 5 || text.len() == 8).then_some(hour * 3600 + minute * 60 + second)
}

/// The last instant up to `until` at which the wall clock of `zone` showed `second_of_day`. A time that a change of the
/// clocks left out on one day is looked for on the day before; of one that came twice it is the later.
pub(super) fn last_such(zone: TimeZone, second_of_day: u32, until: Timestamp) -> Timestamp {
    let local = until.seconds().saturating_add(zone.offset_seconds(until));
    let midnight = local.div_euclid(DAY_SECONDS).saturating_mul(DAY_SECONDS);
    let day = Span::from_hours(24);
    let offsets = [until.minus(day).minus(day), until.plus(day)].map(|at| zone.offset_seconds(at));
    let candidates = (0..=2_i64).flat_map(|days| {
        let wall = midnight - days * DAY_SECONDS + i64::from(second_of_day);
        offsets.map(|offset| Timestamp::from_seconds(wall.saturating_sub(offset)))
    });
    let such = candidates.filter(|at| *at <= until && zone.second_of_day(*at) == second_of_day);
    such.max().unwrap_or(until)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_or_an_instant_is_read_and_nothing_else() {
        assert_eq!(Moment::parse("09:05"), Ok(Moment::Clock(9 * 3600 + 300)));
        assert_eq!(Moment::parse("23:59:59"), Ok(Moment::Clock(86_399)));
        let instant = Moment::Instant(Timestamp::from_seconds(1_767_258_300));
        assert_eq!(Moment::parse("2026-01-01T09:05:00Z"), Ok(instant));
        assert_eq!(Moment::parse("2026-01-01T10:05:00+01:00"), Ok(instant));
        for text in ["9:05", "24:00", "09:60", "09:05:", "09-05", "yesterday", "", "09:05:1", "0905"] {
            assert!(Moment::parse(text).unwrap_err().contains("`09:05`"), "{text}");
        }
    }

    #[test]
    fn the_last_such_time_is_that_of_the_wall_clock_also_over_a_change_of_the_clocks() {
        let berlin = TimeZone::parse("Europe/Berlin").unwrap();
        let utc = |text: &str| parse_instant(text).unwrap();
        let check = |second: u32, until: &str, expected: &str| {
            assert_eq!(last_such(berlin, second, utc(until)), utc(expected), "{second} until {until}");
        };
        let five_past_nine = 9 * 3600 + 300;
        check(five_past_nine, "2026-07-01T12:00:00Z", "2026-07-01T07:05:00Z");
        check(five_past_nine, "2026-07-01T07:05:00Z", "2026-07-01T07:05:00Z");
        check(five_past_nine, "2026-07-01T07:04:59Z", "2026-06-30T07:05:00Z");
        // The day on which summer time begins: 02:30 is left out, and the day before had it in winter time.
        check(9000, "2026-03-29T10:00:00Z", "2026-03-28T01:30:00Z");
        check(five_past_nine, "2026-03-29T05:00:00Z", "2026-03-28T08:05:00Z");
        // The day on which it ends: 02:30 comes twice.
        check(9000, "2026-10-25T10:00:00Z", "2026-10-25T01:30:00Z");
        check(9000, "2026-10-25T01:00:00Z", "2026-10-25T00:30:00Z");
    }
}
