//! Waiting for commits, so that rules can run on data instead of on the clock (DESIGN §4 "Evaluation").

use botwatch_core::model::{SourceId, Timestamp};
use tokio::sync::watch;

use super::Store;

/// Wakes its owner after commits.
pub struct CommitWatch {
    store: Store,
    commits: watch::Receiver<u64>,
}

impl CommitWatch {
    pub(super) fn new(store: Store, commits: watch::Receiver<u64>) -> Self {
        Self { store, commits }
    }

    /// Waits for a commit after the last one that this watch has seen; its number. Several at once wake it once.
    /// Cancel safe.
    pub async fn changed(&mut self) -> u64 {
        // The sender lives in the store that this watch holds, so it can't be gone.
        let _ = self.commits.changed().await;
        *self.commits.borrow_and_update()
    }

    /// Whether each of these sources was tried at `slot` or later, successfully or not.
    pub fn reported(&self, sources: &[SourceId], slot: Timestamp) -> bool {
        self.store.read(|head| {
            sources.iter().all(|&id| head.visibility(id).reported.is_some_and(|newest| newest >= slot))
        })
    }

    /// Waits until each of these sources was tried at `slot` or later; at once when there is none. Cancel safe; put a
    /// deadline around it, since a source may never be tried again.
    pub async fn until_reported(&mut self, sources: &[SourceId], slot: Timestamp) {
        loop {
            // Seen before it is looked at: a commit in between wakes the next round.
            self.commits.borrow_and_update();
            if self.reported(sources, slot) {
                return;
            }
            self.changed().await;
        }
    }
}
