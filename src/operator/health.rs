//! `/livez`, `/readyz` and `/metrics` over HTTP, with limits that a stuck or hostile reader cannot get past.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;

use super::self_check::Health;
use crate::telemetry::metrics;

/// A connection that sends or takes nothing for so long is closed; so is one whose headers do not arrive.
const IDLE_MAX: Duration = Duration::from_secs(10);
/// No connection lives longer: a reader of one byte a second is not idle.
const LIFE_MAX: Duration = Duration::from_mins(1);
/// Connections at once: the kubelet, a few Prometheis, and room.
const N_CONNECTIONS_MAX: usize = 32;
/// How long open connections may take to end at a stop.
const STOP_MAX: Duration = Duration::from_secs(2);

/// What health is judged by.
#[derive(Clone)]
pub struct Vitals {
    /// When the scheduler loop last came round; `None` before its first time.
    pub scheduler_beat: watch::Receiver<Option<Instant>>,
    /// A scheduler that has not come round for so long is stuck.
    pub scheduler_limit: Duration,
    /// Whether every watch cache has been filled.
    pub caches_synced: watch::Receiver<bool>,
    /// What the self-check came to.
    pub self_check: watch::Receiver<Health>,
    /// When the lease loop last had an answer.
    pub lease_beat: watch::Receiver<Option<Instant>>,
    /// A lease loop without an answer for so long is not ready.
    pub lease_limit: Duration,
    /// What `/metrics` shows.
    pub registry: Arc<Registry>,
    /// When the process began.
    pub started: Instant,
}

impl Vitals {
    /// Why the process should be restarted; `None` while it lives.
    pub fn dead_because(&self, now: Instant) -> Option<&'static str> {
        let last = self.scheduler_beat.borrow().unwrap_or(self.started);
        let stuck = now.saturating_duration_since(last) > self.scheduler_limit;
        stuck.then_some("the scheduler has not come round")
    }

    /// Why the process is not ready; `None` when it is.
    pub fn unready_because(&self, now: Instant) -> Option<&'static str> {
        if !*self.caches_synced.borrow() {
            return Some("the watch caches are not filled");
        }
        match &*self.self_check.borrow() {
            Health::NotYet => return Some("the self-check has not ended"),
            Health::Wrong(_) => return Some("the self-check came to a wrong decision: see the log"),
            Health::Right => {}
        }
        let last = *self.lease_beat.borrow();
        let fresh = last.is_some_and(|at| now.saturating_duration_since(at) <= self.lease_limit);
        (!fresh).then_some("the lease loop has had no answer")
    }
}

/// Serves until `stop`, then lets open answers finish for at most 2 s.
///
/// # Errors
/// What the listener failed with.
pub async fn serve(listener: TcpListener, vitals: Vitals, stop: CancellationToken) -> io::Result<()> {
    let router = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(show_metrics))
        .with_state(vitals);
    let listener = Limited { listener, permits: Arc::new(Semaphore::new(N_CONNECTIONS_MAX)) };
    let graceful = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
    tokio::select! {
        outcome = graceful.into_future() => outcome,
        () = async { stop.cancelled().await; tokio::time::sleep(STOP_MAX).await } => Ok(()),
    }
}

async fn livez(State(vitals): State<Vitals>) -> (StatusCode, &'static str) {
    answer(vitals.dead_because(Instant::now()))
}

async fn readyz(State(vitals): State<Vitals>) -> (StatusCode, &'static str) {
    answer(vitals.unready_because(Instant::now()))
}

fn answer(problem: Option<&'static str>) -> (StatusCode, &'static str) {
    problem.map_or((StatusCode::OK, "ok"), |why| (StatusCode::SERVICE_UNAVAILABLE, why))
}

async fn show_metrics(State(vitals): State<Vitals>) -> Response {
    match metrics::encode(&vitals.registry) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A listener that opens at most so many connections, each with time limits.
struct Limited {
    listener: TcpListener,
    permits: Arc<Semaphore>,
}

impl axum::serve::Listener for Limited {
    type Io = TimedStream;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        // The semaphore is never closed; if it were, connections would be unlimited rather than refused.
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
        let (stream, address) = axum::serve::Listener::accept(&mut self.listener).await;
        let now = Instant::now();
        let until = Box::pin(tokio::time::sleep_until(now + IDLE_MAX));
        (TimedStream { stream, until, dies_at: now + LIFE_MAX, _permit: permit }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// A connection that fails when it idles or grows old.
struct TimedStream {
    stream: TcpStream,
    until: Pin<Box<Sleep>>,
    dies_at: Instant,
    _permit: Option<OwnedSemaphorePermit>,
}

impl TimedStream {
    /// Puts the limit off when there was progress, fails when it is reached without.
    fn guard<T>(&mut self, cx: &mut Context<'_>, progress: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            let until = (Instant::now() + IDLE_MAX).min(self.dies_at);
            self.until.as_mut().reset(until);
            return progress;
        }
        match self.until.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }

    fn check_age(&self) -> io::Result<()> {
        if Instant::now() >= self.dies_at { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }
}

impl AsyncRead for TimedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_age()?;
        let progress = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.guard(cx, progress)
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check_age()?;
        let progress = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.guard(cx, progress)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
