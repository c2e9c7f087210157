//! Whether a forecast may decide: what its decisions would have cost, against those of simple rivals (DESIGN 12), and
//! whether it knows what is to come at all.
//!
//! All decisions of the last week are judged at the lead: the forecast's, the reactive rival's from the newest sample,
//! the seasonal one's from yesterday's. The forecast is judged by the cheapest of three capacities: the one for the
//! objective, the one of least cost, and the best of the levels that are rehearsed as they would be followed. A rival
//! with room to spare beats any that leaves just the allowed share unserved where missing replicas are priced so that
//! the two cost the same, even one that foresees everything; and where one is worth a thousand idle ones, a few minutes
//! of a week decide, which the replicas that stand may have served. But where the replicas alone that the objective
//! takes cost more than a rival's with all that it misses, as after a burst that no other resembles, the rival is better
//! whatever they serve.
//!
//! What it knows is judged at the lead and an hour ahead, where a season shows that minutes hide: its median is to be
//! nearer than the newest demand and the median of the last day by more than a trifle and more than chance (Diebold and
//! Mariano 1995, on means of four hours). Against the mean of the day the median of any noise that bursts would win.
//!
//! At first decisions are replayed ([`replay`]), with experts that were fitted before the days they are judged on; until
//! the next refit those of the model in use are judged as their outcomes come in, so that an hour costs an hour's
//! decisions. Steps are judged one by one where the series still knows them, else block by block.

mod replay;
mod step;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::kernels::{count, float, short};
use super::rehearsal::{Came, Foreseen, N_RUNGS, Rehearsal, Standing};
use super::view::Sight;
use crate::series::{Series, Slot};
use crate::units::{CapacityPerReplica, Objective, ReplicaBounds, Share, Span, replicas_ceil};
use step::Step;

/// Costs are kept for spans of so many seconds: fine enough for a window of a week, few enough to forget.
const SPAN_SECONDS: i64 = 4 * 3600;

/// Spans of a week.
const SPANS: u8 = 42;

/// Fewer decisions than this are no measurement.
const DECISIONS_MIN: usize = 24;

/// Skill under which trust is lost at once.
const LOSE: f64 = -0.02;

/// A median that is nearer by less than this share of the naive one's error knows nothing of use: the mean of a week
/// is a trifle nearer to noise than the mean of a day, and surely so.
const MATERIAL: f64 = 0.05;

/// Errors under this part of the naive one's mean are small: a quiet night in which nothing changes proves nothing.
const SMALL: f64 = 0.2;

/// Under so many standard errors it is taken to know nothing.
const IGNORANT: f64 = 1.0;

/// Against the median of the day so many times as sure is sure: where demand rests for most of the day nothing is nearer
/// than it then, and a ramp each day shows in one span of six.
const REST: f64 = 0.5;

/// The skill of a forecast that knows nothing, at most: clearly below [`LOSE`].
const NO_SKILL: f64 = -0.03;

/// A missing replica never counts more than this many idle ones.
const MISSING_WEIGHT_MAX: f64 = 1000.0;

/// What decisions are judged by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrustQuestion {
    /// Demand that one replica serves.
    pub capacity: CapacityPerReplica,
    /// How many replicas there can be.
    pub bounds: ReplicaBounds,
    /// The objective.
    pub objective: Objective,
    /// From asking for a replica to it serving.
    pub lead: Span,
    /// The reactive and the seasonal rival's headroom: 0.7.
    pub utilization: Share,
    /// The utilization at which present demand is served whatever is forecast: 0.95.
    pub floor: Share,
    /// For how long a replica stays after it was wanted: the scale-down window.
    pub window: Span,
    /// For how long after the lead a replica must not be needed to be released.
    pub hold: Span,
}

/// How well the forecast decided.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trust {
    /// `1 - cost / cost of the better rival`: 0 when no better than it, .1 when a tenth cheaper, -1 when twice as dear; at
    /// most -.03 when `certainty` is under 1, and 0 when it is under 2.
    pub skill: f64,
    /// Standard errors by which the median is nearer to what came than the newest demand and the median of the last day,
    /// by more than 5 % of their error, at the lead or an hour ahead, whichever is more; than the median of the day half
    /// as many count as all.
    pub certainty: f64,
    /// The quantile that would have kept the objective, followed at every step of the last three quarters of the history.
    pub level: Option<Share>,
    /// Decisions that were judged; 0 when the history is too short, and then the skill is no measurement.
    pub decisions: usize,
}

impl Trust {
    pub(super) const UNMEASURED: Self = Self { skill: 0.0, certainty: 0.0, level: None, decisions: 0 };

    /// Skill at which trust is gained, when it is reached twice in a row.
    pub const GAIN: f64 = 0.02;

