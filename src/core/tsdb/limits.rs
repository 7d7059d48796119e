//! Keeping the budget: what goes first when bytes run short.
//!
//! Full chunks go oldest first. A series that was not written since the newest sample lost that way has nothing left
//! that others still have, and is removed, a bounded number with each commit. When there is no full chunk left to
//! drop, the series longest unwritten go; when all are being written, new ones are refused, and those there lose their
//! open chunks and keep their tails.

use super::{SeriesId, head::Head, series::Series};
use crate::model::Timestamp;

/// What the allocator adds to each block.
pub(super) const BLOCK_OVERHEAD: usize = 8;
/// What a tree adds to each entry beyond key and value: nodes are two thirds full on average.
pub(super) const TREE_OVERHEAD: usize = 16;
/// One series without labels and open chunk.
pub(super) const SERIES_BYTES: usize = size_of::<Series>() + BLOCK_OVERHEAD;

/// Series looked at with each commit, a few microseconds: 2 000 are through after 32 commits.
const SWEEP: usize = 64;
/// A series written this lately is never removed: two lookbacks, in which a target may come back.
const GRACE_MS: i64 = 600_000;
/// How long a search for series to remove is not repeated when it found none.
const SEARCH_PAUSE_MS: i64 = 10_000;
/// Series removed at once when memory runs short: a few hundred microseconds.
const EVICT: usize = 256;

impl Head {
    /// After a commit: removes what is garbage, and brings the head back under its budget.
    pub(super) fn maintain(&mut self) {
        self.sweep();
        while self.memory().total() > self.options.memory_max {
            if !self.drop_chunks() {
                if self.evict_series() == 0 {
                    self.drop_open_chunks();
                }
                break;
            }
        }
    }

    /// Whether there is room for so many bytes more, after dropping what may be dropped for a new series.
    pub(super) fn make_room(&mut self, bytes: usize) -> bool {
        let fits = |head: &Self| head.memory().total() + bytes <= head.options.memory_max;
        while !fits(self) {
            if !self.drop_chunks() && self.evict_series() == 0 {
                return false;
            }
        }
        true
    }

    /// Samples up to here are lost in part, or too old to be asked for.
    pub(super) fn horizon(&self) -> i64 {
        let retained =
            self.max_time.map_or(i64::MIN, |t| t.0.saturating_sub(self.options.retention.as_millis()));
        retained.max(self.counts.lost_until.map_or(i64::MIN, |t| t.0))
    }

    fn drop_chunks(&mut self) -> bool {
        let Some(dropped) = self.sink.drop_oldest() else { return false };
        self.counts.chunks_dropped += dropped.chunks;
        self.counts.samples_dropped += dropped.samples;
        self.lost(dropped.last);
        true
    }

    fn lost(&mut self, until: Timestamp) {
        self.counts.lost_until = self.counts.lost_until.max(Some(until));
    }

    /// Drops open chunks of series that are being written, one series after the other from commit to commit, until
    /// the budget holds.
    fn drop_open_chunks(&mut self) {
        let mut excess = self.memory().total().saturating_sub(self.options.memory_max);
        let ids: Vec<SeriesId> = self.table.iter_from(SeriesId(0)).map(|(id, _)| id).collect();
        let (done, next) = ids.split_at(ids.partition_point(|id| id.0 < self.drop_at));
        for &id in next.iter().chain(done) {
            if excess == 0 {
                self.drop_at = id.0;
                break;
            }
            let Some(series) = self.table.get_mut(id) else { continue };
            let freed = series.open_cost();
            let Some((samples, until)) = series.drop_open_chunk() else { continue };
            self.open_bytes -= freed;
            excess = excess.saturating_sub(freed);
            self.counts.chunks_dropped += 1;
            self.counts.samples_dropped += samples;
            self.lost(Timestamp(until));
        }
    }

    /// Looks at the next few series and removes those last written before the horizon.
    fn sweep(&mut self) {
        let horizon = self.horizon().min(self.grace_start());
        let mut gone = Vec::new();
        let mut next = 0;
        for (seen, (id, series)) in self.table.iter_from(SeriesId(self.sweep_at)).enumerate() {
            if seen == SWEEP {
                next = id.0;
                break;
            }
            if series.active_at() <= horizon {
                gone.push(id);
            }
        }
        self.sweep_at = next;
        self.remove_series(&gone);
    }

    /// Removes the series longest unwritten; how many.
    fn evict_series(&mut self) -> usize {
        let now = self.max_time.map_or(i64::MIN, |t| t.0);
        if now < self.search_from {
            return 0;
        }
        let start = self.grace_start();
        let mut idle: Vec<(i64, SeriesId)> = self
            .table
            .iter_from(SeriesId(0))
            .map(|(id, s)| (s.active_at(), id))
            .filter(|s| s.0 < start)
            .collect();
        if idle.is_empty() {
            self.search_from = now.saturating_add(SEARCH_PAUSE_MS);
            return 0;
        }
        let n = EVICT.min(idle.len());
        idle.select_nth_unstable(n - 1);
        idle.truncate(n);
        let until = idle.iter().map(|s| s.0).max().unwrap_or(i64::MIN);
        let ids: Vec<SeriesId> = idle.into_iter().map(|s| s.1).collect();
        self.lost(Timestamp(until));
        self.remove_series(&ids);
        n
    }

    fn grace_start(&self) -> i64 {
        self.max_time.map_or(i64::MIN, |t| t.0.saturating_sub(GRACE_MS))
    }

    fn remove_series(&mut self, ids: &[SeriesId]) {
        if ids.is_empty() {
            return;
        }
        let mut gone = Vec::with_capacity(ids.len());
        for &id in ids {
            if let Some(series) = self.table.remove(id) {
                self.open_bytes -= series.open_cost();
                gone.push((id, series.labels));
            }
        }
        self.postings.remove(&gone);
        self.counts.series_removed += gone.len() as u64;
        self.epoch += 1;
    }
}
