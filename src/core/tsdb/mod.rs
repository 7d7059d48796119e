//! The sample head: what was written lately, by series, in a bounded number of bytes.
//!
//! A series is one label allocation, a *tail* of its newest 16 raw samples, and an *open chunk*. Every 16 samples
//! (each series at its own phase, so that no commit pays for all) the samples not yet encoded become one
//! *mini-block* of the open chunk; after eight blocks the chunk is full and goes to the [`ChunkSink`]. Until full
//! chunks go to disk the sink is an [`Arena`] in memory, which loses its oldest page when the budget is reached.
//! Everything is counted in bytes: labels, postings, tails, chunks, cached postings.
//!
//! A [`Commit`] becomes visible as a whole: [`Head::commit`] takes `&mut`, [`Head::select`] takes `&`, and the shell
//! (`samples`) puts a read-write lock between them. Order rules are Prometheus' (spec prometheus §7, D3): a sample
//! older than its series' newest is dropped and counted, never an error of the whole commit.
//!
//! The head also keeps what is known of each *source* of samples, seeing or blind since when ([`SourceState`]), because
//! that has to change in the same commit as the samples and stale markers it explains (DESIGN §2.3).
//!
//! It opens no file and reads no clock; "now" is the newest time that a source reported at. It doesn't evaluate:
//! [`crate::promql`] reads it through [`crate::promql::Queryable`].

mod arena;
mod bits;
mod chunk;
mod column;
mod head;
mod limits;
mod matching;
mod postings;
mod select;
mod series;
mod sink;
mod sources;
mod stats;
mod table;
#[cfg(test)]
mod tests;

pub use arena::Arena;
pub use chunk::{BLOCK_SAMPLES, CHUNK_BLOCKS, CHUNK_SAMPLES, ChunkReader, ChunkWriter, CorruptChunk};
pub use head::{Commit, CommitReport, Head, Options};
pub use select::Selection;
pub use sink::{ChunkRef, ChunkSink, Dropped, FullChunk, Record};
pub use sources::{SourceState, Visibility};
pub use stats::{Cardinality, Counts, HeadStats, Memory};

/// A series in the head. Given out in order of creation and never given out twice, so that an id kept by a writer
/// either means the series it was given for or nothing ([`CommitReport::gone`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(pub u32);