    /// Standard errors by which a forecast is to be nearer than the naive ones to gain trust.
    pub const SURE: f64 = 2.0;

    /// Whether it knows more than chance gives.
    pub fn is_sure(self) -> bool {
        self.certainty >= Self::SURE
    }

    /// The skill, if any was measured.
    pub fn measured(self) -> Option<f64> {
        (self.decisions > 0).then_some(self.skill)
    }
}

/// Whether a forecast is trusted, with hysteresis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrustState {
    /// Whether the forecast may decide.
    pub trusted: bool,
    /// How many measurements in a row reached the skill that gains trust; at most 2.
    pub streak: u8,
    /// The quantile that keeps the objective ([`Trust::level`]), as it was last measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Share>,
}

impl TrustState {
    /// The state at the first fit from history: trusted at once when the skill is there (DESIGN 12).
    #[must_use]
    pub fn earned(trust: Trust) -> Self {
        let trusted = trust.measured().is_some_and(|skill| skill >= Trust::GAIN);
        Self { trusted, streak: if trusted { 2 } else { 0 }, level: trust.level }
    }

    /// The state after one more hourly measurement: on at .02 twice in a row, off under -.02 once. Without a
    /// measurement there is no trust.
    #[must_use]
    pub fn update(self, trust: Trust) -> Self {
        let Some(skill) = trust.measured() else { return Self::default() };
        let streak = if skill >= Trust::GAIN { self.streak.saturating_add(1).min(2) } else { 0 };
        let trusted = if self.trusted { skill >= LOSE } else { streak >= 2 };
        Self { trusted, streak, level: trust.level }
    }
}

/// The costs of the decisions of the last week, in replica-steps: of the forecast, the reactive and the seasonal rival.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    question: TrustQuestion,
    /// The newest slot whose demand was judged.
    judged: Slot,
    spans: VecDeque<Costs>,
    /// What was rehearsed before the week that is judged.
    older: Rehearsal,
    standing: Standing,
}

#[derive(Clone, Copy, Debug, Default)]
struct Costs {
    /// Which span since the epoch.
    span: i32,
    /// Of the forecast's capacity for the objective, of its capacity of least cost, of the reactive and the seasonal
    /// rival, in replica-steps.
    sums: [f32; 4],
    /// Absolute errors of the forecast's median, the newest demand and the median of the last day: at the lead, and an
    /// hour ahead.
    errors: [[f32; 3]; 2],
    rehearsal: Rehearsal,
    decisions: f32,
}

/// How far ahead it is judged what was known.
#[derive(Clone, Copy)]
enum Horizon {
    Lead,
    Hour,
}

/// What was wanted or said of a demand, and what came of it.
struct Outcome<const N: usize> {
    said: [f64; N],
    actual: f64,
    /// Steps that it stands for.
    steps: f64,
}

impl Ledger {
    /// Whether these are the costs asked about.
    pub(super) fn answers(&self, question: &TrustQuestion) -> bool {
        self.question == *question
    }

    /// Judges the decisions whose outcome has come in since the last time.
    pub(super) fn judge(&mut self, sight: Sight<'_>) {
        let Some(newest) = sight.series.newest() else { return };
        let steps = steps(sight.series, &self.question);
        for target in (self.judged + 1).max(sight.series.oldest_fine())..=newest {
            self.add_step(sight, target, steps, 1);
        }
        self.judged = newest;
    }

    /// The skill over the last seven days.
    pub(super) fn verdict(&self) -> Trust {
        let mut sums = [0.0; 4];
        let mut decisions = 0.0;
        for costs in &self.spans {
            for (sum, cost) in sums.iter_mut().zip(costs.sums) {
                *sum += f64::from(cost);
            }
            decisions += f64::from(costs.decisions);
        }
        let [for_objective, least, reactive, seasonal] = sums;
        let (objective, weight) = (self.question.objective, missing_weight(self.question.objective));
        let week: Vec<Rehearsal> = self.spans.iter().map(|costs| costs.rehearsal).collect();
        let level = Rehearsal::level(&[&week[..], &[self.older]].concat(), objective.share(), weight);
        let held = objective.level().or(level).map_or(0.0, |level| Rehearsal::held(&week, level));
        let [followed, held] =
            [Rehearsal::least_cost(&week, weight), held].map(|demand| demand / self.question.capacity.get());
        let (cost, rival) = (for_objective.min(least).min(followed).max(held), reactive.min(seasonal));
        let decisions = count(decisions);
        if rival <= 0.0 || decisions < DECISIONS_MIN {
            return Trust::UNMEASURED;
        }
        let certainty = self.certainty(|[lead, _]| lead).max(self.certainty(|[_, hour]| hour));
        let most = match certainty {
            c if c < IGNORANT => NO_SKILL,
            c if c < Trust::SURE => 0.0,
            _ => 1.0,
        };
        Trust { skill: (1.0 - cost / rival).min(most), certainty, level, decisions }
    }

