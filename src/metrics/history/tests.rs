//! Chunks and what is taken from them, without a socket.

use super::*;

const MINUTE: Step = Step::MINUTE;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn query(from: i64, to: i64, step: u32) -> HistoryQuery {
    HistoryQuery {
        promql: "x".into(),
        from: at(from),
        to: at(to),
        step: Step::new(step).unwrap(),
        max_age: Span::from_minutes(2),
        deadline: Span::from_minutes(1),
    }
}

fn check(from: i64, to: i64, step: u32, chunks: Option<&[(i64, i64)]>) {
    let found = chunks_of(&query(from, to, step)).unwrap();
    let chunks =
        chunks.map(|chunks| chunks.iter().map(|(start, end)| (at(*start), at(*end))).collect::<Vec<_>>());
    assert_eq!(found, chunks, "{from}..={to} by {step}");
}

#[test]
fn chunks_cover_every_grid_point_once() {
    check(0, 0, 60, Some(&[(0, 0)]));
    check(1, 59, 60, None);
    check(60, 0, 60, None);
    check(1, 121, 60, Some(&[(60, 120)]));
    check(0, 86_400, 60, Some(&[(0, 86_340), (86_400, 86_400)]));
    check(0, 30_000, 1, Some(&[(0, 10_999), (11_000, 21_999), (22_000, 30_000)]));
    check(0, 200_000, 86_400, Some(&[(0, 0), (86_400, 86_400), (172_800, 172_800)]));
    let month = chunks_of(&query(0, 28 * 86_400, 60)).unwrap().unwrap();
    assert_eq!(month.len(), 29);
    assert!(chunks_of(&query(0, 4_000_000, 1)).is_err(), "too many points");
    assert!(chunks_of(&query(i64::MIN / 1000, i64::MAX / 1000, 86_400)).is_err());
}

#[test]
fn points_are_sorted_and_kept_once() {
    let take = |points: &[(i64, f64)]| {
        let points = points.iter().map(|(seconds, value)| (at(*seconds), *value)).collect();
        tidy(points, (at(60), at(300)), MINUTE)
            .map(|points| points.iter().map(|(at, value)| (at.seconds(), *value)).collect::<Vec<_>>())
            .map_err(|refusal| refusal.absence)
    };
    assert_eq!(take(&[(120, 2.0), (60, 1.0), (120, 2.0)]), Ok(vec![(60, 1.0), (120, 2.0)]));
    assert_eq!(take(&[(120, 2.0), (60, 1.0), (120, 3.0)]), Err(Absence::Malformed));
    assert_eq!(take(&[(0, 1.0), (60, 1.0), (300, 5.0), (360, 6.0)]), Ok(vec![(60, 1.0), (300, 5.0)]));
    assert_eq!(take(&[(60, f64::NAN), (120, f64::INFINITY), (240, 4.0)]), Ok(vec![(240, 4.0)]));
    assert_eq!(take(&[(60, 1.0), (90, 1.0)]), Err(Absence::Malformed), "off the grid");
}
