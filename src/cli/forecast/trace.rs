//! `foresail forecast --csv`: a history from a file, forecast and told to people.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;

use super::grid::Trace;
use super::timed;
use crate::calendar::{TimeZone, rfc3339};
use crate::cli::Output;
use crate::cli::samples::read_file;
use crate::forecast::request::Answer;
use crate::forecast::{
    DAYS_MIN, ForecastConfig, Forecaster, GlobalModel, QuantileForecast, TrustQuestion, Without, days_ahead,
};
use crate::report::outlook::{self, Outlook};
use crate::series::robust_maximum;
use crate::units::{CapacityPerReplica, Objective, ReplicaBounds, Replicas, Share, Span, Step};

/// What a forecaster keeps, as for a request (DESIGN 5).
const HISTORY: Span = Span::from_hours(28 * 24);

/// How far the experts look; beyond, the usual week goes on at the level of coming days.
const EXPERTS_MAX: Span = Span::from_hours(7 * 24);

/// The furthest that is forecast.
const HORIZON_MAX: Span = Span::from_hours(30 * 24);

/// Most steps beyond what experts look at: 30 days of minutes.
const STEPS_MAX: usize = 43_200;

/// Numbers above this are a unit mistake; a forecaster keeps 32-bit floats.
const VALUE_MAX: f64 = 1e27;

/// Replicas that the highest demand needs where trust is judged without a policy.
const REPLICAS: f64 = 100.0;

/// Width of a drawing that does not go to a terminal, and the limits of one that does.
const WIDTH: usize = 80;
const WIDTH_RANGE: (usize, usize) = (40, 200);

/// What is asked of a history in a file.
#[derive(Debug, Args)]
pub(super) struct TraceArgs {
    /// Forecast this history: a CSV file `timestamp,value` in RFC 3339
    #[arg(long, value_name = "FILE", conflicts_with_all = ["requests", "answers", "threads"])]
    csv: Option<PathBuf>,
    /// How far ahead, at most thirty days, as `1h`, `90m` or `14d`; beyond seven days without the newest hours
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = horizon, requires = "csv")]
    horizon: Span,
    /// The grid; 1m when left out, or the usual time between two samples where that is longer
    #[arg(long, value_name = "DURATION", value_parser = step, requires = "csv")]
    step: Option<Step>,
    /// Whose days and weeks, as `Europe/Berlin`
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = TimeZone::parse, requires = "csv")]
    time_zone: TimeZone,
    /// Quantile levels of the table and of the JSON, between 0 and 1
    #[arg(long, value_name = "LEVELS", default_value = "0.05,0.5,0.95,0.99", value_delimiter = ',', value_parser = level, requires = "csv")]
    quantiles: Vec<f64>,
    /// Draw the newest history, the median and the band ahead instead of the table
    #[arg(long, requires = "csv", conflicts_with = "output")]
    plot: bool,
    /// Write a page that needs nothing else
    #[arg(long, value_name = "FILE", requires = "csv")]
    html: Option<PathBuf>,
    /// How to print the forecast
    #[arg(short, long, value_enum, default_value_t = Output::Table, requires = "csv")]
    output: Output,
}

impl TraceArgs {
    /// Whether a history is to be forecast, and not lines answered.
    pub(super) const fn is_asked(&self) -> bool {
        self.csv.is_some()
    }
}

fn horizon(text: &str) -> Result<Span, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u64>().ok());
    let span = match days {
        Some(days) => Span::from_hours(days.saturating_mul(24).min(HORIZON_MAX.seconds())),
        None => Span::parse(text).map_err(|error| error.to_string())?,
    };
    if span == Span::ZERO || span > HORIZON_MAX {
        return Err("ask for more than nothing and at most thirty days, `30d`".to_owned());
    }
    Ok(span)
}

fn step(text: &str) -> Result<Step, String> {
    let span = Span::parse(text).map_err(|error| error.to_string())?;
    let whole = span.millis() % 1000 == 0;
    let step = u32::try_from(span.seconds()).ok().filter(|_| whole).and_then(Step::new);
    step.ok_or_else(|| "write whole seconds from `1s` to `24h`".to_owned())
}

fn level(text: &str) -> Result<f64, String> {
    let level: Option<f64> = text.trim().parse().ok();
    level
        .filter(|level| *level > 0.0 && *level < 1.0)
        .ok_or_else(|| "write numbers between 0 and 1, as `0.5,0.95`".to_owned())
}

/// Whole steps within `horizon`.
fn steps_within(horizon: Span, step: Step) -> usize {
    usize::try_from(horizon.seconds() / u64::from(step.seconds())).unwrap_or(usize::MAX)
}

