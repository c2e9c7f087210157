//! Texts with a grammar: durations, quantities, ratios, money. Strings on the wire, so that nothing is a float.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $min:literal, $max:literal, $pattern:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(#[schemars(length(min = $min, max = $max), regex(pattern = $pattern))] pub String);

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl std::ops::Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }
    };
}

text! {
    /// A duration such as `90s`, `5m` or `1h30m`.
    DurationText, 2, 16, r"^([0-9]{1,5}h)?([0-9]{1,6}m)?([0-9]{1,7}s)?$"
}
text! {
    /// A Kubernetes quantity such as `120`, `0.5` or `500m`.
    QuantityText, 1, 24, r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,3})?$"
}
text! {
    /// A ratio such as `0.1%` or `0.001`.
    RatioText, 1, 16, r"^[0-9]{1,3}(\.[0-9]{1,9})?%?$"
}
text! {
    /// A relative tolerance from 0 to below 1, such as `0.1` or `50m`.
    ToleranceText, 1, 8, r"^(0|0?\.[0-9]{1,4}|[0-9]{1,3}m)$"
}
text! {
    /// An amount of money such as `5.00`: a plain decimal.
    MoneyText, 1, 24, r"^[0-9]{1,10}(\.[0-9]{1,12})?$"
}
