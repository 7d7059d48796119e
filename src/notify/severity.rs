//! The label `severity`, as messages show it.

use botwatch_core::model::{Labels, SEVERITY, severity_rank};

/// The worst severity; of those without a rank the first in the order given.
pub(super) fn worst<'a>(labels: impl Iterator<Item = &'a Labels>) -> Option<&'a str> {
    labels.filter_map(|l| l.get(SEVERITY)).min_by_key(|s| severity_rank(s))
}

/// Colour of a message: what has ended is green, else by severity. Slack knows `good`, `warning`, `danger` by name;
/// an emergency is darker than they are.
pub(super) fn colour(resolved: bool, severity: Option<&str>) -> &'static str {
    match severity {
        _ if resolved => "good",
        Some("emergency") => "#7b001c",
        Some("warning") => "warning",
        Some("info") => "#439fe0",
        _ => "danger",
    }
}
