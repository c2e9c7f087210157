//! From the spec of a `SpendBudget` to its rule, or every field that is wrong; and who may draw on it.

use std::collections::BTreeMap;

use super::v1alpha1 as wire;
use super::{FieldError, lint};
use crate::calendar::Period;
use crate::policy::{BudgetRule, OnExceed, Overdraft};
use crate::units::Money;

/// The rule of the budget called `name`.
///
/// # Errors
/// Every field that is wrong, with its path from `spec`, in the order of the paths.
pub fn budget(name: &str, spec: &wire::SpendBudgetSpec) -> Result<BudgetRule, Vec<FieldError>> {
    let found = lint::spec_problems("SpendBudget", spec, beyond_schema(spec));
    // Destructured in full, so that a new field cannot be forgotten.
    let wire::SpendBudgetSpec { amount, currency, period, time_zone, members: _, on_exceed, overdraft } =
        spec;
    let Some(amount) = Money::parse(&amount.0).ok().filter(|_| found.is_empty()) else { return Err(found) };
    let overdraft = overdraft.as_ref().and_then(|block| {
        let wire::Overdraft { share, purposes } = block;
        let unserved = purposes.contains(&wire::OverdraftPurpose::Unserved);
        Some(Overdraft { amount: amount.portion(share)?, unserved })
    });
    Ok(BudgetRule {
        name: name.to_owned(),
        amount,
        currency: currency.clone(),
        period: match period {
            wire::BudgetPeriod::Day => Period::Day,
            wire::BudgetPeriod::Week => Period::Week,
            wire::BudgetPeriod::Month => Period::Month,
        },
        time_zone: time_zone.clone(),
        on_exceed: match on_exceed {
            wire::OnExceed::Warn => OnExceed::Warn,
            wire::OnExceed::HoldGrowth => OnExceed::HoldGrowth,
        },
        overdraft,
    })
}

/// What an API server cannot know: whether the zone exists and the amounts are exact.
pub(super) fn beyond_schema(spec: &wire::SpendBudgetSpec) -> Vec<FieldError> {
    let mut errors: Vec<FieldError> =
        lint::zone_problem("spec.timeZone", &spec.time_zone).into_iter().collect();
    if Money::parse(&spec.amount.0).is_err() {
        let problem = format!("`{}` is no amount of money", wire::limits::clip(&spec.amount.0, 64));
        let remedy = "write a plain decimal with at most 28 digits, as `900.00`";
        errors.push(FieldError::new("spec.amount", problem, remedy));
    }
    errors
}

/// The priority with which an autoscaler draws on the budget; `None` when it may not.
pub fn priority(
    spec: &wire::SpendBudgetSpec,
    namespace: &str,
    labels: Option<&BTreeMap<String, String>>,
) -> Option<u32> {
    spec.members
        .iter()
        .find(|member| {
            let wire::BudgetMember { namespaces, match_labels, priority: _ } = member;
            let has = |(key, value): (&String, &String)| {
                labels.and_then(|labels| labels.get(key)).is_some_and(|found| found == value)
            };
            namespaces.iter().any(|one| one == "*" || one == namespace) && match_labels.iter().all(has)
        })
        .map(|member| member.priority)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec() -> wire::SpendBudgetSpec {
        serde_json::from_value(json!({
            "amount": "900.00", "currency": "EUR", "period": "Month", "timeZone": "Europe/Berlin",
            "members": [
                {"namespaces": ["shop"], "matchLabels": {"tier": "front"}, "priority": 100},
                {"namespaces": ["shop", "mail"], "priority": 10},
            ],
            "onExceed": "HoldGrowth", "overdraft": {"share": "30%", "for": ["Unserved"]},
        }))
        .unwrap()
    }

    #[test]
    fn an_overdraft_is_an_exact_share_of_the_amount() {
        let rule = budget("shop", &spec()).unwrap();
        let overdraft = rule.overdraft.unwrap();
        assert_eq!((overdraft.amount, overdraft.unserved), (Money::parse("270").unwrap(), true));
        assert_eq!((rule.period, rule.on_exceed), (Period::Month, OnExceed::HoldGrowth));
    }

    #[test]
    fn the_first_entry_that_fits_gives_the_priority() {
        let labels = |tier: &str| BTreeMap::from([("tier".to_owned(), tier.to_owned())]);
        assert_eq!(priority(&spec(), "shop", Some(&labels("front"))), Some(100));
        assert_eq!(priority(&spec(), "shop", Some(&labels("back"))), Some(10));
        assert_eq!(priority(&spec(), "shop", None), Some(10));
        assert_eq!(priority(&spec(), "other", Some(&labels("front"))), None);
    }

    #[test]
    fn a_zone_that_is_none_is_told_with_its_path() {
        let mut wrong = spec();
        wrong.time_zone = "Mars/Olympus".to_owned();
        let errors = budget("shop", &wrong).unwrap_err();
        assert_eq!(errors.iter().map(|error| error.path.as_str()).collect::<Vec<_>>(), ["spec.timeZone"]);
    }
}
