//! One attempt's context: what is sent, until when, and the means.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
};

use botwatch_core::{
    alerting,
    template::{Data, Templates},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use parking_lot::Mutex;

use super::{
    Course, Courses, UrlSource,
    failure::{Failure, FailureReason},
    log::Log,
    message,
    metrics::Metrics,
};
use crate::{
    net::{BodyMax, Client, Request, Response},
    runtime::{Clock, Tasks},
};

/// Alerts of a message whose rule is asked for its course: each is a query.
pub(super) const COURSES_MAX: usize = 16;

/// One attempt. Cheap to clone, so that what computes can go where it doesn't hold up sockets.
#[derive(Clone)]
pub(super) struct Job {
    pub send: Arc<alerting::Send>,
    pub templates: Arc<Templates>,
    pub external_url: Arc<str>,
    pub courses: Arc<dyn Courses>,
    pub tasks: Tasks,
    pub clock: Clock,
    pub metrics: Metrics,
    pub log: Arc<Mutex<Log>>,
}

impl Job {
    /// The delivery as templates see it.
    pub(super) fn data(&self, max_alerts: usize) -> Data {
        let (delivery, now) = (&self.send.delivery, self.clock.now());
        message::data(delivery, max_alerts, &self.external_url, &self.templates, now)
    }

    /// The course of the first alert that has one, firing ones first.
    pub(super) fn course(&self) -> Option<Course> {
        let until = self.clock.now();
        let mut alerts = self.send.delivery.alerts.iter().take(COURSES_MAX);
        alerts.find_map(|alert| self.courses.course(alert, until, super::COURSE_BACK))
    }

    /// Computes where it holds up no socket: a message may show thousands of alerts.
    pub(super) async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let job = self.clone();
        match self.tasks.blocking(move || catch_unwind(AssertUnwindSafe(|| work(&job)))).await {
            Some(Ok(result)) => Ok(result),
            // To the attempt, which reports before the bug is told.
            Some(Err(panic)) => resume_unwind(panic),
            None => Err(Failure::transient("botwatch is stopping", FailureReason::Other)),
        }
    }

    /// An address as it is at this moment.
    pub(super) async fn url(&self, source: &UrlSource, max_alerts: usize) -> Result<String, Failure> {
        let secret = source.0.read().await.map_err(|e| Failure::of_net(&e))?;
        if !message::is_template(secret.reveal()) {
            return Ok(secret.reveal().trim().to_owned());
        }
        let render =
            move |job: &Self| message::render(&job.templates, secret.reveal(), &job.data(max_alerts)).ok();
        // The engine's words would quote the address, which is a secret.
        let failed = || Failure::permanent("the template of the URL failed", FailureReason::Other);
        Ok(self.compute(render).await?.ok_or_else(failed)?.trim().to_owned())
    }

    /// Templates that failed while the message goes out without them: in the log once an hour at most.
    pub(super) fn complain(&self, problems: &[String]) {
        let id = &self.send.delivery.integration;
        if !problems.is_empty() && self.log.lock().complains(id, self.clock.now()) {
            let problems = problems.join("; ");
            tracing::warn!(integration = %id, problems, "templates failed, plain words are sent instead");
        }
    }

    /// Posts JSON and reads the answer, whatever its status, up to `body_max` bytes. Its texts have no secrets in them,
    /// of which the address is one.
    pub(super) async fn post(
        &self,
        client: &Client,
        url: &str,
        mut headers: HeaderMap,
        body: Vec<u8>,
        body_max: usize,
    ) -> Result<Response, Failure> {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let request = Request {
            method: Method::POST,
            url: url.to_owned(),
            headers,
            body: Bytes::from(body),
            timeout: self.send.deadline.since(self.clock.now()).to_std(),
            body_max: BodyMax::Cut(body_max),
            unix_socket: None,
        };
        let mut answer = client.send(request).await;
        if let Ok(response) = &mut answer {
            response.hide_addresses();
        }
        let id = &self.send.delivery.integration;
        self.metrics.request(id, !answer.as_ref().is_ok_and(Response::is_success));
        answer.map_err(|e| Failure::of_net(&e))
    }

    /// What an answer that is no success means.
    pub(super) fn refusal(&self, response: &Response) -> Failure {
        let retry_after = response.retry_after(self.clock.now().0 / 1000).map(|d| {
            botwatch_core::model::Duration::from_millis(i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
        });
        let text = match response.moved_to() {
            Some(place) => format!("moved to {place}: change the URL"),
            None => response.excerpt(),
        };
        Failure::of_status(&response.peer, response.status, &text, retry_after)
    }
}
