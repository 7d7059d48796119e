//! The label `severity`: what is worse than what.

/// The label.
pub const SEVERITY: &str = "severity";

/// The severities that have a rank, the worst first (DESIGN §4 "Issues", and what rule files of others use).
const RANKED: [&str; 7] = ["emergency", "critical", "page", "error", "high", "warning", "info"];

/// The place of a severity among those known, 0 for the worst; one that isn't known comes after all of them.
pub fn severity_rank(severity: &str) -> usize {
    RANKED.iter().position(|r| *r == severity).unwrap_or(RANKED.len())
}
