//! An answer without what no two servers have in common.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value, json};

use super::step::{Compared, Step};

/// What is different in every run, and the word that stands for it.
static WORDS: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    let uid = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
    [
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
        // As `kubectl describe` writes instants.
        (r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000", "<time>"),
        (uid, "<uid>"),
        (r"https?://127\.0\.0\.1:\d+", "<server>"),
        (r"\bgen-[a-z0-9]{5}\b", "gen-<random>"),
        (r"(?i)(resource ?version[^0-9\n]{0,12})\d+( \(\d+\))?(, current: \d+)?", "$1<version>"),
        (r"(ResourceVersion in (?:the precondition|record) \()\d+", "$1<version>"),
    ]
    .into_iter()
    .map(|(pattern, word)| (regex(pattern), word))
    .collect()
});

static AGE: LazyLock<Regex> = LazyLock::new(|| regex(r"^\d+[smhdy](\d+[smhd])?$"));
static AGE_IN_TEXT: LazyLock<Regex> = LazyLock::new(|| regex(r"\b\d+[smhd](\d+[smhd])?\b"));
/// Columns are as wide as what stands in them.
static GAP: LazyLock<Regex> = LazyLock::new(|| regex(r"(\S)[ \t]{2,}"));

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns here are valid")
}

/// What is compared of `answer` to a step of a case in `namespace`.
pub(crate) fn compared(answer: &Value, step: &Step, namespace: &str) -> Value {
    let answer = &answer.to_string().replace(namespace, "<namespace>");
    let answer: &Value = &serde_json::from_str(answer).expect("a namespace stands inside of strings only");
    if step.compared == Compared::Verdict {
        return json!({"code": answer["code"], "reason": answer["body"]["reason"]});
    }
    let mut shown = normal(answer, "");
    for stream in ["stdout", "stderr"] {
        if let Some(text) = shown[stream].as_str() {
            shown[stream] = json!(printed(text, step.only));
        }
    }
    if let Some(events) = shown.pointer_mut("/body/events").and_then(Value::as_array_mut) {
        // How many bookmarks there are is a matter of time.
        events.dedup_by(|a, b| a["type"] == "BOOKMARK" && a == b);
    }
    for list in ["resources", "groups", "versions"] {
        if let Some(Value::Array(items)) = shown["body"].get_mut(list) {
            items.retain(|item| step.only.is_empty() || step.only.iter().any(|name| item["name"] == *name));
            items.sort_by_key(|item| item["name"].to_string());
        }
    }
    shown
}

fn normal(value: &Value, name: &str) -> Value {
    match value {
        Value::Object(fields) => {
            let kept: Map<String, Value> = fields
                .iter()
                .filter(|(name, value)| !value.is_null() && !is_of_the_release(name))
                .map(|(name, value)| (name.clone(), normal(value, name)))
                .collect();
            Value::Object(kept)
        }
        Value::Array(list) => Value::Array(list.iter().map(|item| normal(item, name)).collect()),
        Value::String(text) if !text.is_empty() && is_of_the_run(name) => json!("<set>"),
        Value::String(text) if AGE.is_match(text) => json!("<age>"),
        Value::String(text) => json!(in_words(text)),
        other => other.clone(),
    }
}

/// Whether a field says something else on each server, if it says something.
fn is_of_the_run(name: &str) -> bool {
    matches!(name, "resourceVersion" | "uid" | "creationTimestamp" | "continue")
}

/// Whether a field describes the server's release or how it keeps its fields, which the embedded one leaves out.
fn is_of_the_release(name: &str) -> bool {
    matches!(name, "managedFields" | "storageVersionHash" | "description" | "format")
}

fn in_words(text: &str) -> String {
    let mut text = Cow::Borrowed(text);
    for (pattern, word) in WORDS.iter() {
        if let Cow::Owned(changed) = pattern.replace_all(&text, *word) {
            text = Cow::Owned(changed);
        }
    }
    text.into_owned()
}

/// What a program printed: ages and the width of columns aside.
fn printed(text: &str, only: &[&str]) -> Vec<String> {
    text.lines()
        .filter(|line| only.is_empty() || only.iter().any(|word| line.contains(word)))
        .map(|line| GAP.replace_all(&AGE_IN_TEXT.replace_all(line, "<age>"), "$1  ").trim_end().to_owned())
        .collect()
}

#[test]
fn what_differs_in_every_run_is_replaced_and_nothing_else() {
    let step = super::step::get("/");
    let answer = json!({"code": 200, "body": {
        "metadata": {"resourceVersion": "12", "uid": "", "name": "web", "managedFields": []},
        "message": "too old resource version: 1 (77)", "of": "watches-1/web", "at": "2026-11-27T08:00:00Z", "n": 3,
    }});
    let shown = compared(&answer, &step, "watches-1");
    assert_eq!(
        shown["body"],
        json!({
            "metadata": {"resourceVersion": "<set>", "uid": "", "name": "web"},
            "message": "too old resource version: <version>", "of": "<namespace>/web", "at": "<time>", "n": 3,
        })
    );
    assert_eq!(printed("NAME   AGE\nweb    15s", &[]), ["NAME  AGE", "web  <age>"]);
}
