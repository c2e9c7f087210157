//! The autoscaler of a plan: manifests from files, changed by `--set`, checked as `foresail check` does.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::{Map, Value};

use crate::api::{self, DemandCalendar, FieldError, MetricQuery, PredictiveAutoscaler, SpendBudget};
use crate::calendar::{Calendar, Window};
use crate::cli::manifest;
use crate::cli::plan::INTERVAL;
use crate::measure::Lead;
use crate::plan::{History, Scenario, ScenarioError};
use crate::policy::{BudgetRule, Policy};
use crate::units::{Demand, Span, Timestamp};

/// The autoscaler that is planned for.
#[derive(Debug)]
pub(in crate::cli) struct Autoscaler {
    /// `namespace/name`.
    pub(in crate::cli) key: String,
    pub(in crate::cli) namespace: String,
    pub(in crate::cli) object: PredictiveAutoscaler,
    pub(in crate::cli) policy: Policy,
    /// The query of each metric.
    pub(in crate::cli) queries: Vec<MetricQuery>,
    /// The calendars that it names.
    calendars: Vec<Calendar>,
    /// The budget that it names, where the files hold it.
    pub(in crate::cli) budget: Option<BudgetRule>,
    /// Manifests of other kinds: the target may be among them.
    pub(in crate::cli) others: Vec<Value>,
}

impl Autoscaler {
    /// Announces the events of one more calendar.
    pub(super) fn announce(&mut self, calendar: Option<&DemandCalendar>) -> anyhow::Result<()> {
        self.calendars.extend(calendar.map(events_of).transpose()?);
        Ok(())
    }

    /// It on a history, ticking as the operator does by default.
    ///
    /// # Errors
    /// [`ScenarioError`] says why it cannot be replayed.
    pub(in crate::cli) fn scenario(&self, history: History) -> Result<Scenario, ScenarioError> {
        let scenario = Scenario::new(&self.key, &self.policy, None, INTERVAL, history)?;
        Ok(Scenario { budget: self.budget.clone(), ..scenario })
    }

    /// What is said of the lead when none is stated: a history of demand does not tell it.
    pub(super) fn assumed_lead(&self) -> Option<String> {
        self.object.spec.forecast.lead_time.is_none().then(|| {
            format!(
                "no forecast.leadTime is stated: a lead of {} is planned with, as the operator takes it until it has measured {} starts; --lead plans with the one in status.leadTime",
                self.policy.lead,
                Lead::SAMPLES_LEAST
            )
        })
    }

    /// What is said when the budget that it names is not at hand, or when others may draw on it too.
    pub(in crate::cli) fn budget_note(&self) -> Option<String> {
        let named = self.object.spec.spend.as_ref()?.budget_ref.as_ref()?;
        Some(match &self.budget {
            None => format!(
                "SpendBudget `{}` is not at hand and limits nothing here: among files, add -f FILE that has it",
                named.name
            ),
            Some(_) => {
                format!("SpendBudget `{}` is planned with as if no other autoscaler drew on it", named.name)
            }
        })
    }

    /// The windows that touch the history `demand` or the time `ahead` of it, by start.
    pub(super) fn windows(&self, demand: &[Vec<(Timestamp, Demand)>], ahead: Span) -> Vec<Window> {
        let all = || demand.iter().flatten().map(|(at, _)| *at);
        let (Some(first), Some(last)) = (all().min(), all().max()) else { return Vec::new() };
        // What begins after the history may have to be readied within it.
        let to = last.plus(ahead).plus(Span::from_hours(48));
        let mut windows: Vec<Window> =
            self.calendars.iter().flat_map(|calendar| calendar.windows(first, to)).collect();
        windows.sort_by_key(|window| window.start);
        windows
    }
}

