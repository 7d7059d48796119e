//! What Slack says, and what it means.
//!
//! A webhook answers `ok` in plain text, or a status with an error's name (docs: "Handling errors with incoming
//! webhooks"). The Web API answers 200 and JSON with `ok` and `error` (docs: "Using the Slack Web API", "Evaluating
//! responses"), and 429 with `Retry-After` (docs: "Rate limits").

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    super::{
        failure::{Failure, FailureReason},
        job::Job,
    },
    CHANNEL, TS,
};
use crate::net::Response;

/// Longest error of Slack's that is repeated; its names are short.
const ERROR_MAX: usize = 100;

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Webhook,
    Bot,
}

/// Why Slack did not take a message.
pub(super) struct Refused {
    pub failure: Failure,
    /// There is no message to replace any more; a new one may be posted.
    pub message_is_lost: bool,
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        refused.failure
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self { failure, message_is_lost: false }
    }
}

#[derive(Deserialize)]
struct Reply {
    ok: Option<bool>,
    error: Option<String>,
    needed: Option<String>,
    channel: Option<String>,
    ts: Option<String>,
}

/// What a message's `ts` and channel are, or why there is no message.
pub(super) fn judge(kind: Kind, response: &Response, job: &Job) -> Result<BTreeMap<String, String>, Refused> {
    let text = String::from_utf8_lossy(&response.body).trim().to_owned();
    if !response.is_success() {
        return Err(with_hint(job.refusal(response), &text).into());
    }
    let reply = serde_json::from_str::<Reply>(&text).ok();
    match (kind, reply) {
        (_, Some(Reply { ok: Some(false), error, needed, .. })) => {
            let error = error.unwrap_or_else(|| "no reason given".to_owned());
            let message_is_lost = LOST.contains(&error.as_str());
            let needed = needed.map(|n| response.redact(&n));
            let failure = of_error(&response.redact(&error), needed.as_deref());
            Err(Refused { failure, message_is_lost })
        }
        (_, Some(Reply { ok: Some(true), channel, ts, .. })) => {
            let data = [(CHANNEL, channel), (TS, ts)];
            Ok(data.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v?))).collect())
        }
        // Others that speak Slack's language answer JSON of their own.
        (Kind::Webhook, Some(Reply { ok: None, .. })) => Ok(BTreeMap::new()),
        (Kind::Webhook, None) if text == "ok" => Ok(BTreeMap::new()),
        (Kind::Webhook, None) if is_known(&text) => Err(of_error(&text, None).into()),
        // Something between us and Slack answered, a proxy or a portal: that passes.
        _ => Err(strange(response).into()),
    }
}

/// 200, and not in Slack's words.
fn strange(response: &Response) -> Failure {
    let text = match excerpt(&response.excerpt()) {
        text if text.is_empty() => "status 200 with an empty answer: it is not Slack's".to_owned(),
        text => format!("the answer is not Slack's: {text}"),
    };
    Failure::transient(text, FailureReason::Other)
}

/// Whether a webhook's text is the name of an error (docs: "Handling errors with incoming webhooks").
fn is_known(text: &str) -> bool {
    REFUSED.contains(&text) || PASSING.contains(&text) || AUTH.contains(&text)
}

/// A webhook's errors that need a change, beside those of who we are.
const REFUSED: [&str; 16] = [
    "action_prohibited",
    "channel_is_archived",
    "channel_not_found",
    "invalid_attachments",
    "invalid_blocks",
    "invalid_payload",
    "missing_text_or_fallback_or_attachments",
    "no_active_hooks",
    "no_service",
    "no_service_id",
    "no_team",
    "no_text",
    "posting_to_general_channel_denied",
    "team_disabled",
    "too_many_attachments",
    "user_not_found",
];

/// There is no message to replace, or it may no longer be replaced (docs: chat.update, "Errors").
const LOST: [&str; 4] =
    ["message_not_found", "cant_update_message", "edit_window_closed", "channel_not_found"];

/// Errors that pass by themselves (docs: "Errors" of chat.postMessage and chat.update).
const PASSING: [&str; 10] = [
    "ratelimited",
    "rate_limited",
    "message_limit_exceeded",
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
    "rollup_error",
    "team_added_to_org",
    "org_login_required",
];

/// Errors of who we are.
const AUTH: [&str; 9] = [
    "not_authed",
    "invalid_auth",
    "invalid_token",
    "token_expired",
    "token_revoked",
    "account_inactive",
    "no_permission",
    "missing_scope",
    "access_denied",
];

fn of_error(error: &str, needed: Option<&str>) -> Failure {
    let error = excerpt(error);
    let needed = needed.map(|n| format!(" (needs `{}`)", excerpt(n))).unwrap_or_default();
    let text = format!("Slack refused: {error}{needed}");
    let failure = match error.as_str() {
        e if e.starts_with("rate") => Failure::transient(text, FailureReason::RateLimited),
        e if PASSING.contains(&e) => Failure::transient(text, FailureReason::ServerError),
        e if AUTH.contains(&e) => Failure::permanent(text, FailureReason::AuthError),
        _ => Failure::permanent(text, FailureReason::ClientError),
    };
    with_hint(failure, &error)
}

/// What a person can do about it.
fn with_hint(mut failure: Failure, error: &str) -> Failure {
    let hint = match error {
        "not_in_channel" => "invite the bot to the channel",
        "channel_not_found" => "no such channel, or a private one that the bot is not in",
        "is_archived" | "channel_is_archived" => "the channel is archived",
        "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive" => {
            "the token is not valid (any more)"
        }
        "missing_scope" => "the app needs the scope `chat:write`",
        "no_service" | "no_service_id" | "no_active_hooks" | "invalid_token" => {
            "the webhook was removed or its address is wrong"
        }
        _ => return failure,
    };
    failure.error = format!("{}: {hint}", failure.error);
    failure
}

fn excerpt(text: &str) -> String {
    super::super::message::truncate(text.split_whitespace().collect::<Vec<_>>().join(" "), ERROR_MAX)
}
