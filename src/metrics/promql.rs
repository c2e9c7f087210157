//! `PromQL` as text: is it valid, and every selector of it with the labels that a source enforces.

use std::collections::BTreeMap;

use promql_parser::label::{MatchOp, Matcher, Matchers};
use promql_parser::parser::{self, Expr};

/// Brackets that may be open at once; Prometheus sets no limit, the parser recurses.
const DEPTH: usize = 64;

/// Why a query cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}: {remedy}")]
pub struct QueryError {
    /// What is wrong, and where in the query.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl QueryError {
    fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: remedy.into() }
    }
}

/// Whether `query` is `PromQL` that returns a number per series at an instant.
///
/// # Errors
/// [`QueryError`] for a syntax error (with line and column), too deep nesting, a text, or a range of samples.
pub fn check(query: &str) -> Result<(), QueryError> {
    parse(query).and_then(|expr| match expr {
        Expr::StringLiteral(_) => {
            Err(QueryError::new("the query is a text", "write an expression that sums demand"))
        }
        Expr::MatrixSelector(_) | Expr::Subquery(_) => Err(QueryError::new(
            "the query returns a range of samples",
            "wrap it in a function such as rate() and aggregate with sum()",
        )),
        _ => Ok(()),
    })
}

/// `query` with every selector carrying `labels`; a matcher of the query on one of these labels is replaced.
///
/// # Errors
/// [`QueryError`] when the query is no `PromQL`, or uses syntax that cannot be written back unchanged.
pub fn enforce_labels(query: &str, labels: &BTreeMap<String, String>) -> Result<String, QueryError> {
    let mut expr = parse(query)?;
    if labels.is_empty() {
        return Ok(query.to_owned());
    }
    put(&mut expr, labels)?;
    let text = expr.to_string();
    // The text is sent, not the tree: prove that it says the same before relying on it.
    if parser::parse(&text).is_ok_and(|again| again == expr) {
        return Ok(text);
    }
    Err(QueryError::new(
        "the query cannot be rewritten to carry the labels that its source enforces",
        "write it with plain selectors, functions and operators",
    ))
}

/// `text` as a `PromQL` string literal.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '\\' => quoted.push_str("\\\\"),
            '"' => quoted.push_str("\\\""),
            '\n' => quoted.push_str("\\n"),
            c if c.is_control() => quoted.extend(format!("\\u{:04x}", u32::from(c)).chars()),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn parse(query: &str) -> Result<Expr, QueryError> {
    if query.trim().is_empty() {
        return Err(QueryError::new("the query is empty", "write an expression that sums demand"));
    }
    let brackets = Brackets::scan(query);
    if let Some(at) = brackets.too_deep {
        let problem = format!("more than {DEPTH} brackets are open at {}", place(query, at));
        return Err(QueryError::new(problem, "write a flatter expression, or a recording rule"));
    }
    if let Some((at, what)) = brackets.odd {
        return Err(QueryError::new(
            format!("{what} at {}", place(query, at)),
            "balance brackets and quotes",
        ));
    }
    parser::parse(&spelled_plainly(query)).map_err(|reason| {
        let left = query.get(longest_prefix(query)..).unwrap_or_default().trim_start();
        let at = query.len() - left.len();
        let rest: String = left.chars().take(24).collect();
        let reason = reason.trim().trim_end_matches('.');
        let near = if rest.is_empty() { "at its end".to_owned() } else { format!("near `{rest}`") };
        QueryError::new(
            format!("not PromQL at {}, {near} ({reason})", place(query, at)),
            "correct the expression; try it in the Prometheus console",
        )
    })
}

/// The same query without two spellings that Prometheus reads and the parser does not: backslashes in raw strings, and
/// `1_000`.
fn spelled_plainly(query: &str) -> String {
    let mut plain = String::with_capacity(query.len());
    let mut rest = query;
    // The first character of the word that is being read, if one is.
    let mut word: Option<char> = None;
    while let Some(c) = rest.chars().next() {
        let end = match c {
            '"' | '\'' | '`' => text_end(rest, c),
            '#' => rest.find('\n').unwrap_or(rest.len()),
            _ => c.len_utf8(),
        };
        let (token, after) = rest.split_at(end);
        let raw = token.strip_prefix('`').and_then(|inner| inner.strip_suffix('`'));
        let is_word = c.is_alphanumeric() || c == '_' || c == '.';
        word = is_word.then(|| word.unwrap_or(c));
        match raw {
            Some(inner) => plain.push_str(&quote(inner)),
            None if c == '_' && word.is_some_and(|first| first.is_ascii_digit()) => {}
            None => plain.push_str(token),
        }
        rest = after;
    }
    plain
}

