//! Integration tests that need no cluster.

mod admission;
mod crds;
mod manifests;
mod plan;
mod sandbox;
