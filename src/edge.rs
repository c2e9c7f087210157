//! What meets the outside for everyone above: the wall clock and the Kubernetes client.

pub mod client;
pub mod clock;
pub mod steady;
