//! Which series carry a label: name → value → sorted ids.

use std::{collections::BTreeMap, slice};

use super::{
    SeriesId,
    limits::{BLOCK_OVERHEAD, TREE_OVERHEAD},
};
use crate::model::Labels;

/// The index of labels.
#[derive(Debug, Default)]
pub(super) struct Postings {
    names: BTreeMap<Box<str>, Values>,
    bytes: usize,
}

pub(super) type Values = BTreeMap<Box<str>, Ids>;

/// Sorted ids; the many values that only one series has need no allocation.
#[derive(Debug)]
pub(super) enum Ids {
    One(u32),
    Many(Vec<u32>),
}

impl Ids {
    pub(super) fn as_slice(&self) -> &[u32] {
        match self {
            Self::One(id) => slice::from_ref(id),
            Self::Many(ids) => ids,
        }
    }

    /// Adds an id larger than all before.
    fn push(&mut self, id: u32) {
        match self {
            Self::One(first) => *self = Self::Many(vec![*first, id]),
            Self::Many(ids) => {
                if ids.len() == ids.capacity() {
                    // Doubling would leave a quarter of all postings unused.
                    ids.reserve_exact(ids.len() / 4 + 2);
                }
                ids.push(id);
            }
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::One(_) => 0,
            Self::Many(ids) => ids.capacity() * size_of::<u32>() + BLOCK_OVERHEAD,
        }
    }
}

/// A key and value in a tree, with the key's allocation.
const fn entry_bytes<V>(key: &str) -> usize {
    size_of::<Box<str>>() + size_of::<V>() + TREE_OVERHEAD + key.len() + BLOCK_OVERHEAD
}

impl Postings {
    /// Adds a series; ids come in ascending order.
    pub(super) fn add(&mut self, id: SeriesId, labels: &Labels) {
        for (name, value) in labels {
            if !self.names.contains_key(name) {
                self.names.insert(name.into(), Values::new());
                self.bytes += entry_bytes::<Values>(name);
            }
            let Some(values) = self.names.get_mut(name) else { continue };
            match values.get_mut(value) {
                Some(ids) => {
                    self.bytes -= ids.heap_bytes();
                    ids.push(id.0);
                    self.bytes += ids.heap_bytes();
                }
                None => {
                    values.insert(value.into(), Ids::One(id.0));
                    self.bytes += entry_bytes::<Ids>(value);
                }
            }
        }
    }

    /// Removes many series at once: each list that they are in is filtered only once.
    pub(super) fn remove(&mut self, gone: &[(SeriesId, Labels)]) {
        let mut pairs = BTreeMap::<(&str, &str), Vec<u32>>::new();
        for (id, labels) in gone {
            for pair in labels {
                pairs.entry(pair).or_default().push(id.0);
            }
        }
        for ((name, value), mut ids) in pairs {
            ids.sort_unstable();
            self.remove_pair(name, value, &ids);
        }
    }

    fn remove_pair(&mut self, name: &str, value: &str, gone: &[u32]) {
        let Some(values) = self.names.get_mut(name) else { return };
        let Some(ids) = values.get_mut(value) else { return };
        self.bytes -= ids.heap_bytes();
        let left = match ids {
            Ids::One(id) => usize::from(gone.binary_search(id).is_err()),
            Ids::Many(ids) => {
                ids.retain(|id| gone.binary_search(id).is_err());
                if ids.capacity() > 2 * ids.len() + 8 {
                    ids.shrink_to_fit();
                }
                ids.len()
            }
        };
        if left > 0 {
            self.bytes += ids.heap_bytes();
            return;
        }
        values.remove(value);
        self.bytes -= entry_bytes::<Ids>(value);
        if values.is_empty() {
            self.names.remove(name);
            self.bytes -= entry_bytes::<Values>(name);
        }
    }

    /// Names in order, with their values.
    pub(super) fn names(&self) -> impl Iterator<Item = (&str, &Values)> {
        self.names.iter().map(|(name, values)| (&**name, values))
    }

    /// A name's values.
    pub(super) fn values(&self, name: &str) -> Option<&Values> {
        self.names.get(name)
    }

    /// The series with a pair.
    pub(super) fn list(&self, name: &str, value: &str) -> &[u32] {
        self.names.get(name).and_then(|values| values.get(value)).map_or(&[], Ids::as_slice)
    }

    pub(super) const fn memory(&self) -> usize {
        self.bytes
    }
}

/// What is in both. The shorter list is walked, the longer one searched in growing steps.
pub(super) fn intersect(a: &[u32], b: &[u32]) -> Vec<u32> {
    let (short, mut long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let mut both = Vec::with_capacity(short.len());
    for &id in short {
        long = &long[gallop(long, id)..];
        match long.first() {
            Some(&found) if found == id => both.push(id),
            Some(_) => {}
            None => break,
        }
    }
    both
}

/// What is in `a` but not in `b`.
pub(super) fn subtract(a: &[u32], mut b: &[u32]) -> Vec<u32> {
    let mut left = Vec::with_capacity(a.len());
    for &id in a {
        b = &b[gallop(b, id)..];
        if b.first() != Some(&id) {
            left.push(id);
        }
    }
    left
}

/// What is in any of the lists.
pub(super) fn union<'a>(lists: impl Iterator<Item = &'a [u32]>) -> Vec<u32> {
    let mut all = Vec::new();
    let mut n = 0;
    for list in lists {
        n += 1;
        all.extend_from_slice(list);
    }
    if n > 1 {
        sort_runs(&mut all);
        all.dedup();
    }
    all
}

#[expect(clippy::stable_sort_primitive, reason = "merges the ascending runs that the lists are")]
fn sort_runs(ids: &mut [u32]) {
    ids.sort();
}

/// The first place whose id is not below `id`.
fn gallop(ids: &[u32], id: u32) -> usize {
    let mut step = 1;
    while step < ids.len() && ids[step - 1] < id {
        step *= 2;
    }
    let from = step / 2;
    let to = step.min(ids.len());
    from + ids[from..to].partition_point(|&x| x < id)
}
