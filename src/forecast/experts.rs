//! The experts: each says where demand will be, as a linear rule on the features; how far off it usually is comes
//! from its own measured errors.

mod damped;
mod harmonic;
mod last_value;
mod ridge;
mod seasonal;

pub(super) use harmonic::{fit as fit_harmonic, row as harmonic_row};
pub(super) use ridge::{FOLDS, LONG, SHORT, fit as fit_ridge};

use super::features::{FEATURES, Ladder};
use super::levels::Space;

/// One expert.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expert {
    /// Its name in status and answers.
    pub(super) name: &'static str,
    /// Whether it works on the logarithm of demand.
    pub(super) log: bool,
    /// The rung of history it needs.
    pub(super) needs: Ladder,
    pub(super) rule: Rule,
}

/// Weight of an expert before anything is known of a series, against that of the global model.
const UNTRIED: f64 = 0.1;

impl Expert {
    /// What it counts before anything is known of a series.
    pub(super) const fn untried(&self) -> f64 {
        if matches!(self.rule, Rule::Global) { 1.0 } else { UNTRIED }
    }

    /// Whether it sees a season of its own length.
    pub(super) const fn is_of_cycle(&self) -> bool {
        matches!(self.rule, Rule::Cycle)
    }

    /// Whether it sees waves of day and week.
    pub(super) const fn is_of_waves(&self) -> bool {
        matches!(self.rule, Rule::Harmonic)
    }

    /// The space that it works in, for demand of mean about 1.
    pub(super) const fn space(&self) -> Space {
        if self.log { LOG } else { Space::Linear }
    }
}

/// The offset of the logarithm, in shares of the mean: demand well below it is treated linearly, as counts near zero
/// need it. 0.1 forecasts as well, 1 is 1 % worse.
pub(super) const LOG: Space = Space::Log { offset: 0.3 };

/// Where an expert's coefficients come from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    /// Always the same.
    Fixed([f64; FEATURES]),
    /// Those of the global model for the distance.
    Global,
    /// Weighted ridge regression that sees a season of its own length, where one was found.
    Cycle,
    /// Weighted ridge regression, a row counting half after `half_life` of the history.
    Ridge { half_life: f64 },
    /// Weighted elastic net on waves of the day and the week.
    Harmonic,
}

impl Rule {
    /// Whether only the newest lessons count.
    pub(super) fn is_short_lived(self) -> bool {
        matches!(self, Self::Ridge { half_life } if half_life < LONG)
    }
}

/// How many experts there are.
pub(super) const EXPERTS: usize = 9;

/// All experts, in the order of the weights in status and checkpoint.
pub(super) const ALL: [Expert; EXPERTS] = [
    Expert { name: "last-value", log: false, needs: Ladder::ColdStart, rule: Rule::Fixed(last_value::RULE) },
    Expert { name: "seasonal-naive", log: false, needs: Ladder::Daily, rule: Rule::Fixed(seasonal::RULE) },
    Expert { name: "damped", log: false, needs: Ladder::Daily, rule: Rule::Fixed(damped::RULE) },
    Expert {
        name: "ridge",
        log: false,
        needs: Ladder::ColdStart,
        rule: Rule::Ridge { half_life: ridge::LONG },
    },
    Expert {
        name: "ridge-log",
        log: true,
        needs: Ladder::ColdStart,
        rule: Rule::Ridge { half_life: ridge::LONG },
    },
    Expert {
        name: "ridge-recent",
        log: true,
        needs: Ladder::ColdStart,
        rule: Rule::Ridge { half_life: ridge::SHORT },
    },
    Expert { name: "global", log: true, needs: Ladder::ColdStart, rule: Rule::Global },
    Expert { name: "found-season", log: false, needs: Ladder::ColdStart, rule: Rule::Cycle },
    Expert { name: "harmonic", log: true, needs: Ladder::Daily, rule: Rule::Harmonic },
];

/// The names of all experts.
pub fn expert_names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|expert| expert.name)
}

/// A rule that adds up the features `terms` with their factors.
const fn rule<const N: usize>(terms: [(usize, f64); N]) -> [f64; FEATURES] {
    let mut coefficients = [0.0; FEATURES];
    let mut i = 0;
    while i < N {
        #[expect(
            clippy::indexing_slicing,
            reason = "evaluated by the compiler, which refuses an index out of bounds"
        )]
        {
            coefficients[terms[i].0] = terms[i].1;
        }
        i += 1;
    }
    coefficients
}
