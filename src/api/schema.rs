//! A value against a structural schema and its CEL rules: every violation, each with what to do about it.
//!
//! The same keywords that the API server evaluates, on the same schema, without an API server.

use kube::core::cel::{ErrorKind, ValidationError, apply_defaults, validate_compiled};
use serde_json::{Map, Value};

use super::FieldError;
use super::crd::Kind;
use super::rules::{Rule, is_closed, is_open_metadata, says};
use super::v1alpha1::text;

/// A violation and the rule that was violated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) error: FieldError,
    pub(super) rule: Rule,
}

/// Every rule of `kind` that `object` violates, as stored after defaulting; empty when there is none.
pub(super) fn validate(kind: &Kind, object: &Value) -> Vec<Finding> {
    let defaulted = as_stored(kind, object);
    let mut walk = Walk { kind, found: Vec::new() };
    walk.node(&kind.schema, &defaulted, "", "");
    let mut found = walk.found;
    let structural = !found.is_empty();
    let refused = validate_compiled(&kind.cel, &defaulted, None).err();
    for error in refused.into_iter().flatten() {
        // A rule that cannot be evaluated stumbles over a value that was reported already.
        if error.kind == ErrorKind::ValidationFailure || !structural {
            found.push(broken_rule(&error, &defaulted));
        }
    }
    found
}

/// `object` as an API server would store it: without nulls, with defaults.
pub(super) fn as_stored(kind: &Kind, object: &Value) -> Value {
    apply_defaults(&kind.schema, &without_nulls(&kind.schema, object))
}

/// `value` without fields that are null: the API server takes them as absent before it fills in defaults. Items of a
/// list stay, as there.
fn without_nulls(schema: &Value, value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let of = |name: &str| {
                let named = schema.get("properties").and_then(|known| known.get(name));
                named.or_else(|| schema.get("additionalProperties"))
            };
            let kept = fields.iter().filter(|(name, value)| !(value.is_null() && of(name).is_some()));
            kept.map(|(name, value)| {
                let value = of(name).map_or_else(|| value.clone(), |schema| without_nulls(schema, value));
                (name.clone(), value)
            })
            .collect::<Map<String, Value>>()
            .into()
        }
        Value::Array(items) => match schema.get("items") {
            Some(schema) => items.iter().map(|item| without_nulls(schema, item)).collect(),
            None => value.clone(),
        },
        _ => value.clone(),
    }
}

fn broken_rule(error: &ValidationError, object: &Value) -> Finding {
    let path = error.field_path.replace("..", ".");
    let (problem, remedy) =
        error.message.split_once(": ").unwrap_or((&error.message, "change the value so that the rule holds"));
    let problem = with_values(problem, object, &path);
    let shown = find(object, &path).and_then(scalar);
    let problem = match shown {
        Some(value) if problem.starts_with("must") => format!("`{value}` {problem}"),
        Some(value) => format!("`{value}`: {problem}"),
        None => problem,
    };
    Finding { rule: Rule::new(&path, "cel", &error.rule), error: FieldError::new(path, problem, remedy) }
}

/// A message with the values of the fields that it names: `must be at most maxReplicas` becomes
/// `` must be at most maxReplicas `5` ``. A rule cannot say so itself: the API server estimates such a message as too
/// expensive.
fn with_values(problem: &str, object: &Value, path: &str) -> String {
    let is_field = |word: &str| word.starts_with(char::is_lowercase) && word.contains(char::is_uppercase);
    let value_of = |word: &str| {
        let mut scope = path;
        while let Some(end) = scope.rfind(['.', '[']) {
            scope = scope.get(..end).unwrap_or_default();
            if let Some(value) = find(object, scope).and_then(|at| at.get(word)).and_then(scalar) {
                return Some(value);
            }
        }
        None
    };
    let words = problem.split(' ').map(|word| match value_of(word).filter(|_| is_field(word)) {
        Some(value) => format!("{word} `{value}`"),
        None => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The value at a path such as `spec.metrics[0].name`.
pub(super) fn find<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    path.split(['.', '[', ']']).filter(|segment| !segment.is_empty()).try_fold(object, |at, segment| match at
    {
        Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
        _ => at.get(segment),
    })
}

/// A scalar as it is shown in a message, at most 64 characters of it.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Array(_) | Value::Object(_) | Value::Null => None,
        Value::String(text) => Some(clipped(text)),
        other => Some(other.to_string()),
    }
}

fn clipped(text: &str) -> String {
    super::limits::clip(text, 64)
}

