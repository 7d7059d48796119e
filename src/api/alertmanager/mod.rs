//! Alertmanager's API v2 (spec alertmanager §3.1), for amtool, Grafana and Prometheus. Here: `POST /api/v2/alerts`,
//! alerts from outside (§2.5).

mod alerts;
pub(super) mod postable;
mod query;
mod silences;
mod status;
#[cfg(test)]
mod tests;
mod time;

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use botwatch_core::model::{Duration, Timestamp};
use http::{HeaderMap, Request, StatusCode, header};
use hyper::body::Body as _;

pub(super) use alerts::{alerts, groups};
pub(super) use silences::{expire, get as silence, list as silences, set as set_silence};
pub(super) use status::{receivers, status};

use super::{body, failure::Failure, site::Site};
use crate::dispatch::NotDurable;
use postable::{Parsed, parse};

/// Takes alerts in and answers when they are on disk. Valid ones are taken even when others are not.
pub(super) async fn receive(
    State(site): State<Arc<Site>>,
    request: Request<Body>,
) -> Result<Response, Failure> {
    let (parts, given) = request.into_parts();
    let is_empty = given.size_hint().exact() == Some(0);
    if !is_empty {
        json_only(&parts.headers)?;
    }
    accepts_json(&parts.headers)?;
    let bytes = body::read(&site, given).await?;
    if bytes.is_empty() {
        return Err(Failure::schema(postable::REQUIRED, "alerts in body is required".to_owned()));
    }
    let now = site.clock.now();
    let mut parsed = parse(&bytes, now)?;
    if parsed.needs_timeout() {
        let timeout = site.read(|machine| machine.options().resolve_timeout).await?;
        parsed.check_starts(now, timeout);
    }
    take(&site, now, parsed).await
}

async fn take(site: &Site, now: Timestamp, parsed: Parsed) -> Result<Response, Failure> {
    let Parsed { alerts, problems } = parsed;
    let received = &site.counts.alerts_received;
    let (firing, resolved): (Vec<_>, Vec<_>) = alerts.iter().partition(|a| a.ends_at.is_none_or(|e| e > now));
    let counts = [("firing", firing.len()), ("resolved", resolved.len())];
    if !alerts.is_empty() {
        let count = alerts.len() as u64;
        site.machine.receive(alerts).await.map_err(|refused| {
            let reason = match refused {
                NotDurable::Disk => "disk",
                NotDurable::Busy => "busy",
                NotDurable::Gone => "stopping",
            };
            site.counts.alerts_refused.with_label_values(&[reason]).inc_by(count);
            Failure::from(refused)
        })?;
    }
    for (status, count) in counts {
        received.with_label_values(&[status, "v2"]).inc_by(count as u64);
    }
    site.counts.alerts_invalid.inc_by(problems.len() as u64);
    if problems.is_empty() {
        return Ok(StatusCode::OK.into_response());
    }
    // What is wrong with alerts, not with the request, is a bare string.
    Ok(body::json(StatusCode::BAD_REQUEST, &problems.join("\n")))
}

/// What is wrong with what was asked for, not with how: a bare JSON string (spec alertmanager §3.1).
fn business(why: impl Into<String>) -> Failure {
    Failure { bare: true, ..Failure::bad_data(why) }
}

fn json_only(headers: &HeaderMap) -> Result<(), Failure> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let media = given.unwrap_or("application/octet-stream");
    let essence = media.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(Failure::media_type(essence));
    }
    match headers.get(header::CONTENT_ENCODING).and_then(|v| v.to_str().ok()) {
        None | Some("" | "identity") => Ok(()),
        Some(coding) => Err(Failure::media_type(coding)),
    }
}

fn accepts_json(headers: &HeaderMap) -> Result<(), Failure> {
    let mut accepted = headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok()).peekable();
    if accepted.peek().is_none() {
        return Ok(());
    }
    let takes = |part: &str| {
        let media = part.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        matches!(media.as_str(), "application/json" | "application/*" | "*/*" | "*" | "")
    };
    if accepted.any(|value| value.split(',').any(takes)) { Ok(()) } else { Err(Failure::not_acceptable()) }
}

impl Parsed {
    /// Whether an alert without an end starts later than now: whether that is too late depends on
    /// `resolve_timeout`.
    fn needs_timeout(&self) -> bool {
        self.alerts.iter().any(|a| a.ends_at.is_none() && a.starts_at > a.updated_at)
    }

    fn check_starts(&mut self, now: Timestamp, timeout: Duration) {
        let before = self.alerts.len();
        self.alerts.retain(|a| a.ends_at.is_some() || a.starts_at <= now + timeout);
        let lost = before - self.alerts.len();
        self.problems.extend(std::iter::repeat_n(postable::BACKWARDS.to_owned(), lost));
    }
}
