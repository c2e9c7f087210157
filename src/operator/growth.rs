//! How a workload grows: the starts of its pods are followed from tick to tick, and the lead is what they took.

use kube::core::DynamicObject;
use serde_json::Value;

use super::context::Context;
use super::obstacles::{self, Obstacles, Room};
use super::pods::PodWatch;
use crate::api::{LeadClassStatus, LeadExcludedStatus, LeadStatus};
use crate::decide::Reading;
use crate::measure::{Ages, Excluded, Lead, Look, Measured, PodSeen, Startings};
use crate::units::{Replicas, Span, Timestamp};

/// A pod without a node for so long will not get one soon: adding a node takes a cluster autoscaler one to three minutes.
const NODE_WITHIN: Span = Span::from_minutes(5);
/// Pods that do not exist after this are not made: controllers make theirs within seconds.
const MADE_WITHIN: Span = Span::from_minutes(1);

/// The workload as one tick read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Its own `spec.replicas`, also beside an HPA.
    pub asked: Replicas,
    /// Replicas that serve.
    pub ready: Replicas,
    /// Pods that exist, ready or not.
    pub exist: Replicas,
    /// Finds its pods.
    pub selector: Option<String>,
    /// Whether its pods are being replaced.
    pub rollout: bool,
    /// Identifies its pod template; 0 where it has none, or no capacity is learned.
    pub template: u32,
}

