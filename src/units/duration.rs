//! Durations as users write them: `90s`, `5m`, `1h30m`.

use serde::{Deserialize, Serialize};

/// A length of time in milliseconds, never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(u64);

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no duration: write it as `90s`, `5m` or `1h30m`, largest unit first")]
pub struct SpanError {
    text: String,
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A span of `millis` milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// A span of `seconds` seconds, saturating.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// A span of `minutes` minutes, saturating.
    pub const fn from_minutes(minutes: u64) -> Self {
        Self::from_seconds(minutes.saturating_mul(60))
    }

    /// A span of `hours` hours, saturating.
    pub const fn from_hours(hours: u64) -> Self {
        Self::from_minutes(hours.saturating_mul(60))
    }

    /// The span in milliseconds.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Whole seconds, rounded down.
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// Seconds with their fraction; 49 days and more count as 49 days.
    pub fn seconds_f64(self) -> f64 {
        f64::from(u32::try_from(self.0).unwrap_or(u32::MAX)) / 1000.0
    }

    /// The span as the standard library's duration.
    pub const fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0)
    }

    /// The sum, saturating.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Parses `90s`, `5m`, `1h30m`, `250ms`: whole numbers, units `h m s ms` in falling order, each at most once.
    ///
    /// # Errors
    /// [`SpanError`] for an empty text, a sign, a fraction, an unknown or repeated unit, or an overflow.
    pub fn parse(text: &str) -> Result<Self, SpanError> {
        parse_parts(text).map(Self).ok_or_else(|| SpanError { text: text.chars().take(64).collect() })
    }
}

const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

fn parse_parts(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total = 0_u64;
    let mut last_scale = u64::MAX;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|&n| n > 0)?;
        let (number, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, next) = tail.split_at(end);
        let &(_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
        if scale >= last_scale {
            return None;
        }
        last_scale = scale;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(scale)?)?;
        rest = next;
    }
    Some(total)
}

impl std::fmt::Display for Span {
    /// The shortest form that parses back: `1h30m`, `90s` as `1m30s`, `0s`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (name, scale) in UNITS {
            let n = rest / scale;
            rest %= scale;
            if n > 0 {
                write!(f, "{n}{name}")?;
            }
        }
        Ok(())
    }
}
