//! The days, played: the real operator and an HPA on the same demand, and what stood every fifteen seconds.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::Value;

use super::script::{CAPACITY, NAME, OURS, QUERY, RIVAL, START_UP, Script, TARGET, deployment};
use crate::cli::plan::INTERVAL;
use crate::decide::Stage;
use crate::edge::clock::Clock as _;
use crate::plan::{Ahead, Course, History, Outcome, Scenario, Stood};
use crate::sandbox::world::RunningOperator;
use crate::sandbox::{ApiServer, World};
use crate::telemetry::decisions::DecisionLog;
use crate::units::{CapacityPerReplica, Demand, Replicas, Span, Step, Timestamp, replicas_ceil};

/// Played before the live time begins: pods start, the operator reads its history.
const WARM_UP: Span = Span::from_minutes(30);
/// Until the first pods serve.
const PODS_START: Span = Span::from_minutes(8);
/// Within each fifteen seconds it is looked this late, so that what both controllers did there is seen.
const LOOK_AFTER: Span = Span::from_seconds(12);

/// What stands in one namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane {
    /// `spec.replicas`.
    pub asked: u32,
    /// `status.readyReplicas`.
    pub ready: u32,
}

/// What stood at one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When.
    pub at: Timestamp,
    /// Foresail's workload.
    pub ours: Lane,
    /// The HPA's.
    pub rival: Lane,
}

/// What the operator said at the end of a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Said {
    stage: Option<Stage>,
    ahead: Option<Ahead>,
}

/// Everything that was seen.
#[derive(Clone, Debug)]
pub struct Played {
    /// Four a minute, from the live time's first minute on.
    pub samples: Vec<Sample>,
    said: Vec<Said>,
}

/// Plays `script`; `on_minute` is told the end of each minute of the live time.
///
/// # Errors
/// When the cluster in the process refuses an object, or the operator ends by itself; neither in practice.
pub fn play(script: &Script, on_minute: impl FnMut(Timestamp)) -> anyhow::Result<Played> {
    play_before(script, |_| Ok(()), DecisionLog::off(), on_minute)
}

/// As [`play`], before an audience: `open` is shown the API server before anything stands in it, and decisions are
/// logged to `decisions`.
///
/// # Errors
/// Those of [`play`] and of `open`.
pub fn play_before(
    script: &Script,
    open: impl FnOnce(&ApiServer) -> anyhow::Result<()>,
    decisions: DecisionLog,
    mut on_minute: impl FnMut(Timestamp),
) -> anyhow::Result<Played> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    runtime.block_on(async {
        let begins = script.live.from.minus(WARM_UP);
        let mut world = World::starting_at(begins, script.seed).map_err(anyhow::Error::msg)?;
        world.decisions = decisions;
        open(&world.server)?;
        live(&world, script, &mut on_minute).await
    })
}

async fn live(
    world: &World,
    script: &Script,
    on_minute: &mut dyn FnMut(Timestamp),
) -> anyhow::Result<Played> {
    let mut operator = Some(furnish(world, script).await?);
    let mut played = Played { samples: Vec::new(), said: Vec::new() };
    let mut minute = script.live.from;
    while minute < script.live.to {
        if script.killed() == Some(minute) {
            operator.take().into_iter().for_each(RunningOperator::kill);
        }
        for quarter in 0..4 {
            let looked = minute.plus(Span::from_seconds(15 * quarter)).plus(LOOK_AFTER);
            world.play_until(looked).await;
            let (ours, rival) = (lane(world, OURS)?, lane(world, RIVAL)?);
            played.samples.push(Sample { at: looked, ours, rival });
        }
        minute = minute.plus(Step::MINUTE.span());
        world.play_until(minute).await;
        played.said.push(if operator.is_some() { said(world) } else { Said::default() });
        on_minute(minute);
    }
    if let Some(operator) = operator {
        operator.stop().await.context("the operator ended")?;
    }
    Ok(played)
}

/// Puts everything into the cluster, and lets it come to rest.
async fn furnish(world: &World, script: &Script) -> anyhow::Result<RunningOperator> {
    let create = |object: &Value| world.server.create(object).map(|_| ()).map_err(anyhow::Error::msg);
    let shop = script.season.shop.clone();
    // What arrived over a minute is recorded at its end.
    let recorded = move |at: Timestamp| Some(shop.demand(at.minus(Step::MINUTE.span())));
    world.prometheus.script(QUERY, Step::MINUTE, Arc::new(recorded)).map_err(anyhow::Error::msg)?;
    for trouble in script.troubles() {
        world.prometheus.trouble(trouble);
    }
    let demand = script.season.shop.demand(world.clock.now());
    let first = replicas_ceil(demand / (CAPACITY * TARGET)).get();
    for namespace in [OURS, RIVAL] {
        world.add_namespace(namespace).map_err(anyhow::Error::msg)?;
        create(&deployment(namespace, first))?;
    }
    world.start_controllers(START_UP, BTreeMap::from([("requests".to_owned(), QUERY.to_owned())]));
    world.play(PODS_START).await;
    create(&script.hpa(RIVAL))?;
    if script.killed().is_some() {
        create(&script.hpa(OURS))?;
    }
    if let Some(calendar) = script.calendar() {
        create(&calendar)?;
    }
    create(&script.autoscaler())?;
    let operator = world.start_operator(INTERVAL);
    world.play_until(script.live.from).await;
    Ok(operator)
}

