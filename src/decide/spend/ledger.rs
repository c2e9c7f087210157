//! What an autoscaler has spent of its budget's period: replicas that were asked for, over time.
//!
//! Whole replica-seconds at the price that held, so that accounting twice adds nothing and no sum is rounded. The
//! ledger is part of the memory in the status: a crash loses none of it, since the time after the last entry is
//! accounted with what stood.

use serde::{Deserialize, Serialize};

use crate::calendar::Stretch;
use crate::units::{Money, PricePerReplicaHour, Replicas, Span, Timestamp, faulty};

/// A gap up to this long was spent at what stands now, since a write lands at once; over a longer one, as after a crash,
/// the larger of what stood at both ends counts.
const RECENT: Span = Span::from_minutes(2);

/// What one autoscaler has spent in one period of its budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    /// The budget that it draws on.
    pub budget: String,
    /// When the period began.
    pub period: Timestamp,
    /// Up to when it is accounted.
    pub at: Timestamp,
    /// What stood then.
    pub replicas: Replicas,
    /// How many of them the overdraft pays for.
    pub over: Replicas,
    /// The price of the replica-seconds below; `None` while no price was ever known: the first one that is holds for
    /// them.
    pub price: Option<PricePerReplicaHour>,
    /// Replica-seconds at that price.
    pub replica_seconds: u64,
    /// Those of them that the overdraft paid for.
    pub over_seconds: u64,
    /// What was spent in the period at earlier prices.
    pub settled: Money,
    /// What of it the overdraft paid for.
    pub settled_over: Money,
}

impl Ledger {
    /// Nothing spent, from `from` on.
    pub fn begin(budget: &str, (stretch, from): (Stretch, Timestamp), stands: Stands) -> Self {
        let Stands { replicas, price } = stands;
        Self {
            budget: budget.to_owned(),
            period: stretch.start,
            at: from.max(stretch.start),
            replicas,
            over: Replicas::ZERO,
            price,
            replica_seconds: 0,
            over_seconds: 0,
            settled: Money::ZERO,
            settled_over: Money::ZERO,
        }
    }

    /// Accounts up to `now` with what stands. Doing so twice, or with an earlier `now`, adds nothing; a new period begins
    /// at its start, and a clock that went back into the last period opens none anew (I45).
    pub fn account(&mut self, now: Timestamp, stretch: Stretch, stands: Stands) {
        let Stands { replicas, price } = stands;
        if faulty!(ClockRefills, stretch.start != self.period, stretch.start > self.period) {
            (self.replica_seconds, self.over_seconds) = (0, 0);
            (self.settled, self.settled_over) = (Money::ZERO, Money::ZERO);
            self.period = stretch.start;
            self.at = self.at.max(stretch.start).min(now);
        }
        let gap = now.since(self.at);
        let recent = gap <= RECENT;
        // Nobody knows when in a longer gap the price fell, as nobody knows when replicas did.
        let counts_before = recent || price >= self.price;
        if counts_before {
            self.take_price(price);
        }
        let seconds = gap.seconds();
        let stood = if recent { replicas } else { replicas.max(self.replicas) };
        self.replica_seconds = plus(self.replica_seconds, stood, seconds);
        self.over_seconds = plus(self.over_seconds, self.over.min(stood), seconds);
        self.at = faulty!(AccountsTwice, self.at, self.at.plus(Span::from_seconds(seconds)));
        self.replicas = replicas;
        if !counts_before {
            self.take_price(price);
        }
    }

    /// From now on `price` counts; one that is no longer known goes on to count as it was.
    fn take_price(&mut self, price: Option<PricePerReplicaHour>) {
        if price.is_none() || price == self.price {
            return;
        }
        if self.price.is_some() {
            self.settled = self.spent(None);
            self.settled_over = self.overdrawn(None);
            (self.replica_seconds, self.over_seconds) = (0, 0);
        }
        self.replica_seconds = faulty!(UnpricedTimeIsFree, 0, self.replica_seconds);
        self.price = price;
    }

    /// Notes how many of the replicas that stand from now on the overdraft pays for: those above what is `paid` for that
    /// did not stand before, or were on the overdraft already.
    pub fn draw(&mut self, (asked, stands): (Replicas, Replicas), paid: Replicas) {
        let own = Replicas::new(asked.get().saturating_sub(self.over.get()));
        self.over = Replicas::new(stands.get().saturating_sub(paid.max(own).get()));
    }

    /// What was spent in the period, the overdraft's part included. What no price is known of counts at `assumed`, and
    /// not at all where nothing is assumed either.
    pub fn spent(&self, assumed: Option<PricePerReplicaHour>) -> Money {
        self.settled.plus(self.cost(self.replica_seconds, assumed))
    }

    /// The overdraft's part of it.
    pub fn overdrawn(&self, assumed: Option<PricePerReplicaHour>) -> Money {
        self.settled_over.plus(self.cost(self.over_seconds, assumed))
    }

    fn cost(&self, replica_seconds: u64, assumed: Option<PricePerReplicaHour>) -> Money {
        let price = self.price.or(assumed);
        price.map_or(Money::ZERO, |price| price.of_replica_seconds(replica_seconds))
    }
}

/// What stands, and what a replica of it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stands {
    /// Replicas asked for.
    pub replicas: Replicas,
    /// The price, as it is known or was last.
    pub price: Option<PricePerReplicaHour>,
}

fn plus(sum: u64, replicas: Replicas, seconds: u64) -> u64 {
    sum.saturating_add(u64::from(replicas.get()).saturating_mul(seconds))
}
