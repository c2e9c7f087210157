//! Values that travel as text: durations, quantities, amounts, ratios, instants.
//!
//! Each type states its pattern and bounds once; the schema and the conversion both come from here.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::units::Span;

/// Whole numbers with the units `h m s ms`, largest first.
pub const DURATION_PATTERN: &str = "^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?([0-9]{1,6}ms)?$";
/// A quantity greater than zero in Kubernetes' grammar.
pub const QUANTITY_PATTERN: &str = "^([0-9]*[1-9][0-9]*(\\.[0-9]*)?|[0-9]*\\.[0-9]*[1-9][0-9]*)\
     ([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,3})?$";
/// A plain decimal greater than zero.
pub const AMOUNT_PATTERN: &str = "^([0-9]*[1-9][0-9]*(\\.[0-9]+)?|[0-9]+\\.[0-9]*[1-9][0-9]*)$";
/// A fraction, or a percentage, greater than zero.
pub const RATIO_PATTERN: &str = "^([0-9]*[1-9][0-9]*(\\.[0-9]+)?|[0-9]+\\.[0-9]*[1-9][0-9]*)%?$";
/// A percentage from 0 to 100.
pub const SHARE_PATTERN: &str = "^(100|[0-9]{1,2}(\\.[0-9]{1,4})?)%$";
/// A quantity from 0 up to, but not including, 1.
pub const TOLERANCE_PATTERN: &str = "^(0(\\.[0-9]{1,9})?|[0-9]{1,3}m)$";
/// A local date and time to the minute.
pub const LOCAL_TIME_PATTERN: &str =
    "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]$";
/// A local time of day to the minute.
pub const CLOCK_TIME_PATTERN: &str = "^([01][0-9]|2[0-3]):[0-5][0-9]$";
/// RFC 3339 with a zone.
pub const INSTANT_PATTERN: &str =
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$";

/// A duration between `MIN` and `MAX` seconds, written as `90s`, `5m` or `1h30m`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Duration<const MIN: u64, const MAX: u64>(pub String);

impl<const MIN: u64, const MAX: u64> Duration<MIN, MAX> {
    /// The duration as a span; `None` when it does not parse or is out of bounds.
    pub fn span(&self) -> Option<Span> {
        let span = Span::parse(&self.0).ok()?;
        (Span::from_seconds(MIN) <= span && span <= Span::from_seconds(MAX)).then_some(span)
    }
}

impl<const MIN: u64, const MAX: u64> From<&str> for Duration<MIN, MAX> {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl<const MIN: u64, const MAX: u64> JsonSchema for Duration<MIN, MAX> {
    fn schema_name() -> Cow<'static, str> {
        format!("Duration{MIN}To{MAX}").into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let (min, max) = (Span::from_seconds(MIN), Span::from_seconds(MAX));
        let (rule, message) = if MIN == 0 {
            (
                format!("duration(self) <= duration('{max}')"),
                format!("must be at most {max}: choose a shorter duration"),
            )
        } else {
            (
                format!("duration(self) >= duration('{min}') && duration(self) <= duration('{max}')"),
                format!("must be between {min} and {max}: choose a duration in that range"),
            )
        };
        json_schema!({
            "type": "string",
            "minLength": 2,
            "maxLength": 24,
            "pattern": DURATION_PATTERN,
            "x-kubernetes-validations": [{"rule": rule, "message": message}],
        })
    }
}

/// Up to a day; cooldowns.
pub type UpToADay = Duration<0, 86_400>;
/// Up to an hour; dead times and holds.
pub type UpToAnHour = Duration<0, 3_600>;

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $schema:tt) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

text_type!(
    /// A number greater than zero in Kubernetes' quantity grammar: `120`, `0.5`, `500m`, `2Gi`.
    Quantity,
    {"type": "string", "maxLength": 24, "pattern": QUANTITY_PATTERN}
);

text_type!(
    /// An amount of money of at most a billion, as a plain decimal: `5.00`.
    Amount,
    {
        "type": "string", "maxLength": 28, "pattern": AMOUNT_PATTERN,
        "x-kubernetes-validations": [{
            "rule": "double(self) <= 1000000000.0",
            "message": "must be at most 1000000000: check the unit of the amount",
        }],
    }
);

