//! Stage 9: money. `maxPerHour` withholds growth; it never lowers, and never goes under `minReplicas` or the need
//! of present demand. A budget withholds growth beyond its path; what stands and `minReplicas` it leaves alone, and
//! present demand may draw on its overdraft. A price that is not known withholds as a limit of nothing does.

mod book;
mod ledger;
mod needs;
mod path;
mod recalled;
mod report;
mod seat;

pub use book::{Allowance, Book, PLAN_EVERY};
pub use ledger::{Ledger, Stands};
pub use needs::{Foreseen, Usual, needs};
pub use path::{FADE, Needs, Part, Rest, Shares, Theta, share_out};
pub use recalled::Recalled;
pub use report::{BudgetReport, MemberReport};
pub use seat::{Claim, Taken};

use std::fmt;

use crate::policy::{Policy, Price, SpendRule, Unpriced};
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
    /// A budget pays for the proposal, or only tells that it does not.
    Budgeted {
        /// What the proposal costs an hour.
        hourly: Money,
        /// Replicas beyond what is paid for, where the budget only warns.
        beyond: Replicas,
        /// What the budget allows.
        allowance: Allowance,
    },
    /// A budget withheld growth.
    OverBudget {
        /// Replicas withheld.
        withheld: Replicas,
        /// What they would cost an hour.
        hourly: Money,
        /// What the budget allows.
        allowance: Allowance,
    },
    /// Present demand is served from the overdraft.
    Overdrawn {
        /// Replicas beyond what the budget pays for.
        over: Replicas,
        /// Replicas withheld nevertheless.
        withheld: Replicas,
        /// What the budget allows.
        allowance: Allowance,
    },
    /// The price is not known, which is never nothing.
    PriceUnknown {
        /// Since when, and why.
        unpriced: Unpriced,
        /// Replicas withheld.
        withheld: Replicas,
        /// What that does to growth.
        growth: UnpricedGrowth,
        /// What the budget allows, where there is one.
        allowance: Option<Allowance>,
    },
    /// The budget that is named does not take the autoscaler, so that growth stops at the need of present demand.
    NoBudget {
        /// The name of the budget.
        budget: String,
        /// Replicas withheld.
        withheld: Replicas,
    },
}

/// What becomes of growth whose price is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnpricedGrowth {
    /// There is no limit of money.
    Unlimited,
    /// A budget only warns.
    Warned,
    /// It is withheld beyond the need of present demand.
    Held,
}

impl Fact {
    /// What the budget allows, where there is one.
    pub const fn allowance(&self) -> Option<&Allowance> {
        match self {
            Self::Budgeted { allowance, .. }
            | Self::OverBudget { allowance, .. }
            | Self::Overdrawn { allowance, .. } => Some(allowance),
            Self::PriceUnknown { allowance, .. } => allowance.as_ref(),
            Self::NoPrice | Self::Within { .. } | Self::Withheld { .. } | Self::NoBudget { .. } => None,
        }
    }

    /// The condition `BudgetLimited`: whether growth is withheld, or would be, and its reason; `None` without a budget,
    /// unless a price that is not known withholds it.
    pub fn limited(&self) -> Option<(bool, &'static str)> {
        match self {
            Self::NoPrice
            | Self::Within { .. }
            | Self::Withheld { .. }
            | Self::PriceUnknown { growth: UnpricedGrowth::Unlimited, .. } => None,
            Self::PriceUnknown { .. } => Some((true, "PriceUnknown")),
            Self::Budgeted { beyond, .. } if *beyond > Replicas::ZERO => Some((true, "Warned")),
            Self::Budgeted { allowance, .. } if !allowance.feasible => Some((true, "BudgetInfeasible")),
            Self::Budgeted { .. } => Some((false, "WithinBudget")),
            Self::OverBudget { allowance, .. } if !allowance.feasible => Some((true, "BudgetInfeasible")),
            Self::OverBudget { .. } => Some((true, "GrowthWithheld")),
            Self::Overdrawn { .. } => Some((true, "Overdraft")),
            Self::NoBudget { .. } => Some((true, "BudgetUnknown")),
        }
    }
}

