//! Ports and plain HTTP on 127.0.0.1, with the standard library only.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// Below the range Linux takes outgoing ports from (32768 up), so that no connection occupies a port between its choice and
/// its use, or between the stop of a server and its restart.
const PORT_MIN: u16 = 20_000;
const N_PORTS: u16 = 12_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A loopback port nobody listens on, never returned twice by this process.
pub(crate) fn free_port() -> u16 {
    // Processes that run at once begin at different places; 97 ports are more than one process asks for.
    let start = u16::try_from(process::id() * 97 % u32::from(N_PORTS)).expect("less than N_PORTS");
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(step < N_PORTS, "no loopback port is free");
        let port = PORT_MIN + (start + step) % N_PORTS;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// Whether somebody listens on this port.
pub(crate) fn is_open(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The body of the answer to a GET if its status is 200; `None` if nobody answers or with another status.
pub(crate) fn http_get(port: u16, path_and_query: &str) -> Option<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    // HTTP/1.0: the answer is not chunked and ends with the connection.
    write!(stream, "GET {path_and_query} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    (head.split(' ').nth(1)? == "200").then(|| body.to_owned())
}

/// Percent-encodes everything but letters, digits and `-._~`, for a query parameter.
pub(crate) fn encode(parameter: &str) -> String {
    parameter
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
