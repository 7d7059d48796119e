//! Webhooks of others: Prometheus' Alertmanager (version 4), Grafana (current and legacy), and reports as
//! `POST /api/alerting/issues` takes them (spec field §5c).
//!
//! Senders of alerts say each thing once: that it fires, and that it ended. So what they report stays open until its
//! end comes, however long they are silent; a repeat only renews it. A message that comes twice changes nothing.

use std::sync::Arc;

use axum::{Extension, body::Body, extract::State, response::Response};
use botwatch_core::{
    alerting::{Event, Filed, IssueError, Machine, NewIssue},
    model::{Alert, Duration, Labels, Timestamp},
};
use http::{Request, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::report::{self, new_id};
use crate::{
    api::{
        access::Caller,
        alertmanager::postable,
        body,
        failure::{Failure, Wrong},
        form,
        form::Form,
        site::Site,
    },
    net::sanitise,
};

/// Reports of one request.
const REPORTS_MAX: usize = 1000;
/// How long an alert is believed that its sender neither repeats nor ends.
const LEASE: Duration = Duration::from_secs(30 * 86_400);

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Alertmanager's version 4, also Grafana's current one.
    Alerts,
    /// Grafana before version 9.
    Legacy,
    /// Reports.
    Reports,
}

#[derive(Serialize)]
struct Taken {
    status: &'static str,
    /// Alerts or reports that were taken.
    received: usize,
    /// Those that were known to be so already.
    repeated: usize,
    /// Ids of the issues of reports, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    issues: Vec<String>,
}

/// Any of the shapes, recognised by what stands in it.
pub(in crate::api) async fn webhook(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    request: Request<Body>,
) -> Result<Response, Failure> {
    let body = form::json(&site, request).await?;
    match recognise(&body) {
        Shape::Reports => reports(&site, &caller, body).await,
        shape => alerts(&site, "alerts", shape, body).await,
    }
}

/// Alertmanager's webhook.
pub(in crate::api) async fn prometheus(
    State(site): State<Arc<Site>>,
    request: Request<Body>,
) -> Result<Response, Failure> {
    let body = form::json(&site, request).await?;
    let version = body.get("version").map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
    match version.as_deref() {
        Some("4") => alerts(&site, "prometheus", Shape::Alerts, body).await,
        Some(other) => Err(wrong("version", format!("expected \"4\", found {other:?}"))),
        None => Err(wrong("version", "is needed: \"4\", as Alertmanager sends it".to_owned())),
    }
}

/// Grafana's webhook, current or legacy.
pub(in crate::api) async fn grafana(
    State(site): State<Arc<Site>>,
    request: Request<Body>,
) -> Result<Response, Failure> {
    let body = form::json(&site, request).await?;
    match recognise(&body) {
        Shape::Reports => Err(wrong(
            "alerts",
            "is needed, as Grafana's alerting sends it; or `ruleName` and `state`, as it did before version 9"
                .to_owned(),
        )),
        shape => alerts(&site, "grafana", shape, body).await,
    }
}

fn wrong(field: &str, detail: String) -> Failure {
    Failure::wrong(vec![Wrong { pointer: format!("#/{field}"), detail }])
}

fn recognise(body: &Value) -> Shape {
    let has = |name: &str| body.get(name).is_some();
    if body.get("alerts").is_some_and(Value::is_array) {
        Shape::Alerts
    } else if has("ruleName") && has("state") {
        Shape::Legacy
    } else {
        Shape::Reports
    }
}

/// What the alerts of a message come to, before they are checked.
fn postables(shape: Shape, body: &Value) -> Result<Vec<Value>, Failure> {
    match shape {
        Shape::Legacy => Ok(legacy(body)?.into_iter().collect()),
        Shape::Alerts | Shape::Reports => {
            let all = body.get("alerts").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let mut postables = Vec::with_capacity(all.len());
            let mut problems = Vec::new();
            for (index, alert) in all.iter().enumerate() {
                match current(alert, body) {
                    Ok(postable) => postables.push(postable),
                    Err((field, detail)) => {
                        problems.push(Wrong { pointer: format!("#/alerts/{index}{field}"), detail });
                    }
                }
            }
            if problems.is_empty() { Ok(postables) } else { Err(Failure::wrong(problems)) }
        }
    }
}

