//! The head: series get in, commits get in whole.

use std::sync::Arc;

use super::arena::Arena;
use super::limits::{BLOCK_OVERHEAD, SERIES_BYTES};
use super::matching::Resolved;
use super::postings::Postings;
use super::series::{Append, Encoding};
use super::sink::ChunkSink;
use super::sources::{SourceState, SourceTable, Visibility};
use super::stats::Counts;
use super::table::Table;
use super::{SeriesId, matching};
use crate::model::{Duration, Labels, Matcher, SourceId, Sources, Timestamp};

/// What bounds a head.
#[derive(Debug, Clone)]
pub struct Options {
    /// Bytes of everything together.
    pub memory_max: usize,
    /// Series at once; more are refused and counted.
    pub series_max: usize,
    /// Sources of samples; names past it share one id.
    pub sources_max: usize,
    /// A series unwritten for longer is removed even where there is room.
    pub retention: Duration,
    /// How far behind the newest sample of all a sample may lie: half a block, as in Prometheus (spec D3).
    pub out_of_bounds: Duration,
    /// A random number of this process, so that nobody can choose labels that collide.
    pub hash_seed: u64,
}

impl Options {
    /// `storage.memory_max`: a bot's 2 000 series every 5 s for a day and more.
    pub const MEMORY_MAX: usize = 64 << 20;
    /// Room for a bot with a hundred times the usual series; about 700 bytes each.
    pub const SERIES_MAX: usize = 200_000;
    /// Targets, probes, logs and pushers of one bot are a few dozen.
    pub const SOURCES_MAX: usize = 65_536;
    /// Prometheus' default retention.
    pub const RETENTION: Duration = Duration::from_secs(15 * 86_400);
    /// Half of a two-hour block.
    pub const OUT_OF_BOUNDS: Duration = Duration::from_secs(3600);
}

impl Default for Options {
    fn default() -> Self {
        Self {
            memory_max: Self::MEMORY_MAX,
            series_max: Self::SERIES_MAX,
            sources_max: Self::SOURCES_MAX,
            retention: Self::RETENTION,
            out_of_bounds: Self::OUT_OF_BOUNDS,
            hash_seed: 0,
        }
    }
}

/// How far ahead of its source's report a sample may lie (spec S10).
const FUTURE_MAX: Duration = Duration::from_secs(600);
/// The share of the budget for remembered selections.
const RESOLVED_SHARE: usize = 32;

/// Samples that become visible together with what they say of their sources: a scrape, a push, a rule's results.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    /// Samples in time order within each series.
    pub samples: Vec<(SeriesId, Timestamp, f64)>,
    /// Sources that were tried, with what came of it and when.
    pub sources: Vec<(SourceId, Visibility, Timestamp)>,
}

/// What became of a commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitReport {
    /// The commit's number, from 1.
    pub number: u64,
    /// Samples stored.
    pub appended: u64,
    /// The newest sample once more, bit for bit: not stored again, and fine.
    pub repeated: u64,
    /// The newest sample's time with another value: dropped.
    pub duplicate: u64,
    /// Older than the series' newest: dropped.
    pub out_of_order: u64,
    /// Too far behind the newest of all, or before what memory still holds: dropped.
    pub too_old: u64,
    /// More than ten minutes ahead of the newest report of any source: dropped.
    pub too_far: u64,
    /// Series that are no longer there, each once for each sample: ask [`Head::series`] for them again.
    pub gone: Vec<SeriesId>,
}

/// The samples written lately.
pub struct Head {
    pub(super) options: Options,
    pub(super) table: Table,
    pub(super) postings: Postings,
    pub(super) sources: SourceTable,
    pub(super) sink: Box<dyn ChunkSink>,
    pub(super) resolved: Resolved,
    pub(super) epoch: u64,
    pub(super) counts: Counts,
    pub(super) open_bytes: usize,
    /// The earliest sample ever stored.
    pub(super) first_time: Option<Timestamp>,
    /// The newest sample stored.
    pub(super) max_time: Option<Timestamp>,
    /// The newest report of a source: what the head takes for now.
    reported: Option<Timestamp>,
    pub(super) sweep_at: u32,
    pub(super) search_from: i64,
    pub(super) drop_at: u32,
    scratch: Vec<u8>,
}

impl Head {
    /// An empty head that keeps its full chunks in memory.
    pub fn new(options: Options) -> Self {
        let arena = Box::new(Arena::new(options.memory_max));
        Self::with_sink(options, arena)
    }

    /// An empty head whose full chunks go to `sink`.
    pub fn with_sink(options: Options, sink: Box<dyn ChunkSink>) -> Self {
        Self {
            table: Table::new(options.hash_seed),
            postings: Postings::default(),
            sources: SourceTable::default(),
            sink,
            resolved: Resolved::default(),
            epoch: 0,
            counts: Counts::default(),
            open_bytes: 0,
            first_time: None,
            max_time: None,
            reported: None,
            sweep_at: 0,
            search_from: i64::MIN,
            drop_at: 0,
            scratch: Vec::new(),
            options,
        }
    }

