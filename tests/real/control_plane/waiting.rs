//! Waiting for a state of real servers, and failing with everything needed to see why it never came.

use std::thread;
use std::time::{Duration, Instant};

use super::process::Process;

/// Short against a server's reaction (tens of milliseconds), long against the cost of a kubectl call (0.1 CPU seconds).
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Polls `check` until it returns a value; panics after `timeout`, or at once when one of `processes` has ended.
pub(crate) fn wait_until<T>(
    what: &str,
    timeout: Duration,
    processes: &[Process],
    mut check: impl FnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(value) = check() {
            return value;
        }
        give_up_if_hopeless(what, timeout, deadline, processes);
        thread::sleep(POLL_INTERVAL);
    }
}

/// As `wait_until`, for a check that awaits.
pub(crate) async fn eventually<T>(
    what: &str,
    timeout: Duration,
    processes: &[Process],
    mut check: impl AsyncFnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(value) = check().await {
            return value;
        }
        give_up_if_hopeless(what, timeout, deadline, processes);
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

fn give_up_if_hopeless(what: &str, timeout: Duration, deadline: Instant, processes: &[Process]) {
    let logs = || processes.iter().map(Process::log_tail).collect::<String>();
    for process in processes {
        if let Some(status) = process.ended() {
            panic!("waiting for {what}: `{}` ended with {status}\n{}", process.name, logs());
        }
    }
    assert!(Instant::now() < deadline, "waited {timeout:?} in vain for {what}\n{}", logs());
}
