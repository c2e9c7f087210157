//! The engine against the reference model: a million random policies and situations, tick by tick.

#![expect(clippy::print_stdout, reason = "the shares are to be seen with --nocapture")]

use std::collections::BTreeMap;

use foresail_reference as model;

use super::cases::{Case, Past, Scene};
use crate::calendar::Effect;
use crate::decide::{Allowance, Fact, Reading, Stage, Standing};
use crate::engine::Tick;
use crate::policy::{Actuation, Mode, Policy, RateAmount, ScalingRules, SelectPolicy};
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

fn rules(rules: &ScalingRules, cooldown: Span, sustain: Span) -> model::Rules {
    let rate = |one: &crate::policy::RatePolicy| {
        let (percent, amount) = match one.amount {
            RateAmount::Pods(n) => (false, n),
            RateAmount::Percent(n) => (true, n),
        };
        model::Rate(percent, u64::from(amount), span(one.period))
    };
    model::Rules {
        window: span(rules.window),
        most: match rules.select {
            SelectPolicy::Max => Some(true),
            SelectPolicy::Min => Some(false),
            SelectPolicy::Disabled => None,
        },
        rates: rules.policies.iter().map(rate).collect(),
        tolerance: rules.tolerance.get(),
        cooldown: span(cooldown),
        sustain: span(sustain),
    }
}

/// Thousandths of a plain decimal with three places.
fn thousandths(text: &str) -> u64 {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    whole.parse::<u64>().unwrap() * 1000 + format!("{part:0<3}").parse::<u64>().unwrap()
}

fn price(price: PricePerReplicaHour) -> u64 {
    thousandths(&price.to_string())
}

fn policy(policy: &Policy) -> model::Policy {
    let (behavior, sustain) = (&policy.behavior, policy.thresholds.sustain);
    model::Policy {
        never_below_reactive: policy.mode == Mode::Floor,
        drifted: policy.has_drifted(),
        beside_hpa: policy.actuation == Actuation::HorizontalPodAutoscalerFloor,
        min: policy.bounds.min().get(),
        max: policy.bounds.max().get(),
        metrics: policy.metrics.iter().map(|rule| (span(rule.max_age), rule.prediction)).collect(),
        lead: span(policy.lead),
        step: span(policy.step.span()),
        objective: match policy.objective {
            Objective::Unserved(share) => model::Objective::Unserved(share.get()),
            Objective::Quantile(level) => model::Objective::Quantile(level.get()),
            Objective::Costs { idle, missing } => model::Objective::Costs(price(idle), price(missing)),
        },
        average: policy.reactive.average_utilization.get(),
        floor: policy.reactive.floor_utilization.get(),
        rules: [
            rules(&behavior.down, policy.cooldown.down, sustain.down),
            rules(&behavior.up, policy.cooldown.up, sustain.up),
        ],
        min_step: policy.thresholds.min_step.get(),
        price: policy.spend.as_ref().and_then(|rule| rule.price.known()).map(price),
        hourly: policy
            .spend
            .as_ref()
            .and_then(|rule| rule.max_per_hour)
            .map(|most| thousandths(&most.to_string())),
        suspect_for: span(policy.suspect_for),
        absent_for: span(policy.fallback.after_absent_for),
        fallback: policy.fallback.replicas.map(Replicas::get),
    }
}

fn situation(policy: &Policy, scene: &Scene, asked: Replicas) -> model::Situation {
    let millis = |at: Option<Timestamp>| at.map(Timestamp::millis);
    let metric = |seen: &super::cases::Seen| model::Seen {
        reading: match seen.reading {
            Reading::Value { value, at, partial } => Some((value, at.millis(), partial)),
            Reading::Absent(_) => None,
        },
        capacity: seen.capacity.map(CapacityPerReplica::get),
        forecast: seen.outlook.as_ref().filter(|_| seen.trusted).map(|outlook| model::Forecast {
            newest: outlook.newest.millis(),
            step: span(outlook.step.span()),
            steps: outlook.steps.iter().map(|quantiles| *quantiles.values()).collect(),
        }),
        level: seen.level.map(Share::get),
        p05_earlier: seen.p05_earlier.map(Demand::get),
        same_hours: seen.same_hours_maximum.map(Demand::get),
        source_suspect: seen.source_suspect,
    };
    let event = |one: &crate::calendar::Window| {
        let Effect { ready_before, min_replicas, max_replicas, .. } = &one.effect;
        let [least, most] = [min_replicas, max_replicas].map(|count| count.map(Replicas::get));
        let start = one.start.millis();
        model::Event(start - span(*ready_before), start, one.end.millis(), least, most)
    };
    let budget = |(allowance, needed): &(Allowance, Replicas)| model::Budget {
        theta: u64::from(allowance.theta.millionths()),
        needed: needed.get(),
        overdraft: allowance.overdraft.map(Replicas::get),
        holds: allowance.holds,
    };
    let names_one = policy.spend.as_ref().is_some_and(|rule| rule.budget.is_some());
    model::Situation {
        now: scene.now.millis(),
        asked: asked.get(),
        metrics: scene.metrics.iter().map(metric).collect(),
        events: scene.events.iter().map(event).collect(),
        forbidden: [millis(scene.orders.no_scale_down), millis(scene.orders.no_scale_up)],
        boost: scene.orders.boost.map(|boost| (boost.floor.get(), boost.until.millis())),
        standing: scene.orders.standing.get(),
        rival: scene.rival,
        budget: names_one.then(|| scene.budget.as_ref().map(budget)),
    }
}

fn memory(case: &Case) -> model::Memory {
    let Past { begun, recommended, changes } = &case.past;
    let first = changes.first().map_or(case.asked, |change| change.1);
    let mut memory = model::Memory::begin(begun.millis(), first.get(), case.policy.metrics.len());
    let [down, up] = &mut memory.recommended;
    down.extend(recommended.iter().map(|one| (one.0.millis(), one.1.get())));
    up.extend(recommended.iter().filter_map(|one| Some((one.0.millis(), one.2?.get()))));
    memory.changes = changes.iter().map(|one| (one.0.millis(), one.1.get(), one.2.get())).collect();
    memory.last_change = changes.last().map(|one| one.0.millis());
    memory.left = case.asked.get();
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
    let after = |stage: Stage| decision.stages.iter().find(|one| one.stage == stage).unwrap().after.get();
    let predicted = decision.stages.iter().find_map(|one| match &one.fact {
        Fact::Predictive(crate::decide::predictive::Fact::Wants(wants, _)) => {
            Some((wants.raise_to.get(), wants.release_to.get()))
        }
        _ => None,
    });
    model::Decision {
        after: stages.map(after),
        reactive: decision.reactive.get(),
        predicted,
        write: decision.write.map(Replicas::get),
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
