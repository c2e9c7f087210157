//! Metric sources: from the custom resource and its Secrets to the pool.

pub mod status;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::core::v1::Secret as KubeSecret;
use kube::{Api, ResourceExt as _};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::signal::Query;
use crate::api::{Auth, BasicAuth, MetricQuery, MetricSource, MetricSourceSpec, MetricType, SecretKeyRef};
use crate::edge::client::{READ_DEADLINE, within};
use crate::metrics::promql::{QueryError, enforce_labels};
use crate::metrics::{Authorization, Secret, SourceSettings};

/// How often sources and their Secrets are looked at again: a rotated token is taken up within this.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// A Secret that the API server did not give is asked for again after this.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// After a change of the watch cache at the latest.
const CHANGED_EVERY: Duration = Duration::from_secs(1);

/// Keeps the pool as the sources say, from when they are known until `stop`; `known` is told when it is so first.
pub async fn run(ctx: Arc<Context>, known: watch::Sender<bool>, stop: CancellationToken) {
    let filled = tokio::select! {
        biased;
        () = stop.cancelled() => false,
        filled = ctx.sources.wait_until_ready() => filled.is_ok(),
    };
    let mut kept = Kept::default();
    while filled && !stop.is_cancelled() {
        kept.follow(&ctx).await;
        known.send_replace(true);
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = tokio::time::sleep(CHANGED_EVERY) => {}
        }
    }
}

/// Changes with the spec of a source, and not with its status.
pub fn version(source: &MetricSource) -> String {
    let generation = source.metadata.generation.unwrap_or_default();
    format!("{}/{generation}", source.metadata.uid.as_deref().unwrap_or_default())
}

/// What the pool was told, from look to look.
#[derive(Default)]
struct Kept {
    /// The version of each source as it was seen last.
    seen: BTreeMap<String, String>,
    /// The version whose Secrets could be read.
    read: BTreeMap<String, String>,
    next: Option<Instant>,
}

impl Kept {
    /// Looks whether sources came, changed or went, and from time to time whether their Secrets changed.
    async fn follow(&mut self, ctx: &Context) {
        let state = ctx.sources.state();
        let seen: BTreeMap<String, String> =
            state.iter().map(|source| (source.name_any(), version(source))).collect();
        if seen == self.seen && self.next.is_some_and(|next| Instant::now() < next) {
            return;
        }
        for gone in self.seen.keys().filter(|name| !seen.contains_key(*name)) {
            ctx.pool.remove(gone);
        }
        self.read.retain(|name, read| seen.get(name) == Some(read));
        let read = state.iter().map(async |source| {
            let name = source.name_any();
            (settings(ctx, &name, &source.spec).await, source)
        });
        let mut unread = false;
        for (settings, source) in join_all(read).await {
            unread |= !self.apply(ctx, source, settings);
        }
        self.seen = seen;
        self.next = Some(Instant::now() + if unread { AGAIN_AFTER } else { LOOK_EVERY });
    }

    /// Puts one source into the pool; one that cannot be used is taken out, and its autoscalers say so. `false` when its
    /// Secrets could not be read now: then it goes on with what was read of them, as long as it is the same source.
    fn apply(
        &mut self,
        ctx: &Context,
        source: &MetricSource,
        settings: Result<SourceSettings, Unusable>,
    ) -> bool {
        let name = source.name_any();
        let (problem, unread) = match settings {
            Ok(settings) => {
                self.read.insert(name.clone(), version(source));
                (ctx.pool.set(settings).map_err(|error| error.to_string()).err(), false)
            }
            Err(Unusable::Wrong(problem)) => (Some(problem), false),
            Err(Unusable::Unread(problem)) => (Some(problem), true),
        };
        if let Some(problem) = problem {
            tracing::warn!(source = name, problem, "a metric source cannot be used");
            if !unread || !self.read.contains_key(&name) {
                ctx.pool.refuse(&name, problem);
            }
        }
        !unread
    }
}

