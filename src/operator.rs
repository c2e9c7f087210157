//! The operator: watch, schedule, decide, actuate.
//!
//! Every module here is a building block that knows nothing of the custom resources; the loop joins them.
//!
//! | module | what it is |
//! |---|---|
//! | [`clock`] | the only reader of the wall clock |
//! | [`client`] | the Kubernetes client: deadlines on every call, no retried write |
//! | [`lease`] | leader election on a Lease, with hot standby |
//! | [`pace`] | when each object ticks, how fast status is written, when to try again |
//! | [`actuate`] | `/scale` and the floor of an HPA, by compare-and-swap |
//! | [`protocol`] | read, decide, record the intent, write: at most three rounds |
//! | [`health`] | `/livez`, `/readyz`, `/metrics` |

pub mod actuate;
pub mod client;
pub mod clock;
#[cfg(test)]
pub(crate) mod fake;
pub mod health;
pub mod lease;
pub mod pace;
pub mod protocol;
