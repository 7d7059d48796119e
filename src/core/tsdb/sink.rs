//! The port through which full chunks leave the head: an arena in memory, or segments on disk.

use std::num::NonZeroU64;

use super::SeriesId;
use crate::model::Timestamp;

/// Where a full chunk lies: an ever-growing position in what was appended, as an offset in a segment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkRef(pub NonZeroU64);

/// A chunk that got full.
#[derive(Debug, Clone, Copy)]
pub struct FullChunk<'a> {
    /// Whose.
    pub series: SeriesId,
    /// Where its series' chunk before lies: a series keeps only its newest reference, older ones are reached from
    /// record to record.
    pub previous: Option<ChunkRef>,
    /// Its first sample's time.
    pub first: Timestamp,
    /// Its last sample's time.
    pub last: Timestamp,
    /// How many samples it holds.
    pub samples: u32,
    /// The chunk, for [`super::ChunkReader`].
    pub bytes: &'a [u8],
}

/// A chunk read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its series' chunk before.
    pub previous: Option<ChunkRef>,
    /// The chunk.
    pub bytes: &'a [u8],
}

/// What a sink let go of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// How many chunks.
    pub chunks: u64,
    /// How many samples.
    pub samples: u64,
    /// The earliest of them.
    pub first: Timestamp,
    /// The latest of them: from here back the head has gaps.
    pub last: Timestamp,
}

/// Takes full chunks out of the head. Append-only: a reference stays good until the chunk is dropped, and chunks are
/// dropped oldest first.
pub trait ChunkSink: Send + Sync {
    /// Takes a chunk.
    fn push(&mut self, chunk: FullChunk<'_>) -> ChunkRef;
    /// A chunk that is still in memory.
    fn get(&self, at: ChunkRef) -> Option<Record<'_>>;
    /// Bytes of memory it holds.
    fn memory(&self) -> usize;
    /// Chunks and samples in memory.
    fn held(&self) -> (u64, u64);
    /// Frees the oldest piece of memory; `None` when there is nothing to free.
    fn drop_oldest(&mut self) -> Option<Dropped>;
}
