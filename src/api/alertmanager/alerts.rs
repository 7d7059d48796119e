//! `GET /api/v2/alerts` and `/api/v2/alerts/groups`.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use botwatch_core::{
    alerting::{Episode, Machine, Reason},
    model::{Labels, Timestamp},
};
use http::{StatusCode, Uri};
use serde::Serialize;

use super::query::{Query, time};
use crate::api::{body, failure::Failure, site::Site};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AlertJson {
    annotations: Labels,
    ends_at: String,
    fingerprint: String,
    receivers: Vec<Named>,
    starts_at: String,
    status: StatusJson,
    updated_at: String,
    #[serde(rename = "generatorURL", skip_serializing_if = "str::is_empty")]
    generator_url: Arc<str>,
    labels: Labels,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusJson {
    inhibited_by: Vec<String>,
    muted_by: Vec<Arc<str>>,
    silenced_by: Vec<Arc<str>>,
    state: &'static str,
}

/// A receiver by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Named {
    pub name: Arc<str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupJson {
    alerts: Vec<AlertJson>,
    labels: Labels,
    receiver: Named,
    #[serde(skip_serializing_if = "Labels::is_empty")]
    route_labels: Labels,
}

/// Alerts that fire, by fingerprint.
pub(in crate::api) async fn alerts(State(site): State<Arc<Site>>, uri: Uri) -> Result<Response, Failure> {
    let query = Arc::new(Query::of(&uri)?);
    let now = site.clock.now();
    let look = move |machine: &Machine, e: &Episode| {
        let shown = e.is_active().then(|| alert(machine, now, &query, e, &[])).flatten();
        shown.filter(|a| a.receivers.iter().any(|r| query.names_receiver(&r.name)))
    };
    let mut found = site.scan(false, look).await?;
    found.sort_by(|a, b| a.fingerprint.cmp(&b.fingerprint));
    Ok(body::json(StatusCode::OK, &found).into_response())
}

/// The groups that alerts are told in, by labels, then receiver.
pub(in crate::api) async fn groups(State(site): State<Arc<Site>>, uri: Uri) -> Result<Response, Failure> {
    let query = Query::of(&uri)?;
    let now = site.clock.now();
    let look = move |machine: &Machine| {
        let mut all: Vec<GroupJson> = Vec::new();
        for group in machine.groups().filter(|g| !g.settings.detached) {
            let receiver = Named { name: Arc::clone(&group.settings.receiver) };
            if !query.names_receiver(&receiver.name) {
                continue;
            }
            let muted = match machine.muted(now, group) {
                Some(Reason::Muted { during: names } | Reason::Inactive { outside: names }) => names,
                _ => Vec::new(),
            };
            if !muted.is_empty() && !query.wants("muted") {
                continue;
            }
            let members = group.members.iter().filter(|(_, m)| !m.detached);
            let members = members.filter_map(|(id, _)| machine.episode(*id)).filter(|e| e.is_active());
            let mut alerts: Vec<AlertJson> =
                members.filter_map(|e| alert(machine, now, &query, e, &muted)).collect();
            if alerts.is_empty() {
                continue;
            }
            alerts.sort_by(|a, b| a.fingerprint.cmp(&b.fingerprint));
            let (labels, route_labels) = (group.labels.clone(), group.settings.route_labels.clone());
            all.push(GroupJson { alerts, labels, receiver, route_labels });
        }
        all.sort_by(|a, b| (&a.labels, &a.receiver).cmp(&(&b.labels, &b.receiver)));
        all
    };
    let found = site.read(look).await?;
    Ok(body::json(StatusCode::OK, &found).into_response())
}

/// An alert as it stands now, unless the query leaves it out.
fn alert(
    machine: &Machine,
    now: Timestamp,
    query: &Query,
    episode: &Episode,
    muted: &[Arc<str>],
) -> Option<AlertJson> {
    let labels = &episode.alert.labels;
    if !query.matches(labels) {
        return None;
    }
    let silenced = machine.silenced_by(now, labels);
    let silenced_by: Vec<Arc<str>> = silenced.into_iter().map(|id| id.0).collect();
    let inhibited_by: Vec<String> = machine.inhibited_by(labels).iter().map(ToString::to_string).collect();
    let suppressed = !silenced_by.is_empty() || !inhibited_by.is_empty() || !muted.is_empty();
    let state = if suppressed { "suppressed" } else { "active" };
    let left_out = (!silenced_by.is_empty() && !query.wants("silenced"))
        || (!inhibited_by.is_empty() && !query.wants("inhibited"))
        || (!suppressed && !query.wants("active"));
    if left_out {
        return None;
    }
    let routes = machine.routes().matching(labels);
    let mut receivers: Vec<Named> = Vec::new();
    for route in routes {
        let named = Named { name: Arc::clone(&machine.routes().node(route).options.receiver) };
        if !receivers.contains(&named) {
            receivers.push(named);
        }
    }
    let notified = episode.notified();
    Some(AlertJson {
        annotations: notified.alert.annotations,
        // Of our own rules' alerts nobody knows the end: it is moved on as a Prometheus would.
        ends_at: time(episode.lease.unwrap_or(now + machine.options().resolve_timeout)),
        fingerprint: labels.fingerprint().to_string(),
        receivers,
        starts_at: time(episode.alert.starts_at),
        status: StatusJson { inhibited_by, muted_by: muted.to_vec(), silenced_by, state },
        updated_at: time(episode.alert.updated_at),
        generator_url: Arc::clone(&episode.alert.generator_url),
        labels: labels.clone(),
    })
}
