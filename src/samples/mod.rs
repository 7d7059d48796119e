//! The samples that everyone shares: [`botwatch_core::tsdb`]'s head behind one lock.
//!
//! `collect` and `evaluate` commit, `evaluate` and `api` read. A [`Store::commit`] holds the write lock for one batch
//! (2 000 series: some 20 µs) and nothing else; a reader holds the read lock only while it copies out what a selector
//! chooses, and decodes and evaluates without it. So a reader sees whole commits or nothing of them, and a slow query
//! holds up no scrape. The lock prefers a waiting writer: don't call back into the store from within [`Store::read`].
//!
//! **Seam to disk.** Full chunks leave the head through `tsdb::ChunkSink`, whose records name their predecessor as
//! those of a segment file do; until segments, blocks and the write-ahead log are written here, an arena in memory
//! stands in for them, and a restart begins with an empty head (sources are then blind until first seen, DESIGN §2.3).
//! The log's place is in [`Store::commit`], where a commit has a number and is not yet visible; reads over head and
//! disk join behind [`botwatch_core::promql::Queryable`].
//!
//! It decides nothing and knows no target and no rule.

mod metrics;
mod store;
#[cfg(test)]
mod tests;
mod watch;

pub use metrics::{Metric, MetricKind};
pub use store::Store;
pub use watch::CommitWatch;
