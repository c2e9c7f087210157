//! The four acts of a tick on one autoscaler: read afresh, decide, record the intent, write.

use std::time::Duration;

use kube::api::PostParams;
use kube::core::DynamicObject;
use kube::{Api, ResourceExt as _};

use super::actuate::hpa::{Floor, floor_among};
use super::actuate::rivals::{Rival, foreign_writer};
use super::actuate::scale::{Scaled, Written};
use super::actuate::{Error as TargetError, ScaleTarget};
use super::budgets::{Purse, ledger_of};
use super::conditions;
use super::context::Context;
use super::growth::{Workload, is_rolling_out, template_of};
use super::objective;
use super::obstacles::Obstacles;
use super::pace::Urgency;
use super::protocol::{Acts, Decided, Read, Recorded};
use super::recorder::Recorder;
use super::signal::{Known, Signal};
use super::status;
use crate::api::{FieldError, PredictiveAutoscaler, PredictiveAutoscalerStatus, annotations};
use crate::decide::spend::Stands;
use crate::decide::{Allowance, BreakGlass, Decision, Growth, MetricObservation, Reading};
use crate::edge::client::{CallError, READ_DEADLINE, within};
use crate::engine::{self, Memory, Observation};
use crate::journal::{Glance, Owner, Record};
use crate::policy::{Actuation, Mode, Policy};
use crate::units::{Replicas, Timestamp};

/// The target as it was read in one round.
struct Target {
    asked: Replicas,
    ready: Replicas,
    version: String,
    floor: Option<Floor>,
    rival: Option<String>,
    writer: Option<String>,
    /// What an HPA above the floor asks the workload for; zero where there is none.
    standing: Replicas,
    /// The workload itself, whatever is moved.
    workload: Workload,
    /// What the cluster allows.
    growth: Growth,
}

/// What one round read: the target and the autoscaler.
pub struct Seen {
    object: PredictiveAutoscaler,
    target: Target,
    break_glass: BreakGlass,
    /// Annotations that cannot be read.
    ignored: Vec<FieldError>,
}

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The target.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The HPA whose floor is to be moved.
    #[error(transparent)]
    Floor(#[from] super::actuate::hpa::NoFloor),
    /// The autoscaler itself.
    #[error("the autoscaler could not be read")]
    Autoscaler(#[source] CallError),
    /// The target, until the time of the tick was up.
    #[error("the target could not be read within the time of the tick")]
    Late,
}

impl ReadError {
    /// Whether it takes a human: then there is no use in asking at every tick.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Target(error) => error.is_permanent(),
            Self::Floor(_) => true,
            Self::Autoscaler(_) | Self::Late => false,
        }
    }

    /// The reason in the condition `AbleToScale`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Target(error) if error.is_permanent() => "TargetNotScalable",
            Self::Target(_) | Self::Late => "TargetUnreadable",
            Self::Floor(_) => "NoHorizontalPodAutoscaler",
            Self::Autoscaler(_) => "AutoscalerUnreadable",
        }
    }
}

