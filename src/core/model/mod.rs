//! The field's words, one type each: labels, matcher, sample, timestamp, duration, alert, transition, source.
//! Plain values with their parsing and printing; nothing here decides anything.

mod alert;
mod duration;
mod labels;
mod matcher;
mod quote;
mod secret;
mod severity;
mod source;
mod threshold;
mod time;

pub use alert::{Alert, AlertState, Ending, RuleKey, Transition};
pub use duration::{Duration, DurationError};
pub use labels::{Fingerprint, Labels, LabelsBuilder, is_legacy_label_name, is_legacy_metric_name};
pub use matcher::{MatchOp, Matcher};
pub use quote::{go_quote, is_printable, push_quoted};
pub use secret::Secret;
pub use severity::{SEVERITY, severity_rank};
pub use source::{SourceId, Sources};
pub use threshold::{Direction, PUSHED_METRIC, THRESHOLD_METRIC, Threshold};
pub use time::{STALE_NAN_BITS, Sample, Timestamp, is_stale, stale_nan};

/// The label that holds a series' name.
pub const METRIC_NAME: &str = "__name__";
/// The label that holds an alert's name.
pub const ALERT_NAME: &str = "alertname";
