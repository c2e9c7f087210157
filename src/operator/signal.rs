//! One metric of one autoscaler: its reading now, its forecaster and everything that keeps it fresh.
//!
//! The evaluation of a query at instant `T` (a multiple of the step) is the sample stamped `T - step`: demand over
//! `[T - step, T)`, visible at `T`. History is read once by `query_range`, then appended; it is refitted at 00:00 UTC
//! and its trust is measured hourly.

use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::calendar::TimeZone;
use crate::decide::{MetricObservation, Reading};
use crate::forecast::{
    Checkpoint, ForecastConfig, Forecaster, QuantileForecast, Trust, TrustQuestion, TrustState,
};
use crate::metrics::{Answer, HistoryQuery, InstantQuery, SourcePool};
use crate::policy::{CapacityRule, MetricRule, Policy};
use crate::units::{CapacityPerReplica, Demand, Span, Step, Timestamp};

/// Steps that the operator forecasts at most (DESIGN 5: 60 minutes).
const HORIZON: Span = Span::from_hours(1);
/// How long reading the whole history may take.
const HISTORY_DEADLINE: Span = Span::from_minutes(2);
/// After a history that could not be read, the next try.
const RETRY_AFTER: Span = Span::from_minutes(1);
/// How often trust is measured.
const TRUST_EVERY: Span = Span::from_hours(1);
/// A gap of so many steps is read as history instead of one by one.
const GAP_STEPS: i64 = 1;

/// A history on its way: samples, or why there are none.
type Loading = JoinHandle<Result<Forecaster, String>>;

/// Where a metric's history stands.
enum History {
    /// Not asked for, or to be asked for again then.
    Due(Timestamp),
    /// Under way.
    Loading(Loading),
    /// Learned.
    Learned,
}

/// What is asked, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The source.
    pub source: String,
    /// The query with the source's enforced labels in it.
    pub promql: String,
    /// The pods' resource whose requests are the capacity, for a preset without a stated one: `cpu` or `memory`.
    pub request: Option<&'static str>,
    /// Why the source may not be used, if so.
    pub refused: Option<String>,
}

/// One metric of one autoscaler.
pub struct Signal {
    rule: MetricRule,
    query: Query,
    config: ForecastConfig,
    history: History,
    tried: bool,
    forecaster: Option<Forecaster>,
    outlook: Option<QuantileForecast>,
    skill: Option<Trust>,
    trust_at: Option<Timestamp>,
    refit_day: i64,
    p05_earlier: Option<Demand>,
    /// The requests of the target's pods, for a preset without a stated capacity.
    pub requested: Option<CapacityPerReplica>,
    /// Why the history could not be read.
    pub history_note: Option<String>,
}

/// What a signal needs of the world at one tick.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    /// The instant.
    pub now: Timestamp,
    /// Time between ticks.
    pub tick: Step,
    /// The sources.
    pub pool: &'a Arc<SourcePool>,
}

impl Signal {
    /// A signal that knows nothing yet.
    pub fn new(policy: &Policy, rule: &MetricRule, query: Query) -> Self {
        let zone = TimeZone::parse(&policy.time_zone).unwrap_or(TimeZone::UTC);
        let horizon_steps = policy.step.steps_covering(HORIZON);
        Self {
            rule: rule.clone(),
            query,
            config: ForecastConfig { step: policy.step, history: policy.history, zone, horizon_steps },
            history: History::Due(Timestamp::from_millis(i64::MIN)),
            tried: false,
            forecaster: None,
            outlook: None,
            skill: None,
            trust_at: None,
            refit_day: 0,
            p05_earlier: None,
            requested: None,
            history_note: None,
        }
    }

    /// The reading at `moment`. While the history was never asked for, a value may raise and not lower: what the
    /// forecast would have held is not known yet.
    pub async fn read(&self, moment: Moment<'_>) -> Answer {
        let Moment { now, tick, pool } = moment;
        let query = InstantQuery { promql: self.query.promql.clone(), at: now, max_age: self.rule.max_age };
        let mut answer = pool.instant(&self.query.source, &query, tick).await;
        if self.rule.prediction
            && !self.tried
            && let Reading::Value { partial, .. } = &mut answer.reading
        {
            *partial = true;
            answer.note.get_or_insert_with(|| "the history is still being read".to_owned());
        }
        answer
    }

