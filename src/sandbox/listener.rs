//! The embedded API server on a loopback port, for `kubectl` and whatever else speaks HTTP.
//!
//! It lives in real time on a thread and a runtime of its own, over the same objects as the sandbox. Whoever only reads
//! there changes nothing in the sandbox: no virtual time passes for it, and no seed is drawn from.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::thread::{self, JoinHandle};

use axum::Router;
use axum::body::Body;
use axum::serve::ListenerExt as _;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Limited};
use tokio_util::sync::CancellationToken;

use super::server::{Answer, ApiServer, too_large};

/// The longest body that is taken, as the real server's.
const BODY_BYTES_MAX: usize = 3 << 20;

/// A listener; dropping it closes the port and every connection.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Serves the objects of `server` on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port can be bound or no thread started.
    pub fn start(server: &ApiServer) -> io::Result<Self> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let stop = CancellationToken::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (server, stopped) = (server.for_guests(), stop.clone());
        let thread = thread::Builder::new().name("api-listener".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    ended = serve(socket, server) => drop(ended),
                    () = stopped.cancelled() => {}
                }
            });
            // Connections that are still open, watches above all, end with the runtime.
            runtime.shutdown_background();
        })?;
        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// Where it listens, as `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Writes a kubeconfig that names this listener and nothing else.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_kubeconfig(&self, path: &Path) -> io::Result<()> {
        let name = "foresail-sandbox";
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: {name}\n\
             clusters:\n- name: {name}\n  cluster: {{server: \"{}\"}}\n\
             users:\n- name: {name}\n  user: {{}}\n\
             contexts:\n- name: {name}\n  context: {{cluster: {name}, user: {name}}}\n",
            self.url()
        );
        fs::write(path, text)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic there was told on standard error already.
            drop(thread.join());
        }
    }
}

async fn serve(socket: TcpListener, server: ApiServer) -> io::Result<()> {
    let socket = tokio::net::TcpListener::from_std(socket)?.tap_io(|stream| {
        // Without it an event of a watch waits for the next one; and with it nothing is wrong.
        drop(stream.set_nodelay(true));
    });
    let service = tower::service_fn(move |request: Request<Body>| {
        let server = server.clone();
        async move { Ok::<_, Infallible>(answer(&server, request).await) }
    });
    axum::serve(socket, Router::new().fallback_service(service)).await
}

async fn answer(server: &ApiServer, request: Request<Body>) -> Response<Answer> {
    let (parts, body) = request.into_parts();
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => server.handle(Request::from_parts(parts, body.to_bytes())).await,
        Err(_) => too_large(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::clock::SystemClock;
    use std::sync::Arc;

    #[tokio::test]
    async fn objects_are_read_over_the_port_until_the_listener_is_dropped() {
        let server = ApiServer::new(Arc::new(SystemClock), 1);
        let listener = Listener::start(&server).unwrap();
        let file = std::env::temp_dir().join(format!("foresail-listener-{}", std::process::id()));
        listener.write_kubeconfig(&file).unwrap();
        let read = kube::config::Kubeconfig::read_from(&file).unwrap();
        fs::remove_file(&file).unwrap();
        let options = kube::config::KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(read, &options).await.unwrap();
        let client = kube::Client::try_from(config).unwrap();
        let read =
            || client.request_text(Request::get("/api/v1/namespaces/default").body(Vec::new()).unwrap());
        assert!(read().await.unwrap().contains("\"phase\":\"Active\""));
        let long = vec![b' '; BODY_BYTES_MAX + 1];
        let refused = client.request_text(Request::post("/api/v1/namespaces").body(long).unwrap()).await;
        assert!(matches!(refused, Err(kube::Error::Api(status)) if status.code == 413));
        drop(listener);
        assert!(read().await.is_err());
    }
}
