//! Speed: each line is a name, the median, its unit, the bound, and whether it holds.
//!
//! `cargo bench --no-default-features --bench speed -- --check` exits with 1 when a bound is missed.
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use foresail::calendar::{Period, TimeZone};
use foresail::decide::spend::{Book, Claim, Ledger, Needs, Stands, Taken};
use foresail::decide::{BreakGlass, Growth, MetricObservation, Reading};
use foresail::engine::{Memory, Observation, tick};
use foresail::forecast::{
    ForecastConfig, Forecaster, GlobalModel, QuantileForecast, Quantiles, TrustQuestion,
};
use foresail::policy::{
    Actuation, Behavior, BudgetRule, CapacityRule, Fallback, MetricRule, Mode, OnExceed, PerDirection,
    Policy, ReactiveRule, Thresholds,
};
use foresail::units::{
    CapacityPerReplica, Money, Objective, PricePerReplicaHour, ReplicaBounds, Replicas, Share, Span, Step,
    Timestamp,
};

/// One measurement.
struct Line {
    name: &'static str,
    median: f64,
    unit: &'static str,
    bound: f64,
}

impl Line {
    fn kept(&self) -> bool {
        self.median <= self.bound
    }
}

/// The lines of a family; one that misses its bound is measured again, up to three times, and its best counts: a machine
/// that is busy for a moment slows everything, a slower program is slow each time.
fn at_best(family: fn() -> Vec<Line>) -> Vec<Line> {
    let mut lines = family();
    for _ in 0..3 {
        if lines.iter().all(Line::kept) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_secs(5));
        for (line, again) in lines.iter_mut().zip(family()) {
            line.median = line.median.min(again.median);
        }
    }
    lines
}

fn main() -> ExitCode {
    let check = std::env::args().any(|arg| arg == "--check");
    let mut missed = false;
    let families: [fn() -> Vec<Line>; 3] = [forecasting, || vec![deciding()], budgeting];
    let measured = families.map(|family| if check { at_best(family) } else { family() });
    for line in measured.into_iter().flatten() {
        let kept = line.kept();
        missed |= !kept;
        let verdict = if kept { "ok" } else { "MISSED" };
        println!(
            "{:<32} {:>10.2} {:<3} bound {:>8.1} {verdict}",
            line.name, line.median, line.unit, line.bound
        );
    }
    if check && missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The median time of `runs` calls, in seconds.
fn median_seconds(runs: usize, mut call: impl FnMut()) -> f64 {
    call();
    median((0..runs).map(|_| seconds(&mut call)).collect())
}

/// The time of one call, in seconds.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn seconds<T>(call: impl FnOnce() -> T) -> f64 {
    let start = Instant::now();
    black_box(call());
    start.elapsed().as_secs_f64()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    *times.get(times.len() / 2).unwrap()
}

/// Four weeks of a 60 s grid: a day and a week with noise, and a scheduled job each hour.
fn history() -> Vec<(Timestamp, f64)> {
    let mut seed = 0x9E37_79B9_u32;
    (0..28 * 1440_i32)
        .map(|minute| {
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            let noise = f64::from(seed) / f64::from(u32::MAX) - 0.5;
            let day = f64::from(minute % 1440) / 1440.0 * std::f64::consts::TAU;
            let weekend = if minute / 1440 % 7 >= 5 { 0.6 } else { 1.0 };
            let job = if minute % 60 < 5 { 40.0 } else { 0.0 };
            let value = 200.0 * weekend * (1.2 - day.cos()) + job + 60.0 * noise;
            (Timestamp::from_seconds(1_767_225_600 + 60 * i64::from(minute)), value)
        })
        .collect()
}

