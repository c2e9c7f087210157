//! Where the lines of the decision log go: standard output, a file, or nowhere.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// A place for lines, shared by all autoscalers of a process.
#[derive(Clone, Default)]
pub struct DecisionLog {
    place: Option<Arc<Mutex<Place>>>,
}

struct Place {
    to: Box<dyn Write + Send>,
    /// Whether the last line could not be written: the trouble is told once.
    failing: bool,
}

impl DecisionLog {
    /// Lines go nowhere, and are not made.
    pub fn off() -> Self {
        Self::default()
    }

    /// Lines go to `to`.
    pub fn to(to: impl Write + Send + 'static) -> Self {
        Self { place: Some(Arc::new(Mutex::new(Place { to: Box::new(to), failing: false }))) }
    }

    /// Lines are added at the end of `file`, which is made when it is not there; each reaches it whole.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn append(file: &Path) -> io::Result<Self> {
        OpenOptions::new().create(true).append(true).open(file).map(Self::to)
    }

    /// Whether lines go anywhere.
    pub const fn is_on(&self) -> bool {
        self.place.is_some()
    }

    /// Writes one line in one piece. A line that cannot be written is lost, and told once in the operator's own log:
    /// deciding goes on.
    pub fn write(&self, mut line: String) {
        let Some(place) = &self.place else { return };
        line.push('\n');
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        match place.to.write_all(line.as_bytes()).and_then(|()| place.to.flush()) {
            Ok(()) => place.failing = false,
            Err(error) => {
                if !place.failing {
                    tracing::warn!(%error, "the decision log cannot be written: decisions go on without it");
                }
                place.failing = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::other("no space left"))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_added_to_what_a_file_holds_and_a_full_disk_stops_nothing() {
        let file = std::env::temp_dir().join(format!("foresail-decisions-{}", std::process::id()));
        drop(std::fs::remove_file(&file));
        DecisionLog::append(&file).unwrap().write("one".to_owned());
        DecisionLog::append(&file).unwrap().write("two".to_owned());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "one\ntwo\n");
        std::fs::remove_file(&file).unwrap();
        DecisionLog::to(Full).write("three".to_owned());
        assert!(!DecisionLog::off().is_on());
    }
}
