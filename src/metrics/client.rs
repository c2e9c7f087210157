//! One question to one source, and its answer within a deadline and a byte cap.
//!
//! In: an [`InstantQuery`]. Out: an [`Answer`], never an error: whatever goes wrong is a typed absence and a note.
//! `prometheus-http-query` writes and sends the requests; the bodies are read and decoded here, because it reads
//! without a limit, loses the status of an answer that is not JSON and drops `warnings`.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use prometheus_http_query::Client as Api;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::decode::{self, Refusal, Sample};
use super::settings::{SourceError, SourceSettings};
use crate::decide::evidence::{Absence, Reading};
use crate::units::{Span, Timestamp};

/// The most bytes, after decompression, of the answer to an instant query: one series needs some hundred, and labels
/// and warnings of a strange one still fit.
const INSTANT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The most bytes read of a failed answer, to find Prometheus' own words in it.
const ERROR_BYTES_MAX: usize = 64 * 1024;
/// A longer query goes as POST: proxies commonly cut addresses at 8 KiB, and percent-encoding triples some texts.
pub(super) const GET_QUERY_BYTES_MAX: usize = 2 * 1024;
/// Series to ask for: one is used, and a second is enough to know that there are too many.
pub(super) const SERIES_LIMIT: u32 = 2;

/// A query at one instant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InstantQuery {
    /// The query; its result must be one series or a scalar.
    pub promql: String,
    /// The instant to evaluate it at.
    pub at: Timestamp,
    /// Older samples do not count: the source is asked to look back no further.
    pub max_age: Span,
}

/// What a source said.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The number, or why there is none.
    pub reading: Reading,
    /// More about an absence or a partial answer, for status and logs: at most 256 bytes, no control characters.
    pub note: Option<String>,
}

impl Answer {
    /// No number, with the reason's own words as the note.
    pub fn absent(absence: Absence) -> Self {
        Self { reading: Reading::Absent(absence), note: Some(absence.words().to_owned()) }
    }
}

impl From<Result<Sample, Refusal>> for Answer {
    fn from(result: Result<Sample, Refusal>) -> Self {
        match result {
            Ok(Sample { value, at, warning, digits: _ }) => {
                Self { reading: Reading::Value { value, at, partial: warning.is_some() }, note: warning }
            }
            Err(Refusal { absence, note }) => Self { reading: Reading::Absent(absence), note: Some(note) },
        }
    }
}

/// A number digit by digit as a source wrote it and its time by the source's clock; or why there is none.
pub type Exact = Result<(String, Timestamp), String>;

/// Name and value of the parameters of a question.
pub type Parameters = Vec<(&'static str, String)>;

/// A source in this process, asked without a socket: virtual time cannot wait for one.
pub trait Endpoint: Send + Sync {
    /// The answer to a `GET` of `path` (`/api/v1/query`, `/api/v1/query_range`); or why there is no connection.
    fn get(
        &self,
        path: &'static str,
        parameters: Parameters,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, String>>;
}

/// How a source is reached.
pub(super) enum Wire {
    /// Over HTTP.
    Http(Api),
    /// In this process.
    Within(Arc<dyn Endpoint>),
}

/// A client of one source. It keeps connections; drop it to close them.
pub struct SourceClient {
    name: String,
    pub(super) wire: Wire,
    pub(super) timeout: Span,
    permits: Semaphore,
    /// Histories may hold at most half of the permits, so that present readings do not wait behind them.
    history_permits: Semaphore,
}

impl fmt::Debug for SourceClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceClient").field("name", &self.name).finish_non_exhaustive()
    }
}

