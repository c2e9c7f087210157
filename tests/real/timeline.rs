//! The main job, end to end: two weeks of history whose daily ramp comes in four minutes, and who meets it.
//!
//! One clock for nine namespaces side by side, with operators under the chart's service accounts:
//!
//! | namespace | what is played in it |
//! |---|---|
//! | `active`, `reactive` | the same policy with and without the forecast |
//! | `dry` | DryRun: a shadow, and no permission to write |
//! | `floor`, `killed` | beside a live HPA; the operator of `killed` is killed for the whole ramp |
//! | `blind` | its Prometheus stops before the ramp, comes back, and stops again at the peak |
//! | `rollout` | three rollouts during the climb, and somebody who touches the Deployment all the time |
//! | `steady`, `struck` | the same policy without and with a leader killed inside the scale-down window |
//!
//! Shown with `--nocapture`, it prints what it sees every ten seconds.

mod path;
mod stage;

use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::ListParams;
use serde_json::Value;

use crate::control_plane::audit::AuditEvent;
use crate::control_plane::exporter::unix_seconds;
use crate::control_plane::shared;
use path::{CAPACITY, Moment, Path, least_ahead, scale_writes};
use stage::{CLIMB, FALL, INTERVAL, MAIN_USER, PEAK, STAY, Stage, WATCHED, WINDOW, demand, set_up};

/// A replica is asked for so long before it is needed: its start-up.
const AHEAD: f64 = 20.0;
/// Offsets from the start of the ramp, seconds.
const BLINDED: f64 = -90.0;
const SEES_AGAIN: f64 = CLIMB + 20.0;
const AT_PEAK: f64 = CLIMB + 60.0;
const BLINDED_AGAIN: f64 = CLIMB + STAY - 60.0;
const STRUCK: f64 = CLIMB + STAY + 30.0;
const FALLEN: f64 = CLIMB + STAY + FALL;
const END: f64 = FALLEN + 130.0;
/// Demand to a decision on it: a sample, its reading and a tick each take up to an interval.
const SEEN: f64 = 3.0 * INTERVAL;
/// A kill to a standby that decides: the Lease's 17 s and two intervals.
const TAKEOVER: f64 = 17.0 + 2.0 * INTERVAL;

#[test]
fn the_ramp_is_met_ahead_and_only_where_it_may_be() {
    let Some(plane) = shared() else { return };
    let stage = set_up(plane);
    stage.wait_for_trust();
    let played = play(&stage);
    let audit = plane.audit();
    // Every claim is judged, also after one that fails: the ramp takes a quarter of an hour.
    let claims: [(&str, &dyn Fn()); 7] = [
        ("active", &|| active_is_ahead_and_reactive_is_late(&stage, &played, &audit)),
        ("dry", &|| dry_run_wrote_nothing(&stage, &played, &audit)),
        ("floor", &|| floor_was_raised_and_given_back(&stage, &played)),
        ("killed", &|| killed_goes_on_with_its_hpa(&stage, &played)),
        ("blind", &|| blind_follows_the_last_forecast_and_never_lowers(&stage, &played)),
        ("rollout", &|| rollout_is_decided_afresh(&stage, &played, &audit)),
        ("struck", &|| struck_is_never_lower_than_steady(&stage, &played)),
    ];
    let failed: Vec<&str> = claims
        .into_iter()
        .filter(|(name, claim)| {
            let holds = catch_unwind(AssertUnwindSafe(claim)).is_ok();
            print_through(&format!("{name}: {}\n", if holds { "holds" } else { "FAILS" }));
            !holds
        })
        .map(|(name, _)| name)
        .collect();
    assert!(failed.is_empty(), "claims that do not hold: {failed:?}");
}

/// What was seen while the ramp was played.
struct Played {
    taken: Vec<(String, Moment)>,
    /// At the peak: the autoscaler of `dry`, the HPA of `floor`.
    dry_at_peak: Value,
    floor_at_peak: Value,
}

impl Played {
    /// The path of a namespace between two offsets from the start of the ramp.
    fn path(&self, stage: &Stage, namespace: &str, from: f64, to: f64) -> Path {
        let of = self.taken.iter().filter(|(name, _)| name == namespace).map(|(_, moment)| *moment);
        Path(of.collect()).between(stage.start + from, stage.start + to)
    }
}

