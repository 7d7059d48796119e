//! `POST /api/alerting/test`: a test notification down one receiver or all, and what came of it.

use std::sync::Arc;

use axum::{Extension, body::Body, extract::State, response::Response};
use botwatch_core::{
    alerting::{
        self, Delivery, DeliveryId, EpisodeId, IntegrationOptions, Machine, NotifiedAlert, Outcome, Seq,
    },
    model::{ALERT_NAME, Alert, Labels, SEVERITY, Timestamp},
};
use futures_util::future::join_all;
use http::{Request, StatusCode};
use serde::Serialize;

use super::{CATEGORY, SOURCE, report::new_id};
use crate::api::{
    access::Caller,
    body,
    failure::{Failure, Wrong},
    form,
    form::Form,
    site::Site,
};

/// The alert's name.
const NAME: &str = "BotwatchTest";

#[derive(Serialize)]
struct Tested {
    /// Whether every integration took it.
    ok: bool,
    results: Vec<TestedOne>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TestedOne {
    receiver: Arc<str>,
    kind: Arc<str>,
    key: Arc<str>,
    ok: bool,
    /// Why not, without secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    duration_seconds: f64,
}

/// Sends a test to the integrations of a receiver, or of all, at once, and answers when each has answered or its time
/// is up. It is no alert: nothing is kept of it, nothing repeats, nobody is told an end.
pub(in crate::api) async fn test(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    request: Request<Body>,
) -> Result<Response, Failure> {
    let mut form = Form::new(form::json(&site, request).await?)?;
    let receiver = form.text("receiver", 500);
    form.finish()?;
    let busy = || Failure::unavailable("a test is under way", 5);
    let _place = site.testing.try_acquire().map_err(|_| busy())?;
    let wanted = receiver.clone();
    let look = move |machine: &Machine| {
        let options = machine.options();
        let chosen =
            options.receivers.iter().filter(|(name, _)| wanted.as_deref().is_none_or(|w| w == &***name));
        let integrations: Vec<IntegrationOptions> = chosen.flat_map(|(_, all)| all.clone()).collect();
        let known = wanted.as_deref().is_none_or(|w| options.receivers.contains_key(w));
        (options.enabled, known, integrations)
    };
    let (enabled, known, integrations) = site.read(look).await?;
    match &receiver {
        Some(name) if !known => {
            let detail = format!("no receiver `{name}` is configured");
            return Err(Failure::wrong(vec![Wrong { pointer: "#/receiver".to_owned(), detail }]));
        }
        _ if !enabled => {
            return Err(Failure::conflict(
                "sending is switched off: set PRODUCTION_ALERTING_ENABLED=true, or leave it out",
            ));
        }
        _ if integrations.is_empty() => {
            return Err(Failure::conflict("no integration is configured there: nobody would be told"));
        }
        _ => {}
    }
    let (now, bot, by) = (site.clock.now(), site.status.bot(), caller.name());
    let mut tests = Vec::with_capacity(integrations.len());
    for integration in integrations {
        let id = new_id(now)?;
        tests.push(one(&site, integration, message(&bot, &by, &id, now), now));
    }
    let results = join_all(tests).await;
    Ok(body::json(StatusCode::OK, &Tested { ok: results.iter().all(|r| r.ok), results }))
}

async fn one(site: &Site, to: IntegrationOptions, message: Delivery, now: Timestamp) -> TestedOne {
    let watch = site.clock.stopwatch();
    let delivery = Delivery { integration: to.id.clone(), ..message };
    let send = alerting::Send {
        after: Seq(0),
        delivery: Arc::new(delivery),
        attempt: 1,
        deadline: now + to.attempt_timeout,
        receiver_data: std::collections::BTreeMap::new(),
    };
    let error = match site.tester.test(send).await {
        Outcome::Delivered { .. } => None,
        Outcome::Transient { error, .. } | Outcome::Permanent { error } => Some(error),
    };
    let duration_seconds = (watch.seconds() * 1000.0).round() / 1000.0;
    TestedOne {
        receiver: to.id.receiver,
        kind: to.id.kind,
        key: to.id.key,
        ok: error.is_none(),
        error,
        duration_seconds,
    }
}

fn message(bot: &str, by: &str, id: &str, now: Timestamp) -> Delivery {
    let labels = [
        (ALERT_NAME, NAME),
        ("bot", bot),
        (CATEGORY, "system_failure"),
        (SEVERITY, "warning"),
        (SOURCE, "test"),
    ];
    let labels = Labels::from_pairs(labels.into_iter().filter(|(_, value)| !value.is_empty()));
    let annotations = Labels::from_pairs([
        ("summary", "Test notification from botwatch"),
        (
            "description",
            &*format!(
                "{by} asked for a test. Nothing is wrong; there is nothing to do, and no end will follow."
            ),
        ),
    ]);
    let episode = EpisodeId { fingerprint: labels.fingerprint(), starts_at: now };
    let alert = Alert {
        labels: labels.clone(),
        annotations,
        starts_at: now,
        ends_at: None,
        updated_at: now,
        generator_url: "".into(),
        timeout: false,
    };
    Delivery {
        id: DeliveryId(format!("test-{id}").into()),
        integration: alerting::IntegrationId { receiver: "".into(), kind: "".into(), key: "".into() },
        group_key: format!("{{}}:{{alertname=\"{NAME}\"}}").into(),
        group_labels: Labels::from_pairs([(ALERT_NAME, NAME)]),
        route_labels: Labels::empty(),
        reason: "test".into(),
        alerts: vec![NotifiedAlert { alert, episode, value: None, frozen_since: None }],
        planned_at: now,
    }
}
