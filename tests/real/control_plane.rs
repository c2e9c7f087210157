//! A real Kubernetes control plane for tests: etcd, API server, controller manager, scheduler and kwok, on loopback.
//!
//! Input: the programs of `testbed`. Output: a `ControlPlane` with an administrator's client and an audit log.
//! One is shared by all tests of a process, so each test works in its own namespace. The servers die with the process
//! whatever ends it (see `process`); their logs stay in the run directory until the next run.

pub(crate) mod audit;
pub(crate) mod certificates;
pub(crate) mod exporter;
pub(crate) mod external_metrics;
pub(crate) mod loopback;
pub(crate) mod manifests;
pub(crate) mod process;
pub(crate) mod prometheus;
pub(crate) mod scripted;
pub(crate) mod servers;
pub(crate) mod testbed;
pub(crate) mod waiting;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};

use audit::AuditEvent;
use external_metrics::ExternalMetrics;
use process::Process;
use servers::Site;

/// How long a server may take to answer; a loaded two-core machine needs about 10 s for the slowest.
const START_TIMEOUT: Duration = Duration::from_secs(90);

static SHARED: LazyLock<ControlPlane> = LazyLock::new(ControlPlane::start);

/// The control plane all tests of this process share, started by the first of them.
///
/// `None`, after printing what is skipped, if `FORESAIL_TESTBED=off`.
pub(crate) fn shared() -> Option<&'static ControlPlane> {
    testbed::is_on().then(|| &*SHARED)
}

/// A running control plane. Every helper panics on failure, with what the program printed.
pub(crate) struct ControlPlane {
    site: Site,
    processes: Vec<Process>,
    n_nodes: AtomicUsize,
    external_metrics: OnceLock<ExternalMetrics>,
}

impl ControlPlane {
    /// Starts all servers and returns once the API answers and the default namespace exists.
    pub(crate) fn start() -> Self {
        let mut plane = Self::start_api_server_in("control-plane");
        plane.processes.extend(plane.site.clients_of_the_api_server());
        plane.wait_for_namespace();
        plane
    }

    /// Starts a store and an API server only: whatever stands there moves by requests alone.
    pub(crate) fn start_api_server() -> Self {
        let plane = Self::start_api_server_in("api-server");
        plane.wait_for_namespace();
        plane
    }

    fn start_api_server_in(directory: &str) -> Self {
        let site = Site::prepare(&testbed::run_directory().join(directory), testbed::programs());
        let mut plane = Self {
            processes: vec![site.etcd()],
            site,
            n_nodes: AtomicUsize::new(0),
            external_metrics: OnceLock::new(),
        };
        let etcd = plane.site.ports.etcd;
        plane.wait_until("etcd to answer /health", START_TIMEOUT, || loopback::http_get(etcd, "/health"));
        plane.processes.push(plane.site.kube_apiserver());
        plane.wait_until("the API server to answer /readyz", START_TIMEOUT, || {
            plane.kubectl_output(&["get", "--raw", "/readyz"]).status.success().then_some(())
        });
        plane
    }

    fn wait_for_namespace(&self) {
        self.wait_until("the default namespace", START_TIMEOUT, || {
            self.kubectl_output(&["get", "namespace", "default"]).status.success().then_some(())
        });
    }

    /// Where the API server listens, as `https://127.0.0.1:<port>`.
    pub(crate) fn url(&self) -> String {
        self.site.certificates.server_url.clone()
    }

    /// Starts the operator for `namespace` alone, ticking every two seconds.
    pub(crate) fn operator(&self, namespace: &str) -> Process {
        let arguments = vec![
            format!("KUBECONFIG={}", self.kubeconfig().display()),
            env!("CARGO_BIN_EXE_foresail").to_owned(),
            "operator".to_owned(),
            "--interval=2s".to_owned(),
            format!("--identity={namespace}"),
            format!("--lease-namespace={namespace}"),
            format!("--watch-namespaces={namespace}"),
            format!("--listen=127.0.0.1:{}", loopback::free_port()),
        ];
        let logs = testbed::run_directory().join(format!("operator-{namespace}"));
        Process::spawn("/usr/bin/env".as_ref(), arguments, &logs)
    }