/// What is done once when its offset has come.
type Act<'a> = (f64, Box<dyn FnMut() + 'a>);

/// Plays the ramp: faults at their offsets, and a moment of every namespace each second.
fn play(stage: &Stage) -> Played {
    let (mut dry_at_peak, mut floor_at_peak) = (Value::Null, Value::Null);
    let mut taken: Vec<(String, Moment)> = Vec::new();
    let restless = AtomicBool::new(false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let client = runtime.block_on(stage.plane.client());
    let restart = || {
        stage.plane.kubectl(&["rollout", "restart", "deployment", "shop", "-n", "rollout"]);
    };
    let mut acts: Vec<Act<'_>> = vec![
        (BLINDED, Box::new(|| stage.second.stop())),
        (BLINDED, Box::new(|| stage.other.stop())),
        (-70.0, Box::new(|| restless.store(true, Ordering::Relaxed))),
        (-60.0, Box::new(restart)),
        (0.0, Box::new(restart)),
        (60.0, Box::new(restart)),
        (CLIMB, Box::new(|| restless.store(false, Ordering::Relaxed))),
        (SEES_AGAIN, Box::new(|| stage.second.restart())),
        (AT_PEAK, Box::new(|| dry_at_peak = stage.get("pra", "dry"))),
        (AT_PEAK, Box::new(|| floor_at_peak = stage.get("hpa", "floor"))),
        (BLINDED_AGAIN, Box::new(|| stage.second.stop())),
        (STRUCK, Box::new(|| stage.pair[0].stop())),
    ];
    acts.reverse();
    let finished = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| touch_while(stage, &restless, &finished));
        while unix_seconds() < stage.start + END {
            let now = unix_seconds();
            for namespace in ["floor", "killed"] {
                let value = format!("{:.0}", demand(now, stage.start));
                stage.plane.external_metrics().set(namespace, "demand", &value);
            }
            while acts.last().is_some_and(|(offset, _)| now >= stage.start + offset) {
                if let Some((_, mut act)) = acts.pop() {
                    act();
                }
            }
            taken.extend(runtime.block_on(moments(&client, stage.start)));
            show(stage, &taken);
            thread::sleep(Duration::from_secs(1));
        }
        finished.store(true, Ordering::Relaxed);
    });
    assert!(acts.is_empty(), "the timeline ended before all of it was played");
    drop(acts);
    Played { taken, dry_at_peak, floor_at_peak }
}

/// Touches the Deployment of `rollout` all the time while `restless`, so that a read of its scale is soon stale: without
/// pause until a write was refused for that, then so seldom that writes get through.
fn touch_while(stage: &Stage, restless: &AtomicBool, finished: &AtomicBool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let api: Api<Deployment> = Api::namespaced(stage.plane.client().await, "rollout");
        let mut n = 0_u32;
        let mut pause = Duration::from_millis(2);
        while !finished.load(Ordering::Relaxed) {
            if restless.load(Ordering::Relaxed) {
                n += 1;
                let patch =
                    serde_json::json!({ "metadata": { "annotations": { "touched": n.to_string() } } });
                let patch = kube::api::Patch::Merge(&patch);
                api.patch("shop", &kube::api::PatchParams::default(), &patch).await.expect("an annotation");
                if n.is_multiple_of(500)
                    && scale_writes(&stage.plane.audit(), MAIN_USER, "rollout")
                        .iter()
                        .any(|write| write.code == 409)
                {
                    pause = Duration::from_millis(60);
                }
            }
            tokio::time::sleep(pause).await;
        }
    });
}

async fn moments(client: &kube::Client, start: f64) -> Vec<(String, Moment)> {
    let api: Api<Deployment> = Api::all(client.clone());
    let params = ListParams::default().fields("metadata.name=shop");
    let list = api.list(&params).await.expect("Deployments can be listed");
    let at = unix_seconds();
    let known = |one: Deployment| {
        let namespace = one.metadata.namespace.filter(|name| WATCHED.contains(&name.as_str()))?;
        let asked = one.spec.and_then(|spec| spec.replicas).unwrap_or(0);
        let ready = one.status.and_then(|status| status.ready_replicas).unwrap_or(0);
        let moment =
            Moment { at, demand: demand(at, start), asked: f64::from(asked), ready: f64::from(ready) };
        Some((namespace, moment))
    };
    list.items.into_iter().filter_map(known).collect()
}

