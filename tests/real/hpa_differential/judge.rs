//! What an HPA saw and did, from the requests for its metric and the audit log alone. It knows nothing of Foresail.

use std::fmt::Write as _;
use std::ops::AddAssign;

use jiff::Timestamp;
use serde_json::Value;

use super::TARGET_MILLI;
use crate::control_plane::audit::AuditEvent;
use crate::control_plane::external_metrics::ServedMetric;

const CONTROLLER: &str = "system:kube-controller-manager";

/// One reconciliation of an HPA.
#[derive(Clone, Debug)]
pub(super) struct Observed {
    /// When its metric was served.
    pub(super) at: Timestamp,
    /// The metric's value in thousandths; `None` if there was none.
    pub(super) value_milli: Option<u64>,
    /// `spec.replicas` of the scale that it read before.
    pub(super) asked: u32,
    /// `status.replicas` of the scale that it read before.
    pub(super) status: u32,
    /// `spec.replicas` as it left it.
    pub(super) after: u32,
}

/// How often each outcome came.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) ups: usize,
    pub(super) downs: usize,
    /// Values that asked for another count and were within tolerance.
    pub(super) holds: usize,
    pub(super) missing: usize,
    pub(super) decisions: usize,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        let Self { ups, downs, holds, missing, decisions } = other;
        self.ups += ups;
        self.downs += downs;
        self.holds += holds;
        self.missing += missing;
        self.decisions += decisions;
    }
}

/// Every reconciliation in `namespace` but the last, whose end nobody waited for.
pub(super) fn observe(namespace: &str, served: &[ServedMetric], audit: &[AuditEvent]) -> Vec<Observed> {
    let of_scale = |verbs: &'static [&'static str]| {
        move |event: &&AuditEvent| {
            event.namespace == namespace
                && event.user == CONTROLLER
                && event.resource == "deployments"
                && event.subresource == "scale"
                && verbs.contains(&event.verb.as_str())
                && event.response_code == 200
        }
    };
    let reads: Vec<&AuditEvent> = audit.iter().filter(of_scale(&["get"])).collect();
    let writes: Vec<&AuditEvent> = audit.iter().filter(of_scale(&["update", "patch"])).collect();
    served
        .windows(2)
        .map(|pair| {
            let (at, next) = (pair[0].at, pair[1].at);
            let read = reads.iter().rfind(|event| event.received < at).expect("an HPA reads the scale first");
            let asked = count(&read.response["spec"]["replicas"]);
            let mut own = writes.iter().filter(|event| (at..next).contains(&event.received));
            let after = own.next().map_or(asked, |event| count(&event.request["spec"]["replicas"]));
            assert!(own.next().is_none(), "{namespace}: two writes after one request, at {at}");
            let value_milli = pair[0].value.as_deref().map(milli);
            let status = count(&read.response["status"]["replicas"]);
            Observed { at, value_milli, asked, status, after }
        })
        .collect()
}

/// The API server leaves out a count of zero.
fn count(replicas: &Value) -> u32 {
    let n = replicas.as_u64().unwrap_or(0);
    u32::try_from(n).expect("a count of replicas")
}

fn milli(quantity: &str) -> u64 {
    let digits = quantity.strip_suffix('m').expect("values are served in thousandths");
    digits.parse().expect("a whole number")
}

/// The values that the HPA was told are those that were set, in their order; it was told each one first when the last
/// change of replicas was complete; and nobody else changed the replicas.
pub(super) fn no_value_was_dropped_or_seen_unsettled(
    namespace: &str,
    set: &[Option<u64>],
    observed: &[Observed],
) {
    let mut seen: Vec<Option<u64>> = Vec::new();
    for (idx, now) in observed.iter().enumerate() {
        if seen.last() != Some(&now.value_milli) {
            seen.push(now.value_milli);
            assert_eq!(now.status, now.asked, "{namespace}: told a value too early: {now:?}");
        }
        if let Some(before) = idx.checked_sub(1).and_then(|before| observed.get(before)) {
            assert_eq!(now.asked, before.after, "{namespace}: another writer: {before:?}, then {now:?}");
        }
    }
    assert_eq!(seen, set, "{namespace}: the values that the HPA was told");
}

/// Outcomes, each value counted once: at the first request that it was the answer to.
pub(super) fn count_outcomes(observed: &[Observed]) -> Counts {
    let mut counts = Counts { decisions: observed.len(), ..Counts::default() };
    let mut last = None;
    for Observed { value_milli, asked, after, .. } in observed {
        if last == Some(*value_milli) {
            continue;
        }
        last = Some(*value_milli);
        match (value_milli, after.cmp(asked)) {
            (_, std::cmp::Ordering::Greater) => counts.ups += 1,
            (_, std::cmp::Ordering::Less) => counts.downs += 1,
            (None, _) => counts.missing += 1,
            (Some(value), _) => {
                let at_target = TARGET_MILLI * u64::from(*asked);
                let within = (at_target * 9..=at_target * 11).contains(&(value * 10));
                let wants_another = value.div_ceil(TARGET_MILLI) != u64::from(*asked);
                counts.holds += usize::from(within && wants_another);
            }
        }
    }
    counts
}

/// All reconciliations, one a line.
pub(super) fn listing(observed: &[Observed]) -> String {
    let mut text = String::new();
    for Observed { at, value_milli, asked, status, after } in observed {
        let value = value_milli.map_or_else(|| "none".to_owned(), |milli| format!("{milli}m"));
        writeln!(text, "{at} value {value}, asked {asked}, status {status} -> {after}")
            .expect("a String takes all");
    }
    text
}
