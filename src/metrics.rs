//! Prometheus: from queries to evidence and history.

pub mod promql;
