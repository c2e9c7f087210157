//! The API server's audit log as values: who asked for what, when, and what came of it.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// One answered request; names are empty where the request has none.
#[derive(Debug, Clone)]
pub(crate) struct AuditEvent {
    /// For a service account `system:serviceaccount:<namespace>:<name>`.
    pub(crate) user: String,
    pub(crate) user_agent: String,
    pub(crate) verb: String,
    /// The API group; empty for the core group.
    pub(crate) group: String,
    pub(crate) namespace: String,
    pub(crate) resource: String,
    pub(crate) subresource: String,
    pub(crate) name: String,
    pub(crate) response_code: u16,
    /// The body of a write; `Null` for reads.
    pub(crate) request: Value,
    /// The object that was answered, where `audit-policy.yaml` asks for it; else `Null`.
    pub(crate) response: Value,
    pub(crate) received: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    stage: String,
    verb: String,
    user: User,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: ObjectRef,
    #[serde(default)]
    response_status: ResponseStatus,
    #[serde(default)]
    request_object: Value,
    #[serde(default)]
    response_object: Value,
    request_received_timestamp: Timestamp,
}

#[derive(Deserialize)]
struct User {
    /// Empty for a caller that is not known, such as one whose `ServiceAccount` is gone.
    #[serde(default)]
    username: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ObjectRef {
    api_group: String,
    namespace: String,
    resource: String,
    subresource: String,
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ResponseStatus {
    code: u16,
}

/// Reads a log of JSON lines; an unfinished last line is left for the next reading.
pub(crate) fn parse(log: &str) -> Vec<AuditEvent> {
    let finished = log.rfind('\n').map_or("", |end| &log[..end]);
    finished
        .lines()
        .map(|line| {
            serde_json::from_str::<Line>(line).unwrap_or_else(|error| panic!("audit line {line}: {error}"))
        })
        .filter(is_answer)
        .map(AuditEvent::from)
        .collect()
}

/// A watch is answered when it starts, and recorded again when it ends; it counts once. All else counts when it ends.
fn is_answer(line: &Line) -> bool {
    match line.stage.as_str() {
        "ResponseStarted" => line.verb == "watch",
        "ResponseComplete" => line.verb != "watch" || line.response_status.code >= 400,
        _ => true,
    }
}

impl From<Line> for AuditEvent {
    fn from(line: Line) -> Self {
        let ObjectRef { api_group: group, namespace, resource, subresource, name } = line.object_ref;
        Self {
            user: line.user.username,
            user_agent: line.user_agent,
            verb: line.verb,
            group,
            namespace,
            resource,
            subresource,
            name,
            response_code: line.response_status.code,
            request: line.request_object,
            response: line.response_object,
            received: line.request_received_timestamp,
        }
    }
}
