//! Series by id and by labels.

use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::quality::FixedState;

use super::limits::BLOCK_OVERHEAD;
use super::series::Series;
use super::{SeriesId, limits};
use crate::model::{Labels, Sources, Timestamp};

const PAGE: usize = 512;

/// Series by id, in pages that are freed when all of theirs are gone, since ids are never given out twice.
pub(super) struct Table {
    pages: Vec<Option<Box<Page>>>,
    next: u32,
    live: usize,
    index: Index,
    /// Keyed, so that nobody can choose labels that all fall into one place.
    hasher: FixedState,
    label_bytes: usize,
    live_pages: usize,
}

struct Page {
    live: u16,
    slots: [Option<Box<Series>>; PAGE],
}

impl Table {
    pub(super) fn new(hash_seed: u64) -> Self {
        Self {
            pages: Vec::new(),
            next: 0,
            live: 0,
            index: Index::default(),
            hasher: FixedState::with_seed(hash_seed),
            label_bytes: 0,
            live_pages: 0,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.live
    }

    pub(super) fn get(&self, id: SeriesId) -> Option<&Series> {
        let id = id.0 as usize;
        self.pages.get(id / PAGE)?.as_ref()?.slots[id % PAGE].as_deref()
    }

    pub(super) fn get_mut(&mut self, id: SeriesId) -> Option<&mut Series> {
        let id = id.0 as usize;
        self.pages.get_mut(id / PAGE)?.as_mut()?.slots[id % PAGE].as_deref_mut()
    }

    pub(super) fn find(&self, labels: &Labels) -> Option<SeriesId> {
        let tag = self.tag(labels);
        self.index.find(tag, |id| self.get(id).is_some_and(|s| s.labels == *labels))
    }

    /// Adds a series that isn't there; `None` when ids have run out.
    pub(super) fn insert(&mut self, labels: Labels, sources: Sources, now: Timestamp) -> Option<SeriesId> {
        let id = SeriesId(self.next);
        self.next = self.next.checked_add(1)?;
        let tag = self.tag(&labels);
        self.label_bytes += labels.heap_bytes() + BLOCK_OVERHEAD;
        let at = id.0 as usize;
        if at / PAGE == self.pages.len() {
            self.pages.push(Some(Box::new(Page { live: 0, slots: [const { None }; PAGE] })));
            self.live_pages += 1;
        }
        if let Some(Some(page)) = self.pages.get_mut(at / PAGE) {
            page.live += 1;
            page.slots[at % PAGE] = Some(Box::new(Series::new(id, labels, sources, now)));
        }
        self.live += 1;
        self.index.insert(tag, id);
        Some(id)
    }

    pub(super) fn remove(&mut self, id: SeriesId) -> Option<Box<Series>> {
        let at = id.0 as usize;
        let full = at / PAGE + 1 < self.pages.len();
        let slot = self.pages.get_mut(at / PAGE)?;
        let page = slot.as_mut()?;
        let series = page.slots[at % PAGE].take()?;
        page.live -= 1;
        if page.live == 0 && full {
            *slot = None;
            self.live_pages -= 1;
        }
        self.live -= 1;
        self.label_bytes -= series.labels.heap_bytes() + BLOCK_OVERHEAD;
        let tag = self.tag(&series.labels);
        self.index.remove(tag, id);
        Some(series)
    }

    /// Series in order of id, from `from` on.
    pub(super) fn iter_from(&self, from: SeriesId) -> impl Iterator<Item = (SeriesId, &Series)> {
        let first = from.0 as usize;
        self.pages
            .iter()
            .enumerate()
            .skip(first / PAGE)
            .filter_map(|(n, page)| Some((n, page.as_ref()?)))
            .flat_map(|(n, page)| page.slots.iter().enumerate().map(move |(i, slot)| (n * PAGE + i, slot)))
            .filter(move |(id, _)| *id >= first)
            .filter_map(|(id, slot)| Some((SeriesId(id as u32), slot.as_deref()?)))
    }

    fn tag(&self, labels: &Labels) -> u32 {
        let mut hasher = self.hasher.build_hasher();
        for (name, value) in labels {
            name.hash(&mut hasher);
            value.hash(&mut hasher);
        }
        hasher.finish() as u32
    }

    /// Bytes of all label sets.
    pub(super) const fn label_memory(&self) -> usize {
        self.label_bytes
    }

    /// Bytes of the series themselves, with their tails.
    pub(super) const fn series_memory(&self) -> usize {
        self.live * limits::SERIES_BYTES
            + self.live_pages * (size_of::<Page>() + BLOCK_OVERHEAD)
            + self.pages.capacity() * size_of::<Option<Box<Page>>>()
    }

    /// Bytes of the index by labels.
    pub(super) const fn index_memory(&self) -> usize {
        self.index.entries.capacity() * size_of::<(u32, u32)>()
    }
}

/// A hash table of ids with linear probing: 11 to 21 bytes a series, and growing touches no series.
#[derive(Default)]
struct Index {
    /// Hash and id + 1; id 0 marks a free place. A power of two, at most three quarters full.
    entries: Vec<(u32, u32)>,
    used: usize,
}

impl Index {
    const fn mask(&self) -> usize {
        self.entries.len().wrapping_sub(1)
    }

    fn find(&self, tag: u32, is_it: impl Fn(SeriesId) -> bool) -> Option<SeriesId> {
        let mut at = tag as usize & self.mask();
        loop {
            match *self.entries.get(at)? {
                (_, 0) => return None,
                (t, id) if t == tag && is_it(SeriesId(id - 1)) => return Some(SeriesId(id - 1)),
                _ => at = (at + 1) & self.mask(),
            }
        }
    }

    fn insert(&mut self, tag: u32, id: SeriesId) {
        if (self.used + 1) * 4 > self.entries.len() * 3 {
            let mut grown = Self { entries: vec![(0, 0); (self.entries.len() * 2).max(64)], used: self.used };
            self.entries.iter().filter(|e| e.1 != 0).for_each(|&e| grown.place(e));
            *self = grown;
        }
        self.used += 1;
        self.place((tag, id.0 + 1));
    }

    fn place(&mut self, entry: (u32, u32)) {
        let mask = self.mask();
        let mut at = entry.0 as usize & mask;
        while self.entries[at].1 != 0 {
            at = (at + 1) & mask;
        }
        self.entries[at] = entry;
    }

    /// Takes an entry out and moves those behind it up, so that no search stops too early.
    fn remove(&mut self, tag: u32, id: SeriesId) {
        if self.entries.is_empty() {
            return;
        }
        let mask = self.mask();
        let mut hole = tag as usize & mask;
        while self.entries[hole] != (tag, id.0 + 1) {
            if self.entries[hole].1 == 0 {
                return;
            }
            hole = (hole + 1) & mask;
        }
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let (tag, id) = self.entries[at];
            if id == 0 {
                break;
            }
            let home = tag as usize & mask;
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.entries[hole] = self.entries[at];
                hole = at;
            }
        }
        self.entries[hole] = (0, 0);
        self.used -= 1;
    }
}