    /// Brings the forecaster up to date: learns the history, appends what has become visible, refits at midnight
    /// UTC, measures trust hourly. `censored` says whether the workload stood at its limit.
    pub async fn keep(
        &mut self,
        policy: &Policy,
        moment: Moment<'_>,
        trust: &mut TrustState,
        censored: bool,
    ) {
        if !self.rule.prediction {
            return;
        }
        self.load(policy, moment, trust).await;
        self.append(moment, censored).await;
        let day = moment.now.seconds().div_euclid(86_400);
        if day != self.refit_day && self.forecaster.is_some() {
            self.refit_day = day;
            self.offload(|forecaster| {
                forecaster.refit();
            })
            .await;
            self.issue(moment.now);
        }
        self.measure_trust(policy, moment.now, trust).await;
    }

    async fn load(&mut self, policy: &Policy, moment: Moment<'_>, trust: &mut TrustState) {
        match &mut self.history {
            History::Due(at) if moment.now < *at => {}
            History::Due(_) => self.history = History::Loading(self.begin_loading(policy, moment)),
            History::Loading(task) if task.is_finished() => {
                self.tried = true;
                match task.await {
                    Ok(Ok(forecaster)) => self.learned(policy, forecaster, moment.now, trust),
                    Ok(Err(note)) => self.not_learned(note, moment.now),
                    Err(_) => self.not_learned("learning the history failed".to_owned(), moment.now),
                }
            }
            History::Loading(_) | History::Learned => {}
        }
    }

    fn begin_loading(&self, policy: &Policy, moment: Moment<'_>) -> Loading {
        let step = self.config.step;
        let to = moment.now.floor_to(step);
        let query = HistoryQuery {
            promql: self.query.promql.clone(),
            from: to.minus(policy.history),
            to,
            step,
            max_age: self.rule.max_age,
            deadline: HISTORY_DEADLINE,
        };
        let config = self.config.clone();
        let (pool, source) = (Arc::clone(moment.pool), self.query.source.clone());
        tokio::spawn(async move {
            let samples = pool.history(&source, &query).await.map_err(|error| error.to_string())?;
            if samples.is_empty() {
                return Err(
                    "the query has no history: the reactive answer stands until there is some".to_owned()
                );
            }
            let stamped: Vec<(Timestamp, f64)> =
                samples.into_iter().map(|(at, value)| (at.minus(step.span()), value)).collect();
            tokio::task::spawn_blocking(move || Forecaster::learn(config, &stamped))
                .await
                .map_err(|_| "learning the history failed".to_owned())
        })
    }

    fn learned(&mut self, policy: &Policy, forecaster: Forecaster, now: Timestamp, trust: &mut TrustState) {
        self.history = History::Learned;
        self.history_note = None;
        self.refit_day = now.seconds().div_euclid(86_400);
        self.forecaster = Some(forecaster);
        self.issue(now);
        if let (Some(question), Some(forecaster)) = (self.question(policy), &mut self.forecaster) {
            let skill = forecaster.trust(&question);
            // Trust that was kept over a restart stands; a first fit earns it from history.
            if !trust.trusted {
                *trust = TrustState::earned(skill.measured());
            }
            self.skill = Some(skill);
            self.trust_at = Some(now);
        }
    }

    fn not_learned(&mut self, note: String, now: Timestamp) {
        self.history_note = Some(note);
        self.history = History::Due(now.plus(RETRY_AFTER));
    }

    /// Takes up what a checkpoint kept, when there is nothing better.
    pub fn restore(&mut self, checkpoint: &Checkpoint, now: Timestamp) {
        if self.forecaster.is_none()
            && let Ok(forecaster) = Forecaster::restore(self.config.clone(), checkpoint, &[])
        {
            self.forecaster = Some(forecaster);
            self.issue(now);
        }
    }

    /// Whether a history was asked for and none could be learned: then a checkpoint is worth looking for.
    pub fn needs_checkpoint(&self) -> bool {
        self.rule.prediction && self.tried && self.forecaster.is_none()
    }

