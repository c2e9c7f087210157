//! The kinds that the embedded API server serves.

use std::sync::OnceLock;

use serde_json::Value;

use super::json::{items, text};
use crate::api;

/// Something that is true of some kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trait {
    /// Its objects live in a namespace.
    Namespaced,
    /// `/status` is written apart from the rest.
    Status,
    /// It has `/scale` (`spec.replicas`, `status.replicas`, `spec.selector`).
    Scale,
    /// `metadata.generation` counts changes of its spec.
    Generation,
    /// A write without a resourceVersion replaces whatever stands.
    Unconditional,
}

/// One kind.
pub(crate) struct Kind {
    /// Its place in [`kinds`].
    pub(crate) idx: usize,
    /// API group; empty for the core.
    pub(crate) group: String,
    /// Version within the group.
    pub(crate) version: String,
    /// `Deployment`.
    pub(crate) name: String,
    /// `deployments`.
    pub(crate) plural: String,
    /// `deployment`.
    pub(crate) singular: String,
    /// `deploy`.
    pub(crate) short: Vec<String>,
    /// Groups of kinds such as `all`.
    pub(crate) categories: Vec<String>,
    /// What is true of it.
    traits: Vec<Trait>,
    /// The kind whose objects these are another view of; its own place otherwise.
    pub(crate) stored_as: usize,
    /// Our own custom resource with its schema.
    pub(crate) custom: Option<&'static api::Kind>,
}

impl Kind {
    /// Whether its objects live in a namespace.
    pub(crate) fn namespaced(&self) -> bool {
        self.traits.contains(&Trait::Namespaced)
    }

    /// Whether `/status` is written apart from the rest.
    pub(crate) fn has_status(&self) -> bool {
        self.traits.contains(&Trait::Status)
    }

    /// Whether it has `/scale`.
    pub(crate) fn has_scale(&self) -> bool {
        self.traits.contains(&Trait::Scale)
    }

    /// Whether `metadata.generation` counts changes of its spec.
    pub(crate) fn has_generation(&self) -> bool {
        self.traits.contains(&Trait::Generation)
    }

    /// Whether a write without a resourceVersion replaces whatever stands.
    pub(crate) fn unconditional_update(&self) -> bool {
        self.traits.contains(&Trait::Unconditional)
    }

    /// `apps/v1`, or `v1`.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `deployments.apps`, or `pods`.
    pub(crate) fn resource(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// `Deployment.apps`, or `Pod`.
    pub(crate) fn qualified(&self) -> String {
        if self.group.is_empty() { self.name.clone() } else { format!("{}.{}", self.name, self.group) }
    }

    /// The columns that a custom resource definition gives: name, type, JSON path.
    pub(crate) fn printer_columns(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let definition = self.custom.map(|custom| &custom.definition);
        let columns =
            definition.map_or(&[][..], |one| items(one, "/spec/versions/0/additionalPrinterColumns"));
        columns.iter().map(|one| (text(one, "/name"), text(one, "/type"), text(one, "/jsonPath")))
    }
}

/// Group and version, kind, plural, short names, categories, and letters for: in a Namespace, Status apart, scAle,
/// Generation counted, Unconditional updates.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
    &'static str,
);

const BUILTIN: [Row; 13] = [
    ("v1", "Namespace", "namespaces", &["ns"], &[], "SU"),
    ("v1", "Node", "nodes", &["no"], &[], "SU"),
    ("v1", "Pod", "pods", &["po"], &["all"], "NSGU"),
    ("v1", "Event", "events", &["ev"], &[], "NU"),
    ("v1", "Secret", "secrets", &[], &[], "NU"),
    ("v1", "ServiceAccount", "serviceaccounts", &["sa"], &[], "NU"),
    ("v1", "ConfigMap", "configmaps", &["cm"], &[], "NU"),
    ("apps/v1", "Deployment", "deployments", &["deploy"], &["all"], "NSAGU"),
    ("apps/v1", "ReplicaSet", "replicasets", &["rs"], &["all"], "NSAGU"),
    ("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", &["hpa"], &["all"], "NSGU"),
    ("coordination.k8s.io/v1", "Lease", "leases", &[], &[], "N"),
    ("events.k8s.io/v1", "Event", "events", &["ev"], &[], "NU"),
    ("v1", "ResourceQuota", "resourcequotas", &["quota"], &[], "NSU"),
];

