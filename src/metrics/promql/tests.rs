use super::*;

fn refused(query: &str) -> String {
    check(query).expect_err(query).to_string()
}

fn enforced(query: &str, labels: &[(&str, &str)]) -> String {
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    enforce_labels(query, &labels).expect(query)
}

#[test]
fn queries_that_sum_demand_are_accepted() {
    for query in [
        "up",
        "sum(rate(http_requests_total{app=\"checkout\"}[1m]))",
        "sum by (app) (rate(http_requests_total[1m])) / on (app) group_left () sum by (app) (up)",
        "max_over_time(sum(rate(a[1m]))[5m:15s])",
        "sum(\n  a # a comment with ( in it\n)",
        "sum(a{b='it is \\'(\\''})",
        "scalar(sum(a)) * 60",
        "quantile(0.95, a offset 5m)",
        "a @ end()",
        "sum(rate(a[1m] offset -5m))",
        "histogram_quantile(0.99, sum by (le) (rate(b_bucket[5m])))",
        "absent(up) or vector(0)",
        "a{b=~`x\\d+[(]`}",
        "sum(a_1_2) * 1_000",
        "sum(rate(a[5]))",
    ] {
        assert_eq!(check(query), Ok(()), "{query}");
    }
}

#[test]
fn raw_strings_and_underscores_keep_their_meaning() {
    assert_eq!(enforced("a{b=~`x\\d\"`}", &[("t", "v")]), "a{b=~\"x\\\\d\\\"\",t=\"v\"}");
    assert_eq!(enforced("sum(a_1_2) * 1_000", &[("t", "v")]), "sum(a_1_2{t=\"v\"}) * 1000");
    assert_eq!(enforced("a{b=\"1_0 `\"}", &[("t", "v")]), "a{b=\"1_0 `\",t=\"v\"}");
}

/// `VictoriaMetrics` alone has `or` between matchers.
#[test]
fn every_alternative_carries_the_labels() {
    let text = enforced("{a=\"1\" or b=\"2\"}", &[("t", "v")]);
    assert_eq!(text, "{a=\"1\", t=\"v\" or b=\"2\", t=\"v\"}");
}

#[test]
fn a_problem_names_its_place() {
    for (query, part) in [
        ("sum(rate(a[1m])", "`(` is not closed, at line 1 column 4"),
        ("sum(a))", "`)` closes nothing at line 1 column 7"),
        ("a{b=\"c}", "is not closed, at line 1 column 5"),
        ("sum(a)\nsum(b)", "at line 2 column 1"),
        ("sum(rate(a[1m]) foo)", "line 1 column 17, near `foo)`"),
        ("", "the query is empty"),
        ("# only a comment", "not PromQL at line 1 column"),
        ("a[5m]", "a range of samples"),
        ("\"a\"", "the query is a text"),
        ("rate(a)", "expected type"),
        ("summe(a)", "summe"),
    ] {
        let text = refused(query);
        assert!(text.contains(part), "{query}: {text}");
    }
}

#[test]
fn deep_nesting_is_refused_before_it_is_parsed() {
    let deep = format!("{}a{}", "(".repeat(2000), ")".repeat(2000));
    assert!(refused(&deep).contains("brackets are open"), "{}", refused(&deep));
}

#[test]
fn every_selector_carries_the_labels() {
    let labels = [("cluster", "eu"), ("tenant", "shop")];
    for (query, expected) in [
        ("up", "up{cluster=\"eu\",tenant=\"shop\"}"),
        ("{__name__=~\"a.*\"}", "{__name__=~\"a.*\",cluster=\"eu\",tenant=\"shop\"}"),
        (
            "sum(rate(a{b=\"c\"}[1m])) / sum(d)",
            "sum(rate(a{b=\"c\",cluster=\"eu\",tenant=\"shop\"}[1m])) / sum(d{cluster=\"eu\",tenant=\"shop\"})",
        ),
        ("max_over_time(a[5m:15s])", "max_over_time(a{cluster=\"eu\",tenant=\"shop\"}[5m:15s])"),
        ("-a", "-a{cluster=\"eu\",tenant=\"shop\"}"),
        ("(a)", "(a{cluster=\"eu\",tenant=\"shop\"})"),
        ("a offset 5m", "a{cluster=\"eu\",tenant=\"shop\"} offset 5m"),
        (
            "topk(scalar(a), b)",
            "topk(scalar(a{cluster=\"eu\",tenant=\"shop\"}), b{cluster=\"eu\",tenant=\"shop\"})",
        ),
    ] {
        // The writer puts blanks after commas; the parser does not care.
        assert_eq!(enforced(query, &labels).replace(", ", ","), expected.replace(", ", ","), "{query}");
    }
}

#[test]
fn a_query_cannot_choose_another_value() {
    for query in
        ["a{cluster=\"us\"}", "a{cluster!=\"eu\"}", "a{cluster=~\".*\"}", "a{cluster=\"us\",cluster=\"eu\"}"]
    {
        assert_eq!(enforced(query, &[("cluster", "eu")]), "a{cluster=\"eu\"}", "{query}");
    }
}

#[test]
fn values_are_escaped() {
    let text = enforced("a", &[("cluster", "e\"u} or vector(1) #\\")]);
    assert_eq!(text, "a{cluster=\"e\\\"u} or vector(1) #\\\\\"}");
    assert_eq!(enforced(&text, &[("cluster", "eu")]), "a{cluster=\"eu\"}");
}

#[test]
fn without_labels_the_query_stays_as_it_is() {
    assert_eq!(enforced("sum( a )", &[]), "sum( a )");
}

/// What is sent must say the same as what was written, apart from the labels.
#[test]
fn odd_syntax_survives() {
    for query in [
        "sum without (pod, instance) (rate(a[1m]))",
        "a and on (x) b unless ignoring (y) c",
        "a * on (x) group_right (z) b",
        "a > bool 1",
        "sum(a) > 0x1F",
        "1e3 * sum(a)",
        "count_values(\"ver\\\"sion\", b)",
        "a @ 1609746000",
        "a @ start() offset -1h30m",
        "label_replace(a, \"b\", \"$1\", \"c\", \"(.*)\\\\..*\")",
        "a{b=~\"x|y\\\\.z\"}",
        "rate(a[1h30m] offset 1d)",
        "-a ^ 2",
        "2 ^ 3 ^ sum(a)",
        "a atan2 b",
        "quantile_over_time(0.9, a[1d])",
        "Inf * sum(a)",
        "{\"metric.name\", b=\"c\"}",
    ] {
        let once = enforced(query, &[("t", "v")]);
        assert_eq!(enforced(&once, &[("t", "v")]), once, "{query}");
        assert!(once.matches("t=\"v\"").count() >= 1, "{query}: {once}");
    }
}
