//! What people do with issues: acknowledge, assign, note, escalate, resolve; one at a time or many at once.

use std::{result::Result as Outcome, sync::Arc};

use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    response::{IntoResponse as _, Response},
};
use botwatch_core::{
    alerting::{EarlyResolve, Effect, Episode, EpisodeId, IssueError, Machine},
    model::{Duration, Timestamp},
};
use http::{Request, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    issue::{Copied, no_issue, status},
    report::failure,
};
use crate::{
    api::{access::Caller, body, failure::Failure, form, form::Form, router::Audited, site::Site},
    net::sanitise,
};

/// Bytes of a name.
const NAME_MAX: usize = 500;
/// Bytes of a note.
const NOTE_MAX: usize = 8 << 10;
/// Issues of one bulk request.
const BULK_MAX: usize = 1000;
/// The longest acknowledgement.
const ACKNOWLEDGED_MAX: Duration = Duration::from_secs(30 * 86_400);

/// What is to be done.
#[derive(Debug, Clone)]
enum Wish {
    Acknowledge { until: Option<Timestamp>, note: Arc<str> },
    Unacknowledge { note: Arc<str> },
    Assign { to: Option<Arc<str>> },
    Note { note: Arc<str> },
    Escalate { to: Option<Arc<str>>, note: Arc<str> },
    Resolve { note: Arc<str> },
}

const ACTIONS: &[&str] = &["acknowledge", "unacknowledge", "assign", "note", "escalate", "resolve"];

impl Wish {
    /// Reads what an action needs. `by` and its older names are read by the caller.
    fn read(form: &mut Form, action: &str, now: Timestamp) -> Self {
        let note = |form: &mut Form| -> Arc<str> {
            sanitise(&form.text("note", NOTE_MAX).unwrap_or_default()).as_ref().into()
        };
        match action {
            "acknowledge" => Self::Acknowledge { until: until(form, now), note: note(form) },
            "unacknowledge" => Self::Unacknowledge { note: note(form) },
            "assign" => {
                let to = form.text("to", NAME_MAX).filter(|t| !t.trim().is_empty());
                Self::Assign { to: to.map(Into::into) }
            }
            "note" => {
                let text = form.required("note", NOTE_MAX);
                Self::Note { note: sanitise(&text).as_ref().into() }
            }
            "escalate" => {
                let to = form.text("receiver", NAME_MAX).map(Into::into);
                Self::Escalate { to, note: note(form) }
            }
            _ => Self::Resolve { note: note(form) },
        }
    }

    fn grant(
        self,
        machine: &mut Machine,
        now: Timestamp,
        id: EpisodeId,
        by: Arc<str>,
        effects: &mut Vec<Effect>,
    ) -> Outcome<(), IssueError> {
        match self {
            Self::Acknowledge { until, note } => {
                let until = until.unwrap_or(now + machine.options().acknowledged_for);
                machine.acknowledge(now, id, by, Some(until), note, effects)
            }
            Self::Unacknowledge { note } => machine.unacknowledge(now, id, by, note, effects),
            Self::Assign { to } => machine.assign(now, id, by, to, effects),
            Self::Note { note } => machine.note(now, id, by, note, effects),
            Self::Escalate { to, note } => {
                machine.escalate(now, id, Arc::clone(&by), to, effects)?;
                if note.is_empty() { Ok(()) } else { machine.note(now, id, by, note, effects) }
            }
            Self::Resolve { note } => machine.resolve(now, id, by, note, effects),
        }
    }
}

/// `for`, a duration such as `2h`, or `until`, a time; neither: as configured.
fn until(form: &mut Form, now: Timestamp) -> Option<Timestamp> {
    let given = form.text("for", 100);
    let time = form.time("until");
    let until = match (given, time) {
        (Some(_), Some(_)) => {
            form.complain("until", "says the same as `for`: leave one out");
            return None;
        }
        (Some(text), None) => match text.parse::<Duration>() {
            Ok(d) if !d.is_zero() => now + d,
            _ => {
                form.complain("for", "expected a duration such as \"30m\" or \"8h\"");
                return None;
            }
        },
        (None, Some(time)) => time,
        (None, None) => return None,
    };
    if until <= now || until > now + ACKNOWLEDGED_MAX {
        form.complain("until", format!("expected a time to come within {ACKNOWLEDGED_MAX}"));
        return None;
    }
    Some(until)
}

/// Who does it: as they say, and as who they are known here when that differs.
fn by(form: &mut Form, caller: &Caller) -> Arc<str> {
    let mut said = form.text("by", NAME_MAX);
    for older in ["resolvedBy", "acknowledgedBy"] {
        said = said.or(form.text(older, NAME_MAX));
    }
    caller.saying(said.as_deref())
}

