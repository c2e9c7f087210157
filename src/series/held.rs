//! Blocks of a grid, and the grid of a source that is read more often than it changes.

use serde::{Deserialize, Serialize};

use super::{Block, Slot};
use crate::units::Step;

/// Blocks are at least this long, in seconds. Five minutes is the finest grid on which day profiles still gain from
/// more detail (DESIGN 5).
const BLOCK_SECONDS: u32 = 300;

/// The longest hold that is looked for, in seconds: two days hold 48 native values of an hour, enough to be sure.
const HOLD_SECONDS_MAX: u32 = 3600;

const DAY_SECONDS: u32 = 86_400;

/// Changes below which nothing is said about a grid: that 24 of them fall on one of two phases by chance is as likely
/// as one in eight million.
const CHANGES_MIN: usize = 24;

/// One change in so many may miss the grid, and always one: a scrape that came late.
const OFF_GRID_ONE_IN: usize = 50;

/// How slots make up blocks: `factor` slots each, one of them starting at slot `offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocking {
    factor: i64,
    offset: i64,
}

impl Blocking {
    /// The blocks of a grid whose samples all differ: five minutes, rounded up to whole steps, or single slots.
    pub fn usual(step: Step) -> Self {
        Self { factor: i64::from(BLOCK_SECONDS.div_ceil(step.seconds())), offset: 0 }
    }

    /// Whether these can be blocks: read from elsewhere they may be anything.
    pub(crate) fn is_sound(self) -> bool {
        let longest = i64::from(2 * HOLD_SECONDS_MAX);
        (1..=longest).contains(&self.factor) && (0..self.factor).contains(&self.offset)
    }

    /// Slots in a block; 1 when the grid is five minutes or coarser and nothing is averaged.
    pub const fn factor(self) -> i64 {
        self.factor
    }

    /// The block that contains `slot`.
    pub const fn block_of(self, slot: Slot) -> Block {
        (slot - self.offset).div_euclid(self.factor)
    }

    /// The first slot of `block`.
    pub const fn first_slot(self, block: Block) -> Slot {
        block * self.factor + self.offset
    }

    /// The last slot of `block`.
    pub const fn last_slot(self, block: Block) -> Slot {
        self.first_slot(block) + self.factor - 1
    }

    /// The blocks for native values of `hold` slots, one starting at slot `offset`: single ones when they are long
    /// enough, else as few as make five minutes and divide the day. `None` when no number does.
    fn of_hold(step: Step, hold: u32, offset: i64) -> Option<Self> {
        let whole_day = |n: &u32| DAY_SECONDS.is_multiple_of(step.seconds() * hold * n);
        let least = BLOCK_SECONDS.div_ceil(step.seconds() * hold);
        let natives = (least..=2 * least).find(whole_day)?;
        Some(Self { factor: i64::from(natives * hold), offset })
    }
}

/// The blocks that suit the samples from `first` on (stored as in the ring): those of a source that holds each value
/// for several slots, or the usual ones. `None` when the samples are too few, or change too seldom, to say.
///
/// A hold is the longest time that divides the day, up to an hour, so that nearly all changes fall on its grid, and on
/// at least half of the grid there is a change: values that rarely change at all, such as zeros, are no grid.
pub(super) fn native_grid(samples: &[f32], first: Slot, step: Step) -> Option<Blocking> {
    let changes: Vec<Slot> = samples
        .windows(2)
        .zip(first + 1..)
        .filter_map(|(pair, slot)| match pair {
            [a, b] if !a.is_nan() && !b.is_nan() && (a.abs() - b.abs()).abs() > 0.0 => Some(slot),
            _ => None,
        })
        .collect();
    if changes.len() < CHANGES_MIN {
        return None;
    }
    let longest = HOLD_SECONDS_MAX / step.seconds();
    let divides = |hold: &u32| DAY_SECONDS.is_multiple_of(step.seconds() * hold);
    (2..=longest)
        .rev()
        .filter(divides)
        .filter(|hold| 10 * changes.len() * usize::try_from(*hold).unwrap_or(0) >= samples.len())
        .find_map(|hold| Blocking::of_hold(step, hold, common_phase(&changes, i64::from(hold))?))
        .or(Some(Blocking::usual(step)))
}

/// The phase that nearly all of `changes` have modulo `hold`.
fn common_phase(changes: &[Slot], hold: i64) -> Option<i64> {
    let most = (changes.len() / OFF_GRID_ONE_IN).max(1);
    // The phase of nearly all is that of one of any three, unless all of them were late.
    changes.iter().take(3).map(|slot| slot.rem_euclid(hold)).find(|&phase| {
        let off_grid = |slot: &&Slot| slot.rem_euclid(hold) != phase;
        changes.iter().filter(off_grid).take(most + 1).count() <= most
    })
}
