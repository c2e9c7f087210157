//! What is refused before it can do harm: every rule, by a manifest that is one edit away from a good one.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use foresail::api::rules::{Rule, rules};
use foresail::api::{self, FieldError};

use crate::manifests::{Verdict, good, legal, rows, schemas};

fn lint(manifest: &serde_json::Value) -> Vec<FieldError> {
    api::lint(manifest).expect("the kind is one of ours")
}

#[test]
fn good_manifests_are_accepted() {
    for (kind, manifest) in good().into_iter().chain(legal()) {
        assert_eq!(lint(&manifest), [], "{kind}");
    }
}

#[test]
fn every_row_is_refused_with_a_path_and_a_remedy() {
    let mut failures = Vec::new();
    for row in rows() {
        let errors = lint(&row.manifest);
        if !errors.iter().any(|error| error.path.contains(&row.path)) {
            failures.push(format!("{}: expected {}, found {errors:?}", row.name, row.path));
        }
        for error in errors {
            if error.problem.is_empty() || error.remedy.is_empty() || error.path.is_empty() {
                failures.push(format!("{}: {error:?}", row.name));
            }
        }
    }
    assert_eq!(failures, Vec::<String>::new());
}

#[test]
fn every_rule_of_the_schemas_is_broken_by_a_row() {
    let broken: BTreeSet<(String, Rule)> = rows()
        .iter()
        .flat_map(|row| api::violated(&row.manifest).into_iter().map(|rule| (row.kind.clone(), rule)))
        .map(|(kind, rule)| {
            (kind, Rule { node: rule.node.replace("enforcedLabels.cluster", "enforcedLabels.*"), ..rule })
        })
        .collect();
    let mut stated = 0;
    let mut unbroken = Vec::new();
    for (kind, schema) in schemas() {
        // Nobody writes a status by hand; what is no object or has no kind is no manifest.
        let by_hand = |rule: &Rule| {
            let is_manifest = ["", "kind"].contains(&rule.node.as_str()) && rule.keyword == "type";
            !is_manifest && !rule.node.starts_with("status")
        };
        for rule in rules(&schema).into_iter().filter(by_hand) {
            stated += 1;
            if !broken.contains(&(kind.clone(), rule.clone())) {
                unbroken.push((kind.clone(), rule));
            }
        }
    }
    assert_eq!(unbroken, []);
    assert!(stated > 200, "only {stated} rules were found");
}

/// A rule that the server could state belongs into the schema.
#[test]
fn what_the_server_accepts_breaks_no_rule_of_the_schema() {
    for row in rows().into_iter().filter(|row| row.server == Verdict::Accepts) {
        let stated = api::violated(&row.manifest).into_iter().filter(|rule| rule.keyword != "check");
        assert_eq!(stated.collect::<Vec<_>>(), [], "{}", row.name);
    }
}

#[test]
fn names_of_rows_are_unique() {
    let names: Vec<String> = rows().into_iter().map(|row| row.name).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
}

/// Runs `foresail check` on `text` from standard input; its exit code and output.
fn check(text: &str, args: &[&str]) -> (i32, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_foresail"))
        .args(["check", "-"])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    // It stops reading at its cap.
    let written = child.stdin.take().expect("piped").write_all(text.as_bytes());
    drop(written);
    let output = child.wait_with_output().expect("check ends");
    (output.status.code().expect("no signal"), String::from_utf8(output.stdout).expect("UTF-8"))
}

#[test]
fn check_accepts_the_good_file() {
    let (code, output) = check(include_str!("manifests/good.yaml"), &[]);
    assert_eq!((code, output.as_str()), (0, "0 problems in 13 manifests; 0 of other kinds skipped\n"));
}

#[test]
fn check_reports_every_problem_of_every_document() {
    let (code, output) = check(include_str!("manifests/wrong.yaml"), &[]);
    assert_eq!(code, 1);
    insta::assert_snapshot!("check_table", output);
}

#[test]
fn check_prints_json() {
    let (code, output) = check(include_str!("manifests/wrong.yaml"), &["-o", "json"]);
    assert_eq!(code, 1);
    let report: serde_json::Value = serde_json::from_str(&output).expect("JSON");
    assert_eq!(report["skipped"], 1);
    let first = &report["problems"][0];
    assert!(first["line"].is_u64() && first["path"].is_string() && first["remedy"].is_string(), "{first}");
}

#[test]
fn the_items_of_a_list_are_manifests() {
    let wrong = "{apiVersion: foresail.dev/v1alpha1, kind: MetricSource, metadata: {name: a}, spec: {}}";
    let list = format!("apiVersion: v1\nkind: List\nitems:\n- {{apiVersion: v1, kind: Secret}}\n- {wrong}\n");
    let (code, output) = check(&list, &[]);
    assert_eq!(code, 1);
    assert!(
        output.starts_with("-:5: document 1: MetricSource/a: items[1].spec.url: is required: add it"),
        "{output}"
    );
}

#[test]
fn an_unrendered_template_is_named_as_such() {
    let (code, output) = check("kind: {{ .Values.kind }}\n", &[]);
    assert_eq!(code, 1);
    assert!(output.contains("helm template"), "{output}");
}

#[test]
fn an_empty_file_is_a_usage_error() {
    assert_eq!(check("# nothing\n", &[]).0, 2);
}

#[test]
fn a_file_larger_than_the_cap_is_a_usage_error() {
    assert_eq!(check(&"# padding\n".repeat(500_000), &[]).0, 2);
}

#[test]
fn the_example_of_a_calendar_is_accepted() {
    let text = [
        include_str!("../../examples/calendar/calendar.yaml"),
        "---\n",
        include_str!("../../examples/calendar/autoscaler.yaml"),
    ];
    let (code, output) = check(&text.concat(), &[]);
    assert_eq!((code, output.as_str()), (0, "0 problems in 2 manifests; 0 of other kinds skipped\n"));
}
