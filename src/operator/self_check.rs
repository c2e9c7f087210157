//! A synthetic series goes through the whole pipeline every minute: query, answer, evidence, forecast, decision.
//!
//! What is right is known beforehand, so that a build, a machine or a library that decides wrongly is not ready, says so in
//! `foresail_self_check_ok`, and a roll-out of it stops there. It has its own source, its own time and its own workload, which
//! exist in this process only.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::Response;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::signal::{Known, Moment, Query, Signal};
use crate::api::{self, PredictiveAutoscalerSpec};
use crate::decide::{Absence, BreakGlass, Growth, Reading};
use crate::engine::{self, Memory, Observation};
use crate::forecast::TrustState;
use crate::metrics::{Endpoint, Parameters, SourcePool, SourceSettings};
use crate::policy::Policy;
use crate::telemetry::metrics::Metrics;
use crate::units::{Replicas, Span, Step, Timestamp};

/// How often it runs.
const EVERY: Duration = Duration::from_mins(1);
/// One that takes longer has failed: it takes milliseconds, and a busy machine some seconds.
const LIMIT: Duration = Duration::from_secs(45);
/// Where its own time begins: 2024-01-10T06:00:00Z.
const START: Timestamp = Timestamp::from_seconds(1_704_866_400);
/// Demand that a replica serves.
const CAPACITY: f64 = 50.0;
/// How far around the present demand is looked at for the most replicas that are right.
const AROUND_MINUTES: i64 = 45;

/// A series: demand at an instant.
type Series = fn(Timestamp) -> f64;

/// What is known of the pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// The first check has not ended.
    NotYet,
    /// The last decision was right.
    Right,
    /// It was wrong, and how.
    Wrong(String),
}

/// Checks until `stop`, and tells `health` and the metrics.
pub async fn run(metrics: Arc<Metrics>, health: watch::Sender<Health>, stop: CancellationToken) {
    let mut check = None;
    loop {
        let mut going = check.take().unwrap_or_else(Check::new);
        let round = tokio::spawn(async move {
            let outcome = going.round().await;
            (going, outcome)
        });
        let abort = round.abort_handle();
        let outcome = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            ended = tokio::time::timeout(LIMIT, round) => match ended {
                Ok(Ok((going, outcome))) => {
                    check = Some(going);
                    outcome
                }
                Ok(Err(_)) => Err("the pipeline panicked".to_owned()),
                Err(_) => {
                    abort.abort();
                    Err(format!("no decision within {} s", LIMIT.as_secs()))
                }
            },
        };
        metrics.set_self_check(outcome.is_ok());
        if let Err(problem) = &outcome {
            tracing::error!(problem, "the self-check came to a wrong decision: this process is not ready");
        }
        health.send_replace(outcome.map_or_else(Health::Wrong, |()| Health::Right));
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Demand at an instant: a wave of a day, and a little noise that is the same each time.
fn demand(at: Timestamp) -> f64 {
    let minute = at.seconds().div_euclid(60);
    let of_day = f64::from(i32::try_from(minute.rem_euclid(1440)).unwrap_or(0)) / 1440.0;
    let mixed = minute.unsigned_abs().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48;
    let noise = f64::from(u32::try_from(mixed).unwrap_or(0)) / 65_536.0 - 0.5;
    600.0 + 400.0 * (std::f64::consts::TAU * of_day).sin() + 20.0 * noise
}

/// The replicas that `demand` needs.
fn needed(at: Timestamp) -> Replicas {
    crate::units::replicas_ceil((demand(at) / CAPACITY).ceil())
}

/// A Prometheus that has the one series; the sample of an instant is the demand of the minute before.
struct Synthetic(Series);

impl Synthetic {
    fn answer(&self, parameters: &Parameters) -> Option<Value> {
        let number = |name: &str| {
            let text = &parameters.iter().find(|(key, _)| *key == name)?.1;
            text.parse::<f64>().ok()
        };
        #[expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "seconds of a query")]
        let seconds = |name: &str| number(name).map(|seconds| seconds as i64);
        let sample = |at: i64| json!([at, (self.0)(Timestamp::from_seconds(at - 60)).to_string()]);
        if let Some(at) = seconds("time") {
            return Some(json!({"resultType": "vector", "result": [{"metric": {}, "value": sample(at)}]}));
        }
        let (start, end, step) = (seconds("start")?, seconds("end")?, seconds("step")?.max(1));
        let values: Vec<Value> = (start..=end).step_by(usize::try_from(step).ok()?).map(sample).collect();
        Some(json!({"resultType": "matrix", "result": [{"metric": {}, "values": values}]}))
    }
}

impl Endpoint for Synthetic {
    fn get(
        &self,
        _path: &'static str,
        parameters: Parameters,
    ) -> BoxFuture<'_, Result<Response<Bytes>, String>> {
        let data = self.answer(&parameters);
        let body = json!({"status": "success", "data": data}).to_string();
        let answer = Response::builder().header("content-type", "application/json").body(Bytes::from(body));
        std::future::ready(answer.map_err(|error| error.to_string())).boxed()
    }
}

