//! Stages 3 and 4: what the forecast needs, step by step, and the backward pass that makes a known peak reachable.

use std::fmt;

use super::evidence::{Judged, MetricObservation};
use super::rate;
use super::trail::Number;
use crate::policy::Policy;
use crate::units::{Demand, Replicas, Span, Timestamp, faulty, replicas_ceil};

/// Without evidence a forecast is followed only while its .95 quantile is within this multiple of its median:
/// beyond it the interval says nothing that a fallback would not say better.
const WIDTH_MAX: f64 = 3.0;

/// What the forecast asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Predicted {
    /// Raise at least to this: `b` at lead.
    pub raise_to: Replicas,
    /// Release at most to this: the largest `b` from now to lead + hold.
    pub release_to: Replicas,
}

impl Predicted {
    /// Replicas that the forecast wants when `asked` stand.
    pub fn wants(&self, asked: Replicas) -> Replicas {
        asked.clamp(self.raise_to, self.release_to)
    }
}

/// Why there is no prediction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoForecast {
    /// No metric is predicted.
    Disabled,
    /// There is no forecast yet.
    NotReady,
    /// It has not beaten the reactive answer.
    NotTrusted,
    /// There is no evidence, and the last forecast no longer reaches far enough or is too wide.
    TooOld,
}

/// The needs of the coming steps, from now on: `needs[i]` is `i` steps after the step that contains now.
fn need_path(
    policy: &Policy,
    judged: &Judged,
    seen: &MetricObservation<'_>,
    now: Timestamp,
) -> Result<Vec<Replicas>, NoForecast> {
    let outlook = seen.outlook.ok_or(NoForecast::NotReady)?;
    if !faulty!(TrustsAll, true, seen.trusted) {
        return Err(NoForecast::NotTrusted);
    }
    let capacity = seen.capacity.ok_or(NoForecast::NotReady)?;
    let step = outlook.step;
    let age = now.since(outlook.newest).millis() / step.span().millis();
    let skip = usize::try_from(age).unwrap_or(usize::MAX).saturating_sub(1);
    let lead = step.steps_covering(policy.lead);
    let last = lead + step.steps_covering(policy.hold());
    let ahead = outlook.steps.get(skip..).unwrap_or_default();
    let at_lead = ahead.get(lead).ok_or(NoForecast::TooOld)?;
    if judged.demand.is_none() && at_lead.at(0.95).get() > WIDTH_MAX * at_lead.at(0.5).get() {
        return Err(NoForecast::TooOld);
    }
    let mut needs: Vec<Replicas> = ahead
        .iter()
        .take(last + 1)
        .map(|quantiles| {
            let enough = quantiles.capacity_for(policy.objective, seen.level);
            replicas_ceil(faulty!(LowQuantile, quantiles.at(0.3).get(), enough) / capacity.get())
        })
        .collect();
    if let (Some(first), Some(demand)) = (needs.first_mut(), judged.demand) {
        *first = (*first).max(capacity.need(demand));
    }
    Ok(needs)
}

/// Raises needs until the rates and the cooldown can follow them, in place: `b_h` covers the needs up to the next
/// raise, and from it `b` is reached then (DESIGN 12, where the next raise is a step later).
pub(super) fn backward_pass(policy: &Policy, needs: &mut [Replicas]) {
    let stride = rate::stride(policy);
    let pause = policy.step.steps_covering(policy.cooldown.up.max(stride));
    let own = needs.to_vec();
    for h in (0..faulty!(NoBackwardPass, 0, needs.len())).rev() {
        let until_next = own.iter().skip(h).take(pause).max().copied().unwrap_or_default();
        let b = match needs.get(h.saturating_add(pause)).copied() {
            Some(next) if rate::reach_within(policy, until_next, stride) < next => {
                rate::least_reaching(policy, next, stride).max(until_next)
            }
            _ => until_next,
        };
        if let Some(slot) = needs.get_mut(h) {
            *slot = b;
        }
    }
}

