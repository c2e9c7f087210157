//! The shape of the source, as a test: who imports whom, how long files are, what the pure core may name.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test over files that are known to be there")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules in reading order: a module may import only from rows above its own (and itself).
const ORDER: [&str; 20] = [
    "units",
    "calendar",
    "series",
    "forecast",
    "policy",
    "measure",
    "decide",
    "engine",
    "journal",
    "plan",
    "report",
    "metrics",
    "api",
    "edge",
    "telemetry",
    "operator",
    "sandbox",
    "cli",
    "main",
    "lib",
];

/// Rows up to this one are pure: no clock, I/O, async, environment or cluster.
const LAST_PURE: &str = "plan";

/// What a pure module may not name.
const BANNED_IN_PURE: [&str; 10] = [
    "std::fs",
    "std::net",
    "std::env",
    "std::time::SystemTime",
    "std::time::Instant",
    "tokio",
    "kube",
    "reqwest",
    "println!",
    "rand::",
];

const LINES_MAX: usize = 400;

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file with its top-level module and its text without test modules and comments.
fn files() -> Vec<(PathBuf, String, String)> {
    let src = root().join("src");
    let mut paths = Vec::new();
    sources(&src, &mut paths);
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let relative = path.strip_prefix(&src).unwrap().to_path_buf();
        if relative.file_stem().is_some_and(|stem| stem == "tests")
            || relative.components().any(|part| part.as_os_str() == "tests")
        {
            continue;
        }
        let first = relative.components().next().unwrap().as_os_str().to_string_lossy().to_string();
        let module = first.strip_suffix(".rs").unwrap_or(&first).to_string();
        let text = fs::read_to_string(&path).unwrap();
        let code: String = text
            .lines()
            .take_while(|line| line.trim() != "#[cfg(test)]" || !text.contains("mod tests {"))
            .filter(|line| !line.trim_start().starts_with("//"))
            .fold(String::new(), |all, line| all + line + "\n");
        files.push((relative, module, code));
    }
    files
}

fn rank(module: &str) -> usize {
    ORDER.iter().position(|&name| name == module).unwrap_or_else(|| {
        panic!("module `{module}` is not in the import table of tests/tidy.rs: give it its place")
    })
}

/// Modules that `code` names through `crate::`, also within braces.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (start, _) in code.match_indices("crate::") {
        let rest = &code[start + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let end = list.find(';').unwrap_or(list.len());
            let mut depth = 0_i32;
            for part in list[..end].split_inclusive([',', '{', '}']) {
                let name: String =
                    part.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if depth == 0 && !name.is_empty() {
                    found.push(name);
                }
                depth += i32::from(part.ends_with('{')) - i32::from(part.ends_with('}'));
            }
        } else {
            found.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    found
}

#[test]
fn modules_import_downwards_only() {
    let mut wrong = Vec::new();
    for (path, module, code) in files() {
        for import in imports(&code) {
            if ORDER.contains(&import.as_str()) && rank(&import) > rank(&module) {
                wrong.push(format!(
                    "{}: `{module}` imports `{import}`, which stands below it",
                    path.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_upward_import_would_be_seen() {
    assert_eq!(
        imports("use crate::{units::Span, engine::{self, tick}, decide};"),
        ["units", "engine", "decide"]
    );
    assert_eq!(imports("let x = crate::operator::run();"), ["operator"]);
    assert!(rank("operator") > rank("series"));
}

#[test]
fn the_pure_core_names_no_clock_file_socket_or_cluster() {
    let mut wrong = Vec::new();
    for (path, module, code) in files() {
        if rank(&module) > rank(LAST_PURE) {
            continue;
        }
        for banned in BANNED_IN_PURE {
            if code.contains(banned) {
                wrong
                    .push(format!("{}: `{banned}` in the pure core: take it as an argument", path.display()));
            }
        }
        if code.contains("chrono") && module != "calendar" {
            wrong.push(format!("{}: only `calendar` knows chrono", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    let long: Vec<String> = files()
        .into_iter()
        .map(|(path, _, code)| (path, code.lines().count()))
        .filter(|&(_, n)| n > LINES_MAX)
        .map(|(path, n)| format!("{}: {n} lines of {LINES_MAX}: split it by meaning", path.display()))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn every_stage_has_its_file_and_stands_in_the_architecture() {
    let trail = fs::read_to_string(root().join("src/decide/trail.rs")).unwrap();
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut stages: BTreeMap<String, bool> = BTreeMap::new();
    for line in trail.lines().filter(|line| line.contains("=> \"") && line.contains("Self::")) {
        if let Some(name) = line.split('"').nth(1)
            && name.chars().all(|c| c.is_ascii_lowercase())
        {
            stages.insert(name.to_string(), architecture.contains(&format!("`{name}`")));
        }
    }
    assert_eq!(stages.len(), 14, "stages found: {stages:?}");
    let missing: Vec<&String> = stages.iter().filter(|(_, there)| !**there).map(|(name, _)| name).collect();
    assert!(missing.is_empty(), "not in ARCHITECTURE.md: {missing:?}");
}

/// Where reasons of conditions and Events are written down in the code.
const REASONS: [&str; 11] = [
    "operator/acts.rs",
    "operator/announced.rs",
    "operator/budgets.rs",
    "operator/budgets/status.rs",
    "operator/objective.rs",
    "operator/report.rs",
    "operator/sources/status.rs",
    "operator/status.rs",
    "operator/worker/telling.rs",
    "decide/growth.rs",
    "decide/spend.rs",
];

/// Words that look like reasons and are none: states of conditions, and the actions of Events.
const NO_REASONS: [&str; 9] =
    ["True", "False", "Back", "Scale", "Decide", "DryRun", "Check", "Read", "Account"];

/// The string literals of `code` that are one word of letters beginning with a capital, outside of its tests.
fn reasons(code: &str) -> Vec<&str> {
    let code = code.split("#[cfg(test)]").next().unwrap_or_default();
    let inside = code.split('"').skip(1).step_by(2);
    let is_reason = |text: &&str| {
        text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.len() > 1
            && text.chars().all(|c| c.is_ascii_alphabetic())
            && !NO_REASONS.contains(text)
    };
    inside.filter(is_reason).collect()
}

#[test]
fn every_reason_of_a_condition_or_an_event_is_explained() {
    let page = fs::read_to_string(root().join("docs/conditions.md")).unwrap();
    let mut found = 0;
    let mut missing = Vec::new();
    for file in REASONS {
        let code = fs::read_to_string(root().join("src").join(file)).unwrap();
        let reasons = reasons(&code);
        assert!(!reasons.is_empty(), "{file} has no reason any more");
        found += reasons.len();
        let unexplained = |reason: &&&str| !page.contains(&format!("`{reason}`"));
        missing.extend(reasons.iter().filter(unexplained).map(|reason| format!("{file}: {reason}")));
    }
    assert!(found > 80, "{found} reasons found");
    assert!(missing.is_empty(), "not in docs/conditions.md:\n{}", missing.join("\n"));
}