/// A line every ten seconds for who watches: demand, and asked / ready with and without the forecast.
fn show(stage: &Stage, taken: &[(String, Moment)]) {
    let last = |namespace: &str| taken.iter().rev().find(|(name, _)| name == namespace).map(|(_, one)| *one);
    let before = taken.len().checked_sub(2 * WATCHED.len()).and_then(|idx| taken.get(idx));
    let (Some(active), Some(reactive), Some((_, before))) = (last("active"), last("reactive"), before) else {
        return;
    };
    if (active.at / 10.0).floor() <= (before.at / 10.0).floor() {
        return;
    }
    let part = |one: Moment| {
        let late = if one.ready * CAPACITY < one.demand { " SHORT" } else { "" };
        format!("{:>2} asked {:>2} ready{late}", one.asked, one.ready)
    };
    let line = format!(
        "{:+5.0} s  demand {:>5.0} needs {:>2}  | with the forecast {:<24} | without {}\n",
        active.at - stage.start,
        active.demand,
        (active.demand / CAPACITY).ceil(),
        part(active),
        part(reactive),
    );
    print_through(&line);
}

#[expect(clippy::print_stdout, reason = "captured unless the test is run to be watched")]
fn print_through(line: &str) {
    print!("{line}");
    io::stdout().flush().expect("standard output is open");
}

fn active_is_ahead_and_reactive_is_late(stage: &Stage, played: &Played, audit: &[AuditEvent]) {
    let active = played.path(stage, "active", -60.0, AT_PEAK);
    let reactive = played.path(stage, "reactive", -60.0, AT_PEAK);
    assert!(active.short_seconds() < 0.5, "active was short\n{}", active.describe());
    assert!(active.crossings().len() >= 10, "the ramp crossed too little\n{}", active.describe());
    let ahead = least_ahead(&active, &scale_writes(audit, MAIN_USER, "active"));
    assert!(ahead >= AHEAD, "asked only {ahead:.1} s ahead\n{}", active.describe());
    assert!(
        reactive.short_seconds() > 5.0,
        "without the forecast the ramp was met too\n{}",
        reactive.describe()
    );
}

fn dry_run_wrote_nothing(stage: &Stage, played: &Played, audit: &[AuditEvent]) {
    let dry = played.path(stage, "dry", f64::NEG_INFINITY, f64::INFINITY);
    assert!(dry.least_asked() > 2.5 && dry.most_asked() < 3.5, "{}", dry.describe());
    let is_write = |verb: &str| matches!(verb, "patch" | "update" | "create" | "delete");
    let to_workloads = |namespace: &str| {
        let own = audit.iter().filter(|event| event.user == MAIN_USER && is_write(&event.verb));
        own.filter(|event| event.namespace == namespace)
            .filter(|event| event.group == "apps" || event.group == "autoscaling")
            .count()
    };
    assert_eq!(to_workloads("dry"), 0, "a write to the workload in DryRun");
    assert!(to_workloads("active") > 0, "the same log shows the writes of Active");
    let scale = ["scale", "deployment", "shop", "-n", "dry", "--replicas=9"];
    let refused = stage.plane.kubectl_as(&stage.token, &scale);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("forbidden"));
    let shadow = number(&played.dry_at_peak, "/status/shadow/asked");
    assert!(shadow * CAPACITY >= PEAK * 0.99, "the shadow shows {shadow}: {}", played.dry_at_peak);
}

fn floor_was_raised_and_given_back(stage: &Stage, played: &Played) {
    let floor = played.path(stage, "floor", -60.0, AT_PEAK);
    assert!(floor.short_seconds() < 0.5, "beside its HPA the ramp was missed\n{}", floor.describe());
    let raised = number(&played.floor_at_peak, "/spec/minReplicas");
    assert!(raised * CAPACITY >= PEAK * 0.99, "{}", played.floor_at_peak);
    let annotation = "/metadata/annotations/foresail.dev~1original-min-replicas";
    assert_eq!(played.floor_at_peak.pointer(annotation), Some(&Value::from("2")), "{}", played.floor_at_peak);
    stage.plane.kubectl(&["delete", "pra", "shop", "-n", "floor", "--timeout=60s"]);
    let restored = stage.get("hpa", "floor");
    assert!((number(&restored, "/spec/minReplicas") - 2.0).abs() < 0.5, "{restored}");
    assert!(restored.pointer(annotation).is_none(), "{restored}");
}

