//! The one registry, and what every process says of itself.

mod process;
#[cfg(test)]
mod tests;

use botwatch_core::{
    exposition::{Family, FamilySample, MetricType},
    model::{Labels, Timestamp},
};
use prometheus::{Registry, proto};

use crate::runtime::Clock;

/// What was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Build {
    /// Version of botwatch.
    pub version: &'static str,
    /// Commit; empty when it isn't known.
    pub revision: &'static str,
}

impl Default for Build {
    /// As Cargo knows it.
    fn default() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            revision: option_env!("BOTWATCH_REVISION").unwrap_or_default(),
        }
    }
}

/// Botwatch's own metrics; cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    started: Timestamp,
    build: Build,
}

impl Metrics {
    /// Without metrics of modules. To be called at the start: the time is the process'.
    pub fn new(clock: &Clock, build: Build) -> Self {
        Self { registry: Registry::new(), started: clock.now(), build }
    }

    /// Where modules register theirs.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// What was built.
    pub fn build(&self) -> Build {
        self.build
    }

    /// When the process started.
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// Everything registered and what the process says of itself, by name.
    pub fn families(&self) -> Vec<Family> {
        let mut all: Vec<Family> = self.registry.gather().iter().filter_map(family).collect();
        all.push(self.build_info());
        all.extend(process::families(self.started));
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    fn build_info(&self) -> Family {
        let Build { version, revision } = self.build;
        let labels = Labels::from_pairs([("version", version), ("revision", revision)]);
        Family {
            name: "botwatch_build_info".to_owned(),
            kind: MetricType::Gauge,
            help: "What was built; always 1.".to_owned(),
            unit: String::new(),
            samples: vec![FamilySample { suffix: "", labels, value: 1.0, timestamp: None }],
        }
    }
}

/// A family of the registry in our own writer's terms; `None` for kinds that the registry can't make.
fn family(from: &proto::MetricFamily) -> Option<Family> {
    let kind = match from.get_field_type() {
        proto::MetricType::COUNTER => MetricType::Counter,
        proto::MetricType::GAUGE => MetricType::Gauge,
        proto::MetricType::HISTOGRAM => MetricType::Histogram,
        proto::MetricType::SUMMARY => MetricType::Summary,
        proto::MetricType::UNTYPED => return None,
    };
    let mut samples = Vec::with_capacity(from.get_metric().len());
    for metric in from.get_metric() {
        let pairs = metric.get_label().iter().map(|l| (l.name(), l.value()));
        let labels = Labels::from_pairs(pairs);
        match kind {
            MetricType::Counter => samples.push(sample("", &labels, metric.get_counter().get_value())),
            MetricType::Gauge => samples.push(sample("", &labels, metric.get_gauge().get_value())),
            MetricType::Histogram => histogram(metric.get_histogram(), &labels, &mut samples),
            _ => summary(metric.get_summary(), &labels, &mut samples),
        }
    }
    let (name, help) = (from.name().to_owned(), from.help().to_owned());
    Some(Family { name, kind, help, unit: String::new(), samples })
}

fn histogram(from: &proto::Histogram, labels: &Labels, samples: &mut Vec<FamilySample>) {
    let count = from.get_sample_count() as f64;
    let mut ended = false;
    for bucket in from.get_bucket() {
        let bound = bucket.upper_bound();
        ended |= bound == f64::INFINITY;
        let labels = labels.with("le", &botwatch_core::exposition::format_float(bound));
        samples.push(sample("_bucket", &labels, bucket.cumulative_count() as f64));
    }
    if !ended {
        samples.push(sample("_bucket", &labels.with("le", "+Inf"), count));
    }
    samples.push(sample("_sum", labels, from.get_sample_sum()));
    samples.push(sample("_count", labels, count));
}

fn summary(from: &proto::Summary, labels: &Labels, samples: &mut Vec<FamilySample>) {
    for quantile in from.get_quantile() {
        let labels = labels.with("quantile", &botwatch_core::exposition::format_float(quantile.quantile()));
        samples.push(sample("", &labels, quantile.value()));
    }
    samples.push(sample("_sum", labels, from.sample_sum()));
    samples.push(sample("_count", labels, from.sample_count() as f64));
}

fn sample(suffix: &'static str, labels: &Labels, value: f64) -> FamilySample {
    FamilySample { suffix, labels: labels.clone(), value, timestamp: None }
}
