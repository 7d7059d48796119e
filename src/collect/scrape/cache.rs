//! Which series the last scrape had, in its order: 13 bytes a series, so that a scrape of the same series costs a
//! hash and a comparison each, and no label is parsed (DESIGN §4 "Speed").
//!
//! The key is a keyed 64-bit hash of the series' raw bytes; the bytes themselves aren't kept. As long as a scrape
//! has the order of the last one, a cursor runs along. From the first difference on, an index of all entries is
//! made for the rest of that scrape.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher},
};

use botwatch_core::{exposition::Format, tsdb::SeriesId};
use foldhash::quality::FixedState;

/// In place of a series that metric relabelling drops. The head never gives out this id.
pub(super) const DROPPED: SeriesId = SeriesId(u32::MAX);
/// In place of a series that the head refuses: it isn't kept, so that it is asked for again.
const REFUSED: SeriesId = SeriesId(u32::MAX - 1);

/// Gets a stale marker when it is missing.
const LIVE: u8 = 1;
/// Was in the round that is under way.
const SEEN: u8 = 2;
/// Will be live after the round that is under way.
const TRACKED: u8 = 4;

/// In an index: made in this round.
const FRESH: u32 = 1 << 31;

/// The series of the last scrape.
#[derive(Debug)]
pub(in crate::collect) struct Cache {
    hashes: Vec<u64>,
    ids: Vec<SeriesId>,
    flags: Vec<u8>,
    hasher: FixedState,
    seed: u64,
}

/// What is known of a sample's series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Its first sample in this round.
    First(Place),
    /// It had one before.
    Again(Place),
    /// Not known: parse the labels, then [`Round::add`].
    Unknown,
}

/// Where a series' id is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Known.
    Id(SeriesId),
    /// That of the n-th series added in this round.
    Fresh(u32),
}

impl Cache {
    /// Without series. `seed`: random, so that nobody can choose series that collide.
    pub(in crate::collect) fn new(seed: u64) -> Self {
        let hasher = FixedState::with_seed(seed);
        Self { hashes: Vec::new(), ids: Vec::new(), flags: Vec::new(), hasher, seed }
    }

    /// How many series it holds.
    pub(in crate::collect) const fn len(&self) -> usize {
        self.ids.len()
    }

    /// The key of a series. The same bytes may mean something else in another format.
    pub(super) fn key(&self, series: &[u8], format: Format) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u8(match format {
            Format::Text => 0,
            Format::OpenMetrics => 1,
            Format::Protobuf => 2,
        });
        hasher.write(series);
        hasher.finish()
    }

    /// Begins a scrape. Without [`Round::finish`] it counts as not begun once [`Cache::fail`] is called.
    pub(super) const fn round(&mut self) -> Round<'_> {
        Round { cache: self, cursor: 0, moved: None, fresh: Vec::new() }
    }

    /// The scrape failed: the live series, each once, which are no longer live. What was learnt stays.
    pub(in crate::collect) fn fail(&mut self) -> Vec<SeriesId> {
        let live = self.ids.iter().zip(&self.flags).filter(|(_, flags)| *flags & LIVE != 0);
        let mut live: Vec<SeriesId> = live.map(|(id, _)| *id).collect();
        self.flags.fill(0);
        live.sort_unstable();
        live.dedup();
        live
    }

    /// Forgets all; the live series, each once.
    pub(in crate::collect) fn clear(&mut self) -> Vec<SeriesId> {
        let live = self.fail();
        *self = Self::new(self.seed);
        live
    }

    /// The rules that make labels have changed: what was learnt no longer holds, but what was live still ends.
    pub(in crate::collect) fn invalidate(&mut self) {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.hasher = FixedState::with_seed(self.seed);
    }

    /// Forgets the series for which `gone` says so.
    pub(super) fn forget(&mut self, gone: impl Fn(SeriesId) -> bool) {
        let keep: Vec<bool> = self.ids.iter().map(|&id| id == DROPPED || !gone(id)).collect();
        if keep.iter().all(|keep| *keep) {
            return;
        }
        retain(&mut self.hashes, &keep);
        retain(&mut self.ids, &keep);
        retain(&mut self.flags, &keep);
    }
}

fn retain<T>(items: &mut Vec<T>, keep: &[bool]) {
    let mut keep = keep.iter();
    items.retain(|_| keep.next().is_none_or(|keep| *keep));
}

/// A scrape under way.
#[derive(Debug)]
pub(super) struct Round<'a> {
    cache: &'a mut Cache,
    /// So many entries had the last scrape's order.
    cursor: usize,
    moved: Option<Moved>,
    fresh: Vec<Fresh>,
}

#[derive(Debug)]
struct Moved {
    /// All entries, and those made in this round.
    index: HashMap<u64, u32, foldhash::fast::FixedState>,
    /// The order of this scrape, from its beginning.
    order: Vec<u32>,
}

#[derive(Debug)]
struct Fresh {
    key: u64,
    id: SeriesId,
    flags: u8,
}

