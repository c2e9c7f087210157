//! The lead: start-up times to one number, with what it rests on.
//!
//! DESIGN 4: p95 of the last 50 starts that a scale-up caused, by size of the jump; 2 min until there are 10; between
//! 15 s and 20 min; plus the p95 of evidence age and one interval.

use std::collections::VecDeque;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Cause;
use crate::units::{Replicas, Span};

/// Starts that are kept.
const STARTS_KEPT: usize = 50;
/// Fewer starts are not believed.
const STARTS_LEAST: usize = 10;
/// The start-up time until there are enough starts.
const START_UP_UNTIL_MEASURED: Span = Span::from_minutes(2);
/// No start-up time counts as less: a tick does not notice less.
const START_UP_LEAST: Span = Span::from_seconds(15);
/// No start-up time counts as more: a replica that takes longer is broken, and forecasts end at an hour.
const START_UP_MOST: Span = Span::from_minutes(20);
/// The lead is rounded up to this, so that a second more or less moves no decision.
const ROUNDED_TO: Span = Span::from_seconds(5);
/// The largest jump of each class but the last: a replica or two, a handful, a wave that nodes and registries feel.
const CLASS_ENDS: [u32; 2] = [2, 9];
/// Ages of evidence that are kept: an hour of ticks of 15 s.
const AGES_KEPT: usize = 240;

/// One start: seconds from the scale-up to Ready, and by how many replicas was scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Start(u32, u32);

/// The last starts of a workload, and how many were left out why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Starts {
    last: VecDeque<Start>,
    /// Starts that say nothing of the lead.
    #[serde(skip_serializing_if = "Excluded::is_none")]
    pub excluded: Excluded,
}

/// Starts that say nothing of the lead, by what they ran into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Excluded {
    /// Pods that were given up, or took longer than any lead, before they were Ready.
    pub never_ready: u32,
    /// Pods that no node had room for.
    pub unschedulable: u32,
    /// Pods that were asked for and never made: a quota, or admission.
    pub not_created: u32,
    /// Pods of a scale-up during a rollout.
    pub rollout: u32,
}

impl Excluded {
    const fn is_none(&self) -> bool {
        let Self { never_ready, unschedulable, not_created, rollout } = *self;
        never_ready == 0 && unschedulable == 0 && not_created == 0 && rollout == 0
    }

    /// Counts `n` starts more.
    pub const fn add(&mut self, cause: Cause, n: u32) {
        let counter = match cause {
            Cause::NeverReady => &mut self.never_ready,
            Cause::Unschedulable => &mut self.unschedulable,
            Cause::NotCreated => &mut self.not_created,
            Cause::Rollout => &mut self.rollout,
        };
        *counter = counter.saturating_add(n);
    }
}

/// The starts of jumps of a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeClass {
    /// The smallest jump of the class.
    pub from: u32,
    /// The largest; the last class has none.
    pub to: Option<u32>,
    /// Starts that were measured.
    pub samples: usize,
    /// The p95 of their times, in whole seconds.
    pub p95: Span,
}

/// A lead and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lead {
    /// From the scale-up to Ready, within the bounds.
    pub start_up: Span,
    /// Starts that were measured.
    pub samples: usize,
    /// Whether they are enough; if not, `start_up` is what counts until they are.
    pub is_measured: bool,
    /// The starts by size of the jump, classes without one left out.
    pub by_size: Vec<SizeClass>,
    /// The p95 of the age of readings.
    pub evidence_age: Span,
    /// Time between two ticks.
    pub interval: Span,
}

impl Lead {
    /// The least and the most that a start-up time counts as.
    pub const BOUNDS: (Span, Span) = (START_UP_LEAST, START_UP_MOST);
    /// Starts that are needed.
    pub const SAMPLES_LEAST: usize = STARTS_LEAST;
    /// The start-up time while there are fewer.
    pub const UNTIL_MEASURED: Span = START_UP_UNTIL_MEASURED;

