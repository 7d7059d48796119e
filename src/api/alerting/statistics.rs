//! `GET /api/alerting/statistics`: how many, how fast, how noisy.

use std::{collections::BTreeMap, sync::Arc};

use axum::{extract::State, response::Response};
use botwatch_core::{
    alerting::{Episode, Firing, IntegrationId, Machine, Reason, Result as End, suggest},
    model::{ALERT_NAME, Duration, SEVERITY, Timestamp},
};
use http::{StatusCode, Uri};
use serde::Serialize;

use super::{CATEGORY, SOURCE, issue::status};
use crate::{
    api::{body, failure::Failure, params::Params, site::Site},
    evaluate::RuleKind,
};

/// Noisy rules that are shown.
const NOISY_MAX: usize = 50;

/// What is counted of one issue.
struct Counted {
    kind: String,
    severity: String,
    source: String,
    status: &'static str,
    alert: String,
    starts_at: Timestamp,
    firings: Vec<Firing>,
    /// Receivers that routes led it to.
    receivers: Vec<Arc<str>>,
    /// Why somebody is not told of it.
    quiet: Vec<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Statistics {
    /// The oldest issue that is counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    total: usize,
    by_status: BTreeMap<&'static str, usize>,
    by_type: BTreeMap<String, usize>,
    by_severity: BTreeMap<String, usize>,
    by_source: BTreeMap<String, usize>,
    by_receiver: BTreeMap<Arc<str>, usize>,
    /// Mean time to acknowledge, seconds.
    mtta_seconds: Option<f64>,
    /// Mean time to resolve, seconds.
    mttr_seconds: Option<f64>,
    noise: Noise,
    notifications: Notifications,
    /// Beginnings by the hour they fell in, `2026-01-31T22:00:00Z`.
    by_hour: BTreeMap<String, usize>,
    /// The same by day, `2026-01-31`.
    by_day: BTreeMap<String, usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Noise {
    fired: usize,
    acknowledged: usize,
    self_resolved_under_five_minutes: usize,
    /// The noisiest first.
    rules: Vec<Noisy>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Noisy {
    alert: String,
    fired: usize,
    acknowledged: usize,
    self_resolved_under_five_minutes: usize,
    /// The rule's `for`.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    hold: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suggestion: Option<Suggested>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Suggested {
    #[serde(rename = "for")]
    hold: String,
    /// Firings that nobody would have been told of.
    would_have_spared: usize,
    /// Firings that would have been told, later by the difference.
    would_have_told: usize,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Notifications {
    delivered: u64,
    attempts: u64,
    failed_attempts: u64,
    refused: u64,
    gave_up: u64,
    fell_back: u64,
    under_way: usize,
    /// Of the messages that are remembered: replaced or dropped before anybody was told.
    superseded: usize,
    /// Issues times integrations that are kept quiet, by why.
    suppressed: BTreeMap<&'static str, usize>,
    by_receiver: Vec<ByReceiver>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ByReceiver {
    receiver: Arc<str>,
    kind: Arc<str>,
    key: Arc<str>,
    delivered: u64,
    attempts: u64,
    failed_attempts: u64,
    refused: u64,
    gave_up: u64,
}

/// What is counted of the issues that are kept: all that are open, and the resolved ones that are remembered.
pub(in crate::api) async fn statistics(State(site): State<Arc<Site>>, uri: Uri) -> Result<Response, Failure> {
    let params = Params::parse(uri.query());
    params.known(&["since", "until"])?;
    let (since, until) = (params.time("since")?, params.time("until")?);
    let count = move |_: &Machine, e: &Episode| {
        let start = e.id.starts_at;
        let wanted = since.is_none_or(|t| start >= t) && until.is_none_or(|t| start < t);
        wanted.then(|| Counted::of(e))
    };
    let counted = site.scan(true, count).await?;
    let notifications = site.read(notifications).await?;
    Ok(body::json(StatusCode::OK, &summary(&site, counted, notifications)))
}

impl Counted {
    fn of(e: &Episode) -> Self {
        let label = |name: &str| e.alert.labels.value(name).to_owned();
        let mut receivers: Vec<Arc<str>> = e.standings.keys().map(|id| Arc::clone(&id.receiver)).collect();
        receivers.dedup();
        Self {
            kind: label(CATEGORY),
            severity: label(SEVERITY),
            source: label(SOURCE),
            status: status(e),
            alert: label(ALERT_NAME),
            starts_at: e.id.starts_at,
            firings: e.firings(),
            receivers,
            quiet: e.standings.values().filter_map(|s| quiet(&s.reason)).collect(),
        }
    }
}

fn quiet(reason: &Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::Inhibited { .. } => "inhibited",
        Reason::Silenced { .. } => "silenced",
        Reason::Muted { .. } => "muted",
        Reason::Inactive { .. } => "inactive",
        Reason::Acknowledged { .. } => "acknowledged",
        Reason::Disabled => "disabled",
        Reason::NoIntegrations => "no_integrations",
        _ => return None,
    })
}

fn notifications(machine: &Machine) -> Notifications {
    let mut all = Notifications { under_way: machine.deliveries().count(), ..Notifications::default() };
    for (id, c) in machine.counters() {
        let IntegrationId { receiver, kind, key } = id.clone();
        all.delivered += c.delivered;
        all.attempts += c.attempts;
        all.failed_attempts += c.transient;
        all.refused += c.permanent;
        all.gave_up += c.gave_up;
        all.fell_back += c.fell_back;
        all.by_receiver.push(ByReceiver {
            receiver,
            kind,
            key,
            delivered: c.delivered,
            attempts: c.attempts,
            failed_attempts: c.transient,
            refused: c.permanent,
            gave_up: c.gave_up,
        });
    }
    all.superseded =
        machine.history().filter(|d| matches!(d.result, End::Superseded | End::Obsolete)).count();
    all
}

fn summary(site: &Site, counted: Vec<Counted>, mut notifications: Notifications) -> Statistics {
    let mut s = Statistics {
        since: counted.iter().map(|c| c.starts_at).min().map(Timestamp::rfc3339),
        total: counted.len(),
        by_status: BTreeMap::new(),
        by_type: BTreeMap::new(),
        by_severity: BTreeMap::new(),
        by_source: BTreeMap::new(),
        by_receiver: BTreeMap::new(),
        mtta_seconds: None,
        mttr_seconds: None,
        noise: Noise { fired: 0, acknowledged: 0, self_resolved_under_five_minutes: 0, rules: Vec::new() },
        notifications: Notifications::default(),
        by_hour: BTreeMap::new(),
        by_day: BTreeMap::new(),
    };
    let mut to_acknowledge = Mean::default();
    let mut to_resolve = Mean::default();
    let mut by_alert: BTreeMap<String, Vec<Firing>> = BTreeMap::new();
    for c in counted {
        *s.by_status.entry(c.status).or_default() += 1;
        *s.by_type.entry(c.kind).or_default() += 1;
        *s.by_severity.entry(c.severity).or_default() += 1;
        *s.by_source.entry(c.source).or_default() += 1;
        for receiver in c.receivers {
            *s.by_receiver.entry(receiver).or_default() += 1;
        }
        for why in c.quiet {
            *notifications.suppressed.entry(why).or_default() += 1;
        }
        for firing in &c.firings {
            let begun = firing.from.rfc3339();
            if let (Some(day), Some(hour)) = (begun.get(..10), begun.get(..13)) {
                *s.by_day.entry(day.to_owned()).or_default() += 1;
                *s.by_hour.entry(format!("{hour}:00:00Z")).or_default() += 1;
            }
            to_acknowledge.add(firing.acknowledged.map(|at| at.since(firing.from)));
            to_resolve.add(firing.end.map(|(at, _)| at.since(firing.from)));
        }
        by_alert.entry(c.alert).or_default().extend(c.firings);
    }
    (s.mtta_seconds, s.mttr_seconds) = (to_acknowledge.seconds(), to_resolve.seconds());
    s.noise = noise(site, by_alert);
    s.notifications = notifications;
    s
}

#[derive(Default)]
struct Mean {
    sum: f64,
    count: f64,
}

impl Mean {
    fn add(&mut self, value: Option<Duration>) {
        if let Some(value) = value {
            self.sum += value.as_secs_f64();
            self.count += 1.0;
        }
    }

    fn seconds(&self) -> Option<f64> {
        (self.count > 0.0).then(|| (self.sum / self.count * 1000.0).round() / 1000.0)
    }
}

fn noise(site: &Site, by_alert: BTreeMap<String, Vec<Firing>>) -> Noise {
    let holds = holds(site);
    let rules = by_alert.into_iter().map(|(alert, firings)| {
        let hold = holds.get(&*alert).copied();
        // Only a rule of ours has a `for` to change.
        let suggestion = hold.and_then(|hold| suggest(hold, &firings)).map(|s| Suggested {
            hold: s.hold.to_string(),
            would_have_spared: s.spared,
            would_have_told: s.kept,
        });
        Noisy {
            fired: firings.len(),
            acknowledged: firings.iter().filter(|f| f.acknowledged.is_some()).count(),
            self_resolved_under_five_minutes: firings.iter().filter(|f| f.is_noise()).count(),
            hold: hold.map(|h| h.to_string()),
            suggestion,
            alert,
        }
    });
    let mut rules: Vec<Noisy> = rules.collect();
    rules.sort_by(|a, b| {
        let noise = |n: &Noisy| (n.self_resolved_under_five_minutes, n.fired);
        noise(b).cmp(&noise(a)).then_with(|| a.alert.cmp(&b.alert))
    });
    let sum = |of: fn(&Noisy) -> usize| rules.iter().map(of).sum();
    let (fired, acknowledged) = (sum(|r| r.fired), sum(|r| r.acknowledged));
    let short = sum(|r| r.self_resolved_under_five_minutes);
    rules.truncate(NOISY_MAX);
    Noise { fired, acknowledged, self_resolved_under_five_minutes: short, rules }
}

/// The shortest `for` of the rules of each name.
fn holds(site: &Site) -> BTreeMap<Arc<str>, Duration> {
    let mut holds: BTreeMap<Arc<str>, Duration> = BTreeMap::new();
    for rule in site.rules.groups().into_iter().flat_map(|g| g.rules) {
        if let RuleKind::Alerting { hold, .. } = rule.kind {
            holds.entry(rule.name).and_modify(|known| *known = hold.min(*known)).or_insert(hold);
        }
    }
    holds
}
