//! `GET /`: one sentence of state, what fires, what can't be seen, and links. Plain HTML without scripts.

mod html;
mod style;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::{body::Body, extract::State, response::Response};
use botwatch_core::{alerting::Machine, model::Timestamp};
use http::{HeaderValue, StatusCode, header};

use super::{NoticeKind, TargetHealth, TargetView, body, site::Site};
use crate::{
    evaluate::{GroupView, RuleKind},
    net::mask_url,
};

/// Alerts and targets shown; the rest is counted.
const ROWS_MAX: usize = 50;

/// What the page shows.
#[derive(Debug, Clone, Default)]
struct Facts {
    now: Timestamp,
    version: &'static str,
    not_ready: Option<String>,
    reload_failed: bool,
    notices: Vec<(NoticeKind, String)>,
    firing: usize,
    /// The first of them.
    alerts: Vec<Firing>,
    pending: usize,
    rules: usize,
    broken_rules: usize,
    targets: usize,
    blind: Vec<Blind>,
    undelivered: usize,
    durable: bool,
}

#[derive(Debug, Clone, Default)]
struct Firing {
    name: String,
    severity: String,
    summary: String,
    runbook: String,
    since: Timestamp,
    frozen: Option<Timestamp>,
}

#[derive(Debug, Clone, Default)]
struct Blind {
    pool: String,
    url: String,
    error: String,
    last: Option<Timestamp>,
}

pub(super) async fn page(State(site): State<Arc<Site>>) -> Response {
    let facts = gather(&site).await;
    let mut response =
        body::text(StatusCode::OK, "text/html; charset=utf-8", Body::from(html::write(&facts)));
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&style::policy()) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

async fn gather(site: &Site) -> Facts {
    let status = site.status.view();
    let mut facts = Facts {
        now: site.clock.now(),
        version: site.metrics.build().version,
        not_ready: status.not_ready,
        reload_failed: status.reload_failed,
        notices: status.notices.into_iter().map(|n| (n.kind, n.text)).collect(),
        durable: site.machine.is_durable(),
        ..Facts::default()
    };
    facts.add_rules(&site.rules.groups());
    facts.add_targets(&site.targets.targets());
    if let Ok((firing, alerts, undelivered)) = site.read(firing).await {
        (facts.firing, facts.alerts, facts.undelivered) = (firing, alerts, undelivered);
    }
    facts
}

/// How many alerts fire, the worst and newest of them, and how many messages fail at present.
fn firing(machine: &Machine) -> (usize, Vec<Firing>, usize) {
    let mut all: Vec<_> = machine.alerts().filter(|e| e.is_active()).collect();
    all.sort_by_key(|e| (rank(e.alert.labels.value("severity")), -e.alert.starts_at.0));
    let shown = all.iter().take(ROWS_MAX).map(|episode| {
        let (alert, text) = (&episode.alert, episode.notified().alert.annotations);
        let summary = if text.value("summary").is_empty() { "description" } else { "summary" };
        Firing {
            name: alert.labels.value("alertname").to_owned(),
            severity: alert.labels.value("severity").to_owned(),
            summary: text.value(summary).to_owned(),
            runbook: text.value("runbook_url").to_owned(),
            since: alert.starts_at,
            frozen: episode.frozen_since,
        }
    });
    let failing = machine.deliveries().filter(|d| d.failures > 0).count();
    (all.len(), shown.collect(), failing)
}

/// The worst first.
fn rank(severity: &str) -> u8 {
    match severity {
        "emergency" => 0,
        "critical" | "page" => 1,
        "warning" => 2,
        "info" => 4,
        _ => 3,
    }
}

impl Facts {
    fn add_rules(&mut self, groups: &[GroupView]) {
        for rule in groups.iter().flat_map(|g| &g.rules) {
            self.rules += 1;
            self.broken_rules += usize::from(rule.last_error.is_some());
            if let RuleKind::Alerting { alerts, .. } = &rule.kind {
                self.pending += alerts.iter().filter(|a| a.fired_at.is_none()).count();
            }
        }
    }

    fn add_targets(&mut self, targets: &[TargetView]) {
        for (target, active) in targets.iter().filter_map(|t| Some((t, t.active.as_ref()?))) {
            self.targets += 1;
            if active.health == TargetHealth::Down {
                self.blind.push(Blind {
                    pool: target.pool.to_string(),
                    url: mask_url(&active.url),
                    error: active.last_error.clone(),
                    last: active.last_scrape,
                });
            }
        }
    }

    /// The one sentence.
    fn sentence(&self) -> String {
        let blind = match self.blind.len() {
            0 => String::new(),
            n => format!(" {} can’t be seen.", counted(n, "target")),
        };
        if let Some(why) = &self.not_ready {
            return format!("Not ready: {why}.");
        }
        if self.firing == 0 && !self.blind.is_empty() {
            return format!("No alert fires, but{}", blind.trim_end());
        }
        if self.firing == 0 {
            let pending = match self.pending {
                0 => String::new(),
                n => format!(" {} pending.", counted(n, "alert")),
            };
            let (targets, rules) = (counted(self.targets, "target"), counted(self.rules, "rule"));
            return format!("All quiet: {targets} seen, {rules} evaluated.{pending}");
        }
        let mut names: Vec<&str> = Vec::new();
        for alert in &self.alerts {
            if !names.contains(&alert.name.as_str()) {
                names.push(&alert.name);
            }
        }
        let more = if names.len() > 3 { ", …" } else { "" };
        names.truncate(3);
        format!("{} firing: {}{more}.{blind}", counted(self.firing, "alert"), names.join(", "))
    }
}

/// `1 alert`, `2 alerts`.
fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
