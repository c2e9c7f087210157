//! `foresail check`: manifests before they are applied.

mod prices;
mod today;

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;
use serde_json::Value;

use super::Output;
use super::manifest::{self, Document};
use super::plan::price::PodRequests;
use super::server::Asker;
use crate::api::{self, FieldError};
use prices::Prices;
use today::Today;

/// Arguments of `foresail check`.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// Files with manifests, YAML or JSON, several documents each; `-` reads standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The price book of the operator: whether it prices the pods of each autoscaler with spend.priceBook, whose target is
    /// checked too or whose requests --pod-requests states.
    #[arg(long, value_name = "FILE")]
    price_book: Option<PathBuf>,

    /// What a pod requests, as `cpu=500m,memory=1Gi`, whatever the manifests say.
    #[arg(long, value_name = "REQUESTS", requires = "price_book", value_parser = PodRequests::parse)]
    pod_requests: Option<PodRequests>,

    /// Look at the cluster too: what each autoscaler's stated capacity means today, by what its target serves now.
    #[arg(long)]
    cluster: bool,

    /// The namespace of manifests that state none; that of the kubeconfig's context when left out.
    #[arg(short, long, requires = "cluster")]
    namespace: Option<String>,

    /// Ask this server instead of the MetricSource, whose URL may only be reachable in the cluster.
    #[arg(long, value_name = "URL", requires = "cluster")]
    prometheus: Option<String>,

    #[command(flatten)]
    asker: Asker,

    /// How to print the answer.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// What was found.
#[derive(Debug, Default, Serialize)]
struct Report {
    /// Manifests of Foresail's kinds.
    manifests: usize,
    /// Manifests of other kinds; they were not looked at.
    skipped: usize,
    /// Files that could not be read.
    unreadable: usize,
    problems: Vec<Entry>,
    /// What stated capacities mean today, where the cluster was looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    today: Vec<Today>,
    /// Every manifest, with its place, for what only several of them tell.
    #[serde(skip)]
    looked_at: Vec<(Place, Value)>,
}

/// Where a manifest of a file is.
#[derive(Clone, Debug)]
struct Place {
    file: String,
    document: usize,
    /// The line of the document.
    line: u64,
    /// Path of the manifest in its document.
    prefix: String,
}

impl Place {
    /// A problem of the manifest here, at the line of its document.
    fn entry(&self, manifest: &Value, error: FieldError) -> Entry {
        let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).unwrap_or("?");
        let FieldError { path, problem, remedy } = error;
        Entry {
            file: self.file.clone(),
            document: Some(self.document),
            line: Some(self.line),
            object: Some(format!("{}/{}", text("/kind"), text("/metadata/name"))),
            path: format!("{}{path}", self.prefix),
            problem,
            remedy,
        }
    }
}

#[derive(Debug, Serialize)]
struct Entry {
    file: String,
    /// Position in the file, from 1; absent for the file itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    /// Kind and name, as `PredictiveAutoscaler/checkout`.
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<String>,
    path: String,
    problem: String,
    remedy: String,
}

