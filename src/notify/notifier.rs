//! The worker that performs attempts.

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    sync::Arc,
};

use botwatch_core::{
    alerting::{self, IntegrationId, Outcome},
    model::{Duration, Timestamp},
};
use futures_util::FutureExt as _;
use parking_lot::{Mutex, RwLock};
use prometheus::Registry;

use super::{
    Courses, Options, Report,
    failure::{Answer, Failure, FailureReason},
    job::Job,
    log::Log,
    metrics::Metrics,
    worker::{Worker, Workers},
};
use crate::{
    dispatch::Courier,
    runtime::{Clock, Tasks},
};

/// Why nothing can be sent with these options.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An integration's options can't work.
    #[error("integration {integration}: {reason}")]
    Integration {
        /// Which.
        integration: IntegrationId,
        /// Why, without secrets.
        reason: String,
    },
    /// The metrics are registered already.
    #[error("can't register metrics")]
    Metrics(#[from] prometheus::Error),
}

/// Performs attempts. Cheap to clone.
#[derive(Clone)]
pub struct Notifier(Arc<Inner>);

struct Inner {
    tasks: Tasks,
    clock: Clock,
    report: Arc<dyn Report>,
    courses: Arc<dyn Courses>,
    metrics: Metrics,
    workers: RwLock<Arc<Workers>>,
    log: Arc<Mutex<Log>>,
}

impl Notifier {
    /// Ready to send; nothing is connected yet.
    ///
    /// # Errors
    /// [`Error`].
    pub fn new(
        tasks: Tasks,
        clock: Clock,
        options: Options,
        report: Arc<dyn Report>,
        courses: Arc<dyn Courses>,
        registry: &Registry,
    ) -> Result<Self, Error> {
        let workers = Workers::new(options, None, &clock)?;
        let metrics = Metrics::new(registry)?;
        metrics.configure(workers.by_id.keys());
        let (workers, log) = (RwLock::new(Arc::new(workers)), Arc::default());
        Ok(Self(Arc::new(Inner { tasks, clock, report, courses, metrics, workers, log })))
    }

    /// Takes new options; one caller at a time. Attempts under way end with the old ones; connections of what stays equal are kept.
    ///
    /// # Errors
    /// [`Error::Integration`]; the old options stay.
    pub fn reload(&self, options: Options) -> Result<(), Error> {
        let inner = &self.0;
        // Attempts start meanwhile: the lock is held only to put the new ones in place.
        let current = Arc::clone(&inner.workers.read());
        let next = Workers::new(options, Some(&current), &inner.clock)?;
        inner.metrics.configure(next.by_id.keys());
        inner.log.lock().retain(|id| next.by_id.contains_key(id));
        *inner.workers.write() = Arc::new(next);
        Ok(())
    }
}

impl Notifier {
    /// One attempt of a message that is no alert's, to see whether it arrives. The machine doesn't hear of it; metrics
    /// and log do.
    pub async fn test(&self, send: alerting::Send) -> Outcome {
        let workers = Arc::clone(&self.0.workers.read());
        self.0.attempt(send, &workers).await
    }
}

impl Courier for Notifier {
    /// Starts a task for the attempt. The machine bounds how many run at once.
    fn send(&self, send: alerting::Send) {
        let inner = Arc::clone(&self.0);
        // With the options of this moment, whatever is reloaded before the task runs.
        let workers = Arc::clone(&inner.workers.read());
        self.0.tasks.spawn("notify", async move { inner.perform(send, &workers).await });
    }
}

impl Inner {
    /// One attempt and its report, exactly one. A panic is reported to the machine as a failure before it is told
    /// to the application as the bug that it is.
    async fn perform(&self, send: alerting::Send, workers: &Workers) {
        let id = send.delivery.id.clone();
        let ended = AssertUnwindSafe(self.attempt(send, workers)).catch_unwind().await;
        let (outcome, panic) = match ended {
            Ok(outcome) => (outcome, None),
            Err(panic) => {
                let error = "a bug in botwatch ended the attempt".to_owned();
                (Outcome::Transient { error, retry_after: None }, Some(panic))
            }
        };
        self.report.delivered(id, outcome).await;
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    async fn attempt(&self, send: alerting::Send, workers: &Workers) -> Outcome {
        let Some(worker) = workers.by_id.get(&send.delivery.integration) else {
            return Outcome::Permanent { error: "the integration is no longer configured".to_owned() };
        };
        let begun = self.clock.now();
        let job = Job {
            send: Arc::new(send),
            templates: Arc::clone(&workers.templates),
            external_url: Arc::clone(&workers.external_url),
            courses: Arc::clone(&self.courses),
            tasks: self.tasks.clone(),
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
            log: Arc::clone(&self.log),
        };
        begins(&job.send);
        let answer = in_time(&job, worker, begun).await;
        ended(&job.send, self.clock.now().since(begun), &answer);
        self.note(&job.send.delivery.integration, begun, &answer);
        match answer {
            Ok(receiver_data) => Outcome::Delivered { receiver_data },
            Err(failure) => failure.into_outcome(),
        }
    }

    /// For the metrics and the log.
    fn note(&self, id: &IntegrationId, begun: Timestamp, answer: &Answer) {
        let (now, failure) = (self.clock.now(), answer.as_ref().err());
        self.metrics.attempt(id, now.since(begun), failure.map(|f| f.reason));
        if !self.workers.read().by_id.contains_key(id) {
            return;
        }
        let say = self.log.lock().note(id, now, failure);
        if let Some(say) = say {
            say.write(id, failure);
        }
    }
}

/// What `DEBUG=alerting:notify` shows of each attempt.
pub(super) fn begins(send: &alerting::Send) {
    let delivery = &send.delivery;
    tracing::debug!(
        integration = %delivery.integration,
        delivery = %delivery.id.0,
        attempt = send.attempt,
        alerts = delivery.alerts.len(),
        reason = %delivery.reason,
        group = %delivery.group_key,
        deadline = %send.deadline,
        "attempt begins"
    );
}

/// As [`begins`]. Errors and what receivers said have no secrets in them.
pub(super) fn ended(send: &alerting::Send, took: Duration, answer: &Answer) {
    let (integration, delivery, attempt) = (&send.delivery.integration, &*send.delivery.id.0, send.attempt);
    let seconds = took.as_secs_f64();
    match answer {
        Ok(receiver_data) => {
            tracing::debug!(%integration, delivery, attempt, seconds, ?receiver_data, "delivered");
        }
        Err(Failure { error, permanent, retry_after, .. }) => {
            let retry_after = retry_after.map(Duration::as_secs_f64);
            tracing::debug!(
                %integration, delivery, attempt, seconds, error, permanent, retry_after, "not delivered"
            );
        }
    }
}

/// An attempt, given up at its deadline whatever it is doing.
async fn in_time(job: &Job, worker: &Worker, begun: Timestamp) -> Answer {
    if job.send.deadline <= begun {
        return Err(Failure::transient(
            "the time was up before the attempt began",
            FailureReason::DeadlineExceeded,
        ));
    }
    tokio::select! {
        biased;
        answer = worker.attempt(job) => answer,
        () = job.clock.sleep_until(job.send.deadline) => Err(Failure::late()),
    }
}
