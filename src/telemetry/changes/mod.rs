//! When a condition that is looked at again and again is worth a line in the log.

use std::collections::{BTreeMap, btree_map::Entry};

use botwatch_core::model::{Duration, Timestamp};

#[cfg(test)]
mod tests;

/// A problem that lasts is told again so often.
const AGAIN_AFTER: Duration = Duration::from_secs(3600);

/// The problems of some things that are looked at again and again: targets, receivers, files. A pure decision: the
/// caller writes the line. At most `capacity` problems are kept; what finds no room is told each time, so that
/// nothing is hidden.
#[derive(Debug, Clone)]
pub struct Changes<K, P> {
    capacity: usize,
    open: BTreeMap<K, Open<P>>,
}

#[derive(Debug, Clone)]
struct Open<P> {
    problem: P,
    since: Timestamp,
    told: Timestamp,
    times: u64,
}

/// What is worth saying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Say {
    /// Nothing.
    Nothing,
    /// A problem began, or became another.
    Changed,
    /// It is still the same.
    Still {
        /// Since when.
        since: Timestamp,
        /// How often it was seen.
        times: u64,
    },
    /// All is well again.
    Over {
        /// Since when it was not.
        since: Timestamp,
        /// How often that was seen.
        times: u64,
    },
}

impl<K: Ord, P: PartialEq> Changes<K, P> {
    /// Nothing is wrong yet.
    pub const fn new(capacity: usize) -> Self {
        Self { capacity, open: BTreeMap::new() }
    }

    /// Notes how things stand with `key`: `None` when all is well. Says what is worth a line.
    pub fn look(&mut self, key: K, problem: Option<P>, now: Timestamp) -> Say {
        let has_room = self.open.len() < self.capacity;
        match (self.open.entry(key), problem) {
            (Entry::Vacant(_), None) => Say::Nothing,
            (Entry::Vacant(place), Some(problem)) => {
                if has_room {
                    place.insert(Open { problem, since: now, told: now, times: 1 });
                }
                Say::Changed
            }
            (Entry::Occupied(place), None) => {
                let Open { since, times, .. } = place.remove();
                Say::Over { since, times }
            }
            (Entry::Occupied(mut place), Some(problem)) => {
                let open = place.get_mut();
                open.times += 1;
                if open.problem != problem {
                    (open.problem, open.told) = (problem, now);
                    return Say::Changed;
                }
                if now.since(open.told) < AGAIN_AFTER {
                    return Say::Nothing;
                }
                open.told = now;
                Say::Still { since: open.since, times: open.times }
            }
        }
    }

    /// Forgets what is no longer looked at.
    pub fn retain(&mut self, mut keep: impl FnMut(&K) -> bool) {
        self.open.retain(|key, _| keep(key));
    }
}
