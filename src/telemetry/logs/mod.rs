//! Log lines on stderr.
//!
//! Text is `time level target: message key=value …`; JSON is one object a line with `time`, `level`, `target`,
//! `message` and the fields. Spans are not used: each line can be read alone.

mod filter;
mod format;
#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal as _, Write};

use parking_lot::Mutex;
use tracing::{Event, Subscriber, subscriber::SetGlobalDefaultError};
use tracing_subscriber::{
    Layer, Registry, filter::Targets, layer::Context, layer::SubscriberExt as _, reload,
};

use crate::runtime::Clock;

pub use filter::{Level, LevelError};
use format::Line;

/// How logs are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// From here on lines are written.
    pub level: Level,
    /// Parts of botwatch that tell more, as in `DEBUG=alerting:*` (see [`Logs::set`]).
    pub debug: String,
    /// How a line looks.
    pub format: Format,
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people; coloured on a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why there are no logs.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// Somebody else writes them already.
    #[error("logs are written by somebody else already")]
    Taken(#[source] SetGlobalDefaultError),
}

/// The logs of this process; cheap to clone.
#[derive(Clone)]
pub struct Logs(reload::Handle<Targets, Registry>);

impl Logs {
    /// Writes to stderr from here on, for the whole process.
    ///
    /// # Errors
    /// When that was done before.
    pub fn start(options: &Options, clock: Clock) -> Result<Self, LogsError> {
        let colour = options.format == Format::Text && io::stderr().is_terminal();
        let (logs, subscriber) = Self::to(Box::new(io::stderr()), colour, options, clock);
        tracing::subscriber::set_global_default(subscriber).map_err(LogsError::Taken)?;
        logs.complain(&options.debug);
        Ok(logs)
    }

    /// Changes the level while running. `debug` is a list of names as in Node's `DEBUG`: `alerting:*` is all of
    /// botwatch, `alerting:notify` one part of it, `-alerting:net` takes one out; names of other programs are passed
    /// over.
    pub fn set(&self, level: Level, debug: &str) {
        // Fails only when the subscriber is gone: then there are no lines to choose from.
        let _ = self.0.reload(filter::targets(level, debug));
        self.complain(debug);
    }

    fn complain(&self, debug: &str) {
        for name in filter::unknown(debug) {
            let known = filter::known();
            tracing::warn!(name, known, "DEBUG names a part that botwatch doesn't have");
        }
    }

    /// A subscriber that writes to `out`; also for tests of what other modules tell.
    pub(crate) fn to(
        out: Box<dyn Write + Send>,
        colour: bool,
        options: &Options,
        clock: Clock,
    ) -> (Self, impl Subscriber + Send + Sync + 'static) {
        let (filter, handle) = reload::Layer::new(filter::targets(options.level, &options.debug));
        let lines = Lines { out: Mutex::new(out), format: options.format, colour, clock };
        (Self(handle), tracing_subscriber::registry().with(filter).with(lines))
    }
}

struct Lines {
    out: Mutex<Box<dyn Write + Send>>,
    format: Format,
    colour: bool,
    clock: Clock,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let line = Line::of(self.clock.now(), event);
        let text = match self.format {
            Format::Text => line.text(self.colour),
            Format::Json => line.json(),
        };
        // A line that can't be written has nobody to tell it to.
        let _ = self.out.lock().write_all(text.as_bytes());
    }
}
