//! Probabilistic forecasts of one demand series.
//!
//! ```text
//! Series -> Levels -> Material -> lessons -> Member (one expert at one knot) -> weights -> Model     at a refit
//! Series -> Levels -> Origin -> rows -> every member's quantiles -> pool -> QuantileForecast         at any time
//! ```
//!
//! Eight experts say where demand will be, each by a linear rule on features of the past (`experts`): last value,
//! seasonal naive, yesterday at a part of today's deviation, three ridge regressions, on demand or on its logarithm, waves
//! of day and week by an elastic net, and the rule that many series have in common (`global`), on which the ridge
//! regressions of a young series lean. A ninth joins them where a season of another length than day and week is found and
//! confirmed (`cycle`). For each knot ahead every expert's errors on past targets, divided by a local size of errors,
//! give its quantiles (`member`); the experts' quantiles are averaged with weights learned from their pinball loss
//! (`combine`). Errors and losses are always taken on time blocks that the coefficients have not seen.
//!
//! Levels are means over blocks of at least five minutes. What demand does within a block, and what the first steps of
//! a block tell of its rest, is learned from the two days that are known step by step (`shape`).
//!
//! Beyond a week ahead nothing of the newest hours helps: plans ask for the usual week at a coming level (`distant`).
//!
//! A refit (00:00 UTC) fits everything again; between refits a new sample changes the features, and how far the highest
//! quantiles are widened (`calibration`).

mod ablation;
mod alone;
mod calibration;
mod checkpoint;
mod combine;
mod cycle;
mod distant;
mod experts;
mod features;
mod global;
mod keeper;
mod kernels;
mod lessons;
mod levels;
mod member;
mod model;
mod quantiles;
mod rehearsal;
pub mod request;
mod shape;
mod shift;
mod tail;
mod trust;
mod view;
mod week;

pub use ablation::Without;
pub use checkpoint::{Checkpoint, RestoreError};
pub use distant::{DAYS_MIN, days_ahead, days_to_come};
pub use experts::expert_names;
pub use features::{FEATURES, Ladder};
pub use global::{Course, Examples, Family, GlobalModel, ModelError};
pub use keeper::{Arrival, Judgement, Keeper, fitted};
pub use quantiles::{LEVELS, N_LEVELS, QuantileForecast, Quantiles, SeasonalProfile};
pub use trust::{Trust, TrustQuestion, TrustState};

use crate::calendar::TimeZone;
use crate::series::{Sample, Series, Slot, median};
use crate::units::{Demand, Share, Span, Step, Timestamp};
use calibration::Calibration;
use levels::{Clock, Levels, clock_ahead};
use model::Model;
use trust::Ledger;
use view::{Sight, View};

/// How long before a step [`Forecaster::p05_30_min_ago`] looks at it (DESIGN 4, stage 5).
const HALF_HOUR: Span = Span::from_minutes(30);

/// What a forecaster needs to know beforehand.
#[derive(Clone, Debug, PartialEq)]
pub struct ForecastConfig {
    /// The grid.
    pub step: Step,
    /// How much history is kept: 28 days.
    pub history: Span,
    /// Whose days and weeks.
    pub zone: TimeZone,
    /// How many steps ahead a forecast reaches.
    pub horizon_steps: usize,
    /// What is common to all series.
    pub global: GlobalModel,
}

/// All state of one metric: its history and the model fitted to it. Within 64 KiB for 28 days and an hour ahead.
#[derive(Clone, Debug)]
pub struct Forecaster {
    config: ForecastConfig,
    series: Series,
    model: Option<Fitted>,
    /// The decisions that trust was last asked about.
    ledger: Option<Ledger>,
    /// Slots of history at the last fit.
    fitted: Slot,
    /// Nothing, but in measurements of what each part earns.
    without: Without,
}

/// What the last fit left.
#[derive(Clone, Debug)]
struct Fitted {
    model: Model,
    clock: Clock,
    calibration: Calibration,
}

impl Fitted {
    fn sight<'a>(&'a self, series: &'a Series) -> Sight<'a> {
        Sight { model: &self.model, series, clock: &self.clock }
    }
}

/// One expert's part in the forecast.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpertShare {
    /// The expert's name.
    pub name: &'static str,
    /// Its weight, averaged over distances and quantile levels: 0 .. 1.
    pub weight: f64,
}

