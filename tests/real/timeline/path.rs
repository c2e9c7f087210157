//! What stood in a namespace from second to second, and what can be said of it.

use std::fmt::Write as _;

use crate::control_plane::audit::AuditEvent;

/// Demand that one replica serves.
pub(super) const CAPACITY: f64 = 100.0;

/// What stood in one namespace at one instant; `at` in Unix seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) at: f64,
    pub(super) demand: f64,
    pub(super) asked: f64,
    pub(super) ready: f64,
}

/// The moments of one namespace, in order.
#[derive(Clone, Debug)]
pub(super) struct Path(pub(super) Vec<Moment>);

impl Path {
    /// The moments from `from` to `to`, Unix seconds.
    pub(super) fn between(&self, from: f64, to: f64) -> Self {
        Self(self.0.iter().filter(|moment| (from..to).contains(&moment.at)).copied().collect())
    }

    /// Seconds during which ready capacity was below demand.
    pub(super) fn short_seconds(&self) -> f64 {
        self.0
            .windows(2)
            .filter(|pair| pair[0].ready * CAPACITY < pair[0].demand)
            .map(|pair| pair[1].at - pair[0].at)
            .sum()
    }

    /// The instants at which demand first needed more replicas than before, with the replicas needed from then on.
    pub(super) fn crossings(&self) -> Vec<(f64, f64)> {
        let mut highest = self.0.first().map_or(0.0, |moment| (moment.demand / CAPACITY).ceil());
        let mut found = Vec::new();
        for moment in &self.0 {
            let needed = (moment.demand / CAPACITY).ceil();
            if needed > highest {
                highest = needed;
                found.push((moment.at, needed));
            }
        }
        found
    }

    /// Whether the replicas asked for ever fell.
    pub(super) fn fell(&self) -> bool {
        self.0.windows(2).any(|pair| pair[1].asked < pair[0].asked)
    }

    /// The fewest replicas asked for within the path.
    pub(super) fn least_asked(&self) -> f64 {
        self.0.iter().map(|moment| moment.asked).fold(f64::INFINITY, f64::min)
    }

    /// The most replicas asked for within the path.
    pub(super) fn most_asked(&self) -> f64 {
        self.0.iter().map(|moment| moment.asked).fold(0.0, f64::max)
    }

    /// A line every ten moments, for a failure's message.
    pub(super) fn describe(&self) -> String {
        self.0.iter().step_by(10).fold(String::new(), |mut text, moment| {
            let Moment { at, demand, asked, ready } = moment;
            writeln!(text, "{at:.0}: demand {demand:.0}, asked {asked}, ready {ready}")
                .expect("a String takes all");
            text
        })
    }
}

/// Writes of a Deployment's scale as the audit log has them: when (Unix seconds), how many, with which answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScaleWrite {
    pub(super) at: f64,
    pub(super) replicas: f64,
    pub(super) code: u16,
}

/// The writes of `user` to scales in `namespace`, oldest first.
pub(super) fn scale_writes(audit: &[AuditEvent], user: &str, namespace: &str) -> Vec<ScaleWrite> {
    audit
        .iter()
        .filter(|event| {
            event.user == user
                && event.namespace == namespace
                && event.subresource == "scale"
                && matches!(event.verb.as_str(), "patch" | "update")
        })
        .map(|event| ScaleWrite {
            at: event.received.as_duration().as_secs_f64(),
            replicas: event.request["spec"]["replicas"].as_f64().unwrap_or(0.0),
            code: event.response_code,
        })
        .collect()
}

/// The least time between the first write that asked for enough and the crossing that needed it; the crossings that
/// what stood before already served do not count.
pub(super) fn least_ahead(path: &Path, writes: &[ScaleWrite]) -> f64 {
    let stood = path.0.first().map_or(0.0, |moment| moment.asked);
    let asked_at = |needed: f64| {
        writes
            .iter()
            .find(|write| write.code < 300 && write.replicas >= needed)
            .map_or(f64::INFINITY, |write| write.at)
    };
    path.crossings()
        .into_iter()
        .filter(|&(_, needed)| needed > stood)
        .map(|(crossed, needed)| crossed - asked_at(needed))
        .fold(f64::INFINITY, f64::min)
}
