//! What `kubectl get` prints: objects as rows of a `Table`.

use serde_json::{Value, json};

use super::json::{entries, items, text, whole};
use super::select;
use super::view;
use crate::edge::clock::from_jiff;
use crate::sandbox::kinds::Kind;
use crate::units::Timestamp;

/// How a table is made.
pub(crate) struct Options<'a> {
    /// Ages are counted to here.
    pub(crate) now: Timestamp,
    /// `Object`, `None`, or anything else for the metadata.
    pub(crate) include: &'a str,
    /// Whether the columns are described.
    pub(crate) headers: bool,
}

impl Options<'static> {
    /// A table that stands for itself.
    pub(crate) const fn whole(now: Timestamp) -> Self {
        Self { now, include: "", headers: true }
    }
}

/// A column: name, type, whether only `-o wide` shows it.
type Column = (String, String, bool);

/// The objects as a table.
pub(crate) fn of(kind: &Kind, objects: &[&Value], options: &Options<'_>) -> Value {
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let shown = match options.include {
                "Object" => Value::clone(object),
                "None" => Value::Null,
                _ => view::metadata_of(object),
            };
            json!({"cells": cells(kind, object, options.now), "object": shown})
        })
        .collect();
    let version = objects.first().map_or("", |object| text(object, "/metadata/resourceVersion"));
    let columns: Vec<Value> =
        if options.headers { columns(kind).into_iter().map(described).collect() } else { Vec::new() };
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": version},
        "columnDefinitions": columns, "rows": rows,
    })
}

fn described((name, kind, wide): Column) -> Value {
    let format = if name == "Name" { "name" } else { "" };
    json!({"name": name, "type": kind, "format": format, "description": "", "priority": i32::from(wide)})
}

/// The columns of the built-in kinds; `+` marks those of `-o wide`, `#` a whole number.
fn headings(kind: &Kind) -> &'static str {
    match kind.name.as_str() {
        "Pod" => "Name,Ready,Status,Restarts,Age,+IP,+Node,+Nominated Node,+Readiness Gates",
        "Deployment" => "Name,Ready,Up-to-date,Available,Age,+Containers,+Images,+Selector",
        "ReplicaSet" => "Name,#Desired,#Current,#Ready,Age,+Containers,+Images,+Selector",
        "HorizontalPodAutoscaler" => "Name,Reference,Targets,MinPods,MaxPods,Replicas,Age",
        "Node" => {
            "Name,Status,Roles,Age,Version,+Internal-IP,+External-IP,+OS-Image,+Kernel-Version,+Container-Runtime"
        }
        "Namespace" => "Name,Status,Age",
        "Lease" => "Name,Holder,Age",
        "Event" => "Last Seen,Type,Reason,Object,+Subobject,+Source,Message,+First Seen,+Count,+Name",
        "Secret" => "Name,Type,Data,Age",
        "ServiceAccount" => "Name,Secrets,Age",
        "ConfigMap" => "Name,Data,Age",
        _ => "Name,Age",
    }
}

fn columns(kind: &Kind) -> Vec<Column> {
    if kind.custom.is_some() {
        let own = kind.printer_columns().map(|(name, kind, _)| (name.to_owned(), kind.to_owned(), false));
        return std::iter::once(("Name".to_owned(), "string".to_owned(), false)).chain(own).collect();
    }
    headings(kind)
        .split(',')
        .map(|heading| {
            let (heading, wide) = heading.strip_prefix('+').map_or((heading, false), |rest| (rest, true));
            let (heading, number) = heading.strip_prefix('#').map_or((heading, false), |rest| (rest, true));
            (heading.to_owned(), if number { "integer" } else { "string" }.to_owned(), wide)
        })
        .collect()
}

fn cells(kind: &Kind, object: &Value, now: Timestamp) -> Value {
    let name = text(object, "/metadata/name");
    let age = age_at(object, "/metadata/creationTimestamp", now);
    if kind.custom.is_some() {
        let own = kind.printer_columns().map(|(_, kind, path)| custom_cell(object, kind, path, now));
        return std::iter::once(json!(name)).chain(own).collect();
    }
    let count = |pointer: &str| whole(object, pointer).unwrap_or(0);
    match kind.name.as_str() {
        "Pod" => pod(object, &age),
        "Deployment" => {
            let ready = format!("{}/{}", count("/status/readyReplicas"), count("/spec/replicas"));
            let [containers, images, selector] = template(object);
            json!([
                name,
                ready,
                count("/status/updatedReplicas"),
                count("/status/availableReplicas"),
                age,
                containers,
                images,
                selector
            ])
        }
        "ReplicaSet" => {
            let [containers, images, selector] = template(object);
            json!([
                name,
                count("/spec/replicas"),
                count("/status/replicas"),
                count("/status/readyReplicas"),
                age,
                containers,
                images,
                selector
            ])
        }
        "HorizontalPodAutoscaler" => {
            let of = format!(
                "{}/{}",
                text(object, "/spec/scaleTargetRef/kind"),
                text(object, "/spec/scaleTargetRef/name")
            );
            let min = whole(object, "/spec/minReplicas").map_or("<unset>".to_owned(), |n| n.to_string());
            json!([
                name,
                of,
                hpa_targets(object),
                min,
                count("/spec/maxReplicas"),
                count("/status/currentReplicas"),
                age
            ])
        }
        "Node" => node(object, &age),
        "Namespace" => json!([name, text(object, "/status/phase"), age]),
        "Lease" => json!([name, text(object, "/spec/holderIdentity"), age]),
        "Event" => event(object, now),
        "Secret" => json!([name, text(object, "/type"), entries(object, "/data").count(), age]),
        "ServiceAccount" => json!([name, items(object, "/secrets").len(), age]),
        "ConfigMap" => {
            json!([name, entries(object, "/data").count() + entries(object, "/binaryData").count(), age])
        }
        _ => json!([name, age]),
    }
}