/// Why there are no settings.
enum Unusable {
    /// The spec or a Secret is wrong, or the Secret is gone.
    Wrong(String),
    /// The API server did not say.
    Unread(String),
}

impl From<String> for Unusable {
    fn from(problem: String) -> Self {
        Self::Wrong(problem)
    }
}

async fn settings(ctx: &Context, name: &str, spec: &MetricSourceSpec) -> Result<SourceSettings, Unusable> {
    let MetricSourceSpec { url, auth, ca_secret_ref, timeout, max_concurrent, .. } = spec;
    let authorization = match auth {
        None => None,
        Some(Auth { bearer_token_secret_ref: Some(reference), .. }) => {
            Some(Authorization::Bearer(Secret::new(secret(ctx, reference).await?)))
        }
        Some(Auth { basic: Some(BasicAuth { username, password_secret_ref }), .. }) => {
            let password = Secret::new(secret(ctx, password_secret_ref).await?);
            Some(Authorization::Basic { username: username.clone(), password })
        }
        Some(Auth { bearer_token_secret_ref: None, basic: None }) => {
            return Err("auth names neither bearerTokenSecretRef nor basic".to_owned().into());
        }
    };
    let ca_pem = match ca_secret_ref {
        Some(reference) => Some(secret(ctx, reference).await?),
        None => None,
    };
    Ok(SourceSettings {
        name: name.to_owned(),
        url: url.clone(),
        authorization,
        ca_pem,
        tenant_header: tenant_of(spec),
        timeout: timeout.span().ok_or_else(|| format!("timeout `{}` is no duration", timeout.0))?,
        max_concurrent: usize::try_from(*max_concurrent).unwrap_or(16),
    })
}

/// Name and value of the header that names the tenant to a source.
pub fn tenant_of(spec: &MetricSourceSpec) -> Option<(String, String)> {
    spec.tenant_header.as_ref().map(|tenant| (tenant.name.clone(), tenant.value.clone()))
}

async fn secret(ctx: &Context, reference: &SecretKeyRef) -> Result<String, Unusable> {
    let SecretKeyRef { name, key } = reference;
    let api: Api<KubeSecret> = Api::namespaced(ctx.client.clone(), &ctx.settings.namespace);
    let secret = within(READ_DEADLINE, api.get(name)).await.map_err(|error| {
        let problem = format!(
            "the Secret `{name}` could not be read ({error}): name it in the Helm value metricSourceSecrets"
        );
        if error.is_final() { Unusable::Wrong(problem) } else { Unusable::Unread(problem) }
    })?;
    let bytes = secret.data.as_ref().and_then(|data| data.get(key));
    let bytes = bytes.ok_or_else(|| format!("the Secret `{name}` has no key `{key}`"))?;
    let text = String::from_utf8(bytes.0.clone())
        .map_err(|_| format!("key `{key}` of Secret `{name}` is no text"))?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// The question to a source, with its enforced labels, and whether it may be asked from `namespace`.
///
/// # Errors
/// When the query cannot take the labels.
pub fn question(
    asked: MetricQuery,
    source: Option<&MetricSource>,
    namespace: &str,
    preset: Option<MetricType>,
) -> Result<Query, QueryError> {
    let MetricQuery { source: name, promql, .. } = asked;
    let refused = match source {
        None => Some(format!("the MetricSource `{name}` does not exist: create it or correct sourceRef")),
        Some(source) if !allows(&source.spec.allowed_namespaces, namespace) => Some(format!(
            "the MetricSource `{name}` does not allow namespace `{namespace}`: ask its administrator"
        )),
        Some(_) => None,
    };
    let promql = match source {
        Some(source) if !source.spec.enforced_labels.is_empty() => {
            enforce_labels(&promql, &source.spec.enforced_labels)?
        }
        _ => promql,
    };
    let request = preset.and_then(MetricType::resource);
    Ok(Query { source: name, promql, request, refused })
}

fn allows(allowed: &[String], namespace: &str) -> bool {
    allowed.iter().any(|one| one == "*" || one == namespace)
}

#[cfg(test)]
mod tests;
