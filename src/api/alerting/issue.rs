//! An issue as it is shown, and `GET /api/alerting/issues/{id}`.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use botwatch_core::{
    alerting::{Act, Entry, Episode, EpisodeId, Machine, Phase, Reason, Undone, Why},
    model::{ALERT_NAME, Ending, Labels, SEVERITY, Timestamp},
};
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;

use super::{
    CATEGORY, SOURCE,
    incidents::{self, IncidentJson},
};
use crate::api::{body, failure::Failure, site::Site};

/// An issue.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IssueJson {
    id: Arc<str>,
    /// Fingerprint and start, under which messages name it.
    episode: EpisodeId,
    r#type: Arc<str>,
    severity: Arc<str>,
    status: &'static str,
    title: Arc<str>,
    description: Arc<str>,
    source: Arc<str>,
    labels: Labels,
    annotations: Labels,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Value>,
    started_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved_by: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolution: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged: Option<AcknowledgedJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assignee: Option<Arc<str>>,
    escalation: EscalationJson,
    /// How often it was reported through the API.
    #[serde(skip_serializing_if = "is_zero")]
    reports: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_reported_at: Option<String>,
    /// How often it fired again soon after its end.
    reopened: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// A source that it depends on can't be seen since then.
    #[serde(skip_serializing_if = "Option::is_none")]
    frozen_since: Option<String>,
    silenced_by: Vec<Arc<str>>,
    inhibited_by: Vec<String>,
    #[serde(rename = "generatorURL", skip_serializing_if = "str::is_empty")]
    generator_url: Arc<str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AcknowledgedJson {
    by: Arc<str>,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EscalationJson {
    /// Steps and repeats done.
    level: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_at: Option<String>,
}

impl IssueJson {
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// What there is to know of an issue, copied out of the machine.
pub(super) struct Copied {
    pub episode: Episode,
    silenced_by: Vec<Arc<str>>,
    inhibited_by: Vec<String>,
    next_escalation: Option<Timestamp>,
}

impl Copied {
    pub(super) fn of(machine: &Machine, now: Timestamp, episode: &Episode) -> Self {
        let labels = &episode.alert.labels;
        let active = episode.is_active();
        let silences = if active { machine.silenced_by(now, labels) } else { Vec::new() };
        let inhibited = active.then(|| machine.inhibited_by(labels)).flatten();
        Self {
            silenced_by: silences.into_iter().map(|id| id.0).collect(),
            inhibited_by: inhibited.iter().map(ToString::to_string).collect(),
            next_escalation: machine.next_escalation(episode),
            episode: episode.clone(),
        }
    }

    pub(super) fn json(self) -> IssueJson {
        let Self { episode: e, silenced_by, inhibited_by, next_escalation } = self;
        let notified = e.notified();
        let (labels, annotations) = (notified.alert.labels, notified.alert.annotations);
        let label = |name: &str| -> Arc<str> { labels.value(name).into() };
        let annotation = |name: &str| annotations.get(name).filter(|v| !v.is_empty());
        let title = annotation("summary").unwrap_or_else(|| labels.value(ALERT_NAME));
        let source = match labels.value(SOURCE) {
            "" => e.rules.first().map_or("", |r| &*r.group),
            source => source,
        };
        let report = e.report.as_deref();
        let resolved = e.history.iter().rev().find(|h| matches!(h.act, Act::Resolved { .. }));
        let ended = e.ended;
        IssueJson {
            id: id(&e),
            episode: e.id,
            r#type: label(CATEGORY),
            severity: label(SEVERITY),
            status: status(&e),
            title: title.into(),
            description: annotation("description").unwrap_or_default().into(),
            source: source.into(),
            // Kept as text that was JSON when it was taken.
            metadata: report.and_then(|r| serde_json::from_str(&r.metadata).ok()),
            started_at: e.id.starts_at.rfc3339(),
            resolved_at: ended.map(|end| end.at.rfc3339()),
            resolved_by: ended
                .filter(|end| end.why == Ending::Operator)
                .and(resolved)
                .map(|h| Arc::clone(&h.by)),
            resolution: ended.map(|end| ending(end.why)),
            acknowledged: e.acknowledged.as_ref().map(|a| AcknowledgedJson {
                by: Arc::clone(&a.by),
                at: a.at.rfc3339(),
                until: a.until.map(Timestamp::rfc3339),
            }),
            assignee: e.assignee.clone(),
            escalation: EscalationJson {
                level: e.progress().count,
                next_at: next_escalation.map(Timestamp::rfc3339),
            },
            reports: report.map_or(0, |r| r.count),
            last_reported_at: report.map(|r| r.last_at.rfc3339()),
            reopened: e.reopened,
            value: notified.value,
            frozen_since: e.frozen_since.map(Timestamp::rfc3339),
            silenced_by,
            inhibited_by,
            generator_url: Arc::clone(&e.alert.generator_url),
            labels,
            annotations,
        }
    }
}

/// The id under which an issue was reported, else that of its episode.
pub(super) fn id(episode: &Episode) -> Arc<str> {
    let reported = episode.report.as_ref().and_then(|r| r.ids.iter().find(|id| !id.starts_with(KEY)));
    reported.cloned().unwrap_or_else(|| episode.id.to_string().into())
}

/// What an idempotency key's alias begins with, so that it is no issue's id.
pub(super) const KEY: &str = "key:";

/// Open, acknowledged or resolved.
pub(super) fn status(episode: &Episode) -> &'static str {
    match (&episode.ended, &episode.acknowledged) {
        (Some(_), _) => "resolved",
        (None, Some(_)) => "acknowledged",
        (None, None) => "open",
    }
}

fn ending(why: Ending) -> &'static str {
    match why {
        Ending::ConditionGone => "condition_gone",
        Ending::RuleRemoved => "rule_removed",
        Ending::Operator => "operator",
        Ending::Expired => "expired",
    }
}

