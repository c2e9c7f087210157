//! One metric of one autoscaler: its reading now, its forecaster and everything that keeps it fresh.
//!
//! The evaluation of a query at instant `T` (a multiple of the step) is the sample stamped `T - step`: demand over
//! `[T - step, T)`, visible at `T`. History is read once by `query_range`, then appended; when it is fitted again and
//! its trust measured is the keeper's to say.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::calendar::{TimeZone, Window};
use crate::decide::{Absence, MetricObservation, Reading};
use crate::engine::foresight;
use crate::forecast::{
    Arrival, Checkpoint, ForecastConfig, Forecaster, Judgement, Keeper, QuantileForecast, Trust,
    TrustQuestion, TrustState, fitted,
};
use crate::metrics::{Answer, HistoryQuery, InstantQuery, SourcePool};
use crate::policy::{CapacityRule, MetricRule, Policy};
use crate::units::{CapacityPerReplica, Share, Span, Step, Timestamp};

/// How long reading the whole history may take.
const HISTORY_DEADLINE: Span = Span::from_minutes(2);
/// After a history that could not be read, the next try.
const RETRY_AFTER: Span = Span::from_minutes(1);
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

/// A refit or a measurement of trust beside the ticks, and what has become visible meanwhile.
struct Working {
    task: JoinHandle<Option<(Keeper, Option<Judgement>)>>,
    since: Vec<Arrival>,
}

/// What was read at one tick.
pub struct Look {
    /// The reading.
    pub answer: Answer,
    /// What has become visible since the newest sample, each with the instant of its query.
    samples: Vec<(Timestamp, f64)>,
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
    history: History,
    tried: bool,
    keeper: Keeper,
    working: Option<Working>,
    /// The capacity where none is stated: the requests of the target's pods, or what is learned.
    pub found: Option<CapacityPerReplica>,
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
    /// As many fits at once as there are processors.
    pub fits: &'a Arc<Semaphore>,
    /// What is not read or fitted by then is left to a later tick.
    pub until: Instant,
}

impl Signal {
    /// A signal of the autoscaler `key` (`namespace/name`) that knows nothing yet but the announced `windows`.
    pub fn new(
        key: &str,
        policy: &Policy,
        (rule, query): (&MetricRule, Query),
        windows: &Arc<[Window]>,
    ) -> Self {
        Self {
            rule: rule.clone(),
            query,
            history: History::Due(Timestamp::from_millis(i64::MIN)),
            tried: false,
            keeper: foresight::keeper(key, policy, rule, Arc::clone(windows)),
            working: None,
            found: None,
            history_note: None,
        }
    }

    /// Reads at `moment` what the metric says now, and what has become visible since the newest sample.
    pub async fn look(&self, moment: Moment<'_>) -> Look {
        let (answer, samples) = tokio::join!(self.read(moment), self.fetch(moment));
        Look { answer, samples }
    }

    /// The reading. While the history was never asked for, a value may raise and not lower: what the forecast would have
    /// held is not known yet.
    async fn read(&self, moment: Moment<'_>) -> Answer {
        let Moment { now, tick, pool, until, .. } = moment;
        if let Some(note) = &self.query.refused {
            return Answer { note: Some(note.clone()), ..Answer::absent(Absence::SourceNotAllowed) };
        }
        let query = InstantQuery { promql: self.query.promql.clone(), at: now, max_age: self.rule.max_age };
        let Ok(mut answer) = timeout_at(until, pool.instant(&self.query.source, &query, tick)).await else {
            let note = "the source did not answer within the tick".to_owned();
            return Answer { note: Some(note), ..Answer::absent(Absence::Unreachable) };
        };
        if self.rule.prediction
            && !self.tried
            && let Reading::Value { partial, .. } = &mut answer.reading
        {
            *partial = true;
            answer.note.get_or_insert_with(|| "the history is still being read".to_owned());
        }
        answer
    }

