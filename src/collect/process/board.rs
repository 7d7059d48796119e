//! The series of one source: made when first needed, kept by id from round to round, ended by stale markers.

use botwatch_core::{
    model::{Duration, Labels, METRIC_NAME, SourceId, Sources, Timestamp, stale_nan},
    tsdb::{Commit, SeriesId, Visibility},
};

use crate::samples::{MetricKind, Store};

/// A metric with at most one label of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Definition {
    /// Its name.
    pub name: &'static str,
    /// Its own label, beside those of the source.
    pub label: Option<(&'static str, &'static str)>,
    /// How it moves.
    pub kind: MetricKind,
    /// What it is.
    pub help: &'static str,
}

impl Definition {
    /// The labels of its series.
    pub(in crate::collect) fn labels(&self, of_source: &Labels) -> Labels {
        let mut labels = of_source.builder();
        labels.set(METRIC_NAME, self.name);
        if let Some((name, value)) = self.label {
            labels.set(name, value);
        }
        labels.finish()
    }
}

/// Defines an enum of metrics and its table `ALL`, in the same order.
macro_rules! catalogue {
    ($Key:ident: $($kind:ident $Variant:ident $name:literal $({$label:literal = $value:literal})? $help:literal;)+) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(dead_code, reason = "those that differ in the label only are reached from the first by their place")]
        pub(super) enum $Key { $($Variant),+ }

        impl From<$Key> for usize {
            fn from(key: $Key) -> Self {
                key as Self
            }
        }

        impl $Key {
            pub(super) const ALL: &[$crate::collect::process::Definition] = &[
                $($crate::collect::process::Definition {
                    name: $name,
                    label: catalogue!(@label $($label, $value)?),
                    kind: $crate::samples::MetricKind::$kind,
                    help: $help,
                }),+
            ];
        }
    };
    (@label) => { None };
    (@label $label:literal, $value:literal) => { Some(($label, $value)) };
}
pub(in crate::collect) use catalogue;

/// The values of one round, by place in the catalogue; what has none is absent.
#[derive(Debug, Clone, Default)]
pub(in crate::collect) struct Values(Vec<Option<f64>>);

impl Values {
    /// Without a value, for `len` metrics.
    pub(in crate::collect) fn new(len: usize) -> Self {
        Self(vec![None; len])
    }

    /// Sets one if there is a value.
    pub(in crate::collect) fn put(&mut self, key: impl Into<usize>, value: Option<f64>) {
        if let Some(value) = value {
            self.set(key, value);
        }
    }

    /// Sets one; NaN and places out of range are not set.
    pub(in crate::collect) fn set(&mut self, key: impl Into<usize>, value: f64) {
        let at = key.into();
        if let Some(place) = self.0.get_mut(at).filter(|_| !value.is_nan()) {
            *place = Some(value);
        }
    }

    /// The value at a place.
    pub(in crate::collect) fn get(&self, key: impl Into<usize>) -> Option<f64> {
        self.0.get(key.into()).copied().flatten()
    }

    /// Takes all values away.
    pub(in crate::collect) fn clear(&mut self) {
        self.0.fill(None);
    }
}

struct Row {
    labels: Labels,
    id: Option<SeriesId>,
    /// Whether its newest sample is a value and not the stale marker.
    live: bool,
}

/// Where a source's rounds go.
pub(in crate::collect) struct Board {
    store: Store,
    source: SourceId,
    sources: Sources,
    rows: Vec<Row>,
    /// The time of the newest commit.
    last: Option<Timestamp>,
}

impl Board {
    /// For a source and its series; the source is known from now on, and blind until the first round.
    pub(in crate::collect) fn new(store: Store, source: &str, series: impl Iterator<Item = Labels>) -> Self {
        let source = store.source(source);
        let rows = series.map(|labels| Row { labels, id: None, live: false }).collect();
        Self { store, source, sources: Sources::one(source), rows, last: None }
    }

    /// How many series there may be.
    pub(in crate::collect) fn len(&self) -> usize {
        self.rows.len()
    }

    /// One round: what has a value gets a sample, what no longer has one gets a stale marker.
    pub(in crate::collect) fn commit(&mut self, at: Timestamp, visibility: Visibility, values: &Values) {
        let at = self.later(at);
        self.make_series(values);
        let mut samples = Vec::with_capacity(self.rows.len());
        for (i, row) in self.rows.iter_mut().enumerate() {
            let Some(id) = row.id else { continue };
            match values.get(i) {
                Some(value) => samples.push((id, at, value)),
                None if row.live => samples.push((id, at, stale_nan())),
                None => continue,
            }
            row.live = values.get(i).is_some();
        }
        let report = self.store.commit(Commit { samples, sources: vec![(self.source, visibility, at)] });
        if !report.gone.is_empty() {
            self.commit_again(at, &report.gone, values);
        }
    }

    /// The head removed series between two rounds: they are made anew.
    fn commit_again(&mut self, at: Timestamp, gone: &[SeriesId], values: &Values) {
        let lost: Vec<usize> =
            (0..self.rows.len()).filter(|i| self.rows[*i].id.is_some_and(|id| gone.contains(&id))).collect();
        for &i in &lost {
            self.rows[i].id = None;
            self.rows[i].live = false;
        }
        self.make_series(values);
        let mut samples = Vec::with_capacity(lost.len());
        for i in lost {
            if let (Some(id), Some(value)) = (self.rows[i].id, values.get(i)) {
                samples.push((id, at, value));
                self.rows[i].live = true;
            }
        }
        self.store.commit(Commit { samples, sources: Vec::new() });
    }

    /// Ids for series that need one for the first time. One that the head refuses is asked for again next round.
    fn make_series(&mut self, values: &Values) {
        let wanted: Vec<usize> =
            (0..self.rows.len()).filter(|i| self.rows[*i].id.is_none() && values.get(*i).is_some()).collect();
        if wanted.is_empty() {
            return;
        }
        let ids = self.store.series(wanted.iter().map(|i| (&self.rows[*i].labels, &self.sources)));
        for (i, id) in wanted.into_iter().zip(ids) {
            self.rows[i].id = id;
        }
    }

    /// At the time of the newest sample a stale marker would be dropped as its duplicate.
    fn later(&mut self, at: Timestamp) -> Timestamp {
        let at = self.last.map_or(at, |last| at.max(last + Duration::from_millis(1)));
        self.last = Some(at);
        at
    }

    /// The source is no longer observed, on purpose: its series end, and it isn't blind.
    pub(in crate::collect) fn remove(&mut self, at: Timestamp) {
        let at = self.later(at);
        let live = self.rows.iter().filter(|row| row.live);
        let samples = live.filter_map(|row| Some((row.id?, at, stale_nan()))).collect();
        self.store.commit(Commit { samples, sources: Vec::new() });
        self.store.remove_source(self.source);
    }
}