    /// Standard errors by which the median is nearer than both naive forecasts, twice them for the day's median. Errors of
    /// neighbouring steps belong together, so that spans of four hours are compared, not steps; each by the difference as
    /// a part of both errors, or one hot day in a week would drown what the others show.
    fn certainty(&self, of: fn(&[[f32; 3]; 2]) -> &[f32; 3]) -> f64 {
        let n = float(self.spans.len().max(2));
        let against = |naive: fn(&[f32; 3]) -> &f32| {
            let usual = self.spans.iter().map(|costs| f64::from(*naive(of(&costs.errors)))).sum::<f64>() / n;
            let nearer = || {
                self.spans.iter().map(|costs| {
                    let errors = of(&costs.errors);
                    let [own, ..] = errors;
                    let (own, naive) = (f64::from(*own), f64::from(*naive(errors)));
                    let size = (own + naive).max(SMALL * usual);
                    if size > 0.0 { (naive * (1.0 - MATERIAL) - own) / size } else { 0.0 }
                })
            };
            let mean = nearer().sum::<f64>() / n;
            let variance = nearer().map(|by| (by - mean).powi(2)).sum::<f64>() / (n - 1.0);
            if variance > 0.0 { mean / (variance / n).sqrt() } else { 0.0 }
        };
        against(|[_, present, _]| present).min(against(|[.., usual]| usual) / REST)
    }

    /// The decision for the slot `target`, `steps` before it.
    fn add_step(&mut self, sight: Sight<'_>, target: Slot, ahead: (usize, usize), stride: usize) {
        let Sight { series, clock, .. } = sight;
        let Some(step) = Step::before(sight, target, ahead) else { return };
        let came = Came { demand: step.actual, censored: step.censored, steps: float(stride), late: 1.0 };
        self.rehearse(series, target, &step.foreseen, came);
        if step.censored {
            return;
        }
        let Step { foreseen, level, actual, .. } = step;
        let yesterday = series.known(clock.slot_days_before(series, target, 1)).reading();
        let steps = float(stride);
        let wanted = Outcome { said: self.capacities(&foreseen, yesterday), actual, steps };
        self.add_decision(series, target, &wanted);
        let said = Outcome { said: foreseen.said(level), actual, steps };
        self.add_errors(series, target, &said, Horizon::Lead);
        let Some(early) = Step::before(sight, target, (foresight(series, &self.question), 0)) else { return };
        let said = Outcome { said: early.foreseen.said(early.level), actual, steps };
        self.add_errors(series, target, &said, Horizon::Hour);
    }

    /// What is wanted, in demand: by the forecast for the objective and at least cost, by the newest demand and by
    /// yesterday's, as far as that is known, with the rivals' headroom.
    fn capacities(&self, foreseen: &Foreseen, yesterday: Option<f64>) -> [f64; 4] {
        let Foreseen { at_lead, now, .. } = foreseen;
        let headroom = self.question.utilization.get().max(0.01);
        // One more replica costs as much as it is expected to save at this quantile: the newsvendor's fraction.
        let least = 1.0 - 1.0 / missing_weight(self.question.objective).max(1.0);
        let for_objective = at_lead.capacity_for(self.question.objective, None);
        [for_objective, at_lead.at(least).get(), now / headroom, yesterday.unwrap_or(*now) / headroom]
    }

    fn add_decision(&mut self, series: &Series, target: Slot, outcome: &Outcome<4>) {
        let (capacity, bounds) = (self.question.capacity.get(), self.question.bounds);
        let missing_weight = missing_weight(self.question.objective);
        let Outcome { said, actual, steps } = outcome;
        let Some(costs) = self.costs_at(series, target) else { return };
        for (sum, wanted) in costs.sums.iter_mut().zip(said) {
            let replicas = bounds.clamp(replicas_ceil(wanted / capacity)).as_f64();
            let missing = ((actual / capacity).min(bounds.max().as_f64()) - replicas).max(0.0);
            *sum += short(steps * (replicas + missing_weight * missing));
        }
        costs.decisions += 1.0;
    }

    /// Rehearses the decision for `target`.
    fn rehearse(&mut self, series: &Series, target: Slot, foreseen: &Foreseen, came: Came) {
        let TrustQuestion { capacity, bounds, .. } = self.question;
        let stands = self.stands(series, target, foreseen);
        let Some(costs) = self.costs_at(series, target) else { return };
        costs.rehearsal.add(&stands, (capacity, bounds), came);
    }

