//! A server that cannot outlive the test process, not even when that is killed by SIGKILL.
//!
//! The crate forbids `unsafe`, so no parent-death signal can be asked for. Instead a watchdog shell starts the server and
//! reads from a pipe whose other end only this process holds. The kernel closes that end when this process ends, in
//! whatever way; the shell then reads the end of file and kills the server by its process id.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// `$@` is the server. The reader is a builtin in a subshell, so that it outlives the outer shell and starts no program.
/// The outer shell ends when the server does, with its status, and takes the reader along.
const WATCHDOG: &str = r#"
exec 3<&0
"$@" 3<&- </dev/null &
server=$!
( while read -r _ <&3; do :; done; kill -KILL "$server" ) 2>/dev/null &
reader=$!
exec 3<&-
wait "$server"
status=$?
kill -KILL "$reader" 2>/dev/null
exit "$status"
"#;

/// The kernel needs milliseconds to end a process, seconds if it swaps.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
const STOP_POLL_INTERVAL: Duration = Duration::from_millis(5);

/// How much of a log a failure shows.
const LOG_LINES_SHOWN: usize = 12;
/// Longer lines are cut: a stack trace of a server on one line hides the rest.
const LOG_LINE_LENGTH_MAX: usize = 400;

/// A running server and its log; dropping it kills the server and waits for its end.
pub(crate) struct Process {
    pub(crate) name: String,
    program: PathBuf,
    args: Vec<String>,
    log: PathBuf,
    running: Mutex<Option<(Child, ChildStdin)>>,
}

impl Process {
    /// Starts `program`, named by its file name, with both output streams appended to `<logs>/<name>.log`.
    pub(crate) fn spawn(program: &Path, args: Vec<String>, logs: &Path) -> Self {
        let name = program.file_name().expect("a program has a name").to_string_lossy().into_owned();
        fs::create_dir_all(logs).expect("the run directory is writable");
        let log = logs.join(format!("{name}.log"));
        let process = Self { name, program: program.to_owned(), args, log, running: Mutex::new(None) };
        process.start();
        process
    }

    /// Starts the same command again; call it after `stop`.
    pub(crate) fn start(&self) {
        let output = File::options().create(true).append(true).open(&self.log).expect("the log is writable");
        let mut child = Command::new("bash")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(&self.program)
            .args(&self.args)
            .stdin(Stdio::piped())
            .stdout(output.try_clone().expect("a file can be shared"))
            .stderr(output)
            // An interrupt typed at the terminal reaches only this process, whose end then ends the servers.
            .process_group(0)
            .spawn()
            .expect("bash is installed");
        let pipe = child.stdin.take().expect("stdin is piped");
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some((child, pipe));
    }

    /// Kills the server with SIGKILL and waits until it is gone; does nothing if it is already.
    pub(crate) fn stop(&self) {
        let Some((mut child, pipe)) = self.running.lock().unwrap_or_else(PoisonError::into_inner).take()
        else {
            return;
        };
        drop(pipe);
        let deadline = Instant::now() + STOP_TIMEOUT;
        while child.try_wait().expect("a child can be asked").is_none() {
            // A second panic while a test fails would hide the first.
            assert!(
                Instant::now() < deadline || thread::panicking(),
                "`{}` still runs {STOP_TIMEOUT:?} after it was killed: is the watchdog at fault?",
                self.name
            );
            if Instant::now() > deadline {
                return;
            }
            thread::sleep(STOP_POLL_INTERVAL);
        }
    }

    /// How the server ended, if it did without having been stopped.
    pub(crate) fn ended(&self) -> Option<ExitStatus> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_mut().and_then(|(child, _)| child.try_wait().expect("a child can be asked"))
    }

    /// The last lines of the log, under a heading that names its file.
    pub(crate) fn log_tail(&self) -> String {
        let text = String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned();
        let mut lines: Vec<String> = text
            .lines()
            .rev()
            .take(LOG_LINES_SHOWN)
            .map(|line| line.chars().take(LOG_LINE_LENGTH_MAX).collect())
            .collect();
        lines.reverse();
        format!("--- {}, last lines of {}\n{}\n", self.name, self.log.display(), lines.join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}