async fn one(
    site: Arc<Site>,
    caller: Caller,
    id: String,
    action: &'static str,
    request: Request<Body>,
) -> Result<Response, Failure> {
    let mut form = Form::new(form::json(&site, request).await?)?;
    let now = site.clock.now();
    let by = by(&mut form, &caller);
    let wish = Wish::read(&mut form, action, now);
    form.finish()?;
    let early = early(&id, &wish);
    let wanted = id.clone();
    let made = site
        .change(move |machine: &mut Machine, now, effects| {
            let Some(episode) = machine.issue(&wanted).map(|e| e.id) else {
                let Some((id, note)) = early else { return Ok(None) };
                machine.resolve_early(now, EarlyResolve { id, at: now, by, note }, effects);
                return Ok(Some(None));
            };
            let before = machine.episode(episode).map(state);
            wish.grant(machine, now, episode, by, effects)?;
            let copied = machine.episode(episode).map(|e| (before, state(e), Copied::of(machine, now, e)));
            Ok(copied.map(Some))
        })
        .await?;
    match made.map_err(failure)? {
        Some(Some((before, after, copied))) => {
            let mut response = body::json(StatusCode::OK, &copied.json());
            let before = before.unwrap_or_default();
            response.extensions_mut().insert(Audited { before, after: with_action(after, action) });
            Ok(response)
        }
        // Not reported yet: its report may be on the way.
        Some(None) => Ok(body::json(StatusCode::ACCEPTED, &Pending { id: &id, status: "pending" })),
        None => Err(no_issue(&id)),
    }
}

/// What of an issue people change, for the audit log.
fn state(e: &Episode) -> Value {
    json!({"status": status(e), "assignee": e.assignee, "acknowledgedBy": e.acknowledged.as_ref().map(|a| &a.by)})
}

fn with_action(mut state: Value, action: &str) -> Value {
    state["action"] = action.into();
    state
}

/// What is kept of a resolve whose report has not arrived: only ids that a client can make.
fn early(id: &str, wish: &Wish) -> Option<(Arc<str>, Arc<str>)> {
    let Wish::Resolve { note } = wish else { return None };
    let id = uuid::Uuid::try_parse(id).ok()?;
    Some((id.to_string().into(), Arc::clone(note)))
}

#[derive(Serialize)]
struct Pending<'a> {
    id: &'a str,
    status: &'static str,
}

macro_rules! endpoints {
    ($($(#[$doc:meta])* $name:ident: $action:literal;)*) => {$(
        $(#[$doc])*
        pub(in crate::api) async fn $name(
            State(site): State<Arc<Site>>,
            Extension(caller): Extension<Caller>,
            Path(id): Path<String>,
            request: Request<Body>,
        ) -> Result<Response, Failure> {
            one(site, caller, id, $action, request).await
        }
    )*};
}

endpoints! {
    /// Somebody looks after an issue.
    acknowledge: "acknowledge";
    /// Nobody looks after it any more.
    unacknowledge: "unacknowledge";
    /// It is somebody's to deal with.
    assign: "assign";
    /// Somebody says something about it.
    note: "note";
    /// The next receiver is told, or a named one.
    escalate: "escalate";
    /// It is over. Of an id that was not reported yet it is kept for an hour.
    resolve: "resolve";
}

#[derive(Serialize)]
struct Done {
    results: Vec<DoneOne>,
}

#[derive(Serialize)]
struct DoneOne {
    id: String,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// One thing done to many issues; each has its own result, and what can be done is done.
pub(in crate::api) async fn bulk(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    request: Request<Body>,
) -> Result<Response, Failure> {
    let mut form = Form::new(form::json(&site, request).await?)?;
    let now = site.clock.now();
    let action = form.required_choice("action", ACTIONS);
    let ids = ids(&mut form);
    let by = by(&mut form, &caller);
    let wish = Wish::read(&mut form, action, now);
    form.finish()?;
    let after = json!({"action": action, "ids": ids});
    let results = site
        .change(move |machine: &mut Machine, now, effects| {
            let mut results = Vec::with_capacity(ids.len());
            for id in ids {
                let done = match machine.issue(&id).map(|e| e.id) {
                    Some(episode) => wish.clone().grant(machine, now, episode, Arc::clone(&by), effects),
                    None => Err(IssueError::NotFound),
                };
                let error = done.as_ref().err().map(ToString::to_string);
                results.push(DoneOne { id, ok: done.is_ok(), error });
            }
            results
        })
        .await?;
    let mut response = body::json(StatusCode::OK, &Done { results }).into_response();
    response.extensions_mut().insert(Audited { before: Value::Null, after });
    Ok(response)
}

fn ids(form: &mut Form) -> Vec<String> {
    let wrong = match form.take("ids") {
        Some(Value::Array(all)) if (1..=BULK_MAX).contains(&all.len()) => {
            let texts: Option<Vec<String>> = all.iter().map(|v| v.as_str().map(str::to_owned)).collect();
            match texts {
                Some(ids) => return ids,
                None => "expected a list of texts".to_owned(),
            }
        }
        Some(_) => format!("expected a list of 1 to {BULK_MAX} ids"),
        None => "is needed: a list of ids".to_owned(),
    };
    form.complain("ids", wrong);
    Vec::new()
}
