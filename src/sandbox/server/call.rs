//! A request, taken apart: where it goes, what it asks, in which form the answer is wanted.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};
use serde_json::Value;

use super::key_of;
use super::status::Refused;
use crate::sandbox::kinds::{Kind, served};
use crate::sandbox::store::Key;

/// Where a request goes.
pub(crate) enum Place {
    /// What is served, versions, health.
    Fixed,
    /// All objects of a kind, of one namespace or of all.
    Collection {
        /// The kind.
        kind: &'static Kind,
        /// The namespace.
        namespace: Option<String>,
    },
    /// One object or a part of it.
    Object {
        /// The kind.
        kind: &'static Kind,
        /// Where it is kept.
        key: Key,
        /// `status` or `scale`.
        subresource: Option<String>,
    },
}

/// The form in which objects are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As they are.
    Whole,
    /// As the rows of a table.
    Table,
    /// Their metadata alone.
    Metadata,
}

/// A request.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) place: Place,
    query: Vec<(String, String)>,
    pub(crate) form: Form,
    pub(crate) content_type: String,
    agent: String,
    pub(crate) body: Bytes,
}

impl Call {
    /// Takes `request` apart.
    pub(crate) fn parse(request: Request<Bytes>) -> Result<Self, Refused> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let query = parts.uri.query().unwrap_or_default();
        let query: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let place = place_of(&path)?;
        let content_type = words(&parts.headers, header::CONTENT_TYPE);
        let content_type = content_type.split(';').next().unwrap_or_default().trim().to_owned();
        Ok(Self {
            method: parts.method,
            path,
            place,
            query,
            form: form_of(&words(&parts.headers, header::ACCEPT)).ok_or_else(Refused::not_acceptable)?,
            content_type,
            agent: words(&parts.headers, header::USER_AGENT),
            body,
        })
    }

    /// The first value of a query parameter, empty when it is absent.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.query.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// Whether a parameter is `true` or `1`.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        matches!(self.param(name), "true" | "1")
    }

    /// Whether nothing is to be stored.
    pub(crate) fn is_dry_run(&self) -> bool {
        self.param("dryRun") == "All"
    }

    /// Refuses a dry run of which nobody knows how it is meant.
    pub(crate) fn check_dry_run(&self, options: &str) -> Result<(), Refused> {
        let stated = self.param("dryRun");
        if matches!(stated, "" | "All") {
            return Ok(());
        }
        let what = format!("Unsupported value: \"{stated}\": supported values: \"All\"");
        Err(Refused::invalid_options(options, ("dryRun", "FieldValueNotSupported", &what)))
    }

    /// In whose name fields are written: the parameter, else the first word of the user agent.
    pub(crate) fn manager(&self) -> String {
        let stated = self.param("fieldManager");
        let name = if stated.is_empty() { self.agent.split('/').next().unwrap_or_default() } else { stated };
        let name: String = name.chars().take(128).collect();
        if name.is_empty() { "unknown".to_owned() } else { name }
    }

    /// The body as JSON; an empty one is null.
    pub(crate) fn json(&self) -> Result<Value, Refused> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        if self.content_type.contains("protobuf") {
            return Err(Refused::media_type("application/json"));
        }
        if self.body.first() == Some(&b'{') || self.body.first() == Some(&b'[') {
            return serde_json::from_slice(&self.body)
                .map_err(|error| Refused::bad_request(format!("the body is no JSON: {error}")));
        }
        let text = std::str::from_utf8(&self.body).unwrap_or_default();
        serde_saphyr::from_str(text)
            .map_err(|error| Refused::bad_request(format!("the body is neither JSON nor YAML: {error}")))
    }
}

fn words(headers: &HeaderMap, name: header::HeaderName) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// The first form of an `Accept` header that is spoken here; `None` when none is.
fn form_of(accept: &str) -> Option<Form> {
    if accept.is_empty() {
        return Some(Form::Whole);
    }
    accept.split(',').find_map(|part| {
        let part = part.replace(' ', "");
        let media_type = part.split(';').next().unwrap_or_default();
        if !matches!(media_type, "application/json" | "application/*" | "*/*") {
            return None;
        }
        if part.contains("as=Table") {
            return part
                .contains("v=v1;")
                .then_some(Form::Table)
                .or_else(|| part.ends_with("v=v1").then_some(Form::Table));
        }
        if part.contains("as=PartialObjectMetadata") {
            return Some(Form::Metadata);
        }
        Some(Form::Whole)
    })
}