/// What status shows of a forecaster.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The experts that take part, heaviest first.
    pub experts: Vec<ExpertShare>,
    /// Share of past targets that the pooled .9 quantile covered.
    pub coverage_90: Share,
    /// Share of past targets that the pooled .99 quantile covered.
    pub coverage_99: Share,
    /// Readings held; averaged ones count once a block.
    pub samples: usize,
    /// How far up the ladder the history reached at the last fit.
    pub rung: Ladder,
    /// When the next rung can be reached at the earliest; `None` on the last one, or while there is no sample.
    pub ready_from: Option<Timestamp>,
}

impl Forecaster {
    /// A forecaster that knows nothing.
    pub fn new(config: ForecastConfig) -> Self {
        Self {
            series: Series::new(config.step, config.history),
            model: None,
            ledger: None,
            fitted: 0,
            without: Without::Nothing,
            config,
        }
    }

    /// The first fit from history: `samples` in any order, a later one of the same slot replacing an earlier one.
    /// Values that are no demand (negative, not finite) are dropped.
    ///
    /// Demand of 100 from midnight and 300 from noon, for ten days:
    ///
    /// ```
    /// use foresail::calendar::TimeZone;
    /// use foresail::forecast::{ForecastConfig, Forecaster, GlobalModel, Ladder};
    /// use foresail::units::{Span, Step, Timestamp};
    ///
    /// let config = ForecastConfig {
    ///     step: Step::new(3600).unwrap(),
    ///     history: Span::from_hours(28 * 24),
    ///     zone: TimeZone::UTC,
    ///     horizon_steps: 12,
    ///     global: GlobalModel::shipped(),
    /// };
    ///
    /// let hour = |h: i64| Timestamp::from_seconds(3600 * h);
    /// let demand = |h: i64| if h % 24 < 12 { 100.0 } else { 300.0 };
    /// let samples: Vec<(Timestamp, f64)> = (0..10 * 24).map(|h| (hour(h), demand(h))).collect();
    /// let forecaster = Forecaster::learn(config, &samples);
    ///
    /// assert_eq!(forecaster.newest(), Some((hour(239), 300.0)));
    /// // Days were seen more than twice, so that midnight does not surprise it; weeks were not.
    /// assert_eq!(forecaster.rung(), Ladder::Daily);
    /// let midnight = forecaster.forecast().unwrap().steps[0].at(0.5).get();
    /// assert!((midnight - 100.0).abs() < 20.0, "{midnight}");
    /// ```
    pub fn learn(config: ForecastConfig, samples: &[(Timestamp, f64)]) -> Self {
        Self::learn_from(config, samples.iter().map(|&(at, value)| Arrival { at, value, censored: false }))
    }

    /// [`Self::learn`] from samples of which some are lower bounds.
    pub fn learn_from(config: ForecastConfig, samples: impl IntoIterator<Item = Arrival>) -> Self {
        Self::learn_without(config, samples, Without::Nothing)
    }

    /// [`Self::learn_from`] with a part left out, to see what it earns.
    pub fn learn_without(
        config: ForecastConfig,
        samples: impl IntoIterator<Item = Arrival>,
        without: Without,
    ) -> Self {
        let mut forecaster = Self::new(config);
        forecaster.without = without;
        for Arrival { at, value, censored } in samples {
            forecaster.series.push(at, value, censored);
        }
        forecaster.refit();
        forecaster
    }

