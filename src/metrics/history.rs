//! The past of a query, asked for in chunks.
//!
//! In: a [`HistoryQuery`]. Out: points in order of time, each at a multiple of the step, at most one for each; what
//! the source did not have is not there. All or nothing: a chunk that fails fails the call, since half a history
//! would look like a gap.

use super::client::{
    GET_QUERY_BYTES_MAX, SERIES_LIMIT, SourceClient, Wire, answered, body, lookback, unsent,
};
use super::decode::{self, Points, Refusal};
use super::settings::SourceError;
use crate::decide::evidence::Absence;
use crate::units::{Span, Step, Timestamp};

/// The most bytes, after decompression, of one chunk: 11,000 points of 50 bytes are 0.5 MiB.
const RANGE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Prometheus answers no more points than this.
const CHUNK_POINTS_MAX: u64 = 11_000;
/// A chunk covers about a day, so that one evaluation stays small for the source.
const CHUNK: Span = Span::from_hours(24);
/// 28 days of seconds; at 16 bytes a point 40 MB.
const POINTS_MAX: u64 = 2_500_000;

/// A query over a stretch of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    /// The query; its result must be at most one series.
    pub promql: String,
    /// The earliest instant, rounded up to the grid.
    pub from: Timestamp,
    /// The latest instant, included, rounded down to the grid. Not after the present: for `max_age` beyond it a
    /// source repeats its last sample.
    pub to: Timestamp,
    /// The grid, counted from the Unix epoch.
    pub step: Step,
    /// A sample stands for its grid point only when it is no older than this.
    pub max_age: Span,
    /// The longest that all chunks together may take.
    pub deadline: Span,
}

impl SourceClient {
    /// The points of `query` from the source, oldest first; NaN and infinities are left out, and so is a chunk that
    /// the source warned about, because its numbers may be too small to learn from.
    ///
    /// # Errors
    /// [`SourceError::Query`] when a chunk fails, gives several series, histograms, two values for one instant or
    /// points off the grid, when every chunk was warned about, when the deadline passes, or when more than 2,500,000
    /// points are asked for.
    pub async fn history(&self, query: &HistoryQuery) -> Result<Vec<(Timestamp, f64)>, SourceError> {
        let late = || Refusal::new(Absence::Unreachable, "the history did not arrive in time");
        let all = async {
            tokio::time::timeout(query.deadline.to_std(), self.chunks(query)).await.map_err(|_| late())?
        };
        all.await.map_err(|refusal| self.failed(refusal))
    }

    async fn chunks(&self, query: &HistoryQuery) -> Result<Vec<(Timestamp, f64)>, Refusal> {
        let Some(chunks) = chunks_of(query)? else { return Ok(Vec::new()) };
        let mut points = Vec::new();
        let mut n_whole = 0_usize;
        let mut warned = None;
        for chunk in chunks {
            let answer = self.chunk(query, chunk).await?;
            if let Some(warning) = answer.warning {
                warned = Some(warning);
            } else {
                n_whole += 1;
                points.extend(tidy(answer.points, chunk, query.step)?);
            }
        }
        match warned {
            Some(warning) if n_whole == 0 => Err(Refusal::new(
                Absence::SourceError,
                &format!("every part of the history is incomplete: {warning}"),
            )),
            _ => Ok(points),
        }
    }

    async fn chunk(
        &self,
        query: &HistoryQuery,
        (start, end): (Timestamp, Timestamp),
    ) -> Result<Points, Refusal> {
        let _turn = self.history_turn().await?;
        let HistoryQuery { promql, step, max_age, .. } = query;
        let (start, end) = (start.seconds(), end.seconds());
        let body = self.in_time(async {
            let response = match &self.wire {
                Wire::Http(api) => {
                    let request = api
                        .query_range(promql, start, end, f64::from(step.seconds()))
                        .timeout(self.timeout_millis())
                        .query("lookback_delta", lookback(*max_age))
                        .query("partial_response", "false")
                        .query("limit", SERIES_LIMIT);
                    let long = promql.len() > GET_QUERY_BYTES_MAX;
                    if long { request.post_raw().await } else { request.get_raw().await }.map_err(unsent)?
                }
                Wire::Within(endpoint) => {
                    let own = [
                        ("start", start.to_string()),
                        ("end", end.to_string()),
                        ("step", step.seconds().to_string()),
                    ];
                    let parameters = self.parameters(promql, *max_age, own.to_vec());
                    answered(endpoint.get("/api/v1/query_range", parameters).await)?
                }
            };
            body(response, RANGE_BYTES_MAX).await
        });
        let body = body.await?;
        decode::range(&body)
    }
}

/// First and last grid point of each chunk, both included; `None` when no grid point lies in the query's time.
fn chunks_of(query: &HistoryQuery) -> Result<Option<Vec<(Timestamp, Timestamp)>>, Refusal> {
    let step = query.step.span();
    let floor = query.from.floor_to(query.step);
    let first = if floor < query.from { floor.plus(step) } else { floor };
    let last = query.to.floor_to(query.step);
    if last < first {
        return Ok(None);
    }
    let n_points = last.since(first).millis() / step.millis() + 1;
    if n_points > POINTS_MAX {
        let note = format!(
            "{n_points} points are asked for, more than {POINTS_MAX}: take a longer step or fewer days"
        );
        return Err(Refusal::new(Absence::SourceError, &note));
    }
    let n_chunk = (CHUNK.millis() / step.millis()).clamp(1, CHUNK_POINTS_MAX);
    let length = Span::from_millis((n_chunk - 1) * step.millis());
    let mut chunks = Vec::new();
    let mut start = first;
    while start <= last {
        let end = start.plus(length).min(last);
        chunks.push((start, end));
        start = end.plus(step);
    }
    Ok(Some(chunks))
}

/// Points in order, once each and within the chunk.
fn tidy(
    mut points: Vec<(Timestamp, f64)>,
    (start, end): (Timestamp, Timestamp),
    step: Step,
) -> Result<Vec<(Timestamp, f64)>, Refusal> {
    points.retain(|(at, value)| (start..=end).contains(at) && value.is_finite());
    if points.iter().any(|(at, _)| at.floor_to(step) != *at) {
        return Err(Refusal::new(
            Absence::Malformed,
            "the points of the answer are not on the grid that was asked for",
        ));
    }
    points.sort_by_key(|(at, _)| *at);
    points.dedup_by(|(at, value), (kept_at, kept)| at == kept_at && value.total_cmp(kept).is_eq());
    let conflict = points.iter().zip(points.iter().skip(1)).any(|((at, _), (next, _))| at == next);
    if conflict {
        return Err(Refusal::new(Absence::Malformed, "the answer has two values for one instant"));
    }
    Ok(points)
}

#[cfg(test)]
mod tests;