/// What one metric's forecast asks for.
///
/// # Errors
/// [`NoForecast`] says why there is nothing to follow.
pub fn of_metric(
    policy: &Policy,
    judged: &Judged,
    seen: &MetricObservation<'_>,
    now: Timestamp,
) -> Result<Predicted, NoForecast> {
    let mut needs = need_path(policy, judged, seen, now)?;
    backward_pass(policy, &mut needs);
    let step = policy.step;
    let lead = step.steps_covering(policy.lead);
    let raise_to = needs.get(lead).copied().ok_or(NoForecast::TooOld)?;
    let release_to = needs.iter().max().copied().unwrap_or(raise_to);
    Ok(Predicted { raise_to, release_to })
}

/// The larger of two predictions, limit by limit.
pub fn larger(a: Option<Predicted>, b: Predicted) -> Predicted {
    a.map_or(b, |a| Predicted {
        raise_to: a.raise_to.max(b.raise_to),
        release_to: a.release_to.max(b.release_to),
    })
}

/// What the forecast stage found, for its sentence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ForecastFact {
    /// There is a forecast.
    Issued {
        /// How old its newest sample is.
        age: Span,
        /// Median and .99 quantile at `now + lead`.
        at_lead: (Demand, Demand),
        /// The lead.
        lead: Span,
        /// Whether it is trusted.
        trusted: bool,
        /// How many times ordinary demand announced events expect then.
        times: f64,
    },
    /// There is none to speak of.
    None(NoForecast),
}

impl ForecastFact {
    /// The fact about the first metric that has a forecast; `times` is in it already.
    pub fn of<'a>(
        policy: &Policy,
        seen: impl IntoIterator<Item = &'a MetricObservation<'a>>,
        now: Timestamp,
        times: f64,
    ) -> Self {
        for one in seen {
            let Some(outlook) = one.outlook else { continue };
            let Some(quantiles) = outlook.at(now.plus(policy.lead)) else {
                return Self::None(NoForecast::TooOld);
            };
            return Self::Issued {
                age: now.since(outlook.newest),
                at_lead: (quantiles.at(0.5), quantiles.at(0.99)),
                lead: policy.lead,
                trusted: one.trusted,
                times,
            };
        }
        let predicted = policy.metrics.iter().any(|rule| rule.prediction);
        Self::None(if predicted { NoForecast::NotReady } else { NoForecast::Disabled })
    }
}

impl fmt::Display for ForecastFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issued { age, at_lead: (p50, p99), lead, trusted, times } => {
                let word =
                    if *trusted { "trusted" } else { "not trusted: it has not beaten the reactive answer" };
                write!(
                    f,
                    "in {lead} demand is {} at the median and {} at p99, from samples {}s old; {word}",
                    Number(p50.get()),
                    Number(p99.get()),
                    age.seconds()
                )?;
                if (*times - 1.0).abs() > f64::EPSILON {
                    write!(f, "; {} times ordinary demand is announced for then", Number(*times))?;
                }
                Ok(())
            }
            Self::None(reason) => reason.fmt(f),
        }
    }
}

impl fmt::Display for NoForecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disabled => "no metric is predicted",
            Self::NotReady => "there is no forecast yet: the reactive answer stands",
            Self::NotTrusted => "the forecast has not beaten the reactive answer, which stands",
            Self::TooOld => "the last forecast no longer reaches lead, or is too wide to follow",
        })
    }
}

/// What the predictive stage found, for its sentence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fact {
    /// The forecast asks for something.
    Wants(Predicted, Span),
    /// It has nothing to say.
    Silent(NoForecast),
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wants(Predicted { raise_to, release_to }, lead) => {
                write!(
                    f,
                    "{raise_to} are needed in {lead}; no fewer than {release_to} may stay until then and after"
                )
            }
            Self::Silent(reason) => reason.fmt(f),
        }
    }
}
