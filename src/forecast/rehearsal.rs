//! Which quantile, followed at every step, would have kept the objective.
//!
//! The share that may go unserved is a share of all demand, not of each step's: it costs least when one replica more is
//! worth the same at every step, which is when demand exceeds capacity with the same probability at every step (the
//! condition of a constrained minimum, with the share as the constraint). Which probability that is follows from what
//! came: the decisions of three quarters of the history are rehearsed at a ladder of quantiles, and the level between the
//! rungs at which just the objective's share would have gone unserved is the answer. A forecast that is too narrow is
//! given a higher level by it, one that is too wide a lower one. What was wanted stands for the scale-down window, what is
//! foreseen to be needed at the end of the hold stands until then, and what present demand wants does too: they serve much
//! of what a bursting series brings, and no level needs to serve it again.
//!
//! A censored sample shows at least what was missing, and nothing of what was served: it raises the level, and never
//! lowers it.

use std::collections::VecDeque;

use super::kernels::short;
use super::quantiles::Quantiles;
use crate::units::{CapacityPerReplica, ReplicaBounds, Share, Span, Timestamp, replicas_ceil};

/// The quantiles that are rehearsed; between them the share is taken to fall geometrically.
const RUNGS: [f64; N_RUNGS] = [0.5, 0.7, 0.85, 0.93, 0.97, 0.99, 0.997, 0.9995];

/// How many quantiles are rehearsed.
pub(super) const N_RUNGS: usize = 8;

/// What some decisions would have left unserved at each rung, of how much demand, and how many replicas they held.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rehearsal {
    missing: [f32; N_RUNGS],
    held: [f32; N_RUNGS],
    demand: f32,
}

/// What stands at each rung, in demand.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    /// What was wanted by the decisions of the last scale-down window, oldest first.
    wanted: VecDeque<(Timestamp, [f32; N_RUNGS])>,
    /// What the newest decision left.
    stands: [f64; N_RUNGS],
}

/// What a decision was made from.
#[derive(Clone, Copy)]
pub(super) struct Foreseen {
    /// What was foreseen at the lead.
    pub(super) at_lead: Quantiles,
    /// What was foreseen at lead + hold: what is needed then is not released before.
    pub(super) at_hold: Quantiles,
    /// The newest demand.
    pub(super) now: f64,
}

impl Foreseen {
    /// What was said of the demand to come: by its median, by the newest demand, and by `usual`.
    pub(super) fn said(&self, usual: f64) -> [f64; 3] {
        [self.at_lead.at(0.5).get(), self.now, usual]
    }
}

impl Standing {
    /// What stands at each rung at `at`, after a decision from what was foreseen for then; the newest demand is served at
    /// the utilization `floor` whatever is foreseen. What stood before stays as far as it is foreseen to be needed at the
    /// end of the hold, and what was wanted within the last `window` stays too.
    pub(super) fn want(
        &mut self,
        (at, window): (Timestamp, Span),
        foreseen: &Foreseen,
        floor: Share,
    ) -> [f64; N_RUNGS] {
        let present = foreseen.now / floor.get().max(0.01);
        let raise = RUNGS.map(|level| foreseen.at_lead.at(level).get().max(present));
        let from = at.minus(window);
        self.wanted.retain(|&(then, _)| from < then && then < at);
        self.wanted.push_back((at, raise.map(short)));
        let mut recent = [0.0_f64; N_RUNGS];
        for (_, wanted) in &self.wanted {
            for (most, &one) in recent.iter_mut().zip(wanted) {
                *most = most.max(f64::from(one));
            }
        }
        for (((stands, raise), recent), level) in self.stands.iter_mut().zip(raise).zip(recent).zip(RUNGS) {
            let release = if *stands > raise { foreseen.at_hold.at(level).get().max(raise) } else { raise };
            *stands = stands.clamp(raise, release).max(recent);
        }
        self.stands
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.wanted.capacity() * size_of::<(Timestamp, [f32; N_RUNGS])>()
    }
}

/// What came of a rehearsed decision.
#[derive(Clone, Copy, Debug)]
pub(super) struct Came {
    /// Demand, or its lower bound.
    pub(super) demand: f64,
    /// Whether it is only a lower bound.
    pub(super) censored: bool,
    /// Steps that it stands for.
    pub(super) steps: f64,
    /// The lead as a multiple of the distance that it was foreseen at: as often what was missing counts.
    pub(super) late: f64,
}

