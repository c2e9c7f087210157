//! The last decision as the status of the custom resource has it.

use anyhow::{Context as _, bail};
use futures::TryStreamExt as _;
use kube::runtime::watcher::watch_object;
use kube::{Api, ResourceExt as _};

use super::{Output, print};
use crate::api::PredictiveAutoscaler;
use crate::edge::client::{self, READ_DEADLINE, within};
use crate::journal::ToldStage;
use crate::report::explanation::{Candidates, Explanation};
use crate::units::Replicas;

/// Explains the last decision on `name`, and with `watch` each one after it.
pub(super) fn explain(
    name: &str,
    namespace: Option<&str>,
    watch: bool,
    output: Output,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = client::connect().await.context("the cluster could not be reached: set KUBECONFIG")?;
        let namespace = namespace.unwrap_or(client.default_namespace()).to_owned();
        let api: Api<PredictiveAutoscaler> = Api::namespaced(client, &namespace);
        let object = within(READ_DEADLINE, api.get(name))
            .await
            .with_context(|| format!("PredictiveAutoscaler `{namespace}/{name}` could not be read"))?;
        let first = of_status(&object)?;
        print(&first, output)?;
        if watch { follow(api, name, first, output).await } else { Ok(()) }
    })
}

/// Prints each decision that differs from the one before.
async fn follow(
    api: Api<PredictiveAutoscaler>,
    name: &str,
    mut shown: Explanation,
    output: Output,
) -> anyhow::Result<()> {
    let mut changes = std::pin::pin!(watch_object(api, name));
    while let Some(object) = changes.try_next().await.context("the watch ended: start it again")? {
        let Some(object) = object else { bail!("PredictiveAutoscaler `{name}` was deleted") };
        let next = of_status(&object)?;
        if next.at != shown.at {
            if output == Output::Table {
                use std::io::Write as _;
                std::io::stdout().lock().write_all(b"\n")?;
            }
            print(&next, output)?;
            shown = next;
        }
    }
    Ok(())
}

/// The decision in the status of an autoscaler.
fn of_status(object: &PredictiveAutoscaler) -> anyhow::Result<Explanation> {
    let key = format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any());
    let status = object.status.as_ref();
    let Some((status, decision)) = status.and_then(|status| Some((status, status.decision.as_ref()?))) else {
        let said = status.map(|status| status.conditions.as_slice()).unwrap_or_default();
        let said = said.iter().find(|one| one.type_ == "SpecValid" && one.status == "False");
        match said {
            Some(invalid) => bail!("`{key}` has no decision: its spec is not valid: {}", invalid.message),
            None => bail!("`{key}` has no decision yet: look whether the operator runs and may read it"),
        }
    };
    let replicas = status.replicas.as_ref();
    let count = |of: fn(&crate::api::ReplicaStatus) -> Option<u32>| replicas.and_then(of);
    let stages = decision.stages.iter().map(|stage| ToldStage {
        stage: stage.stage.clone(),
        before: Replicas::new(stage.before),
        after: Replicas::new(stage.after),
        sentence: stage.sentence.clone(),
    });
    let mode = status.effective_mode.map_or_else(String::new, |mode| format!("{mode:?}"));
    Ok(Explanation {
        autoscaler: key,
        at: decision.at.to_string(),
        local: None,
        source: "status",
        mode,
        outcome: None,
        asked: count(|one| one.asked),
        ready: count(|one| one.ready),
        desired: count(|one| one.desired),
        bound_by: decision.bound_by.clone().unwrap_or_default(),
        summary: decision.summary.clone(),
        inputs: Vec::new(),
        candidates: Candidates {
            reactive: count(|one| one.reactive),
            predicted: count(|one| one.predicted),
            present: None,
        },
        stages: stages.collect(),
        changes: None,
        notes: vec![
            "the status holds the last decision without its inputs; for another instant, and for what would have to change, give the decision log (kubectl logs .. | kubectl foresail explain .. --log -), or --at TIME alone, which makes the decision again from the history of demand".to_owned(),
        ],
    })
}
