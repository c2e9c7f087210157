//! One of the two servers, and how a case is put to it.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use foresail::edge::clock::SystemClock;
use foresail::sandbox::{ApiServer, Listener};
use http_body_util::BodyExt as _;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

use super::normal;
use super::step::{Call, Case, Step};
use crate::control_plane::{ControlPlane, testbed};

/// A server to put cases to.
pub(crate) struct Side {
    plane: &'static ControlPlane,
    client: kube::Client,
    kubeconfig: PathBuf,
    /// The port of the embedded server, open as long as this lives.
    _listener: Option<Listener>,
}

impl Side {
    /// The real server, with the definitions of our kinds.
    pub(crate) async fn real(plane: &'static ControlPlane) -> Self {
        plane.define_kinds();
        let kubeconfig = plane.kubeconfig().to_owned();
        Self { plane, client: client_of(&kubeconfig).await, kubeconfig, _listener: None }
    }

    /// An embedded server of its own, through its listener.
    pub(crate) async fn embedded(plane: &'static ControlPlane, name: &str) -> Self {
        let server = ApiServer::new(Arc::new(SystemClock), 1);
        let listener = Listener::start(&server).expect("a loopback port is free");
        let kubeconfig = testbed::run_directory().join(format!("embedded-{name}.kubeconfig"));
        listener.write_kubeconfig(&kubeconfig).expect("the run directory is writable");
        Self { plane, client: client_of(&kubeconfig).await, kubeconfig, _listener: Some(listener) }
    }

    /// The answers to each request of a case, in a new namespace.
    pub(crate) async fn answers(&self, case: &Case, namespace: &str) -> Vec<Value> {
        let mut asked = Asked { namespace, answers: Vec::new() };
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        let made = self.ask(&super::step::post("/api/v1/namespaces", &object), &asked).await;
        assert_eq!(made["code"], 201, "{made}");
        let mut answers = Vec::new();
        for step in &case.steps {
            let answer = self.ask(step, &asked).await;
            answers.push(normal::compared(&answer, step, namespace));
            asked.answers.push(answer);
        }
        answers
    }

    async fn ask(&self, step: &Step, asked: &Asked<'_>) -> Value {
        match &step.call {
            Call::Http { method, path, accept, content_type, body } => {
                let mut request = http::Request::builder().method(*method).uri(asked.filled(path));
                request = request.header("accept", *accept).header("user-agent", "conformance/1");
                if !body.is_empty() {
                    request = request.header("content-type", *content_type);
                }
                let body = asked.filled(body).into_bytes();
                let request =
                    request.body(kube::client::Body::from(body)).expect("the request is well formed");
                let response = self.client.send(request).await.expect("the server answers");
                if let Some(step) = &step.meanwhile {
                    Box::pin(self.ask(step, asked)).await;
                }
                whole(response).await
            }
            Call::Kubectl { args, manifest } => self.kubectl(args, manifest.as_ref(), asked),
        }
    }

    fn kubectl(&self, args: &[String], manifest: Option<&Value>, asked: &Asked<'_>) -> Value {
        let file = testbed::run_directory().join(format!("{}.json", asked.namespace));
        if let Some(manifest) = manifest {
            fs::write(&file, asked.filled(&manifest.to_string())).expect("the run directory is writable");
        }
        let file = file.to_str().expect("cargo's target directory is UTF-8");
        let filled: Vec<String> = args.iter().map(|arg| asked.filled(arg).replace("{file}", file)).collect();
        let mut args: Vec<&str> = vec!["--namespace", asked.namespace];
        args.extend(filled.iter().map(String::as_str));
        let output = self.plane.kubectl_as(&self.kubeconfig, &args);
        json!({
            "code": output.status.code(), "stdout": String::from_utf8_lossy(&output.stdout),
            "stderr": String::from_utf8_lossy(&output.stderr),
        })
    }
}

/// A whole answer: code, warnings, and a body of JSON, of events, or of text.
async fn whole(response: http::Response<kube::client::Body>) -> Value {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.expect("the answer is whole").to_bytes();
    let text = String::from_utf8_lossy(&bytes);
    let warnings = parts.headers.get_all("warning");
    let warnings: Vec<&str> = warnings.iter().filter_map(|value| value.to_str().ok()).collect();
    let lines: Result<Vec<Value>, _> = text.lines().map(serde_json::from_str).collect();
    let body = match (serde_json::from_str::<Value>(&text), lines) {
        // A watch that told one thing.
        (Ok(one), _) if one["type"].is_string() && one["object"].is_object() => json!({"events": [one]}),
        (Ok(one), _) => one,
        // The events of a watch.
        (Err(_), Ok(lines)) if !lines.is_empty() => json!({"events": lines}),
        _ => json!(text),
    };
    json!({"code": parts.status.as_u16(), "warnings": warnings, "body": body})
}

async fn client_of(kubeconfig: &std::path::Path) -> kube::Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("the kubeconfig is valid");
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
    kube::Client::try_from(config.expect("it names a cluster")).expect("its certificates are valid")
}

/// What a case has asked so far.
struct Asked<'a> {
    namespace: &'a str,
    answers: Vec<Value>,
}

impl Asked<'_> {
    /// `text` with everything in braces filled in.
    fn filled(&self, text: &str) -> String {
        let ns = self.namespace;
        let mut filled = text
            .replace("{core}", &format!("/api/v1/namespaces/{ns}"))
            .replace("{apps}", &format!("/apis/apps/v1/namespaces/{ns}"))
            .replace("{ours}", &format!("/apis/foresail.dev/v1alpha1/namespaces/{ns}"))
            .replace("{coord}", &format!("/apis/coordination.k8s.io/v1/namespaces/{ns}"))
            .replace("{ns}", ns);
        for (i, answer) in self.answers.iter().enumerate() {
            let of = |field: &str| answer["body"]["metadata"][field].as_str().unwrap_or_default();
            filled = filled
                .replace(&format!("{{rv:{i}}}"), of("resourceVersion"))
                .replace(&format!("{{uid:{i}}}"), of("uid"))
                .replace(&format!("{{next:{i}}}"), of("continue"));
        }
        filled
    }
}
