//! A cluster in the process, in virtual time: what the real operator is driven against in tests and in the demo.
//!
//! Time is tokio's paused clock, so weeks pass in seconds; everything that happens follows from a seed, so the same
//! seed gives the same bytes.
//!
//! | module | what it is |
//! |---|---|
//! | [`clock`] | virtual time as time of day |
//! | [`hpa`] | the HorizontalPodAutoscaler, as a rival |
//! | [`listener`] | the API server on a loopback port, for `kubectl` |
//! | [`prometheus`] | a Prometheus-compatible endpoint over scripted series |
//! | [`season`] | three weeks of a shop up to its Black Friday |
//! | [`server`] | an API server as a tower service over a store |
//! | [`shop`] | the demand of a synthetic shop |
//! | [`world`] | all of it together, with the operator |
//! | [`workload`] | Deployments, their rollouts and pods |

pub mod clock;
pub mod hpa;
pub(crate) mod json;
pub(crate) mod kinds;
pub mod listener;
pub mod prometheus;
pub mod season;
pub mod seed;
pub mod server;
pub mod shop;
pub(crate) mod store;
pub mod workload;
pub mod world;

pub use clock::VirtualClock;
pub use hpa::HpaController;
pub use listener::Listener;
pub use prometheus::Prometheus;
pub use season::Season;
pub use server::{ApiServer, Fault, Faults};
pub use shop::{Shop, Surge};
pub use workload::{StartUp, Workloads};
pub use world::{RunningOperator, World};