impl SourceClient {
    /// A client for `settings`; connects on the first query.
    ///
    /// # Errors
    /// [`SourceError::Settings`] names the setting that is wrong.
    pub fn new(settings: SourceSettings) -> Result<Self, SourceError> {
        let (url, http) = settings.connect()?;
        let SourceSettings { name, timeout, max_concurrent, .. } = settings;
        let api = Api::from(http, url.as_str()).map_err(|_| SourceError::Settings {
            name: name.clone(),
            fault: "url: it cannot be used".into(),
        })?;
        Ok(Self::over(Wire::Http(api), name, timeout, max_concurrent))
    }

    /// A client that asks `endpoint`, whatever address `settings` have; the rest of them holds.
    pub fn within(settings: SourceSettings, endpoint: Arc<dyn Endpoint>) -> Self {
        let SourceSettings { name, timeout, max_concurrent, .. } = settings;
        Self::over(Wire::Within(endpoint), name, timeout, max_concurrent)
    }

    fn over(wire: Wire, name: String, timeout: Span, max_concurrent: usize) -> Self {
        let permits = Semaphore::new(max_concurrent);
        let history_permits = Semaphore::new((max_concurrent / 2).max(1));
        Self { name, wire, timeout, permits, history_permits }
    }

    /// The source's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Asks `query`. Takes at most the source's timeout, and as long again while other queries are in front.
    pub async fn instant(&self, query: &InstantQuery) -> Answer {
        self.ask_instant(query).await.into()
    }

    /// As [`Self::instant`], for a number that must not be rounded. An answer that may be incomplete is none.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub async fn exact(&self, query: &InstantQuery) -> Exact {
        match self.ask_instant(query).await {
            Ok(Sample { digits, at, warning: None, value: _ }) => Ok((digits, at)),
            Ok(Sample { warning: Some(warning), .. }) => Err(format!("the answer is partial ({warning})")),
            Err(Refusal { absence: _, note }) => Err(note),
        }
    }

    async fn ask_instant(&self, query: &InstantQuery) -> Result<Sample, Refusal> {
        let InstantQuery { promql, at, max_age } = query;
        let _permit = self.permit(&self.permits).await?;
        let sent = async {
            let response = match &self.wire {
                Wire::Http(api) => {
                    let request = api
                        .query(promql)
                        .query("time", seconds(*at))
                        .timeout(self.timeout_millis())
                        .query("lookback_delta", lookback(*max_age))
                        .query("partial_response", "false")
                        .query("limit", SERIES_LIMIT);
                    let long = promql.len() > GET_QUERY_BYTES_MAX;
                    if long { request.post_raw().await } else { request.get_raw().await }.map_err(unsent)?
                }
                Wire::Within(endpoint) => {
                    let own = vec![("time", seconds(*at))];
                    answered(endpoint.get("/api/v1/query", self.parameters(promql, *max_age, own)).await)?
                }
            };
            body(response, INSTANT_BYTES_MAX).await
        };
        let body = self.in_time(sent).await?;
        decode::instant(&body)
    }

    /// The parameters of a question that is asked within this process: `own`, and those of every question.
    pub(super) fn parameters(&self, promql: &str, max_age: Span, own: Parameters) -> Parameters {
        let mut all = vec![
            ("query", promql.to_owned()),
            ("timeout", format!("{}ms", self.timeout_millis())),
            ("lookback_delta", lookback(max_age)),
            ("partial_response", "false".to_owned()),
            ("limit", SERIES_LIMIT.to_string()),
        ];
        all.extend(own);
        all
    }

    /// Waits for a turn among the histories, then among all queries.
    pub(super) async fn history_turn(&self) -> Result<(SemaphorePermit<'_>, SemaphorePermit<'_>), Refusal> {
        let history = self.permit(&self.history_permits).await?;
        Ok((history, self.permit(&self.permits).await?))
    }

    async fn permit<'a>(&self, permits: &'a Semaphore) -> Result<SemaphorePermit<'a>, Refusal> {
        match tokio::time::timeout(self.timeout.to_std(), permits.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Refusal::new(Absence::Unreachable, "too many queries of this source are under way")),
        }
    }

    /// The HTTP client has this deadline too; this one also covers what it does not, such as a stalled resolver.
    pub(super) async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        match tokio::time::timeout(self.timeout.to_std(), work).await {
            Ok(result) => result,
            Err(_) => Err(timed_out()),
        }
    }

    /// The deadline as Prometheus is told it, so that it does not go on computing for nobody.
    pub(super) fn timeout_millis(&self) -> i64 {
        i64::try_from(self.timeout.millis()).unwrap_or(i64::MAX)
    }

    pub(super) fn failed(&self, refusal: Refusal) -> SourceError {
        let Refusal { absence, note } = refusal;
        SourceError::Query { name: self.name.clone(), absence, note }
    }
}

