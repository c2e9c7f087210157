//! Delete: at once, or when finalizers and the grace period let go.

use std::sync::Arc;

use http::Response;
use serde_json::{Value, json};

use super::call::Call;
use super::json::{items, put, text, whole};
use super::select::Selection;
use super::status::{Refused, deleted};
use super::write::seconds_of;
use super::{Answer, ApiServer, answer, view};
use crate::sandbox::kinds::{Kind, kind_of, kinds};
use crate::sandbox::store::{Key, Store};

impl ApiServer {
    /// `DELETE` of one object.
    pub(super) fn delete(&self, call: &Call, kind: &Kind, key: &Key) -> Result<Response<Answer>, Refused> {
        let options = call.json()?;
        let mut store = self.store();
        let old = store.get(key).cloned().ok_or_else(|| Refused::not_found(kind, &key.name))?;
        check_preconditions(kind, &old, &options)?;
        let dry = call.is_dry_run() || items(&options, "/dryRun").iter().any(|one| one == "All");
        if dry {
            return Ok(answer(200, &deleted(kind, &old)));
        }
        let grace =
            whole(&options, "/gracePeriodSeconds").or_else(|| call.param("gracePeriodSeconds").parse().ok());
        let orphans =
            text(&options, "/propagationPolicy") == "Orphan" || call.param("propagationPolicy") == "Orphan";
        if orphans {
            disown(&mut store, text(&old, "/metadata/uid"));
        }
        let left = self.begin_deletion(&mut store, key, grace);
        drop(store);
        Ok(match left {
            Some(object) => answer(200, &view::shown(kind, &object)),
            None if kind.name == "Pod" || kind.name == "ServiceAccount" => {
                answer(200, &view::shown(kind, &old))
            }
            None => answer(200, &deleted(kind, &old)),
        })
    }

    /// Deletes an object at once, or marks it when finalizers or a grace period hold it; then it is given back.
    pub(crate) fn begin_deletion(
        &self,
        store: &mut Store,
        key: &Key,
        grace: Option<i64>,
    ) -> Option<Arc<Value>> {
        let kind = kind_of(key);
        let old = store.get(key)?.clone();
        if kind.name == "Namespace" {
            return self.empty_namespace(store, key);
        }
        let grace = if kind.name == "Pod" && !text(&old, "/spec/nodeName").is_empty() {
            grace.or_else(|| whole(&old, "/spec/terminationGracePeriodSeconds")).unwrap_or(30)
        } else {
            0
        };
        if items(&old, "/metadata/finalizers").is_empty() && grace == 0 {
            self.remove(store, key);
            return None;
        }
        if old.pointer("/metadata/deletionTimestamp").is_some() && grace > 0 {
            return Some(old);
        }
        let mut marked = Value::clone(&old);
        let until = self.now().plus(crate::units::Span::from_seconds(grace.unsigned_abs()));
        put(&mut marked, &["metadata", "deletionTimestamp"], seconds_of(until));
        put(&mut marked, &["metadata", "deletionGracePeriodSeconds"], grace);
        if kind.has_generation() {
            let next = whole(&marked, "/metadata/generation").unwrap_or(0) + 1;
            put(&mut marked, &["metadata", "generation"], next);
        }
        Some(store.put(key.clone(), marked))
    }

    /// Removes an object and, in the background of no time, whatever it alone owns.
    pub(crate) fn remove(&self, store: &mut Store, key: &Key) {
        let Some(gone) = store.remove(key) else { return };
        let uid = text(&gone, "/metadata/uid").to_owned();
        let mut owned: Vec<Key> = Vec::new();
        for kind in kinds().iter().filter(|kind| kind.stored_as == kind.idx) {
            let all = store.list(kind.idx, None);
            owned.extend(all.filter(|(_, object)| is_owned_by(object, &uid)).map(|(key, _)| key.clone()));
        }
        for key in owned {
            self.begin_deletion(store, &key, None);
        }
    }

