//! Full chunks in memory, while nothing takes them to disk.

use std::{collections::VecDeque, num::NonZeroU64};

use super::sink::{ChunkRef, ChunkSink, Dropped, FullChunk, Record};
use crate::model::Timestamp;

/// Full chunks of all series, one behind the other in the order they got full, in pages that are freed whole.
#[derive(Debug)]
pub struct Arena {
    pages: VecDeque<Page>,
    page_bytes: usize,
    /// Position of the next record.
    end: NonZeroU64,
}

#[derive(Debug)]
struct Page {
    start: NonZeroU64,
    bytes: Vec<u8>,
    holds: Dropped,
}

/// Reference to the chunk before (0: none) and length.
const RECORD_HEADER: usize = 8 + 2;

impl Arena {
    /// Pages are this large, so that the budget is overrun by no more and freed pages go back to the system.
    pub const PAGE_MAX: usize = 256 << 10;
    const PAGE_MIN: usize = 4 << 10;
    /// The share of the budget that one page takes: what is lost at once when it is full.
    const PAGES_OF_BUDGET: usize = 128;

    /// For a head with this many bytes.
    pub fn new(memory_max: usize) -> Self {
        let page_bytes = (memory_max / Self::PAGES_OF_BUDGET).clamp(Self::PAGE_MIN, Self::PAGE_MAX);
        Self { pages: VecDeque::new(), page_bytes, end: NonZeroU64::MIN }
    }

    fn page(&self, at: ChunkRef) -> Option<&Page> {
        let after = self.pages.partition_point(|page| page.start <= at.0);
        self.pages.get(after.checked_sub(1)?)
    }
}

impl ChunkSink for Arena {
    fn push(&mut self, chunk: FullChunk<'_>) -> ChunkRef {
        // 128 samples take 16 bytes each at worst, far below what two bytes of length can say.
        let length = chunk.bytes.len().min(usize::from(u16::MAX));
        let size = RECORD_HEADER + length;
        if self.pages.back().is_none_or(|page| page.bytes.len() + size > page.bytes.capacity()) {
            let bytes = Vec::with_capacity(self.page_bytes.max(size));
            let holds = Dropped { chunks: 0, samples: 0, first: Timestamp::MAX, last: Timestamp::MIN };
            self.pages.push_back(Page { start: self.end, bytes, holds });
        }
        let at = ChunkRef(self.end);
        if let Some(page) = self.pages.back_mut() {
            page.bytes.extend_from_slice(&chunk.previous.map_or(0, |p| p.0.get()).to_le_bytes());
            page.bytes.extend_from_slice(&(length as u16).to_le_bytes());
            page.bytes.extend_from_slice(&chunk.bytes[..length]);
            page.holds.chunks += 1;
            page.holds.samples += u64::from(chunk.samples);
            page.holds.first = page.holds.first.min(chunk.first);
            page.holds.last = page.holds.last.max(chunk.last);
        }
        self.end = self.end.saturating_add(size as u64);
        at
    }

    fn get(&self, at: ChunkRef) -> Option<Record<'_>> {
        let page = self.page(at)?;
        let offset = usize::try_from(at.0.get() - page.start.get()).ok()?;
        let record = page.bytes.get(offset..)?;
        let (header, rest) = record.split_at_checked(RECORD_HEADER)?;
        let (previous, length) = header.split_at(8);
        let previous = NonZeroU64::new(u64::from_le_bytes(previous.try_into().ok()?)).map(ChunkRef);
        let length = u16::from_le_bytes(length.try_into().ok()?).into();
        Some(Record { previous, bytes: rest.get(..length)? })
    }

    fn memory(&self) -> usize {
        self.pages.iter().map(|page| page.bytes.capacity() + size_of::<Page>()).sum()
    }

    fn held(&self) -> (u64, u64) {
        self.pages.iter().fold((0, 0), |(c, s), page| (c + page.holds.chunks, s + page.holds.samples))
    }

    fn drop_oldest(&mut self) -> Option<Dropped> {
        self.pages.pop_front().map(|page| page.holds)
    }
}
