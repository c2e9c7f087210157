//! The Kubernetes client: a deadline on every call, and nothing below the caller that retries a write.
//!
//! A write that was retried by a library could land minutes after it was decided (F10), so kube's own retries are
//! off; a caller may repeat a read, and never repeats a write without reading first.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http::Response;
use kube::client::ClientBuilder;
use tower::util::MapResponseLayer;

use super::steady::ServerTime;
use crate::units::Span;

/// The longest a read may take.
pub const READ_DEADLINE: Duration = Duration::from_secs(10);

/// The longest a write may take, whatever the interval: later, the decision behind it is old (I56).
pub const WRITE_DEADLINE_MAX: Duration = Duration::from_secs(5);

/// Time to open a connection. Shorter than a read's deadline, so that a second address can still be tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A watch is silent for at most 290 s and 5 s more (kube's idle limit); below that this would cut live watches.
const READ_TIMEOUT: Duration = Duration::from_secs(310);

/// The deadline of a write: the shorter of 5 s and the interval of the ticks.
pub fn write_deadline(interval: Span) -> Duration {
    interval.to_std().min(WRITE_DEADLINE_MAX)
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither a kubeconfig nor a service account was found.
    #[error("no way to reach a cluster was found: run in a pod with a service account, or set `KUBECONFIG`")]
    InferConfig(#[source] kube::config::InferConfigError),
    /// The configuration holds something that cannot be used, such as a broken certificate.
    #[error("the cluster's configuration could not be used")]
    BuildClient(#[source] kube::Error),
}

/// A client from the pod's service account or the kubeconfig, without retries.
///
/// # Errors
/// [`Error`] when no configuration is found or it cannot be used. No connection is made here.
pub async fn connect() -> Result<kube::Client, Error> {
    connect_timed(Arc::default()).await
}

/// As [`connect`]; what the answers tell of the API server's clock goes to `time`.
///
/// # Errors
/// As there.
pub async fn connect_timed(time: Arc<ServerTime>) -> Result<kube::Client, Error> {
    let config = kube::Config::infer().await.map_err(Error::InferConfig)?;
    let builder = ClientBuilder::try_from(hardened(config)).map_err(Error::BuildClient)?;
    Ok(builder.with_layer(&noting(time)).build())
}

/// Notes the `Date` of every answer.
fn noting<B>(time: Arc<ServerTime>) -> MapResponseLayer<impl Fn(Response<B>) -> Response<B> + Clone> {
    MapResponseLayer::new(move |answer: Response<B>| {
        if let Some(date) = answer.headers().get(http::header::DATE).and_then(|date| date.to_str().ok()) {
            time.note(date);
        }
        answer
    })
}

/// `config` without retries and with time limits.
pub fn hardened(mut config: kube::Config) -> kube::Config {
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    config
}

/// Why a call gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The API server answered with a refusal.
    #[error("the API server answered {code} {reason}: {message}")]
    Refused {
        /// The HTTP code.
        code: u16,
        /// The machine-readable reason, such as `Conflict`; at most 64 characters.
        reason: String,
        /// What it said, at most 256 printable characters.
        message: String,
    },
    /// No answer in time: a write may have been carried out.
    #[error("no answer within {} ms", .0.as_millis())]
    DeadlineExceeded(Duration),
    /// The connection failed or the answer could not be read: a write may have been carried out.
    #[error("the connection to the API server failed: {0}")]
    Transport(String),
    /// The request was never sent.
    #[error("the request could not be made: {0}")]
    Unsent(String),
}

impl CallError {
    /// Whether a precondition failed: somebody else was first.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { code: 409, .. })
    }

    /// Whether the object does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { code: 404, .. })
    }

    /// Whether it takes a human: asking again gives the same answer until somebody grants or creates something.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Refused { code: 401 | 403 | 404 | 405, .. })
    }

    /// Whether a write that failed so may have been carried out all the same. A 5xx is counted in: a gateway's 504
    /// says nothing about what the server behind it did.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Refused { code, .. } => *code >= 500,
            Self::DeadlineExceeded(_) | Self::Transport(_) => true,
            Self::Unsent(_) => false,
        }
    }

    /// The error's name in metrics: one of a fixed few.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Refused { code: 401, .. } => "unauthorized",
            Self::Refused { code: 403, .. } => "forbidden",
            Self::Refused { code: 404, .. } => "not_found",
            Self::Refused { code: 409, .. } => "conflict",
            Self::Refused { code: 422, .. } => "invalid",
            Self::Refused { code: 429, .. } => "throttled",
            Self::Refused { code: 500.., .. } => "server_error",
            Self::Refused { .. } => "refused",
            Self::DeadlineExceeded(_) => "deadline",
            Self::Transport(_) => "transport",
            Self::Unsent(_) => "unsent",
        }
    }
}