    /// Everything in a namespace goes, then the namespace; it stays while a finalizer holds something in it.
    fn empty_namespace(&self, store: &mut Store, key: &Key) -> Option<Arc<Value>> {
        for kind in kinds().iter().filter(|kind| kind.namespaced() && kind.stored_as == kind.idx) {
            let inside: Vec<Key> =
                store.list(kind.idx, Some(&key.name)).map(|(key, _)| key.clone()).collect();
            for key in inside {
                self.begin_deletion(store, &key, Some(0));
            }
        }
        let held = kinds()
            .iter()
            .any(|kind| kind.namespaced() && store.list(kind.stored_as, Some(&key.name)).next().is_some());
        let mut object = Value::clone(store.get(key)?);
        put(&mut object, &["metadata", "deletionTimestamp"], self.seconds());
        put(&mut object, &["status", "phase"], "Terminating");
        let marked = store.put(key.clone(), object);
        if !held {
            store.remove(key);
        }
        Some(marked)
    }

    /// `DELETE` of a collection.
    pub(super) fn delete_all(
        &self,
        call: &Call,
        kind: &Kind,
        namespace: Option<&str>,
    ) -> Result<Response<Answer>, Refused> {
        let selection = Selection::of(call, kind)?;
        let grace = whole(&call.json()?, "/gracePeriodSeconds");
        let mut store = self.store();
        let selected: Vec<(Key, Arc<Value>)> = store
            .list(kind.stored_as, namespace)
            .filter(|(_, object)| selection.shows(&view::shown(kind, object)))
            .map(|(key, object)| (key.clone(), Arc::clone(object)))
            .collect();
        for (key, _) in &selected {
            self.begin_deletion(&mut store, key, grace);
        }
        let listed: Vec<Value> =
            selected.iter().map(|(_, object)| view::item(kind, &view::shown(kind, object))).collect();
        let mut metadata = json!({"resourceVersion": store.version().to_string()});
        if kind.custom.is_some() {
            put(&mut metadata, &["continue"], "");
        }
        Ok(answer(
            200,
            &json!({
                "kind": format!("{}List", kind.name), "apiVersion": kind.api_version(),
                "metadata": metadata, "items": listed,
            }),
        ))
    }
}

/// Refuses to delete another object, or another version of it, than is meant.
fn check_preconditions(kind: &Kind, old: &Value, options: &Value) -> Result<(), Refused> {
    for (field, label, since) in
        [("uid", "UID", "deleted and then recreated"), ("resourceVersion", "ResourceVersion", "modified")]
    {
        let stands = text(old, &format!("/metadata/{field}"));
        let wanted = text(options, &format!("/preconditions/{field}"));
        if wanted.is_empty() || wanted == stands {
            continue;
        }
        let name = text(old, "/metadata/name");
        let why = format!(
            "the {label} in the precondition ({wanted}) does not match the {label} in record ({stands}). The object might have been {since}"
        );
        let mut refused = Refused::conflict(kind, name, &why);
        // Here, and only here, the server names the kind where it else names the resource.
        refused.message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.qualified());
        put(&mut refused.details, &["kind"], kind.name.clone());
        return Err(refused);
    }
    Ok(())
}

fn is_owned_by(object: &Value, uid: &str) -> bool {
    let owners = items(object, "/metadata/ownerReferences");
    !owners.is_empty() && owners.iter().all(|owner| text(owner, "/uid") == uid)
}

/// Takes the owner away from what it owns.
fn disown(store: &mut Store, uid: &str) {
    for kind in kinds().iter().filter(|kind| kind.stored_as == kind.idx) {
        let owned: Vec<(Key, Arc<Value>)> = store
            .list(kind.idx, None)
            .filter(|(_, object)| {
                items(object, "/metadata/ownerReferences").iter().any(|owner| text(owner, "/uid") == uid)
            })
            .map(|(key, object)| (key.clone(), Arc::clone(object)))
            .collect();
        for (key, object) in owned {
            let mut object = Value::clone(&object);
            let left: Vec<Value> = items(&object, "/metadata/ownerReferences")
                .iter()
                .filter(|owner| text(owner, "/uid") != uid)
                .cloned()
                .collect();
            put(&mut object, &["metadata", "ownerReferences"], left);
            store.put(key, object);
        }
    }
}