    /// What stands at each rung after the decision for `target`.
    fn stands(&mut self, series: &Series, target: Slot, foreseen: &Foreseen) -> [f64; N_RUNGS] {
        let TrustQuestion { window, floor, .. } = self.question;
        self.standing.want((series.time(target), window), foreseen, floor)
    }

    fn add_errors(&mut self, series: &Series, target: Slot, outcome: &Outcome<3>, horizon: Horizon) {
        let Outcome { said, actual, steps } = outcome;
        let Some(costs) = self.costs_at(series, target) else { return };
        let [at_lead, at_hour] = &mut costs.errors;
        let errors = match horizon {
            Horizon::Lead => at_lead,
            Horizon::Hour => at_hour,
        };
        for (sum, said) in errors.iter_mut().zip(said) {
            *sum += short(steps * (said - actual).abs());
        }
    }

    /// The costs of the span that `target` is in; those older than a week are forgotten.
    fn costs_at(&mut self, series: &Series, target: Slot) -> Option<&mut Costs> {
        let span = i32::try_from(series.time(target).seconds().div_euclid(SPAN_SECONDS)).ok()?;
        if self.spans.back().is_none_or(|last| last.span < span) {
            self.spans.retain(|costs| costs.span > span - i32::from(SPANS));
            self.spans.push_back(Costs { span, ..Costs::default() });
        }
        self.spans.iter_mut().rev().find(|costs| costs.span <= span)
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.spans.capacity() * size_of::<Costs>() + self.standing.bytes()
    }
}

/// Steps ahead at which it shows what a forecast knows: an hour, or the decision's where that is longer.
fn foresight(series: &Series, question: &TrustQuestion) -> usize {
    let (ahead, _) = steps(series, question);
    series.step().steps_covering(Span::from_minutes(60)).max(ahead)
}

/// Steps from the newest sample to the one that a replica asked for now serves, as it arrives a step after that sample,
/// and the lead later; and from there to the end of the hold.
fn steps(series: &Series, question: &TrustQuestion) -> (usize, usize) {
    (series.step().steps_covering(question.lead) + 1, series.step().steps_covering(question.hold))
}

fn missing_weight(objective: Objective) -> f64 {
    objective.missing_weight().clamp(0.0, MISSING_WEIGHT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::kernels::ratio;
    use crate::units::Replicas;

    /// A week in which the forecast holds 15 replicas and a rival 20; a sixteenth of demand is missed at the rungs under the
    /// highest, and at that nothing, which holds `highest`.
    fn week(objective: Objective, highest: f64) -> Ledger {
        let question = TrustQuestion {
            capacity: CapacityPerReplica::new(1.0).unwrap(),
            bounds: ReplicaBounds::new(Replicas::ONE, Replicas::HARD_CAP).unwrap(),
            objective,
            lead: Span::from_minutes(3),
            utilization: Share::from_percent(70),
            floor: Share::from_percent(95),
            window: Span::from_minutes(5),
            hold: Span::from_minutes(10),
        };
        let mut rehearsal = Rehearsal::default();
        let stands = [15.0, 15.0, 15.0, 15.0, 15.0, 15.0, 15.0, highest];
        let came = |demand: f64| Came { demand, censored: false, steps: 1.0, late: 1.0 };
        rehearsal.add(&stands, (question.capacity, question.bounds), came(16.0));
        let spans = (0..42).map(|span| {
            let naive = 2.0 + short(ratio(i64::from(span), 42));
            let sums = [15.0, 15.0, 20.0, 25.0];
            Costs { span, sums, errors: [[1.0, naive, naive]; 2], rehearsal, decisions: 240.0 }
        });
        let (judged, older, standing) = (0, Rehearsal::default(), Standing::default());
        Ledger { question, judged, spans: spans.collect(), older, standing }
    }

    #[test]
    fn replicas_that_alone_cost_more_than_a_rival_earn_no_trust() {
        let skill = |objective: Objective, highest: f64| {
            let trust = week(objective, highest).verdict();
            assert!(trust.is_sure());
            trust.skill
        };
        let (strict, mild) =
            ["1%", "10%"].map(|share| Objective::Unserved(Share::parse(share).unwrap())).into();
        assert!((skill(mild, 80.0) - 0.25).abs() < 1e-6);
        // 84 % of the way from 15 to 18.
        assert!((skill(strict, 18.0) - 0.126).abs() < 1e-3, "{}", skill(strict, 18.0));
        assert!(skill(strict, 80.0) < LOSE);
        // A stated quantile is what is followed, whatever was missed.
        let quantile = |level: &str| Objective::Quantile(Share::parse(level).unwrap());
        assert!((skill(quantile("90%"), 80.0) - 0.25).abs() < 1e-6);
        assert!(skill(quantile("99.95%"), 80.0) < LOSE);
    }
}
