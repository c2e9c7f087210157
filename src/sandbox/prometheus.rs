//! An embedded Prometheus-compatible endpoint over scripted series.
//!
//! In: queries as the operator sends them. Out: what Prometheus would answer, if the text of the query were the name
//! of a recorded series: samples on a grid, the newest of which counts until it is older than `lookback_delta`. A query
//! that is not scripted matches nothing. Troubles are windows of time: of the endpoint, or of the numbers themselves.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode, header};
use promql_parser::parser;
use serde_json::{Value, json};

use crate::edge::clock::Clock;
use crate::metrics::{Endpoint, Parameters};
use crate::units::{Span, Step, Timestamp};

/// Prometheus answers no more points of a series than this.
const POINTS_MAX: u64 = 11_000;
/// Prometheus' own lookback, for a query that states none.
const LOOKBACK: Span = Span::from_minutes(5);

/// The samples of a series: the value recorded at an instant of the grid, `None` where there is no sample.
pub type Samples = Arc<dyn Fn(Timestamp) -> Option<f64> + Send + Sync>;

/// Something that is wrong for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trouble {
    /// No connection.
    Refused,
    /// Connections are taken and never answered.
    Silent,
    /// Every answer has this status.
    Status(u16),
    /// Samples are recorded multiplied: a unit mistake.
    Times(f64),
    /// Every sample has this value, such as 0 or NaN.
    Says(f64),
    /// No samples are recorded.
    Gap,
    /// The query matches two series.
    Twice,
    /// Answers carry a warning, as those of a store that lost a part.
    Warning,
}

/// A trouble from one instant up to another, that one not included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// The first instant.
    pub from: Timestamp,
    /// The end.
    pub to: Timestamp,
    /// What is wrong.
    pub trouble: Trouble,
}

impl Window {
    fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }
}

/// The endpoint; clones share it.
#[derive(Clone)]
pub struct Prometheus {
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    series: BTreeMap<String, (Step, Samples)>,
    windows: Vec<Window>,
}

impl fmt::Debug for Prometheus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.state().series.keys().cloned().collect();
        f.debug_struct("Prometheus").field("series", &names).finish_non_exhaustive()
    }
}

