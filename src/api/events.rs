//! From the spec of a `DemandCalendar` to its events, or every field that is wrong.

use super::v1alpha1 as wire;
use super::{FieldError, lint};
use crate::calendar::{Calendar, ClockTime, Effect, Event, LocalTime, TimeZone, Weekday, When};
use crate::units::{Replicas, Span, parse_quantity};

/// The events of the calendar called `name`.
///
/// # Errors
/// Every field that is wrong, with its path from `spec`, in the order of the paths.
pub fn calendar(name: &str, spec: &wire::DemandCalendarSpec) -> Result<Calendar, Vec<FieldError>> {
    let found = lint::spec_problems("DemandCalendar", spec, beyond_schema(spec));
    let zone = TimeZone::parse(&spec.time_zone).ok();
    let events: Option<Vec<Event>> = spec.events.iter().map(|one| event(name, one)).collect();
    match (zone, events) {
        (Some(zone), Some(events)) if found.is_empty() => Ok(Calendar { zone, events }),
        _ => Err(found),
    }
}

/// What an API server cannot know: whether the zone exists, and whether a day is in the calendar.
pub(super) fn beyond_schema(spec: &wire::DemandCalendarSpec) -> Vec<FieldError> {
    let mut errors: Vec<FieldError> =
        lint::zone_problem("spec.timeZone", &spec.time_zone).into_iter().collect();
    for (i, event) in spec.events.iter().enumerate() {
        for (field, text) in [("start", &event.start), ("end", &event.end)] {
            if let Some(text) = text
                && LocalTime::parse(&text.0).is_none()
            {
                let problem = format!("`{}` is on no day of the calendar", wire::limits::clip(&text.0, 64));
                let path = format!("spec.events[{i}].{field}");
                errors.push(FieldError::new(
                    path,
                    problem,
                    "write date and local time, as `2026-11-27T18:00`",
                ));
            }
        }
    }
    errors
}

/// `None` when the schema refuses it.
fn event(calendar: &str, event: &wire::CalendarEvent) -> Option<Event> {
    // Destructured in full, so that a new field cannot be forgotten.
    let wire::CalendarEvent {
        name,
        start,
        end,
        weekly,
        duration,
        multiplier,
        ramp_up,
        decay,
        ready_before,
        min_replicas,
        max_replicas,
        exclude_from_learning,
    } = event;
    let when = match (start, weekly, end, duration) {
        (Some(start), None, Some(end), None) => {
            When::Between { start: LocalTime::parse(&start.0)?, end: LocalTime::parse(&end.0)? }
        }
        (Some(start), None, None, Some(duration)) => {
            When::For { start: LocalTime::parse(&start.0)?, duration: duration.span()? }
        }
        (None, Some(weekly), None, Some(duration)) => When::Weekly {
            weekdays: weekly.weekdays.iter().map(|day| weekday(*day)).collect(),
            time: ClockTime::parse(&weekly.time.0)?,
            duration: duration.span()?,
        },
        _ => return None,
    };
    let span = |text: &Option<wire::text::UpToADay>| match text {
        Some(text) => text.span(),
        None => Some(Span::ZERO),
    };
    let excluded_by_default = multiplier.is_some() && start.is_some();
    let effect = Effect {
        name: format!("{calendar}/{name}"),
        multiplier: multiplier.as_ref().map_or(Some(1.0), |text| parse_quantity(&text.0).ok())?,
        ramp_up: span(ramp_up)?,
        decay: span(decay)?,
        ready_before: span(ready_before)?,
        min_replicas: min_replicas.map(Replicas::new),
        max_replicas: max_replicas.map(Replicas::new),
        exclude_from_learning: exclude_from_learning.unwrap_or(excluded_by_default),
    };
    Some(Event { when, effect })
}

const fn weekday(day: wire::Weekday) -> Weekday {
    match day {
        wire::Weekday::Monday => Weekday::Monday,
        wire::Weekday::Tuesday => Weekday::Tuesday,
        wire::Weekday::Wednesday => Weekday::Wednesday,
        wire::Weekday::Thursday => Weekday::Thursday,
        wire::Weekday::Friday => Weekday::Friday,
        wire::Weekday::Saturday => Weekday::Saturday,
        wire::Weekday::Sunday => Weekday::Sunday,
    }
}