fn forecasting() -> Vec<Line> {
    let zone = TimeZone::parse("Europe/Berlin").unwrap();
    let config = ForecastConfig {
        step: Step::MINUTE,
        history: Span::from_hours(28 * 24),
        zone,
        horizon_steps: 60,
        global: GlobalModel::shipped(),
    };
    let samples = history();
    let fit = median_seconds(15, || {
        black_box(Forecaster::learn(config.clone(), black_box(&samples)));
    });
    let mut forecaster = Forecaster::learn(config, &samples);
    let question = TrustQuestion {
        capacity: CapacityPerReplica::new(25.0).unwrap(),
        bounds: ReplicaBounds::new(Replicas::ONE, Replicas::new(1000)).unwrap(),
        objective: Objective::Unserved(Share::from_percent(1)),
        lead: Span::from_minutes(3),
        utilization: Share::from_percent(70),
        floor: Share::from_percent(95),
        window: Span::from_minutes(5),
        hold: Span::from_minutes(10),
    };
    let replay = median_seconds(15, || {
        black_box(forecaster.clone().trust(&question));
    });
    forecaster.trust(&question);
    // Two hours at every phase of the blocks.
    let (mut observe, mut forecast, mut lead_and_hold, mut late) = (vec![], vec![], vec![], vec![]);
    let mut at = forecaster.newest().unwrap().0;
    for _ in 0..120 {
        at = at.plus(Step::MINUTE.span());
        observe.push(seconds(|| forecaster.observe(black_box(at), Some(300.0), false)));
        forecast.push(seconds(|| forecaster.forecast()));
        lead_and_hold.push(seconds(|| forecaster.forecast_to(black_box(14))));
        late.push(seconds(|| forecaster.p05_30_min_ago(black_box(at))));
    }
    let hour = median_seconds(15, || {
        let mut later = forecaster.clone();
        black_box(later.trust(&question));
    });
    // The mean: only the last sample of a block is scored.
    let observe: f64 = observe.iter().sum::<f64>() / 120.0;
    let [forecast, lead_and_hold, late] = [forecast, lead_and_hold, late].map(median);
    vec![
        Line { name: "first fit, 28 d at 60 s", median: fit * 1e3, unit: "ms", bound: 50.0 },
        Line { name: "forecast of 60 steps", median: forecast * 1e6, unit: "us", bound: 200.0 },
        Line { name: "forecast of 14 steps", median: lead_and_hold * 1e6, unit: "us", bound: 50.0 },
        Line { name: "observe, mean", median: observe * 1e6, unit: "us", bound: 20.0 },
        Line { name: "forecast of 30 min ago", median: late * 1e6, unit: "us", bound: 200.0 },
        Line { name: "trust, first time after a fit", median: replay * 1e3, unit: "ms", bound: 120.0 },
        Line { name: "trust, two hours later", median: hour * 1e3, unit: "ms", bound: 6.0 },
    ]
}

/// One tick of an autoscaler with a trusted forecast of an hour and a full scale-down window; no sentence is rendered.
fn deciding() -> Line {
    let start = Timestamp::from_seconds(1_700_000_040);
    let quantiles =
        Quantiles::new([700.0, 750.0, 780.0, 820.0, 900.0, 980.0, 1050.0, 1100.0, 1250.0, 1300.0, 1400.0])
            .unwrap();
    let outlook = QuantileForecast {
        newest: start.minus(Span::from_minutes(1)),
        step: Step::MINUTE,
        steps: vec![quantiles; 60],
    };
    let metrics = [MetricObservation {
        reading: Reading::Value { value: 900.0, at: start, partial: false },
        capacity: CapacityPerReplica::new(100.0),
        outlook: Some(&outlook),
        trusted: true,
        level: None,
        profile: None,
        p05_earlier: None,
        same_hours_maximum: None,
        source_suspect: false,
    }];
    let asked = Replicas::new(12);
    let observation = Observation {
        now: start,
        asked,
        ready: asked,
        hpa: None,
        rival: false,
        events: &[],
        break_glass: BreakGlass::NONE,
        growth: Growth::default(),
        budget: None,
        metrics: &metrics,
    };
    let policy = policy();
    let memory = (0..16).fold(Memory::default(), |memory, i| {
        let now = start.minus(Span::from_seconds(15 * (16 - i)));
        tick(&policy, &Observation { now, ..observation.clone() }, &memory).memory
    });
    let seconds = median_seconds(2001, || {
        black_box(tick(black_box(&policy), black_box(&observation), black_box(&memory)));
    });
    Line { name: "tick", median: seconds * 1e6, unit: "us", bound: 20.0 }
}

/// 2026-11-01T00:00:00Z: a month begins.
const MONTH: Timestamp = Timestamp::from_seconds(1_793_491_200);
/// Members of one budget.
const N_MEMBERS: u32 = 10_000;

