//! The embedded API server: a tower service over a store.
//!
//! In: HTTP requests as `kubectl` and kube-rs send them. Out: the answers of a real API server, held to it by the
//! conformance table that both must pass. Not here, and tested on the real server only: RBAC, CEL rules that compare
//! with the old object, quota, admission, schemas of built-in kinds beyond what their types say.
//!
//! | module | what it is |
//! |---|---|
//! | `call` | a request, taken apart |
//! | `discovery`, `openapi` | what is served, its version, its schemas |
//! | `read`, `watch` | get, list, pages, watches with bookmarks and 410 |
//! | `select` | label and field selectors |
//! | `table` | what `kubectl get` prints |
//! | `create`, `write`, `delete` | the writes |
//! | `prepare`, `defaults` | what is kept, filled in and refused |
//! | `patch`, `strategic` | JSON, merge and strategic merge patches |
//! | `apply`, `fields` | server-side apply and who owns which field |
//! | `scale` | `/scale` |
//! | `faults` | what goes wrong, from a seed |

mod apply;
mod call;
mod create;
mod defaults;
mod delete;
mod discovery;
mod faults;
mod fields;
mod openapi;
mod patch;
mod prepare;
mod read;
mod scale;
mod select;
mod status;
mod strategic;
mod table;
mod view;
mod watch;
mod write;

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub use faults::{Fault, Faults};

pub(crate) use super::json;
use super::kinds::Kind;
use super::seed::Seed;
use super::store::{Key, Store};
use crate::edge::clock::Clock;
use crate::units::Timestamp;
use call::{Call, Place};
use faults::Verdict;
use status::Refused;

/// The controllers of a cluster, as a writer of fields.
pub(crate) const MANAGER: &str = "kube-controller-manager";

/// The body of an answer: whole, or the endless one of a watch.
pub type Answer = UnsyncBoxBody<Bytes, Infallible>;

/// The embedded API server; clones share it.
#[derive(Clone)]
pub struct ApiServer {
    store: Arc<Mutex<Store>>,
    clock: Arc<dyn Clock>,
    names: Arc<Mutex<Seed>>,
    faults: Arc<Mutex<Faults>>,
    seed: u64,
}

impl ApiServer {
    /// A server with the namespaces `default` and `kube-system`. `clock` dates its objects; `seed` names them.
    pub fn new(clock: Arc<dyn Clock>, seed: u64) -> Self {
        let server = Self {
            store: Arc::new(Mutex::new(Store::new())),
            clock,
            names: Arc::new(Mutex::new(Seed::stream(seed, "names"))),
            faults: Arc::new(Mutex::new(Faults::none())),
            seed,
        };
        for namespace in ["default", "kube-system"] {
            let object =
                serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            // The store is empty, so nothing stands in the way.
            drop(server.create(&object));
        }
        server
    }

    /// The same objects for callers from outside: they meet no faults, and what they ask draws from no seed that others
    /// draw from.
    pub(crate) fn for_guests(&self) -> Self {
        Self {
            names: Arc::new(Mutex::new(Seed::stream(self.seed, "names of guests"))),
            faults: Arc::new(Mutex::new(Faults::none())),
            ..self.clone()
        }
    }

    /// A client that speaks to this server without a socket. Call it inside a runtime.
    pub fn client(&self) -> kube::Client {
        self.client_until(CancellationToken::new())
    }