    /// Takes one new sample; `None` is a gap. Later forecasts are those that the sample in the history would have
    /// given, but for coefficients, which stay until [`Self::refit`].
    ///
    /// `censored`: the target was saturated, so that demand was at least `value`; it is never learned as the value.
    ///
    /// ```
    /// # use foresail::calendar::TimeZone;
    /// # use foresail::forecast::{ForecastConfig, Forecaster, GlobalModel};
    /// # use foresail::units::{Span, Step, Timestamp};
    /// # let config = ForecastConfig {
    /// #     step: Step::new(3600).unwrap(),
    /// #     history: Span::from_hours(28 * 24),
    /// #     zone: TimeZone::UTC,
    /// #     horizon_steps: 12,
    /// #     global: GlobalModel::shipped(),
    /// # };
    /// # let hour = |h: i64| Timestamp::from_seconds(3600 * h);
    /// # let demand = |h: i64| if h % 24 < 12 { 100.0 } else { 300.0 };
    /// # let samples: Vec<(Timestamp, f64)> = (0..10 * 24).map(|h| (hour(h), demand(h))).collect();
    /// let mut forecaster = Forecaster::learn(config, &samples);
    /// forecaster.observe(hour(240), Some(110.0), false);
    /// assert_eq!(forecaster.newest(), Some((hour(240), 110.0)));
    /// // The next forecast begins after the newest sample; a gap moves nothing.
    /// forecaster.observe(hour(241), None, false);
    /// assert_eq!(forecaster.forecast().unwrap().newest, hour(240));
    /// // A lower bound is the newest reading too.
    /// forecaster.observe(hour(242), Some(90.0), true);
    /// assert_eq!(forecaster.newest(), Some((hour(242), 90.0)));
    /// ```
    pub fn observe(&mut self, at: Timestamp, value: Option<f64>, censored: bool) {
        let Some(value) = value else { return };
        let (blocking, before) = (self.series.blocking(), self.series.newest());
        let taken = self.series.push(at, value, censored);
        // A model of other blocks says nothing of these.
        if taken && (self.model.is_none() || self.series.blocking() != blocking) {
            self.refit();
        }
        let Some(newest) = self.series.newest() else { return };
        let end = self.series.time(newest).plus(self.horizon());
        if self.model.as_ref().is_some_and(|fitted| !fitted.clock.reaches(end)) {
            let clock = self.clock();
            if let Some(fitted) = &mut self.model {
                fitted.clock = clock;
            }
        }
        let is_last_of_block = blocking.last_slot(blocking.block_of(newest)) == newest;
        if is_last_of_block && before != Some(newest) && blocking == self.series.blocking() {
            self.calibrate(newest);
        }
    }

    /// Forgets what was read from `from` until before `to`, but for the newest sample: it becomes a gap.
    pub fn forget(&mut self, from: Timestamp, to: Timestamp) {
        self.series.forget(from, to);
    }

    fn calibrate(&mut self, slot: Slot) {
        let Some(fitted) = self.model.as_mut().filter(|_| self.without != Without::Calibration) else {
            return;
        };
        let Fitted { model, clock, calibration } = fitted;
        let block = self.series.blocking().block_of(slot);
        model.alone.judge_newest(&Levels::new(&self.series, clock, block, None).in_units_of(model.scale));
        calibration.score(Sight { model, series: &self.series, clock }, slot);
    }

    /// Fits everything again to the history held. The caller does so at 00:00 UTC, and when [`Self::has_outgrown`].
    pub fn refit(&mut self) {
        self.ledger = None;
        let clock = self.clock();
        let (horizon, global) = (self.config.horizon_steps, &self.config.global);
        let nothing = GlobalModel::nothing();
        let global = if self.without == Without::GlobalModel { &nothing } else { global };
        self.model = Model::fit(&self.series, &clock, (horizon, global), self.without)
            .map(|model| self.fitted(model, clock));
        self.fitted = self.slots();
    }

    /// Whether the history is twice as long as at the last fit, and a refit worth while before the next midnight.
    pub fn has_outgrown(&self) -> bool {
        self.slots() >= self.fitted.max(1).saturating_mul(2)
    }

    /// The forecast from the newest sample: steps 1 to the horizon. `None` while there is no sample.
    ///
    /// ```
    /// # use foresail::calendar::TimeZone;
    /// # use foresail::forecast::{ForecastConfig, Forecaster, GlobalModel};
    /// # use foresail::units::{Span, Step, Timestamp};
    /// # let config = ForecastConfig {
    /// #     step: Step::new(3600).unwrap(),
    /// #     history: Span::from_hours(28 * 24),
    /// #     zone: TimeZone::UTC,
    /// #     horizon_steps: 12,
    /// #     global: GlobalModel::shipped(),
    /// # };
    /// # let hour = |h: i64| Timestamp::from_seconds(3600 * h);
    /// # let demand = |h: i64| if h % 24 < 12 { 100.0 } else { 300.0 };
    /// # let samples: Vec<(Timestamp, f64)> = (0..10 * 24).map(|h| (hour(h), demand(h))).collect();
    /// assert_eq!(Forecaster::new(config.clone()).forecast(), None);
    ///
    /// let forecast = Forecaster::learn(config, &samples).forecast().unwrap();
    /// assert_eq!((forecast.newest, forecast.steps.len()), (hour(239), 12));
    /// let three = forecast.at(hour(243)).unwrap();
    /// assert_eq!(three, &forecast.steps[3]);
    /// assert!(three.at(0.5) <= three.at(0.99));
    /// assert_eq!(forecast.at(hour(252)), None, "beyond the horizon");
    /// ```
    pub fn forecast(&self) -> Option<QuantileForecast> {
        self.forecast_to(self.config.horizon_steps)
    }

