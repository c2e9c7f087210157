//! Tests against real servers: a Kubernetes control plane without containers, and Prometheus.
//!
//! The programs come from `tests/testbed/build`, which the harness runs by itself. `FORESAIL_TESTBED=off` skips every
//! test here and says so. All tests of one process share one control plane: see `control_plane::shared`.
//!
//! Put a test here only if it needs the real thing: what a server defaults, refuses, records or reacts to.
#![expect(
    clippy::disallowed_methods,
    reason = "a harness at the edge: wall clock, deadlines and FORESAIL_TESTBED"
)]
#![expect(
    clippy::indexing_slicing,
    reason = "a JSON value indexed by an absent name is `Null`, and the assertion shows it"
)]
#![expect(clippy::panic, reason = "a harness reports a failure by panicking, with the servers' logs")]

mod admission;
mod breakglass;
mod children;
mod conformance;
mod control_plane;
mod hpa_differential;
mod injected;
mod leaving;
mod library;
mod limited;
mod quota;
mod resident;
mod shared_budget;
mod smoke;
mod succession;
mod timeline;
