//! What a replica serves, and what limits how many there can be: asked of the sources once a step.
//!
//! The use of the replicas teaches their capacity (`measure::Capacity`, kept in the status); what follows from it is in
//! the signals and the policy of the tick. What there is of each of `spec.limits` goes to the obstacles.

use std::collections::BTreeMap;

use futures::future::join_all;
use tokio::time::{Instant, timeout_at};

use super::context::Context;
use super::growth::Workload;
use super::obstacles::Room;
use super::signal::{Query, Signal};
use super::sources;
use crate::api::{
    CapacityStatus, FieldError, LimitQuery, MetricQuery, PredictiveAutoscalerSpec, UseQuery, limit_queries,
    limits, use_queries,
};
use crate::decide::Reading;
use crate::edge::clock::to_jiff;
use crate::measure::{Capacity, Measured, Serves, Told, Use};
use crate::metrics::InstantQuery;
use crate::policy::{CapacityRule, MetricRule, Policy};
use crate::units::{CapacityPerReplica, Demand, Share, Span, Step, Timestamp};

/// An answer to a query for use says nothing when it is older.
const USE_MAX_AGE: Span = Span::from_minutes(2);

/// What is asked for one autoscaler besides its demand.
#[derive(Debug, Default)]
pub struct Asks {
    /// How far the replicas are used, by metric; `None` where no capacity is learned.
    uses: Vec<Option<(Query, Share)>>,
    /// The names of the metrics.
    names: Vec<String>,
    limits: Vec<(Query, LimitQuery)>,
}

impl Asks {
    /// What `spec` asks in `namespace`, with the labels of the sources.
    ///
    /// # Errors
    /// When a query cannot take the labels.
    pub fn of(
        ctx: &Context,
        spec: &PredictiveAutoscalerSpec,
        namespace: &str,
    ) -> Result<Self, Vec<FieldError>> {
        let ask = |query: MetricQuery, path: String| {
            let source = ctx.source(&query.source);
            sources::question(query, source.as_deref(), namespace, None)
                .map_err(|error| vec![FieldError::new(path, error.problem, error.remedy)])
        };
        let used = |(i, asked): (usize, Option<UseQuery>)| -> Result<_, Vec<FieldError>> {
            let Some(UseQuery { query, at }) = asked else { return Ok(None) };
            Ok(Some((ask(query, format!("spec.metrics[{i}].learnedCapacity.query"))?, at)))
        };
        let limit = |(i, asked): (usize, LimitQuery)| -> Result<_, Vec<FieldError>> {
            Ok((ask(asked.query.clone(), format!("spec.limits[{i}].query"))?, asked))
        };
        Ok(Self {
            names: spec.metrics.iter().map(|metric| metric.name.clone()).collect(),
            uses: use_queries(spec).into_iter().enumerate().map(used).collect::<Result<_, _>>()?,
            limits: limit_queries(spec).into_iter().enumerate().map(limit).collect::<Result<_, _>>()?,
        })
    }

    /// The sources that are asked, for what changes with them.
    pub fn sources(spec: &PredictiveAutoscalerSpec) -> impl Iterator<Item = String> {
        let uses = use_queries(spec).into_iter().flatten().map(|asked| asked.query.source);
        uses.chain(limit_queries(spec).into_iter().map(|asked| asked.query.source))
    }
}

/// What was answered at one step.
pub struct Answered {
    at: Timestamp,
    used: Vec<Result<f64, String>>,
    rooms: Vec<Room>,
}

/// What was read, from tick to tick.
#[derive(Debug, Default)]
pub struct Capacities {
    asked_at: Option<Timestamp>,
    /// How far the replicas of each metric are used, or why that is not known.
    used: Vec<Result<f64, String>>,
    /// What there is of each limit.
    pub rooms: Vec<Room>,
}

impl Capacities {
    /// Other things are asked from now on: what was answered may belong to another metric, and is asked again at once.
    pub fn ask_anew(&mut self) {
        self.asked_at = None;
    }

    /// How much there is of each limit, as it was read last.
    pub fn limits(&self) -> BTreeMap<String, f64> {
        let known = |room: &Room| Some((room.name.clone(), room.available.filter(|much| much.is_finite())?));
        self.rooms.iter().filter_map(known).collect()
    }

