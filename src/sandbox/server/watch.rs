//! Watches: every change from a version on, bookmarks while nothing happens, 410 when the version is too old.
//!
//! A watch is held open to its end: clients begin an ended one anew at once and without a pause, which in virtual time
//! would be a loop in which time stands still.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::call::{Call, Form};
use super::json::put;
use super::read::parse_version;
use super::select::Selection;
use super::status::Refused;
use super::{Answer, ApiServer, table, view};
use crate::sandbox::kinds::Kind;
use crate::sandbox::store::{Change, OutOfReach};

/// A watch that states no length. The real server draws one between half an hour and an hour.
const DEFAULT_LENGTH: Duration = Duration::from_mins(30);
/// Longest time without a bookmark, for those who want them.
const BOOKMARK_EVERY: Duration = Duration::from_mins(1);

/// The last bookmark comes so long before the end.
const BOOKMARK_BEFORE_END: Duration = Duration::from_secs(2);

/// When a watch that `ends` is told the next bookmark.
fn next_bookmark(now: Instant, ends: Instant) -> Instant {
    let (regular, last) = (now + BOOKMARK_EVERY, ends - BOOKMARK_BEFORE_END);
    if last > now { regular.min(last) } else { regular }
}

/// One watch.
struct Watching {
    server: ApiServer,
    kind: &'static Kind,
    namespace: Option<String>,
    selection: Selection,
    form: Form,
    version: u64,
    /// The newest version when it began.
    began: u64,
    bell: watch::Receiver<u64>,
    queue: VecDeque<Bytes>,
    headers_sent: bool,
    bookmark_at: Option<Instant>,
    ends: Instant,
    over: bool,
}

impl ApiServer {
    /// Changes of a kind, as they happen.
    pub(super) fn watch(
        &self,
        call: &Call,
        kind: &'static Kind,
        namespace: Option<&str>,
    ) -> Result<Response<Answer>, Refused> {
        let bell = self.store().bell(kind.stored_as).ok_or_else(Refused::no_such_path)?;
        let stated = call.param("timeoutSeconds").parse().ok().filter(|seconds| *seconds > 0);
        let length = stated.map_or(DEFAULT_LENGTH, Duration::from_secs);
        let length = self.faults().length_of_watch(length);
        let now = Instant::now();
        let mut watching = Watching {
            server: self.clone(),
            kind,
            namespace: namespace.map(str::to_owned),
            selection: Selection::of(call, kind)?,
            form: call.form,
            version: 0,
            began: 0,
            bell,
            queue: VecDeque::new(),
            headers_sent: false,
            bookmark_at: call.is_set("allowWatchBookmarks").then(|| next_bookmark(now, now + length)),
            ends: now + length,
            over: false,
        };
        watching.begin(call)?;
        let stream = futures::stream::unfold(watching, async |mut watching| {
            let line = watching.next().await?;
            Some((Ok(Frame::data(line)), watching))
        });
        let mut response = Response::new(StreamBody::new(stream).boxed_unsync());
        let json = http::HeaderValue::from_static("application/json");
        response.headers_mut().insert(http::header::CONTENT_TYPE, json);
        Ok(response)
    }
}

impl Watching {
    /// Finds the version to begin at, and queues what stands already where that is asked for.
    fn begin(&mut self, call: &Call) -> Result<(), Refused> {
        let stated = call.param("resourceVersion");
        let initial = call.param("sendInitialEvents");
        if !initial.is_empty() && call.param("resourceVersionMatch") != "NotOlderThan" {
            let what = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            return Err(Refused::invalid_options(
                "ListOptions",
                ("resourceVersionMatch", "FieldValueForbidden", what),
            ));
        }
        let shows_present = initial == "true" || (initial.is_empty() && matches!(stated, "" | "0"));
        if !shows_present {
            self.version = match stated {
                "" | "0" => self.server.store().version(),
                // To a list it says 400.
                stated => parse_version(stated).map_err(|refused| Refused::internal(refused.message))?,
            };
            self.began = self.server.store().version().max(self.version);
            return Ok(());
        }
        let (present, version): (Vec<Arc<Value>>, u64) = {
            let store = self.server.store();
            let all = store.list(self.kind.stored_as, self.namespace.as_deref());
            (all.map(|(_, object)| view::shown(self.kind, object)).collect(), store.version())
        };
        self.version = version;
        self.began = version;
        for object in present {
            if self.selection.shows(&object) {
                self.tell("ADDED", &object);
            }
        }
        if initial == "true" {
            self.bookmark(true);
        }
        Ok(())
    }

