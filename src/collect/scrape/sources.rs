//! Which sources are in use.

use std::collections::BTreeMap;

use botwatch_core::model::SourceId;
use parking_lot::Mutex;

use crate::samples::Store;

/// How many targets commit under each source. A target that is gone may still be at its last scrape when another
/// has taken its name; the last of them that ends takes the source out of the store.
#[derive(Default)]
pub(in crate::collect) struct SourceUsers(Mutex<BTreeMap<SourceId, usize>>);

impl SourceUsers {
    /// The source of this name, with one user more.
    pub(super) fn claim(&self, store: &Store, name: &str) -> SourceId {
        let mut users = self.0.lock();
        let source = store.source(name);
        *users.entry(source).or_default() += 1;
        source
    }

    /// One user less. Without users it is no longer observed, on purpose: that is not blindness (DESIGN §2.3).
    pub(super) fn release(&self, store: &Store, source: SourceId) {
        let mut users = self.0.lock();
        let left = users.get(&source).map_or(0, |n| n.saturating_sub(1));
        if left > 0 {
            users.insert(source, left);
        } else {
            users.remove(&source);
            store.remove_source(source);
        }
    }
}
