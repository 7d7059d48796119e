//! What is shown of groups and rules (spec prometheus A8, A9).

use std::sync::Arc;

use botwatch_core::model::{Duration, Labels, Timestamp};

/// A rule group.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupView {
    /// Its name.
    pub name: Arc<str>,
    /// Its file, as configured.
    pub file: Arc<str>,
    /// Time between evaluations.
    pub interval: Duration,
    /// Results of one rule at most; 0: no limit.
    pub limit: usize,
    /// The slot of the newest evaluation.
    pub last_evaluation: Option<Timestamp>,
    /// How long that took, in seconds.
    pub evaluation_seconds: f64,
    /// Slots evaluated since the start.
    pub iterations: u64,
    /// Slots missed since the start.
    pub missed: u64,
    /// Rules evaluated since the start.
    pub evaluations: u64,
    /// Of them, with an error.
    pub failures: u64,
    /// In file order.
    pub rules: Vec<RuleView>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleView {
    /// Name of the alert or the recorded series.
    pub name: Arc<str>,
    /// The expression, printed.
    pub query: String,
    /// Configured labels, the group's merged in; templates in alerting rules.
    pub labels: Labels,
    /// What came of the newest evaluation.
    pub health: Health,
    /// The newest evaluation's error.
    pub last_error: Option<String>,
    /// The slot of the newest evaluation.
    pub last_evaluation: Option<Timestamp>,
    /// How long that took, in seconds.
    pub evaluation_seconds: f64,
    /// Results of the newest evaluation.
    pub samples: u64,
    /// What it is.
    pub kind: RuleKind,
}

/// What came of a rule's newest evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// None yet.
    Unknown,
    /// Good.
    Good,
    /// An error.
    Bad,
}

impl Health {
    /// As in Prometheus' API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Good => "ok",
            Self::Bad => "err",
        }
    }
}

/// What a rule is.
#[derive(Debug, Clone, PartialEq)]
pub enum RuleKind {
    /// Writes a series.
    Recording,
    /// Raises alerts.
    Alerting {
        /// `for`
        hold: Duration,
        /// `keep_firing_for`
        keep_firing_for: Duration,
        /// Annotation templates.
        annotations: Labels,
        /// Pending and firing alerts, in order of labels.
        alerts: Vec<ActiveAlertView>,
    },
}

/// A pending or firing alert of a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct ActiveAlertView {
    /// Identity, with `alertname`.
    pub labels: Labels,
    /// Texts.
    pub annotations: Labels,
    /// Value of the last true evaluation.
    pub value: f64,
    /// Since when it holds.
    pub active_at: Timestamp,
    /// Since when it fires; pending otherwise.
    pub fired_at: Option<Timestamp>,
    /// Held up by `keep_firing_for` since then.
    pub keep_firing_since: Option<Timestamp>,
    /// Frozen since then.
    pub frozen_since: Option<Timestamp>,
}

/// The course of the value that an alert's rule compares.
#[derive(Debug, Clone, PartialEq)]
pub struct CourseView {
    /// Time and value, in time order.
    pub points: Vec<(Timestamp, f64)>,
    /// What it is compared with, where that is one number and the comparison one of size.
    pub threshold: Option<f64>,
    /// The comparison.
    pub comparison: &'static str,
    /// The expression that gives the value, printed.
    pub expr: Arc<str>,
}
