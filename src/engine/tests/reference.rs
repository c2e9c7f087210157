//! The engine against the reference model: a million random policies and situations, tick by tick.

#![expect(clippy::print_stdout, reason = "the shares are to be seen with --nocapture")]

use std::collections::BTreeMap;

use foresail_reference as model;

use super::cases::{Case, Past, Scene};
use crate::calendar::Effect;
use crate::decide::{Allowance, Fact, Reading, Stage, Standing};
use crate::engine::Tick;
use crate::policy::{
    Actuation, MetricRule, Mode, PerDirection, Policy, RateAmount, RatePolicy, ScalingRules, SelectPolicy,
};
use crate::units::{
    CapacityPerReplica, Demand, Objective, PricePerReplicaHour, Replicas, Share, Span, Timestamp,
};

/// Cases, and how many ticks they hold together at least.
const CASES: u64 = 300_000;
const DECISIONS: u64 = 1_000_000;
/// In so large a share of the decisions each stage does something.
const SHARE_MIN: f64 = 0.02;

fn span(span: Span) -> i64 {
    span.millis().cast_signed()
}

fn count(replicas: Replicas) -> i64 {
    i64::from(replicas.get())
}

/// What a direction's rates are, none where nothing may move.
fn rates(rules: &ScalingRules) -> Vec<(bool, i64, i64)> {
    let allowed = rules.policies.iter().filter(|_| rules.select != SelectPolicy::Disabled);
    let rate = |one: &RatePolicy| match one.amount {
        RateAmount::Pods(n) => (false, i64::from(n), span(one.period)),
        RateAmount::Percent(n) => (true, i64::from(n), span(one.period)),
    };
    allowed.map(rate).collect()
}

/// Thousandths of a plain decimal with three places.
fn thousandths(text: &str) -> i64 {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    whole.parse::<i64>().unwrap() * 1000 + format!("{part:0<3}").parse::<i64>().unwrap()
}

fn price(price: PricePerReplicaHour) -> i64 {
    thousandths(&price.to_string())
}

fn policy(policy: &Policy) -> model::Policy {
    let rules = [&policy.behavior.down, &policy.behavior.up];
    let spans = |both: PerDirection<Span>| [span(both.down), span(both.up)];
    model::Policy {
        never_below_reactive: policy.mode == Mode::Floor,
        drifted: policy.has_drifted(),
        beside_hpa: policy.actuation == Actuation::HorizontalPodAutoscalerFloor,
        min: count(policy.bounds.min()),
        max: count(policy.bounds.max()),
        lead: span(policy.lead),
        step: span(policy.step.span()),
        objective: match policy.objective {
            Objective::Unserved(share) => model::Objective::Unserved(share.get()),
            Objective::Quantile(level) => model::Objective::Quantile(level.get()),
            Objective::Costs { idle, missing } => model::Objective::Costs(price(idle), price(missing)),
        },
        average: policy.reactive.average_utilization.get(),
        floor: policy.reactive.floor_utilization.get(),
        tolerance: rules.map(|one| one.tolerance.get()),
        window: rules.map(|one| span(one.window)),
        most: rules.map(|one| one.select == SelectPolicy::Max),
        rates: rules.map(rates),
        cooldown: spans(policy.cooldown),
        sustain: spans(policy.thresholds.sustain),
        min_step: count(policy.thresholds.min_step),
        price: policy.spend.as_ref().and_then(|rule| rule.price.known()).map(price),
        hourly: policy
            .spend
            .as_ref()
            .and_then(|rule| rule.max_per_hour)
            .map(|most| thousandths(&most.to_string())),
        suspect_for: span(policy.suspect_for),
        absent_for: span(policy.fallback.after_absent_for),
        fallback: policy.fallback.replicas.map(count),
    }
}

