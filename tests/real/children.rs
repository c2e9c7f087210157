//! Servers die with the process that started them.

use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::control_plane::loopback::{free_port, is_open};
use crate::control_plane::process::Process;
use crate::control_plane::{testbed, waiting};

const PORT_VARIABLE: &str = "FORESAIL_TEST_HOLDER_PORT";
const TIMEOUT: Duration = Duration::from_secs(20);

#[test]
fn server_dies_when_its_holder_is_killed() {
    if !testbed::is_on() {
        return;
    }
    testbed::programs(); // A first build would take longer than the wait below.
    let port = free_port();
    let itself = std::env::current_exe().expect("a test has an executable");
    let holder = Process::spawn(
        Path::new("env"),
        vec![
            format!("{PORT_VARIABLE}={port}"),
            itself.to_str().expect("cargo's target directory is UTF-8").to_owned(),
            "--exact".to_owned(),
            "children::holder_starts_a_server_and_waits_when_asked".to_owned(),
        ],
        &testbed::run_directory().join("holder"),
    );
    let holder = [holder];
    waiting::wait_until("the holder's server to listen", TIMEOUT, &holder, || is_open(port).then_some(()));
    // SIGKILL: the holder runs no destructor and no panic handler.
    holder[0].stop();
    waiting::wait_until("the port of the killed holder's server to close", TIMEOUT, &[], || {
        (!is_open(port)).then_some(())
    });
}

/// The part of the holder in the test above: does nothing in an ordinary run.
#[test]
fn holder_starts_a_server_and_waits_when_asked() {
    let Ok(port) = std::env::var(PORT_VARIABLE) else { return };
    let directory = testbed::run_directory().join("holder");
    let server = start_prometheus(&directory, &port);
    loop {
        // Ends by SIGKILL. `server` must live on, so it is used after.
        thread::park();
        assert!(server.ended().is_none(), "{}", server.log_tail());
    }
}

/// The server that starts fastest and needs no other.
fn start_prometheus(directory: &Path, port: &str) -> Process {
    std::fs::create_dir_all(directory).expect("the run directory is writable");
    let config = directory.join("prometheus.yaml");
    std::fs::write(&config, "{}").expect("the run directory is writable");
    let args = vec![
        format!("--config.file={}", config.display()),
        format!("--storage.tsdb.path={}", directory.join("data").display()),
        format!("--web.listen-address=127.0.0.1:{port}"),
    ];
    Process::spawn(&testbed::programs().join("prometheus"), args, directory)
}
