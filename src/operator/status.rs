//! From a decision to the status: what people read, conditions with reasons, and when it is worth a write.

use super::conditions::{Claim, told};
use super::pace::Urgency;
use crate::api::{
    DecisionStatus, EffectiveMode, FieldError, LastChangeStatus, PredictiveAutoscaler,
    PredictiveAutoscalerStatus, ReplicaStatus, ShadowStatus, SpendStatus, StageStatus, limits,
};
use crate::decide::{Absence, Decision, Fact, Most, Stage, Standing, guards, spend};
use crate::edge::clock::{from_jiff, to_jiff};
use crate::engine::{Account, Memory, Shadow};
use crate::policy::{Mode, Policy, SpendRule};
use crate::units::{Replicas, Span, Timestamp};

/// Numbers alone are written at most this often (DESIGN 8).
const REFRESH_EVERY: Span = Span::from_minutes(1);

/// What else is known about an autoscaler besides the decision.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Why the target cannot be read or written, if it cannot.
    pub unable: Option<(&'static str, String)>,
    /// Who else scales the target, if somebody does.
    pub conflict: Option<String>,
    /// A note about each metric's absence, by name.
    pub notes: Vec<(String, String)>,
    /// Whether any metric's forecast is trusted, and a sentence about it.
    pub trusted: (bool, String),
    /// Whether calendars are named.
    pub has_calendars: bool,
    /// A calendar that cannot be used: reason and sentence.
    pub calendar_problem: Option<(&'static str, String)>,
    /// Annotations that cannot be read and are ignored.
    pub ignored: Vec<FieldError>,
    /// The most replicas there can be, and what the workload is asked for.
    pub most: Option<(Most, Replicas)>,
    /// Why the budget that is named does not count, if so.
    pub budget: Option<(&'static str, String)>,
    /// Whether the price is asked for, and may be unknown.
    pub asks_price: bool,
    /// Whether the quotas of the namespace could not be read.
    pub quotas_unread: bool,
    /// One of `spec.limits` that could not be read, and what that means.
    pub unread_limit: Option<String>,
}

/// The conditions of a decision, in the order of DESIGN 3.
pub fn claims(policy: &Policy, decision: &Decision, around: &Surroundings) -> Vec<Claim> {
    let ignored = around.ignored.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let mut claims = vec![if around.ignored.is_empty() {
        Claim::new("SpecValid", true, "Valid", "every field is valid")
    } else {
        Claim::new("SpecValid", false, "AnnotationIgnored", ignored)
    }];
    claims.push(evidence(policy, decision, around));
    let (trusted, sentence) = &around.trusted;
    let reason = if *trusted { "BeatsReactive" } else { "NotTrusted" };
    claims.push(Claim::new("ForecastTrusted", *trusted, reason, sentence.clone()));
    claims.push(match &around.unable {
        None => Claim::new("AbleToScale", true, "TargetFound", "the target's scale can be read and written"),
        Some((reason, message)) => Claim::new("AbleToScale", false, reason, message.clone()),
    });
    claims.push(limited(decision));
    claims.push(match &around.conflict {
        None => Claim::new("TargetConflict", false, "NoOtherWriter", "nobody else scales the target"),
        Some(who) => Claim::new("TargetConflict", true, "OtherWriter", who.clone()),
    });
    claims.push(capacity_blocked(decision, around));
    claims.extend(budget_limited(policy, decision, around));
    if around.has_calendars {
        claims.push(announced(decision, around));
    }
    let blocked = claims.iter().find(|claim| match claim.kind {
        "EvidenceFresh" | "AbleToScale" => claim.holds == Some(false),
        "TargetConflict" => claim.holds == Some(true),
        _ => false,
    });
    let ready = blocked.map_or_else(
        || Claim::new("Ready", true, "Deciding", decision.summary()),
        |claim| Claim::new("Ready", false, claim.reason, claim.message.clone()),
    );
    claims.insert(0, ready);
    claims
}

/// Whether growth that is wanted, or was asked for already, cannot happen.
fn capacity_blocked(decision: &Decision, around: &Surroundings) -> Claim {
    let blocked =
        around.most.as_ref().filter(|(most, asked)| decision.blocked.is_some() || most.replicas < *asked);
    match blocked {
        Some((most, _)) => Claim::new("CapacityBlocked", true, most.why.reason(), most.told.clone()),
        None if around.unread_limit.is_some() => Claim::new(
            "CapacityBlocked",
            false,
            "LimitUnread",
            around.unread_limit.clone().unwrap_or_default(),
        ),
        None if around.quotas_unread => Claim::new(
            "CapacityBlocked",
            false,
            "QuotasUnread",
            "nothing is in the way of growth, as far as pods tell; quotas could not be read: allow list and watch of resourcequotas",
        ),
        None => Claim::new("CapacityBlocked", false, "NothingInTheWay", "nothing is in the way of growth"),
    }
}

/// Whether the budget, or a price that is not known, withholds growth, or would; `None` where no budget is named and
/// the price is known.
fn budget_limited(policy: &Policy, decision: &Decision, around: &Surroundings) -> Option<Claim> {
    let rule = policy.spend.as_ref()?;
    if rule.budget.is_none() {
        let fact = decision.money()?;
        let unknown = fact.limited().filter(|_| matches!(fact, spend::Fact::PriceUnknown { .. }));
        let (limited, reason) = match unknown {
            Some(unknown) => unknown,
            None if around.asks_price && rule.max_per_hour.is_some() => (false, "PriceKnown"),
            None => return None,
        };
        return Some(Claim::new("BudgetLimited", limited, reason, fact.to_string()));
    }
    if let Some((reason, message)) = &around.budget {
        let message = format!("{message}; until then growth stops at what present demand needs");
        return Some(Claim::new("BudgetLimited", true, reason, message));
    }
    let fact = decision.money()?;
    let (limited, reason) = fact.limited().unwrap_or((false, "WithinBudget"));
    Some(Claim::new("BudgetLimited", limited, reason, fact.to_string()))
}

/// Whether an announced event gets less than it asks for.
fn announced(decision: &Decision, around: &Surroundings) -> Claim {
    let unapplied = decision.unapplied.as_ref().map(|one| (one.reason, one.message.clone()));
    match around.calendar_problem.clone().or(unapplied) {
        Some((reason, message)) => Claim::new("EventNotApplied", true, reason, message),
        None => Claim::new("EventNotApplied", false, "EventsApplied", "every announced event is applied"),
    }
}

fn evidence(policy: &Policy, decision: &Decision, around: &Surroundings) -> Claim {
    for (rule, judged) in policy.metrics.iter().zip(&decision.judged) {
        let note = around.notes.iter().find(|(name, _)| *name == rule.name).map(|(_, note)| note.as_str());
        let name = &rule.name;
        match judged.standing {
            Standing::Fresh => {}
            Standing::Partial => {
                let message = format!(
                    "{name}: the answer is partial ({}): it may raise, not lower",
                    note.unwrap_or("a warning")
                );
                return Claim::new("EvidenceFresh", false, "Partial", message);
            }
            Standing::SuddenFall => {
                let message = format!(
                    "{name} fell by more than 90 % at once and is held for {}; if it is a counter, take rate() of it",
                    policy.suspect_for
                );
                return Claim::new("EvidenceFresh", false, "SuddenFall", message);
            }
            Standing::Absent(absence) => {
                let mut message = format!("{name}: {}", note.unwrap_or(absence.words()));
                if let Some(remedy) = remedy(absence) {
                    message.push_str("; ");
                    message.push_str(remedy);
                }
                return Claim::new("EvidenceFresh", false, absence_reason(absence), message);
            }
        }
    }
    Claim::new("EvidenceFresh", true, "Fresh", "every metric is fresh and complete")
}

/// The stable reason of an absence.
pub fn absence_reason(absence: Absence) -> &'static str {
    match absence {
        Absence::Unreachable => "SourceUnreachable",
        Absence::SourceError => "SourceError",
        Absence::Malformed => "MalformedAnswer",
        Absence::Empty => "EmptyResult",
        Absence::ManySeries => "ManySeries",
        Absence::NotFinite => "NotFinite",
        Absence::Negative => "Negative",
        Absence::Stale => "Stale",
        Absence::Future => "FutureSample",
        Absence::SourceSuspect => "SourceSuspect",
        Absence::CapacityUnknown => "CapacityUnknown",
        Absence::SourceNotAllowed => "SourceNotAllowed",
    }
}

/// What to do about an absence whose words do not say it.
pub fn remedy(absence: Absence) -> Option<&'static str> {
    match absence {
        Absence::Unreachable => Some(
            "see why the MetricSource does not answer, or raise its timeout, which counts up to two thirds of the operator's interval",
        ),
        Absence::SourceError => Some("try the query on the MetricSource itself"),
        Absence::Empty => Some("correct the query, or look why the series is gone"),
        Absence::NotFinite => Some("guard the division, as in a / (b > 0)"),
        Absence::Negative => Some("take rate() of a counter, which knows its resets"),
        Absence::Stale => Some("see why it is no longer scraped, or raise maxAge"),
        Absence::CapacityUnknown => {
            Some("set capacityPerReplica, or requests in the pod template; a learned one takes a day")
        }
        Absence::Malformed
        | Absence::ManySeries
        | Absence::Future
        | Absence::SourceSuspect
        | Absence::SourceNotAllowed => None,
    }
}