fn events_of(calendar: &DemandCalendar) -> anyhow::Result<Calendar> {
    let name = calendar.metadata.name.clone().unwrap_or_default();
    api::calendar(&name, &calendar.spec).map_err(|errors| {
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("the calendar `{name}` has problems:\n  {}", all.join("\n  "))
    })
}

/// One `PATH=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Setting {
    path: String,
    segments: Vec<Segment>,
    value: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Field(String),
    Index(usize),
}

impl Setting {
    /// Parses `objective.unserved=1%` or `metrics[0].capacityPerReplica=120`; a leading `spec.` may be left out.
    pub(in crate::cli) fn parse(text: &str) -> Result<Self, String> {
        let refuse =
            || format!("`{text}` is no setting: write it as `maxReplicas=80` or `objective.unserved=1%`");
        let (path, value) = text.split_once('=').ok_or_else(refuse)?;
        let path = path.trim().trim_start_matches("spec.");
        Self::new(path, value.trim()).ok_or_else(refuse)
    }

    /// `value` at `path`, from `spec`; `None` when that is no path.
    pub(super) fn new(path: &str, value: &str) -> Option<Self> {
        let mut segments = vec![Segment::Field("spec".to_owned())];
        for part in path.split('.') {
            let (name, rest) = part.split_once('[').unwrap_or((part, ""));
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric()) {
                return None;
            }
            segments.push(Segment::Field(name.to_owned()));
            if part.contains('[') {
                for index in rest.strip_suffix(']')?.split("][") {
                    segments.push(Segment::Index(index.parse().ok()?));
                }
            }
        }
        Some(Self { path: format!("spec.{path}"), segments, value: value.to_owned() })
    }

    /// Puts the value into a manifest: as a number or truth value where the schema takes one there, else as text.
    fn apply(&self, document: &mut Value) -> Result<(), String> {
        let typed =
            self.value.parse::<i64>().map(Value::from).or_else(|_| self.value.parse().map(Value::Bool));
        if let Ok(typed) = typed {
            self.put(document, typed)?;
            let refused =
                api::lint(document).is_some_and(|errors| errors.iter().any(|e| e.path == self.path));
            if !refused {
                return Ok(());
            }
        }
        self.put(document, Value::String(self.value.clone()))
    }

    fn put(&self, document: &mut Value, value: Value) -> Result<(), String> {
        let mut place = document;
        for segment in &self.segments {
            place = match segment {
                Segment::Field(name) => {
                    if place.is_null() {
                        *place = Value::Object(Map::new());
                    }
                    let fields = place.as_object_mut();
                    fields.map(|fields| fields.entry(name.clone()).or_insert(Value::Null))
                }
                Segment::Index(i) => place.as_array_mut().and_then(|items| items.get_mut(*i)),
            }
            .ok_or_else(|| format!("--set {}: there is no such place in the manifest", self.path))?;
        }
        *place = value;
        Ok(())
    }
}

