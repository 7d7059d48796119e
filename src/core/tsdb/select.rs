//! Reading: copied out first, decoded after, so that a reader holds the shell's lock only for the copying.

use std::collections::BTreeSet;

use super::chunk::{ChunkReader, CorruptChunk};
use super::sink::ChunkRef;
use super::{SeriesId, head::Head, series::Series};
use crate::model::{Labels, Matcher, Timestamp};
use crate::promql::{self, Queryable, SelectError, SelectHints};

/// A window in time, open on the left (spec Q36, Q37).
#[derive(Debug, Clone, Copy)]
struct Window {
    after: i64,
    until: i64,
}

/// One consistent view of the selected series: tails as samples, chunks still as bytes.
#[derive(Debug)]
pub struct Selection {
    window: Window,
    hints: SelectHints,
    /// With the samples of the tail.
    series: Vec<promql::Series>,
    /// Chunks to be read before them, ordered by series and time.
    chunks: Vec<Piece>,
    bytes: Vec<u8>,
    samples: usize,
}

#[derive(Debug)]
struct Piece {
    series: usize,
    from: usize,
    to: usize,
    /// Samples from here on are in the tail.
    before: i64,
}

impl Head {
    /// The series that satisfy all matchers with their samples in `(after, until]`, stale markers included; series
    /// without any are left out.
    ///
    /// # Errors
    /// When the limit of the hints is hit.
    pub fn select(
        &self,
        matchers: &[Matcher],
        after: Timestamp,
        until: Timestamp,
        hints: SelectHints,
    ) -> Result<Vec<promql::Series>, SelectError> {
        self.snapshot(matchers, after, until, hints)?.decode()
    }

    /// Copies out what [`Selection::decode`] needs to give the same as [`Self::select`].
    ///
    /// # Errors
    /// When the limit of the hints is hit already.
    pub fn snapshot(
        &self,
        matchers: &[Matcher],
        after: Timestamp,
        until: Timestamp,
        hints: SelectHints,
    ) -> Result<Selection, SelectError> {
        let ids = self.resolve(matchers);
        let mut selection = Selection {
            window: Window { after: after.0, until: until.0 },
            hints,
            series: Vec::with_capacity(ids.len()),
            chunks: Vec::new(),
            bytes: Vec::new(),
            samples: 0,
        };
        for &id in &*ids {
            if let Some(series) = self.table.get(SeriesId(id)) {
                self.copy(series, &mut selection)?;
            }
        }
        Ok(selection)
    }

    fn copy(&self, series: &Series, selection: &mut Selection) -> Result<(), SelectError> {
        let Window { after, until } = selection.window;
        let tail = series.tail();
        let tail = tail.as_slice();
        let (Some(&(oldest, _)), Some(&(newest, _))) = (tail.first(), tail.last()) else { return Ok(()) };
        if newest <= after || until <= after {
            return Ok(());
        }
        let from = tail.partition_point(|s| s.0 <= after);
        let to = tail.partition_point(|s| s.0 <= until);
        let mut wanted = &tail[from..to];
        if selection.hints.newest_only {
            wanted = &wanted[wanted.len().saturating_sub(1)..];
        }
        let enough = selection.hints.newest_only && !wanted.is_empty();
        let index = selection.series.len();
        let copied = selection.chunks.len();
        // Whatever is not in the tail is older than its oldest.
        if series.has_chunks() && oldest.saturating_sub(1) > after && !enough {
            self.copy_chunks(series, index, oldest, selection);
        }
        if wanted.is_empty() && selection.chunks.len() == copied {
            return Ok(());
        }
        selection.count(wanted.len())?;
        selection.series.push(promql::Series {
            labels: series.labels.clone(),
            sources: series.sources.clone(),
            t: wanted.iter().map(|s| s.0).collect(),
            v: wanted.iter().map(|s| s.1).collect(),
        });
        Ok(())
    }

    /// Copies the chunks that reach into the window, walking back from the open one.
    fn copy_chunks(&self, series: &Series, index: usize, before: i64, selection: &mut Selection) {
        let start = selection.chunks.len();
        if selection.copy_chunk(index, &series.open, before) {
            let mut next: Option<ChunkRef> = series.newest_chunk;
            while let Some(record) = next.and_then(|at| self.sink.get(at)) {
                if !selection.copy_chunk(index, record.bytes, before) {
                    break;
                }
                next = record.previous;
            }
        }
        selection.chunks[start..].reverse();
    }

    /// What the series that satisfy the matchers are made from.
    pub fn sources_of(&self, matchers: &[Matcher]) -> crate::model::Sources {
        let mut all = crate::model::Sources::NONE;
        for &id in &*self.resolve(matchers) {
            if let Some(series) = self.table.get(SeriesId(id)) {
                all.merge(&series.sources);
            }
        }
        all
    }

