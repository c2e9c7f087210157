//! A Prometheus-compatible server that answers what a test says, until it is dropped.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a server for tests stops at the first surprise"
)]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use foresail::units::Timestamp;
use serde_json::{Value, json};

/// It listens on loopback on a port of its own.
pub(crate) struct Prometheus {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Prometheus {
    /// Answers each request, as it was sent, with `data`.
    pub(crate) fn start(data: impl Fn(&str) -> Value + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            for socket in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                answer(socket.unwrap(), &data);
            }
        });
        Self { address, stop, thread: Some(thread) }
    }

    /// Answers each range query with what `read` has at its instants, those of kube-state-metrics with nothing.
    pub(crate) fn of_history(step: i64, read: impl Fn(Timestamp) -> Option<f64> + Send + 'static) -> Self {
        Self::start(move |request| {
            let number = |key: &str| -> i64 {
                let rest = request.split(&format!("{key}=")).nth(1).unwrap();
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                digits.parse().unwrap()
            };
            let points: Vec<Value> = (number("start")..=number("end"))
                .filter(|at| at % step == 0)
                .filter_map(|at| Some(json!([at, read(Timestamp::from_seconds(at))?.to_string()])))
                .collect();
            let result =
                if request.contains("kube_") { json!([]) } else { json!([{"metric": {}, "values": points}]) };
            json!({"resultType": "matrix", "result": result})
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn answer(mut socket: TcpStream, data: &impl Fn(&str) -> Value) {
    let mut request = vec![0; 16_384];
    let n = socket.read(&mut request).unwrap();
    let body =
        json!({"status": "success", "data": data(&String::from_utf8_lossy(&request[..n]))}).to_string();
    let length = body.len();
    write!(socket, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}").unwrap();
}
