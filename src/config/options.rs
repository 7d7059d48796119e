//! From what was written to each module's own options.

use botwatch_core::model::Duration;

/// Prometheus' default `scrape_interval` (spec S17).
pub(super) const SCRAPE_INTERVAL: Duration = Duration::from_secs(60);