/// One tick of one autoscaler.
pub struct TickActs<'a> {
    /// The autoscaler's name.
    pub name: &'a str,
    /// The autoscaler that the tick was planned for.
    pub planned: &'a PredictiveAutoscaler,
    /// The autoscaler as it was read, where it is no longer the one that was planned for.
    pub newer: Option<PredictiveAutoscaler>,
    /// The autoscaler as it was read, where its target could not be.
    pub unread: Option<PredictiveAutoscaler>,
    /// The policy.
    pub policy: &'a Policy,
    /// The target.
    pub target: &'a ScaleTarget,
    /// The autoscaler's own API.
    pub api: Api<PredictiveAutoscaler>,
    /// What every part of the operator shares.
    pub shared: &'a Context,
    /// The signals with their readings and what is known of them.
    pub signals: Vec<(&'a Signal, Reading, Known)>,
    /// Announced events.
    pub events: &'a [crate::calendar::Window],
    /// The instant of the tick.
    pub now: Timestamp,
    /// The memory that stands in for a stored one, in this process.
    pub remembered: Option<&'a Memory>,
    /// Whether this process has not decided on the object before: then the window is seeded anew.
    pub fresh: bool,
    /// Trust of each metric as measured.
    pub trust: std::collections::BTreeMap<String, crate::forecast::TrustState>,
    /// Whether an older autoscaler names the same target.
    pub older: Option<String>,
    /// What conditions need besides the decision.
    pub around: status::Surroundings,
    /// The objective part of the status.
    pub objective: crate::api::ObjectiveStatus,
    /// The forecast part of the status.
    pub forecast: Option<crate::api::ForecastStatus>,
    /// The last decision, for metrics and Events.
    pub decided: Option<(Decision, PredictiveAutoscalerStatus, Memory)>,
    /// The way to the budget, where the policy names one.
    pub purse: Option<Purse>,
    /// What stands in the way of growth.
    pub obstacles: Obstacles,
    /// The lead part of the status.
    pub lead: crate::api::LeadStatus,
    /// The price part of the status, and what is remembered of it.
    pub price: (crate::api::SpendStatus, Option<crate::policy::PriceMemory>),
    /// The capacity part of the status.
    pub capacity: Vec<crate::api::CapacityStatus>,
    /// What is measured of the workload, for the memory.
    pub measured: crate::measure::Measured,
    /// The workload as it was read in the last round.
    pub workload: Option<Workload>,
    /// What was logged before.
    pub recorder: &'a Recorder,
    /// Whether decisions are logged at all.
    pub logged: bool,
    /// What was seen in the last round, and the line of its decision if one is due.
    pub seen: Option<(Glance, Option<Record>)>,
}

/// Whether what was planned for `planned` no longer holds for `read`: another spec, another object of the name, or one
/// that is being deleted.
fn is_other(planned: &PredictiveAutoscaler, read: &PredictiveAutoscaler) -> bool {
    let (planned, read) = (&planned.metadata, &read.metadata);
    read.uid != planned.uid || read.generation != planned.generation || read.deletion_timestamp.is_some()
}

impl TickActs<'_> {
    async fn read_target(&self) -> Result<Target, ReadError> {
        let rivals: Vec<Rival> = self.shared.targets.hpas_targeting(self.target).await?;
        let scaled: Scaled = self.shared.targets.read_scale(self.target).await?;
        let object: DynamicObject = self.shared.targets.object(self.target).await?;
        let ready =
            Replicas::new(self.shared.targets.ready(self.target, &object, scaled.selector.as_deref()).await?);
        let writer = foreign_writer(&object.metadata);
        let rollout = is_rolling_out(&object);
        let (exist, selector) = (scaled.status_replicas, scaled.selector.clone());
        let template = if self.capacity.is_empty() { 0 } else { template_of(&object) };
        let workload = Workload { asked: scaled.asked, ready, exist, selector, rollout, template };
        let most = self.obstacles.tightest(workload.asked, exist, &object.data);
        let growth = Growth { rollout, most };
        if self.policy.actuation == Actuation::HorizontalPodAutoscalerFloor {
            let floor = floor_among(&rivals)?;
            let (asked, version) = (floor.asked, floor.resource_version.clone());
            let standing = scaled.asked;
            let (floor, rival, writer) = (Some(floor), None, None);
            return Ok(Target { asked, ready, version, floor, rival, writer, standing, workload, growth });
        }
        let rival = rivals.first().map(|rival| {
            format!(
                "HorizontalPodAutoscaler `{}` scales the same target: use actuation.via HorizontalPodAutoscalerFloor, or remove it",
                rival.name()
            )
        });
        let Scaled { asked, resource_version: version, .. } = scaled;
        let standing = Replicas::ZERO;
        Ok(Target { asked, ready, version, floor: None, rival, writer, standing, workload, growth })
    }

    fn stored_memory(&self, object: &PredictiveAutoscaler, asked: Replicas) -> Memory {
        let stored = status::memory_of(object);
        // What this process decided last is newer than what was worth writing, unless another leader wrote since.
        let mut memory = match (self.remembered, stored) {
            (Some(ours), Some(stored)) if stored.epoch > ours.epoch => stored,
            (Some(ours), _) => ours.clone(),
            (None, stored) => stored.unwrap_or_default(),
        };
        if self.fresh {
            memory.reseed(self.now, asked);
        }
        memory
    }
}

