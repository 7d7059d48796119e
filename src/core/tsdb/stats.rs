//! What the head says of itself.

use std::collections::BTreeMap;

use super::{CommitReport, SeriesId, head::Head};
use crate::model::{METRIC_NAME, Timestamp};

/// Bytes by use, as counted; the allocator's rounding comes on top.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// Label sets.
    pub labels: usize,
    /// Label index.
    pub postings: usize,
    /// Series by labels.
    pub index: usize,
    /// Series with their tails.
    pub series: usize,
    /// Open chunks.
    pub open_chunks: usize,
    /// Full chunks in memory.
    pub full_chunks: usize,
    /// Remembered selections.
    pub resolved: usize,
    /// Sources of samples.
    pub sources: usize,
}

impl Memory {
    /// All of it: what `memory_max` bounds.
    pub const fn total(&self) -> usize {
        self.without_full_chunks() + self.full_chunks
    }

    /// What series cost whose full chunks are elsewhere.
    pub const fn without_full_chunks(&self) -> usize {
        self.labels
            + self.postings
            + self.index
            + self.series
            + self.open_chunks
            + self.resolved
            + self.sources
    }
}

/// Counters since the start. The names that they are exposed under follow Prometheus' `prometheus_tsdb_head_…`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Commits applied.
    pub commits: u64,
    /// Samples stored.
    pub appended: u64,
    /// Dropped: another value for the newest time.
    pub duplicate: u64,
    /// Dropped: older than the series' newest.
    pub out_of_order: u64,
    /// Dropped: too far behind the newest of all.
    pub too_old: u64,
    /// Dropped: too far ahead.
    pub too_far: u64,
    /// Dropped: for a series that was removed.
    pub gone: u64,
    /// Series made.
    pub series_created: u64,
    /// Series removed because nothing of them is left that others still have.
    pub series_removed: u64,
    /// Series refused because of `series_max` or `memory_max`.
    pub series_refused: u64,
    /// Chunks that got full.
    pub chunks_created: u64,
    /// Full chunks dropped for want of memory.
    pub chunks_dropped: u64,
    /// Samples in them.
    pub samples_dropped: u64,
    /// The newest time of what was dropped: up to here the head has gaps.
    pub lost_until: Option<Timestamp>,
}

impl Counts {
    pub(super) const fn add(&mut self, report: &CommitReport) {
        self.commits += 1;
        self.appended += report.appended;
        self.duplicate += report.duplicate;
        self.out_of_order += report.out_of_order;
        self.too_old += report.too_old;
        self.too_far += report.too_far;
        self.gone += report.gone.len() as u64;
    }
}

/// The head at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadStats {
    /// Series in memory.
    pub series: usize,
    /// Sources known.
    pub sources: usize,
    /// Full chunks in memory.
    pub full_chunks: u64,
    /// Samples in full chunks in memory.
    pub full_samples: u64,
    /// From here on nothing was lost.
    pub min_time: Option<Timestamp>,
    /// The newest sample's time.
    pub max_time: Option<Timestamp>,
    /// Changes of the set of series.
    pub epoch: u64,
    /// Bytes.
    pub memory: Memory,
    /// Bytes allowed.
    pub memory_max: usize,
    /// Counters.
    pub counts: Counts,
}

/// What has most: the lists of Prometheus' `/api/v1/status/tsdb`, each ordered by number, then name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cardinality {
    /// How many different pairs of name and value there are.
    pub label_pairs: usize,
    /// Series by metric name.
    pub series_by_metric: Vec<(String, u64)>,
    /// Different values by label name.
    pub values_by_label: Vec<(String, u64)>,
    /// Bytes of the values in all series, by label name.
    pub bytes_by_label: Vec<(String, u64)>,
    /// Series by `name=value`.
    pub series_by_pair: Vec<(String, u64)>,
}

impl Head {
    /// Numbers now.
    pub fn stats(&self) -> HeadStats {
        let (full_chunks, full_samples) = self.sink.held();
        HeadStats {
            series: self.table.len(),
            sources: self.sources.len(),
            full_chunks,
            full_samples,
            min_time: self.min_time(),
            max_time: self.max_time,
            epoch: self.epoch,
            memory: self.memory(),
            memory_max: self.options.memory_max,
            counts: self.counts.clone(),
        }
    }

    /// Bytes by use.
    pub fn memory(&self) -> Memory {
        Memory {
            labels: self.table.label_memory(),
            postings: self.postings.memory(),
            index: self.table.index_memory(),
            series: self.table.series_memory(),
            open_chunks: self.open_bytes,
            full_chunks: self.sink.memory(),
            resolved: self.resolved.memory(),
            sources: self.sources.memory(),
        }
    }

    /// What has most, `limit` of each kind.
    pub fn cardinality(&self, limit: usize) -> Cardinality {
        let mut c = Cardinality::default();
        for (name, values) in self.postings.names() {
            c.label_pairs += values.len();
            let mut bytes = 0;
            for (value, ids) in values {
                let series = ids.as_slice().len() as u64;
                bytes += value.len() as u64 * series;
                c.series_by_pair.push((format!("{name}={value}"), series));
                if name == METRIC_NAME {
                    c.series_by_metric.push((value.to_string(), series));
                }
            }
            c.values_by_label.push((name.to_owned(), values.len() as u64));
            c.bytes_by_label.push((name.to_owned(), bytes));
            keep_most(&mut c.series_by_pair, limit);
        }
        for list in [&mut c.series_by_metric, &mut c.values_by_label, &mut c.bytes_by_label] {
            keep_most(list, limit);
        }
        c
    }

    /// How many series each source feeds.
    pub fn series_by_source(&self) -> BTreeMap<crate::model::SourceId, u64> {
        let mut counts = BTreeMap::new();
        for (_, series) in self.table.iter_from(SeriesId(0)) {
            for source in series.sources.iter() {
                *counts.entry(source).or_default() += 1;
            }
        }
        counts
    }
}

fn keep_most(list: &mut Vec<(String, u64)>, limit: usize) {
    list.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    list.truncate(limit);
}
