//! When a target is scraped (spec S10, S17).

use botwatch_core::model::{Duration, Labels, Timestamp};

/// A scrape this close after its slot is stamped with the slot.
const TOLERANCE_MS: i64 = 2;

/// Where in each interval a target's slots lie: spread by its identity, the same after every restart.
pub(in crate::collect) fn offset(labels: &Labels, url: &str, interval: Duration) -> Duration {
    let hash = labels.with("__url__", url).fingerprint().0;
    Duration::from_millis((hash % interval.as_millis().max(1) as u64) as i64)
}

/// The first slot after `after`.
pub(in crate::collect) fn next_slot(after: Timestamp, offset: Duration, interval: Duration) -> Timestamp {
    let interval = interval.as_millis().max(1);
    let past = after.0.saturating_sub(offset.as_millis()).rem_euclid(interval);
    after + Duration::from_millis(interval - past)
}

/// The time that a scrape's samples get: its slot when it began within 2 ms and 1 % of the interval of it, else when
/// it began.
pub(in crate::collect) fn align(began: Timestamp, slot: Option<Timestamp>, interval: Duration) -> Timestamp {
    let tolerance = TOLERANCE_MS.min(interval.as_millis() / 100);
    match slot {
        Some(slot) if began.since(slot).as_millis().abs() <= tolerance => slot,
        _ => began,
    }
}
