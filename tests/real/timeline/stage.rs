//! The stage of the timeline: demand, servers, installs of the chart, workloads, autoscalers, operators.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::control_plane::exporter::{Exporter, Kind, Reading, unix_seconds};
use crate::control_plane::loopback::free_port;
use crate::control_plane::manifests::{Shop, deployment, hpa, metric_source};
use crate::control_plane::process::Process;
use crate::control_plane::prometheus::Prometheus;
use crate::control_plane::{ControlPlane, testbed};

/// Demand of the quiet hours and of the peak; one replica serves 100. The peak, with its noise, stays clear of a whole
/// number of replicas, where a quantile would rightly leave one out.
pub(super) const QUIET: f64 = 150.0;
pub(super) const PEAK: f64 = 1970.0;
/// The daily ramp climbs for so long, stays, and falls for so long; seconds.
pub(super) const CLIMB: f64 = 180.0;
pub(super) const STAY: f64 = 240.0;
pub(super) const FALL: f64 = 60.0;
/// The ramp begins so long after the servers are up.
const UNTIL_RAMP: f64 = 240.0;
const DAY: f64 = 86_400.0;
/// Two weeks of history.
const HISTORY: f64 = 14.0 * DAY;
/// Start-up of a pod.
const START_UP: &str = "20s";
/// Time between two ticks of an operator.
pub(super) const INTERVAL: f64 = 5.0;
/// The scale-down window of every autoscaler here.
pub(super) const WINDOW: Duration = Duration::from_mins(1);
/// The namespaces that are watched, each with a Deployment `shop`.
pub(super) const WATCHED: [&str; 9] =
    ["active", "reactive", "dry", "floor", "killed", "blind", "rollout", "steady", "struck"];
/// The namespaces whose forecast must be trusted before the ramp.
const FORECAST: [&str; 6] = ["active", "dry", "floor", "killed", "blind", "rollout"];

/// Demand at `t` when the daily ramp begins at `start` (both Unix seconds), with half a percent of noise from the time.
pub(super) fn demand(t: f64, start: f64) -> f64 {
    let since = (t - start).rem_euclid(DAY);
    let level = if since < CLIMB {
        QUIET + (PEAK - QUIET) * since / CLIMB
    } else if since < CLIMB + STAY {
        PEAK
    } else if since < CLIMB + STAY + FALL {
        PEAK - (PEAK - QUIET) * (since - CLIMB - STAY) / FALL
    } else {
        QUIET
    };
    let noise = ((t / 60.0).floor() * 12.9898).sin() * 43_758.547;
    level * (1.0 + 0.01 * (noise - noise.floor() - 0.5))
}

fn history(start: f64, until: f64) -> String {
    let mut text = String::from("# TYPE demand gauge\n");
    let mut t = ((until - HISTORY) / 60.0).ceil() * 60.0;
    while t < until {
        writeln!(text, "demand{{app=\"shop\"}} {} {t}", demand(t, start)).expect("a String takes all");
        t += 60.0;
    }
    text.push_str("# EOF\n");
    text
}

fn autoscaler(namespace: &str, mode: &str, via: &str, prediction: &str, source: &str) -> Value {
    let query = "max(demand{app=\"shop\"})";
    let shop = Shop { mode, via, prediction, source, query, window_seconds: WINDOW.as_secs() };
    let mut object = shop.autoscaler(namespace);
    // Demand doubles within a step: what is asserted is that it is met at every second of it.
    object["spec"]["objective"] = serde_json::json!({ "quantile": "99.9%" });
    object
}

/// An operator process under the chart's service account.
///
/// `release` is the Helm release: its namespace, Lease and service account carry its name.
fn operator(kubeconfig: &Path, release: &str, identity: &str, namespaces: &[&str]) -> Process {
    let args = vec![
        format!("KUBECONFIG={}", kubeconfig.display()),
        env!("CARGO_BIN_EXE_foresail").to_owned(),
        "operator".to_owned(),
        format!("--interval={INTERVAL}s"),
        format!("--listen=127.0.0.1:{}", free_port()),
        format!("--lease-name={release}"),
        format!("--lease-namespace={release}"),
        format!("--identity={identity}"),
        format!("--watch-namespaces={}", namespaces.join(",")),
    ];
    let logs = testbed::run_directory().join(format!("operator-{identity}"));
    Process::spawn(&PathBuf::from("/usr/bin/env"), args, &logs)
}

/// Everything that is up before the ramp.
pub(super) struct Stage {
    pub(super) plane: &'static ControlPlane,
    /// When the ramp begins, Unix seconds.
    pub(super) start: f64,
    /// The Prometheus of `blind`.
    pub(super) second: Prometheus,
    /// Of `killed`.
    pub(super) other: Process,
    /// Leader and standby of `struck`.
    pub(super) pair: [Process; 2],
    /// Of all other namespaces.
    pub(super) main: Process,
    /// The chart's service account.
    pub(super) token: PathBuf,
    _first: Prometheus,
    _exporter: Exporter,
}

/// The user of the main operator in the audit log.
pub(super) const MAIN_USER: &str = "system:serviceaccount:foresail:foresail";

