//! What notifying says of itself, under Alertmanager's names (spec alertmanager §3.5).

use std::{collections::BTreeSet, sync::Arc};

use botwatch_core::{alerting::IntegrationId, model::Duration};
use parking_lot::Mutex;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

use super::failure::FailureReason;

const LABELS: [&str; 2] = ["integration", "receiver_name"];

/// The metrics. Labels are kinds and receivers that are configured, nothing else. Cheap to clone.
#[derive(Clone)]
pub(super) struct Metrics {
    configured: Arc<Mutex<BTreeSet<(Arc<str>, Arc<str>)>>>,
    notifications: IntCounterVec,
    failed: IntCounterVec,
    requests: IntCounterVec,
    requests_failed: IntCounterVec,
    latency: HistogramVec,
}

impl Metrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let vec = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(vec.clone()))?;
            Ok::<_, prometheus::Error>(vec)
        };
        let latency = HistogramOpts::new(
            "alertmanager_notification_latency_seconds",
            "How long attempts to notify took.",
        );
        let latency = HistogramVec::new(latency.buckets(vec![1.0, 5.0, 10.0, 15.0, 20.0]), &LABELS)?;
        registry.register(Box::new(latency.clone()))?;
        Ok(Self {
            configured: Arc::default(),
            notifications: counter("alertmanager_notifications_total", "Attempts to notify.", &LABELS)?,
            failed: counter(
                "alertmanager_notifications_failed_total",
                "Attempts to notify that failed.",
                &[LABELS[0], LABELS[1], "reason"],
            )?,
            requests: counter(
                "alertmanager_notification_requests_total",
                "Requests and mails that attempts to notify made.",
                &LABELS,
            )?,
            requests_failed: counter(
                "alertmanager_notification_requests_failed_total",
                "Requests and mails that failed.",
                &LABELS,
            )?,
            latency,
        })
    }

    /// Starts the series of what is configured at 0 and ends those of what no longer is.
    pub(super) fn configure<'a>(&self, ids: impl Iterator<Item = &'a IntegrationId>) {
        let next: BTreeSet<_> = ids.map(|id| (Arc::clone(&id.kind), Arc::clone(&id.receiver))).collect();
        let mut configured = self.configured.lock();
        for (kind, receiver) in configured.difference(&next) {
            // Each was created below.
            for vec in [&self.notifications, &self.requests, &self.requests_failed] {
                let _ = vec.remove_label_values(&[kind, receiver]);
            }
            for reason in FailureReason::ALL {
                let _ = self.failed.remove_label_values(&[kind, receiver, reason.as_str()]);
            }
            let _ = self.latency.remove_label_values(&[kind, receiver]);
        }
        for (kind, receiver) in &next {
            for vec in [&self.notifications, &self.requests, &self.requests_failed] {
                vec.with_label_values(&[kind, receiver]);
            }
            for reason in FailureReason::ALL {
                self.failed.with_label_values(&[kind, receiver, reason.as_str()]);
            }
            self.latency.with_label_values(&[kind, receiver]);
        }
        *configured = next;
    }

    /// Whether an integration is configured still: a late attempt must not bring its series back.
    fn counts(&self, id: &IntegrationId) -> bool {
        self.configured.lock().contains(&(Arc::clone(&id.kind), Arc::clone(&id.receiver)))
    }

    /// An attempt ended.
    pub(super) fn attempt(&self, id: &IntegrationId, took: Duration, failed: Option<FailureReason>) {
        if !self.counts(id) {
            return;
        }
        let labels = labels(id);
        self.notifications.with_label_values(&labels).inc();
        self.latency.with_label_values(&labels).observe(took.as_secs_f64());
        if let Some(reason) = failed {
            self.failed.with_label_values(&[labels[0], labels[1], reason.as_str()]).inc();
        }
    }

    /// A request of an attempt ended.
    pub(super) fn request(&self, id: &IntegrationId, failed: bool) {
        if !self.counts(id) {
            return;
        }
        self.requests.with_label_values(&labels(id)).inc();
        if failed {
            self.requests_failed.with_label_values(&labels(id)).inc();
        }
    }
}

fn labels(id: &IntegrationId) -> [&str; 2] {
    [&id.kind, &id.receiver]
}