    /// Asks when a new step has begun, `None` when none has; `last` is how much there was of each limit, as it was read
    /// last.
    pub async fn ask(
        &self,
        ctx: &Context,
        asks: &Asks,
        last: &BTreeMap<String, f64>,
        (step, now, until): (Step, Timestamp, Instant),
    ) -> Option<Answered> {
        let at = now.floor_to(step);
        if self.asked_at == Some(at) {
            return None;
        }
        let late = || "the source did not answer within the tick".to_owned();
        let asked_uses = asks.uses.iter().map(async |asked| match asked {
            Some((query, _)) => {
                timeout_at(until, used(ctx, query, at, step)).await.unwrap_or_else(|_| Err(late()))
            }
            None => Err(String::new()),
        });
        let rooms =
            asks.limits.iter().map(async |(query, LimitQuery { query: named, per_replica, max_age })| {
                let name = named.metric.clone();
                let read = timeout_at(until, number(ctx, query, (at, *max_age), step)).await;
                let (available, problem) = match read.unwrap_or_else(|_| Err(late())) {
                    Ok(available) => (Some(available), None),
                    Err(problem) => (last.get(&name).copied(), Some(problem)),
                };
                Room { name, available, per_replica: *per_replica, problem }
            });
        let (used, rooms) = tokio::join!(join_all(asked_uses), join_all(rooms));
        Some(Answered { at, used, rooms })
    }

    /// Takes up what was answered; `None` where nothing was asked.
    pub fn take(&mut self, answered: Option<Answered>) {
        if let Some(Answered { at, used, rooms }) = answered {
            (self.asked_at, self.used, self.rooms) = (Some(at), used, rooms);
        }
    }

    /// What was learned goes into the signals and the policy of this tick; what is no longer asked for is forgotten.
    pub fn apply(asks: &Asks, measured: &mut Measured, (policy, signals): (&mut Policy, &mut [Signal])) {
        let rules = policy.metrics.iter().zip(&asks.uses);
        let learning: Vec<&str> =
            rules.filter(|(_, asked)| asked.is_some()).map(|(rule, _)| rule.name.as_str()).collect();
        measured.capacities.retain(|name, _| learning.contains(&name.as_str()));
        for ((rule, signal), asked) in policy.metrics.iter_mut().zip(signals).zip(&asks.uses) {
            let Some((_, at)) = asked else { continue };
            let known = measured.capacities.get_mut(&rule.name);
            match rule.capacity {
                CapacityRule::Stated(stated) => {
                    rule.drifted = known.and_then(|capacity| capacity.drift(stated, *at));
                }
                CapacityRule::Learned => signal.found = known.and_then(|capacity| capacity.learned()),
                CapacityRule::PodRequests => {}
            }
        }
    }

    /// Takes up what the replicas served and how far they were used. While some come, go or are replaced that says
    /// nothing of any of them.
    pub fn learn(
        &self,
        asks: &Asks,
        measured: &mut Measured,
        (workload, readings): (&Workload, &[Reading]),
        now: Timestamp,
    ) {
        let Workload { asked, ready, exist, rollout, template, .. } = *workload;
        if rollout || asked != ready || exist != ready {
            return;
        }
        let seen = asks.uses.iter().zip(&self.used).zip(readings).zip(&asks.names);
        for (((asked, used), reading), name) in seen {
            if let (Some((_, at)), Ok(used), Reading::Value { value, partial: false, .. }) =
                (asked, used, reading)
                && let Some(demand) = Demand::new(*value)
            {
                let capacity = measured.capacities.entry(name.clone()).or_default();
                capacity.note(Use { now, demand, ready, used: *used, template }, *at);
            }
        }
    }

    /// Why each metric that has no capacity yet has none.
    pub fn notes(
        &self,
        asks: &Asks,
        (policy, measured): (&Policy, &Measured),
        now: Timestamp,
    ) -> Vec<(String, String)> {
        let lines = self.lines(asks, policy, measured);
        let waiting = lines.into_iter().filter(|line| {
            line.rule.capacity == CapacityRule::Learned && line.told.is_none_or(|told| told.learned.is_none())
        });
        waiting.map(|line| (line.rule.name.clone(), line.reason(now))).collect()
    }

    /// The capacity part of the status.
    pub fn status(
        &self,
        asks: &Asks,
        (policy, measured): (&Policy, &Measured),
        now: Timestamp,
    ) -> Vec<CapacityStatus> {
        self.lines(asks, policy, measured).into_iter().map(|line| line.status(now)).collect()
    }

    fn lines<'a>(&'a self, asks: &'a Asks, policy: &'a Policy, measured: &Measured) -> Vec<Line<'a>> {
        let rules = policy.metrics.iter().enumerate().zip(&asks.uses);
        let line = |((i, rule), asked): ((usize, &'a MetricRule), &'a Option<(Query, Share)>)| {
            let at = asked.as_ref()?.1;
            let told = measured.capacities.get(&rule.name).map(|capacity| capacity.told(at));
            let problem = self.used.get(i).and_then(|used| used.as_ref().err()).map(String::as_str);
            Some(Line { rule, at, told, problem })
        };
        rules.filter_map(line).collect()
    }
}

