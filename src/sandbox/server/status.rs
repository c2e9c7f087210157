//! Refusals, worded as the API server words them.

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::{Answer, answer};
use crate::sandbox::kinds::Kind;
use crate::sandbox::store::OutOfReach;

/// A refusal: what a `Status` of `Failure` carries.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refused {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) details: Value,
}

/// One field that is wrong: path, reason (`FieldValueInvalid`), sentence.
pub(crate) type Cause = (String, &'static str, String);

impl Refused {
    fn new(code: u16, reason: &'static str, message: String) -> Self {
        Self { code, reason, message, details: Value::Null }
    }

    /// The object does not exist.
    pub(crate) fn not_found(kind: &Kind, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", kind.resource());
        Self { details: about(kind, name), ..Self::new(404, "NotFound", message) }
    }

    /// The address means nothing.
    pub(crate) fn no_such_path() -> Self {
        let message = "the server could not find the requested resource".to_owned();
        Self { details: json!({}), ..Self::new(404, "NotFound", message) }
    }

    /// An object of that name exists.
    pub(crate) fn exists(kind: &Kind, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", kind.resource());
        Self { details: about(kind, name), ..Self::new(409, "AlreadyExists", message) }
    }

    /// Somebody else changed the object since it was read.
    pub(crate) fn changed(kind: &Kind, name: &str) -> Self {
        Self::conflict(
            kind,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    /// A write that does not fit what stands.
    pub(crate) fn conflict(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.resource());
        Self { details: about(kind, name), ..Self::new(409, "Conflict", message) }
    }

    /// Other managers hold what an apply would set: each with the fields.
    pub(crate) fn apply_conflict(conflicts: &[(String, String)]) -> Self {
        let n = conflicts.len();
        let noun = if n == 1 { "conflict" } else { "conflicts" };
        let lines = match conflicts {
            [(manager, field)] => vec![format!("conflict with {manager}: {field}")],
            several => by_manager(several),
        };
        let message = format!("Apply failed with {n} {noun}: {}", lines.join("\n"));
        let causes: Vec<Value> = conflicts
            .iter()
            .map(|(manager, field)| {
                json!({"reason": "FieldManagerConflict", "message": format!("conflict with {manager}"), "field": field})
            })
            .collect();
        Self { details: json!({"causes": causes}), ..Self::new(409, "Conflict", message) }
    }

    /// Fields of the object are wrong.
    pub(crate) fn invalid(kind: &Kind, name: &str, causes: &[Cause]) -> Self {
        let lines: Vec<String> = causes.iter().map(|(path, _, what)| format!("{path}: {what}")).collect();
        let said = match lines.as_slice() {
            [one] => one.clone(),
            several => format!("[{}]", several.join(", ")),
        };
        let message = format!("{} \"{name}\" is invalid: {said}", kind.qualified());
        let listed: Vec<Value> = causes
            .iter()
            .map(|(path, reason, what)| json!({"reason": reason, "message": what, "field": path}))
            .collect();
        let mut details = json!({"kind": kind.name, "causes": listed});
        for (field, text) in [("name", name), ("group", &kind.group)] {
            if !text.is_empty() {
                super::json::put(&mut details, &[field], text);
            }
        }
        Self { details, ..Self::new(422, "Invalid", message) }
    }

    /// An update of a kind that only takes those of a stated version.
    pub(crate) fn no_version(kind: &Kind, name: &str) -> Self {
        let what = "Invalid value: 0: must be specified for an update";
        let causes = [("metadata.resourceVersion".to_owned(), "FieldValueInvalid", what.to_owned())];
        let mut refused = Self::invalid(kind, name, &causes);
        refused.message =
            format!("{} \"{name}\" is invalid: metadata.resourceVersion: {what}", kind.resource());
        super::json::put(&mut refused.details, &["kind"], kind.plural.clone());
        refused
    }

    /// The count of a scale is wrong.
    pub(crate) fn invalid_scale(name: &str, causes: &[Cause]) -> Self {
        let lines: Vec<String> = causes.iter().map(|(path, _, what)| format!("{path}: {what}")).collect();
        let message = format!("Scale.autoscaling \"{name}\" is invalid: {}", lines.join(", "));
        let listed: Vec<Value> = causes
            .iter()
            .map(|(path, reason, what)| json!({"reason": reason, "message": what, "field": path}))
            .collect();
        let details = json!({"name": name, "group": "autoscaling", "kind": "Scale", "causes": listed});
        Self { details, ..Self::new(422, "Invalid", message) }
    }

    /// A parameter of the request is wrong.
    pub(crate) fn invalid_options(options: &str, (field, reason, what): (&str, &str, &str)) -> Self {
        let message = format!("{options}.meta.k8s.io \"\" is invalid: {field}: {what}");
        let causes = json!([{"reason": reason, "message": what, "field": field}]);
        Self {
            details: json!({"group": "meta.k8s.io", "kind": options, "causes": causes}),
            ..Self::new(422, "Invalid", message)
        }
    }

    /// The result of a patch is no object of its kind.
    pub(crate) fn bad_patch(self) -> Self {
        if self.code != 400 {
            return self;
        }
        let causes = json!([{"reason": "FieldValueInvalid", "message": self.message, "field": "patch"}]);
        let message = format!(" \"\" is invalid: patch: {}", self.message);
        Self { details: json!({"causes": causes}), ..Self::new(422, "Invalid", message) }
    }

    /// What the server answers when it is at fault itself, and to some requests that are.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "", message.into())
    }

    /// None of the forms that are wanted is spoken here.
    pub(crate) fn not_acceptable() -> Self {
        let message = "only the following media types are accepted: application/json".to_owned();
        Self::new(406, "NotAcceptable", message)
    }

    /// The request cannot be understood.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message.into())
    }

    /// The request is well formed and cannot be carried out.
    pub(crate) fn unprocessable(why: &str) -> Self {
        let message = format!("the server rejected our request due to an error in our request: {why}");
        Self { details: json!({}), ..Self::new(422, "Invalid", message) }
    }

    /// A patch in no style that is spoken here.
    pub(crate) fn no_patch_style() -> Self {
        let message = "415: Unsupported Media Type".to_owned();
        Self { details: json!({}), ..Self::new(415, "UnsupportedMediaType", message) }
    }

    /// The body is in no form that is spoken here.
    pub(crate) fn media_type(accepted: &str) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {accepted}"
        );
        Self::new(415, "UnsupportedMediaType", message)
    }

    /// The body is longer than is taken.
    pub(crate) fn too_large() -> Self {
        let message = "Request entity too large: limit is 3145728".to_owned();
        Self::new(413, "RequestEntityTooLarge", message)
    }

    /// The address does not take this method.
    pub(crate) fn method() -> Self {
        let message = "the server does not allow this method on the requested resource".to_owned();
        Self { details: json!({}), ..Self::new(405, "MethodNotAllowed", message) }
    }

    /// It may not be done now.
    pub(crate) fn forbidden(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!("{} \"{name}\" is forbidden: {why}", kind.resource());
        Self { details: about(kind, name), ..Self::new(403, "Forbidden", message) }
    }

    /// An injected fault.
    pub(crate) fn injected(code: u16) -> Self {
        let reason = match code {
            429 => "TooManyRequests",
            500 => "InternalError",
            503 => "ServiceUnavailable",
            504 => "Timeout",
            _ => "Unknown",
        };
        Self::new(code, reason, "the sandbox fails this request by its seed".to_owned())
    }

    /// As an object of kind `Status`.
    pub(crate) fn as_object(&self) -> Value {
        let Self { code, reason, message, details } = self;
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "code": code,
        });
        if !reason.is_empty() {
            super::json::put(&mut status, &["reason"], *reason);
        }
        if !details.is_null() {
            super::json::put(&mut status, &["details"], details.clone());
        }
        status
    }

    /// As an answer.
    pub(crate) fn answer(&self) -> Response<Answer> {
        let mut response = answer(self.code, &self.as_object());
        if self.code == 429 {
            response.headers_mut().insert(http::header::RETRY_AFTER, http::HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<OutOfReach> for Refused {
    fn from(reach: OutOfReach) -> Self {
        match reach {
            OutOfReach::Expired { wanted, oldest } => {
                Self::new(410, "Expired", format!("too old resource version: {wanted} ({oldest})"))
            }
            OutOfReach::Future { wanted, newest } => Self {
                details: json!({
                    "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
                    "retryAfterSeconds": 1,
                }),
                ..Self::new(
                    504,
                    "Timeout",
                    format!("Timeout: Too large resource version: {wanted}, current: {newest}"),
                )
            },
        }
    }
}

/// Several conflicts as lines, manager by manager.
fn by_manager(conflicts: &[(String, String)]) -> Vec<String> {
    let managers: std::collections::BTreeSet<&String> =
        conflicts.iter().map(|(manager, _)| manager).collect();
    managers
        .into_iter()
        .flat_map(|manager| {
            let fields = conflicts.iter().filter(move |(one, _)| one == manager);
            let fields = fields.map(|(_, field)| format!("- {field}"));
            std::iter::once(format!("conflicts with {manager}:")).chain(fields)
        })
        .collect()
}

fn about(kind: &Kind, name: &str) -> Value {
    let mut details = json!({"name": name, "kind": kind.plural});
    if !kind.group.is_empty() {
        super::json::put(&mut details, &["group"], kind.group.clone());
    }
    details
}

/// A `Status` of `Success` about an object that was deleted.
pub(crate) fn deleted(kind: &Kind, object: &Value) -> Value {
    let mut details = about(kind, super::json::text(object, "/metadata/name"));
    super::json::put(&mut details, &["uid"], super::json::text(object, "/metadata/uid"));
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

/// Bytes of a JSON value.
pub(crate) fn bytes_of(value: &Value) -> Bytes {
    Bytes::from(value.to_string())
}