fn pod(pod: &Value, age: &str) -> Value {
    let statuses = items(pod, "/status/containerStatuses");
    let is_ready = |status: &&Value| status.get("ready").and_then(Value::as_bool).unwrap_or(false);
    let n_ready = statuses.iter().filter(is_ready).count();
    let restarts: i64 = statuses.iter().filter_map(|status| whole(status, "/restartCount")).sum();
    let waiting =
        statuses.iter().map(|status| text(status, "/state/waiting/reason")).find(|reason| !reason.is_empty());
    let status = if pod.pointer("/metadata/deletionTimestamp").is_some() {
        "Terminating"
    } else {
        let reason = text(pod, "/status/reason");
        waiting.unwrap_or(if reason.is_empty() { text(pod, "/status/phase") } else { reason })
    };
    let or_none = |text: &str| if text.is_empty() { "<none>".to_owned() } else { text.to_owned() };
    json!([
        text(pod, "/metadata/name"),
        format!("{n_ready}/{}", items(pod, "/spec/containers").len()),
        status,
        restarts.to_string(),
        age,
        or_none(text(pod, "/status/podIP")),
        or_none(text(pod, "/spec/nodeName")),
        or_none(text(pod, "/status/nominatedNodeName")),
        "<none>",
    ])
}

fn node(node: &Value, age: &str) -> Value {
    let ready = items(node, "/status/conditions").iter().find(|one| text(one, "/type") == "Ready");
    let mut status = match ready.map(|one| text(one, "/status")) {
        Some("True") => "Ready".to_owned(),
        Some(_) => "NotReady".to_owned(),
        None => "Unknown".to_owned(),
    };
    if node.pointer("/spec/unschedulable").and_then(Value::as_bool) == Some(true) {
        status.push_str(",SchedulingDisabled");
    }
    let roles: Vec<&str> = entries(node, "/metadata/labels")
        .filter_map(|(key, _)| key.strip_prefix("node-role.kubernetes.io/"))
        .collect();
    let roles = if roles.is_empty() { "<none>".to_owned() } else { roles.join(",") };
    let info = |name: &str| {
        let text = text(node, &format!("/status/nodeInfo/{name}"));
        if text.is_empty() { "<unknown>".to_owned() } else { text.to_owned() }
    };
    let address = |kind: &str| {
        let found = items(node, "/status/addresses").iter().find(|one| text(one, "/type") == kind);
        found.map_or("<none>".to_owned(), |one| text(one, "/address").to_owned())
    };
    json!([
        text(node, "/metadata/name"),
        status,
        roles,
        age,
        text(node, "/status/nodeInfo/kubeletVersion"),
        address("InternalIP"),
        address("ExternalIP"),
        info("osImage"),
        info("kernelVersion"),
        info("containerRuntimeVersion"),
    ])
}

/// Both views of an Event.
fn event(event: &Value, now: Timestamp) -> Value {
    let either = |core: &str, newer: &str| {
        let found = text(event, core);
        if found.is_empty() { text(event, newer).to_owned() } else { found.to_owned() }
    };
    let of = format!(
        "{}/{}",
        either("/involvedObject/kind", "/regarding/kind").to_lowercase(),
        either("/involvedObject/name", "/regarding/name")
    );
    let first_of = |pointers: &[&str]| {
        let found = pointers.iter().find(|pointer| !text(event, pointer).is_empty());
        found.map_or("<unknown>".to_owned(), |pointer| age_at(event, pointer, now))
    };
    let last =
        first_of(&["/series/lastObservedTime", "/lastTimestamp", "/deprecatedLastTimestamp", "/eventTime"]);
    let first = first_of(&["/firstTimestamp", "/deprecatedFirstTimestamp", "/eventTime"]);
    let count = whole(event, "/count").or_else(|| whole(event, "/deprecatedCount")).unwrap_or(1);
    let source = [
        either("/source/component", "/deprecatedSource/component"),
        either("/reportingComponent", "/reportingController"),
    ];
    let source = source.into_iter().find(|one| !one.is_empty()).unwrap_or_default();
    json!([
        last,
        text(event, "/type"),
        text(event, "/reason"),
        of,
        either("/involvedObject/fieldPath", "/regarding/fieldPath"),
        source,
        either("/message", "/note").trim(),
        first,
        count,
        text(event, "/metadata/name"),
    ])
}

