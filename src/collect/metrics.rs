//! What collecting says of itself, under Prometheus' names where it has them.

use botwatch_core::tsdb::CommitReport;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, core::Collector};

use super::scrape::{Error, absorb::Counts};

/// All counters of scraping and discovery.
pub(super) struct Metrics {
    over_samples: IntCounter,
    over_body: IntCounter,
    over_labels: IntCounter,
    over_targets: IntCounter,
    duplicates: IntCounter,
    out_of_order: IntCounter,
    out_of_bounds: IntCounter,
    native_skipped: IntCounter,
    failed: IntCounter,
    scrapes: IntCounter,
    /// Targets of a job that couldn't be made.
    pub(super) sync_failed: IntCounterVec,
    /// Targets of a job.
    pub(super) targets: IntGaugeVec,
    /// What `target_limit` allows.
    pub(super) target_limit: IntGaugeVec,
    /// Discovery files that couldn't be read.
    pub(super) file_errors: IntCounter,
    /// Discovery files that can't be read now.
    pub(super) files_broken: IntGauge,
    /// Folders that can't be watched.
    pub(super) watch_errors: IntCounter,
}

impl Metrics {
    /// Registers all of them.
    pub(super) fn new(registry: &Registry) -> Self {
        let counter = |name: &str, help: &str| {
            registered(registry, IntCounter::new(name, help), "a counter's name and help are literals")
        };
        let job = ["scrape_job"];
        let gauges = |name: &str, help: &str| {
            let gauge = IntGaugeVec::new(Opts::new(name, help), &job);
            registered(registry, gauge, "a gauge's name and help are literals")
        };
        let sync_failed = IntCounterVec::new(
            Opts::new("prometheus_target_sync_failed_total", "Targets that can't be scraped as discovered."),
            &job,
        );
        let files_broken = IntGauge::new(
            "botwatch_sd_files_broken",
            "Discovery files that can't be read, whose old targets stay.",
        );
        Self {
            over_samples: counter(
                "prometheus_target_scrapes_exceeded_sample_limit_total",
                "Scrapes refused for sample_limit.",
            ),
            over_body: counter(
                "prometheus_target_scrapes_exceeded_body_size_limit_total",
                "Scrapes refused for body_size_limit.",
            ),
            over_labels: counter(
                "prometheus_target_scrape_pool_exceeded_label_limits_total",
                "Scrapes refused for label limits.",
            ),
            over_targets: counter(
                "prometheus_target_scrape_pool_exceeded_target_limit_total",
                "Scrapes refused for target_limit.",
            ),
            duplicates: counter(
                "prometheus_target_scrapes_sample_duplicate_timestamp_total",
                "Samples dropped because their series had one already.",
            ),
            out_of_order: counter(
                "prometheus_target_scrapes_sample_out_of_order_total",
                "Samples dropped as older than their series' newest.",
            ),
            out_of_bounds: counter(
                "prometheus_target_scrapes_sample_out_of_bounds_total",
                "Samples dropped as too old or too far in the future.",
            ),
            native_skipped: counter(
                "botwatch_scrape_native_histograms_skipped_total",
                "Native histograms of which only the classic part was kept.",
            ),
            failed: counter("botwatch_scrapes_failed_total", "Scrapes of which nothing was kept."),
            scrapes: counter("botwatch_scrapes_total", "Scrapes, failed ones included."),
            sync_failed: registered(registry, sync_failed, "its name and help are literals"),
            targets: gauges("prometheus_target_scrape_pool_targets", "Targets of a job."),
            target_limit: gauges(
                "prometheus_target_scrape_pool_target_limit",
                "Targets that a job may have; 0: any number.",
            ),
            file_errors: counter(
                "prometheus_sd_file_read_errors_total",
                "Discovery files that couldn't be read or understood.",
            ),
            files_broken: registered(registry, files_broken, "its name and help are literals"),
            watch_errors: counter(
                "prometheus_sd_file_watcher_errors_total",
                "Folders of discovery files that couldn't be watched.",
            ),
        }
    }

    /// Counts a scrape.
    pub(super) fn note(&self, counts: &Counts, report: &CommitReport, error: Option<&Error>) {
        self.scrapes.inc();
        self.duplicates.inc_by(counts.duplicates as u64 + report.duplicate);
        self.out_of_order.inc_by(report.out_of_order);
        self.out_of_bounds.inc_by(report.too_old + report.too_far);
        let Some(error) = error else {
            self.native_skipped.inc_by(counts.native_skipped as u64);
            return;
        };
        self.failed.inc();
        match error {
            Error::Samples { .. } | Error::TooMany { .. } => self.over_samples.inc(),
            Error::BodySize { .. } => self.over_body.inc(),
            Error::Labels { .. } | Error::LabelName { .. } | Error::LabelValue { .. } => {
                self.over_labels.inc();
            }
            Error::Targets { .. } => self.over_targets.inc(),
            _ => {}
        }
    }

    /// A job is gone.
    pub(super) fn forget(&self, job: &str) {
        // Absent when the job never had it.
        let _ = self.sync_failed.remove_label_values(&[job]);
        let _ = self.targets.remove_label_values(&[job]);
        let _ = self.target_limit.remove_label_values(&[job]);
    }
}

fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    metric: prometheus::Result<C>,
    why: &str,
) -> C {
    let metric = metric.expect(why);
    if let Err(error) = registry.register(Box::new(metric.clone())) {
        tracing::warn!(%error, "a metric of collecting isn't exposed");
    }
    metric
}
