//! What an autoscaler had spent, as somebody else than its own status knows it.

use std::collections::BTreeMap;

use crate::units::{Money, PricePerReplicaHour, Replicas, Timestamp, faulty};

/// What was spent in the period up to an instant, and what stood then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recalled {
    /// What was spent.
    pub spent: Money,
    /// Up to when.
    pub at: Timestamp,
    /// What stood then.
    pub replicas: Replicas,
}

impl Recalled {
    /// From replicas and prices as they were recorded, in order of time, since `from`; `None` when no replicas or no
    /// price is known. Never less than could have been spent: between two samples the larger of both counts, be it a
    /// minute or a gap, and before the first one the largest of all.
    pub fn of_series(
        from: Timestamp,
        counts: &[(Timestamp, Replicas)],
        prices: &[(Timestamp, PricePerReplicaHour)],
    ) -> Option<Self> {
        let most = counts.iter().map(|(_, count)| *count).max()?;
        let &(at, replicas) = counts.last()?;
        let mut seconds: BTreeMap<PricePerReplicaHour, u64> = BTreeMap::new();
        let mut before = (from, most);
        for &(until, count) in counts {
            let stood = faulty!(GapsAreFree, before.1.min(count), before.1.max(count));
            let price = dearest(prices, (before.0, until))?;
            let sum = seconds.entry(price).or_default();
            *sum = sum.saturating_add(u64::from(stood.get()).saturating_mul(until.since(before.0).seconds()));
            before = (until, count);
        }
        let spent = seconds
            .iter()
            .fold(Money::ZERO, |sum, (price, seconds)| sum.plus(price.of_replica_seconds(*seconds)));
        Some(Self { spent, at, replicas })
    }
}

/// The highest price from the last one that is known at `from` to the first one at `until`.
fn dearest(
    prices: &[(Timestamp, PricePerReplicaHour)],
    (from, until): (Timestamp, Timestamp),
) -> Option<PricePerReplicaHour> {
    let first = prices.partition_point(|(at, _)| *at <= from).saturating_sub(1);
    let last = prices.partition_point(|(at, _)| *at < until).min(prices.len().saturating_sub(1));
    prices.get(first..=last)?.iter().map(|(_, price)| *price).max()
}