/// One alert of Alertmanager's or Grafana's current message.
fn current(alert: &Value, message: &Value) -> Result<Value, (&'static str, String)> {
    let Value::Object(fields) = alert else { return Err(("", "expected an object".to_owned())) };
    let texts = |name: &'static str, field: &'static str| match fields.get(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(all)) if all.values().all(Value::is_string) => Ok(all.clone()),
        Some(_) => Err((field, "expected an object of texts".to_owned())),
    };
    let labels = texts("labels", "/labels")?;
    let mut annotations = texts("annotations", "/annotations")?;
    // What Grafana says beside them.
    for (name, key) in [
        ("dashboardURL", "grafana_dashboard_url"),
        ("panelURL", "grafana_panel_url"),
        ("silenceURL", "grafana_silence_url"),
        ("valueString", "grafana_values"),
    ] {
        if let Some(Value::String(text)) = fields.get(name).filter(|v| v.as_str() != Some("")) {
            annotations.entry(key).or_insert_with(|| text.clone().into());
        }
    }
    let status = fields.get("status").or_else(|| message.get("status")).and_then(Value::as_str);
    let ended = match status {
        Some("firing") => false,
        Some("resolved") => true,
        other => return Err(("/status", format!("expected firing or resolved, found {other:?}"))),
    };
    let time = |name: &str| fields.get(name).cloned().unwrap_or(Value::Null);
    let mut postable = json!({"labels": labels, "annotations": annotations, "startsAt": time("startsAt")});
    if ended {
        postable["endsAt"] = time("endsAt");
    }
    if let Some(link) = fields.get("generatorURL").filter(|v| v.is_string()) {
        postable["generatorURL"] = link.clone();
    }
    postable["ended"] = ended.into();
    Ok(postable)
}

/// Grafana's message before version 9: one rule, one alert. `None`: a state that is no news.
fn legacy(body: &Value) -> Result<Option<Value>, Failure> {
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let ended = match text("state") {
        "alerting" | "no_data" => false,
        "ok" => true,
        "pending" | "paused" | "unknown" => return Ok(None),
        other => {
            let states = "alerting, no_data, ok, pending, paused, unknown";
            return Err(wrong("state", format!("{other:?} is none of {states}")));
        }
    };
    let mut labels = Map::from_iter([("alertname".to_owned(), text("ruleName").into())]);
    for name in ["ruleId", "orgId", "dashboardId", "panelId"] {
        if let Some(id) = body.get(name).filter(|v| v.is_number()) {
            labels.insert(
                format!("grafana_{}", name.trim_end_matches("Id").to_lowercase()),
                id.to_string().into(),
            );
        }
    }
    for (name, value) in body.get("tags").and_then(Value::as_object).into_iter().flatten() {
        if let Some(text) = value.as_str() {
            labels.entry(name.clone()).or_insert_with(|| text.into());
        }
    }
    let mut annotations = Map::from_iter([("summary".to_owned(), text("title").into())]);
    annotations.insert("description".to_owned(), text("message").into());
    if text("state") == "no_data" {
        annotations.insert("grafana_state".to_owned(), "no_data".into());
    }
    let values = body.get("evalMatches").and_then(Value::as_array).into_iter().flatten();
    let values: Vec<String> = values
        .filter_map(|m| Some(format!("{}={}", m.get("metric")?.as_str()?, m.get("value")?)))
        .take(20)
        .collect();
    if !values.is_empty() {
        annotations.insert("grafana_values".to_owned(), values.join(", ").into());
    }
    Ok(Some(json!({
        "labels": labels, "annotations": annotations, "generatorURL": text("ruleUrl"), "ended": ended,
    })))
}

/// Takes alerts in and answers when they are on disk.
async fn alerts(site: &Site, sender: &'static str, shape: Shape, body: Value) -> Result<Response, Failure> {
    let now = site.clock.now();
    let mut posted = postables(shape, &body)?;
    let ended: Vec<bool> = posted.iter().map(|p| p["ended"] == true).collect();
    for one in &mut posted {
        if let Value::Object(fields) = one {
            fields.remove("ended");
        }
    }
    let mut taken = Vec::with_capacity(posted.len());
    let mut problems = Vec::new();
    for (index, (one, ended)) in posted.into_iter().zip(ended).enumerate() {
        let pointer = format!("#/alerts/{index}");
        let bytes = serde_json::to_vec(&[one]).unwrap_or_default();
        match postable::parse(&bytes, now) {
            Ok(parsed) => {
                taken.extend(parsed.alerts.into_iter().map(|a| believed(a, ended, now)));
                problems.extend(
                    parsed.problems.into_iter().map(|detail| Wrong { pointer: pointer.clone(), detail }),
                );
            }
            Err(failure) => problems.push(Wrong { pointer, detail: failure.detail }),
        }
    }
    site.counts.alerts_invalid.inc_by(problems.len() as u64);
    let received = taken.len();
    let repeated = if taken.is_empty() { 0 } else { receive(site, sender, shape, taken).await? };
    if !problems.is_empty() {
        // What was right is taken all the same: who sent it won't send it again.
        return Err(Failure::wrong(problems));
    }
    Ok(body::json(StatusCode::OK, &Taken { status: "ok", received, repeated, issues: Vec::new() }))
}

