//! What earlier decisions leave behind: stabilisation windows, scale events, cooldowns, a human's wish.

use serde::{Deserialize, Serialize};

use crate::policy::{Policy, RatePolicy};
use crate::units::{Replicas, Span, Step, Timestamp, faulty};

/// Entries that a stabilisation window keeps at most; where there are more, those of a part of it are merged (DESIGN 8).
const WINDOW_ENTRIES_MAX: usize = 16;
/// Parts of a window, on a grid that begins with each UTC day: it reaches over two more at most, and what is about to
/// leave it lies in another.
const WINDOW_PARTS: u64 = 13;
/// Rate policies look back at most this far (the HPA's own bound on `periodSeconds`).
const EVENTS_KEPT: Span = Span::from_seconds(1800);
/// Scale events older than this are merged to groups of [`EVENT_GROUP`]; younger ones stay exact.
const EVENTS_EXACT: Span = Span::from_seconds(60);
/// Groups of old events; the later instant stands for the group, so that a limit is never freed early.
const EVENT_GROUP: Span = Span::from_seconds(15);
/// Two foreign writes within this time are a conflict.
const CONFLICT_WINDOW: Span = Span::from_minutes(10);
/// How long a human's scale-up is a floor.
const HUMAN_FLOOR: Span = Span::from_minutes(30);

/// The history of one actuated object, or of its shadow. Plain data; lost, it is rebuilt as just changed (I33).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Track {
    /// Replicas that stood after the last tick: any other value read next is somebody else's write.
    pub to: Replicas,
    /// Recommendations of the scale-down window, newest last, falling.
    pub down: Vec<(Timestamp, Replicas)>,
    /// Reactive recommendations of the scale-up window, newest last, rising.
    pub up: Vec<(Timestamp, Replicas)>,
    /// Own changes of the last 30 minutes, oldest first.
    pub events: Vec<(Timestamp, i64)>,
    /// The last increase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_up: Option<Timestamp>,
    /// The last decrease.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_down: Option<Timestamp>,
    /// The last change by somebody else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_outside: Option<Timestamp>,
    /// When the history began, or was lost: as a change for decreases, as none for needed increases (I33).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begun: Option<Timestamp>,
    /// Since when a raise, or a decrease, has been wanted.
    pub sustain: Sustain,
    /// A scale-up by somebody else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub human: Option<HumanFloor>,
    /// Instants of foreign writes within ten minutes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub foreign: Vec<Timestamp>,
    /// A forecast was trusted within an event that ends then: losing that trust lowers nothing before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted_in_event_until: Option<Timestamp>,
    /// Whether `asked` was lowered from outside since the last own change; the way back is not delayed (I32).
    pub lowered_outside: bool,
}

/// Since when a change has been wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sustain {
    /// A raise that only the reactive answer wants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up: Option<Timestamp>,
    /// A decrease.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down: Option<Timestamp>,
}

/// A human's scale-up, kept as a floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HumanFloor {
    /// What they asked for.
    pub n: Replicas,
    /// Until when it stands.
    pub until: Timestamp,
}

impl Track {
    /// A history that begins now: as just changed for decreases, as never changed for needed increases (I33).
    pub fn begin(now: Timestamp, asked: Replicas) -> Self {
        let begun = faulty!(LostIsSettled, None, Some(now));
        Self { to: asked, down: vec![(now, asked)], begun, ..Self::default() }
    }

    /// Instants after `now` become `now`: a clock that was set back makes no wait longer than it is from now on (I34).
    pub fn set_back(&mut self, now: Timestamp) {
        let now = faulty!(ClockBackWaits, Timestamp::from_millis(i64::MAX), now);
        for (at, _) in self.down.iter_mut().chain(&mut self.up) {
            *at = now.min(*at);
        }
        for (at, _) in &mut self.events {
            *at = now.min(*at);
        }
        for at in &mut self.foreign {
            *at = now.min(*at);
        }
        let Self { last_up, last_down, last_outside, begun, sustain, human, .. } = self;
        let Sustain { up, down } = sustain;
        for at in [last_up, last_down, last_outside, begun, up, down].into_iter().flatten() {
            *at = now.min(*at);
        }
        if let Some(human) = human {
            human.until = human.until.min(now.plus(HUMAN_FLOOR));
        }
    }

    /// Notes a change of ours that reached the object.
    pub fn record_change(&mut self, at: Timestamp, from: Replicas, to: Replicas) {
        let delta = from.delta_to(to);
        if delta == 0 {
            return;
        }
        self.events.push((at, delta));
        if delta > 0 {
            self.last_up = Some(at);
        } else {
            self.last_down = Some(at);
        }
        self.to = to;
        self.lowered_outside = false;
    }

    /// Notes that `asked` differs from what we left: a human's scale-up is a floor for 30 minutes.
    pub fn notice_foreign_write(&mut self, now: Timestamp, asked: Replicas) {
        self.foreign.retain(|&at| now.since(at) < CONFLICT_WINDOW);
        if asked == self.to {
            return;
        }
        self.foreign.push(now);
        self.last_outside = Some(now);
        if asked > self.to {
            self.human = Some(HumanFloor { n: asked, until: now.plus(HUMAN_FLOOR) });
        } else {
            self.lowered_outside = true;
        }
        self.to = asked;
    }