/// Containers, images and selector of a workload.
fn template(object: &Value) -> [String; 3] {
    let containers = items(object, "/spec/template/spec/containers");
    let joined =
        |pointer: &str| containers.iter().map(|one| text(one, pointer)).collect::<Vec<_>>().join(",");
    let selector = object.pointer("/spec/selector").map(select::as_text).unwrap_or_default();
    [joined("/name"), joined("/image"), selector]
}

fn hpa_targets(hpa: &Value) -> String {
    let current = items(hpa, "/status/currentMetrics");
    let shown: Vec<String> = items(hpa, "/spec/metrics")
        .iter()
        .enumerate()
        .map(|(i, metric)| {
            let kind = text(metric, "/type").to_lowercase();
            let now = |field: &str| {
                current
                    .get(i)
                    .map(|one| text(one, &format!("/{kind}/current/{field}")))
                    .filter(|text| !text.is_empty())
            };
            let target = |field: &str| text(metric, &format!("/{kind}/target/{field}"));
            if target("type") == "AverageValue" {
                format!("{}/{} (avg)", now("averageValue").unwrap_or("<unknown>"), target("averageValue"))
            } else {
                format!("{}/{}", now("value").unwrap_or("<unknown>"), target("value"))
            }
        })
        .collect();
    if shown.is_empty() { "<none>".to_owned() } else { shown.join(", ") }
}

/// The cell of a custom resource's own column.
fn custom_cell(object: &Value, kind: &str, path: &str, now: Timestamp) -> Value {
    let Some(found) = at_json_path(object, path) else { return Value::Null };
    match kind {
        "date" => found.as_str().map_or(Value::Null, |at| json!(human_age(at, now))),
        "integer" => found.as_i64().map_or(Value::Null, |n| json!(n)),
        "boolean" => found.as_bool().map_or(Value::Null, |flag| json!(flag)),
        "number" => found.clone(),
        _ => match found {
            Value::String(text) => json!(text),
            other => json!(other.to_string()),
        },
    }
}

/// The value at a JSON path such as `.status.conditions[?(@.type=="Ready")].status`: names, and filters by one field.
fn at_json_path<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    let (head, filter) = match path.split_once("[?(@.") {
        None => (path, None),
        Some((head, rest)) => (head, Some(rest.split_once(")]")?)),
    };
    let at = head.split('.').filter(|name| !name.is_empty()).try_fold(object, |at, name| at.get(name))?;
    let Some((condition, rest)) = filter else { return Some(at) };
    let (field, wanted) = condition.split_once("==")?;
    let wanted = wanted.trim_matches(['"', '\'']);
    let item = at.as_array()?.iter().find(|item| item.get(field).and_then(Value::as_str) == Some(wanted))?;
    at_json_path(item, rest)
}

fn age_at(object: &Value, pointer: &str, now: Timestamp) -> String {
    human_age(text(object, pointer), now)
}

fn human_age(at: &str, now: Timestamp) -> String {
    match at.parse::<jiff::Timestamp>() {
        Ok(at) => human(now.millis().saturating_sub(from_jiff(at).millis()) / 1000),
        Err(_) => "<unknown>".to_owned(),
    }
}

/// A length of time as `kubectl` shows it (`HumanDuration` of apimachinery).
fn human(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let two = |a: i64, unit: &str, b: i64, smaller: &str| {
        if b == 0 { format!("{a}{unit}") } else { format!("{a}{unit}{b}{smaller}") }
    };
    match seconds {
        ..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        _ if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => two(hours, "h", minutes % 60, "m"),
        _ if hours < 48 => format!("{hours}h"),
        _ if hours < 24 * 8 => two(hours / 24, "d", hours % 24, "h"),
        _ if hours < 24 * 365 * 2 => format!("{}d", hours / 24),
        _ if hours < 24 * 365 * 8 => two(hours / 24 / 365, "y", hours / 24 % 365, "d"),
        _ => format!("{}y", hours / 24 / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_rounded_as_kubectl_rounds_them() {
        let shown: Vec<String> = [
            -5, 0, 119, 120, 125, 600, 10_799, 10_800, 11_100, 28_800, 172_800, 180_000, 691_200, 63_072_000,
        ]
        .into_iter()
        .map(human)
        .collect();
        assert_eq!(
            shown,
            [
                "<invalid>",
                "0s",
                "119s",
                "2m",
                "2m5s",
                "10m",
                "179m",
                "3h",
                "3h5m",
                "8h",
                "2d",
                "2d2h",
                "8d",
                "2y"
            ]
        );
    }

    #[test]
    fn a_json_path_finds_fields_and_filtered_items() {
        let object = json!({"status": {"conditions": [{"type": "Old", "status": "a"}, {"type": "Ready", "status": "b"}]}});
        let path = ".status.conditions[?(@.type==\"Ready\")].status";
        assert_eq!(at_json_path(&object, path), Some(&json!("b")));
        assert_eq!(at_json_path(&object, ".status.missing"), None);
    }
}
