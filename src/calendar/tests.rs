//! Local times on both changes of the clocks, and what windows do to demand.

use proptest::prelude::*;

use super::*;
use crate::units::Replicas;

fn berlin() -> TimeZone {
    TimeZone::parse("Europe/Berlin").unwrap()
}

fn utc(text: &str) -> Timestamp {
    parse_instant(text).unwrap()
}

pub(crate) fn effect(name: &str, multiplier: f64) -> Effect {
    Effect {
        name: name.to_owned(),
        multiplier,
        ramp_up: Span::ZERO,
        decay: Span::ZERO,
        ready_before: Span::ZERO,
        min_replicas: None,
        max_replicas: None,
        exclude_from_learning: false,
    }
}

fn between(start: &str, end: &str) -> When {
    When::Between { start: LocalTime::parse(start).unwrap(), end: LocalTime::parse(end).unwrap() }
}

fn weekly(weekdays: &[Weekday], time: &str, hours: u64) -> When {
    let time = ClockTime::parse(time).unwrap();
    When::Weekly { weekdays: weekdays.to_vec(), time, duration: Span::from_hours(hours) }
}

/// Start and end of each window from one instant to another.
fn windows(zone: TimeZone, when: When, from: &str, to: &str) -> Vec<(String, String)> {
    let calendar = Calendar { zone, events: vec![Event { when, effect: effect("a", 2.0) }] };
    let found = calendar.windows(utc(from), utc(to));
    found.iter().map(|one| (rfc3339(one.start), rfc3339(one.end))).collect()
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(start, end)| ((*start).to_owned(), (*end).to_owned())).collect()
}

#[test]
fn a_local_time_becomes_the_instant_that_the_clocks_showed_it() {
    let found = windows(
        berlin(),
        between("2026-11-27T06:00", "2026-11-28T00:00"),
        "2026-11-01T00:00:00Z",
        "2026-12-01T00:00:00Z",
    );
    assert_eq!(found, pairs(&[("2026-11-27T05:00:00Z", "2026-11-27T23:00:00Z")]));
}

#[test]
fn a_time_that_the_clocks_skip_is_as_long_after_the_gap_as_after_its_start() {
    // On 2026-03-29 Berlin goes from 02:00 to 03:00, at 01:00 UTC.
    let found = windows(
        berlin(),
        between("2026-03-29T02:30", "2026-03-29T06:00"),
        "2026-03-29T00:00:00Z",
        "2026-03-30T00:00:00Z",
    );
    assert_eq!(found, pairs(&[("2026-03-29T01:30:00Z", "2026-03-29T04:00:00Z")]));
}

#[test]
fn of_a_time_that_is_shown_twice_a_start_is_the_first_and_an_end_the_second() {
    // On 2026-10-25 Berlin shows 02:00 to 03:00 twice, from 00:00 UTC on.
    let day = ("2026-10-25T00:00:00Z", "2026-10-26T00:00:00Z");
    let found = windows(berlin(), between("2026-10-25T02:15", "2026-10-25T02:45"), day.0, day.1);
    assert_eq!(found, pairs(&[("2026-10-25T00:15:00Z", "2026-10-25T01:45:00Z")]));
}

#[test]
fn a_weekly_event_keeps_its_local_time_over_both_changes_of_the_clocks() {
    let friday = weekly(&[Weekday::Sunday], "18:00", 2);
    let spring = windows(berlin(), friday.clone(), "2026-03-22T12:00:00Z", "2026-03-30T00:00:00Z");
    assert_eq!(
        spring,
        pairs(&[
            ("2026-03-22T17:00:00Z", "2026-03-22T19:00:00Z"),
            ("2026-03-29T16:00:00Z", "2026-03-29T18:00:00Z"),
        ])
    );
    let autumn = windows(berlin(), friday, "2026-10-18T12:00:00Z", "2026-10-26T00:00:00Z");
    assert_eq!(
        autumn,
        pairs(&[
            ("2026-10-18T16:00:00Z", "2026-10-18T18:00:00Z"),
            ("2026-10-25T17:00:00Z", "2026-10-25T19:00:00Z"),
        ])
    );
}