    /// Whether two foreign writes fell within ten minutes: writing on would be a fight.
    pub fn in_conflict(&self) -> bool {
        self.foreign.len() >= 2
    }

    /// The last change of ours in either direction.
    pub fn last_change(&self) -> Option<Timestamp> {
        self.last_up.max(self.last_down)
    }

    /// From when a cooldown counts. An increase waits after changes of ours; a decrease after any, and after a history
    /// that began, or was lost (I32, I33).
    pub fn cools_from(&self, up: bool) -> Option<Timestamp> {
        let own = self.last_change();
        if up { own } else { own.max(self.last_outside).max(self.begun) }
    }

    /// Forgets what no policy looks at any more and keeps the rest small.
    pub fn prune(&mut self, now: Timestamp, policy: &Policy) {
        keep_window(&mut self.down, now, policy.behavior.down.window);
        keep_window(&mut self.up, now, policy.behavior.up.window);
        self.events.retain(|&(at, _)| now.since(at) < EVENTS_KEPT);
        merge_old_events(&mut self.events, now);
        self.human = self.human.filter(|floor| now < floor.until);
    }

    /// Replicas that we added (`up`) or removed within a rate policy's period.
    pub fn changed_within(&self, now: Timestamp, policy: &RatePolicy, up: bool) -> u32 {
        let cutoff = faulty!(FixedInstant, Timestamp::from_seconds(1_795_737_600), now.minus(policy.period));
        let sum: i64 = self
            .events
            .iter()
            .filter(|(at, delta)| *at > cutoff && (*delta > 0) == up)
            .map(|(_, delta)| delta.abs())
            .sum();
        u32::try_from(sum).unwrap_or(u32::MAX)
    }

    /// Adds a recommendation to the scale-down window and answers the highest one in it.
    pub fn highest_of_window(&mut self, now: Timestamp, window: Span, n: Replicas) -> Replicas {
        while self.down.last().is_some_and(|&(_, last)| last <= n) {
            self.down.pop();
        }
        self.down.push((now, n));
        let cutoff = now.minus(window);
        let highest = self.down.iter().filter(|(at, _)| *at > cutoff).map(|(_, n)| *n).max();
        cap_window(&mut self.down, window, Replicas::max);
        highest.map_or(n, |highest| highest.max(n))
    }

    /// Adds a reactive recommendation to the scale-up window and answers the lowest one in it.
    pub fn lowest_of_window(&mut self, now: Timestamp, window: Span, n: Replicas) -> Replicas {
        while self.up.last().is_some_and(|&(_, last)| last >= n) {
            self.up.pop();
        }
        self.up.push((now, n));
        let cutoff = now.minus(window);
        let lowest = self.up.iter().filter(|(at, _)| *at > cutoff).map(|(_, n)| *n).min();
        cap_window(&mut self.up, window, Replicas::min);
        lowest.map_or(n, |lowest| lowest.min(n))
    }
}

fn keep_window(entries: &mut Vec<(Timestamp, Replicas)>, now: Timestamp, window: Span) {
    let newest = entries.last().copied();
    entries.retain(|&(at, _)| now.since(at) < window);
    if entries.is_empty() {
        entries.extend(newest);
    }
}

/// Where there are too many entries those of the same part of the window become one, with the later instant and the more
/// careful count, so that a recommendation counts for a part of the window too long at most. The parts do not move with
/// the window: an entry is merged with its own part only, however often.
fn cap_window(
    entries: &mut Vec<(Timestamp, Replicas)>,
    window: Span,
    careful: impl Fn(Replicas, Replicas) -> Replicas,
) {
    if entries.len() <= WINDOW_ENTRIES_MAX {
        return;
    }
    let width = window.millis().div_ceil(WINDOW_PARTS).max(1).cast_signed();
    entries.dedup_by(|later, kept| {
        let same = part_of_day(kept.0, width) == part_of_day(later.0, width);
        if same {
            *kept = (later.0, careful(kept.1, later.1));
        }
        same
    });
}

fn merge_old_events(events: &mut Vec<(Timestamp, i64)>, now: Timestamp) {
    if events.len() <= WINDOW_ENTRIES_MAX {
        return;
    }
    let mut merged: Vec<(Timestamp, i64)> = Vec::with_capacity(events.len());
    for &(at, delta) in events.iter() {
        match merged.last_mut() {
            Some(last)
                if now.since(at) > EVENTS_EXACT && (last.1 > 0) == (delta > 0) && same_group(last.0, at) =>
            {
                *last = (at, last.1.saturating_add(delta));
            }
            _ => merged.push((at, delta)),
        }
    }
    *events = merged;
}

fn same_group(a: Timestamp, b: Timestamp) -> bool {
    let group = |at: Timestamp| part_of_day(at, EVENT_GROUP.millis().cast_signed());
    group(a) == group(b)
}

/// The UTC day of an instant, and which of its parts of `width` milliseconds.
fn part_of_day(at: Timestamp, width: i64) -> (i64, i64) {
    let day = Step::DAY.span().millis().cast_signed();
    (at.millis().div_euclid(day), at.millis().rem_euclid(day) / width)
}
