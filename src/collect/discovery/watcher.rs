//! Tells when something changes in the folders of discovery files.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::files::matches;

/// Watches folders. Editors replace files and ConfigMaps swap links, so the folder is watched, not the file.
pub(in crate::collect) struct Watcher {
    inner: Option<RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
    told: Arc<Told>,
}

/// What the system's notifications lead to.
#[derive(Default)]
struct Told {
    /// Last parts of the patterns: what else lies in their folders (a log, a database) means nothing.
    names: Mutex<BTreeSet<String>>,
    changed: Notify,
}

impl Watcher {
    /// Watches nothing yet.
    pub(in crate::collect) fn new() -> Self {
        Self { inner: None, folders: BTreeSet::new(), told: Arc::default() }
    }

    /// Watches the folders of these patterns and no others; what went wrong. A folder that isn't there is tried
    /// again at the next call. Blocks.
    pub(in crate::collect) fn watch(&mut self, patterns: &[Arc<str>]) -> Vec<notify::Error> {
        let parts = patterns.iter().map(|pattern| match pattern.rsplit_once('/') {
            None => (PathBuf::from("."), pattern.to_string()),
            Some(("", name)) => (PathBuf::from("/"), name.to_owned()),
            Some((folder, name)) => (PathBuf::from(folder), name.to_owned()),
        });
        let (wanted, names): (BTreeSet<PathBuf>, BTreeSet<String>) = parts.unzip();
        *self.told.names.lock() = names;
        if wanted.is_empty() {
            // The watcher's thread ends with it.
            (self.inner, self.folders) = (None, BTreeSet::new());
            return Vec::new();
        }
        let mut errors = Vec::new();
        if self.inner.is_none() {
            let told = Arc::clone(&self.told);
            match notify::recommended_watcher(move |event| told.hear(&event)) {
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
        self.told.changed.notified().await;
    }
}

impl Told {
    fn hear(&self, event: &notify::Result<Event>) {
        if !event.as_ref().is_ok_and(|event| self.is_nothing(event)) {
            self.changed.notify_one();
        }
    }

    /// Whether an event changes no discovery file. Reading one is an event too, and must not lead to reading it again.
    fn is_nothing(&self, event: &Event) -> bool {
        let reads_only = match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
            EventKind::Access(_) => true,
            _ => false,
        };
        reads_only || (!event.need_rescan() && !event.paths.is_empty() && !self.is_meant(event))
    }

    fn is_meant(&self, event: &Event) -> bool {
        let names = self.names.lock();
        event.paths.iter().filter_map(|path| path.file_name()?.to_str()).any(|name| {
            // A ConfigMap's files are links into `..data`, which is what is swapped.
            name.starts_with("..") || names.iter().any(|pattern| matches(pattern, name))
        })
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, ModifyKind, RemoveKind, RenameMode};

    use super::*;

    #[test]
    fn what_means_a_discovery_file_is_heard() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = |name: &str| dir.path().join(name);
        let mut watcher = Watcher::new();
        let patterns = ["*.yml", "bot.json"].map(|p| path(p).to_string_lossy().into());
        assert!(watcher.watch(&patterns).is_empty());
        let closed = |mode| EventKind::Access(AccessKind::Close(mode));
        let renamed = EventKind::Modify(ModifyKind::Name(RenameMode::Any));
        let written = EventKind::Modify(ModifyKind::Any);
        for (kind, name, nothing) in [
            (closed(AccessMode::Write), "a.yml", false),
            (closed(AccessMode::Read), "a.yml", true),
            (EventKind::Access(AccessKind::Open(AccessMode::Any)), "a.yml", true),
            (renamed, "bot.json", false),
            (renamed, "other.json", true),
            (EventKind::Remove(RemoveKind::File), "a.yml", false),
            (EventKind::Create(CreateKind::File), "..data", false),
            (written, "botwatch.db-wal", true),
        ] {
            let event = Event::new(kind).add_path(path(name));
            assert_eq!(watcher.told.is_nothing(&event), nothing, "{kind:?} {name}");
        }
        assert!(!watcher.told.is_nothing(&Event::new(EventKind::Other)), "no path: anything");
        let both = Event::new(renamed).add_path(path("x.tmp")).add_path(path("a.yml"));
        assert!(!watcher.told.is_nothing(&both));
    }
}