    /// A client whose connection breaks with `cut`: from then on nothing it sends arrives, and nothing is answered.
    pub fn client_until(&self, cut: CancellationToken) -> kube::Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let (server, cut) = (server.clone(), cut.clone());
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await?.to_bytes();
                if cut.is_cancelled() {
                    std::future::pending::<()>().await;
                }
                Ok::<_, kube::Error>(server.handle(Request::from_parts(parts, body)).await)
            }
        });
        kube::Client::new(service, "default")
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Answer> {
        let call = match Call::parse(request) {
            Ok(call) => call,
            Err(refused) => return refused.answer(),
        };
        let verdict = self.faults().judge(&call);
        match verdict {
            Verdict::Fine => self.serve(&call),
            Verdict::Late(delay) => {
                tokio::time::sleep(delay).await;
                self.serve(&call)
            }
            Verdict::Refuse(code) => Refused::injected(code).answer(),
            Verdict::Silence => std::future::pending().await,
            Verdict::LoseAnswer => {
                drop(self.serve(&call));
                std::future::pending().await
            }
            Verdict::Overtake => {
                self.overtake(&call);
                self.serve(&call)
            }
        }
    }

    /// Sets what goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        *self.faults() = faults;
    }

    /// Creates `object` as a client would, without faults.
    ///
    /// # Errors
    /// What the server would have refused it with, in words.
    pub fn create(&self, object: &Value) -> Result<Arc<Value>, String> {
        let kind = super::kinds::kinds()
            .iter()
            .find(|kind| {
                kind.name == json::text(object, "/kind")
                    && kind.api_version() == json::text(object, "/apiVersion")
            })
            .ok_or_else(|| format!("`{}` is no kind that is served here", json::text(object, "/kind")))?;
        self.create_locked(&mut self.store(), kind, object.clone(), "sandbox")
            .map_err(|refused| refused.message)
    }

    /// `spec.replicas` and `status.readyReplicas` of a Deployment; `None` when there is none.
    pub fn replicas(&self, namespace: &str, name: &str) -> Option<(u32, u32)> {
        let kind = super::kinds::known("apps/v1", "Deployment");
        let store = self.store();
        let object = store.get(&key_of(kind, namespace, name))?;
        let count =
            |pointer: &str| json::whole(object, pointer).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        Some((count("/spec/replicas"), count("/status/readyReplicas")))
    }

    /// The object of a kind by namespace and name, as it is now; `None` when there is none, or no such kind.
    pub fn object(
        &self,
        (api_version, kind): (&str, &str),
        namespace: &str,
        name: &str,
    ) -> Option<Arc<Value>> {
        let kind = super::kinds::kinds()
            .iter()
            .find(|known| known.name == kind && known.api_version() == api_version)?;
        self.store().get(&key_of(kind, namespace, name)).cloned()
    }

    /// Every object as a line of JSON, in the order of kind, namespace and name.
    pub fn dump(&self) -> String {
        let store = self.store();
        let all = super::kinds::kinds().iter().flat_map(|kind| store.list(kind.idx, None));
        all.flat_map(|(_, object)| [object.to_string(), "\n".to_owned()]).collect()
    }

    fn serve(&self, call: &Call) -> Response<Answer> {
        let outcome = match &call.place {
            Place::Fixed => discovery::answer_to(call),
            Place::Collection { kind, namespace } => match call.method {
                Method::GET if call.is_set("watch") => self.watch(call, kind, namespace.as_deref()),
                Method::GET => self.list(call, kind, namespace.as_deref()),
                Method::POST => self.post(call, kind, namespace.as_deref()),
                Method::DELETE => self.delete_all(call, kind, namespace.as_deref()),
                _ => Err(Refused::method()),
            },
            Place::Object { kind, key, subresource: None } => match call.method {
                Method::GET => self.get(call, kind, key),
                Method::PUT => self.put(call, kind, key),
                Method::PATCH => self.patch(call, kind, key),
                Method::DELETE => self.delete(call, kind, key),
                _ => Err(Refused::method()),
            },
            Place::Object { kind, key, subresource: Some(subresource) } => {
                match (subresource.as_str(), &call.method) {
                    ("scale", method) if kind.has_scale() => self.scale(call, kind, key, method),
                    ("status", &Method::GET) if kind.has_status() => self.get(call, kind, key),
                    ("status", &Method::PUT) if kind.has_status() => self.put(call, kind, key),
                    ("status", &Method::PATCH) if kind.has_status() => self.patch(call, kind, key),
                    _ if kind.custom.is_some() => Err(Refused::not_found(kind, &key.name)),
                    _ => Err(Refused::no_such_path()),
                }
            }
        };
        outcome.unwrap_or_else(|refused| refused.answer())
    }

    /// Somebody else changes the object a moment before.
    fn overtake(&self, call: &Call) {
        let Place::Object { key, .. } = &call.place else { return };
        let mut store = self.store();
        if let Some(object) = store.get(key).map(|object| Value::clone(object)) {
            store.put(key.clone(), object);
        }
    }

    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Fresh bits for a uid or a generated name.
    fn fresh(&self) -> u64 {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).next()
    }
}

/// The key of a `kind`'s object.
pub(crate) fn key_of(kind: &Kind, namespace: &str, name: &str) -> Key {
    let namespace = if kind.namespaced() { namespace.to_owned() } else { String::new() };
    Key { kind: kind.stored_as, namespace, name: name.to_owned() }
}

/// A whole answer of JSON.
fn answer(code: u16, body: &Value) -> Response<Answer> {
    whole(code, "application/json", status::bytes_of(body))
}

/// The answer to a body that is too long.
pub(crate) fn too_large() -> Response<Answer> {
    Refused::too_large().answer()
}

fn whole(code: u16, content_type: &'static str, body: Bytes) -> Response<Answer> {
    let mut response = Response::new(Full::new(body).boxed_unsync());
    *response.status_mut() =
        http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests;
