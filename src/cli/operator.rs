//! `foresail operator`: the operator in a cluster, or, once, the clearing up before it is removed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::edge::client;
use crate::edge::clock::SystemClock;
use crate::edge::steady::{ServerTime, SteadyClock};
use crate::metrics::SourcePool;
use crate::operator::restore::Restored;
use crate::operator::{self, Outside, Settings};
use crate::telemetry::decisions::DecisionLog;
use crate::telemetry::logs::{self, Format};
use crate::telemetry::metrics::Metrics;
use crate::units::Span;

/// Arguments of `foresail operator`.
#[derive(Debug, Args)]
pub struct OperatorArgs {
    /// Time between two decisions on an autoscaler, from 1s to 5m.
    #[arg(long, default_value = "15s", value_parser = interval)]
    interval: Span,
    /// Where /livez, /readyz and /metrics are served.
    #[arg(long, default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// Name of the Lease.
    #[arg(long, default_value = "foresail")]
    lease_name: String,
    /// Namespace of the Lease and of the Secrets of metric sources: the operator's own.
    #[arg(long, env = "POD_NAMESPACE", default_value = "foresail")]
    lease_namespace: String,
    /// Who this process is, unique among its replicas.
    #[arg(long, env = "POD_NAME", default_value = "foresail")]
    identity: String,
    /// Namespaces to watch; all when left out.
    #[arg(long, value_delimiter = ',')]
    watch_namespaces: Vec<String>,
    /// Give every raised HPA floor back, then exit: for the removal of the operator, whose Lease it takes.
    #[arg(long)]
    restore_floors: bool,
    /// Where decisions are logged, one JSON object a line: a file, `-` for standard output, or `off`.
    #[arg(long, value_name = "FILE", default_value = "-")]
    decision_log: String,
    /// What nodes cost, for autoscalers with spend.priceBook: a file, read at the start.
    #[arg(long, value_name = "FILE")]
    price_book: Option<PathBuf>,
    /// Format of the log on standard output.
    #[arg(long, value_enum, default_value_t = LogFormat::Json)]
    log_format: LogFormat,
    /// What is logged: a level, or `tracing` directives.
    #[arg(long, env = "FORESAIL_LOG", default_value = "info")]
    log: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

fn interval(text: &str) -> Result<Span, String> {
    let span = Span::parse(text).map_err(|error| error.to_string())?;
    let allowed = Span::from_seconds(1)..=Span::from_minutes(5);
    if allowed.contains(&span) { Ok(span) } else { Err(format!("`{text}` lies outside 1s..5m")) }
}

/// Runs the operator until SIGTERM or SIGINT.
///
/// # Errors
/// When the cluster cannot be reached, the probes' address cannot be bound, or logging cannot be set up.
pub fn run(args: OperatorArgs) -> anyhow::Result<ExitCode> {
    let OperatorArgs {
        interval,
        listen,
        lease_name,
        lease_namespace,
        identity,
        watch_namespaces,
        restore_floors,
        decision_log,
        price_book,
        log_format,
        log,
    } = args;
    let format = match log_format {
        LogFormat::Json => Format::Json,
        LogFormat::Text => Format::Text,
    };
    logs::install(format, &log).context("logging could not be set up")?;
    let price_book = price_book.as_deref().map(super::price_book::read).transpose()?.map(Arc::new);
    let settings = Settings {
        interval,
        watch_namespaces: watch_namespaces.into_iter().filter(|name| !name.is_empty()).collect(),
        namespace: lease_namespace,
        lease_name,
        // A restarted container keeps its pod's name, and must not take its predecessor for itself.
        identity: format!("{identity}_{}", std::process::id()),
        price_book,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if restore_floors {
        return runtime.block_on(restore(settings));
    }
    runtime.block_on(serve(settings, listen, decisions(&decision_log)?))?;
    Ok(ExitCode::SUCCESS)
}

/// Exit code 1 when a floor stays raised, with the reason in the log.
async fn restore(settings: Settings) -> anyhow::Result<ExitCode> {
    let client = reach(Arc::default()).await?;
    let Restored { done, failed } =
        operator::restore::restore_floors(&settings, &client, Arc::new(SystemClock)).await?;
    for sentence in &done {
        tracing::info!("{sentence}");
    }
    for sentence in &failed {
        tracing::error!("{sentence}");
    }
    tracing::info!(restored = done.len(), failed = failed.len(), "no floor is raised but those that failed");
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn reach(time: Arc<ServerTime>) -> anyhow::Result<kube::Client> {
    client::connect_timed(time)
        .await
        .context("the cluster could not be reached: set KUBECONFIG, or run in a pod")
}

fn decisions(place: &str) -> anyhow::Result<DecisionLog> {
    Ok(match place {
        "off" => DecisionLog::off(),
        "-" => DecisionLog::to(std::io::stdout()),
        file => DecisionLog::append(Path::new(file))
            .with_context(|| format!("the decision log `{file}` could not be opened: name a file in a directory that can be written, `-` or `off`"))?,
    })
}

async fn serve(settings: Settings, listen: SocketAddr, decisions: DecisionLog) -> anyhow::Result<()> {
    let time = Arc::<ServerTime>::default();
    let client = reach(Arc::clone(&time)).await?;
    let listener = tokio::net::TcpListener::bind(listen)
        .await
        .with_context(|| format!("`{listen}` could not be bound"))?;
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stopper = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stopper.cancel();
    });
    let outside = Outside {
        client,
        clock: Arc::new(SteadyClock::new(SystemClock, time)),
        pool: SourcePool::new(),
        listener: Some(listener),
        decisions,
        metrics: Metrics::register(),
    };
    operator::run(settings, outside, stop).await?;
    Ok(())
}