impl Round<'_> {
    /// As [`Cache::key`].
    pub(super) fn key(&self, series: &[u8], format: Format) -> u64 {
        self.cache.key(series, format)
    }

    /// The series of the next sample. `tracked`: it gets a stale marker when the next scrape lacks it.
    pub(super) fn find(&mut self, key: u64, tracked: bool) -> Found {
        let tracked = if tracked { TRACKED } else { 0 };
        if self.moved.is_none() && self.cache.hashes.get(self.cursor) == Some(&key) {
            let at = self.cursor;
            self.cursor += 1;
            self.cache.flags[at] |= SEEN | tracked;
            return Found::First(Place::Id(self.cache.ids[at]));
        }
        let cursor = self.cursor;
        let cache = &mut *self.cache;
        let moved = self.moved.get_or_insert_with(|| Moved::new(cache, cursor));
        let Some(&at) = moved.index.get(&key) else { return Found::Unknown };
        if at & FRESH != 0 {
            self.fresh[(at & !FRESH) as usize].flags |= tracked;
            return Found::Again(Place::Fresh(at & !FRESH));
        }
        let place = Place::Id(cache.ids[at as usize]);
        let flags = &mut cache.flags[at as usize];
        let before = *flags;
        *flags |= SEEN | tracked;
        if before & SEEN != 0 {
            return Found::Again(place);
        }
        moved.order.push(at);
        Found::First(place)
    }

    /// Adds an unknown series, kept or, for relabelling, dropped; its number among those added.
    pub(super) fn add(&mut self, key: u64, kept: bool, tracked: bool) -> u32 {
        let n = self.fresh.len() as u32;
        let (id, flags) = if kept { (REFUSED, if tracked { TRACKED } else { 0 }) } else { (DROPPED, 0) };
        self.fresh.push(Fresh { key, id, flags });
        let cursor = self.cursor;
        let cache = &mut *self.cache;
        let moved = self.moved.get_or_insert_with(|| Moved::new(cache, cursor));
        moved.index.insert(key, n | FRESH);
        moved.order.push(n | FRESH);
        n
    }

    /// Sets the id of a series that was added and kept; without it the series is forgotten after the round.
    pub(super) fn resolve(&mut self, n: u32, id: SeriesId) {
        self.fresh[n as usize].id = id;
    }

    /// Ends a scrape that was a success: the series that are missing from it, each once.
    pub(super) fn finish(self) -> Vec<SeriesId> {
        let Self { cache, cursor, moved, fresh } = self;
        let missing = |(id, flags): (&SeriesId, &u8)| (flags & (LIVE | SEEN) == LIVE).then_some(*id);
        let missing: Vec<SeriesId> = cache.ids.iter().zip(&cache.flags).filter_map(missing).collect();
        match moved {
            None => {
                cache.hashes.truncate(cursor);
                cache.ids.truncate(cursor);
                cache.flags.truncate(cursor);
            }
            Some(moved) => cache.reorder(&moved.order, &fresh),
        }
        for (id, flags) in cache.ids.iter().zip(&mut cache.flags) {
            *flags = if *flags & TRACKED != 0 && *id != DROPPED { LIVE } else { 0 };
        }
        absent(missing, &cache.ids)
    }
}

impl Moved {
    fn new(cache: &Cache, cursor: usize) -> Self {
        let hasher = foldhash::fast::FixedState::with_seed(cache.seed);
        let mut index = HashMap::with_capacity_and_hasher(cache.len(), hasher);
        index.extend(cache.hashes.iter().zip(0..).map(|(&key, at)| (key, at)));
        Self { index, order: (0..cursor as u32).collect() }
    }
}

impl Cache {
    fn reorder(&mut self, order: &[u32], fresh: &[Fresh]) {
        let mut next = Self {
            hashes: Vec::with_capacity(order.len()),
            ids: Vec::with_capacity(order.len()),
            flags: Vec::with_capacity(order.len()),
            hasher: self.hasher.clone(),
            seed: self.seed,
        };
        for &at in order {
            let (key, id, flags) = if at & FRESH != 0 {
                let fresh = &fresh[(at & !FRESH) as usize];
                (fresh.key, fresh.id, fresh.flags)
            } else {
                let at = at as usize;
                (self.hashes[at], self.ids[at], self.flags[at])
            };
            if id != REFUSED {
                next.hashes.push(key);
                next.ids.push(id);
                next.flags.push(flags);
            }
        }
        *self = next;
    }
}

/// Those of `missing` that are nowhere in `present`: two spellings can mean one series.
fn absent(mut missing: Vec<SeriesId>, present: &[SeriesId]) -> Vec<SeriesId> {
    if missing.is_empty() {
        return missing;
    }
    missing.sort_unstable();
    missing.dedup();
    let mut there = vec![false; missing.len()];
    for id in present {
        if let Ok(at) = missing.binary_search(id) {
            there[at] = true;
        }
    }
    let mut there = there.iter();
    missing.retain(|_| there.next() == Some(&false));
    missing
}