    /// The next line; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(line) = self.queue.pop_front() {
                return Some(line);
            }
            if self.over {
                return None;
            }
            self.bell.borrow_and_update();
            self.collect();
            if !self.queue.is_empty() || self.over {
                continue;
            }
            let due = self.bookmark_at.unwrap_or(self.ends).min(self.ends);
            tokio::select! {
                biased;
                rung = self.bell.changed() => self.over = rung.is_err(),
                () = tokio::time::sleep_until(due) => self.pause_is_over(),
            }
        }
    }

    fn pause_is_over(&mut self) {
        let now = Instant::now();
        self.over = now >= self.ends;
        if self.bookmark_at.is_some_and(|at| at <= now) {
            // Where nothing has changed since it began there is nothing to mark.
            if self.version > self.began {
                self.bookmark(false);
            }
            self.bookmark_at = Some(next_bookmark(now, self.ends));
        }
    }

    /// Queues the changes since the last look.
    fn collect(&mut self) {
        let found = {
            let store = self.server.store();
            let changes = store.changes_since(self.kind.stored_as, self.version);
            changes.map(|changes| (changes.cloned().collect::<Vec<Change>>(), store.version()))
        };
        match found {
            Err(reach) => self.refuse(reach),
            Ok((changes, version)) => {
                for change in &changes {
                    self.tell_change(change);
                }
                self.version = self.version.max(version);
            }
        }
    }

    fn refuse(&mut self, reach: OutOfReach) {
        let status = Refused::from(reach).as_object();
        self.push(&json!({"type": "ERROR", "object": status}));
        self.over = true;
    }

    fn tell_change(&mut self, change: &Change) {
        if self.namespace.as_ref().is_some_and(|wanted| *wanted != change.key.namespace) {
            return;
        }
        let after = view::shown(self.kind, &change.after);
        let before = change.before.as_ref().map(|before| view::shown(self.kind, before));
        let was = before.as_ref().filter(|before| self.selection.shows(before));
        let is = !change.deleted && self.selection.shows(&after);
        match (was, is) {
            (None, true) => self.tell("ADDED", &after),
            (Some(_), true) => self.tell("MODIFIED", &after),
            (Some(_), false) if change.deleted => self.tell("DELETED", &after),
            (Some(before), false) => {
                // It left the selection: as it was last seen, under the version of the change.
                let mut last = Value::clone(before);
                put(&mut last, &["metadata", "resourceVersion"], change.version.to_string());
                self.tell("DELETED", &last);
            }
            (None, false) => {}
        }
    }

    fn tell(&mut self, kind: &str, object: &Value) {
        let object = match self.form {
            Form::Whole => {
                self.push_raw(kind, object);
                return;
            }
            Form::Metadata => view::metadata_of(object),
            Form::Table => {
                let options =
                    table::Options { now: self.server.now(), include: "", headers: !self.headers_sent };
                self.headers_sent = true;
                table::of(self.kind, &[object], &options)
            }
        };
        self.push_raw(kind, &object);
    }

    fn bookmark(&mut self, ends_initial: bool) {
        let mut metadata = json!({"resourceVersion": self.version.to_string(), "creationTimestamp": null});
        if ends_initial {
            put(&mut metadata, &["annotations"], json!({"k8s.io/initial-events-end": "true"}));
        }
        let object = match self.form {
            Form::Table => {
                json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "rows": []})
            }
            _ => json!({"kind": self.kind.name, "apiVersion": self.kind.api_version(), "metadata": metadata}),
        };
        self.push_raw("BOOKMARK", &object);
    }

    /// Queues an event without copying the object.
    fn push_raw(&mut self, kind: &str, object: &Value) {
        self.queue.push_back(Bytes::from(format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n")));
    }

    fn push(&mut self, event: &Value) {
        self.queue.push_back(Bytes::from(format!("{event}\n")));
    }
}
