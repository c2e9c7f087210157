//! The line protocol of `foresail forecast` (DESIGN 5): one line of JSON asks, one line answers.
//!
//! Each answer comes from its own line alone, so lines may be asked in any order and any subset.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Arrival, ForecastConfig, Forecaster, GlobalModel, Quantiles, Without};
use crate::calendar::{TimeZone, parse_instant};
use crate::units::{Span, Step, Timestamp};

/// Four weeks: more history makes no better forecast (`FORECASTING.md`).
const HISTORY: Span = Span::from_hours(28 * 24);

/// The furthest that a request may look ahead, and the longest silence at its end that is looked across: a week.
/// Beyond, whole weeks of silence are skipped.
const AHEAD_SECONDS: u64 = 7 * 86_400;

/// Values above this are divided first: the history is kept as 32-bit floats.
const LARGE: f64 = 1e27;

#[derive(Deserialize)]
struct Request {
    step_seconds: u32,
    start: String,
    values: Vec<Option<f64>>,
    horizon: u32,
    quantiles: Vec<f64>,
    #[serde(default)]
    time_zone: Option<String>,
}

/// What a line was answered.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// The forecast asked for.
    Forecast {
        /// As given.
        id: Value,
        /// For each level as given, demand over each step ahead.
        quantiles: Map<String, Value>,
        /// The program, and how far up the ladder the history reached.
        model: String,
    },
    /// Why there is none.
    Refused {
        /// As given; null when the line is no JSON object.
        id: Value,
        /// What was wrong and what to do.
        error: String,
    },
}

impl Answer {
    /// Whether the line was refused.
    pub const fn is_refused(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}

/// Answers one line, with what `global` says of all series.
pub fn answer(line: &str, global: &GlobalModel) -> Answer {
    answer_without(line, global, Without::Nothing)
}

/// [`answer`] with a part left out, to see what it earns.
pub fn answer_without(line: &str, global: &GlobalModel, without: Without) -> Answer {
    let (id, parsed) = match serde_json::from_str::<Value>(line) {
        Ok(value) => {
            let id = value.get("id").cloned().unwrap_or(Value::Null);
            (id, serde_json::from_value::<Request>(value))
        }
        Err(error) => (Value::Null, Err(error)),
    };
    let outcome = parsed
        .map_err(|error| format!("the line is no request: {error}"))
        .and_then(|r| forecast(&r, global, without));
    match outcome {
        Ok((quantiles, model)) => Answer::Forecast { id, quantiles, model },
        Err(error) => Answer::Refused { id, error },
    }
}

/// A request that has been checked.
struct Task {
    config: ForecastConfig,
    samples: Vec<(Timestamp, f64)>,
    /// Steps from the newest sample to the last of the values.
    silent: usize,
    /// What the values were divided by.
    unit: f64,
}

fn forecast(
    request: &Request,
    global: &GlobalModel,
    without: Without,
) -> Result<(Map<String, Value>, String), String> {
    if let Some(level) = request.quantiles.iter().find(|level| !(**level > 0.0 && **level < 1.0)) {
        return Err(format!("quantiles: `{level}` is no level: use numbers between 0 and 1"));
    }
    let task = check(request, global)?;
    let arrivals = task.samples.iter().map(|&(at, value)| Arrival { at, value, censored: false });
    let forecaster = Forecaster::learn_without(task.config, arrivals, without);
    let forecast = forecaster.forecast().ok_or("values: no number among them, so nothing can be said")?;
    let steps: Vec<&Quantiles> = forecast.steps.iter().skip(task.silent).collect();
    let mut quantiles = Map::new();
    for level in &request.quantiles {
        let path =
            steps.iter().map(|step| Value::from((step.at(*level).get() * task.unit).min(f64::MAX))).collect();
        quantiles.insert(level.to_string(), Value::Array(path));
    }
    Ok((quantiles, format!("foresail {}", forecaster.rung().name())))
}

fn check(request: &Request, global: &GlobalModel) -> Result<Task, String> {
    let seconds = request.step_seconds;
    let step =
        Step::new(seconds).ok_or_else(|| format!("step_seconds: `{seconds}` is not between 1 and 86400"))?;
    let start = parse_instant(&request.start).ok_or_else(|| {
        format!("start: `{}` is no instant: write it as `2026-01-01T00:00:00Z`", request.start)
    })?;
    let zone = TimeZone::parse(request.time_zone.as_deref().unwrap_or("UTC"))
        .map_err(|e| format!("time_zone: {e}"))?;
    let most = AHEAD_SECONDS / u64::from(seconds);
    if request.horizon == 0 || u64::from(request.horizon) > most {
        return Err(format!("horizon: `{}` steps is not between 1 and {most} (seven days)", request.horizon));
    }
    if let Some((i, value)) =
        request.values.iter().enumerate().find_map(|(i, v)| v.filter(|v| *v < 0.0).map(|v| (i, v)))
    {
        return Err(format!("values[{i}]: `{value}` is negative: demand is not"));
    }
    let highest = request.values.iter().flatten().copied().fold(0.0, f64::max);
    let unit = if highest > LARGE { highest } else { 1.0 };
    let mut at = start;
    let mut samples = Vec::with_capacity(request.values.len());
    for value in &request.values {
        samples.extend(value.map(|value| (at, value / unit)));
        at = at.plus(step.span());
    }
    let trailing = request.values.iter().rev().take_while(|value| value.is_none()).count();
    let week = usize::try_from(most).unwrap_or(usize::MAX).max(1);
    let silent = if trailing > week { trailing % week } else { trailing };
    let horizon_steps = silent + usize::try_from(request.horizon).unwrap_or(0);
    let config = ForecastConfig { step, history: HISTORY, zone, horizon_steps, global: global.clone() };
    Ok(Task { config, samples, silent, unit })
}
