//! `/api/v2/silences` and `/api/v2/silence/{id}` (spec alertmanager §2.7, §3.1).

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::Body,
    extract::{Path, State},
    response::{IntoResponse as _, Response},
};
use botwatch_core::{
    alerting::{Machine, Silence, SilenceError, SilenceId, SilenceState},
    model::{Labels, MatchOp, Matcher, Timestamp},
};
use http::{Request, StatusCode, Uri};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};

use super::{
    accepts_json, business, json_only,
    postable::REQUIRED,
    query::{Query, time},
    time::parse as parse_time,
};
use crate::api::{body, failure::Failure, router::Audited, site::Site};

/// The schema's code of what has the wrong type.
const TYPE: u16 = 601;
/// The schema's code of a list that is too short.
const TOO_FEW: u16 = 612;
/// Matchers of a silence, and annotations, at most.
const ITEMS_MAX: usize = 64;
/// Bytes of a name or an author at most.
const NAME_MAX: usize = 1 << 10;
/// Bytes of a value or a comment at most.
const TEXT_MAX: usize = 8 << 10;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SilenceJson<'s> {
    id: &'s str,
    status: StateJson,
    updated_at: String,
    #[serde(skip_serializing_if = "Labels::is_empty")]
    annotations: &'s Labels,
    comment: &'s str,
    created_by: &'s str,
    ends_at: String,
    matchers: Vec<MatcherJson<'s>>,
    starts_at: String,
}

#[derive(Serialize)]
struct StateJson {
    state: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MatcherJson<'s> {
    is_equal: bool,
    is_regex: bool,
    name: &'s str,
    value: &'s str,
}

impl<'s> SilenceJson<'s> {
    fn of(silence: &'s Silence, now: Timestamp) -> Self {
        let matcher = |m: &'s Matcher| MatcherJson {
            is_equal: matches!(m.op, MatchOp::Equal | MatchOp::Regex),
            is_regex: matches!(m.op, MatchOp::Regex | MatchOp::NotRegex),
            name: &m.name,
            value: &m.value,
        };
        Self {
            id: &silence.id.0,
            status: StateJson { state: silence.state(now).as_str() },
            updated_at: time(silence.updated_at),
            annotations: &silence.annotations,
            comment: &silence.comment,
            created_by: &silence.created_by,
            ends_at: time(silence.ends_at),
            matchers: silence.matchers.iter().map(matcher).collect(),
            starts_at: time(silence.starts_at),
        }
    }
}

/// Silences: those in force by their end, those to come by their beginning, those that are over, the newest end first.
pub(in crate::api) async fn list(State(site): State<Arc<Site>>, uri: Uri) -> Result<Response, Failure> {
    let query = Query::of(&uri)?;
    let now = site.clock.now();
    let found = site.read(|machine| machine.silences().cloned().collect::<Vec<_>>()).await;
    let mut found = found?;
    found.retain(|s| {
        query.wants(s.state(now).as_str()) && query.filter.iter().all(|wanted| s.matchers.contains(wanted))
    });
    found.sort_by_cached_key(|s| match s.state(now) {
        SilenceState::Active => (0, s.ends_at.0, s.id.clone()),
        SilenceState::Pending => (1, s.starts_at.0, s.id.clone()),
        SilenceState::Expired => (2, -s.ends_at.0, s.id.clone()),
    });
    let shown: Vec<_> = found.iter().map(|s| SilenceJson::of(s, now)).collect();
    Ok(body::json(StatusCode::OK, &shown))
}

/// One silence.
pub(in crate::api) async fn get(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id = uuid(&id)?;
    let now = site.clock.now();
    let found = site.read(move |machine| machine.silence(&id).cloned()).await?;
    Ok(match found {
        Some(silence) => body::json(StatusCode::OK, &SilenceJson::of(&silence, now)),
        None => StatusCode::NOT_FOUND.into_response(),
    })
}

/// Ends a silence.
pub(in crate::api) async fn expire(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id = uuid(&id)?;
    let end = move |machine: &mut Machine, now, effects: &mut Vec<_>| {
        let before = recorded(machine, Some(&id), now);
        machine.expire_silence(now, &id, effects)?;
        Ok(Audited { before, after: recorded(machine, Some(&id), now) })
    };
    Ok(match change(&site, end).await? {
        Ok(audited) => with(StatusCode::OK.into_response(), audited),
        Err(SilenceError::NotFound) => StatusCode::NOT_FOUND.into_response(),
        Err(other) => body::json(StatusCode::INTERNAL_SERVER_ERROR, &other.to_string()),
    })
}

#[derive(Serialize)]
struct SetJson<'s> {
    #[serde(rename = "silenceID")]
    id: &'s str,
}

/// Sets a silence, or changes one.
pub(in crate::api) async fn set(
    State(site): State<Arc<Site>>,
    request: Request<Body>,
) -> Result<Response, Failure> {
    let (parts, given) = request.into_parts();
    json_only(&parts.headers)?;
    accepts_json(&parts.headers)?;
    let bytes = body::read(&site, given).await?;
    if bytes.is_empty() {
        return Err(Failure::schema(REQUIRED, "silence in body is required".to_owned()));
    }
    let posted: Postable = serde_json::from_slice(&bytes)
        .map_err(|e| Failure::bad_data(format!("parsing silence body from \"\" failed, because {e}")))?;
    let old = posted.id.clone().filter(|id| !id.is_empty()).map(|id| SilenceId(id.into()));
    let silence = posted.silence(site.clock.now(), new_id()?)?;
    let set = move |machine: &mut Machine, now, effects: &mut Vec<_>| {
        let before = recorded(machine, old.as_ref(), now);
        let id = machine.set_silence(now, old.as_ref(), silence, effects)?;
        let after = recorded(machine, Some(&id), now);
        Ok((id, Audited { before, after }))
    };
    Ok(match change(&site, set).await? {
        Ok((id, audited)) => with(body::json(StatusCode::OK, &SetJson { id: &id.0 }), audited),
        Err(error @ SilenceError::NotFound) => body::json(StatusCode::NOT_FOUND, &error.to_string()),
        Err(error) => body::json(StatusCode::BAD_REQUEST, &error.to_string()),
    })
}