impl From<kube::Error> for CallError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Refused {
                code: status.code,
                reason: sanitised(&status.reason, 64),
                message: sanitised(&status.message, 256),
            },
            kube::Error::BuildRequest(_) | kube::Error::HttpError(_) | kube::Error::Auth(_) => {
                Self::Unsent(sanitised(&error.to_string(), 256))
            }
            other => Self::Transport(sanitised(&other.to_string(), 256)),
        }
    }
}

/// Runs one call with a deadline. Every call to the API server goes through here.
///
/// # Errors
/// [`CallError::DeadlineExceeded`] after `deadline`, else what the call failed with.
pub async fn within<T>(
    deadline: Duration,
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, CallError> {
    match tokio::time::timeout(deadline, call).await {
        Ok(answer) => answer.map_err(CallError::from),
        Err(_) => Err(CallError::DeadlineExceeded(deadline)),
    }
}

/// The first `max` characters of a foreign text, each control or formatting character replaced by a space: it goes
/// into status, events and logs, which are shown on terminals.
pub fn sanitised(text: &str, max: usize) -> String {
    let printable = |c: char| if c.is_control() || is_invisible(c) { ' ' } else { c };
    text.chars().take(max).map(printable).collect()
}

/// Zero-width characters, and those that reverse the direction of what follows.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_that_never_answers_ends_at_its_deadline() {
        let started = tokio::time::Instant::now();
        let answer = within::<()>(READ_DEADLINE, std::future::pending()).await;
        assert!(matches!(answer, Err(CallError::DeadlineExceeded(READ_DEADLINE))));
        assert_eq!(started.elapsed(), READ_DEADLINE);
    }

    #[test]
    fn a_refusal_is_cut_and_cleaned() {
        let message = format!("\u{1b}[31mno\n\u{202e}{}", "x".repeat(1000));
        let status = kube::core::Status::failure(&message, "Forbidden").with_code(403).boxed();
        let error = CallError::from(kube::Error::Api(status));
        let CallError::Refused { code, message, .. } = &error else { panic!("{error}") };
        assert_eq!((*code, message.chars().count()), (403, 256));
        assert!(message.starts_with(" [31mno  x"), "{message}");
        assert!(!error.may_have_happened());
        assert_eq!(error.label(), "forbidden");
    }

    #[test]
    fn a_gateway_timeout_leaves_the_outcome_unknown() {
        let error = CallError::Refused { code: 504, reason: String::new(), message: String::new() };
        assert!(error.may_have_happened());
    }

    #[test]
    fn a_write_is_given_no_longer_than_the_interval() {
        assert_eq!(write_deadline(Span::from_seconds(2)), Duration::from_secs(2));
        assert_eq!(write_deadline(Span::from_seconds(60)), Duration::from_secs(5));
    }

    #[tokio::test]
    async fn the_servers_clock_is_read_off_its_answers() {
        let time = Arc::<ServerTime>::default();
        let answers = tower::service_fn(async |_: http::Request<kube::client::Body>| {
            let answer = Response::builder().header("date", "Tue, 14 Nov 2023 22:13:20 GMT");
            let body = r#"{"major": "1", "minor": "37", "gitVersion": "v1.37.0", "gitCommit": "", "gitTreeState": "",
                "buildDate": "", "goVersion": "", "compiler": "", "platform": ""}"#;
            Ok::<_, std::convert::Infallible>(
                answer.body(kube::client::Body::from(body.as_bytes().to_vec())).unwrap(),
            )
        });
        let client = ClientBuilder::new(answers, "default").with_layer(&noting(Arc::clone(&time))).build();
        client.apiserver_version().await.unwrap();
        assert_eq!(time.now().map(crate::units::Timestamp::seconds), Some(1_700_000_000));
    }

    #[test]
    fn nothing_below_us_retries() {
        let config = hardened(kube::Config::new("https://127.0.0.1:1".parse().unwrap()));
        assert!(!config.default_retry);
        assert_eq!(config.read_timeout, Some(READ_TIMEOUT));
    }
}