/// Checks every document of every file and prints all problems.
///
/// Exit codes: 0 when there is none, 1 when there are some, 2 when a file cannot be read or holds nothing.
///
/// # Errors
/// When standard output is closed, or `--cluster` finds no cluster.
pub fn run(args: CheckArgs) -> anyhow::Result<ExitCode> {
    let CheckArgs { files, price_book, pod_requests, cluster, namespace, prometheus, asker, output } = args;
    let book = price_book.as_deref().map(super::price_book::read).transpose()?;
    let mut report = Report::default();
    for file in &files {
        let name = file.display().to_string();
        let text = if name == "-" {
            manifest::read_text(std::io::stdin().lock())
        } else {
            File::open(file).map_err(|error| error.to_string()).and_then(manifest::read_text)
        };
        match text {
            Ok(text) => report.file(&name, &text),
            Err(problem) => report.unreadable(&name, problem, "name a readable file of manifests"),
        }
    }
    report.together(&Prices { book: book.as_ref(), requests: pod_requests.as_ref() });
    if cluster {
        report.look(today::Place { namespace, url: prometheus.as_deref(), asker: &asker })?;
    }
    let text = match output {
        Output::Table => report.table()?,
        Output::Json => serde_json::to_string_pretty(&report)? + "\n",
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(report.exit_code())
}

impl Report {
    fn exit_code(&self) -> ExitCode {
        match (self.unreadable, self.problems.len()) {
            (0, 0) => ExitCode::SUCCESS,
            (0, _) => ExitCode::from(1),
            _ => ExitCode::from(2),
        }
    }

    fn unreadable(&mut self, file: &str, problem: impl Into<String>, remedy: &str) {
        self.unreadable += 1;
        self.problems.push(Entry {
            file: file.to_owned(),
            document: None,
            line: None,
            object: None,
            path: String::new(),
            problem: problem.into(),
            remedy: remedy.to_owned(),
        });
    }

    fn file(&mut self, file: &str, text: &str) {
        let documents = manifest::documents(text);
        if documents.is_empty() {
            self.unreadable(file, "holds no manifest", "name a file of manifests");
        }
        for (i, document) in documents.iter().enumerate() {
            match document {
                Ok(document) => self.document(file, i + 1, document),
                Err(error) => self.problems.push(Entry {
                    file: file.to_owned(),
                    document: Some(i + 1),
                    line: Some(error.line),
                    object: None,
                    path: String::new(),
                    problem: error.problem.clone(),
                    remedy: syntax_remedy(text).to_owned(),
                }),
            }
        }
    }

    fn document(&mut self, file: &str, number: usize, document: &Document) {
        let is_list =
            document.value.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"));
        let items = document.value.get("items").and_then(Value::as_array).filter(|_| is_list);
        let Some(items) = items else {
            self.manifest(file, number, document, (&document.value, ""));
            return;
        };
        for (i, item) in items.iter().enumerate() {
            self.manifest(file, number, document, (item, &format!("items[{i}].")));
        }
    }

    fn manifest(
        &mut self,
        file: &str,
        number: usize,
        document: &Document,
        (manifest, prefix): (&Value, &str),
    ) {
        let place = Place {
            file: file.to_owned(),
            document: number,
            line: document.line(prefix.trim_end_matches('.')),
            prefix: prefix.to_owned(),
        };
        self.looked_at.push((place, manifest.clone()));
        let Some(errors) = self.lint(manifest) else { return };
        let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).unwrap_or("?");
        let object = format!("{}/{}", text("/kind"), text("/metadata/name"));
        let mut problems: Vec<Entry> = errors
            .into_iter()
            .map(|FieldError { path, problem, remedy }| {
                let path = format!("{prefix}{path}");
                Entry {
                    file: file.to_owned(),
                    document: Some(number),
                    line: Some(document.line(&path)),
                    object: Some(object.clone()),
                    path,
                    problem,
                    remedy,
                }
            })
            .collect();
        problems.sort_by_key(|problem| problem.line);
        self.problems.append(&mut problems);
    }

    /// What only several manifests together tell.
    fn together(&mut self, prices: &Prices<'_>) {
        let manifests: Vec<&Value> = self.looked_at.iter().map(|(_, manifest)| manifest).collect();
        for (place, manifest) in &self.looked_at {
            if manifest.get("kind").and_then(Value::as_str) != Some("PredictiveAutoscaler") {
                continue;
            }
            let found = prices::problems(manifest, &manifests, prices);
            self.problems.extend(found.into_iter().map(|error| place.entry(manifest, error)));
        }
    }

    /// What the autoscalers among the manifests come to on the cluster.
    fn look(&mut self, place: today::Place<'_>) -> anyhow::Result<()> {
        let manifests: Vec<Value> = self.looked_at.iter().map(|(_, manifest)| manifest.clone()).collect();
        for (i, found) in today::look(&manifests, place)? {
            match (found, self.looked_at.get(i)) {
                (Ok(today), _) => self.today.push(today),
                (Err(error), Some((place, manifest))) => {
                    let entry = place.entry(manifest, error);
                    self.problems.push(entry);
                }
                (Err(_), None) => {}
            }
        }
        Ok(())
    }

    /// The problems of one manifest; `None` and a count when it is not for us.
    fn lint(&mut self, manifest: &Value) -> Option<Vec<FieldError>> {
        if !manifest.is_object() {
            self.manifests += 1;
            return Some(vec![FieldError::new(
                "kind",
                "the document is no manifest",
                "write apiVersion, kind and spec",
            )]);
        }
        let errors = api::lint(manifest);
        match &errors {
            Some(_) => self.manifests += 1,
            None => self.skipped += 1,
        }
        errors
    }

    fn table(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        for Entry { file, document, line, object, path, problem, remedy } in &self.problems {
            write!(out, "{}", printable(file))?;
            if let Some(line) = line {
                write!(out, ":{line}")?;
            }
            if let Some(document) = document {
                write!(out, ": document {document}")?;
            }
            for part in [object.as_deref().unwrap_or_default(), path, problem, remedy] {
                if !part.is_empty() {
                    write!(out, ": {}", printable(part))?;
                }
            }
            out.push('\n');
        }
        for today in &self.today {
            writeln!(out, "{}", printable(&today.to_string()))?;
        }
        let n = self.problems.len();
        let problems = if n == 1 { "1 problem".to_owned() } else { format!("{n} problems") };
        writeln!(out, "{problems} in {} manifests; {} of other kinds skipped", self.manifests, self.skipped)?;
        Ok(out)
    }
}

fn syntax_remedy(text: &str) -> &'static str {
    if text.contains("{{") {
        "render the template first (helm template), then check the result"
    } else {
        "correct the YAML"
    }
}

/// Text without characters that steer a terminal.
fn printable(text: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || ('\u{200e}'..='\u{200f}').contains(&c)
            || ('\u{202a}'..='\u{202e}').contains(&c)
            || ('\u{2066}'..='\u{2069}').contains(&c)
    };
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if steers(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
        out
    })
}
