//! What can be seen, asked of the head's sources.

use std::sync::Arc;

use botwatch_core::{
    model::{SourceId, Timestamp},
    rules::Sight,
    tsdb::SourceState,
};

use crate::samples::Store;

/// `rules`' port, behind it the store. Rules run after the warm-up only: a source that has not been reported by then
/// is no longer configured, so that what is missing because of it is gone.
pub(super) struct StoreSight<'a> {
    pub(super) store: &'a Store,
    /// When this process began to look: before it nothing was seen.
    pub(super) started: Timestamp,
}

impl Sight for StoreSight<'_> {
    fn blind_since(&self, source: SourceId, back_to: Timestamp) -> Option<Timestamp> {
        blind_since(&self.store.visibility(source), back_to).map(|since| since.max(self.started))
    }

    fn source_name(&self, source: SourceId) -> Arc<str> {
        self.store.source_name(source).unwrap_or_else(|| "?".into())
    }
}

pub(super) fn blind_since(state: &SourceState, back_to: Timestamp) -> Option<Timestamp> {
    state.reported?;
    state.blind_since(back_to)
}
