//! `foresail plan`: policies replayed on a history, side by side.

pub(in crate::cli) mod autoscaler;
mod event;
mod future;
pub(in crate::cli) mod price;
mod prometheus;

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

use anyhow::{Context as _, bail};

use super::Output;
use super::samples::{distances, read_file, usual};
use super::server::{self, Asker};
use crate::calendar::parse_instant;
use crate::edge::clock::{Clock as _, SystemClock};
use crate::metrics::SourceSettings;
use crate::plan::{Day, Gate, History, Outcome, Run, Scenario, Verdict, days, foresee};
use crate::policy::{CapacityRule, Policy};
use crate::report::{PlanJson, Report, page, table, write_decisions};
use crate::units::{
    CapacityPerReplica, Demand, PricePerReplicaHour, Replicas, Span, Timestamp, replicas_ceil,
};
use autoscaler::{Autoscaler, Setting};
use event::Announcement;

/// Time between two ticks of the operator, as it is by default.
pub(super) const INTERVAL: Span = Span::from_seconds(15);

/// Exit code of a missed gate.
const GATE_MISSED: u8 = 3;

/// Arguments of `foresail plan`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("source").required(true))]
pub struct PlanArgs {
    /// Manifests with one PredictiveAutoscaler, each DemandCalendar and the SpendBudget that it names, YAML or JSON; `-` reads standard
    /// input.
    #[arg(short = 'f', long = "filename", required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The history of a metric: a CSV file `timestamp,value` in RFC 3339.
    #[arg(long, value_name = "METRIC=FILE", value_parser = named_file, group = "source")]
    history: Vec<(String, PathBuf)>,

    /// A Prometheus-compatible server that has the history.
    #[arg(long, value_name = "URL", group = "source", conflicts_with = "history")]
    prometheus: Option<String>,

    #[command(flatten)]
    asker: Asker,

    /// What really stood, to compare with: a CSV file `timestamp,value` of replicas.
    #[arg(long, value_name = "FILE", conflicts_with = "prometheus")]
    recorded: Option<PathBuf>,

    /// The first instant that is judged; the end of the first quarter when left out.
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    from: Option<Timestamp>,

    /// Where the history ends; its own end when left out.
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    to: Option<Timestamp>,

    /// Plan for the time after the history, at most thirty days, as `30d`: the history goes on by its week, growth and
    /// announced events, and only that is judged unless --from says otherwise.
    #[arg(long, value_name = "DURATION", value_parser = future::span)]
    future: Option<Span>,

    /// From asking for a replica to it serving, instead of forecast.leadTime or the 2m that count without one.
    #[arg(long, value_name = "DURATION")]
    lead: Option<String>,

    /// All demand times so much, as `x1.8`.
    #[arg(long, value_name = "FACTOR", value_parser = factor)]
    traffic: Option<f64>,

    /// Another value for a field of the spec, as `objective.unserved=1%`.
    #[arg(long, value_name = "PATH=VALUE", value_parser = Setting::parse)]
    set: Vec<Setting>,

    /// What a replica costs for an hour, instead of spend.priceQuery or spend.priceBook, as `0.096`.
    #[arg(long, value_name = "PRICE", value_parser = price::parse)]
    price: Option<PricePerReplicaHour>,

    /// The price book of the operator, for spend.priceBook; what the pods request is in the manifest of the target, which
    /// -f names too, or in --pod-requests.
    #[arg(long, value_name = "FILE")]
    price_book: Option<PathBuf>,

    /// What a pod requests, as `cpu=500m,memory=1Gi`, where no manifest says so.
    #[arg(long, value_name = "REQUESTS", value_parser = price::PodRequests::parse)]
    pod_requests: Option<price::PodRequests>,

    /// An event that is announced besides those of its calendars, as `2026-11-27 18:00 +3h x4` or
    /// `Friday 18:00 +4h x1.5 ramp=30m decay=1h ready=15m min=5 max=50 learn=no`, in forecast.timeZone. The demand
    /// stays that of the history.
    #[arg(long, value_name = "EVENT", value_parser = Announcement::parse)]
    event: Vec<Announcement>,

    /// A claim that must hold, as `unserved<=0.1%` or `cost<=1.1xhpa`; exit code 3 when it does not.
    #[arg(long, value_name = "CLAIM", value_parser = Gate::parse)]
    gate: Vec<Gate>,