    /// A kubeconfig of a member of `system:masters`, user `admin`.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.site.kubeconfig_admin
    }

    /// Runs kubectl as `admin` and returns its standard output.
    pub(crate) fn kubectl(&self, args: &[&str]) -> String {
        text_of(self.kubectl_output(args), "kubectl", args)
    }

    /// An object of a namespace; the namespace is ignored for one of the cluster.
    pub(crate) fn object(&self, kind: &str, namespace: &str, name: &str) -> Value {
        let text = self.kubectl(&["get", kind, name, "-n", namespace, "-o", "json"]);
        serde_json::from_str(&text).expect("kubectl prints JSON")
    }

    /// Runs kubectl as `admin`; the caller judges the outcome.
    pub(crate) fn kubectl_output(&self, args: &[&str]) -> Output {
        self.kubectl_as(self.kubeconfig(), args)
    }

    /// Runs kubectl with another identity; the caller judges the outcome.
    pub(crate) fn kubectl_as(&self, kubeconfig: &Path, args: &[&str]) -> Output {
        self.command("kubectl", kubeconfig, args).output().expect("kubectl can be run")
    }

    /// Runs helm as `admin` and returns its standard output.
    pub(crate) fn helm(&self, args: &[&str]) -> String {
        let output = self.command("helm", self.kubeconfig(), args).output().expect("helm can be run");
        text_of(output, "helm", args)
    }

    /// Applies one object, or a `List` of them, as `admin`.
    pub(crate) fn apply(&self, manifest: &Value) {
        let args = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        let mut child = self
            .command("kubectl", self.kubeconfig(), &args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl can be run");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        stdin.write_all(manifest.to_string().as_bytes()).expect("kubectl reads its input");
        drop(stdin);
        text_of(child.wait_with_output().expect("kubectl ends"), "kubectl", &args);
    }

    /// A client of user `admin`, bound to the runtime that calls this: make one for each test.
    pub(crate) async fn client(&self) -> kube::Client {
        let kubeconfig =
            kube::config::Kubeconfig::read_from(self.kubeconfig()).expect("the kubeconfig is valid");
        let options = kube::config::KubeConfigOptions::default();
        let config =
            kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.expect("it names a cluster");
        kube::Client::try_from(config).expect("its certificates are valid")
    }

    /// A kubeconfig with a fresh token (1 h) of an existing service account.
    pub(crate) fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> PathBuf {
        let token = self.kubectl(&["create", "token", name, "--namespace", namespace, "--duration=1h"]);
        let path = self.site.directory.join(format!("{namespace}.{name}.kubeconfig"));
        self.site.certificates.write_token_kubeconfig(&path, token.trim(), namespace);
        path
    }

    /// Applies the definitions of the custom resources, and returns once they are served.
    pub(crate) fn define_kinds(&self) {
        for kind in foresail::api::kinds() {
            self.apply(&kind.definition);
        }
        self.wait_until("the definitions to be established", START_TIMEOUT, || {
            let resources = self.kubectl(&["api-resources", "--api-group=foresail.dev", "-o", "name"]);
            (resources.lines().count() == foresail::api::kinds().len()).then_some(())
        });
    }

    /// Creates a namespace and returns its name, for use in one test.
    pub(crate) fn namespace<'name>(&self, name: &'name str) -> &'name str {
        self.kubectl(&["create", "namespace", name]);
        name
    }

    /// Adds `n` kwok nodes without taints and returns once all are ready to take pods.
    pub(crate) fn add_nodes(&self, n: usize) {
        let first = self.n_nodes.fetch_add(n, Ordering::Relaxed);
        let names: Vec<String> = (first..first + n).map(|idx| format!("node-{idx}")).collect();
        let items: Vec<Value> = names.iter().map(|name| manifests::node(name)).collect();
        self.apply(&json!({ "apiVersion": "v1", "kind": "List", "items": items }));
        self.wait_until("the nodes to lose the taint of an unready node", START_TIMEOUT, || {
            let mut args =
                vec!["get", "nodes", "-o", "jsonpath={.items[*].spec.taints[*].key}{.spec.taints[*].key}"];
            args.extend(names.iter().map(String::as_str));
            self.kubectl(&args).trim().is_empty().then_some(())
        });
    }

    /// What the API server answered since its start, oldest first: see `audit-policy.yaml` for what is recorded.
    pub(crate) fn audit(&self) -> Vec<AuditEvent> {
        audit::parse(&fs::read_to_string(&self.site.audit_log).unwrap_or_default())
    }

    /// The external metrics API of this control plane, served by the test process from the first call on.
    pub(crate) fn external_metrics(&self) -> &ExternalMetrics {
        self.external_metrics.get_or_init(|| ExternalMetrics::start(self))
    }

    /// Polls `check` until it returns a value; panics after `timeout` or when a server ended, with all logs' tails.
    pub(crate) fn wait_until<T>(&self, what: &str, timeout: Duration, check: impl FnMut() -> Option<T>) -> T {
        waiting::wait_until(what, timeout, &self.processes, check)
    }

    /// As `wait_until`, for a check that itself awaits.
    pub(crate) async fn eventually<T>(
        &self,
        what: &str,
        timeout: Duration,
        check: impl AsyncFnMut() -> Option<T>,
    ) -> T {
        waiting::eventually(what, timeout, &self.processes, check).await
    }

    fn command(&self, program: &str, kubeconfig: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(testbed::programs().join(program));
        // `HOME` keeps the caches of kubectl and helm out of the user's own.
        command
            .env("HOME", &self.site.directory)
            .env("KUBECONFIG", kubeconfig)
            .args(args)
            .stdin(Stdio::null());
        command
    }
}

fn text_of(output: Output, program: &str, args: &[&str]) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`{program} {}` failed ({}): {error}", args.join(" "), output.status);
    String::from_utf8(output.stdout).expect("the program prints UTF-8")
}
