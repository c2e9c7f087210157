//! An API server in the process, for unit tests: objects by path, compare-and-swap by resourceVersion, and faults.

pub(crate) mod rig;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use kube::client::Body;
use serde_json::{Value, json};

/// What the server does wrong with the next matching request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// Answers this code and does nothing.
    Code(u16),
    /// Never answers, does nothing.
    Hang,
    /// Does it and never answers.
    HangAfter,
    /// Does it, and says something else was stored.
    Override(u32),
    /// Somebody else changes the object first.
    Overtake,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    version: u64,
    faults: Vec<(Method, &'static str, Fault)>,
    log: Vec<String>,
}

/// The server; clones share it.
#[derive(Clone, Default)]
pub(crate) struct FakeApi(Arc<Mutex<State>>);

impl FakeApi {
    pub(crate) fn client(&self) -> kube::Client {
        let me = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let me = me.clone();
            async move { Ok::<_, Infallible>(me.handle(request).await) }
        });
        kube::Client::new(service, "default")
    }

    /// Stores an object as another actor would.
    pub(crate) fn put(&self, path: &str, mut object: Value) {
        let mut state = self.0.lock().unwrap();
        state.version += 1;
        object["metadata"]["resourceVersion"] = json!(state.version.to_string());
        state.objects.insert(path.to_owned(), object);
    }

    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        self.0.lock().unwrap().objects.get(path).cloned()
    }

    pub(crate) fn delete(&self, path: &str) {
        self.0.lock().unwrap().objects.remove(path);
    }

    /// The next request of `method` whose path ends so meets `fault`, once.
    pub(crate) fn fail_next(&self, method: Method, path_end: &'static str, fault: Fault) {
        self.0.lock().unwrap().faults.push((method, path_end, fault));
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.0.lock().unwrap().log.clone()
    }

    pub(crate) fn n_requests(&self, method: &str) -> usize {
        self.log().iter().filter(|line| line.starts_with(method)).count()
    }

    async fn handle(&self, request: Request<Body>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let path = parts.uri.path().to_owned();
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let fault = {
            let mut state = self.0.lock().unwrap();
            state.log.push(format!("{} {path}?{query} {body}", parts.method));
            let found = state.faults.iter().position(|(m, end, _)| *m == parts.method && path.ends_with(end));
            found.map(|idx| state.faults.remove(idx).2)
        };
        match fault {
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Code(code)) => failure(code, "Injected"),
            Some(Fault::Overtake) => {
                let object = object_path(&path).0.to_owned();
                let current = self.get(&object).unwrap();
                self.put(&object, current);
                self.serve(&parts.method, &path, body)
            }
            Some(Fault::HangAfter) => {
                self.serve(&parts.method, &path, body);
                std::future::pending().await
            }
            Some(Fault::Override(replicas)) => {
                let mut body = body;
                body["spec"]["replicas"] = json!(replicas);
                self.serve(&parts.method, &path, body)
            }
            None => self.serve(&parts.method, &path, body),
        }
    }

    fn serve(&self, method: &Method, path: &str, body: Value) -> Response<Full<Bytes>> {
        let (object, subresource) = object_path(path);
        let mut state = self.0.lock().unwrap();
        if *method == Method::POST {
            let name = body["metadata"]["name"].as_str().unwrap_or("generated").to_owned();
            let created = format!("{path}/{name}");
            if state.objects.contains_key(&created) {
                return failure(409, "AlreadyExists");
            }
            drop(state);
            self.put(&created, body);
            return answer(201, &self.get(&created).unwrap());
        }
        let Some(current) = state.objects.get(object).cloned() else {
            let prefix = format!("{object}/");
            let items: Vec<Value> = state
                .objects
                .iter()
                .filter(|(key, _)| key.starts_with(&prefix))
                .map(|(_, v)| v.clone())
                .collect();
            let is_list = *method == Method::GET && (!items.is_empty() || object.ends_with('s'));
            return if is_list {
                answer(200, &json!({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items}))
            } else {
                failure(404, "NotFound")
            };
        };
        if *method == Method::GET {
            return answer(200, &view(&current, subresource));
        }
        let wanted = &body["metadata"]["resourceVersion"];
        if !wanted.is_null() && wanted != &current["metadata"]["resourceVersion"] {
            return failure(409, "Conflict");
        }
        let mut next = if *method == Method::PUT && subresource.is_none() { body.clone() } else { current };
        if *method == Method::PATCH || subresource.is_some() {
            merge(&mut next, &body);
        }
        state.version += 1;
        next["metadata"]["resourceVersion"] = json!(state.version.to_string());
        state.objects.insert(object.to_owned(), next.clone());
        answer(200, &view(&next, subresource))
    }
}

fn object_path(path: &str) -> (&str, Option<&str>) {
    for subresource in ["scale", "status"] {
        if let Some(object) = path.strip_suffix(subresource).and_then(|rest| rest.strip_suffix('/')) {
            return (object, Some(subresource));
        }
    }
    (path, None)
}

/// A Scale as the real server writes it: zero replicas are left out.
fn view(object: &Value, subresource: Option<&str>) -> Value {
    if subresource != Some("scale") {
        return object.clone();
    }
    let mut spec = json!({});
    if let Some(n) = object["spec"]["replicas"].as_i64().filter(|n| *n != 0) {
        spec["replicas"] = json!(n);
    }
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": object["metadata"], "spec": spec,
        "status": {"replicas": object["status"]["replicas"].as_i64().unwrap_or(0), "selector": "app=web"}})
}

fn merge(into: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    for (key, value) in fields {
        if value.is_null() {
            into.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut into[key], value);
        }
    }
}

fn answer(code: u16, body: &Value) -> Response<Full<Bytes>> {
    Response::builder().status(code).body(Full::new(Bytes::from(body.to_string()))).unwrap()
}

fn failure(code: u16, reason: &str) -> Response<Full<Bytes>> {
    answer(
        code,
        &json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
            "message": format!("{reason} by the fake")}),
    )
}
