//! Announced events: from local times to UTC windows, and what a window does to demand and replicas.
//!
//! An event says when and how much; [`windows`] says which instants that are, right over both changes of the clocks.

use chrono::{Days, NaiveDateTime, NaiveTime, TimeZone as _};
use serde::{Deserialize, Serialize};

use super::{TimeZone, Weekday};
use crate::units::{Replicas, Span, Timestamp};

/// A date and a time of day on the clock on the wall, to the minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalTime(NaiveDateTime);

impl LocalTime {
    /// Parses `2026-11-27T18:00`; `None` for any other text, or a day that is in no calendar.
    pub fn parse(text: &str) -> Option<Self> {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M").ok().map(Self)
    }
}

/// A time of day on the clock on the wall, to the minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClockTime(NaiveTime);

impl ClockTime {
    /// Parses `18:00`; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        NaiveTime::parse_from_str(text, "%H:%M").ok().map(Self)
    }
}

/// When an event takes place, in local time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// Once, from `start` to `end` on the clock on the wall.
    Between {
        /// Its start.
        start: LocalTime,
        /// Its end.
        end: LocalTime,
    },
    /// Once, for so long.
    For {
        /// Its start.
        start: LocalTime,
        /// How long it lasts.
        duration: Span,
    },
    /// Every week, for so long.
    Weekly {
        /// On these days.
        weekdays: Vec<Weekday>,
        /// At this time of day.
        time: ClockTime,
        /// How long it lasts.
        duration: Span,
    },
}

/// What an event does, at whatever time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Effect {
    /// Its name, as `calendar/event`.
    pub name: String,
    /// Demand is so many times what it would be; 1 when nothing is said. Finite and greater than zero.
    pub multiplier: f64,
    /// From the start of the event until demand has reached the multiple, in a straight line.
    pub ramp_up: Span,
    /// From the end of the event until demand is ordinary again, in a straight line.
    pub decay: Span,
    /// What its start needs stands this long before it.
    pub ready_before: Span,
    /// At least so many replicas.
    pub min_replicas: Option<Replicas>,
    /// At most so many replicas.
    pub max_replicas: Option<Replicas>,
    /// Whether demand within it teaches a forecast nothing.
    pub exclude_from_learning: bool,
}

/// An event as announced.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When.
    pub when: When,
    /// What it does.
    pub effect: Effect,
}

/// The events of one time zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Calendar {
    /// On whose clocks the events are announced.
    pub zone: TimeZone,
    /// The events.
    pub events: Vec<Event>,
}

/// One occurrence of an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// Its start.
    pub start: Timestamp,
    /// Its end, not included; the decay follows.
    pub end: Timestamp,
    /// What the event does.
    pub effect: Effect,
}

impl Window {
    /// How many times ordinary demand is expected at `at`: 1 outside, the multiplier on its height.
    ///
    /// ```
    /// use foresail::calendar::{Effect, Window};
    /// use foresail::units::{Span, Timestamp};
    ///
    /// let effect = Effect {
    ///     name: "retail/sale".to_owned(),
    ///     multiplier: 4.0,
    ///     ramp_up: Span::from_seconds(60),
    ///     decay: Span::from_seconds(120),
    ///     ready_before: Span::ZERO,
    ///     min_replicas: None,
    ///     max_replicas: None,
    ///     exclude_from_learning: true,
    /// };
    /// let at = Timestamp::from_seconds;
    /// let sale = Window { start: at(600), end: at(1200), effect };
    /// let factors = [599, 600, 620, 660, 1199, 1200, 1260, 1320].map(|s| sale.factor(at(s)));
    /// assert_eq!(factors, [1.0, 1.0, 2.0, 4.0, 4.0, 4.0, 2.5, 1.0]);
    /// ```
    pub fn factor(&self, at: Timestamp) -> f64 {
        let Effect { multiplier, ramp_up, decay, .. } = self.effect;
        let share = if at < self.start {
            0.0
        } else if at < self.end {
            share_of(at.since(self.start), ramp_up)
        } else {
            1.0 - share_of(at.since(self.end), decay)
        };
        1.0 + (multiplier - 1.0) * share
    }

    /// When demand has reached its height.
    pub fn height(&self) -> Timestamp {
        self.start.plus(self.effect.ramp_up).min(self.end)
    }

    /// When demand is ordinary again.
    pub fn over(&self) -> Timestamp {
        self.end.plus(self.effect.decay)
    }

    /// Whether demand at `at` is part of the event, its decay included.
    pub fn holds(&self, at: Timestamp) -> bool {
        self.start <= at && at < self.over()
    }

    /// Whether the event is there, its decay not included.
    pub fn is_on(&self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }

    /// Whether it changes demand.
    pub fn multiplies(&self) -> bool {
        (self.effect.multiplier - 1.0).abs() > f64::EPSILON
    }
}

/// How many times ordinary demand is expected at `at`; overlapping events multiply.
pub fn factor(windows: &[Window], at: Timestamp) -> f64 {
    windows.iter().map(|window| window.factor(at)).product()
}

/// The most replicas that an event around `at` asks for at least, and which event that is; the time in which they are
/// readied is part of it.
pub fn least<'a>(
    windows: impl IntoIterator<Item = &'a Window>,
    at: Timestamp,
) -> Option<(Replicas, &'a Window)> {
    let around =
        windows.into_iter().filter(|one| one.start.minus(one.effect.ready_before) <= at && at < one.end);
    around.filter_map(|one| Some((one.effect.min_replicas?, one))).max_by_key(|(n, _)| *n)
}

/// `part / whole`, at most 1; the whole of nothing is reached at once.
fn share_of(part: Span, whole: Span) -> f64 {
    if part >= whole {
        return 1.0;
    }
    part.seconds_f64() / whole.seconds_f64()
}

impl Calendar {
    /// Every window that touches `from .. to`, by start; the stretch in which replicas are readied counts as well.
    ///
    /// A local time that the clocks skip is the instant as long after the gap as the time is after its start; of a
    /// time that the clocks show twice a start is the first and an end the second.
    pub fn windows(&self, from: Timestamp, to: Timestamp) -> Vec<Window> {
        let mut found: Vec<Window> = self
            .events
            .iter()
            .flat_map(|event| self.occurrences(event, from, to))
            .filter(|one| one.start.minus(one.effect.ready_before) < to && from < one.over())
            .collect();
        found.sort_by(|a, b| (a.start, &a.effect.name).cmp(&(b.start, &b.effect.name)));
        found
    }

    fn occurrences(&self, event: &Event, from: Timestamp, to: Timestamp) -> Vec<Window> {
        let window = |start: Timestamp, end: Timestamp| Window { start, end, effect: event.effect.clone() };
        match &event.when {
            When::Between { start, end } => {
                vec![window(self.zone.first(start.0), self.zone.last(end.0))]
            }
            When::For { start, duration } => {
                let start = self.zone.first(start.0);
                vec![window(start, start.plus(*duration))]
            }
            When::Weekly { weekdays, time, duration } => {
                let reach = duration.plus(event.effect.decay).plus(Span::from_hours(24));
                let ahead = event.effect.ready_before.plus(Span::from_hours(24));
                let days = self.zone.days(from.minus(reach), to.plus(ahead));
                days.filter(|(_, weekday)| weekdays.contains(weekday))
                    .map(|(midnight, _)| {
                        let start = self.zone.first(NaiveDateTime::new(midnight.date(), time.0));
                        window(start, start.plus(*duration))
                    })
                    .collect()
            }
        }
    }
}

impl TimeZone {
    /// The first instant at which the clocks show `local`, or would if they did not skip it.
    pub(super) fn first(self, local: NaiveDateTime) -> Timestamp {
        self.instants(local).0
    }

    /// The last one.
    fn last(self, local: NaiveDateTime) -> Timestamp {
        self.instants(local).1
    }

    fn instants(self, local: NaiveDateTime) -> (Timestamp, Timestamp) {
        let at =
            |instant: chrono::DateTime<chrono_tz::Tz>| Timestamp::from_millis(instant.timestamp_millis());
        let found = self.0.from_local_datetime(&local);
        if let (Some(first), Some(last)) = (found.earliest(), found.latest()) {
            return (at(first), at(last));
        }
        // Skipped: by the offset in force before the gap, it lies as long after the gap as after its start.
        let plain = Timestamp::from_millis(local.and_utc().timestamp_millis());
        let before = self.offset_seconds(plain.minus(Span::from_hours(24)));
        let instant = Timestamp::from_millis(plain.millis().saturating_sub(before.saturating_mul(1000)));
        (instant, instant)
    }

    /// The local days that touch `from ..= to`, by their midnights, with their weekdays.
    fn days(self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = (NaiveDateTime, Weekday)> {
        let midnight = |at: Timestamp| {
            let local = at.seconds().saturating_add(self.offset_seconds(at));
            chrono::DateTime::from_timestamp(local, 0).map(|there| there.naive_utc().date())
        };
        let last = midnight(to);
        std::iter::successors(midnight(from), |day| day.checked_add_days(Days::new(1)))
            .take_while(move |day| last.is_some_and(|last| *day <= last))
            .map(|day| {
                let midnight = day.and_time(NaiveTime::MIN);
                (midnight, super::weekday_of(midnight.and_utc().timestamp()))
            })
    }
}
