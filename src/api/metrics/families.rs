//! Families from several hands put together.

use std::collections::{BTreeMap, BTreeSet};

use botwatch_core::{
    exposition::{Family, FamilySample, MetricType},
    model::{Fingerprint, Labels},
};

/// A family without suffixes and unit.
pub(super) fn family<'a>(
    name: &str,
    kind: MetricType,
    help: &str,
    samples: impl IntoIterator<Item = (&'a [(&'a str, &'a str)], f64)>,
) -> Family {
    let sample = |(labels, value): (&[(&str, &str)], f64)| {
        let labels = Labels::from_pairs(labels.iter().copied());
        FamilySample { suffix: "", labels, value, timestamp: None }
    };
    let samples = samples.into_iter().map(sample).collect();
    Family { name: name.to_owned(), kind, help: help.to_owned(), unit: String::new(), samples }
}

/// Families by name. Those of one name are joined; a series that was there already is left out, and so is a family
/// whose series would pass for another's (`x_count` beside the histogram `x`).
#[derive(Default)]
pub(super) struct Families {
    all: BTreeMap<String, Family>,
    series: BTreeSet<(String, Fingerprint)>,
}

impl Families {
    pub(super) fn extend(&mut self, families: impl IntoIterator<Item = Family>) {
        for family in families {
            self.add(family);
        }
    }

    fn add(&mut self, mut family: Family) {
        // Counters are named with or without `_total`; they are one.
        let base = family.name.strip_suffix("_total").unwrap_or(&family.name).to_owned();
        let full = |f: &Family, s: &FamilySample| match (f.kind, s.suffix) {
            (MetricType::Counter, "") => format!("{base}_total"),
            (_, suffix) => format!("{}{suffix}", f.name),
        };
        let samples = std::mem::take(&mut family.samples);
        if self.all.get(&base).is_some_and(|known| known.kind != family.kind) {
            return;
        }
        let mut fresh = Vec::with_capacity(samples.len());
        for sample in samples {
            let labels = sample.labels.without(|name| name == botwatch_core::model::METRIC_NAME);
            if self.series.insert((full(&family, &sample), labels.fingerprint())) {
                fresh.push(sample);
            }
        }
        if !fresh.is_empty() {
            self.all.entry(base).or_insert(family).samples.append(&mut fresh);
        }
    }

    /// By name.
    pub(super) fn finish(self) -> Vec<Family> {
        self.all.into_values().collect()
    }
}