#[test]
fn a_weekly_event_over_midnight_is_found_on_the_day_after() {
    let night = weekly(&[Weekday::Monday, Weekday::Thursday], "22:00", 8);
    let found = windows(TimeZone::UTC, night, "2026-11-24T01:00:00Z", "2026-11-24T02:00:00Z");
    assert_eq!(found, pairs(&[("2026-11-23T22:00:00Z", "2026-11-24T06:00:00Z")]));
}

#[test]
fn an_event_is_found_from_when_it_is_readied_until_it_has_decayed() {
    let hour = Span::from_hours(1);
    let effect = Effect { ready_before: hour, decay: hour, ..effect("a", 2.0) };
    let when = between("2026-11-24T10:00", "2026-11-24T12:00");
    let calendar = Calendar { zone: TimeZone::UTC, events: vec![Event { when, effect }] };
    let found = |at: &str| !calendar.windows(utc(at), utc(at).plus(Span::from_minutes(1))).is_empty();
    let times = ["08:58", "09:00", "12:59", "13:00"].map(|time| format!("2026-11-24T{time}:00Z"));
    assert_eq!(times.map(|at| found(&at)), [false, true, true, false]);
}

#[test]
fn days_and_times_that_no_clock_shows_are_refused() {
    for text in ["2026-02-30T10:00", "2026-11-27", "2026-11-27T24:00", "2026-11-27T18:00Z"] {
        assert_eq!(LocalTime::parse(text), None, "{text}");
    }
    for text in ["24:00", "7", "18:60", ""] {
        assert_eq!(ClockTime::parse(text), None, "{text}");
    }
}

#[test]
fn overlapping_events_multiply() {
    let window = |from: i64, to: i64, multiplier: f64| Window {
        start: Timestamp::from_seconds(from),
        end: Timestamp::from_seconds(to),
        effect: effect("a", multiplier),
    };
    let both = [window(0, 100, 4.0), window(50, 150, 1.5)];
    let factors = [10, 60, 120, 150].map(|s| factor(&both, Timestamp::from_seconds(s)));
    let expected = [4.0, 6.0, 1.5, 1.0];
    assert!(factors.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{factors:?}");
}

proptest! {
    #[test]
    fn a_factor_lies_between_one_and_the_multiplier_and_is_one_outside(
        multiplier in 0.01_f64..100.0,
        (ramp, decay, length) in (0_u64..600, 0_u64..600, 600_u64..6000),
        at in -1000_i64..8000,
    ) {
        let effect = Effect {
            ramp_up: Span::from_seconds(ramp),
            decay: Span::from_seconds(decay),
            min_replicas: Some(Replicas::ONE),
            ..effect("a", multiplier)
        };
        let start = Timestamp::from_seconds(0);
        let window = Window { start, end: start.plus(Span::from_seconds(length)), effect };
        let at = Timestamp::from_seconds(at);
        let factor = window.factor(at);
        let (low, high) = (multiplier.min(1.0) - 1e-12, multiplier.max(1.0) + 1e-12);
        prop_assert!(low <= factor && factor <= high, "{factor}");
        prop_assert!(window.holds(at) || (factor - 1.0).abs() < 1e-12, "{factor}");
    }

    /// Whatever the zone and the hour, a window begins when the clocks show its time, unless they skip it.
    #[test]
    fn a_weekly_window_begins_when_the_clocks_show_its_time(
        zone in prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
        (hour, minute) in (0_u32..24, 0_u32..60),
        week in 0_i64..52,
    ) {
        let zone = TimeZone::parse(zone).unwrap();
        let from = utc("2026-01-01T00:00:00Z").plus(Span::from_hours(168 * u64::try_from(week).unwrap()));
        let when = weekly(&[Weekday::Sunday], &format!("{hour:02}:{minute:02}"), 1);
        let calendar = Calendar { zone, events: vec![Event { when, effect: effect("a", 2.0) }] };
        let found = calendar.windows(from, from.plus(Span::from_hours(168)));
        prop_assert!((1..=2).contains(&found.len()), "{found:?}");
        for window in found {
            let shown = i64::from(zone.second_of_day(window.start));
            let late = (shown - i64::from(3600 * hour + 60 * minute)).rem_euclid(86_400);
            prop_assert!(late == 0 || late <= 3600, "{window:?}: {late}");
            prop_assert_eq!(zone.weekday(window.start), Weekday::Sunday);
        }
    }
}