    /// Brings the forecaster up to date with `look`, and begins a refit or a measurement of trust when that is due;
    /// [`Self::settle`] ends them. `censored` says whether the workload stood at its limit.
    pub fn keep(&mut self, look: &Look, policy: &Policy, (moment, censored): (Moment<'_>, bool)) {
        if !self.rule.prediction {
            return;
        }
        self.append(&look.samples, moment.now, censored);
        let question = self.capacity().map(|capacity| foresight::trust_question(policy, capacity));
        if self.working.is_none() && self.keeper.is_due(question.as_ref(), moment.now) {
            let task =
                tokio::spawn(work(self.keeper.clone(), question, (moment.now, Arc::clone(moment.fits))));
            self.working = Some(Working { task, since: Vec::new() });
        }
    }

    /// Waits for the refit that is under way as long as the tick may, and takes it up. One that is not done goes on
    /// beside the ticks, and the forecast that stands is followed until then.
    pub async fn settle(&mut self, moment: Moment<'_>, trust: &mut TrustState) {
        let Some(working) = &mut self.working else { return };
        let Ok(done) = timeout_at(moment.until, &mut working.task).await else { return };
        let since = self.working.take().map(|working| working.since).unwrap_or_default();
        // A panic in there leaves the keeper as it was.
        let Ok(Some((mut keeper, judgement))) = done else { return };
        keeper.announce(Arc::clone(self.keeper.windows()));
        keeper.observe(&since, moment.now);
        self.keeper = keeper;
        if let Some(judgement) = judgement {
            *trust = judgement.after(*trust);
        }
    }

    /// Asks for the history, or takes up what has come of it.
    pub async fn load(&mut self, policy: &Policy, moment: Moment<'_>) {
        if !self.rule.prediction || self.query.refused.is_some() {
            return;
        }
        match &mut self.history {
            History::Due(at) if moment.now < *at => {}
            History::Due(_) => self.history = History::Loading(self.begin_loading(policy, moment)),
            History::Loading(task) if task.is_finished() => {
                self.tried = true;
                match task.await {
                    Ok(Ok(forecaster)) => self.learned(forecaster, moment.now),
                    Ok(Err(note)) => self.not_learned(note, moment.now),
                    Err(_) => self.not_learned("learning the history failed".to_owned(), moment.now),
                }
            }
            History::Loading(_) | History::Learned => {}
        }
    }

    fn begin_loading(&self, policy: &Policy, moment: Moment<'_>) -> Loading {
        let step = policy.step;
        let to = moment.now.floor_to(step);
        let query = HistoryQuery {
            promql: self.query.promql.clone(),
            from: to.minus(policy.history),
            to,
            step,
            max_age: self.rule.max_age,
            deadline: HISTORY_DEADLINE,
        };
        let config = self.keeper.config().clone();
        let windows = Arc::clone(self.keeper.windows());
        let now = moment.now;
        let (pool, source) = (Arc::clone(moment.pool), self.query.source.clone());
        let fits = Arc::clone(moment.fits);
        tokio::spawn(async move {
            let samples = pool.history(&source, &query).await.map_err(|error| error.to_string())?;
            if samples.is_empty() {
                return Err(
                    "the query has no history: the reactive answer stands until there is some".to_owned()
                );
            }
            let stamped: Vec<(Timestamp, f64)> =
                samples.into_iter().map(|(at, value)| (at.minus(step.span()), value)).collect();
            let _permit = fits.acquire_owned().await;
            tokio::task::spawn_blocking(move || fitted(config, &windows, &stamped, now))
                .await
                .map_err(|_| "learning the history failed".to_owned())
        })
    }

    fn learned(&mut self, forecaster: Forecaster, now: Timestamp) {
        self.history = History::Learned;
        self.history_note = None;
        self.working = None;
        self.keeper.begin(forecaster, now);
    }

    fn not_learned(&mut self, note: String, now: Timestamp) {
        self.history_note = Some(note);
        self.history = History::Due(now.plus(RETRY_AFTER));
    }

    /// Takes up what a checkpoint kept, when there is nothing better.
    pub fn restore(&mut self, checkpoint: &Checkpoint, now: Timestamp) {
        if self.keeper.forecaster().is_none()
            && let Ok(forecaster) = Forecaster::restore(self.keeper.config().clone(), checkpoint, &[])
        {
            self.working = None;
            self.keeper.resume(forecaster, now);
        }
    }

    /// Whether a history was asked for and none could be learned: then a checkpoint is worth looking for.
    pub fn needs_checkpoint(&self) -> bool {
        self.rule.prediction && self.tried && self.keeper.forecaster().is_none()
    }

    /// Whether the history was learned.
    pub const fn has_history(&self) -> bool {
        matches!(self.history, History::Learned)
    }

    /// What to keep of the forecaster.
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        matches!(self.history, History::Learned).then_some(())?;
        self.keeper.forecaster().and_then(Forecaster::checkpoint)
    }