    /// The first steps of [`Self::forecast`], up to `last`, in proportionately less time.
    pub fn forecast_to(&self, last: usize) -> Option<QuantileForecast> {
        let newest = self.series.newest()?;
        let view = self.view(newest)?;
        let mut steps = view.steps(1, last.min(self.config.horizon_steps));
        if let Some(Fitted { calibration, .. }) = &self.model {
            for (ahead, quantiles) in (1..).zip(&mut steps) {
                let part = view.part(ahead);
                *quantiles = calibration.widen((ahead, part), quantiles, view.bound());
            }
        }
        Some(QuantileForecast { newest: self.series.time(newest), step: self.config.step, steps })
    }

    /// The start and value of the newest sample, also of a censored one.
    pub fn newest(&self) -> Option<(Timestamp, f64)> {
        let slot = self.series.newest()?;
        Some((self.series.time(slot), self.series.sample(slot).reading()?))
    }

    /// The highest demand over `span` from the same local time on every past day held; `None` when there is none.
    /// Days older than two count by their means over five minutes.
    pub fn same_hours_maximum(&self, at: Timestamp, span: Span) -> Option<Demand> {
        let oldest = self.series.time(self.series.oldest());
        let offsets = self.config.zone.offsets(oldest, at);
        let days = u32::try_from(at.since(oldest).millis() / 86_400_000 + 1).unwrap_or(u32::MAX);
        let mut highest: Option<f64> = None;
        for day in 1..=days {
            let start = offsets.days_before(at, day);
            for slot in self.series.slot(start)..=self.series.slot(start.plus(span)) {
                if self.series.time(slot) >= start.plus(span).max(start.plus(self.config.step.span())) {
                    break;
                }
                let reading = self.series.known(slot).reading();
                highest = highest.into_iter().chain(reading).reduce(f64::max);
            }
        }
        highest.and_then(Demand::new)
    }

    /// Usual demand over `n_steps` steps from the one that contains `from`.
    pub fn profile(&self, from: Timestamp, n_steps: usize) -> SeasonalProfile {
        let from = from.floor_to(self.config.step);
        let oldest = self.series.time(self.series.oldest());
        let steps = u64::try_from(n_steps).unwrap_or(u64::MAX);
        let length = Span::from_millis(self.config.step.span().millis().saturating_mul(steps));
        let offsets = self.config.zone.offsets(oldest, from.plus(length));
        let days = u32::try_from(from.since(oldest).millis() / 86_400_000 + 1).unwrap_or(u32::MAX);
        let mut at = from;
        let mut usual = Vec::with_capacity(n_steps);
        for _ in 0..n_steps {
            let same =
                (1..=days).map(|day| self.series.known(self.series.slot(offsets.days_before(at, day))));
            let mut known: Vec<f64> = same.filter_map(Sample::reading).collect();
            usual.push(Demand::new(median(&mut known)).filter(|_| !known.is_empty()));
            at = at.plus(self.config.step.span());
        }
        SeasonalProfile { from, step: self.config.step, usual }
    }

    /// The .05 quantile for the step that contains `now`, as forecast from the newest sample at least 30 minutes
    /// earlier. `None` when nothing was read in the half hour before that.
    pub fn p05_30_min_ago(&self, now: Timestamp) -> Option<Demand> {
        let target = self.series.slot(now);
        let back = Slot::try_from(self.config.step.steps_covering(HALF_HOUR)).unwrap_or(1);
        let origin = (target - 2 * back..=target - back)
            .rev()
            .find(|&slot| self.series.sample(slot).reading().is_some())?;
        let ahead = usize::try_from(target - origin).ok()?;
        self.view(origin)?.steps(ahead, ahead).first().map(|quantiles| quantiles.at(0.05))
    }