fn situation(policy: &Policy, scene: &Scene, asked: Replicas) -> model::Situation {
    let until = |at: Option<Timestamp>| at.map_or(i64::MIN, Timestamp::millis);
    let metric = |(seen, rule): (&super::cases::Seen, &MetricRule)| model::Seen {
        max_age: span(rule.max_age),
        predicted: rule.prediction,
        reading: match seen.reading {
            Reading::Value { value, at, partial } => Some((value, at.millis(), partial)),
            Reading::Absent(_) => None,
        },
        capacity: seen.capacity.map(CapacityPerReplica::get),
        forecast: seen.outlook.as_ref().filter(|_| seen.trusted).map(|outlook| {
            assert_eq!(outlook.step, policy.step, "the model knows one step only");
            let steps = outlook.steps.iter().map(|quantiles| *quantiles.values());
            (outlook.newest.millis(), steps.collect())
        }),
        level: seen.level.map(Share::get),
        p05_earlier: seen.p05_earlier.map(Demand::get),
        same_hours: seen.same_hours_maximum.map(Demand::get),
        source_suspect: seen.source_suspect,
    };
    let event = |one: &crate::calendar::Window| {
        let Effect { ready_before, min_replicas, max_replicas, .. } = &one.effect;
        let (start, end) = (one.start.millis(), one.end.millis());
        let (least, most) = (min_replicas.map_or(0, count), max_replicas.map_or(i64::MAX, count));
        ([start - span(*ready_before), start, end], least, most)
    };
    let budget = |(allowance, needed): &(Allowance, Replicas)| model::Budget {
        theta: i64::from(allowance.theta.millionths()),
        needed: count(*needed),
        overdraft: allowance.overdraft.map_or(0, count),
        holds: allowance.holds,
    };
    let names_one = policy.spend.as_ref().is_some_and(|rule| rule.budget.is_some());
    model::Situation {
        now: scene.now.millis(),
        asked: count(asked),
        metrics: scene.metrics.iter().zip(&policy.metrics).map(metric).collect(),
        events: scene.events.iter().map(event).collect(),
        forbidden: [until(scene.orders.no_scale_down), until(scene.orders.no_scale_up)],
        boost: scene.orders.boost.map_or((0, 0), |boost| (count(boost.floor), boost.until.millis())),
        standing: count(scene.orders.standing),
        rival: scene.rival,
        budget: names_one.then(|| scene.budget.as_ref().map(budget)),
    }
}

fn memory(case: &Case) -> model::Memory {
    let Past { begun, recommended, changes } = &case.past;
    let first = changes.first().map_or(case.asked, |change| change.1);
    let mut memory = model::begin(begun.millis(), count(first), case.policy.metrics.len());
    let [down, up] = &mut memory.recommended;
    down.extend(recommended.iter().map(|one| (one.0.millis(), count(one.1))));
    up.extend(recommended.iter().filter_map(|one| Some((one.0.millis(), count(one.2?)))));
    memory.changes = changes.iter().map(|one| (one.0.millis(), count(one.2) - count(one.1))).collect();
    if let Some(last) = changes.last() {
        memory.cooling = [Some(last.0.millis()); 2];
    }
    memory.left = count(case.asked);
    memory
}

fn decision(tick: &Tick) -> model::Decision {
    let decision = &tick.decision;
    let stages = [
        Stage::Combine,
        Stage::Floors,
        Stage::Guards,
        Stage::Threshold,
        Stage::Stabilise,
        Stage::Rate,
        Stage::Cooldown,
        Stage::Spend,
        Stage::Bounds,
    ];
    let after = |stage: Stage| decision.stages.iter().find(|one| one.stage == stage).unwrap().after;
    let predicted = decision.stages.iter().find_map(|one| match &one.fact {
        Fact::Predictive(crate::decide::predictive::Fact::Wants(wants, _)) => {
            Some((count(wants.raise_to), count(wants.release_to)))
        }
        _ => None,
    });
    model::Decision {
        after: stages.map(|stage| count(after(stage))),
        reactive: count(decision.reactive),
        predicted,
        write: decision.write.map(count),
    }
}