    /// What has become visible since the newest sample: one by its own query, more of them as history.
    async fn fetch(&self, moment: Moment<'_>) -> Vec<(Timestamp, f64)> {
        let Moment { now, tick, pool, until, .. } = moment;
        let step = self.keeper.config().step;
        let due = now.floor_to(step);
        let Some((newest, _)) = self.keeper.forecaster().and_then(Forecaster::newest) else {
            return Vec::new();
        };
        let step_millis = step.span().millis().cast_signed();
        let missing = (due.millis() - newest.millis()) / step_millis - 1;
        if missing <= 0 {
            return Vec::new();
        }
        let (source, promql, max_age) = (&self.query.source, self.query.promql.clone(), self.rule.max_age);
        if missing > GAP_STEPS {
            let from = newest.plus(step.span()).plus(step.span());
            let deadline = Span::from_seconds(10);
            let query = HistoryQuery { promql, from, to: due, step, max_age, deadline };
            let read = timeout_at(until, pool.history(source, &query)).await;
            return read.ok().and_then(Result::ok).unwrap_or_default();
        }
        let query = InstantQuery { promql, at: due, max_age };
        match timeout_at(until, pool.instant(source, &query, tick)).await.map(|answer| answer.reading) {
            Ok(Reading::Value { value, partial: false, .. }) => vec![(due, value)],
            _ => Vec::new(),
        }
    }

    fn append(&mut self, samples: &[(Timestamp, f64)], now: Timestamp, censored: bool) {
        let step = self.keeper.config().step;
        let due = now.floor_to(step);
        let arrivals: Vec<Arrival> = samples
            .iter()
            .map(|&(at, value)| Arrival { at: at.minus(step.span()), value, censored: censored && at == due })
            .collect();
        self.keeper.observe(&arrivals, now);
        if let Some(working) = &mut self.working {
            working.since.extend(arrivals);
        }
    }

    /// The capacity per replica: stated, or the requests of the target's pods, or what is learned.
    pub fn capacity(&self) -> Option<CapacityPerReplica> {
        match self.rule.capacity {
            CapacityRule::Stated(capacity) => Some(capacity),
            CapacityRule::PodRequests | CapacityRule::Learned => self.found,
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
        let Known { trusted, level, source_suspect } = known;
        let ahead = policy.lead.plus(policy.hold());
        let same_hours_maximum = match reading {
            Reading::Absent(_) => self.keeper.forecaster().and_then(|one| one.same_hours_maximum(now, ahead)),
            Reading::Value { .. } => None,
        };
        MetricObservation {
            reading,
            capacity: self.capacity(),
            outlook: self.keeper.outlook(),
            trusted,
            level,
            profile: self.keeper.profile(),
            p05_earlier: self.keeper.p05_earlier(),
            same_hours_maximum,
            source_suspect,
        }
    }

    /// The forecaster, for reports.
    pub const fn forecaster(&self) -> Option<&Forecaster> {
        self.keeper.forecaster()
    }

    /// The forecast that stands.
    pub const fn outlook(&self) -> Option<&QuantileForecast> {
        self.keeper.outlook()
    }

    /// The last measured skill.
    pub const fn skill(&self) -> Option<Trust> {
        self.keeper.skill()
    }

    /// Takes over other announced events, which take the same out of the history.
    pub fn announce(&mut self, windows: &Arc<[Window]>) {
        self.keeper.announce(Arc::clone(windows));
    }

    /// How many times ordinary demand the announced events expect at `at`.
    pub fn times(&self, at: Timestamp) -> f64 {
        self.keeper.times(at)
    }

    /// Whether the history is the same without `windows` as without the events known so far.
    pub fn takes_out(&self, windows: &[Window], now: Timestamp) -> bool {
        self.keeper.takes_out(windows, now)
    }

    /// Whether what was learned still serves under `policy` and `rule`.
    pub fn learns_as(&self, policy: &Policy, rule: &MetricRule) -> bool {
        let zone = TimeZone::parse(&policy.time_zone).unwrap_or(TimeZone::UTC);
        let ForecastConfig { step, history, zone: old_zone, .. } = self.keeper.config();
        self.rule == *rule && *step == policy.step && *history == policy.history && *old_zone == zone
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

/// Refits and measures off the runtime's threads; `None` when that came to nothing.
async fn work(
    mut keeper: Keeper,
    question: Option<TrustQuestion>,
    (now, fits): (Timestamp, Arc<Semaphore>),
) -> Option<(Keeper, Option<Judgement>)> {
    let _permit = fits.acquire_owned().await;
    let worked = tokio::task::spawn_blocking(move || {
        let judgement = keeper.keep(question.as_ref(), now);
        (keeper, judgement)
    });
    worked.await.ok()
}

/// What is known about a signal besides itself.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Whether its forecast has earned its place.
    pub trusted: bool,
    /// The quantile that keeps the objective when every step follows it.
    pub level: Option<Share>,
    /// Whether many series of its source have just fallen.
    pub source_suspect: bool,
}
