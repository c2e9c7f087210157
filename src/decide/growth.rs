//! Growth that cannot happen: a quota or one of `spec.limits` is used up, no node has room, pods are not made.
//!
//! It withholds growth and never lowers: what was asked for already stays asked for, so that the cluster gives it as
//! soon as it can. `minReplicas` stands whatever the cluster has.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::units::Replicas;

/// What the cluster allows of a change, as it was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Growth {
    /// Whether the pods are being replaced by those of another template.
    pub rollout: bool,
    /// The most replicas there can be, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most: Option<Most>,
}

/// The most replicas there can be, and why not more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Most {
    /// So many.
    pub replicas: Replicas,
    /// Because of this.
    pub why: Obstacle,
    /// What it is called, with numbers and what to do; empty where that was not logged.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub told: String,
}

impl fmt::Display for Most {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { replicas: _, why, told } = self;
        if told.is_empty() { why.fmt(f) } else { f.write_str(told) }
    }
}

/// What stands in the way of growth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Obstacle {
    /// A `ResourceQuota` has no room.
    Quota,
    /// Pods have been waiting for a node.
    Unschedulable,
    /// Pods that were asked for are not made.
    NotCreated,
    /// One of `spec.limits` is used up.
    Limit,
}

impl Obstacle {
    /// The reason in the condition `CapacityBlocked`: stable.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Quota => "QuotaReached",
            Self::Unschedulable => "Unschedulable",
            Self::NotCreated => "PodsNotCreated",
            Self::Limit => "LimitReached",
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quota => "a ResourceQuota has no room for more",
            Self::Unschedulable => "pods have been waiting for a node",
            Self::NotCreated => "pods that are asked for are not made",
            Self::Limit => "one of spec.limits has no room for more",
        })
    }
}

/// The proposal as far as there can be so many replicas, and what is in the way.
pub fn apply(asked: Replicas, proposal: Replicas, growth: &Growth) -> (Replicas, Option<Most>) {
    match &growth.most {
        Some(most) if proposal > most.replicas.max(asked) => (most.replicas.max(asked), Some(most.clone())),
        _ => (proposal, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n(count: u32) -> Replicas {
        Replicas::new(count)
    }

    #[test]
    fn growth_stops_at_what_there_can_be_and_nothing_is_lowered() {
        let most = Most { replicas: n(8), why: Obstacle::Quota, told: String::new() };
        let growth = Growth { rollout: false, most: Some(most) };
        assert_eq!(apply(n(5), n(7), &growth), (n(7), None));
        assert_eq!(apply(n(5), n(20), &growth), (n(8), growth.most.clone()));
        assert_eq!(apply(n(12), n(20), &growth), (n(12), growth.most.clone()));
        assert_eq!(apply(n(12), n(10), &growth), (n(10), None));
        assert_eq!(apply(n(5), n(20), &Growth::default()), (n(20), None));
    }
}
