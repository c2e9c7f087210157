//! Starts under way: which pods a scale-up caused, and what became of them.
//!
//! In: what was asked for and the pods, look by look. Out: start-up times, or why a start says nothing. Instants are
//! those that the cluster wrote on its pods, so that looking seldom costs no accuracy.

use super::Starts;
use crate::units::{Replicas, Span, Timestamp};

/// A pod that is not Ready after this will not be a replica in time (the longest start-up that counts).
const GIVEN_UP_AFTER: Span = Span::from_minutes(20);
/// A pod that was not made by then was refused: controllers make theirs within seconds.
const MADE_WITHIN: Span = Span::from_minutes(1);
/// Pods carry whole seconds.
const ROUNDING: Span = Span::from_seconds(1);

/// Why a start says nothing of the lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It was given up, or took longer than any lead.
    NeverReady,
    /// No node had room for it.
    Unschedulable,
    /// It was asked for and never made.
    NotCreated,
    /// A rollout was under way.
    Rollout,
}

/// A pod as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodSeen {
    /// Its identity.
    pub uid: String,
    /// When it was made, in whole seconds.
    pub created: Timestamp,
    /// Since when it is Ready, in whole seconds.
    pub ready_since: Option<Timestamp>,
    /// Since when no node has room for it.
    pub unschedulable: Option<Timestamp>,
    /// Whether it is being deleted.
    pub ending: bool,
}

/// What is seen of the workload at one look.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// The instant.
    pub now: Timestamp,
    /// Replicas that are asked for.
    pub asked: Replicas,
    /// When that was written, where it was written by us; else the pods' own beginnings count.
    pub written: Option<Timestamp>,
    /// Whether a rollout is under way.
    pub rollout: bool,
}

/// Starts under way.
#[derive(Clone, Debug, Default)]
pub struct Startings {
    last: Option<(Timestamp, Replicas)>,
    jumps: Vec<Jump>,
}

#[derive(Clone, Debug)]
struct Jump {
    /// No pod of it is older.
    since: Timestamp,
    /// When it was written, if that is known.
    written: Option<Timestamp>,
    size: Replicas,
    /// Pods that are still to be made.
    missing: u32,
    starting: Vec<Starting>,
}

#[derive(Clone, Debug)]
struct Starting {
    uid: String,
    created: Timestamp,
    unschedulable: bool,
}

impl Startings {
    /// Whether there are starts to follow, so that pods must be looked at.
    pub fn are_under_way(&self) -> bool {
        !self.jumps.is_empty()
    }

    /// Takes up what is asked for; pods are to be given to [`Startings::follow`] while starts are under way.
    pub fn notice(&mut self, look: Look, starts: &mut Starts) {
        let Look { now, asked, written, rollout } = look;
        let before = self.last.replace((now, asked));
        if rollout {
            let n = self.jumps.iter().map(Jump::n_open).fold(0, u32::saturating_add);
            starts.excluded.add(Cause::Rollout, n);
            self.jumps.clear();
        }
        let Some((last_look, stood)) = before else { return };
        if asked < stood {
            // Taken back before they served: neither measured nor held against anything.
            self.jumps.clear();
        } else if asked > stood {
            let size = Replicas::new(asked.get() - stood.get());
            if rollout {
                starts.excluded.add(Cause::Rollout, size.get());
                return;
            }
            let since = written.unwrap_or(last_look);
            self.jumps.push(Jump { since, written, size, missing: size.get(), starting: Vec::new() });
        }
    }

    /// What became of the pods, all of the workload's as they are now.
    pub fn follow(&mut self, now: Timestamp, pods: &[PodSeen], starts: &mut Starts) {
        self.claim(pods);
        for jump in &mut self.jumps {
            jump.settle(now, pods, starts);
        }
        self.jumps.retain(|jump| jump.n_open() > 0);
    }

    /// New pods belong to the oldest scale-up that still misses some.
    fn claim(&mut self, pods: &[PodSeen]) {
        let mut new: Vec<&PodSeen> = pods.iter().filter(|pod| !pod.ending && !self.knows(&pod.uid)).collect();
        new.sort_by(|a, b| (a.created, &a.uid).cmp(&(b.created, &b.uid)));
        for pod in new {
            let made_for = |jump: &&mut Jump| {
                jump.missing > 0
                    && pod.created >= jump.since.minus(ROUNDING)
                    && pod.ready_since.is_none_or(|ready| ready > jump.since)
            };
            if let Some(jump) = self.jumps.iter_mut().find(made_for) {
                jump.missing -= 1;
                let PodSeen { uid, created, unschedulable, .. } = pod.clone();
                let unschedulable = unschedulable.is_some();
                jump.starting.push(Starting { uid, created, unschedulable });
            }
        }
    }

    fn knows(&self, uid: &str) -> bool {
        self.jumps.iter().any(|jump| jump.starting.iter().any(|one| one.uid == uid))
    }
}

impl Jump {
    fn n_open(&self) -> u32 {
        self.missing.saturating_add(u32::try_from(self.starting.len()).unwrap_or(u32::MAX))
    }

