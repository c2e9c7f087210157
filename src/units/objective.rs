//! How well demand is to be served.

use serde::{Deserialize, Serialize};

use super::{PricePerReplicaHour, Share};

/// The least level that a quantile or a fraction of costs may lead to, and the highest.
const LEVELS: (f64, f64) = (0.5, 0.9999);

/// How well demand is to be served: one wish, from which headroom follows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Objective {
    /// The share of all demand that may go unserved.
    Unserved(Share),
    /// The quantile of demand that capacity covers at every step.
    Quantile(Share),
    /// What a replica costs for an hour in which it is not needed, and what an hour costs in which it is missing.
    Costs {
        /// One replica too many.
        idle: PricePerReplicaHour,
        /// The business lost with one replica too few.
        missing: PricePerReplicaHour,
    },
}

impl Objective {
    /// The quantile that capacity covers at every step; `None` for a share of all demand, which says nothing of one step.
    ///
    /// For costs it is the newsvendor's critical fraction, `missing / (missing + idle)`: one replica more is worth its
    /// price as long as it is missed more often than that (Arrow, Harris and Marschak 1951).
    pub fn level(self) -> Option<Share> {
        let level = match self {
            Self::Unserved(_) => return None,
            Self::Quantile(level) => level.get(),
            Self::Costs { idle, missing } => {
                let times = missing.times(idle);
                // So many times more that a float has no number for it is always.
                if times.is_finite() { times / (times + 1.0) } else { 1.0 }
            }
        };
        Share::new(level.clamp(LEVELS.0, LEVELS.1))
    }

    /// The share of demand at whose price this is the best to do: where a missing replica weighs as much as
    /// `(1 - share) / share` idle ones.
    pub fn share(self) -> Share {
        match (self, self.level()) {
            (Self::Unserved(share), _) => share,
            (_, level) => {
                let left = level.map_or(0.0, |level| 1.0 - level.get());
                // Without the crumbs of the subtraction: 1 - .99 is a hundredth.
                Share::new((left * 1e9).round() / 1e9).unwrap_or(Share::from_percent(0))
            }
        }
    }

    /// Idle replicas that weigh as much as a missing one.
    pub fn missing_weight(self) -> f64 {
        let share = self.share().get();
        if share > 0.0 { (1.0 - share) / share } else { f64::INFINITY }
    }
}

impl std::fmt::Display for Objective {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unserved(share) => write!(f, "{share} of demand unserved"),
            Self::Quantile(level) => write!(f, "the {level} quantile of demand served"),
            Self::Costs { idle, missing } => {
                write!(
                    f,
                    "least cost with {idle} an hour for an idle replica and {missing} for a missing one"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(text: &str) -> PricePerReplicaHour {
        PricePerReplicaHour::parse(text).unwrap()
    }

    #[test]
    fn costs_lead_to_the_critical_fraction() {
        let level = |idle, missing| {
            Objective::Costs { idle: price(idle), missing: price(missing) }.level().unwrap().get()
        };
        assert!((level("0.10", "9.90") - 0.99).abs() < 1e-12);
        assert!((level("1", "1") - 0.5).abs() < 1e-12);
        assert!((level("0.000001", "1000000") - 0.9999).abs() < 1e-12, "a forecast says no more than that");
        assert!((level("0.00000000000000000000000001", "1000000") - 0.9999).abs() < 1e-12, "nor of any more");
    }

    #[test]
    fn each_objective_weighs_a_missing_replica() {
        let share = Share::parse("0.1%").unwrap();
        assert_eq!(Objective::Unserved(share).level(), None);
        assert!((Objective::Unserved(share).missing_weight() - 999.0).abs() < 1e-9);
        let quantile = Objective::Quantile(Share::from_percent(99));
        assert_eq!(quantile.share(), Share::new(0.01).unwrap());
        assert!((quantile.missing_weight() - 99.0).abs() < 1e-6);
        let costs = Objective::Costs { idle: price("0.1"), missing: price("4.9") };
        assert!((costs.missing_weight() - 49.0).abs() < 1e-6);
    }
}
