//! What is collected, from where, how often. `config` reads files into these types.

use std::{fmt, path::PathBuf, sync::Arc};

use botwatch_core::{
    exposition::Protocol,
    model::{Duration, Labels},
    relabel,
};

use crate::net::HttpOptions;

/// Everything that is collected.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Scrape jobs, in the order written.
    pub jobs: Vec<JobOptions>,
    /// The bot's process, if one is watched.
    pub process: Option<BotOptions>,
    /// The machine, if it is watched.
    pub host: Option<HostOptions>,
}

/// Query parameters. `Debug` shows their names: a value may be a token.
#[derive(Clone, PartialEq, Default)]
pub struct Params(pub Vec<(Arc<str>, Vec<Arc<str>>)>);

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// A scrape job (spec prometheus §3, S17). Limits of 0 are none.
#[derive(Debug, Clone, PartialEq)]
pub struct JobOptions {
    /// The label `job`.
    pub name: Arc<str>,
    /// Time between scrapes.
    pub interval: Duration,
    /// Time for one scrape; at most the interval.
    pub timeout: Duration,
    /// Formats asked for, best first.
    pub protocols: Vec<Protocol>,
    /// The format of an answer whose `Content-Type` names none.
    pub fallback_protocol: Option<Protocol>,
    /// `/metrics` unless set.
    pub metrics_path: Arc<str>,
    /// How targets are reached.
    pub scheme: Scheme,
    /// Query parameters in the order written.
    pub params: Params,
    /// Whether exposed labels win over the target's.
    pub honor_labels: bool,
    /// Whether exposed timestamps are used.
    pub honor_timestamps: bool,
    /// Whether series with exposed timestamps get stale markers.
    pub track_timestamps_staleness: bool,
    /// Bytes of an answer, after decompression.
    pub body_size_limit: usize,
    /// Samples of an answer, after relabelling.
    pub sample_limit: usize,
    /// Labels of a sample.
    pub label_limit: usize,
    /// Bytes of a label's name.
    pub label_name_length_limit: usize,
    /// Bytes of a label's value.
    pub label_value_length_limit: usize,
    /// Targets of the job.
    pub target_limit: usize,
    /// Dropped targets that are remembered; 0: all.
    pub keep_dropped_targets: usize,
    /// Whether compressed answers are asked for.
    pub enable_compression: bool,
    /// Whether `scrape_timeout_seconds`, `scrape_sample_limit`, `scrape_body_size_bytes` are recorded.
    pub extra_scrape_metrics: bool,
    /// Changes targets before the scrape.
    pub relabel: Vec<relabel::Rule>,
    /// Changes samples after the scrape.
    pub metric_relabel: Vec<relabel::Rule>,
    /// The HTTP client.
    pub http: HttpOptions,
    /// Targets by hand.
    pub static_targets: Vec<TargetGroup>,
    /// Targets from files.
    pub files: Vec<FileSdOptions>,
}

/// How targets are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scheme {
    /// Plain.
    #[default]
    Http,
    /// With TLS.
    Https,
}

impl Scheme {
    /// As in a URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Targets that share labels.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TargetGroup {
    /// Addresses, `host:port`, or `unix:/path/to/socket`.
    pub targets: Vec<Arc<str>>,
    /// Labels of all of them.
    pub labels: Labels,
}

/// Targets from files (spec S21).
#[derive(Debug, Clone, PartialEq)]
pub struct FileSdOptions {
    /// Absolute paths; the last part may have `*`.
    pub patterns: Vec<Arc<str>>,
    /// How often the files are read again when no change was seen.
    pub refresh: Duration,
}

/// The bot's process.
#[derive(Debug, Clone, PartialEq)]
pub struct BotOptions {
    /// How it is found.
    pub finder: ProcessFinder,
    /// Time between looks.
    pub interval: Duration,
    /// Labels of its samples (`job`, `instance`, `bot`, …).
    pub labels: Labels,
}

/// How the bot's process is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProcessFinder {
    /// By process id.
    Pid(u32),
    /// By a file that holds the process id.
    PidFile(PathBuf),
    /// By the name of its executable or script.
    Name(Arc<str>),
    /// By the TCP port that it listens on.
    Port(u16),
    /// By its cgroup, relative to the root of cgroup v2.
    Cgroup(Arc<str>),
}

/// The machine.
#[derive(Debug, Clone, PartialEq)]
pub struct HostOptions {
    /// Time between looks.
    pub interval: Duration,
    /// Labels of its samples.
    pub labels: Labels,
    /// Directories whose file systems are watched.
    pub paths: Vec<PathBuf>,
}
