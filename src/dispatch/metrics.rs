//! What the dispatcher says of itself.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, Opts, Registry};

/// Commit latencies in seconds: a sync takes from a tenth of a millisecond (fast disk) to seconds (a dying one).
const COMMIT_BUCKETS: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0];

pub(super) struct Metrics {
    pub(super) events: IntCounter,
    pub(super) records: IntCounter,
    pub(super) checkpoints: IntCounter,
    pub(super) checkpoint_failures: IntCounter,
    pub(super) durable: IntGauge,
    pub(super) waiting: IntGauge,
    pub(super) commit_seconds: Histogram,
    pub(super) refused: IntCounter,
}

impl Metrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help).expect("a constant name");
            register(registry, counter)
        };
        Self {
            events: counter("botwatch_dispatch_events_total", "Events taken in by the alerting machine."),
            records: counter("botwatch_journal_records_total", "Records handed to the journal."),
            checkpoints: counter("botwatch_journal_checkpoints_total", "Checkpoints written."),
            checkpoint_failures: counter(
                "botwatch_journal_checkpoint_failures_total",
                "Checkpoints that failed.",
            ),
            refused: counter(
                "botwatch_dispatch_refused_total",
                "Events that were not acknowledged because the disk refused or there was no room.",
            ),
            waiting: register(
                registry,
                IntGauge::new("botwatch_journal_waiting_records", "Records decided and not yet on disk.")
                    .expect("a constant name"),
            ),
            durable: register(
                registry,
                IntGauge::with_opts(Opts::new(
                    "botwatch_journal_durable",
                    "1 while the journal commits, 0 while it lives in memory alone.",
                ))
                .expect("a constant name"),
            ),
            commit_seconds: register(
                registry,
                Histogram::with_opts(
                    HistogramOpts::new(
                        "botwatch_journal_commit_duration_seconds",
                        "From deciding to being on disk.",
                    )
                    .buckets(COMMIT_BUCKETS.to_vec()),
                )
                .expect("a constant name"),
            ),
        }
    }
}

fn register<C: prometheus::core::Collector + Clone + 'static>(registry: &Registry, collector: C) -> C {
    registry.register(Box::new(collector.clone())).expect("each module registers its own names, once");
    collector
}
