//! Label and field selectors.

use serde_json::Value;

use super::call::Call;
use super::json::text;
use super::status::Refused;
use crate::sandbox::kinds::Kind;

/// What a list or a watch shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    labels: Vec<Label>,
    fields: Vec<Field>,
}

/// One requirement on a label.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Label {
    Exists(String),
    Lacks(String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
}

/// One requirement on a field: its pointer, the value, whether it must be equal.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    pointer: String,
    value: String,
    equal: bool,
}

impl Selection {
    /// The selection of `call` on objects of `kind`.
    pub(crate) fn of(call: &Call, kind: &Kind) -> Result<Self, Refused> {
        Ok(Self {
            labels: labels_of(call.param("labelSelector"))?,
            fields: fields_of(kind, call.param("fieldSelector"))?,
        })
    }

    /// Whether `object`, as its kind shows it, is selected.
    pub(crate) fn shows(&self, object: &Value) -> bool {
        self.labels.iter().all(|label| label.holds(object))
            && self.fields.iter().all(|field| field.holds(object))
    }

    /// Whether everything is selected.
    pub(crate) fn is_all(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }
}

impl Label {
    fn holds(&self, object: &Value) -> bool {
        let labels = object.pointer("/metadata/labels");
        let value = |key: &str| labels.and_then(|labels| labels.get(key)).and_then(Value::as_str);
        match self {
            Self::Exists(key) => value(key).is_some(),
            Self::Lacks(key) => value(key).is_none(),
            Self::In(key, values) => value(key).is_some_and(|value| values.iter().any(|one| one == value)),
            Self::NotIn(key, values) => value(key).is_none_or(|value| values.iter().all(|one| one != value)),
        }
    }
}

impl Field {
    fn holds(&self, object: &Value) -> bool {
        let value = match object.pointer(&self.pointer) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Bool(flag)) => flag.to_string(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        (value == self.value) == self.equal
    }
}

/// Whether the labels of `object` satisfy the `matchLabels` and `matchExpressions` of `selector`.
pub(crate) fn matches(selector: &Value, object: &Value) -> bool {
    label_selector(selector).iter().all(|label| label.holds(object))
}

fn label_selector(selector: &Value) -> Vec<Label> {
    let equal = super::json::entries(selector, "/matchLabels")
        .map(|(key, value)| Label::In(key.clone(), vec![value.as_str().unwrap_or_default().to_owned()]));
    let expressions = super::json::items(selector, "/matchExpressions").iter().map(|one| {
        let key = text(one, "/key").to_owned();
        let values =
            super::json::items(one, "/values").iter().filter_map(Value::as_str).map(str::to_owned).collect();
        match text(one, "/operator") {
            "In" => Label::In(key, values),
            "NotIn" => Label::NotIn(key, values),
            "Exists" => Label::Exists(key),
            _ => Label::Lacks(key),
        }
    });
    equal.chain(expressions).collect()
}

/// `selector` in the form of a query parameter, as `/scale` shows it.
pub(crate) fn as_text(selector: &Value) -> String {
    let words = label_selector(selector).into_iter().map(|label| match label {
        Label::Exists(key) => key,
        Label::Lacks(key) => format!("!{key}"),
        Label::In(key, values) => match values.as_slice() {
            [one] => format!("{key}={one}"),
            several => format!("{key} in ({})", several.join(",")),
        },
        Label::NotIn(key, values) => format!("{key} notin ({})", values.join(",")),
    });
    words.collect::<Vec<_>>().join(",")
}

/// The requirements of a label selector: `a=b,c!=d,e in (f,g),h notin (i),j,!k`.
fn labels_of(selector: &str) -> Result<Vec<Label>, Refused> {
    split_outside_brackets(selector).into_iter().map(|part| label_of(part.trim(), selector)).collect()
}

fn label_of(part: &str, whole: &str) -> Result<Label, Refused> {
    let bad = || Refused::bad_request(format!("unable to parse requirement: found '{part}' in '{whole}'"));
    if let Some(key) = part.strip_prefix('!') {
        return Ok(Label::Lacks(key_in(key).ok_or_else(bad)?));
    }
    if let Some((head, list)) = part.split_once('(') {
        let values: Vec<String> =
            list.strip_suffix(')').ok_or_else(bad)?.split(',').map(|value| value.trim().to_owned()).collect();
        let mut words = head.split_whitespace();
        return match (words.next().and_then(key_in), words.next(), words.next()) {
            (Some(key), Some("in"), None) => Ok(Label::In(key, values)),
            (Some(key), Some("notin"), None) => Ok(Label::NotIn(key, values)),
            _ => Err(bad()),
        };
    }
    let (key, value, equal) = match part.split_once("!=").map(|(key, value)| (key, value, false)) {
        Some(parts) => parts,
        None => match part.split_once("==").or_else(|| part.split_once('=')) {
            Some((key, value)) => (key, value, true),
            None => return Ok(Label::Exists(key_in(part).ok_or_else(bad)?)),
        },
    };
    let key = key_in(key.trim()).ok_or_else(bad)?;
    let value = value.trim();
    if !value.is_empty() && key_in(value).is_none() {
        return Err(bad());
    }
    let values = vec![value.to_owned()];
    Ok(if equal { Label::In(key, values) } else { Label::NotIn(key, values) })
}

