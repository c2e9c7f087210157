//! Stage 1: readings become values, or are absent for a reason. Absent is a type, never a number.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::forecast::{QuantileForecast, SeasonalProfile};
use crate::policy::{MetricRule, Policy};
use crate::units::{CapacityPerReplica, Demand, Replicas, Share, Span, Timestamp, faulty};

/// A sample may lie this far in the future before its clock is not believed.
const FUTURE_MAX: Span = Span::from_seconds(30);
/// A fall to less than this share of the last value within one reading is held for `suspectFor`.
const SUDDEN_FALL: f64 = 0.1;
/// How long a whole source may be suspect.
const SOURCE_SUSPECT_FOR: Span = Span::from_minutes(10);
/// A sample taken at this share of ready capacity or more is a lower bound of demand.
const CENSORED_AT: f64 = 0.95;

/// What a metric's query gave.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reading {
    /// A number; any bit pattern, judged by this stage.
    Value {
        /// The number.
        #[serde(with = "crate::units::any_float")]
        value: f64,
        /// When it was true, by the source's clock.
        at: Timestamp,
        /// Whether the source said that it is incomplete.
        partial: bool,
    },
    /// Nothing usable.
    Absent(Absence),
}

/// Why there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Absence {
    /// The source could not be reached or did not answer in time.
    Unreachable,
    /// The source answered with an error.
    SourceError,
    /// The answer could not be understood.
    Malformed,
    /// The query matched no series.
    Empty,
    /// The query gave more than one series.
    ManySeries,
    /// NaN or infinite.
    NotFinite,
    /// Below zero.
    Negative,
    /// Older than `maxAge`.
    Stale,
    /// From the future.
    Future,
    /// Many series of the source fell at once.
    SourceSuspect,
    /// The capacity of a replica is not known.
    CapacityUnknown,
    /// The source does not exist or may not be used from this namespace.
    SourceNotAllowed,
}

impl Absence {
    /// The reason in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Unreachable => "the source did not answer",
            Self::SourceError => "the source answered with an error",
            Self::Malformed => "the answer could not be understood",
            Self::Empty => "the query matched no series",
            Self::ManySeries => "the query gave more than one series: aggregate it with sum()",
            Self::NotFinite => "the value is NaN or infinite",
            Self::Negative => "the value is negative",
            Self::Stale => "the newest sample is older than maxAge",
            Self::Future => "the sample lies in the future: check the source's clock",
            Self::SourceSuspect => "many series of the source fell at once",
            Self::CapacityUnknown => "the capacity of a replica is not known",
            Self::SourceNotAllowed => "the metric source does not exist or does not allow this namespace",
        }
    }
}

/// One metric as the operator saw it.
#[derive(Clone, Debug)]
pub struct MetricObservation<'a> {
    /// What its query gave.
    pub reading: Reading,
    /// Demand that one ready replica serves; `None` while it is not known.
    pub capacity: Option<CapacityPerReplica>,
    /// The forecast issued from the newest sample, if there is one.
    pub outlook: Option<&'a QuantileForecast>,
    /// Whether that forecast has earned its place.
    pub trusted: bool,
    /// The quantile that keeps the objective when every step follows it, if decisions were rehearsed.
    pub level: Option<Share>,
    /// Usual demand of the coming steps, while an event is near; like every forecast here without events in it.
    pub profile: Option<&'a SeasonalProfile>,
    /// The .05 quantile for now, as forecast 30 minutes ago.
    pub p05_earlier: Option<Demand>,
    /// The most of the same hours on earlier days, from now over lead and hold.
    pub same_hours_maximum: Option<Demand>,
    /// Whether more than 20 % of the source's series have just fallen by more than half.
    pub source_suspect: bool,
}

/// What the evidence stage remembers of one metric.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EvidenceMemory {
    /// The metric's name.
    pub name: String,
    /// The last value that was believed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<f64>,
    /// Since when a sudden fall is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspect_since: Option<Timestamp>,
    /// Since when the whole source is suspect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_suspect_since: Option<Timestamp>,
    /// Since when there is no evidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absent_since: Option<Timestamp>,
}

impl EvidenceMemory {
    /// Instants after `now` become `now`: a clock that was set back makes no wait longer than it is from now on (I34).
    pub fn set_back(&mut self, now: Timestamp) {
        let Self { suspect_since, source_suspect_since, absent_since, .. } = self;
        for at in [suspect_since, source_suspect_since, absent_since].into_iter().flatten() {
            *at = now.min(*at);
        }
    }
}

/// What the evidence stage made of one reading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// Demand to decide on; a held one is the value before the fall.
    pub demand: Option<Demand>,
    /// Demand one replica serves.
    pub capacity: Option<CapacityPerReplica>,
    /// Whether it may lower replicas.
    pub standing: Standing,
    /// Whether the workload was saturated, so that demand may have been higher.
    pub censored: bool,
    /// Since when there is no evidence.
    pub absent_since: Option<Timestamp>,
    /// Whether this is the first evidence after some time without.
    pub returned: bool,
}

/// What a reading may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Fresh and complete: may raise and lower.
    Fresh,
    /// The source said that it is incomplete: may raise, never lower.
    Partial,
    /// It fell by more than 90 % at once: the value before it is held.
    SuddenFall,
    /// No evidence.
    Absent(Absence),
}

impl Judged {
    /// Whether it may lower replicas.
    pub const fn may_lower(&self) -> bool {
        matches!(self.standing, Standing::Fresh)
    }

