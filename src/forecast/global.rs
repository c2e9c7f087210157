//! The global model: what demand does next that many series have in common, told in features without a scale.
//!
//! Trained once on many series (`foresail dev train`), the same rows as a series' own lessons. It is an expert of its
//! own from the first samples on, and what the ridge regressions of a young series lean on (`member`).

mod train;

use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use super::features::{FEATURES, Ladder, SPREADS};
use super::kernels::ratio;
use super::levels::Position;

pub use train::{Course, Examples, Family};

/// The version that is written, and the only one that is read.
const VERSION: u32 = 1;

/// What the first line of a model file begins with.
const MAGIC: &str = "foresail-global";

/// The artefact in `models/`; its card says what it was trained on.
const SHIPPED: &str = include_str!("../../models/global.json");

static MODEL: LazyLock<GlobalModel> =
    LazyLock::new(|| GlobalModel::parse(SHIPPED).unwrap_or_else(|_| GlobalModel::nothing()));

/// Why a model file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The first line is not that of a model file.
    #[error(
        "no model file: it must begin with `{MAGIC} {VERSION} CHECKSUM`; make one with `foresail dev train`"
    )]
    Header,
    /// Written by another version of the program.
    #[error(
        "the model has version {0}, this program reads {VERSION}: train it again with `foresail dev train`"
    )]
    Version(String),
    /// Damaged.
    #[error("the model's checksum is {found}, its first line says {stated}: copy the file again")]
    Checksum {
        /// Of what was read.
        found: String,
        /// In the first line.
        stated: String,
    },
    /// Not what this program writes.
    #[error("the model holds no usable table: {0}")]
    Content(String),
}

/// A global model; a copy is a pointer.
#[derive(Clone, Debug, PartialEq)]
pub struct GlobalModel(Arc<Table>);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Table {
    /// By length of block, rung and distance.
    cells: Vec<Cell>,
}

/// What holds for one distance ahead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Cell {
    block_seconds: u32,
    rung: Ladder,
    /// Blocks ahead.
    ahead: Position,
    /// On demand in units of its mean.
    linear: Prior,
    /// On its logarithm.
    log: Prior,
}

/// A rule and how far off it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Prior {
    pub(super) coefficients: [f32; FEATURES],
    /// Of the size of the errors, in the terms of a row's `z`.
    pub(super) spread: [f32; SPREADS],
    pub(super) mean_error: f32,
}

/// What a global model says of one distance, of demand and of its logarithm.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outlook<'a> {
    linear: &'a Prior,
    log: &'a Prior,
}

impl GlobalModel {
    /// The one in `models/`.
    pub fn shipped() -> Self {
        MODEL.clone()
    }

    /// One that says nothing: demand stays at the mean of its last day.
    pub(super) fn nothing() -> Self {
        Self(Arc::default())
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// [`ModelError`] when it is of another version, damaged or none.
    pub fn parse(text: &str) -> Result<Self, ModelError> {
        let (header, body) = text.split_once('\n').ok_or(ModelError::Header)?;
        let mut words = header.split(' ');
        if words.next() != Some(MAGIC) {
            return Err(ModelError::Header);
        }
        let version = words.next().ok_or(ModelError::Header)?;
        if version != VERSION.to_string() {
            return Err(ModelError::Version(version.to_owned()));
        }
        let stated = words.next().ok_or(ModelError::Header)?;
        let found = checksum(body);
        if found != stated {
            return Err(ModelError::Checksum { found, stated: stated.to_owned() });
        }
        let table: Table =
            serde_json::from_str(body).map_err(|error| ModelError::Content(error.to_string()))?;
        Ok(Self(Arc::new(table)))
    }

    /// The text of a model file, which [`Self::parse`] reads.
    pub fn text(&self) -> String {
        // A table of numbers, names and lists is always JSON.
        let mut body = serde_json::to_string(&*self.0).unwrap_or_default();
        body = body.replace("{\"block_seconds\"", "\n{\"block_seconds\"");
        body.push('\n');
        format!("{MAGIC} {VERSION} {}\n{body}", checksum(&body))
    }

    /// Joins tables of different blocks and rungs.
    pub fn join(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut cells: Vec<Cell> = parts.into_iter().flat_map(|part| part.0.cells.clone()).collect();
        cells.sort_by_key(|cell| (cell.block_seconds, cell.rung, cell.ahead));
        Self(Arc::new(Table { cells }))
    }

    /// What it says of `ahead` blocks of `block_seconds` on a rung: from the nearest in ratio that it knows.
    pub(super) fn outlook(&self, block_seconds: f64, rung: Ladder, ahead: Position) -> Outlook<'_> {
        let cell = self.cell(block_seconds, rung, ahead);
        let (linear, log) =
            cell.map_or((&Prior::IGNORANT, &Prior::IGNORANT), |cell| (&cell.linear, &cell.log));
        Outlook { linear, log }
    }

