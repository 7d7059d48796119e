//! What the evaluator counts beside what its views show (spec prometheus §1, R62).

use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, Registry};

/// Seconds of one group's evaluation: from a few rules on a small head to a slow one that eats its interval.
const BUCKETS: [f64; 8] = [0.0005, 0.002, 0.01, 0.05, 0.2, 1.0, 5.0, 20.0];

#[derive(Clone)]
pub(super) struct Metrics {
    pub(super) group_seconds: Histogram,
    pub(super) expansions: IntCounter,
    pub(super) expansion_failures: IntCounter,
    pub(super) samples_refused: IntCounter,
    pub(super) threads: IntGauge,
}

impl Metrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let counter = |name: &str, help: &str| {
            register(registry, IntCounter::new(name, help).expect("a constant name"))
        };
        let group = HistogramOpts::new(
            "botwatch_evaluate_group_duration_seconds",
            "How long evaluations of rule groups took.",
        );
        Self {
            group_seconds: register(
                registry,
                Histogram::with_opts(group.buckets(BUCKETS.to_vec())).expect("a constant name"),
            ),
            expansions: counter(
                "prometheus_template_text_expansions_total",
                "Label and annotation templates expanded.",
            ),
            expansion_failures: counter(
                "prometheus_template_text_expansion_failures_total",
                "Label and annotation templates that failed to expand.",
            ),
            samples_refused: counter(
                "botwatch_evaluate_samples_refused_total",
                "Results of rules that could not be stored because of a limit.",
            ),
            threads: register(
                registry,
                IntGauge::new("botwatch_evaluate_threads", "Threads that evaluate rules at present.")
                    .expect("a constant name"),
            ),
        }
    }
}

fn register<C: prometheus::core::Collector + Clone + 'static>(registry: &Registry, collector: C) -> C {
    registry.register(Box::new(collector.clone())).expect("each module registers its own names, once");
    collector
}
