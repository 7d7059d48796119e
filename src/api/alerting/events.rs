//! `GET /api/alerting/events`: what happens, as server-sent events (HTML Standard §9.2).

use std::{collections::BTreeMap, convert::Infallible, fmt::Write as _, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use botwatch_core::alerting::{EpisodeId, Machine};
use futures_util::stream;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::issue::{id, status};
use crate::{
    api::{failure::Failure, params::Params, site::Site},
    dispatch::{Feed, FeedEvent, What},
};

/// Kinds of events.
const KINDS: &[&str] = &["alert", "issue", "notification", "silence", "threshold"];
/// A comment keeps the connection alive.
const ALIVE: Duration = Duration::from_secs(15);

struct Follower {
    site: Arc<Site>,
    feed: Feed,
    news: watch::Receiver<u64>,
    /// The newest event that was sent.
    seq: u64,
    kinds: Vec<String>,
    first: bool,
    _place: OwnedSemaphorePermit,
}

/// Events from now on, or after the one that `Last-Event-ID` names. `type` chooses kinds. Who was away for too long, or
/// over a restart, gets an event `reset` and should read everything anew.
pub(in crate::api) async fn events(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Failure> {
    let params = Params::parse(uri.query());
    params.known(&["type", "lastEventId"])?;
    let kinds: Vec<String> =
        params.all("type")?.iter().flat_map(|v| v.split(',')).map(str::to_owned).collect();
    if let Some(unknown) = kinds.iter().find(|k| !KINDS.contains(&k.as_str())) {
        return Err(Failure::parameter("type", format!("{unknown:?} is none of {}", KINDS.join(", "))));
    }
    let last = headers.get("last-event-id").and_then(|v| v.to_str().ok()).or(params.first("lastEventId"));
    let last = match last.map(str::trim).filter(|t| !t.is_empty()) {
        Some(text) => {
            let seq = text.parse::<u64>();
            Some(seq.map_err(|_| Failure::parameter("Last-Event-ID", "not an id that an event had"))?)
        }
        None => None,
    };
    let full = || Failure::unavailable("too many follow already", 10);
    let place = Arc::clone(&site.followers).try_acquire_owned().map_err(|_| full())?;
    let feed = site.feed.clone();
    let news = feed.subscribe();
    let seq = last.unwrap_or_else(|| feed.newest());
    let follower = Follower { site, feed, news, seq, kinds, first: true, _place: place };
    let body = Body::from_stream(stream::unfold(follower, next));
    let media = [(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))];
    Ok((StatusCode::OK, media, body).into_response())
}

/// The next piece of the stream; none at the stop.
async fn next(mut follower: Follower) -> Option<(Result<String, Infallible>, Follower)> {
    if std::mem::take(&mut follower.first) {
        return Some((Ok("retry: 3000\n\n".to_owned()), follower));
    }
    let stop = follower.site.tasks.stop_token();
    loop {
        follower.news.borrow_and_update();
        let since = follower.feed.since(follower.seq);
        let mut text = String::new();
        if since.gap {
            follower.seq = follower.feed.newest();
            let _ = write!(
                text,
                "id: {}\nevent: reset\ndata: {{\"reason\":\"events were missed\"}}\n\n",
                follower.seq
            );
            return Some((Ok(text), follower));
        }
        if let Some(last) = since.events.last() {
            follower.seq = last.seq;
            let wanted = |e: &FeedEvent| {
                follower.kinds.is_empty() || follower.kinds.iter().any(|k| k == e.what.kind())
            };
            let events: Vec<FeedEvent> = since.events.into_iter().filter(wanted).collect();
            let issues = issues(&follower.site, &events).await?;
            for event in &events {
                let data = data(event, &issues);
                let _ = write!(text, "id: {}\nevent: {}\ndata: {data}\n\n", event.seq, event.what.kind());
            }
            if !text.is_empty() {
                return Some((Ok(text), follower));
            }
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => return None,
            changed = follower.news.changed() => changed.ok()?,
            () = tokio::time::sleep(ALIVE) => return Some((Ok(": alive\n\n".to_owned()), follower)),
        }
    }
}

/// What is shown of the issues that events name; none when the machine is gone.
async fn issues(site: &Site, events: &[FeedEvent]) -> Option<BTreeMap<EpisodeId, Value>> {
    let named = events.iter().flat_map(|e| match &e.what {
        What::Alerts { episodes, .. } | What::Issues { episodes, .. } => episodes.as_slice(),
        _ => &[],
    });
    let named: Vec<EpisodeId> = named.copied().collect();
    if named.is_empty() {
        return Some(BTreeMap::new());
    }
    let look = move |machine: &Machine| {
        let shown = named.into_iter().filter_map(|episode| {
            let e = machine.episode(episode)?;
            Some((episode, json!({"id": id(e), "status": status(e), "labels": e.alert.labels})))
        });
        shown.collect::<BTreeMap<EpisodeId, Value>>()
    };
    site.read(look).await.ok()
}

fn data(event: &FeedEvent, issues: &BTreeMap<EpisodeId, Value>) -> Value {
    let shown = |episodes: &[EpisodeId]| -> Vec<Value> {
        let bare = |id: &EpisodeId| json!({"id": id.to_string()});
        episodes.iter().map(|id| issues.get(id).cloned().unwrap_or_else(|| bare(id))).collect()
    };
    let mut data = match &event.what {
        What::Alerts { episodes, count, firing } => {
            let status = if *firing { "firing" } else { "resolved" };
            json!({"status": status, "count": count, "issues": shown(episodes)})
        }
        What::Issues { episodes, event, by } => json!({"event": event, "by": by, "issues": shown(episodes)}),
        What::Notification { id, status } => json!({"id": id, "status": status}),
        What::Silence { id } => json!({"id": id}),
        What::Threshold { metric } => json!({"metric": metric}),
    };
    data["at"] = event.at.rfc3339().into();
    data
}
