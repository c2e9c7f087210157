//! What a scenario claims, and whether what was played keeps it.

use super::play::{Played, Sample};
use super::script::{CAPACITY, Scenario, Script, Stretch};
use crate::plan::{Figures, Outcome};
use crate::policy::Policy;
use crate::sandbox::prometheus::Trouble;
use crate::units::{Replicas, Step, Timestamp};

/// One claim about what was played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// What was seen, with its numbers.
    pub text: String,
    /// Whether it is as it should be.
    pub holds: bool,
}

/// All claims of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The scenario.
    pub scenario: Scenario,
    /// Its claims.
    pub claims: Vec<Claim>,
}

impl Verdict {
    /// Whether every claim holds.
    pub fn holds(&self) -> bool {
        self.claims.iter().all(|claim| claim.holds)
    }

    /// The verdict in a line.
    pub fn line(&self) -> String {
        let claims: Vec<String> = self
            .claims
            .iter()
            .map(|claim| if claim.holds { claim.text.clone() } else { format!("NOT SO: {}", claim.text) })
            .collect();
        let word = if self.holds() { "holds" } else { "FAILS" };
        format!("{} {word}: {}", self.scenario.name(), claims.join("; "))
    }
}

/// Judges what was played.
pub fn judge(script: &Script, played: &Played, outcome: &Outcome, policy: &Policy) -> Verdict {
    let scenario = script.scenario;
    let claims = match scenario {
        Scenario::BlackFriday => black_friday(script, played, outcome),
        Scenario::Blind | Scenario::OperatorDead => wave(script, played),
        Scenario::BadMetric => bad_metric(script, played, policy),
    };
    Verdict { scenario, claims }
}

fn claim(holds: bool, text: String) -> Claim {
    Claim { text, holds }
}

/// Over all that was played, and on the Black Friday alone.
fn black_friday(script: &Script, played: &Played, outcome: &Outcome) -> Vec<Claim> {
    let friday = Stretch { from: script.season.black_friday, to: script.live.to };
    let alone = |ready: fn(&Sample) -> u32| 100.0 * unserved(script, played, friday, ready);
    let of = |name: &str| -> Option<Figures> {
        outcome.policies.iter().find(|one| one.course.name == name).map(|one| one.figures)
    };
    let (Some(ours), Some(rival)) = (of("foresail"), of("hpa")) else {
        return vec![claim(false, "nothing was played".to_owned())];
    };
    let (ours_alone, rival_alone) = (alone(|sample| sample.ours.ready), alone(|sample| sample.rival.ready));
    vec![
        claim(
            ours.unserved_share < rival.unserved_share,
            format!(
                "Foresail left {:.3} % of demand unserved, its HPA {:.3} %",
                100.0 * ours.unserved_share,
                100.0 * rival.unserved_share,
            ),
        ),
        claim(
            ours_alone < rival_alone,
            format!("since the Black Friday's midnight {ours_alone:.3} % and {rival_alone:.3} %"),
        ),
        claim(
            ours.replica_seconds < rival.replica_seconds,
            format!(
                "it took {:.1} replica-hours, its HPA {:.1}",
                ours.replica_hours(),
                rival.replica_hours()
            ),
        ),
    ]
}

/// Nothing is scaled down before the wave is over, and the wave is served no worse than by the HPA beside it.
fn wave(script: &Script, played: &Played) -> Vec<Claim> {
    let wave = script.wave();
    let falls = falls(played, wave);
    let (ours, rival) =
        (unserved(script, played, wave, |s| s.ours.ready), unserved(script, played, wave, |s| s.rival.ready));
    let asked: Vec<u32> = within(played, wave).map(|sample| sample.ours.asked).collect();
    let (first, most) = (asked.first().copied().unwrap_or(0), asked.iter().max().copied().unwrap_or(0));
    let who = if script.scenario == Scenario::Blind {
        "the last forecast and the hours of earlier days"
    } else {
        "the HPA"
    };
    let mut claims = vec![
        claim(falls == 0 && !asked.is_empty(), format!("scaled down {falls} times in the wave")),
        claim(most > first, format!("{who} went on from {first} to {most} replicas")),
    ];
    let text =
        format!("{:.3} % of the wave unserved, {:.3} % by the HPA beside it", 100.0 * ours, 100.0 * rival);
    if script.scenario == Scenario::Blind {
        // A blind HPA stands still, which is no measure: the wave itself is to be served.
        claims.push(claim(ours < rival && ours <= BLIND_UNSERVED_MAX, text));
    } else {
        // Start-up times are drawn, so that two equal courses differ a little in what they serve.
        let fewer = within(played, wave).filter(|sample| sample.ours.asked < sample.rival.asked).count();
        claims.push(claim(fewer == 0, format!("{fewer} times fewer asked for than by an HPA alone")));
        claims.push(claim(ours <= rival + CHANCE, text));
    }
    claims
}