impl Acts for TickActs<'_> {
    type Seen = Seen;
    type Memory = Box<(PredictiveAutoscalerStatus, Memory)>;
    type Error = ReadError;

    async fn read(&mut self) -> Result<Option<Read<Seen>>, ReadError> {
        let object = within(READ_DEADLINE, self.api.get(self.name)).await.map_err(ReadError::Autoscaler)?;
        if is_other(self.planned, &object) {
            self.newer = Some(object);
            return Ok(None);
        }
        self.unread = Some(object.clone());
        let mut target = self.read_target().await?;
        self.unread = None;
        target.rival = self.older.clone().or(target.rival);
        self.workload = Some(target.workload.clone());
        let stored_epoch = self.stored_memory(&object, target.asked).epoch;
        let (ordered, ignored) =
            object.metadata.annotations.as_ref().map(annotations::break_glass).unwrap_or_default();
        let break_glass = BreakGlass { standing: target.standing, ..ordered };
        Ok(Some(Read { seen: Seen { object, target, break_glass, ignored }, stored_epoch }))
    }

    fn decide(&mut self, seen: &Seen, epoch: u64) -> Decided<Self::Memory> {
        let mut memory = self.stored_memory(&seen.object, seen.target.asked);
        let allowance = self.allowance(seen, &mut memory);
        let metrics: Vec<MetricObservation<'_>> = self
            .signals
            .iter()
            .map(|(signal, reading, known)| signal.observation(self.policy, *reading, self.now, *known))
            .collect();
        let observation = Observation {
            now: self.now,
            asked: seen.target.asked,
            ready: seen.target.ready,
            hpa: seen.target.floor.as_ref().map(Floor::observed),
            rival: seen.target.rival.is_some() && self.policy.mode != Mode::DryRun,
            events: self.events,
            break_glass: seen.break_glass,
            growth: seen.target.growth.clone(),
            budget: allowance.as_ref(),
            metrics: &metrics,
        };
        let tick = engine::tick(self.policy, &observation, &memory);
        let glanced = self.logged.then(|| self.glance(seen, &observation, &memory, &tick));
        drop(metrics);
        self.seen = glanced;
        let engine::Tick { decision, mut memory } = tick;
        memory.epoch = epoch;
        memory.trust.clone_from(&self.trust);
        memory.measured.clone_from(&self.measured);
        objective::note(&mut memory.measured.kept, self.policy, &decision);
        memory.price.clone_from(&self.price.1);
        if let Some(purse) = &self.purse {
            self.shared.budgets.take(purse, &decision, &memory);
        }
        let old = seen.object.status.clone().unwrap_or_default();
        let new = self.status(seen, &decision, &memory, &old);
        let urgency = status::urgency(&old, &new, self.now).max(decision.write.map(|_| Urgency::Safety));
        let record = urgency.is_some_and(|urgency| self.shared.may_record(urgency));
        let write = decision.write;
        self.decided = Some((decision, new.clone(), memory.clone()));
        Decided { memory: Box::new((new, memory)), write, record }
    }

    async fn record(&mut self, seen: &Seen, memory: &Self::Memory, deadline: Duration) -> Recorded {
        let mut object = seen.object.clone();
        object.status = Some(memory.0.clone());
        object.metadata.managed_fields = None;
        let params = PostParams {
            field_manager: Some(super::actuate::FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let name = object.name_any();
        let call = within(deadline, self.api.replace_status(&name, &params, &object)).await;
        Recorded::from(call.map(|_| ()))
    }

    async fn write(&mut self, seen: &Seen, to: Replicas, deadline: Duration) -> Written {
        match &seen.target.floor {
            Some(floor) => self.shared.targets.move_floor(floor, to, deadline).await,
            None => {
                match self.shared.targets.write_scale(self.target, to, &seen.target.version, deadline).await {
                    Ok(written) => written,
                    Err(error) => Written::Refused { code: 0, message: error.to_string() },
                }
            }
        }
    }
}

impl TickActs<'_> {
    /// What the budget allows; the memory gets a ledger where it has none.
    fn allowance(&self, seen: &Seen, memory: &mut Memory) -> Option<Allowance> {
        let (ctx, purse, rule) = (self.shared, self.purse.as_ref()?, self.policy.spend.as_ref()?);
        let replicas = seen.target.asked.max(seen.break_glass.standing);
        let stands = Stands { replicas, price: rule.price.reckoned() };
        let stretch = ctx.budgets.period(ctx, &purse.budget, self.now)?;
        let known = memory.has_decided().then_some(&*memory);
        let ledger =
            ledger_of(&seen.object, (&purse.budget, stretch), known, (self.now, stands), purse.recalled);
        let allowance = ctx.budgets.allow((ctx, purse), (self.policy, &ledger), (self.now, stands));
        memory.ledger = Some(ledger);
        allowance
    }

    /// What goes to the decision log, the line only when one is due.
    fn glance(
        &self,
        seen: &Seen,
        observation: &Observation<'_>,
        memory: &Memory,
        tick: &engine::Tick,
    ) -> (Glance, Option<Record>) {
        let value = |one: &MetricObservation<'_>| match one.reading {
            Reading::Value { value, .. } => Some(value).filter(|value| value.is_finite()),
            Reading::Absent(_) => None,
        };
        let metrics = observation.metrics.iter().map(value).collect();
        let glance = Glance(observation.now, observation.asked, observation.ready, metrics);
        let due = self.recorder.is_due(self.policy.mode, &tick.decision);
        let record = due.then(|| {
            let namespace = seen.object.namespace().unwrap_or_default();
            let owner = Owner { namespace: &namespace, name: self.name };
            let mut record = Record::of(owner, self.policy, observation, memory, tick);
            record.spec = serde_json::to_value(&seen.object.spec).unwrap_or_default();
            record
        });
        (glance, record)
    }

    fn status(
        &self,
        seen: &Seen,
        decision: &Decision,
        memory: &Memory,
        old: &PredictiveAutoscalerStatus,
    ) -> PredictiveAutoscalerStatus {
        let mut around = self.around.clone();
        let fought = memory.track.as_ref().is_some_and(crate::decide::Track::in_conflict);
        around.conflict = seen.target.rival.clone().or_else(|| {
            fought.then(|| {
                let who = seen.target.writer.as_deref().unwrap_or("an unknown writer");
                format!("`{who}` wrote the target's replicas twice within 10 minutes: nothing is written until it stops")
            })
        });
        around.ignored.clone_from(&seen.ignored);
        around.most = seen.target.growth.most.clone().map(|most| (most, seen.target.workload.asked));
        around.budget = self.purse.as_ref().and_then(|purse| purse.admitted.clone().err());
        around.quotas_unread = self.obstacles.quotas_unread;
        around.unread_limit = self.obstacles.unread_limit();
        let generation = seen.object.metadata.generation;
        let mut claims = status::claims(self.policy, decision, &around);
        let kept = memory.measured.kept.record();
        let drifted = self.capacity.iter().find(|one| one.drifted == Some(true));
        let drift = drifted.and_then(|one| Some(format!("{}: {}", one.metric, one.reason.as_ref()?)));
        claims.push(objective::claim(self.policy, kept.as_ref(), drift));
        let mut new = status::of_decision(self.policy, decision, memory, old);
        new.spend = new.spend.map(|spend| status::with_price(spend, &self.price.0));
        new.observed_generation = generation;
        new.conditions = conditions::merge(&old.conditions, &claims, self.now, generation);
        new.forecast.clone_from(&self.forecast);
        let kept = kept.as_ref().map(objective::status);
        new.objective = Some(crate::api::ObjectiveStatus { kept, ..self.objective.clone() });
        new.lead = Some(self.lead.clone());
        new.capacity.clone_from(&self.capacity);
        new
    }
}