#[derive(Serialize)]
struct Detail {
    #[serde(flatten)]
    issue: IssueJson,
    timeline: Vec<EntryJson>,
    notifications: Vec<WhyJson>,
    /// The trouble that it is probably part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    incident: Option<IncidentJson>,
}

#[derive(Serialize)]
struct EntryJson {
    at: String,
    /// Empty: it came about by itself.
    #[serde(skip_serializing_if = "str::is_empty")]
    by: Arc<str>,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

/// Why somebody was told of it, or not.
#[derive(Serialize)]
struct WhyJson {
    receiver: Arc<str>,
    kind: Arc<str>,
    key: Arc<str>,
    #[serde(flatten)]
    reason: Reason,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
    #[serde(rename = "lastError", skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    #[serde(rename = "nextAttemptAt", skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<String>,
}

impl WhyJson {
    fn of(why: Why<'_>) -> Self {
        let next = why.delivery.and_then(|d| match d.phase {
            Phase::Ready { at } => Some(at.rfc3339()),
            Phase::InFlight { .. } => None,
        });
        Self {
            receiver: Arc::clone(&why.integration.receiver),
            kind: Arc::clone(&why.integration.kind),
            key: Arc::clone(&why.integration.key),
            reason: why.reason,
            since: why.since.map(Timestamp::rfc3339),
            attempts: why.delivery.map(|d| d.attempts),
            last_error: why.delivery.and_then(|d| d.last_error.clone()),
            next_attempt_at: next,
        }
    }
}

impl EntryJson {
    fn plain(at: Timestamp, by: Arc<str>, event: &'static str) -> Self {
        Self { at: at.rfc3339(), by, event, reason: None, note: None, to: None, until: None }
    }

    fn of(entry: &Entry) -> Self {
        let some = |text: &Arc<str>| Some(Arc::clone(text)).filter(|t| !t.is_empty());
        let plain = |event| Self::plain(entry.at, Arc::clone(&entry.by), event);
        match &entry.act {
            Act::Acknowledged { until, note } => {
                Self { note: some(note), until: until.map(Timestamp::rfc3339), ..plain("acknowledged") }
            }
            Act::Unacknowledged { why, note } => {
                let reason = match why {
                    Undone::Operator => "operator",
                    Undone::Expired => "expired",
                    Undone::SeverityRose => "severity_rose",
                    Undone::Escalated => "escalated",
                };
                Self { note: some(note), reason: Some(reason), ..plain("unacknowledged") }
            }
            Act::Assigned { to } => Self { to: to.clone(), ..plain("assigned") },
            Act::Noted { note } => Self { note: some(note), ..plain("noted") },
            Act::Resolved { note } => Self { note: some(note), ..plain("resolved") },
            Act::Escalated { to } => Self { to: some(to), ..plain("escalated") },
            Act::Reopened => plain("reopened"),
            Act::Ended { why } => Self { reason: Some(ending(*why)), ..plain("ended") },
        }
    }
}

/// One issue with its history and who was told of it.
pub(in crate::api) async fn issue(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let now = site.clock.now();
    let wanted = id.clone();
    let look = move |machine: &Machine| {
        let episode = machine.issue(&wanted)?;
        let mut timeline = vec![EntryJson::plain(episode.seen_at, "".into(), "opened")];
        timeline.extend(episode.history.iter().map(EntryJson::of));
        let notifications: Vec<WhyJson> = machine.why(episode.id).into_iter().map(WhyJson::of).collect();
        Some((Copied::of(machine, now, episode), timeline, notifications))
    };
    let (copied, timeline, notifications) = site.read(look).await?.ok_or_else(|| no_issue(&id))?;
    let incident = incidents::of(&site, copied.episode.id).await?;
    Ok(body::json(StatusCode::OK, &Detail { issue: copied.json(), timeline, notifications, incident }))
}

pub(super) fn no_issue(id: &str) -> Failure {
    Failure::missing(format!(
        "there is no issue {id:?}; it may have been resolved so long ago that it is forgotten"
    ))
}
