//! botwatch's own API below `/api/alerting`: issues, and what people do with them.
//!
//! JSON in and out, names in camelCase, times in RFC 3339. A failure is a problem document (RFC 9457) that says which
//! field is wrong and why. Everything that changes something answers once it is on disk.

mod acts;
mod audit;
mod events;
mod health;
mod incidents;
mod issue;
mod list;
mod report;
mod signals;
mod statistics;
mod test;
mod webhook;

pub(super) use acts::{acknowledge, assign, bulk, escalate, note, resolve, unacknowledge};
pub(super) use audit::audit;
pub(super) use events::events;
pub(super) use health::{config, health};
pub(super) use incidents::incidents;
pub(super) use issue::issue;
pub(super) use list::issues;
pub(super) use report::report;
pub(super) use signals::{metrics, push, set as set_threshold, thresholds, unset as unset_threshold};
pub(super) use statistics::statistics;
pub(super) use test::test;
pub(super) use webhook::{grafana, prometheus, webhook};

/// The types of issues (DESIGN §4 "Issues"): values of the label `category`.
pub(super) const TYPES: &[&str] =
    &["system_failure", "paper_trading_violation", "performance_degradation", "security_breach"];
/// Severities of reported issues: values of the label `severity`.
pub(super) const SEVERITIES: &[&str] = &["warning", "critical", "emergency"];
/// The label that holds an issue's type.
pub(super) const CATEGORY: &str = "category";
/// The label that says where an issue comes from.
pub(super) const SOURCE: &str = "source";