impl Rehearsal {
    /// Rehearses one decision in whole replicas; `stands`: in demand, at each rung. Demand that the most replicas there can
    /// be do not serve is no level's to serve.
    pub(super) fn add(
        &mut self,
        stands: &[f64; N_RUNGS],
        (capacity, bounds): (CapacityPerReplica, ReplicaBounds),
        came: Came,
    ) {
        let Came { demand, censored, steps, late } = came;
        let demand = demand.min(bounds.max().as_f64() * capacity.get());
        for ((missing, held), stands) in self.missing.iter_mut().zip(&mut self.held).zip(stands) {
            let replicas = bounds.clamp(replicas_ceil(stands / capacity.get()));
            let served = replicas.as_f64() * capacity.get();
            *missing += short(steps * late * (demand - served).max(0.0));
            *held += short(steps * served);
        }
        if !censored {
            self.demand += short(steps * demand);
        }
    }

    /// What the rung of least cost came to over all of `parts`, in demand times steps, a missing unit weighing `weight`
    /// idle ones.
    pub(super) fn least_cost(parts: &[Self], weight: f64) -> f64 {
        let [first, rest @ ..] = Self::costs(parts, weight);
        rest.into_iter().fold(first, f64::min)
    }

    fn costs(parts: &[Self], weight: f64) -> [f64; N_RUNGS] {
        let missing = Self::sums(parts, |part| &part.missing);
        let mut costs = Self::sums(parts, |part| &part.held);
        for (cost, missing) in costs.iter_mut().zip(missing) {
            *cost += weight * missing;
        }
        costs
    }

    /// What was held over all of `parts` at `level`, in demand times steps: between two rungs it is taken to grow
    /// geometrically.
    pub(super) fn held(parts: &[Self], level: Share) -> f64 {
        let mut below: Option<(f64, f64)> = None;
        for (rung, held) in RUNGS.into_iter().zip(Self::sums(parts, |part| &part.held)) {
            if level.get() <= rung {
                let Some((low, less)) = below.filter(|(_, less)| *less > 0.0) else { return held };
                return less * (held / less).powf(part_of((low, rung), level.get()));
            }
            below = Some((rung, held));
        }
        below.map_or(0.0, |(_, held)| held)
    }

    fn sums(parts: &[Self], of: fn(&Self) -> &[f32; N_RUNGS]) -> [f64; N_RUNGS] {
        parts.iter().fold([0.0; N_RUNGS], |mut sums, part| {
            for (sum, &one) in sums.iter_mut().zip(of(part)) {
                *sum += f64::from(one);
            }
            sums
        })
    }

    /// The least level that would have kept `unserved` over all of `parts`. Where none would have, the rung of least
    /// cost, a missing replica weighing `weight` idle ones: bursts that no quantile foresees are a reason to hold more
    /// only as far as more serves them. `None` before there was any demand.
    pub(super) fn level(parts: &[Self], unserved: Share, weight: f64) -> Option<Share> {
        let demand: f64 = parts.iter().map(|part| f64::from(part.demand)).sum();
        if demand <= 0.0 {
            return None;
        }
        let allowed = unserved.get() * demand;
        let mut below: Option<(f64, f64)> = None;
        for (level, missing) in RUNGS.into_iter().zip(Self::sums(parts, |part| &part.missing)) {
            if missing <= allowed {
                return Share::new(below.map_or(level, |below| between(below, (level, missing), allowed)));
            }
            below = Some((level, missing));
        }
        let costs = Self::costs(parts, weight).into_iter().zip(RUNGS);
        costs.min_by(|(a, _), (b, _)| a.total_cmp(b)).and_then(|(_, level)| Share::new(level))
    }
}

/// How far `level` is from one rung to the next, when the chance of more shrinks by powers.
fn part_of((low, high): (f64, f64), level: f64) -> f64 {
    ((1.0 - low) / (1.0 - level)).ln() / ((1.0 - low) / (1.0 - high)).ln()
}