/// Starts and installs everything.
pub(super) fn set_up(plane: &'static ControlPlane) -> Stage {
    plane.add_nodes(2);
    let start = unix_seconds() + UNTIL_RAMP;
    let exporter = Exporter::start(move |now| {
        let labels = vec![("app".to_owned(), "shop".to_owned())];
        vec![Reading { kind: Kind::Gauge, name: "demand".to_owned(), labels, value: demand(now, start) }]
    });
    let past = history(start, unix_seconds());
    let first = Prometheus::start(Some(&past), &[("shop", exporter.address())]);
    let second = Prometheus::start(Some(&past), &[("shop", exporter.address())]);
    for namespace in WATCHED {
        plane.namespace(namespace);
    }
    // Not `dry`: there the operator has no permission to change anything.
    let enforced = ["active", "reactive", "floor", "blind", "rollout", "steady"];
    let token = install(plane, "foresail", &enforced, true);
    let other_token = install(plane, "foresail-other", &["killed"], false);
    let pair_token = install(plane, "foresail-pair", &["struck"], false);
    apply_all(plane, &[metric_source("main", &first.url()), metric_source("second", &second.url())]);
    apply_all(plane, &WATCHED.map(|namespace| deployment(namespace, "shop", 3, START_UP)));
    for namespace in ["floor", "killed"] {
        plane.external_metrics().set(namespace, "demand", "150");
        plane.apply(&hpa(namespace));
    }
    apply_all(
        plane,
        &[
            autoscaler("active", "Active", "Scale", "Enabled", "main"),
            autoscaler("reactive", "Active", "Scale", "Disabled", "main"),
            autoscaler("dry", "DryRun", "Scale", "Enabled", "main"),
            autoscaler("floor", "Floor", "HorizontalPodAutoscalerFloor", "Enabled", "main"),
            autoscaler("killed", "Floor", "HorizontalPodAutoscalerFloor", "Enabled", "main"),
            autoscaler("blind", "Active", "Scale", "Enabled", "second"),
            autoscaler("rollout", "Active", "Scale", "Enabled", "main"),
            autoscaler("steady", "Active", "Scale", "Disabled", "main"),
            autoscaler("struck", "Active", "Scale", "Disabled", "main"),
        ],
    );
    let mut watched = enforced.to_vec();
    watched.push("dry");
    let main = operator(&token, "foresail", "main", &watched);
    let other = operator(&other_token, "foresail-other", "other", &["killed"]);
    let leader = operator(&pair_token, "foresail-pair", "leader", &["struck"]);
    // The standby starts once the leader leads, so that the test knows whom it kills.
    plane.wait_until("the pair to have a leader", Duration::from_secs(30), || {
        let holder = plane.kubectl(&[
            "get",
            "lease",
            "-n",
            "foresail-pair",
            "-o",
            "jsonpath={.items[*].spec.holderIdentity}",
        ]);
        holder.contains("leader").then_some(())
    });
    let standby = operator(&pair_token, "foresail-pair", "standby", &["struck"]);
    Stage {
        plane,
        start,
        second,
        other,
        pair: [leader, standby],
        main,
        token,
        _first: first,
        _exporter: exporter,
    }
}

fn apply_all(plane: &ControlPlane, items: &[Value]) {
    plane.apply(&json!({ "apiVersion": "v1", "kind": "List", "items": items }));
}

/// Installs the chart as `release` in a namespace of that name, and gives its service account's kubeconfig.
fn install(plane: &ControlPlane, release: &str, enforced: &[&str], crds: bool) -> PathBuf {
    let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/foresail");
    let enforce = format!("enforce.namespaces={{{}}}", enforced.join(","));
    let crds = format!("crds.install={crds}");
    plane.namespace(release);
    // Other tests of this process may have applied the definitions before.
    let owned = "--take-ownership";
    plane.helm(&["install", release, chart, "-n", release, "--set", &enforce, "--set", &crds, owned]);
    plane.service_account_kubeconfig(release, release)
}

impl Stage {
    /// Returns once every forecast has earned its place; panics with the operators' logs when that takes minutes.
    pub(super) fn wait_for_trust(&self) {
        for namespace in FORECAST {
            self.plane.wait_until("the forecast to be trusted", Duration::from_mins(2), || {
                for process in [&self.main, &self.other, &self.pair[0], &self.pair[1]] {
                    assert!(process.ended().is_none(), "{}", process.log_tail());
                }
                condition(&self.get("pra", namespace), "ForecastTrusted").filter(|&holds| holds).map(|_| ())
            });
        }
        assert!(unix_seconds() < self.start - 100.0, "trust came too late for the ramp");
    }

    /// The object `shop` of `kind` in a namespace.
    pub(super) fn get(&self, kind: &str, namespace: &str) -> Value {
        self.plane.object(kind, namespace, "shop")
    }
}

/// Whether a condition of an object is True; `None` without that condition.
pub(super) fn condition(object: &Value, kind: &str) -> Option<bool> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let one = conditions.iter().find(|one| one["type"] == kind)?;
    Some(one["status"] == "True")
}
