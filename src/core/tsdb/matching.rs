//! Matchers → series, by Prometheus' rules: a missing label is the empty string, so a matcher that the empty string
//! satisfies takes away series instead of choosing them (tsdb/querier.go `PostingsForMatchers`).

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::postings::{Postings, Values, intersect, subtract, union};
use super::table::Table;
use super::{SeriesId, limits::BLOCK_OVERHEAD};
use crate::{
    model::{MatchOp, Matcher},
    re2,
};

/// The ids of all series that satisfy all matchers, ascending. Without matchers: all.
pub(super) fn resolve(table: &Table, postings: &Postings, matchers: &[Matcher]) -> Vec<u32> {
    let mut costly = Vec::new();
    let mut chosen: Option<Vec<u32>> = None;
    for matcher in matchers {
        let Some(values) = literals(matcher) else {
            costly.push(matcher);
            continue;
        };
        let ids = union(values.iter().map(|value| postings.list(&matcher.name, value)));
        chosen = Some(match chosen {
            Some(before) => intersect(&before, &ids),
            None => ids,
        });
        if chosen.as_ref().is_some_and(Vec::is_empty) {
            return Vec::new();
        }
    }
    // One that chooses is the better start than one that takes away.
    costly.sort_by_key(|m| m.matches(""));
    let mut costly = costly.into_iter();
    let mut chosen = match (chosen, costly.len()) {
        (Some(chosen), _) => chosen,
        (None, 0) => all(table),
        (None, _) => costly.next().map_or_else(Vec::new, |m| choose(table, postings, m)),
    };
    for matcher in costly {
        narrow(table, postings, matcher, &mut chosen);
    }
    chosen
}

/// The values that a matcher chooses when they can be looked up one by one; none of them is empty.
fn literals(matcher: &Matcher) -> Option<Vec<String>> {
    let values = match matcher.op {
        MatchOp::Equal => vec![matcher.value.to_string()],
        MatchOp::Regex => re2::literal_alternatives(&matcher.value)?,
        MatchOp::NotEqual | MatchOp::NotRegex => return None,
    };
    values.iter().all(|v| !v.is_empty()).then_some(values)
}

/// All series that satisfy one matcher.
fn choose(table: &Table, postings: &Postings, matcher: &Matcher) -> Vec<u32> {
    let values = postings.values(&matcher.name);
    if matcher.matches("") {
        subtract(&all(table), &with_values(values, |value| !matcher.matches(value)))
    } else {
        with_values(values, |value| matcher.matches(value))
    }
}

/// Keeps those of `chosen` that satisfy one more matcher: by their own labels when they are few, else by the index.
fn narrow(table: &Table, postings: &Postings, matcher: &Matcher, chosen: &mut Vec<u32>) {
    let values = postings.values(&matcher.name);
    let satisfies = |id: &u32| table.get(SeriesId(*id)).is_some_and(|s| matcher.matches_labels(&s.labels));
    if let (MatchOp::NotEqual, false) = (matcher.op, matcher.value.is_empty()) {
        *chosen = subtract(chosen, postings.list(&matcher.name, &matcher.value));
    } else if values.is_some_and(|values| chosen.len() <= values.len()) {
        chosen.retain(satisfies);
    } else if matcher.matches("") {
        *chosen = subtract(chosen, &with_values(values, |value| !matcher.matches(value)));
    } else {
        *chosen = intersect(chosen, &with_values(values, |value| matcher.matches(value)));
    }
}

fn with_values(values: Option<&Values>, wanted: impl Fn(&str) -> bool) -> Vec<u32> {
    let values = values.into_iter().flatten();
    union(values.filter(|(value, _)| wanted(value)).map(|(_, ids)| ids.as_slice()))
}

fn all(table: &Table) -> Vec<u32> {
    table.iter_from(SeriesId(0)).map(|(id, _)| id.0).collect()
}

/// What selectors resolved to, as long as no series comes or goes: rules select the same again and again.
#[derive(Default)]
pub(super) struct Resolved {
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    epoch: u64,
    uses: u64,
    bytes: usize,
    entries: BTreeMap<Vec<Matcher>, Entry>,
}

struct Entry {
    ids: Arc<[u32]>,
    used: u64,
    bytes: usize,
}

/// More selectors than rules and dashboards have, and few enough to search for the least used.
const ENTRIES_MAX: usize = 512;

impl Resolved {
    /// The ids of a selector, from the cache or found by `resolve`. All entries together keep below `bytes_max`.
    pub(super) fn get(
        &self,
        epoch: u64,
        bytes_max: usize,
        matchers: &[Matcher],
        resolve: impl FnOnce() -> Vec<u32>,
    ) -> Arc<[u32]> {
        if let Some(ids) = self.lock(epoch).find(matchers) {
            return ids;
        }
        // Without the lock: a slow pattern holds up nobody.
        let ids: Arc<[u32]> = resolve().into();
        self.lock(epoch).keep(matchers, &ids, bytes_max);
        ids
    }

    pub(super) fn memory(&self) -> usize {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }

    /// The cache for this epoch: emptied when it was for another.
    fn lock(&self, epoch: u64) -> MutexGuard<'_, Cache> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.epoch != epoch {
            *cache = Cache { epoch, ..Cache::default() };
        }
        cache
    }
}

impl Cache {
    fn find(&mut self, matchers: &[Matcher]) -> Option<Arc<[u32]>> {
        self.uses += 1;
        let entry = self.entries.get_mut(matchers)?;
        entry.used = self.uses;
        Some(entry.ids.clone())
    }

    fn keep(&mut self, matchers: &[Matcher], ids: &Arc<[u32]>, bytes_max: usize) {
        let text: usize = matchers.iter().map(|m| m.name.len() + m.value.len() + size_of::<Matcher>()).sum();
        let bytes = size_of_val(&**ids) + text + 4 * BLOCK_OVERHEAD;
        if bytes > bytes_max || self.entries.contains_key(matchers) {
            return;
        }
        while self.entries.len() >= ENTRIES_MAX || self.bytes + bytes > bytes_max {
            let Some(oldest) = self.entries.iter().min_by_key(|(_, e)| e.used).map(|(k, _)| k.clone()) else {
                break;
            };
            self.bytes -= self.entries.remove(&oldest).map_or(0, |e| e.bytes);
        }
        self.bytes += bytes;
        self.entries.insert(matchers.to_vec(), Entry { ids: ids.clone(), used: self.uses, bytes });
    }
}
