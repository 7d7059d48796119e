//! From what was written to each module's own options.

use botwatch_core::model::Duration;

/// Prometheus' default `scrape_interval` (spec S17).
pub(super) const SCRAPE_INTERVAL: Duration = Duration::from_secs(60);
/// Prometheus' default `scrape_timeout` (spec S17).
pub(super) const SCRAPE_TIMEOUT: Duration = Duration::from_secs(10);
/// Prometheus' default `evaluation_interval`.
pub(super) const EVALUATION_INTERVAL: Duration = Duration::from_secs(60);
