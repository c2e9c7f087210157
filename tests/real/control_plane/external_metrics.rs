//! The external metrics API, served by the test process, so that a test decides what the HPA controller reads.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use super::ControlPlane;

const GROUP_VERSION: &str = "external.metrics.k8s.io/v1beta1";
const REGISTRATION_TIMEOUT: Duration = Duration::from_mins(1);

/// A request for a metric, as answered.
#[derive(Debug, Clone)]
pub(crate) struct ServedMetric {
    pub(crate) namespace: String,
    pub(crate) metric: String,
    /// A Kubernetes quantity; `None` if the metric was missing.
    pub(crate) value: Option<String>,
    pub(crate) at: Timestamp,
}

/// The API as registered with one control plane; a metric nobody set is missing.
pub(crate) struct ExternalMetrics {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    values: BTreeMap<(String, String), String>,
    pauses: Vec<Pause>,
    served: Vec<ServedMetric>,
}

/// Times in which requests for metrics of a namespace wait for the answer.
struct Pause {
    namespace: String,
    from: Timestamp,
    until: Timestamp,
}

impl ExternalMetrics {
    /// Starts to serve and returns once the API server forwards requests here.
    pub(super) fn start(plane: &ControlPlane) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port is free");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let served = Arc::clone(&state);
        thread::spawn(move || accept(&listener, &tls_config(), &served));
        plane.apply(&registration(port));
        plane.wait_until("the API server to forward the external metrics API", REGISTRATION_TIMEOUT, || {
            plane
                .kubectl_output(&["get", "--raw", &format!("/apis/{GROUP_VERSION}")])
                .status
                .success()
                .then_some(())
        });
        Self { state }
    }

    /// From now on `metric` of `namespace` is `value`, a Kubernetes quantity such as `250` or `1500m`.
    pub(crate) fn set(&self, namespace: &str, metric: &str, value: &str) {
        lock(&self.state).values.insert((namespace.to_owned(), metric.to_owned()), value.to_owned());
    }

    /// From now on `metric` of `namespace` has no value: the answer is an empty list.
    pub(crate) fn remove(&self, namespace: &str, metric: &str) {
        lock(&self.state).values.remove(&(namespace.to_owned(), metric.to_owned()));
    }

    /// Requests for metrics of `namespace` that arrive between `from` and `until` are answered at `until`: the HPA decides
    /// on no instant in between. Keep it under a second, because the controller has few workers.
    pub(crate) fn pause(&self, namespace: &str, from: Timestamp, until: Timestamp) {
        let now = Timestamp::now();
        let pauses = &mut lock(&self.state).pauses;
        pauses.retain(|pause| pause.until > now);
        pauses.push(Pause { namespace: namespace.to_owned(), from, until });
    }

    /// Every request answered for metrics of `namespace`, oldest first.
    pub(crate) fn served(&self, namespace: &str) -> Vec<ServedMetric> {
        lock(&self.state).served.iter().filter(|served| served.namespace == namespace).cloned().collect()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn registration(port: u16) -> Value {
    let service = json!({ "namespace": "kube-system", "name": "external-metrics", "port": port });
    json!({ "apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": { "namespace": "kube-system", "name": "external-metrics" },
            "spec": { "type": "ExternalName", "externalName": "localhost", "ports": [{ "port": port }] },
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": { "name": "v1beta1.external.metrics.k8s.io" },
            "spec": {
                "group": "external.metrics.k8s.io",
                "version": "v1beta1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "insecureSkipTLSVerify": true,
                "service": service,
            },
        },
    ]})
}

fn tls_config() -> Arc<ServerConfig> {
    let signed =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("the random source works");
    let key = rustls::pki_types::PrivateKeyDer::try_from(signed.signing_key.serialize_der())
        .expect("rcgen writes PKCS#8");
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows the default versions")
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .expect("the key belongs to the certificate");
    Arc::new(config)
}

fn accept(listener: &TcpListener, config: &Arc<ServerConfig>, state: &Arc<Mutex<State>>) {
    for stream in listener.incoming().flatten() {
        let connection = ServerConnection::new(Arc::clone(config)).expect("the configuration is complete");
        let state = Arc::clone(state);
        // The API server keeps a few connections open; each has a thread, which ends with it.
        thread::spawn(move || serve(StreamOwned::new(connection, stream), &state));
    }
}

/// Answers requests until the peer hangs up, which is how each connection ends.
fn serve(stream: StreamOwned<ServerConnection, TcpStream>, state: &Mutex<State>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut request = String::new();
        if stream.read_line(&mut request)? == 0 {
            return Ok(());
        }
        let mut header = String::new();
        while stream.read_line(&mut header)? > 2 {
            header.clear();
        }
        let path = request.split(' ').nth(1).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        let (status, body) = match answer(path, state) {
            Some(body) => ("200 OK", body.to_string()),
            None => ("404 Not Found", "{}".to_owned()),
        };
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.get_mut().write_all(format!("{head}{body}").as_bytes())?;
        stream.get_mut().flush()?;
    }
}

/// The state, locked at the first instant from now on that lies in no pause of `namespace`, and that instant.
fn after_pauses<'a>(state: &'a Mutex<State>, namespace: &str) -> (MutexGuard<'a, State>, Timestamp) {
    loop {
        let locked = lock(state);
        let now = Timestamp::now();
        let covers =
            |pause: &&Pause| pause.namespace == namespace && (pause.from..pause.until).contains(&now);
        let Some(until) = locked.pauses.iter().filter(covers).map(|pause| pause.until).max() else {
            return (locked, now);
        };
        drop(locked);
        thread::sleep(until.duration_since(now).unsigned_abs());
    }
}

fn answer(path: &str, state: &Mutex<State>) -> Option<Value> {
    let below = path.strip_prefix("/apis/")?.strip_prefix(GROUP_VERSION)?;
    if below.is_empty() {
        return Some(json!({
            "apiVersion": "v1",
            "kind": "APIResourceList",
            "groupVersion": GROUP_VERSION,
            "resources": [],
        }));
    }
    let (namespace, metric) = below.strip_prefix("/namespaces/")?.split_once('/')?;
    let (mut state, at) = after_pauses(state, namespace);
    let value = state.values.get(&(namespace.to_owned(), metric.to_owned())).cloned();
    let item = value.iter().map(
        |value| json!({ "metricName": metric, "metricLabels": {}, "timestamp": at.to_string(), "value": value }),
    );
    let list = json!({
        "apiVersion": GROUP_VERSION,
        "kind": "ExternalMetricValueList",
        "metadata": {},
        "items": item.collect::<Vec<Value>>(),
    });
    state.served.push(ServedMetric { namespace: namespace.to_owned(), metric: metric.to_owned(), value, at });
    Some(list)
}