fn place_of(path: &str) -> Result<Place, Refused> {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let (group, version, rest) = match segments.as_slice() {
        ["api", version, rest @ ..] if !rest.is_empty() => ("", *version, rest),
        ["apis", group, version, rest @ ..] if !rest.is_empty() => (*group, *version, rest),
        _ => return Ok(Place::Fixed),
    };
    let find = |plural: &str| served(group, version, plural).ok_or_else(Refused::no_such_path);
    match rest {
        [plural] => Ok(Place::Collection { kind: find(plural)?, namespace: None }),
        ["namespaces", name] => object("", "namespaces", name, None, find),
        ["namespaces", name, sub @ ("status" | "finalize")] => {
            object("", "namespaces", name, Some(sub), find)
        }
        ["namespaces", namespace, plural] => Ok(Place::Collection {
            kind: namespaced(find(plural)?)?,
            namespace: Some((*namespace).to_owned()),
        }),
        ["namespaces", namespace, plural, name] => object(namespace, plural, name, None, find),
        ["namespaces", namespace, plural, name, sub] => object(namespace, plural, name, Some(sub), find),
        [plural, name] => object("", plural, name, None, find),
        [plural, name, sub] => object("", plural, name, Some(sub), find),
        _ => Err(Refused::no_such_path()),
    }
}

fn namespaced(kind: &'static Kind) -> Result<&'static Kind, Refused> {
    if kind.namespaced() { Ok(kind) } else { Err(Refused::no_such_path()) }
}

fn object(
    namespace: &str,
    plural: &str,
    name: &str,
    subresource: Option<&str>,
    find: impl Fn(&str) -> Result<&'static Kind, Refused>,
) -> Result<Place, Refused> {
    let kind = find(plural)?;
    if kind.namespaced() == namespace.is_empty() {
        return Err(Refused::no_such_path());
    }
    let name = percent_decoded(name);
    Ok(Place::Object {
        kind,
        key: key_of(kind, namespace, &name),
        subresource: subresource.map(str::to_owned),
    })
}

fn percent_decoded(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    // A plus sign in a path stands for itself.
    let escaped = format!("={}", text.replace('+', "%2B"));
    form_urlencoded::parse(escaped.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_apart() {
        let check = |path: &str, expected: &str| {
            let said = match place_of(path) {
                Err(refused) => refused.code.to_string(),
                Ok(Place::Fixed) => "fixed".to_owned(),
                Ok(Place::Collection { kind, namespace }) => {
                    format!("all {} of {}", kind.plural, namespace.unwrap_or("*".to_owned()))
                }
                Ok(Place::Object { kind, key, subresource }) => {
                    format!(
                        "{} {}/{} {}",
                        kind.plural,
                        key.namespace,
                        key.name,
                        subresource.unwrap_or_default()
                    )
                }
            };
            assert_eq!(said.trim(), expected, "{path}");
        };
        check("/apis", "fixed");
        check("/api/v1", "fixed");
        check("/api/v1/namespaces", "all namespaces of *");
        check("/api/v1/namespaces/shop", "namespaces /shop");
        check("/api/v1/namespaces/shop/status", "namespaces /shop status");
        check("/api/v1/namespaces/shop/pods", "all pods of shop");
        check("/apis/apps/v1/deployments", "all deployments of *");
        check("/apis/apps/v1/namespaces/shop/deployments/web/scale", "deployments shop/web scale");
        check("/apis/foresail.dev/v1alpha1/metricsources/main", "metricsources /main");
        check("/apis/foresail.dev/v1alpha1/namespaces/shop/metricsources", "404");
        check("/apis/apps/v1/deployments/web", "404");
        check("/apis/batch/v1/jobs", "404");
    }

    #[test]
    fn kubectl_gets_its_table_and_others_the_whole_object() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        assert_eq!(form_of(kubectl), Some(Form::Table));
        assert_eq!(form_of("application/json"), Some(Form::Whole));
        assert_eq!(form_of(""), Some(Form::Whole));
        assert_eq!(form_of("*/*"), Some(Form::Whole));
        assert_eq!(form_of("application/vnd.kubernetes.protobuf,application/json"), Some(Form::Whole));
        assert_eq!(form_of("text/html"), None);
        let metadata = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
        assert_eq!(form_of(metadata), Some(Form::Metadata));
    }
}
