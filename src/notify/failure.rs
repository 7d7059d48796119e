//! What came of an attempt, before it is reported.

use std::collections::BTreeMap;

use botwatch_core::{alerting::Outcome, diag::chain, model::Duration};

use crate::net;

/// What the receiver said that later messages need, or why it did not work.
pub(super) type Answer = Result<BTreeMap<String, String>, Failure>;

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Failure {
    /// In words, without secrets, the same at each attempt as far as possible.
    pub error: String,
    /// Whether it won't work without a change.
    pub permanent: bool,
    /// The receiver asked to wait so long.
    pub retry_after: Option<Duration>,
    /// For the metric.
    pub reason: FailureReason,
}

/// Alertmanager's `reason` of failed notifications (spec alertmanager §2.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureReason {
    /// Network, configuration, templates.
    Other,
    /// 4xx.
    ClientError,
    /// 5xx.
    ServerError,
    /// No answer in time.
    DeadlineExceeded,
    /// 401, 403.
    AuthError,
    /// 429.
    RateLimited,
}

impl FailureReason {
    /// All of them, to create their series.
    pub(super) const ALL: [Self; 6] = [
        Self::Other,
        Self::ClientError,
        Self::ServerError,
        Self::DeadlineExceeded,
        Self::AuthError,
        Self::RateLimited,
    ];

    /// Value of the label.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::ClientError => "clientError",
            Self::ServerError => "serverError",
            Self::DeadlineExceeded => "contextDeadlineExceeded",
            Self::AuthError => "authError",
            Self::RateLimited => "rateLimited",
        }
    }

    /// Of an HTTP status that is no success.
    pub(super) const fn of_status(status: u16) -> Self {
        match status {
            401 | 403 => Self::AuthError,
            429 => Self::RateLimited,
            400..500 => Self::ClientError,
            500.. => Self::ServerError,
            _ => Self::Other,
        }
    }
}

impl Failure {
    /// It may work later.
    pub(super) fn transient(error: impl Into<String>, reason: FailureReason) -> Self {
        Self { error: error.into(), permanent: false, retry_after: None, reason }
    }

    /// It won't work without a change.
    pub(super) fn permanent(error: impl Into<String>, reason: FailureReason) -> Self {
        Self { permanent: true, ..Self::transient(error, reason) }
    }

    /// The time was up.
    pub(super) fn late() -> Self {
        Self::transient("no answer in time", FailureReason::DeadlineExceeded)
    }

    /// No answer came.
    pub(super) fn of_net(error: &net::Error) -> Self {
        match error {
            // Without the time, which differs from attempt to attempt.
            net::Error::Timeout { peer, .. } => {
                Self::transient(format!("no answer from {peer} in time"), FailureReason::DeadlineExceeded)
            }
            e => Self { permanent: e.is_permanent(), ..Self::transient(chain(&e), FailureReason::Other) },
        }
    }

    /// An answer that is no success: whoever is busy, late, broken or elsewhere may be asked again (a redirect can be a
    /// mistake that is taken back, and nothing must be lost to it), all else needs a change.
    pub(super) fn of_status(peer: &str, status: u16, excerpt: &str, retry_after: Option<Duration>) -> Self {
        let colon = if excerpt.is_empty() { "" } else { ": " };
        Self {
            error: format!("{peer} answered {status}{colon}{excerpt}"),
            permanent: !matches!(status, 301 | 302 | 303 | 307 | 308 | 408 | 425 | 429 | 500..),
            retry_after,
            reason: FailureReason::of_status(status),
        }
    }

    /// What an outcome says.
    pub(super) fn of_outcome(outcome: Outcome, reason: FailureReason) -> Answer {
        match outcome {
            Outcome::Delivered { receiver_data } => Ok(receiver_data),
            Outcome::Permanent { error } => Err(Self::permanent(error, reason)),
            Outcome::Transient { error, retry_after } => {
                Err(Self { retry_after, ..Self::transient(error, reason) })
            }
        }
    }

    /// As the machine takes it.
    pub(super) fn into_outcome(self) -> Outcome {
        match self {
            Self { error, permanent: true, .. } => Outcome::Permanent { error },
            Self { error, retry_after, .. } => Outcome::Transient { error, retry_after },
        }
    }
}