    /// A directory for plan.json, decisions.csv and report.html; made when it does not exist.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// How to print the answer.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

pub(super) fn named_file(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => Ok((name.to_owned(), file.into())),
        _ => Err("write it as `METRIC=FILE`, as `requests=trace.csv`".to_owned()),
    }
}

pub(super) fn instant(text: &str) -> Result<Timestamp, String> {
    parse_instant(text).ok_or_else(|| "write it as `2026-01-01T00:00:00Z`".to_owned())
}

fn factor(text: &str) -> Result<f64, String> {
    let value: Option<f64> = text.strip_prefix('x').unwrap_or(text).parse().ok();
    value.filter(|value| (1e-6..=1e6).contains(value)).ok_or_else(|| "write it as `x1.8`".to_owned())
}

/// Replays, prints and writes. Exit code 3 when a gate is missed.
///
/// # Errors
/// Manifests or histories with problems, each named with its place and a remedy; files that cannot be written.
pub fn run(args: PlanArgs) -> anyhow::Result<ExitCode> {
    let PlanArgs {
        files,
        history,
        prometheus,
        asker,
        recorded,
        from,
        to,
        future,
        lead,
        traffic,
        mut set,
        price,
        price_book,
        pod_requests,
        event,
        gate,
        out,
        output,
    } = args;
    set.extend(lead.and_then(|lead| Setting::new("forecast.leadTime", &lead)));
    let mut autoscaler = autoscaler::read(&files, &set)?;
    autoscaler.announce(event::calendar(&event, &autoscaler.policy.time_zone)?.as_ref())?;
    let tenant = server::through_stated(&mut autoscaler)?;
    let server = prometheus.map(|url| asker.server(&url, tenant)).transpose()?;
    let book = price_book.as_deref().map(super::price_book::read).transpose()?;
    let priced = price::settle(
        &mut autoscaler,
        &price::Given {
            price,
            book: book.as_ref(),
            requests: pod_requests.as_ref(),
            server: server.as_ref().map(|server| (server, to.unwrap_or_else(|| SystemClock.now()))),
        },
    )?;
    let source = match &server {
        Some(server) => Source::Prometheus(server),
        None => Source::Files { history: &history, recorded: recorded.as_deref() },
    };
    let window = Window { from, to, factor: traffic.unwrap_or(1.0) };
    let mut history = known(&autoscaler, source, window)?;
    let mut notes = notes(&autoscaler.policy, &history);
    if let Some(span) = future {
        notes.extend(future::go_on(&autoscaler, &mut history, span)?);
    }
    notes.extend(autoscaler.assumed_lead());
    notes.extend(autoscaler.budget_note());
    notes.extend(priced);
    let scenario = autoscaler.scenario(history)?;
    let outcome = simulate(&scenario);
    let verdicts: Vec<Verdict> = gate.iter().map(|gate| gate.judge(&outcome)).collect::<Result<_, _>>()?;
    let report = Report { scenario: &scenario, outcome: &outcome, verdicts: &verdicts, notes: &notes };
    if let Some(out) = &out {
        write_files(&report, out).with_context(|| format!("cannot write to `{}`", out.display()))?;
    }
    let text = match output {
        Output::Table => table(&report),
        Output::Json => serde_json::to_string_pretty(&PlanJson::new(&report))? + "\n",
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    let missed = verdicts.iter().any(|verdict| !verdict.is_kept());
    Ok(if missed { ExitCode::from(GATE_MISSED) } else { ExitCode::SUCCESS })
}

/// The whole run: days are forecast at once on all cores, then all policies advance at once.
pub fn simulate(scenario: &Scenario) -> Outcome {
    let mut run = Run::begin(scenario);
    each_day(scenario, |day| {
        let foreseen = run.foreseen(scenario, day);
        thread::scope(|scope| {
            for replay in run.replays_mut() {
                scope.spawn(|| replay.advance(scenario, &foreseen));
            }
        });
    });
    run.finish(scenario)
}

/// The forecasts of each day in turn, made on all cores.
pub(super) fn each_day(scenario: &Scenario, mut take: impl FnMut(&Day)) {
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    for batch in days(scenario).chunks(threads) {
        let batch: Vec<Day> = thread::scope(|scope| {
            let workers: Vec<_> =
                batch.iter().map(|steps| scope.spawn(|| foresee(scenario, steps.clone()))).collect();
            workers.into_iter().map(joined).collect()
        });
        batch.iter().for_each(&mut take);
    }
}

fn joined<T>(worker: thread::ScopedJoinHandle<'_, T>) -> T {
    worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Where the history is.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    Files { history: &'a [(String, PathBuf)], recorded: Option<&'a Path> },
    Prometheus(&'a SourceSettings),
}

/// Which part of the history, and how much of it.
#[derive(Clone, Copy)]
pub(super) struct Window {
    /// From when on is judged.
    pub(super) from: Option<Timestamp>,
    /// Where it ends.
    pub(super) to: Option<Timestamp>,
    /// Demand is multiplied by this.
    pub(super) factor: f64,
}

/// The history of the autoscaler's metrics.
///
/// # Errors
/// A source that cannot be read, a metric without a sample, a capacity that no history tells.
pub(super) fn known(autoscaler: &Autoscaler, source: Source<'_>, window: Window) -> anyhow::Result<History> {
    let policy = &autoscaler.policy;
    let Window { from, to, factor } = window;
    let capacities = capacities(policy)?;
    let (samples, recorded) = match source {
        Source::Files { history, recorded } => {
            let files = autoscaler::histories(policy, history).map_err(anyhow::Error::msg)?;
            let samples: Vec<Vec<(Timestamp, f64)>> =
                files.into_iter().map(read_file).collect::<Result<_, _>>()?;
            let recorded = recorded.map(read_file).transpose()?.unwrap_or_default();
            (samples, recorded.into_iter().map(|(at, n)| (at, replicas_ceil(n))).collect())
        }
        Source::Prometheus(server) => {
            let end = to.unwrap_or_else(|| SystemClock.now());
            let prometheus::Known { demand, recorded } =
                prometheus::read(autoscaler, server, (end.minus(policy.history), end))?;
            (demand, recorded)
        }
    };
    let before = |at: Timestamp| to.is_none_or(|to| at < to);
    let mut demand: Vec<Vec<(Timestamp, Demand)>> = Vec::new();
    for (rule, samples) in policy.metrics.iter().zip(samples) {
        let kept: Vec<(Timestamp, Demand)> = samples
            .into_iter()
            .filter(|(at, _)| before(*at))
            .filter_map(|(at, value)| Some((at, Demand::new(value * factor)?)))
            .collect();
        if kept.is_empty() {
            bail!("metric `{}` has no sample in that time: choose another one", rule.name);
        }
        demand.push(kept);
    }
    let recorded: Vec<(Timestamp, Replicas)> = recorded;
    let events = autoscaler.windows(&demand, Span::ZERO);
    Ok(History { demand, capacities, events, recorded, from })
}

/// What one replica serves of each metric.
fn capacities(policy: &Policy) -> anyhow::Result<Vec<CapacityPerReplica>> {
    let stated = policy.metrics.iter().enumerate().map(|(i, rule)| match rule.capacity {
        CapacityRule::Stated(capacity) => Ok(capacity),
        CapacityRule::Learned => bail!(
            "metric `{}`: its capacity is learned on the cluster, which a history of demand does not tell: add --set metrics[{i}].capacityPerReplica=VALUE, as status.capacity says",
            rule.name
        ),
        CapacityRule::PodRequests => bail!(
            "metric `{}`: its capacity is what the pods request, which a history does not tell: add --set metrics[{i}].capacityPerReplica=VALUE",
            rule.name
        ),
    });
    stated.collect()
}

/// What the reader must know of the history.
fn notes(policy: &Policy, history: &History) -> Vec<String> {
    let mut notes = Vec::new();
    for (rule, samples) in policy.metrics.iter().zip(&history.demand) {
        let gaps = distances(samples);
        let usual = usual(&gaps).unwrap_or(Span::ZERO);
        let long = gaps.iter().filter(|gap| gap.millis() > usual.millis().saturating_mul(2)).count();
        if usual > policy.step.span() {
            notes.push(format!(
                "metric `{}` has a sample every {usual} only: each is held until the next, so changes within that time are not seen",
                rule.name
            ));
        }
        if long > 0 {
            notes.push(format!(
                "metric `{}` has {long} gaps of more than two samples: the last value is held over them",
                rule.name
            ));
        }
    }
    notes
}

/// Writes `plan.json`, `report.html` and `decisions.csv` into the directory `out`, which is made.
pub(super) fn write_files(report: &Report<'_>, out: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(out)?;
    let json = serde_json::to_string_pretty(&PlanJson::new(report))? + "\n";
    fs::write(out.join("plan.json"), json)?;
    fs::write(out.join("report.html"), page(report))?;
    write_decisions(report, BufWriter::new(File::create(out.join("decisions.csv"))?))?;
    Ok(())
}
