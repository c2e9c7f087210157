//! `foresail boost`: at least so many replicas for a while; outside Git and without a restart.

use std::process::ExitCode;

use super::Output;
use super::cluster::{Scope, autoscaler_name, on_cluster, order_span};
use super::order;
use crate::api::PredictiveAutoscaler;
use crate::api::annotations::{BOOST, boost_text};
use crate::decide::Boost;
use crate::edge::clock::{Clock as _, SystemClock};
use crate::units::{Replicas, Span};

/// Arguments of `foresail boost`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("order").required(true).args(["floor", "end"]))]
pub struct BoostArgs {
    /// The autoscaler, as `pra/checkout`.
    #[arg(value_name = "AUTOSCALER", value_parser = autoscaler_name)]
    name: String,
    /// Its namespace; that of the kubeconfig's context when left out.
    #[arg(short, long)]
    namespace: Option<String>,
    /// At least so many replicas, at most maxReplicas.
    #[arg(long, value_name = "REPLICAS", value_parser = clap::value_parser!(u32).range(1..=10_000), requires = "span")]
    floor: Option<u32>,
    /// How long, from 1m to 168h; it ends by itself.
    #[arg(long = "for", value_name = "DURATION", value_parser = order_span)]
    span: Option<Span>,
    /// End it now.
    #[arg(long, conflicts_with = "span")]
    end: bool,
    /// How to print the answer.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Boosts or ends it; the operator follows within one interval, as fast as the rate policies allow.
///
/// # Errors
/// When the cluster cannot be reached or the autoscaler is not there.
pub fn run(args: BoostArgs) -> anyhow::Result<ExitCode> {
    let BoostArgs { name, namespace, floor, span, end: _, output } = args;
    let now = SystemClock.now();
    let text = floor
        .zip(span)
        .map(|(floor, span)| boost_text(Boost { floor: Replicas::new(floor), until: now.plus(span) }));
    let within_max = |object: &PredictiveAutoscaler| match floor {
        Some(floor) if floor > object.spec.max_replicas => Err(format!(
            "--floor `{floor}` is greater than maxReplicas `{}`: lower the floor or raise maxReplicas",
            object.spec.max_replicas
        )),
        _ => Ok(()),
    };
    let set = [(BOOST, text)];
    on_cluster(namespace, async |cluster| {
        order::give(&cluster, (&Scope::Named(name), &set), within_max, (now, output)).await
    })
}