fn limited(decision: &Decision) -> Claim {
    let binding = decision.stages.iter().rev().find(|record| {
        record.before != record.after
            && matches!(
                record.stage,
                Stage::Guards
                    | Stage::Rate
                    | Stage::Cooldown
                    | Stage::Spend
                    | Stage::Bounds
                    | Stage::Stabilise
            )
    });
    match binding {
        None => Claim::new("ScalingLimited", false, "DesiredWithinRange", "no limit binds"),
        Some(record) => {
            let reason = match record.stage {
                Stage::Guards if matches!(record.fact, Fact::Guards(guards::Fact::Rollout { .. })) => {
                    "Rollout"
                }
                Stage::Guards => "Frozen",
                Stage::Rate => "RatePolicy",
                Stage::Cooldown => "Cooldown",
                Stage::Spend => match decision.money() {
                    Some(spend::Fact::PriceUnknown { .. }) => "PriceUnknown",
                    Some(fact) if fact.limited().is_some() => "SpendBudget",
                    _ => "MaxPerHour",
                },
                Stage::Stabilise => "Stabilized",
                _ => "ReplicaBounds",
            };
            Claim::new("ScalingLimited", true, reason, record.fact.to_string())
        }
    }
}

/// The memory that the last decision left in the status of `object`, if it has one.
pub fn memory_of(object: &PredictiveAutoscaler) -> Option<Memory> {
    object.status.as_ref()?.memory.as_ref().map(Memory::read)
}