fn timed_out() -> Refusal {
    Refusal::new(Absence::Unreachable, "the source did not answer in time")
}

/// An instant as Prometheus reads it: seconds with three decimals.
fn seconds(at: Timestamp) -> String {
    format!("{}.{:03}", at.seconds(), at.millis().rem_euclid(1000))
}

/// How far to look back. Zero would mean the server's default of five minutes, the opposite of what is asked.
pub(super) fn lookback(max_age: Span) -> String {
    format!("{}ms", max_age.millis().max(1))
}

/// Why a question was not answered.
#[expect(clippy::needless_pass_by_value, reason = "it is the argument of `map_err`")]
pub(super) fn unsent(error: prometheus_http_query::Error) -> Refusal {
    match &error {
        prometheus_http_query::Error::Client(client) => client.inner().map_or_else(timed_out, broken),
        _ => Refusal::new(Absence::Unreachable, "the query could not be sent"),
    }
}

/// The answer of an endpoint in this process, as one that came over HTTP.
pub(super) fn answered(sent: Result<http::Response<Bytes>, String>) -> Result<reqwest::Response, Refusal> {
    sent.map(reqwest::Response::from)
        .map_err(|problem| Refusal::new(Absence::Unreachable, &format!("cannot connect: {problem}")))
}

/// The body of a successful answer, read up to `cap` bytes after decompression.
pub(super) async fn body(response: reqwest::Response, cap: usize) -> Result<Vec<u8>, Refusal> {
    // Only 200 carries a whole answer: 204 has none, 206 is cut, 3xx is not followed.
    let status = response.status();
    if status == reqwest::StatusCode::OK {
        return read(response, cap).await;
    }
    let words = match read(response, ERROR_BYTES_MAX).await {
        Ok(body) => decode::error_text(&body),
        Err(_) => None,
    };
    let note =
        format!("HTTP {}{}", status.as_u16(), words.map(|words| format!(": {words}")).unwrap_or_default());
    Err(Refusal::new(Absence::SourceError, &note))
}

async fn read(mut response: reqwest::Response, cap: usize) -> Result<Vec<u8>, Refusal> {
    let oversize = || {
        Refusal::new(
            Absence::Malformed,
            &format!("the answer is larger than {} KiB: aggregate the query", cap / 1024),
        )
    };
    if response
        .content_length()
        .is_some_and(|length| usize::try_from(length).map_or(true, |length| length > cap))
    {
        return Err(oversize());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| broken(&error))? {
        if body.len() + chunk.len() > cap {
            return Err(oversize());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Why no whole answer came. The innermost cause is local text (of the system, TLS or HTTP layer), never the body.
fn broken(error: &reqwest::Error) -> Refusal {
    if error.is_timeout() {
        return timed_out();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    // The HTTP client calls every failure after the headers, but for a timeout, one of decoding.
    let (absence, stage) = match (error.is_connect(), error.is_decode()) {
        (true, _) => (Absence::Unreachable, "cannot connect"),
        (false, true) => (Absence::Malformed, "the answer broke off or cannot be unpacked"),
        (false, false) => (Absence::Unreachable, "the connection broke"),
    };
    Refusal::new(absence, &format!("{stage}: {cause}"))
}