fn builtin(idx: usize, row: &Row) -> Kind {
    let (api_version, name, plural, short, categories, letters) = row;
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    // Both APIs of Events show the same objects; they are kept in the newer form.
    let stored_as = if *name == "Event" { EVENTS } else { idx };
    Kind {
        idx,
        group: group.to_owned(),
        version: version.to_owned(),
        name: (*name).to_owned(),
        plural: (*plural).to_owned(),
        singular: name.to_lowercase(),
        short: owned(short),
        categories: owned(categories),
        traits: letters.chars().filter_map(trait_of).collect(),
        stored_as,
        custom: None,
    }
}

fn trait_of(letter: char) -> Option<Trait> {
    match letter {
        'N' => Some(Trait::Namespaced),
        'S' => Some(Trait::Status),
        'A' => Some(Trait::Scale),
        'G' => Some(Trait::Generation),
        'U' => Some(Trait::Unconditional),
        _ => None,
    }
}

/// The place of `events.k8s.io/v1` Event.
const EVENTS: usize = 11;

fn custom(idx: usize, kind: &'static api::Kind) -> Kind {
    let definition = &kind.definition;
    let names = |pointer: &str| -> Vec<String> {
        items(definition, pointer).iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    Kind {
        idx,
        group: text(definition, "/spec/group").to_owned(),
        version: text(definition, "/spec/versions/0/name").to_owned(),
        name: kind.name.to_owned(),
        plural: text(definition, "/spec/names/plural").to_owned(),
        singular: text(definition, "/spec/names/singular").to_owned(),
        short: names("/spec/names/shortNames"),
        categories: names("/spec/names/categories"),
        traits: [
            kind.namespaced.then_some(Trait::Namespaced),
            definition.pointer("/spec/versions/0/subresources/status").map(|_| Trait::Status),
            Some(Trait::Generation),
        ]
        .into_iter()
        .flatten()
        .collect(),
        stored_as: idx,
        custom: Some(kind),
    }
}

/// Every kind, in the order of their groups.
pub(crate) fn kinds() -> &'static [Kind] {
    static KINDS: OnceLock<Vec<Kind>> = OnceLock::new();
    KINDS.get_or_init(|| {
        let builtin = BUILTIN.iter().enumerate().map(|(idx, row)| builtin(idx, row));
        let custom = api::kinds().iter().enumerate().map(|(i, kind)| custom(BUILTIN.len() + i, kind));
        builtin.chain(custom).collect()
    })
}

/// The kind that stores the object at `key`.
///
/// # Panics
/// Never: keys are made from kinds of the table.
pub(crate) fn kind_of(key: &super::store::Key) -> &'static Kind {
    kinds().get(key.kind).expect("keys are made from kinds of the table")
}

/// The kind served at `plural` of a group and version.
pub(crate) fn served(group: &str, version: &str, plural: &str) -> Option<&'static Kind> {
    kinds().iter().find(|kind| kind.group == group && kind.version == version && kind.plural == plural)
}

/// The kind called `name` of `api_version`.
///
/// # Panics
/// When there is none: the callers name kinds of the table above.
pub(crate) fn known(api_version: &str, name: &str) -> &'static Kind {
    kinds()
        .iter()
        .find(|kind| kind.name == name && kind.api_version() == api_version)
        .expect("the callers name kinds of the table")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_knows_its_place_and_both_events_are_one() {
        for (i, kind) in kinds().iter().enumerate() {
            assert_eq!(kind.idx, i);
            assert!(std::ptr::eq(served(&kind.group, &kind.version, &kind.plural).unwrap(), kind));
        }
        assert_eq!(known("v1", "Event").stored_as, known("events.k8s.io/v1", "Event").idx);
    }

    #[test]
    fn our_kinds_come_with_their_columns_and_names() {
        let kind = known("foresail.dev/v1alpha1", "PredictiveAutoscaler");
        assert_eq!((kind.short.as_slice(), kind.has_status()), (&["pra".to_owned()][..], true));
        assert_eq!(kind.printer_columns().next(), Some(("Mode", "string", ".spec.mode")));
        assert_eq!(kind.resource(), "predictiveautoscalers.foresail.dev");
    }
}
