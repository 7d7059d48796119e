//! Which lines are written.

use std::{fmt, str::FromStr};

use tracing_subscriber::filter::{LevelFilter, Targets};

/// From where on lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    /// Something must be done.
    Error,
    /// Something is wrong.
    Warn,
    /// Something that an operator recognises has changed.
    #[default]
    Info,
    /// How decisions come about.
    Debug,
    /// Everything.
    Trace,
}

/// A text that is no level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a log level: `{0}`; it is one of error, warn, info, debug, trace")]
pub struct LevelError(String);

impl Level {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    const fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}

impl Level {
    /// The level that a word means, also in the words of the bot's own logger, which shares the variable; the default
    /// where there is none like it.
    pub fn nearest(word: &str) -> Self {
        word.parse().unwrap_or_else(|_| match word.trim().to_ascii_lowercase().as_str() {
            "fatal" | "panic" | "silent" | "critical" => Self::Error,
            // `http`, `verbose`, `silly` and their like: what a bot tells of every request is not asked of a watcher.
            _ => Self::default(),
        })
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Level {
    type Err = LevelError;

    fn from_str(text: &str) -> Result<Self, LevelError> {
        match text.trim().to_ascii_lowercase().as_str() {
            "error" => Ok(Self::Error),
            "warn" | "warning" => Ok(Self::Warn),
            "info" => Ok(Self::Info),
            "debug" => Ok(Self::Debug),
            "trace" => Ok(Self::Trace),
            _ => Err(LevelError(text.to_owned())),
        }
    }
}

/// The target of all of botwatch's own lines is the crate's name, then the module's.
const CRATE: &str = "botwatch";

/// Names after `alerting:` and the module that they mean; a module may have a second name by what it does.
const PARTS: &[(&str, &str)] = &[
    ("api", "api"),
    ("app", "app"),
    ("collect", "collect"),
    ("config", "config"),
    ("dispatch", "dispatch"),
    ("evaluate", "evaluate"),
    ("net", "net"),
    ("notify", "notify"),
    ("rules", "evaluate"),
    ("samples", "samples"),
    ("scrape", "collect"),
    ("store", "store"),
];

enum Name {
    /// Another program's.
    Foreign,
    All,
    Part(&'static str),
    Unknown,
}

fn names(debug: &str) -> impl Iterator<Item = (bool, &str)> {
    debug.split([',', ' ']).map(str::trim).filter(|n| !n.is_empty()).map(|n| match n.strip_prefix('-') {
        Some(name) => (false, name),
        None => (true, n),
    })
}

fn meaning(name: &str) -> Name {
    if name == "*" {
        return Name::All;
    }
    let rest = match name.strip_prefix("alerting") {
        Some("" | "*" | ":*") => return Name::All,
        Some(rest) => rest,
        None => return Name::Foreign,
    };
    let Some(part) = rest.strip_prefix(':') else { return Name::Foreign };
    let part = part.strip_suffix(":*").or(part.strip_suffix('*')).unwrap_or(part);
    PARTS.iter().find(|(n, _)| *n == part).map_or(Name::Unknown, |(_, module)| Name::Part(module))
}

/// What is written: botwatch's own lines from `level` on (those that `debug` names from debug on), those of its
/// libraries from warnings on.
pub(super) fn targets(level: Level, debug: &str) -> Targets {
    let more = level.max(Level::Debug).filter();
    let mut own = level.filter();
    let mut parts: Vec<(&str, LevelFilter)> = Vec::new();
    for (wanted, name) in names(debug) {
        let filter = if wanted { more } else { level.min(Level::Info).filter() };
        match meaning(name) {
            Name::All => own = filter,
            Name::Part(module) => parts.push((module, filter)),
            Name::Foreign | Name::Unknown => {}
        }
    }
    let others = level.min(Level::Warn).filter();
    let targets = Targets::new().with_default(others).with_target(CRATE, own);
    // With a `::`, so that `net` doesn't mean what merely begins like it.
    parts
        .into_iter()
        .fold(targets, |targets, (module, filter)| targets.with_target(format!("{CRATE}::{module}"), filter))
}

/// Names of ours that mean nothing.
pub(super) fn unknown(debug: &str) -> impl Iterator<Item = &str> {
    names(debug).map(|(_, name)| name).filter(|name| matches!(meaning(name), Name::Unknown))
}

/// All names, for a hint.
pub(super) fn known() -> String {
    PARTS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}
