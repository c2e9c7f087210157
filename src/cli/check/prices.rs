//! What only several manifests together tell of money: whether the price book prices the target's pods, in the currency
//! of the autoscaler and of its budget.

use serde_json::Value;

use crate::api::{self, FieldError, PredictiveAutoscaler};
use crate::cli::plan::price::{PodRequests, pod_of};
use crate::policy::PriceBook;

/// The prices that are given besides the manifests.
pub(super) struct Prices<'a> {
    /// `--price-book`.
    pub(super) book: Option<&'a PriceBook>,
    /// `--pod-requests`.
    pub(super) requests: Option<&'a PodRequests>,
}

/// The problems of the autoscaler `object` beside `manifests`, itself among them.
pub(super) fn problems(object: &Value, manifests: &[&Value], prices: &Prices<'_>) -> Vec<FieldError> {
    let Ok(object) = serde_json::from_value::<PredictiveAutoscaler>(object.clone()) else {
        return Vec::new();
    };
    let Some(spend) = &object.spec.spend else { return Vec::new() };
    let mut found = Vec::new();
    if let Some(named) = &spend.budget_ref {
        let text =
            |one: &Value, pointer: &str| one.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let budget = manifests.iter().find(|one| {
            text(one, "/kind").as_deref() == Some("SpendBudget")
                && text(one, "/metadata/name").as_ref() == Some(&named.name)
        });
        let currency = budget.and_then(|budget| text(budget, "/spec/currency"));
        if let Some(currency) = currency.filter(|currency| *currency != spend.currency) {
            let problem = format!(
                "`{}` is not `{currency}`, the currency of SpendBudget `{}`",
                spend.currency, named.name
            );
            found.push(FieldError::new(
                "spec.spend.currency",
                problem,
                format!("state the price in {currency}"),
            ));
        }
    }
    if let (Some(book), true) = (prices.book, api::by_price_book(&object.spec)) {
        found.extend(api::in_currency(book, &spend.currency).err());
        found.extend(unpriced(&object, manifests, (book, prices.requests)));
    }
    found
}

/// Why the price book does not price the pods of the target, if so.
fn unpriced(
    object: &PredictiveAutoscaler,
    manifests: &[&Value],
    (book, requests): (&PriceBook, Option<&PodRequests>),
) -> Option<FieldError> {
    let at = |problem: String, remedy: String| Some(FieldError::new("spec.spend.priceBook", problem, remedy));
    let named = &object.spec.scale_target_ref;
    let namespace = object.metadata.namespace.as_deref().unwrap_or("default");
    let target = (named.kind.as_str(), named.name.as_str(), namespace);
    let Some(pod) = pod_of(target, manifests.iter().copied(), requests) else {
        return at(
            "what the pods request is not known".to_owned(),
            format!(
                "check the manifest of {} `{}` too, or add --pod-requests cpu=500m,memory=1Gi",
                named.kind, named.name
            ),
        );
    };
    let error = pod.and_then(|pod| book.price(&pod).map(|_| ())).err()?.to_string();
    let (problem, remedy) = error.split_once(": ").unwrap_or((&error, "correct the price book"));
    at(problem.to_owned(), remedy.to_owned())
}
