//! `GET /api/alerting/notifications`: what was sent, is being sent, and failed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{extract::State, response::Response};
use botwatch_core::{
    alerting::{
        DONE_EPISODES_MAX, DeliveryState, Done, EpisodeId, IntegrationId, Machine, Phase, Result as End,
    },
    model::{Labels, Timestamp},
};
use http::{StatusCode, Uri};
use serde::Serialize;

use super::{body, failure::Failure, params::Params, site::Site};

/// Notifications in one answer unless `limit` says otherwise, and at most.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1000;

#[derive(Serialize)]
struct List {
    notifications: Vec<Notification>,
    /// More match than are shown.
    truncated: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Notification {
    id: Arc<str>,
    receiver: Arc<str>,
    integration: Integration,
    group_key: Arc<str>,
    status: &'static str,
    reason: Arc<str>,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    firing: usize,
    resolved: usize,
    /// The first of them.
    alerts: Vec<Told>,
    planned_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    done_at: Option<String>,
    /// Made while the journal could not commit.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    undurable: bool,
}

#[derive(Serialize)]
struct Integration {
    kind: Arc<str>,
    key: Arc<str>,
}

#[derive(Serialize)]
struct Told {
    /// Fingerprint and start: names the alert's issue.
    episode: EpisodeId,
    /// What was said of it; not kept once the message is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    /// Missing when the alert was over too long ago.
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<Labels>,
}

/// What is asked for.
struct Wanted {
    receiver: Option<String>,
    status: Option<String>,
    limit: usize,
}

const STATUSES: &[&str] = &[
    "waiting",
    "sending",
    "retrying",
    "delivered",
    "refused",
    "gave_up",
    "superseded",
    "obsolete",
    "receiver_removed",
];

/// Newest first: `receiver`, `status` and `limit` choose.
pub(super) async fn notifications(State(site): State<Arc<Site>>, uri: Uri) -> Result<Response, Failure> {
    let params = Params::parse(uri.query());
    let status = params.first("status").map(str::to_owned);
    if let Some(unknown) = status.as_deref().filter(|s| !STATUSES.contains(s)) {
        let why = format!("{unknown:?} is none of {}", STATUSES.join(", "));
        return Err(Failure::parameter("status", why));
    }
    let limit = params.count("limit")?.unwrap_or(LIMIT).min(LIMIT_MAX);
    let wanted = Wanted { receiver: params.first("receiver").map(str::to_owned), status, limit };
    let list = site.read(move |machine| list(machine, &wanted)).await;
    let list = list.map_err(|gone| Failure::unavailable(gone.to_string(), 10))?;
    Ok(body::json(StatusCode::OK, &list))
}

fn list(machine: &Machine, wanted: &Wanted) -> List {
    // Numbers rise with time, so they give the order.
    let mut found: BTreeMap<u64, Row<'_>> = BTreeMap::new();
    let mut truncated = false;
    let under_way = machine.deliveries().map(|d| (d.number, Row::UnderWay(d)));
    let done = machine.history().map(|d| (d.number, Row::Done(d)));
    for (number, row) in under_way.chain(done) {
        if !wanted.wants(row.integration(), row.status()) {
            continue;
        }
        found.insert(number, row);
        if found.len() > wanted.limit {
            found.pop_first();
            truncated = true;
        }
    }
    let labels = labels_of(machine, &found);
    let notifications = found.values().rev().map(|row| row.json(&labels)).collect();
    List { notifications, truncated }
}

/// Labels of what messages told, found in one pass over the alerts.
fn labels_of(machine: &Machine, rows: &BTreeMap<u64, Row<'_>>) -> BTreeMap<EpisodeId, Labels> {
    let done = rows.values().filter_map(|row| match row {
        Row::Done(done) => Some(&done.episodes),
        Row::UnderWay(_) => None,
    });
    let ids: BTreeSet<EpisodeId> = done.flatten().copied().collect();
    let episodes = machine.alerts().chain(machine.past()).filter(|e| ids.contains(&e.id));
    episodes.map(|e| (e.id, e.alert.labels.clone())).collect()
}

impl Wanted {
    fn wants(&self, integration: &IntegrationId, status: &str) -> bool {
        self.receiver.as_deref().is_none_or(|r| *integration.receiver == *r)
            && self.status.as_deref().is_none_or(|s| s == status)
    }
}

enum Row<'a> {
    UnderWay(&'a DeliveryState),
    Done(&'a Done),
}

impl Row<'_> {
    fn integration(&self) -> &IntegrationId {
        match self {
            Self::UnderWay(state) => state.integration(),
            Self::Done(done) => &done.integration,
        }
    }

    fn status(&self) -> &'static str {
        match self {
            Self::UnderWay(DeliveryState { phase: Phase::InFlight { .. }, .. }) => "sending",
            Self::UnderWay(DeliveryState { attempts: 0, .. }) => "waiting",
            Self::UnderWay(_) => "retrying",
            Self::Done(done) => match done.result {
                End::Delivered => "delivered",
                End::Refused => "refused",
                End::GaveUp => "gave_up",
                End::Superseded => "superseded",
                End::Obsolete => "obsolete",
                End::ReceiverRemoved => "receiver_removed",
            },
        }
    }

    fn json(&self, labels: &BTreeMap<EpisodeId, Labels>) -> Notification {
        let status = self.status();
        let IntegrationId { receiver, kind, key } = self.integration().clone();
        let integration = Integration { kind, key };
        match self {
            Self::UnderWay(state) => {
                let delivery = &state.delivery;
                let resolved = delivery.alerts.iter().filter(|a| a.alert.ends_at.is_some()).count();
                let alerts = delivery.alerts.iter().take(DONE_EPISODES_MAX).map(|a| Told {
                    episode: a.episode,
                    status: Some(if a.alert.ends_at.is_some() { "resolved" } else { "firing" }),
                    labels: Some(a.alert.labels.clone()),
                });
                let next = match state.phase {
                    Phase::Ready { at } => Some(at),
                    Phase::InFlight { .. } => None,
                };
                Notification {
                    id: Arc::clone(&delivery.id.0),
                    receiver,
                    integration,
                    group_key: Arc::clone(&delivery.group_key),
                    status,
                    reason: Arc::clone(&delivery.reason),
                    attempts: state.attempts,
                    last_error: state.last_error.clone(),
                    firing: delivery.alerts.len() - resolved,
                    resolved,
                    alerts: alerts.collect(),
                    planned_at: delivery.planned_at.rfc3339(),
                    next_attempt_at: next.map(Timestamp::rfc3339),
                    done_at: None,
                    undurable: state.undurable,
                }
            }
            Self::Done(done) => {
                let told =
                    |id: &EpisodeId| Told { episode: *id, status: None, labels: labels.get(id).cloned() };
                Notification {
                    id: Arc::clone(&done.id.0),
                    receiver,
                    integration,
                    group_key: Arc::clone(&done.group_key),
                    status,
                    reason: Arc::clone(&done.reason),
                    attempts: done.attempts,
                    last_error: done.last_error.clone(),
                    firing: done.firing,
                    resolved: done.resolved,
                    alerts: done.episodes.iter().map(told).collect(),
                    planned_at: done.planned_at.rfc3339(),
                    next_attempt_at: None,
                    done_at: Some(done.done_at.rfc3339()),
                    undurable: done.undurable,
                }
            }
        }
    }
}
