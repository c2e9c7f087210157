//! Objects by kind, namespace and name; one version for each change; a log of changes for those who watch.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::watch;

use super::json::put;
use super::kinds::kinds;

/// Changes that are remembered. A watch or a page that begins before them is told to begin anew (410).
const CHANGES_KEPT: usize = 4096;

/// Where an object is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// Place of the kind that stores it.
    pub(crate) kind: usize,
    /// Its namespace, empty for a cluster-wide kind.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) name: String,
}

/// One change. Neither side is both absent.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) version: u64,
    pub(crate) key: Key,
    /// The object before, `None` when it was created.
    pub(crate) before: Option<Arc<Value>>,
    /// The object after, as it was last when it was deleted.
    pub(crate) after: Arc<Value>,
    /// Whether the change is the deletion.
    pub(crate) deleted: bool,
}

/// The version asked for is no longer, or not yet, known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutOfReach {
    /// Older than the oldest that is remembered.
    Expired {
        /// The version asked for.
        wanted: u64,
        /// The oldest that is remembered.
        oldest: u64,
    },
    /// Newer than the newest.
    Future {
        /// The version asked for.
        wanted: u64,
        /// The newest.
        newest: u64,
    },
}

/// All objects.
pub(crate) struct Store {
    objects: BTreeMap<Key, Arc<Value>>,
    version: u64,
    changes: VecDeque<Change>,
    /// For each kind, the version of its last change.
    bells: Vec<watch::Sender<u64>>,
}

impl Store {
    /// A store without objects. Like a fresh etcd it has a version already, so that 0 and 1 are never current.
    pub(crate) fn new() -> Self {
        let bells = kinds().iter().map(|_| watch::Sender::new(0)).collect();
        Self { objects: BTreeMap::new(), version: 100, changes: VecDeque::new(), bells }
    }

    /// The newest version.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// The object at `key`.
    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    /// The objects of a kind in the order of namespace and name, of one namespace or of all.
    pub(crate) fn list(
        &self,
        kind: usize,
        namespace: Option<&str>,
    ) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        let namespace = namespace.map(str::to_owned);
        let first = Key { kind, namespace: namespace.clone().unwrap_or_default(), name: String::new() };
        self.objects.range(first..).take_while(move |(key, _)| {
            key.kind == kind && namespace.as_ref().is_none_or(|wanted| key.namespace == *wanted)
        })
    }

    /// Stores `object` under a new version and gives it as stored.
    pub(crate) fn put(&mut self, key: Key, mut object: Value) -> Arc<Value> {
        self.stamp(&mut object);
        let after = Arc::new(object);
        let before = self.objects.insert(key.clone(), Arc::clone(&after));
        self.log(key, before, Arc::clone(&after), false);
        after
    }

    /// Removes the object at `key`; what it was last carries the version of its deletion.
    pub(crate) fn remove(&mut self, key: &Key) -> Option<Arc<Value>> {
        let before = self.objects.remove(key)?;
        let mut last = Value::clone(&before);
        self.stamp(&mut last);
        let after = Arc::new(last);
        self.log(key.clone(), Some(before), Arc::clone(&after), true);
        Some(after)
    }

    fn stamp(&mut self, object: &mut Value) {
        self.version += 1;
        put(object, &["metadata", "resourceVersion"], self.version.to_string());
    }

    fn log(&mut self, key: Key, before: Option<Arc<Value>>, after: Arc<Value>, deleted: bool) {
        let (kind, version) = (key.kind, self.version);
        self.changes.push_back(Change { version, key, before, after, deleted });
        if self.changes.len() > CHANGES_KEPT {
            self.changes.pop_front();
        }
        if let Some(bell) = self.bells.get(kind) {
            bell.send_replace(version);
        }
    }

    /// Rings at each change of a kind.
    pub(crate) fn bell(&self, kind: usize) -> Option<watch::Receiver<u64>> {
        self.bells.get(kind).map(watch::Sender::subscribe)
    }

    /// The oldest version from which all changes are remembered.
    fn oldest(&self) -> u64 {
        self.changes.front().map_or(self.version, |change| change.version - 1)
    }

    /// The changes of a kind after `version`, oldest first.
    pub(crate) fn changes_since(
        &self,
        kind: usize,
        version: u64,
    ) -> Result<impl Iterator<Item = &Change>, OutOfReach> {
        if version < self.oldest() {
            return Err(OutOfReach::Expired { wanted: version, oldest: self.oldest() });
        }
        let first = self.changes.partition_point(|change| change.version <= version);
        Ok(self.changes.range(first..).filter(move |change| change.key.kind == kind))
    }

    /// The objects of a kind as they were at `version`.
    pub(crate) fn list_at(
        &self,
        kind: usize,
        namespace: Option<&str>,
        version: u64,
    ) -> Result<BTreeMap<Key, Arc<Value>>, OutOfReach> {
        if version > self.version {
            return Err(OutOfReach::Future { wanted: version, newest: self.version });
        }
        let mut objects: BTreeMap<Key, Arc<Value>> =
            self.list(kind, namespace).map(|(key, object)| (key.clone(), Arc::clone(object))).collect();
        if version == self.version {
            return Ok(objects);
        }
        let later: Vec<&Change> = self.changes_since(kind, version)?.collect();
        for change in later.into_iter().rev() {
            if namespace.is_some_and(|wanted| change.key.namespace != wanted) {
                continue;
            }
            match &change.before {
                Some(before) => objects.insert(change.key.clone(), Arc::clone(before)),
                None => objects.remove(&change.key),
            };
        }
        Ok(objects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key(name: &str) -> Key {
        Key { kind: 2, namespace: "shop".to_owned(), name: name.to_owned() }
    }

    fn names(store: &Store, version: u64) -> Vec<String> {
        store.list_at(2, Some("shop"), version).unwrap().into_keys().map(|key| key.name).collect()
    }

    #[test]
    fn every_change_has_its_version_and_the_past_can_be_listed() {
        let mut store = Store::new();
        store.put(key("a"), json!({"n": 1}));
        let second = store.put(key("b"), json!({"n": 1}));
        store.put(key("a"), json!({"n": 2}));
        store.remove(&key("b"));
        assert_eq!(second["metadata"]["resourceVersion"], "102");
        assert_eq!(names(&store, 101), ["a"]);
        assert_eq!(names(&store, 102), ["a", "b"]);
        assert_eq!(names(&store, 104), ["a"]);
        let changes: Vec<(u64, bool)> =
            store.changes_since(2, 102).unwrap().map(|change| (change.version, change.deleted)).collect();
        assert_eq!(changes, [(103, false), (104, true)]);
        assert_eq!(store.list_at(2, None, 105).unwrap_err(), OutOfReach::Future { wanted: 105, newest: 104 });
    }

    #[test]
    fn what_is_no_longer_remembered_is_expired() {
        let mut store = Store::new();
        for _ in 0..=CHANGES_KEPT {
            store.put(key("a"), json!({}));
        }
        assert_eq!(store.changes_since(2, 100).err(), Some(OutOfReach::Expired { wanted: 100, oldest: 101 }));
        assert_eq!(store.changes_since(2, 101).unwrap().count(), CHANGES_KEPT);
        assert!(store.list_at(2, None, 100).is_err());
    }
}
