//! Logs, and botwatch's own metrics.
