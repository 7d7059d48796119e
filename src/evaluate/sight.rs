//! What can be seen, asked of the head's sources.

use std::sync::Arc;

use botwatch_core::{
    model::{SourceId, Timestamp},
    rules::Sight,
};

use crate::samples::Store;

/// `rules`' port, behind it the store. A source that was never tried is blind; one that is no longer configured was
/// removed from the store, so that what is missing because of it is gone.
pub(super) struct StoreSight<'a> {
    pub(super) store: &'a Store,
}

impl Sight for StoreSight<'_> {
    fn is_blind(&self, source: SourceId, back_to: Timestamp) -> bool {
        self.store.visibility(source).blind_since(back_to).is_some()
    }

    fn source_name(&self, source: SourceId) -> Arc<str> {
        self.store.source_name(source).unwrap_or_else(|| "?".into())
    }
}
