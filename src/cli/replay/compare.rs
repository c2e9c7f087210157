//! What this version decides on logged inputs, beside what was decided.
//!
//! Each decision is made on the logged inputs, so a difference is that of one decision: what would have followed from
//! it is not played on. It is counted until the next logged decision on the same autoscaler, five minutes at most.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use serde_json::json;

use super::{Count, Output, left_out};
use crate::calendar::rfc3339;
use crate::journal::Record;
use crate::policy::SpendRule;
use crate::units::{Span, Timestamp};

/// The operator logs at least this often; a longer silence is its absence.
const HELD_MAX: Span = Span::from_minutes(5);
/// Rows of the table; the rest are counted.
const ROWS_MAX: usize = 50;

/// A decision that this version makes otherwise.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    line: u64,
    autoscaler: String,
    at: String,
    logged: u32,
    now: u32,
    logged_bound_by: String,
    now_bound_by: &'static str,
}

/// One autoscaler, as long as its price is the same.
#[derive(Clone, Debug, Default)]
struct Tally {
    price: Option<SpendRule>,
    decisions: usize,
    differing: usize,
    more_seconds: u64,
    fewer_seconds: u64,
    last: Option<(Timestamp, i64)>,
}

/// The comparison under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Comparison {
    rows: Vec<Row>,
    more: usize,
    tallies: BTreeMap<(String, String), Tally>,
}

impl Comparison {
    /// Decides on one record's inputs and notes the difference.
    pub(super) fn take(&mut self, line: u64, record: &Record) {
        let decision = record.tick().decision;
        let (logged, derived) = (record.decision.desired, decision.desired);
        let spend = record.policy.spend.clone();
        let priced =
            spend.as_ref().and_then(|rule| Some(format!("{} {}", rule.price.reckoned()?, rule.currency)));
        let tally = self.tallies.entry((record.key(), priced.unwrap_or_default())).or_default();
        tally.price = spend;
        tally.decisions += 1;
        tally.hold_until(record.now());
        tally.last = Some((record.now(), logged.delta_to(derived)));
        if logged == derived {
            return;
        }
        tally.differing += 1;
        if self.rows.len() >= ROWS_MAX {
            self.more += 1;
            return;
        }
        self.rows.push(Row {
            line,
            autoscaler: record.key(),
            at: rfc3339(record.now()),
            logged: logged.get(),
            now: derived.get(),
            logged_bound_by: record.decision.bound_by.clone(),
            now_bound_by: decision.bound_by().name(),
        });
    }

    /// The comparison for people or programs.
    ///
    /// # Errors
    /// None in practice.
    pub(super) fn told(&self, count: Count, output: Output) -> anyhow::Result<String> {
        match output {
            Output::Table => Ok(self.table(count)?),
            Output::Json => {
                let totals: Vec<_> = self
                    .tallies
                    .iter()
                    .map(|((autoscaler, _), tally)| {
                        json!({
                            "autoscaler": autoscaler, "decisions": tally.decisions, "differing": tally.differing,
                            "moreReplicaHours": hours(tally.more_seconds),
                            "fewerReplicaHours": hours(tally.fewer_seconds),
                            "moreCost": tally.cost(tally.more_seconds), "fewerCost": tally.cost(tally.fewer_seconds),
                        })
                    })
                    .collect();
                super::json(&json!({
                    "version": env!("CARGO_PKG_VERSION"), "decisions": count.decisions, "totals": totals,
                    "differences": self.rows, "differencesLeftOut": self.more,
                }))
            }
        }
    }

    fn table(&self, Count { decisions, others }: Count) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        if !self.rows.is_empty() {
            writeln!(
                text,
                "{:>7}  {:<20}  {:<24}  {:>6}  {:>6}  bound by",
                "line", "at", "autoscaler", "logged", "now"
            )?;
        }
        for Row { line, autoscaler, at, logged, now, logged_bound_by, now_bound_by } in &self.rows {
            let bound = format!("{logged_bound_by} -> {now_bound_by}");
            writeln!(text, "{line:>7}  {at:<20}  {autoscaler:<24}  {logged:>6}  {now:>6}  {bound}")?;
        }
        if self.more > 0 {
            writeln!(text, "and {} more", self.more)?;
        }
        for ((autoscaler, _), tally) in &self.tallies {
            writeln!(
                text,
                "{autoscaler}: version {} decides otherwise in {} of {} decisions: {} more and {} fewer",
                env!("CARGO_PKG_VERSION"),
                tally.differing,
                tally.decisions,
                tally.amount(tally.more_seconds),
                tally.amount(tally.fewer_seconds)
            )?;
        }
        writeln!(text, "{decisions} decisions{}", left_out(others))?;
        Ok(text)
    }
}

impl Tally {
    /// The last difference stood until `now`.
    fn hold_until(&mut self, now: Timestamp) {
        let Some((since, delta)) = self.last else { return };
        let seconds = now.since(since).min(HELD_MAX).seconds().saturating_mul(delta.unsigned_abs());
        if delta > 0 {
            self.more_seconds = self.more_seconds.saturating_add(seconds);
        } else {
            self.fewer_seconds = self.fewer_seconds.saturating_add(seconds);
        }
    }

    fn cost(&self, replica_seconds: u64) -> Option<String> {
        let rule = self.price.as_ref()?;
        let cost = rule.price.of_replica_seconds(replica_seconds)?;
        Some(format!("{cost} {}", rule.currency))
    }

    fn amount(&self, replica_seconds: u64) -> String {
        let cost = self.cost(replica_seconds).map(|cost| format!(" ({cost})")).unwrap_or_default();
        format!("{} replica-hours{cost}", hours(replica_seconds))
    }
}

/// Replica-seconds as replica-hours, to the thousandth.
fn hours(replica_seconds: u64) -> String {
    let thousandths = replica_seconds.saturating_mul(5) / 18;
    format!("{}.{:03}", thousandths / 1000, thousandths % 1000)
}
