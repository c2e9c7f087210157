//! `foresail freeze`: nothing is scaled down, or up, for a while; outside Git and without a restart.

use std::process::ExitCode;

use super::Output;
use super::cluster::{Scope, autoscaler_name, on_cluster, order_span};
use super::order;
use crate::api::annotations::{FREEZE, FREEZE_GROWTH, freeze_text};
use crate::edge::clock::{Clock as _, SystemClock};
use crate::units::Span;

/// Arguments of `foresail freeze`.
#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("scope").required(true).multiple(true).args(["name", "namespace", "all_namespaces"]),
    group = clap::ArgGroup::new("order").required(true).multiple(true).args(["no_scale_down", "no_scale_up", "end"])
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct FreezeArgs {
    /// The autoscaler, as `pra/checkout`; every one of the namespace when left out.
    #[arg(value_name = "AUTOSCALER", value_parser = autoscaler_name)]
    name: Option<String>,
    /// The namespace; that of the kubeconfig's context when an autoscaler is named without it.
    #[arg(short, long)]
    namespace: Option<String>,
    /// Every autoscaler of the cluster.
    #[arg(short = 'A', long, conflicts_with_all = ["name", "namespace"])]
    all_namespaces: bool,
    /// Hold what stands: nothing is scaled down, and growth goes on.
    #[arg(long)]
    no_scale_down: bool,
    /// Scale nothing up either.
    #[arg(long)]
    no_scale_up: bool,
    /// How long, from 1m to 168h; it ends by itself.
    #[arg(long = "for", value_name = "DURATION", value_parser = order_span, required_unless_present = "end")]
    span: Option<Span>,
    /// End it now.
    #[arg(long, conflicts_with_all = ["no_scale_down", "no_scale_up", "span"])]
    end: bool,
    /// How to print the answer.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Freezes or ends it; the operator follows within one interval.
///
/// # Errors
/// When the cluster cannot be reached or an autoscaler is not there.
pub fn run(args: FreezeArgs) -> anyhow::Result<ExitCode> {
    let FreezeArgs { name, namespace, all_namespaces, no_scale_down, no_scale_up, span, end, output } = args;
    let now = SystemClock.now();
    let until = span.map(|span| freeze_text(now.plus(span)));
    let set: Vec<(&str, Option<String>)> = [(FREEZE, no_scale_down), (FREEZE_GROWTH, no_scale_up)]
        .into_iter()
        .filter(|(_, ordered)| end || *ordered)
        .map(|(key, _)| (key, until.clone()))
        .collect();
    let scope = match name {
        Some(name) => Scope::Named(name),
        None if all_namespaces => Scope::Everywhere,
        None => Scope::Namespace,
    };
    on_cluster(namespace, async |cluster| {
        order::give(&cluster, (&scope, &set), |_| Ok(()), (now, output)).await
    })
}
