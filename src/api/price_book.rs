//! The price book as its file has it, and the way to the valid one.
//!
//! ```yaml
//! currency: EUR
//! rates:
//! - nodeSelector: {node.kubernetes.io/instance-type: m7g.large}
//!   cpuHour: "0.031"
//!   memoryGiBHour: "0.0042"
//! default: {cpuHour: "0.035", memoryGiBHour: "0.0047"}
//! ```

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::FieldError;
use crate::policy::{PriceBook, Rate};
use crate::units::UnitPrice;

/// The most rates of a book: no cloud has more kinds of machines.
const RATES_MAX: usize = 2_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Book {
    currency: String,
    #[serde(default)]
    rates: Vec<Selected>,
    default: Option<Prices>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Selected {
    node_selector: BTreeMap<String, String>,
    cpu_hour: String,
    #[serde(rename = "memoryGiBHour")]
    memory_gibibyte_hour: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Prices {
    cpu_hour: String,
    #[serde(rename = "memoryGiBHour")]
    memory_gibibyte_hour: String,
}

/// The price book in `text`, YAML or JSON.
///
/// # Errors
/// Every problem with its path and a remedy.
pub fn read_price_book(text: &str) -> Result<PriceBook, Vec<FieldError>> {
    let options = serde_saphyr::options! { with_snippet: false };
    let value: Value = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let problem = error.to_string().lines().next().unwrap_or_default().to_owned();
        vec![FieldError::new("(file)", problem, "correct the YAML")]
    })?;
    price_book(&value)
}

/// The price book that `value` is.
///
/// # Errors
/// Every problem with its path and a remedy.
pub fn price_book(value: &Value) -> Result<PriceBook, Vec<FieldError>> {
    let Book { currency, rates, default } = serde_json::from_value(value.clone()).map_err(|error| {
        let remedy = "write currency, rates of nodeSelector, cpuHour and memoryGiBHour, and a default; prices as texts, as \"0.031\"";
        vec![FieldError::new("(file)", error.to_string(), remedy)]
    })?;
    let mut errors = Vec::new();
    if !(currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase())) {
        let problem = format!("`{currency}` is no code of a currency");
        errors.push(FieldError::new("currency", problem, "write three capital letters, as EUR"));
    }
    if rates.is_empty() && default.is_none() {
        errors.push(FieldError::new("rates", "there is neither a rate nor a default", "add a default"));
    }
    if rates.len() > RATES_MAX {
        let problem = format!("{} rates are more than {RATES_MAX}", rates.len());
        errors.push(FieldError::new("rates", problem, "leave out those that no workload requires"));
    }
    let mut seen = BTreeSet::new();
    let mut valid = Vec::new();
    for (i, Selected { node_selector, cpu_hour, memory_gibibyte_hour }) in rates.into_iter().enumerate() {
        let path = format!("rates[{i}]");
        if node_selector.is_empty() {
            let remedy = "name the labels of its nodes, or make it the default";
            errors.push(FieldError::new(format!("{path}.nodeSelector"), "it selects nothing", remedy));
        } else if !seen.insert(node_selector.clone()) {
            let remedy = "keep one rate for each set of labels";
            errors.push(FieldError::new(
                format!("{path}.nodeSelector"),
                "an earlier rate has it too",
                remedy,
            ));
        }
        valid.extend(rate(node_selector, &path, (&cpu_hour, &memory_gibibyte_hour), &mut errors));
    }
    let default = default.and_then(|Prices { cpu_hour, memory_gibibyte_hour }| {
        rate(BTreeMap::new(), "default", (&cpu_hour, &memory_gibibyte_hour), &mut errors)
    });
    if errors.is_empty() { Ok(PriceBook { currency, rates: valid, default }) } else { Err(errors) }
}

/// Whether the prices of `book` are in `currency`.
///
/// # Errors
/// At `spec.spend.currency` when they are not.
pub fn in_currency(book: &PriceBook, currency: &str) -> Result<(), FieldError> {
    if book.currency == currency {
        return Ok(());
    }
    let problem = format!("`{currency}` is not `{}`, the currency of the price book", book.currency);
    let remedy = format!("state {}, or another price than priceBook", book.currency);
    Err(FieldError::new("spec.spend.currency", problem, remedy))
}

fn rate(
    node_selector: BTreeMap<String, String>,
    path: &str,
    (cpu, memory): (&str, &str),
    errors: &mut Vec<FieldError>,
) -> Option<Rate> {
    let mut price = |field: &str, text: &str| {
        let parsed = UnitPrice::parse(text).ok();
        if parsed.is_none() {
            let problem = format!("`{text}` is no price");
            let remedy = "write a plain decimal of at most 1000000, as `0.031`";
            errors.push(FieldError::new(format!("{path}.{field}"), problem, remedy));
        }
        parsed
    };
    let (cpu_hour, memory_gibibyte_hour) = (price("cpuHour", cpu), price("memoryGiBHour", memory));
    let (cpu_hour, memory_gibibyte_hour) = (cpu_hour?, memory_gibibyte_hour?);
    if !cpu_hour.is_charged() && !memory_gibibyte_hour.is_charged() {
        let remedy = "charge for cpu or for memory: nothing is free";
        errors.push(FieldError::new(path, "it charges for nothing", remedy));
        return None;
    }
    Some(Rate { node_selector, cpu_hour, memory_gibibyte_hour })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "currency: EUR\nrates:\n- nodeSelector: {tier: spot}\n  cpuHour: \"0.01\"\n  memoryGiBHour: \"0\"\ndefault: {cpuHour: \"0.031\", memoryGiBHour: \"0.0042\"}\n";

    #[test]
    fn a_price_book_is_read_strictly() {
        let book = read_price_book(GOOD).unwrap();
        assert_eq!((book.currency.as_str(), book.rates.len()), ("EUR", 1));
        let told = |text: &str| {
            let all: Vec<String> =
                read_price_book(text).unwrap_err().iter().map(ToString::to_string).collect();
            all.join("; ")
        };
        for (from, to, expected) in [
            ("EUR", "euro", "currency: `euro` is no code of a currency"),
            ("default:", "fallback:", "unknown field `fallback`"),
            ("\"0.01\"", "0.01", "expected a string"),
            ("\"0.01\"", "\"-1\"", "rates[0].cpuHour: `-1` is no price"),
            ("\"0.01\"", "\"0\"", "rates[0]: it charges for nothing"),
            ("{tier: spot}", "{}", "rates[0].nodeSelector: it selects nothing"),
            ("{tier: spot}", "{tier: spot", "correct the YAML"),
            ("currency: EUR\n", "", "missing field `currency`"),
        ] {
            let told = told(&GOOD.replace(from, to));
            assert!(told.contains(expected), "{to}: {told}");
        }
        assert!(told("currency: EUR\n").contains("neither a rate nor a default"));
        let twice = GOOD.replace(
            "default:",
            "- nodeSelector: {tier: spot}\n  cpuHour: \"1\"\n  memoryGiBHour: \"1\"\ndefault:",
        );
        assert!(told(&twice).contains("rates[1].nodeSelector: an earlier rate has it too"));
    }
}
