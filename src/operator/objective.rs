//! Whether the objective is kept, for people: the condition `ObjectiveKept`, the numbers of the status and the gauges.

use super::conditions::Claim;
use crate::api::KeptStatus;
use crate::calendar::rfc3339;
use crate::decide::Decision;
use crate::edge::clock::to_jiff;
use crate::measure::{Kept, Load, Record, Verdict};
use crate::policy::{Mode, Policy};
use crate::units::Span;

/// Takes up one decision: what was demanded, and what served. In DryRun that is the shadow, as in the decision.
pub fn note(kept: &mut Kept, policy: &Policy, decision: &Decision) {
    let load = Load {
        demand: decision.load(),
        ready: decision.ready,
        censored: decision.judged.iter().any(|judged| judged.censored),
    };
    kept.note(decision.at, load, policy.mode == Mode::DryRun);
}

/// The condition: what the last 28 days came to, against what is asked for.
/// `drift` says that a stated capacity is more than a replica serves: what is kept by it is not known.
pub fn claim(policy: &Policy, record: Option<&Record>, drift: Option<String>) -> Claim {
    if let Some(message) = drift {
        return Claim::new("ObjectiveKept", false, "CapacityDrift", message);
    }
    let (holds, reason, message) = match record {
        None => (None, "TooEarly", "no demand was seen yet".to_owned()),
        Some(record) => {
            let (holds, reason) = match record.verdict(policy.objective) {
                Verdict::TooEarly => (None, "TooEarly"),
                Verdict::Kept => (Some(true), "Kept"),
                Verdict::Missed => (Some(false), "Missed"),
            };
            (holds, reason, sentence(policy, record))
        }
    };
    Claim { kind: "ObjectiveKept", holds, reason, message }
}

/// `0.0312% of demand unserved and 0.40% of the time short in 27h of demand; asked for: 0.1 % of demand unserved; ..`.
fn sentence(policy: &Policy, record: &Record) -> String {
    let Record { seen, censored, unserved, short, worst, .. } = *record;
    let of = if policy.mode == Mode::DryRun { "the shadow: " } else { "" };
    let shares = format!(
        "{of}{:.4}% of demand unserved and {:.2}% of the time short in {} of demand; asked for: {}",
        100.0 * unserved,
        100.0 * short,
        whole_minutes(seen),
        policy.objective
    );
    let worst = worst
        .map(|(at, share)| format!("worst two minutes: {:.1}% unserved at {}", 100.0 * share, rfc3339(at)));
    let saturated = (censored > Span::ZERO).then(|| {
        let censored = whole_minutes(censored);
        format!("at least: the workload was saturated for {censored}, and demand may have been higher")
    });
    [Some(shares), worst, saturated].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// What the status shows of it.
pub fn status(record: &Record) -> KeptStatus {
    let Record { since, seen, censored, unserved, short, worst } = *record;
    let percent = |share: f64| format!("{:.4}%", 100.0 * share);
    KeptStatus {
        since: to_jiff(since),
        observed: whole_minutes(seen).to_string(),
        unserved_share: percent(unserved),
        time_short: percent(short),
        saturated: (censored > Span::ZERO).then(|| whole_minutes(censored).to_string()),
        worst_two_minutes: worst.map(|(_, share)| percent(share)),
        worst_at: worst.map(|(at, _)| to_jiff(at)),
    }
}

const fn whole_minutes(span: Span) -> Span {
    Span::from_minutes(span.seconds() / 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::tests::policy;
    use crate::units::{Replicas, Timestamp};

    #[test]
    fn the_condition_is_unknown_for_a_day_and_then_tells_what_it_rests_on() {
        let policy = policy();
        let mut kept = Kept::default();
        let claimed = |kept: &Kept| claim(&policy, kept.record().as_ref(), None);
        assert_eq!(claimed(&kept).holds, None);
        assert_eq!(kept.record(), None);
        let load = |demand| Load { demand: Some(demand), ready: Replicas::new(4), censored: false };
        let mut now = 1_700_006_400;
        let mut look = |kept: &mut Kept, n: i64, demand: f64| {
            for _ in 0..n {
                now += 60;
                kept.note(Timestamp::from_seconds(now), load(demand), false);
            }
        };
        look(&mut kept, 600, 4.0);
        assert_eq!((claimed(&kept).holds, claimed(&kept).reason), (None, "TooEarly"));
        look(&mut kept, 1440, 4.0);
        assert_eq!((claimed(&kept).holds, claimed(&kept).reason), (Some(true), "Kept"));
        look(&mut kept, 10, 8.0);
        look(&mut kept, 10, 4.0);
        let missed = claimed(&kept);
        assert_eq!((missed.holds, missed.reason), (Some(false), "Missed"));
        assert_eq!(
            missed.message,
            "0.4833% of demand unserved and 0.49% of the time short in 34h19m of demand; asked for: 0.1 % of demand unserved; worst two minutes: 50.0% unserved at 2023-11-16T10:00:00Z"
        );
        let shown = status(&kept.record().unwrap());
        assert_eq!(
            (shown.time_short.as_str(), shown.worst_two_minutes.as_deref()),
            ("0.4857%", Some("50.0000%"))
        );
    }
}
