//! The window into the demo's cluster: its API server on a loopback port, and the line for `kubectl`.

use std::fs;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::sandbox::{ApiServer, Listener};

/// What is worth a look in the demo's cluster.
const LOOK: &str = "get pra,deploy,hpa,lease,events -A";

/// An open window; it closes, and its kubeconfig goes, when it is dropped.
#[derive(Debug)]
pub(super) struct Window {
    _listener: Listener,
    kubeconfig: PathBuf,
}

impl Window {
    /// Opens a window on `server` and writes its kubeconfig, in a directory that is made.
    ///
    /// # Errors
    /// When no loopback port can be bound or the file cannot be written.
    pub(super) fn open(server: &ApiServer, kubeconfig: &Path) -> anyhow::Result<Self> {
        let listener = Listener::start(server).context("cannot listen on 127.0.0.1")?;
        fs::create_dir_all(kubeconfig.parent().unwrap_or(Path::new("")))
            .and_then(|()| listener.write_kubeconfig(kubeconfig))
            .with_context(|| format!("cannot write `{}`", kubeconfig.display()))?;
        Ok(Self { _listener: listener, kubeconfig: kubeconfig.to_owned() })
    }

    /// The command that looks through it.
    fn line(&self) -> String {
        format!("kubectl --kubeconfig {} {LOOK}\n", self.kubeconfig.display())
    }

    /// Says how to look while the days are played: to a person at a terminal, and whenever the window stays open.
    ///
    /// # Errors
    /// When standard output is gone.
    pub(super) fn announce(&self, holds: bool) -> anyhow::Result<()> {
        if holds {
            let mut out = std::io::stdout().lock();
            out.write_all(self.line().as_bytes())?;
            out.flush()?;
        } else if std::io::stderr().is_terminal() {
            std::io::stderr().write_all(self.line().as_bytes())?;
        }
        Ok(())
    }

    /// Keeps it open until Ctrl-C or SIGTERM.
    ///
    /// # Errors
    /// When signals cannot be listened to, or standard output is gone.
    pub(super) fn hold(&self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let (mut interrupt, mut terminate) =
                (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
            let said = format!("held until Ctrl-C, time stands still; to look:\n{}", self.line());
            let mut out = std::io::stdout().lock();
            out.write_all(said.as_bytes())?;
            out.flush()?;
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            Ok(())
        })
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // Nobody answers where it points any more. It may have been removed by its owner.
        drop(fs::remove_file(&self.kubeconfig));
    }
}