/// One look at a budget of a month with 10,000 members, whose needs are foreseen hour by hour and of which it pays for a
/// part: the shares anew, and everything that its status tells; and what one decision asks of it.
fn budgeting() -> Vec<Line> {
    let rule = BudgetRule {
        name: "shop".to_owned(),
        // All that is needed costs about 38 million.
        amount: Money::parse("30000000").unwrap(),
        currency: "EUR".to_owned(),
        period: Period::Month,
        time_zone: "UTC".to_owned(),
        on_exceed: OnExceed::HoldGrowth,
        overdraft: None,
    };
    let mut book = Book::open(rule, MONTH);
    let stretch = book.period();
    let price = PricePerReplicaHour::parse("0.25").ok();
    let stands = Stands { replicas: Replicas::new(20), price };
    let ledger = Ledger::begin("shop", (stretch, MONTH), stands);
    let (min, asked) = (Replicas::new(2), stands.replicas);
    for member in 0..N_MEMBERS {
        let key = format!("shop/member-{member}");
        book.note(&key, Claim { priority: member % 3, price, min, asked, wish: asked }, ledger.clone());
        book.foresee(&key, month(member));
    }
    let mut now = MONTH;
    let mut theta = 1.0;
    let look = median_seconds(9, || {
        now = now.plus(Span::from_minutes(1));
        let report = black_box(book.report(now));
        theta = f64::from(report.theta.millionths()) / 1e6;
    });
    assert!(theta < 1.0, "the amount pays for a part only");
    let mut member = 0;
    let taken = Taken {
        to: Some(Replicas::new(21)),
        wish: stands.replicas,
        withheld: Replicas::ZERO,
        ledger: ledger.clone(),
    };
    let reservation = median_seconds(2001, || {
        member = (member + 7919) % N_MEMBERS;
        let key = format!("shop/member-{member}");
        let claim = Claim { priority: member % 3, price, min, asked, wish: asked };
        book.note(&key, claim, ledger.clone());
        black_box(book.allow(&key, black_box(now)));
        book.reserve(&key, taken.clone());
        book.settle(&key, false);
    });
    vec![
        Line { name: "budget, look, 10,000 members", median: look * 1e3, unit: "ms", bound: 1000.0 },
        Line { name: "budget, reservation", median: reservation * 1e6, unit: "us", bound: 100.0 },
    ]
}

/// What a member needs in a month: an hour of five minutes each, then hours of days and nights.
fn month(member: u32) -> Needs {
    let near = (0..12).map(|i| (Replicas::new(18 + (member + i) % 5), 300));
    let hours = (1..720).map(|hour| {
        let night = (hour + member) % 24 < 8;
        (Replicas::new(if night { 8 } else { 20 + (hour * 7 + member) % 13 }), 3600)
    });
    Needs { from: MONTH, ahead: near.chain(hours).collect(), spread: (800, 1200) }
}

fn policy() -> Policy {
    Policy {
        mode: Mode::Active,
        pause: None,
        bounds: ReplicaBounds::new(Replicas::new(2), Replicas::new(60)).unwrap(),
        metrics: vec![MetricRule {
            name: "requests".to_owned(),
            max_age: Span::from_minutes(2),
            capacity: CapacityRule::Stated(CapacityPerReplica::new(100.0).unwrap()),
            drifted: None,
            prediction: true,
        }],
        lead: Span::from_minutes(3),
        step: Step::MINUTE,
        history: Span::from_hours(28 * 24),
        time_zone: "UTC".to_owned(),
        objective: Objective::Unserved(Share::parse("0.1%").unwrap()),
        reactive: ReactiveRule {
            average_utilization: Share::from_percent(70),
            floor_utilization: Share::from_percent(95),
        },
        behavior: Behavior::hpa_default(),
        cooldown: PerDirection { up: Span::ZERO, down: Span::ZERO },
        thresholds: Thresholds {
            min_step: Replicas::ONE,
            sustain: PerDirection { up: Span::ZERO, down: Span::ZERO },
        },
        spend: None,
        suspect_for: Span::from_minutes(5),
        fallback: Fallback { after_absent_for: Span::from_minutes(10), replicas: None },
        actuation: Actuation::Scale,
    }
}
