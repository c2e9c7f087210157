//! The events that are announced to one autoscaler: its calendars as the watch caches have them, as windows.

use std::sync::Arc;

use super::context::Context;
use crate::api::{self, PredictiveAutoscaler};
use crate::calendar::Window;
use crate::units::{Span, Timestamp};

/// Windows are looked up again after this long.
const KEPT: Span = Span::from_hours(24);
/// Windows are known from this long ago on: the longest history, and a day.
const BACK: Span = Span::from_hours(29 * 24);
/// Windows are known so far ahead: until they are looked up again, the longest `readyBefore`, the horizon.
const AHEAD: Span = Span::from_hours(3 * 24);

/// The events that are announced to one autoscaler.
#[derive(Debug)]
pub struct Announced {
    /// Names and versions of its calendars.
    calendars: Vec<(String, Option<String>)>,
    known_until: Timestamp,
    /// Counts changes of the windows.
    pub round: u64,
    /// The windows around now, by start.
    pub windows: Arc<[Window]>,
    /// A calendar that cannot be used: reason and sentence.
    pub problem: Option<(&'static str, String)>,
}

impl Default for Announced {
    fn default() -> Self {
        Self {
            calendars: Vec::new(),
            known_until: Timestamp::from_millis(i64::MIN),
            round: 0,
            windows: Arc::from([]),
            problem: None,
        }
    }
}

impl Announced {
    /// Looks the calendars of `object` up again, where one of them has changed or a day has passed.
    pub fn look_up(&mut self, ctx: &Context, object: &PredictiveAutoscaler, namespace: &str, now: Timestamp) {
        let names = object.spec.calendar_refs.iter().map(|named| named.name.clone());
        let found: Vec<_> = names.map(|name| (ctx.calendar(namespace, &name), name)).collect();
        let version = |one: &api::DemandCalendar| one.metadata.resource_version.clone().unwrap_or_default();
        let calendars: Vec<(String, Option<String>)> =
            found.iter().map(|(found, name)| (name.clone(), found.as_deref().map(version))).collect();
        if calendars == self.calendars && now < self.known_until {
            return;
        }
        let mut windows: Vec<Window> = Vec::new();
        let mut problem = None;
        for (found, name) in &found {
            let Some(found) = found else {
                let message = format!(
                    "calendarRefs names DemandCalendar `{name}`, which does not exist: create it, or remove the name"
                );
                problem = problem.or(Some(("CalendarNotFound", message)));
                continue;
            };
            match api::calendar(name, &found.spec) {
                Ok(calendar) => windows.extend(calendar.windows(now.minus(BACK), now.plus(AHEAD))),
                Err(errors) => {
                    let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
                    let message = format!("DemandCalendar `{name}` is not used: {}", all.join("; "));
                    problem = problem.or(Some(("CalendarInvalid", message)));
                }
            }
        }
        windows.sort_by_key(|window| window.start);
        if *self.windows != *windows {
            self.round += 1;
            self.windows = windows.into();
        }
        self.calendars = calendars;
        self.known_until = now.plus(KEPT);
        self.problem = problem;
    }
}