    /// From asking for a replica to it serving, as decisions count it: the start, the age of what they look at and the
    /// time until they look; in whole 5 s.
    pub fn total(&self) -> Span {
        let whole = self.start_up.plus(self.evidence_age).plus(self.interval);
        Span::from_millis(whole.millis().next_multiple_of(ROUNDED_TO.millis()))
    }
}

impl fmt::Display for SizeClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to {
            Some(to) => write!(f, "{}-{to}", self.from),
            None => write!(f, "{}+", self.from),
        }
    }
}

impl Starts {
    /// Whether nothing was seen.
    pub fn is_empty(&self) -> bool {
        let Self { last, excluded } = self;
        last.is_empty() && excluded.is_none()
    }

    /// Takes up a start that took so long, after a scale-up by `jump` replicas.
    pub fn add(&mut self, took: Span, jump: Replicas) {
        self.last.push_back(Start(u32::try_from(took.seconds()).unwrap_or(u32::MAX), jump.get()));
        while self.last.len() > STARTS_KEPT {
            self.last.pop_front();
        }
    }

    /// The lead that follows: the largest p95 of all starts and of each class with enough of them, since the ramp that
    /// matters most is the one with the largest jumps.
    pub fn lead(&self, evidence_age: Span, interval: Span) -> Lead {
        let is_measured = self.last.len() >= STARTS_LEAST;
        let by_size = self.by_size();
        let all = p95(self.last.iter().map(|start| start.0));
        let largest = by_size
            .iter()
            .filter(|class| class.samples >= STARTS_LEAST)
            .map(|class| class.p95)
            .fold(Span::from_seconds(u64::from(all)), Span::max);
        let start_up = if is_measured { largest } else { START_UP_UNTIL_MEASURED };
        Lead {
            start_up: start_up.clamp(START_UP_LEAST, START_UP_MOST),
            samples: self.last.len(),
            is_measured,
            by_size,
            evidence_age,
            interval,
        }
    }

    fn by_size(&self) -> Vec<SizeClass> {
        let ends = CLASS_ENDS.into_iter().map(Some).chain([None]);
        let mut from = 1;
        let mut classes = Vec::new();
        for to in ends {
            let within = |jump: u32| jump >= from && to.is_none_or(|to| jump <= to);
            let took: Vec<u32> =
                self.last.iter().filter(|start| within(start.1)).map(|start| start.0).collect();
            if !took.is_empty() {
                let samples = took.len();
                let p95 = Span::from_seconds(u64::from(p95(took.into_iter())));
                classes.push(SizeClass { from, to, samples, p95 });
            }
            from = to.map_or(from, |to| to + 1);
        }
        classes
    }
}

/// The 95th percentile by nearest rank: at least 95 % of the values are no larger. 0 of none.
fn p95(values: impl Iterator<Item = u32>) -> u32 {
    let mut values: Vec<u32> = values.collect();
    values.sort_unstable();
    let rank = (values.len() * 95).div_ceil(100);
    rank.checked_sub(1).and_then(|idx| values.get(idx)).copied().unwrap_or(0)
}

/// How old readings were when they were used, in the last hour; lost with the process, and soon known again.
#[derive(Clone, Debug, Default)]
pub struct Ages {
    seconds: VecDeque<u32>,
}

impl Ages {
    /// Takes up the age of one reading, rounded up to a second.
    pub fn add(&mut self, age: Span) {
        self.seconds.push_back(u32::try_from(age.millis().div_ceil(1000)).unwrap_or(u32::MAX));
        while self.seconds.len() > AGES_KEPT {
            self.seconds.pop_front();
        }
    }