    /// The series with these labels, made if it isn't there; its sources grow by `sources`. `None` when a limit
    /// forbids one more (counted).
    pub fn series(&mut self, labels: &Labels, sources: &Sources) -> Option<SeriesId> {
        if let Some(id) = self.table.find(labels) {
            if let Some(series) = self.table.get_mut(id) {
                series.sources.merge(sources);
            }
            return Some(id);
        }
        let bytes = SERIES_BYTES + labels.heap_bytes() + BLOCK_OVERHEAD;
        let room = self.table.len() < self.options.series_max && self.make_room(bytes);
        // Without any time yet it counts as written just now, whenever that is.
        let now = self.max_time.max(self.reported).unwrap_or(Timestamp::MAX);
        let made = if room { self.table.insert(labels.clone(), sources.clone(), now) } else { None };
        let Some(id) = made else {
            self.counts.series_refused += 1;
            return None;
        };
        self.postings.add(id, labels);
        self.counts.series_created += 1;
        self.epoch += 1;
        Some(id)
    }

    /// The labels of a series that is still there.
    pub fn labels(&self, id: SeriesId) -> Option<&Labels> {
        self.table.get(id).map(|series| &series.labels)
    }

    /// Changes whenever a series comes or goes; what was resolved from labels stays good until then.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The number of the newest commit; 0 before the first.
    pub const fn commits(&self) -> u64 {
        self.counts.commits
    }

    /// The newest sample's time.
    pub const fn max_time(&self) -> Option<Timestamp> {
        self.max_time
    }

    /// From here on nothing was lost: the earliest sample or, once memory ran short, the newest one dropped.
    pub fn min_time(&self) -> Option<Timestamp> {
        self.first_time.map(|first| self.counts.lost_until.map_or(first, |lost| first.max(lost)))
    }

    /// The id of a source, made if it isn't there.
    pub fn source(&mut self, name: &str) -> SourceId {
        self.sources.intern(name, self.options.sources_max)
    }

    /// The id of a source that is already known.
    pub fn find_source(&self, name: &str) -> Option<SourceId> {
        self.sources.find(name)
    }

    /// A source's name.
    pub fn source_name(&self, id: SourceId) -> Option<&Arc<str>> {
        self.sources.name(id)
    }

    /// What is known of a source; of an unknown one, that it was never reported.
    pub fn visibility(&self, id: SourceId) -> SourceState {
        self.sources.state(id)
    }

    /// A source is no longer observed, on purpose (target removed by a reload): it isn't blind, so what is missing
    /// because of it is gone. Commit the stale markers of its series too.
    pub fn remove_source(&mut self, id: SourceId) {
        self.sources.remove(id);
    }

    /// Applies a commit. Samples that can't be stored are dropped and counted; the rest is.
    pub fn commit(&mut self, commit: &Commit) -> CommitReport {
        for &(id, visibility, at) in &commit.sources {
            self.sources.report(id, visibility, at);
            self.reported = self.reported.max(Some(at));
        }
        let mut report = self.append(&commit.samples);
        self.counts.add(&report);
        report.number = self.counts.commits;
        self.maintain();
        report
    }

    fn append(&mut self, samples: &[(SeriesId, Timestamp, f64)]) -> CommitReport {
        let latest = self.reported.map_or(Timestamp::MAX, |now| now + FUTURE_MAX);
        let bound = self.max_time.map_or(Timestamp::MIN, |t| t - self.options.out_of_bounds);
        let earliest = self.counts.lost_until.map_or(bound, |t| bound.max(t));
        let mut report = CommitReport::default();
        let mut max_time = self.max_time.unwrap_or(Timestamp::MIN);
        let mut first_time = self.first_time.unwrap_or(Timestamp::MAX);
        let mut encoding = Encoding {
            scratch: &mut self.scratch,
            sink: &mut *self.sink,
            open_bytes: &mut self.open_bytes,
            chunks_cut: 0,
        };
        for &(id, t, v) in samples {
            let Some(series) = self.table.get_mut(id) else {
                report.gone.push(id);
                continue;
            };
            if t < earliest {
                report.too_old += 1;
                continue;
            }
            if t > latest {
                report.too_far += 1;
                continue;
            }
            match series.append(id, t.0, v, &mut encoding) {
                Append::Stored => {
                    report.appended += 1;
                    max_time = max_time.max(t);
                    first_time = first_time.min(t);
                }
                Append::Repeated => report.repeated += 1,
                Append::Duplicate => report.duplicate += 1,
                Append::OutOfOrder => report.out_of_order += 1,
            }
        }
        self.counts.chunks_created += encoding.chunks_cut;
        if report.appended > 0 {
            self.max_time = Some(max_time);
            self.first_time = Some(first_time);
        }
        report
    }

    /// The ids of all series that satisfy the matchers.
    pub(super) fn resolve(&self, matchers: &[Matcher]) -> Arc<[u32]> {
        let bytes_max = self.options.memory_max / RESOLVED_SHARE;
        self.resolved
            .get(self.epoch, bytes_max, matchers, || matching::resolve(&self.table, &self.postings, matchers))
    }
}
