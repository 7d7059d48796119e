//! The lock around the head.

use std::sync::Arc;

use botwatch_core::{
    model::{Labels, Matcher, SourceId, Sources, Timestamp},
    promql::{Queryable, SelectError, SelectHints, Series},
    tsdb::{Commit, CommitReport, Head, HeadStats, Options, SeriesId, SourceState},
};
use parking_lot::RwLock;
use tokio::sync::watch;

use super::{CommitWatch, Metric, metrics};

/// A handle to the samples; cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

struct Shared {
    head: RwLock<Head>,
    /// The number of the newest commit, for those who wait for one.
    commits: watch::Sender<u64>,
}

impl Store {
    /// Without samples.
    pub fn new(options: Options) -> Self {
        let head = RwLock::new(Head::new(options));
        Self(Arc::new(Shared { head, commits: watch::Sender::new(0) }))
    }

    /// The series with these labels and sources, made where they aren't there; `None` where a limit forbids one more.
    /// In the order asked for, under one lock.
    pub fn series<'a>(
        &self,
        wanted: impl IntoIterator<Item = (&'a Labels, &'a Sources)>,
    ) -> Vec<Option<SeriesId>> {
        let mut head = self.0.head.write();
        wanted.into_iter().map(|(labels, sources)| head.series(labels, sources)).collect()
    }

    /// Makes a commit visible, whole, and wakes who waits for it.
    pub fn commit(&self, commit: Commit) -> CommitReport {
        let report = self.0.head.write().commit(&commit);
        // Two commits may get here in the other order; what waits only needs the newest.
        self.0.commits.send_if_modified(|newest| {
            let newer = report.number > *newest;
            *newest = report.number.max(*newest);
            newer
        });
        report
    }

    /// The id of a source, made if it isn't there.
    pub fn source(&self, name: &str) -> SourceId {
        if let Some(id) = self.0.head.read().find_source(name) {
            return id;
        }
        self.0.head.write().source(name)
    }

    /// A source's name.
    pub fn source_name(&self, id: SourceId) -> Option<Arc<str>> {
        self.0.head.read().source_name(id).cloned()
    }

    /// What is known of a source.
    pub fn visibility(&self, id: SourceId) -> SourceState {
        self.0.head.read().visibility(id)
    }

    /// A source is no longer observed, on purpose.
    pub fn remove_source(&self, id: SourceId) {
        self.0.head.write().remove_source(id);
    }

    /// Reads several things at one moment. Keep it short: commits wait.
    pub fn read<R>(&self, read: impl FnOnce(&Head) -> R) -> R {
        read(&self.0.head.read())
    }

    /// For waiting until sources have committed.
    pub fn subscribe(&self) -> CommitWatch {
        CommitWatch::new(self.clone(), self.0.commits.subscribe())
    }

    /// Numbers now.
    pub fn stats(&self) -> HeadStats {
        self.0.head.read().stats()
    }

    /// The same as metrics, under Prometheus' names where it has them.
    pub fn metrics(&self) -> Vec<Metric> {
        metrics::of(&self.stats())
    }
}

impl Queryable for Store {
    fn select(
        &self,
        matchers: &[Matcher],
        after: Timestamp,
        until: Timestamp,
        hints: SelectHints,
    ) -> Result<Vec<Series>, SelectError> {
        let selection = self.0.head.read().snapshot(matchers, after, until, hints)?;
        selection.decode()
    }
}
