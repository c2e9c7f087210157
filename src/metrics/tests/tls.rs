//! Certificates: trusted only when the settings or the system say so.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;

/// A TLS server on the loopback with a certificate for `host`; its port and the certificate in PEM.
fn start(host: &str) -> (u16, String) {
    rustls::crypto::ring::default_provider().install_default().ok();
    let issued = rcgen::generate_simple_self_signed(vec![host.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, socket.unwrap());
            // A client that does not trust the certificate ends the handshake: nothing is read and nothing written.
            if stream.read(&mut [0; 4096]).is_ok() {
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{GOOD}", GOOD.len());
                stream.write_all(answer.as_bytes()).ok();
                stream.conn.send_close_notify();
                stream.flush().ok();
            }
        }
    });
    (port, issued.cert.pem())
}

async fn ask(port: u16, ca_pem: &str) -> Answer {
    let settings =
        SourceSettings { ca_pem: Some(ca_pem.into()), ..settings(&format!("https://127.0.0.1:{port}")) };
    SourceClient::new(settings).unwrap().instant(&query()).await
}

#[tokio::test]
async fn only_the_certificates_of_the_settings_are_trusted() {
    let (port, pem) = start("127.0.0.1");
    assert_eq!(ask(port, &pem).await, Answer { reading: GOOD_READING, note: None });
    let (_, stranger) = start("127.0.0.1");
    let answer = ask(port, &stranger).await;
    assert_eq!(answer.reading, Reading::Absent(Absence::Unreachable));
    assert!(answer.note.clone().unwrap().contains("certificate"), "{answer:?}");
}

#[tokio::test]
async fn a_certificate_for_another_host_is_not_trusted() {
    let (port, pem) = start("prometheus.example");
    let answer = ask(port, &pem).await;
    assert_eq!(answer.reading, Reading::Absent(Absence::Unreachable));
    assert!(answer.note.clone().unwrap().contains("certificate"), "{answer:?}");
}
