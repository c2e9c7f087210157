//! The command lines of the control plane's servers, each with the reason for what is not a default.

use std::fs;
use std::path::{Path, PathBuf};

use super::certificates::Certificates;
use super::loopback::free_port;
use super::process::Process;

const AUDIT_POLICY: &str = include_str!("audit-policy.yaml");
const POD_START_UP: &str = include_str!("pod-start-up.yaml");
/// Shipped by kwok: nodes become ready and stay so; pods of a Job complete; deleted pods go at once.
const KWOK_STAGES: [&str; 4] =
    ["node-initialize.yaml", "node-heartbeat-with-lease.yaml", "pod-complete.yaml", "pod-delete.yaml"];
/// Controllers that act on workloads, their scale and what they leave behind. Without `node-lifecycle-controller` every
/// kwok node keeps the taint of an unready node.
const CONTROLLERS: &str = "deployment-controller,replicaset-controller,statefulset-controller,\
    horizontal-pod-autoscaler-controller,job-controller,cronjob-controller,disruption-controller,\
    serviceaccount-controller,garbage-collector-controller,namespace-controller,resourcequota-controller,\
    node-lifecycle-controller,clusterrole-aggregation-controller";

/// The ports one control plane listens on.
pub(crate) struct Ports {
    pub(crate) etcd: u16,
    etcd_peer: u16,
    api: u16,
    controller_manager: u16,
    scheduler: u16,
}

/// Files and ports of one control plane.
pub(crate) struct Site {
    pub(crate) directory: PathBuf,
    pub(crate) ports: Ports,
    pub(crate) certificates: Certificates,
    pub(crate) kubeconfig_admin: PathBuf,
    pub(crate) audit_log: PathBuf,
    programs: PathBuf,
}

impl Site {
    /// Chooses ports and writes every file the servers are started with.
    pub(crate) fn prepare(directory: &Path, programs: &Path) -> Self {
        let ports = Ports {
            etcd: free_port(),
            etcd_peer: free_port(),
            api: free_port(),
            controller_manager: free_port(),
            scheduler: free_port(),
        };
        let certificates = Certificates::write(&directory.join("certificates"), ports.api);
        fs::write(directory.join("audit-policy.yaml"), AUDIT_POLICY).expect("the run directory is writable");
        fs::write(directory.join("pod-start-up.yaml"), POD_START_UP).expect("the run directory is writable");
        Self {
            kubeconfig_admin: certificates.write_master_kubeconfig("admin"),
            audit_log: directory.join("audit.log"),
            directory: directory.to_owned(),
            programs: programs.to_owned(),
            ports,
            certificates,
        }
    }

    /// Starts the store. It may lose data on a power cut (`--unsafe-no-fsync`), which no test waits for.
    pub(crate) fn etcd(&self) -> Process {
        let client = format!("http://127.0.0.1:{}", self.ports.etcd);
        let peer = format!("http://127.0.0.1:{}", self.ports.etcd_peer);
        self.spawn(
            "etcd",
            &[
                ("data-dir", &self.path("etcd")),
                ("listen-client-urls", &client),
                ("advertise-client-urls", &client),
                ("listen-peer-urls", &peer),
                ("initial-advertise-peer-urls", &peer),
                ("initial-cluster", &format!("default={peer}")),
                ("unsafe-no-fsync", "true"),
                ("log-level", "warn"),
            ],
        )
    }

    /// Starts the API server, with RBAC and the audit log.
    pub(crate) fn kube_apiserver(&self) -> Process {
        let Certificates { ca, server, server_key, service_account_key, service_account_public_key, .. } =
            &self.certificates;
        self.spawn(
            "kube-apiserver",
            &[
                ("etcd-servers", &format!("http://127.0.0.1:{}", self.ports.etcd)),
                ("bind-address", "127.0.0.1"),
                ("secure-port", &self.ports.api.to_string()),
                ("advertise-address", "127.0.0.1"),
                // A loopback address may not be an endpoint: with the default reconciler the server ends.
                ("endpoint-reconciler-type", "none"),
                ("cert-dir", &self.path("certificates")),
                ("tls-cert-file", &text(server)),
                ("tls-private-key-file", &text(server_key)),
                ("client-ca-file", &text(ca)),
                ("service-account-key-file", &text(service_account_public_key)),
                ("service-account-signing-key-file", &text(service_account_key)),
                ("service-account-issuer", "https://kubernetes.default.svc"),
                ("service-cluster-ip-range", "10.0.0.0/24"),
                ("authorization-mode", "RBAC"),
                // Pods here have no kubelet that could mount a token.
                ("disable-admission-plugins", "ServiceAccount"),
                ("allow-privileged", "true"),
                ("audit-policy-file", &self.path("audit-policy.yaml")),
                ("audit-log-path", &text(&self.audit_log)),
                // Megabytes; the default of 100 would move events of a long test to another file.
                ("audit-log-maxsize", "100000"),
            ],
        )
    }

    /// Starts what needs a working API server: controller manager, scheduler and kwok.
    pub(crate) fn clients_of_the_api_server(&self) -> [Process; 3] {
        [self.kube_controller_manager(), self.kube_scheduler(), self.kwok()]
    }

    fn kube_controller_manager(&self) -> Process {
        self.spawn(
            "kube-controller-manager",
            &[
                ("kubeconfig", &self.kubeconfig("system:kube-controller-manager")),
                ("controllers", CONTROLLERS),
                ("service-account-private-key-file", &text(&self.certificates.service_account_key)),
                ("root-ca-file", &text(&self.certificates.ca)),
                ("leader-elect", "false"),
                ("bind-address", "127.0.0.1"),
                ("secure-port", &self.ports.controller_manager.to_string()),
                ("horizontal-pod-autoscaler-sync-period", "1s"),
                // The defaults (20, 30) delay a test with hundreds of objects by their own rate limit.
                ("kube-api-qps", "300"),
                ("kube-api-burst", "600"),
            ],
        )
    }

    fn kube_scheduler(&self) -> Process {
        self.spawn(
            "kube-scheduler",
            &[
                ("kubeconfig", &self.kubeconfig("system:kube-scheduler")),
                ("leader-elect", "false"),
                ("bind-address", "127.0.0.1"),
                ("secure-port", &self.ports.scheduler.to_string()),
            ],
        )
    }

    fn kwok(&self) -> Process {
        let kubeconfig = self.kubeconfig("kwok");
        let stages = KWOK_STAGES.map(|stage| text(&self.programs.join("stages").join(stage)));
        let start_up = self.path("pod-start-up.yaml");
        let mut flags: Vec<(&str, &str)> = vec![
            ("kubeconfig", &kubeconfig),
            ("manage-all-nodes", "true"),
            ("node-ip", "127.0.0.1"),
            // Without leases the heartbeat stage is too slow, and after 50 s every pod is taken for unready.
            ("node-lease-duration-seconds", "40"),
        ];
        flags.extend(stages.iter().map(|stage| ("config", stage.as_str())));
        flags.push(("config", &start_up));
        self.spawn("kwok", &flags)
    }

    fn spawn(&self, program: &str, flags: &[(&str, &str)]) -> Process {
        let args = flags.iter().map(|(name, value)| format!("--{name}={value}")).collect();
        Process::spawn(&self.programs.join(program), args, &self.directory.join("logs"))
    }

    /// Each server has its own user name, so that the audit log tells them apart.
    fn kubeconfig(&self, user: &str) -> String {
        text(&self.certificates.write_master_kubeconfig(user))
    }

    fn path(&self, name: &str) -> String {
        text(&self.directory.join(name))
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("cargo's target directory is UTF-8").to_owned()
}