    /// Whether the forecast would have decided better than its rivals over the last seven days.
    ///
    /// Asked for the first time since a refit, or another question than before, it replays the whole week with models
    /// of that time (some milliseconds); asked again, it judges what the model in use has decided since.
    ///
    /// Demand that jumps every noon is met by who knows it, and missed by who reacts:
    ///
    /// ```
    /// # use foresail::forecast::{TrustQuestion, TrustState};
    /// # use foresail::units::{CapacityPerReplica, Objective, ReplicaBounds, Replicas, Share};
    /// # use foresail::calendar::TimeZone;
    /// # use foresail::forecast::{ForecastConfig, Forecaster, GlobalModel};
    /// # use foresail::units::{Span, Step, Timestamp};
    /// # let config = ForecastConfig {
    /// #     step: Step::new(3600).unwrap(),
    /// #     history: Span::from_hours(28 * 24),
    /// #     zone: TimeZone::UTC,
    /// #     horizon_steps: 12,
    /// #     global: GlobalModel::shipped(),
    /// # };
    /// # let hour = |h: i64| Timestamp::from_seconds(3600 * h);
    /// # let demand = |h: i64| if h % 24 < 12 { 100.0 } else { 300.0 };
    /// # let samples: Vec<(Timestamp, f64)> = (0..10 * 24).map(|h| (hour(h), demand(h))).collect();
    /// let question = TrustQuestion {
    ///     capacity: CapacityPerReplica::new(10.0).unwrap(),
    ///     bounds: ReplicaBounds::new(Replicas::ONE, Replicas::new(100)).unwrap(),
    ///     objective: Objective::Unserved(Share::parse("0.1%").unwrap()),
    ///     lead: Span::from_minutes(5),
    ///     utilization: Share::from_percent(70),
    ///     floor: Share::from_percent(95),
    ///     window: Span::from_minutes(5),
    ///     hold: Span::from_minutes(10),
    /// };
    /// let jumps = Forecaster::learn(config.clone(), &samples).trust(&question);
    /// assert!(TrustState::earned(jumps).trusted, "{jumps:?}");
    ///
    /// let short = Forecaster::learn(config, &samples[..24]).trust(&question);
    /// assert_eq!(short.measured(), None, "a day is no measurement");
    /// ```
    pub fn trust(&mut self, question: &TrustQuestion) -> Trust {
        let kept = self.ledger.take().filter(|ledger| ledger.answers(question));
        self.ledger = self.sight().and_then(|sight| match kept {
            Some(mut ledger) => {
                ledger.judge(sight);
                Some(ledger)
            }
            None => Ledger::replay(sight, question),
        });
        self.ledger.as_ref().map_or(Trust::UNMEASURED, Ledger::verdict)
    }

    /// How far up the ladder the history reached at the last fit.
    pub fn rung(&self) -> Ladder {
        self.model.as_ref().map_or(Ladder::Reactive, |fitted| fitted.model.rung)
    }

    /// What status shows.
    pub fn summary(&self) -> Summary {
        let rung = self.rung();
        let coverage = self.model.as_ref().map_or([0.0; 2], |fitted| fitted.model.coverage);
        let [coverage_90, coverage_99] = coverage.map(|c| Share::new(c).unwrap_or(Share::from_percent(0)));
        let needed = match rung {
            Ladder::Reactive | Ladder::ColdStart => Some(Span::from_hours(2 * 24)),
            Ladder::Daily => Some(Span::from_hours(14 * 24)),
            Ladder::Weekly => None,
        };
        let oldest = self.series.newest().map(|_| self.series.time(self.series.oldest()));
        Summary {
            experts: self.model.as_ref().map_or_else(Vec::new, |fitted| fitted.model.shares()),
            coverage_90,
            coverage_99,
            samples: self.samples_held(),
            rung,
            ready_from: oldest.zip(needed).map(|(oldest, needed)| oldest.plus(needed)),
        }
    }

