//! What the commands share that speak to a cluster: the client, autoscalers by name or scope, one patch.

use anyhow::{Context as _, bail};
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt as _};
use serde_json::Value;

use crate::api::PredictiveAutoscaler;
use crate::edge::client::{CallError, READ_DEADLINE, WRITE_DEADLINE_MAX, connect, within};
use crate::units::Span;

/// The name under which the command line writes, in `managedFields`.
const FIELD_MANAGER: &str = "foresail-cli";
/// Objects of one page of a list.
const PAGE: u32 = 500;

/// A cluster, and the namespace that is meant when none is named.
pub(super) struct Cluster {
    client: Client,
    /// `-n`, else that of the kubeconfig's context.
    pub(super) namespace: String,
}

/// Runs `command` on the cluster of the kubeconfig (`KUBECONFIG`, `~/.kube/config`, or the pod's service account).
///
/// # Errors
/// When there is no way to a cluster, and whatever `command` fails with.
pub(super) fn on_cluster<T>(
    namespace: Option<String>,
    command: impl AsyncFnOnce(Cluster) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client =
            connect().await.context("the cluster could not be reached: set KUBECONFIG, or run in a pod")?;
        let namespace = namespace.unwrap_or_else(|| client.default_namespace().to_owned());
        command(Cluster { client, namespace }).await
    })
}

/// Which autoscalers are meant.
pub(super) enum Scope {
    /// The one of this name, in the namespace.
    Named(String),
    /// Every one of the namespace.
    Namespace,
    /// Every one of the cluster.
    Everywhere,
}

impl Cluster {
    /// The client, for what is no autoscaler.
    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    fn api(&self, namespace: &str) -> Api<PredictiveAutoscaler> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The autoscaler of this name in the namespace.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub(super) async fn autoscaler(&self, name: &str) -> anyhow::Result<PredictiveAutoscaler> {
        let namespace = &self.namespace;
        match within(READ_DEADLINE, self.api(namespace).get(name)).await {
            Ok(object) => Ok(object),
            Err(error) if error.is_not_found() => {
                bail!("no PredictiveAutoscaler `{namespace}/{name}`: name another, or its namespace with -n")
            }
            Err(error) => Err(error).context(format!("`{namespace}/{name}` could not be read")),
        }
    }

    /// Every autoscaler of `scope`; at least one.
    ///
    /// # Errors
    /// When there is none, or they cannot be read.
    pub(super) async fn autoscalers(&self, scope: &Scope) -> anyhow::Result<Vec<PredictiveAutoscaler>> {
        let (api, place) = match scope {
            Scope::Named(name) => return Ok(vec![self.autoscaler(name).await?]),
            Scope::Namespace => (self.api(&self.namespace), format!("namespace `{}`", self.namespace)),
            Scope::Everywhere => (Api::all(self.client.clone()), "the cluster".to_owned()),
        };
        let (mut found, mut params) = (Vec::new(), ListParams::default().limit(PAGE));
        loop {
            let page = within(READ_DEADLINE, api.list(&params))
                .await
                .with_context(|| format!("the PredictiveAutoscalers of {place} could not be listed"))?;
            found.extend(page.items);
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => break,
            }
        }
        if found.is_empty() {
            bail!("{place} has no PredictiveAutoscaler: name another namespace with -n, or all with -A");
        }
        Ok(found)
    }

    /// Merges `patch` into the autoscaler; the object as it is then.
    ///
    /// # Errors
    /// What the API server refused it for, with what to do.
    pub(super) async fn patch(
        &self,
        object: &PredictiveAutoscaler,
        patch: &Value,
    ) -> Result<PredictiveAutoscaler, String> {
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let api = self.api(&object.namespace().unwrap_or_default());
        let name = object.name_any();
        let merge = Patch::Merge(patch);
        let call = within(WRITE_DEADLINE_MAX, api.patch(&name, &params, &merge));
        call.await.map_err(|error| match error {
            CallError::Refused { code: 403, .. } => {
                format!("{error}: ask for the verb patch on predictiveautoscalers (the role edit has it)")
            }
            error if error.is_conflict() => format!("{error}: somebody else wrote it just now, so try again"),
            error => error.to_string(),
        })
    }
}

/// The name in `pra/checkout`, `predictiveautoscaler/checkout` or `checkout`.
pub(super) fn autoscaler_name(text: &str) -> Result<String, String> {
    let (kind, name) = text.split_once('/').unwrap_or(("pra", text));
    let kind = kind.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let known = ["pra", "predictiveautoscaler", "predictiveautoscalers"].contains(&kind.as_str());
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    if known && !name.is_empty() && name.chars().all(plain) {
        Ok(name.to_owned())
    } else {
        Err("name one PredictiveAutoscaler as `pra/NAME`, for example `pra/checkout`".to_owned())
    }
}

/// How long an order holds: a minute to a week. Longer is no emergency but a change of the spec.
pub(super) fn order_span(text: &str) -> Result<Span, String> {
    let span = Span::parse(text).map_err(|error| error.to_string())?;
    let allowed = Span::from_minutes(1)..=Span::from_hours(7 * 24);
    if allowed.contains(&span) {
        Ok(span)
    } else {
        Err(format!("`{text}` lies outside 1m..168h: for longer, change the spec"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_autoscaler_is_named_as_kubectl_names_it() {
        for good in [
            "checkout",
            "pra/checkout",
            "PredictiveAutoscaler/checkout",
            "predictiveautoscalers.foresail.dev/checkout",
        ] {
            assert_eq!(autoscaler_name(good).as_deref(), Ok("checkout"), "{good}");
        }
        for bad in ["", "pra/", "deploy/checkout", "a/b/c", "Checkout", "../x", "a b"] {
            assert!(autoscaler_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_order_holds_for_a_minute_to_a_week() {
        for (text, good) in [("1m", true), ("168h", true), ("59s", false), ("169h", false), ("soon", false)] {
            assert_eq!(order_span(text).is_ok(), good, "{text}");
        }
    }
}
