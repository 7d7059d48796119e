//! Files on disk that ask for a reload by changing.
//!
//! What counts is their content: an editor that saves by renaming, a ConfigMap whose symlink is swapped, a file that
//! comes or goes under a pattern, and a `touch` that changes nothing are told apart by it. Changes are seen through
//! the system's notifications, and every few seconds without them (network file systems send none).

use std::{
    collections::BTreeSet,
    hash::{BuildHasher as _, Hasher as _},
    path::{Path, PathBuf},
    time::Duration as StdDuration,
};

use botwatch_core::model::Duration;
use notify::{RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::runtime::Tasks;

/// Whoever writes a file may need a moment more.
const SETTLE: StdDuration = StdDuration::from_millis(50);
/// How often contents are compared without a notification.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What a reload has read.
#[derive(Debug, Clone, Default)]
pub(super) struct Watched {
    pub(super) paths: Vec<PathBuf>,
    /// Of their content, taken before they were read: what is written meanwhile is a change. `None`: not known.
    pub(super) print: Option<u64>,
}

/// Watches files for changes of their content.
pub(super) struct Watch {
    paths: Vec<PathBuf>,
    /// Of the content in force; `None`: not known, so the next look finds a change.
    print: Option<u64>,
    events: mpsc::Receiver<()>,
    watcher: Option<notify::RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
}

impl Watch {
    /// Begins with the present content.
    pub(super) fn new(paths: Vec<PathBuf>) -> Self {
        let (wake, events) = mpsc::channel(1);
        // Without notifications (too many watches, an exotic system) the regular look remains.
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let reads_only = event.is_ok_and(|e| e.kind.is_access());
            if !reads_only {
                // A full channel holds a wake-up already.
                let _ = wake.try_send(());
            }
        });
        let mut watch =
            Self { print: None, paths: Vec::new(), events, watcher: watcher.ok(), folders: BTreeSet::new() };
        let print = print(&paths);
        watch.set(Watched { paths, print: Some(print) });
        watch
    }

    /// Watches these from here on. Their present content may be a later one than what was read: it doesn't count.
    pub(super) fn set(&mut self, watched: Watched) {
        let Watched { paths, print } = watched;
        let folders: BTreeSet<PathBuf> = paths.iter().filter_map(|p| folder(p)).collect();
        if let Some(watcher) = &mut self.watcher {
            for gone in self.folders.difference(&folders) {
                // The folder itself may be gone.
                let _ = watcher.unwatch(gone);
            }
            // One that can't be watched is looked at regularly.
            self.folders = folders
                .into_iter()
                .filter(|f| self.folders.contains(f) || watcher.watch(f, RecursiveMode::NonRecursive).is_ok())
                .collect();
        }
        self.print = print;
        self.paths = paths;
    }

    /// Waits until something may have changed. Cancel safe.
    pub(super) async fn stirred(&mut self) {
        match self.events.recv().await {
            Some(()) => tokio::time::sleep(SETTLE).await,
            None => std::future::pending().await,
        }
    }

    /// Whether the content differs from that of the last look.
    pub(super) async fn has_changed(&mut self, tasks: &Tasks) -> bool {
        let paths = self.paths.clone();
        let Some(now) = tasks.blocking(move || print(&paths)).await else { return false };
        self.print.replace(now) != Some(now)
    }
}

/// The folder whose notifications tell of a path: the path's own, or of the folder that it is.
fn folder(path: &Path) -> Option<PathBuf> {
    if path.is_dir() {
        return Some(path.to_owned());
    }
    let parent = path.parent()?;
    Some(if parent.as_os_str().is_empty() { PathBuf::from(".") } else { parent.to_owned() })
}