struct Walk<'a> {
    kind: &'a Kind,
    found: Vec<Finding>,
}

impl Walk<'_> {
    fn report(&mut self, place: Place<'_>, keyword: &'static str, operand: &Value, text: (String, String)) {
        self.found.push(Finding {
            rule: Rule::new(place.node, keyword, says(operand)),
            error: FieldError::new(place.path, text.0, text.1),
        });
    }

    fn node(&mut self, schema: &Value, value: &Value, path: &str, node: &str) {
        let Some(schema) = schema.as_object() else { return };
        let place = Place { path, node };
        let expected = schema.get("type").and_then(Value::as_str).unwrap_or_default();
        if !has_type(value, expected) {
            let problem = format!("`{}` is {}, expected {}", shown(value), type_of(value), named(expected));
            let remedy = type_remedy(expected, value);
            self.report(place, "type", &expected.into(), (problem, remedy));
            return;
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array)
            && !values.contains(value)
        {
            let names: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
            let remedy = did_you_mean(value.as_str().unwrap_or_default(), &names)
                .unwrap_or_else(|| format!("use one of {}", names.join(", ")));
            let problem = format!("`{}` is none of {}", shown(value), names.join(", "));
            self.report(place, "enum", &Value::Array(values.clone()), (problem, remedy));
        }
        match value {
            Value::String(text) => self.text(schema, text, place),
            Value::Number(number) => self.number(schema, number, place),
            Value::Array(items) => self.list(schema, items, place),
            Value::Object(fields) => self.object(schema, fields, place),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn text(&mut self, schema: &Map<String, Value>, text: &str, place: Place<'_>) {
        let length = count(text.chars().count());
        if let Some(limit) = limit(schema, "maxLength").filter(|limit| length > *limit) {
            let problem = format!("`{}` has {length} characters, at most {limit} are allowed", clipped(text));
            self.report(place, "maxLength", &limit.into(), (problem, "shorten it".to_owned()));
        }
        if let Some(limit) = limit(schema, "minLength").filter(|limit| length < *limit) {
            let problem = format!("`{text}` has {length} characters, at least {limit} are needed");
            let remedy = schema.get("pattern").and_then(Value::as_str).and_then(text::remedy);
            let remedy = remedy.unwrap_or("write a value, or remove the field").to_owned();
            self.report(place, "minLength", &limit.into(), (problem, remedy));
        }
        if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
            && !self.kind.patterns.get(pattern).is_some_and(|regex| regex.is_match(text))
        {
            let problem = format!("`{}` is not of the expected form", clipped(text));
            let remedy = text::remedy(pattern)
                .map_or_else(|| format!("write a value that matches `{pattern}`"), str::to_owned);
            self.report(place, "pattern", &pattern.into(), (problem, remedy));
        }
        if schema.get("format").is_some_and(|format| format == "date-time")
            && text.parse::<jiff::Timestamp>().is_err()
        {
            let problem = format!("`{}` is no point in time", clipped(text));
            let remedy = "write date, time and zone, as `2026-12-01T08:00:00Z`".to_owned();
            self.report(place, "format", &"date-time".into(), (problem, remedy));
        }
    }

    fn number(&mut self, schema: &Map<String, Value>, number: &serde_json::Number, place: Place<'_>) {
        let Some(value) = number.as_f64() else { return };
        if let Some(limit) =
            schema.get("maximum").filter(|limit| limit.as_f64().is_some_and(|most| value > most))
        {
            let text = (format!("`{number}` is greater than {limit}"), format!("use at most {limit}"));
            self.report(place, "maximum", limit, text);
        }
        if let Some(limit) =
            schema.get("minimum").filter(|limit| limit.as_f64().is_some_and(|least| value < least))
        {
            let text = (format!("`{number}` is less than {limit}"), format!("use at least {limit}"));
            self.report(place, "minimum", limit, text);
        }
    }

    fn list(&mut self, schema: &Map<String, Value>, items: &[Value], place: Place<'_>) {
        let n = count(items.len());
        if let Some(limit) = limit(schema, "maxItems").filter(|limit| n > *limit) {
            let text = (format!("has {n} items, at most {limit} are allowed"), "remove some".to_owned());
            self.report(place, "maxItems", &limit.into(), text);
        }
        if let Some(limit) = limit(schema, "minItems").filter(|limit| n < *limit) {
            let text = (format!("has {n} items, at least {limit} are needed"), "add an item".to_owned());
            self.report(place, "minItems", &limit.into(), text);
        }
        let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
        for (i, item) in items.iter().enumerate() {
            if let Some(keys) = keys
                && items.iter().take(i).any(|other| same_keys(item, other, keys))
            {
                let names: Vec<&str> = keys.iter().filter_map(Value::as_str).collect();
                let first = names.first().and_then(|key| item.get(key)).and_then(scalar).unwrap_or_default();
                let at = Place { path: &format!("{}[{i}]", place.path), node: place.node };
                let text = (
                    format!("`{first}` is already the {} of another item", names.join(", ")),
                    "give each item its own, or remove one".to_owned(),
                );
                self.report(at, "uniqueKeys", &Value::Array(keys.clone()), text);
            }
            if let Some(child) = schema.get("items") {
                self.node(child, item, &format!("{}[{i}]", place.path), &format!("{}[*]", place.node));
            }
        }
    }

    fn object(&mut self, schema: &Map<String, Value>, fields: &Map<String, Value>, place: Place<'_>) {
        let n = count(fields.len());
        if let Some(limit) = limit(schema, "maxProperties").filter(|limit| n > *limit) {
            let text = (format!("has {n} entries, at most {limit} are allowed"), "remove some".to_owned());
            self.report(place, "maxProperties", &limit.into(), text);
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        for name in
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
        {
            if !fields.contains_key(name) {
                let about =
                    properties.and_then(|known| known.get(name)).and_then(|field| field.get("description"));
                let about = about.and_then(Value::as_str).map(first_sentence).unwrap_or_default();
                let at = Place { path: &join(place.path, name), node: place.node };
                let text = (
                    "is required".to_owned(),
                    format!("add it: {about}").trim_end_matches([':', ' ']).to_owned(),
                );
                self.report(at, "required", &name.into(), text);
            }
        }
        for (name, value) in fields {
            let path = join(place.path, name);
            if let Some(child) = properties.and_then(|known| known.get(name)) {
                self.node(child, value, &path, &join(place.node, name));
            } else if let Some(child) = schema.get("additionalProperties") {
                self.node(child, value, &path, &join(place.node, "*"));
            } else if is_closed(schema) && !is_open_metadata(place.node) {
                let known: Vec<&str> =
                    properties.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
                let remedy = did_you_mean(name, &known)
                    .unwrap_or_else(|| format!("remove it; the fields here are {}", known.join(", ")));
                let at = Place { path: &path, node: place.node };
                self.report(at, "unknown", &"".into(), (format!("`{}` is no field", clipped(name)), remedy));
            }
        }
    }
}

/// Where a value is, in the object and in the schema.
#[derive(Clone, Copy)]
struct Place<'a> {
    path: &'a str,
    node: &'a str,
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn limit(schema: &Map<String, Value>, keyword: &str) -> Option<u64> {
    schema.get(keyword).and_then(Value::as_u64)
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn same_keys(a: &Value, b: &Value, keys: &[Value]) -> bool {
    keys.iter().filter_map(Value::as_str).all(|key| a.get(key).is_some() && a.get(key) == b.get(key))
}

fn has_type(value: &Value, expected: &str) -> bool {
    match expected {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a fraction",
        Value::Number(_) => "an integer",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn named(expected: &str) -> &'static str {
    match expected {
        "string" => "text",
        "integer" => "an integer",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        _ => "an object",
    }
}

fn shown(value: &Value) -> String {
    scalar(value).unwrap_or_else(|| clipped(&value.to_string()))
}

fn type_remedy(expected: &str, value: &Value) -> String {
    match (expected, value) {
        (_, Value::Null) => "write a value, or remove the field".to_owned(),
        ("string", Value::Number(_) | Value::Bool(_)) => format!("put it in quotes: \"{value}\""),
        ("integer", Value::String(text)) if text.parse::<i64>().is_ok() => {
            format!("remove the quotes: {text}")
        }
        _ => format!("write {}", named(expected)),
    }
}

fn first_sentence(text: &str) -> &str {
    text.split_once(". ").map_or(text, |(first, _)| first).trim_end_matches('.')
}

/// `did you mean ..?` when one of `known` is close to `name`.
pub(super) fn did_you_mean(name: &str, known: &[&str]) -> Option<String> {
    let near = |candidate: &&&str| strsim::jaro_winkler(&name.to_lowercase(), &candidate.to_lowercase());
    let best = known.iter().max_by(|a, b| near(a).total_cmp(&near(b)))?;
    (near(&best) >= 0.8).then(|| format!("did you mean `{best}`?"))
}
