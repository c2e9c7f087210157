//! What is made up from scraped series where the ledger is lost.

use super::*;

proptest! {
    /// What is made up from scraped series is never less than what was spent, whatever was not scraped, and exact where
    /// nothing changed between two samples.
    #[test]
    fn i44_what_is_made_up_from_series_is_never_less_than_what_was_spent(
        minutes in minutes(),
        level in prop::bool::weighted(0.2),
    ) {
        made_up_is_enough(&minutes, level)?;
    }
}

pub(super) fn made_up_is_enough(minutes: &[(u32, u32, bool)], level: bool) -> Held {
    let (spent, recalled) = made_up(minutes, level);
    prop_assert_eq!(recalled.at, minute(minutes.len()));
    // A third of a cent has no end in decimals.
    let crumbs = money("0.0000001");
    prop_assert!(recalled.spent.plus(crumbs) >= spent, "{} of {}", recalled.spent, spent);
    prop_assert!(!level || recalled.spent <= spent.plus(crumbs), "{} of {}", recalled.spent, spent);
    Ok(())
}

/// Replicas, the price in cents, and whether it was scraped, minute by minute.
pub(super) fn minutes() -> impl Strategy<Value = Vec<(u32, u32, bool)>> {
    prop::collection::vec((0_u32..40, 1_u32..300, prop::bool::weighted(0.7)), 2..200)
}

fn minute(i: usize) -> Timestamp {
    MONDAY.plus(Span::from_minutes(u64::try_from(i).unwrap()))
}

/// What minutes of so many replicas at so many cents cost, and what those of them that were scraped make of it: what is
/// not scraped stays as it was, and the last one always is scraped. Where all are `level` they are as the first.
fn made_up(minutes: &[(u32, u32, bool)], level: bool) -> (Money, Recalled) {
    let seen = |i: usize| minutes[i].2 || i + 1 == minutes.len();
    let mut stood = minutes[if level { 0 } else { (0..minutes.len()).find(|&i| seen(i)).unwrap() }];
    let (mut spent, mut counts, mut prices) = (Money::ZERO, Vec::new(), Vec::new());
    for (i, &now) in minutes.iter().enumerate() {
        if seen(i) {
            stood = if level { stood } else { now };
            counts.push((minute(i + 1), n(stood.0)));
            prices.push((minute(i + 1), price(stood.1)));
        }
        spent = spent.plus(price(stood.1).of_replica_seconds(u64::from(stood.0) * 60));
    }
    (spent, Recalled::of_series(MONDAY, &counts, &prices).unwrap())
}

#[test]
fn a_gap_counts_with_the_larger_of_its_neighbours_and_the_time_before_the_first_with_the_most() {
    let counts = [(minute(60), n(4)), (minute(120), n(2)), (minute(240), n(8)), (minute(300), n(6))];
    let recalled = Recalled::of_series(MONDAY, &counts, &[(minute(0), price(100))]).unwrap();
    // 8 before the first, then 4, twice 8, 8.
    assert_eq!(recalled, Recalled { spent: money("36"), at: minute(300), replicas: n(6) });
    // A price counts from the last sample before to the first one after.
    let prices = [(minute(60), price(100)), (minute(180), price(300)), (minute(240), price(50))];
    let recalled = Recalled::of_series(MONDAY, &counts, &prices).unwrap();
    assert_eq!(recalled.spent, money("72"), "8, then 4 and twice 8 at 3.00, then 8 at 0.50");
    assert_eq!(Recalled::of_series(MONDAY, &counts, &[]), None);
    assert_eq!(Recalled::of_series(MONDAY, &[], &prices), None);
}
