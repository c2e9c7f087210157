//! Integration tests that need no cluster.

mod admission;
mod crds;
mod demo;
mod dev;
mod forecast;
mod manifests;
mod parity;
mod plan;
mod sandbox;
