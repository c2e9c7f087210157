//! The stored form of numbers that are validated: read back through their constructors, so that a file cannot bring
//! in what no constructor gives.

use serde::{Deserialize, Serialize};

use super::{CapacityPerReplica, Demand, Money, PricePerReplicaHour, ReplicaBounds, Replicas, Share};

impl TryFrom<f64> for Demand {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, String> {
        Self::new(value).ok_or_else(|| format!("`{value}` is no demand: it is finite and not negative"))
    }
}

impl TryFrom<f64> for CapacityPerReplica {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, String> {
        Self::new(value)
            .ok_or_else(|| format!("`{value}` is no capacity per replica: it is finite and at least 1e-9"))
    }
}

impl TryFrom<f64> for Share {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, String> {
        Self::new(value).ok_or_else(|| format!("`{value}` is no share: it is finite and not negative"))
    }
}

impl TryFrom<String> for Money {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::stored(&text).map_err(|error| error.to_string())
    }
}

impl TryFrom<String> for PricePerReplicaHour {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // One that a source told may have more digits than people write.
        Self::told(&text).map_err(|error| error.to_string())
    }
}

/// A reading as a source gave it: JSON has no NaN and no infinity, so they are stored as the texts `NaN`, `inf` and
/// `-inf`.
pub mod any_float {
    use serde::{Deserialize as _, Deserializer, Serializer};

    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Stored {
        Number(f64),
        Text(String),
    }

    /// Writes a number, or its name when JSON has no number for it.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() {
            serializer.serialize_f64(*value)
        } else {
            serializer.serialize_str(&value.to_string())
        }
    }

    /// Reads what [`serialize`] wrote.
    ///
    /// # Errors
    /// Those of the deserializer, and a text that names no float.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        match Stored::deserialize(deserializer)? {
            Stored::Number(value) => Ok(value),
            Stored::Text(text) => text.parse().map_err(|_| {
                serde::de::Error::custom(format!("`{text}` is no number: write NaN, inf, -inf or a number"))
            }),
        }
    }
}

/// Bounds by their names.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredBounds {
    min: Replicas,
    max: Replicas,
}

impl From<ReplicaBounds> for StoredBounds {
    fn from(bounds: ReplicaBounds) -> Self {
        Self { min: bounds.min(), max: bounds.max() }
    }
}

impl TryFrom<StoredBounds> for ReplicaBounds {
    type Error = String;

    fn try_from(StoredBounds { min, max }: StoredBounds) -> Result<Self, String> {
        Self::new(min, max)
            .ok_or_else(|| format!("`{min}` to `{max}` are no bounds: 1 <= min <= max <= 10000"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_number_is_read_back_as_itself_or_refused() {
        for value in [0.1 + 0.2, 1.0 / 3.0, f64::MIN_POSITIVE, f64::MAX, 123_456_789.123_456_79] {
            let demand = Demand::new(value).unwrap();
            let text = serde_json::to_string(&demand).unwrap();
            assert_eq!(serde_json::from_str::<Demand>(&text).unwrap(), demand, "{text}");
        }
        let price = PricePerReplicaHour::parse("0.0960").unwrap();
        let text = serde_json::to_string(&price).unwrap();
        assert_eq!(serde_json::from_str::<PricePerReplicaHour>(&text).unwrap(), price, "{text}");
        assert!(serde_json::from_str::<Demand>("-1").is_err());
        assert!(serde_json::from_str::<CapacityPerReplica>("0").is_err());
        assert!(serde_json::from_str::<Money>("\"-3\"").is_err());
        let error = serde_json::from_str::<ReplicaBounds>("{\"min\":5,\"max\":3}").unwrap_err().to_string();
        assert!(error.contains("`5` to `3`"), "{error}");
    }
}
