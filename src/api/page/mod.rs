//! `GET /`: one sentence of state, what fires, what can't be seen, and links. Plain HTML without scripts.

mod html;
mod style;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use axum::{body::Body, extract::State, response::Response};
use botwatch_core::{
    alerting::{IntegrationId, Machine, Phase},
    model::Timestamp,
};
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
    reload_error: Option<String>,
    notices: Vec<(NoticeKind, String)>,
    firing: usize,
    /// The first of them.
    alerts: Vec<Firing>,
    pending: usize,
    rules: usize,
    broken_rules: usize,
    targets: usize,
    blind: Vec<Blind>,
    /// Integrations that can't be told at present.
    untold: Vec<Untold>,
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

/// An integration that fails to take messages.
#[derive(Debug, Clone, Default, PartialEq)]
struct Untold {
    /// `receiver/kind`.
    name: String,
    key: String,
    messages: usize,
    error: String,
    /// When the next of them is tried again; `None`: one is being tried just now.
    next: Option<Timestamp>,
    /// It refused the last one for good: a new one is made later.
    refused: bool,
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
        reload_error: status.reload_error,
        notices: status.notices.into_iter().map(|n| (n.kind, n.text)).collect(),
        durable: site.machine.is_durable(),
        ..Facts::default()
    };
    facts.add_rules(&site.rules.groups());
    facts.add_targets(&site.targets.targets());
    let read = site.read(|machine| (firing(machine), untold(machine))).await;
    if let Ok(((firing, alerts), untold)) = read {
        (facts.firing, facts.alerts, facts.untold) = (firing, alerts, untold);
    }
    facts
}

/// How many alerts fire, the worst and newest of them.
fn firing(machine: &Machine) -> (usize, Vec<Firing>) {
    let mut all: Vec<_> = machine.alerts().filter(|e| e.is_active()).collect();
    all.sort_by_key(|e| (rank(e.alert.labels.value("severity")), -e.alert.starts_at.0));
    let shown = all.iter().take(ROWS_MAX).map(|episode| {
        let (alert, text) = (&episode.alert, episode.notified().alert.annotations);
        let summary = ["summary", "description"].into_iter().find_map(|name| text.get(name));
        Firing {
            name: alert.labels.value("alertname").to_owned(),
            severity: alert.labels.value("severity").to_owned(),
            summary: summary.map_or_else(|| alert.labels.to_string(), str::to_owned),
            runbook: text.value("runbook_url").to_owned(),
            since: alert.starts_at,
            frozen: episode.frozen_since,
        }
    });
    (all.len(), shown.collect())
}

/// The integrations with messages that failed and are not through yet, and those that refused their last one.
fn untold(machine: &Machine) -> Vec<Untold> {
    let mut all: BTreeMap<IntegrationId, Untold> = BTreeMap::new();
    for delivery in machine.deliveries().filter(|d| d.failures > 0) {
        let next = match delivery.phase {
            Phase::Ready { at } => Some(at),
            Phase::InFlight { .. } => None,
        };
        let entry =
            all.entry(delivery.integration().clone()).or_insert_with(|| Untold { next, ..Untold::default() });
        entry.messages += 1;
        entry.next = entry.next.min(next);
        entry.error = delivery.last_error.clone().unwrap_or_default();
    }
    for (integration, lane) in machine.groups().flat_map(|g| &g.lanes) {
        if let Some(refused) = &lane.refused {
            let entry = all.entry((**integration).clone()).or_default();
            entry.messages += 1;
            entry.refused = true;
            entry.error.clone_from(&refused.error);
        }
    }
    let named = |(id, entry): (IntegrationId, Untold)| Untold {
        name: format!("{}/{}", id.receiver, id.kind),
        key: id.key.to_string(),
        ..entry
    };
    all.into_iter().map(named).collect()
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

    /// What keeps a quiet page from meaning that all is well, in a few words each; the worst first.
    fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        match &self.untold[..] {
            [] => {}
            [one] => doubts.push(format!("{} can’t be told", one.name)),
            many => doubts.push(format!("{} can’t be told", counted(many.len(), "receiver"))),
        }
        match self.blind.len() {
            0 => {}
            n => doubts.push(format!("{} can’t be seen", counted(n, "target"))),
        }
        if self.rules == 0 {
            doubts.push("no rules are loaded".to_owned());
        }
        if self.broken_rules > 0 {
            let end = if self.broken_rules == 1 { "ends" } else { "end" };
            doubts.push(format!("{} {end} with an error", counted(self.broken_rules, "rule")));
        }
        if !self.durable {
            doubts.push("the journal can’t be written".to_owned());
        }
        if self.reload_error.is_some() {
            doubts.push("the newest configuration was refused".to_owned());
        }
        doubts
    }

    /// The one sentence.
    fn sentence(&self) -> String {
        if let Some(why) = &self.not_ready {
            return format!("Not ready: {why}.");
        }
        let doubts = match &self.doubts()[..] {
            [] => None,
            [head @ .., last] if !head.is_empty() => Some(format!("{} and {last}", head.join(", "))),
            [only, ..] => Some(only.clone()),
        };
        if self.firing == 0 {
            if let Some(doubts) = doubts {
                return format!("No alert fires, but {doubts}.");
            }
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
        let doubts = doubts.map_or_else(String::new, |doubts| format!(" And {doubts}."));
        format!("{} firing: {}{more}.{doubts}", counted(self.firing, "alert"), names.join(", "))
    }
}

/// `1 alert`, `2 alerts`.
fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
