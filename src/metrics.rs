//! Prometheus to evidence: asks metric sources and says of every answer what it is worth.
//!
//! In: the settings of a source, a `PromQL` query, an instant. Out: a [`Reading`](crate::decide::evidence::Reading),
//! which is a number or a typed reason why there is none, or the history of a query. No answer of a source, however
//! broken, slow or large, becomes a number by accident, an error of the caller, or more memory than the caps below.
//!
//! | module | what it is |
//! |---|---|
//! | [`settings`] | where a source is and how to speak to it; secrets that do not print |
//! | [`client`] | one question and its answer, within a deadline and a byte cap |
//! | `decode` | bytes of an answer to a sample, or to a reason |
//! | [`history`] | the past of a query, in chunks |
//! | [`pool`] | all sources; identical questions are asked once |
//! | [`promql`] | queries as text: well formed, and with the labels that are enforced |
//! | [`suspect`] | many series of a source falling at once |

pub mod client;
mod decode;
pub mod history;
pub mod pool;
pub mod promql;
pub mod settings;
pub mod suspect;

pub use client::{Answer, Endpoint, Exact, InstantQuery, Parameters, SourceClient};
pub use history::HistoryQuery;
pub use pool::SourcePool;
pub use settings::{Authorization, Secret, SourceError, SourceSettings};
pub use suspect::FallWatch;

#[cfg(test)]
pub(crate) mod tests;