text_type!(
    /// A price of at most a million, as a plain decimal: `0.096`.
    Price,
    {
        "type": "string", "maxLength": 28, "pattern": AMOUNT_PATTERN,
        "x-kubernetes-validations": [{
            "rule": "double(self) <= 1000000.0",
            "message": "must be at most 1000000: state the price of one replica for one hour",
        }],
    }
);

text_type!(
    /// A share of demand, above 0 and at most half: `0.1%` or `0.001`.
    Ratio,
    {
        "type": "string", "maxLength": 16, "pattern": RATIO_PATTERN,
        "x-kubernetes-validations": [{
            "rule": "self.endsWith('%') ? double(self.replace('%', '')) <= 50.0 : double(self) <= 0.5",
            "message": "must be at most 50%: state the share of demand that may go unserved, as 0.1%",
        }],
    }
);

text_type!(
    /// A quantile of demand from half to 99.99%: `99%` or `0.99`.
    Level,
    {
        "type": "string", "maxLength": 16, "pattern": RATIO_PATTERN,
        "x-kubernetes-validations": [{
            "rule": "self.endsWith('%') ? (double(self.replace('%', '')) >= 50.0 && double(self.replace('%', '')) <= 99.99) : (double(self) >= 0.5 && double(self) <= 0.9999)",
            "message": "must be 50% to 99.99%: state the quantile of demand to cover, as 99%",
        }],
    }
);

text_type!(
    /// How far replicas may be used, from a tenth to all of it: `80%` or `0.8`.
    UseLevel,
    {
        "type": "string", "maxLength": 16, "pattern": RATIO_PATTERN,
        "x-kubernetes-validations": [{
            "rule": "self.endsWith('%') ? (double(self.replace('%', '')) >= 10.0 && double(self.replace('%', '')) <= 100.0) : (double(self) >= 0.1 && double(self) <= 1.0)",
            "message": "must be 10% to 100%: state how far replicas may be used, as 80%",
        }],
    }
);

text_type!(
    /// A relative tolerance from 0 up to, not including, 1: `0.1` or `100m`.
    Tolerance,
    {"type": "string", "maxLength": 16, "pattern": TOLERANCE_PATTERN}
);

text_type!(
    /// How many times ordinary demand, from 0.01 to 100: `4` or `0.5`.
    Multiplier,
    {
        "type": "string", "maxLength": 16, "pattern": AMOUNT_PATTERN,
        "x-kubernetes-validations": [{
            "rule": "double(self) >= 0.01 && double(self) <= 100.0",
            "message": "must be between 0.01 and 100: state how many times ordinary demand is expected, as 4",
        }],
    }
);

text_type!(
    /// A date and a time on the local clock: `2026-11-27T18:00`.
    LocalTime,
    {"type": "string", "maxLength": 16, "pattern": LOCAL_TIME_PATTERN}
);

text_type!(
    /// A time on the local clock: `18:00`.
    ClockTime,
    {"type": "string", "maxLength": 5, "pattern": CLOCK_TIME_PATTERN}
);

/// What to write instead of a text that does not match `pattern`.
pub fn remedy(pattern: &str) -> Option<&'static str> {
    Some(match pattern {
        DURATION_PATTERN => "write it as `90s`, `5m` or `1h30m`, largest unit first",
        QUANTITY_PATTERN => {
            "write a number greater than zero with an optional suffix, as `120`, `0.5`, `500m` or `2Gi`"
        }
        AMOUNT_PATTERN => "write a plain decimal greater than zero, as `0.096` or `5.00`",
        RATIO_PATTERN => "write a share greater than zero, as `0.1%` or `0.001`",
        SHARE_PATTERN => "write a percentage from 0% to 100%, as `30%`",
        TOLERANCE_PATTERN => "write a number from 0 up to, not including, 1, as `0.1` or `100m`",
        LOCAL_TIME_PATTERN => "write date and local time without a zone, as `2026-11-27T18:00`",
        CLOCK_TIME_PATTERN => "write hours and minutes, as `18:00`",
        INSTANT_PATTERN => "write date, time and zone, as `2026-12-01T08:00:00Z`",
        _ => return None,
    })
}

/// Schema of an RFC 3339 instant.
pub(super) fn instant(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time", "maxLength": 40, "pattern": INSTANT_PATTERN})
}
