//! When a group is evaluated.

use crate::model::{Duration, Timestamp};

/// A group's slots: `k × interval + offset`, the offset spread by the group's identity (spec R47).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    interval: i64,
    offset: i64,
}

impl Schedule {
    /// The slots of a group. The interval must be positive; anything else counts as one millisecond.
    pub fn new(interval: Duration, file: &str, group: &str) -> Self {
        let interval = interval.as_millis().max(1);
        let hash = crate::model::Labels::from_pairs([("file", file), ("group", group)]).fingerprint().0;
        Self { interval, offset: (hash % interval as u64) as i64 }
    }

    /// Slots at whole multiples of the interval, the same for all groups that have it.
    pub fn aligned(interval: Duration) -> Self {
        Self { interval: interval.as_millis().max(1), offset: 0 }
    }

    /// The last slot at or before `now`.
    pub fn slot(&self, now: Timestamp) -> Timestamp {
        Timestamp((now.0 - self.offset).div_euclid(self.interval) * self.interval + self.offset)
    }

    /// The first slot after `now`.
    pub fn next(&self, now: Timestamp) -> Timestamp {
        Timestamp(self.slot(now).0 + self.interval)
    }

    /// How many slots were overrun by an iteration that began at slot `begun` and ended at `now` (spec R48).
    pub fn missed(&self, begun: Timestamp, now: Timestamp) -> u64 {
        ((now.0 - begun.0) / self.interval - 1).max(0) as u64
    }

    /// Time between two slots.
    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.interval)
    }
}