/// Why a query has no result: the status, Prometheus' name for it, its words.
type Refusal = (StatusCode, &'static str, String);

impl Prometheus {
    /// An endpoint without series. No sample after the present of `clock` is ever shown.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Arc::default() }
    }

    /// Answers `query` from `samples`, recorded every `step`.
    ///
    /// # Errors
    /// When the query is no `PromQL`.
    pub fn script(&self, query: &str, step: Step, samples: Samples) -> Result<(), String> {
        self.state().series.insert(canonical(query)?, (step, samples));
        Ok(())
    }

    /// Adds a trouble.
    pub fn trouble(&self, window: Window) {
        self.state().windows.push(window);
    }

    /// The value of a scripted query now, as whoever reads it through the endpoint would get it; `None` while there is
    /// none for any reason.
    pub fn value(&self, query: &str) -> Option<f64> {
        let now = self.clock.now();
        let state = self.state();
        let unreachable = |window: &&Window| {
            matches!(window.trouble, Trouble::Refused | Trouble::Silent | Trouble::Status(_))
        };
        if state.windows.iter().filter(unreachable).any(|window| window.holds(now)) {
            return None;
        }
        let (step, samples) = state.series.get(&canonical(query).ok()?)?;
        state.sample(*step, samples, now, LOOKBACK).filter(|value| value.is_finite())
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let text = if parts.method == Method::POST {
            body
        } else {
            Bytes::copy_from_slice(parts.uri.query().unwrap_or_default().as_bytes())
        };
        let parameters: Vec<(String, String)> = form_urlencoded::parse(&text).into_owned().collect();
        match self.answer(parts.uri.path(), &parameters) {
            Some(response) => response,
            None => std::future::pending().await,
        }
    }

    /// The answer at `path`; `None` when there never is one.
    fn answer(&self, path: &str, parameters: &[(String, String)]) -> Option<Response<Bytes>> {
        let now = self.clock.now();
        let windows: Vec<Trouble> = self
            .state()
            .windows
            .iter()
            .filter(|window| window.holds(now))
            .map(|window| window.trouble)
            .collect();
        for trouble in &windows {
            match trouble {
                Trouble::Silent | Trouble::Refused => return None,
                Trouble::Status(code) => {
                    let code = StatusCode::from_u16(*code).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
                    return Some(plain(code, "the sandbox lets this endpoint fail"));
                }
                _ => {}
            }
        }
        let ask = |name: &str| {
            parameters.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
        };
        let outcome = match path {
            "/-/ready" | "/-/healthy" => return Some(plain(StatusCode::OK, "ready")),
            "/api/v1/query" => self.instant(&ask, now),
            "/api/v1/query_range" => self.range(&ask, now),
            _ => return Some(plain(StatusCode::NOT_FOUND, "404 page not found")),
        };
        Some(match outcome {
            Ok(data) => {
                let twice = windows.contains(&Trouble::Twice);
                let mut body = json!({"status": "success", "data": if twice { doubled(data) } else { data }});
                if windows.contains(&Trouble::Warning) {
                    super::json::put(&mut body, &["warnings"], json!(["a store gave no answer"]));
                }
                wire(StatusCode::OK, &body)
            }
            Err((code, kind, words)) => {
                wire(code, &json!({"status": "error", "errorType": kind, "error": words}))
            }
        })
    }

    fn instant<'a>(&self, ask: &impl Fn(&str) -> &'a str, now: Timestamp) -> Result<Value, Refusal> {
        let at = if ask("time").is_empty() { now } else { instant_of(ask("time"))? };
        let value = self.evaluated(ask, &[at], now)?;
        let result: Vec<Value> = value
            .into_iter()
            .map(|(at, value)| json!({"metric": {}, "value": [seconds(at), written(value)]}))
            .collect();
        Ok(json!({"resultType": "vector", "result": result}))
    }

    fn range<'a>(&self, ask: &impl Fn(&str) -> &'a str, now: Timestamp) -> Result<Value, Refusal> {
        let (start, end) = (instant_of(ask("start"))?, instant_of(ask("end"))?);
        let step = span_of(ask("step"))?;
        if end < start {
            return Err(bad("invalid parameter \"end\": end timestamp must not be before start time"));
        }
        let n_steps = end.since(start).millis() / step.millis().max(1);
        if step == Span::ZERO || n_steps > POINTS_MAX {
            return Err(bad(
                "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
            ));
        }
        let mut at = start;
        let mut instants = Vec::new();
        while at <= end {
            instants.push(at);
            at = at.plus(step);
        }
        let values: Vec<Value> = self
            .evaluated(ask, &instants, now)?
            .into_iter()
            .map(|(at, value)| json!([seconds(at), written(value)]))
            .collect();
        let result = if values.is_empty() { json!([]) } else { json!([{"metric": {}, "values": values}]) };
        Ok(json!({"resultType": "matrix", "result": result}))
    }

    /// The query's values at `instants`, where there are any.
    fn evaluated<'a>(
        &self,
        ask: &impl Fn(&str) -> &'a str,
        instants: &[Timestamp],
        now: Timestamp,
    ) -> Result<Vec<(Timestamp, f64)>, Refusal> {
        let query =
            canonical(ask("query")).map_err(|error| bad(&format!("invalid parameter \"query\": {error}")))?;
        let lookback =
            if ask("lookback_delta").is_empty() { LOOKBACK } else { span_of(ask("lookback_delta"))? };
        let state = self.state();
        let Some((step, samples)) = state.series.get(&query) else { return Ok(Vec::new()) };
        let seen = instants.iter().map(|at| (*at, (*at).min(now)));
        Ok(seen
            .filter(|(at, seen)| at.since(*seen) < lookback)
            .filter_map(|(at, seen)| Some((at, state.sample(*step, samples, seen, lookback)?)))
            .collect())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The newest sample at `at` that is younger than `lookback`.
    fn sample(&self, step: Step, samples: &Samples, at: Timestamp, lookback: Span) -> Option<f64> {
        let mut recorded = at.floor_to(step);
        while at.since(recorded) < lookback {
            if let Some(value) = self.recorded(samples, recorded) {
                return Some(value);
            }
            recorded = recorded.minus(step.span());
        }
        None
    }

    fn recorded(&self, samples: &Samples, at: Timestamp) -> Option<f64> {
        let mut value = samples(at)?;
        for window in self.windows.iter().filter(|window| window.holds(at)) {
            match window.trouble {
                Trouble::Times(factor) => value *= factor,
                Trouble::Says(said) => value = said,
                Trouble::Gap => return None,
                _ => {}
            }
        }
        Some(value)
    }
}

