//! Policies to compare with that neither tick nor forecast: what was recorded, a fixed count, a schedule, the oracle.

use super::cluster::Cluster;
use super::course::{Course, Stood, missing};
use super::scenario::Scenario;
use crate::calendar::TimeZone;
use crate::units::{CapacityPerReplica, Replicas, Timestamp};

/// Slots of a schedule: the hours of a working day, then those of a weekend day.
const SLOTS: usize = 48;

/// `desired` of every step but the first, at which nothing was seen yet.
fn follow(name: &'static str, scenario: &Scenario, desired: impl Fn(usize) -> Option<Replicas>) -> Course {
    let mut cluster = Cluster::begin(scenario.start());
    let stood = (0..scenario.grid.n_steps)
        .map(|i| {
            cluster.advance(i);
            if i > 0
                && let Some(desired) = desired(i)
            {
                cluster.follow(desired, i + scenario.lead_steps());
                cluster.advance(i);
            }
            Stood { desired: cluster.asked(), ready: cluster.ready(), stage: None }
        })
        .collect();
    Course { name, stood }
}

/// What really stood, where that is known.
pub(super) fn recorded(scenario: &Scenario) -> Option<Course> {
    let recorded = scenario.recorded.as_ref()?;
    Some(follow("recorded", scenario, |i| recorded.get(i).copied()))
}

/// Knows the future: the fewest replicas that never fall short, released whenever a restart would still be in time.
pub(super) fn oracle(scenario: &Scenario) -> Course {
    let needs: Vec<Replicas> = (0..scenario.grid.n_steps).map(|i| scenario.need_at(i)).collect();
    let lead = scenario.lead_steps();
    follow("oracle", scenario, |i| {
        let end = (i + lead + 1).min(needs.len());
        needs.get(i..end)?.iter().max().copied()
    })
}

/// The step at which `fixed` and `schedule` are chosen: in time for the first judged step. They see what came before.
fn chosen_at(scenario: &Scenario) -> usize {
    scenario.from.saturating_sub(scenario.lead_steps())
}

/// One count: the fewest that would have kept the objective before it is chosen.
pub(super) fn fixed(scenario: &Scenario) -> Course {
    let chosen = chosen_at(scenario);
    let seen: Vec<usize> = (0..chosen).collect();
    let count = fewest(scenario, &seen);
    follow("fixed", scenario, |i| count.filter(|_| i >= chosen))
}

/// A count for every hour of working and of weekend days in the policy's time zone: the fewest that would have kept
/// the objective in that hour of the days before the schedule is chosen. An hour that was not seen gets the count of
/// `fixed`.
pub(super) fn schedule(scenario: &Scenario) -> Course {
    let chosen = chosen_at(scenario);
    let zone = TimeZone::parse(&scenario.policy.time_zone).unwrap_or(TimeZone::UTC);
    let mut seen = [const { Vec::new() }; SLOTS];
    for i in 0..chosen {
        if let Some(slot) = seen.get_mut(slot(zone, scenario.grid.time(i))) {
            slot.push(i);
        }
    }
    let all: Vec<usize> = (0..chosen).collect();
    let otherwise = fewest(scenario, &all);
    let counts: Vec<Option<Replicas>> =
        seen.iter().map(|steps| fewest(scenario, steps).or(otherwise)).collect();
    let lead = scenario.lead_steps();
    follow("schedule", scenario, |i| {
        if i < chosen {
            return None;
        }
        // What starts now serves after the lead, and what serves now is still needed until then.
        let count_at = |i: usize| counts.get(slot(zone, scenario.grid.time(i))).copied().flatten();
        count_at(i).max(count_at(i + lead))
    })
}

fn slot(zone: TimeZone, at: Timestamp) -> usize {
    let hour = usize::try_from(zone.second_of_day(at) / 3600).unwrap_or(0);
    if zone.weekday(at).is_weekend() { hour + SLOTS / 2 } else { hour }
}

/// The fewest replicas within bounds that leave at most the objective's share of these steps' demand unserved; the
/// most when none does, `None` without steps.
fn fewest(scenario: &Scenario, steps: &[usize]) -> Option<Replicas> {
    if steps.is_empty() {
        return None;
    }
    let capacity = scenario.capacity().map_or(f64::INFINITY, CapacityPerReplica::get);
    let demand: f64 = steps.iter().map(|&i| scenario.demand_at(i)).sum();
    let allowed = scenario.policy.objective.share().get() * demand;
    let bounds = scenario.policy.bounds;
    let (mut low, mut high) = (bounds.min().get(), bounds.max().get());
    while low < high {
        let middle = low + (high - low) / 2;
        let unserved: f64 =
            steps.iter().map(|&i| missing(scenario, i, Replicas::new(middle), capacity)).sum();
        if unserved <= allowed {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(Replicas::new(low))
}