/// Reads the manifests of `files`: exactly one autoscaler, and whatever else stands beside it.
///
/// # Errors
/// A file that cannot be read, every problem of the manifests, or none or several autoscalers.
pub(in crate::cli) fn read(files: &[PathBuf], settings: &[Setting]) -> anyhow::Result<Autoscaler> {
    let mut problems: Vec<String> = Vec::new();
    let mut found: Vec<PredictiveAutoscaler> = Vec::new();
    let mut calendars: Vec<DemandCalendar> = Vec::new();
    let mut budgets: Vec<SpendBudget> = Vec::new();
    let mut others: Vec<Value> = Vec::new();
    for file in files {
        let name = file.display();
        let text =
            text_of(file).map_err(anyhow::Error::msg).with_context(|| format!("cannot read `{name}`"))?;
        for document in manifest::documents(&text) {
            let document = match document {
                Ok(document) => document,
                Err(error) => {
                    problems.push(format!("{name}:{}: {}: correct the YAML", error.line, error.problem));
                    continue;
                }
            };
            let mut value = document.value.clone();
            let ours = value.get("kind").and_then(Value::as_str) == Some("PredictiveAutoscaler");
            if ours {
                for setting in settings {
                    setting.apply(&mut value).map_err(anyhow::Error::msg)?;
                }
            }
            let Some(errors) = api::lint(&value) else {
                others.push(value);
                continue;
            };
            problems.extend(
                errors
                    .iter()
                    .map(|error: &FieldError| format!("{name}:{}: {error}", document.line(&error.path))),
            );
            let read = || format!("cannot read `{name}`");
            if ours && errors.is_empty() {
                found.push(serde_json::from_value(value).with_context(read)?);
            } else if value.get("kind").and_then(Value::as_str) == Some("DemandCalendar") && errors.is_empty()
            {
                calendars.push(serde_json::from_value(value).with_context(read)?);
            } else if value.get("kind").and_then(Value::as_str) == Some("SpendBudget") && errors.is_empty() {
                budgets.push(serde_json::from_value(value).with_context(read)?);
            } else {
                others.push(value);
            }
        }
    }
    if !problems.is_empty() {
        bail!("the manifests have problems:\n  {}", problems.join("\n  "));
    }
    let Ok([object]) = <[PredictiveAutoscaler; 1]>::try_from(found) else {
        bail!("the files hold no PredictiveAutoscaler, or several: name files with exactly one");
    };
    Ok(Autoscaler { others, ..of(object, &calendars, &budgets)? })
}

/// The autoscaler `object`, with those of the calendars and budgets that it names.
///
/// # Errors
/// Problems of its spec, a calendar that is missing, a budget that does not take it.
pub(in crate::cli) fn of(
    object: PredictiveAutoscaler,
    given: &[DemandCalendar],
    budgets: &[SpendBudget],
) -> anyhow::Result<Autoscaler> {
    let namespace = object.metadata.namespace.clone().unwrap_or_else(|| "default".to_owned());
    let name = object.metadata.name.clone().unwrap_or_default();
    let mut policy = api::policy(&object.spec).map_err(|errors| {
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("the autoscaler has problems:\n  {}", all.join("\n  "))
    })?;
    let queries = api::metric_queries(&object.spec, &namespace);
    let calendars: Vec<Calendar> = object
        .spec
        .calendar_refs
        .iter()
        .map(|named| named_calendar(given, &namespace, &named.name))
        .collect::<Result<_, _>>()?;
    let budget = budget_of(&object, &namespace, budgets)?;
    if let (None, Some(spend)) = (&budget, &mut policy.spend) {
        // Without the budget nothing is known of what it pays for; the caller says so.
        spend.budget = None;
    }
    let key = format!("{namespace}/{name}");
    Ok(Autoscaler { key, namespace, object, policy, queries, calendars, budget, others: Vec::new() })
}

/// The budget that the autoscaler names among those in the files.
fn budget_of(
    object: &PredictiveAutoscaler,
    namespace: &str,
    given: &[SpendBudget],
) -> anyhow::Result<Option<BudgetRule>> {
    let Some(spend) = &object.spec.spend else { return Ok(None) };
    let Some(name) = spend.budget_ref.as_ref().map(|named| named.name.as_str()) else { return Ok(None) };
    let Some(found) = given.iter().find(|one| one.metadata.name.as_deref() == Some(name)) else {
        return Ok(None);
    };
    if found.spec.currency != spend.currency {
        bail!(
            "spec.spend.currency: `{}` is not `{}`, the currency of SpendBudget `{name}`: state the price in that",
            spend.currency,
            found.spec.currency
        );
    }
    if api::priority(&found.spec, namespace, object.metadata.labels.as_ref()).is_none() {
        bail!(
            "spec.spend.budgetRef: SpendBudget `{name}` does not take an autoscaler of namespace `{namespace}` with these labels: add it to spec.members of the budget"
        );
    }
    api::budget(name, &found.spec).map(Some).map_err(|errors| {
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("the budget `{name}` has problems:\n  {}", all.join("\n  "))
    })
}