/// The parts of the status that follow from the decision alone; conditions, forecast and memory are the caller's.
pub fn of_decision(
    policy: &Policy,
    decision: &Decision,
    memory: &Memory,
    old: &PredictiveAutoscalerStatus,
) -> PredictiveAutoscalerStatus {
    let now = decision.at;
    PredictiveAutoscalerStatus {
        objective: None,
        observed_generation: old.observed_generation,
        effective_mode: Some(effective_mode(policy, decision)),
        conditions: old.conditions.clone(),
        replicas: Some(ReplicaStatus {
            asked: Some(decision.asked.get()),
            ready: Some(decision.ready.get()),
            reactive: Some(decision.reactive.get()),
            predicted: decision.predicted.map(Replicas::get),
            desired: Some(decision.desired.get()),
        }),
        shadow: shadow_status(policy, memory),
        lead_time: Some(policy.lead.to_string()),
        lead: old.lead.clone(),
        capacity: old.capacity.clone(),
        forecast: old.forecast.clone(),
        spend: policy.spend.as_ref().map(|rule| SpendStatus {
            hourly: rule.price.hourly(decision.desired).map(|cost| cost.to_string()),
            max_per_hour: rule.max_per_hour.map(|most| most.to_string()),
            currency: Some(rule.currency.clone()),
            withheld_replicas: Some(decision.withheld.get()),
            ..of_budget(rule, decision, memory)
        }),
        last_change: decision.write.map_or_else(
            || old.last_change.clone(),
            |to| {
                Some(LastChangeStatus {
                    at: to_jiff(now),
                    from: decision.asked.get(),
                    to: to.get(),
                    reason: limits::clip(&decision.summary(), limits::SENTENCE),
                })
            },
        ),
        decision: Some(decision_status(decision)),
        memory: serde_json::to_value(memory).ok(),
    }
}

/// The spend part of the status with what is known of the price.
pub fn with_price(spend: SpendStatus, priced: &SpendStatus) -> SpendStatus {
    let SpendStatus { price, price_from, price_at, price_unknown_since, .. } = priced.clone();
    SpendStatus { price, price_from, price_at, price_unknown_since, ..spend }
}

/// What the status says of the budget.
fn of_budget(rule: &SpendRule, decision: &Decision, memory: &Memory) -> SpendStatus {
    let allowance = decision.money().and_then(spend::Fact::allowance);
    let limited = rule.budget.is_some().then_some(decision.withheld);
    let withheld = limited.and_then(|withheld| rule.price.hourly(withheld)).map(|cost| cost.to_string());
    SpendStatus {
        budget: rule.budget.clone(),
        spent: memory.ledger.as_ref().map(|ledger| ledger.spent(None).to_string()),
        theta: allowance.map(|allowance| allowance.theta.to_string()),
        ceiling: allowance.map(|allowance| allowance.ceiling.get()),
        withheld_per_hour: withheld,
        ..SpendStatus::default()
    }
}

