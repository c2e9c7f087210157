//! Freeze and boost from the command line, on the real operator in the sandbox.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test over a world that it made itself")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use foresail::edge::clock::{Clock as _, SystemClock};
use foresail::sandbox::{Listener, StartUp, World};
use foresail::units::{Span, Step, Timestamp};
use serde_json::{Value, json};

use crate::{deployment, scratch};

const INTERVAL: Span = Span::from_seconds(15);
const QUERY: &str = "sum(rate(http_requests_total{namespace=\"shop\", app=\"checkout\"}[1m]))";

/// The quickstart's autoscaler in a cluster whose clock begins with that of this machine, by which the command line
/// counts. Demand needs 10 replicas at 70 % for ten minutes, 5 from then on.
struct Cluster {
    world: World,
    _listener: Listener,
    dir: PathBuf,
    start: Timestamp,
}

impl Cluster {
    fn new(directory: &str, edit: &Value) -> Self {
        let dir = scratch(directory);
        let start = SystemClock.now().floor_to(Step::MINUTE);
        let world = World::starting_at(start, 7).unwrap();
        let falls = start.plus(Span::from_minutes(10));
        let demand = move |at: Timestamp| Some(if at < falls { 840.0 } else { 420.0 });
        world.prometheus.script(QUERY, Step::MINUTE, Arc::new(demand)).unwrap();
        world.add_namespace("shop").unwrap();
        world.server.create(&deployment(("shop", "checkout"), 10)).unwrap();
        world.start_controllers(StartUp { median: Span::from_seconds(5), spread: 0.0 }, BTreeMap::new());
        let text = fs::read_to_string("examples/quickstart/checkout.yaml").unwrap();
        let mut object: Value = serde_saphyr::from_str(&text).unwrap();
        object["spec"]["mode"] = json!("Active");
        object["spec"]["metrics"][0]["prediction"] = json!("Disabled");
        object["spec"]["behavior"] = json!({"scaleDown": {"stabilizationWindowSeconds": 0}});
        for (key, value) in edit.as_object().unwrap() {
            object["spec"][key] = value.clone();
        }
        world.server.create(&object).unwrap();
        let listener = Listener::start(&world.server).unwrap();
        listener.write_kubeconfig(&dir.join("kubeconfig")).unwrap();
        Self { world, _listener: listener, dir, start }
    }

    fn foresail(&self, arguments: &[&str]) -> Output {
        foresail(&self.dir.join("kubeconfig"), arguments)
    }