/// Forecasts the history, prints and writes.
pub(super) fn run(args: TraceArgs, global: GlobalModel) -> anyhow::Result<ExitCode> {
    let TraceArgs { csv, horizon, step, time_zone, quantiles, plot, html, output } = args;
    let csv = csv.context("no history: add --csv FILE")?;
    let name = csv.display().to_string();
    let trace = read(&csv, step)?;
    let step = trace.grid.step;
    let distant = horizon > EXPERTS_MAX;
    let most = if distant { HORIZON_MAX } else { EXPERTS_MAX };
    let ahead = step.steps_covering(horizon).min(steps_within(most, step)).max(1);
    let far = if distant { Some(days_from(&trace, (&name, ahead), time_zone)?) } else { None };
    if output == Output::Json {
        let text = match &far {
            Some(forecast) => json_of(&name, forecast, &quantiles).to_string(),
            None => json_by_experts(&trace.request(&name, ahead, &quantiles, time_zone), (&name, &global))?,
        };
        print(&(text + "\n"))?;
        if html.is_none() {
            return Ok(ExitCode::SUCCESS);
        }
    }
    let horizon_steps = ahead.min(steps_within(EXPERTS_MAX, step)).max(1);
    let config = ForecastConfig { step, history: HISTORY, zone: time_zone, horizon_steps, global };
    let mut forecaster = Forecaster::learn(config, &trace.samples());
    let forecast = far.or_else(|| forecaster.forecast());
    let Some(forecast) = forecast else { bail!("`{name}` has no sample to forecast from") };
    let question = question(&trace);
    let outlook = Outlook {
        name: &name,
        begins: trace.begins,
        grid: &trace.grid,
        history: &trace.values,
        forecast: &forecast,
        summary: &forecaster.summary(),
        trust: forecaster.trust(&question),
        question: &question,
        distant,
    };
    if output == Output::Table {
        print(&told(&outlook, (plot, html.is_some()), &quantiles))?;
    }
    if let Some(file) = &html {
        let page = outlook::page(&outlook, &quantiles);
        fs::write(file, page).with_context(|| format!("cannot write `{}`", file.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Days ahead of the history, in `n_steps` steps.
fn days_from(
    trace: &Trace,
    (name, n_steps): (&str, usize),
    zone: TimeZone,
) -> anyhow::Result<QuantileForecast> {
    let step = trace.grid.step;
    if n_steps > STEPS_MAX {
        bail!(
            "`--horizon`: {n_steps} steps of {} are more than {STEPS_MAX}: choose a longer one with --step",
            step.span()
        );
    }
    days_ahead(&trace.samples(), (step, n_steps), zone).with_context(|| {
        format!("`{name}` is shorter than {DAYS_MIN} days: ask for at most seven days ahead, or add history")
    })
}

/// The answer of the line protocol.
fn json_by_experts(request: &str, (name, global): (&str, &GlobalModel)) -> anyhow::Result<String> {
    let timed = timed(request, (global, Without::Nothing));
    if let Answer::Refused { error, .. } = &timed.answer {
        bail!("`{name}`: {error}");
    }
    Ok(serde_json::to_string(&timed)?)
}

/// Days ahead in the form of an answer.
fn json_of(name: &str, forecast: &QuantileForecast, levels: &[f64]) -> serde_json::Value {
    let path = |level: f64| forecast.steps.iter().map(|step| step.at(level).get()).collect::<Vec<f64>>();
    let quantiles: serde_json::Map<String, serde_json::Value> =
        levels.iter().map(|level| (level.to_string(), path(*level).into())).collect();
    serde_json::json!({ "id": name, "quantiles": quantiles, "model": "foresail days ahead" })
}

fn read(csv: &Path, step: Option<Step>) -> anyhow::Result<Trace> {
    let name = csv.display();
    let samples = read_file(csv)?;
    if let Some((at, value)) = samples.iter().find(|(_, value)| *value > VALUE_MAX) {
        bail!(
            "`{name}` has problems:\n  `{value:e}` at {} is more than any demand: correct its unit",
            rfc3339(*at)
        );
    }
    Trace::new(&samples, step).with_context(|| format!("`{name}` holds no sample"))
}

/// What trust is judged by where no policy says it: a lead of two minutes (as long as none is measured), the default
/// objective and headroom, and replicas so small that rounding to whole ones does not count.
fn question(trace: &Trace) -> TrustQuestion {
    let mut present: Vec<f64> = trace.values.iter().flatten().copied().collect();
    let usual = CapacityPerReplica::new(robust_maximum(&mut present) / REPLICAS);
    TrustQuestion {
        capacity: usual.or(CapacityPerReplica::new(1.0)).expect("one is a capacity"),
        bounds: ReplicaBounds::new(Replicas::ONE, Replicas::HARD_CAP).expect("one is no more than the most"),
        objective: Objective::Unserved(Share::new(0.001).expect("a thousandth is a share")),
        lead: Span::from_minutes(2),
        utilization: Share::from_percent(70),
        floor: Share::from_percent(95),
        window: Span::from_minutes(5),
        hold: Span::from_minutes(10),
    }
}

/// What is printed: a drawing, nothing beside a page, or a table; and the sentences.
fn told(outlook: &Outlook<'_>, (plot, html): (bool, bool), levels: &[f64]) -> String {
    let figures = match (plot, html) {
        (true, _) => outlook::plot(outlook, width()) + "\n",
        (false, true) => String::new(),
        (false, false) => outlook::table(outlook, levels) + "\n",
    };
    let sentences = outlook::sentences(outlook).into_iter().map(|sentence| format!("{sentence}\n"));
    figures + &sentences.collect::<String>()
}

/// Columns of the terminal on standard output.
fn width() -> usize {
    let (least, most) = WIDTH_RANGE;
    terminal_size::terminal_size_of(std::io::stdout())
        .map_or(WIDTH, |(terminal_size::Width(columns), _)| usize::from(columns).clamp(least, most))
}

fn print(text: &str) -> anyhow::Result<()> {
    std::io::stdout().lock().write_all(text.as_bytes()).context("cannot write the forecast")
}
