//! `GET /api/alerting/incidents`: issues that are probably one trouble, with the likely cause and the reason.

use std::{collections::BTreeMap, sync::Arc};

use axum::{extract::State, response::Response};
use botwatch_core::{
    alerting::{Episode, EpisodeId, Incident, Lead, Machine, correlate},
    model::{ALERT_NAME, Duration, SEVERITY, Timestamp, severity_rank},
};
use http::{StatusCode, Uri};
use serde::Serialize;

use super::issue::{id, status};
use crate::{
    api::{body, failure::Failure, params::Params, site::Site},
    dispatch::Gone,
};

/// What ended longer ago is history.
const RECENT: Duration = Duration::from_secs(3600);
/// Issues that are looked at, the newest.
const LEADS_MAX: usize = 5000;

#[derive(Serialize)]
struct Incidents {
    incidents: Vec<IncidentJson>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IncidentJson {
    /// The cause's id: the incident's, as long as it is the cause.
    id: Arc<str>,
    /// The likely first cause.
    cause: Part,
    /// Why it is one, and why they belong together.
    reason: String,
    /// The worst severity.
    severity: String,
    /// `open` while one of them is.
    status: &'static str,
    started_at: String,
    issues: Vec<Part>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    id: Arc<str>,
    title: String,
    severity: String,
    status: &'static str,
    started_at: String,
}

/// Incidents of what is open, and of what ended within the hour.
pub(in crate::api) async fn incidents(State(site): State<Arc<Site>>, uri: Uri) -> Result<Response, Failure> {
    let params = Params::parse(uri.query());
    params.known(&["status"])?;
    let status = params.first("status").map(str::to_owned);
    if let Some(unknown) = status.as_deref().filter(|s| !matches!(*s, "open" | "resolved")) {
        return Err(Failure::parameter("status", format!("{unknown:?} is none of open, resolved")));
    }
    let mut incidents: Vec<IncidentJson> = all(&site).await?.into_iter().map(|(json, _)| json).collect();
    incidents.retain(|i| status.as_deref().is_none_or(|wanted| wanted == i.status));
    Ok(body::json(StatusCode::OK, &Incidents { incidents }))
}

/// The incident that an issue belongs to.
pub(super) async fn of(site: &Site, issue: EpisodeId) -> Result<Option<IncidentJson>, Failure> {
    let found = all(site).await?.into_iter().find(|(_, incident)| incident.issues.contains(&issue));
    Ok(found.map(|(json, _)| json))
}

async fn all(site: &Site) -> Result<Vec<(IncidentJson, Incident)>, Failure> {
    let since = site.clock.now() - RECENT;
    let look = move |_: &Machine, e: &Episode| {
        e.ended.is_none_or(|end| end.at >= since).then(|| {
            let summary = e.alert.annotations.value("summary");
            let labels = e.alert.labels.clone();
            let title = if summary.is_empty() { labels.value(ALERT_NAME) } else { summary };
            let part = Part {
                id: id(e),
                title: title.to_owned(),
                severity: labels.value(SEVERITY).to_owned(),
                status: status(e),
                started_at: e.alert.starts_at.rfc3339(),
            };
            let title: Arc<str> = title.into();
            let (starts_at, ended_at) = (e.alert.starts_at, e.ended.map(|end| end.at));
            (Lead { id: e.id, labels, title, starts_at, ended_at }, part)
        })
    };
    let mut found = site.scan(true, look).await?;
    found.sort_by_key(|(lead, _)| std::cmp::Reverse((lead.starts_at, lead.id)));
    found.truncate(LEADS_MAX);
    let sorted = site.tasks.blocking(move || {
        let parts: BTreeMap<EpisodeId, Part> = found.iter().map(|(l, part)| (l.id, part.clone())).collect();
        let leads: BTreeMap<EpisodeId, Lead> = found.into_iter().map(|(l, _)| (l.id, l)).collect();
        let starts: BTreeMap<EpisodeId, Timestamp> = leads.iter().map(|(id, l)| (*id, l.starts_at)).collect();
        let incidents = correlate(leads.into_values());
        let shown = incidents.into_iter().filter_map(|i| Some((json(&i, &parts, &starts)?, i)));
        shown.collect::<Vec<(IncidentJson, Incident)>>()
    });
    Ok(sorted.await.ok_or(Gone)?)
}

fn json(
    incident: &Incident,
    parts: &BTreeMap<EpisodeId, Part>,
    starts: &BTreeMap<EpisodeId, Timestamp>,
) -> Option<IncidentJson> {
    let issues: Vec<Part> = incident.issues.iter().filter_map(|id| parts.get(id).cloned()).collect();
    let cause = parts.get(&incident.cause)?.clone();
    let worst = issues.iter().map(|p| &p.severity).min_by_key(|s| severity_rank(s))?.clone();
    let first = incident.issues.iter().filter_map(|id| starts.get(id)).min()?;
    let open = issues.iter().any(|p| p.status != "resolved");
    Some(IncidentJson {
        id: Arc::clone(&cause.id),
        cause,
        reason: incident.reason.clone(),
        severity: worst,
        status: if open { "open" } else { "resolved" },
        started_at: first.rfc3339(),
        issues,
    })
}
