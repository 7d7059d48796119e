//! `POST /api/alerting/issues`: a program or a person reports a problem.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use botwatch_core::{
    alerting::{Filed, IssueError, Machine, NewIssue},
    model::{ALERT_NAME, Labels, SEVERITY, Timestamp},
};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::{Map, Value};

use super::{
    CATEGORY, SEVERITIES, SOURCE, TYPES,
    issue::{Copied, KEY},
};
use crate::{
    api::{access::Caller, body, failure::Failure, form, form::Form, site::Site},
    net::{sanitise, sanitise_object},
};

/// Bytes of a title, a source, a name.
const NAME_MAX: usize = 500;
/// Bytes of a description.
const TEXT_MAX: usize = 16 << 10;
/// Labels of a report.
const LABELS_MAX: usize = 32;
/// Bytes of a label's value.
const LABEL_MAX: usize = 1 << 10;
/// Bytes of the metadata as JSON.
const METADATA_MAX: usize = 32 << 10;
/// Bytes of an idempotency key.
const KEY_MAX: usize = 255;

/// Takes a report; answers the issue when it is on disk.
pub(in crate::api) async fn report(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    request: Request<Body>,
) -> Result<Response, Failure> {
    let key = idempotency_key(request.headers())?;
    let mut form = Form::new(form::json(&site, request).await?)?;
    let mut new = read(&mut form, &site, &caller);
    form.finish()?;
    let now = site.clock.now();
    if new.ids.is_empty() {
        new.spare_id = Some(new_id(now)?);
    }
    new.ids.extend(key);
    let (filed, copied) = file(&site, new).await?;
    let status = if matches!(filed, Filed::Opened(_)) { StatusCode::CREATED } else { StatusCode::OK };
    let issue = copied.json();
    let mut response = body::json(status, &issue).into_response();
    let location = format!("{}/api/alerting/issues/{}", site.options.route_prefix, issue.id());
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Hands a report to the machine.
pub(super) async fn file(site: &Site, new: NewIssue) -> Result<(Filed, Copied), Failure> {
    let made = site
        .change(move |machine: &mut Machine, now, effects| {
            let filed = machine.report(now, new, effects)?;
            let episode = machine.episode(filed.episode()).ok_or(IssueError::NotFound)?;
            Ok((filed, Copied::of(machine, now, episode)))
        })
        .await?;
    made.map_err(failure)
}

/// Why something can't be done to an issue, for who asked.
pub(super) fn failure(error: IssueError) -> Failure {
    match error {
        IssueError::NotFound => Failure::missing("there is no such issue"),
        IssueError::Over => Failure::conflict("the issue is resolved; what fires again opens it again"),
        IssueError::Conflict(of) => Failure::conflict(format!(
            "the id or idempotency key was used for another problem, issue {of}: make a new one for a new problem"
        )),
        IssueError::Full => Failure::unavailable("there are too many open issues: resolve some", 60),
        IssueError::NoReceiver(name) => Failure::wrong(vec![crate::api::failure::Wrong {
            pointer: "#/receiver".to_owned(),
            detail: format!("no receiver `{name}` is configured"),
        }]),
        IssueError::NoEscalation => Failure::conflict(
            "no escalation in the configuration is for this issue: name a `receiver` to tell, or add one under \
             `escalations`",
        ),
    }
}

/// A report as it is written; what is wrong is in the form. Secrets are taken out before anything is kept.
pub(super) fn read(form: &mut Form, site: &Site, caller: &Caller) -> NewIssue {
    let kind = form.required_choice("type", TYPES);
    let title = form.required("title", NAME_MAX);
    let description = form.text("description", TEXT_MAX).unwrap_or_default();
    let source = form.text("source", NAME_MAX).unwrap_or_default();
    let severity = form.choice("severity", SEVERITIES).unwrap_or("warning");
    let metadata = form.object("metadata", METADATA_MAX);
    let more = form.texts("labels", LABELS_MAX, LABEL_MAX);
    let id = form.text("id", NAME_MAX);
    let id = id.and_then(|text| match uuid::Uuid::try_parse(&text) {
        Ok(id) => Some(id.to_string().into()),
        Err(_) => {
            form.complain(
                "id",
                "expected a UUID, best of version 7, which is also the key against doing it twice",
            );
            None
        }
    });
    for reserved in [CATEGORY, SEVERITY, SOURCE] {
        if more.iter().any(|(name, _)| name == reserved) {
            let (path, field) =
                (format!("labels/{reserved}"), if reserved == CATEGORY { "type" } else { reserved });
            form.complain_at(&path, format!("is what the field `{field}` says"));
        }
    }
    let title = sanitise(title.trim()).into_owned();
    let mut labels = Labels::empty().builder();
    labels.set(ALERT_NAME, &title).set("bot", &site.status.bot());
    for (name, value) in &more {
        labels.set(name, &sanitise(value));
    }
    labels.set(CATEGORY, kind).set(SEVERITY, severity).set(SOURCE, &sanitise(&source));
    let texts = [("summary", title), ("description", sanitise(&description).into_owned())];
    NewIssue {
        labels: labels.finish(),
        annotations: Labels::from_pairs(texts.into_iter().filter(|(_, text)| !text.is_empty())),
        generator_url: "".into(),
        ids: id.into_iter().collect(),
        spare_id: None,
        by: caller.name(),
        metadata: metadata.map_or_else(|| "".into(), data),
    }
}

/// Metadata as it is kept: without secrets.
pub(super) fn data(metadata: Map<String, Value>) -> Arc<str> {
    if metadata.is_empty() { "".into() } else { body::json_text(&sanitise_object(metadata)).into() }
}

/// An id for an issue: a UUID of version 7, in the order of time.
pub(super) fn new_id(now: Timestamp) -> Result<Arc<str>, Failure> {
    let mut random = [0; 10];
    SystemRandom::new().fill(&mut random).map_err(|_| Failure::unavailable("no random numbers", 10))?;
    let millis = u64::try_from(now.0).unwrap_or_default();
    Ok(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().to_string().into())
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<Arc<str>>, Failure> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    // A draft of the IETF has it as a quoted text, most send it bare.
    let key = key.to_str().map(|k| k.trim().trim_matches('"')).unwrap_or_default();
    if key.is_empty() || key.len() > KEY_MAX {
        let why = format!("the header Idempotency-Key needs 1 to {KEY_MAX} visible ASCII characters");
        return Err(Failure::bad_data(why));
    }
    Ok(Some(format!("{KEY}{key}").into()))
}
