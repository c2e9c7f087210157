//! A server on a real socket that answers as it is told, well or badly.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the server does with a request.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Writes these bytes and closes.
    Bytes(Vec<u8>),
    /// Reads and says nothing.
    Hang,
    /// Writes the first, then a byte of white space every 20 ms without end.
    Drip(Vec<u8>),
    /// Writes the first, then up to 300 MB; the counter holds what the client took.
    Flood(Vec<u8>, Arc<Mutex<usize>>),
}

pub(crate) fn http(status: &str, headers: &str, body: &str) -> Reply {
    let length = body.len();
    Reply::Bytes(
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}")
            .into_bytes(),
    )
}

pub(crate) fn json(body: &str) -> Reply {
    http("200 OK", "Content-Type: application/json\r\n", body)
}

type Choose = Arc<Mutex<dyn FnMut(&str) -> Reply + Send>>;

/// A server that answers every request as it is told.
pub(crate) struct Server {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Gives `replies` in turn and the last one from then on.
    pub(crate) async fn start(replies: Vec<Reply>) -> Self {
        let mut replies = VecDeque::from(replies);
        Self::answering(move |_| {
            let reply = if replies.len() > 1 { replies.pop_front() } else { replies.front().cloned() };
            reply.unwrap()
        })
        .await
    }

    /// Chooses the reply by the head of the request.
    pub(crate) async fn answering(choose: impl FnMut(&str) -> Reply + Send + 'static) -> Self {
        let choose: Choose = Arc::new(Mutex::new(choose));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(answer(socket, Arc::clone(&choose), Arc::clone(&log)));
            }
        });
        Self { url, requests }
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn answer(mut socket: TcpStream, choose: Choose, log: Arc<Mutex<Vec<String>>>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match socket.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    let request = String::from_utf8(request).unwrap();
    let reply = (choose.lock().unwrap())(&request);
    log.lock().unwrap().push(request);
    match reply {
        Reply::Bytes(bytes) => {
            // The client may hang up early; that is part of what is tested.
            if socket.write_all(&bytes).await.is_ok() {
                socket.shutdown().await.ok();
            }
        }
        Reply::Hang => tokio::time::sleep(Duration::from_mins(1)).await,
        Reply::Drip(head) => {
            let mut alive = socket.write_all(&head).await.is_ok();
            while alive {
                tokio::time::sleep(Duration::from_millis(20)).await;
                alive = socket.write_all(b" ").await.is_ok();
            }
        }
        Reply::Flood(head, taken) => {
            let block = vec![b' '; 1 << 20];
            let mut alive = socket.write_all(&head).await.is_ok();
            for _ in 0..300 {
                alive = alive && socket.write_all(&block).await.is_ok();
                if alive {
                    *taken.lock().unwrap() += block.len();
                }
            }
        }
    }
}
