//! Metric sources: from the custom resource and its Secrets to the pool.

pub mod status;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret as KubeSecret;
use kube::{Api, ResourceExt as _};
use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::signal::Query;
use crate::api::{Auth, BasicAuth, MetricQuery, MetricSource, MetricSourceSpec, MetricType, SecretKeyRef};
use crate::edge::client::{READ_DEADLINE, within};
use crate::metrics::promql::{QueryError, enforce_labels};
use crate::metrics::{Authorization, Secret, SourceSettings};

/// How often sources and their Secrets are looked at again: a rotated token is taken up within this.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// After a change of the watch cache at the latest.
const CHANGED_EVERY: Duration = Duration::from_secs(1);

/// Keeps the pool as the sources say, until `stop`.
pub async fn run(ctx: Arc<Context>, stop: CancellationToken) {
    let mut known: Vec<(String, String)> = Vec::new();
    let mut looked = tokio::time::Instant::now() - LOOK_EVERY;
    while !stop.is_cancelled() {
        let state = ctx.sources.state();
        let mut now_known: Vec<(String, String)> =
            state.iter().map(|source| (source.name_any(), version(source))).collect();
        now_known.sort();
        if now_known != known || looked.elapsed() >= LOOK_EVERY {
            for (gone, _) in
                known.iter().filter(|(name, _)| !now_known.iter().any(|(other, _)| other == name))
            {
                ctx.pool.remove(gone);
            }
            for source in &state {
                apply(&ctx, source).await;
            }
            known = now_known;
            looked = tokio::time::Instant::now();
        }
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

/// Puts one source into the pool; one that cannot be used is taken out, and its autoscalers say so.
pub async fn apply(ctx: &Context, source: &MetricSource) {
    let name = source.name_any();
    let outcome = match settings(ctx, &name, &source.spec).await {
        Ok(settings) => ctx.pool.set(settings).map_err(|error| error.to_string()),
        Err(problem) => Err(problem),
    };
    if let Err(problem) = outcome {
        tracing::warn!(source = name, problem, "a metric source cannot be used");
        ctx.pool.refuse(&name, problem);
    }
}

async fn settings(ctx: &Context, name: &str, spec: &MetricSourceSpec) -> Result<SourceSettings, String> {
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
            return Err("auth names neither bearerTokenSecretRef nor basic".to_owned());
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

async fn secret(ctx: &Context, reference: &SecretKeyRef) -> Result<String, String> {
    let SecretKeyRef { name, key } = reference;
    let api: Api<KubeSecret> = Api::namespaced(ctx.client.clone(), &ctx.settings.namespace);
    let secret = within(READ_DEADLINE, api.get(name)).await.map_err(|error| {
        format!(
            "the Secret `{name}` could not be read ({error}): name it in the Helm value metricSourceSecrets"
        )
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