    fn cell(&self, block_seconds: f64, rung: Ladder, ahead: Position) -> Option<&Cell> {
        let far = |a: f64, b: f64| (a / b).ln().abs();
        let blocks = ratio(ahead, 1).max(1.0);
        let known = || self.0.cells.iter().filter(move |cell| cell.rung == rung);
        let nearest = known()
            .map(|cell| cell.block_seconds)
            .min_by(|a, b| far(f64::from(*a), block_seconds).total_cmp(&far(f64::from(*b), block_seconds)))?;
        known().filter(|cell| cell.block_seconds == nearest).min_by(|a, b| {
            let of = |cell: &Cell| far(ratio(cell.ahead, 1), blocks);
            of(a).total_cmp(&of(b))
        })
    }
}

impl Prior {
    /// What holds where a model says nothing: demand stays at the mean of its last day, off by a quarter of its level
    /// on average.
    const IGNORANT: Self =
        Self { coefficients: [0.0; FEATURES], spread: [0.0, 0.0, 0.0, 0.25, 0.0, 0.0], mean_error: 0.25 };

    /// The coefficients of its rule.
    pub(super) fn rule(&self) -> [f64; FEATURES] {
        self.coefficients.map(f64::from)
    }
}

impl<'a> Outlook<'a> {
    /// The prior in one of the two spaces.
    pub(super) const fn of(self, log: bool) -> &'a Prior {
        if log { self.log } else { self.linear }
    }
}

fn checksum(body: &str) -> String {
    format!("{:08x}", crc32fast::hash(body.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_model_is_whole() {
        let model = GlobalModel::parse(SHIPPED).unwrap();
        assert!(SHIPPED.len() < 2_000_000, "{} bytes", SHIPPED.len());
        assert_eq!(model.text(), SHIPPED);
        for rung in [Ladder::ColdStart, Ladder::Daily, Ladder::Weekly] {
            for block in [300.0, 1800.0, 3600.0] {
                let outlook = model.outlook(block, rung, 1);
                assert_ne!(outlook.log, &Prior::IGNORANT);
                for prior in [outlook.linear, outlook.log] {
                    assert!(prior.mean_error > 0.0, "{rung:?} {block}: {prior:?}");
                    assert!(prior.coefficients.iter().chain(&prior.spread).all(|c| c.is_finite()));
                }
            }
        }
    }

    #[test]
    fn a_file_that_is_not_whole_is_refused() {
        let refused = |text: &str| GlobalModel::parse(text).unwrap_err();
        assert_eq!(refused("{}"), ModelError::Header);
        assert_eq!(refused("{}\n"), ModelError::Header);
        assert_eq!(refused(&SHIPPED.replacen(" 1 ", " 7 ", 1)), ModelError::Version("7".to_owned()));
        assert!(matches!(refused(&SHIPPED.replacen("linear", "lineal", 1)), ModelError::Checksum { .. }));
        let body = "{\"cells\":7}";
        let text = format!("{MAGIC} {VERSION} {}\n{body}", checksum(body));
        assert!(matches!(refused(&text), ModelError::Content(_)));
    }
}
