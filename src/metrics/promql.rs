//! PromQL as text: is it well formed, and the labels that an administrator enforces in every selector.

use std::collections::BTreeMap;

use promql_parser::label::{MatchOp, Matcher, Matchers};
use promql_parser::parser::{self, Expr, VectorSelector};

/// Brackets nested deeper than this are refused before the parser, which is recursive, sees them.
const DEPTH_MAX: usize = 64;
/// The longest query that is read.
const LENGTH_MAX: usize = 8192;

/// Whether `query` is well-formed PromQL that gives an instant vector or a scalar.
///
/// # Errors
/// What is wrong, in words, with the parser's position where it gives one.
pub fn check(query: &str) -> Result<(), String> {
    parse(query).map(|_| ())
}

fn parse(query: &str) -> Result<Expr, String> {
    if query.trim().is_empty() {
        return Err("the query is empty".to_owned());
    }
    if query.len() > LENGTH_MAX {
        return Err(format!("the query is {} characters long, {LENGTH_MAX} are read", query.len()));
    }
    if let Some(c) = query.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t' | '\r')) {
        return Err(format!("the query holds the control character {}", c.escape_unicode()));
    }
    if depth(query) > DEPTH_MAX {
        return Err(format!("brackets are nested deeper than {DEPTH_MAX}"));
    }
    let expr = parser::parse(query).map_err(|error| {
        let line: String = error.lines().next().unwrap_or_default().chars().take(200).collect();
        format!("`{}` is no PromQL ({line})", query.chars().take(80).collect::<String>())
    })?;
    match expr {
        Expr::MatrixSelector(_) | Expr::Subquery(_) => Err(
            "the query gives a range of samples: aggregate it, for example with rate() or avg_over_time()"
                .to_owned(),
        ),
        Expr::StringLiteral(_) => Err("the query is a string".to_owned()),
        expr => Ok(expr),
    }
}

/// How deep brackets nest, strings not looked into.
fn depth(query: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for c in query.chars() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest.max(query.matches('-').count() / 8)
}

/// `query` with `labels` in every selector; a matcher that the user wrote for such a label gives way.
///
/// # Errors
/// When the query is not well formed, or could not be written back to the same meaning.
pub fn enforce_labels(query: &str, labels: &BTreeMap<String, String>) -> Result<String, String> {
    let mut expr = parse(query)?;
    if labels.is_empty() {
        return Ok(query.to_owned());
    }
    visit(&mut expr, &mut |selector| enforce(selector, labels));
    let text = expr.to_string();
    // The printed form must read back as what was meant: a label value cannot break out of its string.
    let mut read_back = parse(&text)?;
    let mut meant = expr;
    visit(&mut read_back, &mut sort_matchers);
    visit(&mut meant, &mut sort_matchers);
    if read_back == meant {
        Ok(text)
    } else {
        Err("the query cannot take enforced labels: write it more simply".to_owned())
    }
}

fn enforce(selector: &mut VectorSelector, labels: &BTreeMap<String, String>) {
    let fixed = |matchers: &mut Vec<Matcher>| {
        matchers.retain(|matcher| !labels.contains_key(&matcher.name));
        matchers.extend(labels.iter().map(|(name, value)| Matcher::new(MatchOp::Equal, name, value)));
    };
    let Matchers { matchers, or_matchers } = &mut selector.matchers;
    if or_matchers.is_empty() {
        fixed(matchers);
    } else {
        or_matchers.iter_mut().for_each(fixed);
        if !matchers.is_empty() {
            fixed(matchers);
        }
    }
}

fn sort_matchers(selector: &mut VectorSelector) {
    selector.matchers.matchers.sort_by(|a, b| (&a.name, &a.value).cmp(&(&b.name, &b.value)));
}

/// Calls `change` on every vector selector.
fn visit(expr: &mut Expr, change: &mut impl FnMut(&mut VectorSelector)) {
    match expr {
        Expr::Aggregate(aggregate) => {
            visit(&mut aggregate.expr, change);
            if let Some(param) = &mut aggregate.param {
                visit(param, change);
            }
        }
        Expr::Unary(unary) => visit(&mut unary.expr, change),
        Expr::Binary(binary) => {
            visit(&mut binary.lhs, change);
            visit(&mut binary.rhs, change);
        }
        Expr::Paren(paren) => visit(&mut paren.expr, change),
        Expr::Subquery(subquery) => visit(&mut subquery.expr, change),
        Expr::VectorSelector(selector) => change(selector),
        Expr::MatrixSelector(matrix) => change(&mut matrix.vs),
        Expr::Call(call) => call.args.args.iter_mut().for_each(|arg| visit(arg, change)),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> BTreeMap<String, String> {
        BTreeMap::from([("cluster".to_owned(), "eu\"west\\1".to_owned())])
    }

    #[test]
    fn every_selector_carries_the_enforced_labels() {
        for query in [
            "up",
            "sum(rate(http_requests_total{app=\"checkout\"}[1m]))",
            "sum(rate(a{cluster=\"us\"}[1m])) / sum(b{cluster=~\".*\"} offset 5m)",
            "max_over_time(sum(rate(a[1m]))[10m:1m])",
            "-(a + on(x) group_left b{pod=~\"web-[a-z]+\\\\.x\"})",
            "topk(3, a) or vector(1)",
            "quantile_over_time(0.9, a[5m])",
            "{__name__=~\"a|b\"}",
        ] {
            let enforced = enforce_labels(query, &labels()).unwrap();
            let mut seen = 0;
            visit(&mut parse(&enforced).unwrap(), &mut |selector| {
                let all: Vec<&Matcher> =
                    selector.matchers.matchers.iter().filter(|matcher| matcher.name == "cluster").collect();
                assert_eq!(all.len(), 1, "{enforced}");
                assert_eq!(
                    (all[0].value.as_str(), &all[0].op),
                    ("eu\"west\\1", &MatchOp::Equal),
                    "{enforced}"
                );
                seen += 1;
            });
            assert!(seen > 0, "{enforced}");
        }
    }

    #[test]
    fn what_is_no_query_is_refused_with_a_reason() {
        for (query, reason) in [
            ("", "empty"),
            ("  ", "empty"),
            ("sum(rate(x[1m])", "no PromQL"),
            ("a{", "no PromQL"),
            ("rate(x)", "no PromQL"),
            ("x[5m]", "range of samples"),
            ("\"text\"", "string"),
            ("a\u{0}", "control character"),
            ("# only a comment", "no PromQL"),
        ] {
            let problem = check(query).expect_err(query);
            assert!(problem.contains(reason), "{query}: {problem}");
        }
        assert!(check(&format!("{}1{}", "(".repeat(5000), ")".repeat(5000))).is_err());
        assert!(check(&"-".repeat(5000)).is_err());
    }
}