/// Whether a workload's pods are being replaced by those of another template.
///
/// A Deployment, and what counts as it does, has fewer updated pods than pods; its surge is not growth. A `StatefulSet`
/// may be told to keep old ones (`partition`, `OnDelete`): those are no rollout.
pub fn is_rolling_out(object: &DynamicObject) -> bool {
    let count = |pointer: &str| object.data.pointer(pointer).and_then(Value::as_u64);
    let text = |pointer: &str| object.data.pointer(pointer).and_then(Value::as_str);
    let Some(pods) = count("/status/replicas") else { return false };
    if text("/spec/updateStrategy/type") == Some("OnDelete") {
        return false;
    }
    let kept = count("/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0);
    let is_replaced_stepwise = object.data.pointer("/spec/strategy").is_some()
        || object.data.pointer("/spec/updateStrategy").is_some()
        || count("/status/updatedReplicas").is_some();
    let has_revisions = text("/status/currentRevision").is_some();
    if has_revisions && text("/status/currentRevision") == text("/status/updateRevision") {
        return false;
    }
    is_replaced_stepwise && count("/status/updatedReplicas").unwrap_or(0) < pods.saturating_sub(kept)
}

/// A number that changes with the pod template of a workload.
pub fn template_of(object: &DynamicObject) -> u32 {
    object
        .data
        .pointer("/spec/template")
        .map_or(0, |template| crc32fast::hash(template.to_string().as_bytes()))
}

/// What is followed of one workload.
#[derive(Default)]
pub struct Growth {
    startings: Startings,
    ages: Ages,
    watch: Option<PodWatch>,
    written: Option<(Timestamp, Replicas)>,
    /// Since when fewer pods exist than are asked for.
    missing_since: Option<Timestamp>,
    /// Pods that have been without a node for [`NODE_WITHIN`].
    stuck: Replicas,
    /// What outlives a restart.
    pub measured: Measured,
}

impl Growth {
    /// Takes up how old the evidence of this tick is.
    pub fn note_ages(&mut self, readings: &[Reading], now: Timestamp) {
        for reading in readings {
            if let Reading::Value { at, .. } = reading {
                self.ages.add(now.since(*at));
            }
        }
    }

    /// The lead as it is measured.
    pub fn lead(&self, interval: Span) -> Lead {
        self.measured.starts.lead(self.ages.p95(), interval)
    }

    /// What stood in the way of growth at the last look.
    pub fn obstacles(
        &self,
        ctx: &Context,
        namespace: &str,
        (limits, now): (Vec<Room>, Timestamp),
    ) -> Obstacles {
        let missing = self.missing_since.is_some_and(|since| now.since(since) >= MADE_WITHIN);
        let (quotas, quotas_unread) = obstacles::quotas(ctx, namespace);
        Obstacles { stuck: self.stuck, missing, quotas, quotas_unread, limits }
    }

    /// Remembers a write of ours, so that a start counts from it.
    pub const fn note_write(&mut self, now: Timestamp, to: Replicas) {
        self.written = Some((now, to));
    }

    /// Follows the starts; pods are watched only while some of them do not serve yet.
    pub fn follow(&mut self, ctx: &Context, namespace: &str, workload: &Workload, now: Timestamp) {
        let Workload { asked, ready, exist, selector, rollout, template: _ } = workload;
        self.missing_since = (exist < asked).then(|| self.missing_since.unwrap_or(now));
        let written = self.written.filter(|(_, to)| to == asked).map(|(at, _)| at);
        let look = Look { now, asked: *asked, written, rollout: *rollout };
        self.startings.notice(look, &mut self.measured.starts);
        let wanted = self.startings.are_under_way() || ready < exist;
        let Some(selector) = selector.as_deref().filter(|_| wanted) else {
            (self.watch, self.stuck) = (None, Replicas::ZERO);
            return;
        };
        if !self.watch.as_ref().is_some_and(|watch| watch.is_of(namespace, selector)) {
            self.watch = Some(PodWatch::begin(&ctx.client, namespace, selector));
        }
        if let Some(pods) = self.watch.as_ref().and_then(PodWatch::pods) {
            self.startings.follow(now, &pods, &mut self.measured.starts);
            let waits = |pod: &&PodSeen| {
                !pod.ending && pod.unschedulable.is_some_and(|since| now.since(since) >= NODE_WITHIN)
            };
            let n_stuck = pods.iter().filter(waits).count();
            self.stuck = Replicas::new(u32::try_from(n_stuck).unwrap_or(u32::MAX));
        }
    }
}

/// The lead for the status: what it rests on, or that it is stated.
pub fn lead_status(stated: Option<Span>, lead: &Lead, excluded: Excluded) -> LeadStatus {
    let Lead { start_up, samples, is_measured, by_size, evidence_age, interval } = lead;
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let by_size = by_size.iter().map(|class| LeadClassStatus {
        jump: class.to_string(),
        samples: number(class.samples),
        start_up: class.p95.to_string(),
    });
    let Excluded { never_ready, unschedulable, not_created, rollout } = excluded;
    let (least, most) = Lead::BOUNDS;
    let reason = match (stated, is_measured) {
        (Some(stated), true) => {
            format!("forecast.leadTime is {stated} and taken as it is; measured it would be {}", lead.total())
        }
        (Some(stated), false) => format!("forecast.leadTime is {stated} and taken as it is"),
        (None, true) => format!(
            "95 % of the last {samples} starts took at most {start_up}, the evidence is up to {evidence_age} old, and a tick comes every {interval}"
        ),
        (None, false) => format!(
            "{samples} starts are measured of the {} that are needed: {start_up} until then, and {evidence_age} of evidence age and {interval} between ticks",
            Lead::SAMPLES_LEAST
        ),
    };
    LeadStatus {
        source: match (stated, is_measured) {
            (Some(_), _) => "Stated",
            (None, true) => "Measured",
            (None, false) => "Default",
        }
        .to_owned(),
        start_up: Some(start_up.to_string()),
        samples: Some(number(*samples)),
        least: Some(least.to_string()),
        most: Some(most.to_string()),
        evidence_age: Some(evidence_age.to_string()),
        interval: Some(interval.to_string()),
        by_size: by_size.collect(),
        excluded: Some(LeadExcludedStatus { never_ready, unschedulable, not_created, rollout }),
        reason: Some(reason),
    }
}
