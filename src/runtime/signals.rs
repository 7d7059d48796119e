//! Signals of the operating system.

use tokio::signal::unix::{self, SignalKind};

/// What somebody outside asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP
    Reload,
    /// SIGTERM or SIGINT
    Stop,
}

/// A stream of signals.
pub struct Signals {
    hup: unix::Signal,
    term: unix::Signal,
    int: unix::Signal,
}

impl Signals {
    /// Takes over SIGHUP, SIGTERM and SIGINT.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            hup: unix::signal(SignalKind::hangup())?,
            term: unix::signal(SignalKind::terminate())?,
            int: unix::signal(SignalKind::interrupt())?,
        })
    }

    /// The next one. Cancel-safe.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.hup.recv() => Signal::Reload,
            _ = self.term.recv() => Signal::Stop,
            _ = self.int.recv() => Signal::Stop,
        }
    }
}
