//! What is shown of targets and of botwatch itself.

use std::sync::Arc;

use botwatch_core::model::{Duration, Labels, Timestamp};

/// A target (spec prometheus A10).
#[derive(Debug, Clone, PartialEq)]
pub struct TargetView {
    /// The job.
    pub pool: Arc<str>,
    /// Labels before relabelling.
    pub discovered: Labels,
    /// What is known of it; `None` when relabelling dropped it.
    pub active: Option<ActiveTarget>,
}

/// A target that is scraped.
#[derive(Debug, Clone, PartialEq)]
pub struct ActiveTarget {
    /// Labels after relabelling.
    pub labels: Labels,
    /// Where it is scraped, without secrets.
    pub url: String,
    /// The same as others reach it: loopback replaced by the external host.
    pub global_url: String,
    /// Why the last scrape failed; empty when it didn't.
    pub last_error: String,
    /// When it was last scraped.
    pub last_scrape: Option<Timestamp>,
    /// How long that took, in seconds.
    pub last_scrape_seconds: f64,
    /// How it is.
    pub health: TargetHealth,
    /// Time between scrapes.
    pub interval: Duration,
    /// Time for one.
    pub timeout: Duration,
}

/// How a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetHealth {
    /// Not scraped yet.
    Unknown,
    /// The last scrape succeeded.
    Up,
    /// The last scrape failed.
    Down,
}

impl TargetHealth {
    /// As in Prometheus' API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// How botwatch itself stands.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StatusView {
    /// Why it isn't ready; `None` when it is.
    pub not_ready: Option<String>,
    /// When the configuration in force was loaded.
    pub loaded_at: Option<Timestamp>,
    /// What is wrong with the newest configuration, so that an older one is in force; in one line.
    pub reload_error: Option<String>,
    /// What it watches, what it can't, what is switched off.
    pub notices: Vec<Notice>,
}

/// One thing that a person should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What kind of thing.
    pub kind: NoticeKind,
    /// One sentence without secrets.
    pub text: String,
}

/// What kind of thing a notice tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeKind {
    /// It is watched.
    Watches,
    /// Somebody is told through it.
    Tells,
    /// It can't be watched.
    Cannot,
    /// It is switched off: sending, safety.
    Off,
}
