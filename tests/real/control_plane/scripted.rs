//! A metric source whose values are a function of the instant that is asked for, for operators with an injected clock.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// Demand at an instant, Unix seconds.
type Demand = Arc<dyn Fn(f64) -> f64 + Send + Sync>;

/// Serves `/api/v1/query` and `/api/v1/query_range` from `demand` on a loopback port, until the process ends; whatever
/// the query says, but for the operator's own series, which nobody scraped. Returns the URL.
pub(crate) fn serve(demand: impl Fn(f64) -> f64 + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port is free");
    let port = listener.local_addr().expect("a bound listener has an address").port();
    let demand: Demand = Arc::new(demand);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let demand = Arc::clone(&demand);
            // A connection ends when the client hangs up or is silent; each has its thread until then.
            thread::spawn(move || answer_all(stream, &demand));
        }
    });
    format!("http://127.0.0.1:{port}")
}

fn answer_all(mut stream: TcpStream, demand: &Demand) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut requests = BufReader::new(stream.try_clone()?);
    loop {
        let mut line = String::new();
        if requests.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut header = String::new();
        while requests.read_line(&mut header)? > 2 {
            header.clear();
        }
        let path = line.split(' ').nth(1).unwrap_or_default();
        let body = answer(path, demand).to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes())?;
    }
}

fn answer(path: &str, demand: &Demand) -> Value {
    let (route, query) = path.split_once('?').unwrap_or((path, ""));
    let parameter = |name: &str| -> f64 {
        let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no number `{name}` in {path}"))
    };
    let sample = |at: f64| json!([at, demand(at).to_string()]);
    let kind = if route.ends_with("query_range") { "matrix" } else { "vector" };
    if query.contains("foresail_") {
        return json!({ "status": "success", "data": { "resultType": kind, "result": [] } });
    }
    let data = if route.ends_with("query_range") {
        let (start, end, step) = (parameter("start"), parameter("end"), parameter("step"));
        let values: Vec<Value> = std::iter::successors(Some(start), |at| Some(at + step))
            .take_while(|at| *at <= end)
            .map(sample)
            .collect();
        json!({ "resultType": kind, "result": [{ "metric": {}, "values": values }] })
    } else {
        json!({ "resultType": kind, "result": [{ "metric": {}, "value": sample(parameter("time")) }] })
    };
    json!({ "status": "success", "data": data })
}
