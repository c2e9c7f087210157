//! Money as exact decimals; never a float.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use serde::{Deserialize, Serialize};

use super::Replicas;

/// An amount in some currency (the policy says which). Exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Money(Decimal);

/// What one replica costs for an hour; greater than zero, at most a million.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct PricePerReplicaHour(Decimal);

/// Why a text is no amount of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no amount: write a plain decimal greater than zero and at most 1000000000, as `0.096` or `5.00`"
)]
pub struct MoneyError {
    text: String,
}

fn refusal(text: &str) -> MoneyError {
    MoneyError { text: text.chars().take(64).collect() }
}

fn parse_positive(text: &str, most: u32) -> Result<Decimal, MoneyError> {
    plain_decimal(text, most).ok().filter(|value| *value > Decimal::ZERO).ok_or_else(|| refusal(text))
}

/// A plain decimal from zero to `most`: digits and a point, no sign, no exponent.
pub(super) fn plain_decimal(text: &str, most: u32) -> Result<Decimal, MoneyError> {
    let plain = !text.is_empty()
        && text.len() <= 28
        && text.chars().all(|c| c.is_ascii_digit() || c == '.')
        && text.starts_with(|c: char| c.is_ascii_digit());
    let value = if plain { Decimal::from_str_exact(text).ok() } else { None };
    value.filter(|value| *value <= Decimal::from(most)).ok_or_else(|| refusal(text))
}

impl Money {
    /// Parses a plain positive decimal such as `5.00`.
    ///
    /// # Errors
    /// [`MoneyError`] for a sign, an exponent, zero, more than a billion, or anything else that is no decimal.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        parse_positive(text, 1_000_000_000).map(Self)
    }

    /// Nothing at all.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// What was written down of an amount before: as [`Self::parse`], and zero.
    ///
    /// # Errors
    /// [`MoneyError`] for anything that [`Self::parse`] refuses and that is not zero.
    pub fn stored(text: &str) -> Result<Self, MoneyError> {
        let digits = text.len() <= 32 && text.chars().all(|c| c.is_ascii_digit() || c == '.');
        let value = if digits { text.parse::<Decimal>().ok() } else { None };
        value.map(Self).ok_or_else(|| MoneyError { text: text.chars().take(64).collect() })
    }

    /// Both together; the most there is when that is beyond what a decimal holds.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.checked_add(other.0).unwrap_or(Decimal::MAX))
    }

    /// What is left when `other` is taken away; nothing when that is more.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self(self.0.checked_sub(other.0).unwrap_or(Decimal::ZERO).max(Decimal::ZERO))
    }

    /// A share of the amount, such as `30%` or `0.3`, exact; `None` for anything but a plain decimal from 0 to 100 %.
    pub fn portion(self, share: &str) -> Option<Self> {
        let (digits, whole) = match share.strip_suffix('%') {
            Some(digits) => (digits, Decimal::ONE_HUNDRED),
            None => (share, Decimal::ONE),
        };
        let plain = digits.starts_with(|c: char| c.is_ascii_digit())
            && digits.len() <= 16
            && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
        let value = if plain { digits.parse::<Decimal>().ok()? } else { return None };
        if value > whole { None } else { self.0.checked_mul(value)?.checked_div(whole).map(Self) }
    }

    /// How many times `other` it is, in hundredths and rounded down, for sentences; `None` of nothing.
    pub fn percent_of(self, other: Self) -> Option<u32> {
        self.0.checked_mul(Decimal::ONE_HUNDRED)?.checked_div(other.0)?.floor().to_u32()
    }

    /// What an amount for an hour comes to over `seconds`.
    #[must_use]
    pub fn for_seconds(self, seconds: u64) -> Self {
        let all = self.0.checked_mul(Decimal::from(seconds)).unwrap_or(Decimal::MAX);
        Self(all / Decimal::from(3600))
    }

    /// Replica-seconds that this amount pays for at `price`, rounded down.
    pub fn replica_seconds_at(self, price: PricePerReplicaHour) -> u64 {
        let hours = self.0.checked_div(price.0).unwrap_or(Decimal::MAX);
        hours
            .checked_mul(Decimal::from(3600))
            .and_then(|seconds| seconds.floor().to_u64())
            .unwrap_or(u64::MAX)
    }

    /// The whole amount as text, to be read back by [`Self::stored`]; [`std::fmt::Display`] rounds for people.
    pub fn exact(self) -> String {
        self.0.normalize().to_string()
    }

    /// The amount as the nearest float, for files and comparisons; sums stay decimal.
    pub fn as_f64(self) -> f64 {
        self.0.to_f64().unwrap_or(f64::INFINITY)
    }

    /// Replicas that this amount an hour pays for at `price`, rounded down: `floor(amount / price)`.
    pub fn replicas_at(self, price: PricePerReplicaHour) -> Replicas {
        let count = self.0.checked_div(price.0).unwrap_or(Decimal::MAX).floor();
        Replicas::new(count.to_u32().unwrap_or(u32::MAX))
    }
}

impl PricePerReplicaHour {
    /// Parses a plain positive decimal such as `0.096`.
    ///
    /// # Errors
    /// [`MoneyError`] as for [`Money::parse`], and for more than a million.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        parse_positive(text, 1_000_000).map(Self)
    }

    /// The price that a source of metrics wrote, digit by digit, also with an exponent as `9.6e-02`.
    ///
    /// # Errors
    /// [`MoneyError`] for anything that is not greater than zero and at most a million, or has more digits than a
    /// decimal holds.
    pub fn told(text: &str) -> Result<Self, MoneyError> {
        let value = if text.contains(['e', 'E']) {
            Decimal::from_scientific(text)
        } else {
            Decimal::from_str_exact(text)
        };
        value.ok().and_then(Self::exact).ok_or_else(|| refusal(text))
    }

    /// A price of exactly so much; `None` unless it is greater than zero and at most a million.
    pub(super) fn exact(value: Decimal) -> Option<Self> {
        (value > Decimal::ZERO && value <= Decimal::from(1_000_000)).then_some(Self(value))
    }

    /// How many times `other` it is, for weights; sums stay decimal.
    pub fn times(self, other: Self) -> f64 {
        self.0.checked_div(other.0).and_then(|times| times.to_f64()).unwrap_or(f64::INFINITY)
    }

    /// What `replicas` cost for one hour.
    pub fn hourly(self, replicas: Replicas) -> Money {
        Money(self.0 * Decimal::from(replicas.get()))
    }

    /// What `replica_seconds` cost.
    pub fn of_replica_seconds(self, replica_seconds: u64) -> Money {
        Money(self.0 * Decimal::from(replica_seconds) / Decimal::from(3600))
    }
}

impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.round_dp(4).normalize().fmt(f)
    }
}

impl std::fmt::Display for PricePerReplicaHour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.normalize().fmt(f)
    }
}
