//! The Prometheus-compatible server that a command asks, and what it wants to know of who asks.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use serde_json::Value;

use super::plan::autoscaler::Autoscaler;
use crate::api::MetricSource;
use crate::metrics::{Authorization, Secret, SourceSettings};
use crate::operator::sources;
use crate::units::Span;

/// How long one answer may take.
const TIMEOUT: Span = Span::from_minutes(2);

/// Name and value of a header.
pub(super) type Header = (String, String);

/// Who asks the server that `--prometheus` names, and no other. A secret is read from a file: others on the machine can
/// read a command line.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Asker {
    /// A file with the bearer token that the server wants.
    #[arg(long = "prometheus-token-file", requires = "prometheus", value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// The header that names the tenant to the server, as `X-Scope-OrgID=shop`; that of the MetricSource when left out.
    #[arg(long = "prometheus-tenant", requires = "prometheus", value_name = "NAME=VALUE", value_parser = header)]
    tenant: Option<Header>,

    /// A file with the only certificates to trust, in PEM; those of the system when left out.
    #[arg(long = "prometheus-ca-file", requires = "prometheus", value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

fn header(text: &str) -> Result<Header, String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("write it as `NAME=VALUE`, as `X-Scope-OrgID=shop`".to_owned()),
    }
}

impl Asker {
    /// The server at `url`, asked for `tenant` where the command names none.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(super) fn server(&self, url: &str, tenant: Option<Header>) -> anyhow::Result<SourceSettings> {
        let token = self.token_file.as_deref().map(text_of).transpose()?;
        let token = token.map(|token| Authorization::Bearer(Secret::new(token.trim().to_owned())));
        Ok(SourceSettings {
            name: url.to_owned(),
            url: url.to_owned(),
            authorization: token,
            ca_pem: self.ca_file.as_deref().map(text_of).transpose()?,
            tenant_header: self.tenant.clone().or(tenant),
            timeout: TIMEOUT,
            max_concurrent: 2,
        })
    }
}

fn text_of(file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))
}

/// As [`through`], with the sources among the manifests beside `autoscaler`.
///
/// # Errors
/// Those of [`through`].
pub(super) fn through_stated(autoscaler: &mut Autoscaler) -> anyhow::Result<Option<Header>> {
    let of_kind = |one: &&Value| one.get("kind").and_then(Value::as_str) == Some("MetricSource");
    let stated = autoscaler.others.iter().filter(of_kind);
    let known: Vec<MetricSource> =
        stated.filter_map(|one| serde_json::from_value(one.clone()).ok()).collect();
    through(autoscaler, &known)
}

/// Puts the queries of `autoscaler` as those of `known` that they name have them sent; the tenant that these name.
///
/// # Errors
/// A source that does not allow the namespace, a query that cannot take its labels, several tenants.
pub(super) fn through(autoscaler: &mut Autoscaler, known: &[MetricSource]) -> anyhow::Result<Option<Header>> {
    let mut tenants = Vec::new();
    for query in &mut autoscaler.queries {
        let Some(source) = known.iter().find(|one| one.metadata.name.as_deref() == Some(&query.source))
        else {
            continue;
        };
        let asked = sources::question(query.clone(), Some(source), &autoscaler.namespace, None)
            .map_err(|error| anyhow!("metric `{}`: {}: {}", query.metric, error.problem, error.remedy))?;
        if let Some(refused) = asked.refused {
            bail!("metric `{}`: {refused}", query.metric);
        }
        query.promql = asked.promql;
        tenants.push(sources::tenant_of(&source.spec));
    }
    tenants.dedup();
    if tenants.len() > 1 {
        bail!("the MetricSources of the metrics name several tenants: name metrics of one of them");
    }
    Ok(tenants.pop().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_says_who_asks() {
        let directory = std::env::temp_dir().join(format!("foresail-asker-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let token = directory.join("token");
        fs::write(&token, "abc\n").unwrap();
        let asker = Asker { token_file: Some(token), ..Asker::default() };
        let of_source = || Some(("X-Scope-OrgID".to_owned(), "shop".to_owned()));
        let server = asker.server("https://mimir/prometheus", of_source()).unwrap();
        assert_eq!(server.authorization, Some(Authorization::Bearer(Secret::new("abc".to_owned()))));
        assert_eq!((server.tenant_header, server.ca_pem), (of_source(), None));
        let own = Asker { tenant: Some(header("X-Scope-OrgID=search").unwrap()), ..asker };
        let server = own.server("https://mimir/prometheus", of_source()).unwrap();
        assert_eq!(server.tenant_header.unwrap().1, "search");
        fs::remove_dir_all(&directory).unwrap();
        let told = own.server("https://mimir/prometheus", None).unwrap_err().to_string();
        assert!(told.starts_with("cannot read `") && told.contains("token"), "{told}");
        for text in ["", "shop", "=shop", "X-Scope-OrgID="] {
            assert!(header(text).is_err(), "{text}");
        }
    }
}
