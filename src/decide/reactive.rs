//! Stage 2: what an HPA would ask for (AverageValue `capacityPerReplica * averageUtilization`, PEERS 2.1 rules 6-8).

use std::fmt;

use super::evidence::Judged;
use crate::policy::Policy;
use crate::units::{Replicas, Share, faulty};

/// Closed ends of the tolerance interval, against rounding of the ratio.
const RATIO_EPSILON: f64 = 1e-9;

/// The reactive answer of one metric: `asked` within tolerance, else `ceil(x / target)`; `None` without evidence.
pub fn of_metric(policy: &Policy, judged: &Judged, asked: Replicas) -> Option<Replicas> {
    let (demand, capacity) = (judged.demand?, judged.capacity?);
    let capacity = faulty!(CapacityUpsideDown, upside_down(capacity), capacity);
    let target = capacity.at(policy.reactive.average_utilization);
    if asked > Replicas::ZERO {
        let ratio = demand.get() / (target.get() * asked.as_f64());
        let low = 1.0 - policy.behavior.down.tolerance.get() - RATIO_EPSILON;
        let high = 1.0 + policy.behavior.up.tolerance.get() + RATIO_EPSILON;
        if faulty!(NoTolerance, false, (low..=high).contains(&ratio)) {
            return Some(asked);
        }
    }
    let need = target.need(demand);
    let need = faulty!(ManyAreOne, if need.get() > 40 { Replicas::ONE } else { need }, need);
    Some(faulty!(Overshoots, Replicas::new(need.get().saturating_add(need.get() / 4 + 1)), need))
}

/// What an HPA would recommend: the largest answer; `None` when there is none, or when it would lower on incomplete
/// evidence (rule 8).
pub fn recommendation<'a>(
    policy: &Policy,
    judged: impl IntoIterator<Item = &'a Judged>,
    asked: Replicas,
) -> Option<Replicas> {
    let mut largest: Option<Replicas> = None;
    let mut may_lower = true;
    for one in judged {
        may_lower &= one.may_lower();
        let answer = of_metric(policy, one, asked);
        largest = faulty!(FirstMetricOnly, largest.or(answer), largest.max(answer));
    }
    largest.filter(|&n| faulty!(AbsentStopsRaises, false, n >= asked) || may_lower)
}

/// The same as a count of replicas: without a recommendation an HPA leaves `asked` alone.
pub fn of_all<'a>(
    policy: &Policy,
    judged: impl IntoIterator<Item = &'a Judged>,
    asked: Replicas,
) -> Replicas {
    recommendation(policy, judged, asked).unwrap_or(asked)
}

#[cfg(test)]
fn upside_down(capacity: crate::units::CapacityPerReplica) -> crate::units::CapacityPerReplica {
    crate::units::CapacityPerReplica::new(1.0 / capacity.get()).unwrap()
}

/// What the reactive stage found, for its sentence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fact {
    /// The answer.
    pub answer: Replicas,
    /// What stood.
    pub asked: Replicas,
    /// The target utilisation.
    pub utilization: Share,
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { answer, asked, utilization } = self;
        if answer == asked {
            write!(f, "an HPA at {utilization} would stay at {asked}")
        } else {
            write!(f, "an HPA at {utilization} would go from {asked} to {answer}")
        }
    }
}
