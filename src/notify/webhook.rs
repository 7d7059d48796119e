//! Webhooks: Alertmanager's payload version 4, and the object `botwatch` beside it (spec alertmanager §4.1).

use std::{collections::BTreeMap, sync::Arc};

use botwatch_core::{
    alerting::{Delivery, NotifiedAlert},
    model::{Duration, Labels, Timestamp},
    template::Data,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

use super::{
    WebhookOptions,
    failure::{Answer, Failure, FailureReason},
    job::{COURSES_MAX, Job},
    json, message,
    severity::worst,
};
use crate::net::Client;

/// How much of an answer is read: an excerpt of an error is all that is wanted.
const ANSWER_MAX: usize = 16 * 1024;
/// How Go writes a time that is not set.
const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const X_BOTWATCH_DELIVERY: HeaderName = HeaderName::from_static("x-botwatch-delivery");
/// Not in the body: whoever keeps idempotency keys may refuse one that comes with another body.
const X_BOTWATCH_ATTEMPT: HeaderName = HeaderName::from_static("x-botwatch-attempt");

/// One attempt.
pub(super) async fn attempt(job: &Job, options: &Arc<WebhookOptions>, client: &Client) -> Answer {
    let url = job.url(&options.url, options.max_alerts).await?;
    let wanted = Arc::clone(options);
    let body = job.compute(move |job| body(job, &wanted)).await?;
    let body = body.map_err(|e| Failure::permanent(format!("payload: {e}"), FailureReason::Other))?;
    let mut headers = HeaderMap::new();
    if let Ok(id) = HeaderValue::from_str(&job.send.delivery.id.0) {
        headers.insert(IDEMPOTENCY_KEY, id.clone());
        headers.insert(X_BOTWATCH_DELIVERY, id);
    }
    headers.insert(X_BOTWATCH_ATTEMPT, job.send.attempt.into());
    let response = job.post(client, &url, headers, body, ANSWER_MAX).await?;
    if response.is_success() {
        return Ok(BTreeMap::new());
    }
    let mut refusal = job.refusal(&response);
    // A missing path or refused credentials are often a deployment that is taken back: nothing must be lost to it.
    refusal.permanent &= !matches!(response.status, 401 | 403 | 404 | 405);
    Err(refusal)
}

fn body(job: &Job, options: &WebhookOptions) -> serde_json::Result<Vec<u8>> {
    let delivery = &job.send.delivery;
    let data = job.data(options.max_alerts);
    let shown = message::shown(delivery, options.max_alerts);
    let until = job.clock.now();
    let mut asked = 0;
    let threshold = |alert: &NotifiedAlert| {
        if let Some(written) = alert.alert.annotations.get("threshold").and_then(number) {
            return Some(written);
        }
        asked += 1;
        let ask = asked <= COURSES_MAX;
        ask.then(|| job.courses.course(alert, until, Duration::ZERO)?.threshold).flatten()
    };
    let ours = options.botwatch_object.then(|| Botwatch::new(delivery, shown, &job.external_url, threshold));
    payload(&data, delivery, delivery.alerts.len() - shown.len(), ours)
}

/// The payload's bytes.
pub(super) fn payload(
    data: &Data,
    delivery: &Delivery,
    truncated: usize,
    botwatch: Option<Botwatch<'_>>,
) -> serde_json::Result<Vec<u8>> {
    json::to_vec(&Payload {
        receiver: &data.receiver,
        status: status(data.alerts.iter().all(|a| a.ends_at.is_some())),
        alerts: data.alerts.iter().map(Alert::new).collect(),
        notification_reason: &data.notification_reason,
        group_labels: &data.group_labels,
        common_labels: &data.common_labels,
        common_annotations: &data.common_annotations,
        route_labels: &data.route_labels,
        external_url: &data.external_url,
        version: "4",
        group_key: &delivery.group_key,
        truncated_alerts: truncated,
        botwatch,
    })
}

const fn status(resolved: bool) -> &'static str {
    if resolved { "resolved" } else { "firing" }
}

/// Fields in Alertmanager's order; `botwatch` comes after all that is known elsewhere.
#[derive(Serialize)]
struct Payload<'a> {
    receiver: &'a str,
    status: &'static str,
    alerts: Vec<Alert<'a>>,
    notification_reason: &'a str,
    #[serde(rename = "groupLabels")]
    group_labels: &'a Labels,
    #[serde(rename = "commonLabels")]
    common_labels: &'a Labels,
    #[serde(rename = "commonAnnotations")]
    common_annotations: &'a Labels,
    #[serde(rename = "routeLabels")]
    route_labels: &'a Labels,
    #[serde(rename = "externalURL")]
    external_url: &'a str,
    version: &'static str,
    #[serde(rename = "groupKey")]
    group_key: &'a str,
    #[serde(rename = "truncatedAlerts")]
    truncated_alerts: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    botwatch: Option<Botwatch<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert<'a> {
    status: &'static str,
    labels: &'a Labels,
    annotations: &'a Labels,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
    fingerprint: &'a str,
}

impl<'a> Alert<'a> {
    fn new(alert: &'a botwatch_core::template::AlertData) -> Self {
        Self {
            status: status(alert.ends_at.is_some()),
            labels: &alert.labels,
            annotations: &alert.annotations,
            starts_at: alert.starts_at.rfc3339(),
            ends_at: alert.ends_at.map_or_else(|| ZERO_TIME.to_owned(), Timestamp::rfc3339),
            generator_url: &alert.generator_url,
            fingerprint: &alert.fingerprint,
        }
    }
}

/// What Alertmanager's payload has no place for (DESIGN §4 "Receivers").
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Botwatch<'a> {
    /// Stable over retries and restarts.
    delivery_id: &'a str,
    /// The worst of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'a str>,
    /// Where all of it can be looked at.
    link: String,
    /// One for each alert, in the order of `alerts`.
    issues: Vec<Issue<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Issue<'a> {
    id: String,
    fingerprint: String,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'a str>,
    /// `null`: not known, or no finite number.
    value: Option<f64>,
    threshold: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frozen_since: Option<String>,
    link: String,
}

impl<'a> Botwatch<'a> {
    /// For the shown alerts; `threshold` is asked for each in order.
    pub(super) fn new(
        delivery: &'a Delivery,
        shown: &'a [NotifiedAlert],
        external_url: &str,
        mut threshold: impl FnMut(&NotifiedAlert) -> Option<f64>,
    ) -> Self {
        let issue = |notified: &'a NotifiedAlert| {
            let (id, labels) = (notified.episode.to_string(), &notified.alert.labels);
            Issue {
                link: format!("{external_url}/#/issues/{id}"),
                id,
                fingerprint: labels.fingerprint().to_string(),
                kind: labels.get("category"),
                severity: labels.get("severity"),
                value: notified.value.as_deref().and_then(number),
                threshold: threshold(notified).filter(|t| t.is_finite()),
                frozen_since: notified.frozen_since.map(Timestamp::rfc3339),
            }
        };
        Self {
            delivery_id: &delivery.id.0,
            severity: worst(shown.iter().map(|a| &a.alert.labels)),
            link: format!("{external_url}/"),
            issues: shown.iter().map(issue).collect(),
        }
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|n: &f64| n.is_finite())
}
