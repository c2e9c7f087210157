//! `plan --future`: the history goes on as its forecast of days ahead says, with the noise it had, and that is planned on.

use anyhow::{Context as _, ensure};

use super::autoscaler::Autoscaler;
use crate::calendar::{TimeZone, factor, rfc3339};
use crate::cli::samples::{distances, usual};
use crate::forecast::{DAYS_MIN, days_to_come};
use crate::plan::History;
use crate::units::{Demand, Span, Step, Timestamp};

/// The furthest that is planned.
const FURTHEST: Span = Span::from_hours(30 * 24);

/// `30d`, or hours and minutes.
pub(super) fn span(text: &str) -> Result<Span, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u64>().ok());
    let span = match days {
        Some(days) => Span::from_hours(days.saturating_mul(24).min(FURTHEST.seconds())),
        None => Span::parse(text).map_err(|error| error.to_string())?,
    };
    if span == Span::ZERO || span > FURTHEST {
        return Err("ask for more than nothing and at most thirty days, `30d`".to_owned());
    }
    Ok(span)
}

/// Adds the time `ahead` to every metric of the history, and has it judged; what the reader must know of that.
///
/// # Errors
/// A metric with less than four days of history.
pub(super) fn go_on(
    autoscaler: &Autoscaler,
    history: &mut History,
    ahead: Span,
) -> anyhow::Result<Vec<String>> {
    let policy = &autoscaler.policy;
    let zone = TimeZone::parse(&policy.time_zone)?;
    let events = autoscaler.windows(&history.demand, ahead);
    let mut notes = Vec::new();
    let mut first: Option<Timestamp> = None;
    for (rule, samples) in policy.metrics.iter().zip(&mut history.demand) {
        let plain: Vec<(Timestamp, f64)> =
            samples.iter().map(|(at, demand)| (*at, demand.get() / factor(&events, *at))).collect();
        let seconds = usual(&distances(&plain)).map_or(60, |usual| usual.seconds().clamp(1, 86_400));
        let step = u32::try_from(seconds).ok().and_then(Step::new).unwrap_or(Step::MINUTE);
        let to_come = days_to_come(&plain, (step, step.steps_covering(ahead)), zone).with_context(|| {
            format!("metric `{}`: --future needs {DAYS_MIN} days of history: add older samples", rule.name)
        })?;
        let start = to_come.first().map(|(at, _)| *at).context("--future: nothing lies ahead")?;
        let weekly = |samples: &[(Timestamp, f64)]| {
            let week = samples.iter().filter(|(at, _)| at.since(start) < WEEK && start.since(*at) <= WEEK);
            let (sum, n) = week.fold((0.0, 0.0), |(sum, n), (_, value)| (sum + value, n + 1.0));
            if n > 0.0 { sum / n } else { 0.0 }
        };
        let (before, after) = (weekly(&plain), weekly(&to_come));
        ensure!(
            after.is_finite(),
            "metric `{}`: its future is beyond all numbers: correct its unit",
            rule.name
        );
        notes.push(told(&rule.name, start, before, after));
        samples.extend(
            to_come
                .into_iter()
                .filter_map(|(at, value)| Some((at, Demand::new(value * factor(&events, at))?))),
        );
        first = first.max(Some(start));
    }
    history.events = events;
    history.from = history.from.or(first);
    Ok(notes)
}

const WEEK: Span = Span::from_hours(7 * 24);

fn told(metric: &str, start: Timestamp, before: f64, after: f64) -> String {
    let change = if before > 0.0 { after / before - 1.0 } else { 0.0 };
    let direction = if change >= 0.0 { "more" } else { "less" };
    format!(
        "metric `{metric}` is no history from {} on: its past days come again at the level that is expected, in the first \
         week {:.1} % {direction} than in the last one, and announced events come on top; what nobody can know is not in it",
        rfc3339(start),
        100.0 * change.abs(),
    )
}
