//! Logs on standard output, as JSON or text.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// Why logs could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter does not parse.
    #[error("log filter `{0}` does not parse: write it as `info` or `info,foresail=debug`")]
    ParseFilter(String, #[source] tracing_subscriber::filter::ParseError),
    /// Logs are set up already.
    #[error("logs are set up already")]
    Install(#[source] tracing_subscriber::util::TryInitError),
}

/// Sends logs that pass `filter` to standard output.
///
/// # Errors
/// [`Error::ParseFilter`] for a bad filter, [`Error::Install`] when called twice.
pub fn install(format: Format, filter: &str) -> Result<(), Error> {
    let registry = tracing_subscriber::registry().with(parse(filter)?);
    match format {
        Format::Json => registry.with(fmt::layer().json().flatten_event(true)).try_init(),
        Format::Text => registry.with(fmt::layer()).try_init(),
    }
    .map_err(Error::Install)
}

fn parse(filter: &str) -> Result<EnvFilter, Error> {
    EnvFilter::builder().parse(filter).map_err(|error| Error::ParseFilter(filter.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_filter_is_named() {
        let error = parse("foresail=shout").unwrap_err();
        assert!(error.to_string().contains("`foresail=shout`"), "{error}");
        assert!(parse("info,kube=warn").is_ok());
    }
}
