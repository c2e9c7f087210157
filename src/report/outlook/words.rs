//! What a forecast says and where it comes from, in sentences.

use super::{Outlook, figure};
use crate::calendar::rfc3339;
use crate::forecast::{ExpertShare, Ladder, Trust, TrustState};
use crate::report::percent;
use crate::units::Span;

/// Weight below which an expert is counted and not named.
const NAMED_MIN: f64 = 0.01;

/// Who speaks beyond seven days.
const BEYOND: &str = "none beyond seven days: the usual week goes on at the level that the days so far lead to, wider \
                      each day; announced events are not in it.";

/// What holds there.
const FAR_COVERAGE: &str = "not measured on this history, which is too short for it; on families of synthetic series \
                            p90 covers 85 to 95 % one day to four weeks ahead.";

/// One sentence, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// Its subject in a word.
    pub about: &'static str,
    /// The sentence.
    pub text: String,
}

impl std::fmt::Display for Sentence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.about, self.text)
    }
}

/// Everything that a reader should know beside the numbers.
pub fn sentences(outlook: &Outlook<'_>) -> Vec<Sentence> {
    let all = [
        ("Forecast", forecast(outlook)),
        ("History", history(outlook)),
        ("Experts", if outlook.distant { BEYOND.to_owned() } else { experts(&outlook.summary.experts) }),
        ("Coverage", if outlook.distant { FAR_COVERAGE.to_owned() } else { coverage(outlook) }),
        ("Trust", trust(outlook)),
        ("Ladder", ladder(outlook)),
    ];
    all.map(|(about, text)| Sentence { about, text }).into()
}

fn forecast(outlook: &Outlook<'_>) -> String {
    let (median, high) = (outlook.path(0.5), outlook.path(0.99));
    let (first, last) =
        (median.first().copied().unwrap_or_default(), median.last().copied().unwrap_or_default());
    let peak = high.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
    let (at, peak) = peak.map_or((0, 0.0), |(i, value)| (i, *value));
    let median = if figure(first) == figure(last) {
        format!("the median is {}", figure(first))
    } else {
        format!("the median goes from {} to {}", figure(first), figure(last))
    };
    format!(
        "over the {} from {} {median}; p99, which one step in a hundred exceeds, is highest at {} with {}.",
        outlook.horizon(),
        rfc3339(outlook.time(0)),
        rfc3339(outlook.time(at)),
        figure(peak),
    )
}

fn history(outlook: &Outlook<'_>) -> String {
    let gaps = outlook.history.iter().filter(|value| value.is_none()).count();
    let missing = match gaps {
        0 => String::new(),
        1 => "; one step has no reading".to_owned(),
        n => format!("; {n} of {} steps have no reading", outlook.history.len()),
    };
    let ends = outlook.time(0);
    format!(
        "{}, {} in steps of {}, from {} to {}{missing}.",
        outlook.name,
        lasting(ends.since(outlook.begins)),
        outlook.grid.step.span(),
        rfc3339(outlook.begins),
        rfc3339(ends),
    )
}

/// A length of time as people say it.
fn lasting(span: Span) -> String {
    let hours = span.seconds() / 3600;
    match (hours / 24, hours % 24) {
        (0 | 1, _) => span.to_string(),
        (days, 0) => format!("{days} days"),
        (days, hours) => format!("{days} days and {hours}h"),
    }
}

fn experts(shares: &[ExpertShare]) -> String {
    let (named, few): (Vec<&ExpertShare>, Vec<&ExpertShare>) =
        shares.iter().partition(|share| share.weight >= NAMED_MIN);
    let mut parts: Vec<String> =
        named.iter().map(|share| format!("{} {:.0} %", share.name, share.weight * 100.0)).collect();
    match few.as_slice() {
        [] => {}
        [one] => parts.push(format!("{} under 1 %", one.name)),
        more => parts.push(format!("{} others under 1 % each", more.len())),
    }
    format!("who says so, and with which weight: {}.", parts.join(", "))
}

fn coverage(outlook: &Outlook<'_>) -> String {
    let [q90, q99] = [outlook.summary.coverage_90, outlook.summary.coverage_99].map(crate::units::Share::get);
    // What a forecaster says that has seen no outcome yet.
    if (q90 - 0.9).abs() < f64::EPSILON && (q99 - 0.99).abs() < f64::EPSILON {
        return "no forecast could be compared with what came yet.".to_owned();
    }
    format!(
        "on past demand, p90 was not exceeded {} of the time (90 % is right) and p99 {} (99 %).",
        percent(q90),
        percent(q99)
    )
}

fn trust(outlook: &Outlook<'_>) -> String {
    let trust = outlook.trust;
    if trust.measured().is_none() {
        return "not measured, as that takes four days with demand in them, so Foresail would scale reactively."
            .to_owned();
    }
    let trusted = TrustState::earned(trust).trusted;
    let verdict = if trusted {
        "trusted, so this forecast would decide"
    } else {
        "not trusted, so Foresail would scale reactively"
    };
    if !trust.is_sure() {
        return format!(
            "{verdict}. {} and an hour ahead its median is not nearer to what came than the present and the last day's \
             mean by more than chance: by {:.1} standard errors, and {:.0} earn trust ({} decisions).",
            outlook.question.lead,
            trust.certainty,
            Trust::SURE,
            trust.decisions,
        );
    }
    let cost = if trust.skill >= 0.0 {
        format!("{} less", percent(trust.skill))
    } else {
        format!("{} more", percent(-trust.skill))
    };
    format!(
        "{verdict}. Asking for replicas by it {} ahead would have cost {cost} than the better of reacting at {} and \
         repeating yesterday, with the objective of {} ({} decisions).",
        outlook.question.lead, outlook.question.utilization, outlook.question.objective, trust.decisions,
    )
}

fn ladder(outlook: &Outlook<'_>) -> String {
    let summary = outlook.summary;
    let since = |days: u64| rfc3339(outlook.begins.plus(Span::from_hours(24 * days)));
    let next = summary.ready_from.map_or_else(|| since(14), rfc3339);
    match summary.rung {
        Ladder::Reactive | Ladder::ColdStart => format!(
            "cold-start, recent levels only; the same hours of earlier days from {next} on, when two days are known."
        ),
        Ladder::Daily => format!(
            "daily since {}, the same hours of earlier days; also the same weekdays from {next} on, when two weeks are known.",
            since(2),
        ),
        Ladder::Weekly => format!(
            "weekly since {}, the same hours of earlier days and the same weekdays; this is the last rung.",
            since(14),
        ),
    }
}
