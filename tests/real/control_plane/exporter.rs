//! A scrape target whose values are a function of the wall clock.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

/// How Prometheus is told to read a value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// May go up and down.
    Gauge,
    /// Only grows; its name ends in `_total`.
    Counter,
}

/// One series of the exporter at one instant.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) value: f64,
}

/// A running exporter; dropping it closes its port.
pub(crate) struct Exporter {
    address: SocketAddr,
    is_stopping: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl Exporter {
    /// Serves what `readings` returns for the current time, in Unix seconds, on a port of its own.
    pub(crate) fn start(readings: impl Fn(f64) -> Vec<Reading> + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port is free");
        let address = listener.local_addr().expect("a bound listener has an address");
        let is_stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&is_stopping);
        let server = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                // A scraper that hangs up is its own affair; the next scrape is served.
                drop(serve(stream, &readings(unix_seconds())));
            }
        });
        Self { address, is_stopping, server: Some(server) }
    }

    /// Where to scrape it.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        // Wakes the listener, which then sees the flag.
        drop(TcpStream::connect(self.address));
        if let Some(server) = self.server.take() {
            server.join().expect("the exporter's closure does not panic");
        }
    }
}

/// The wall clock in Unix seconds.
pub(crate) fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("the clock is past 1970").as_secs_f64()
}

fn serve(mut stream: TcpStream, readings: &[Reading]) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut request = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    while request.read_line(&mut line)? > 2 {
        line.clear();
    }
    let body = text(readings);
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn text(readings: &[Reading]) -> String {
    let mut text = String::new();
    let mut typed: Vec<&str> = Vec::new();
    for Reading { kind, name, labels, value } in readings {
        if !typed.contains(&name.as_str()) {
            let kind = match kind {
                Kind::Gauge => "gauge",
                Kind::Counter => "counter",
            };
            writeln!(text, "# TYPE {name} {kind}").expect("a String takes all");
            typed.push(name);
        }
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        writeln!(text, "{name}{{{}}} {value}", labels.join(",")).expect("a String takes all");
    }
    text
}
