//! The operator as a library on the real API server: with a clock that the test sets, and a client that can be stalled
//! at its write.

use std::future::pending;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use foresail::edge::client::hardened;
use foresail::edge::clock::{Clock, ManualClock};
use foresail::metrics::SourcePool;
use foresail::operator::{self, Outside, Settings};
use foresail::telemetry::decisions::DecisionLog;
use foresail::telemetry::metrics::Metrics;
use foresail::units::Span;
use futures::future::BoxFuture;
use http::{Method, Request};
use kube::client::{Body, ClientBuilder};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::{BoxError, Service};

use crate::control_plane::ControlPlane;

/// Time between two ticks, real.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);

/// An operator in this process; it stops when dropped.
pub(crate) struct Library {
    stop: CancellationToken,
    cut: CancellationToken,
    running: JoinHandle<()>,
}

/// Tells that a write of a scale was begun; it is then never sent.
pub(crate) type Stall = Arc<Notify>;

impl Library {
    /// The operator of a namespace.
    pub(crate) async fn start(plane: &ControlPlane, namespace: &str, clock: &Arc<ManualClock>) -> Self {
        Self::start_as("library", plane, (namespace, clock), None).await
    }

    /// One of several operators of a namespace; with a stall its writes of scales never leave.
    pub(crate) async fn start_as(
        identity: &str,
        plane: &ControlPlane,
        (namespace, clock): (&str, &Arc<ManualClock>),
        stall: Option<Stall>,
    ) -> Self {
        let clock: Arc<dyn Clock> = clock.clone();
        // Several tests may be the first of this process to need a provider; one of them installs it.
        rustls::crypto::ring::default_provider().install_default().ok();
        let kubeconfig =
            kube::config::Kubeconfig::read_from(plane.kubeconfig()).expect("the kubeconfig is valid");
        let config =
            kube::Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default())
                .await
                .expect("a cluster");
        let builder = ClientBuilder::try_from(hardened(config)).expect("its certificates are valid");
        let cut = CancellationToken::new();
        let cable = cut.clone();
        let layer =
            tower::layer::layer_fn(move |inner| Cable { inner, cut: cable.clone(), stall: stall.clone() });
        let client = builder.with_layer(&layer).build();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
        let settings = Settings {
            interval: Span::from_millis(u64::try_from(INTERVAL.as_millis()).expect("a second")),
            watch_namespaces: vec![namespace.to_owned()],
            namespace: namespace.to_owned(),
            lease_name: "foresail".to_owned(),
            identity: identity.to_owned(),
            price_book: None,
        };
        let outside = Outside {
            client,
            clock,
            pool: SourcePool::new(),
            listener: Some(listener),
            decisions: DecisionLog::off(),
            metrics: Metrics::register(),
        };
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let running = tokio::spawn(async move {
            operator::run(settings, outside, stopped).await.expect("it runs until stopped");
        });
        Self { stop, cut, running }
    }

    /// Ends it as SIGTERM does.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        (&mut self.running).await.expect("the operator does not panic");
    }

    /// Ends it as SIGKILL does: not another word leaves it, so that its Lease runs out.
    pub(crate) fn kill(self) {
        self.cut.cancel();
        self.running.abort();
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What lies between an operator and the API server: it can be cut, and may swallow the writes of scales.
struct Cable<S> {
    inner: S,
    cut: CancellationToken,
    stall: Option<Stall>,
}

impl<S> Service<Request<Body>> for Cable<S>
where
    S: Service<Request<Body>, Error = BoxError>,
    S::Response: 'static,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let scales = request.method() != Method::GET && request.uri().path().ends_with("/scale");
        if let Some(stall) = self.stall.as_ref().filter(|_| scales) {
            stall.notify_one();
            return Box::pin(pending());
        }
        if self.cut.is_cancelled() {
            return Box::pin(pending());
        }
        Box::pin(self.inner.call(request))
    }
}