/// Limits growth to what the budget's path pays for, after [`hourly`].
pub fn apply(
    policy: &Policy,
    (asked, proposal, present_need): (Replicas, Replicas, Replicas),
    allowance: Option<&Allowance>,
) -> (Replicas, Fact) {
    let Some(rule) = &policy.spend else { return (proposal, Fact::NoPrice) };
    let (min, counts) = (policy.bounds.min(), (asked, proposal, present_need));
    match &rule.price {
        Price::Known(price) => {
            let (limited, fact) = hourly(min, (rule, *price), counts);
            budgeted(min, (rule, *price), (asked, limited, present_need), (allowance, fact))
        }
        Price::Unknown(unpriced) => {
            let (limited, growth) = unknown(min, rule, counts, allowance);
            // Once a price was known the budget counts with that one too, so that losing it buys nothing.
            let last = faulty!(ForgetsLastPrice, None, unpriced.last);
            let limited = last.map_or(limited, |price| {
                let counts = (asked, limited, present_need);
                budgeted(min, (rule, price), counts, (allowance, Fact::NoPrice)).0
            });
            let withheld = Replicas::new(proposal.get().saturating_sub(limited.get()));
            let (unpriced, allowance) = (unpriced.clone(), allowance.cloned());
            (limited, Fact::PriceUnknown { unpriced, withheld, growth, allowance })
        }
    }
}

/// Limits growth to what the budget's path pays for; `fact` says what limited it before.
fn budgeted(
    min: Replicas,
    (rule, price): (&SpendRule, PricePerReplicaHour),
    (asked, limited, present_need): (Replicas, Replicas, Replicas),
    (allowance, fact): (Option<&Allowance>, Fact),
) -> (Replicas, Fact) {
    let Some(budget) = &rule.budget else { return (limited, fact) };
    let stands = faulty!(MoneyLowers, min, asked.max(min));
    let Some(allowance) = allowance else {
        let most = limited.min(stands.max(present_need));
        let withheld = Replicas::new(limited.get().saturating_sub(most.get()));
        return (most, Fact::NoBudget { budget: budget.clone(), withheld });
    };
    let paid = allowance.ceiling.max(stands);
    let beyond = |most: Replicas| Replicas::new(limited.get().saturating_sub(most.get()));
    let allowance = allowance.clone();
    if faulty!(NoCeiling, true, limited <= paid || !allowance.holds) {
        // A limit of an hour is the tighter one, and says more.
        if matches!(fact, Fact::Withheld { .. }) {
            return (limited, fact);
        }
        let hourly = price.hourly(limited);
        return (limited, Fact::Budgeted { hourly, beyond: beyond(paid), allowance });
    }
    let drawn = allowance.overdraft.map_or(paid, |most| present_need.min(most)).clamp(paid, limited);
    let withheld = beyond(drawn);
    if drawn > paid {
        let over = Replicas::new(drawn.get() - paid.get());
        return (drawn, Fact::Overdrawn { over, withheld, allowance });
    }
    (paid, Fact::OverBudget { withheld, hourly: price.hourly(withheld), allowance })
}

/// Limits growth to what `maxPerHour` pays for.
fn hourly(
    min: Replicas,
    (rule, price): (&SpendRule, PricePerReplicaHour),
    (asked, proposal, present_need): (Replicas, Replicas, Replicas),
) -> (Replicas, Fact) {
    let SpendRule { price: _, currency, max_per_hour, budget: _ } = rule;
    if let Some(most) = max_per_hour {
        let cap = most.replicas_at(price);
        let cap = faulty!(RoundsMoneyUp, Replicas::new(cap.get().saturating_add(1)), cap);
        let stands = faulty!(MoneyLowers, Replicas::ZERO, asked);
        let limit = cap.max(stands).max(min).max(present_need);
        if faulty!(NoCeiling, false, proposal > limit) {
            let withheld = Replicas::new(proposal.get() - limit.get());
            let fact = Fact::Withheld { cap, withheld, most: *most, price, currency: currency.clone() };
            return (limit, fact);
        }
    }
    (proposal, Fact::Within { hourly: price.hourly(proposal), currency: currency.clone() })
}