/// The stages that did something in this decision.
fn bound(tick: &Tick) -> impl Iterator<Item = Stage> + '_ {
    tick.decision.stages.iter().filter_map(|one| {
        let did = match &one.fact {
            Fact::Evidence(fact) => fact.metrics.iter().any(|(_, judged)| judged.standing != Standing::Fresh),
            Fact::Reactive(fact) => fact.answer != fact.asked,
            Fact::Forecast(fact) => matches!(fact, crate::decide::predictive::ForecastFact::Issued { .. }),
            Fact::Predictive(fact) => matches!(fact, crate::decide::predictive::Fact::Wants(..)),
            Fact::Mode(_) => tick.decision.write.is_none() && one.before != tick.decision.asked,
            _ => one.before != one.after,
        };
        did.then_some(one.stage)
    })
}

#[derive(Default)]
struct Found {
    decisions: u64,
    bound: BTreeMap<Stage, u64>,
    /// Decisions in which a budget withheld something, and in which its overdraft paid.
    withheld: u64,
    drawn: u64,
    /// The first differences.
    differences: Vec<String>,
}

fn compare(numbers: impl Iterator<Item = u64>) -> Found {
    let mut found = Found::default();
    for number in numbers {
        let case = Case::of(number);
        let (policy, mut memory) = (policy(&case.policy), memory(&case));
        let mut tick_number = 0;
        let mut differs = false;
        case.play(|scene, asked, _, tick| {
            tick_number += 1;
            found.decisions += 1;
            for stage in bound(tick) {
                *found.bound.entry(stage).or_default() += 1;
            }
            for one in &tick.decision.stages {
                use crate::decide::spend::Fact::{NoBudget, OverBudget, Overdrawn};
                let Fact::Spend(fact) = &one.fact else { continue };
                found.withheld +=
                    u64::from(matches!(fact, OverBudget { .. } | NoBudget { .. }) && one.after < one.before);
                found.drawn += u64::from(matches!(fact, Overdrawn { .. }));
            }
            let expected = model::tick(&policy, &situation(&case.policy, scene, asked), &mut memory);
            let got = decision(tick);
            if got != expected && !differs {
                differs = true;
                found.differences.push(format!(
                    "case {number}, tick {tick_number}, asked {asked}: engine {got:?}, reference {expected:?}"
                ));
            }
        });
        if found.differences.len() > 20 {
            break;
        }
    }
    found
}

/// Runs `work` on the numbers of each thread.
pub(super) fn spread<T: Send>(n: u64, work: impl Fn(u64, u64) -> T + Sync) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(1, |n| u64::try_from(n.get()).unwrap());
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|i| {
                let work = &work;
                scope.spawn(move || work(n * i / threads, n * (i + 1) / threads))
            })
            .collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    })
}

#[test]
fn the_engine_decides_as_the_reference_model_on_a_million_situations() {
    let parts = spread(CASES, |from, to| compare(from..to));
    let mut found = Found::default();
    for part in parts {
        found.decisions += part.decisions;
        found.withheld += part.withheld;
        found.drawn += part.drawn;
        found.differences.extend(part.differences);
        for (stage, n) in part.bound {
            *found.bound.entry(stage).or_default() += n;
        }
    }
    let share =
        |n: u64| f64::from(u32::try_from(n).unwrap()) / f64::from(u32::try_from(found.decisions).unwrap());
    for (stage, n) in &found.bound {
        println!("{:>10} {:5.1} %", stage.name(), 100.0 * share(*n));
    }
    let budget = [("withheld", found.withheld, SHARE_MIN), ("drawn", found.drawn, SHARE_MIN / 4.0)];
    for (what, n, _) in budget {
        println!("{what:>10} {:5.1} %", 100.0 * share(n));
    }
    println!("{} decisions", found.decisions);
    assert!(found.differences.is_empty(), "{}", found.differences.join("\n"));
    assert!(found.decisions >= DECISIONS);
    for (what, n, least) in budget {
        assert!(share(n) >= least, "{what} by a budget in {n} decisions only");
    }
    assert_eq!(found.bound.len(), 14);
    for (stage, n) in found.bound {
        assert!(share(n) >= SHARE_MIN, "{} does something in {n} decisions only", stage.name());
    }
}
