//! The annotations of a `PredictiveAutoscaler` by which a freeze and a boost are ordered, outside the spec and Git.
//!
//! | annotation | value |
//! |---|---|
//! | `foresail.dev/freeze` | `2026-12-01T08:00:00Z`: nothing is scaled down until then |
//! | `foresail.dev/freeze-growth` | `2026-12-01T08:00:00Z`: nothing is scaled up until then |
//! | `foresail.dev/boost` | `40 until 2026-12-01T08:00:00Z`: at least 40 replicas until then |
//!
//! One that cannot be read is ignored and reported; the others hold.

use std::collections::BTreeMap;

use super::FieldError;
use super::v1alpha1::limits;
use crate::calendar::{parse_instant, rfc3339};
use crate::decide::{Boost, BreakGlass};
use crate::units::{Replicas, Timestamp};

/// Until when nothing is scaled down.
pub const FREEZE: &str = "foresail.dev/freeze";
/// Until when nothing is scaled up.
pub const FREEZE_GROWTH: &str = "foresail.dev/freeze-growth";
/// A floor, and until when it holds.
pub const BOOST: &str = "foresail.dev/boost";

/// The largest floor: that of `maxReplicas`.
const FLOOR_MAX: u32 = 10_000;

/// What the annotations order, and each that cannot be read. Expired ones are read like any other.
pub fn break_glass(annotations: &BTreeMap<String, String>) -> (BreakGlass, Vec<FieldError>) {
    let mut errors = Vec::new();
    let mut read_instant = |key: &str| {
        let text = annotations.get(key)?;
        let until = parse_instant(text.trim());
        if until.is_none() {
            errors.push(unreadable(key, text, "is no instant", "write it as `2026-12-01T08:00:00Z`"));
        }
        until
    };
    let (no_scale_down, no_scale_up) = (read_instant(FREEZE), read_instant(FREEZE_GROWTH));
    let boost = annotations.get(BOOST).and_then(|text| {
        let boost = parse_boost(text);
        if boost.is_none() {
            let remedy = "write 1 to 10000 replicas and an instant, as `40 until 2026-12-01T08:00:00Z`";
            errors.push(unreadable(BOOST, text, "is no boost", remedy));
        }
        boost
    });
    (BreakGlass { no_scale_down, no_scale_up, boost, standing: Replicas::ZERO }, errors)
}

/// The value of [`BOOST`].
pub fn boost_text(boost: Boost) -> String {
    format!("{} until {}", boost.floor, rfc3339(boost.until))
}

/// The value of [`FREEZE`] and [`FREEZE_GROWTH`].
pub fn freeze_text(until: Timestamp) -> String {
    rfc3339(until)
}

fn parse_boost(text: &str) -> Option<Boost> {
    let (floor, until) = text.split_once(" until ")?;
    let floor: u32 = floor.trim().parse().ok().filter(|n| (1..=FLOOR_MAX).contains(n))?;
    Some(Boost { floor: Replicas::new(floor), until: parse_instant(until.trim())? })
}

/// The text is foreign: whatever steers a terminal is escaped.
fn unreadable(key: &str, text: &str, problem: &str, remedy: &str) -> FieldError {
    let shown = limits::clip(&text.escape_debug().to_string(), limits::SHORT);
    FieldError::new(
        format!("metadata.annotations[{key}]"),
        format!("`{shown}` {problem}"),
        format!("{remedy}; until then it is ignored"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(annotations: &[(&str, &str)]) -> (BreakGlass, Vec<String>) {
        let map = annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let (orders, errors) = break_glass(&map);
        (orders, errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn what_is_written_is_read_back() {
        let until = Timestamp::from_seconds(1_795_478_400);
        let boost = Boost { floor: Replicas::new(40), until };
        let (freeze, text) = (freeze_text(until), boost_text(boost));
        assert_eq!(text, "40 until 2026-11-24T00:00:00Z");
        let (orders, errors) = read(&[(FREEZE, &freeze), (FREEZE_GROWTH, &freeze), (BOOST, &text)]);
        assert_eq!(errors, Vec::<String>::new());
        let all = BreakGlass {
            no_scale_down: Some(until),
            no_scale_up: Some(until),
            boost: Some(boost),
            standing: Replicas::ZERO,
        };
        assert_eq!(orders, all);
        assert_eq!(read(&[("kubectl.kubernetes.io/x", "y")]), (BreakGlass::NONE, Vec::new()));
    }

    #[test]
    fn each_that_cannot_be_read_is_ignored_alone_and_says_what_to_write() {
        let good = "2026-11-24T00:00:00Z";
        for bad in ["", "true", "2h", "2026-13-01T00:00:00Z", "2026-11-24", "\u{1b}[31m\u{202e}"] {
            let (orders, errors) = read(&[(FREEZE, bad), (FREEZE_GROWTH, good)]);
            assert_eq!((orders.no_scale_down, orders.no_scale_up.is_some()), (None, true), "{bad}");
            assert_eq!(errors.len(), 1, "{bad}");
            assert!(errors[0].starts_with("metadata.annotations[foresail.dev/freeze]: `"), "{errors:?}");
            assert!(errors[0].ends_with("until then it is ignored"), "{errors:?}");
            assert!(!errors[0].contains(['\u{1b}', '\u{202e}']), "{errors:?}");
        }
        for bad in [
            "40",
            "0 until 2026-11-24T00:00:00Z",
            "-1 until 2026-11-24T00:00:00Z",
            "40 until noon",
            "10001 until 2026-11-24T00:00:00Z",
            "forty until 2026-11-24T00:00:00Z",
            " until ",
        ] {
            let (orders, errors) = read(&[(BOOST, bad), (FREEZE, good)]);
            assert_eq!(
                (orders.boost, orders.no_scale_down.is_some(), errors.len()),
                (None, true, 1),
                "{bad}"
            );
        }
        let (_, errors) = read(&[(BOOST, &"9".repeat(10_000))]);
        assert!(errors[0].len() < 300, "{}", errors[0].len());
    }
}
