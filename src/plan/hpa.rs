//! A HorizontalPodAutoscaler, made of the operator's own stages: the reactive answer, the windows, the rate policies.

use super::cluster::Cluster;
use super::course::{Course, Figures, Stood};
use super::scenario::{Scenario, hpa_at};
use crate::decide::{Judged, Standing, Track, bounds, rate, reactive, stabilise};
use crate::policy::Policy;
use crate::units::{Replicas, Share, Span, Timestamp};

/// Targets among which the best is chosen, in percent.
const TARGETS: [u32; 14] = [30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90, 95];

/// What the HPA of the scenario would have asked for, from the first step on.
pub fn of_scenario(scenario: &Scenario) -> Course {
    follow("hpa", &scenario.hpa, scenario)
}

/// In hindsight the cheapest target that keeps the objective, or the one that drops least when none keeps it.
pub(super) fn best(scenario: &Scenario) -> Course {
    let objective = scenario.policy.objective.share().get();
    let mut best: Option<(Course, Figures)> = None;
    for percent in TARGETS {
        let policy = hpa_at(&scenario.policy, Share::from_percent(percent));
        let policy = Policy { behavior: scenario.hpa.behavior.clone(), ..policy };
        let course = follow("hpa-best", &policy, scenario);
        let figures = course.figures(scenario);
        let better = best.as_ref().is_none_or(|(_, best)| {
            let (kept, best_kept) = (figures.unserved_share <= objective, best.unserved_share <= objective);
            match (kept, best_kept) {
                (true, true) => figures.replica_seconds < best.replica_seconds,
                (true, false) => true,
                (false, true) => false,
                (false, false) => figures.unserved_share < best.unserved_share,
            }
        });
        if better {
            best = Some((course, figures));
        }
    }
    best.map_or_else(|| of_scenario(scenario), |(course, _)| course)
}

/// An HPA of `policy`'s utilisation, behaviour and bounds over all steps.
pub(super) fn follow(name: &'static str, policy: &Policy, scenario: &Scenario) -> Course {
    let mut cluster = Cluster::begin(scenario.start());
    let mut track: Option<Track> = None;
    let mut stood = Vec::with_capacity(scenario.grid.n_steps);
    for i in 0..scenario.grid.n_steps {
        cluster.advance(i);
        if let Some(seen) = i.checked_sub(1) {
            let judged = judged(scenario, seen);
            let mut asked = cluster.asked();
            for tick in 0..scenario.ticks() {
                let after = Span::from_millis(scenario.interval.millis().saturating_mul(tick));
                let now = scenario.grid.time(i).plus(after);
                let track = track.get_or_insert_with(|| Track::begin(now, asked));
                asked = sync(policy, &judged, asked, (track, now));
            }
            cluster.follow(asked, i + scenario.lead_steps());
            cluster.advance(i);
        }
        stood.push(Stood { desired: cluster.asked(), ready: cluster.ready(), stage: None });
    }
    Course { name, stood }
}

/// One sync of the HPA controller (PEERS 2.1 rules 6 to 11).
fn sync(
    policy: &Policy,
    judged: &[Judged],
    asked: Replicas,
    (track, now): (&mut Track, Timestamp),
) -> Replicas {
    let wants = reactive::of_all(policy, judged, asked);
    let recommended = stabilise::Recommended { reactive: Some(wants), unheld: wants, firm: Replicas::ZERO };
    let (stable, _) = stabilise::apply(policy, asked, wants, recommended, (&mut *track, now));
    let (limited, _) = rate::apply(policy, asked, stable, track, now);
    let (desired, _) = bounds::apply(policy.bounds, limited, None);
    track.record_change(now, asked, desired);
    track.prune(now, policy);
    desired
}

fn judged(scenario: &Scenario, seen: usize) -> Vec<Judged> {
    scenario
        .demand
        .iter()
        .zip(&scenario.capacities)
        .map(|(demand, capacity)| Judged {
            demand: demand.get(seen).copied(),
            capacity: Some(*capacity),
            standing: Standing::Fresh,
            censored: false,
            absent_since: None,
            returned: false,
        })
        .collect()
}