/// An alert as its sender means it: it fires until it is said to have ended.
fn believed(alert: Alert, ended: bool, now: Timestamp) -> Alert {
    let ends_at = if ended { alert.ends_at.unwrap_or(now).min(now) } else { now + LEASE };
    let texts = alert.annotations.iter().map(|(n, v)| (n.to_owned(), sanitise(v).into_owned()));
    let annotations = Labels::from_pairs(texts);
    Alert { ends_at: Some(ends_at), starts_at: alert.starts_at.min(ends_at), annotations, ..alert }
}

/// Answers how many were known to be so.
async fn receive(
    site: &Site,
    sender: &'static str,
    shape: Shape,
    alerts: Vec<Alert>,
) -> Result<usize, Failure> {
    let firing = alerts.iter().filter(|a| a.ends_at.is_some_and(|end| end > site.clock.now())).count();
    let count = alerts.len();
    let made = site
        .change(move |machine: &mut Machine, now, effects| {
            if machine.would_open(&alerts) > machine.room() {
                return Err(IssueError::Full);
            }
            let all = alerts.len();
            // A message that is delivered late again must not open what it opened before.
            let fresh: Vec<Alert> =
                alerts.into_iter().filter(|a| shape == Shape::Legacy || !is_old(machine, now, a)).collect();
            let repeated = all - fresh.len();
            if !fresh.is_empty() {
                machine.handle(now, Event::Received(fresh), effects);
            }
            Ok(repeated)
        })
        .await?;
    let repeated = made.map_err(report::failure)?;
    let counts = &site.counts.webhook_alerts;
    counts.with_label_values(&[sender, "firing"]).inc_by(firing as u64);
    counts.with_label_values(&[sender, "resolved"]).inc_by((count - firing) as u64);
    Ok(repeated)
}

/// Whether a report says that something fires whose end its sender has told since: a new firing has a new start. The
/// legacy shape has no starts.
fn is_old(machine: &Machine, now: Timestamp, alert: &Alert) -> bool {
    let fires = alert.ends_at.is_some_and(|end| end > now);
    let known = machine.newest(alert.labels.fingerprint());
    fires
        && known.is_some_and(|e| {
            e.rules.is_empty()
                && e.ended.is_some()
                && !e.is_overruled()
                && e.alert.starts_at == alert.starts_at
        })
}

/// Takes reports in; all of them, or none when one is wrong.
async fn reports(site: &Site, caller: &Caller, body: Value) -> Result<Response, Failure> {
    let (all, is_list) = match body {
        Value::Array(all) => (all, true),
        one => (vec![one], false),
    };
    if all.len() > REPORTS_MAX {
        return Err(Failure::bad_data(format!(
            "{} reports, of which {REPORTS_MAX} are taken at once",
            all.len()
        )));
    }
    let now = site.clock.now();
    let mut problems = Vec::new();
    let mut wanted: Vec<NewIssue> = Vec::with_capacity(all.len());
    for (index, one) in all.into_iter().enumerate() {
        let at = if is_list { format!("/{index}") } else { String::new() };
        match Form::at(one, at) {
            Ok(mut form) => {
                let mut new = report::read(&mut form, site, caller);
                problems.extend(form.problems());
                if new.ids.is_empty() {
                    new.spare_id = Some(new_id(now)?);
                }
                wanted.push(new);
            }
            Err(wrong) => problems.push(wrong),
        }
    }
    if !problems.is_empty() {
        return Err(Failure::wrong(problems));
    }
    let received = wanted.len();
    let made = site
        .change(move |machine: &mut Machine, now, effects| {
            let filed = wanted.into_iter().map(|new| machine.report(now, new, effects));
            let filed: Vec<Result<Filed, IssueError>> = filed.collect();
            let shown = filed.into_iter().map(|filed| {
                let filed = filed?;
                let episode = machine.episode(filed.episode()).ok_or(IssueError::NotFound)?;
                Ok((matches!(filed, Filed::Repeated(_)), super::issue::id(episode).to_string()))
            });
            shown.collect::<Result<Vec<(bool, String)>, IssueError>>()
        })
        .await?;
    let made = made.map_err(report::failure)?;
    site.counts.webhook_alerts.with_label_values(&["alerts", "firing"]).inc_by(received as u64);
    let repeated = made.iter().filter(|(repeated, _)| *repeated).count();
    let issues = made.into_iter().map(|(_, id)| id).collect();
    let status = if repeated < received { StatusCode::CREATED } else { StatusCode::OK };
    Ok(body::json(status, &Taken { status: "ok", received, repeated, issues }))
}
