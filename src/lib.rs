//! Foresail: a predictive autoscaler for Kubernetes.
//!
//! It reads a workload's demand, forecasts it, and asks for replicas before the load arrives, within limits
//! and a budget; every decision is a list of stages that can be read and replayed.
//!
//! ```text
//! metrics -> series -> forecast --+
//!                                 +-> engine::tick -> Decision -> operator -> /scale, status, Events
//! calendar, policy ---------------+        ^
//!                                      memory (status)
//! ```
//!
//! # Layout, in reading order
//!
//! The pure core takes time, data and seeds as arguments and returns values; it builds with
//! `--no-default-features`. A module imports only from modules above it (held by `tests/tidy.rs`).
//!
//! | module | what it is |
//! |---|---|
//! | [`units`] | newtypes: demand, replicas, money, quantities, instants |
//! | [`calendar`] | the one place that knows time zones |
//! | [`series`] | a regular grid with typed gaps, robust statistics |
//! | [`forecast`] | experts, their combination, calibration, trust |
//! | [`policy`] | the validated form of the custom resources |
//! | [`measure`] | what a workload shows of itself: its lead, the demand it served |
//! | [`decide`] | the stages of a decision, one file each |
//! | [`engine`] | `tick`: (policy, observation, memory) -> (decision, memory) |
//! | [`journal`] | the decision log: what a decision was made of, and the decision derived again |
//! | [`plan`] | policies replayed on a history, side by side |
//!
//! Behind feature `operator`: [`report`] (a plan as table, files and page), [`api`] (custom resources), [`metrics`] (Prometheus to evidence),
//! [`edge`] (clock, Kubernetes client), [`operator`]
//! (watch, schedule, actuate), [`sandbox`] (a cluster in the process, in virtual time), [`telemetry`], [`cli`].

#[cfg(feature = "operator")]
pub mod api;
pub mod calendar;
#[cfg(feature = "operator")]
pub mod cli;
pub mod decide;
#[cfg(feature = "operator")]
pub mod edge;
pub mod engine;
pub mod forecast;
pub mod journal;
pub mod measure;
#[cfg(feature = "operator")]
pub mod metrics;
#[cfg(feature = "operator")]
pub mod operator;
pub mod plan;
pub mod policy;
#[cfg(feature = "operator")]
pub mod report;
#[cfg(feature = "operator")]
pub mod sandbox;
pub mod series;
#[cfg(feature = "operator")]
pub mod telemetry;
pub mod units;
