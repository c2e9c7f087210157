//! Where the programs are, whether tests may use them, and where a run leaves its files.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::LazyLock;
use std::thread;

static PROGRAMS: LazyLock<PathBuf> = LazyLock::new(build);
static RUN_DIRECTORY: LazyLock<PathBuf> = LazyLock::new(make_run_directory);

/// Whether tests may start servers; if not, says on the real standard error which test is skipped.
pub(crate) fn is_on() -> bool {
    if std::env::var("FORESAIL_TESTBED").is_ok_and(|value| value == "off") {
        let current = thread::current();
        let test = current.name().unwrap_or("a test");
        say(&format!("skipped `{test}`: it needs a real control plane, and FORESAIL_TESTBED=off"));
        return false;
    }
    true
}

/// Shows a line also when the test passes, for which `eprintln!` is hidden.
pub(crate) fn say(line: &str) {
    writeln!(io::stderr(), "{line}").expect("standard error is open");
}

/// The directory that holds every program and `stages/`; builds what is missing.
pub(crate) fn programs() -> &'static Path {
    &PROGRAMS
}

/// This process's own directory for data and logs, inside cargo's target directory.
///
/// It stays when the process ends, to be read after a failure, and is removed by the next run.
pub(crate) fn run_directory() -> &'static Path {
    &RUN_DIRECTORY
}

fn build() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testbed/build");
    let mut child = Command::new(&script)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("`{}` cannot be run: {error}", script.display()));
    let messages = relay(child.stderr.take().expect("standard error is piped"));
    let output = child.wait_with_output().expect("the script ends");
    assert!(output.status.success(), "`{}` failed:\n{messages}", script.display());
    let text = String::from_utf8(output.stdout).expect("a path in UTF-8");
    PathBuf::from(text.lines().next_back().expect("the script prints a directory"))
}

/// Shows each line at once, because a first build takes minutes, and returns them all.
fn relay(lines: impl io::Read) -> String {
    let mut all = String::new();
    for line in BufReader::new(lines).lines().map_while(Result::ok) {
        writeln!(io::stderr(), "{line}").expect("standard error is open");
        all.push_str(&line);
        all.push('\n');
    }
    all
}

fn make_run_directory() -> PathBuf {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for entry in fs::read_dir(parent).expect("cargo made this directory").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_dead = name.strip_prefix("real-").is_some_and(|pid| !Path::new("/proc").join(pid).exists());
        if is_dead && let Err(error) = fs::remove_dir_all(entry.path()) {
            // Another run may be removing it too.
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{name} cannot be removed: {error}");
        }
    }
    let own = parent.join(format!("real-{}", process::id()));
    fs::create_dir_all(&own).expect("the target directory is writable");
    own
}