/// Limits growth whose price nobody knows as a limit that pays for nothing does, where there is any limit of money.
fn unknown(
    min: Replicas,
    rule: &SpendRule,
    (asked, proposal, present_need): (Replicas, Replicas, Replicas),
    allowance: Option<&Allowance>,
) -> (Replicas, UnpricedGrowth) {
    let SpendRule { price: _, currency: _, max_per_hour, budget } = rule;
    let growth = match (max_per_hour, budget, allowance) {
        (None, None, _) => UnpricedGrowth::Unlimited,
        (None, Some(_), Some(Allowance { holds: false, .. })) => UnpricedGrowth::Warned,
        (Some(_), _, _) | (None, Some(_), _) => UnpricedGrowth::Held,
    };
    let stands = faulty!(MoneyLowers, Replicas::ZERO, asked);
    let limit = match growth {
        UnpricedGrowth::Held => faulty!(UnknownIsFree, proposal, stands.max(min).max(present_need)),
        UnpricedGrowth::Unlimited | UnpricedGrowth::Warned => proposal,
    };
    (proposal.min(limit), growth)
}

/// The beginning of a sentence that says why replicas are withheld; empty where none are.
struct Withheld(Replicas);

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get() {
            0 => Ok(()),
            1 => f.write_str("1 replica withheld: "),
            n => write!(f, "{n} replicas withheld: "),
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PriceUnknown { unpriced, withheld, growth, allowance: _ } => match growth {
                UnpricedGrowth::Held => write!(
                    f,
                    "{}{unpriced}; until it is known growth stops at what present demand needs",
                    Withheld(*withheld)
                ),
                UnpricedGrowth::Warned => write!(f, "{unpriced}; growth goes on, since onExceed is Warn"),
                UnpricedGrowth::Unlimited => write!(f, "{unpriced}; nothing is limited by money"),
            },
            Self::NoPrice => f.write_str("no price is stated: nothing is limited by money"),
            Self::Within { hourly, currency } => write!(f, "costs {hourly} {currency} an hour"),
            Self::Withheld { cap, withheld, most, price, currency } => {
                write!(f, "{}{most} {currency} an hour pay for {cap} at {price} each", Withheld(*withheld))
            }
            Self::Budgeted { hourly, beyond, allowance } => {
                let Allowance { budget, currency, remaining, theta, .. } = allowance;
                write!(
                    f,
                    "costs {hourly} {currency} an hour; budget {budget}: {remaining} {currency} left pay for {theta} of what is needed"
                )?;
                if *beyond > Replicas::ZERO {
                    write!(f, "; {beyond} replicas more than that, and onExceed is Warn")?;
                }
                Ok(())
            }
            Self::OverBudget { withheld, hourly, allowance } => {
                let Allowance { budget, currency, remaining, theta, ceiling, feasible, .. } = allowance;
                write!(
                    f,
                    "{withheld} replicas ({hourly} {currency} an hour) withheld: budget {budget} has {remaining} {currency} left, "
                )?;
                if *feasible {
                    write!(f, "which pay for {theta} of what is needed, now {ceiling}")
                } else {
                    f.write_str("less than minReplicas cost until its period ends")
                }
            }
            Self::Overdrawn { over, withheld, allowance } => {
                let Allowance { budget, .. } = allowance;
                write!(
                    f,
                    "{over} replicas from the overdraft of budget {budget}, so that present demand is served"
                )?;
                if *withheld > Replicas::ZERO {
                    write!(f, "; {withheld} withheld")?;
                }
                Ok(())
            }
            Self::NoBudget { budget, withheld } => write!(
                f,
                "{}budget {budget} is not there, or does not take this autoscaler; present demand is served",
                Withheld(*withheld)
            ),
        }
    }
}

#[cfg(test)]
mod tests;