fn key_in(text: &str) -> Option<String> {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    (!text.is_empty() && text.chars().all(known)).then(|| text.to_owned())
}

fn split_outside_brackets(text: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    let separates = |c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    };
    text.split(separates).filter(|part| !part.trim().is_empty()).collect()
}

/// Fields that every kind, and those that one kind, can be selected by.
fn selectable(kind: &Kind) -> &'static [&'static str] {
    match (kind.group.as_str(), kind.name.as_str()) {
        ("", "Pod") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.phase",
            "status.podIP",
        ],
        ("", "Event") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.fieldPath",
            "involvedObject.resourceVersion",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("events.k8s.io", "Event") => &[
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "reason",
            "reportingController",
            "type",
        ],
        ("", "Namespace") => &["status.phase"],
        ("", "Node") => &["spec.unschedulable"],
        ("", "Secret") => &["type"],
        ("apps", "ReplicaSet") => &["status.replicas"],
        _ => &[],
    }
}

fn fields_of(kind: &Kind, selector: &str) -> Result<Vec<Field>, Refused> {
    selector.split(',').filter(|part| !part.is_empty()).map(|part| field_of(kind, part)).collect()
}

fn field_of(kind: &Kind, part: &str) -> Result<Field, Refused> {
    let (name, value, equal) = match part.split_once("!=") {
        Some((name, value)) => (name, value, false),
        None => match part.split_once("==").or_else(|| part.split_once('=')) {
            Some((name, value)) => (name, value, true),
            None => {
                return Err(Refused::bad_request(format!(
                    "invalid field selector \"{part}\"; can't understand '{part}'"
                )));
            }
        },
    };
    let common = name == "metadata.name" || (name == "metadata.namespace" && kind.namespaced());
    if !common && !selectable(kind).contains(&name) {
        let message = if selectable(kind).is_empty() && kind.custom.is_none() {
            format!(
                "\"{name}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
            )
        } else {
            format!("field label not supported: {name}")
        };
        return Err(Refused::bad_request(message));
    }
    Ok(Field { pointer: format!("/{}", name.replace('.', "/")), value: value.to_owned(), equal })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::kinds::known;
    use serde_json::json;

    #[test]
    fn labels_are_selected_as_kubernetes_does() {
        let object = json!({"metadata": {"labels": {"app": "web", "tier": "front", "example.com/x": ""}}});
        let check = |selector: &str, expected: bool| {
            let labels = labels_of(selector).unwrap();
            assert_eq!(labels.iter().all(|label| label.holds(&object)), expected, "{selector}");
        };
        check("app=web", true);
        check("app==web,tier!=back", true);
        check("app in (api, web),tier", true);
        check("app notin (web)", false);
        check("zone notin (a)", true);
        check("zone!=a", true);
        check("!zone", true);
        check("!app", false);
        check("example.com/x=", true);
        check("app", true);
        check("", true);
        for bad in ["app in web", "a b", "=x", "app=(", "in (a)"] {
            assert_eq!(labels_of(bad).unwrap_err().code, 400, "{bad}");
        }
    }

    #[test]
    fn a_selector_object_is_written_as_scale_shows_it() {
        let selector = json!({
            "matchLabels": {"app": "web"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["a", "b"]},
                {"key": "old", "operator": "DoesNotExist"},
            ],
        });
        assert_eq!(as_text(&selector), "app=web,tier in (a,b),!old");
        assert!(matches(&selector, &json!({"metadata": {"labels": {"app": "web", "tier": "b"}}})));
        assert!(!matches(
            &selector,
            &json!({"metadata": {"labels": {"app": "web", "tier": "b", "old": ""}}})
        ));
    }

    #[test]
    fn fields_are_those_that_the_kind_offers() {
        let pods = known("v1", "Pod");
        let pod = json!({"metadata": {"name": "a"}, "status": {"phase": "Running"}});
        let holds = |selector: &str| fields_of(pods, selector).unwrap().iter().all(|field| field.holds(&pod));
        assert!(holds("metadata.name=a,status.phase!=Failed"));
        assert!(!holds("spec.nodeName=n1"));
        assert_eq!(fields_of(pods, "spec.hostNetwork=true").unwrap_err().code, 400);
    }
}