    /// What survives a restart; `None` while there is no model.
    ///
    /// ```
    /// # use foresail::calendar::TimeZone;
    /// # use foresail::forecast::{ForecastConfig, Forecaster, GlobalModel};
    /// # use foresail::units::{Span, Step, Timestamp};
    /// # let config = ForecastConfig {
    /// #     step: Step::new(3600).unwrap(),
    /// #     history: Span::from_hours(28 * 24),
    /// #     zone: TimeZone::UTC,
    /// #     horizon_steps: 12,
    /// #     global: GlobalModel::shipped(),
    /// # };
    /// # let hour = |h: i64| Timestamp::from_seconds(3600 * h);
    /// # let demand = |h: i64| if h % 24 < 12 { 100.0 } else { 300.0 };
    /// # let samples: Vec<(Timestamp, f64)> = (0..10 * 24).map(|h| (hour(h), demand(h))).collect();
    /// let kept = Forecaster::learn(config.clone(), &samples).checkpoint().unwrap();
    /// let text = serde_json::to_string(&kept).unwrap();
    /// assert!(text.len() <= 8 * 1024);
    ///
    /// // After a restart without any history to read, midnight is still known.
    /// let restored = Forecaster::restore(config, &serde_json::from_str(&text).unwrap(), &[]).unwrap();
    /// let midnight = restored.forecast().unwrap().steps[0].at(0.5).get();
    /// assert!((midnight - 100.0).abs() < 30.0, "{midnight}");
    /// ```
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        let Fitted { model, calibration, .. } = self.model.as_ref()?;
        Checkpoint::new(&self.series, model, calibration)
    }

    /// A forecaster from a checkpoint and whatever history could be read again, in time order.
    ///
    /// The stored model is used as long as less than half of the stored history could be read, and that shows no other
    /// native grid; otherwise all is fitted again.
    ///
    /// # Errors
    /// [`RestoreError`] when the checkpoint is not this version's or not of this grid: use [`Self::learn`].
    pub fn restore(
        config: ForecastConfig,
        checkpoint: &Checkpoint,
        recent: &[(Timestamp, f64)],
    ) -> Result<Self, RestoreError> {
        checkpoint.check(config.step)?;
        let model = checkpoint.model(&config.global)?;
        let mut forecaster = Self::new(config);
        // What is stored is level over each half hour, which is no grid of the source's.
        let ForecastConfig { step, history, .. } = forecaster.config;
        forecaster.series = Series::in_blocks(step, history, checkpoint.blocks());
        let first = recent.first().map_or(checkpoint.end(), |(at, _)| *at);
        let stored = checkpoint.samples(step, first);
        let mut oldest = None;
        for (at, value) in stored {
            oldest = oldest.or(Some(at));
            forecaster.series.fill(at, value);
        }
        for &(at, value) in recent {
            forecaster.series.push(at, value, false);
        }
        let read = recent.last().map_or(Span::ZERO, |(last, _)| last.since(first));
        let kept = checkpoint.end().since(oldest.unwrap_or(first));
        let other_blocks = forecaster.series.blocking() != checkpoint.blocks();
        if read.millis() >= kept.millis() / 2 || other_blocks {
            forecaster.refit();
        } else {
            let mut fitted = forecaster.fitted(model, forecaster.clock());
            let reach = (forecaster.series.blocking().factor(), forecaster.config.horizon_steps);
            if let Some(calibration) = checkpoint.calibration(reach) {
                fitted.calibration = calibration;
            }
            forecaster.model = Some(fitted);
            forecaster.fitted = forecaster.slots();
        }
        Ok(forecaster)
    }

    /// Bytes held, without what the allocator adds.
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.series.bytes()
            + self.model.as_ref().map_or(0, |fitted| fitted.model.bytes())
            + self.ledger.as_ref().map_or(0, Ledger::bytes)
    }

    /// What a fit leaves: the model, calibrated on the newest day.
    fn fitted(&self, model: Model, clock: Clock) -> Fitted {
        let (series, horizon) = (&self.series, self.config.horizon_steps);
        let calibration = if self.without == Without::Calibration {
            Calibration::new((series.blocking().factor(), horizon), None)
        } else {
            Calibration::warm(
                Sight { model: &model, series, clock: &clock },
                horizon,
                self.without != Without::PartsOfDay,
            )
        };
        Fitted { model, clock, calibration }
    }

    fn sight(&self) -> Option<Sight<'_>> {
        Some(self.model.as_ref()?.sight(&self.series))
    }

    fn view(&self, origin: Slot) -> Option<View<'_>> {
        View::new(self.sight()?, origin)
    }

    fn horizon(&self) -> Span {
        let steps = u64::try_from(self.config.horizon_steps).unwrap_or(u64::MAX);
        Span::from_millis(self.config.step.span().millis().saturating_mul(steps))
    }

    fn clock(&self) -> Clock {
        Clock::new(&self.series, self.config.zone, clock_ahead(self.horizon()))
    }

    /// Slots from the oldest to the newest.
    fn slots(&self) -> Slot {
        self.series.newest().map_or(0, |newest| newest - self.series.oldest() + 1)
    }

    fn samples_held(&self) -> usize {
        let Some(newest) = self.series.newest() else { return 0 };
        let held = |slot: &Slot| !matches!(self.series.known(*slot), Sample::Gap);
        let fine = self.series.oldest_fine();
        let stride = usize::try_from(self.series.blocking().factor()).unwrap_or(1);
        let averaged = (self.series.oldest()..fine).step_by(stride).filter(held).count();
        (fine..=newest).filter(held).count() + averaged
    }
}

#[cfg(test)]
pub(crate) mod tests;