fn lane(world: &World, namespace: &str) -> anyhow::Result<Lane> {
    let (asked, ready) = world.server.replicas(namespace, NAME).context("the workload is gone")?;
    Ok(Lane { asked, ready })
}

/// What the autoscaler's status says.
fn said(world: &World) -> Said {
    let kind = ("foresail.dev/v1alpha1", "PredictiveAutoscaler");
    let Some(object) = world.server.object(kind, OURS, NAME) else { return Said::default() };
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let stages = object.pointer("/status/decision/stages").and_then(Value::as_array);
    let sentence = stages
        .into_iter()
        .flatten()
        .find(|stage| stage.get("stage").and_then(Value::as_str) == Some(Stage::Forecast.name()));
    let sentence = sentence.and_then(|stage| stage.get("sentence")).and_then(Value::as_str);
    let trusted = object.pointer("/status/forecast/trusted").and_then(Value::as_bool).unwrap_or(false);
    Said {
        stage: Stage::named(text("/status/decision/boundBy")),
        ahead: sentence.and_then(|sentence| ahead(sentence, trusted)),
    }
}

/// The numbers in the sentence of the stage `forecast`: `.. demand is P50 at the median and P99 at p99 ..`.
fn ahead(sentence: &str, trusted: bool) -> Option<Ahead> {
    let words: Vec<&str> = sentence.split([' ', ',']).collect();
    let before = |following: &[&str]| {
        let at = words.windows(following.len()).position(|found| found == following)?;
        words.get(at.checked_sub(1)?)?.parse::<f64>().ok()
    };
    Some(Ahead { p50: before(&["at", "the", "median"])?, p99: before(&["at", "p99"])?, trusted })
}

impl Played {
    /// What was played, as a plan has it: of each minute what was asked for last, and the fewest that served.
    ///
    /// # Errors
    /// When less than two minutes were played.
    pub fn outcome(&self, script: &Script) -> anyhow::Result<(Scenario, Outcome)> {
        let step = Step::MINUTE.span();
        let mut demand = Vec::new();
        let mut at = script.live.from;
        while at < script.live.to {
            demand.push((at, Demand::new(script.season.shop.demand(at)).unwrap_or(Demand::ZERO)));
            at = at.plus(step);
        }
        let history = History {
            demand: vec![demand],
            capacities: CapacityPerReplica::new(CAPACITY).into_iter().collect(),
            events: script.events()?,
            recorded: Vec::new(),
            from: Some(script.live.from),
        };
        let key = format!("{OURS}/{NAME}");
        let scenario = Scenario::new(&key, &script.policy()?, None, INTERVAL, history)?;
        let ours = Course { name: "foresail", stood: self.stood(|sample| sample.ours, &self.said) };
        let rival = Course { name: "hpa", stood: self.stood(|sample| sample.rival, &[]) };
        let ahead = self.said.iter().map(|said| said.ahead).collect();
        let outcome = Outcome::judge(&scenario, vec![ours, rival], ahead);
        Ok((scenario, outcome))
    }

    fn stood(&self, of: impl Fn(&Sample) -> Lane, said: &[Said]) -> Vec<Stood> {
        let minutes = self.samples.chunks(4).enumerate();
        minutes
            .filter_map(|(i, samples)| {
                let fewest = samples.iter().map(|sample| of(sample).ready).min()?;
                Some(Stood {
                    desired: Replicas::new(of(samples.last()?).asked),
                    ready: Replicas::new(fewest),
                    stage: said.get(i).and_then(|said| said.stage),
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forecast_is_read_from_its_sentence() {
        let said = "in 4m demand is 1234 at the median and 1500.5 at p99, from samples 70s old; trusted";
        let expected = Ahead { p50: 1234.0, p99: 1500.5, trusted: true };
        assert_eq!(ahead(said, true), Some(expected));
        assert_eq!(ahead("no history yet", true), None);
    }

    #[test]
    fn every_stage_is_known_by_its_name() {
        assert_eq!(Stage::named("predictive"), Some(Stage::Predictive));
        assert_eq!(Stage::named("mode"), Some(Stage::Mode));
        assert_eq!(Stage::named(""), None);
    }
}