/// The level between two rungs at which `allowed` is missing, when what is missing and the chance of it shrink together
/// by powers. Where the higher rung misses nothing, what is missing is taken to shrink evenly.
fn between((low, more): (f64, f64), (high, less): (f64, f64), allowed: f64) -> f64 {
    let part = if less > 0.0 && allowed > 0.0 {
        (more / allowed).ln() / (more / less).ln().max(f64::MIN_POSITIVE)
    } else {
        (more - allowed) / (more - less).max(f64::MIN_POSITIVE)
    };
    1.0 - (1.0 - low) * ((1.0 - high) / (1.0 - low)).powf(part.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::quantiles::LEVELS;
    use crate::units::Replicas;

    /// A unit of demand each, and one to a thousand of them.
    fn one() -> (CapacityPerReplica, ReplicaBounds) {
        let bounds = ReplicaBounds::new(Replicas::ONE, Replicas::new(1000)).unwrap();
        (CapacityPerReplica::new(1.0).unwrap(), bounds)
    }

    fn came(demand: f64) -> Came {
        Came { demand, censored: false, steps: 1.0, late: 1.0 }
    }

    /// Demand evenly spread over 0 .. 1000.
    fn even() -> Quantiles {
        Quantiles::new(LEVELS.map(|level| 1000.0 * level)).unwrap()
    }

    fn rehearsed(censored: impl Fn(u32) -> bool) -> Rehearsal {
        let mut rehearsal = Rehearsal::default();
        for i in 0..1000 {
            let came = Came { censored: censored(i), ..came(f64::from(i) + 0.5) };
            rehearsal.add(&RUNGS.map(|level| even().at(level).get()), one(), came);
        }
        rehearsal
    }

    #[test]
    fn the_level_is_the_one_at_which_the_share_goes_unserved() {
        // E[(x - a)+] = (1 - q)^2 / 2 of 1/2: a share of 1 % is kept at q = .9.
        for (unserved, wanted) in [("1%", 0.9), ("4%", 0.8), ("0.01%", 0.99), ("25%", 0.5)] {
            let unserved = Share::parse(unserved).unwrap();
            let level = Rehearsal::level(&[rehearsed(|_| false)], unserved, 99.0).unwrap().get();
            assert!((level - wanted).abs() < 0.01, "{unserved}: {level}");
        }
    }

    #[test]
    fn censored_steps_never_lower_the_level() {
        let unserved = Share::parse("1%").unwrap();
        let level =
            |censored: fn(u32) -> bool| Rehearsal::level(&[rehearsed(censored)], unserved, 99.0).unwrap();
        let plain = level(|_| false).get();
        assert!(level(|i| i >= 950).get() >= plain, "at the peak");
        assert!(level(|i| i < 500).get() >= plain, "below it");
    }

    #[test]
    fn what_was_wanted_stands_for_the_window_and_present_demand_is_served_at_every_rung() {
        let window = Span::from_minutes(5);
        let mut standing = Standing::default();
        let mut at = |minute: i64, now: f64| {
            let foreseen = Foreseen { at_lead: even(), at_hold: even(), now };
            standing.want((Timestamp::from_seconds(60 * minute), window), &foreseen, Share::from_percent(100))
        };
        let is = |stands: [f64; N_RUNGS], wanted: [f64; N_RUNGS]| {
            stands.iter().zip(wanted).all(|(one, other)| (one - other).abs() < 1e-3)
        };
        let foreseen = RUNGS.map(|level| even().at(level).get());
        assert!(is(at(0, 0.0), foreseen));
        assert!(is(at(1, 2000.0), [2000.0; N_RUNGS]), "a burst");
        assert!(is(at(5, 0.0), [2000.0; N_RUNGS]), "within the window");
        assert!(is(at(6, 0.0), foreseen), "after it");
    }

    #[test]
    fn what_stood_stays_as_far_as_the_end_of_the_hold_needs_it() {
        let flat = |level: f64| Quantiles::new(LEVELS.map(|_| level)).unwrap();
        let mut standing = Standing::default();
        let mut at = |minute: i64, at_lead: f64, at_hold: f64| {
            let foreseen = Foreseen { at_lead: flat(at_lead), at_hold: flat(at_hold), now: 0.0 };
            let at = (Timestamp::from_seconds(60 * minute), Span::from_minutes(5));
            let [lowest, ..] = standing.want(at, &foreseen, Share::from_percent(100));
            lowest
        };
        let wanted = [(100.0, 100.0, 100.0), (40.0, 70.0, 70.0), (40.0, 40.0, 40.0), (40.0, 90.0, 40.0)];
        for ((at_lead, at_hold, stands), minute) in wanted.into_iter().zip((0..).step_by(10)) {
            assert!((at(minute, at_lead, at_hold) - stands).abs() < 0.5, "minute {minute}");
        }
    }

    #[test]
    fn what_never_suffices_is_the_rung_of_least_cost_and_no_demand_is_no_answer() {
        let foreseen = RUNGS.map(|level| 100.0 * level);
        let mut bursts = Rehearsal::default();
        bursts.add(&foreseen, one(), came(800.0));
        for _ in 0..50 {
            bursts.add(&foreseen, one(), came(10.0));
        }
        let unserved = Share::parse("1%").unwrap();
        let level = |weight| Rehearsal::level(&[bursts], unserved, weight);
        // In whole replicas that is as much as at .9995.
        assert_eq!(level(99.0), Share::new(0.997), "a step of the burst is worth 99 quiet ones");
        assert_eq!(
            level(20.0),
            Share::new(0.5),
            "no longer: each rung holds more for fifty steps to serve more in one"
        );
        assert_eq!(Rehearsal::level(&[], unserved, 99.0), None);
        let mut idle = Rehearsal::default();
        idle.add(&[0.0; N_RUNGS], one(), came(0.0));
        assert_eq!(Rehearsal::level(&[idle], unserved, 99.0), None);
    }

    #[test]
    fn the_least_cost_is_that_of_the_best_rung() {
        let weight = 99.0;
        let parts = [rehearsed(|_| false), rehearsed(|_| false)];
        let costs = Rehearsal::costs(&parts, weight);
        let least = Rehearsal::least_cost(&parts, weight);
        // One more is held for 1 - 1 / 99: the rung next to it.
        let [.., at_99, _, _] = costs;
        assert!((least - at_99).abs() < 1e-9, "{costs:?}");
        assert!(costs.iter().all(|cost| least <= *cost));
    }

    #[test]
    fn between_two_rungs_what_is_held_grows_geometrically() {
        let mut quiet = Rehearsal::default();
        quiet.add(&[10.0, 10.0, 10.0, 10.0, 10.0, 20.0, 320.0, 640.0], one(), came(1.0));
        let held = |level: f64| Rehearsal::held(&[quiet, quiet], Share::new(level).unwrap());
        // Half of the way: 1 - sqrt(.01 * .003).
        for (level, wanted) in [(0.2, 20.0), (0.97, 20.0), (0.99, 40.0), (0.994_522_8, 160.0), (1.0, 1280.0)]
        {
            assert!((held(level) - wanted).abs() < 0.1, "{} at {level}", held(level));
        }
    }

    #[test]
    fn demand_that_the_most_replicas_cannot_serve_raises_no_level() {
        let mut beyond = Rehearsal::default();
        beyond.add(&[1000.0; N_RUNGS], one(), came(90_000.0));
        assert_eq!(Rehearsal::level(&[beyond], Share::parse("1%").unwrap(), 99.0), Share::new(0.5));
    }

    #[test]
    fn what_the_least_replicas_serve_raises_no_level() {
        let bounds = ReplicaBounds::new(Replicas::new(20), Replicas::new(1000)).unwrap();
        let mut within = Rehearsal::default();
        within.add(&[1.0; N_RUNGS], (CapacityPerReplica::new(1.0).unwrap(), bounds), came(20.0));
        assert_eq!(Rehearsal::level(&[within], Share::parse("0.1%").unwrap(), 99.0), Share::new(0.5));
    }

    #[test]
    fn of_what_is_missing_further_ahead_than_the_lead_that_part_counts() {
        let level = |late: f64| {
            let mut rehearsal = Rehearsal::default();
            for i in 0..1000 {
                let came = Came { late, ..came(f64::from(i) + 0.5) };
                rehearsal.add(&RUNGS.map(|level| even().at(level).get()), one(), came);
            }
            Rehearsal::level(&[rehearsal], Share::parse("1%").unwrap(), 99.0).unwrap().get()
        };
        // (1 - q)^2 = .01, and .04.
        assert!((level(1.0) - 0.9).abs() < 0.01, "{}", level(1.0));
        assert!((level(0.25) - 0.8).abs() < 0.01, "{}", level(0.25));
    }
}
