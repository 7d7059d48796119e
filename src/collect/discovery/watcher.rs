//! Tells when something changes in the folders of discovery files.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};
use tokio::sync::Notify;

/// Watches folders. Editors replace files and ConfigMaps swap links, so the folder is watched, not the file.
pub(in crate::collect) struct Watcher {
    inner: Option<RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
    changed: Arc<Notify>,
}

impl Watcher {
    /// Watches nothing yet.
    pub(in crate::collect) fn new() -> Self {
        Self { inner: None, folders: BTreeSet::new(), changed: Arc::new(Notify::new()) }
    }

    /// Watches the folders of these patterns and no others; what went wrong. A folder that isn't there is tried
    /// again at the next call.
    pub(in crate::collect) fn watch(&mut self, patterns: &[Arc<str>]) -> Vec<notify::Error> {
        let folder = |pattern: &Arc<str>| match pattern.rsplit_once('/') {
            None => PathBuf::from("."),
            Some(("", _)) => PathBuf::from("/"),
            Some((folder, _)) => PathBuf::from(folder),
        };
        let wanted: BTreeSet<PathBuf> = patterns.iter().map(folder).collect();
        if wanted.is_empty() {
            // The watcher's thread ends with it.
            (self.inner, self.folders) = (None, BTreeSet::new());
            return Vec::new();
        }
        let mut errors = Vec::new();
        if self.inner.is_none() {
            let changed = Arc::clone(&self.changed);
            match notify::recommended_watcher(move |event| tell(&changed, &event)) {
                Ok(watcher) => self.inner = Some(watcher),
                Err(error) => return vec![error],
            }
        }
        let Some(inner) = &mut self.inner else { return errors };
        for folder in self.folders.difference(&wanted) {
            // It may be gone itself.
            let _ = inner.unwatch(folder);
        }
        // A folder that is gone is watched anew when it is back.
        self.folders.retain(|folder| wanted.contains(folder) && folder.exists());
        for folder in wanted {
            if self.folders.contains(&folder) {
                continue;
            }
            match inner.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.folders.insert(folder);
                }
                Err(error) => errors.push(error),
            }
        }
        errors
    }

    /// Waits for a change since the last one waited for. Cancel safe.
    pub(in crate::collect) async fn changed(&self) {
        self.changed.notified().await;
    }
}

/// Reading a file is an event too, and must not lead to reading it again.
fn tell(changed: &Notify, event: &notify::Result<Event>) {
    let read = |event: &Event| match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
        EventKind::Access(_) => true,
        _ => false,
    };
    if !event.as_ref().is_ok_and(read) {
        changed.notify_one();
    }
}
