//! A real Prometheus with a history of its own and live targets.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::loopback::{encode, free_port, http_get};
use super::process::Process;
use super::{testbed, waiting};

/// Long enough to replay the log of hours of one-second scrapes on a busy machine.
const READY_TIMEOUT: Duration = Duration::from_mins(1);

static N_STARTED: AtomicUsize = AtomicUsize::new(0);

/// A running Prometheus that scrapes every second; dropping it kills it.
pub(crate) struct Prometheus {
    port: u16,
    process: [Process; 1],
}

impl Prometheus {
    /// Loads `history`, scrapes `targets` (job name and address) and returns once queries are answered.
    ///
    /// `history` is text in the `OpenMetrics` format with timestamps in seconds that ends in `# EOF`.
    pub(crate) fn start(history: Option<&str>, targets: &[(&str, SocketAddr)]) -> Self {
        let idx = N_STARTED.fetch_add(1, Ordering::Relaxed);
        let directory = testbed::run_directory().join(format!("prometheus-{idx}"));
        let data = directory.join("data");
        fs::create_dir_all(&data).expect("the run directory is writable");
        if let Some(history) = history {
            load(&directory, &data, history);
        }
        let config = write_config(&directory, targets);
        let port = free_port();
        let args = vec![
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", data.display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
            // A history may begin long ago; the default of 15 days would delete it.
            "--storage.tsdb.retention.time=10y".to_owned(),
        ];
        let process = Process::spawn(&testbed::programs().join("prometheus"), args, &directory);
        let prometheus = Self { port, process: [process] };
        prometheus.wait_until_ready();
        prometheus
    }

    /// As a client is told it: `http://127.0.0.1:<port>`.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The `data.result` of a range query, or `None` if the server refused it or is down; instants in Unix seconds.
    pub(crate) fn query_range(
        &self,
        query: &str,
        start: f64,
        end: f64,
        step_seconds: f64,
    ) -> Option<Vec<Value>> {
        let query = encode(query);
        let path = format!("/api/v1/query_range?query={query}&start={start}&end={end}&step={step_seconds}");
        let answer: Value =
            serde_json::from_str(&http_get(self.port, &path)?).expect("Prometheus answers JSON");
        Some(answer["data"]["result"].as_array().expect("a range query returns a list").clone())
    }

    /// Kills the server, as an outage; the data stay.
    pub(crate) fn stop(&self) {
        self.process[0].stop();
    }

    /// Starts it again on the same port and data, and returns once queries are answered.
    pub(crate) fn restart(&self) {
        self.stop();
        self.process[0].start();
        self.wait_until_ready();
    }

    /// Polls `check` until it returns a value; panics after `timeout` with the server's log.
    pub(crate) fn wait_until<T>(&self, what: &str, timeout: Duration, check: impl FnMut() -> Option<T>) -> T {
        waiting::wait_until(what, timeout, &self.process, check)
    }

    fn wait_until_ready(&self) {
        self.wait_until("Prometheus to be ready", READY_TIMEOUT, || http_get(self.port, "/-/ready"));
    }
}

fn load(directory: &Path, data: &Path, history: &str) {
    let file = directory.join("history.txt");
    fs::write(&file, history).expect("the run directory is writable");
    let output = Command::new(testbed::programs().join("promtool"))
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([&file, data])
        .output()
        .expect("promtool can be run");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool refused `{}`: {error}", file.display());
}

fn write_config(directory: &Path, targets: &[(&str, SocketAddr)]) -> PathBuf {
    let jobs: Vec<Value> = targets
        .iter()
        .map(|(job, address)| json!({ "job_name": job, "static_configs": [{ "targets": [address.to_string()] }] }))
        .collect();
    let config = json!({
        "global": { "scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s" },
        "scrape_configs": jobs,
    });
    let path = directory.join("prometheus.yaml");
    fs::write(&path, config.to_string()).expect("the run directory is writable");
    path
}
