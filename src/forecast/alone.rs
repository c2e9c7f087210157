//! Readings that stand alone: further from their neighbours on both sides than any other of the history.
//!
//! Each level is compared with the median of three before and three after it (Hampel 1974, with the history's own
//! second largest deviation in place of a multiple of the spread: what happened twice is a pattern, jobs and bursts
//! stay). One beyond that counts as that median from then on, as a feature, as a lesson and in the mean; the newest
//! three levels are what they are.

use super::experts::LOG;
use super::levels::Levels;
use crate::series::{Block, median};

/// How many levels before and after one it is compared with.
const SIDE: i64 = 3;

/// Fewer neighbours than this say nothing.
const NEIGHBOURS_MIN: usize = 4;

/// A level alone is beyond this multiple of the second largest deviation: chance alone reaches a tenth more.
const MARGIN: f64 = 1.25;

/// Deviations under a fifth are never alone: they move nothing that matters.
const LEAST: f64 = 0.2;

/// Days without which it is not known what is usual (I26).
const DAYS_MIN: i64 = 4;

/// With more than these since the last fit standing alone has become usual.
const MOST: usize = 16;

/// The levels of a history that stand alone.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Alone {
    /// In logarithms of demand.
    threshold: f64,
    /// With what they count as, in demand; in time order.
    found: Vec<(Block, f64)>,
}

impl Alone {
    /// Nothing is known to be.
    pub(super) const NONE: Self = Self { threshold: f64::INFINITY, found: Vec::new() };

    /// Those among `levels`, which are in units of their mean.
    pub(super) fn find(levels: &Levels<'_>) -> Self {
        if levels.newest() < DAYS_MIN * levels.day() {
            return Self::NONE;
        }
        let (mut largest, mut second): (f64, f64) = (0.0, 0.0);
        for position in 0..=levels.newest() {
            let Some((deviation, _)) = deviation(levels, position) else { continue };
            second = second.max(deviation.min(largest));
            largest = largest.max(deviation);
        }
        let mut alone = Self { threshold: (MARGIN * second).max(LEAST), found: Vec::new() };
        if largest > alone.threshold {
            for position in 0..=levels.newest() {
                alone.judge(levels, position);
            }
        }
        alone
    }

    /// Takes in a level with three after it.
    pub(super) fn judge_newest(&mut self, levels: &Levels<'_>) {
        if self.found.len() < MOST {
            self.judge(levels, levels.newest() - SIDE);
        }
    }

    fn judge(&mut self, levels: &Levels<'_>, position: i64) {
        if let Some((deviation, usual)) = deviation(levels, position)
            && deviation > self.threshold
        {
            self.found.push((levels.block_at(position), usual / levels.unit()));
        }
    }

    /// The blocks that are alone, seen from `last`, with what they count as, in demand.
    pub(super) fn seen_from(&self, last: Block) -> &[(Block, f64)] {
        let seen = self.found.partition_point(|(block, _)| *block <= last - SIDE);
        self.found.get(..seen).unwrap_or_default()
    }

    /// Bytes held outside of the struct itself.
    pub(super) fn bytes(&self) -> usize {
        self.found.capacity() * size_of::<(Block, f64)>()
    }
}

/// How far a level is from the median of its neighbours and from the same hour of a day and a week before, whichever
/// is nearer, in logarithms; and that median.
fn deviation(levels: &Levels<'_>, position: i64) -> Option<(f64, f64)> {
    if position + SIDE > levels.newest() {
        return None;
    }
    let own = levels.reading(position)?;
    let mut around = [0.0; 6];
    let mut seen = 0;
    let sides = (position - SIDE..=position + SIDE).filter(|at| *at != position);
    for (slot, value) in around.iter_mut().zip(sides.filter_map(|at| levels.reading(at))) {
        *slot = value;
        seen += 1;
    }
    if seen < NEIGHBOURS_MIN {
        return None;
    }
    let usual = median(around.get_mut(..seen).unwrap_or_default());
    // A peak of one level that each day or week has is not alone either.
    let seasons = [1, 7].map(|days| levels.reading(levels.days_before(position, days)));
    let far = |from: f64| (LOG.enter(own) - LOG.enter(from)).abs();
    Some((seasons.into_iter().flatten().map(far).fold(far(usual), f64::min), usual))
}
