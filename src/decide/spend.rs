//! Stage 9: money. `maxPerHour` withholds growth; it never lowers, and never goes under `minReplicas` or the need
//! of present demand.

use std::fmt;

use crate::policy::{Policy, SpendRule};
use crate::units::{Money, PricePerReplicaHour, Replicas, faulty};

/// What the spend limit did, for its sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// No price is stated.
    NoPrice,
    /// The proposal is within the limit, or there is none.
    Within {
        /// What the proposal costs an hour.
        hourly: Money,
        /// The currency.
        currency: String,
    },
    /// Growth was withheld.
    Withheld {
        /// Replicas that the limit pays for.
        cap: Replicas,
        /// Replicas withheld.
        withheld: Replicas,
        /// The limit.
        most: Money,
        /// The price.
        price: PricePerReplicaHour,
        /// The currency.
        currency: String,
    },
}

/// Limits growth to what `maxPerHour` pays for.
pub fn apply(
    policy: &Policy,
    asked: Replicas,
    proposal: Replicas,
    present_need: Replicas,
) -> (Replicas, Fact) {
    let Some(SpendRule { price, currency, max_per_hour }) = &policy.spend else {
        return (proposal, Fact::NoPrice);
    };
    if let Some(most) = max_per_hour {
        let cap = most.replicas_at(*price);
        let cap = faulty!(RoundsMoneyUp, Replicas::new(cap.get().saturating_add(1)), cap);
        let stands = faulty!(MoneyLowers, Replicas::ZERO, asked);
        let limit = cap.max(stands).max(policy.bounds.min()).max(present_need);
        if faulty!(NoCeiling, false, proposal > limit) {
            let withheld = Replicas::new(proposal.get() - limit.get());
            let fact =
                Fact::Withheld { cap, withheld, most: *most, price: *price, currency: currency.clone() };
            return (limit, fact);
        }
    }
    (proposal, Fact::Within { hourly: price.hourly(proposal), currency: currency.clone() })
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPrice => f.write_str("no price is stated: nothing is limited by money"),
            Self::Within { hourly, currency } => write!(f, "costs {hourly} {currency} an hour"),
            Self::Withheld { cap, withheld, most, price, currency } => write!(
                f,
                "{withheld} replicas withheld: {most} {currency} an hour pay for {cap} at {price} each"
            ),
        }
    }
}