impl Endpoint for Prometheus {
    fn get(
        &self,
        path: &'static str,
        parameters: Parameters,
    ) -> BoxFuture<'_, Result<Response<Bytes>, String>> {
        async move {
            let now = self.clock.now();
            let refused = |window: &Window| window.trouble == Trouble::Refused && window.holds(now);
            if self.state().windows.iter().any(refused) {
                return Err("connection refused".to_owned());
            }
            let parameters: Vec<(String, String)> =
                parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            match self.answer(path, &parameters) {
                Some(response) => Ok(response),
                None => std::future::pending().await,
            }
        }
        .boxed()
    }
}

/// The query in one way of writing it.
fn canonical(query: &str) -> Result<String, String> {
    parser::parse(query).map(|parsed| parsed.to_string())
}

fn bad(words: &str) -> Refusal {
    (StatusCode::BAD_REQUEST, "bad_data", words.to_owned())
}

/// Seconds since the Unix epoch with decimals, or RFC 3339.
fn instant_of(text: &str) -> Result<Timestamp, Refusal> {
    if let Some(millis) = millis_of(text) {
        return Ok(Timestamp::from_millis(millis));
    }
    let at: jiff::Timestamp =
        text.parse().map_err(|_| bad(&format!("cannot parse \"{text}\" to a valid timestamp")))?;
    Ok(crate::edge::clock::from_jiff(at))
}

/// Seconds with decimals, or a Prometheus duration.
fn span_of(text: &str) -> Result<Span, Refusal> {
    if let Some(millis) = millis_of(text).and_then(|millis| u64::try_from(millis).ok()) {
        return Ok(Span::from_millis(millis));
    }
    let millis = text.strip_suffix("ms").and_then(|text| text.parse().ok()).map(Span::from_millis);
    millis
        .or_else(|| Span::parse(text).ok())
        .ok_or_else(|| bad(&format!("cannot parse \"{text}\" to a valid duration")))
}

/// `12.5` as 12500; digits beyond the third are dropped.
fn millis_of(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    let millis = i64::from(digits.parse::<u16>().ok()?);
    whole.parse::<i64>().ok()?.checked_mul(1000)?.checked_add(millis)
}

fn seconds(at: Timestamp) -> Value {
    if at.millis().rem_euclid(1000) == 0 {
        return json!(at.seconds());
    }
    format!("{}.{:03}", at.seconds(), at.millis().rem_euclid(1000))
        .parse::<f64>()
        .map_or(Value::Null, Value::from)
}

/// A number as Prometheus writes it.
fn written(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        value.to_string()
    }
}

fn doubled(mut data: Value) -> Value {
    if let Some(list) = data.get_mut("result").and_then(Value::as_array_mut) {
        let again: Vec<Value> = list
            .iter()
            .cloned()
            .map(|mut series| {
                super::json::put(&mut series, &["metric", "replica"], "b");
                series
            })
            .collect();
        list.extend(again);
    }
    data
}

fn plain(code: StatusCode, text: &'static str) -> Response<Bytes> {
    response(code, "text/plain; charset=utf-8", Bytes::from_static(text.as_bytes()))
}

fn wire(code: StatusCode, body: &Value) -> Response<Bytes> {
    response(code, "application/json", Bytes::from(body.to_string()))
}

fn response(code: StatusCode, content_type: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests;