    fn settle(&mut self, now: Timestamp, pods: &[PodSeen], starts: &mut Starts) {
        let Self { since, written, size, missing, starting } = self;
        if *missing > 0 && now.since(*since) > MADE_WITHIN {
            starts.excluded.add(Cause::NotCreated, std::mem::take(missing));
        }
        starting.retain_mut(|one| {
            let pod = pods.iter().find(|pod| pod.uid == one.uid && !pod.ending);
            one.unschedulable |= pod.is_some_and(|pod| pod.unschedulable.is_some());
            let cause = if one.unschedulable { Cause::Unschedulable } else { Cause::NeverReady };
            match pod.map(|pod| pod.ready_since) {
                Some(Some(_)) if one.unschedulable => starts.excluded.add(cause, 1),
                Some(Some(ready)) => starts.add(ready.since(written.unwrap_or(one.created)), *size),
                Some(None) if now.since(*since) <= GIVEN_UP_AFTER => return true,
                Some(None) | None => starts.excluded.add(cause, 1),
            }
            false
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::Excluded;
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_700_000_000 + seconds)
    }

    fn pod(uid: &str, created: i64, ready: Option<i64>) -> PodSeen {
        PodSeen {
            uid: uid.to_owned(),
            created: at(created),
            ready_since: ready.map(at),
            unschedulable: None,
            ending: false,
        }
    }

    struct World {
        startings: Startings,
        starts: Starts,
    }

    impl World {
        /// Two replicas stand.
        fn new() -> Self {
            let mut world = Self { startings: Startings::default(), starts: Starts::default() };
            world.look(0, (2, None), false, &[]);
            world
        }

        fn look(&mut self, now: i64, (asked, written): (u32, Option<i64>), rollout: bool, pods: &[PodSeen]) {
            let look = Look { now: at(now), asked: Replicas::new(asked), written: written.map(at), rollout };
            self.startings.notice(look, &mut self.starts);
            self.startings.follow(at(now), pods, &mut self.starts);
        }

        fn n_measured(&self) -> usize {
            self.starts.lead(Span::ZERO, Span::ZERO).samples
        }

        /// The starts as they are stored: seconds and size of the jump.
        fn measured(&self) -> serde_json::Value {
            serde_json::to_value(&self.starts).unwrap()["last"].clone()
        }
    }

    #[test]
    fn a_start_counts_from_our_write_to_ready_however_late_it_is_looked_at() {
        let mut world = World::new();
        let old = pod("old", -500, Some(-400));
        world.look(15, (4, Some(1)), false, std::slice::from_ref(&old));
        assert!(world.startings.are_under_way());
        let pods = [old, pod("a", 2, Some(41)), pod("b", 2, Some(47))];
        world.look(120, (4, None), false, &pods);
        assert_eq!(world.measured(), serde_json::json!([[40, 2], [46, 2]]));
        assert!(!world.startings.are_under_way());
        world.look(135, (4, None), false, &pods);
        assert_eq!(world.n_measured(), 2, "counted once");
    }

    #[test]
    fn a_scale_up_of_somebody_else_counts_from_the_pods_own_beginning() {
        let mut world = World::new();
        world.look(15, (3, None), false, &[pod("a", 9, Some(59))]);
        assert_eq!(world.measured(), serde_json::json!([[50, 1]]));
    }

    #[test]
    fn pods_that_fail_are_excluded_by_cause_and_never_measured() {
        let mut world = World::new();
        world.look(15, (6, Some(0)), false, &[pod("a", 1, None), pod("b", 1, None), pod("c", 1, None)]);
        // One is gone, one finds no node and then does, one never was made, one never ends.
        let stuck = PodSeen { unschedulable: Some(at(2)), ..pod("b", 1, None) };
        world.look(70, (6, None), false, &[stuck, pod("c", 1, None)]);
        world.look(300, (6, None), false, &[pod("b", 1, Some(290)), pod("c", 1, None)]);
        world.look(1230, (6, None), false, &[pod("b", 1, Some(290)), pod("c", 1, None)]);
        let Excluded { never_ready, unschedulable, not_created, rollout } = world.starts.excluded;
        assert_eq!([never_ready, unschedulable, not_created, rollout], [2, 1, 1, 0]);
        assert_eq!(world.n_measured(), 0);
        assert!(!world.startings.are_under_way());
    }

    #[test]
    fn a_rollout_gives_no_samples() {
        let mut world = World::new();
        world.look(15, (4, Some(1)), false, &[pod("a", 2, None)]);
        world.look(30, (4, None), true, &[pod("a", 2, Some(29))]);
        world.look(45, (9, Some(31)), true, &[pod("a", 2, Some(29)), pod("b", 32, Some(44))]);
        world.look(60, (9, None), false, &[pod("a", 2, Some(29)), pod("b", 32, Some(44))]);
        assert_eq!((world.n_measured(), world.starts.excluded.rollout), (0, 7));
    }

    #[test]
    fn a_scale_up_that_is_taken_back_counts_for_nothing() {
        let mut world = World::new();
        world.look(15, (4, Some(1)), false, &[pod("a", 2, None)]);
        world.look(30, (2, None), false, &[]);
        assert!(!world.startings.are_under_way() && world.starts.is_empty());
    }

    #[test]
    fn pods_that_served_before_are_nobodys_start() {
        let mut world = World::new();
        // Replaced by its controller shortly before the scale-up, in the same tick.
        world.look(15, (3, Some(14)), false, &[pod("a", 13, Some(14)), pod("b", 15, None)]);
        world.look(60, (3, None), false, &[pod("a", 13, Some(14)), pod("b", 15, Some(55))]);
        assert_eq!(world.measured(), serde_json::json!([[41, 1]]));
    }
}