/// A silence as the audit log has it.
fn recorded(machine: &Machine, id: Option<&SilenceId>, now: Timestamp) -> serde_json::Value {
    let silence = id.and_then(|id| machine.silence(id)).map(|s| SilenceJson::of(s, now));
    serde_json::to_value(silence).unwrap_or_default()
}

fn with(mut response: Response, audited: Audited) -> Response {
    response.extensions_mut().insert(audited);
    response
}

/// A change that is on disk when it is answered.
async fn change<T: Send + 'static>(
    site: &Site,
    change: impl FnOnce(&mut Machine, Timestamp, &mut Vec<botwatch_core::alerting::Effect>) -> T + Send + 'static,
) -> Result<T, Failure> {
    site.change(change).await.map_err(Failure::from)
}

/// A UUID of version 4.
fn new_id() -> Result<SilenceId, Failure> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Failure::unavailable("no random numbers", 10))?;
    Ok(SilenceId(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string().into()))
}

fn uuid(text: &str) -> Result<SilenceId, Failure> {
    match uuid::Uuid::try_parse(text) {
        Ok(id) => Ok(SilenceId(id.to_string().into())),
        Err(_) => Err(Failure::schema(TYPE, format!("silenceID in path must be of type uuid: {text:?}"))),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Postable {
    id: Option<String>,
    matchers: Option<Vec<PostableMatcher>>,
    starts_at: Option<String>,
    ends_at: Option<String>,
    created_by: Option<String>,
    comment: Option<String>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostableMatcher {
    name: Option<String>,
    value: Option<String>,
    is_regex: Option<bool>,
    is_equal: Option<bool>,
}

impl Postable {
    fn silence(self, now: Timestamp, id: SilenceId) -> Result<Silence, Failure> {
        let missing = |key: &str| Failure::schema(REQUIRED, format!("{key} in body is required"));
        let at = |text: Option<String>, key: &str| match text.as_deref().map(parse_time) {
            Some(Ok(Some(at))) => Ok(at),
            Some(Err(())) => Err(Failure::bad_data(format!(
                "parsing silence body from \"\" failed, because parsing time {:?}",
                text.unwrap_or_default()
            ))),
            Some(Ok(None)) | None => Err(missing(key)),
        };
        let comment = self.comment.ok_or_else(|| missing("comment"))?;
        let created_by = self.created_by.ok_or_else(|| missing("createdBy"))?;
        let ends_at = at(self.ends_at, "endsAt")?;
        let posted = self.matchers.ok_or_else(|| missing("matchers"))?;
        let starts_at = at(self.starts_at, "startsAt")?;
        if posted.is_empty() {
            return Err(Failure::schema(TOO_FEW, "matchers in body should have at least 1 items".to_owned()));
        }
        let mut matchers = Vec::with_capacity(posted.len().min(ITEMS_MAX));
        for (index, one) in posted.into_iter().enumerate() {
            matchers.push(one.matcher(index)?);
        }
        let annotations = self.annotations.unwrap_or_default();
        let long = created_by.len() > NAME_MAX
            || comment.len() > TEXT_MAX
            || matchers.len().max(annotations.len()) > ITEMS_MAX
            || matchers.iter().any(|m| m.name.len() > NAME_MAX || m.value.len() > TEXT_MAX)
            || annotations.iter().any(|(n, v)| n.len() > NAME_MAX || v.len() > TEXT_MAX);
        if long {
            return Err(business("invalid silence: too large"));
        }
        if starts_at >= ends_at {
            return Err(business("Failed to create silence: start time must be before end time"));
        }
        if ends_at < now {
            return Err(business("Failed to create silence: end time can't be in the past"));
        }
        Ok(Silence {
            id,
            matchers,
            starts_at,
            ends_at,
            updated_at: now,
            created_by: created_by.into(),
            comment: comment.into(),
            annotations: Labels::from_pairs(annotations),
        })
    }
}

impl PostableMatcher {
    fn matcher(self, index: usize) -> Result<Matcher, Failure> {
        let missing =
            |key: &str| Failure::schema(REQUIRED, format!("matchers.{index}.{key} in body is required"));
        let is_regex = self.is_regex.ok_or_else(|| missing("isRegex"))?;
        let name = self.name.ok_or_else(|| missing("name"))?;
        let value = self.value.ok_or_else(|| missing("value"))?;
        if name.is_empty() {
            return Err(business(format!(
                "invalid silence: invalid label matcher {index}: invalid label name {name:?}"
            )));
        }
        let op = match (is_regex, self.is_equal.unwrap_or(true)) {
            (false, true) => MatchOp::Equal,
            (false, false) => MatchOp::NotEqual,
            (true, true) => MatchOp::Regex,
            (true, false) => MatchOp::NotRegex,
        };
        Matcher::new(name, op, value)
            .map_err(|e| business(format!("invalid silence: invalid label matcher {index}: {e}")))
    }
}
