//! What the store says of itself, ready to be exposed.

use botwatch_core::tsdb::HeadStats;

/// One number to be exposed.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub help: &'static str,
    /// How it moves.
    pub kind: MetricKind,
    /// At most one label.
    pub label: Option<(&'static str, &'static str)>,
    /// Its value.
    pub value: f64,
}

/// How a metric moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only up.
    Counter,
    /// Up and down.
    Gauge,
}

const FLOAT: Option<(&str, &str)> = Some(("type", "float"));

/// All of them; those of one name follow each other.
pub(super) fn of(stats: &HeadStats) -> Vec<Metric> {
    let mut all = gauges(stats);
    all.extend(counters(stats));
    all.extend(memory(stats));
    all
}

fn gauges(stats: &HeadStats) -> Vec<Metric> {
    let gauge = |name, help, value| Metric { name, help, kind: MetricKind::Gauge, label: None, value };
    let ms = |t: Option<botwatch_core::model::Timestamp>| t.map_or(0.0, |t| t.0 as f64);
    let chunks = (stats.full_chunks + stats.series as u64) as f64;
    vec![
        gauge("prometheus_tsdb_head_series", "Series in memory.", stats.series as f64),
        gauge(
            "prometheus_tsdb_head_chunks",
            "Chunks in memory, the open one of each series included.",
            chunks,
        ),
        gauge(
            "prometheus_tsdb_head_min_time",
            "Milliseconds; from here on no sample was lost.",
            ms(stats.min_time),
        ),
        gauge(
            "prometheus_tsdb_head_max_time",
            "Milliseconds; time of the newest sample.",
            ms(stats.max_time),
        ),
        gauge(
            "botwatch_samples_memory_limit_bytes",
            "Memory that samples may take.",
            stats.memory_max as f64,
        ),
        gauge(
            "botwatch_samples_sources",
            "Sources of samples ever seen since the start.",
            stats.sources as f64,
        ),
    ]
}

fn counters(stats: &HeadStats) -> Vec<Metric> {
    let counts = &stats.counts;
    let counter = |name, help, label, value: u64| Metric {
        name,
        help,
        kind: MetricKind::Counter,
        label,
        value: value as f64,
    };
    let dropped = |reason, value| {
        counter(
            "botwatch_samples_dropped_total",
            "Samples refused or lost, by reason.",
            Some(("reason", reason)),
            value,
        )
    };
    vec![
        counter("botwatch_samples_commits_total", "Commits applied.", None, counts.commits),
        counter("prometheus_tsdb_head_samples_appended_total", "Samples stored.", FLOAT, counts.appended),
        counter(
            "prometheus_tsdb_out_of_order_samples_total",
            "Samples refused as older than their series' newest.",
            FLOAT,
            counts.out_of_order,
        ),
        counter(
            "prometheus_tsdb_out_of_bound_samples_total",
            "Samples refused as too far behind the newest of all.",
            FLOAT,
            counts.too_old,
        ),
        counter("prometheus_tsdb_head_series_created_total", "Series made.", None, counts.series_created),
        counter("prometheus_tsdb_head_series_removed_total", "Series removed.", None, counts.series_removed),
        counter("prometheus_tsdb_head_chunks_created_total", "Chunks filled.", None, counts.chunks_created),
        counter(
            "prometheus_tsdb_head_chunks_removed_total",
            "Full chunks dropped for want of memory.",
            None,
            counts.chunks_dropped,
        ),
        counter(
            "botwatch_samples_series_refused_total",
            "Series refused because of series_max or memory_max.",
            None,
            counts.series_refused,
        ),
        dropped("duplicate", counts.duplicate),
        dropped("future", counts.too_far),
        dropped("series_removed", counts.gone),
        dropped("memory", counts.samples_dropped),
    ]
}

fn memory(stats: &HeadStats) -> Vec<Metric> {
    let m = &stats.memory;
    let parts = [
        ("labels", m.labels),
        ("postings", m.postings),
        ("index", m.index),
        ("series", m.series),
        ("open_chunks", m.open_chunks),
        ("full_chunks", m.full_chunks),
        ("selections", m.resolved),
        ("sources", m.sources),
    ];
    let metric = |(part, bytes): (&'static str, usize)| Metric {
        name: "botwatch_samples_memory_bytes",
        help: "Memory that samples take, by use.",
        kind: MetricKind::Gauge,
        label: Some(("use", part)),
        value: bytes as f64,
    };
    parts.into_iter().map(metric).collect()
}
