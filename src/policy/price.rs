//! What a replica costs, as far as that is known: a price that is not known is never nothing.

use serde::{Deserialize, Serialize};

use crate::units::{Money, PricePerReplicaHour, Replicas, Span, Timestamp};

/// What a replica costs for an hour, or that nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Price {
    /// So much.
    Known(PricePerReplicaHour),
    /// Nobody knows.
    Unknown(Unpriced),
}

/// A price that is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unpriced {
    /// What it was when it was known last. Accounts go on with it; growth is not bought at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<PricePerReplicaHour>,
    /// Since when it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Why, and what to do about it.
    pub because: String,
}

impl Price {
    /// Not known, and never was.
    pub fn unknown(because: impl Into<String>) -> Self {
        Self::Unknown(Unpriced { because: because.into(), ..Unpriced::default() })
    }

    /// The price, where it is known.
    pub const fn known(&self) -> Option<PricePerReplicaHour> {
        match self {
            Self::Known(price) => Some(*price),
            Self::Unknown(_) => None,
        }
    }

    /// The price that accounts reckon with: as it is known, or was last.
    pub const fn reckoned(&self) -> Option<PricePerReplicaHour> {
        match self {
            Self::Known(price) => Some(*price),
            Self::Unknown(Unpriced { last, .. }) => *last,
        }
    }

    /// What `replicas` cost for one hour, as far as is known.
    pub fn hourly(&self, replicas: Replicas) -> Option<Money> {
        self.reckoned().map(|price| price.hourly(replicas))
    }

    /// What `replica_seconds` cost, as far as is known.
    pub fn of_replica_seconds(&self, replica_seconds: u64) -> Option<Money> {
        self.reckoned().map(|price| price.of_replica_seconds(replica_seconds))
    }
}

impl From<PricePerReplicaHour> for Price {
    fn from(price: PricePerReplicaHour) -> Self {
        Self::Known(price)
    }
}

impl std::fmt::Display for Price {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Known(price) => price.fmt(f),
            Self::Unknown(unpriced) => unpriced.fmt(f),
        }
    }
}

impl std::fmt::Display for Unpriced {
    /// As `price unknown since 1970-01-01T00:00:00Z because the query has no result (last 0.096)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { last, since, because } = self;
        f.write_str("price unknown")?;
        if let Some(since) = since {
            write!(f, " since {}", crate::calendar::rfc3339(*since))?;
        }
        write!(f, " because {because}")?;
        match last {
            Some(last) => write!(f, "; it was {last} last"),
            None => Ok(()),
        }
    }
}

/// An answer to what a replica costs: the price and when it held, or why there is none.
pub type Told = Result<(PricePerReplicaHour, Timestamp), String>;

/// What is remembered of a price that is asked for: part of the memory in the status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PriceMemory {
    /// What was asked: where that changes, nothing that was told before holds.
    pub asked: String,
    /// The last price and when it held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<(PricePerReplicaHour, Timestamp)>,
    /// Since when there is no price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown_since: Option<Timestamp>,
    /// Why the last answer held no price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl PriceMemory {
    /// Nothing yet of what is asked.
    pub fn asking(asked: &str) -> Self {
        Self { asked: asked.to_owned(), ..Self::default() }
    }

    /// Takes an answer. One that held later than `now`, by another clock, counts from now.
    pub fn take(&mut self, told: Told, now: Timestamp) {
        match told {
            Ok((price, at)) => {
                self.last = Some((price, at.min(now)));
                self.problem = None;
            }
            Err(problem) => self.problem = Some(problem),
        }
    }

    /// The price at `now`: the last one that was told until it is older than `max_age`, and then unknown.
    pub fn price(&mut self, now: Timestamp, max_age: Span) -> Price {
        if let Some((price, at)) = &mut self.last {
            // A clock that was set back makes no price last longer than it does from now on (I34).
            *at = (*at).min(now);
            if now.since(*at) <= max_age {
                self.unknown_since = None;
                return Price::Known(*price);
            }
        }
        let since = match self.last {
            Some((_, at)) => at.plus(max_age),
            None => self.unknown_since.unwrap_or(now),
        };
        let since = since.min(now);
        self.unknown_since = Some(since);
        let because = match (&self.problem, self.last) {
            (Some(problem), _) => problem.clone(),
            (None, Some(_)) => format!("the last one is older than {max_age}"),
            (None, None) => "nothing was told yet".to_owned(),
        };
        Price::Unknown(Unpriced { last: self.last.map(|(price, _)| price), since: Some(since), because })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn price(cents: u32) -> PricePerReplicaHour {
        PricePerReplicaHour::told(&format!("{}.{:02}", cents / 100, cents % 100)).unwrap()
    }

    proptest! {
        /// A price is known for as long as the last answer is fresh and not a moment longer, whatever else was answered,
        /// also where the clock steps; and what is remembered survives being stored.
        #[test]
        fn i47_a_price_is_known_while_its_answer_is_fresh(
            steps in prop::collection::vec((-90_i64..900, prop::option::of(1_u32..500)), 1..60),
            max_age in 60_u64..3600,
        ) {
            let max_age = Span::from_seconds(max_age);
            let (mut memory, mut seconds) = (PriceMemory::asking("q"), 1_000_000);
            let mut last: Option<(u32, i64)> = None;
            for (step, answer) in steps {
                seconds += step;
                let now = Timestamp::from_seconds(seconds);
                last = last.map(|(cents, at)| (cents, at.min(seconds)));
                match answer {
                    Some(cents) => {
                        memory.take(Ok((price(cents), now)), now);
                        last = Some((cents, seconds));
                    }
                    None => memory.take(Err("silence".into()), now),
                }
                let stored = serde_json::to_string(&memory).unwrap();
                memory = serde_json::from_str(&stored).unwrap();
                let fresh = last.filter(|(_, at)| u64::try_from(seconds - at).unwrap() <= max_age.seconds());
                let given = memory.price(now, max_age);
                prop_assert_eq!(given.known(), fresh.map(|(cents, _)| price(cents)));
                prop_assert_eq!(given.reckoned(), last.map(|(cents, _)| price(cents)));
                if let Price::Unknown(Unpriced { since, because, .. }) = &given {
                    prop_assert!(since.unwrap() <= now);
                    prop_assert_eq!(because, "silence");
                }
                let stored = serde_json::to_string(&given).unwrap();
                prop_assert_eq!(serde_json::from_str::<Price>(&stored).unwrap(), given);
            }
        }
    }

    #[test]
    fn a_price_that_was_stored_before_prices_could_be_unknown_is_read() {
        assert_eq!(serde_json::from_str::<Price>("\"0.096\"").unwrap().to_string(), "0.096");
    }

    #[test]
    fn an_unknown_price_says_since_when_and_why() {
        let mut memory = PriceMemory::asking("q");
        let noon = Timestamp::from_seconds(1_795_435_200);
        memory.take(Ok((price(25), noon)), noon);
        memory.take(Err("the query has no result".into()), noon.plus(Span::from_minutes(30)));
        let hour = Span::from_hours(1);
        assert_eq!(memory.price(noon.plus(hour), hour), Price::Known(price(25)));
        let told = memory.price(noon.plus(Span::from_hours(2)), hour).to_string();
        assert_eq!(
            told,
            "price unknown since 2026-11-23T13:00:00Z because the query has no result; it was 0.25 last"
        );
    }
}