fn killed_goes_on_with_its_hpa(stage: &Stage, played: &Played) {
    let killed = played.path(stage, "killed", BLINDED, AT_PEAK);
    assert!(
        killed.most_asked() * CAPACITY >= PEAK / 0.77,
        "the HPA did not scale without the operator\n{}",
        killed.describe()
    );
}

fn blind_follows_the_last_forecast_and_never_lowers(stage: &Stage, played: &Played) {
    let before = played.path(stage, "blind", BLINDED, SEES_AGAIN);
    assert!(
        before.most_asked() * CAPACITY >= PEAK * 0.95,
        "without Prometheus the ramp was not followed\n{}",
        before.describe()
    );
    assert!(!before.fell(), "a decrease without evidence\n{}", before.describe());
    let after = played.path(stage, "blind", BLINDED_AGAIN, END);
    assert!(!after.fell(), "a decrease without evidence at the peak\n{}", after.describe());
    let seeing = played.path(stage, "active", BLINDED_AGAIN, END);
    assert!(
        seeing.least_asked() < after.least_asked() / 2.0,
        "with evidence the fall was not followed\n{}",
        seeing.describe()
    );
}

/// A write refused with 409 is followed, within the 5 s of a tick, by a fresh read of the scale before any other write.
fn rollout_is_decided_afresh(stage: &Stage, played: &Played, audit: &[AuditEvent]) {
    let path = played.path(stage, "rollout", -60.0, AT_PEAK);
    assert!(path.most_asked() * CAPACITY >= PEAK * 0.99, "{}", path.describe());
    let own: Vec<&AuditEvent> = audit
        .iter()
        .filter(|event| {
            event.user == MAIN_USER && event.namespace == "rollout" && event.subresource == "scale"
        })
        .collect();
    let refused: Vec<usize> = (0..own.len()).filter(|&idx| own[idx].response_code == 409).collect();
    assert!(!refused.is_empty(), "no write met a conflict, so nothing was shown");
    for idx in refused {
        let next = own.get(idx + 1).unwrap_or_else(|| panic!("nothing follows the conflict {:?}", own[idx]));
        let is_read = next.verb == "get";
        assert!(is_read, "after a conflict the scale was not read first: {next:?}");
    }
    let writes = scale_writes(audit, MAIN_USER, "rollout");
    let recovered = writes
        .windows(2)
        .any(|pair| pair[0].code == 409 && pair[1].code == 200 && pair[1].at - pair[0].at < 5.0);
    assert!(recovered, "no conflict was followed by a write in the same tick: {writes:?}");
}

fn struck_is_never_lower_than_steady(stage: &Stage, played: &Played) {
    let from = STRUCK - 10.0;
    let (steady, struck) = (played.path(stage, "steady", from, END), played.path(stage, "struck", from, END));
    let shown = || format!("steady\n{}struck\n{}", steady.describe(), struck.describe());
    // The two see a sample at different ticks; a window that was forgotten would be lower by all of `WINDOW`.
    for moment in &struck.0 {
        let twin = steady.between(moment.at, moment.at + SEEN);
        let least = if twin.0.is_empty() { 0.0 } else { twin.least_asked() };
        assert!(moment.asked >= least, "lower than without the kill at {:.0}\n{}", moment.at, shown());
    }
    // A window after both the standby decides and demand has fallen.
    let settled = FALLEN.max(STRUCK + TAKEOVER) + WINDOW.as_secs_f64() + SEEN;
    let (steady, struck) =
        (played.path(stage, "steady", settled, END), played.path(stage, "struck", settled, END));
    assert!(steady.most_asked() < 4.5, "the fall was not followed at all\n{}", shown());
    let difference =
        (steady.0.last().expect("moments").asked - struck.0.last().expect("moments").asked).abs();
    assert!(difference < 0.5, "not equal one window after the kill\n{}", shown());
    assert!(struck.most_asked() < 4.5, "not equal one window after the kill\n{}", shown());
}

fn number(object: &Value, path: &str) -> f64 {
    object.pointer(path).and_then(Value::as_f64).unwrap_or(0.0)
}