/// A thousandth of demand: what the chance of start-up times makes of two equal courses.
const CHANCE: f64 = 0.001;

/// What a blind morning may leave unserved: an ordinary morning is known to some percent only.
const BLIND_UNSERVED_MAX: f64 = 0.01;

fn bad_metric(script: &Script, played: &Played, policy: &Policy) -> Vec<Claim> {
    let asked: Vec<u32> = played.samples.iter().map(|sample| sample.ours.asked).collect();
    let most = asked.iter().max().copied().unwrap_or(0);
    let troubles = script.troubles();
    let too_fast = asked.windows(2).filter(|pair| matches!(pair, [a, b] if *b > (a * 2).max(a + 4))).count();
    let dear = pairs(played).filter(|pair| is_too_dear(script, policy, *pair)).count();
    let falls: usize =
        troubles.iter().map(|window| falls(played, Stretch { from: window.from, to: window.to })).sum();
    let max = policy.bounds.max();
    vec![
        claim(
            most > 0 && Replicas::new(most) <= max,
            format!("at most {most} replicas of maxReplicas {max}"),
        ),
        claim(too_fast == 0, format!("{too_fast} steps faster than the rate policies")),
        claim(dear == 0, format!("{dear} raises beyond maxPerHour that demand as it was told did not need")),
        claim(falls == 0, format!("scaled down {falls} times while the metric lied")),
    ]
}

/// Whether a raise goes beyond what the limit pays for, though the demand that was read does not need it: the limit
/// withholds growth, yields to present demand, and never lowers.
fn is_too_dear(script: &Script, policy: &Policy, (before, after): (&Sample, &Sample)) -> bool {
    let Some((most, price)) =
        policy.spend.as_ref().and_then(|rule| Some((rule.max_per_hour?, rule.price.known()?)))
    else {
        return false;
    };
    let asked = after.ours.asked;
    let read = script.season.shop.demand(after.at.minus(Step::MINUTE.span())) * factor(script, after.at);
    asked > before.ours.asked
        && price.hourly(Replicas::new(asked)) > most
        && read <= f64::from(asked.saturating_sub(1)) * CAPACITY
}

/// By how much demand as it was read at `at` is off.
fn factor(script: &Script, at: Timestamp) -> f64 {
    let recorded = at.floor_to(Step::MINUTE);
    script
        .troubles()
        .iter()
        .filter(|window| window.from <= recorded && recorded < window.to)
        .map(|window| if let Trouble::Times(factor) = window.trouble { factor } else { 1.0 })
        .product()
}

fn within(played: &Played, stretch: Stretch) -> impl Iterator<Item = &Sample> {
    played.samples.iter().filter(move |sample| stretch.holds(sample.at))
}

/// How often fewer were asked for than at the look before.
fn falls(played: &Played, stretch: Stretch) -> usize {
    pairs(played).filter(|(a, b)| stretch.holds(b.at) && b.ours.asked < a.ours.asked).count()
}

/// Every look with the one before it.
fn pairs(played: &Played) -> impl Iterator<Item = (&Sample, &Sample)> {
    played.samples.iter().zip(played.samples.iter().skip(1))
}

/// Share of the stretch's demand above what was ready.
fn unserved(script: &Script, played: &Played, stretch: Stretch, ready: impl Fn(&Sample) -> u32) -> f64 {
    let demand = |at: Timestamp| script.season.shop.demand(at);
    let (mut missing, mut all) = (0.0, 0.0);
    for sample in within(played, stretch) {
        all += demand(sample.at);
        missing += (demand(sample.at) - f64::from(ready(sample)) * CAPACITY).max(0.0);
    }
    if all > 0.0 { missing / all } else { 1.0 }
}
