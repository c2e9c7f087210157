//! A logged decision, derived again: the same bytes, or the first place where they differ.

use std::fmt;

use serde_json::Value;

use super::{Record, Told};
use crate::engine::{self, Tick};

/// The first place where a decision derived again differs from the logged one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where, as `decision.stages[9].after`.
    pub path: String,
    /// What the log has there.
    pub logged: String,
    /// What comes out now.
    pub derived: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, logged, derived } = self;
        write!(f, "{path}: the log has {logged}, derived again it is {derived}")
    }
}

impl Record {
    /// The tick, made again from what was logged.
    pub fn tick(&self) -> Tick {
        self.observation.observe(|observation| engine::tick(&self.policy, observation, &self.memory))
    }

    /// Compares what was logged with what is derived again, decision and memory, byte for byte in their written form.
    pub fn difference(&self) -> Option<Difference> {
        let tick = self.tick();
        let told = Told::of(&self.policy, &tick.decision);
        let written = |value: serde_json::Result<Value>| value.unwrap_or(Value::Null);
        let pairs = [
            ("decision", written(serde_json::to_value(&self.decision)), written(serde_json::to_value(&told))),
            (
                "after",
                written(serde_json::to_value(&self.after)),
                written(serde_json::to_value(&tick.memory)),
            ),
        ];
        pairs.into_iter().find_map(|(path, logged, derived)| first_difference(path, &logged, &derived))
    }
}

/// The first place, in the order of the fields' names, where two JSON values are not written with the same bytes.
fn first_difference(path: &str, logged: &Value, derived: &Value) -> Option<Difference> {
    let at = |path: String, logged: Option<&Value>, derived: Option<&Value>| {
        let shown = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_string);
        Difference { path, logged: shown(logged), derived: shown(derived) }
    };
    match (logged, derived) {
        (Value::Object(logged), Value::Object(derived)) => {
            let names = logged.keys().chain(derived.keys().filter(|name| !logged.contains_key(*name)));
            names.into_iter().find_map(|name| {
                let path = format!("{path}.{name}");
                match (logged.get(name), derived.get(name)) {
                    (Some(logged), Some(derived)) => first_difference(&path, logged, derived),
                    (logged, derived) => Some(at(path, logged, derived)),
                }
            })
        }
        (Value::Array(logged), Value::Array(derived)) => (0..logged.len().max(derived.len())).find_map(|i| {
            let path = format!("{path}[{i}]");
            match (logged.get(i), derived.get(i)) {
                (Some(logged), Some(derived)) => first_difference(&path, logged, derived),
                (logged, derived) => Some(at(path, logged, derived)),
            }
        }),
        _ => {
            // As text, since numbers that are equal may be written otherwise.
            let (old, new) = (logged.to_string(), derived.to_string());
            (old != new).then(|| at(path.to_owned(), Some(logged), Some(derived)))
        }
    }
}
