//! `--event`: an announced event in one line.
//!
//! ```text
//! WHEN +DURATION [xFACTOR] [ramp=DURATION] [decay=DURATION] [ready=DURATION] [min=N] [max=N] [learn=yes|no]
//! WHEN: 2026-11-27T18:00, 2026-11-27 18:00, Friday 18:00 or Friday,Saturday 18:00, in the autoscaler's time zone
//! ```

use anyhow::bail;
use serde_json::{Map, Value, json};

use crate::api::{self, DemandCalendar};

/// One `--event`, as the item of a calendar.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Announcement(Map<String, Value>);

impl Announcement {
    /// Parses one line; what its values may be is the calendar's to say.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let refuse = |what: &str| {
            format!(
                "`{what}` is not understood: write it as `2026-11-27 18:00 +3h x4 ramp=30m` or `Friday 18:00 +4h x1.5`"
            )
        };
        let mut words = text.split_whitespace().peekable();
        let mut fields = Map::new();
        let first = words.next().ok_or_else(|| refuse(text))?;
        let time = words.next_if(|word| word.contains(':') && !word.contains('='));
        let (name, when) = match time {
            None => ("start", json!(first)),
            Some(time) if first.starts_with(|c: char| c.is_ascii_digit()) => {
                ("start", json!(format!("{first}T{time}")))
            }
            Some(time) => {
                let weekdays: Vec<&str> = first.split(',').collect();
                ("weekly", json!({"weekdays": weekdays, "time": time}))
            }
        };
        fields.insert(name.to_owned(), when);
        for word in words {
            let (name, value) = field(word).ok_or_else(|| refuse(word))?;
            if fields.insert(name.to_owned(), value).is_some() {
                return Err(format!("`{word}` says {name} a second time: remove one"));
            }
        }
        if !fields.contains_key("duration") {
            return Err(format!("`{text}` does not say how long it lasts: add a duration as `+3h`"));
        }
        Ok(Self(fields))
    }
}

fn field(word: &str) -> Option<(&'static str, Value)> {
    if let Some(duration) = word.strip_prefix('+') {
        return Some(("duration", duration.into()));
    }
    if let Some(factor) = word.strip_prefix('x') {
        return Some(("multiplier", factor.into()));
    }
    let (name, value) = word.split_once('=')?;
    match name {
        "ramp" => Some(("rampUp", value.into())),
        "decay" => Some(("decay", value.into())),
        "ready" => Some(("readyBefore", value.into())),
        "min" => Some(("minReplicas", value.parse::<u32>().ok()?.into())),
        "max" => Some(("maxReplicas", value.parse::<u32>().ok()?.into())),
        "learn" => match value {
            "yes" => Some(("excludeFromLearning", false.into())),
            "no" => Some(("excludeFromLearning", true.into())),
            _ => None,
        },
        _ => None,
    }
}

/// The events as a calendar called `--event` of the zone `time_zone`; `None` when there are none.
///
/// # Errors
/// Every field that the rules of a `DemandCalendar` refuse.
pub(super) fn calendar(events: &[Announcement], time_zone: &str) -> anyhow::Result<Option<DemandCalendar>> {
    if events.is_empty() {
        return Ok(None);
    }
    let named = events.iter().zip(1..).map(|(Announcement(fields), i)| {
        let mut fields = fields.clone();
        fields.insert("name".to_owned(), format!("event-{i}").into());
        Value::Object(fields)
    });
    let manifest = json!({
        "apiVersion": api::VERSION, "kind": "DemandCalendar", "metadata": {"name": "announced"},
        "spec": {"timeZone": time_zone, "events": named.collect::<Vec<_>>()},
    });
    let errors = api::lint(&manifest).unwrap_or_default();
    if !errors.is_empty() {
        let all: Vec<String> =
            errors.iter().map(|error| error.to_string().replace("spec.events", "--event")).collect();
        bail!("the announced events have problems:\n  {}", all.join("\n  "));
    }
    Ok(Some(serde_json::from_value(manifest)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announced(text: &str) -> Result<Value, String> {
        let one = Announcement::parse(text)?;
        let found = calendar(&[one], "Europe/Berlin").map_err(|error| error.to_string())?.unwrap();
        Ok(serde_json::to_value(&found.spec.events[0]).unwrap())
    }

    #[test]
    fn one_line_is_an_event_of_a_calendar() {
        let expected = json!({"name": "event-1", "start": "2026-11-27T18:00", "duration": "3h", "multiplier": "4",
            "rampUp": "30m", "minReplicas": 5});
        assert_eq!(announced("2026-11-27 18:00 +3h x4 ramp=30m min=5").unwrap(), expected);
        assert_eq!(announced("2026-11-27T18:00 +3h x4 ramp=30m min=5").unwrap(), expected);
        let expected = json!({"name": "event-1", "weekly": {"weekdays": ["Friday", "Saturday"], "time": "18:00"},
            "duration": "4h", "multiplier": "1.5", "excludeFromLearning": true});
        assert_eq!(announced("Friday,Saturday 18:00 +4h x1.5 learn=no").unwrap(), expected);
    }

    #[test]
    fn what_is_no_event_is_refused_with_what_to_do() {
        for (text, expected) in [
            ("", "write it as"),
            ("2026-11-27 18:00 x4", "add a duration"),
            ("2026-11-27 18:00 +3h", "multiplier"),
            ("2026-11-27 18:00 +3h x4 x5", "a second time"),
            ("2026-11-27 18:00 +3h 4", "`4` is not understood"),
            ("2026-11-27 18:00 +3h x0", "--event[0].multiplier"),
            ("2026-11-31 18:00 +3h x4", "--event[0].start"),
            ("Fri 18:00 +3h x4", "--event[0].weekly"),
            ("2026-11-27 18:00 +3 x4", "--event[0].duration"),
        ] {
            let error = announced(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