/// The pipeline on the synthetic series, from minute to minute of its own time.
struct Check {
    parts: Result<(Policy, Signal), String>,
    pool: Arc<SourcePool>,
    fits: Arc<Semaphore>,
    now: Timestamp,
    asked: Replicas,
    memory: Memory,
    trust: TrustState,
}

impl Check {
    fn new() -> Self {
        Self::on(demand)
    }

    /// On a series that says `told`, where [`demand`] is the truth.
    fn on(told: Series) -> Self {
        let pool = SourcePool::within(Arc::new(Synthetic(told)));
        Self {
            parts: parts(&pool),
            pool: Arc::new(pool),
            fits: Arc::new(Semaphore::new(1)),
            now: START,
            asked: needed(START),
            memory: Memory::default(),
            trust: TrustState::default(),
        }
    }

    /// One minute: what is decided must serve, must not be far beyond it, and must not fall where nothing is seen.
    async fn round(&mut self) -> Result<(), String> {
        let (policy, signal) = self.parts.as_mut().map_err(|problem| problem.clone())?;
        let (pool, fits) = (&self.pool, &self.fits);
        let moment = Moment { now: self.now, tick: Step::MINUTE, pool, fits, until: Instant::now() + LIMIT };
        signal.load(policy, moment).await;
        while !signal.has_history() {
            if let Some(note) = &signal.history_note {
                return Err(format!("the history could not be learned: {note}"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            signal.load(policy, moment).await;
        }
        let look = signal.look(moment).await;
        signal.keep(&look, policy, (moment, false));
        signal.settle(moment, &mut self.trust).await;
        let TrustState { trusted, level, .. } = self.trust;
        let decide = |reading: Reading| {
            let known = Known { trusted, level, source_suspect: false };
            let metrics = [signal.observation(policy, reading, self.now, known)];
            let observation = Observation {
                now: self.now,
                asked: self.asked,
                ready: self.asked,
                hpa: None,
                rival: false,
                events: &[],
                break_glass: BreakGlass::default(),
                growth: Growth::default(),
                budget: None,
                metrics: &metrics,
            };
            engine::tick(policy, &observation, &self.memory)
        };
        let blind = decide(Reading::Absent(Absence::Unreachable)).decision.desired;
        let engine::Tick { decision, memory } = decide(look.answer.reading);
        let (now, desired, asked) = (self.now, decision.desired, self.asked);
        (self.asked, self.memory) = (desired, memory);
        self.now = now.plus(Span::from_minutes(1));
        judge((now, asked), desired, blind)
    }
}

/// Whether `desired` is right at `now`, and `blind` where the source does not answer.
fn judge((now, asked): (Timestamp, Replicas), desired: Replicas, blind: Replicas) -> Result<(), String> {
    let seen = now.minus(Span::from_minutes(1));
    let least = needed(seen);
    let minutes = -AROUND_MINUTES..=AROUND_MINUTES;
    let around = minutes.map(|minute| needed(Timestamp::from_seconds(now.seconds() + 60 * minute)));
    let most = around.max().unwrap_or(least);
    let most = Replicas::new(most.get() + most.get() / 2 + 2);
    if desired < least || most < desired {
        return Err(format!("{desired} replicas where {least} to {most} are right"));
    }
    if blind < asked.min(desired) {
        return Err(format!("{blind} replicas of {asked} where the source does not answer"));
    }
    Ok(())
}

/// The policy and its signal.
fn parts(pool: &SourcePool) -> Result<(Policy, Signal), String> {
    let spec = json!({
        "mode": "Active", "minReplicas": 1, "maxReplicas": 100, "sourceRef": {"name": "synthetic"},
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "self-check"},
        "metrics": [{"name": "demand", "type": "Prometheus", "query": "demand",
            "capacityPerReplica": CAPACITY.to_string()}],
        "forecast": {"leadTime": "2m", "historyDays": 4},
    });
    let spec: PredictiveAutoscalerSpec = serde_json::from_value(spec).map_err(|error| error.to_string())?;
    let policy = api::policy(&spec)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    let rule = policy.metrics.first().ok_or("the policy has no metric")?;
    let query =
        Query { source: "synthetic".to_owned(), promql: "demand".to_owned(), request: None, refused: None };
    let signal = Signal::new("self-check", &policy, (rule, query), &Arc::from([]));
    let settings = SourceSettings {
        name: "synthetic".to_owned(),
        url: "http://127.0.0.1".to_owned(),
        authorization: None,
        ca_pem: None,
        tenant_header: None,
        timeout: Span::from_seconds(10),
        max_concurrent: 8,
    };
    pool.set(settings).map_err(|error| error.to_string())?;
    Ok((policy, signal))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the first rounds came to, up to the first that was wrong.
    async fn rounds(told: Series, n: usize) -> Result<(Replicas, Replicas), String> {
        let mut check = Check::on(told);
        let (mut lowest, mut highest) = (check.asked, check.asked);
        for _ in 0..n {
            check.round().await?;
            lowest = lowest.min(check.asked);
            highest = highest.max(check.asked);
        }
        Ok((lowest, highest))
    }

    #[tokio::test]
    async fn a_day_and_a_half_of_right_decisions() {
        let (lowest, highest) = rounds(demand, 2160).await.unwrap();
        assert!(lowest <= Replicas::new(8) && highest >= Replicas::new(20), "{lowest} to {highest}");
    }

    #[tokio::test]
    async fn a_pipeline_that_reads_wrongly_is_noticed() {
        let wrong: [(&str, Series); 4] = [
            ("a unit that is off", |at| demand(at) * 10.0),
            ("a reading that is lost", |at| demand(at) * 0.1),
            ("hours that are swapped", |at| demand(at.plus(Span::from_hours(12)))),
            ("numbers that are none", |_| f64::NAN),
        ];
        for (what, told) in wrong {
            let outcome = rounds(told, 1440).await;
            assert!(outcome.is_err(), "{what}: {outcome:?}");
        }
    }

    #[test]
    fn a_fall_on_nothing_is_noticed() {
        let (asked, right) = (Replicas::new(20), needed(START));
        assert_eq!(judge((START, asked), right, right), Ok(()));
        assert!(judge((START, right), right, Replicas::new(right.get() - 1)).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn its_health_and_its_gauge_are_told() {
        let (metrics, registry) = Metrics::register();
        let (sender, mut health) = watch::channel(Health::NotYet);
        let stop = CancellationToken::new();
        let running = tokio::spawn(run(Arc::new(metrics), sender, stop.clone()));
        health.changed().await.unwrap();
        assert_eq!(*health.borrow(), Health::Right);
        let shown = crate::telemetry::metrics::encode(&registry).unwrap();
        assert!(shown.contains("foresail_self_check_ok 1"), "{shown}");
        stop.cancel();
        running.await.unwrap();
    }
}