    /// What a command that succeeds prints.
    fn says(&self, arguments: &[&str]) -> String {
        let output = self.foresail(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn asked(&self) -> u32 {
        self.world.server.replicas("shop", "checkout").unwrap().0
    }

    fn autoscaler(&self) -> Value {
        let found =
            self.world.server.object(("foresail.dev/v1alpha1", "PredictiveAutoscaler"), "shop", "checkout");
        (*found.unwrap()).clone()
    }

    fn sentence(&self, stage: &str) -> String {
        let object = self.autoscaler();
        let stages = object["status"]["decision"]["stages"].as_array().unwrap().clone();
        let found = stages.into_iter().find(|one| one["stage"] == stage).unwrap();
        found["sentence"].as_str().unwrap().to_owned()
    }
}

fn foresail(kubeconfig: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_foresail"));
    command.args(arguments).env("KUBECONFIG", kubeconfig).output().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_freeze_and_a_boost_are_followed_within_one_interval_and_end_early_or_by_themselves() {
    let cluster = Cluster::new("breakglass", &json!({}));
    let operator = cluster.world.start_operator(INTERVAL);
    cluster.world.play(Span::from_minutes(2)).await;
    let (asked, spec) = (cluster.asked(), cluster.autoscaler()["spec"].clone());
    let frozen = cluster.says(&["freeze", "pra/checkout", "-n", "shop", "--no-scale-down", "--for", "3h"]);
    assert!(frozen.starts_with("shop/checkout: no scale-down until 20"), "{frozen}");
    cluster.world.play_until(cluster.start.plus(Span::from_minutes(20))).await;
    assert_eq!(cluster.asked(), asked);
    assert!(
        cluster.sentence("guards").starts_with("frozen, no scale-down for another "),
        "{}",
        cluster.sentence("guards")
    );
    // A process that is killed leaves the order where it was.
    operator.kill();
    let operator = cluster.world.start_operator(INTERVAL);
    cluster.world.play(Span::from_minutes(3)).await;
    assert_eq!(cluster.asked(), asked);
    assert_eq!(
        cluster.says(&["freeze", "checkout", "-n", "shop", "--end"]),
        "shop/checkout: neither frozen nor boosted\n"
    );
    cluster.world.play(INTERVAL.plus(Span::from_seconds(1))).await;
    let thawed = cluster.asked();
    assert!(thawed < asked, "{asked} -> {thawed}");

    let floor = (thawed + 2).to_string();
    cluster.says(&["boost", "pra/checkout", "-n", "shop", "--floor", &floor, "--for", "1h"]);
    cluster.world.play(INTERVAL.plus(Span::from_seconds(1))).await;
    assert_eq!(cluster.asked(), thawed + 2);
    assert!(cluster.sentence("floors").starts_with(&format!("boosted to at least {floor} for another ")));
    cluster.world.play(Span::from_minutes(70)).await;
    assert_eq!(cluster.asked(), thawed, "it ended by itself");
    let after = cluster.autoscaler();
    assert_eq!((&after["spec"], &after["metadata"]["generation"]), (&spec, &json!(1)), "Git sees no change");
    operator.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_an_order_cannot_do_is_said_with_what_to_do() {
    let cluster = Cluster::new("breakglass_says", &json!({"mode": "DryRun"}));
    let usage =
        |arguments: &[&str]| assert_eq!(cluster.foresail(arguments).status.code(), Some(2), "{arguments:?}");
    usage(&["freeze", "--no-scale-down", "--for", "2h"]);
    usage(&["freeze", "-A", "--for", "2h"]);
    usage(&["freeze", "-A", "--no-scale-down"]);
    usage(&["freeze", "-A", "-n", "shop", "--no-scale-down", "--for", "2h"]);
    usage(&["freeze", "-A", "--no-scale-down", "--for", "1y"]);
    usage(&["freeze", "-A", "--no-scale-down", "--end"]);
    usage(&["boost", "pra/checkout", "--floor", "0", "--for", "2h"]);
    usage(&["boost", "pra/checkout", "--floor", "40"]);
    usage(&["boost", "deploy/checkout", "--floor", "40", "--for", "2h"]);

    let fails = |arguments: &[&str], told: &str| {
        let output = cluster.foresail(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains(told), "{arguments:?}: {said}");
    };
    fails(
        &["boost", "pra/none", "-n", "shop", "--floor", "4", "--for", "2h"],
        "no PredictiveAutoscaler `shop/none`: name another",
    );
    fails(
        &["freeze", "-n", "void", "--no-scale-down", "--for", "2h"],
        "namespace `void` has no PredictiveAutoscaler",
    );
    fails(
        &["boost", "checkout", "-n", "shop", "--floor", "9999", "--for", "2h"],
        "--floor `9999` is greater than maxReplicas",
    );
    let gone = cluster.dir.join("gone");
    fs::write(
        &gone,
        fs::read_to_string(cluster.dir.join("kubeconfig")).unwrap().replace("127.0.0.1:", "127.0.0.1:1#"),
    )
    .unwrap();
    assert_eq!(foresail(&gone, &["freeze", "-A", "--end"]).status.code(), Some(1));

    let text = cluster.says(&["freeze", "-A", "--no-scale-down", "--for", "90m"]);
    assert!(
        text.contains("\n  note: mode DryRun: it is recorded, and the workload does not follow\n"),
        "{text}"
    );
    let json = cluster.says(&["freeze", "-n", "shop", "--no-scale-up", "--for", "90m", "-o", "json"]);
    let rows: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&rows[0]["name"], &rows[0]["error"]), (&json!("checkout"), &Value::Null));
    // An order adds to the other.
    assert!(rows[0]["noScaleDownUntil"].is_string() && rows[0]["noScaleUpUntil"].is_string(), "{json}");
}

#[tokio::test(start_paused = true)]
async fn every_command_of_the_example_works_as_it_stands() {
    let cluster = Cluster::new("breakglass_example", &json!({}));
    let readme = fs::read_to_string("examples/break-glass/README.md").unwrap();
    let commands: Vec<&str> = readme.lines().filter_map(|line| line.strip_prefix("foresail ")).collect();
    assert_eq!(commands.len(), 7);
    let mut last = String::new();
    for command in commands {
        last = cluster.says(&command.split(' ').collect::<Vec<_>>());
    }
    assert_eq!(last, "shop/checkout: neither frozen nor boosted\n");
}

#[tokio::test(start_paused = true)]
async fn promote_shows_the_evidence_and_takes_one_step_at_a_time_unless_git_has_the_object() {
    let cluster = Cluster::new("promote", &json!({"mode": "DryRun"}));
    let operator = cluster.world.start_operator(INTERVAL);
    cluster.world.play(Span::from_minutes(30)).await;
    let mode = || cluster.autoscaler()["spec"]["mode"].clone();

    let text = cluster.says(&["promote", "pra/checkout", "-n", "shop"]);
    assert!(
        text.starts_with("shop/checkout: DryRun -> Floor\n  MISSED   shadow           0.0 days since 20"),
        "{text}"
    );
    assert!(
        text.contains("\n  unknown  capacity drift   not measured: give metrics[].learnedCapacity.query"),
        "{text}"
    );
    assert!(text.contains("replica-hours instead of"), "{text}");
    assert!(text.contains("\nspec:\n  mode: Floor\n"), "{text}");
    let missed = cluster.foresail(&["promote", "pra/checkout", "-n", "shop", "--check", "--apply"]);
    assert_eq!(missed.status.code(), Some(3), "{missed:?}");
    assert_eq!(mode(), "DryRun", "neither the patch that is printed nor one that is missed is applied");
    assert_eq!(cluster.foresail(&["promote", "checkout", "-n", "shop", "--force"]).status.code(), Some(2));

    let shadow = cluster.autoscaler()["status"]["shadow"].clone();
    let hours = |field: &str| shadow[field].as_str().unwrap().parse::<f64>().unwrap();
    // Ten replicas really stood, also after the fall that the shadow followed.
    assert!(
        hours("standingReplicaHours") > 4.5 && hours("replicaHours") < hours("standingReplicaHours"),
        "{shadow}"
    );
    let applied = cluster.says(&["promote", "pra/checkout", "-n", "shop", "--apply"]);
    assert!(applied.ends_with("applied: spec.mode is Floor now\n"), "{applied}");
    assert_eq!(mode(), "Floor");
    cluster.world.play(Span::from_minutes(2)).await;
    let kept = cluster.autoscaler()["status"]["shadow"].clone();
    assert_eq!(kept["since"], shadow["since"]);
    assert!(kept["until"].is_string() && kept["asked"].is_null(), "{kept}");

    let api: kube::Api<foresail::api::PredictiveAutoscaler> =
        kube::Api::namespaced(cluster.world.server.client(), "shop");
    let label = json!({"metadata": {"labels": {"argocd.argoproj.io/instance": "shop"}}});
    api.patch("checkout", &kube::api::PatchParams::default(), &kube::api::Patch::Merge(&label))
        .await
        .unwrap();
    let refused = cluster.foresail(&["promote", "pra/checkout", "-n", "shop", "--apply"]);
    assert_eq!((refused.status.code(), mode()), (Some(1), json!("Floor")), "{refused:?}");
    let why = String::from_utf8(refused.stderr).unwrap();
    assert!(why.contains("managed by Argo CD (label `argocd.argoproj.io/instance`)"), "{why}");
    let forced = cluster.says(&["promote", "pra/checkout", "-n", "shop", "--apply", "--force", "-o", "json"]);
    let forced: Value = serde_json::from_str(&forced).unwrap();
    assert_eq!(
        (&forced["applied"], &forced["next"], &forced["met"]),
        (&json!(true), &json!("Active"), &json!(false))
    );
    assert_eq!(mode(), "Active");
    let last = cluster.says(&["promote", "pra/checkout", "-n", "shop"]);
    assert!(last.starts_with("shop/checkout: Active is the last step\n"), "{last}");
    operator.stop().await.unwrap();
}
