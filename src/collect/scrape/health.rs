//! What is worth a line in the log: a target that goes down, one that comes back, and once an hour one that stays
//! down.

use botwatch_core::model::{Duration, Timestamp};

/// A target that stays down is told again after this time.
const AGAIN: Duration = Duration::from_secs(3600);

/// Whether a target answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Health {
    /// Not tried yet.
    #[default]
    Unknown,
    /// The last scrape was a success.
    Up,
    /// It failed.
    Down,
}

impl Health {
    /// As Prometheus' API names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// What to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::collect) enum Say {
    /// It went down.
    Down,
    /// It is still down after so many failures, since then.
    StillDown { failures: u64, since: Timestamp },
    /// It is back after so many failures, since then.
    Back { failures: u64, since: Timestamp },
}

/// Failures in a row.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::collect) struct Failures {
    count: u64,
    since: Timestamp,
    told: Timestamp,
}

impl Failures {
    /// Notes what came of a scrape; what to say of it.
    pub(in crate::collect) fn note(&mut self, success: bool, at: Timestamp) -> Option<Say> {
        if success {
            let past = std::mem::take(self);
            return (past.count > 0).then_some(Say::Back { failures: past.count, since: past.since });
        }
        self.count += 1;
        if self.count == 1 {
            (self.since, self.told) = (at, at);
            return Some(Say::Down);
        }
        if at.since(self.told) < AGAIN {
            return None;
        }
        self.told = at;
        Some(Say::StillDown { failures: self.count, since: self.since })
    }
}
