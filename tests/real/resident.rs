//! What the operator keeps in memory at rest, read from the kernel.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::control_plane::loopback::free_port;
use crate::control_plane::manifests::deployment;
use crate::control_plane::process::Process;
use crate::control_plane::{scripted, shared, testbed};

const NAMESPACE: &str = "resident";
/// Resident memory at rest with one autoscaler, in KiB.
const RESIDENT_KIB_MAX: u64 = 40 * 1024;
/// Rest: eight ticks after everything was learned.
const REST: Duration = Duration::from_mins(2);
const TIMEOUT: Duration = Duration::from_mins(2);

/// `FORESAIL_BINARY` names another build than the one under test, such as a release.
fn binary() -> String {
    std::env::var("FORESAIL_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_foresail").to_owned())
}

/// The process that runs `binary` with this identity; its watchdog has the same arguments behind its own.
fn pid_of(binary: &str, identity: &str) -> Option<String> {
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes.map(|entry| entry.file_name().to_string_lossy().into_owned()).find(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        let mut arguments = line.split('\0');
        arguments.next() == Some(binary) && arguments.any(|one| one == identity)
    })
}

/// A line of `/proc/PID/status`, in KiB.
fn kib(pid: &str, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the operator runs");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the kernel writes the field");
    line.trim_start_matches(':').trim().trim_end_matches("kB").trim().parse().expect("a number")
}

#[test]
fn the_operator_at_rest_with_one_autoscaler_keeps_under_40_megabytes() {
    let Some(plane) = shared() else { return };
    plane.define_kinds();
    plane.namespace(NAMESPACE);
    plane.apply(&deployment(NAMESPACE, "shop", 3, "1s"));
    // A day's wave, four weeks of it at a minute: the most that one metric is learned from.
    let url = scripted::serve(|at| 300.0 + 200.0 * (at / 86_400.0 * std::f64::consts::TAU).sin());
    let source = json!({
        "apiVersion": "foresail.dev/v1alpha1", "kind": "MetricSource",
        "metadata": { "name": NAMESPACE }, "spec": { "url": url },
    });
    let autoscaler = json!({
        "apiVersion": "foresail.dev/v1alpha1", "kind": "PredictiveAutoscaler",
        "metadata": { "name": "shop", "namespace": NAMESPACE },
        "spec": {
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "shop" },
            "maxReplicas": 20,
            "sourceRef": { "name": NAMESPACE },
            "metrics": [{
                "name": "demand", "type": "Prometheus", "query": "sum(demand)", "capacityPerReplica": "100",
            }],
            "forecast": { "leadTime": "1m", "historyDays": 28 },
        },
    });
    plane.apply(&json!({ "apiVersion": "v1", "kind": "List", "items": [source, autoscaler] }));

    let (binary, identity) = (binary(), "--identity=resident");
    let arguments = vec![
        format!("KUBECONFIG={}", plane.kubeconfig().display()),
        binary.clone(),
        "operator".to_owned(),
        identity.to_owned(),
        format!("--lease-namespace={NAMESPACE}"),
        format!("--watch-namespaces={NAMESPACE}"),
        format!("--listen=127.0.0.1:{}", free_port()),
    ];
    let logs = testbed::run_directory().join("operator-resident");
    let operator = Process::spawn("/usr/bin/env".as_ref(), arguments, &logs);
    let pid = plane.wait_until("the operator to run", TIMEOUT, || pid_of(&binary, identity));
    plane.wait_until("the history to be learned", TIMEOUT, || {
        assert!(operator.ended().is_none(), "{}", operator.log_tail());
        let object = plane.kubectl(&["get", "pra", "shop", "-n", NAMESPACE, "-o", "json"]);
        let object: Value = serde_json::from_str(&object).expect("kubectl prints JSON");
        let experts = object.pointer("/status/forecast/experts")?.as_array()?;
        (!experts.is_empty()).then_some(())
    });
    let learned = Instant::now();
    plane.wait_until("a rest", REST + TIMEOUT, || (learned.elapsed() >= REST).then_some(()));
    let (resident, peak) = (kib(&pid, "VmRSS"), kib(&pid, "VmHWM"));
    testbed::say(&format!("the operator at rest keeps {resident} KiB resident (peak {peak} KiB): {binary}"));
    assert!(resident <= RESIDENT_KIB_MAX, "{resident} KiB resident, peak {peak} KiB");
    assert!(operator.ended().is_none(), "{}", operator.log_tail());
}
