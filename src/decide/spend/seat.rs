//! One member of a budget as its book keeps it, and what it was granted beyond its share.

use super::ledger::{Ledger, Stands};
use super::path::{Needs, Theta};
use crate::calendar::Stretch;
use crate::decide::Decision;
use crate::units::{Money, PricePerReplicaHour, Replicas, Timestamp};

/// What is known of a member at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Higher ones are served first.
    pub priority: u32,
    /// What a replica costs, as it is known or was last. While it never was it counts as the dearest of the members'.
    pub price: Option<PricePerReplicaHour>,
    /// `minReplicas`.
    pub min: Replicas,
    /// What stands.
    pub asked: Replicas,
    /// What it wants now, money aside, until it has decided.
    pub wish: Replicas,
}

/// What a member has decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What is about to be written; `None` when nothing is.
    pub to: Option<Replicas>,
    /// What it wants, money aside.
    pub wish: Replicas,
    /// What was withheld from it.
    pub withheld: Replicas,
    /// Its ledger.
    pub ledger: Ledger,
}

impl Taken {
    /// What `decision` takes, of a member with this ledger.
    pub fn of(decision: &Decision, ledger: Ledger) -> Self {
        Self { to: decision.write, wish: decision.wish(), withheld: decision.withheld, ledger }
    }
}

/// One member.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    pub(super) claim: Claim,
    /// The price that it is reckoned with; `None` only while no member has one.
    pub(super) price: Option<PricePerReplicaHour>,
    pub(super) ledger: Ledger,
    /// Whether the ledger is what stands, for want of anything better, until the member's first decision.
    pub(super) guessed: bool,
    pub(super) needs: Option<Needs>,
    /// Whether it has decided anything since the book was opened.
    pub(super) decided: bool,
    /// What is being written.
    pub(super) reserved: Option<Replicas>,
    pub(super) theta: Theta,
    /// What the share pays for now; `None` before the first plan.
    pub(super) base: Option<Replicas>,
    /// For how many seconds something from the overdraft must be paid for.
    pub(super) over_lasts: u64,
    /// What the last decision withheld.
    pub(super) withheld: Replicas,
}

impl Seat {
    /// Its ledger, up to `now`.
    pub(super) fn accounted(&self, now: Timestamp, stretch: Stretch) -> Ledger {
        let mut ledger = self.ledger.clone();
        ledger.account(now, stretch, Stands { replicas: self.claim.asked, price: self.claim.price });
        ledger
    }

    /// What that comes to, and the overdraft's part of it.
    pub(super) fn spent(&self, now: Timestamp, stretch: Stretch) -> (Money, Money) {
        let ledger = self.accounted(now, stretch);
        (ledger.spent(self.price), ledger.overdrawn(self.price))
    }

    pub(super) fn stands(&self) -> Replicas {
        self.reserved.map_or(self.claim.asked, |to| to.max(self.claim.asked))
    }

    /// What its share pays for: never less than `minReplicas`.
    pub(super) fn base(&self) -> Replicas {
        self.base.unwrap_or(self.claim.asked).max(self.claim.min)
    }

    /// Replicas that stand above its share and not on the overdraft.
    pub(super) fn extra(&self) -> Replicas {
        let paid = self.base().get().saturating_add(self.ledger.over.get());
        Replicas::new(self.stands().get().saturating_sub(paid))
    }
}

/// What was granted beyond the shares, an hour of it from the surplus and all of it from the overdraft: kept as a sum,
/// since every decision looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) extra: Money,
    pub(super) over: Money,
}

impl Tally {
    pub(super) const NONE: Self = Self { extra: Money::ZERO, over: Money::ZERO };

    pub(super) fn of(seat: &Seat) -> Self {
        let Some(price) = seat.price else { return Self::NONE };
        let over = u64::from(seat.ledger.over.get()).saturating_mul(seat.over_lasts);
        Self { extra: price.hourly(seat.extra()), over: price.of_replica_seconds(over) }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self { extra: self.extra.plus(other.extra), over: self.over.plus(other.over) }
    }

    pub(super) fn less(self, other: Self) -> Self {
        Self { extra: self.extra.less(other.extra), over: self.over.less(other.over) }
    }
}
