//! What a forecast can be made without, to see what each part earns: `foresail dev ablate`, and nothing else, asks for it.

use super::experts::ALL;

/// A part that is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Without {
    /// Nothing is left out, as everywhere but in `foresail dev ablate`.
    #[default]
    Nothing,
    /// The expert at this place.
    Expert(usize),
    /// The weights: all experts count alike.
    Combination,
    /// The widening of high quantiles.
    Calibration,
    /// Parts of the local day with widths of their own.
    PartsOfDay,
    /// What many series have in common, as an expert and as what others lean on.
    GlobalModel,
    /// Following changes of level within the hour.
    Shifts,
    /// Replacing levels that stand alone.
    Cleaning,
    /// Looking for a season of its own length.
    FoundSeason,
}

/// The parts that are no experts.
const PARTS: [(&str, Without); 8] = [
    ("nothing", Without::Nothing),
    ("combination", Without::Combination),
    ("calibration", Without::Calibration),
    ("parts-of-day", Without::PartsOfDay),
    ("global-model", Without::GlobalModel),
    ("shifts", Without::Shifts),
    ("cleaning", Without::Cleaning),
    ("found-season", Without::FoundSeason),
];

impl Without {
    /// The part of that name; the error lists the names.
    ///
    /// # Errors
    /// No part has the name.
    pub fn parse(name: &str) -> Result<Self, String> {
        let part = PARTS.iter().find(|(known, _)| *known == name).map(|(_, part)| *part);
        let expert = || ALL.iter().position(|expert| expert.name == name).map(Self::Expert);
        part.or_else(expert)
            .ok_or_else(|| format!("`{name}` is no part: use one of {}", Self::names().join(", ")))
    }

    /// The names of all parts.
    pub fn names() -> Vec<&'static str> {
        // An expert that stands or falls with a part goes by its name.
        let experts =
            ALL.iter().map(|expert| expert.name).filter(|name| PARTS.iter().all(|(part, _)| part != name));
        PARTS.iter().map(|(name, _)| *name).chain(experts).collect()
    }

    /// Whether the expert at `index` is left out.
    pub(super) fn leaves_out(self, index: usize) -> bool {
        let global = ALL.get(index).is_some_and(|expert| matches!(expert.rule, super::experts::Rule::Global));
        match self {
            Self::Expert(left_out) => left_out == index,
            Self::GlobalModel => global,
            Self::Nothing
            | Self::Combination
            | Self::Calibration
            | Self::PartsOfDay
            | Self::Shifts
            | Self::Cleaning
            | Self::FoundSeason => false,
        }
    }
}