/// The calendar of `namespace` called `name` among those in the files; one without a namespace is of every one.
fn named_calendar(given: &[DemandCalendar], namespace: &str, name: &str) -> anyhow::Result<Calendar> {
    let is_named = |one: &&DemandCalendar| {
        one.metadata.name.as_deref() == Some(name)
            && one.metadata.namespace.as_deref().is_none_or(|its| its == namespace)
    };
    let Some(found) = given.iter().find(is_named) else {
        bail!(
            "spec.calendarRefs: the files hold no DemandCalendar `{name}` of namespace `{namespace}`: add -f FILE that has it"
        );
    };
    events_of(found)
}

fn text_of(file: &Path) -> Result<String, String> {
    if file == Path::new("-") {
        return manifest::read_text(std::io::stdin().lock());
    }
    File::open(file).map_err(|error| error.to_string()).and_then(manifest::read_text)
}

/// For each metric of the policy the file that `--history` names.
///
/// # Errors
/// A metric without a file, or a file without a metric.
pub(super) fn histories<'a>(
    policy: &Policy,
    given: &'a [(String, PathBuf)],
) -> Result<Vec<&'a Path>, String> {
    let by_name: BTreeMap<&str, &Path> =
        given.iter().map(|(name, file)| (name.as_str(), file.as_path())).collect();
    let names: Vec<&str> = policy.metrics.iter().map(|rule| rule.name.as_str()).collect();
    if by_name.len() < given.len() {
        return Err("--history names a metric twice: give one file for each".to_owned());
    }
    if let Some(unknown) = by_name.keys().find(|name| !names.contains(name)) {
        return Err(format!("--history {unknown}: the autoscaler's metrics are {}", names.join(", ")));
    }
    names
        .iter()
        .map(|name| {
            by_name
                .get(name)
                .copied()
                .ok_or_else(|| format!("metric `{name}` has no history: add --history {name}=FILE"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn set(document: &Value, text: &str) -> Result<Value, String> {
        let mut document = document.clone();
        Setting::parse(text)?.apply(&mut document)?;
        Ok(document)
    }

    fn manifest() -> Value {
        json!({
            "apiVersion": "foresail.dev/v1alpha1", "kind": "PredictiveAutoscaler", "metadata": {"name": "web"},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                "maxReplicas": 10, "sourceRef": {"name": "main"},
                "metrics": [{"name": "requests", "type": "Prometheus", "query": "up", "capacityPerReplica": "10"}],
                "forecast": {"leadTime": "3m"},
            },
        })
    }

    #[test]
    fn a_setting_takes_the_type_that_the_schema_has_there() {
        let changed = set(&manifest(), "maxReplicas=80").unwrap();
        assert_eq!(changed.pointer("/spec/maxReplicas"), Some(&json!(80)));
        let changed = set(&manifest(), "spec.metrics[0].capacityPerReplica=120").unwrap();
        assert_eq!(changed.pointer("/spec/metrics/0/capacityPerReplica"), Some(&json!("120")));
        let changed = set(&manifest(), "objective.unserved=1%").unwrap();
        assert_eq!(changed.pointer("/spec/objective/unserved"), Some(&json!("1%")));
        for text in ["maxReplicas=80", "objective.unserved=1%", "metrics[0].capacityPerReplica=120"] {
            assert_eq!(api::lint(&set(&manifest(), text).unwrap()), Some(vec![]), "{text}");
        }
    }

    #[test]
    fn a_setting_without_a_place_is_refused() {
        for text in ["maxReplicas", "=5", "metrics[x].name=a", "a..b=1"] {
            assert!(Setting::parse(text).is_err(), "{text}");
        }
        let error = set(&manifest(), "metrics[3].name=a").unwrap_err();
        assert!(error.contains("metrics[3].name"), "{error}");
    }
}