    /// Their p95; zero while there is none.
    pub fn p95(&self) -> Span {
        Span::from_seconds(u64::from(p95(self.seconds.iter().copied())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INTERVAL: Span = Span::from_seconds(15);

    fn starts(took: impl IntoIterator<Item = (u64, u32)>) -> Starts {
        let mut starts = Starts::default();
        for (seconds, jump) in took {
            starts.add(Span::from_seconds(seconds), Replicas::new(jump));
        }
        starts
    }

    #[test]
    fn nine_starts_are_not_believed_and_ten_are() {
        let nine = starts((0..9).map(|i| (40 + i, 1))).lead(Span::ZERO, INTERVAL);
        assert_eq!((nine.start_up, nine.is_measured, nine.samples), (Span::from_minutes(2), false, 9));
        let ten = starts((0..10).map(|i| (40 + i, 1))).lead(Span::ZERO, INTERVAL);
        assert_eq!((ten.start_up, ten.is_measured), (Span::from_seconds(49), true));
        // 49 s and an interval of 15 s.
        assert_eq!(ten.total(), Span::from_seconds(65));
    }

    #[test]
    fn the_oldest_of_more_than_fifty_are_forgotten() {
        let lead = starts((0..100).map(|i| (if i < 50 { 600 } else { 30 }, 1))).lead(Span::ZERO, INTERVAL);
        assert_eq!((lead.start_up, lead.samples), (Span::from_seconds(30), 50));
    }

    #[test]
    fn the_rank_of_the_p95_of_fifty_is_the_forty_eighth() {
        let lead = starts((1..=50).map(|i| (100 + i, 1))).lead(Span::ZERO, INTERVAL);
        assert_eq!(lead.start_up, Span::from_seconds(148));
    }

    #[test]
    fn large_jumps_that_start_slower_decide() {
        let all = (0..38).map(|_| (30, 1)).chain((0..12).map(|_| (90, 20)));
        let lead = starts(all).lead(Span::ZERO, INTERVAL);
        assert_eq!(lead.start_up, Span::from_seconds(90));
        let shown: Vec<String> = lead.by_size.iter().map(|one| format!("{one}: {}", one.samples)).collect();
        assert_eq!(shown, ["1-2: 38", "10+: 12"]);
        // Two large ones are too few to decide alone, and fewer than 5 % of fifty.
        let few = (0..48).map(|_| (30, 1)).chain((0..2).map(|_| (90, 20)));
        assert_eq!(starts(few).lead(Span::ZERO, INTERVAL).start_up, Span::from_seconds(30));
    }

    #[test]
    fn the_bounds_hold_and_age_and_interval_are_added() {
        let quick = starts((0..20).map(|_| (1, 1))).lead(Span::from_seconds(22), INTERVAL);
        assert_eq!((quick.start_up, quick.total()), (Span::from_seconds(15), Span::from_seconds(55)));
        let slow = starts((0..20).map(|_| (9000, 1))).lead(Span::ZERO, INTERVAL);
        assert_eq!(slow.start_up, Span::from_minutes(20));
    }

    #[test]
    fn what_is_stored_is_read_again_and_short() {
        let mut kept = starts((0..50).map(|i| (40 + i, 12)));
        kept.excluded.add(Cause::Unschedulable, 3);
        let text = serde_json::to_string(&kept).unwrap();
        assert!(text.len() < 600, "{} bytes: {text}", text.len());
        assert_eq!(serde_json::from_str::<Starts>(&text).unwrap(), kept);
    }

    #[test]
    fn ages_are_those_of_the_last_hour() {
        let mut ages = Ages::default();
        assert_eq!(ages.p95(), Span::ZERO);
        for millis in [9_999_000, 400, 1200, 3000] {
            ages.add(Span::from_millis(millis));
        }
        for _ in 0..AGES_KEPT {
            ages.add(Span::from_millis(1200));
        }
        assert_eq!(ages.p95(), Span::from_seconds(2));
    }

    proptest! {
        #[test]
        fn a_slower_start_never_shortens_the_lead(
            took in prop::collection::vec((1_u64..2000, 1_u32..40), 10..50), slower in 0_u64..2000,
        ) {
            let before = starts(took.clone()).lead(Span::ZERO, INTERVAL);
            let mut changed = took;
            changed[0].0 += slower;
            prop_assert!(starts(changed).lead(Span::ZERO, INTERVAL).total() >= before.total());
            prop_assert!((START_UP_LEAST..=START_UP_MOST).contains(&before.start_up));
        }
    }
}