    /// The labels of a series that satisfies the matchers and is made from one source alone.
    pub fn series_of(&self, matchers: &[Matcher], source: crate::model::SourceId) -> Option<Labels> {
        let only = crate::model::Sources::one(source);
        let ids = self.resolve(matchers);
        let mut series = ids.iter().filter_map(|&id| self.table.get(SeriesId(id)));
        series.find(|s| s.sources == only).map(|s| s.labels.clone())
    }

    /// Names of labels in use, in order; of the series that satisfy the matchers when there are any.
    pub fn label_names(&self, matchers: &[Matcher]) -> Vec<String> {
        if matchers.is_empty() {
            return self.postings.names().map(|(name, _)| name.to_owned()).collect();
        }
        let ids = self.resolve(matchers);
        let mut names = BTreeSet::new();
        for series in ids.iter().filter_map(|&id| self.table.get(SeriesId(id))) {
            for (name, _) in &series.labels {
                if !names.contains(name) {
                    names.insert(name.to_owned());
                }
            }
        }
        names.into_iter().collect()
    }

    /// Values of a label in use, in order; of the series that satisfy the matchers when there are any.
    pub fn label_values(&self, name: &str, matchers: &[Matcher]) -> Vec<String> {
        if matchers.is_empty() {
            let values = self.postings.values(name).into_iter().flatten();
            return values.map(|(value, _)| value.to_string()).collect();
        }
        let ids = self.resolve(matchers);
        let series = ids.iter().filter_map(|&id| self.table.get(SeriesId(id)));
        let values: BTreeSet<&str> = series.filter_map(|s| s.labels.get(name)).collect();
        values.into_iter().map(str::to_owned).collect()
    }

    /// Labels of the series that satisfy the matchers and have a sample in `(after, until]`, in order.
    pub fn series_labels(&self, matchers: &[Matcher], after: Timestamp, until: Timestamp) -> Vec<Labels> {
        let hints = SelectHints { newest_only: true, samples_max: 0 };
        let found = self.select(matchers, after, until, hints).unwrap_or_default();
        let mut labels: Vec<Labels> = found.into_iter().map(|s| s.labels).collect();
        labels.sort();
        labels
    }
}

impl Selection {
    /// Copies a chunk unless it lies behind the window; false when no earlier one is needed.
    fn copy_chunk(&mut self, series: usize, chunk: &[u8], before: i64) -> bool {
        if chunk.is_empty() {
            return true;
        }
        let Ok(reader) = ChunkReader::new(chunk) else { return false };
        let first = reader.first();
        if first <= self.window.until && first < before {
            let from = self.bytes.len();
            self.bytes.extend_from_slice(chunk);
            self.chunks.push(Piece { series, from, to: self.bytes.len(), before });
            if self.hints.newest_only {
                return false;
            }
        }
        first > self.window.after
    }

    fn count(&mut self, samples: usize) -> Result<(), SelectError> {
        self.samples += samples;
        let max = self.hints.samples_max;
        if max > 0 && self.samples > max { Err(SelectError::TooManySamples) } else { Ok(()) }
    }

    /// Decodes the chunks.
    ///
    /// # Errors
    /// When the limit of the hints is hit, or a chunk is damaged.
    pub fn decode(mut self) -> Result<Vec<promql::Series>, SelectError> {
        let pieces = std::mem::take(&mut self.chunks);
        let mut missing = false;
        for group in pieces.chunk_by(|a, b| a.series == b.series) {
            let (mut t, mut v) = (Vec::new(), Vec::new());
            for piece in group {
                self.read(piece, &mut t, &mut v).map_err(|e| SelectError::Storage(e.to_string()))?;
                if self.hints.newest_only {
                    let older = t.len().saturating_sub(1);
                    t.drain(..older);
                    v.drain(..older);
                }
                // With each chunk, so that a refused query has not filled memory first.
                if self.hints.samples_max > 0 && self.samples + t.len() > self.hints.samples_max {
                    return Err(SelectError::TooManySamples);
                }
            }
            self.count(t.len())?;
            let Some(series) = self.series.get_mut(group[0].series) else { continue };
            t.append(&mut series.t);
            v.append(&mut series.v);
            missing |= t.is_empty();
            (series.t, series.v) = (t, v);
        }
        if missing {
            self.series.retain(|s| !s.t.is_empty());
        }
        Ok(self.series)
    }

    fn read(&self, piece: &Piece, t: &mut Vec<i64>, v: &mut Vec<f64>) -> Result<(), CorruptChunk> {
        let until = self.window.until.min(piece.before.saturating_sub(1));
        ChunkReader::new(&self.bytes[piece.from..piece.to])?.read(self.window.after, until, t, v)
    }
}

impl Queryable for Head {
    fn select(
        &self,
        matchers: &[Matcher],
        after: Timestamp,
        until: Timestamp,
        hints: SelectHints,
    ) -> Result<Vec<promql::Series>, SelectError> {
        Self::select(self, matchers, after, until, hints)
    }
}
