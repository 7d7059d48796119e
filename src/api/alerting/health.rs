//! `GET /api/alerting/health` and `GET /api/alerting/config`: how botwatch itself stands, part by part.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use botwatch_core::{
    alerting::{Machine, Phase},
    model::{Duration, Timestamp},
};
use http::StatusCode;
use serde::Serialize;

use crate::{
    api::{body, failure::Failure, site::Site, view::NoticeKind, view::TargetHealth},
    evaluate::{GroupView, Health},
};

/// A message that waits for so long is late.
const LATE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Standing {
    Ok,
    /// It works, and something is not as it should be.
    Degraded,
    /// It can't do its job.
    Down,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    status: Standing,
    timestamp: String,
    uptime_seconds: f64,
    checks: Vec<Check>,
}

#[derive(Serialize)]
struct Check {
    name: &'static str,
    status: Standing,
    /// What is so.
    detail: String,
}

impl Check {
    fn new(name: &'static str, status: Standing, detail: impl Into<String>) -> Self {
        Self { name, status, detail: detail.into() }
    }
}

/// Each part with its state; 503 when botwatch can't do its job.
pub(in crate::api) async fn health(State(site): State<Arc<Site>>) -> Result<Response, Failure> {
    let now = site.clock.now();
    let view = site.status.view();
    let mut checks = vec![
        match &view.not_ready {
            None => Check::new("ready", Standing::Ok, "configuration, journal and alerts are loaded"),
            Some(why) => Check::new("ready", Standing::Down, why.clone()),
        },
        match &view.reload_error {
            None => Check::new("configuration", Standing::Ok, "the newest configuration is in force"),
            Some(why) => {
                Check::new("configuration", Standing::Degraded, format!("an older one is in force: {why}"))
            }
        },
        if site.machine.is_durable() {
            Check::new("journal", Standing::Ok, "what is acknowledged is on disk")
        } else {
            let why = "the journal can't be written: alerts are sent from memory, requests are refused";
            Check::new("journal", Standing::Down, why)
        },
        rules(&site.rules.groups()),
        targets(&site),
    ];
    // When the machine doesn't answer, nothing else does.
    checks.push(match site.read(move |machine| deliveries(machine, now)).await {
        Ok(check) => check,
        Err(gone) => Check::new("notifications", Standing::Down, gone.to_string()),
    });
    for notice in view.notices.iter().filter(|n| n.kind == NoticeKind::Off) {
        checks.push(Check::new("switched off", Standing::Degraded, notice.text.clone()));
    }
    let status = checks.iter().map(|c| c.status).max().unwrap_or(Standing::Ok);
    let code = if status == Standing::Down { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let uptime_seconds = now.since(site.started).as_secs_f64();
    Ok(body::json(code, &Report { status, timestamp: now.rfc3339(), uptime_seconds, checks }))
}

fn rules(groups: &[GroupView]) -> Check {
    let all = groups.iter().map(|g| g.rules.len()).sum::<usize>();
    let broken = groups.iter().flat_map(|g| &g.rules).filter(|r| r.health == Health::Bad).count();
    let missed: u64 = groups.iter().map(|g| g.missed).sum();
    let detail =
        format!("{all} rules in {} groups, {broken} failing, {missed} evaluations missed", groups.len());
    match (all, broken) {
        (0, _) => Check::new("rules", Standing::Degraded, "no rules are loaded"),
        (_, 0) => Check::new("rules", Standing::Ok, detail),
        _ => Check::new("rules", Standing::Degraded, detail),
    }
}

fn targets(site: &Site) -> Check {
    let all = site.targets.targets();
    let active: Vec<TargetHealth> = all.iter().filter_map(|t| Some(t.active.as_ref()?.health)).collect();
    let down = active.iter().filter(|h| **h == TargetHealth::Down).count();
    let detail = format!("{} of {} targets are up", active.len() - down, active.len());
    match (active.len(), down) {
        (0, _) => Check::new("targets", Standing::Degraded, "nothing is scraped"),
        (_, 0) => Check::new("targets", Standing::Ok, detail),
        _ => Check::new("targets", Standing::Degraded, detail),
    }
}

fn deliveries(machine: &Machine, now: Timestamp) -> Check {
    let mut late = 0;
    let mut failing: Vec<String> = Vec::new();
    for delivery in machine.deliveries() {
        let waits = now.since(delivery.delivery.planned_at) > LATE;
        late += usize::from(waits);
        if delivery.failures > 0 && !matches!(delivery.phase, Phase::InFlight { .. }) {
            let to = delivery.integration().to_string();
            if !failing.contains(&to) {
                failing.push(to);
            }
        }
    }
    let integrations = machine.options().receivers.values().map(Vec::len).sum::<usize>();
    if integrations == 0 {
        return Check::new("notifications", Standing::Degraded, "no receiver tells anybody");
    }
    if failing.is_empty() && late == 0 {
        return Check::new(
            "notifications",
            Standing::Ok,
            format!("{integrations} integrations, nothing is late"),
        );
    }
    failing.truncate(5);
    let detail = format!("{late} messages are late; not reached: {}", failing.join(", "));
    Check::new("notifications", Standing::Degraded, detail)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConfigJson {
    /// What is in force as YAML that could be read again; secrets are masked.
    configuration: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    loaded_at: Option<String>,
    /// What is wrong with the newest configuration, so that an older one is in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    reload_error: Option<String>,
    watches: Vec<String>,
    tells: Vec<String>,
    cannot: Vec<String>,
    off: Vec<String>,
}

/// The configuration in force, secrets masked.
pub(in crate::api) async fn config(State(site): State<Arc<Site>>) -> Response {
    let view = site.status.view();
    let notices = |kind: NoticeKind| {
        view.notices.iter().filter(|n| n.kind == kind).map(|n| n.text.clone()).collect::<Vec<_>>()
    };
    let shown = ConfigJson {
        configuration: site.status.config(),
        loaded_at: view.loaded_at.map(Timestamp::rfc3339),
        reload_error: view.reload_error.clone(),
        watches: notices(NoticeKind::Watches),
        tells: notices(NoticeKind::Tells),
        cannot: notices(NoticeKind::Cannot),
        off: notices(NoticeKind::Off),
    };
    body::json(StatusCode::OK, &shown)
}
