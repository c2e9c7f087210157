//! Where a metric source is and how to speak to it.
//!
//! In: [`SourceSettings`], the administrator's. Out: an HTTP client that follows no redirect, reads no proxy from
//! the environment and carries the credentials, or a [`SourceError`] that says which setting is wrong.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::decide::evidence::Absence;
use crate::units::Span;

/// A credential longer than this is a mistake (a whole file, a certificate) and is refused.
const CREDENTIAL_BYTES_MAX: usize = 8 * 1024;
/// A connection that takes longer is not worth the rest of the deadline.
const CONNECT_MAX: Span = Span::from_seconds(5);
/// A query that takes longer holds up more than it can tell.
const TIMEOUT_MAX: Span = Span::from_minutes(5);
/// More questions at once than this would harm any source.
const CONCURRENT_MAX: usize = 1024;
/// Headers that the client itself writes; a tenant header may not replace them.
const OWN_HEADERS: [HeaderName; 6] = [
    header::AUTHORIZATION,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::HOST,
    header::TRANSFER_ENCODING,
];

/// A text that is never printed: its `Debug` form hides it and it has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes `text` as a secret.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What a source wants to know about who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorization {
    /// A bearer token.
    Bearer(Secret),
    /// A user and a password.
    Basic {
        /// The user's name.
        username: String,
        /// The user's password.
        password: Secret,
    },
}

/// How to reach one Prometheus-compatible server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceSettings {
    /// The name of the source, for messages and for [`SourcePool`](super::SourcePool).
    pub name: String,
    /// Where its API is, without `/api/v1`: `https://prometheus.monitoring:9090` or `https://mimir/prometheus`.
    pub url: String,
    /// Sent with every query, and nowhere else: redirects are not followed.
    pub authorization: Option<Authorization>,
    /// The only certificates to trust, in PEM; `None` trusts the system's.
    pub ca_pem: Option<String>,
    /// Name and value of the header that names the tenant, such as `X-Scope-OrgID`.
    pub tenant_header: Option<(String, String)>,
    /// The longest a query may take, from connecting to the last byte; at most 5 minutes.
    pub timeout: Span,
    /// Queries under way at once; 1 to 1024.
    pub max_concurrent: usize,
}

/// Why a source cannot be used, or why it gave no history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// A setting is wrong.
    #[error("metric source `{name}`: {fault}")]
    Settings {
        /// The source.
        name: String,
        /// What is wrong and what to do.
        fault: String,
    },
    /// A query gave nothing usable.
    #[error("metric source `{name}`: {note}")]
    Query {
        /// The source.
        name: String,
        /// The kind of failure.
        absence: Absence,
        /// The failure in words, at most 256 bytes, without control characters.
        note: String,
    },
}

impl SourceError {
    /// The failure as the reason that a reading would carry.
    pub const fn absence(&self) -> Absence {
        match self {
            Self::Settings { .. } => Absence::SourceNotAllowed,
            Self::Query { absence, .. } => *absence,
        }
    }
}

impl SourceSettings {
    /// The base address and the client that speaks to it.
    pub(super) fn connect(&self) -> Result<(reqwest::Url, reqwest::Client), SourceError> {
        let Self { name: _, url, authorization, ca_pem, tenant_header, timeout, max_concurrent } = self;
        if *timeout == Span::ZERO || *timeout > TIMEOUT_MAX {
            return Err(self.fault("timeout: set it between `1ms` and `5m`"));
        }
        if !(1..=CONCURRENT_MAX).contains(max_concurrent) {
            return Err(self.fault("concurrency: allow between 1 and 1024 queries at once"));
        }
        // Without a provider the builder below would panic rather than fail.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(
                self.fault("no TLS provider is installed in this process: this is a fault of Foresail")
            );
        }
        let mut headers = HeaderMap::new();
        if let Some(authorization) = authorization {
            headers.insert(header::AUTHORIZATION, self.credential(authorization)?);
        }
        if let Some((header, tenant)) = tenant_header {
            let (header, tenant) = self.tenant(header, tenant)?;
            headers.insert(header, tenant);
        }
        let mut builder = reqwest::Client::builder()
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .gzip(true)
            .connect_timeout((*timeout).min(CONNECT_MAX).to_std())
            .timeout(timeout.to_std())
            .pool_max_idle_per_host(*max_concurrent)
            .user_agent(concat!("foresail/", env!("CARGO_PKG_VERSION")));
        let base = self.base(url)?;
        if let Some(pem) = ca_pem {
            builder = builder.tls_certs_only(self.certificates(pem)?);
        } else if base.scheme() == "http" {
            // An image without certificates must not stop a source that needs none.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(|_| {
            self.fault("TLS: there are no usable certificates, neither in spec.caSecretRef nor on the system: set spec.caSecretRef")
        })?;
        Ok((base, client))
    }

    fn fault(&self, fault: &str) -> SourceError {
        SourceError::Settings { name: self.name.clone(), fault: fault.to_owned() }
    }

    fn base(&self, text: &str) -> Result<reqwest::Url, SourceError> {
        // The path is joined with a slash; one at the end here would make it two, which Prometheus redirects.
        let url = reqwest::Url::parse(text.trim_end_matches('/'))
            .map_err(|_| self.fault("url: write it as `https://host:port` or `https://host/path`"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(self.fault("url: only `http` and `https` with a host are spoken"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(self.fault(
                "url: put user and password into a Secret that spec.auth names, not into the address",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(self.fault("url: leave out everything from `?` or `#` on"));
        }
        Ok(url)
    }

    fn credential(&self, authorization: &Authorization) -> Result<HeaderValue, SourceError> {
        let text = match authorization {
            Authorization::Bearer(token) => format!("Bearer {}", token.reveal().trim_end()),
            Authorization::Basic { username, password } => {
                if username.contains(':') {
                    return Err(self.fault("basic authorization: a user name has no colon"));
                }
                format!("Basic {}", STANDARD.encode(format!("{username}:{}", password.reveal())))
            }
        };
        if text.len() > CREDENTIAL_BYTES_MAX {
            return Err(self.fault("authorization: the credential is longer than 8 KiB"));
        }
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| self.fault("authorization: the token contains line breaks or control characters"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn tenant(&self, header: &str, tenant: &str) -> Result<(HeaderName, HeaderValue), SourceError> {
        let name = HeaderName::from_bytes(header.as_bytes())
            .map_err(|_| self.fault("tenant header: this is no header name"))?;
        if OWN_HEADERS.contains(&name) {
            return Err(self.fault("tenant header: this header is written by the client itself"));
        }
        let value = HeaderValue::from_str(tenant)
            .map_err(|_| self.fault("tenant header: the value contains line breaks or control characters"))?;
        Ok((name, value))
    }

    fn certificates(&self, pem: &str) -> Result<Vec<reqwest::Certificate>, SourceError> {
        let certificates =
            reqwest::Certificate::from_pem_bundle(pem.as_bytes()).ok().filter(|bundle| !bundle.is_empty());
        certificates.ok_or_else(|| self.fault("caPem: there is no certificate in PEM form in it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        let authorization =
            Authorization::Basic { username: "ann".into(), password: Secret::new("hunter2".into()) };
        assert!(!format!("{authorization:?}").contains("hunter2"));
    }
}