/// In DryRun nothing is written anyway, so that there is nothing to pause. Where a forecast is wanted and none is
/// trusted, the reactive answer is all there is; where none is wanted, that is no demotion.
fn effective_mode(policy: &Policy, decision: &Decision) -> EffectiveMode {
    let paused = policy.pause.as_ref().is_some_and(|pause| decision.at < pause.until);
    let predicts = policy.metrics.iter().any(|rule| rule.prediction);
    match policy.mode {
        Mode::DryRun => EffectiveMode::DryRun,
        Mode::Floor | Mode::Active if paused => EffectiveMode::Paused,
        Mode::Floor | Mode::Active if predicts && decision.predicted.is_none() => EffectiveMode::Reactive,
        Mode::Active if !policy.has_drifted() => EffectiveMode::Active,
        Mode::Floor | Mode::Active => EffectiveMode::Floor,
    }
}

/// A decision as the status shows it.
pub fn decision_status(decision: &Decision) -> DecisionStatus {
    DecisionStatus {
        at: to_jiff(decision.at),
        summary: limits::clip(&decision.summary(), limits::SENTENCE),
        bound_by: Some(decision.bound_by().name().to_owned()),
        stages: decision
            .stages
            .iter()
            .map(|record| StageStatus {
                stage: record.stage.name().to_owned(),
                before: record.before.get(),
                after: record.after.get(),
                sentence: limits::clip(&record.fact.to_string(), limits::SENTENCE),
            })
            .collect(),
    }
}

/// The shadow of DryRun, or what it came to before the mode was raised.
fn shadow_status(policy: &Policy, memory: &Memory) -> Option<ShadowStatus> {
    let shadow = memory.shadow.as_ref();
    let account: &Account = shadow.map(|shadow| &shadow.account).or(memory.account.as_ref())?;
    #[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "shown with two decimals")]
    let hours = |replica_seconds: u64| format!("{:.2}", replica_seconds as f64 / 3600.0);
    let count = |of: fn(&Shadow) -> Replicas| shadow.map(|shadow| of(shadow).get());
    Some(ShadowStatus {
        asked: count(|shadow| shadow.asked),
        ready: count(|shadow| shadow.ready),
        unserved_share: Some(format!("{:.4}%", 100.0 * account.unserved_share())),
        replica_hours: Some(hours(account.replica_seconds)),
        standing_replica_hours: Some(hours(account.standing_seconds)),
        cost: policy.spend.as_ref().and_then(|rule| {
            let cost = rule.price.of_replica_seconds(account.replica_seconds)?;
            Some(format!("{cost} {}", rule.currency))
        }),
        since: Some(to_jiff(account.since)),
        until: if shadow.is_some() { None } else { Some(to_jiff(account.at)) },
    })
}

/// How urgent a write of the new status is: something changed that the next leader or people must know, or the numbers
/// are a minute old. `None` when it is not worth one.
pub fn urgency(
    old: &PredictiveAutoscalerStatus,
    new: &PredictiveAutoscalerStatus,
    now: Timestamp,
) -> Option<Urgency> {
    let shown = |status: &PredictiveAutoscalerStatus| {
        let replicas = status.replicas.as_ref().map(|replicas| (replicas.asked, replicas.desired));
        let bound = status.decision.as_ref().map(|decision| decision.bound_by.clone());
        let frozen = status.decision.as_ref().is_some_and(is_frozen);
        (replicas, bound, frozen, status.effective_mode, status.observed_generation)
    };
    let age = old.decision.as_ref().map_or(REFRESH_EVERY, |decision| now.since(from_jiff(decision.at)));
    if must_survive(old) != must_survive(new) {
        Some(Urgency::Safety)
    } else if told(&old.conditions) != told(&new.conditions) || shown(old) != shown(new) {
        Some(Urgency::Condition)
    } else {
        (age >= REFRESH_EVERY).then_some(Urgency::Numbers)
    }
}

/// Whether a freeze is in force, also where it holds nothing yet: who ordered it looks for it in the status.
fn is_frozen(decision: &DecisionStatus) -> bool {
    let free = guards::Fact::Free.to_string();
    decision.stages.iter().any(|one| one.stage == Stage::Guards.name() && one.sentence != free)
}

/// What a restart must not lose: the highest recommendation of the window, own changes, a human's floor, foreign
/// writes, what is held as suspect.
fn must_survive(status: &PredictiveAutoscalerStatus) -> impl PartialEq + use<> {
    let memory = status.memory.as_ref().map(Memory::read).unwrap_or_default();
    let track = memory.track.or_else(|| memory.shadow.map(|shadow| shadow.track)).unwrap_or_default();
    let highest = track.down.iter().map(|&(_, n)| n).max();
    let suspects: Vec<(Option<Timestamp>, Option<Timestamp>)> =
        memory.evidence.iter().map(|one| (one.suspect_since, one.absent_since)).collect();
    let overdraft = memory.ledger.map(|ledger| ledger.over);
    (highest, track.events.len(), track.human, track.foreign, suspects, memory.pause_entered, overdraft)
}
