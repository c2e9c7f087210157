//! A decision as it is told: numbers and one sentence a stage.

use serde::{Deserialize, Serialize};

use crate::decide::{Decision, Judged, Standing};
use crate::policy::Policy;
use crate::units::{CapacityPerReplica, Demand, Replicas};

/// What was decided, and how it came about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// What stood; in `DryRun` the shadow's.
    pub asked: Replicas,
    /// What served; in `DryRun` the shadow's.
    pub ready: Replicas,
    /// What is wanted after all stages.
    pub desired: Replicas,
    /// What is written to the target; `null` when nothing is.
    pub write: Option<Replicas>,
    /// What an HPA would ask for.
    pub reactive: Replicas,
    /// What the trusted forecast wants; `null` without one.
    pub predicted: Option<Replicas>,
    /// What present demand needs at 100 % of safe load.
    pub present_need: Replicas,
    /// Replicas that the spend limit withholds.
    pub withheld: Replicas,
    /// The stage that had the last word.
    pub bound_by: String,
    /// The decision in one sentence.
    pub summary: String,
    /// Each metric as it was judged.
    pub metrics: Vec<ToldMetric>,
    /// Every stage in its order.
    pub stages: Vec<ToldStage>,
}

/// One metric as it was judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToldMetric {
    /// Its name.
    pub name: String,
    /// The demand that was decided on, in the metric's own unit; `null` when there was none.
    pub demand: Option<Demand>,
    /// Demand that one ready replica serves.
    pub capacity: Option<CapacityPerReplica>,
    /// Fresh, Partial, `SuddenFall`, or why it is absent.
    pub standing: String,
    /// Whether the workload stood at its limit, so that demand may have been higher.
    pub censored: bool,
}

/// One stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToldStage {
    /// Its name.
    pub stage: String,
    /// The proposal before it.
    pub before: Replicas,
    /// The proposal after it.
    pub after: Replicas,
    /// What it did and why, with numbers.
    pub sentence: String,
}

impl Told {
    /// A decision, told.
    pub fn of(policy: &Policy, decision: &Decision) -> Self {
        let Decision {
            at: _,
            asked,
            ready,
            desired,
            reactive,
            predicted,
            present_need,
            withheld,
            judged,
            stages,
            write,
            blocked: _,
            unapplied: _,
        } = decision;
        let stages = stages.iter().map(|record| ToldStage {
            stage: record.stage.name().to_owned(),
            before: record.before,
            after: record.after,
            sentence: record.fact.to_string(),
        });
        let metrics =
            policy.metrics.iter().zip(judged).map(|(rule, judged)| ToldMetric::of(&rule.name, judged));
        Self {
            asked: *asked,
            ready: *ready,
            desired: *desired,
            write: *write,
            reactive: *reactive,
            predicted: *predicted,
            present_need: *present_need,
            withheld: *withheld,
            bound_by: decision.bound_by().name().to_owned(),
            summary: decision.summary(),
            metrics: metrics.collect(),
            stages: stages.collect(),
        }
    }
}

impl ToldMetric {
    fn of(name: &str, judged: &Judged) -> Self {
        let Judged { demand, capacity, standing, censored, absent_since: _, returned: _ } = *judged;
        let standing = match standing {
            Standing::Fresh => "Fresh".to_owned(),
            Standing::Partial => "Partial".to_owned(),
            Standing::SuddenFall => "SuddenFall".to_owned(),
            Standing::Absent(absence) => format!("{absence:?}"),
        };
        Self { name: name.to_owned(), demand, capacity, standing, censored }
    }
}
