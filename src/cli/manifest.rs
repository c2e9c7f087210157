//! Manifests from files: YAML or JSON, several documents, each value with the line it is on.

use std::collections::HashMap;
use std::fmt;
use std::io::{Cursor, Read};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::Spanned;

/// Most bytes of one file; the API server takes 3 MiB at a time.
const FILE_BYTES: usize = 4 * 1024 * 1024;
/// Most documents in one file.
const DOCUMENTS: usize = 1_000;
/// Most nodes of one document; an alias counts as what it stands for.
const NODES: usize = 100_000;
/// Deepest nesting.
const DEPTH: usize = 64;

/// One document of a file.
#[derive(Debug)]
pub(super) struct Document {
    /// What it says.
    pub(super) value: Value,
    /// The line of each path.
    lines: HashMap<String, u64>,
}

impl Document {
    /// The line of `path`, or of the nearest value around it.
    pub(super) fn line(&self, path: &str) -> u64 {
        let mut path = path;
        loop {
            if let Some(line) = self.lines.get(path) {
                return *line;
            }
            let Some(end) = path.rfind(['.', '[']) else { break };
            path = path.get(..end).unwrap_or_default();
        }
        self.lines.get("").copied().unwrap_or(1)
    }
}

/// Why a document, or what follows it, cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// Where, if known.
    pub(super) line: u64,
    /// Why.
    pub(super) problem: String,
}

/// Reads at most [`FILE_BYTES`] of UTF-8 text.
pub(super) fn read_text(mut source: impl Read) -> Result<String, String> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(FILE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    source.by_ref().take(limit).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() > FILE_BYTES {
        return Err(format!("is larger than {FILE_BYTES} bytes"));
    }
    let text = String::from_utf8(bytes)
        .map_err(|error| format!("is not UTF-8 at byte {}", error.utf8_error().valid_up_to()))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// The documents of `text` in order; empty documents are left out. After a syntax error nothing follows.
pub(super) fn documents(text: &str) -> Vec<Result<Document, Unreadable>> {
    let budget = serde_saphyr::budget! {
        max_reader_input_bytes: Some(FILE_BYTES),
        max_documents: DOCUMENTS,
        max_nodes: NODES,
        max_events: NODES * 4,
        max_depth: DEPTH,
    };
    let options = serde_saphyr::options! { budget: budget, with_snippet: false };
    let mut reader = Cursor::new(text.as_bytes());
    serde_saphyr::read_with_options::<_, Spanned<Node>>(&mut reader, options)
        .map(|document| match document {
            Ok(node) => {
                let mut lines = HashMap::new();
                let value = plain(node, String::new(), &mut lines);
                Ok(Document { value, lines })
            }
            Err(error) => Err(Unreadable {
                line: error.location().map_or(1, |at| at.line()),
                problem: brief(&error.to_string()),
            }),
        })
        .take(DOCUMENTS)
        .collect()
}

/// The parser's sentence without advice for programmers and without the place, which is reported apart.
fn brief(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let line = line.split(", set ").next().unwrap_or(line);
    line.split(" at line ").next().unwrap_or(line).to_owned()
}

/// A value of which every part knows its line.
#[derive(Debug)]
enum Node {
    Scalar(Value),
    List(Vec<Spanned<Self>>),
    Map(Vec<(String, Spanned<Self>)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        // As kubectl: `5.0` is sent as 5.
        let whole = format!("{value}").parse::<i64>().map(Value::from);
        Ok(Node::Scalar(whole.unwrap_or_else(|_| value.into())))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Map(entries))
    }
}

fn plain(node: Spanned<Node>, path: String, lines: &mut HashMap<String, u64>) -> Value {
    let value = match node.value {
        Node::Scalar(value) => value,
        Node::List(items) => items
            .into_iter()
            .enumerate()
            .map(|(i, item)| plain(item, format!("{path}[{i}]"), lines))
            .collect(),
        Node::Map(entries) => {
            let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            let fields = entries.into_iter().map(|(name, value)| {
                let at = below(&name);
                (name, plain(value, at, lines))
            });
            Value::Object(fields.collect::<Map<String, Value>>())
        }
    };
    lines.insert(path, node.referenced.line());
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_knows_its_line() {
        let found = documents("a: 1\nb:\n  - x\n  - y: 2\n---\nc: 3\n");
        let first = found[0].as_ref().unwrap();
        assert_eq!(first.value, serde_json::json!({"a": 1, "b": ["x", {"y": 2}]}));
        assert_eq!(first.line("b[1].y"), 4);
        assert_eq!(first.line("b[1].missing"), 4);
        assert_eq!(found[1].as_ref().unwrap().line("c"), 6);
    }

    #[test]
    fn a_repeated_key_is_refused_and_the_next_document_is_read() {
        let found = documents("a: 1\na: 2\n---\nc: 3\n");
        assert!(found[0].is_err(), "{found:?}");
        assert!(found[1].is_ok(), "{found:?}");
    }

    #[test]
    fn values_are_those_that_kubectl_would_send() {
        let found = documents("a: 5.0\nb: no\nc: \"5\"\nd: 0.5\n");
        assert_eq!(
            found[0].as_ref().unwrap().value,
            serde_json::json!({"a": 5, "b": false, "c": "5", "d": 0.5})
        );
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for i in 1..10 {
            let items = vec![format!("*a{}", i - 1); 10].join(", ");
            text += &["a", &i.to_string(), ": &a", &i.to_string(), " [", &items, "]\n"].concat();
        }
        assert!(documents(&text)[0].is_err());
    }
}
