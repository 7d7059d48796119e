//! What a scrape records about its target (spec S15).

use botwatch_core::{
    model::{Labels, SourceId, Sources, Timestamp, stale_nan},
    tsdb::SeriesId,
};

use super::labels;
use crate::samples::Store;

/// Their names; the last three only with `extra_scrape_metrics`.
const NAMES: [&str; COUNT] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
    "scrape_timeout_seconds",
    "scrape_sample_limit",
    "scrape_body_size_bytes",
];
const COUNT: usize = 8;
/// How many there are without `extra_scrape_metrics`.
pub(super) const PLAIN: usize = 5;

/// The series about a target.
#[derive(Debug, Default)]
pub(super) struct Report {
    ids: [Option<SeriesId>; COUNT],
    live: [bool; COUNT],
}

impl Report {
    /// Appends the values, in the order of their names; those left out end.
    pub(super) fn write(
        &mut self,
        values: &[f64],
        at: Timestamp,
        (store, labels, source): (&Store, &Labels, SourceId),
        samples: &mut Vec<(SeriesId, Timestamp, f64)>,
    ) {
        self.find(values.len().min(COUNT), store, labels, source);
        for i in 0..COUNT {
            let Some(id) = self.ids[i] else { continue };
            match values.get(i) {
                Some(&value) => samples.push((id, at, value)),
                None if self.live[i] => samples.push((id, at, stale_nan())),
                None => {}
            }
            self.live[i] = i < values.len();
        }
    }

    fn find(&mut self, wanted: usize, store: &Store, labels: &Labels, source: SourceId) {
        let missing: Vec<usize> = (0..wanted).filter(|i| self.ids[*i].is_none()).collect();
        if missing.is_empty() {
            return;
        }
        let all: Vec<Labels> = missing.iter().map(|i| labels::own(NAMES[*i], labels)).collect();
        let sources = Sources::one(source);
        for (i, id) in missing.iter().zip(store.series(all.iter().map(|l| (l, &sources)))) {
            self.ids[*i] = id;
        }
    }

    /// The head no longer has these.
    pub(super) fn forget(&mut self, gone: &[SeriesId]) {
        for id in &mut self.ids {
            *id = id.filter(|id| !gone.contains(id));
        }
    }

    /// The series that are live; they no longer are.
    pub(super) fn end(&mut self) -> Vec<SeriesId> {
        let live = std::mem::take(&mut self.live);
        self.ids.iter().zip(live).filter_map(|(id, live)| id.filter(|_| live)).collect()
    }
}
