//! `foresail explain`: why so many replicas, now or at any instant that a log or the history of demand reaches.

mod again;
mod cluster;
mod moment;
mod status;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;

use super::Output;
use super::cluster::autoscaler_name;
use super::decisions::{self, Next};
use super::plan::autoscaler::{self, Setting};
use super::plan::{Source, named_file};
use super::server::{self, Asker};
use crate::calendar::{TimeZone, rfc3339};
use crate::journal::Record;
use crate::report::explanation::Explanation;
use crate::units::{Span, Timestamp};
use moment::Moment;

/// The operator logs at least this often; after a longer silence it was not there.
const HEARTBEAT: Span = Span::from_minutes(5);
/// Decisions so old are not looked for any more when a time of day is asked for: a day and the hours that a change of
/// the clocks may add.
const DAY: Span = Span::from_hours(28);

/// Arguments of `foresail explain`.
#[derive(Debug, clap::Args)]
pub struct ExplainArgs {
    /// The autoscaler, as pra/NAME; may be left out when the log holds only one, and is with -f.
    #[arg(required_unless_present_any = ["log", "files"], value_name = "pra/NAME", value_parser = autoscaler_name)]
    autoscaler: Option<String>,

    /// Its namespace; without it that of the kubeconfig, or with --log the only one that has the name.
    #[arg(short, long)]
    namespace: Option<String>,

    /// The instant to explain, as 09:05 (the last such time in the policy's zone) or 2026-01-01T09:05:00Z. Without a log
    /// the decision is made again from the history of demand, which it says.
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    at: Option<Moment>,

    /// Explain each new decision as it is made, until Ctrl-C.
    #[arg(long, conflicts_with_all = ["log", "at", "files", "prometheus"])]
    watch: bool,

    /// A decision log to look into instead of the cluster; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,

    /// The Prometheus-compatible server that has the history, where it is not the one of the autoscaler's `MetricSource`,
    /// or this machine reaches it under another URL.
    #[arg(long, value_name = "URL", conflicts_with = "log")]
    prometheus: Option<String>,

    #[command(flatten)]
    asker: Asker,

    /// Manifests instead of the cluster: one PredictiveAutoscaler, each DemandCalendar and the SpendBudget that it names;
    /// with --prometheus or --history.
    #[arg(short = 'f', long = "filename", value_name = "FILE", conflicts_with_all = ["log", "autoscaler", "namespace"])]
    files: Vec<PathBuf>,

    /// The history of a metric: a CSV file `timestamp,value` in RFC 3339.
    #[arg(long, value_name = "METRIC=FILE", value_parser = named_file, requires = "files", conflicts_with = "prometheus")]
    history: Vec<(String, PathBuf)>,

    /// Another value for a field of the spec, as `objective.unserved=1%`.
    #[arg(long, value_name = "PATH=VALUE", value_parser = Setting::parse, requires = "files")]
    set: Vec<Setting>,