    /// What to keep of the forecaster.
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        matches!(self.history, History::Learned).then_some(())?;
        self.forecaster.as_ref().and_then(Forecaster::checkpoint)
    }

    async fn append(&mut self, moment: Moment<'_>, censored: bool) {
        let Moment { now, tick, pool } = moment;
        let step = self.config.step;
        let due = now.floor_to(step);
        let Some((newest, _)) = self.forecaster.as_ref().and_then(Forecaster::newest) else { return };
        let step_millis = step.span().millis().cast_signed();
        let missing = (due.millis() - newest.millis()) / step_millis - 1;
        if missing <= 0 {
            return;
        }
        let mut samples: Vec<(Timestamp, f64)> = Vec::new();
        if missing > GAP_STEPS {
            let from = newest.plus(step.span()).plus(step.span());
            let query = HistoryQuery {
                promql: self.query.promql.clone(),
                from,
                to: due,
                step,
                max_age: self.rule.max_age,
                deadline: Span::from_seconds(10),
            };
            samples = pool.history(&self.query.source, &query).await.unwrap_or_default();
        } else {
            let query =
                InstantQuery { promql: self.query.promql.clone(), at: due, max_age: self.rule.max_age };
            if let Reading::Value { value, partial: false, .. } =
                pool.instant(&self.query.source, &query, tick).await.reading
            {
                samples.push((due, value));
            }
        }
        if samples.is_empty() {
            return;
        }
        if let Some(forecaster) = &mut self.forecaster {
            for (at, value) in samples {
                let last = at == due;
                forecaster.observe(at.minus(step.span()), Some(value), censored && last);
            }
        }
        self.issue(now);
    }

    fn issue(&mut self, now: Timestamp) {
        self.outlook = self.forecaster.as_ref().and_then(Forecaster::forecast);
        self.p05_earlier = self.forecaster.as_ref().and_then(|forecaster| forecaster.p05_30_min_ago(now));
    }

    /// Works on the forecaster off the runtime's threads; `None` when there is none, or the work failed.
    async fn offload<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Forecaster) -> T + Send + 'static,
    ) -> Option<T> {
        let mut forecaster = self.forecaster.take()?;
        let kept = forecaster.clone();
        let worked = tokio::task::spawn_blocking(move || {
            let result = work(&mut forecaster);
            (forecaster, result)
        });
        let (forecaster, result) =
            worked.await.map_or((kept, None), |(worked, result)| (worked, Some(result)));
        self.forecaster = Some(forecaster);
        result
    }

    fn question(&self, policy: &Policy) -> Option<TrustQuestion> {
        let capacity = self.capacity()?;
        let utilization = policy.reactive.average_utilization;
        Some(TrustQuestion { capacity, unserved: policy.unserved, lead: policy.lead, utilization })
    }

    async fn measure_trust(&mut self, policy: &Policy, now: Timestamp, trust: &mut TrustState) {
        if self.trust_at.is_some_and(|at| now.since(at) < TRUST_EVERY) {
            return;
        }
        let Some(question) = self.question(policy) else { return };
        if let Some(skill) = self.offload(move |forecaster| forecaster.trust(&question)).await {
            *trust = trust.update(skill.measured());
            self.skill = Some(skill);
            self.trust_at = Some(now);
        }
    }

    /// The capacity per replica: stated, or the requests of the target's pods.
    pub fn capacity(&self) -> Option<CapacityPerReplica> {
        match self.rule.capacity {
            CapacityRule::Stated(capacity) => Some(capacity),
            CapacityRule::PodRequests => self.requested,
        }
    }

    /// The observation for a tick, from the reading and what is known.
    pub fn observation(
        &self,
        policy: &Policy,
        reading: Reading,
        now: Timestamp,
        known: Known,
    ) -> MetricObservation<'_> {
        let Known { trusted, source_suspect } = known;
        let ahead = policy.lead.plus(policy.hold());
        let same_hours_maximum = match reading {
            Reading::Absent(_) => self.forecaster.as_ref().and_then(|one| one.same_hours_maximum(now, ahead)),
            Reading::Value { .. } => None,
        };
        MetricObservation {
            reading,
            capacity: self.capacity(),
            outlook: self.outlook.as_ref(),
            trusted,
            p05_earlier: self.p05_earlier,
            same_hours_maximum,
            source_suspect,
        }
    }

    /// The forecaster, for reports.
    pub const fn forecaster(&self) -> Option<&Forecaster> {
        self.forecaster.as_ref()
    }

    /// The forecast that stands.
    pub const fn outlook(&self) -> Option<&QuantileForecast> {
        self.outlook.as_ref()
    }

    /// The last measured skill.
    pub const fn skill(&self) -> Option<Trust> {
        self.skill
    }

    /// Whether what was learned still serves under `policy` and `rule`.
    pub fn learns_as(&self, policy: &Policy, rule: &MetricRule) -> bool {
        let zone = TimeZone::parse(&policy.time_zone).unwrap_or(TimeZone::UTC);
        let ForecastConfig { step, history, zone: old_zone, .. } = self.config;
        self.rule == *rule && step == policy.step && history == policy.history && old_zone == zone
    }

    /// The metric's name.
    pub fn name(&self) -> &str {
        &self.rule.name
    }

    /// What is asked, and where.
    pub const fn query(&self) -> &Query {
        &self.query
    }
}

/// What is known about a signal besides itself.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Whether its forecast has earned its place.
    pub trusted: bool,
    /// Whether many series of its source have just fallen.
    pub source_suspect: bool,
}
