//! Failing integrations in the log: on change, once an hour with a count, and once when it works again.

use std::collections::BTreeMap;

use botwatch_core::{
    alerting::IntegrationId,
    model::{Duration, Timestamp},
};

use super::failure::{Failure, FailureReason};

/// How often a lasting failure is told again (DESIGN §5).
const AGAIN: Duration = Duration::from_secs(3600);

/// What was said of integrations. Bounded by what is configured.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Those that fail.
    failing: BTreeMap<IntegrationId, Standing>,
    /// When failing templates were last told.
    complained: BTreeMap<IntegrationId, Timestamp>,
}

#[derive(Debug)]
struct Standing {
    since: Timestamp,
    said_at: Timestamp,
    kind: (FailureReason, bool),
    /// Attempts since it was last said.
    unsaid: u64,
    failures: u64,
}

/// What is to be said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Say {
    /// It began to fail, or fails in another way.
    Failing,
    /// It still fails.
    StillFailing {
        /// Attempts that failed since it was last said.
        times: u64,
        /// When it began.
        since: Timestamp,
    },
    /// It works again.
    Works {
        /// Attempts that had failed.
        failures: u64,
        /// When it began to fail.
        since: Timestamp,
    },
}

impl Log {
    /// Notes an attempt's end and says what is worth a line.
    pub(super) fn note(
        &mut self,
        id: &IntegrationId,
        now: Timestamp,
        failure: Option<&Failure>,
    ) -> Option<Say> {
        let Some(failure) = failure else {
            return self.failing.remove(id).map(|s| Say::Works { failures: s.failures, since: s.since });
        };
        let kind = (failure.reason, failure.permanent);
        let Some(standing) = self.failing.get_mut(id) else {
            let standing = Standing { since: now, said_at: now, kind, unsaid: 0, failures: 1 };
            self.failing.insert(id.clone(), standing);
            return Some(Say::Failing);
        };
        standing.failures += 1;
        standing.unsaid += 1;
        let say = if standing.kind != kind {
            Say::Failing
        } else if standing.said_at + AGAIN <= now {
            Say::StillFailing { times: standing.unsaid, since: standing.since }
        } else {
            return None;
        };
        (standing.said_at, standing.unsaid, standing.kind) = (now, 0, kind);
        Some(say)
    }

    /// Whether failing templates of an integration are worth a line.
    pub(super) fn complains(&mut self, id: &IntegrationId, now: Timestamp) -> bool {
        let worth = self.complained.get(id).is_none_or(|at| *at + AGAIN <= now);
        if worth {
            self.complained.insert(id.clone(), now);
        }
        worth
    }

    /// Forgets integrations that are no longer configured.
    pub(super) fn retain(&mut self, keep: impl Fn(&IntegrationId) -> bool) {
        self.failing.retain(|id, _| keep(id));
        self.complained.retain(|id, _| keep(id));
    }
}

impl Say {
    /// Writes the line.
    pub(super) fn write(&self, id: &IntegrationId, failure: Option<&Failure>) {
        let error = failure.map_or("", |f| f.error.as_str());
        let again = if failure.is_some_and(|f| f.permanent) { "refused" } else { "will be tried again" };
        match self {
            Self::Failing => {
                tracing::warn!(integration = %id, error, "notification failed: {again}");
            }
            Self::StillFailing { times, since } => {
                tracing::warn!(integration = %id, error, times, %since, "notifications still fail: {again}");
            }
            Self::Works { failures, since } => {
                tracing::info!(integration = %id, failures, failing_since = %since, "notifications work again");
            }
        }
    }
}
