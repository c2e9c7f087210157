//! Prometheus to evidence.

pub mod promql;