/// One metric whose capacity is learned or checked.
struct Line<'a> {
    rule: &'a MetricRule,
    at: Share,
    told: Option<Told>,
    /// Why its use could not be read at the last step.
    problem: Option<&'a str>,
}

impl Line<'_> {
    fn status(&self, now: Timestamp) -> CapacityStatus {
        let stated = match self.rule.capacity {
            CapacityRule::Stated(stated) => Some(stated),
            CapacityRule::Learned | CapacityRule::PodRequests => None,
        };
        let learned = self.told.and_then(|told| told.learned);
        let source = match (stated, learned) {
            (Some(_), _) => "Stated",
            (None, Some(_)) => "Learned",
            (None, None) => "Learning",
        };
        let number = |value: f64| limits::clip(&four_digits(value), limits::SHORT);
        let judged = self.told.and_then(|told| told.serves);
        CapacityStatus {
            metric: self.rule.name.clone(),
            source: source.to_owned(),
            per_replica: stated.or(learned).map(|capacity| number(capacity.get())),
            learned: learned.map(|capacity| number(capacity.get())),
            highest_seen: self.told.map(|told| told.highest).filter(|seen| *seen > 0.0).map(number),
            samples: self.told.map(|told| told.looks),
            since: self.told.and_then(|told| told.since).map(to_jiff),
            drifted: stated.and(judged).map(|_| self.rule.drifted.is_some()),
            reason: Some(limits::clip(&self.reason(now), limits::SENTENCE)),
        }
    }

    fn reason(&self, now: Timestamp) -> String {
        let Self { rule, at, told, problem } = self;
        let mut parts: Vec<String> = Vec::new();
        let number = |capacity: CapacityPerReplica| four_digits(capacity.get());
        match (rule.capacity, rule.drifted) {
            (CapacityRule::Stated(stated), Some(serves)) => {
                parts.push(drift_sentence(stated, serves, *at));
            }
            (CapacityRule::Stated(stated), None) => parts.push(format!("{} is stated", number(stated))),
            _ => {}
        }
        match told {
            None => parts.push("no use of the replicas was seen yet".to_owned()),
            Some(told) => parts.push(seen_sentence(told, *at, now)),
        }
        parts.extend(problem.map(|problem| format!("use cannot be read now: {problem}")));
        parts.join("; ")
    }
}

/// What was seen of the use of the replicas, and what follows.
fn seen_sentence(told: &Told, at: Share, now: Timestamp) -> String {
    let Told { learned, serves, looks, since, highest } = *told;
    let seen_for = since.map_or(Span::ZERO, |since| Span::from_minutes(now.since(since).seconds() / 60));
    let base = format!("{looks} looks in {seen_for} at the pods of this template");
    let line = serves.map(|Serves { line, bound }| {
        format!(
            "a replica serves {} at {at} of use, and {} where 95 of 100 readings stay under it",
            four_digits(line),
            four_digits(bound)
        )
    });
    let value = match learned {
        Some(value) => format!(
            "{} is learned, and no more than {} was seen under {at}",
            four_digits(value.get()),
            four_digits(highest)
        ),
        None => format!("the first value comes after a day, once {} looks tell it", Capacity::LOOKS_LEAST),
    };
    [Some(base), line, Some(value)].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// What a drift is, and what to do about it.
fn drift_sentence(stated: CapacityPerReplica, serves: CapacityPerReplica, at: Share) -> String {
    format!(
        "a replica serves {} at {at} of use where {} is stated: correct capacityPerReplica; until then nothing goes below the reactive answer",
        four_digits(serves.get()),
        four_digits(stated.get())
    )
}

/// A number to four digits.
fn four_digits(value: f64) -> String {
    format!("{value:.3e}").parse::<f64>().unwrap_or(value).to_string()
}

async fn used(ctx: &Context, query: &Query, at: Timestamp, step: Step) -> Result<f64, String> {
    let used = number(ctx, query, (at, USE_MAX_AGE), step).await?;
    if Capacity::is_share(used) {
        return Ok(used);
    }
    Err(format!("it gave {used}: it must give a share from 0 to 4, as 0.64 for 64 %"))
}

/// The number that a query gives now, or why there is none.
async fn number(
    ctx: &Context,
    query: &Query,
    (at, max_age): (Timestamp, Span),
    step: Step,
) -> Result<f64, String> {
    if let Some(refused) = &query.refused {
        return Err(refused.clone());
    }
    let asked = InstantQuery { promql: query.promql.clone(), at, max_age };
    let (digits, _) = ctx.pool.exact(&query.source, &asked, step).await?;
    digits
        .parse::<f64>()
        .ok()
        .filter(|value| value.is_finite())
        .ok_or_else(|| format!("it gave `{digits}`: it must give a number"))
}