    /// How to print the answer.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Explains and prints.
///
/// # Errors
/// A cluster that cannot be reached, an autoscaler without a decision, a log that cannot be read or does not reach the
/// instant: each with what to do.
pub fn run(args: ExplainArgs) -> anyhow::Result<ExitCode> {
    let ExplainArgs { autoscaler, namespace, at, watch, log, prometheus, asker, files, history, set, output } =
        args;
    let explanation = match (log, autoscaler) {
        (Some(log), name) => of_log(&log, &Wanted { name, namespace }, at)?,
        (None, Some(name)) if at.is_none() && prometheus.is_none() => {
            status::explain(&name, namespace.as_deref(), watch, output)?;
            return Ok(ExitCode::SUCCESS);
        }
        (None, Some(name)) => {
            let (autoscaler, server) = cluster::read(&name, namespace, (prometheus, &asker))?;
            again::explain(autoscaler, Source::Prometheus(&server), at)?
        }
        (None, None) => {
            let mut autoscaler = autoscaler::read(&files, &set)?;
            let tenant = server::through_stated(&mut autoscaler)?;
            let server = prometheus.map(|url| asker.server(&url, tenant)).transpose()?;
            let source = match &server {
                Some(server) => Source::Prometheus(server),
                None if history.is_empty() => {
                    bail!("nothing says where the history is: add --prometheus URL, or --history METRIC=FILE")
                }
                None => Source::Files { history: &history, recorded: None },
            };
            again::explain(autoscaler, source, at)?
        }
    };
    print(&explanation, output)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints one explanation.
fn print(explanation: &Explanation, output: Output) -> anyhow::Result<()> {
    let text = match output {
        Output::Table => explanation.text(),
        Output::Json => serde_json::to_string_pretty(explanation)? + "\n",
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}

/// Whose decisions are asked for.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) name: Option<String>,
    pub(super) namespace: Option<String>,
}

impl Wanted {
    /// Whether `record` is one of them.
    pub(super) fn has(&self, record: &Record) -> bool {
        let Self { name, namespace } = self;
        name.as_ref().is_none_or(|name| *name == record.name)
            && namespace.as_ref().is_none_or(|namespace| *namespace == record.namespace)
    }

    /// Those that were found, when there are several or none.
    ///
    /// # Errors
    /// What to name.
    pub(super) fn only(found: &BTreeSet<String>) -> anyhow::Result<()> {
        match found.len() {
            1 => Ok(()),
            0 => bail!(
                "the log has no decision of that autoscaler: check NAME and -n against `namespace/name` in it"
            ),
            _ => {
                let some: Vec<&str> = found.iter().take(10).map(String::as_str).collect();
                bail!(
                    "the log has decisions of {} autoscalers ({}): name one as pra/NAME -n NAMESPACE",
                    found.len(),
                    some.join(", ")
                )
            }
        }
    }
}

/// The decisions among which the one in force is found.
#[derive(Default)]
struct Course {
    found: BTreeSet<String>,
    first: Option<Timestamp>,
    records: Vec<Record>,
}

impl Course {
    /// Takes up a decision, and drops those that no question can be about any more.
    fn take(&mut self, record: Record, at: Option<Moment>) {
        self.found.insert(record.key());
        if self.found.len() > 1 {
            return;
        }
        let now = record.now();
        self.first = self.first.or(Some(now));
        match at {
            Some(Moment::Instant(at)) if now > at => {}
            Some(Moment::Clock(_)) => {
                let next = |pair: &[Record]| pair.get(1).is_some_and(|next| now.since(next.now()) > DAY);
                let old = self.records.windows(2).take_while(|pair| next(pair)).count();
                self.records.drain(..old);
                self.records.push(record);
            }
            Some(Moment::Instant(_)) | None => self.records = vec![record],
        }
    }
}

fn of_log(log: &Path, wanted: &Wanted, at: Option<Moment>) -> anyhow::Result<Explanation> {
    let mut course = Course::default();
    let mut ends = None;
    decisions::read(log, |_, record| {
        if wanted.has(&record) {
            ends = Some((record.now(), TimeZone::parse(&record.policy.time_zone).unwrap_or(TimeZone::UTC)));
            course.take(record, at);
        }
        Ok(Next::Line)
    })?;
    Wanted::only(&course.found)?;
    let Some((end, zone)) = ends else { bail!("the log has no decision") };
    let asked = match at {
        None => end,
        Some(Moment::Instant(at)) => at,
        Some(Moment::Clock(second)) => moment::last_such(zone, second, end),
    };
    let Some(record) = course.records.iter().rev().find(|record| record.now() <= asked) else {
        bail!(
            "nothing was decided at {}: the log begins at {}; name a later time or an older log",
            rfc3339(asked),
            course.first.map_or_else(String::new, rfc3339)
        );
    };
    let mut explanation = Explanation::of(record);
    let quiet = asked.since(record.now());
    if quiet > HEARTBEAT {
        explanation.notes.push(format!(
            "asked for {}, {quiet} after this decision, the last one before it in the log: what was decided in between, if anything, is not known",
            rfc3339(asked)
        ));
    } else if quiet > Span::ZERO {
        explanation.notes.push(format!(
            "asked for {}: this decision was in force; the ones between it and then changed nothing and were bound by the same stage",
            rfc3339(asked)
        ));
    }
    Ok(explanation)
}