/// The end of the string literal that `text` begins with; all of it when it is not closed.
fn text_end(text: &str, delimiter: char) -> usize {
    let mut escaped = false;
    let closing = text.char_indices().skip(1).find(|&(_, c)| {
        let closes = c == delimiter && !escaped;
        escaped = c == '\\' && !escaped && delimiter != '`';
        closes
    });
    closing.map_or(text.len(), |(at, c)| at + c.len_utf8())
}

/// `line 1 column 8` of the byte `at`.
fn place(query: &str, at: usize) -> String {
    let before = query.get(..at).unwrap_or(query);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line} column {column}")
}

/// Where the query stops making sense: the end of its longest part that parses once open brackets are closed.
fn longest_prefix(query: &str) -> usize {
    let ends = query.char_indices().filter(|(_, c)| !c.is_alphanumeric() && *c != '_').map(|(at, _)| at);
    let mut longest = 0;
    // A query has at most 4096 characters and this runs only on broken ones; still, bound the attempts.
    for end in ends.take(512) {
        let prefix = query.get(..end).unwrap_or_default();
        let brackets = Brackets::scan(prefix);
        let closed: String =
            prefix.chars().chain(brackets.open.iter().rev().map(|open| closing(open.1))).collect();
        if !prefix.trim().is_empty() && parser::parse(&spelled_plainly(&closed)).is_ok() {
            longest = end;
        }
    }
    longest
}

const fn closing(open: char) -> char {
    match open {
        '(' => ')',
        '[' => ']',
        _ => '}',
    }
}

/// The brackets of a query outside of its strings and comments.
#[derive(Default)]
struct Brackets {
    open: Vec<(usize, char)>,
    odd: Option<(usize, String)>,
    too_deep: Option<usize>,
}

impl Brackets {
    fn scan(query: &str) -> Self {
        let mut found = Self::default();
        let mut rest = query;
        while let Some(c) = rest.chars().next() {
            let at = query.len() - rest.len();
            let end = match c {
                '"' | '\'' | '`' => text_end(rest, c),
                '#' => rest.find('\n').unwrap_or(rest.len()),
                _ => c.len_utf8(),
            };
            let (token, after) = rest.split_at(end);
            rest = after;
            match c {
                '"' | '\'' | '`' if token.len() < 2 || !token.ends_with(c) => {
                    found.odd = Some((at, format!("the text that {c} opens is not closed,")));
                    return found;
                }
                '(' | '[' | '{' => {
                    found.open.push((at, c));
                    if found.open.len() > DEPTH {
                        found.too_deep = Some(at);
                        return found;
                    }
                }
                ')' | ']' | '}' => match found.open.pop() {
                    Some((_, open)) if closing(open) == c => {}
                    _ => {
                        found.odd = Some((at, format!("`{c}` closes nothing")));
                        return found;
                    }
                },
                _ => {}
            }
        }
        if let Some(&(at, open)) = found.open.last() {
            found.odd = Some((at, format!("`{open}` is not closed,")));
        }
        found
    }
}

fn put(expr: &mut Expr, labels: &BTreeMap<String, String>) -> Result<(), QueryError> {
    match expr {
        Expr::VectorSelector(selector) => {
            put_matchers(&mut selector.matchers, labels);
            Ok(())
        }
        Expr::MatrixSelector(selector) => {
            put_matchers(&mut selector.vs.matchers, labels);
            Ok(())
        }
        Expr::Aggregate(aggregate) => {
            if let Some(param) = &mut aggregate.param {
                put(param, labels)?;
            }
            put(&mut aggregate.expr, labels)
        }
        Expr::Unary(unary) => put(&mut unary.expr, labels),
        Expr::Paren(paren) => put(&mut paren.expr, labels),
        Expr::Subquery(subquery) => put(&mut subquery.expr, labels),
        Expr::Binary(binary) => {
            put(&mut binary.lhs, labels)?;
            put(&mut binary.rhs, labels)
        }
        Expr::Call(call) => call.args.args.iter_mut().try_for_each(|argument| put(argument, labels)),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) => Ok(()),
        Expr::Extension(_) => Err(QueryError::new(
            "the query uses an extension of PromQL",
            "write it with plain selectors, functions and operators",
        )),
    }
}

fn put_matchers(matchers: &mut Matchers, labels: &BTreeMap<String, String>) {
    if !matchers.matchers.is_empty() || matchers.or_matchers.is_empty() {
        replace(&mut matchers.matchers, labels);
    }
    matchers.or_matchers.iter_mut().for_each(|alternative| replace(alternative, labels));
}

fn replace(matchers: &mut Vec<Matcher>, labels: &BTreeMap<String, String>) {
    matchers.retain(|matcher| !labels.contains_key(&matcher.name));
    matchers.extend(labels.iter().map(|(name, value)| Matcher::new(MatchOp::Equal, name, value)));
}

#[cfg(test)]
mod tests;