/// A hash of names and contents. Of a folder the names in it and the contents of the files directly below count, since
/// a pattern looks for them there.
pub(super) fn print(paths: &[PathBuf]) -> u64 {
    let mut hasher = foldhash::quality::FixedState::default().build_hasher();
    let mut file = |path: &Path| {
        hasher.write(path.as_os_str().as_encoded_bytes());
        match std::fs::read(path) {
            Ok(bytes) => {
                hasher.write_usize(bytes.len());
                hasher.write(&bytes);
            }
            Err(_) => hasher.write_u8(1),
        }
    };
    for path in paths {
        if !path.is_dir() {
            file(path);
            continue;
        }
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        let mut inside: Vec<PathBuf> = entries.map(|e| e.path()).filter(|p| is_rule_or_template(p)).collect();
        inside.sort();
        for path in &inside {
            file(path);
        }
    }
    hasher.finish()
}

/// A folder may hold anything; only what a pattern can mean is read.
fn is_rule_or_template(path: &Path) -> bool {
    const ENDINGS: [&str; 6] = ["yml", "yaml", "json", "rules", "tmpl", "html"];
    const FILE_MAX: u64 = 16 << 20;
    path.extension().and_then(|e| e.to_str()).is_some_and(|e| ENDINGS.contains(&e))
        && path.metadata().is_ok_and(|m| m.is_file() && m.len() <= FILE_MAX)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn contents_count_not_times_or_names_of_links() {
        let dir = tempfile::tempdir().expect("a directory");
        let (tasks, _) = Tasks::new();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("a.yml"), "one").expect("written");
        let mut watch = Watch::new(vec![path("a.yml"), dir.path().to_owned()]);
        assert!(!watch.has_changed(&tasks).await);
        fs::write(path("a.yml"), "one").expect("written");
        assert!(!watch.has_changed(&tasks).await, "the same again");
        fs::write(path(".a.yml.swp"), "editor").expect("written");
        assert!(!watch.has_changed(&tasks).await, "nothing that a pattern means");
        // An editor's atomic save.
        fs::write(path("a.tmp"), "two").expect("written");
        fs::rename(path("a.tmp"), path("a.yml")).expect("renamed");
        assert!(watch.has_changed(&tasks).await);
        assert!(!watch.has_changed(&tasks).await);
        // A ConfigMap: `b.yml` → `..data/b.yml`, `..data` → a folder, swapped by renaming the link.
        fs::create_dir(path("..1")).expect("made");
        fs::create_dir(path("..2")).expect("made");
        fs::write(path("..1/b.yml"), "old").expect("written");
        fs::write(path("..2/b.yml"), "new").expect("written");
        std::os::unix::fs::symlink("..1", path("..data")).expect("linked");
        std::os::unix::fs::symlink("..data/b.yml", path("b.yml")).expect("linked");
        assert!(watch.has_changed(&tasks).await, "a new file");
        std::os::unix::fs::symlink("..2", path("..next")).expect("linked");
        fs::rename(path("..next"), path("..data")).expect("swapped");
        assert!(watch.has_changed(&tasks).await, "the swap");
        fs::remove_file(path("b.yml")).expect("removed");
        assert!(watch.has_changed(&tasks).await, "gone");
    }

    #[tokio::test]
    async fn what_is_written_while_a_reload_reads_is_a_change() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("a.yml");
        let (tasks, _ended) = Tasks::new();
        fs::write(&file, "one").expect("written");
        let paths = vec![file.clone()];
        let mut watch = Watch::new(paths.clone());
        let before = print(&paths);
        fs::write(&file, "two").expect("written");
        watch.set(Watched { paths: paths.clone(), print: Some(before) });
        assert!(watch.has_changed(&tasks).await);
        assert!(!watch.has_changed(&tasks).await);
        watch.set(Watched { paths, print: None });
        assert!(watch.has_changed(&tasks).await, "not known is changed");
    }

    #[tokio::test]
    async fn a_change_stirs() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("a.yml");
        fs::write(&file, "one").expect("written");
        let mut watch = Watch::new(vec![file.clone()]);
        fs::write(&file, "two").expect("written");
        tokio::time::timeout(StdDuration::from_secs(10), watch.stirred()).await.expect("told");
    }
}