    /// The same where a sudden fall is believed.
    #[must_use]
    pub fn as_read(&self, seen: &MetricObservation<'_>) -> Self {
        let (Standing::SuddenFall, Reading::Value { value, partial, .. }) = (self.standing, seen.reading)
        else {
            return *self;
        };
        let standing = if partial { Standing::Partial } else { Standing::Fresh };
        Self { demand: Demand::new(value), standing, ..*self }
    }
}

/// Judges one reading and updates what is remembered of its metric.
pub fn judge(
    policy: &Policy,
    rule: &MetricRule,
    seen: &MetricObservation<'_>,
    clock: (Timestamp, Replicas),
    memory: &mut EvidenceMemory,
) -> Judged {
    let (now, ready) = clock;
    let standing_value = read(rule, seen, now).and_then(|value| believe_source(value, seen, now, memory));
    match standing_value {
        Err(absence) => {
            let since = *memory.absent_since.get_or_insert(now);
            Judged {
                demand: None,
                capacity: seen.capacity,
                standing: Standing::Absent(absence),
                censored: false,
                absent_since: Some(since),
                returned: false,
            }
        }
        Ok((value, partial)) => {
            let returned = memory.absent_since.take().is_some();
            let held = hold_sudden_fall(policy, value, now, memory);
            let demand = held.unwrap_or(value);
            let standing = match (held, partial) {
                (Some(_), _) => Standing::SuddenFall,
                (None, true) => faulty!(PartialIsWhole, Standing::Fresh, Standing::Partial),
                (None, false) => Standing::Fresh,
            };
            let served = seen.capacity.map_or(f64::INFINITY, |c| c.get() * ready.as_f64());
            Judged {
                demand: Some(demand),
                capacity: seen.capacity,
                standing,
                censored: value.get() >= CENSORED_AT * served && ready > Replicas::ZERO,
                absent_since: None,
                returned,
            }
        }
    }
}

fn read(rule: &MetricRule, seen: &MetricObservation<'_>, now: Timestamp) -> Result<(Demand, bool), Absence> {
    let Reading::Value { value, at, partial } = seen.reading else {
        let Reading::Absent(absence) = seen.reading else { return Err(Absence::Malformed) };
        return Err(absence);
    };
    let value = faulty!(BadIsZero, if value.is_finite() { value } else { 0.0 }, value);
    if !value.is_finite() {
        return Err(Absence::NotFinite);
    }
    let demand = Demand::new(value).ok_or(Absence::Negative)?;
    if at.since(now) > FUTURE_MAX {
        return Err(Absence::Future);
    }
    if now.since(at) > rule.max_age {
        return Err(Absence::Stale);
    }
    if seen.capacity.is_none() {
        return Err(Absence::CapacityUnknown);
    }
    Ok((demand, partial))
}

/// A suspect source is not believed until a forecast finds the value plausible, or ten minutes have passed.
fn believe_source(
    value: (Demand, bool),
    seen: &MetricObservation<'_>,
    now: Timestamp,
    memory: &mut EvidenceMemory,
) -> Result<(Demand, bool), Absence> {
    if seen.source_suspect && memory.source_suspect_since.is_none() {
        memory.source_suspect_since = Some(now);
    }
    let Some(since) = memory.source_suspect_since else { return Ok(value) };
    let plausible = seen
        .outlook
        .filter(|_| seen.trusted)
        .and_then(|outlook| outlook.at(now))
        .is_some_and(|quantiles| quantiles.at(0.01) <= value.0);
    let expired = now.since(since) >= SOURCE_SUSPECT_FOR;
    if plausible || expired {
        if !seen.source_suspect {
            memory.source_suspect_since = None;
        }
        return Ok(value);
    }
    Err(Absence::SourceSuspect)
}

/// The value to hold on to when `value` fell by more than 90 % since the last one; `None` when it is believed.
fn hold_sudden_fall(
    policy: &Policy,
    value: Demand,
    now: Timestamp,
    memory: &mut EvidenceMemory,
) -> Option<Demand> {
    if let Some(last) = memory.last.and_then(Demand::new)
        && value.get() < SUDDEN_FALL * last.get()
    {
        let since = *memory.suspect_since.get_or_insert(now);
        if now.since(since) < policy.suspect_for {
            return Some(last);
        }
    }
    memory.suspect_since = None;
    memory.last = Some(value.get());
    None
}

/// What the evidence stage found, for its sentence.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// Name, demand and standing of each metric.
    pub metrics: Vec<(String, Judged)>,
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, judged)) in self.metrics.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            let number = judged.demand.map_or(f64::NAN, Demand::get);
            match judged.standing {
                Standing::Fresh => write!(f, "{name} is {}", super::trail::Number(number))?,
                Standing::Partial => write!(
                    f,
                    "{name} is at least {} (the answer is partial: it may raise, not lower)",
                    super::trail::Number(number)
                )?,
                Standing::SuddenFall => write!(
                    f,
                    "{name} fell by more than 90 % at once: {} is held until the fall has lasted",
                    super::trail::Number(number)
                )?,
                Standing::Absent(absence) => {
                    write!(f, "{name} is absent ({}): nothing is lowered", absence.words())?;
                }
            }
            if judged.censored {
                f.write_str(" (at the limit of ready capacity: demand may be higher)")?;
            }
        }
        Ok(())
    }
}
