//! What pods request of a node, and what it costs: exact decimals, as money is.

use rust_decimal::Decimal;

use super::money::{MoneyError, PricePerReplicaHour, plain_decimal};

/// An amount of a resource: cores, or bytes. Exact, not negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourceAmount(Decimal);

/// What a core, or a GiB of memory, costs for an hour; zero where another rate pays for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnitPrice(Decimal);

/// Bytes of a GiB.
const GIBIBYTE: u64 = 1 << 30;
/// Digits after the point of a price made of requests: a millionth of a millionth of a cent, over a million hours and
/// a million replicas less than a cent.
const PRICE_DIGITS: u32 = 14;

impl ResourceAmount {
    /// Nothing.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// Parses Kubernetes' quantity grammar without loss: `500m`, `2`, `1.5Gi`, `1e3`; `None` for anything else, a sign,
    /// and what no decimal of 28 digits holds.
    pub fn parse(text: &str) -> Option<Self> {
        let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        if text.len() > 32 || !number.contains(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let number = number.trim_end_matches('.');
        if let Some(exponent) = suffix.strip_prefix(['e', 'E'])
            && !exponent.is_empty()
            && exponent != "i"
        {
            return Decimal::from_scientific(&format!("{number}e{exponent}")).ok().map(Self);
        }
        let value = Decimal::from_str_exact(number).ok()?;
        let thousands = |power: u32| 1000_u64.checked_pow(power).map(Decimal::from);
        let binary = |power: u32| 1024_u64.checked_pow(power).map(Decimal::from);
        let scaled = match suffix {
            "" => Some(value),
            "n" => value.checked_div(thousands(3)?),
            "u" => value.checked_div(thousands(2)?),
            "m" => value.checked_div(thousands(1)?),
            "k" => value.checked_mul(thousands(1)?),
            "M" => value.checked_mul(thousands(2)?),
            "G" => value.checked_mul(thousands(3)?),
            "T" => value.checked_mul(thousands(4)?),
            "P" => value.checked_mul(thousands(5)?),
            "E" => value.checked_mul(thousands(6)?),
            "Ki" => value.checked_mul(binary(1)?),
            "Mi" => value.checked_mul(binary(2)?),
            "Gi" => value.checked_mul(binary(3)?),
            "Ti" => value.checked_mul(binary(4)?),
            "Pi" => value.checked_mul(binary(5)?),
            "Ei" => value.checked_mul(binary(6)?),
            _ => None,
        };
        scaled.map(Self)
    }

    /// Both together; the most there is when that is beyond what a decimal holds.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.checked_add(other.0).unwrap_or(Decimal::MAX))
    }

    /// Bytes as GiB.
    fn gibibytes(self) -> Decimal {
        self.0 / Decimal::from(GIBIBYTE)
    }
}

impl std::fmt::Display for ResourceAmount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.normalize().fmt(f)
    }
}

impl UnitPrice {
    /// Parses a plain decimal such as `0.031`, or `0`.
    ///
    /// # Errors
    /// [`MoneyError`] for a sign, an exponent, more than a million, or anything else that is no decimal.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        plain_decimal(text, 1_000_000).map(Self)
    }

    /// Whether it is more than nothing.
    pub fn is_charged(self) -> bool {
        self.0 > Decimal::ZERO
    }
}

impl std::fmt::Display for UnitPrice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.normalize().fmt(f)
    }
}

impl PricePerReplicaHour {
    /// What a replica costs that requests so many cores and so many bytes of memory, rounded up at the 14th digit after
    /// the point; `None` when that is nothing, or more than a million.
    pub fn of_requests(
        (cores, core_hour): (ResourceAmount, UnitPrice),
        (bytes, gibibyte_hour): (ResourceAmount, UnitPrice),
    ) -> Option<Self> {
        let cpu = cores.0.checked_mul(core_hour.0)?;
        let memory = bytes.gibibytes().checked_mul(gibibyte_hour.0)?;
        let sum = cpu.checked_add(memory)?;
        Self::exact(sum.round_dp_with_strategy(PRICE_DIGITS, rust_decimal::RoundingStrategy::AwayFromZero))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> String {
        ResourceAmount::parse(text).map_or_else(|| "none".to_owned(), |amount| amount.to_string())
    }

    #[test]
    fn a_quantity_is_read_without_loss() {
        for (text, exact) in [
            ("500m", "0.5"),
            ("1", "1"),
            ("1.", "1"),
            ("0.1", "0.1"),
            ("1n", "0.000000001"),
            ("1.5Gi", "1610612736"),
            ("128Mi", "134217728"),
            ("1e3", "1000"),
            ("12E-3", "0.012"),
            ("2k", "2000"),
            ("8Ei", "9223372036854775808"),
        ] {
            assert_eq!(amount(text), exact, "{text}");
        }
        for text in ["", "-1", "+1", "Gi", "1.2.3", "1 Gi", "1ki", "NaN", "1e99", "9999999999999999999999Ei"]
        {
            assert_eq!(amount(text), "none", "{text}");
        }
    }

    #[test]
    fn requests_are_priced_exactly_and_nothing_is_free() {
        let price = |cpu: &str, rate: &str, memory: &str, per: &str| {
            let cores = (ResourceAmount::parse(cpu).unwrap(), UnitPrice::parse(rate).unwrap());
            let bytes = (ResourceAmount::parse(memory).unwrap(), UnitPrice::parse(per).unwrap());
            PricePerReplicaHour::of_requests(cores, bytes).map(|price| price.to_string())
        };
        // 0.031 / 2 + 0.0042 * 3 / 2.
        assert_eq!(price("500m", "0.031", "1.5Gi", "0.0042").as_deref(), Some("0.0218"));
        assert_eq!(price("100m", "0.03", "0", "1").as_deref(), Some("0.003"));
        // One byte at one an hour is 2^-30, rounded up.
        assert_eq!(price("0", "1", "1", "1").as_deref(), Some("0.00000000093133"));
        assert_eq!(price("0", "1", "0", "1"), None);
        assert_eq!(price("2", "0", "2Gi", "0"), None);
        assert_eq!(price("2", "1000000", "0", "0"), None);
    }
}
