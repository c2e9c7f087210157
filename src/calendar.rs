//! Civil time: which second of the local day and which weekday an instant is, in an IANA time zone; and announced
//! events, from local times to UTC windows.
//!
//! The one module that knows a time library. Loops use [`Offsets`], which looks the zone up once a transition and
//! not once a sample.

mod events;
mod periods;

pub use events::{Calendar, ClockTime, Effect, Event, LocalTime, When, Window, factor, least};
pub use periods::{Period, Stretch};

use chrono::{DateTime, Datelike as _, Offset as _, TimeZone as _, Timelike as _};

use crate::units::{Span, Timestamp};

const DAY_SECONDS: i64 = 86_400;

/// An IANA time zone, for example `Europe/Berlin` or `UTC`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeZone(chrono_tz::Tz);

/// Why a text is no time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no IANA time zone: write it as `Europe/Berlin` or `UTC`")]
pub struct TimeZoneError {
    text: String,
}

/// The instant that an RFC 3339 text names, for example `2026-01-01T00:00:00Z`; `None` for any other text.
pub fn parse_instant(text: &str) -> Option<Timestamp> {
    DateTime::parse_from_rfc3339(text).ok().map(|instant| Timestamp::from_millis(instant.timestamp_millis()))
}

/// `at` as RFC 3339 in UTC, to the second: `2026-01-01T00:00:00Z`; outside the years that the time library knows, the
/// seconds since 1970.
pub fn rfc3339(at: Timestamp) -> String {
    let Some(instant) = DateTime::from_timestamp(at.seconds(), 0) else { return at.seconds().to_string() };
    let (year, month, day) = (instant.year(), instant.month(), instant.day());
    let (hour, minute, second) = (instant.hour(), instant.minute(), instant.second());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weekday {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

impl Weekday {
    /// Saturday or Sunday.
    pub const fn is_weekend(self) -> bool {
        matches!(self, Self::Saturday | Self::Sunday)
    }
}

impl TimeZone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(chrono_tz::UTC);

    /// Parses an IANA name, in the case the database writes it.
    ///
    /// # Errors
    /// [`TimeZoneError`] for any other text: `Local`, an offset such as `+02:00`, an abbreviation such as `CEST`.
    pub fn parse(name: &str) -> Result<Self, TimeZoneError> {
        name.parse().map(Self).map_err(|_| TimeZoneError { text: name.chars().take(64).collect() })
    }

    /// The IANA name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// Seconds that local time is ahead of UTC at `at`; 0 outside the years that the time library knows.
    pub fn offset_seconds(self, at: Timestamp) -> i64 {
        DateTime::from_timestamp(at.seconds(), 0).map_or(0, |instant| {
            i64::from(self.0.offset_from_utc_datetime(&instant.naive_utc()).fix().local_minus_utc())
        })
    }

    /// Seconds since the local midnight on the clock on the wall: 0 .. 86399. A clock that is put back shows the
    /// same numbers twice.
    pub fn second_of_day(self, at: Timestamp) -> u32 {
        let local = at.seconds().saturating_add(self.offset_seconds(at));
        u32::try_from(local.rem_euclid(DAY_SECONDS)).unwrap_or(0)
    }

    /// The local weekday.
    pub fn weekday(self, at: Timestamp) -> Weekday {
        weekday_of(at.seconds().saturating_add(self.offset_seconds(at)))
    }

    /// The offsets in force from `from` to `to`, for lookups in a loop.
    pub fn offsets(self, from: Timestamp, to: Timestamp) -> Offsets {
        // Zones change their offset at most a few times a year; half a day is finer than any two transitions of
        // the database in the years of interest.
        let stride = Span::from_hours(12);
        let mut ranges = vec![(from, self.offset_seconds(from))];
        let mut at = from;
        let mut offset = self.offset_seconds(from);
        while at < to {
            let next = at.plus(stride).min(to);
            let next_offset = self.offset_seconds(next);
            if next_offset != offset {
                ranges.push((self.transition_between(at, next, offset), next_offset));
                offset = next_offset;
            }
            at = next;
        }
        Offsets { ranges }
    }

    /// The first second after `before` with an offset other than `old`, which must hold at `before` but not at `after`.
    fn transition_between(self, before: Timestamp, after: Timestamp, old: i64) -> Timestamp {
        let (mut low, mut high) = (before.seconds(), after.seconds());
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.offset_seconds(Timestamp::from_seconds(middle)) == old {
                low = middle;
            } else {
                high = middle;
            }
        }
        Timestamp::from_seconds(high)
    }
}

impl std::fmt::Display for TimeZone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Offsets of one zone over a range of time: sorted by start, never empty. Outside the range the nearest holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offsets {
    ranges: Vec<(Timestamp, i64)>,
}

impl Offsets {
    /// Seconds that local time is ahead of UTC at `at`.
    pub fn seconds_at(&self, at: Timestamp) -> i64 {
        match self.ranges.as_slice() {
            [(_, only)] => *only,
            ranges => ranges
                .iter()
                .rev()
                .find(|(start, _)| *start <= at)
                .or(ranges.first())
                .map_or(0, |(_, offset)| *offset),
        }
    }

    /// Whether one offset holds over the whole range, so that every local day has 24 hours.
    pub fn is_constant(&self) -> bool {
        self.ranges.len() <= 1
    }

    /// The instant with the same local time `days` days before `at`. Where the local clock skipped that time, the
    /// instant as long after the gap as the time is after its start.
    pub fn days_before(&self, at: Timestamp, days: u32) -> Timestamp {
        let plain = at.seconds().saturating_sub(i64::from(days) * DAY_SECONDS);
        if self.is_constant() {
            return Timestamp::from_seconds(plain);
        }
        let shift = self.seconds_at(at) - self.seconds_at(Timestamp::from_seconds(plain));
        Timestamp::from_seconds(plain.saturating_add(shift))
    }

    /// The local weekday.
    pub fn weekday(&self, at: Timestamp) -> Weekday {
        weekday_of(at.seconds().saturating_add(self.seconds_at(at)))
    }

    /// Seconds since the local midnight: 0 .. 86399.
    pub fn second_of_day(&self, at: Timestamp) -> u32 {
        let local = at.seconds().saturating_add(self.seconds_at(at));
        u32::try_from(local.rem_euclid(DAY_SECONDS)).unwrap_or(0)
    }
}

/// The weekday of a count of local seconds since 1970-01-01, a Thursday.
fn weekday_of(local_seconds: i64) -> Weekday {
    match local_seconds.div_euclid(DAY_SECONDS).rem_euclid(7) {
        0 => Weekday::Thursday,
        1 => Weekday::Friday,
        2 => Weekday::Saturday,
        3 => Weekday::Sunday,
        4 => Weekday::Monday,
        5 => Weekday::Tuesday,
        _ => Weekday::Wednesday,
    }
}

#[cfg(test)]
pub(crate) mod tests;
