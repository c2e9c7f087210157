//! Gates: claims about a plan that a pipeline checks, as `unserved<=0.1%` or `cost<=1.1xhpa`.

use std::fmt;

use super::Outcome;
use super::course::Figures;

/// The policy that gates are about.
const SUBJECT: &str = "foresail";

/// One claim about the policy `foresail`.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    figure: Figure,
    most: Most,
    text: String,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    Unserved,
    Cost,
    ReplicaHours,
    Short,
    Changes,
}

/// The figures by the names that users write.
const FIGURES: [(&str, Figure); 5] = [
    ("unserved", Figure::Unserved),
    ("cost", Figure::Cost),
    ("replica-hours", Figure::ReplicaHours),
    ("short", Figure::Short),
    ("changes", Figure::Changes),
];

/// The bound.
#[derive(Clone, Debug, PartialEq)]
enum Most {
    /// A number of its own.
    Absolute(f64),
    /// That many times another policy's figure.
    Times(f64, String),
}

/// Why a text is no gate, or a gate cannot be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// The text is no gate.
    #[error("`{0}` is no gate: write it as `unserved<=0.1%`, `cost<=1.1xhpa` or `replica-hours<=500`")]
    Text(String),
    /// There is no such figure.
    #[error("`{0}` is no figure of a plan: use unserved, cost, replica-hours, short or changes")]
    Figure(String),
    /// There is no such policy.
    #[error("gate `{gate}`: the plan has no policy `{policy}`: use one of {known}")]
    Policy {
        /// The gate.
        gate: String,
        /// The policy it names.
        policy: String,
        /// The policies there are.
        known: String,
    },
    /// An amount of money, and nothing has a price.
    #[error("gate `{0}`: nothing has a price: set spend.pricePerReplicaHour, or compare with a policy")]
    NoPrice(String),
}

/// How a gate was met.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The gate as it was written.
    pub gate: String,
    /// The figure.
    pub value: f64,
    /// The most that it may be.
    pub most: f64,
}

impl Verdict {
    /// Whether the gate is kept.
    pub fn is_kept(&self) -> bool {
        self.value <= self.most
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.is_kept() { "kept" } else { "missed" };
        write!(f, "gate {}: {word}: {:.6} of at most {:.6}", self.gate, self.value, self.most)
    }
}

impl Gate {
    /// Parses `FIGURE<=NUMBER`, `FIGURE<=NUMBER%` or `FIGURE<=NUMBERxPOLICY`.
    ///
    /// # Errors
    /// [`GateError`] says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, GateError> {
        let refuse = || GateError::Text(text.chars().take(64).collect());
        let (name, bound) = text.split_once("<=").ok_or_else(refuse)?;
        let name = name.trim();
        let figure = FIGURES.iter().find(|(known, _)| *known == name).map(|(_, figure)| *figure);
        let figure = figure.ok_or_else(|| GateError::Figure(name.chars().take(64).collect()))?;
        let bound = bound.trim();
        let number = |text: &str| -> Result<f64, GateError> {
            let value: f64 = text.trim().parse().map_err(|_| refuse())?;
            if value.is_finite() && value >= 0.0 { Ok(value) } else { Err(refuse()) }
        };
        let most = if let Some((factor, policy)) = bound.split_once('x') {
            Most::Times(number(factor)?, policy.trim().to_owned())
        } else if let Some(percent) = bound.strip_suffix('%') {
            Most::Absolute(number(percent)? / 100.0)
        } else {
            Most::Absolute(number(bound)?)
        };
        Ok(Self { figure, most, text: text.to_owned() })
    }

    /// How `outcome` meets the gate.
    ///
    /// # Errors
    /// [`GateError`] when it names a policy that is not there, or money without a price.
    pub fn judge(&self, outcome: &Outcome) -> Result<Verdict, GateError> {
        let value = self.value(self.figures(outcome, SUBJECT)?, &self.most)?;
        let most = match &self.most {
            Most::Absolute(most) => *most,
            Most::Times(factor, policy) => factor * self.value(self.figures(outcome, policy)?, &self.most)?,
        };
        Ok(Verdict { gate: self.text.clone(), value, most })
    }

    fn figures<'a>(&self, outcome: &'a Outcome, policy: &str) -> Result<&'a Figures, GateError> {
        let found = outcome.policies.iter().find(|one| one.course.name == policy);
        found.map(|one| &one.figures).ok_or_else(|| GateError::Policy {
            gate: self.text.clone(),
            policy: policy.to_owned(),
            known: outcome.policies.iter().map(|one| one.course.name).collect::<Vec<_>>().join(", "),
        })
    }

    fn value(&self, figures: &Figures, most: &Most) -> Result<f64, GateError> {
        Ok(match (self.figure, most) {
            (Figure::Unserved, _) => figures.unserved_share,
            (Figure::Short, _) => figures.time_short,
            // One price holds for all policies, so that costs compare as replica-hours do.
            (Figure::ReplicaHours, _) | (Figure::Cost, Most::Times(..)) => figures.replica_hours(),
            (Figure::Changes, _) => super::course::as_float(figures.changes),
            (Figure::Cost, Most::Absolute(_)) => figures
                .cost
                .map(crate::units::Money::as_f64)
                .ok_or_else(|| GateError::NoPrice(self.text.clone()))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_has_a_figure_and_a_bound() {
        let gate = Gate::parse("unserved<=0.1%").unwrap();
        assert_eq!((gate.figure, &gate.most), (Figure::Unserved, &Most::Absolute(0.001)));
        let gate = Gate::parse(" cost <= 1.1 x hpa-best ").unwrap();
        assert_eq!((gate.figure, &gate.most), (Figure::Cost, &Most::Times(1.1, "hpa-best".to_owned())));
        assert_eq!(Gate::parse("changes<=40").unwrap().most, Most::Absolute(40.0));
    }

    #[test]
    fn anything_else_is_refused_with_what_to_write() {
        for text in ["", "unserved", "unserved<0.1", "unserved<=", "cost<=-1", "cost<=NaN", "cost<=xhpa"] {
            assert!(matches!(Gate::parse(text), Err(GateError::Text(_))), "{text}");
        }
        assert!(matches!(Gate::parse("latency<=1"), Err(GateError::Figure(_))));
    }
}
